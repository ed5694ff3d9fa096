//! Bad input, as `conformance/bad-input` lists it: refused, with a sentence that says what is wrong.

use std::collections::BTreeSet;
use std::error::Error;

use decode::json::{self, Limits};
use decode::safetensors;
use digest::{Digest, Listing, Sealed, measure_bytes};
use infer::Model;
use infer::architecture::Architecture;
use policy::dependency::DependencyPolicy;
use policy::gate::Policy;
use policy::slsa::{DeploymentPolicies, PublishPolicies};
use serde::Deserialize;
use testkit::{files, key, targets};
use trust::log::{Checkpoint, Entry, Proof, parse_bundle};
use trust::predicate::Admission;
use trust::{
    Artifact, Bundle, Kind, Opaque, PrivateKey, Role, Statement, Subject, Time, TrustRoot, Verified,
};

use crate::{table, top};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    sentence: String,
    reader: String,
    from: Option<String>,
    to: Option<String>,
    make: Option<String>,
    expect: String,
}

#[test]
fn each_is_refused_with_a_sentence() {
    let cases: Cases = table("conformance/bad-input/cases.toml");
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for case in &cases.case {
        assert!(
            names.insert(&case.case) && !case.sentence.is_empty(),
            "{}",
            case.case
        );
        let good = good(&case.reader);
        if let Err(error) = read(&case.reader, &good) {
            wrong.push(format!("{}: the good input is refused: {error}", case.case));
        }
        match read(&case.reader, &bad(case, &good)) {
            Err(error) if error.contains(&case.expect) => {}
            got => wrong.push(format!("{}: {got:?}", case.case)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// An input that the reader accepts.
fn good(reader: &str) -> Vec<u8> {
    match reader {
        "model" => weights(0.5),
        "picture" => files::png(2, 2, &[0, 1, 2, 1, 3, 4]),
        _ => seed(reader),
    }
}

fn seed(target: &str) -> Vec<u8> {
    let target = targets::ALL
        .iter()
        .find(|known| known.name == target)
        .unwrap();
    // Of the dependency policies the first names no data.
    let number = usize::from(target.name == "dependency_policy");
    (target.seeds)().swap_remove(number)
}

/// The weights of the small model, of which one is given.
fn weights(value: f32) -> Vec<u8> {
    let kernel = [value, 0., 0., 0., 1., 0., 0., 0., 0.];
    files::weights(&[
        ("c.weight", &[1, 1, 3, 3], &kernel),
        ("c.bias", &[1], &[0.5]),
        ("f.weight", &[2, 2], &[1., 0., 0., 1.]),
        ("f.bias", &[2], &[0., 0.]),
    ])
}

/// The good input with what the case says wrong.
fn bad(case: &Case, good: &[u8]) -> Vec<u8> {
    if let (Some(from), Some(to)) = (&case.from, &case.to) {
        return replaced(good, from, to);
    }
    match case.make.as_deref().unwrap() {
        "cut" => good[..good.len() - 1].to_vec(),
        "half" => good[..good.len() / 2].to_vec(),
        "empty" => Vec::new(),
        "trailing" => [good, b" {}"].concat(),
        "nested" => [&b"[".repeat(100_000)[..], &[0]].concat(),
        "nested-toml" => [b"x = ", &b"[".repeat(100_000)[..]].concat(),
        "nested-header" => files::safetensors(&r#"{"a":"#.repeat(100_000), &[]),
        "long" => [good, &vec![b' '; 1 << 20]].concat(),
        "wide-picture" => files::png(4097, 1, &[0; 4098]),
        "lying-picture" => files::png(u32::MAX >> 1, u32::MAX >> 1, &[0]),
        "hollow-picture" => files::png(4096, 4096, &[0; 4097]),
        // Found by fuzzing: the decoder behind it panics.
        "odd-palette" => std::fs::read(top("fuzz/corpus/picture/palette-of-7-bytes")).unwrap(),
        "nan" => weights(f32::NAN),
        "infinite" => weights(f32::INFINITY),
        "name" => files::weights(&[("../c.weight", &[1], &[1.0])]),
        "hole" => {
            let (header, data) = (
                r#"{"a":{"dtype":"U8","shape":[36],"data_offsets":[0,36]},"b":{"dtype":"U8","shape":[1],"data_offsets":[40,41]}}"#,
                [0; 41],
            );
            files::safetensors(header, &data)
        }
        "locked-key" => locked_key(),
        "costly-key" => costly_key(),
        other => panic!("{other}"),
    }
}

fn replaced(good: &[u8], from: &str, to: &str) -> Vec<u8> {
    // Headers of binary files are text, and what is not text stays as it is.
    let at = good
        .windows(from.len())
        .position(|window| window == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("`{from}` is not there"));
    let (before, after) = good.split_at(at);
    [before, to.as_bytes(), &after[from.len()..]].concat()
}

/// The key of seed 1 under another password than the reader has.
fn locked_key() -> Vec<u8> {
    let target = targets::ALL
        .iter()
        .find(|target| target.name == "private_key")
        .unwrap();
    (target.seeds)().swap_remove(1)
}

/// The same file, which asks for 127 runs of its key derivation side by side instead of one.
fn costly_key() -> Vec<u8> {
    let pem = String::from_utf8(locked_key()).unwrap();
    let lines: Vec<&str> = pem.lines().collect();
    let (first, body, last) = (lines[0], &lines[1..lines.len() - 1], lines[lines.len() - 1]);
    let mut der = data_encoding::BASE64
        .decode(body.concat().as_bytes())
        .unwrap();
    let cost = [2, 1, 2, 2, 1, 1, 2, 1, 1];
    let at = der
        .windows(cost.len())
        .position(|window| window == cost)
        .unwrap();
    der[at + cost.len() - 1] = 127;
    let body = data_encoding::BASE64.encode(&der);
    let body: Vec<String> = body
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!("{first}\n{}\n{last}\n", body.join("\n")).into_bytes()
}

/// Whether the reader takes the bytes; if not, its error with all its causes.
fn read(reader: &str, bytes: &[u8]) -> Result<(), String> {
    let text = || std::str::from_utf8(bytes).unwrap();
    match reader {
        "json" => told(json::value(bytes, Limits::SMALL)),
        "safetensors" => told(safetensors::read(bytes)),
        "bundle" => told(Bundle::parse(bytes)),
        "statement" => told(Statement::<Opaque<'_>>::parse(bytes)),
        "manifest" => told(Artifact::from_manifest(bytes)),
        "trust_root" => told(TrustRoot::parse(bytes)),
        "private_key" => told(PrivateKey::from_pem(text(), Some("another"))),
        "note" => told(Checkpoint::claimed_head(text())),
        "proof" => told(Proof::parse(text())),
        "entry" => told(Entry::parse(bytes)),
        "tile" => told(parse_bundle(&bytes[1..], u64::from(bytes[0]) + 1)),
        "publish_policies" => {
            let (organisation, projects) = two_files(bytes);
            told(PublishPolicies::parse(&organisation, &projects))
        }
        "deployment_policies" => {
            let (organisation, projects) = two_files(bytes);
            told(DeploymentPolicies::parse(&organisation, &projects))
        }
        "gate_policy" => told(Policy::parse("policy.toml", bytes)),
        "dependency_policy" => told(DependencyPolicy::parse("policy.toml", bytes)),
        "architecture" => told(Architecture::parse(bytes)),
        "picture" => {
            let architecture = Architecture::parse(&seed("architecture")).unwrap();
            told(architecture.preprocessing().unwrap().row(bytes))
        }
        "model" => {
            let (weights, architecture) = admitted(bytes, &seed("architecture"));
            told(Model::load(&weights, &architecture))
        }
        other => panic!("{other}"),
    }
}

fn told<T, E: Error>(read: Result<T, E>) -> Result<(), String> {
    let Err(error) = read else { return Ok(()) };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    Err(text)
}

type TwoFiles = (Vec<u8>, Vec<(String, Vec<u8>)>);

fn two_files(bytes: &[u8]) -> TwoFiles {
    let at = bytes.iter().position(|byte| *byte == 0).unwrap();
    let project = ("project.json".to_owned(), bytes[at + 1..].to_vec());
    (bytes[..at].to_vec(), vec![project])
}

/// Weights and an architecture that a gate let in together, so that nothing but what is in them can be refused.
fn admitted(weights: &[u8], architecture: &[u8]) -> (Verified<Sealed>, Verified<Sealed>) {
    let files = [("weights", weights), ("architecture", architecture)];
    let listing: Listing = files
        .map(|(name, bytes)| (name.to_owned(), measure_bytes(bytes)))
        .into();
    let artifact = Artifact::from_listing(Kind::Model, &listing).unwrap();
    let now = Time::from_unix(0);
    let predicate = Admission {
        admitted_at: now,
        expires: Time::from_unix(1),
        environment: "prod".into(),
        service_account: "sa@example.com".into(),
        trust_root: Digest::of(b"root").to_string(),
        evidence: vec![],
    };
    let subjects = vec![Subject {
        name: "model".into(),
        digest: artifact.digest(),
    }];
    let bundle = trust::seal(
        &Statement {
            subjects,
            predicate,
        },
        &key(1),
    )
    .unwrap()
    .to_bytes();
    let root = TrustRoot::of_key(trust::Signer::public_key(&key(1)).clone(), Role::Admit);
    let admission = trust::verify(&bundle, &root, now).unwrap();
    let [weights, architecture] = files.map(|(name, mut bytes)| {
        let sealed = Sealed::fill(&mut bytes, u64::MAX).unwrap();
        trust::verify_sealed(&admission, &artifact.manifest(), name, sealed).unwrap()
    });
    (weights, architecture)
}
