"""Other clients of Sigstore's bundles: sigstore-go, by which the port of model_signing to Go verifies, and cosign."""

import hashlib
import json
from pathlib import Path

from . import bundles, commands
from .commands import Modelward
from .record import Record, expect
from .table import OURS, THEIRS, Cell

PREDICATE = "https://model_signing/signature/v1.0"
PASSWORD = "correct horse"


class SigstoreGo:
    """It only verifies."""

    def __init__(self, program: Path, go_mod: Path) -> None:
        self.program = program
        self.peer = "sigstore-go " + go_mod.read_text().split("sigstore/sigstore-go ")[1].split()[0]

    def by_key(self, bundle: Path, digest: str, public: Path) -> list[object]:
        return [self.program, bundle, digest, "--key", public]

    def by_name(self, bundle: Path, digest: str, root: Path, identity: str, provider: str) -> list[object]:
        return [self.program, bundle, digest, "--trusted-root", root, "--identity", identity, "--issuer", provider]


class Cosign:
    def __init__(self, program: Path) -> None:
        self.program = program
        self.peer = "cosign " + commands.output(program, "version").decode().split("GitVersion:")[1].split()[0]

    def by_key(self, bundle: Path, digest: str, public: Path) -> list[object]:
        return [*self.verify(bundle, digest), "--insecure-ignore-tlog", "--key", public]

    def by_name(self, bundle: Path, digest: str, root: Path, identity: str, provider: str) -> list[object]:
        whom = ("--certificate-identity", identity, "--certificate-oidc-issuer", provider)
        # Rekor v2 tells no time; an authority does.
        stamped = json.loads(bundle.read_bytes())["verificationMaterial"].get("timestampVerificationData", {})
        stamps = ["--use-signed-timestamps"] if stamped.get("rfc3161Timestamps") else []
        return [*self.verify(bundle, digest), "--trusted-root", root, *whom, *stamps]

    def verify(self, bundle: Path, digest: str) -> list[object]:
        about = ("--type", PREDICATE, "--digest", digest, "--digestAlg", "sha256")
        return [self.program, "verify-blob-attestation", "--bundle", bundle, *about]

    def sign(self, statement: Path, bundle: Path, *how: object, **variables: str) -> None:
        words = ("--statement", statement, "--bundle", bundle, "--yes", *how)
        commands.output(self.program, "attest-blob", *words, statement, **variables)


Client = SigstoreGo | Cosign


def judge(client: Client, bundle: Path, *whom: object) -> None:
    """It verifies this bundle about the very model, and neither about another one nor with anything in it changed."""
    verify = client.by_key if len(whom) == 1 else client.by_name
    kept, digest = bundle.read_bytes(), root_digest(bundle)
    commands.output(*verify(bundle, digest, *whom))
    commands.refused(*verify(bundle, digest[::-1], *whom), words="does not match any digest in statement")
    for change in (bundles.change_payload, bundles.change_signature):
        change(bundle)
        commands.refused(*verify(bundle, root_digest(bundle), *whom))
        bundle.write_bytes(kept)


def root_digest(bundle: Path) -> str:
    """SHA-256 over the digests that the statement lists, one behind the other: what it must be about."""
    listed = json.loads(bundles.payload(bundle.read_bytes()))["predicate"]["resources"]
    return hashlib.sha256(b"".join(bytes.fromhex(resource["digest"]) for resource in listed)).hexdigest()


def check_key(record: Record, clients: list[Client], method: str, bundle: Path, public: Path) -> None:
    for client in clients:
        if isinstance(client, Cosign) and "P-256" not in method:
            record.table.put(Cell(method, OURS), client.peer, "P-256 alone")
            with record.check(client.peer, f"takes every key's hash for SHA-256, and so refuses our bundle of {method}"):
                verify = client.by_key(bundle, root_digest(bundle), public)
                commands.refused(*verify, words="accepted signatures do not match threshold")
            continue
        with record.check(client.peer, f"verifies our bundle of {method}, and refuses its twins", Cell(method, OURS)):
            judge(client, bundle, public)


def check_cosign_signs(record: Record, ours: Modelward, cosign: Cosign, room: Path) -> None:
    """By a key that it made and that is encrypted: of a statement that we made, since it knows no models."""
    room.mkdir(parents=True)
    model, signature, statement = room / "model", room / "model.sig", room / "statement.json"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"weights")
    commands.output(cosign.program, "generate-key-pair", folder=room, COSIGN_PASSWORD=PASSWORD)
    private, public = room / "cosign.key", room / "cosign.pub"
    with record.check(cosign.peer, "makes an encrypted key that we sign with, and verifies that", Cell("a key on P-256", OURS)):
        ours.refused("password_wrong", "sign", model, "--private-key", private, MODELWARD_PASSWORD="wrong")
        ours.allowed("sign", model, "--private-key", private, MODELWARD_PASSWORD=PASSWORD)
        judge(cosign, signature, public)
    with record.check(cosign.peer, "signs by its key what we verify, and refuse with a change", Cell("a key on P-256", THEIRS)):
        statement.write_bytes(bundles.payload(signature.read_bytes()))
        signature.unlink()
        offline = ("--use-signing-config=false", "--tlog-upload=false")
        cosign.sign(statement, signature, "--key", private, *offline, COSIGN_PASSWORD=PASSWORD)
        verified_by_us(ours, model, signature, "--public-key", public)


def verified_by_us(ours: Modelward, model: Path, signature: Path, *whom: object) -> None:
    verify = ("verify", model, "--signature", signature, *whom)
    ours.allowed(*verify)
    kept = signature.read_bytes()
    for change in (bundles.change_payload, bundles.change_signature):
        change(signature)
        ours.refused("signature_invalid", *verify)
        signature.write_bytes(kept)
    (model / "more").touch()
    ours.refused("file_extra", *verify)
    (model / "more").unlink()


def check_keyless(record: Record, clients: list[Client], method: str, bundle: Path, root: Path, whom: tuple[str, str]) -> None:
    for client in clients:
        with record.check(client.peer, f"verifies our bundle, {method}, and refuses its twins", Cell(method, OURS)):
            judge(client, bundle, root, *whom)
            identity, provider = whom
            for other in ((identity + ".other", provider), (identity, provider + ".other")):
                commands.refused(*client.by_name(bundle, root_digest(bundle), root, *other), words="no matching CertificateIdentity")
