//! What a step may read, and what a provenance says.

use std::collections::BTreeMap;

use chain::sign;
use chain::train::{BUILD_TYPE, CLAIM, WORKSTATION, asked, claims, decide, statement};
use digest::Digest;
use serde_json::json;
use trust::predicate::{Form, ResourceDescriptor};
use trust::{Artifact, Kind};

use crate::kit::{
    KEY, SOURCE, STRANGER, World, added, allowed, artifact, build, codes, data, file_digest, model,
    signed, whole,
};

fn decided(world: &World, inputs: &[Artifact]) -> Vec<&'static str> {
    codes(&decide(&world.ledger(), inputs).unwrap())
}

#[test]
fn a_data_set_was_added_under_a_policy_and_a_base_is_signed() {
    let (data, base) = (data("a"), model("base"));
    let mut world = World::new();
    let both = [data.clone(), base.clone()];
    assert_eq!(decided(&world, &[]), Vec::<&str>::new());
    assert_eq!(
        decided(&world, &both),
        ["data_not_allowed", "signature_missing"]
    );
    world.add("digits", &data);
    assert_eq!(decided(&world, &both), ["signature_missing"]);
    world.build(&base, &whole(&data));
    assert_eq!(decided(&world, &both), ["signature_missing"]);
    world.say(&signed(&base));
    assert_eq!(decided(&world, &both), Vec::<&str>::new());
    allowed(decide(&world.ledger(), &both).unwrap());
}

#[test]
fn who_is_not_believed_allows_nothing() {
    let (data, base) = (data("a"), model("base"));
    for (seed, want) in [
        (KEY, vec![]),
        (STRANGER, vec!["data_not_allowed", "signature_missing"]),
    ] {
        let mut world = World::new();
        world.say_by(seed, &added("digits", &data));
        world.say_by(seed, &signed(&base));
        assert_eq!(decided(&world, &[data.clone(), base.clone()]), want);
    }
}

#[test]
fn data_that_is_allowed_for_something_else_is_not_learned_from() {
    let data = data("a");
    let said = |purposes: &[&str]| {
        let mut said = added("digits", &data);
        said.predicate.purposes = purposes.iter().map(ToString::to_string).collect();
        said
    };
    for (purposes, want) in [
        (vec![vec!["train"]], vec![]),
        (vec![vec!["evaluate", "train"]], vec![]),
        // Each time it was added under another policy: one that allows it is enough.
        (vec![vec!["evaluate"], vec!["train"]], vec![]),
        (vec![vec!["train"], vec!["evaluate"]], vec![]),
        (vec![vec!["evaluate"]], vec!["purpose_not_allowed"]),
        (vec![vec!["Train", "training"]], vec!["purpose_not_allowed"]),
        (vec![vec![]], vec!["purpose_not_allowed"]),
    ] {
        let mut world = World::new();
        world.keep(&data);
        for purposes in &purposes {
            world.say(&said(purposes));
        }
        let decided = decided(&world, std::slice::from_ref(&data));
        assert_eq!(decided, want, "{purposes:?}");
    }
}

#[test]
fn a_data_set_with_the_manifest_of_another_in_it_does_not_allow_the_other() {
    let held_out = data("held out");
    let manifest = String::from_utf8(held_out.manifest()).unwrap();
    let packed = artifact(Kind::DataSet, &[("notes", &manifest)]);
    let mut world = World::new();
    world.add("notes", &packed);
    assert_eq!(decided(&world, &[held_out]), ["data_not_allowed"]);
}

#[test]
fn a_file_of_a_data_set_does_not_stand_for_another_with_it() {
    let whole_set = data("a");
    let part = artifact(Kind::DataSet, &[("images", "a")]);
    let mut world = World::new();
    world.add("digits", &whole_set);
    assert_eq!(decided(&world, &[whole_set]), Vec::<&str>::new());
    assert_eq!(decided(&world, &[part]), ["data_not_allowed"]);
}

#[test]
fn a_signature_is_over_exactly_the_files() {
    let signs = |signed: &Artifact, form: Form, model: &Artifact| {
        let mut world = World::new();
        world.say(&sign::statement("digits", signed, form, vec![]));
        sign::is_signed(&world.ledger(), model)
    };
    let folder = model("w");
    // The signing root is over the files' digests alone: under other names it is the same.
    let renamed = artifact(Kind::Model, &[("a.json", "{}"), ("w", "w")]);
    assert_eq!(folder.signing_root(), renamed.signing_root());
    let (one, other) = (
        artifact(Kind::Model, &[("weights", "w")]),
        artifact(Kind::Model, &[("w.bin", "w")]),
    );
    for (signed, form, model, want) in [
        (&folder, Form::Folder, &folder, true),
        (&folder, Form::Folder, &renamed, false),
        (&folder, Form::Folder, &model("v"), false),
        (&one, Form::Folder, &one, true),
        (&one, Form::Folder, &other, false),
        // A single file's name is not signed.
        (&one, Form::SingleFile, &other, true),
        (&one, Form::SingleFile, &folder, false),
    ] {
        assert_eq!(signs(signed, form, model), want, "{form:?}");
    }
}

