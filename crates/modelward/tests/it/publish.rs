//! `publish`: what an slsa-policy says of a model, for each environment apart.

use crate::bands::copy;
use crate::workshop::{PACKAGE, PROD, STAGING, TRAIN, Workshop, admit, deploy, publish};

const OURS: &str = "https://modelward.dev/builder/workstation/v1";

#[test]
fn a_second_environment_keeps_the_first() {
    let workshop = Workshop::with_model();
    let staging = workshop.allowed(&publish("staging"));
    let prod = workshop.allowed(&publish("prod"));
    assert_ne!(staging["statement"], prod["statement"]);
    for (environment, account) in [("staging", STAGING), ("prod", PROD)] {
        workshop.yes(&deploy(environment));
        workshop.yes(&admit(environment, account));
    }
    // One environment's deployment is none of the other's publication.
    for (environment, account) in [("prod", STAGING), ("staging", PROD)] {
        let mut codes = workshop.denied(&admit(environment, account));
        codes.sort_unstable();
        assert_eq!(codes, ["environment_mismatch", "scope_mismatch"]);
    }
    for published in [staging, prod] {
        let statement = workshop.statement(&published["statement"]["bundle"]);
        assert_eq!(statement["predicateType"], "https://slsa.dev/publish/v0.1");
        assert_eq!(published["level"], 1);
        assert!(
            statement
                .to_string()
                .contains(published["environment"].as_str().unwrap())
        );
    }
}

#[test]
fn an_environment_that_is_not_published_is_not_deployed() {
    let workshop = Workshop::with_model();
    workshop.yes(&publish("staging"));
    assert_eq!(workshop.denied(&deploy("prod")), ["environment_mismatch"]);
    workshop.yes(&deploy("staging"));
}

/// Our builder's key may say level 1 and no more, whatever an organisation writes in its file.
#[test]
fn no_file_makes_a_workstation_a_level_three_builder() {
    let workshop = Workshop::with_model();
    workshop.replace("publish/org.json", "\"slsa_level\": 1", "\"slsa_level\": 3");
    assert_eq!(workshop.denied(&publish("prod")), ["level_too_low"]);
    workshop.replace("publish/org.json", "\"slsa_level\": 3", "\"slsa_level\": 2");
    assert_eq!(workshop.denied(&publish("prod")), ["level_too_low"]);
    workshop.replace("publish/org.json", "\"slsa_level\": 2", "\"slsa_level\": 1");
    workshop.yes(&publish("prod"));
}

/// An organisation that trusts somebody else's builder at level 3, as the public workshop's files do.
const OTHERS: &str = r#"{"format": 1, "roots": {"build": [
    {"id": "https://github.com/example/generator/.github/workflows/container.yml", "name": "generator_level_3", "slsa_level": 3},
    {"id": "https://builds.example.com/hosted", "name": "hosted_level_3", "slsa_level": 3}]}}"#;

#[test]
fn a_policy_for_another_builder_denies_by_builder_and_level() {
    let workshop = Workshop::with_model();
    workshop.write("publish/org.json", OTHERS);
    workshop.replace(
        "publish/model-inference.json",
        "modelward_workstation_level_1",
        "generator_level_3",
    );
    assert_eq!(
        workshop.denied(&publish("prod")),
        ["builder_mismatch", "level_too_low"]
    );
    // The mutated twin: the very same files, with our builder where the other was.
    workshop.replace(
        "publish/org.json",
        "https://github.com/example/generator/.github/workflows/container.yml",
        OURS,
    );
    assert_eq!(workshop.denied(&publish("prod")), ["level_too_low"]);
    workshop.replace("publish/org.json", "\"slsa_level\": 3", "\"slsa_level\": 1");
    workshop.yes(&publish("prod"));
}

/// The public workshop's own files, untouched, where they are at hand.
#[test]
fn the_workshops_untouched_files_deny_our_model() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        println!("skipped: MODELWARD_VECTORS is not set");
        return;
    };
    let folder = std::path::Path::new(&vectors).join("slsa/policies/bh-aisec");
    let workshop = Workshop::with_model();
    copy(&folder.join("publish"), &workshop.file("theirs"));
    copy(
        &folder.join("deployment"),
        &workshop.file("their-deployment"),
    );
    let line = publish("prod").replace("--policies publish", "--policies theirs");
    let codes = workshop.denied(&line);
    for code in ["builder_mismatch", "level_too_low"] {
        assert!(codes.contains(&code.to_owned()), "{codes:?}");
    }
    // Published under our own files, it is still none that their deployment takes.
    workshop.yes(&publish("prod"));
    let line = deploy("prod").replace("--policies deployment", "--policies their-deployment");
    let codes = workshop.denied(&line);
    assert!(
        codes.contains(&"publisher_mismatch".to_owned()),
        "{codes:?}"
    );
}

#[test]
fn all_reasons_come_at_once_each_with_its_way() {
    let workshop = Workshop::with_data();
    workshop.yes(&TRAIN.replace("modelward.dev/source/modelward", "example.org/other"));
    workshop.write("publish/org.json", OTHERS);
    workshop.replace(
        "publish/model-inference.json",
        "modelward_workstation_level_1",
        "generator_level_3",
    );
    let answer = workshop.json(&publish("prod"));
    let reasons = answer["reasons"].as_array().unwrap();
    let codes: Vec<_> = reasons
        .iter()
        .map(|reason| reason["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["builder_mismatch", "level_too_low", "source_mismatch"]
    );
    for reason in reasons {
        assert!(!reason["way"].as_str().unwrap().is_empty(), "{reason:#}");
    }
}

#[test]
fn what_no_policy_speaks_of_is_denied() {
    let workshop = Workshop::with_model();
    let other = publish("prod").replace(PACKAGE, "registry.example/other");
    assert_eq!(workshop.denied(&other), ["package_unknown"]);
    assert_eq!(workshop.denied(&publish("moon")), ["environment_mismatch"]);
    let none = format!("publish out/digits --package {PACKAGE} --policies publish");
    assert_eq!(workshop.denied(&none), ["environment_mismatch"]);
    // Another model's provenance is not this one's.
    workshop.write("stranger/model.safetensors", b"not what was trained");
    let stranger = publish("prod").replace("out/digits", "stranger");
    assert_eq!(workshop.denied(&stranger), ["provenance_missing"]);
}
