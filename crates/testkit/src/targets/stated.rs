//! Bundles, statements and what they are about.

use std::path::{Component, Path};
use std::sync::LazyLock;

use digest::Digest;
use trust::predicate::{
    Admission, Approval, ApprovalRequest, CycloneDx, Dataset, Deployment, Exception,
    ModelSignature, Provenance, Publish, Recall, ScanReport, Serving, Spdx,
};
use trust::{
    AnyStatement, Artifact, Bundle, Opaque, Predicate, Signer, Statement, Time, TreePath,
    TrustRoot, verify,
};

use super::texts;
use crate::{key, statements, trusting};

fn root() -> &'static TrustRoot {
    static ROOT: LazyLock<TrustRoot> = LazyLock::new(|| trusting(1, &[statements::BUILDER]));
    &ROOT
}

fn seal(payload: Vec<u8>) -> Bundle {
    key(1).seal(payload).expect("a key in memory answers")
}

/// The payload, if the bundle is believed as a `P`; then the statement survives being sealed again.
fn believed<P: Predicate + PartialEq>(bundle: &[u8]) -> bool {
    let Ok(verified) = verify::<P>(bundle, root(), Time::from_unix(0)) else {
        return false;
    };
    let statement = verified.value();
    let again = seal(statement.to_bytes()).to_bytes();
    let again = verify::<P>(&again, root(), Time::from_unix(0)).expect("what we write we read");
    assert!(again.value() == statement, "it is the same statement");
    true
}

/// As how many types of statement the bundle is believed.
fn readings(bundle: &[u8]) -> usize {
    let readings = [
        believed::<Dataset>(bundle),
        believed::<Provenance>(bundle),
        believed::<ScanReport>(bundle),
        believed::<ModelSignature>(bundle),
        believed::<Publish>(bundle),
        believed::<Deployment>(bundle),
        believed::<Admission>(bundle),
        believed::<Serving>(bundle),
        believed::<Recall>(bundle),
        believed::<ApprovalRequest>(bundle),
        believed::<Approval>(bundle),
        believed::<Exception>(bundle),
        believed::<CycloneDx>(bundle),
        believed::<Spdx>(bundle),
    ];
    readings.iter().filter(|is_believed| **is_believed).count()
}

/// Nothing is believed but what was sealed, whatever became of the bundle around it.
pub(super) fn bundle(bytes: &[u8]) {
    let Ok(bundle) = Bundle::parse(bytes) else {
        assert_eq!(readings(bytes), 0);
        return;
    };
    let again = Bundle::parse(&bundle.to_bytes());
    assert_eq!(again.as_ref(), Ok(&bundle));
    if readings(bytes) > 0 {
        let payload = bundle.envelope().payload();
        assert!(
            statements::payloads()
                .iter()
                .any(|sealed| sealed == payload),
            "nobody sealed this"
        );
    }
}

pub(super) fn bundle_seeds() -> Vec<Vec<u8>> {
    let sealed: Vec<String> = statements::payloads()
        .into_iter()
        .map(|payload| String::from_utf8_lossy(&seal(payload).to_bytes()).into_owned())
        .collect();
    let first = &sealed[0];
    let hint = key(1).public_key().id().hex();
    let mut seeds = texts(&[
        &first.replacen(&hint, "", 1),
        &first.replacen(r#","keyid":"""#, r#","keyid":null"#, 1),
        &first.replacen(r#","keyid":"""#, "", 1),
        &first.replacen(r#","tlogEntries":[]"#, "", 1),
    ]);
    seeds.extend(sealed.into_iter().map(String::into_bytes));
    seeds
}

/// A payload, rightly sealed: it is read as one type at most, and as what others say it is the same.
pub(super) fn statement(bytes: &[u8]) {
    let any = AnyStatement::parse(bytes);
    // What is no statement is refused before anybody looks at the predicate; signing it would only cost time.
    if let Ok(statement) = Statement::<Opaque<'_>>::parse(bytes) {
        let any = any.expect("what we read of ours is read of anybody's");
        assert_eq!(any.predicate_type, statement.predicate.predicate_type);
        for (one, other) in any.subjects.iter().zip(&statement.subjects) {
            let hex = one.digest.get("sha256");
            assert_eq!(hex.map(|hex| hex.to_lowercase()), Some(other.digest.hex()));
        }
        assert!(readings(&seal(bytes.to_vec()).to_bytes()) <= 1);
    }
}

pub(super) fn statement_seeds() -> Vec<Vec<u8>> {
    statements::payloads()
}

/// A manifest has one spelling, and names nothing outside the artifact.
pub(super) fn manifest(bytes: &[u8]) {
    let Ok(artifact) = Artifact::from_manifest(bytes) else {
        return;
    };
    assert_eq!(artifact.manifest(), bytes);
    assert_eq!(artifact.digest(), Digest::of(bytes));
    assert!(
        artifact
            .files()
            .values()
            .all(|file| file.size_bytes <= artifact.size_bytes())
    );
    artifact.files().keys().for_each(assert_inside);
}

pub(super) fn manifest_seeds() -> Vec<Vec<u8>> {
    let manifest = statements::artifact().manifest();
    let text = String::from_utf8_lossy(&manifest).into_owned();
    let huge = text.replace("\"size\":1,", "\"size\":18446744073709551615,");
    vec![manifest, huge.into_bytes()]
}

fn assert_inside(path: &str) {
    let mut parts = Path::new(path).components();
    assert!(
        parts.all(|part| matches!(part, Component::Normal(_))),
        "{path:?}"
    );
}

/// A name leads nowhere else.
pub(super) fn tree_path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(path) = TreePath::new(&text) {
        assert_eq!(path.as_str(), text);
        assert!(!text.chars().any(char::is_control));
        assert_inside(&text);
    }
}

pub(super) fn tree_path_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "a",
        "a/b.c/d e",
        "..a/b:c \u{e9}",
        "a/../b",
        "/a",
        "a//b",
        "./a",
        "a/.",
    ])
}

/// A time is printed and read again as the same time.
pub(super) fn time(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(time) = text.parse::<Time>() {
        assert_eq!(time.to_string().parse::<Time>().as_ref(), Ok(&time));
        assert!(time.plus_seconds(i64::MAX) >= time);
    }
}

pub(super) fn time_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "2026-01-31T12:00:00Z",
        "1970-01-01T00:00:00.5+01:00",
        "-009999-01-02T01:59:59Z",
        "9999-12-30T22:00:00Z",
    ])
}
