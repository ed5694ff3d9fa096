"""cosign's words for statements: made by it and by us, of files and of images, by keys and keylessly, and verified by the other;
each with twins that both refuse."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import bundles, commands, sigstore
from .clients import PASSWORD, Cosign
from .commands import Modelward
from .record import Record, expect

TYPES = ("custom", "slsaprovenance", "slsaprovenance02", "slsaprovenance1", "link", "spdxjson", "cyclonedx", "vuln", "openvex",
         "https://example.com/t/v1")
NO_LOG = ("--use-signing-config=false", "--tlog-upload=false")
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# cosign reads a link as one; what else it reads has nothing that it must have.
LINK = '{"_type": "link", "name": "x<&>", "command": [], "materials": {}, "products": {}, "byproducts": {}, "environment": {}}'
STATEMENT = "https://example.com/t/v1"


class Words:
    """One of the two programs, in the words that both have."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def yes(self, *words: object) -> subprocess.CompletedProcess[bytes]:
        ended = commands.run(self.program, *words, COSIGN_PASSWORD=PASSWORD)
        expect(ended.returncode == 0, f"{self.program.name} {words[0]}: {commands.text(ended)}")
        return ended

    def no(self, *words: object) -> None:
        ended = commands.run(self.program, *words, COSIGN_PASSWORD=PASSWORD)
        expect(ended.returncode == 1, f"{self.program.name} {words[0]} ended with {ended.returncode}: {commands.text(ended)}")


class Bench:
    def __init__(self, record: Record, ours: Modelward, cosign: Cosign, room: Path) -> None:
        self.record, self.peer, self.room = record, cosign.peer, room
        self.pairs = {"our": (Words(ours.binary), Words(cosign.program)), "its": (Words(cosign.program), Words(ours.binary))}
        room.mkdir(parents=True)
        self.blob, self.other, self.predicate = room / "model.safetensors", room / "other.bin", room / "predicate.json"
        self.blob.write_bytes(bytes(range(256)))
        self.other.write_bytes(b"other")
        self.predicate.write_text('{"a": 1, "b": ["x<&>", null]}')
        self.link = room / "link.json"
        self.link.write_text(LINK)

    def key(self, maker: Words, name: str) -> tuple[Path, Path]:
        prefix = self.room / name
        maker.yes("generate-key-pair", "--output-key-prefix", prefix)
        return prefix.with_suffix(".key"), prefix.with_suffix(".pub")

    def believed(self, verifier: Words, bundle: Path, *whom: object, kind: str) -> None:
        """It says yes of this file, as this type; and no of another file, another type, and with a change."""
        verify = ("verify-blob-attestation", "--bundle", bundle, *whom)
        said = verifier.yes(*verify, "--type", kind, self.blob)
        expect(said.stdout == b"" and said.stderr.endswith(b"Verified OK\n"), f"said {commands.text(said)}")
        verifier.no(*verify, "--type", kind, self.other)
        verifier.no(*verify, "--type", "https://example.com/other/v1", self.blob)
        kept = bundle.read_bytes()
        for change in (bundles.change_payload, bundles.change_signature):
            change(bundle)
            verifier.no(*verify, "--type", kind, self.blob)
            bundle.write_bytes(kept)


def check(record: Record, ours: Modelward, cosign: Cosign, services: tuple[Path, Path, Path], room: Path) -> None:
    oras, registry, mocks = services
    bench = Bench(record, ours, cosign, room)
    for whose, (maker, verifier) in bench.pairs.items():
        by_key(bench, whose, maker, verifier)
    text_of_spdx(bench)
    statements_are_the_same(bench)
    with sigstore.served(mocks, room / "mocks"):
        for log, config in {"Rekor v1": "config.json", "Rekor v2": "config-v2.json"}.items():
            keyless(bench, log, room / "mocks" / config)
    images(bench, oras, registry)


def by_key(bench: Bench, whose: str, maker: Words, verifier: Words) -> None:
    with bench.record.check(bench.peer, f"{whose} key signs in both, each type, and the other believes it"):
        private, public = bench.key(maker, f"{whose}-key")
        _, other = bench.key(maker, f"{whose}-other")
        bundle = bench.room / f"{whose}.json"
        for kind in TYPES:
            for signer, reader in ((maker, verifier), (verifier, maker)):
                predicate = bench.link if kind == "link" else bench.predicate
                words = ("--predicate", predicate, "--type", kind, "--bundle", bundle, "--yes", *NO_LOG, bench.blob)
                bundle.unlink(missing_ok=True)
                signer.yes("attest-blob", "--key", private, *words)
                bench.believed(reader, bundle, "--insecure-ignore-tlog", "--key", public, kind=kind)
                verify = ("verify-blob-attestation", "--bundle", bundle, "--insecure-ignore-tlog", "--type", kind)
                reader.no(*verify, "--key", other, bench.blob)


def text_of_spdx(bench: Bench) -> None:
    with bench.record.check(bench.peer, "signs SPDX as text, which it can't read itself, and we do"):
        cosign, ours = bench.pairs["its"]
        private, public = bench.key(cosign, "text")
        bundle = bench.room / "text.json"
        cosign.yes("attest-blob", "--key", private, "--predicate", bench.predicate, "--type", "spdx", "--bundle", bundle, "--yes",
                   *NO_LOG, bench.blob)
        bench.believed(ours, bundle, "--insecure-ignore-tlog", "--key", public, kind="spdx")
        cosign.no("verify-blob-attestation", "--bundle", bundle, "--insecure-ignore-tlog", "--key", public, "--type", "spdx", bench.blob)


