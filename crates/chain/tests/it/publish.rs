//! A model is published by how it was built: one that is, and each fact of it changed.

use serde_json::json;
use trust::predicate::Provenance;
use trust::{RootKey, Statement};

use crate::gates::{PACKAGE, digits, provenance, publish_policies, published, with_build};
use crate::kit::{KEY, OTHER, OTHER_BUILDER, STRANGER, World, allowed, codes, now, root_key};

#[test]
fn a_model_is_published_by_how_it_was_built() {
    let world = with_build(&provenance());
    let statement = allowed(published(&world, Some("prod")));
    assert!(statement.is_about(digits().digest()));
    let said = &statement.predicate;
    assert_eq!(
        (said.package.environment.as_deref(), said.build_level()),
        (Some("prod"), 1)
    );
    type Change = fn(&mut Statement<Provenance>);
    let changes: [(Change, Option<&str>, Vec<&str>); 8] = [
        (|_| {}, Some("staging"), vec![]),
        (|_| {}, Some("test"), vec!["environment_mismatch"]),
        (|_| {}, None, vec!["environment_mismatch"]),
        (
            |said| drop(said.subjects.pop()),
            Some("prod"),
            vec!["provenance_missing"],
        ),
        (
            |said| said.predicate.run_details.builder.id = OTHER_BUILDER.to_owned(),
            Some("prod"),
            vec!["builder_mismatch"],
        ),
        (
            |said| {
                let parameters = &mut said.predicate.build_definition.external_parameters;
                parameters.insert(
                    "source".to_owned(),
                    json!("https://git.example/fork/digits"),
                );
            },
            Some("prod"),
            vec!["source_mismatch"],
        ),
        (
            |said| {
                let parameters = &mut said.predicate.build_definition.external_parameters;
                parameters.remove("source");
            },
            Some("prod"),
            vec!["source_mismatch"],
        ),
        // All at once.
        (
            |said| {
                said.predicate.run_details.builder.id = OTHER_BUILDER.to_owned();
                said.predicate.build_definition.external_parameters.clear();
            },
            Some("test"),
            vec![
                "environment_mismatch",
                "builder_mismatch",
                "source_mismatch",
            ],
        ),
    ];
    for (change, environment, want) in changes {
        let mut said = provenance();
        change(&mut said);
        assert_eq!(codes(&published(&with_build(&said), environment)), want);
    }
}

#[test]
fn a_package_that_no_policy_speaks_of_is_not_published() {
    let world = with_build(&provenance());
    let (policies, ledger) = (publish_policies(), world.ledger());
    let decide = |package| {
        let prod = Some("prod");
        chain::publish::decide(&ledger, &policies, package, prod, &digits(), now()).unwrap()
    };
    assert_eq!(codes(&decide(PACKAGE)), Vec::<&str>::new());
    assert_eq!(
        codes(&decide("registry.example/team/other")),
        ["package_unknown"]
    );
}

#[test]
fn provenance_that_is_not_believed_does_not_publish() {
    for (seed, want) in [
        (KEY, vec![]),
        (OTHER, vec![]),
        (STRANGER, vec!["provenance_missing", "key_unknown"]),
    ] {
        let mut world = World::new();
        world.say_by(seed, &provenance());
        assert_eq!(codes(&published(&world, Some("prod"))), want);
    }
    // Whoever is told nothing but that there is none makes the model again, which helps nobody.
    let mut world = World::new();
    world.say_by(OTHER, &provenance());
    let retired = RootKey {
        valid_until: now(),
        ..root_key(OTHER)
    };
    world.root = world.root.clone().with_key(retired);
    let told = codes(&published(&world, Some("prod")));
    assert_eq!(told, ["provenance_missing", "key_expired"]);
}
