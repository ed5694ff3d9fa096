//! `key`: who may say what.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::workshop::{Held, Outcome, TRAIN, Workshop, publish};

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

#[test]
fn what_is_typed_twice_is_meant_once() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let twice = "--role scan --role sign --role scan --speaks-for a --speaks-for a";
    workshop.yes(&format!("key new laptop {twice}"));
    let listed = || workshop.allowed("key list")["keys"][0].clone();
    assert_eq!(listed()["roles"], serde_json::json!(["scan", "sign"]));
    assert_eq!(listed()["speaksFor"], serde_json::json!(["a"]));
    workshop.yes("key set laptop --role sign --role sign --speaks-for b --speaks-for b");
    assert_eq!(listed()["roles"], serde_json::json!(["sign"]));
    assert_eq!(listed()["speaksFor"], serde_json::json!(["b"]));
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

/// A password that lies ready is meant: the key is encrypted, or there is none.
#[test]
fn a_password_without_encrypt_is_refused() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.write("password", "correct horse\n");
    let run = |line: &str, variable: &str, value: &str| {
        let mut command = workshop.command(line);
        Outcome::of(command.env(variable, value))
    };
    for (variable, value) in [
        ("MODELWARD_PASSWORD", "correct horse"),
        ("MODELWARD_PASSWORD_FILE", "password"),
    ] {
        let outcome = run("key new plain", variable, value);
        assert_eq!(outcome.status, 2, "{outcome:?}");
        for part in ["[usage]", variable, "pass `--encrypt`, or unset"] {
            assert!(outcome.stderr.contains(part), "{part}: {outcome:?}");
        }
    }
    assert!(!workshop.file(".modelward/keys/plain.key.pem").exists());
    let is_encrypted = |name: &str| {
        let pem = workshop.read(&format!(".modelward/keys/{name}.key.pem"));
        String::from_utf8(pem).unwrap().contains("ENCRYPTED")
    };
    let outcome = run("key new safe --encrypt", "MODELWARD_PASSWORD", "horse");
    assert_eq!((outcome.status, is_encrypted("safe")), (0, true));
    // An empty one is none.
    let outcome = run("key new plain", "MODELWARD_PASSWORD", "");
    assert_eq!((outcome.status, is_encrypted("plain")), (0, false));
}

/// As it is left by `key new` that was killed when the key's file was there and the root did not know it yet.
fn killed_between(name: &str, flags: &str) -> Workshop {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let root = workshop.read(".modelward/trust.toml");
    let mut command = workshop.command(&format!("key new {name} {flags}"));
    if flags.contains("--encrypt") {
        command.env("MODELWARD_PASSWORD", "horse");
    }
    assert_eq!(Outcome::of(&mut command).status, 0);
    workshop.write(".modelward/trust.toml", root);
    workshop.write(".modelward/keys/unfinished", format!("{name}\n"));
    workshop
}

#[test]
fn a_key_that_was_interrupted_is_finished_by_the_same_command() {
    let workshop = killed_between("laptop", "");
    let file = workshop.read(".modelward/keys/laptop.key.pem");
    // Until then it is no secret that it lies there.
    let listed = workshop.allowed("key list");
    assert_eq!(listed["strays"], json!([{"name": "laptop", "begun": true}]));
    let told = workshop.yes("key list").stdout;
    assert!(
        told.contains("laptop") && told.contains("was stopped"),
        "{told}"
    );
    let finished = workshop.yes("key new laptop");
    assert!(finished.stdout.contains("interrupted"), "{finished:?}");
    assert_eq!(workshop.read(".modelward/keys/laptop.key.pem"), file);
    workshop.yes("dataset add bands --policy dependencies.toml");
    assert_eq!(workshop.allowed("key list")["strays"], json!([]));
    assert_eq!(workshop.error("key new laptop"), "key_exists");
    // What was encrypted is not taken for what was to be plain.
    let workshop = killed_between("safe", "--encrypt");
    assert_eq!(workshop.error("key new safe"), "key_exists");
    let mut command = workshop.command("key new safe --encrypt");
    let outcome = Outcome::of(command.env("MODELWARD_PASSWORD", "horse"));
    assert_eq!(outcome.status, 0, "{outcome:?}");
}

/// A key that was removed stays removed, also if its making was once interrupted.
#[test]
fn a_removed_key_is_not_taken_up_again() {
    let workshop = killed_between("laptop", "");
    workshop.yes("key new laptop");
    workshop.write(".modelward/keys/unfinished", "laptop\n");
    workshop.yes("key set laptop --remove");
    let listed = workshop.allowed("key list");
    assert_eq!(
        listed["strays"],
        json!([{"name": "laptop", "begun": false}])
    );
    let outcome = workshop.run("key new laptop");
    assert!(outcome.stderr.contains("[key_exists]"), "{outcome:?}");
    assert!(outcome.stderr.contains("removed"), "{outcome:?}");
}

