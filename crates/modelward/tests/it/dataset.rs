//! `dataset`: what the policy names comes in, and nothing else.

use crate::workshop::{TRAIN, Workshop};

#[test]
fn what_is_unchanged_is_reused_and_said_to_be() {
    let workshop = Workshop::with_data();
    let line = "dataset add bands --policy dependencies.toml";
    let again = workshop.allowed(line);
    assert_eq!(again["reused"], true);
    assert!(workshop.yes(line).stdout.starts_with("unchanged, reused"));
    // Another policy is another decision, even about the same bytes.
    workshop.replace("dependencies.toml", "\"train\", \"evaluate\"", "\"train\"");
    let other = workshop.allowed(line);
    assert_eq!(
        (&other["reused"], &other["dataset"]),
        (&false.into(), &again["dataset"])
    );
}

/// What is denied comes with the lines to add, and they stand there as a policy takes them.
#[test]
fn lines_to_add_are_lines() {
    let workshop = Workshop::with_data();
    let told = workshop.run("dataset add nosuch --policy dependencies.toml");
    assert_eq!(told.status, 1, "{told:?}");
    let lines = "\n      [[dataset]]\n      name = \"nosuch\"\n";
    assert!(told.stderr.contains(lines), "{told:?}");
    assert!(!told.stderr.contains('\u{fffd}'), "{told:?}");
}

#[test]
fn what_was_recalled_is_added_with_a_warning() {
    let workshop = Workshop::with_data();
    let line = "dataset add bands --policy dependencies.toml";
    assert!(!workshop.yes(line).stderr.contains("recalled"));
    workshop.yes("recall dataset bands --reason 'labels poisoned'");
    for line in [line.to_owned(), format!("{line} --from data")] {
        let told = workshop.yes(&line).stderr;
        assert!(
            told.contains("nothing can be trained on `bands`") && told.contains("labels poisoned"),
            "{line}: {told}"
        );
    }
}

/// A source in a policy is beside the policy, wherever the command is typed.
#[test]
fn a_file_source_is_beside_its_policy() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    std::fs::create_dir(workshop.file("elsewhere")).unwrap();
    let mut command = workshop.command("dataset add bands --policy ../dependencies.toml");
    let output = command
        .current_dir(workshop.file("elsewhere"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_archive_is_taken_apart_and_what_leads_out_of_it_is_not() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    let tar = |arguments: &[&str]| {
        let status = std::process::Command::new("tar")
            .args(arguments)
            .current_dir(workshop.path())
            .status();
        assert!(status.unwrap().success());
    };
    tar(&["-czf", "good.tgz", "-C", "data", "."]);
    tar(&["-czf", "package.tgz", "data"]);
    let line = "dataset add bands --policy dependencies.toml --from";
    assert_eq!(
        workshop.denied(&format!("{line} package.tgz")),
        ["file_missing"; 4]
    );
    workshop.replace(
        "dependencies.toml",
        "path = \"weights\"",
        "path = \"data/weights\"",
    );
    let codes = workshop.denied(&format!("{line} package.tgz"));
    assert_eq!(codes, ["file_missing"; 3]);
    // A link in an archive is no file, wherever it leads.
    std::fs::remove_file(workshop.file("data/header")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", workshop.file("data/header")).unwrap();
    tar(&["-czf", "link.tgz", "-C", "data", "."]);
    assert_ne!(workshop.run(&format!("{line} link.tgz")).status, 0);
    workshop.is_sound();
}

#[test]
fn the_way_to_yes_holds_the_lines_to_add() {
    let workshop = Workshop::with_data();
    let answer = workshop.json("dataset add cats --policy dependencies.toml");
    let way = answer["reasons"][0]["way"].as_str().unwrap();
    for part in [
        "[[dataset]]",
        "name = \"cats\"",
        "source = ",
        "digest = ",
        "size_bytes = ",
    ] {
        assert!(way.contains(part), "no `{part}` in {way}");
    }
}

/// Data that was allowed to measure with is no data to learn from, whether its entry or the whole policy says so.
#[test]
fn what_was_added_to_evaluate_is_not_trained_on() {
    let entry = ("purposes = [\"train\"]", "purposes = [\"evaluate\"]");
    let both = (entry.0, "purposes = [\"evaluate\", \"train\"]");
    let policy = (
        "allowed_purposes = [\"train\", \"evaluate\"]",
        "allowed_purposes = [\"evaluate\"]",
    );
    for (changes, purposes) in [
        (vec![entry], vec!["evaluate"]),
        (vec![both, policy], vec!["evaluate"]),
        (vec![both], vec!["evaluate", "train"]),
    ] {
        let workshop = Workshop::bare();
        workshop.yes("store init");
        workshop.yes("key new laptop");
        for (from, to) in changes {
            workshop.replace("dependencies.toml", from, to);
        }
        workshop.yes("dataset add bands --policy dependencies.toml --purpose evaluate");
        let listed = workshop.allowed("dataset list")["datasets"][0]["purposes"].clone();
        assert_eq!(listed, serde_json::json!(purposes));
        if purposes.contains(&"train") {
            workshop.yes(TRAIN);
        } else {
            assert_eq!(workshop.denied(TRAIN), ["purpose_not_allowed"]);
        }
    }
}
