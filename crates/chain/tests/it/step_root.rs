//! What stands in a step's root went in, whatever it was included as.

use digest::Digest;
use trust::predicate::RecallKind::{Builder, Dataset, Key, Model};
use trust::predicate::{Provenance, ROOT_FILES, ResourceDescriptor, ScanVerdict};
use trust::{Artifact, Kind, Statement};

use crate::kit::{
    OTHER, OTHER_BUILDER, STRANGER, World, added, artifact, build, built, codes, data, file_digest,
    key_id, model, root_key, scanned, signed, whole,
};

/// A root with a program and the files of a data set that nobody added yet.
fn root() -> Artifact {
    let files = [
        ("usr/bin/train", "program"),
        ("data/pictures", "bad"),
        ("data/classes", "labels of bad"),
        ("usr/lib/empty", ""),
    ];
    artifact(Kind::StepRoot, &files)
}

fn built_in(root: &Artifact, model: &Artifact) -> Statement<Provenance> {
    let list = ResourceDescriptor::new("step root files", ROOT_FILES, root.digest());
    chain::train::statement(build(model, vec![list])).unwrap()
}

/// A model that was made in that root, and one that was made on it.
fn world() -> World {
    let mut world = World::new();
    world.keep(&root());
    world.keep(&model("w"));
    world.say(&built_in(&root(), &model("w")));
    world.build(&model("child"), &whole(&model("w")));
    world.build(&model("apart"), &whole(&data("a")));
    world
}

#[test]
fn what_stood_in_the_root_is_recalled_whenever_that_is_found_out() {
    for target in [
        file_digest("program"),
        file_digest("labels of bad"),
        data("bad").digest(),
    ] {
        let mut world = world();
        assert!(world.recalled(&model("child")).is_empty());
        world.add("bad", &data("bad"));
        world.recall(Dataset, &target.to_string());
        for (model, want) in [(model("w"), 1), (model("child"), 1), (model("apart"), 0)] {
            assert_eq!(world.recalled(&model).len(), want, "{target}");
        }
    }
    let mut world = world();
    world.recall(Dataset, &file_digest("labels of bad").to_string());
    let reasons = world.recalled(&model("w"));
    assert!(
        reasons[0].contains("the file `data/classes` of the step root"),
        "{reasons:?}"
    );
    // The empty file is not the data set, and neither is some of what came in under its own policy.
    let mut world = self::world();
    let more = artifact(
        Kind::DataSet,
        &[("images", "a"), ("labels", "good"), ("x", "")],
    );
    world.add("more", &more);
    world.recall(Dataset, &more.digest().to_string());
    for model in [model("w"), model("apart")] {
        assert!(world.recalled(&model).is_empty());
    }
}

#[test]
fn one_file_in_a_root_stands_for_all_that_it_is_part_of() {
    let more = artifact(Kind::DataSet, &[("images", "bad"), ("labels", "good")]);
    let other = model("program");
    let said: [fn(&mut World, &Artifact, &Artifact); 2] = [
        |world, more, other| {
            world.keep(more);
            world.keep(other);
        },
        // What was said of them is enough.
        |world, more, other| {
            world.say(&added("more", more));
            world.say(&scanned(other, ScanVerdict::Clean));
        },
    ];
    for say in said {
        for (kind, whole) in [(Dataset, &more), (Model, &other)] {
            let mut world = world();
            say(&mut world, &more, &other);
            assert!(world.recalled(&model("child")).is_empty());
            world.recall(kind, &whole.digest().to_string());
            for (model, want) in [(model("w"), 1), (model("child"), 1), (model("apart"), 0)] {
                assert_eq!(world.recalled(&model).len(), want, "{kind:?}");
            }
        }
    }
    // Who vouched for the whole vouched for what is built on a part of it.
    let mut world = world();
    world.keep(&other);
    world.say_by(OTHER, &signed(&other));
    world.recall(Key, &key_id(OTHER).to_string());
    assert_eq!(world.recalled(&model("child")).len(), 1);
    assert!(world.recalled(&model("apart")).is_empty());
}

