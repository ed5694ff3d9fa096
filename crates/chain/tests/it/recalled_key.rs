//! A recalled key: all that leans on what it signed falls with it, and the recall outlives the key.

use digest::Digest;
use trust::predicate::RecallKind::{self, Builder, Key};
use trust::predicate::ScanVerdict;
use trust::{Artifact, Role, RootKey, Time, TrustRoot};

use crate::kit::{
    NOW, OTHER, OTHER_BUILDER, STRANGER, World, about, added, built, data, key_id, model, scanned,
    signed, whole,
};
use crate::recall::{deployment, publication};

/// Data, a base that was made of it, a child of the base, and a model apart.
fn world() -> World {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.build(&model("base"), &whole(&data("a")));
    world.build(&model("child"), &whole(&model("base")));
    world.build(&model("apart"), &whole(&data("b")));
    world
}

/// Data, a base made of it and a child made of the base; and `OTHER` says one more thing of the chain.
fn vouched_by_other(say: &dyn Fn(&mut World) -> Digest) -> World {
    let mut world = world();
    say(&mut world);
    let target = key_id(OTHER).to_string();
    world.recall(Key, &target);
    world
}

/// Ends of a key: it is over, it has another role, the root forgets it.
fn ends() -> [fn(TrustRoot) -> TrustRoot; 3] {
    [
        |root| {
            root.with_key(RootKey {
                valid_until: Time::from_unix(NOW - 1),
                ..crate::kit::root_key(OTHER)
            })
        },
        |root| {
            root.with_key(RootKey {
                roles: vec![Role::Serve],
                ..crate::kit::root_key(OTHER)
            })
        },
        |root| root.without_key(&crate::kit::root_key(OTHER).name),
    ]
}

#[test]
fn a_recall_of_a_key_outlives_the_key() {
    type Say = Box<dyn Fn(&mut World) -> Digest>;
    let child = || model("child");
    let table: [(&str, Say); 8] = [
        (
            "data set",
            Box::new(|world| world.say_by(OTHER, &added("digits", &data("a")))),
        ),
        (
            "build",
            Box::new(move |world| world.say_by(OTHER, &built(&child(), &[]))),
        ),
        (
            "build",
            Box::new(|world| world.say_by(OTHER, &built(&model("base"), &[]))),
        ),
        (
            "signature",
            Box::new(move |world| world.say_by(OTHER, &signed(&child()))),
        ),
        (
            "signature",
            Box::new(|world| world.say_by(OTHER, &signed(&model("base")))),
        ),
        (
            "scan",
            Box::new(|world| world.say_by(OTHER, &scanned(&model("base"), ScanVerdict::Clean))),
        ),
        (
            "publication",
            Box::new(move |world| world.say_by(OTHER, &about(&child(), publication()))),
        ),
        (
            "deployment",
            Box::new(move |world| world.say_by(OTHER, &about(&child(), deployment()))),
        ),
    ];
    for (what, say) in table {
        let world = vouched_by_other(&say);
        let reasons = world.recalled(&child());
        assert_eq!(reasons.len(), 1, "{what}: {reasons:?}");
        assert!(
            reasons[0].contains(&format!("it signed the {what} ")),
            "{reasons:?}"
        );
        for end in ends() {
            let mut world = vouched_by_other(&say);
            world.root = end(world.root.clone());
            let reasons = world.recalled(&child());
            assert_eq!(reasons.len(), 1, "{what}: {reasons:?}");
            assert!(
                reasons[0].contains(&key_id(OTHER).to_string()),
                "{reasons:?}"
            );
            // It says nothing of what the key said nothing of.
            assert!(world.recalled(&model("never seen")).is_empty());
        }
    }
}

/// So the way to yes is made of other files: the guide says so.
#[test]
fn no_other_key_makes_the_same_files_good_again() {
    let mut world = World::new();
    let shares_one = [("images", "a"), ("labels", "other labels")];
    let shares_one = crate::kit::artifact(trust::Kind::DataSet, &shares_one);
    world.say_by(OTHER, &added("digits", &data("a")));
    world.recall(Key, &key_id(OTHER).to_string());
    world.root = world
        .root
        .clone()
        .without_key(&crate::kit::root_key(OTHER).name);
    for (data, want) in [
        (data("a"), vec!["recalled"]),
        (shares_one, vec!["recalled"]),
        (data("b"), vec![]),
    ] {
        world.add("again", &data);
        let decided = chain::train::decide(&world.ledger(), std::slice::from_ref(&data)).unwrap();
        assert_eq!(crate::kit::codes(&decided), want);
    }
}

/// Nobody leans on where else a base was published.
#[test]
fn a_key_that_published_or_deployed_a_base_does_not_speak_for_what_is_built_on_it() {
    let world = vouched_by_other(&|world| {
        world.say_by(OTHER, &about(&model("base"), publication()));
        world.say_by(OTHER, &about(&model("base"), deployment()))
    });
    assert_eq!(world.recalled(&model("base")).len(), 1);
    assert!(world.recalled(&model("child")).is_empty());
}

#[test]
fn who_signed_must_be_known_where_a_key_was_recalled() {
    let said = |kind: RecallKind, target: String| {
        let mut world = world();
        world.recall(kind, &target);
        let bundle = world.say_by(OTHER, &added("digits", &data("a")));
        world.gathered.bundles.remove(&bundle);
        world
    };
    let recalled = |world: &World, artifact: &Artifact| {
        chain::recall::recalled(&world.ledger(), artifact).map(|reasons| reasons.len())
    };
    let world = said(Key, key_id(STRANGER).to_string());
    assert!(recalled(&world, &model("child")).is_err());
    assert_eq!(recalled(&world, &model("apart")).unwrap(), 0);
    // No recall of anything else closes a gate for it.
    let world = said(Builder, OTHER_BUILDER.to_owned());
    assert_eq!(recalled(&world, &model("child")).unwrap(), 0);
}

/// A line lists its first 800 subjects; the rest stand in the statement, also in one by a key that the root has forgotten.
#[test]
fn a_forgotten_key_that_signed_a_large_data_set_signed_no_other() {
    let texts: Vec<(String, String)> = (0..900)
        .map(|number| (format!("{number:03}"), format!("picture {number}")))
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let large = crate::kit::artifact(trust::Kind::DataSet, &files);
    let mut world = world();
    world.build(&model("large"), &whole(&large));
    world.say_by(OTHER, &added("large", &large));
    world.recall(Key, &key_id(OTHER).to_string());
    world.root = world
        .root
        .clone()
        .without_key(&crate::kit::root_key(OTHER).name);
    assert_eq!(world.recalled(&model("large")).len(), 1);
    assert!(world.recalled(&model("child")).is_empty());
}
