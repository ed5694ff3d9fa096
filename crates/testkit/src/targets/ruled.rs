//! Policies: what they say is foreign until they are read, and then it is the law.

use std::sync::LazyLock;

use digest::{Digest, Listing, measure_bytes};
use policy::dependency::DependencyPolicy;
use policy::gate::{Cases, Evidence, Mode, Place, Policy};
use policy::slsa::compatible::{DeploymentPolicy, PublishPolicy};
use policy::slsa::{DeploymentPolicies, PublishPolicies};
use trust::predicate::{Provenance, Publish};
use trust::{Artifact, Kind, Predicate, Statement, Time, Verdict, Verified, verify};

use crate::{key, statements, trusting};

const PACKAGE: &str = "docker.io/owner/model";
const ACCOUNT: &str = "sa@example.com";

fn verified<P: Predicate>(predicate: P) -> Verified<Statement<P>> {
    let bundle = trust::seal(&statements::about_model(predicate), &key(1));
    let bundle = bundle.expect("a key in memory answers").to_bytes();
    let root = trusting(1, &[statements::BUILDER]);
    verify(&bundle, &root, Time::from_unix(0)).expect("the root trusts the key")
}

fn another_model() -> Artifact {
    let listing = Listing::from([("w".to_owned(), measure_bytes(b"another"))]);
    Artifact::from_listing(Kind::Model, &listing).expect("its name is fit")
}

type Projects = Vec<(String, Vec<u8>)>;

/// An organisation's file and one project's, with a NUL between.
fn two_files(bytes: &[u8]) -> Option<(&[u8], Projects)> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    let project = ("project.json".to_owned(), bytes[at + 1..].to_vec());
    Some((&bytes[..at], vec![project]))
}

/// Whatever a policy says, it allows nothing without evidence, and no more than the evidence shows.
pub(super) fn publish_policies(bytes: &[u8]) {
    static PROVENANCE: LazyLock<Verified<Statement<Provenance>>> =
        LazyLock::new(|| verified(statements::provenance()));
    let Some((organisation, projects)) = two_files(bytes) else {
        return;
    };
    // The compatible reader is as hard to bring down; what it accepts is its own affair.
    let _ = PublishPolicy::validate(organisation, &projects);
    let Ok(policies) = PublishPolicies::parse(organisation, &projects) else {
        return;
    };
    let (model, other) = (statements::artifact(), another_model());
    for environment in [None, Some("staging")] {
        let asked = |evidence: &[&_]| policies.evaluate(PACKAGE, environment, &model, evidence);
        assert!(matches!(asked(&[]), Verdict::Denied(_)));
        if let Verdict::Allowed(result) = asked(&[&PROVENANCE]) {
            // The build was by one user alone, which shows no more than L1.
            assert!(result.level <= 1 && result.builder_id == statements::BUILDER);
            assert_eq!(result.environment.as_deref(), environment);
            assert_eq!(result.evidence, PROVENANCE.proof().bundle);
        }
        let other = policies.evaluate(PACKAGE, environment, &other, &[&PROVENANCE]);
        assert!(
            matches!(other, Verdict::Denied(_)),
            "the evidence is of another model"
        );
    }
}

