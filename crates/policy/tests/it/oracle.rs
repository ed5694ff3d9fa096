//! Evaluations and verifications: our own, `conformance/slsa-policy/evaluations.jsonl`, and where the public vectors are
//! here those of `slsa/slsa-policy-oracle.jsonl`, with the answers that the reference evaluator gave.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use policy::admission::{AdmissionRules, Evidence};
use policy::slsa::compatible::{self, Expected};
use policy::slsa::{DeploymentPolicies, PackageName, PublishPolicies};
use serde::Deserialize;
use trust::predicate::{Deployment, Publish};
use trust::{Artifact, Reason, Verdict};

use crate::kit::{
    built, codes, denied, listing, model, now, published_as, top, vectors, verified_payload,
};

#[derive(Deserialize)]
struct Case {
    input: Input,
    expected: Wanted,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    name: String,
    kind: String,
    op: String,
    #[serde(default)]
    org: String,
    #[serde(default)]
    projects: Vec<Project>,
    #[serde(default)]
    digests: compatible::DigestSet,
    #[serde(default)]
    package: String,
    env: Option<String>,
    #[serde(rename = "VerifyOK", default)]
    verify_ok: bool,
    #[serde(rename = "PolicyID", default)]
    policy_id: String,
    verified_env: Option<String>,
    #[serde(default)]
    att: String,
    level: Option<i64>,
    want_env: Option<String>,
    scopes: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Body")]
    body: String,
}

#[derive(Deserialize)]
struct Wanted {
    result: String,
    attestation: Option<String>,
    #[serde(default)]
    verifier_calls: Vec<String>,
}

fn cases() -> Vec<Case> {
    let own = top("conformance/slsa-policy/evaluations.jsonl");
    let theirs = vectors().map(|vectors| vectors.join("slsa/slsa-policy-oracle.jsonl"));
    let mut cases = Vec::new();
    for file in [Some(own), theirs].into_iter().flatten() {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.lines().count() > 20);
        cases.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Case>(line).unwrap()),
        );
    }
    cases
}

/// The cases of a list beside the vectors' own, with the reason of each.
fn listed(file: &str) -> BTreeSet<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        #[serde(default)]
        case: Vec<Entry>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        case: String,
        reason: String,
    }
    let text = std::fs::read_to_string(top("conformance/slsa-policy").join(file)).unwrap();
    let list: List = toml::from_str(&text).unwrap();
    assert!(list.case.iter().all(|entry| !entry.reason.is_empty()));
    list.case.into_iter().map(|entry| entry.case).collect()
}

/// The answer of the compatible mode, and what it asked its verifier.
fn compatible_answer(input: &Input) -> (compatible::Answer<Option<String>>, Vec<String>) {
    let calls = RefCell::new(Vec::new());
    let (org, projects) = (input.org.as_bytes(), files(input));
    let answer = match (input.kind.as_str(), input.op.as_str()) {
        ("publish", "validate") => {
            compatible::PublishPolicy::validate(org, &projects).map(|_| None)
        }
        ("publish", "evaluate") => {
            compatible::PublishPolicy::validate(org, &projects).and_then(|p| {
                let mut verify = |builder: &str, source: &str| {
                    calls.borrow_mut().push(format!("{builder} {source}"));
                    input.verify_ok
                };
                p.evaluate(
                    &input.digests,
                    &input.package,
                    input.env.as_deref(),
                    &mut verify,
                )
                .map(Some)
            })
        }
        ("publish", "verify") => {
            let expected = Expected {
                digests: &input.digests,
                package: &input.package,
                environment: input.want_env.as_deref(),
                level: input.level,
            };
            compatible::verify_publish(input.att.as_bytes(), expected).map(|()| None)
        }
        ("deployment", "validate") => {
            compatible::DeploymentPolicy::validate(org, &projects).map(|_| None)
        }
        ("deployment", "evaluate") => compatible::DeploymentPolicy::validate(org, &projects)
            .and_then(|p| {
                let mut verify = |query: compatible::PublicationQuery<'_>| {
                    calls.borrow_mut().push(format!(
                        "{} level>={} env=[{}]",
                        query.publisher_id,
                        query.level,
                        query.environments.join(" ")
                    ));
                    input.verify_ok.then(|| input.verified_env.clone())
                };
                p.evaluate(
                    &input.digests,
                    &input.package,
                    &input.policy_id,
                    &mut verify,
                )
                .map(Some)
            }),
        ("deployment", "verify") => compatible::verify_deployment(
            input.att.as_bytes(),
            &input.digests,
            input.scopes.as_ref(),
        )
        .map(|()| None),
        other => panic!("{other:?}"),
    };
    (answer, calls.into_inner())
}

