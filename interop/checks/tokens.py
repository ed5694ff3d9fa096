"""Keys that something else holds: SoftHSM's tokens, filled by OpenSC, and a plug-in over openssl. openssl verifies."""

import subprocess
from pathlib import Path

from . import commands
from .record import Record, expect

PEER = "SoftHSM"
PIN = "1234"
CURVES = {"prime256v1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
MESSAGE = b"statement"


class Token:
    """A token of SoftHSM, in a folder that no other program knows."""

    def __init__(self, room: Path) -> None:
        self.room = room
        (room / "tokens").mkdir(parents=True)
        configuration = room / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {room / 'tokens'}\nobjectstore.backend = file\n")
        self.variables = {"SOFTHSM2_CONF": str(configuration)}
        found = [module for module in MODULES if Path(module).is_file()]
        expect(found, "SoftHSM's module is not here")
        self.module = found[0]
        self.tool("softhsm2-util", "--init-token", "--free", "--label", "tok", "--pin", PIN, "--so-pin", "5678")

    def tool(self, *arguments: object) -> bytes:
        return commands.output(*arguments, **self.variables)

    def put(self, private: Path) -> str:
        """Where the key is then."""
        unlocked = self.room / "private.p8"
        commands.output("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", private, "-out", unlocked)
        self.tool("softhsm2-util", "--import", unlocked, "--token", "tok", "--label", "leaf", "--id", "01", "--pin", PIN)
        return f"pkcs11:token=tok;object=leaf?module-path={self.module}&pin-value={PIN}"


class Holder(Token):
    """With the example program that signs by it."""

    def __init__(self, program: Path, room: Path) -> None:
        super().__init__(room)
        self.program = program

    def sign(self, holder: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self.program, holder, self.room / "public.pem"],
            input=MESSAGE,
            capture_output=True,
            timeout=commands.TIMEOUT_SECONDS,
            env=commands.environment() | self.variables,
        )

    def signs(self, holder: str, digest: str) -> None:
        """It signs, openssl verifies that, and nothing else."""
        done = self.sign(holder)
        expect(done.returncode == 0, done.stderr.decode())
        signature, message = self.room / "signature", self.room / "message"
        signature.write_bytes(done.stdout)
        message.write_bytes(MESSAGE)
        verify = ("openssl", "dgst", f"-{digest}", "-verify", self.room / "public.pem", "-signature", signature, message)
        expect(b"Verified OK" in commands.output(*verify), "not verified")
        message.write_bytes(MESSAGE + b"s")
        commands.refused(*verify, words="Verification failure")

    def refused(self, holder: str, words: str) -> None:
        done = self.sign(holder)
        expect(done.returncode == 1, "it signed")
        expect(words in done.stderr.decode(), f"refused for another reason: {done.stderr.decode()}")


def check(record: Record, program: Path, plugin: Path, room: Path) -> None:
    holder = Holder(program, room)
    peer = f"{PEER} {holder.tool('softhsm2-util', '--version').decode().strip()}"
    pkcs11 = ("pkcs11-tool", "--module", holder.module, "--token-label", "tok", "--login", "--pin", PIN)
    for number, curve in enumerate(CURVES, start=1):
        holder.tool(*pkcs11, "--keypairgen", "--key-type", f"EC:{curve}", "--label", curve, "--id", f"{number:02x}")
    holder.tool(*pkcs11, "--keypairgen", "--key-type", "rsa:2048", "--label", "rsa")
    check_tokens(record, peer, holder)
    check_refusals(record, peer, holder)
    holder.tool(*pkcs11, "--delete-object", "--type", "pubkey", "--label", "prime256v1")
    with record.check(peer, "has a private key without its public half, which we refuse"):
        uri = f"pkcs11:token=tok;object=prime256v1?module-path={holder.module}&pin-value={PIN}"
        holder.refused(uri, "Could not find any object with label prime256v1 (public key)")
    check_plugin(record, holder, plugin)


def check_tokens(record: Record, peer: str, holder: Holder) -> None:
    pin = holder.room / "pin"
    pin.write_text(PIN + "\n")
    pin.chmod(0o600)
    for number, (curve, digest) in enumerate(CURVES.items(), start=1):
        with record.check(peer, f"signs with a key on {curve}, by label and by identifier"):
            where = f"module-path={holder.module}&pin-value={PIN}"
            holder.signs(f"pkcs11:token=tok;object={curve}?{where}", digest)
            holder.signs(f"pkcs11:token=tok;id=%{number:02x}?{where}", digest)
    with record.check(peer, "has the public key that OpenSC reads from it"):
        # On P-256 alone: OpenSC 0.23 reads no public key on P-384.
        written = holder.room / "its.der"
        holder.signs(f"pkcs11:token=tok;object=prime256v1?module-path={holder.module}&pin-value={PIN}", "sha256")
        holder.tool("pkcs11-tool", "--module", holder.module, "--token-label", "tok", "--read-object",
                    "--type", "pubkey", "--label", "prime256v1", "--output-file", written)
        its = commands.output("openssl", "pkey", "-pubin", "-inform", "DER", "-in", written, "-pubout").decode()
        expect((holder.room / "public.pem").read_text() == its, "another public key")
    with record.check(peer, "is found by its module's name, with the PIN in a file"):
        holder.signs(f"pkcs11:token=tok;object=prime256v1?module-name=SoftHSM2&pin-source=file:{pin}", "sha256")


def check_refusals(record: Record, peer: str, holder: Holder) -> None:
    where = f"module-path={holder.module}"
    for words, uri in {
        "Malformed pkcs11 URI: missing 'pkcs11:' prefix: foo:bar": "foo:bar",
        "Could not find a token with label nope in any slots": f"pkcs11:token=nope;object=k?{where}&pin-value={PIN}",
        "Could not find any object with label nokey": f"pkcs11:token=tok;object=nokey?{where}&pin-value={PIN}",
        "Could not find any object with label rsa": f"pkcs11:token=tok;object=rsa?{where}&pin-value={PIN}",
        "CKR_PIN_INCORRECT (0x000000A0)": f"pkcs11:token=tok;object=prime256v1?{where}&pin-value=9999",
        "wants a PIN": f"pkcs11:token=tok;object=prime256v1?{where}",
    }.items():
        with record.check(peer, f"we refuse: {words}"):
            holder.refused(uri, words)


def check_plugin(record: Record, holder: Holder, plugin: Path) -> None:
    peer = "the plug-in over openssl"
    for curve, digest in CURVES.items():
        key = holder.room / f"{curve}.pem"
        commands.output("openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", key)
        with record.check(peer, f"signs with a key on {curve}"):
            holder.signs(f"{plugin}={key}", digest)
    with record.check(peer, "says which key it doesn't have"):
        holder.refused(f"{plugin}={holder.room / 'none.pem'}", "the signer plug-in failed (exit status: 1)")
