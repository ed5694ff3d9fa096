//! A model is deployed by where it was published: one that is, and each fact of it changed.

use chain::train::WORKSTATION;
use trust::predicate::Publish;
use trust::{RootKey, Statement};

use crate::gates::{ACCOUNT, PACKAGE, deployed, digits, provenance, published, with_build};
use crate::kit::{KEY, PUBLISHER, about, allowed, codes, model, root_key};

#[test]
fn a_model_is_deployed_by_where_it_was_published() {
    let publication = |change: fn(&mut Statement<Publish>)| {
        let mut world = with_build(&provenance());
        let mut statement = allowed(published(&world, Some("prod")));
        change(&mut statement);
        world.say(&statement);
        world
    };
    let statement = allowed(deployed(&publication(|_| {}), "prod.json", PACKAGE));
    assert!(statement.is_about(digits().digest()));
    assert_eq!(
        statement.predicate.scopes.values().collect::<Vec<_>>(),
        [ACCOUNT]
    );
    type Change = fn(&mut Statement<Publish>);
    let changes: [(Change, &str, &str, Vec<&str>); 9] = [
        (|_| {}, "prod.json", PACKAGE, vec![]),
        (|_| {}, "test.json", PACKAGE, vec!["package_unknown"]),
        (
            |_| {},
            "prod.json",
            "registry.example/team/other",
            vec!["package_unknown"],
        ),
        (
            |said| *said = about(&model("other"), said.predicate.clone()),
            "prod.json",
            PACKAGE,
            vec!["publish_missing"],
        ),
        (
            |said| said.predicate.package.name = "team/other".to_owned(),
            "prod.json",
            PACKAGE,
            vec!["publish_missing"],
        ),
        (
            |said| said.predicate.package.environment = Some("staging".to_owned()),
            "prod.json",
            PACKAGE,
            vec!["environment_mismatch"],
        ),
        (
            |said| said.predicate.properties.build_level = 0,
            "prod.json",
            PACKAGE,
            vec!["level_too_low"],
        ),
        (
            |said| said.predicate.properties.build_level = 3,
            "prod.json",
            PACKAGE,
            vec!["publisher_mismatch"],
        ),
        (
            |said| {
                said.predicate.properties.build_level = 0;
                said.predicate.package.environment = None;
            },
            "prod.json",
            PACKAGE,
            vec!["level_too_low", "environment_mismatch"],
        ),
    ];
    for (change, policy, package, want) in changes {
        assert_eq!(
            codes(&deployed(&publication(change), policy, package)),
            want
        );
    }
}

#[test]
fn a_publisher_that_the_policy_does_not_name_is_not_believed() {
    let mut world = with_build(&provenance());
    let publication = allowed(published(&world, Some("prod")));
    world.say(&publication);
    for (speaks_for, want) in [(PUBLISHER, vec![]), ("someone", vec!["publisher_mismatch"])] {
        let key = RootKey {
            speaks_for: vec![speaks_for.to_owned(), WORKSTATION.to_owned()],
            ..root_key(KEY)
        };
        world.root = world.root.clone().with_key(key);
        assert_eq!(codes(&deployed(&world, "prod.json", PACKAGE)), want);
    }
}
