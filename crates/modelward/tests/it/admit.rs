//! `admit`: all that must be known, for whom and where, and how long it holds.

use std::thread::sleep;
use std::time::Duration;

use crate::workshop::{PROD, STAGING, Workshop, admit, deploy, publish, serve};

#[test]
fn every_missing_piece_is_told_with_the_way_to_it() {
    let workshop = Workshop::with_data();
    workshop.write("stranger/model.safetensors", crate::bands::safetensors());
    let line = admit("prod", PROD).replace("out/digits", "stranger");
    let answer = workshop.json(&line);
    let reasons = answer["reasons"].as_array().unwrap();
    let codes: Vec<_> = reasons
        .iter()
        .map(|reason| reason["code"].as_str().unwrap())
        .collect();
    let all = [
        "signature_missing",
        "provenance_missing",
        "scan_missing",
        "publish_missing",
        "deployment_missing",
    ];
    assert_eq!(codes, all);
    for reason in reasons {
        assert!(
            reason["way"].as_str().unwrap().contains("modelward "),
            "{reason:#}"
        );
    }
}

#[test]
fn another_place_or_account_is_refused() {
    let workshop = Workshop::admitted();
    assert_eq!(workshop.denied(&admit("prod", STAGING)), ["scope_mismatch"]);
    assert_eq!(
        workshop.denied(&admit("staging", PROD)),
        // Neither the publication nor the deployment is for it.
        ["environment_mismatch", "environment_mismatch"]
    );
    assert_eq!(workshop.denied(&serve(STAGING)), ["admission_missing"]);
    let package = admit("prod", PROD).replace("bh-aisec-model-inference", "other");
    let missing = ["publish_missing", "deployment_missing"];
    assert_eq!(workshop.denied(&package), missing);
}

/// The same files under another package's name are let in if that package may run, and not because this one may.
#[test]
fn a_package_that_nobody_may_deploy_is_not_let_in() {
    let workshop = Workshop::admitted();
    let policy = String::from_utf8(workshop.read("publish/model-inference.json")).unwrap();
    let other = "bh-aisec-other";
    workshop.write(
        "publish/other.json",
        policy.replace("bh-aisec-model-inference", other),
    );
    let rename = |line: String| line.replace("bh-aisec-model-inference", other);
    workshop.yes(&rename(publish("prod")));
    assert_eq!(
        workshop.denied(&rename(deploy("prod"))),
        ["package_unknown"]
    );
    let denied = workshop.denied(&rename(admit("prod", PROD)));
    assert_eq!(denied, ["deployment_missing"]);
    workshop.yes(&admit("prod", PROD));
}

#[test]
fn an_admission_ends() {
    let workshop = Workshop::with_model();
    workshop.yes(&publish("prod"));
    workshop.yes(&deploy("prod"));
    workshop.write("modelward.toml", "admission_seconds = 1\n");
    workshop.yes(&admit("prod", PROD));
    sleep(Duration::from_secs(3));
    assert_eq!(workshop.denied(&serve(PROD)), ["admission_expired"]);
}

/// One changed byte is another model, of which nothing is known.
#[test]
fn a_changed_model_is_not_the_admitted_one() {
    let workshop = Workshop::admitted();
    workshop.flip("out/digits/model.safetensors", 30_000);
    let codes = workshop.denied(&admit("prod", PROD));
    assert_eq!(
        codes.len(),
        5,
        "nothing that was said of the other is said of it: {codes:?}"
    );
    assert_eq!(workshop.denied(&serve(PROD)), ["admission_missing"]);
}
