"""The reference's own words, given to both programs: what one signs the other verifies, and both refuse what was changed.
And the Python wheel: installed by pip without a network, it signs, verifies and loads."""

import subprocess
import sys
from pathlib import Path

from . import commands, oms, tokens
from .commands import Modelward
from .methods import Authority, key
from .oms import PEER, PEER_COMMAND
from .record import Record, expect

ROOT = Path(__file__).parent.parent.parent
WHEEL = "the wheel"

LOAD = """
import sys
import modelward
import numpy
from modelward import signing, verifying
from safetensors.numpy import load_file, save_file
private, public = sys.argv[1:]
weights = {"a": numpy.arange(12, dtype=numpy.float32).reshape(3, 4), "none": numpy.zeros((0, 3)), "b": numpy.array([True])}
save_file(weights, "model/a.safetensors")
save_file({"c": numpy.ones(5, dtype=numpy.int64)}, "model/c.safetensors")
signing.Config().use_elliptic_key_signer(private_key=private).sign("model", "model.sig")
policy = verifying.Config().use_elliptic_key_verifier(public_key=public)
loaded = modelward.load("model", policy=policy)
wanted = {**load_file("model/a.safetensors"), **load_file("model/c.safetensors")}
assert loaded.keys() == wanted.keys()
for name, tensor in wanted.items():
    assert loaded[name].dtype == tensor.dtype and numpy.array_equal(loaded[name], tensor), name
    assert not loaded[name].flags.writeable or not tensor.size, name
open("model/c.safetensors", "ab").write(b"x")
try:
    modelward.load("model", policy=policy)
    raise SystemExit("tampered, and loaded")
except modelward.Refused as error:
    assert "Hash mismatch for 'c.safetensors'" in str(error), error
save_file({"c": numpy.ones(5, dtype=numpy.int64)}, "model/c.safetensors")
"""


def check(record: Record, ours: Modelward, room: Path) -> None:
    room.mkdir(parents=True)
    program = room / "bin/model_signing"
    program.parent.mkdir()
    program.symlink_to(ours.binary)
    private, public = key(room, "P-256", "prime256v1")
    authority = Authority(room / "certificates")
    methods = {
        "key": (["--private_key", private], ["--public_key", public]),
        "certificate": authority_words(authority),
    }
    peers = {"ours": [program], "theirs": PEER_COMMAND}
    for method, (signs, verifies) in methods.items():
        for signer, verifier in (("ours", "theirs"), ("theirs", "ours"), ("ours", "ours")):
            with record.check(PEER, f"`sign {method}` by {signer}, `verify {method}` by {verifier}, in the same words"):
                place = room / f"{method}-{signer}-{verifier}"
                both_ways(peers[signer], peers[verifier], method, signs, verifies, place)
    with record.check(PEER, "verifies what a token's key signed in its own words, with a certificate and without"):
        by_token(program, authority, room / "token")
    with record.check(PEER, "says yes and no as ours does, on the same streams"):
        same_answers(program, private, public, room / "answers")
    with record.check(WHEEL, "is installed by pip without a network, and loads what it verified"):
        wheel(ours, private, public, room / "wheel")


def authority_words(authority: Authority) -> tuple[list, list]:
    certificates = ["--signing_certificate", authority.leaf, "--certificate_chain", authority.intermediate]
    return ["--private_key", authority.key, *certificates], ["--certificate_chain", authority.root]


def both_ways(signer, verifier, method: str, signs: list, verifies: list, room: Path) -> None:
    model, signature = room / "model", room / "model.sig"
    oms.fill(model, ["config.json", "nested/weights.bin"])
    said = commands.output(*signer, "sign", method, model, "--signature", signature, *signs)
    expect(said == b"Signing succeeded\n", f"said {said!r}")
    verify = (*verifier, "verify", method, model, "--signature", signature, *verifies)
    said = commands.output(*verify)
    expect(said == b"Verification succeeded\n", f"said {said!r}")
    (model / "extra").write_text("x")
    commands.refused(*verify, words="Verification failed with error: Signature mismatch: [\"Extra files found in model 'model': extra\"]")
    commands.output(*verify, "--ignore_unsigned_files")
    (model / "extra").unlink()
    (model / "config.json").write_text("tampered")
    commands.refused(*verify, words="Hash mismatch for 'config.json'")