fn files(input: &Input) -> Vec<(String, Vec<u8>)> {
    let file = |project: &Project| (project.id.clone(), project.body.clone().into_bytes());
    input.projects.iter().map(file).collect()
}

#[test]
fn compatible_mode_answers_as_the_reference_evaluator() {
    let excepted = listed("known-failures.toml");
    for Case { input, expected } in cases() {
        let (answer, calls) = compatible_answer(&input);
        let result = answer
            .as_ref()
            .map_or_else(|class| class.as_str(), |_| "ok");
        let attestation = answer.ok().flatten();
        let agrees = result == expected.result
            && attestation == expected.attestation
            && calls == expected.verifier_calls;
        if agrees {
            assert!(
                !excepted.contains(&input.name),
                "`{}` holds now: take it off",
                input.name
            );
        } else {
            let is_excepted = excepted.contains(&input.name);
            assert!(
                is_excepted,
                "{}: {result} for {} {calls:?}",
                input.name, expected.result
            );
        }
    }
}

/// Whether the strict path says yes: on statements that real keys signed, saying what the case says.
fn strict_accepts(input: &Input) -> bool {
    let (org, projects) = (input.org.as_bytes(), files(input));
    match (input.kind.as_str(), input.op.as_str()) {
        ("publish", "validate") => PublishPolicies::parse(org, &projects).is_ok(),
        ("deployment", "validate") => DeploymentPolicies::parse(org, &projects).is_ok(),
        ("publish", "evaluate") => strict_publish(input, org, &projects),
        ("deployment", "evaluate") => strict_deployment(input, org, &projects),
        ("publish", "verify") => strict_publication(input),
        ("deployment", "verify") => strict_scopes(input),
        other => panic!("{other:?}"),
    }
}

/// A digest that is not one SHA-256 can't even be asked for.
fn subject(input: &Input) -> Option<digest::Digest> {
    let hex = input
        .digests
        .get("sha256")
        .filter(|_| input.digests.len() == 1)?;
    digest::Digest::from_hex(hex).ok()
}

const BUILDER: &str = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml";
const PUBLISHER: &str = "https://github.com/lmrs2/bh-aisec-organization/.github/workflows/image-publisher.yml@refs/heads/main";

fn strict_publish(input: &Input, org: &[u8], projects: &[(String, Vec<u8>)]) -> bool {
    let (Ok(policies), Some(digest)) = (PublishPolicies::parse(org, projects), subject(input))
    else {
        return false;
    };
    let provenance = built(
        digest,
        BUILDER,
        "git+https://github.com/lmrs2/bh-aisec-model@refs/heads/main",
        None,
    );
    let given: &[_] = if input.verify_ok { &[&provenance] } else { &[] };
    let verdict = policies.evaluate(&input.package, input.env.as_deref(), &model(digest), given);
    matches!(verdict, Verdict::Allowed(_))
}

fn strict_deployment(input: &Input, org: &[u8], projects: &[(String, Vec<u8>)]) -> bool {
    let (Ok(policies), Some(digest)) = (DeploymentPolicies::parse(org, projects), subject(input))
    else {
        return false;
    };
    let environment = input.verified_env.as_deref();
    let publication = published_as(&input.package, digest, environment, 3, PUBLISHER);
    let given: &[_] = if input.verify_ok {
        &[&publication]
    } else {
        &[]
    };
    let verdict = policies.evaluate(&input.policy_id, &input.package, digest, given);
    matches!(verdict, Verdict::Allowed(_))
}

