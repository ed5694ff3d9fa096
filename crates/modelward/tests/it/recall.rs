//! `recall`: of a data set, a builder, a key and a model; whatever descends from it is refused.

use crate::workshop::{PROD, Workshop, admit, deploy, publish, serve};

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
