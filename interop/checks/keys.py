"""Keys and signatures: openssl reads ours, we read openssl's."""

import hashlib
import json
from pathlib import Path

from . import bundles, commands
from .commands import Modelward
from .record import Record, expect

PASSWORD = "correct horse"


def check(record: Record, ours: Modelward, room: Path) -> None:
    peer = "openssl " + commands.output("openssl", "version").decode().split()[1]
    room.mkdir(parents=True)
    model = room / "model.bin"
    model.write_bytes(b"weights")
    check_our_keys(record, peer, ours, room)
    check_its_keys(record, peer, ours, room, model)
    check_signature(record, peer, ours, room, model)


def check_our_keys(record: Record, peer: str, ours: Modelward, room: Path) -> None:
    made = ours.allowed("key", "new", "locked", "--encrypt", MODELWARD_PASSWORD=PASSWORD)
    private = ours.store / "keys/locked.key.pem"
    reads = ("openssl", "pkey", "-in", private, "-pubout")
    with record.check(peer, "decrypts our encrypted key, and finds our public key in it"):
        public = commands.output(*reads, "-passin", f"pass:{PASSWORD}").decode()
        expect(public == made["publicKey"], "another public key")
    with record.check(peer, "is refused our encrypted key with another password"):
        commands.refused(*reads, "-passin", "pass:wrong", words="maybe wrong password")
    with record.check(peer, "sees PBES2 with scrypt and AES-256 in our encrypted key"):
        shown = commands.output("openssl", "asn1parse", "-in", private).decode()
        for name in ("PBES2", "scrypt", "aes-256-cbc"):
            expect(name in shown, f"no {name} in:\n{shown}")
    with record.check(peer, "writes our public key in the very bytes that we do"):
        path = room / "public.pem"
        path.write_text(made["publicKey"])
        written = commands.output("openssl", "pkey", "-pubin", "-in", path, "-pubout").decode()
        expect(written == made["publicKey"], f"wrote {written}")


def check_its_keys(record: Record, peer: str, ours: Modelward, room: Path, model: Path) -> None:
    plain, locked, older = (room / f"{name}.pem" for name in ("plain", "locked", "older"))
    public = generate(plain, "P-256")
    commands.output("openssl", "pkcs8", "-topk8", "-in", plain, "-out", locked, "-v2", "aes-256-cbc",
                    "-v2prf", "hmacWithSHA256", "-passout", f"pass:{PASSWORD}")
    locked.chmod(0o600)
    sign = ("sign", model, "--private-key")
    with record.check(peer, "makes a PKCS#8 key that we sign with"):
        ours.allowed(*sign, plain)
        ours.allowed("verify", model, "--public-key", public)
    with record.check(peer, "makes a PKCS#8 key encrypted with PBKDF2 and AES-256 that we sign with, to the same bytes"):
        unlocked = model.with_name("model.bin.sig").read_bytes()
        ours.allowed(*sign, locked, MODELWARD_PASSWORD=PASSWORD)
        expect(model.with_name("model.bin.sig").read_bytes() == unlocked, "the bundles differ")
    with record.check(peer, "makes an encrypted key that we don't sign with under another password"):
        ours.refused("password_wrong", *sign, locked, MODELWARD_PASSWORD="wrong")
    with record.check(peer, "makes a key in its older form (`ecparam -genkey`) that we sign with"):
        commands.output("openssl", "ec", "-in", plain, "-out", older)
        older.chmod(0o600)
        expect("BEGIN EC PRIVATE KEY" in older.read_text(), "it isn't in the older form")
        ours.allowed(*sign, older)
        expect(model.with_name("model.bin.sig").read_bytes() == unlocked, "the bundles differ")
    check_its_other_keys(record, peer, ours, room, model)


def check_its_other_keys(record: Record, peer: str, ours: Modelward, room: Path, model: Path) -> None:
    sign = ("sign", model, "--private-key")
    for curve in ("P-384", "P-521"):
        larger = room / f"{curve}.pem"
        public = generate(larger, curve)
        with record.check(peer, f"makes a {curve} key that we sign with"):
            ours.allowed(*sign, larger)
            ours.allowed("verify", model, "--public-key", public)
    for cipher in ("-aes256", "-des3"):
        legacy = room / f"legacy{cipher}.pem"
        commands.output("openssl", "ec", "-in", room / "plain.pem", cipher, "-passout", f"pass:{PASSWORD}", "-out", legacy)
        legacy.chmod(0o600)
        with record.check(peer, f"makes a key encrypted the old way (`openssl ec {cipher}`) that we sign with"):
            expect("Proc-Type: 4,ENCRYPTED" in legacy.read_text(), "it isn't encrypted the old way")
            ours.allowed(*sign, legacy, MODELWARD_PASSWORD=PASSWORD)
            ours.refused("password_wrong", *sign, legacy, MODELWARD_PASSWORD="wrong")
    with record.check(peer, "makes a secp256k1 key that we refuse"):
        other = room / "secp256k1.pem"
        generate(other, "secp256k1")
        ours.refused("key_invalid", *sign, other)


def generate(path: Path, curve: str) -> Path:
    """Has openssl make a key, and returns the public key's file."""
    commands.output("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", path)
    path.chmod(0o600)
    public = path.with_suffix(".pub.pem")
    commands.output("openssl", "pkey", "-in", path, "-pubout", "-out", public)
    return public


def check_signature(record: Record, peer: str, ours: Modelward, room: Path, model: Path) -> None:
    private, public = ours.new_key("dsse")
    ours.allowed("sign", model, "--private-key", private)
    bundle = model.with_name("model.bin.sig").read_bytes()
    message, signature = room / "message", room / "signature"
    message.write_bytes(bundles.signed_bytes(bundle))
    signature.write_bytes(bundles.signature(bundle))
    verify = ("openssl", "dgst", "-sha256", "-verify", public, "-signature", signature, message)
    with record.check(peer, "verifies our signature over DSSE's encoding of the payload"):
        expect(b"Verified OK" in commands.output(*verify), "not verified")
    with record.check(peer, "refuses our signature over another payload"):
        message.write_bytes(message.read_bytes().replace(b"model.bin", b"model.bim"))
        commands.refused(*verify, words="Verification failure")
    with record.check(peer, "hashes our public key's file to the hint in our bundle"):
        named = json.loads(bundle)["verificationMaterial"]["publicKey"]["hint"]
        said = commands.output("openssl", "dgst", "-sha256", "-r", public).decode().split()[0]
        expect(said == named == hashlib.sha256(public.read_bytes()).hexdigest(), f"{said} is not {named}")