#[test]
fn keys_made_at_once_are_all_believed_and_a_killed_one_can_be_made_again() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let start = |name: &str| {
        let mut command = workshop.command(&format!("key new {name}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Held(command.spawn().unwrap())
    };
    let together: Vec<Held> = (0..8).map(|at| start(&format!("together-{at}"))).collect();
    for mut started in together {
        assert!(started.0.wait().unwrap().success());
    }
    for moment in [0, 1, 2, 3, 5, 8, 13, 21] {
        let name = format!("killed-{moment}");
        let started = start(&name);
        std::thread::sleep(Duration::from_millis(moment));
        drop(started);
        let outcome = workshop.run(&format!("key new {name}"));
        let is_there = outcome.stderr.contains("the trust root has a key");
        assert!(outcome.status == 0 || is_there, "{outcome:?}");
    }
    let keys = workshop.allowed("key list")["keys"].clone();
    let private = keys.as_array().unwrap().iter();
    assert_eq!(private.filter(|key| key["private"] == true).count(), 16);
}

/// What one changes while another does is not lost: neither a key that is made nor the removal of one.
#[test]
fn a_removed_key_stays_removed_while_others_are_made() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let keys: Vec<String> = (0..4).map(|at| format!("thief-{at}")).collect();
    for key in &keys {
        workshop.yes(&format!("key new {key}"));
    }
    let lines = keys.iter().enumerate().flat_map(|(at, key)| {
        let remove = format!("key set {key} --remove");
        [remove, format!("key new made-{at}")]
    });
    let together: Vec<Held> = lines
        .chain(["key set --root-expires 2099-01-01T00:00:00Z".to_owned()])
        .map(|line| {
            let mut command = workshop.command(&line);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            Held(command.spawn().unwrap())
        })
        .collect();
    for mut started in together {
        assert!(started.0.wait().unwrap().success());
    }
    let listed = workshop.allowed("key list");
    let keys = listed["keys"].as_array().unwrap().iter();
    let names: BTreeSet<&str> = keys.map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        BTreeSet::from(["made-0", "made-1", "made-2", "made-3"])
    );
    assert_eq!(listed["expires"], "2099-01-01T00:00:00Z");
}

/// Stores that are made at once in one folder are one store, and its root keeps the keys that were made meanwhile.
#[test]
fn stores_made_at_once_are_one() {
    for _ in 0..4 {
        let workshop = Workshop::bare();
        let line = "modelward store init && modelward key new";
        let together: Vec<Held> = (0..6)
            .map(|at| {
                let mut shell = std::process::Command::new("/bin/sh");
                let line = format!("{line} k{at}").replace("modelward", "\"$MODELWARD\"");
                shell.args(["-c", &line]).current_dir(workshop.path());
                shell.env("MODELWARD", env!("CARGO_BIN_EXE_modelward"));
                shell.stdout(Stdio::null());
                Held(shell.spawn().unwrap())
            })
            .collect();
        for mut started in together {
            assert!(started.0.wait().unwrap().success());
        }
        let keys = workshop.allowed("key list")["keys"].clone();
        assert_eq!(keys.as_array().unwrap().len(), 6);
        workshop.is_sound();
    }
}

/// `store init` that finds no root waits for whoever is making one, and does not put an empty one over it.
#[test]
fn a_store_that_is_made_again_waits_for_a_root_that_is_being_made() {
    let hold = |file: &std::path::Path| {
        let file = std::fs::File::open(file).unwrap();
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
        file
    };
    let workshop = Workshop::bare();
    let start = || {
        let mut command = workshop.command("store init");
        let init = Held(command.stdout(Stdio::null()).spawn().unwrap());
        std::thread::sleep(Duration::from_millis(500));
        init
    };
    let held = hold(workshop.path());
    let mut init = start();
    assert!(!workshop.file(".modelward").exists());
    drop(held);
    assert!(init.0.wait().unwrap().success());
    workshop.yes("key new laptop");
    let root = workshop.read(".modelward/trust.toml");
    std::fs::remove_file(workshop.file(".modelward/trust.toml")).unwrap();
    let held = hold(&workshop.file(".modelward/keys"));
    let mut init = start();
    workshop.write(".modelward/trust.toml", &root);
    drop(held);
    assert!(init.0.wait().unwrap().success());
    assert_eq!(workshop.read(".modelward/trust.toml"), root);
}

