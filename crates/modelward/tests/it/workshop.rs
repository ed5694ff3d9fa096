//! A folder of its own for each test, with a store, a tiny data set and a program that makes a model of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::{bands, schema};

pub(crate) const PACKAGE: &str = "docker.io/lmrs2/bh-aisec-model-inference";
pub(crate) const PROD: &str = "name@prod-project-id.iam.gserviceaccount.com";
pub(crate) const STAGING: &str = "name@staging-project-id.iam.gserviceaccount.com";

/// A step that needs nothing but a shell: it glues the two halves of the weights together.
pub(crate) const TRAIN: &str = "train --input bands --name digits --to out/digits \
    --source git+https://modelward.dev/source/modelward --include /bin/cat -- /bin/sh /in/bands/train.sh";

const KEY: &str = include_str!("../../../trust/testdata/keys/p256.pk8.pem");

pub(crate) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// The data, the policies and no store.
    pub(crate) fn bare() -> Self {
        let workshop = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        bands::write(workshop.path());
        workshop
    }

    /// A store with one key that may say everything, and the data set.
    pub(crate) fn with_data() -> Self {
        let workshop = Self::bare();
        workshop.yes("store init");
        workshop.yes("key new laptop");
        workshop.yes("dataset add bands --policy dependencies.toml");
        workshop
    }

    /// And a model made of it, scanned and signed.
    pub(crate) fn with_model() -> Self {
        let workshop = Self::with_data();
        workshop.yes(TRAIN);
        workshop.yes("scan out/digits");
        workshop.yes("sign out/digits");
        workshop
    }

    /// And published, deployed and admitted for prod.
    pub(crate) fn admitted() -> Self {
        let workshop = Self::with_model();
        workshop.yes(&publish("prod"));
        workshop.yes(&deploy("prod"));
        workshop.yes(&admit("prod", PROD));
        workshop
    }

    /// Another one, with the same in it.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("cp");
        command.arg("-a").arg(self.file(".")).arg(folder.path());
        assert!(command.status().unwrap().success());
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A private key's file, `key.pem`, that only its owner reads.
    pub(crate) fn write_key(&self) {
        use std::os::unix::fs::PermissionsExt;
        self.write("key.pem", KEY);
        fs::set_permissions(self.file("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// And its public key's, `key.pub`.
    pub(crate) fn write_key_pair(&self) {
        self.write_key();
        let key = trust::PrivateKey::from_pem(KEY, None).unwrap();
        self.write("key.pub", trust::Signer::public_key(&key).pem());
    }

    /// Replaces the first `from` in a file; it must be there.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let bytes = self.read(name);
        let (from, to) = (from.as_bytes(), to.as_bytes());
        let at = bytes.windows(from.len()).position(|window| window == from);
        let at = at.unwrap_or_else(|| panic!("{name} has no such text"));
        let (before, after) = bytes.split_at(at);
        self.write(name, [before, to, &after[from.len()..]].concat());
    }

    /// Turns one bit of a file over.
    pub(crate) fn flip(&self, name: &str, at: usize) {
        let mut bytes = self.read(name);
        bytes[at] ^= 1;
        // Some of the store's files are read-only, and so they are replaced.
        fs::remove_file(self.file(name)).unwrap();
        self.write(name, bytes);
    }

    /// The program in this folder, with an environment that says nothing.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = program();
        command.current_dir(self.path()).args(words(line));
        command
    }

    pub(crate) fn run(&self, line: &str) -> Outcome {
        Outcome::of(&mut self.command(line))
    }

    /// Runs what must be answered with yes.
    pub(crate) fn yes(&self, line: &str) -> Outcome {
        let outcome = self.run(line);
        assert_eq!(outcome.status, 0, "{line}: {outcome:?}");
        outcome
    }

    /// Asks for JSON, and checks it against the documented form for this command.
    pub(crate) fn json(&self, line: &str) -> Value {
        json_of(line, &mut self.command(&with_json(line)))
    }

    /// Asks for JSON, which must be a yes.
    pub(crate) fn allowed(&self, line: &str) -> Value {
        let answer = self.json(line);
        assert_eq!(answer["result"], "allowed", "{line}: {answer:#}");
        answer
    }

    /// The codes of all reasons of what must be answered with no.
    pub(crate) fn denied(&self, line: &str) -> Vec<String> {
        let answer = self.json(line);
        assert_eq!(answer["result"], "denied", "{line}: {answer:#}");
        let reasons = answer["reasons"].as_array().unwrap();
        let code = |reason: &Value| reason["code"].as_str().unwrap().to_owned();
        reasons.iter().map(code).collect()
    }

    /// The code of what can't be answered.
    pub(crate) fn error(&self, line: &str) -> String {
        let answer = self.json(line);
        assert_eq!(answer["result"], "error", "{line}: {answer:#}");
        answer["code"].as_str().unwrap().to_owned()
    }

    /// The statement in a bundle of the store, by the bundle's digest.
    pub(crate) fn statement(&self, bundle: &Value) -> Value {
        let bytes = self.read(&blob(bundle.as_str().unwrap()));
        let bundle: Value = serde_json::from_slice(&bytes).unwrap();
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        serde_json::from_slice(&data_encoding::BASE64.decode(payload.as_bytes()).unwrap()).unwrap()
    }

    /// The store holds what it says, and its log is whole.
    pub(crate) fn is_sound(&self) {
        self.yes("store verify");
        self.yes("log verify");
    }
}

