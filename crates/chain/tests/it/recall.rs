//! What was recalled, and what stays.

use chain::train::WORKSTATION;
use digest::Digest;
use trust::predicate::RecallKind::{self, Builder, Dataset, Key, Model};
use trust::predicate::{Deployment, PackageDescriptor, Publish, ScanVerdict};
use trust::{Artifact, Statement, Time};

use crate::kit::{
    KEY, NOW, OTHER, OTHER_BUILDER, STRANGER, World, about, added, built, codes, data, file_digest,
    key_id, model, recall, scanned, signed, whole,
};

/// Data to a model to another one; and apart from them, other data to another model that another builder made.
fn world() -> World {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.build(&model("base"), &whole(&data("a")));
    world.build(&model("child"), &whole(&model("base")));
    world.keep(&data("b"));
    world.say_by(OTHER, &added("letters", &data("b")));
    world.keep(&model("apart"));
    let mut apart = built(&model("apart"), &whole(&data("b")));
    apart.predicate.run_details.builder.id = OTHER_BUILDER.to_owned();
    world.say_by(OTHER, &apart);
    world
}

#[test]
fn what_descends_is_recalled_and_the_rest_stays() {
    let (a, base, child) = (data("a"), model("base"), model("child"));
    let (b, apart) = (data("b"), model("apart"));
    let all = [&a, &base, &child, &b, &apart];
    let hex = |artifact: &Artifact| artifact.digest().to_string();
    for (kind, target, want) in [
        (Dataset, hex(&a), vec![&a, &base, &child]),
        (Dataset, a.digest().hex(), vec![&a, &base, &child]),
        (
            Dataset,
            file_digest("a").to_string(),
            vec![&a, &base, &child],
        ),
        (Dataset, hex(&b), vec![&b, &apart]),
        (Dataset, hex(&data("unheard of")), vec![]),
        (Model, hex(&base), vec![&base, &child]),
        (Model, hex(&child), vec![&child]),
        (Model, file_digest("base").to_string(), vec![&base, &child]),
        (Model, base.signing_root().to_string(), vec![&base, &child]),
        (Model, hex(&model("unheard of")), vec![]),
        // The one file that all models have.
        (
            Model,
            file_digest("{}").to_string(),
            vec![&base, &child, &apart],
        ),
        (Builder, WORKSTATION.to_owned(), vec![&base, &child]),
        (Builder, OTHER_BUILDER.to_owned(), vec![&apart]),
        (Builder, format!("{WORKSTATION}/"), vec![]),
        (Key, key_id(KEY).to_string(), vec![&a, &base, &child]),
        (Key, key_id(OTHER).to_string(), vec![&b, &apart]),
        (Key, key_id(STRANGER).to_string(), vec![]),
        // A name of one kind is not one of another.
        (Key, hex(&a), vec![]),
        (Dataset, key_id(KEY).to_string(), vec![]),
        (Builder, hex(&a), vec![]),
    ] {
        let mut world = world();
        world.recall(kind, &target);
        for artifact in all {
            let is_recalled = !world.recalled(artifact).is_empty();
            assert_eq!(is_recalled, want.contains(&artifact), "{kind:?} {target}");
        }
    }
}

#[test]
fn nothing_is_recalled_where_nothing_was() {
    assert!(world().recalled(&model("child")).is_empty());
}

