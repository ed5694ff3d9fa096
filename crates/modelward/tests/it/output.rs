//! What every command prints: one documented JSON object, an exit status that agrees, and nothing else on standard
//! output.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::log_server::LogServer;
use crate::schema;
use crate::server::Server;
use crate::witness::Witness;
use crate::workshop::{
    Outcome, PACKAGE, PROD, TRAIN, Workshop, admit, deploy, json_of, publish, serve,
};

/// A command and the form of its answer, in an order in which each can be given.
fn everything() -> Vec<(String, &'static str)> {
    let line = |line: &str, form| (line.to_owned(), form);
    vec![
        line("audit bands", "error"),
        line("store init", "store-init"),
        line("store init", "store-init"),
        line("key new laptop", "key-new"),
        line("key new laptop", "error"),
        line(
            "key set laptop --valid-until 2099-01-01T00:00:00Z",
            "key-set",
        ),
        line("key list", "key-list"),
        line("dataset list", "dataset-list"),
        line("dataset add nothing --policy dependencies.toml", "denied"),
        line(
            "dataset add bands --policy dependencies.toml",
            "dataset-add",
        ),
        line(
            "dataset add bands --policy dependencies.toml",
            "dataset-add",
        ),
        line("dataset list", "dataset-list"),
        line("train --input nothing --name x -- /bin/sh", "error"),
        line(
            "train --input bands --name x -- /bin/sh -c 'exit 3'",
            "denied",
        ),
        line(TRAIN, "train"),
        line(&TRAIN.replacen("train ", "train --reuse ", 1), "train"),
        line("scan out/digits", "scan"),
        line("scan out/digits/model.safetensors --no-record", "scan"),
        line("scan hostile.pkl --no-record", "scan-denied"),
        line("scan nonsense --no-record", "scan-denied"),
        line("scan nowhere --no-record", "error"),
        line("verify out/digits", "error"),
        line("sign out/digits", "sign"),
        line("verify out/digits", "verify"),
        line("verify data --signature out/digits.sig", "denied"),
        line("verify out/digits --only '*.json'", "verify"),
        line("verify out/digits --cache cached", "verify"),
        line("digest out/digits --python-order", "digest-of-model"),
        line("inspect out/digits.sig", "inspect"),
        line("diff out/digits out/digits.sig", "diff"),
        line("diff out/digits data", "diff-denied"),
        line(
            "bundle convert out/digits.sig --to converted.sig",
            "bundle-convert",
        ),
        line("keyless show", "keyless-show"),
        line("key new rotated --role sign", "key-new"),
        line("key show rotated", "key-show"),
        line("key rotate rotated", "key-rotate"),
        line(&deploy("prod"), "denied"),
        line(&publish("nowhere"), "denied"),
        line(&publish("prod"), "publish"),
        line(&deploy("prod"), "deploy"),
        line(&admit("staging", PROD), "denied"),
        line(&serve(PROD), "denied"),
        line(&admit("prod", PROD), "admit"),
        line("policy check policy.toml", "policy-check"),
        line("policy check nowhere.toml", "error"),
        line("policy diff policy.toml lax.toml", "policy-diff"),
        line("policy test policies", "policy-test"),
        line("policy test bad.test.toml", "policy-test-denied"),
        line(
            "policy explain out/digits --policy lax.toml",
            "policy-explain",
        ),
        line(
            "policy explain out/digits --policy policy.toml",
            "policy-explain-denied",
        ),
        line("policy what-if --policy lax.toml", "policy-what-if"),
        line(
            "policy what-if --policy policy.toml",
            "policy-what-if-denied",
        ),
        line(
            "approve request out/digits --title t --key laptop",
            "approve-request",
        ),
        line("approve grant out/digits --key laptop", "approve-grant"),
        line("approve grant nothing", "error"),
        line("approve list", "approve-list"),
        line("sbom out/digits bom.json", "sbom"),
        line("sbom out/digits data/weights", "error"),
        line(
            "policy break-glass out/digits --policy policy.toml --requirement approvals --reason x --minutes 1 --key laptop",
            "policy-break-glass",
        ),
        line(
            "policy explain out/digits --policy policy.toml",
            "policy-explain",
        ),
        line("audit bands", "audit"),
        line("audit out/digits --mermaid", "audit"),
        line("log show", "log-show"),
        line("log verify", "log-verify"),
        line("log proof 2", "log-proof"),
        line("log proof 999", "error"),
        line("store list", "store-list"),
        line("store get bands --to copy", "store-get"),
        line("store get nothing --to copy", "error"),
        line("store verify", "store-verify"),
        line("store rebuild", "store-rebuild"),
        line("recall model out/digits --reason 'it was a test'", "recall"),
        line("recall key nobody --reason x", "error"),
        line("doctor", "doctor"),
        line("demo --example nowhere", "error"),
        line("help", "help"),
        line("help key new", "help"),
        line("help nonsense", "error"),
        line("help error", "help-errors"),
        line("help error recalled", "help-error"),
        line("help error nonsense", "error"),
        line("help environment", "help-environment"),
        line("completions bash", "completions"),
        line("man --to man", "man"),
        line("nonsense", "error"),
    ]
}

