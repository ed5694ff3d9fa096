//! `key`: who may say what.

use crate::workshop::{TRAIN, Workshop, publish};

#[test]
fn a_key_says_what_its_roles_allow() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new data --role dataset");
    workshop.yes("key new builder --role build");
    workshop.yes("dataset add bands --policy dependencies.toml");
    workshop.yes(TRAIN);
    // Nobody here may sign, and the way to somebody is told.
    let answer = workshop.json("sign out/digits");
    assert_eq!(answer["code"], "key_missing");
    assert_eq!(
        answer["hint"],
        "make one with `modelward key new NAME --role sign`"
    );
    assert_eq!(
        workshop.denied("sign out/digits --key builder"),
        ["key_role"]
    );
    workshop.yes("key set builder --role build --role sign");
    workshop.yes("sign out/digits");
}

/// A key that may publish, but not under the publisher's name, publishes for nobody.
#[test]
fn a_key_speaks_for_its_names_alone() {
    let workshop = Workshop::with_data();
    workshop.yes("key set laptop --speaks-for https://example.org/other");
    assert_eq!(workshop.denied(TRAIN), ["speaker_mismatch"]);
    workshop.yes("key set laptop --speaks-for https://modelward.dev/builder/workstation/v1");
    workshop.yes(TRAIN);
    workshop.yes("scan out/digits");
    workshop.yes("sign out/digits");
    let outcome = workshop.run(&publish("prod"));
    let deployed = workshop.run(&crate::workshop::deploy("prod"));
    assert!(
        outcome.status == 1 || deployed.status == 1,
        "{outcome:?} {deployed:?}"
    );
}

#[test]
fn somebody_elses_key_is_added_and_removed() {
    let ours = Workshop::with_data();
    let theirs = Workshop::with_model();
    let key = theirs.allowed("key list")["keys"][0].clone();
    ours.write("theirs.pub", key["publicKey"].as_str().unwrap());
    ours.yes("key set theirs --public-key theirs.pub --role sign");
    let model = theirs.file("out/digits");
    let line = format!("verify {}", model.display());
    assert!(ours.yes(&line).stdout.contains("`theirs`"));
    let listed = ours.allowed("key list");
    let mut keys = listed["keys"].as_array().unwrap().iter();
    let added = keys.find(|listed| listed["name"] == "theirs").unwrap();
    assert_eq!(
        (&added["private"], &added["id"]),
        (&false.into(), &key["id"])
    );
    ours.yes("key set theirs --remove");
    assert_eq!(ours.denied(&line), ["key_unknown"]);
}

#[test]
fn each_change_is_a_new_number_of_the_root() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let serial = |workshop: &Workshop| workshop.allowed("key list")["serial"].as_u64().unwrap();
    let first = serial(&workshop);
    workshop.yes("key new laptop");
    workshop.yes("key set laptop --role sign");
    assert_eq!(serial(&workshop), first + 2);
    assert_eq!(workshop.error("key set laptop --role sign"), "usage");
    assert_eq!(serial(&workshop), first + 2);
}

/// The trust root decides who is believed: one key has one name and some role, and only its owner writes the file.
#[test]
fn a_root_names_a_key_once_and_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    let keys = workshop.json("key list")["keys"].clone();
    workshop.write("k.pub", keys[0]["publicKey"].as_str().unwrap());
    let again = "key set other --public-key k.pub --role sign";
    assert_eq!(workshop.error(again), "key_exists");
    workshop.yes("key set laptop --remove");
    assert_eq!(workshop.error("key set other --public-key k.pub"), "usage");
    workshop.yes(again);
    let root = workshop.file(".modelward/trust.toml");
    for (mode, is_refused) in [(0o666, true), (0o620, true), (0o644, false)] {
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(mode)).unwrap();
        if is_refused {
            assert_eq!(workshop.error("key list"), "root_invalid", "{mode:o}");
        } else {
            workshop.yes("key list");
        }
    }
}
