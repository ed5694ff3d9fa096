//! `diff`: two models, or a model and a signature.

use serde_json::json;

use crate::workshop::Workshop;

fn changes(workshop: &Workshop, line: &str) -> serde_json::Value {
    let answer = workshop.json(line);
    json!([
        answer["result"],
        answer["added"],
        answer["removed"],
        answer["changed"]
    ])
}

#[test]
fn trees_and_signatures_are_compared_in_each_direction() {
    let workshop = Workshop::with_data();
    for (name, text) in [("same", "s"), ("sub/changed", "a"), ("gone", "g")] {
        workshop.write(&format!("old/{name}"), text);
    }
    for (name, text) in [
        ("same", "s"),
        ("sub/changed", "b"),
        ("new", "n"),
        (".git/config", "x"),
    ] {
        workshop.write(&format!("new/{name}"), text);
    }
    workshop.yes("sign old --signature old.sig");
    workshop.yes("sign new --signature new/model.sig");
    let want = json!(["denied", ["new"], ["gone"], ["sub/changed"]]);
    let back = json!(["denied", ["gone"], ["new"], ["sub/changed"]]);
    for (a, b) in [
        ("old", "new"),
        ("old.sig", "new"),
        ("old", "new/model.sig"),
        ("old.sig", "new/model.sig"),
    ] {
        // The signature in the tree is a file of it, where nothing says that it is one.
        let is_plain = (a, b) == ("old", "new") || (a, b) == ("old.sig", "new");
        let line = |a: &str, b: &str| match is_plain {
            true => format!("diff {a} {b} --ignore model.sig"),
            false => format!("diff {a} {b}"),
        };
        if (a, b) == ("old.sig", "new") {
            std::fs::remove_file(workshop.file("new/model.sig")).unwrap();
        }
        assert_eq!(changes(&workshop, &line(a, b)), want, "{a} {b}");
        assert_eq!(changes(&workshop, &line(b, a)), back, "{b} {a}");
        workshop.yes("sign new --signature new/model.sig");
    }
    for (a, b) in [
        ("old", "old"),
        ("old", "old.sig"),
        ("old.sig", "old"),
        ("new", "new/model.sig"),
    ] {
        assert_eq!(
            changes(&workshop, &format!("diff {a} {b}")),
            json!(["allowed", [], [], []]),
            "{a} {b}"
        );
    }
    let outcome = workshop.run("diff old.sig new/model.sig");
    assert_eq!(outcome.status, 1);
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(&lines[..3], ["- gone", "+ new", "~ sub/changed"]);
    assert!(lines[3].contains("nobody checked whose"), "{lines:?}");
}

#[test]
fn pieces_are_compared_by_file_and_single_files_by_content() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("model/weights", "0123456789");
    workshop.write("model/config", "x");
    workshop.yes("sign model --private-key key.pem --shard-size 4 --hash blake3");
    assert_eq!(
        changes(&workshop, "diff model.sig model"),
        json!(["allowed", [], [], []])
    );
    workshop.write("model/weights", "0123456789AB4");
    workshop.write("model/more", "m");
    let want = json!(["denied", ["more"], [], ["weights"]]);
    assert_eq!(changes(&workshop, "diff model.sig model"), want);
    workshop.write("one.bin", "1");
    workshop.write("two.bin", "1");
    workshop.yes("sign one.bin --private-key key.pem");
    for (a, b) in [("one.bin", "two.bin"), ("one.bin.sig", "two.bin")] {
        assert_eq!(
            changes(&workshop, &format!("diff {a} {b}")),
            json!(["allowed", [], [], []])
        );
    }
    // What is hashed otherwise can't be compared, and that is no answer.
    assert_eq!(workshop.error("diff one.bin.sig model.sig"), "usage");
    assert_eq!(workshop.error("diff model nowhere"), "not_found");
}

#[test]
fn what_is_left_out_is_told() {
    let workshop = Workshop::bare();
    for name in ["a/w", "b/w", "b/.git/HEAD", "b/.gitignore", "b/sub/x"] {
        workshop.write(name, "x");
    }
    let answer = workshop.json("diff a b --ignore sub");
    assert_eq!(answer["result"], "allowed");
    assert_eq!(answer["ignored"], json!([".git", ".gitignore", "sub"]));
    let said = workshop.yes("diff a b --ignore sub").stdout;
    let line = "left out, and not compared: .git, .gitignore, sub";
    assert!(said.contains(line), "{said}");
    assert!(!workshop.yes("diff a a").stdout.contains("left out"));
}

/// Else a model would be compared with the bytes of what was meant to say what is in it.
#[test]
fn a_broken_signature_is_no_model() {
    let workshop = Workshop::bare();
    workshop.write("model/w", "w");
    workshop.write("bad.sig", "");
    workshop.write(
        "bundle",
        r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#,
    );
    workshop.write("plain.json", r#"{"mediaType":"text/plain"}"#);
    for broken in ["bad.sig", "bundle"] {
        assert_eq!(
            workshop.error(&format!("diff model {broken}")),
            "bundle_invalid"
        );
        assert_eq!(
            workshop.error(&format!("diff {broken} {broken}")),
            "bundle_invalid"
        );
    }
    workshop.yes("diff plain.json plain.json");
}
