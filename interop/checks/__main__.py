"""Runs every check, in a folder that is removed afterwards."""

import argparse
import sys
import tempfile
from pathlib import Path

from . import attestations, chain, clients, cosign, dropin, guides, keys, loading, log, methods, oci, oms, scanners, serving, sigstore, statements, tokens, weights
from .commands import Modelward
from .record import Record

GO_MOD = Path(__file__).parent.parent / "go/go.mod"
VERIFIER_GO_MOD = Path(__file__).parent.parent / "verifier/go.mod"


def main() -> int:
    options = arguments()
    record = Record()
    with tempfile.TemporaryDirectory(prefix="modelward-interop-") as name:
        check_all(record, options, Path(name))
    absent = {} if options.cosign else {"cosign": "not asked for: --with-cosign"}
    return record.close(oms.PEER, absent | {"the port of model_signing to Go": "not had here"})


def check_all(record: Record, options: argparse.Namespace, room: Path) -> None:
    ours = Modelward(options.modelward, room / "ours")
    record.part(oms.PEER, lambda: oms.check(record, ours, room / "oms"))
    others: list[clients.Client] = [clients.SigstoreGo(options.verifier, VERIFIER_GO_MOD)]
    if options.cosign:
        others.append(clients.Cosign(options.cosign))
    record.part(methods.PEER, lambda: methods.check(record, ours, others, options.plugin, room / "methods"))
    record.part(dropin.PEER, lambda: dropin.check(record, ours, room / "dropin"))
    record.part(loading.PEER, lambda: loading.check(record, ours, room / "loading"))
    record.part("openssl", lambda: keys.check(record, ours, room / "keys"))
    record.part(tokens.PEER, lambda: tokens.check(record, options.held_key, options.plugin, room / "tokens"))
    record.part(sigstore.MOCKS, lambda: sigstore.check(record, ours, options.sigstore, others, room / "sigstore"))
    record.part("the guides", lambda: guides.check(record, options.modelward, options.sigstore, room / "guides"))
    record.part(oci.PEER, lambda: oci.check(record, ours, options.oras, options.registry, room / "oci"))
    record.part(scanners.PEER, lambda: scanners.check(record, ours, room / "scanners"))
    record.part("the chain", lambda: check_chain(record, options, room))


def check_chain(record: Record, options: argparse.Namespace, room: Path) -> None:
    ours = Modelward(options.modelward, room / "chain")
    made = chain.Chain(ours, options.policies, room / "made")
    record.part(statements.IN_TOTO, lambda: statements.check(record, made))
    record.part(weights.PEER, lambda: weights.check(record, ours, made, options.trainer, room / "weights"))
    record.part(log.PEER, lambda: log.check(record, made, options.logcheck, GO_MOD, room / "log"))
    if options.cosign:
        record.part("cosign", lambda: cosign.check(record, made, options.cosign, room / "cosign"))
        signer = clients.Cosign(options.cosign)
        record.part("cosign", lambda: clients.check_cosign_signs(record, ours, signer, room / "cosign-signs"))
        services = (options.oras, options.registry, options.sigstore)
        record.part("cosign", lambda: attestations.check(record, ours, signer, services, room / "attestations"))
    # Last, because it recalls the model.
    record.part(serving.TRITON, lambda: serving.check(record, made))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="interop/run")
    for name in ("--modelward", "--trainer", "--logcheck", "--policies", "--held-key", "--plugin", "--sigstore",
                 "--oras", "--registry", "--verifier"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--cosign", type=Path)
    return parser.parse_args()


sys.exit(main())
