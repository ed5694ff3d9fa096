//! The Python wheel: what is in it, and that its package signs, verifies and loads with the program beside it.

use std::process::Command;

use crate::workshop::Outcome;

const PYTHON: &str = "/usr/bin/python3";

/// Unpacks the wheel as `pip install --target` does, holding every file against the digest that the wheel states.
const INSTALL: &str = r#"
import base64, hashlib, os, sys, zipfile
wheel, site = sys.argv[1:]
archive = zipfile.ZipFile(wheel)
names = set(archive.namelist())
record = next(name for name in names if name.endswith(".dist-info/RECORD"))
for line in archive.read(record).decode().splitlines():
    name, digest, size = line.rsplit(",", 2)
    names.remove(name)
    if name == record:
        continue
    content = archive.read(name)
    stated = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    assert digest == "sha256=" + stated and int(size) == len(content), name
    mode = archive.getinfo(name).external_attr >> 16
    scripts = ".data/scripts/"
    path = os.path.join(site, "bin/" + name.split(scripts)[1] if scripts in name else name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode & 0o777)
assert not names, names
"#;

/// What a person does with it.
const USE: &str = r##"
import json, os, struct
import modelward
from modelward import hashing, signing, verifying

os.makedirs("model/sub")
header = json.dumps({"w": {"dtype": "U8", "shape": [2, 3], "data_offsets": [0, 6]}}).encode()
with open("model/sub/w.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + b"tensor")
with open("model/config.json", "w") as file:
    file.write("{}")
signing.Config().use_elliptic_key_signer(private_key="key.pem").sign("model", "model.sig")
policy = verifying.Config().use_elliptic_key_verifier(public_key="key.pub")
policy.verify("model", "model.sig")
tensors = modelward.load("model", policy=policy, framework="memoryview")
assert {name: bytes(tensor) for name, tensor in tensors.items()} == {"w": b"tensor"}, tensors
try:
    tensors["w"][0] = 0
    raise SystemExit("verified tensors could be written to")
except TypeError:
    pass
import logging
heard = []
handler = logging.Handler()
handler.emit = lambda record: heard.append(record.getMessage())
logging.getLogger("modelward").addHandler(handler)
os.chmod("key.pem", 0o644)
signing.Config().use_elliptic_key_signer(private_key="key.pem").sign("model", "other.sig")
assert [line for line in heard if "others on this machine may use the private key" in line], heard
heard.clear()
with open("model/more", "w") as file:
    file.write("m")
beside = verifying.Config().use_elliptic_key_verifier(public_key="key.pub").set_ignore_unsigned_files(True)
beside.verify("model", "model.sig")
assert heard == ["nobody signed, and ignored as asked: more"], heard
heard.clear()
modelward.load("model", policy=beside, framework="memoryview")
assert heard == ["nobody signed, and ignored as asked: more"], heard
os.remove("model/more")
for call in (
    lambda: policy.verify("model", "gone.sig"),
    lambda: verifying.Config().use_elliptic_key_verifier(public_key="gone"),
    lambda: signing.Config().use_elliptic_key_signer(private_key="gone"),
):
    try:
        call()
    except FileNotFoundError:
        continue
    raise SystemExit("nothing was missing")
try:
    hashing.Config().use_file_serialization(hashing_algorithm="md5")
    raise SystemExit("md5")
except ValueError as error:
    assert str(error) == "Unsupported hashing method md5", error
one = hashing.Config().hash("model", files_to_hash=["model/config.json"])
assert [item.identifier for item in one.resource_descriptors()] == ["config.json"]
assert one.serialization_type["method"] == "files" and one.serialization_type["hash_type"] == "sha256"
assert one != hashing.hash("model") and hashing.hash("model") == hashing.hash("model")
import model_signing
assert model_signing.__version__ == "1.1.1" and modelward.__version__ == modelward.version()
assert isinstance(one, model_signing.manifest.Manifest)
broken = json.load(open("model.sig"))
first = broken["dsseEnvelope"]["signatures"][0]
first["sig"] = first["sig"][:20] + ("A" if first["sig"][20] != "A" else "B") + first["sig"][21:]
json.dump(broken, open("broken.sig", "w"))
try:
    policy.verify("model", "broken.sig")
    raise SystemExit("a broken signature was believed")
except model_signing.InvalidSignature:
    pass

# The program's place is taken by one that shows what it was given.
from modelward import _program
real = _program.find_program
with open("shown", "w") as file:
    file.write("#!/bin/sh\necho \"$@\" > argv; echo the address >&2; read code; echo \"$code\" > code\n")
    file.write("for word in \"$@\"; do case $word in --json=*) cat \"${word#--json=}\" > flags;; esac; done\n")
os.chmod("shown", 0o755)
_program.find_program = lambda: os.path.abspath("shown")
signer = signing.Config().use_sigstore_signer(identity_token="TOKEN", client_secret="CLIENT")
signer.sign("model", "x.sig")
assert "TOKEN" not in open("argv").read() and "CLIENT" not in open("argv").read()
assert json.load(open("flags")) == {"identity_token": "TOKEN", "client_secret": "CLIENT"}
signing.Config().use_pkcs11_signer(pkcs11_uri="pkcs11:token=t?pin-value=1234").sign("model", "x.sig")
assert "1234" not in open("argv").read() and "pin-value=1234" in open("flags").read()
import io, sys
reading, writing = os.pipe()
os.write(writing, b"the code\n")
os.dup2(reading, 0)
sys.stderr, shown = io.StringIO(), sys.stderr
signing.Config().use_sigstore_signer(force_oob=True).sign("model", "x.sig")
sys.stderr, shown = shown, sys.stderr
assert shown.getvalue() == "the address\n", shown.getvalue()
assert open("code").read() == "the code\n"
_program.find_program = real
os.chmod("key.pem", 0o600)

manifest = hashing.Config().set_ignored_paths(paths=["sub"]).hash("model")
assert [item.identifier for item in manifest.resource_descriptors()] == ["config.json"]
other = verifying.Config().use_elliptic_key_verifier(public_key="other.pub")

def refused(words, call):
    try:
        call()
    except modelward.Refused as error:
        assert words in str(error), error
    else:
        raise SystemExit(words)

refused("Key mismatch", lambda: other.verify("model", "model.sig"))
refused("Key mismatch", lambda: modelward.load("model", policy=other))
refused("No such file", lambda: policy.verify("model", "gone.sig"))
with open("model/config.json", "w") as file:
    file.write("tampered")
refused("Hash mismatch for 'config.json'", lambda: policy.verify("model", "model.sig"))
refused("Hash mismatch for 'config.json'", lambda: modelward.load("model", policy=policy))
# Signed, and not in order.
bad = header.replace(b"[0, 6]", b"[0, 5]")
with open("model/sub/w.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(bad)) + bad + b"tensor")
signing.Config().use_elliptic_key_signer(private_key="key.pem").sign("model", "model.sig")
refused("has not the size of its shape", lambda: modelward.load("model", policy=policy))
"##;

#[test]
fn the_wheel_holds_what_it_says_and_works() {
    if !std::path::Path::new(PYTHON).exists() {
        let required = std::env::var("MODELWARD_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|word| word == "python");
        assert!(!is_required, "{PYTHON} is not there");
        println!("skipped: {PYTHON} is not there");
        return;
    }
    let room = tempfile::tempdir().unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let python = |words: &[&str]| {
        let mut command = Command::new(PYTHON);
        command.current_dir(room.path()).arg("-B").args(words);
        command.env("PYTHONPATH", room.path().join("site"));
        let outcome = Outcome::of(&mut command);
        assert_eq!(outcome.status, 0, "{words:?}: {outcome:?}");
        outcome.stdout
    };
    let build = format!("{root}/scripts/wheel");
    let program = env!("CARGO_BIN_EXE_modelward");
    let built = |to: &str| {
        let words = [
            &build,
            "--program",
            program,
            "--to",
            to,
            "--with-model-signing",
        ];
        let stdout = python(&words);
        let files: Vec<_> = stdout
            .lines()
            .map(|line| std::fs::read(room.path().join(line)).unwrap())
            .collect();
        (stdout, files)
    };
    let (names, files) = built("one");
    assert_eq!(
        files,
        built("two").1,
        "the same sources make the same bytes"
    );
    for wheel in names.lines() {
        python(&["-c", INSTALL, wheel, "site"]);
    }
    for (name, seed) in [("key", 1), ("other", 2)] {
        let key = testkit::key(seed);
        let file = |ending: &str| room.path().join(format!("{name}.{ending}"));
        std::fs::write(file("pem"), key.to_pem(None).unwrap().as_bytes()).unwrap();
        std::fs::write(file("pub"), trust::Signer::public_key(&key).pem()).unwrap();
    }
    python(&["-c", USE]);
    let version = python(&["-m", "model_signing", "--version"]);
    assert!(
        version.starts_with("model_signing, version 1.1.1"),
        "{version}"
    );
    assert!(python(&["-m", "modelward", "--version"]).starts_with("modelward "));
}
