//! Statements as the rooms to the left make them: sealed with real keys, verified by a real root.

use std::collections::BTreeMap;
use std::path::PathBuf;

use digest::{Digest, Listing, measure_bytes};
use trust::artifact::FileEntry;
use trust::predicate::{
    BuildDefinition, BuilderRef, PackageDescriptor, Provenance, Publish, RunDetails, RunMetadata,
    SOURCE_PARAMETER,
};
use trust::{
    Artifact, Denied, Kind, Predicate, PrivateKey, RootKey, Signer, Statement, Subject, Time,
    TreePath, TrustRoot, Verdict, Verified,
};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const BUILDER: &str = "https://builds.example/builder/hosted/v1";
pub(crate) const WORKSTATION: &str = "https://modelward.dev/builder/workstation/v1";
pub(crate) const PUBLISHER: &str = "https://builds.example/publisher/v1";
pub(crate) const SOURCE: &str = "https://git.example/team/digits";
pub(crate) const PACKAGE: &str = "registry.example/team/digits";

pub(crate) fn now() -> Time {
    Time::from_unix(NOW)
}

/// A statement signed by a key that may say this alone, and may speak for these names.
pub(crate) fn verified<P: Predicate>(
    statement: &Statement<P>,
    speaks_for: &[&str],
) -> Verified<Statement<P>> {
    verified_payload(statement.to_bytes(), speaks_for).unwrap()
}

pub(crate) fn verified_payload<P: Predicate>(
    payload: Vec<u8>,
    speaks_for: &[&str],
) -> Result<Verified<Statement<P>>, trust::Error> {
    let key = PrivateKey::from_random(&[7; 32]).unwrap();
    let root_key = RootKey {
        name: P::ROLE.to_string(),
        public_key: key.public_key().clone(),
        roles: vec![P::ROLE],
        speaks_for: speaks_for.iter().map(ToString::to_string).collect(),
        valid_from: Time::from_unix(0),
        valid_until: Time::from_unix(2 * NOW),
    };
    let root = TrustRoot::new(Time::from_unix(0), Time::from_unix(2 * NOW)).with_key(root_key);
    trust::verify(&key.seal(payload).unwrap().to_bytes(), &root, now())
}

/// A statement signed by somebody whom the root calls this, and lets say it and speak for whomever it names.
pub(crate) fn said_by<P: Predicate>(
    name: &str,
    statement: &Statement<P>,
) -> Verified<Statement<P>> {
    let key = PrivateKey::from_random(Digest::of(name.as_bytes()).raw()).unwrap();
    let root_key = RootKey {
        name: name.to_owned(),
        public_key: key.public_key().clone(),
        roles: vec![P::ROLE],
        speaks_for: statement
            .predicate
            .speaker()
            .map(str::to_owned)
            .into_iter()
            .collect(),
        valid_from: Time::from_unix(0),
        valid_until: Time::from_unix(2 * NOW),
    };
    let root = TrustRoot::new(Time::from_unix(0), Time::from_unix(2 * NOW)).with_key(root_key);
    let sealed = key.seal(statement.to_bytes()).unwrap();
    trust::verify(&sealed.to_bytes(), &root, now()).unwrap()
}

pub(crate) fn statement<P>(digest: Digest, predicate: P) -> Statement<P> {
    let subject = Subject {
        name: "model".into(),
        digest,
    };
    Statement {
        subjects: vec![subject],
        predicate,
    }
}

pub(crate) fn provenance(builder: &str, source: &str, isolation: Option<&str>) -> Provenance {
    let internal = isolation.map(|word| ("isolation".to_owned(), word.into()));
    Provenance {
        build_definition: BuildDefinition {
            build_type: "https://builds.example/type".into(),
            external_parameters: BTreeMap::from([(SOURCE_PARAMETER.to_owned(), source.into())]),
            internal_parameters: internal.into_iter().collect(),
            resolved_dependencies: vec![],
        },
        run_details: RunDetails {
            builder: BuilderRef {
                id: builder.into(),
                version: BTreeMap::new(),
            },
            metadata: RunMetadata::default(),
            byproducts: vec![],
        },
    }
}

pub(crate) fn built(
    digest: Digest,
    builder: &str,
    source: &str,
    isolation: Option<&str>,
) -> Verified<Statement<Provenance>> {
    verified(
        &statement(digest, provenance(builder, source, isolation)),
        &[builder],
    )
}

pub(crate) fn publication(package: &str, environment: Option<&str>, level: u8) -> Publish {
    let (registry, name) = package.split_once('/').unwrap();
    let package = PackageDescriptor {
        name: name.into(),
        registry: registry.into(),
        environment: environment.map(str::to_owned),
    };
    Publish::new(Time::from_unix(NOW - 100), package, level)
}

pub(crate) fn published(
    digest: Digest,
    environment: Option<&str>,
    level: u8,
    publisher: &str,
) -> Verified<Statement<Publish>> {
    published_as(PACKAGE, digest, environment, level, publisher)
}

pub(crate) fn published_as(
    package: &str,
    digest: Digest,
    environment: Option<&str>,
    level: u8,
    publisher: &str,
) -> Verified<Statement<Publish>> {
    verified(
        &statement(digest, publication(package, environment, level)),
        &[publisher],
    )
}

pub(crate) fn listing(files: &[(&str, &str)]) -> Listing {
    let measured =
        |(name, text): &(&str, &str)| ((*name).to_owned(), measure_bytes(text.as_bytes()));
    files.iter().map(measured).collect()
}

/// The codes of a verdict's reasons; none for a yes.
pub(crate) fn codes<T>(verdict: &Verdict<T>) -> Vec<&'static str> {
    match verdict {
        Verdict::Allowed(_) => vec![],
        Verdict::Denied(denied) => codes_of(denied),
    }
}

fn codes_of(denied: &Denied) -> Vec<&'static str> {
    denied
        .reasons()
        .map(|reason| reason.code.as_str())
        .collect()
}

pub(crate) fn allowed<T: std::fmt::Debug>(verdict: Verdict<T>) -> T {
    match verdict {
        Verdict::Allowed(value) => value,
        Verdict::Denied(denied) => panic!("{denied:?}"),
    }
}

pub(crate) fn denied<T: std::fmt::Debug>(verdict: Verdict<T>) -> Denied {
    match verdict {
        Verdict::Allowed(value) => panic!("allowed: {value:?}"),
        Verdict::Denied(denied) => denied,
    }
}

/// The public vectors, where the machine has them.
pub(crate) fn vectors() -> Option<PathBuf> {
    std::env::var_os("MODELWARD_VECTORS").map(PathBuf::from)
}

/// A folder at the top of the source tree.
pub(crate) fn top(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// A model of one file, which is what the builds in these tests are about.
pub(crate) fn model(file: Digest) -> Artifact {
    let entry = FileEntry {
        digest: file,
        size_bytes: 1,
    };
    let files = [(TreePath::new("model").unwrap(), entry)].into();
    Artifact::new(Kind::Model, files).unwrap()
}
