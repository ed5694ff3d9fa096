//! The deployment policy on publications.

use digest::Digest;
use policy::slsa::DeploymentPolicies;
use trust::Time;
use trust::predicate::GOOGLE_SERVICE_ACCOUNT;

use crate::kit::{
    NOW, PACKAGE, PUBLISHER, allowed, codes, denied, publication, published, published_as,
    statement, verified,
};

const ACCOUNT: &str = "digits@prod.iam.example";

/// A policy of this level with this environment, of an organisation whose publisher may vouch for this much.
fn policies(level: u8, environment: Option<&str>, level_max: u8) -> DeploymentPolicies {
    let org = serde_json::json!({"format": 1, "roots": {"publish": [
        {"id": PUBLISHER, "build": {"max_slsa_level": level_max}},
        {"id": "https://strong.example/publisher", "build": {"max_slsa_level": 4}},
    ]}});
    let mut package = serde_json::json!({"name": PACKAGE});
    if let Some(environment) = environment {
        package["environment"] = serde_json::json!({"any_of": [environment]});
    }
    let project = serde_json::json!({
        "format": 1,
        "protection": {"google_service_account": ACCOUNT},
        "build": {"require_slsa_level": level},
        "packages": [package],
    });
    let files = [("prod.json".to_owned(), project.to_string().into_bytes())];
    DeploymentPolicies::parse(org.to_string().as_bytes(), &files).unwrap()
}

fn subject() -> Digest {
    Digest::of(b"model")
}

#[test]
fn a_publication_for_the_environment_gives_the_service_account() {
    let stated = published(subject(), Some("prod"), 3, PUBLISHER);
    let verdict =
        policies(2, Some("prod"), 3).evaluate("prod.json", PACKAGE, subject(), &[&stated]);
    let result = allowed(verdict);
    assert_eq!(
        result.scopes,
        [(GOOGLE_SERVICE_ACCOUNT.to_owned(), ACCOUNT.to_owned())].into()
    );
    assert_eq!(
        (result.environment.as_deref(), result.level),
        (Some("prod"), 3)
    );
    assert_eq!(result.evidence, stated.proof().bundle);
}

#[test]
fn each_fact_that_differs_has_its_code() {
    let prod = Some("prod");
    for (policy_environment, stated, level, publisher, want) in [
        (prod, prod, 3, PUBLISHER, vec![]),
        (prod, prod, 2, PUBLISHER, vec![]),
        (None, None, 3, PUBLISHER, vec![]),
        (
            prod,
            Some("staging"),
            3,
            PUBLISHER,
            vec!["environment_mismatch"],
        ),
        (
            prod,
            Some("Prod"),
            3,
            PUBLISHER,
            vec!["environment_mismatch"],
        ),
        (prod, None, 3, PUBLISHER, vec!["environment_mismatch"]),
        (
            None,
            Some("staging"),
            3,
            PUBLISHER,
            vec!["environment_mismatch"],
        ),
        (None, Some(""), 3, PUBLISHER, vec!["environment_mismatch"]),
        (prod, prod, 1, PUBLISHER, vec!["level_too_low"]),
        (prod, prod, 4, PUBLISHER, vec!["publisher_mismatch"]),
        (prod, prod, 4, "https://strong.example/publisher", vec![]),
        (
            prod,
            prod,
            3,
            "https://evil.example/",
            vec!["publisher_mismatch"],
        ),
        (
            prod,
            Some("staging"),
            0,
            "https://evil.example/",
            vec![
                "publisher_mismatch",
                "level_too_low",
                "environment_mismatch",
            ],
        ),
    ] {
        let stated = published(subject(), stated, level, publisher);
        let policies = policies(2, policy_environment, 3);
        let verdict = policies.evaluate("prod.json", PACKAGE, subject(), &[&stated]);
        assert_eq!(
            codes(&verdict),
            want,
            "{policy_environment:?} {:?}",
            stated.value()
        );
    }
}

#[test]
fn a_publisher_below_the_policy_is_no_publisher() {
    let stated = published(subject(), Some("prod"), 3, PUBLISHER);
    let verdict =
        policies(3, Some("prod"), 2).evaluate("prod.json", PACKAGE, subject(), &[&stated]);
    assert_eq!(codes(&verdict), ["publisher_mismatch"]);
}

#[test]
fn publishing_again_takes_nothing_away() {
    let ours = policies(2, Some("prod"), 3);
    let staging = published(subject(), Some("staging"), 3, PUBLISHER);
    let prod = published(subject(), Some("prod"), 3, PUBLISHER);
    for order in [[&staging, &prod], [&prod, &staging]] {
        let result = allowed(ours.evaluate("prod.json", PACKAGE, subject(), &order));
        assert_eq!(result.evidence, prod.proof().bundle);
    }
    let denied = denied(ours.evaluate("prod.json", PACKAGE, subject(), &[&staging]));
    assert_eq!(
        denied.reasons().next().unwrap().way,
        "publish it for `prod`: `modelward publish … --environment prod`"
    );
}

#[test]
fn what_was_published_is_this_package_of_this_digest_before_now() {
    let ours = policies(2, Some("prod"), 3);
    let other_digest = published(Digest::of(b"other"), Some("prod"), 3, PUBLISHER);
    let other_package = published_as(
        "registry.example/team/other",
        subject(),
        Some("prod"),
        3,
        PUBLISHER,
    );
    let mut future = publication(PACKAGE, Some("prod"), 3);
    future.creation_time = Time::from_unix(NOW + 3600);
    let future = verified(&statement(subject(), future), &[PUBLISHER]);
    for (given, says) in [
        (vec![], "was not published"),
        (vec![&other_digest], "was not published"),
        (vec![&other_package], "team/other"),
        (vec![&future], "has not come"),
    ] {
        let denied = denied(ours.evaluate("prod.json", PACKAGE, subject(), &given));
        let reasons: Vec<_> = denied.reasons().collect();
        assert_eq!(
            (reasons.len(), reasons[0].code.as_str()),
            (1, "publish_missing")
        );
        assert!(reasons[0].message.contains(says), "{}", reasons[0].message);
    }
}

#[test]
fn unknown_policies_and_packages_are_told_with_the_nearest() {
    let ours = policies(2, Some("prod"), 3);
    for (policy, package, way) in [
        ("Prod.json", PACKAGE, "did you mean `prod.json`?"),
        (
            "prod.json",
            "registry.example/team/digit",
            "did you mean `registry.example/team/digits`?",
        ),
    ] {
        let denied = denied(ours.evaluate(policy, package, subject(), &[]));
        let reason = denied.reasons().next().unwrap();
        assert_eq!(
            (reason.code.as_str(), reason.way.as_str()),
            ("package_unknown", way)
        );
    }
}