#[test]
fn reasons_name_what_and_why_and_each_once() {
    let mut world = world();
    let say = |world: &mut World, kind: RecallKind, target: &str, reason: &str| {
        let statement = chain::recall::statement(kind, target, reason, Time::from_unix(NOW));
        world.say(&statement);
    };
    let target = data("a").digest().to_string();
    say(&mut world, Dataset, &target, "labels were swapped");
    say(&mut world, Dataset, &target, "labels were swapped");
    say(&mut world, Builder, WORKSTATION, "it was stolen");
    say(&mut world, Builder, OTHER_BUILDER, "it is old");
    let reasons = world.recalled(&model("child"));
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    for (reason, parts) in reasons.iter().zip([
        ["data set", target.as_str(), "labels were swapped"],
        ["builder", WORKSTATION, "it was stolen"],
    ]) {
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
}

pub(crate) fn publication() -> Publish {
    let descriptor = PackageDescriptor {
        name: "team/digits".to_owned(),
        registry: "registry.example".to_owned(),
        environment: None,
    };
    Publish::new(Time::from_unix(NOW), descriptor, 1)
}

pub(crate) fn deployment() -> Deployment {
    Deployment {
        creation_time: Time::from_unix(NOW),
        environments: vec!["prod".to_owned()],
        scopes: [("scope".to_owned(), "account".to_owned())].into(),
    }
}

#[test]
fn a_key_that_only_vouched_for_the_model_counts() {
    let child = model("child");
    type Say = Box<dyn Fn(&mut World, &Artifact) -> Digest>;
    let vouched: [Say; 4] = [
        Box::new(|world, model| world.say_by(OTHER, &about(model, publication()))),
        Box::new(|world, model| world.say_by(OTHER, &about(model, deployment()))),
        Box::new(|world, model| world.say_by(OTHER, &signed(model))),
        Box::new(|world, model| world.say_by(OTHER, &scanned(model, ScanVerdict::Clean))),
    ];
    for say in vouched {
        let mut world = world();
        world.recall(Key, &key_id(OTHER).to_string());
        assert!(world.recalled(&child).is_empty());
        say(&mut world, &model("another"));
        assert!(world.recalled(&child).is_empty());
        say(&mut world, &child);
        assert_eq!(world.recalled(&child).len(), 1);
    }
}

#[test]
fn a_recall_of_a_name_is_about_the_digest_of_that_name() {
    let subject = |statement: Statement<trust::predicate::Recall>| statement.subjects[0].digest;
    let digest = data("a").digest();
    assert_eq!(subject(recall(Dataset, &digest.to_string())), digest);
    assert_eq!(
        subject(recall(Builder, WORKSTATION)),
        file_digest(WORKSTATION)
    );
}

#[test]
fn a_step_may_not_read_what_was_recalled() {
    let inputs = [data("a"), data("b")];
    let decide = |world: &World| codes(&chain::train::decide(&world.ledger(), &inputs).unwrap());
    let mut world = world();
    world.recall(Dataset, &data("c").digest().to_string());
    assert_eq!(decide(&world), Vec::<&str>::new());
    world.recall(Dataset, &data("b").digest().to_string());
    assert_eq!(decide(&world), ["recalled"]);
}

/// Data, a base that OTHER built of it, and a child that KEY built on the base; the data is recalled.
fn grandchild() -> (World, Digest) {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.keep(&model("base"));
    let base = world.say_by(OTHER, &built(&model("base"), &whole(&data("a"))));
    world.build(&model("child"), &[model("base").digest()]);
    world.recall(Dataset, &data("a").digest().to_string());
    assert_eq!(world.recalled(&model("child")).len(), 1);
    (world, base)
}

#[test]
fn no_retired_builder_makes_its_grandchildren_good() {
    let (mut world, _) = grandchild();
    let retired = trust::RootKey {
        valid_until: Time::from_unix(NOW - 1),
        ..crate::kit::root_key(OTHER)
    };
    world.root = world.root.clone().with_key(retired);
    assert_eq!(world.recalled(&model("child")).len(), 1);
}

#[test]
fn what_an_ancestor_was_made_from_must_be_known() {
    type Change = fn(&mut World, Digest);
    let changes: [Change; 2] = [
        |world, base| drop(world.gathered.bundles.remove(&base)),
        |world, _| {
            let name = crate::kit::root_key(OTHER).name;
            world.root = world.root.clone().without_key(&name);
        },
    ];
    for change in changes {
        let (mut world, base) = grandchild();
        change(&mut world, base);
        let ledger = world.ledger();
        assert!(chain::recall::recalled(&ledger, &model("child")).is_err());
        // It says nothing of what does not descend from it.
        assert!(
            chain::recall::recalled(&ledger, &model("apart"))
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn the_same_data_under_other_names_is_the_same_data() {
    let mut world = World::new();
    let renamed = [("pictures", "a"), ("classes", "labels of a")];
    let renamed = crate::kit::artifact(trust::Kind::DataSet, &renamed);
    world.add("digits", &data("a"));
    world.add("renamed", &renamed);
    world.build(&model("w"), &whole(&renamed));
    assert!(world.recalled(&model("w")).is_empty());
    world.recall(Dataset, &data("a").digest().to_string());
    assert_eq!(world.recalled(&model("w")).len(), 1);
}

/// It is part of everything, and tells nothing of where it comes from.
#[test]
fn the_empty_file_alone_is_nothing_of_what_was_recalled() {
    let only = crate::kit::artifact(trust::Kind::DataSet, &[("nothing", "")]);
    let more = crate::kit::artifact(trust::Kind::DataSet, &[("nothing", ""), ("a", "a")]);
    let world = |recalls: fn(&mut World, Digest)| {
        let mut world = World::new();
        world.keep(&only);
        world.say_by(OTHER, &added("only", &only));
        let mut materials = whole(&data("b"));
        materials.push(file_digest(""));
        world.build(&model("w"), &materials);
        world.build(&model("of it"), &whole(&only));
        // Its one file with something in it went in, and so all of it did.
        world.keep(&more);
        world.build(&model("of more"), &[file_digest("a")]);
        recalls(&mut world, only.digest());
        world
    };
    let by_digest = world(|world, only| _ = world.recall(Dataset, &only.to_string()));
    let by_key = world(|world, _| _ = world.recall(Key, &key_id(OTHER).to_string()));
    for world in [by_digest, by_key] {
        assert_eq!(world.recalled(&model("of it")).len(), 1);
        assert!(world.recalled(&model("w")).is_empty());
    }
    let mut world = world(|_, _| ());
    assert!(world.recalled(&model("of more")).is_empty());
    world.recall(Dataset, &more.digest().to_string());
    assert_eq!(world.recalled(&model("of more")).len(), 1);
    assert!(world.recalled(&model("w")).is_empty());
}

/// A recall does not hang on a list of names, which anybody may take something out of.
#[test]
fn what_was_recalled_is_known_by_what_was_said_of_it_when_its_manifest_is_gone() {
    let renamed = [("classes", "labels of a"), ("pictures", "a")];
    let renamed = crate::kit::artifact(trust::Kind::DataSet, &renamed);
    let world = || {
        let mut world = World::new();
        world.add("digits", &data("a"));
        world.build(&model("w"), &whole(&data("a")));
        let bundle = world.say(&added("renamed", &renamed));
        world.recall(Dataset, &renamed.digest().to_string());
        (world, bundle)
    };
    let (told, _) = world();
    assert_eq!(told.recalled(&model("w")).len(), 1);
    let (mut forgotten, bundle) = world();
    forgotten.gathered.bundles.remove(&bundle);
    assert!(chain::recall::recalled(&forgotten.ledger(), &model("w")).is_err());
    // Its manifest is enough again.
    forgotten.keep(&renamed);
    assert_eq!(forgotten.recalled(&model("w")).len(), 1);
}

#[test]
fn a_file_of_data_that_nobody_can_vouch_for_is_recalled_by_itself() {
    let mut world = World::new();
    world.keep(&data("a"));
    let bundle = world.say(&added("digits", &data("a")));
    world.build(&model("w"), &whole(&data("b")));
    world.recall(Dataset, &file_digest("a").to_string());
    world.gathered.bundles.remove(&bundle);
    assert!(world.recalled(&model("w")).is_empty());
}

#[test]
fn the_same_model_under_other_names_is_the_same_model() {
    let renamed = crate::kit::artifact(trust::Kind::Model, &[("a.json", "{}"), ("w", "w")]);
    for is_kept in [true, false] {
        let mut world = World::new();
        world.build(&model("w"), &whole(&data("a")));
        if is_kept {
            world.keep(&renamed);
        }
        world.say(&scanned(&renamed, ScanVerdict::Clean));
        world.recall(Model, &renamed.digest().to_string());
        assert_eq!(world.recalled(&model("w")).len(), 1);
        assert!(world.recalled(&model("v")).is_empty());
    }
}

/// Nor does it hang on the list of its files, or the gate closes.
#[test]
fn a_recalled_model_whose_files_can_t_be_read_anywhere_closes_the_gate() {
    let renamed = crate::kit::artifact(trust::Kind::Model, &[("a.json", "{}"), ("w", "w")]);
    let said = |lists_files: bool| {
        let mut world = World::new();
        world.build(&model("w"), &whole(&data("a")));
        let scan = world.say(&scanned(&renamed, ScanVerdict::Clean));
        let mut statement = recall(Model, &renamed.digest().to_string());
        let files = renamed.files().iter().filter(|_| lists_files);
        statement
            .subjects
            .extend(files.map(|(path, file)| trust::Subject {
                name: path.to_string(),
                digest: file.digest,
            }));
        world.say(&statement);
        world.gathered.bundles.remove(&scan);
        world
    };
    assert_eq!(said(true).recalled(&model("w")).len(), 1);
    assert!(said(true).recalled(&model("v")).is_empty());
    assert!(chain::recall::recalled(&said(false).ledger(), &model("w")).is_err());
}

/// A recall can only forbid, so that it counts without a line; anything else that lies about does not.
#[test]
fn a_recall_whose_line_is_gone_counts_and_nothing_else_without_a_line_does() {
    let mut world = world();
    let (a, base) = (data("a"), model("base"));
    let mut lines_off = |said: fn(&mut World, &Artifact) -> Digest, about: &Artifact| {
        let bundle = said(&mut world, about);
        world.gathered.entries.pop();
        let bytes = world.gathered.bundles.remove(&bundle).unwrap();
        world.gathered.unlogged.push(bytes);
    };
    lines_off(|world, model| world.say(&signed(model)), &base);
    lines_off(
        |world, data| world.say_by(STRANGER, &recall(Dataset, &data.digest().to_string())),
        &a,
    );
    world.gathered.unlogged.push(b"{}".to_vec());
    assert_eq!(world.recalled(&base), Vec::<String>::new());
    // A stranger's had no line; one that had was by a key that the root has forgotten.
    let bundle = Digest::of(&world.gathered.unlogged[1]);
    world.gathered.lost.insert(bundle);
    assert!(chain::recall::recalled(&world.ledger(), &base).is_err());
    world.gathered.lost.clear();
    let signatures = world.ledger().all::<trust::predicate::ModelSignature>();
    assert!(signatures.believed.is_empty());
    let bundle = world.recall(Dataset, &a.digest().to_string());
    world.gathered.entries.pop();
    let bytes = world.gathered.bundles.remove(&bundle).unwrap();
    world.gathered.unlogged.push(bytes);
    assert_eq!(world.recalled(&base).len(), 1);
    let ledger = world.ledger();
    assert_eq!(ledger.recalls().unwrap().believed[0].index, None);
}

/// What any key says that may not recall is no recall, unless it can be told that it could when it said so.
#[test]
fn a_recall_without_a_line_is_by_a_key_that_may_or_could_recall() {
    let mut world = world();
    let base = model("base");
    world.say_by(OTHER, &recall(Dataset, &data("c").digest().to_string()));
    let line = world.gathered.entries.pop().unwrap();
    let statement = recall(Dataset, &data("a").digest().to_string());
    let bundle = world.say_by(OTHER, &statement);
    world.gathered.entries.pop();
    let bytes = world.gathered.bundles.remove(&bundle).unwrap();
    world.gathered.unlogged.push(bytes);
    let is_recalled = |world: &World| !world.recalled(&base).is_empty();
    assert!(is_recalled(&world));
    let mut key = crate::kit::root_key(OTHER);
    key.valid_until = Time::from_unix(NOW - 1);
    world.root = world.root.with_key(key.clone());
    assert!(is_recalled(&world), "its time alone is over");
    key.roles = vec![trust::Role::Scan];
    world.root = world.root.with_key(key);
    assert!(!is_recalled(&world));
    world.gathered.lost.insert(bundle);
    assert!(is_recalled(&world), "it had a line");
    world.gathered.lost.clear();
    world.gathered.entries.push(line);
    assert!(is_recalled(&world), "the key has recalled before");
}