#[test]
fn every_command_answers_in_its_documented_form() {
    let workshop = Workshop::bare();
    // A pickle that would run `os.system`, and a file that is nothing.
    workshop.write("hostile.pkl", b"cos\nsystem\n(S'id'\ntR.");
    let policy = "format = 2\nname = \"two\"\n[approvals]\n";
    workshop.write("policy.toml", policy);
    workshop.write("lax.toml", "format = 2\nname = \"lax\"\n[scan]\n");
    workshop.write("policies/policy.toml", policy);
    let case = "policy = \"policy.toml\"\nnow = \"2026-11-21T12:00:00Z\"\n[[case]]\nname = \"nobody\"\nexpect = \"denied\"\nfiles = { w = \"x\" }\n";
    workshop.write("policies/policy.test.toml", case);
    workshop.write("bad.test.toml", case.replace("\"denied\"", "\"allowed\""));
    workshop.write(
        "bom.json",
        r#"{"bomFormat": "CycloneDX", "specVersion": "1.6"}"#,
    );
    workshop.write("nonsense", [0xd7, 0x01, 0x02, 0xff, 0x00, 0x9c]);
    let mut met = BTreeSet::new();
    for (line, form) in everything() {
        let answer = workshop.json(&line);
        assert_eq!(
            schema::check(&schema::command_of(&line), &answer),
            form,
            "{line}: {answer:#}"
        );
        met.insert(form.to_owned());
    }
    met.extend(of_proofs(&workshop));
    met.extend(of_damage(&workshop));
    met.extend(crate::cosign::forms());
    met.extend(crate::oci::forms_of_images());
    let text = json_of(
        "text",
        workshop.command("train --help --json").arg("--version"),
    );
    met.insert(schema::check("text", &text));
    let served = Workshop::admitted();
    let stopped = Server::start(&served).stop();
    met.insert("serve".to_owned());
    assert_eq!(stopped.stdout, "", "one object is all");
    LogServer::start(&served, "").stop();
    met.insert("serve-log".to_owned());
    let witness = Witness::start(&served, "witness");
    met.insert("serve-witness".to_owned());
    met.insert(schema::check("log-cosign", &served.json(&witness.cosign())));
    let refreshed = crate::keyless_refresh::Place::new().refresh();
    met.insert(schema::check("keyless-refresh", &refreshed));
    // These take a registry: the tests of `oci` hold each answer against its form.
    met.extend(["push", "pull", "fetch"].map(ToOwned::to_owned));
    let words = ["create", "upload", "download"];
    met.extend(words.map(|word| format!("artifact-repo-{word}")));
    // These two take a trainer and ten thousand pictures.
    met.extend(["demo".to_owned(), "demo-denied".to_owned()]);
    assert_eq!(met, schema::forms());
}

fn of_proofs(workshop: &Workshop) -> [String; 4] {
    let entries = workshop.allowed("log show")["entries"].clone();
    let bundle = crate::workshop::blob(entries[1]["bundle"].as_str().unwrap());
    let proof = workshop.allowed("log proof 1")["proof"].clone();
    workshop.write("proof", proof.as_str().unwrap());
    let answer = workshop.json(&format!("log check proof {bundle}"));
    let checkpoint = workshop.allowed("log checkpoint");
    workshop.write("kept", checkpoint["checkpoint"].as_str().unwrap());
    let grown = workshop.json("log grown kept");
    let watched = workshop.json("log watch --state seen");
    [
        schema::check("log-watch", &watched),
        schema::check("log-check", &answer),
        schema::check("log-checkpoint", &checkpoint),
        schema::check("log-grown", &grown),
    ]
}

