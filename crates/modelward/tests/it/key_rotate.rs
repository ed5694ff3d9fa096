//! `key rotate`, killed at any moment: what comes next ends it, and never two keys sign.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::workshop::{Held, Outcome, Workshop};

const UNFINISHED: &str = ".modelward/keys/unfinished";
const ROOT: &str = ".modelward/trust.toml";
const OLD: &str = ".modelward/keys/signer.key.pem";
const NEW: &str = ".modelward/keys/signer-2.key.pem";

/// How far `key rotate signer` came before it was killed.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Killed {
    /// The list says what is to be done.
    Planned,
    /// The new key's file is there.
    Made,
    /// The root knows it.
    Believed,
    /// The old key's file is put away.
    Retired,
}

const ALL: [Killed; 4] = [
    Killed::Planned,
    Killed::Made,
    Killed::Believed,
    Killed::Retired,
];

/// A store with one key and a model that it signed.
fn signed() -> Workshop {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new signer --role sign");
    workshop.write("model/w", "w");
    workshop.yes("sign model");
    workshop
}

/// As it is left by a rotation that was killed then: a whole one, of which the last steps are taken back.
fn killed(at: Killed) -> Workshop {
    let workshop = signed();
    let (root, old) = (workshop.read(ROOT), workshop.read(OLD));
    workshop.yes("key rotate signer");
    workshop.write(UNFINISHED, "signer-2 signer\n");
    if at < Killed::Retired {
        fs::remove_dir_all(workshop.file(".modelward/keys/retired")).unwrap();
        private(&workshop, OLD, &old);
    }
    if at < Killed::Believed {
        workshop.write(ROOT, root);
    }
    if at < Killed::Made {
        fs::remove_file(workshop.file(NEW)).unwrap();
    }
    workshop
}

