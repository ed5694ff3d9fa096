//! `recall`: of a data set, a builder, a key and a model; whatever descends from it is refused.

use crate::workshop::{PROD, Workshop, admit, blob, deploy, publish, serve};

#[test]
fn each_kind_of_recall_is_felt_at_every_later_gate() {
    let admitted = Workshop::admitted();
    let digest = admitted.allowed("audit out/digits")["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let file = admitted.allowed("store list")["artifacts"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let targets = [
        "dataset bands".to_owned(),
        format!("dataset {file}"),
        "builder https://modelward.dev/builder/workstation/v1".to_owned(),
        format!("model {digest}"),
        "model out/digits".to_owned(),
    ];
    for target in targets {
        let workshop = admitted.copy();
        workshop.yes(&format!("recall {target} --reason 'it is bad'"));
        for line in [
            publish("prod"),
            deploy("prod"),
            admit("prod", PROD),
            serve(PROD),
        ] {
            let codes = workshop.denied(&line);
            assert!(
                codes.contains(&"recalled".to_owned()),
                "{target}: {line}: {codes:?}"
            );
        }
        workshop.is_sound();
    }
}

/// Whoever can write to the store puts last week's log back, and takes away the index that remembers more.
#[test]
fn a_log_that_was_put_back_does_not_undo_a_recall() {
    let workshop = Workshop::admitted();
    let before = workshop.copy();
    workshop.yes("recall dataset bands --reason poisoned");
    let put_back = || {
        let log = workshop.file(".modelward/log");
        std::fs::remove_dir_all(&log).unwrap();
        let mut command = std::process::Command::new("cp");
        command.arg("-a").args([before.file(".modelward/log"), log]);
        assert!(command.status().unwrap().success());
    };
    let recalled = |line: &str| {
        let codes = workshop.denied(line);
        assert!(codes.contains(&"recalled".to_owned()), "{line}: {codes:?}");
    };
    put_back();
    assert_eq!(workshop.denied(&serve(PROD)), ["log_rolled_back"]);
    std::fs::remove_file(workshop.file(".modelward/index.sqlite")).unwrap();
    let gates = [
        publish("prod"),
        deploy("prod"),
        admit("prod", PROD),
        serve(PROD),
    ];
    gates.iter().for_each(|line| recalled(line));
    // One finding, though a recall of a data set may be about several things.
    assert_eq!(workshop.denied("store verify"), ["log_rolled_back"]);
    // A shorter log can be taken as it is, and the recall counts on.
    let rebuilt = workshop.allowed("store rebuild");
    assert_eq!(
        rebuilt["statements"],
        before.allowed("store rebuild")["statements"]
    );
    gates.iter().for_each(|line| recalled(line));
    let checked = workshop.allowed("store verify");
    assert_eq!(checked["unrecorded"].as_array().unwrap().len(), 1);
    workshop.is_sound();
}

/// A writer that was killed before it came to the log leaves a bundle, and no more.
#[test]
fn a_statement_that_was_never_recorded_is_noted_and_believed_only_if_it_forbids() {
    let (workshop, other) = (Workshop::with_model(), Workshop::with_model());
    let entries = other.allowed("log show")["entries"].clone();
    let bundle = entries[0]["bundle"].as_str().unwrap();
    workshop.write(&blob(bundle), other.read(&blob(bundle)));
    let checked = workshop.allowed("store verify");
    assert_eq!(checked["unrecorded"], serde_json::json!([bundle]));
    assert!(workshop.yes("store verify").stdout.contains(bundle));
    // A recall by a key that is not of this root is nobody's.
    other.yes("recall dataset bands --reason poisoned");
    let entries = other.allowed("log show")["entries"].clone();
    let stranger = entries[4]["bundle"].as_str().unwrap();
    workshop.write(&blob(stranger), other.read(&blob(stranger)));
    workshop.yes(&publish("prod"));
    // And one by a key that is.
    let ours = workshop.copy();
    ours.yes("recall dataset bands --reason poisoned");
    let entries = ours.allowed("log show")["entries"].clone();
    let recall = entries[5]["bundle"].as_str().unwrap();
    workshop.write(&blob(recall), ours.read(&blob(recall)));
    assert_eq!(workshop.denied(&publish("prod")), ["recalled"]);
}

/// The key that is recalled cannot be the one that recalls, or nobody could believe it.
#[test]
fn a_recalled_key_counts_no_more() {
    let workshop = Workshop::admitted();
    workshop.yes("key new safe --role recall");
    workshop.yes("recall key laptop --key safe --reason stolen");
    let codes = workshop.denied(&admit("prod", PROD));
    assert!(codes.contains(&"recalled".to_owned()), "{codes:?}");
    let codes = workshop.denied(&serve(PROD));
    assert!(codes.contains(&"recalled".to_owned()), "{codes:?}");
}

#[test]
fn what_does_not_descend_from_it_is_let_through() {
    let workshop = Workshop::admitted();
    let zeros = "0".repeat(64);
    workshop.yes(&format!("recall dataset sha256:{zeros} --reason other"));
    workshop.yes("recall builder https://example.org/other --reason other");
    workshop.yes(&admit("prod", PROD));
}
