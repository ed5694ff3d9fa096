//! Settings: a flag over the environment, over the file. What the file does not know is refused.

use crate::workshop::{PROD, STAGING, Workshop, json_of};

/// What `admit` was asked for tells which layer was heard.
#[test]
fn a_flag_is_heard_over_the_environment_over_the_file() {
    let workshop = Workshop::admitted();
    let file = format!(
        "environment = \"file\"\nservice_account = \"{PROD}\"\npackage = \"docker.io/lmrs2/bh-aisec-model-inference\"\n"
    );
    workshop.write("modelward.toml", file);
    let table = [
        ("", None, "file"),
        ("", Some("environment"), "environment"),
        (" --environment flag", Some("environment"), "flag"),
        (" --environment flag", None, "flag"),
    ];
    for (flag, variable, heard) in table {
        let line = format!("admit out/digits{flag} --json");
        let mut command = workshop.command(&line);
        if let Some(value) = variable {
            command.env("MODELWARD_ENVIRONMENT", value);
        }
        let answer = json_of(&line, &mut command);
        assert_eq!(answer["result"], "denied");
        assert!(
            answer
                .to_string()
                .contains(&format!("--environment {heard}`")),
            "{line}: {answer:#}"
        );
    }
}

#[test]
fn every_setting_of_the_file_is_used() {
    let workshop = Workshop::admitted();
    let file = format!(
        "environment = \"prod\"\nservice_account = \"{PROD}\"\npackage = \"docker.io/lmrs2/bh-aisec-model-inference\"\nadmission_seconds = 60\n"
    );
    workshop.write("modelward.toml", &file);
    // Nothing else was said, and it is known who, where and for how long.
    let admitted = workshop.allowed("admit out/digits");
    let at =
        workshop.statement(&admitted["statement"]["bundle"])["predicate"]["admittedAt"].clone();
    let time = |time: &serde_json::Value| time.as_str().unwrap().parse::<trust::Time>().unwrap();
    assert_eq!(time(&admitted["expires"]), time(&at).plus_seconds(60));
    let other = file.replace(PROD, STAGING);
    workshop.write("other.toml", other);
    assert_eq!(
        workshop.denied("admit out/digits --settings other.toml"),
        ["scope_mismatch"]
    );
    let mut command = workshop.command("admit out/digits --json");
    command.env("MODELWARD_SETTINGS", "other.toml");
    assert_eq!(json_of("admit", &mut command)["code"], "scope_mismatch");
    assert_eq!(
        workshop.error("admit out/digits --settings nowhere.toml"),
        "settings_invalid"
    );
}

/// What is set to nothing says nothing; and whoever types nothing has forgotten something.
#[test]
fn an_empty_variable_is_none_and_an_empty_flag_is_refused() {
    let workshop = Workshop::admitted();
    let release = "--package docker.io/lmrs2/bh-aisec-model-inference";
    let asked = |line: &str, variables: &[&str]| {
        let mut command = workshop.command(line);
        for variable in variables {
            command.env(variable, "");
        }
        json_of(line, &mut command)
    };
    let line = format!("admit out/digits {release} --service-account {PROD} --json");
    let answer = asked(&line, &["MODELWARD_ENVIRONMENT"]);
    assert_eq!(answer["message"], "no environment was given");
    let line = format!("admit out/digits {release} --environment prod --json");
    let answer = asked(&line, &["MODELWARD_SERVICE_ACCOUNT"]);
    assert_eq!(answer["message"], "no service account was given");
    let line =
        format!("admit out/digits --environment prod --service-account {PROD} {release} --json");
    let others = ["MODELWARD_STORE", "MODELWARD_SETTINGS", "MODELWARD_PACKAGE"];
    assert_eq!(asked(&line, &others)["result"], "allowed");
    workshop.write("modelward.toml", "environment = \"prod\"\n");
    let line = format!("admit out/digits {release} --service-account {PROD} --json");
    let answer = asked(&line, &["MODELWARD_ENVIRONMENT"]);
    assert_eq!(answer["result"], "allowed", "the file is heard");
    for flag in ["environment", "service-account", "package"] {
        let mut command = workshop.command("admit out/digits --json");
        let answer = json_of("admit", command.arg(format!("--{flag}=")));
        assert_eq!(answer["code"], "usage", "{answer:#}");
    }
    workshop.write("modelward.toml", "environment = \"\"\n");
    let answer = asked("admit out/digits --json", &[]);
    assert_eq!(answer["code"], "settings_invalid");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .ends_with("`environment` is empty")
    );
    let answer = asked("admit out/digits --settings nope --json", &[]);
    assert!(
        answer["hint"]
            .as_str()
            .unwrap()
            .starts_with("check the path"),
        "{answer:#}"
    );
}

#[test]
fn without_a_setting_the_three_ways_to_give_it_are_told() {
    let workshop = Workshop::with_model();
    let answer = workshop.json("admit out/digits");
    assert_eq!(answer["message"], "no package was given");
    assert_eq!(
        answer["hint"],
        "give it with `--package`, in MODELWARD_PACKAGE, or as `package` in `modelward.toml`"
    );
}

/// The nearest store is found from below, as git does; a flag or the environment names another.
#[test]
fn a_store_is_found_from_below_or_named() {
    let workshop = Workshop::with_data();
    std::fs::create_dir_all(workshop.file("deep/er")).unwrap();
    let below = workshop
        .command("dataset list --json")
        .current_dir(workshop.file("deep/er"))
        .output()
        .unwrap();
    assert!(String::from_utf8(below.stdout).unwrap().contains("bands"));
    let other = Workshop::bare();
    other.yes("store init");
    let named = format!("dataset list --store {} --json", other.path().display());
    let answer = json_of("dataset list", &mut workshop.command(&named));
    assert_eq!(answer["datasets"], serde_json::json!([]));
    let mut command = workshop.command("dataset list --json");
    command.env("MODELWARD_STORE", other.path());
    assert_eq!(
        json_of("dataset list", &mut command)["datasets"],
        serde_json::json!([])
    );
    let line = format!("dataset list --store {} --json", workshop.path().display());
    let mut command = workshop.command(&line);
    command.env("MODELWARD_STORE", other.path());
    assert_eq!(
        json_of("dataset list", &mut command)["datasets"][0]["name"],
        "bands"
    );
}

/// Nobody is let in for ever: an admission ends before its evidence does.
#[test]
fn an_admission_has_a_longest_time() {
    let workshop = Workshop::admitted();
    let line = crate::workshop::admit("prod", PROD);
    let text = |seconds: i64| format!("admission_seconds = {seconds}\n");
    for (seconds, holds) in [
        (-1, false),
        (0, false),
        (1, true),
        (7_776_000, true),
        (7_776_001, false),
        (i64::MAX, false),
    ] {
        workshop.write("modelward.toml", text(seconds));
        if holds {
            workshop.yes(&line);
            continue;
        }
        let answer = workshop.json(&line);
        assert_eq!(answer["code"], "settings_invalid", "{seconds}: {answer:#}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains("from 1 to 7776000 seconds"), "{message}");
        assert_ne!(answer["hint"], "");
    }
}