fn of_damage(workshop: &Workshop) -> [String; 1] {
    let digest = workshop.allowed("audit bands")["digest"].clone();
    workshop.flip(&crate::workshop::blob(digest.as_str().unwrap()), 3);
    let answer = workshop.json("store verify");
    [schema::check("store-verify", &answer)]
}

/// A command that is new has its form, and the table above meets it.
#[test]
fn every_command_has_a_form() {
    let workshop = Workshop::bare();
    let forms = schema::forms();
    for command in crate::help::commands(&workshop) {
        // `oms` answers in another program's form.
        let is_group = [
            "",
            "approve",
            "artifact",
            "artifact repo",
            "bundle",
            "dataset",
            "key",
            "keyless",
            "log",
            "policy",
            "store",
            "oms",
        ]
        .contains(&command.as_str());
        assert!(
            is_group || forms.contains(&schema::command_of(&command)),
            "{command}"
        );
    }
}

/// Each form has its heading in the text for people, and each of its members is named there.
#[test]
fn the_text_names_every_member_of_the_schema() {
    let text =
        std::fs::read_to_string(crate::bands::house().join("docs/formats/output.md")).unwrap();
    for form in schema::forms() {
        let command = form.trim_end_matches("-denied").trim_end_matches("-error");
        let heading = match command {
            "denied" | "error" | "text" | "help-errors" | "help-environment" => continue,
            _ => format!("\n### {}\n", crate::help::typed(command)),
        };
        let (_, section) = text
            .split_once(&heading)
            .unwrap_or_else(|| panic!("no `{heading}`"));
        let section = section.split("\n### ").next().unwrap();
        let shared = ["result", "code", "reasons"];
        for member in schema::members_of(&form)
            .iter()
            .filter(|name| !shared.contains(&name.as_str()))
        {
            let said = section.contains(&format!("`{member}`"));
            let as_before = form == "key-new" || section.contains("each as `key new` prints it");
            assert!(said || as_before, "{form}: `{member}` is not explained");
        }
    }
}

/// The checker must be able to refuse: each of these is an answer with one thing wrong.
#[test]
fn the_checker_of_the_document_refuses() {
    let good = serde_json::json!({"result": "allowed", "name": "n", "reused": false,
        "dataset": format!("sha256:{:064}", 0), "statement": {"bundle": format!("sha256:{:064}", 0), "logIndex": 0}});
    assert_eq!(schema::check("dataset-add", &good), "dataset-add");
    let spoil: [fn(&mut serde_json::Value); 6] = [
        |answer| answer["extra"] = true.into(),
        |answer| answer["reused"] = "no".into(),
        |answer| answer["dataset"] = "sha256:short".into(),
        |answer| answer["statement"]["logIndex"] = 1.5.into(),
        |answer| answer["statement"]["more"] = 1.into(),
        |answer| drop(answer.as_object_mut().unwrap().remove("name")),
    ];
    for spoil in spoil {
        let mut bad = good.clone();
        spoil(&mut bad);
        assert!(
            std::panic::catch_unwind(|| schema::check("dataset-add", &bad)).is_err(),
            "{bad}"
        );
    }
}

/// A no and an error speak on standard error, progress and notes too; a yes is what standard output holds.
#[test]
fn standard_output_holds_the_answer_alone() {
    let workshop = Workshop::with_model();
    let table = [
        ("verify out/digits", 0, "verified: 2 files of `digits`"),
        ("scan out/digits --no-record", 0, "clean"),
        ("publish out/digits --package p/q --policies publish", 1, ""),
        ("verify nowhere", 2, ""),
        ("nonsense", 2, ""),
        ("", 2, ""),
    ];
    for (line, status, beginning) in table {
        let outcome = workshop.run(line);
        assert_eq!(outcome.status, status, "{line}: {outcome:?}");
        assert!(outcome.stdout.starts_with(beginning), "{line}: {outcome:?}");
        assert_eq!(
            outcome.stdout.is_empty(),
            beginning.is_empty(),
            "{line}: {outcome:?}"
        );
        assert_eq!(
            outcome.stderr.is_empty(),
            status == 0,
            "{line}: {outcome:?}"
        );
    }
    // What a step prints is no answer of ours.
    let trained = workshop.yes(TRAIN);
    assert!(trained.stderr.contains("step: trained"), "{trained:?}");
    assert!(!trained.stdout.contains("step: "), "{trained:?}");
    let quiet = workshop.yes(&TRAIN.replacen("train ", "train --quiet ", 1));
    assert_eq!(quiet.stderr, "");
}

