"""OpenSSF model signing: `model_signing` verifies what we sign, we verify what it signs, and both refuse what was changed."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from . import bundles, commands
from .commands import Modelward
from .record import Record, expect

PEER = f"model_signing {version('model-signing')}"
PEER_COMMAND = (sys.executable, "-m", "model_signing")


@dataclass
class Signed:
    """A model, its signature, and the key that made it."""

    model: Path
    signature: Path
    public_key: Path

    def copy(self, to: Path) -> "Signed":
        """Under the same names: a model's name is in its signature."""
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        model = to / self.model.name
        (shutil.copytree if self.model.is_dir() else shutil.copy2)(self.model, model)
        inside = self.signature.is_relative_to(self.model)
        signature = model / self.signature.name if inside else to / self.signature.name
        if not inside:
            shutil.copy2(self.signature, signature)
        return Signed(model, signature, self.public_key)


class Twin(NamedTuple):
    """What is changed, and what each of the two says then."""

    name: str
    change: Callable[[Signed], None]
    our_code: str
    their_reason: str


def check(record: Record, ours: Modelward, room: Path) -> None:
    keys = Keys(ours, room)
    signers = {"our": Ours(ours, keys), "its": Theirs(keys)}
    for owner, signer in signers.items():
        for name, make, twins in models(keys):
            place = room / owner / name.replace(" ", "-")
            place.mkdir(parents=True)
            check_model(record, ours, f"{owner} signature of {name}", signer(make(place)), twins, room / "twin")
    check_order(record, room)
    check_digest(record, ours, room)
    check_conversion(record, ours, keys, room)
    check_differences(record, ours, signers["its"], room)
    check_ours_is_the_same_twice(record, ours, keys, room)


def check_model(record: Record, ours: Modelward, what: str, signed: Signed, twins: list[Twin], room: Path) -> None:
    with record.check(PEER, f"both accept {what}"):
        ours.allowed("verify", *our_words(signed))
        said = commands.output(*PEER_COMMAND, "verify", "key", *their_words(signed))
        expect(b"Verification succeeded" in said, f"said {said!r}")
    for twin in twins:
        with record.check(PEER, f"both refuse {what}: {twin.name}"):
            changed = signed.copy(room)
            twin.change(changed)
            ours.refused(twin.our_code, "verify", *our_words(changed))
            expect_refused_by_them(changed, twin.their_reason)


def expect_refused_by_them(signed: Signed, reason: str) -> None:
    """Of a wrong signature it says nothing at all; then anything it says is another reason."""
    ended = commands.run(*PEER_COMMAND, "verify", "key", *their_words(signed))
    said = commands.text(ended).partition("Verification failed with error:")[2].strip()
    expect(ended.returncode == 1, f"ended with {ended.returncode}: {commands.text(ended)}")
    expect(said.startswith(reason) and bool(said) == bool(reason), f"refused for another reason: {said}")


def our_words(signed: Signed) -> tuple[object, ...]:
    return (signed.model, "--signature", signed.signature, "--public-key", signed.public_key)


def their_words(signed: Signed) -> tuple[object, ...]:
    return (signed.model, "--signature", signed.signature, "--public_key", signed.public_key)


class Keys:
    """A key that we made, one that openssl made, and one that signed nothing."""

    def __init__(self, ours: Modelward, room: Path) -> None:
        room.mkdir(parents=True)
        self.private, self.public = ours.new_key("oms")
        self.other = ours.new_key("other")[1]
        self.their_private, self.their_public = room / "theirs.pem", room / "theirs.pub.pem"
        commands.output(
            "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.their_private
        )
        commands.output("openssl", "ec", "-in", self.their_private, "-pubout", "-out", self.their_public)


class Ours:
    def __init__(self, ours: Modelward, keys: Keys) -> None:
        self.ours, self.keys = ours, keys

    def __call__(self, model: Path) -> Signed:
        signature = where(model)
        ignored = ("--ignore", "logs") if (model / "logs").exists() else ()
        chosen = ("--signature", signature) if signature.is_relative_to(model) else ()
        self.ours.allowed("sign", model, *chosen, "--private-key", self.keys.private, *ignored)
        return Signed(model, signature, self.keys.public)


class Theirs:
    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def __call__(self, model: Path) -> Signed:
        signature = where(model)
        ignored = ("--ignore-paths", model / "logs") if (model / "logs").exists() else ()
        words = ("--private_key", self.keys.their_private, "--signature", signature, *ignored)
        commands.output(*PEER_COMMAND, "sign", "key", model, *words)
        return Signed(model, signature, self.keys.their_public)


def where(model: Path) -> Path:
    """Beside the model, where we put it by ourselves; inside, if the model is meant to test that."""
    return model / "model.sig" if (model / "logs").exists() else model.with_name(f"{model.name}.sig")


def models(keys: Keys) -> list[tuple[str, Callable[[Path], Path], list[Twin]]]:
    bundle = [
        Twin("its payload changed", lambda s: bundles.change_payload(s.signature), "signature_invalid", ""),
        Twin("its signature changed", lambda s: bundles.change_signature(s.signature), "signature_invalid", ""),
        Twin("another key", lambda s: setattr(s, "public_key", keys.other), "key_unknown", "Key mismatch"),
    ]
    folder = [
        Twin("a byte flipped", lambda s: flip(s.model / "nested/deep/weights.bin"), "digest_mismatch", "Signature mismatch"),
        Twin("a file added", lambda s: (s.model / "nested/new").touch(), "file_extra", "Signature mismatch"),
        Twin("a file removed", lambda s: (s.model / "empty").unlink(), "file_missing", "Signature mismatch"),
        Twin("a file renamed", rename, "file_missing", "Signature mismatch"),
        Twin("a nested `.git` changed", lambda s: flip(s.model / "nested/.git/config"), "digest_mismatch", "Signature mismatch"),
        *bundle,
    ]
    file = [Twin("a byte flipped", lambda s: flip(s.model), "digest_mismatch", "Signature mismatch"), *bundle]
    ignoring = [Twin("a file added beside", lambda s: (s.model / "log").touch(), "file_extra", "Signature mismatch")]
    siblings = [Twin("two files swapped", swap, "digest_mismatch", "Signature mismatch"), *bundle]
    return [
        ("a folder", make_folder, folder),
        ("a single file", make_file, file),
        ("a folder with ignored paths and the signature inside", make_ignoring, ignoring),
        ("siblings in an odd order", make_siblings, siblings),
    ]