#[test]
fn the_layout_that_models_share_stands_for_none_of_them() {
    for is_kept in [true, false] {
        let mut world = World::new();
        let root = artifact(Kind::StepRoot, &[("lib/layout", "{}")]);
        world.keep(&root);
        world.keep(&model("w"));
        world.say(&built_in(&root, &model("w")));
        if is_kept {
            world.keep(&model("other"));
        }
        world.say(&scanned(&model("other"), ScanVerdict::Clean));
        world.recall(Model, &model("other").digest().to_string());
        assert!(world.recalled(&model("w")).is_empty());
        // By itself it can be recalled as any file.
        world.recall(Model, &file_digest("{}").to_string());
        assert_eq!(world.recalled(&model("w")).len(), 1);
    }
}

#[test]
fn a_model_that_stood_in_the_root_is_descended_from() {
    let mut world = World::new();
    world.build(&model("base"), &whole(&data("bad")));
    world.say(&signed(&model("base")));
    let root = artifact(Kind::StepRoot, &[("lib/w", "base"), ("bin/sh", "shell")]);
    world.keep(&root);
    world.keep(&model("w"));
    world.say(&built_in(&root, &model("w")));
    world.recall(Dataset, &data("bad").digest().to_string());
    assert_eq!(world.recalled(&model("w")).len(), 1);
    // And before it is made: the step does not begin.
    let decided = chain::train::decide(&world.ledger(), &[root]).unwrap();
    assert_eq!(codes(&decided), ["recalled"]);
}

#[test]
fn a_root_whose_list_is_gone_may_hold_what_was_recalled() {
    let without_list = |kind, target: &str| {
        let mut world = world();
        world.recall(kind, target);
        world.gathered.artifacts.retain(|kept| *kept != root());
        world
    };
    let other = Digest::of(b"unheard of").to_string();
    let recalled = |world: &World, artifact: &Artifact| {
        chain::recall::recalled(&world.ledger(), artifact).map(|reasons| reasons.len())
    };
    for (kind, target) in [(Dataset, &other), (Model, &other)] {
        let world = without_list(kind, target);
        for model in [model("w"), model("child")] {
            let fault = recalled(&world, &model).unwrap_err();
            assert_eq!(fault.code().as_str(), "store_corrupt");
            assert!(fault.to_string().contains(&root().digest().to_string()));
        }
        assert_eq!(recalled(&world, &model("apart")).unwrap(), 0);
    }
    // What can be told is told.
    let world = without_list(Model, &model("w").digest().to_string());
    assert_eq!(recalled(&world, &model("child")).unwrap(), 1);
    // A builder is not a file.
    let world = without_list(Builder, OTHER_BUILDER);
    assert_eq!(recalled(&world, &model("w")).unwrap(), 0);
}

#[test]
fn data_is_data_whatever_it_is_included_as() {
    let decided = |purposes: &[&str], change: fn(&mut World)| {
        let mut world = World::new();
        let mut said = added("held out", &data("bad"));
        said.predicate.purposes = purposes.iter().map(ToString::to_string).collect();
        world.say(&said);
        change(&mut world);
        codes(&chain::train::decide(&world.ledger(), &[root()]).unwrap())
    };
    assert_eq!(decided(&["evaluate", "train"], |_| ()), Vec::<&str>::new());
    // Each of its two files.
    let both = ["purpose_not_allowed", "purpose_not_allowed"];
    assert_eq!(decided(&["evaluate"], |_| ()), both);
    let over = |world: &mut World| {
        let key = trust::RootKey {
            valid_until: trust::Time::from_unix(crate::kit::NOW - 1),
            ..root_key(crate::kit::KEY)
        };
        world.root = world.root.clone().with_key(key);
    };
    let both = ["data_not_allowed", "data_not_allowed"];
    assert_eq!(decided(&["train"], over), both);
    // What no policy speaks of is a program, and so is the empty file of any data set.
    let mut world = World::new();
    world.say(&added(
        "else",
        &artifact(Kind::DataSet, &[("a", ""), ("b", "else")]),
    ));
    let decided = chain::train::decide(&world.ledger(), &[root()]).unwrap();
    assert_eq!(codes(&decided), Vec::<&str>::new());
}