def by_token(program: Path, authority: Authority, room: Path) -> None:
    """The key of the authority's leaf, on a token of SoftHSM."""
    token = tokens.Token(room)
    uri = token.put(authority.key)
    public, model, signature = authority.public(), room / "model", room / "model.sig"
    oms.fill(model, ["config.json"])
    token.tool(program, "sign", "pkcs11-key", model, "--signature", signature, "--pkcs11_uri", uri)
    commands.output(*PEER_COMMAND, "verify", "key", model, "--signature", signature, "--public_key", public)
    certificates = ["--signing_certificate", authority.leaf, "--certificate_chain", authority.intermediate]
    token.tool(program, "sign", "pkcs11-certificate", model, "--signature", signature, "--pkcs11_uri", uri, *certificates)
    anchors = ["--certificate_chain", authority.root]
    commands.output(*PEER_COMMAND, "verify", "certificate", model, "--signature", signature, *anchors)
    sign = (program, "sign", "pkcs11-key", model, "--signature", room / "no.sig", "--pkcs11_uri")
    commands.refused(*sign, uri.replace("token=tok", "token=nope"), words="Could not find a token with label nope", **token.variables)
    commands.refused(*sign, uri.replace("object=leaf", "object=nokey"), words="Could not find any object with label nokey", **token.variables)
    commands.refused(*sign, uri.replace(tokens.PIN, "9999"), words="CKR_PIN_INCORRECT", **token.variables)
    commands.refused(*sign, "foo:bar", words="Malformed pkcs11 URI: ", **token.variables)
    expect(not (room / "no.sig").exists(), "a signature was written")


def same_answers(program: Path, private: Path, public: Path, room: Path) -> None:
    """Exit statuses and standard output are the same; on standard error ours says more, after the same beginning."""
    oms.fill(room / "model", ["config.json"])
    verify = ["verify", "key", room / "model", "--signature", room / "model.sig", "--public_key"]
    for words in (
        ["sign", "key", room / "model", "--private_key", private, "--signature", room / "model.sig"],
        [*verify, public],
        [*verify, room / "gone.pem"],
        ["verify", "key", room / "gone", "--signature", room / "model.sig", "--public_key", public],
        ["sign", "key", room / "gone", "--private_key", private],
    ):
        theirs, ours = commands.run(*PEER_COMMAND, *words), commands.run(program, *words)
        expect(ours.returncode == theirs.returncode, f"{words}: {ours.returncode} and {theirs.returncode}")
        expect(ours.stdout == theirs.stdout, f"{words}: {ours.stdout!r} and {theirs.stdout!r}")
        expect(ours.stderr.startswith(theirs.stderr.strip()), f"{words}: {ours.stderr!r} and {theirs.stderr!r}")
    for words in (["sign", "key", room / "model"], ["frob"], [*verify[:-1]]):
        theirs, ours = commands.run(*PEER_COMMAND, *words), commands.run(program, *words)
        expect((ours.returncode, theirs.returncode) == (2, 2), f"{words}: {ours.returncode} and {theirs.returncode}")
        said = [ended.stderr.decode().splitlines()[-1] for ended in (theirs, ours)]
        expect(said[0] == said[1], f"{words}: {said}")


def wheel(ours: Modelward, private: Path, public: Path, room: Path) -> None:
    commands.output(sys.executable, ROOT / "scripts/wheel", "--program", ours.binary, "--to", room / "dist", "--with-model-signing")
    commands.output(sys.executable, "-m", "venv", "--without-pip", room / "venv")
    built = sorted((room / "dist").glob("*.whl"))
    python = room / "venv/bin/python"
    # This environment's pip, which installs into the other one.
    commands.output(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", *built)
    said = commands.output(room / "venv/bin/model_signing", "--version")
    expect(b"modelward" in said, f"said {said!r}")
    readme = (ROOT / "python/README.md").read_text().split("```python\n")[1].split("```")[0]
    (room / "model").mkdir()
    (room / "key.pem").symlink_to(private)
    (room / "key.pub").symlink_to(public)
    # NumPy and safetensors are this environment's.
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    ended = subprocess.run(
        [python, "-c", LOAD + readme, private, public],
        cwd=room,
        env=commands.environment() | {"PYTHONPATH": packages},
        capture_output=True,
        timeout=commands.TIMEOUT_SECONDS,
        check=False,
    )
    expect(ended.returncode == 0, commands.text(ended))