def statements_are_the_same(bench: Bench) -> None:
    """Of the types whose predicate cosign takes as it is."""
    with bench.record.check(bench.peer, "signs the same statement as we do"):
        private, _ = bench.key(bench.pairs["our"][0], "same")
        for kind in ("spdx", "spdxjson", "cyclonedx", "openvex", "https://example.com/t/v1"):
            said = []
            for program in bench.pairs["our"]:
                bundle = bench.room / "same.json"
                bundle.unlink(missing_ok=True)
                program.yes("attest-blob", "--key", private, "--predicate", bench.predicate, "--type", kind, "--bundle", bundle,
                            "--yes", *NO_LOG, bench.blob)
                said.append(json.loads(bundles.payload(bundle.read_bytes())))
            expect(said[0] == said[1], f"{kind}: {said}")


def keyless(bench: Bench, log: str, config: Path) -> None:
    parts = json.loads(config.read_bytes())
    root, signing = bench.room / f"root-{config.stem}.json", bench.room / f"signing-{config.stem}.json"
    root.write_text(json.dumps(parts["trustedRoot"]))
    signing.write_text(json.dumps(parts["signingConfig"]))
    # Rekor v2 tells no time; an authority does.
    stamps = ("--use-signed-timestamps",) if "v2" in log else ()
    for whose, (maker, verifier) in bench.pairs.items():
        if whose == "its" and "v1" in log:
            # It can't read what the mock of that log answers.
            continue
        with bench.record.check(bench.peer, f"{log}: {whose} keyless statement is believed by the other"):
            bundle = bench.room / f"keyless-{whose}-{config.stem}.json"
            maker.yes("attest-blob", "--predicate", bench.predicate, "--type", STATEMENT, "--bundle", bundle, "--yes", "--identity-token",
                      config.with_name("token.jwt"), "--signing-config", signing, "--trusted-root", root, bench.blob)
            by = ("--trusted-root", root, *stamps)
            issuer = ("--certificate-oidc-issuer", sigstore.PROVIDER)
            bench.believed(verifier, bundle, *by, *issuer, "--certificate-identity", sigstore.IDENTITY, kind=STATEMENT)
            bench.believed(verifier, bundle, *by, *issuer, "--certificate-identity-regexp", "^https://ci[.]example[.]test/", kind=STATEMENT)
            verify = ("verify-blob-attestation", "--bundle", bundle, *by, "--type", STATEMENT)
            for words in (("--certificate-identity", "https://other.example.test", *issuer),
                          ("--certificate-identity-regexp", "^https://other", *issuer),
                          ("--certificate-identity", sigstore.IDENTITY, "--certificate-oidc-issuer", "https://other.example.test")):
                verifier.no(*verify, *words, bench.blob)


def images(bench: Bench, oras: Path, registry: Path) -> None:
    ours, theirs = bench.pairs["our"]
    private, public = bench.key(ours, "image")
    _, other = bench.key(ours, "image-other")
    with served(registry) as host:
        image = push(oras, host, bench)
        attest = ("attest", "--key", private, "--predicate", bench.predicate, "--type", STATEMENT, "--yes", *NO_LOG)
        verify = ("verify-attestation", "--insecure-ignore-tlog", "--type", STATEMENT)
        with bench.record.check(bench.peer, "attaches a statement to an image, and both print it once it is verified"):
            theirs.yes(*attest, image)
            said = [program.yes(*verify, "--key", public, image) for program in (ours, theirs)]
            payloads = [json.loads(base64.b64decode(json.loads(ended.stdout)["payload"])) for ended in said]
            expect(payloads[0] == payloads[1], f"printed {payloads}")
            lines = "The following checks were performed on each of these signatures:"
            expect(all(lines in ended.stderr.decode() for ended in said), commands.text(said[0]))
            for program in (ours, theirs):
                program.no(*verify, "--key", other, image)
                program.no("verify-attestation", "--insecure-ignore-tlog", "--key", public, image)
        bench.other.write_bytes(b"another image")
        with bench.record.check(bench.peer, "verifies our statement about an image, once oras has attached it"):
            image = push(oras, host, bench, "second", bench.other)
            bundle = bench.room / "image.json"
            ours.yes(*attest, "--no-upload", "--bundle", bundle, image)
            theirs.no(*verify, "--key", public, image)
            run(oras, bench.room, "attach", "--plain-http", "--artifact-type", BUNDLE, image, f"{bundle.name}:{BUNDLE}")
            for program in (ours, theirs):
                program.yes(*verify, "--key", public, image)
                program.no(*verify, "--key", other, image)


def push(oras: Path, host: str, bench: Bench, name: str = "first", file: Path | None = None) -> str:
    where = f"{host}/{name}"
    run(oras, bench.room, "push", "--plain-http", f"{where}:v1", (file or bench.blob).name)
    described = run(oras, bench.room, "manifest", "fetch", "--descriptor", "--plain-http", f"{where}:v1")
    return f"{where}@{json.loads(described)['digest']}"


def run(oras: Path, folder: Path, *words: str) -> bytes:
    return commands.output(oras, *words, folder=folder)


@contextmanager
def served(registry: Path) -> Iterator[str]:
    with subprocess.Popen([registry, "referrers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield server.stdout.readline().strip()
        server.stdin.close()
