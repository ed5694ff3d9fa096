//! The guides' commands do and print what stands there: `scripts/guides` runs them. What needs a token or a Sigstore and
//! has none here is run by `make interop`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::sigstore::{Draught, IDENTITY, PROVIDER, Rekor, root};

use crate::bands::house;
use crate::workshop::{Outcome, Workshop};

const PYTHON: &str = "/usr/bin/python3";

/// From nothing to a signature.
const RUN: [&str; 10] = [
    "coming-from-cosign",
    "coming-from-model-signing",
    "registry",
    "sign-a-model",
    "sign-with-certificate",
    "sign-with-key",
    "sign-with-keyless",
    "sign-with-plugin",
    "sign-with-token",
    "workshop",
];
/// They go on from a chain that somebody has; the tests of the commands run what they name.
const OF_A_CHAIN: [&str; 6] = [
    "recall",
    "rotate-keys",
    "run-the-chain",
    "serve",
    "train-with-python",
    "transparency",
];
/// It needs a registry with somebody's model; the tests of `oci` and `make interop` do what it names.
const OF_A_REGISTRY: [&str; 1] = ["sign-oci"];
/// A test of `modelward-testkit` compiles and runs its program.
const OF_A_LIBRARY: [&str; 1] = ["use-as-a-library"];

#[test]
fn the_guides_run_as_they_stand() {
    let Some(guides) = Guides::new() else { return };
    for name in RUN {
        let outcome = guides.run(&page(name));
        println!("{}", outcome.stdout);
        assert_eq!(outcome.status, 0, "{outcome:#?}");
    }
    let mut known: Vec<_> = RUN
        .iter()
        .chain(&OF_A_CHAIN)
        .chain(&OF_A_REGISTRY)
        .chain(&OF_A_LIBRARY)
        .map(|name| page(name))
        .collect();
    known.sort();
    let mut there: Vec<_> = fs::read_dir(house().join("docs/guides"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    there.sort();
    assert_eq!(there, known, "a page that nobody runs");
}

/// Nothing passes because nothing was compared.
#[test]
fn a_guide_that_says_something_else_is_refused() {
    let Some(guides) = Guides::new() else { return };
    let right = fs::read_to_string(page("sign-with-key")).unwrap();
    for (this, that) in [
        ("[digest_mismatch]", "[file_extra]"),
        ("2 files of", "3 files of"),
        ("way to yes: get", "way to yes: fetch"),
        ("```sh ends=1", "```sh"),
        ("```sh ends=1", "```sh ends=2"),
        ("modelward sign model", "modelward sign modle"),
    ] {
        let wrong = right.replacen(this, that, 1);
        assert_ne!(wrong, right, "{this}");
        let file = guides.signed.file("wrong.md");
        fs::write(&file, wrong).unwrap();
        let outcome = guides.run(&file);
        assert_eq!(outcome.status, 1, "{that}: {outcome:#?}");
    }
}

fn page(name: &str) -> PathBuf {
    house().join(format!("docs/guides/{name}.md"))
}

/// The models of the two keyless pages, each with the signature that our little Sigstore's signer made.
struct Guides {
    signed: Workshop,
}

impl Guides {
    fn new() -> Option<Self> {
        if !Path::new(PYTHON).exists() {
            assert!(!is_required("python"), "{PYTHON} is not there");
            println!("skipped: {PYTHON} is not there");
            return None;
        }
        let signed = Workshop::bare();
        signed.write("model/config.json", "{\"hidden_size\": 8}\n");
        signed.write("model/weights.bin", "weights\n");
        signed.write("bert-base-uncased/config.json", "{}");
        signed.write("bert-base-uncased/model.safetensors", "weights");
        signed.write("bert-base-uncased/.git/HEAD", "ref: refs/heads/main");
        signed.write("root.json", root().to_string());
        signed.write_key();
        for model in ["model", "bert-base-uncased"] {
            let signature = format!("{model}.sig");
            signed.yes(&format!("sign {model} --private-key key.pem"));
            let mut draught = Draught::new(Rekor::Second);
            draught.payload = payload(&signed.read(&signature));
            signed.write(&signature, draught.bundle().to_string());
        }
        Some(Self { signed })
    }

    fn run(&self, page: &Path) -> Outcome {
        let mut command = Command::new(PYTHON);
        command.arg("-B").arg(house().join("scripts/guides"));
        command.args(["--modelward", env!("CARGO_BIN_EXE_modelward")]);
        command
            .arg("--trust-config")
            .arg(self.signed.file("root.json"));
        for (path, from) in [
            ("model.sig", "model.sig"),
            ("bert-base-uncased/model.sig", "bert-base-uncased.sig"),
            ("bert-base-uncased", "bert-base-uncased"),
        ] {
            command
                .args(["--stand-in", path])
                .arg(self.signed.file(from));
        }
        let provider = format!("--identity-provider {PROVIDER}");
        for (this, that) in [
            ("you@example.com", IDENTITY),
            ("https://github.com/login/oauth", PROVIDER),
            ("--identity-provider github", &provider),
        ] {
            command.args(["--put", this, that]);
        }
        if has_token() {
            command.args(["--have", "softhsm"]);
        }
        if Path::new("/usr/bin/docker-registry").exists() {
            command.args(["--have", "registry"]);
        }
        Outcome::of(command.arg(page))
    }
}

fn payload(signature: &[u8]) -> Vec<u8> {
    let bundle: Value = serde_json::from_slice(signature).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    data_encoding::BASE64.decode(payload.as_bytes()).unwrap()
}

/// Whether SoftHSM and the program that fills it are here, as the page asks for.
fn has_token() -> bool {
    let is_here = [
        "/usr/bin/softhsm2-util",
        "/usr/bin/pkcs11-tool",
        "/usr/lib/softhsm/libsofthsm2.so",
    ]
    .iter()
    .all(|file| Path::new(file).exists());
    assert!(is_here || !is_required("softhsm"), "SoftHSM is not there");
    is_here
}

fn is_required(what: &str) -> bool {
    let required = std::env::var("MODELWARD_REQUIRE").unwrap_or_default();
    required.split(',').any(|word| word == what)
}
