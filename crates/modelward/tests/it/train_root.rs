//! `train --root`: a tree of somebody's, taken into the store once and pinned there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::workshop::{TRAIN, Workshop};

/// A shell with a link to it and `cat`: what the step needs.
fn with_tree() -> Workshop {
    let workshop = Workshop::with_data();
    let programs = ["/bin/sh", "/bin/cat"].map(PathBuf::from);
    let made = host::root::closure(&programs, &[], &workshop.file("tree")).unwrap();
    let shell = made.root.resolve(&made.programs[0]).unwrap();
    let links = workshop.file("tree/links");
    fs::create_dir(&links).unwrap();
    symlink("/links/second", links.join("shell")).unwrap();
    symlink(format!("../{}", shell.display()), links.join("second")).unwrap();
    workshop
}

fn in_root(root: &str, program: &str) -> String {
    TRAIN
        .replace("--include /bin/cat", &format!("--root {root}"))
        .replace("/bin/sh", program)
}

fn dependency(workshop: &Workshop, trained: &Value, uri: &str) -> Value {
    let statement = workshop.statement(&trained["statement"]["bundle"]);
    let dependencies = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    let mut dependencies = dependencies.as_array().unwrap().iter();
    let found = dependencies.find(|dependency| dependency["uri"] == uri);
    found.unwrap_or_else(|| panic!("no {uri}")).clone()
}

#[test]
fn a_tree_is_kept_once_and_used_from_there_by_its_digest() {
    let workshop = with_tree();
    let first = workshop.yes(&in_root("tree", "/bin/sh"));
    assert!(
        first.stderr.contains("took a copy of `tree`"),
        "{}",
        first.stderr
    );
    let second = workshop.yes(&in_root("tree", "/bin/sh"));
    assert!(!second.stderr.contains("copy"), "{}", second.stderr);
    let trained = workshop.allowed(&in_root("tree", "/bin/sh"));
    let root = dependency(&workshop, &trained, "modelward:root");
    let hex = root["digest"]["sha256"].as_str().unwrap();
    assert!(first.stderr.contains(&format!("--root sha256:{hex}")));
    // Nobody here knows whether the tree can be made again.
    assert_eq!(root["annotations"], json!({"kind": "tree"}));
    assert!(workshop.file(".modelward/roots/tree").join(hex).is_dir());
    // The step has its root from the store: the person's own is not needed.
    fs::remove_dir_all(workshop.file("tree")).unwrap();
    let pinned = workshop.allowed(&in_root(&format!("sha256:{hex}"), "/bin/sh"));
    assert_eq!(pinned["model"], trained["model"]);
    assert_eq!(dependency(&workshop, &pinned, "modelward:root"), root);
    workshop.is_sound();
}

#[test]
fn a_root_of_the_host_stays_one_when_it_is_named_by_its_digest() {
    let workshop = Workshop::with_data();
    let root = dependency(&workshop, &workshop.allowed(TRAIN), "modelward:root");
    let hex = root["digest"]["sha256"].as_str().unwrap();
    let wanted = json!({"kind": "host-closure", "reproducible": false});
    assert_eq!(root["annotations"], wanted);
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let line = in_root(&format!("sha256:{hex}"), shell.to_str().unwrap());
    let pinned = workshop.allowed(&line);
    assert_eq!(dependency(&workshop, &pinned, "modelward:root"), root);
}

#[test]
fn a_program_is_named_where_links_lead() {
    let workshop = with_tree();
    let shell = digest::Digest::of(&fs::read("/bin/sh").unwrap());
    let real = fs::canonicalize("/bin/sh").unwrap();
    for (line, name) in [
        (in_root("tree", "/links/shell"), "shell"),
        (
            in_root("tree --env PATH=/nowhere:/links:/bin", "shell"),
            "shell",
        ),
        (TRAIN.to_owned(), "sh"),
    ] {
        let trained = workshop.allowed(&line);
        let program = dependency(&workshop, &trained, &format!("modelward:program/{name}"));
        assert_eq!(program["digest"]["sha256"], shell.hex(), "{line}");
        assert_eq!(program["annotations"]["path"], json!(real), "{line}");
    }
    // An argument is a file wherever links lead, too.
    let line =
        in_root("tree", "/bin/sh").replace("/in/bands/", "-c '. /in/bands/train.sh' /links/");
    let line = line.replace("/links/train.sh", "/links/shell");
    let argument = "modelward:argument/links/shell";
    let argument = dependency(&workshop, &workshop.allowed(&line), argument);
    assert_eq!(argument["digest"]["sha256"], shell.hex());
}

#[test]
fn what_is_no_root_for_a_step_is_refused() {
    let workshop = with_tree();
    let absent = format!("sha256:{}", "0".repeat(64));
    for (root, program, code, says) in [
        (".", "/bin/sh", "usage", "holds the store"),
        (".modelward", "/bin/sh", "usage", "holds the store"),
        (".modelward/blobs", "/bin/sh", "usage", "part of the store"),
        ("sha256:12", "/bin/sh", "usage", "sha256:12"),
        (&absent, "/bin/sh", "not_found", "no root"),
        ("nowhere", "/bin/sh", "not_found", "nowhere"),
        ("tree", "/links/nothing", "not_found", "no program"),
        ("tree", "nothing", "not_found", "no program"),
    ] {
        let answer = workshop.json(&in_root(root, program));
        assert_eq!(answer["code"], code, "{answer:#}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
    assert!(
        workshop.allowed("log show")["entries"]
            .as_array()
            .unwrap()
            .len()
            == 1
    );
}

#[test]
fn a_kept_root_that_was_changed_is_not_used() {
    let workshop = with_tree();
    let trained = workshop.allowed(&in_root("tree", "/bin/sh"));
    let root = dependency(&workshop, &trained, "modelward:root");
    let hex = root["digest"]["sha256"].as_str().unwrap();
    let kept = workshop.file(".modelward/roots/tree").join(hex);
    fs::write(kept.join("links/new"), "x").unwrap();
    for root in ["tree", &format!("sha256:{hex}")] {
        let reasons = workshop.denied(&in_root(root, "/bin/sh"));
        assert_eq!(reasons, ["digest_mismatch"]);
    }
    assert_eq!(workshop.denied("store verify"), ["store_damaged"]);
    fs::remove_file(kept.join("links/new")).unwrap();
    workshop.yes(&in_root("tree", "/bin/sh"));
    workshop.is_sound();
}