pub(super) fn publish_policies_seeds() -> Vec<Vec<u8>> {
    let organisation = |level: u8| {
        let id = statements::BUILDER;
        format!(
            r#"{{"format":1,"roots":{{"build":[{{"id":"{id}","name":"ours","slsa_level":{level}}}]}}}}"#
        )
    };
    let build =
        r#""build":{"require_slsa_builder":"ours","repository":{"uri":"example.com/source"}}"#;
    let staged = format!(
        r#"{{"format":1,"package":{{"name":"{PACKAGE}","environment":{{"any_of":["staging","prod"]}}}},{build}}}"#
    );
    let plain = format!(r#"{{"format":1,"package":{{"name":"{PACKAGE}"}},{build}}}"#);
    [(1, &staged), (1, &plain), (3, &staged)]
        .map(|(level, project)| [organisation(level).as_bytes(), &[0], project.as_bytes()].concat())
        .to_vec()
}

/// As [`publish_policies`], for who may run it.
pub(super) fn deployment_policies(bytes: &[u8]) {
    static PUBLICATION: LazyLock<Verified<Statement<Publish>>> =
        LazyLock::new(|| verified(statements::publish()));
    let Some((organisation, projects)) = two_files(bytes) else {
        return;
    };
    let _ = DeploymentPolicy::validate(organisation, &projects);
    let Ok(policies) = DeploymentPolicies::parse(organisation, &projects) else {
        return;
    };
    let model = statements::artifact().digest();
    let asked =
        |model, evidence: &[&_]| policies.evaluate("project.json", PACKAGE, model, evidence);
    assert!(matches!(asked(model, &[]), Verdict::Denied(_)));
    assert!(matches!(
        asked(Digest::of(b"other"), &[&PUBLICATION]),
        Verdict::Denied(_)
    ));
    if let Verdict::Allowed(result) = asked(model, &[&PUBLICATION]) {
        assert_eq!((result.level, result.scopes.len()), (1, 1));
        assert_eq!(result.environment.as_deref(), Some("staging"));
        assert_eq!(result.evidence, PUBLICATION.proof().bundle);
    }
}

pub(super) fn deployment_policies_seeds() -> Vec<Vec<u8>> {
    let id = statements::BUILDER;
    let organisation = format!(
        r#"{{"format":1,"roots":{{"publish":[{{"id":"{id}","build":{{"max_slsa_level":3}}}}]}}}}"#
    );
    let project = |environment: &str| {
        format!(
            r#"{{"format":1,"protection":{{"google_service_account":"{ACCOUNT}"}},"build":{{"require_slsa_level":1}},"packages":[{{"name":"{PACKAGE}","environment":{{"any_of":["{environment}"]}}}},{{"name":"ghcr.io/a/b"}}]}}"#
        )
    };
    ["staging", "prod"]
        .map(|environment| {
            [
                organisation.as_bytes(),
                &[0],
                project(environment).as_bytes(),
            ]
            .concat()
        })
        .to_vec()
}

/// What is accepted names its data exactly: a data set without its files is refused.
pub(super) fn dependency_policy(bytes: &[u8]) {
    let Ok(policy) = DependencyPolicy::parse("policy.toml", bytes) else {
        return;
    };
    assert_eq!(policy.digest(), Digest::of(bytes));
    for rule in policy.datasets() {
        assert!(!rule.files.is_empty());
        for purpose in &rule.purposes {
            let nothing = policy.evaluate(&rule.name, purpose, Some(&Listing::new()));
            assert!(matches!(nothing, Verdict::Denied(_)), "files are missing");
        }
        let purpose = policy.evaluate(&rule.name, "no such purpose", None);
        assert!(matches!(purpose, Verdict::Denied(_)));
    }
    let unnamed = policy.evaluate("no such data", "train", None);
    assert!(matches!(unnamed, Verdict::Denied(_)));
}

pub(super) fn dependency_policy_seeds() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"data");
    let head = "format = \"modelward-dependency-policy/v1\"\nallowed_licences = [\"MIT\"]\nallowed_purposes = [\"train\"]\n";
    let dataset = |name: &str, source: &str| {
        format!(
            "\n[[dataset]]\nname = \"{name}\"\nsource = \"{source}\"\nlicence = \"MIT\"\npurposes = [\"train\"]\narchive = {{ digest = \"{digest}\", size_bytes = 4 }}\n[[dataset.file]]\nname = \"a\"\npath = \"x/a\"\ndigest = \"{digest}\"\nsize_bytes = 4\n"
        )
    };
    let two = [
        head,
        &dataset("a", "npm:@s/a@1.2.6"),
        &dataset("b", "file:../b"),
    ]
    .concat();
    let other = [head, &dataset("c", "https://example.com/c.tgz")].concat();
    [head.to_owned(), two, other]
        .map(String::into_bytes)
        .to_vec()
}

