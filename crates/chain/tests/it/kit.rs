//! A log with statements in it, each sealed with a real key, as the stages to the left leave it.

use std::collections::BTreeMap;

use chain::train::{Build, WORKSTATION};
use chain::{Dossier, Ledger};
use digest::{Digest, Listing, measure_bytes};
use trust::log::{Checkpoint, Entry, Frontier, Head, LogSigner, leaf_hash};
use trust::predicate::{
    Dataset, Form, Isolation, ModelSignature, Provenance, Recall, RecallKind, ResourceDescriptor,
    ScanReport, ScanVerdict, ScannedFile,
};
use trust::{
    Artifact, Denied, KeyId, Kind, Predicate, RootKey, Signer, Statement, Subject, Time, TrustRoot,
    Verdict,
};

pub(crate) const NOW: i64 = 1_800_000_000;
/// The key that says everything, unless a test says otherwise.
pub(crate) const KEY: u8 = 1;
/// Another key that is believed in all roles.
pub(crate) const OTHER: u8 = 2;
/// A key that nobody believes.
pub(crate) const STRANGER: u8 = 3;
pub(crate) const OTHER_BUILDER: &str = "https://builds.example/builder/v1";
pub(crate) const PUBLISHER: &str = chain::publish::LOCAL_PUBLISHER;
pub(crate) const SOURCE: &str = "https://git.example/team/digits";

pub(crate) fn now() -> Time {
    Time::from_unix(NOW)
}

pub(crate) fn log() -> LogSigner {
    LogSigner::from_seed("log.example", &[7; 32]).unwrap()
}

pub(crate) fn key_id(seed: u8) -> KeyId {
    testkit::key(seed).public_key().id()
}

/// A key that is believed in all roles, for these names.
pub(crate) fn root_key(seed: u8) -> RootKey {
    let root = testkit::trusting(seed, &[WORKSTATION, OTHER_BUILDER, PUBLISHER]);
    root.keys().next().unwrap().clone()
}

/// What was gathered, and the root to believe it by.
pub(crate) struct World {
    pub(crate) root: TrustRoot,
    pub(crate) gathered: Dossier<'static>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (from, until) = (Time::from_unix(0), Time::from_unix(2 * NOW));
        let root = TrustRoot::new(from, until).with_log(log().key().to_string());
        Self {
            root: root.with_key(root_key(KEY)).with_key(root_key(OTHER)),
            gathered: Dossier::default(),
        }
    }

    /// Signs and logs a statement; gives back its bundle's digest.
    pub(crate) fn say<P: Predicate>(&mut self, statement: &Statement<P>) -> Digest {
        self.say_by(KEY, statement)
    }

    pub(crate) fn say_by<P: Predicate>(&mut self, seed: u8, statement: &Statement<P>) -> Digest {
        let subjects = statement.subjects.iter().map(|subject| subject.digest);
        let subjects: Vec<Digest> = subjects.collect();
        self.file(seed, statement, P::TYPE, &subjects)
    }

    /// Signs a statement and files it under any type and subjects.
    pub(crate) fn file<P: Predicate>(
        &mut self,
        seed: u8,
        statement: &Statement<P>,
        predicate_type: &str,
        subjects: &[Digest],
    ) -> Digest {
        let sealed = trust::seal(statement, &testkit::key(seed)).unwrap();
        let bytes = sealed.to_bytes();
        let bundle = Digest::of(&bytes);
        self.gathered.bundles.insert(bundle, bytes);
        let entry = Entry::new(bundle, predicate_type, subjects.iter().copied()).unwrap();
        self.gathered.entries.push(entry.to_bytes());
        bundle
    }

    pub(crate) fn keep(&mut self, artifact: &Artifact) {
        self.gathered.artifacts.push(artifact.clone());
    }

    /// Keeps a data set and says that a policy allowed it.
    pub(crate) fn add(&mut self, name: &str, data: &Artifact) -> Digest {
        self.keep(data);
        self.say(&added(name, data))
    }

    /// Keeps a model and says that it was built from these.
    pub(crate) fn build(&mut self, model: &Artifact, materials: &[Digest]) -> Digest {
        self.keep(model);
        self.say(&built(model, materials))
    }

    pub(crate) fn recall(&mut self, kind: RecallKind, target: &str) -> Digest {
        self.say(&recall(kind, target))
    }

    /// What was gathered, with the log's signature over it.
    pub(crate) fn dossier(&self) -> Dossier<'static> {
        let mut dossier = self.gathered.clone();
        dossier.checkpoint = Some(checkpoint(&dossier.entries, &log()));
        dossier
    }

    pub(crate) fn ledger(&self) -> Ledger<'_> {
        Ledger::open(self.dossier(), &self.root, now()).unwrap()
    }

    /// Why an artifact is recalled.
    pub(crate) fn recalled(&self, artifact: &Artifact) -> Vec<String> {
        let reasons = chain::recall::recalled(&self.ledger(), artifact).unwrap();
        reasons.into_iter().map(|reason| reason.message).collect()
    }
}

