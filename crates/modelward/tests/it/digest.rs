//! `digest`: the digest that a signature would be about.

use crate::workshop::Workshop;

/// What is printed first is what the signature says, whatever the names and the method.
#[test]
fn the_digest_is_the_one_that_is_signed() {
    let workshop = Workshop::bare();
    for name in ["a-b/c", "a.txt", "a/b", "a b"] {
        workshop.write(&format!("model/{name}"), name);
    }
    workshop.write("model/.git/config", "x");
    workshop.write_key();
    for method in [
        "",
        "--hash blake3",
        "--shard-size 2",
        "--shard-size 3 --hash blake2b",
    ] {
        workshop.yes(&format!("sign model --private-key key.pem {method}"));
        let inspected = workshop.allowed("inspect model.sig");
        let digest = workshop.allowed(&format!("digest model {method}"));
        assert_eq!(
            digest["digest"], inspected["subjects"][0]["digest"],
            "{method}"
        );
        assert_eq!(digest["resources"], inspected["filesInAll"], "{method}");
        assert_eq!(digest["model"].is_string(), method.is_empty());
        let text = workshop.yes(&format!("digest model {method}")).stdout;
        assert_eq!(text.lines().next(), digest["digest"].as_str());
        assert!(text.contains("left out") && text.contains(".git"), "{text}");
    }
    let whole = workshop.allowed("digest model");
    assert_ne!(
        whole["pythonOrder"], whole["digest"],
        "`a/b` comes first in Python"
    );
    let text = workshop.yes("digest model --python-order").stdout;
    assert!(
        text.contains(whole["pythonOrder"].as_str().unwrap()),
        "{text}"
    );
    workshop.write("model/a.txt", "changed");
    assert_ne!(workshop.allowed("digest model")["digest"], whole["digest"]);
}

/// In a store the model goes by its manifest's digest.
#[test]
fn the_name_in_the_store_is_told() {
    let workshop = Workshop::with_model();
    let digest = workshop.allowed("digest out/digits");
    let stored = workshop.allowed("store list")["artifacts"].clone();
    let names: Vec<_> = stored
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["digest"])
        .collect();
    assert!(names.contains(&&digest["model"]), "{names:?}");
    assert_eq!(workshop.error("digest nowhere"), "not_found");
}
