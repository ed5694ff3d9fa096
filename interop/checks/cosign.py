"""cosign verifies our provenance of a file. Asked for by `--with-cosign`: it compiles for minutes."""

from pathlib import Path

from . import bundles, commands, keys
from .chain import Chain
from .record import Record
from .statements import PROVENANCE


def check(record: Record, chain: Chain, cosign: Path, room: Path) -> None:
    room.mkdir(parents=True)
    text = commands.output(cosign, "version").decode()
    peer = "cosign " + text.split("GitVersion:")[1].split()[0]
    bundle = room / "provenance.json"
    bundle.write_bytes(chain.bundles()[PROVENANCE].read_bytes())
    weights, other = chain.model / "model.safetensors", room / "other.safetensors"
    other.write_bytes(weights.read_bytes()[:-1] + b"\1")
    verify = (cosign, "verify-blob-attestation", "--insecure-ignore-tlog", "--bundle", bundle, "--key")
    known = (*verify, chain.public_key, "--type", "slsaprovenance1")
    with record.check(peer, "verifies our provenance of each of the model's files"):
        commands.output(*known, weights)
        commands.output(*known, chain.model / "architecture.json")
    with record.check(peer, "refuses our provenance for another file"):
        commands.refused(*known, other, words="do not match")
    with record.check(peer, "refuses our provenance as another type"):
        commands.refused(*verify, chain.public_key, "--type", "vuln", weights, words="invalid predicate type")
    with record.check(peer, "refuses our provenance under another key"):
        another = keys.generate(room / "other.pem", "P-256")
        commands.refused(*verify, another, "--type", "slsaprovenance1", weights, words="failed to verify signature")
    with record.check(peer, "refuses our provenance with its payload changed"):
        bundles.change_payload(bundle)
        commands.refused(*known, weights, words="failed to verify signature")