pub(crate) fn checkpoint(entries: &[Vec<u8>], signer: &LogSigner) -> String {
    let mut frontier = Frontier::default();
    for entry in entries {
        frontier.push(leaf_hash(entry));
    }
    let (size, root) = (frontier.size(), frontier.root());
    Checkpoint::sign(Head { size, root }, signer)
        .note()
        .to_owned()
}

pub(crate) fn artifact(kind: Kind, files: &[(&str, &str)]) -> Artifact {
    let measured =
        |(name, text): &(&str, &str)| ((*name).to_owned(), measure_bytes(text.as_bytes()));
    let listing: Listing = files.iter().map(measured).collect();
    Artifact::from_listing(kind, &listing).unwrap()
}

/// A data set of two files.
pub(crate) fn data(text: &str) -> Artifact {
    let labels = format!("labels of {text}");
    artifact(Kind::DataSet, &[("images", text), ("labels", &labels)])
}

/// A model with these weights, and the architecture that all models here share.
pub(crate) fn model(weights: &str) -> Artifact {
    let files = [("architecture.json", "{}"), ("weights", weights)];
    artifact(Kind::Model, &files)
}

pub(crate) fn file_digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An artifact as a build lists it: itself, and each of its files.
pub(crate) fn whole(artifact: &Artifact) -> Vec<Digest> {
    let files = artifact.files().values().map(|file| file.digest);
    std::iter::once(artifact.digest()).chain(files).collect()
}

pub(crate) fn about<P>(artifact: &Artifact, predicate: P) -> Statement<P> {
    let subject = Subject {
        name: "digits".to_owned(),
        digest: artifact.digest(),
    };
    Statement {
        subjects: vec![subject],
        predicate,
    }
}

pub(crate) fn added(name: &str, data: &Artifact) -> Statement<Dataset> {
    let predicate = Dataset {
        name: name.to_owned(),
        source: "npm:digits@1.0.0".to_owned(),
        licence: "MIT".to_owned(),
        purposes: vec!["train".to_owned(), "evaluate".to_owned()],
        policy: Digest::of(b"policy").to_string(),
        added_at: now(),
    };
    let subject = |digest| Subject {
        name: name.to_owned(),
        digest,
    };
    Statement {
        subjects: whole(data).into_iter().map(subject).collect(),
        predicate,
    }
}

/// A build of this model on this machine.
pub(crate) fn build(model: &Artifact, materials: Vec<ResourceDescriptor>) -> Build {
    let outputs = model.files().iter();
    Build {
        name: "digits".to_owned(),
        command: vec!["train".to_owned(), "--epochs=1".to_owned()],
        environment: BTreeMap::from([("LANG".to_owned(), "C".to_owned())]),
        source: Some(SOURCE.to_owned()),
        limits: serde_json::json!({"memory": 1}),
        isolation: Isolation::SeparateUsers,
        sandbox: serde_json::json!({"namespaces": true}),
        cpu_features: vec!["avx2".to_owned()],
        dependencies: materials,
        outputs: outputs
            .map(|(path, file)| (path.to_string(), file.digest))
            .collect(),
        claims: BTreeMap::from([("accuracy".to_owned(), "0.98".to_owned())]),
        invocation_id: "1".to_owned(),
        started: now(),
        finished: now(),
        version: "1".to_owned(),
    }
}

pub(crate) fn built(model: &Artifact, materials: &[Digest]) -> Statement<Provenance> {
    let material = |digest: &Digest| ResourceDescriptor::new("material", "", *digest);
    let materials = materials.iter().map(material).collect();
    chain::train::statement(build(model, materials)).unwrap()
}

pub(crate) fn signed(model: &Artifact) -> Statement<ModelSignature> {
    chain::sign::statement("digits", model, Form::Folder, vec![])
}

pub(crate) fn scanned_files(model: &Artifact, verdict: ScanVerdict) -> Vec<ScannedFile> {
    let file = |(path, file): (&str, &trust::artifact::FileEntry)| ScannedFile {
        name: path.to_owned(),
        digest: file.digest,
        format: "json".to_owned(),
        verdict,
        findings: BTreeMap::new(),
        not_read: Vec::new(),
    };
    model.files().iter().map(file).collect()
}

pub(crate) fn scanned(model: &Artifact, verdict: ScanVerdict) -> Statement<ScanReport> {
    let files = scanned_files(model, verdict);
    let rules = Digest::of(b"rules");
    chain::scan::statement(
        "digits",
        model,
        files.into_iter().collect(),
        "modelward/1",
        rules,
        now(),
    )
    .unwrap()
}

pub(crate) fn recall(kind: RecallKind, target: &str) -> Statement<Recall> {
    chain::recall::statement(kind, target, "poisoned", now())
}

/// The codes of a verdict's reasons; none for a yes.
pub(crate) fn codes<T>(verdict: &Verdict<T>) -> Vec<&'static str> {
    let code = |reason: &trust::Reason| reason.code.as_str();
    match verdict {
        Verdict::Allowed(_) => vec![],
        Verdict::Denied(denied) => Denied::reasons(denied).map(code).collect(),
    }
}

pub(crate) fn allowed<T>(verdict: Verdict<T>) -> T {
    match verdict {
        Verdict::Allowed(value) => value,
        Verdict::Denied(denied) => panic!("{denied:?}"),
    }
}
