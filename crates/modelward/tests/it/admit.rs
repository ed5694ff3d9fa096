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

/// What lies in the model's folder and is no part of the model is told at each gate, and of a digest there is none.
#[test]
fn what_is_left_out_is_told_at_each_gate() {
    let workshop = Workshop::with_model();
    let scan = "scan out/digits".to_owned();
    let gates = [scan, publish("prod"), deploy("prod"), admit("prod", PROD)];
    let model = workshop.allowed(&gates[0])["model"].clone();
    for (there, ignored) in [(false, vec![]), (true, vec![".git", ".gitignore"])] {
        if there {
            workshop.write("out/digits/.git/config", "x");
            workshop.write("out/digits/.gitignore", "x");
        }
        for gate in &gates {
            let told = workshop.yes(gate).stdout;
            assert_eq!(told.contains("left out"), there, "{told}");
            let answer = workshop.allowed(gate);
            assert_eq!(answer["ignored"], serde_json::json!(ignored), "{gate}");
        }
    }
    let by_digest = admit("prod", PROD).replace("out/digits", model.as_str().unwrap());
    let answer = workshop.allowed(&by_digest);
    assert_eq!(answer["ignored"], serde_json::json!([]));
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
