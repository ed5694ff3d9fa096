//! What an artifact descends from, and what it does not.

use std::collections::{BTreeMap, BTreeSet};

use chain::Lineage;
use chain::train::WORKSTATION;
use digest::Digest;
use trust::{Artifact, Kind};

use crate::kit::{
    KEY, OTHER, OTHER_BUILDER, World, artifact, built, data, file_digest, key_id, model, whole,
};

fn descends(world: &World, artifact: &Artifact, from: Digest) -> bool {
    Lineage::of(artifact, &world.ledger())
        .unwrap()
        .digests
        .contains_key(&from)
}

/// What is named, without how it belongs there.
fn named<T: Ord + Clone>(clauses: &BTreeMap<T, String>) -> BTreeSet<T> {
    assert!(
        clauses
            .values()
            .all(|clause| clause.starts_with("it ") || clause.starts_with("the build "))
    );
    clauses.keys().cloned().collect()
}

#[test]
fn a_model_descends_from_itself_and_what_its_build_read() {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.add("letters", &data("b"));
    world.build(&model("w"), &[data("a").digest()]);
    let lineage = Lineage::of(&model("w"), &world.ledger()).unwrap();
    let mut want: BTreeSet<Digest> = whole(&model("w")).into_iter().collect();
    want.insert(model("w").signing_root());
    want.extend(whole(&data("a")));
    want.insert(data("a").signing_root());
    assert_eq!(named(&lineage.digests), want);
    assert_eq!(named(&lineage.builders), [WORKSTATION.to_owned()].into());
    assert_eq!(named(&lineage.keys), [key_id(KEY)].into());
    let nobodys = Lineage::of(&model("nobody's"), &world.ledger()).unwrap();
    assert!(nobodys.builders.is_empty() && nobodys.keys.is_empty());
}

#[test]
fn models_that_share_a_file_do_not_inherit_from_each_other() {
    let (good, bad) = (data("good"), data("bad"));
    let (mine, other, child) = (model("mine"), model("other"), model("child"));
    for materials_of_child in [vec![mine.digest()], whole(&mine)] {
        let mut world = World::new();
        world.add("good", &good);
        world.add("bad", &bad);
        world.build(&mine, &whole(&good));
        world.build(&other, &whole(&bad));
        // What is built on one of them inherits from that one alone, though the build read the shared file.
        world.build(&child, &materials_of_child);
        for (model, from, want) in [
            (&mine, &good, true),
            (&mine, &bad, false),
            (&other, &bad, true),
            (&other, &good, false),
            (&child, &good, true),
            (&child, &bad, false),
        ] {
            assert_eq!(descends(&world, model, from.digest()), want);
        }
    }
}

#[test]
fn files_of_a_base_that_nobody_says_how_it_was_made_are_walked_on_from() {
    let (bad, made) = (data("bad"), model("made"));
    // The same weights in another folder: no build made just these files.
    let packed = artifact(Kind::Model, &[("README", "hello"), ("weights", "made")]);
    let child = model("child");
    for (packed, want) in [
        (packed, true),
        (artifact(Kind::Model, &[("README", "hello")]), false),
    ] {
        let mut world = World::new();
        world.add("bad", &bad);
        world.build(&made, &whole(&bad));
        world.keep(&packed);
        world.build(&child, &whole(&packed));
        assert_eq!(descends(&world, &child, bad.digest()), want);
    }
}

#[test]
fn every_generation_counts_however_the_base_is_named() {
    let (base, child) = (model("base"), model("child"));
    let digests = [
        ("the manifest", vec![base.digest()], true),
        ("a file that only it has", vec![file_digest("base")], true),
        ("the manifest and files", whole(&base), true),
        ("something else", vec![file_digest("else")], false),
    ];
    for (what, materials, want) in digests {
        for is_base_known in [true, false] {
            let mut world = World::new();
            world.add("digits", &data("a"));
            world.build(&base, &whole(&data("a")));
            world.build(&child, &materials);
            if !is_base_known {
                world.gathered.artifacts.retain(|kept| *kept != base);
            }
            // Files whose manifest is gone are all that is left of the base.
            let want = want && (is_base_known || materials != [base.digest()]);
            assert_eq!(descends(&world, &child, data("a").digest()), want, "{what}");
            assert!(!descends(&world, &base, child.digest()));
        }
    }
}

#[test]
fn builders_and_keys_of_all_generations_are_named() {
    let mut world = World::new();
    let (base, child) = (model("base"), model("child"));
    let mut elsewhere = built(&base, &[]);
    elsewhere.predicate.run_details.builder.id = OTHER_BUILDER.to_owned();
    world.keep(&base);
    world.say_by(OTHER, &elsewhere);
    world.build(&child, &[base.digest()]);
    let ledger = world.ledger();
    let lineage = Lineage::of(&child, &ledger).unwrap();
    let both = [WORKSTATION, OTHER_BUILDER].map(str::to_owned);
    assert_eq!(named(&lineage.builders), both.into());
    assert_eq!(named(&lineage.keys), [key_id(KEY), key_id(OTHER)].into());
    let lineage = Lineage::of(&base, &ledger).unwrap();
    assert_eq!(named(&lineage.keys), [key_id(OTHER)].into());
}

#[test]
fn what_a_step_copies_through_keeps_its_lineage() {
    let base = model("base");
    let copied = artifact(Kind::Model, &[("more", "harmless"), ("weights", "base")]);
    for (materials, want) in [
        (vec![base.digest()], true),
        (whole(&base), true),
        (vec![file_digest("base")], true),
        (vec![file_digest("harmless")], false),
    ] {
        for is_base_known in [true, false] {
            let mut world = World::new();
            world.add("bad", &data("bad"));
            world.build(&base, &whole(&data("bad")));
            world.build(&copied, &materials);
            if !is_base_known {
                world.gathered.artifacts.retain(|kept| *kept != base);
            }
            let want = want && (is_base_known || materials != [base.digest()]);
            assert_eq!(descends(&world, &copied, data("bad").digest()), want);
        }
    }
}

#[test]
fn a_chain_that_leads_back_to_itself_ends() {
    let mut world = World::new();
    let (egg, hen) = (model("egg"), model("hen"));
    world.build(&egg, &whole(&hen));
    world.build(&hen, &whole(&egg));
    world.build(&egg, &whole(&egg));
    assert!(descends(&world, &egg, hen.digest()));
    assert!(descends(&world, &hen, egg.digest()));
    assert!(!descends(&world, &hen, data("a").digest()));
}

#[test]
fn no_number_of_generations_washes_anything_off() {
    let mut world = World::new();
    world.add("bad", &data("bad"));
    let generation = |number: usize| model(&format!("generation {number}"));
    world.build(&generation(0), &whole(&data("bad")));
    for number in 1..=150 {
        world.build(&generation(number), &whole(&generation(number - 1)));
    }
    for number in [1, 63, 64, 65, 150] {
        assert!(
            descends(&world, &generation(number), data("bad").digest()),
            "{number}"
        );
        assert!(!descends(
            &world,
            &generation(number),
            data("good").digest()
        ));
    }
}
