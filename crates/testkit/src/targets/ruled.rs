//! Policies: what they say is foreign until they are read, and then it is the law.

use std::sync::LazyLock;

use digest::{Digest, Listing, measure_bytes};
use policy::dependency::DependencyPolicy;
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
