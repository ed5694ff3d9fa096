"""Each method of OpenSSF model signing, both ways with `model_signing`: a table closes it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from model_signing import hashing, signing

from . import bundles, commands, oms
from .commands import Modelward
from .oms import PEER, PEER_COMMAND
from .record import Record, expect

CURVES = {"P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1"}
IDENTITY = "email:signer@example.com"


class Table:
    """What was found of each method, in both directions."""

    def __init__(self, record: Record, ours: Modelward, room: Path) -> None:
        self.record, self.ours, self.room = record, ours, room
        self.rows: list[tuple[str, str, str]] = []

    def row(self, method: str, theirs_by_us: Callable[[Path], None], ours_by_theirs: Callable[[Path], None] | str) -> None:
        """Where a direction is a text, it says why there is none."""
        here = self.side(f"signs with {method}, and we verify it and refuse its twins", method, theirs_by_us)
        if isinstance(ours_by_theirs, str):
            there = ours_by_theirs
        else:
            there = self.side(f"verifies what we sign with {method}, and refuses its twins", method, ours_by_theirs)
        self.rows.append((method, here, there))

    def side(self, what: str, method: str, check: Callable[[Path], None]) -> str:
        place = self.room / f"{len(self.rows)}-{what.split()[0]}"
        model = place / "model"
        oms.fill(model, ["config.json", "nested/weights.bin"])
        failed = self.record.failed
        with self.record.check(PEER, what):
            check(model)
        return "yes" if self.record.failed == failed else "FAILED"

    def show(self) -> None:
        width = max(len(row[0]) for row in self.rows)
        print(f"       {'method':{width}}  theirs by us  ours by theirs")
        for method, here, there in self.rows:
            print(f"       {method:{width}}  {here:12}  {there}", flush=True)


def check(record: Record, ours: Modelward, room: Path) -> None:
    room.mkdir(parents=True)
    table = Table(record, ours, room)
    for curve, name in CURVES.items():
        private, public = key(room, curve, name)
        table.row(f"a key on {curve}", *by_key(ours, private, public))
    authority = Authority(room / "certificates")
    table.row("a certificate", *by_certificate(ours, authority))
    private, public = room / "P-256.pem", room / "P-256.pub.pem"
    for what, config in odd_hashing():
        table.row(what, by_library(ours, private, public, config), "its command line verifies none")
    check_stricter(record, ours, authority, room)
    table.show()


def key(room: Path, curve: str, name: str) -> tuple[Path, Path]:
    private, public = room / f"{curve}.pem", room / f"{curve}.pub.pem"
    commands.output("openssl", "ecparam", "-name", name, "-genkey", "-noout", "-out", private)
    private.chmod(0o600)
    commands.output("openssl", "ec", "-in", private, "-pubout", "-out", public)
    return private, public


def by_key(ours: Modelward, private: Path, public: Path, *words: object):
    def theirs_by_us(model: Path) -> None:
        signature = oms.where(model)
        commands.output(*PEER_COMMAND, "sign", "key", model, "--private_key", private, "--signature", signature)
        we_judge(ours, model, signature, "--public-key", public)

    def ours_by_theirs(model: Path) -> None:
        signature = oms.where(model)
        ours.allowed("sign", model, "--private-key", private, *words)
        they_judge(model, signature, "key", "--public_key", public)

    return theirs_by_us, ours_by_theirs


def by_certificate(ours: Modelward, authority: "Authority"):
    def theirs_by_us(model: Path) -> None:
        signature = oms.where(model)
        words = ("--private_key", authority.key, "--signing_certificate", authority.leaf)
        chain = ("--certificate_chain", authority.intermediate)
        commands.output(*PEER_COMMAND, "sign", "certificate", model, *words, *chain, "--signature", signature)
        we_judge(ours, model, signature, "--certificate-chain", authority.root, "--certificate-identity", IDENTITY)
        name = ("--certificate-identity", "email:other@example.com")
        ours.refused("identity_mismatch", "verify", model, "--signature", signature, "--certificate-chain", authority.root, *name)
        anchor = ("--certificate-chain", authority.other, "--certificate-identity", IDENTITY)
        ours.refused("certificate_untrusted", "verify", model, "--signature", signature, *anchor)

    def ours_by_theirs(model: Path) -> None:
        signature = oms.where(model)
        chain = ("--certificate", authority.leaf, "--certificate-chain", authority.intermediate)
        ours.allowed("sign", model, "--private-key", authority.key, *chain)
        they_judge(model, signature, "certificate", "--certificate_chain", authority.root)
        commands.refused(*PEER_COMMAND, "verify", "certificate", model, "--signature", signature,
                         "--certificate_chain", authority.other, words="unable to get")

    return theirs_by_us, ours_by_theirs


def odd_hashing():
    yield "whole files, BLAKE2b", hashing.Config().use_file_serialization(hashing_algorithm="blake2")
    yield "whole files, BLAKE3", hashing.Config().use_file_serialization(hashing_algorithm="blake3")
    shards = hashing.Config().use_shard_serialization(hashing_algorithm="sha256", shard_size=7)
    yield "pieces of 7 bytes, SHA-256", shards


def by_library(ours: Modelward, private: Path, public: Path, config: hashing.Config) -> Callable[[Path], None]:
    def theirs_by_us(model: Path) -> None:
        signature = oms.where(model)
        signer = signing.Config().use_elliptic_key_signer(private_key=private)
        signer.set_hashing_config(config).sign(model, signature)
        we_judge(ours, model, signature, "--public-key", public)

    return theirs_by_us


def we_judge(ours: Modelward, model: Path, signature: Path, *whom: object) -> None:
    verify = ("verify", model, "--signature", signature, *whom)
    ours.allowed(*verify)
    kept = signature.read_bytes()
    for change in (bundles.change_payload, bundles.change_signature):
        change(signature)
        ours.refused("signature_invalid", *verify)
        signature.write_bytes(kept)
    oms.flip(model / "nested/weights.bin")
    ours.refused("digest_mismatch", *verify)
    oms.flip(model / "nested/weights.bin")
    ours.allowed(*verify)


def they_judge(model: Path, signature: Path, method: str, *whom: object) -> None:
    verify = (*PEER_COMMAND, "verify", method, model, "--signature", signature, *whom)
    said = commands.output(*verify)
    expect(b"Verification succeeded" in said, f"said {said!r}")
    kept = signature.read_bytes()
    bundles.change_payload(signature)
    commands.refused(*verify, words="Verification failed")
    signature.write_bytes(kept)
    oms.flip(model / "nested/weights.bin")
    commands.refused(*verify, words="Signature mismatch")


class Authority:
    """Made by openssl: a root, an intermediate, a leaf that signs, one that has ended, and another root."""

    def __init__(self, room: Path) -> None:
        room.mkdir(parents=True)
        self.room = room
        self.root = self.certify("root", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")
        self.intermediate = self.certify(
            "intermediate", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")
        usage = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n"
        usage += "subjectAltName=email:signer@example.com"
        self.leaf = self.certify("leaf", "intermediate", usage)
        self.ended = self.certify("ended", "intermediate", usage, "20200101000000Z", "20200201000000Z")
        self.other = self.certify("other", "other", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")

    @property
    def key(self) -> Path:
        return self.room / "leaf.key"

    def certify(self, name: str, issuer: str, extensions: str, start: str = "", end: str = "") -> Path:
        at = lambda ending: self.room / f"{name}.{ending}"
        commands.output("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at("key"))
        at("key").chmod(0o600)
        commands.output("openssl", "req", "-new", "-key", at("key"), "-subj", f"/CN={name}", "-out", at("csr"))
        at("ext").write_text(extensions)
        shutil.rmtree(self.room / "ca", ignore_errors=True)
        (self.room / "ca").mkdir()
        (self.room / "ca/index").touch()
        (self.room / "ca.conf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.room}/ca/index\nnew_certs_dir={self.room}/ca\nrand_serial=yes\n"
            "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        by = ["-selfsign", "-keyfile", at("key")] if issuer == name else [
            "-cert", self.room / f"{issuer}.pem", "-keyfile", self.room / f"{issuer}.key"]
        times = ["-startdate", start, "-enddate", end] if start else ["-days", "30"]
        commands.output("openssl", "ca", "-batch", "-notext", "-config", self.room / "ca.conf", *by, *times,
                        "-in", at("csr"), "-extfile", at("ext"), "-out", at("pem"))
        return at("pem")


def check_stricter(record: Record, ours: Modelward, authority: Authority, room: Path) -> None:
    with record.check(PEER, "verifies what a certificate signed that ended in 2020, which we refuse"):
        model = room / "ended/model"
        oms.fill(model, ["weights.bin"])
        signature = oms.where(model)
        words = ("--private_key", authority.room / "ended.key", "--signing_certificate", authority.ended)
        chain = ("--certificate_chain", authority.intermediate)
        commands.output(*PEER_COMMAND, "sign", "certificate", model, *words, *chain, "--signature", signature)
        whom = ("--certificate-chain", authority.root, "--certificate-identity", IDENTITY)
        ours.refused("certificate_time", "verify", model, "--signature", signature, *whom)
