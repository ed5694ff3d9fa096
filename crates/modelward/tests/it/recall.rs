//! `recall`: of a data set, a builder, a key and a model; whatever descends from it is refused.

use crate::workshop::{PROD, TRAIN, Workshop, admit, blob, deploy, json_of, publish, serve};

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
    let recall = workshop.allowed("recall dataset bands --reason poisoned")["recalled"][0].clone();
    let recall = blob(recall["statement"]["bundle"].as_str().unwrap());
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
    let audited = workshop.yes("audit bands").stdout;
    assert!(audited.contains("not in the log]"), "{audited}");
    let facts = workshop.allowed("audit bands")["backward"]["facts"].clone();
    let told = facts.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&told["stage"], told["logIndex"].is_null()),
        (&"recall".into(), true)
    );
    assert_eq!(workshop.denied("log verify"), ["log_rolled_back"]);
    // It counts on as a file of a model.
    let hidden = workshop.copy();
    hidden.write("m/a.json", hidden.read(&recall));
    hidden.yes("sign m");
    assert_eq!(hidden.denied(&admit("prod", PROD)), ["recalled"]);
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

/// The root has forgotten who recalled, and the log that it was; what was written after the line tells of it.
#[test]
fn a_lost_recall_by_a_forgotten_key_closes_the_gate() {
    let workshop = Workshop::admitted();
    workshop.yes("key new safe --role recall");
    let before = workshop.copy();
    workshop.yes("recall dataset bands --key safe --reason poisoned");
    workshop.yes("key set safe --remove");
    for name in [".modelward/log", ".modelward/index.sqlite"] {
        let mut remove = std::process::Command::new("rm");
        assert!(
            remove
                .arg("-r")
                .arg(workshop.file(name))
                .status()
                .unwrap()
                .success()
        );
        let mut copy = std::process::Command::new("cp");
        copy.arg("-a")
            .args([before.file(name), workshop.file(name)]);
        assert!(copy.status().unwrap().success());
    }
    assert_eq!(workshop.denied(&admit("prod", PROD)), ["key_unknown"]);
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

/// A slip of the pen is recorded as it was typed, since it may come before the thing; and it is told.
#[test]
fn a_recall_of_what_nothing_mentions_is_recorded_with_a_warning() {
    let workshop = Workshop::with_model();
    let zeros = format!("sha256:{}", "0".repeat(64));
    let weights = digest::Digest::of(&workshop.read("data/weights"));
    let key = workshop.allowed("key list")["keys"][0]["id"].clone();
    let table = [
        (format!("dataset {zeros}"), false),
        // The second time too: a recall says nothing of what it recalls.
        (format!("model {zeros}"), false),
        (format!("key {zeros}"), false),
        ("builder https://example.org/other".to_owned(), false),
        (
            "builder https://modelward.dev/builder/workstation/v1".to_owned(),
            true,
        ),
        ("dataset bands".to_owned(), true),
        (format!("dataset {weights}"), true),
        ("model out/digits".to_owned(), true),
        (format!("key {}", key.as_str().unwrap()), true),
    ];
    workshop.yes("key new safe --role recall");
    for (target, known) in table {
        let line = format!("recall {target} --key safe --reason test");
        let answer = workshop.allowed(&line);
        assert_eq!(answer["recalled"][0]["known"], known, "{line}");
        let outcome = workshop.yes(&line);
        assert_eq!(outcome.stderr.contains("warning: "), !known, "{outcome:?}");
        assert!(outcome.stdout.starts_with("recalled the "), "{outcome:?}");
    }
}

/// Nothing is no builder; and a model's name, which any model may have, leads to those that have it.
#[test]
fn nothing_is_not_recalled_and_a_models_name_leads_to_its_digests() {
    let workshop = Workshop::with_model();
    for kind in ["builder", "model", "dataset", "key"] {
        let mut command = workshop.command(&format!("recall {kind} --reason bad --json"));
        assert_eq!(
            json_of("recall", command.arg(""))["code"],
            "usage",
            "{kind}"
        );
    }
    for (target, reason) in [("x", "' '"), ("' '", "bad")] {
        let line = format!("recall builder {target} --reason {reason}");
        assert_eq!(workshop.error(&line), "usage", "{line}");
    }
    let model = digest_of(&workshop);
    let answer = workshop.json("recall model digits --reason bad");
    assert_eq!(
        answer["message"],
        "`digits` is a name, and a model is recalled by its path or digest"
    );
    assert_eq!(
        answer["hint"],
        format!("the store has under this name: {model}")
    );
    // A data set's name is none of a model.
    let answer = workshop.json("recall model bands --reason bad");
    assert_eq!(answer["message"], "there is no model `bands` here");
    workshop.yes(&format!("recall model {model} --reason bad"));
}

fn digest_of(workshop: &Workshop) -> String {
    let signed = workshop.allowed("digest out/digits");
    signed["model"].as_str().unwrap().to_owned()
}

/// A name may have been given to other data later; what is bad is every one of them.
#[test]
fn a_name_recalls_every_version_of_it() {
    let workshop = Workshop::with_model();
    let old = workshop.allowed("dataset list")["datasets"][0]["digest"].clone();
    let script = String::from_utf8(workshop.read("data/train.sh")).unwrap() + "# again\n";
    let before = digest::Digest::of(&workshop.read("data/train.sh")).to_string();
    let size_bytes = workshop.read("data/train.sh").len();
    workshop.write("data/train.sh", &script);
    let after = digest::Digest::of(script.as_bytes()).to_string();
    workshop.replace(
        "dependencies.toml",
        &format!("{before}\"\nsize_bytes = {size_bytes}"),
        &format!("{after}\"\nsize_bytes = {}", script.len()),
    );
    let added = workshop.allowed("dataset add bands --policy dependencies.toml");
    assert_ne!(added["dataset"], old);
    let recalled = workshop.allowed("recall dataset bands --reason bad")["recalled"].clone();
    let mut targets: Vec<_> = recalled.as_array().unwrap().iter().collect();
    targets.sort_by_key(|one| one["target"] != old);
    let targets: Vec<_> = targets.into_iter().map(|one| &one["target"]).collect();
    assert_eq!(targets, [&old, &added["dataset"]]);
    // The model was made of the older one.
    let codes = workshop.denied(&admit("prod", PROD));
    assert!(codes.contains(&"recalled".to_owned()), "{codes:?}");
    assert_eq!(workshop.denied(TRAIN), ["recalled"]);
}

/// Somebody removes or replaces the stolen key first, and recalls it then.
#[test]
fn a_key_that_the_root_has_forgotten_is_recalled_by_the_digits_of_its_id() {
    let set_up = Workshop::with_data();
    set_up.yes("key new scanner --role scan");
    set_up.yes("key new safe --role recall");
    set_up.yes(&TRAIN.replacen("train", "train --key laptop", 1));
    set_up.yes("scan out/digits --key scanner");
    set_up.yes("sign out/digits");
    set_up.yes(&publish("prod"));
    let stranger = Workshop::with_data();
    let other = stranger.allowed("key list")["keys"][0].clone();
    set_up.write("other.pub", other["publicKey"].as_str().unwrap());
    let keys = set_up.allowed("key list")["keys"].clone();
    let mut keys = keys.as_array().unwrap().iter();
    let scanner = keys.find(|key| key["name"] == "scanner").unwrap()["id"].clone();
    let id = scanner.as_str().unwrap();
    let hex = id.strip_prefix("sha256:").unwrap();
    // People see as much of it as a command takes for the whole.
    let short = &hex[..12];
    assert!(set_up.yes("key list").stdout.contains(short));
    for end in ["--remove", "--public-key other.pub"] {
        let workshop = set_up.copy();
        let ended = workshop.yes(&format!("key set scanner {end}"));
        assert!(ended.stdout.contains(id), "{ended:?}");
        for (target, code) in [
            (&hex[..7], "not_found"),
            ("00000000", "not_found"),
            ("scan", "not_found"),
        ] {
            let line = format!("recall key {target} --key safe --reason stolen");
            assert_eq!(workshop.error(&line), code, "{target}");
            assert!(workshop.run(&line).stderr.contains(short), "{target}");
        }
        for target in [&hex[..8], short, &format!("sha256:{short}…"), hex, id] {
            let line = format!("recall key {target} --key safe --reason stolen");
            let recalled = workshop.allowed(&line)["recalled"].clone();
            assert_eq!(recalled[0]["target"], id, "{target}");
        }
        let codes = workshop.denied(&publish("prod"));
        assert!(codes.contains(&"recalled".to_owned()), "{codes:?}");
    }
    // The name is the new key's, and that is told.
    set_up.yes("key set scanner --public-key other.pub");
    let line = "recall key scanner --key safe --reason stolen";
    let outcome = set_up.yes(line);
    assert!(
        outcome
            .stdout
            .contains(&other["id"].as_str().unwrap()[7..19])
    );
    assert!(outcome.stderr.contains(short), "{outcome:?}");
}
