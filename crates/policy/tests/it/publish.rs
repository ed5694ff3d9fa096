//! The publish policy on provenance.

use digest::Digest;
use policy::slsa::PublishPolicies;
use trust::Verdict;

use crate::kit::{
    BUILDER, PACKAGE, SOURCE, WORKSTATION, allowed, built, codes, denied, model, top, vectors,
};

fn policies(builder: &str, level: u8) -> PublishPolicies {
    let org = serde_json::json!({"format": 1, "roots": {"build": [
        {"id": builder, "name": "ours", "slsa_level": level},
        {"id": "https://other.example/builder", "name": "theirs", "slsa_level": 2},
    ]}});
    let project = serde_json::json!({
        "format": 1,
        "package": {"name": PACKAGE, "environment": {"any_of": ["staging", "prod"]}},
        "build": {"require_slsa_builder": "ours", "repository": {"uri": "git.example/team/digits"}},
    });
    let files = [("digits.json".to_owned(), project.to_string().into_bytes())];
    PublishPolicies::parse(org.to_string().as_bytes(), &files).unwrap()
}

fn subject() -> Digest {
    Digest::of(b"model")
}

#[test]
fn a_build_by_the_right_builder_from_the_right_source_is_published() {
    let stated = built(
        subject(),
        BUILDER,
        "git+https://git.example/team/digits.git@abc",
        None,
    );
    let result =
        policies(BUILDER, 3).evaluate(PACKAGE, Some("prod"), &model(subject()), &[&stated]);
    let result = allowed(result);
    assert_eq!((result.level, result.builder_id.as_str()), (3, BUILDER));
    assert_eq!(result.evidence, stated.proof().bundle);
    assert_eq!(result.environment.as_deref(), Some("prod"));
    assert_eq!(
        (
            result.package.registry.as_str(),
            result.package.name.as_str()
        ),
        ("registry.example", "team/digits")
    );
    assert_eq!(result.package.environment.as_deref(), Some("prod"));
}

#[test]
fn each_fact_that_differs_has_its_code() {
    let ours = policies(BUILDER, 3);
    for (builder, source, isolation, want) in [
        (BUILDER, SOURCE, None, vec![]),
        (BUILDER, SOURCE, Some("separate-users"), vec![]),
        (BUILDER, SOURCE, Some("mapped-users"), vec![]),
        (BUILDER, SOURCE, Some("same-user"), vec!["level_too_low"]),
        (BUILDER, SOURCE, Some("a-new-word"), vec!["level_too_low"]),
        (
            BUILDER,
            "https://git.example/fork/digits",
            None,
            vec!["source_mismatch"],
        ),
        (
            "https://new.example/b",
            SOURCE,
            None,
            vec!["builder_mismatch"],
        ),
        (
            "https://other.example/builder",
            SOURCE,
            None,
            vec!["builder_mismatch", "level_too_low"],
        ),
        (
            WORKSTATION,
            SOURCE,
            Some("separate-users"),
            vec!["builder_mismatch", "level_too_low"],
        ),
        (
            WORKSTATION,
            "x",
            None,
            vec!["builder_mismatch", "level_too_low", "source_mismatch"],
        ),
    ] {
        let stated = built(subject(), builder, source, isolation);
        let verdict = ours.evaluate(PACKAGE, Some("prod"), &model(subject()), &[&stated]);
        assert_eq!(codes(&verdict), want, "{builder} {source} {isolation:?}");
    }
}

#[test]
fn a_workstation_is_level_one_whatever_its_organisation_claims() {
    let stated = built(subject(), WORKSTATION, SOURCE, Some("separate-users"));
    for (level, want) in [
        (0, vec![]),
        (1, vec![]),
        (2, vec!["level_too_low"]),
        (3, vec!["level_too_low"]),
    ] {
        let verdict = policies(WORKSTATION, level).evaluate(
            PACKAGE,
            Some("prod"),
            &model(subject()),
            &[&stated],
        );
        assert_eq!(codes(&verdict), want, "{level}");
        if let Verdict::Denied(denied) = verdict {
            let way = &denied.reasons().next().unwrap().way;
            assert!(way.contains("`slsa_level` to 1"), "{way}");
        }
    }
}

#[test]
fn all_reasons_come_at_once_and_one_good_statement_is_enough() {
    let ours = policies(BUILDER, 3);
    let bad = built(subject(), WORKSTATION, "x", None);
    let good = built(subject(), BUILDER, SOURCE, None);
    let other = built(Digest::of(b"other"), BUILDER, SOURCE, None);
    let verdict = ours.evaluate(
        PACKAGE,
        Some("dev"),
        &model(subject()),
        &[&bad, &bad, &other],
    );
    let all = [
        "environment_mismatch",
        "builder_mismatch",
        "level_too_low",
        "source_mismatch",
    ];
    assert_eq!(codes(&verdict), all);
    let verdict = ours.evaluate(
        PACKAGE,
        Some("prod"),
        &model(subject()),
        &[&bad, &other, &good],
    );
    assert_eq!(allowed(verdict).evidence, good.proof().bundle);
    let verdict = ours.evaluate(PACKAGE, None, &model(subject()), &[&other]);
    assert_eq!(
        codes(&verdict),
        ["environment_mismatch", "provenance_missing"]
    );
    let denied = denied(ours.evaluate(
        "registry.example/team/digit",
        Some("prod"),
        &model(subject()),
        &[&good],
    ));
    let reason = denied.reasons().next().unwrap();
    assert_eq!(reason.code.as_str(), "package_unknown");
    assert_eq!(reason.way, format!("did you mean `{PACKAGE}`?"));
}

#[test]
fn the_way_to_yes_can_be_pasted() {
    let stated = built(subject(), WORKSTATION, SOURCE, None);
    let denied =
        denied(policies(BUILDER, 3).evaluate(PACKAGE, Some("prod"), &model(subject()), &[&stated]));
    let way = &denied.reasons().next().unwrap().way;
    let (_, rest) = way.split_once('{').unwrap();
    let (object, _) = rest.split_once('}').unwrap();
    let pasted = format!("{{\"format\":1,\"roots\":{{\"build\":[{{{object}}}]}}}}");
    assert!(
        pasted.contains(WORKSTATION) && pasted.contains("\"slsa_level\": 1"),
        "{pasted}"
    );
    PublishPolicies::parse(pasted.as_bytes(), &[]).unwrap();
}

/// The workshop's own untouched files, and a model that our builder made on a workstation.
#[test]
fn the_workshop_denies_our_model_for_its_builder_and_its_level() {
    let fixtures = top("conformance/slsa-policy/fixtures/publish");
    let vectors = vectors().map(|v| v.join("slsa/policies/bh-aisec/publish"));
    for (folder, project) in [
        (Some(fixtures), "project.json"),
        (vectors, "model-inference.json"),
    ] {
        let Some(folder) = folder else { continue };
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let files = [(project.to_owned(), read(project))];
        let policies = PublishPolicies::parse(&read("org.json"), &files).unwrap();
        let package = "docker.io/lmrs2/bh-aisec-model-inference";
        let source = "git+https://github.com/lmrs2/bh-aisec-model";
        let stated = built(subject(), WORKSTATION, source, Some("separate-users"));
        let verdict = policies.evaluate(package, Some("prod"), &model(subject()), &[&stated]);
        assert_eq!(codes(&verdict), ["builder_mismatch", "level_too_low"]);
    }
}