/// The attestation as it stands, signed, before a policy that wants what the case wants.
fn strict_publication(input: &Input) -> bool {
    let Ok(stated) = verified_payload::<Publish>(input.att.clone().into_bytes(), &[PUBLISHER])
    else {
        return false;
    };
    let environment = input
        .want_env
        .as_ref()
        .map_or_else(serde_json::Map::new, |environment| {
            serde_json::Map::from_iter([("any_of".to_owned(), vec![environment.clone()].into())])
        });
    let mut package = serde_json::json!({"name": input.package});
    if !environment.is_empty() {
        package["environment"] = environment.into();
    }
    let project = serde_json::json!({
        "format": 1,
        "protection": {"google_service_account": "a@b"},
        "build": {"require_slsa_level": input.level.unwrap_or(0)},
        "packages": [package],
    });
    let org = serde_json::json!({
        "format": 1,
        "roots": {"publish": [{"id": PUBLISHER, "build": {"max_slsa_level": 4}}]},
    });
    let project = ("p".to_owned(), project.to_string().into_bytes());
    let Ok(policies) = DeploymentPolicies::parse(org.to_string().as_bytes(), &[project]) else {
        return false;
    };
    let Some(digest) = subject(input) else {
        return false;
    };
    let verdict = policies.evaluate("p", &input.package, digest, &[&stated]);
    matches!(verdict, Verdict::Allowed(_))
}

/// The attestation about a model of ours, at the gate, for the account that the case wants.
fn strict_scopes(input: &Input) -> bool {
    let listing = listing(&[("model.safetensors", "weights")]);
    let model = Artifact::from_listing(trust::Kind::Model, &listing).unwrap();
    let Some(theirs) = input.digests.get("sha256") else {
        return false;
    };
    let payload = input.att.replace(theirs, &model.digest().hex());
    let Ok(stated) = verified_payload::<Deployment>(payload.into_bytes(), &[]) else {
        return false;
    };
    let account = input
        .scopes
        .as_ref()
        .and_then(|s| s.get(trust::predicate::GOOGLE_SERVICE_ACCOUNT));
    let rules = AdmissionRules {
        package: PackageName::parse("docker.io/lmrs2/model").unwrap(),
        environment: "prod".into(),
        service_account: account.cloned().unwrap_or_default(),
        max_age_seconds: i64::from(i32::MAX),
        formats: None,
    };
    let evidence = Evidence {
        deployments: &[&stated],
        ..Evidence::default()
    };
    let verdict = rules.evaluate(&model, &evidence, now());
    let codes = codes(&verdict);
    assert!(codes.contains(&"signature_missing"), "{codes:?}");
    // The reference names no package in a deployment, which the gate's own rules refuse; here the scopes are asked about.
    let speaks_against = |reason: &Reason| match reason.code.as_str() {
        "scope_mismatch" => true,
        "deployment_missing" => !reason.message.ends_with("names no package"),
        _ => false,
    };
    !denied(verdict).reasons().any(speaks_against)
}

#[test]
fn strict_mode_refuses_where_the_reference_evaluator_fails_open() {
    let listed = listed("fails-open.toml");
    let mut refused_by_us_alone = BTreeSet::new();
    for Case { input, expected } in cases() {
        let theirs = expected.result == "ok";
        let ours = strict_accepts(&input);
        assert!(
            theirs || !ours,
            "`{}`: the reference refuses it",
            input.name
        );
        if theirs && !ours {
            refused_by_us_alone.insert(input.name);
        }
    }
    let is_here = |case: &String| vectors().is_some() || case.starts_with("own: ");
    let listed: BTreeSet<_> = listed.into_iter().filter(is_here).collect();
    assert_eq!(refused_by_us_alone, listed);
}
