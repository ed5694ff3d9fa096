//! Our own table, `conformance/slsa-policy/cases.toml`: fixtures and their mutated twins.

use std::collections::BTreeSet;
use std::error::Error;

use policy::PolicyError;
use policy::slsa::compatible::{Class, DeploymentPolicy, PublishPolicy};
use policy::slsa::{DeploymentPolicies, PublishPolicies};
use serde::Deserialize;

use crate::kit::top;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    clause: String,
    kind: String,
    file: String,
    from: String,
    to: String,
    expect: String,
    compatible: String,
}

type Files = (Vec<u8>, Vec<(String, Vec<u8>)>);

fn files(case: &Case) -> Files {
    let folder = top("conformance/slsa-policy/fixtures").join(&case.kind);
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        if name != case.file || case.from.is_empty() {
            return text.into_bytes();
        }
        let mutated = text.replacen(&case.from, &case.to, 1);
        assert_ne!(mutated, text, "`{}` changes nothing", case.case);
        mutated.into_bytes()
    };
    let project = |name: &str| (name.to_owned(), read(name));
    (
        read("org.json"),
        vec![project("other.json"), project("project.json")],
    )
}

fn strict(kind: &str, (org, projects): &Files) -> Result<(), PolicyError> {
    match kind {
        "publish" => PublishPolicies::parse(org, projects).map(|_| ()),
        "deployment" => DeploymentPolicies::parse(org, projects).map(|_| ()),
        other => panic!("{other}"),
    }
}

fn compatible(kind: &str, (org, projects): &Files) -> Result<(), Class> {
    match kind {
        "publish" => PublishPolicy::validate(org, projects).map(|_| ()),
        "deployment" => DeploymentPolicy::validate(org, projects).map(|_| ()),
        other => panic!("{other}"),
    }
}

#[test]
fn every_case_holds() {
    let text = std::fs::read_to_string(top("conformance/slsa-policy/cases.toml")).unwrap();
    let table: Table = toml::from_str(&text).unwrap();
    let mut names = BTreeSet::new();
    for case in &table.case {
        assert!(
            names.insert(&case.case) && !case.clause.is_empty(),
            "{}",
            case.case
        );
        let files = files(case);
        match (strict(&case.kind, &files), case.expect.as_str()) {
            (Ok(()), expect) => assert_eq!(expect, "ok", "{}", case.case),
            (Err(error), expect) => {
                let said = format!("{error}; {}", error.way());
                assert!(said.contains(expect), "{}: {said}", case.case);
                assert_eq!(error.code().as_str(), "policy_invalid");
            }
        }
        let theirs = compatible(&case.kind, &files);
        let theirs = theirs
            .as_ref()
            .map_or_else(|class| class.as_str(), |()| "ok");
        assert_eq!(theirs, case.compatible, "{}", case.case);
    }
    assert!(names.len() >= 70, "{}", names.len());
}

#[test]
fn no_byte_of_a_policy_makes_a_parser_fall() {
    for kind in ["publish", "deployment"] {
        let folder = top("conformance/slsa-policy/fixtures").join(kind);
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let good = (
            read("org.json"),
            vec![("project.json".to_owned(), read("project.json"))],
        );
        assert!(strict(kind, &good).is_ok());
        for at in 0..good.1[0].1.len() {
            for byte in [0, 0xff, b'"', b'{', b'9'] {
                let mut bad = good.clone();
                bad.1[0].1[at] = byte;
                // Each is an answer of some kind; what is no text or holds a control character is never a policy.
                let (ours, _theirs) = (strict(kind, &bad), compatible(kind, &bad));
                assert!(
                    ours.is_err() || ![0, 0xff].contains(&byte),
                    "{kind} {at} {byte}"
                );
            }
            let truncated = (
                good.0.clone(),
                vec![("p".to_owned(), good.1[0].1[..at].to_vec())],
            );
            let is_whole = good.1[0].1[at..].iter().all(u8::is_ascii_whitespace);
            assert_eq!(strict(kind, &truncated).is_ok(), is_whole, "{kind} {at}");
        }
    }
}

#[test]
fn an_error_has_its_cause() {
    let error = strict(
        "publish",
        &(b"{\"format\": 1, \"format\": 1}".to_vec(), vec![]),
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "the policy `org.json` can't be read");
    assert!(error.source().unwrap().to_string().contains("stands twice"));
    assert!(!error.way().is_empty());
}