/// A password is asked for before the root is anybody's: who thinks about it holds nobody up, and waits for nobody either.
#[test]
fn a_password_is_asked_for_before_others_have_to_wait() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    let held = std::fs::File::open(workshop.file(".modelward/keys")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let started = std::time::Instant::now();
    for line in ["key new safe --encrypt", "key rotate laptop --encrypt"] {
        assert_eq!(workshop.error(line), "password_missing", "{line}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// The new key signs, the old one is believed for a while and signs no more; each step as the guide has it.
#[test]
fn a_key_is_rotated_and_what_it_signed_stays_signed() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new signer --role sign --speaks-for https://example.org/x");
    workshop.write("model/w", "w");
    workshop.yes("sign model");
    let before = workshop.allowed("key list")["keys"][0].clone();
    let rotated = workshop.allowed("key rotate signer");
    let (new, old) = (&rotated["new"], &rotated["old"]);
    assert_eq!(
        (&new["name"], &old["name"]),
        (&"signer-2".into(), &"signer".into())
    );
    assert_eq!(
        (&new["roles"], &new["speaksFor"]),
        (&before["roles"], &before["speaksFor"])
    );
    assert_eq!(
        (&old["id"], &old["roles"]),
        (&before["id"], &before["roles"])
    );
    assert_ne!(new["id"], old["id"]);
    assert!(old["validUntil"].as_str() < before["validUntil"].as_str());
    assert!(old["validUntil"].as_str() < new["validUntil"].as_str());
    assert_eq!(
        (&new["private"], &old["private"]),
        (&true.into(), &false.into())
    );
    assert!(workshop.file(rotated["retired"].as_str().unwrap()).exists());
    assert!(workshop.yes("verify model").stdout.contains("`signer`"));
    // Nobody has to say which key: only the new one is here.
    workshop.yes("sign model");
    assert!(workshop.yes("verify model").stdout.contains("`signer-2`"));
    assert_eq!(workshop.error("sign model --key signer"), "key_missing");
    assert_eq!(workshop.error("key rotate signer"), "key_missing");
    let third = workshop.allowed("key rotate signer-2 --to winter --overlap 0");
    assert_eq!(third["new"]["name"], "winter");
    // Without an overlap it is over at once.
    assert_eq!(workshop.denied("verify model"), ["key_expired"]);
    workshop.yes("sign model");
    workshop.yes("verify model");
    assert_eq!(workshop.error("key rotate nobody"), "key_missing");
    assert_eq!(
        workshop.error("key rotate winter --to signer"),
        "key_exists"
    );
    workshop.is_sound();
    assert_eq!(workshop.error("key rotate winter --overlap 99999"), "usage");
}

/// An overlap prolongs nothing.
#[test]
fn a_rotated_key_ends_no_later_than_before() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new signer --role sign");
    let first = workshop.allowed("key list")["keys"][0]["validUntil"].clone();
    let rotated = workshop.allowed("key rotate signer --overlap 3660");
    assert_eq!(rotated["old"]["validUntil"], first);
}

/// People see the first twelve digits of a key's id, whichever command they ask, and programs the whole.
#[test]
fn a_key_is_shown_in_one_form() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let made = workshop
        .yes("key new signer --role sign --role recall")
        .stdout;
    let id = workshop.allowed("key list")["keys"][0]["id"].clone();
    let hex = id.as_str().unwrap().strip_prefix("sha256:").unwrap();
    let short = &hex[..12];
    workshop.write("model/w", "w");
    workshop.yes("sign model");
    let told = [
        made,
        workshop.yes("key list").stdout,
        workshop.yes("verify model").stdout,
        workshop.yes("inspect model.sig").stdout,
        workshop.yes("key rotate signer").stdout,
        workshop
            .yes("recall key signer --key signer-2 --reason lost")
            .stdout,
    ];
    for text in &told {
        assert!(text.contains(short), "{text}");
        assert!(!text.contains(&hex[..13]), "{text}");
        assert!(!text.contains(&format!("sha256:{short}")), "{text}");
    }
    assert_eq!(workshop.allowed("inspect model.sig")["key"], id);
    let retired = workshop.file(format!(".modelward/keys/retired/signer-{short}.key.pem").as_str());
    assert!(retired.exists());
    let retired = workshop.allowed("key rotate signer-2")["new"]["id"].clone();
    assert_eq!(retired.as_str().unwrap().len(), id.as_str().unwrap().len());
}