#[test]
fn a_model_is_signed_whatever_it_is_included_as() {
    let root = artifact(
        Kind::StepRoot,
        &[
            ("lib/w", "base"),
            ("lib/layout", "{}"),
            ("usr/lib/empty", ""),
        ],
    );
    let decided = |change: fn(&mut World)| {
        let mut world = World::new();
        world.build(&model("apart"), &whole(&data("a")));
        world.keep(&artifact(Kind::Model, &[("nothing", ""), ("weights", "w")]));
        change(&mut world);
        codes(&chain::train::decide(&world.ledger(), std::slice::from_ref(&root)).unwrap())
    };
    // Nobody knows it as a model, and the layout that all models share makes it none.
    assert_eq!(decided(|_| ()), Vec::<&str>::new());
    let unsigned = ["signature_missing"];
    let keep = |world: &mut World| world.keep(&model("base"));
    assert_eq!(decided(keep), unsigned);
    assert_eq!(
        decided(|world| _ = world.build(&model("base"), &whole(&data("a")))),
        unsigned
    );
    for (seed, want) in [(OTHER, vec![]), (STRANGER, unsigned.to_vec())] {
        let mut world = World::new();
        world.keep(&model("base"));
        world.say_by(seed, &signed(&model("base")));
        let decided = chain::train::decide(&world.ledger(), std::slice::from_ref(&root));
        assert_eq!(codes(&decided.unwrap()), want);
    }
    // What it was itself made with is a program's, as before.
    let again = |world: &mut World| {
        world.build(&model("base"), &[file_digest("base")]);
    };
    assert_eq!(decided(again), Vec::<&str>::new());
    let both = |world: &mut World| {
        world.build(&model("base"), &[file_digest("base")]);
        world.build(&model("base"), &whole(&data("a")));
    };
    assert_eq!(decided(both), unsigned);
}

/// What nobody tells of any more can't be told from what nobody ever knew.
#[test]
fn a_lost_statement_that_may_be_about_an_included_file_forbids_it() {
    let root = artifact(Kind::StepRoot, &[("lib/w", "base"), ("usr/lib/empty", "")]);
    let decided = |world: &World| {
        codes(&chain::train::decide(&world.ledger(), std::slice::from_ref(&root)).unwrap())
    };
    let lose = |world: &mut World, bundle: Digest| {
        world.gathered.bundles.remove(&bundle).unwrap();
    };
    let damaged = ["store_damaged"];
    // A build of it, and one of something else.
    let mut world = World::new();
    let build = world.say(&built(&model("base"), &whole(&data("a"))));
    assert_eq!(decided(&world), ["signature_missing"]);
    lose(&mut world, build);
    assert_eq!(decided(&world), damaged);
    let mut world = World::new();
    let build = world.say(&built(&model("apart"), &whole(&data("a"))));
    lose(&mut world, build);
    assert_eq!(decided(&world), Vec::<&str>::new());
    // Data that was allowed for something else.
    let mut world = World::new();
    let data = artifact(Kind::DataSet, &[("a", "base"), ("b", "")]);
    let added = world.say(&added("else", &data));
    lose(&mut world, added);
    assert_eq!(decided(&world), damaged);
    // A scan tells of the whole alone: it may be of a model that has the file, unless that is known.
    let mut world = World::new();
    let scan = world.say(&scanned(&model("apart"), ScanVerdict::Clean));
    lose(&mut world, scan);
    assert_eq!(decided(&world), damaged);
    world.keep(&model("apart"));
    assert_eq!(decided(&world), Vec::<&str>::new());
}

#[test]
fn an_audit_shows_where_a_file_of_a_root_went() {
    let world = world();
    let trace = chain::audit::trace(&world.ledger(), file_digest("labels of bad"));
    let trace = trace.unwrap().unwrap();
    assert_eq!(trace.backward.kind, "file in a step's root");
    assert_eq!(trace.backward.name, "data/classes");
    let went_into: Vec<&str> = trace
        .forward
        .iter()
        .map(|node| node.digest.as_str())
        .collect();
    assert_eq!(went_into, [model("w").digest().to_string()]);
    let root_of = |digest| {
        let trace = chain::audit::trace(&world.ledger(), digest)
            .unwrap()
            .unwrap();
        let kinds = trace.backward.links.into_iter();
        kinds.map(|node| (node.kind, node.name)).collect::<Vec<_>>()
    };
    let list = ("step root".to_owned(), "all its files".to_owned());
    assert_eq!(root_of(model("w").digest()), [list]);
}
