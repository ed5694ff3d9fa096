//! A model, keys and certificates to sign it with, and bundles that no honest program makes.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::certificates;
use testkit::key;
use trust::Signer;

use crate::workshop::{Outcome, program, words};

/// The seed of the key that signs.
pub(super) const KEY: u8 = 7;
/// And of another one.
pub(super) const OTHER: u8 = 8;

pub(super) struct Bench(TempDir);

impl Bench {
    /// A model of three files, a key and another one.
    pub(super) fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("m/config.json", "{}"),
            ("m/tokenizer/vocab.txt", "a b"),
            ("m/weights.bin", "weights"),
        ] {
            bench.write(name, text);
        }
        bench.write_key("key", KEY);
        bench.write_key("other", OTHER);
        bench
    }

    /// And signed.
    pub(super) fn signed() -> Self {
        let bench = Self::new();
        bench.yes("sign key m --private_key key.pem");
        bench
    }

    /// And signed with a certificate.
    pub(super) fn certified() -> Self {
        let bench = Self::new();
        let [leaf, middle, root] = certificates::chain();
        for (name, der) in [
            ("leaf.crt", leaf),
            ("middle.crt", middle),
            ("root.crt", root),
            ("stamping.crt", certificates::stamping_root()),
        ] {
            bench.write(name, certificate(&der));
        }
        bench.write_key("leaf", 3);
        bench.yes(
            "sign certificate m --private_key leaf.pem --signing_certificate leaf.crt --certificate_chain middle.crt",
        );
        bench
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(super) fn run(&self, line: &str) -> Outcome {
        let mut command = program();
        command.current_dir(self.path()).arg("oms");
        Outcome::of(command.args(words(line)))
    }

    pub(super) fn yes(&self, line: &str) -> Outcome {
        let outcome = self.run(line);
        assert_eq!(outcome.status, 0, "{line}: {outcome:?}");
        outcome
    }

    /// Verifies `m` by a signature and the usual key.
    pub(super) fn verify(&self, signature: &str) -> Outcome {
        self.run(&format!(
            "verify key m --signature {signature} --public_key key.pub"
        ))
    }

    /// The statement that `model.sig` signs.
    pub(super) fn statement(&self, signature: &str) -> Value {
        let bundle: Value = serde_json::from_slice(&self.read(signature)).unwrap();
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        serde_json::from_slice(&BASE64.decode(payload.as_bytes()).unwrap()).unwrap()
    }

    /// Signs a statement, whatever it says, with its root digest made right.
    pub(super) fn craft(&self, name: &str, mut statement: Value) {
        let mut root = digest::Hasher::new();
        for resource in statement["predicate"]["resources"].as_array().unwrap() {
            let hex = resource["digest"].as_str().unwrap();
            root.update(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap());
        }
        statement["subject"][0]["digest"]["sha256"] = json!(root.finish().hex());
        self.craft_as_it_is(name, &statement);
    }

    pub(super) fn craft_as_it_is(&self, name: &str, statement: &Value) {
        let bundle = key(KEY).seal(statement.to_string().into_bytes()).unwrap();
        self.write(name, bundle.to_bytes());
    }

    fn write_key(&self, name: &str, seed: u8) {
        let key = key(seed);
        self.write(&format!("{name}.pem"), key.to_pem(None).unwrap().as_bytes());
        let private = self.file(&format!("{name}.pem"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(private, mode).unwrap();
        self.write(&format!("{name}.pub"), key.public_key().pem());
    }
}

/// A certificate as PEM.
pub(super) fn certificate(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines = text.as_bytes().chunks(64);
    let lines: String = lines
        .map(|line| String::from_utf8_lossy(line).into_owned() + "\n")
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}