def make_folder(place: Path) -> Path:
    model = place / "modèle"
    names = ["config.json", "nested/deep/weights.bin", "Übung/模型.bin", "with space.txt", "at 12:30:00", ".hidden",
             ".gitmodules", "nested/.git/config", ".git/HEAD", ".gitignore", 'quote".txt', "back\\slash", "😀.txt"]
    fill(model, names)
    (model / "empty").touch()
    (model / "nobody").mkdir()
    return model


def make_file(place: Path) -> Path:
    model = place / "model.pkl"
    model.write_bytes(b"\x80\x04N." + bytes(70_000))
    return model


def make_ignoring(place: Path) -> Path:
    model = place / "model"
    fill(model, ["weights.bin", "logs/today", ".github/workflows/x.yml"])
    return model


def make_siblings(place: Path) -> Path:
    """By whole names `a-b/c` and `a.b` come before `a/b`; by path components after."""
    model = place / "siblings"
    fill(model, ["a/b", "a-b/c", "a.b", "a/b-c/d", "a/b.c", "aa", "Z", "é", "y"])
    return model


def fill(model: Path, names: list[str]) -> None:
    for name in names:
        path = model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content of {name}\n".encode() * 3)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rename(signed: Signed) -> None:
    (signed.model / "config.json").rename(signed.model / "Config.json")


def swap(signed: Signed) -> None:
    first, second = signed.model / "a/b", signed.model / "a-b/c"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def check_order(record: Record, room: Path) -> None:
    """Unless the two really write another order, the models above prove nothing about it."""
    with record.check(PEER, "we and it list odd siblings in different orders"):
        place = "siblings-in-an-odd-order/siblings.sig"
        ours, theirs = (listed((room / owner / place).read_bytes()) for owner in ("our", "its"))
        expect(sorted(ours) == sorted(theirs), "the files differ")
        expect(ours == sorted(ours) and ours != theirs, f"ours {ours}, its {theirs}")


def check_digest(record: Record, ours: Modelward, room: Path) -> None:
    with record.check(PEER, "our `digest` knows what it calls a model of odd siblings"):
        place = room / "its/siblings-in-an-odd-order"
        subject = json.loads(bundles.payload((place / "siblings.sig").read_bytes()))["subject"][0]
        said = ours.allowed("digest", place / "siblings")
        expect(said["pythonOrder"] == f"sha256:{subject['digest']['sha256']}", f"said {said}, and it {subject}")
        expect(said["pythonOrder"] != said["digest"], "the orders are the same")


def check_conversion(record: Record, ours: Modelward, keys: Keys, room: Path) -> None:
    """It warns of the old form, and not of what we make of it."""
    with record.check(PEER, "both accept what we converted from the form of its releases before 1.1"):
        signed = Signed(room / "its/a-folder/modèle", room / "its/a-folder/modèle.sig", keys.their_public)
        signed = signed.copy(room / "converted")
        older = signed.signature.with_name("older.sig")
        older.write_bytes(bundles.older_form(signed.signature.read_bytes(), keys.their_public.read_bytes()))
        ours.allowed("verify", *our_words(Signed(signed.model, older, signed.public_key)))
        warned = b"older verification material"
        expect(warned in verified_by_them(Signed(signed.model, older, signed.public_key)), "it is not an older form")
        before = signed.signature.read_bytes()
        answer = ours.allowed("bundle", "convert", older, "--to", signed.signature)
        expect(answer["changed"] and bundles.envelope(before) == bundles.envelope(signed.signature.read_bytes()), "changed more")
        ours.allowed("verify", *our_words(signed))
        expect(warned not in verified_by_them(signed), "it is an older form still")


def verified_by_them(signed: Signed) -> bytes:
    said = commands.output(*PEER_COMMAND, "verify", "key", *their_words(signed))
    expect(b"Verification succeeded" in said, f"said {said!r}")
    return said


def listed(bundle: bytes) -> list[str]:
    return [resource["name"] for resource in json.loads(bundles.payload(bundle))["predicate"]["resources"]]


def check_differences(record: Record, ours: Modelward, sign: "Theirs", room: Path) -> None:
    """Where we are stricter by intent: what it signs, and we take from nobody."""
    for name, files in [("a model without files", []), ("a file's name with a line break", ["two\nlines"])]:
        with record.check(PEER, f"signs {name}, which we refuse to verify"):
            model = room / name
            model.mkdir()
            fill(model, files)
            ours.refused("statement_invalid", "verify", *our_words(sign(model)))


def check_ours_is_the_same_twice(record: Record, ours: Modelward, keys: Keys, room: Path) -> None:
    with record.check(f"modelward {ours.version()}", "signs the same model twice with the same bytes"):
        model = room / "our/a-folder/modèle"
        again = room / "again.sig"
        ours.allowed("sign", model, "--signature", again, "--private-key", keys.private)
        expect(again.read_bytes() == where(model).read_bytes(), "the bundles differ")