/// What is accepted requires something, and lets nothing in of which nothing was said, where it enforces.
pub(super) fn gate_policy(bytes: &[u8]) {
    let Ok(policy) = Policy::parse("policy.toml", bytes) else {
        return;
    };
    assert_eq!(policy.digest(), Digest::of(bytes));
    assert!(policy.asks().iter().all(|(_, asks)| !asks.is_empty()));
    let place = Place {
        environment: Some("prod".to_owned()),
        ..Place::default()
    };
    let model = statements::artifact();
    let now = Time::from_unix(0);
    let decision = policy.evaluate(&model, &Evidence::default(), &place, now);
    assert!(!decision.is_met() && !decision.reasons().is_empty());
    if decision.mode == Mode::Enforce {
        assert!(matches!(decision.verdict(), Verdict::Denied(_)));
    }
}

const GATE_POLICY: &str = r#"format = 2
name = "digits"
mode = "warn"
[[scope]]
environments = ["prod"]
mode = "enforce"
match = { "spiffe.io/id/v1" = "spiffe://example/digits", "https://example.com/rack" = "7" }
[[scope]]
environments = ["staging"]
[signature]
by = ["alice", "bob"]
threshold = 2
[build]
level = 1
sources = ["github.com/owner/name"]
refs = ["refs/heads/main", "refs/tags/v*"]
max_age_days = 90
[[build.builder]]
id = "https://example.com/builder"
level = 3
[data]
purposes = ["train"]
licences = ["MIT"]
[[metric]]
name = "accuracy"
at_least = 0.97
at_most = 1
[scan]
scanners = ["modelward"]
formats = ["safetensors", "json"]
max_age_days = 30
[sbom]
formats = ["cyclonedx"]
[licence]
allowed = ["MIT"]
[approvals]
threshold = 2
[[expression]]
name = "hosted"
over = "build"
cel = 'predicate.runDetails.builder.id.startsWith("https://") && by != "x" && (has(predicate.a) ? true : size(by) > 1 || !(by in ["y"]))'
"#;

pub(super) fn gate_policy_seeds() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"rules");
    let small = "format = 2\nname = \"small\"\n[scan]\n".to_owned();
    let rules = format!("{small}rules = [\"{digest}\"]\n[data]\npolicies = [\"{digest}\"]\n");
    [GATE_POLICY.to_owned(), small, rules]
        .map(String::into_bytes)
        .to_vec()
}

/// Each case that is accepted is run, and comes to a decision or to why there is none.
pub(super) fn gate_cases(bytes: &[u8]) {
    let Ok(cases) = Cases::parse("policy.test.toml", bytes) else {
        return;
    };
    let rules = b"format = 2\nname = \"any\"\n[approvals]\n";
    let policy = Policy::parse("policy.toml", rules).expect("it is a policy");
    for ran in cases.run(&policy) {
        assert!(ran.decision.is_ok() || ran.problem.is_some());
    }
}

pub(super) fn gate_cases_seeds() -> Vec<Vec<u8>> {
    let head = "policy = \"policy.toml\"\nnow = \"2026-11-21T12:00:00Z\"\n[[case]]\nname = \"a\"\n";
    let place = "environment = \"prod\"\nscopes = { \"kubernetes.io/pod/namespace/v1\" = \"models\" }\nfiles = { \"w\" = \"x\" }\n";
    let denied = format!("{head}expect = \"denied\"\ncodes = [\"approval_missing\"]\n{place}");
    let request = "[[case.statement]]\nby = \"alice\"\nas = \"request\"\ntype = \"https://modelward.dev/approval-request/v1\"\npredicate = { title = \"t\", body = \"\", assignees = [], requestedAt = \"2026-11-20T12:00:00Z\" }\n";
    let approval = "[[case.statement]]\nby = \"bob\"\nsubject = \"@model\"\ntype = \"https://modelward.dev/approval/v1\"\npredicate = { request = \"@request\", comment = \"\", approvedAt = \"2026-11-20T12:00:00Z\" }\n";
    let signature = "[[case.statement]]\nby = \"alice\"\ntype = \"signature\"\n";
    let said = format!("{head}expect = \"allowed\"\n{place}{signature}{request}{approval}");
    [denied, said].map(String::into_bytes).to_vec()
}