fn private(workshop: &Workshop, name: &str, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    workshop.write(name, bytes);
    fs::set_permissions(workshop.file(name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// The names of the root's keys, and of those whose private key is here.
fn keys(workshop: &Workshop) -> (Vec<String>, Vec<String>) {
    let listed = workshop.allowed("key list")["keys"].clone();
    let listed = listed.as_array().unwrap();
    let name = |key: &serde_json::Value| key["name"].as_str().unwrap().to_owned();
    let mut known: Vec<String> = listed.iter().map(name).collect();
    let private = listed.iter().filter(|key| key["private"] == true);
    let mut private: Vec<String> = private.map(name).collect();
    known.sort();
    private.sort();
    (known, private)
}

/// Two keys are known, one signs, and what the other signed is believed.
fn is_rotated(workshop: &Workshop, what: &str) {
    let (known, private) = keys(workshop);
    assert_eq!(known, ["signer", "signer-2"], "{what}");
    assert_eq!(private, ["signer-2"], "{what}");
    assert!(workshop.yes("verify model").stdout.contains("`signer`"));
    // Nobody has to say which key.
    workshop.yes("sign model");
    assert!(workshop.yes("verify model").stdout.contains("`signer-2`"));
    assert_eq!(workshop.read(UNFINISHED), b"", "{what}");
    let retired = fs::read_dir(workshop.file(".modelward/keys/retired")).unwrap();
    assert_eq!(retired.count(), 1, "{what}");
    workshop.is_sound();
}

#[test]
fn the_same_command_again_ends_what_was_killed() {
    for at in ALL {
        let workshop = killed(at);
        let made = (at >= Killed::Made).then(|| workshop.read(NEW));
        let answer = workshop.allowed("key rotate signer");
        assert_eq!(answer["new"]["name"], "signer-2", "{at:?}");
        assert_eq!(answer["old"]["name"], "signer", "{at:?}");
        assert!(workshop.file(answer["retired"].as_str().unwrap()).exists());
        if let Some(made) = made {
            assert_eq!(workshop.read(NEW), made, "{at:?}: no other key is made");
        }
        is_rotated(&workshop, &format!("{at:?}"));
        // Once more, it was done, and that is said.
        let outcome = workshop.run("key rotate signer");
        assert_eq!(outcome.status, 2, "{outcome:?}");
        assert!(outcome.stderr.contains("rotated already"), "{outcome:?}");
        assert_eq!(keys(&workshop).1, ["signer-2"], "{at:?}, once more");
        assert_eq!(keys(&workshop).0.len(), 2, "{at:?}, once more");
    }
}

/// Whatever command comes next finds one key that signs: the old one, until the root knows the new one.
#[test]
fn never_two_keys_sign() {
    for at in ALL {
        let workshop = killed(at);
        let signs = match at {
            Killed::Planned | Killed::Made => "signer",
            Killed::Believed | Killed::Retired => "signer-2",
        };
        workshop.yes("sign model");
        let verified = workshop.yes("verify model").stdout;
        assert!(
            verified.contains(&format!("`{signs}`")),
            "{at:?}: {verified}"
        );
        assert_eq!(keys(&workshop).1, [signs], "{at:?}");
    }
    let workshop = killed(Killed::Believed);
    let outcome = workshop.error("sign model --key signer");
    assert_eq!(outcome, "key_missing");
}

/// Other changes of the root end it too, and what is asked for otherwise than before is not given another's name.
#[test]
fn another_command_comes_between() {
    let workshop = killed(Killed::Believed);
    workshop.yes("key set --root-expires 2099-01-01T00:00:00Z");
    is_rotated(&workshop, "key set");
    let workshop = killed(Killed::Believed);
    assert_eq!(
        workshop.error("key rotate signer --to winter"),
        "key_missing"
    );
    is_rotated(&workshop, "another name, too late");
    let workshop = killed(Killed::Made);
    let answer = workshop.allowed("key rotate signer --to winter");
    assert_eq!(answer["new"]["name"], "winter");
    assert_eq!(keys(&workshop).1, ["winter"]);
    // What was begun and given up takes nobody's place.
    workshop.yes("key new signer-2 --role sign");
    assert_eq!(keys(&workshop).1, ["signer-2", "winter"]);
    // With a password it is another key than the one that was made without.
    let workshop = killed(Killed::Made);
    let mut command = workshop.command("key rotate signer --encrypt");
    let outcome = Outcome::of(command.env("MODELWARD_PASSWORD", "horse"));
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert_eq!(keys(&workshop).1, ["signer-3"]);
    // A key that was to be replaced and is made anew is not put away for what came of neither.
    let workshop = killed(Killed::Planned);
    workshop.yes("key new signer-2 --role scan");
    assert_eq!(keys(&workshop).1, ["signer", "signer-2"]);
}

#[test]
fn a_rotation_that_is_killed_at_any_moment_can_be_repeated() {
    for moment in [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 25] {
        let workshop = signed();
        let mut command = workshop.command("key rotate signer");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Held(command.spawn().unwrap());
        std::thread::sleep(Duration::from_millis(moment));
        drop(started);
        let outcome = workshop.run("key rotate signer");
        let was_done = outcome.stderr.contains("rotated already");
        assert!(outcome.status == 0 || was_done, "{outcome:?}");
        is_rotated(&workshop, &format!("after {moment} ms"));
    }
}

/// Nobody who encrypted a key finds one in its place that whoever reads the disk has.
#[test]
fn an_encrypted_key_is_followed_by_an_encrypted_one() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let run = |line: &str| {
        let mut command = workshop.command(line);
        Outcome::of(command.env("MODELWARD_PASSWORD", "horse"))
    };
    assert_eq!(run("key new signer --role sign --encrypt").status, 0);
    // Without a password there is none.
    assert_eq!(workshop.error("key rotate signer"), "password_missing");
    assert!(!workshop.file(NEW).exists());
    let outcome = run("key rotate signer");
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let pem = String::from_utf8(workshop.read(NEW)).unwrap();
    assert!(
        pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
        "{pem}"
    );
}