#[test]
fn an_error_says_its_code_its_cause_and_what_to_do() {
    let workshop = Workshop::bare();
    let outcome = workshop.run("audit bands");
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert!(
        lines[0].starts_with("error: [store_missing] there is no store in"),
        "{outcome:?}"
    );
    assert_eq!(lines[1], "  hint: make one with `modelward store init`");
    workshop.yes("store init");
    let outcome = workshop.run("train --input bands --name x -- /bin/sh");
    assert!(
        outcome
            .stderr
            .contains("  hint: add it: `modelward dataset add"),
        "{outcome:?}"
    );
}

/// `modelward … | head -1` is no failure of ours.
#[test]
fn whoever_closes_the_pipe_has_read_enough() {
    let workshop = Workshop::bare();
    for line in [
        "help error",
        "help train",
        "completions bash",
        "--help",
        "help error --json",
    ] {
        let mut child = workshop
            .command(line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(
            (outcome.status, outcome.stderr.as_str()),
            (0, ""),
            "{line}: {outcome:?}"
        );
    }
}

/// Colours are for terminals, and not for those who set `NO_COLOR`; a test's pipe is none.
#[test]
fn no_escape_sequence_goes_into_a_pipe() {
    let workshop = Workshop::with_model();
    for line in [
        "scan out/digits --no-record",
        "doctor",
        "verify nowhere",
        "publish out/digits --package p/q --policies publish",
    ] {
        let outcome = workshop.run(line);
        let text = outcome.stdout + &outcome.stderr;
        assert!(!text.contains('\u{1b}'), "{line}: {text}");
    }
}

/// A file's name is a stranger's, and no terminal obeys it.
#[test]
fn a_hostile_name_reaches_no_terminal() {
    let workshop = Workshop::with_data();
    let name = "a\u{1b}]0;owned\u{7}\u{9b}31m";
    workshop.write(&format!("evil/{name}.bin"), "x");
    workshop.write(&format!("{name}/model.bin"), "x");
    for line in [
        "scan evil",
        "sign evil",
        &format!("scan '{name}'"),
        &format!("audit '{name}'"),
        &format!("verify '{name}'"),
    ] {
        let outcome = workshop.run(line);
        let text = outcome.stdout + &outcome.stderr;
        let obeyed: Vec<char> = text
            .chars()
            .filter(|c| c.is_control() && *c != '\n')
            .collect();
        assert!(outcome.status != 0 && obeyed.is_empty(), "{line}: {text:?}");
    }
}

/// On a terminal the same words come in colour, unless `NO_COLOR` says no. `script` makes a terminal for a command.
#[test]
fn colours_are_for_terminals_and_no_color_is_heard() {
    if !std::path::Path::new("/usr/bin/script").exists() {
        println!("skipped: there is no `script` here to make a terminal with");
        return;
    }
    let workshop = Workshop::bare();
    let line = format!("'{}' audit bands", env!("CARGO_BIN_EXE_modelward"));
    for (value, colour) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let mut command = std::process::Command::new("/usr/bin/script");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(workshop.path());
        command.env_remove("NO_COLOR").stdin(Stdio::null());
        if let Some(value) = value {
            command.env("NO_COLOR", value);
        }
        let outcome = Outcome::of(&mut command);
        assert_eq!(outcome.status, 2, "{outcome:?}");
        assert!(outcome.stdout.contains("error:"), "{outcome:?}");
        assert_eq!(
            outcome.stdout.contains('\u{1b}'),
            colour,
            "{value:?}: {outcome:?}"
        );
    }
}

/// The package and places that this file's table uses are those of the example's policies.
#[test]
fn the_table_uses_the_policies_of_the_example() {
    let workshop = Workshop::bare();
    let policy = String::from_utf8(workshop.read("publish/model-inference.json")).unwrap();
    assert!(policy.contains(PACKAGE));
    let policy = String::from_utf8(workshop.read("deployment/servers-prod.json")).unwrap();
    assert!(policy.contains(PROD));
}

/// An answer that nobody can read was not given, whatever it was: the exit status and standard error say so.
#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let workshop = Workshop::with_data();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full");
    for line in [
        "help",
        "dataset list",
        "dataset list --json",
        "verify x --json",
    ] {
        let mut command = workshop.command(line);
        let outcome = Outcome::of(command.stdout(full().unwrap()));
        assert_eq!(outcome.status, 2, "{line}: {outcome:?}");
        let told = "error: [io] the answer can't be written: ";
        assert!(outcome.stderr.starts_with(told), "{line}: {outcome:?}");
    }
}
