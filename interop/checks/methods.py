"""Each method of OpenSSF model signing, both ways with `model_signing`; Sigstore's clients verify our bundles of keys."""

import shutil
from collections.abc import Callable
from pathlib import Path

from model_signing import hashing, signing

from . import bundles, commands, oms, tokens
from .clients import Client, check_key
from .commands import Modelward
from .oms import PEER, PEER_COMMAND
from .record import Record, expect
from .table import OURS, THEIRS, Cell

CURVES = {"P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1"}
IDENTITY = "email:signer@example.com"


class Methods:
    """Checks each method in both directions, on a model of its own."""

    def __init__(self, record: Record, ours: Modelward, room: Path) -> None:
        self.record, self.ours, self.room = record, ours, room

    def check(self, method: str, theirs_by_us: Callable[[Path], None] | str, ours_by_theirs: Callable[[Path], None] | str) -> None:
        """Where a direction is a text, it says why there is none."""
        self.side(f"signs with {method}, and we verify it and refuse its twins", Cell(method, THEIRS), theirs_by_us)
        self.side(f"verifies what we sign with {method}, and refuses its twins", Cell(method, OURS), ours_by_theirs)

    def side(self, what: str, cell: Cell, check: Callable[[Path], None] | str) -> None:
        if isinstance(check, str):
            self.record.table.put(cell, PEER, check)
            return
        model = self.model(cell)
        oms.fill(model, ["config.json", "nested/weights.bin"])
        with self.record.check(PEER, what, cell):
            check(model)

    def model(self, cell: Cell) -> Path:
        return self.room / f"{cell.method}, {cell.way}" / "model"


def check(record: Record, ours: Modelward, clients: list[Client], plugin: Path, room: Path) -> None:
    room.mkdir(parents=True)
    methods = Methods(record, ours, room)
    for curve, name in CURVES.items():
        private, public = key(room, curve, name)
        method = f"a key on {curve}"
        methods.check(method, *by_key(ours, private, public))
        signed = oms.where(methods.model(Cell(method, OURS)))
        check_key(record, clients, method, signed, public)
    authority = Authority(room / "certificates")
    methods.check("a certificate", *by_certificate(ours, authority))
    token = tokens.Token(room / "token")
    uri = token.put(authority.key)
    methods.check("a token's key", *by_token(ours, token, uri, authority.public()))
    with_certificate = by_token_with_certificate(ours, token, uri, authority)
    methods.check("a token's certificate", "it fails to sign", with_certificate)
    check_its_defect(record, token, uri, authority)
    private, public = room / "P-256.pem", room / "P-256.pub.pem"
    methods.check("a plug-in", "it has none", by_plugin(ours, plugin, private, public))
    for what, config in odd_hashing():
        methods.check(what, by_library(ours, private, public, config), "its command line verifies none")
    check_stricter(record, ours, authority, room)


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


def by_token(ours: Modelward, token: tokens.Token, uri: str, public: Path):
    def theirs_by_us(model: Path) -> None:
        signature = oms.where(model)
        token.tool(*PEER_COMMAND, "sign", "pkcs11-key", model, "--signature", signature, "--pkcs11_uri", uri)
        we_judge(ours, model, signature, "--public-key", public)

    def ours_by_theirs(model: Path) -> None:
        signature = oms.where(model)
        ours.allowed("sign", model, "--token", uri, **token.variables)
        they_judge(model, signature, "key", "--public_key", public)

    return theirs_by_us, ours_by_theirs


def by_token_with_certificate(ours: Modelward, token: tokens.Token, uri: str, authority: "Authority") -> Callable[[Path], None]:
    def ours_by_theirs(model: Path) -> None:
        signature = oms.where(model)
        chain = ("--certificate", authority.leaf, "--certificate-chain", authority.intermediate)
        ours.allowed("sign", model, "--token", uri, *chain, **token.variables)
        they_judge(model, signature, "certificate", "--certificate_chain", authority.root)

    return ours_by_theirs


def check_its_defect(record: Record, token: tokens.Token, uri: str, authority: "Authority") -> None:
    """Once it is mended this fails, and the table gets a direction more."""
    with record.check(PEER, "fails to sign with a token's certificate, by a defect of its own"):
        model = token.room / "model"
        oms.fill(model, ["weights.bin"])
        words = ("--pkcs11_uri", uri, "--signing_certificate", authority.leaf, "--signature", oms.where(model))
        chain = ("--certificate_chain", authority.intermediate)
        sign = (*PEER_COMMAND, "sign", "pkcs11-certificate", model, *words, *chain)
        commands.refused(*sign, words="validation error", **token.variables)


def by_plugin(ours: Modelward, plugin: Path, private: Path, public: Path) -> Callable[[Path], None]:
    def ours_by_theirs(model: Path) -> None:
        signature = oms.where(model)
        ours.allowed("sign", model, "--plugin", plugin, "--plugin-key", private)
        they_judge(model, signature, "key", "--public_key", public)

    return ours_by_theirs


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

    def public(self) -> Path:
        """Of the leaf's key."""
        commands.output("openssl", "pkey", "-in", self.key, "-pubout", "-out", self.room / "leaf.pub")
        return self.room / "leaf.pub"

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