#[test]
fn what_the_step_claims_stands_apart_from_what_was_measured() {
    let material = ResourceDescriptor::new("digits", "modelward:dataset/digits", file_digest("a"));
    let mut build = build(&model("w"), vec![material.clone()]);
    // A claim of the name of an output, and one that poses as a claim's place.
    let text = [("weights", "a lie"), ("step-claims/x", "y"), ("", "")];
    build.claims = text
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
    let said = statement(build.clone()).unwrap();
    let outputs: BTreeMap<String, Digest> = said
        .subjects
        .iter()
        .map(|subject| (subject.name.clone(), subject.digest))
        .collect();
    assert_eq!(outputs, build.outputs);
    assert!(!said.is_about(file_digest("a lie")));
    let byproducts = &said.predicate.run_details.byproducts;
    assert!(byproducts.iter().all(|claim| claim.name.starts_with(CLAIM)));
    assert_eq!(claims(&said.predicate), build.claims);
    assert_eq!(
        said.predicate.materials().collect::<Vec<_>>(),
        [file_digest("a")]
    );
    assert_eq!(
        said.predicate.build_definition.resolved_dependencies,
        [material]
    );
}

#[test]
fn claims_survive_the_log() {
    let mut world = World::new();
    let mut build = build(&model("w"), vec![]);
    let hostile = "\"quoted\"\nand \u{1f3ad} more".to_owned();
    build.claims.insert("note".to_owned(), hostile.clone());
    world.say(&statement(build.clone()).unwrap());
    let ledger = world.ledger();
    let builds = ledger.all::<trust::predicate::Provenance>().believed;
    let read = &builds[0].statement.value().predicate;
    assert_eq!(claims(read), build.claims);
    assert_eq!(claims(read)["note"], hostile);
}

#[test]
fn byproducts_that_are_no_claims_are_not_read_as_such() {
    let mut said = statement(build(&model("w"), vec![])).unwrap().predicate;
    assert_eq!(claims(&said)["accuracy"], "0.98");
    for change in [
        |claim: &mut ResourceDescriptor| claim.name = "accuracy".to_owned(),
        |claim: &mut ResourceDescriptor| claim.annotations.clear(),
        |claim: &mut ResourceDescriptor| {
            claim.annotations.insert("value".to_owned(), json!(1));
        },
    ] {
        let kept = said.run_details.byproducts[0].clone();
        change(&mut said.run_details.byproducts[0]);
        assert_eq!(claims(&said), BTreeMap::new());
        said.run_details.byproducts[0] = kept;
    }
}

#[test]
fn a_build_that_left_nothing_has_no_statement() {
    let mut build = build(&model("w"), vec![]);
    assert!(statement(build.clone()).is_some());
    build.outputs.clear();
    assert!(statement(build).is_none());
}

#[test]
fn a_provenance_holds_what_was_asked_for() {
    let build = build(&model("w"), vec![]);
    let said = statement(build.clone()).unwrap().predicate;
    let definition = &said.build_definition;
    assert_eq!(definition.build_type, BUILD_TYPE);
    let asked_for = |name: &str, source: Option<&str>| {
        asked(
            name,
            &build.command,
            &build.environment,
            source,
            &build.limits,
        )
    };
    assert_eq!(
        definition.external_parameters,
        asked_for("digits", Some(SOURCE))
    );
    assert_ne!(
        definition.external_parameters,
        asked_for("letters", Some(SOURCE))
    );
    assert_ne!(definition.external_parameters, asked_for("digits", None));
    assert_eq!(said.source(), Some(SOURCE));
    assert_eq!(said.isolation(), Some(build.isolation));
    assert_eq!(said.run_details.builder.id, WORKSTATION);
    let metadata = &said.run_details.metadata;
    assert_eq!(
        (
            metadata.invocation_id.as_deref(),
            metadata.started_on,
            metadata.finished_on
        ),
        (Some("1"), Some(build.started), Some(build.finished))
    );
}