/// The program, with an environment that says nothing.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelward"));
    // Whose machine this is has no say in what is believed.
    command
        .stdin(Stdio::null())
        .env("XDG_DATA_HOME", "/nowhere");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("MODELWARD_")
            || text == "COSIGN_PASSWORD"
            || text == "NO_COLOR"
            || text == "COLUMNS"
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command that was asked for JSON, and checks what it answers.
pub(crate) fn json_of(line: &str, command: &mut Command) -> Value {
    let outcome = Outcome::of(command);
    assert!(!outcome.stdout.is_empty(), "{line}: {outcome:?}");
    let answer = schema::strict(outcome.stdout.as_bytes());
    schema::check(&schema::command_of(line), &answer);
    let status = match answer["result"].as_str() {
        Some("allowed") => 0,
        Some("denied") => 1,
        _ => 2,
    };
    assert_eq!(outcome.status, status, "{line}: {outcome:?}");
    answer
}

/// `--json` as a flag of ours, not of the step.
pub(crate) fn with_json(line: &str) -> String {
    match line.split_once(" -- ") {
        Some((ours, step)) => format!("{ours} --json -- {step}"),
        None => format!("{line} --json"),
    }
}

/// Where a blob is in a workshop's store.
pub(crate) fn blob(digest: &str) -> String {
    format!(".modelward/blobs/{}", digest.replace(':', "/"))
}

pub(crate) fn publish(environment: &str) -> String {
    format!("publish out/digits --package {PACKAGE} --environment {environment} --policies publish")
}

pub(crate) fn deploy(environment: &str) -> String {
    format!(
        "deploy out/digits --package {PACKAGE} --policies deployment --policy servers-{environment}.json"
    )
}

pub(crate) fn admit(environment: &str, account: &str) -> String {
    format!(
        "admit out/digits --package {PACKAGE} --environment {environment} --service-account {account}"
    )
}

pub(crate) fn serve(account: &str) -> String {
    format!("serve out/digits --http 127.0.0.1:0 --environment prod --service-account {account}")
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            // A signal is no exit status.
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A child that does not outlive its test.
pub(crate) struct Held(pub(crate) Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Splits at spaces outside of `'…'`.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (position, part) in line.split('\'').enumerate() {
        if position % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(ToOwned::to_owned));
        }
    }
    words
}
