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
const USE: &str = r#"
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
"#;

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
