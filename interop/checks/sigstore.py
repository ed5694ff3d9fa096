"""Keyless signatures at a Sigstore of the project's own mocks: signed by us and by model_signing, verified by both."""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import requests

from . import bundles, commands, keys, updates
from .clients import Client, Cosign, check_keyless, verified_by_us
from .commands import Modelward
from .oms import PEER, PEER_COMMAND
from .record import Record, expect
from .table import OURS, THEIRS, Cell

MOCKS = "@sigstore/mock"
IDENTITY = "https://ci.example.test/job"
PROVIDER = "https://issuer.example.test"
READY_SECONDS = 30


@contextmanager
def served(server: Path, folder: Path) -> Iterator[None]:
    """The mocks, until the block ends. They write how to reach them, and a token, into the folder."""
    folder.mkdir(parents=True)
    process = subprocess.Popen(["node", server, folder], env=commands.environment())
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not (folder / "url.txt").exists():
            expect(process.poll() is None and time.monotonic() < deadline, "the mocks did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def check(record: Record, ours: Modelward, server: Path, clients: list[Client], room: Path) -> None:
    with served(server, room / "mocks"):
        for log, config in {"Rekor v1": "config.json", "Rekor v2": "config-v2.json"}.items():
            place = room / config
            place.mkdir()
            Check(record, ours, log, room / "mocks" / config, place).all(clients)
        check_stamps(record, ours, room / "mocks", room / "stamps")
        updates.check(record, ours, room / "mocks/config.json", room / "updates")


def check_stamps(record: Record, ours: Modelward, mocks: Path, room: Path) -> None:
    """Over the signature of a key, by openssl at its word and by ours."""
    room.mkdir()
    private, model, signature = room / "key.pem", room / "model", room / "model.sig"
    model.write_bytes(b"weights")
    public = keys.generate(private, "P-256")
    stamps = ("--tsa-url", f"{(mocks / 'url.txt').read_text()}/stamp", "--timestamp-chain")
    sign = ("sign", model, "--signature", signature, "--private-key", private, *stamps)
    peer = "openssl " + commands.output("openssl", "version").decode().split()[1]
    with record.check(peer, "stamps our signature, and verifies its own stamp over it"):
        ours.allowed(*sign, mocks / "ca.pem")
        believed = ("verify", model, "--signature", signature, "--public-key", public, "--timestamp-chain")
        answer = ours.allowed(*believed, mocks / "ca.pem")
        expect(answer["witnessed"]["stamped"], "no time was told")
        bundle = json.loads(signature.read_text())
        token = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"]
        (room / "stamp.tsr").write_bytes(base64.b64decode(token))
        (room / "signed").write_bytes(base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
        verify = ("openssl", "ts", "-verify", "-in", room / "stamp.tsr", "-data", room / "signed")
        commands.output(*verify, "-CAfile", mocks / "ca.pem")
    with record.check(PEER, "verifies our stamped signature of a key"):
        commands.output(*PEER_COMMAND, "verify", "key", model, "--signature", signature, "--public_key", public)
    with record.check(peer, "makes no stamp that we write when others should vouch for it"):
        signature.unlink()
        other = room / "other.pem"
        words = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other")
        commands.output("openssl", *words, "-keyout", room / "other.key", "-out", other)
        ours.refused("timestamp_invalid", *sign, other)
        expect(not signature.exists(), "it was written")


class Check:
    def __init__(self, record: Record, ours: Modelward, log: str, config: Path, room: Path) -> None:
        self.record = record
        self.ours = ours
        self.log = log
        self.config = config
        self.token = config.with_name("token.jwt")
        self.model = room / "model"
        self.model.mkdir()
        (self.model / "config.json").write_text("{}")
        (self.model / "weights.bin").write_bytes(bytes(range(256)))
        self.signature = room / "model.sig"

    def all(self, clients: list[Client]) -> None:
        method = f"keyless, {self.log}"
        for whose, sign, way in (("our", self.sign_ours, OURS), ("its", self.sign_theirs, THEIRS)):
            owner, cell = f"{self.log}: {whose}", Cell(method, way)
            with self.record.check(MOCKS, f"{owner} keyless signature is made there"):
                sign()
            with self.record.check(PEER, f"{owner} keyless signature is believed by both", cell):
                self.ours.allowed(*self.verify_ours())
                commands.output(*self.verify_theirs())
            with self.record.check(PEER, f"{owner} keyless signature by another identity is refused by both", cell):
                self.ours.refused("identity_mismatch", *self.verify_ours(identity="https://other.example.test"))
                commands.refused(*self.verify_theirs(identity="https://other.example.test"))
            with self.record.check(PEER, f"{owner} keyless signature by another provider is refused by both", cell):
                self.ours.refused("identity_mismatch", *self.verify_ours(provider="https://other.example.test"))
                commands.refused(*self.verify_theirs(provider="https://other.example.test"))
            with self.record.check(MOCKS, f"{owner} keyless signature with a proof missing is refused by us"):
                self.check_proofs()
            if whose == "our":
                check_keyless(self.record, clients, method, self.signature, self.part("trustedRoot"), (IDENTITY, PROVIDER))
                self.check_cosign(clients, method)
        with self.record.check(
            PEER, f"{self.log}: the same words make and believe a keyless signature in both programs"
        ):
            self.check_words()
        with self.record.check(MOCKS, f"{self.log}: who signs in with a browser and types its code signs"):
            self.check_sign_in()
        with self.record.check(MOCKS, f"{self.log}: who signs in with a browser that comes back signs"):
            self.check_redirect()
        with self.record.check(MOCKS, f"{self.log}: the token of a job signs"):
            self.check_places()
        with self.record.check(MOCKS, f"{self.log}: a token that is over, or for another, signs nothing"):
            self.check_tokens()

    def sign_ours(self) -> None:
        held = ("--keyless", "--identity-token", self.token, "--trust-config", self.config)
        self.ours.allowed("sign", self.model, "--signature", self.signature, *held)

    def sign_theirs(self) -> None:
        self.signature.unlink()
        options = ("--trust_config", self.config, "--identity_token", self.token.read_text())
        commands.output(*PEER_COMMAND, "sign", "sigstore", self.model, "--signature", self.signature, *options)

    def check_words(self) -> None:
        ours = (self.ours.binary, "oms")
        token = ("--trust_config", self.config, "--identity_token", self.token.read_text())
        who = ("--identity", IDENTITY, "--identity_provider", PROVIDER, "--trust_config", self.config)
        # `sigstore` is meant where no method is named.
        for signer, verifier in ((ours, PEER_COMMAND), (PEER_COMMAND, ours)):
            self.signature.unlink()
            said = commands.output(*signer, "sign", self.model, "--signature", self.signature, *token)
            expect(said.endswith(b"Signing succeeded\n"), f"said {said!r}")
            verify = (*verifier, "verify", self.model, "--signature", self.signature)
            said = commands.output(*verify, *who)
            expect(said == b"Verification succeeded\n", f"said {said!r}")
            others = [f"{word}.other" if word == IDENTITY else word for word in who]
            commands.refused(*verify, *others, words="Certificate's SANs do not match")
        commands.refused(*ours, "sign", self.model, "--signature", self.signature, words="--identity_token")

    def part(self, name: str) -> Path:
        """A part of the configuration, in a file of its own."""
        path = self.config.with_name(f"{name} of {self.config.name}")
        path.write_text(json.dumps(json.loads(self.config.read_text())[name]))
        return path

    def check_cosign(self, clients: list[Client], method: str) -> None:
        for cosign in (client for client in clients if isinstance(client, Cosign)):
            if self.log == "Rekor v1":
                self.record.table.put(Cell(method, THEIRS), cosign.peer, "not by the mock")
                continue
            with self.record.check(cosign.peer, f"signs what we verify, {method}, and refuse with a change", Cell(method, THEIRS)):
                statement, signature = self.config.with_name("statement.json"), self.signature.with_name("cosign.sig")
                statement.write_bytes(bundles.payload(self.signature.read_bytes()))
                by = ("--identity-token", self.token, "--signing-config", self.part("signingConfig"))
                cosign.sign(statement, signature, *by, "--trusted-root", self.part("trustedRoot"))
                who = ("--identity", IDENTITY, "--identity-provider", PROVIDER, "--trust-config", self.config)
                verified_by_us(self.ours, self.model, signature, *who)

    def verify_ours(self, identity: str = IDENTITY, provider: str = PROVIDER) -> list[object]:
        who = ("--identity", identity, "--identity-provider", provider, "--trust-config", self.config)
        return ["verify", self.model, "--signature", self.signature, *who]

    def verify_theirs(self, identity: str = IDENTITY, provider: str = PROVIDER) -> list[object]:
        who = ("--identity", identity, "--identity_provider", provider, "--trust_config", self.config)
        return [*PEER_COMMAND, "verify", "sigstore", self.model, "--signature", self.signature, *who]

    def check_proofs(self) -> None:
        whole = self.signature.read_text()
        material = json.loads(whole)["verificationMaterial"]
        proofs = [proof for proof in ("inclusionPromise", "inclusionProof") if material["tlogEntries"][0].get(proof)]
        for proof in proofs:
            bundle = json.loads(whole)
            del bundle["verificationMaterial"]["tlogEntries"][0][proof]
            self.signature.write_text(json.dumps(bundle))
            self.ours.refused("log_proof_invalid", *self.verify_ours())
        if "inclusionPromise" not in proofs:
            bundle = json.loads(whole)
            bundle["verificationMaterial"]["timestampVerificationData"] = {}
            self.signature.write_text(json.dumps(bundle))
            self.ours.refused("timestamp_invalid", *self.verify_ours())
        self.signature.write_text(whole)

    def sign_in(self, code_of: Callable[[str], str], way: str = "code") -> int:
        """Signs as somebody who opens the address that is shown, and types this code."""
        held = ("--keyless", f"--sign-in={way}", "--trust-config", self.config)
        command = self.ours.command("sign", self.model, "--signature", self.signature, *held)
        with subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=commands.environment(),
            text=True,
        ) as process:
            lines = (line.strip() for line in process.stderr)
            url = next(line for line in lines if line.startswith("http"))
            process.communicate(code_of(url) + "\n", timeout=commands.TIMEOUT_SECONDS)
            return process.returncode

    def check_sign_in(self) -> None:
        def opened(url: str) -> str:
            return requests.get(url, timeout=READY_SECONDS).text

        def of_another(url: str) -> str:
            return opened(url.replace("code_challenge=", "code_challenge=x"))

        def with_nonce(url: str) -> str:
            return opened(url.replace("nonce=", "nonce=x"))

        expect(self.sign_in(opened) == 0, "the sign-in signed nothing")
        self.ours.allowed(*self.verify_ours())
        expect(self.sign_in(of_another) == 2, "it signed by another's code")
        expect(self.sign_in(with_nonce) == 2, "it signed by another sign-in's token")

    def check_redirect(self) -> None:
        def comes_back(url: str, state: str | None = None) -> str:
            asked = dict(parse_qsl(urlsplit(url).query))
            code = requests.get(url, timeout=READY_SECONDS).text
            answer = {"code": code, "state": state or asked["state"]}
            return str(requests.get(asked["redirect_uri"], params=answer, timeout=READY_SECONDS).status_code)

        expect(self.sign_in(comes_back, "browser") == 0, "the sign-in signed nothing")
        self.ours.allowed(*self.verify_ours())
        expect(self.sign_in(lambda url: comes_back(url, "other"), "browser") == 2, "it signed by another's answer")

    def check_places(self) -> None:
        command = ("sign", self.model, "--signature", self.signature, "--keyless", "--trust-config", self.config)
        base = self.config.with_name("url.txt").read_text()
        job = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{base}/job?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret"}
        for place in ({"SIGSTORE_ID_TOKEN": self.token.read_text()}, job):
            self.signature.unlink()
            self.ours.allowed(*command, **place)
            self.ours.allowed(*self.verify_ours())
        ended = commands.run(*self.ours.command(*command), **job | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "other"})
        expect(ended.returncode == 2 and "answered 401" in commands.text(ended), commands.text(ended))
        ended = commands.run(*self.ours.command(*command))
        expect(ended.returncode == 2 and "nobody here gives" in commands.text(ended), commands.text(ended))

    def check_tokens(self) -> None:
        head, claims, signature = self.token.read_text().split(".")
        token = self.token.with_name("other.jwt")
        for member, value in {"aud": "other", "exp": 1}.items():
            changed = json.loads(decoded(claims)) | {member: value}
            token.write_text(".".join((head, encoded(json.dumps(changed)), signature)))
            held = ("--keyless", "--identity-token", token, "--trust-config", self.config)
            ended = commands.run(*self.ours.command("sign", self.model, "--signature", self.signature, *held))
            expect(ended.returncode == 2 and b"key_invalid" in ended.stdout + ended.stderr, commands.text(ended))


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
