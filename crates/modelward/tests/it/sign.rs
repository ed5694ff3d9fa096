//! `sign`: folders and single files, with a key of the store or of a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::workshop::{Outcome, Workshop};

/// Made by `openssl pkcs8 -topk8 -passout pass:`.
const KEY_WITH_AN_EMPTY_PASSWORD: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAh+uve5uM07ewICCAAw\n\
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEP/MOvne9JmqgQPD5PDbCVkEgZDi\n\
+on8Sy+CXjKDtOQvVvWczDjJfoywuF6h8rCOMjYj1wEnPtdcCJRCG2MzrOrq3v2m\n\
Gi6R9hl4zhX1cJRHPow6r0yFRWUP2HzUbUY9XsUHvhW4wpc80jGro7srDKCcVCNj\n\
bHww+gF9aINFHnvg2joNC1waccZBtaLnS0kB56eWop/m9CplA7CIxglHaCMG7AA=\n\
-----END ENCRYPTED PRIVATE KEY-----\n";

/// As the first users did it: `sign model.pkl` makes `model.pkl.sig`, and `verify model.pkl.sig` checks it.
#[test]
fn a_single_file_is_signed_beside_itself() {
    let workshop = Workshop::with_data();
    workshop.write("model.pkl", b"\x80\x04N.");
    let signed = workshop.allowed("sign model.pkl");
    assert_eq!(signed["signature"], "model.pkl.sig");
    for line in [
        "verify model.pkl.sig",
        "verify model.pkl",
        "verify model.pkl --signature model.pkl.sig",
    ] {
        workshop.yes(line);
    }
    workshop.flip("model.pkl", 2);
    assert_eq!(workshop.denied("verify model.pkl.sig"), ["digest_mismatch"]);
}

#[test]
fn a_key_file_signs_without_a_store() {
    let workshop = Workshop::with_data();
    let keys = workshop.allowed("key list");
    workshop.write("laptop.pub", keys["keys"][0]["publicKey"].as_str().unwrap());
    fs::copy(
        workshop.file(".modelward/keys/laptop.key.pem"),
        workshop.file("key.pem"),
    )
    .unwrap();
    let alone = Workshop::bare();
    for name in ["laptop.pub", "key.pem"] {
        alone.write(name, workshop.read(name));
    }
    fs::set_permissions(alone.file("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let signed = alone.allowed("sign data --private-key key.pem");
    assert_eq!(signed["statement"], serde_json::Value::Null);
    alone.yes("verify data --public-key laptop.pub");
    alone.yes("verify data.sig --public-key laptop.pub");
    // Another key's word is not this one's.
    let other = Workshop::with_data();
    let keys = other.allowed("key list");
    alone.write("other.pub", keys["keys"][0]["publicKey"].as_str().unwrap());
    assert_eq!(
        alone.denied("verify data --public-key other.pub"),
        ["key_unknown"]
    );
    fs::set_permissions(alone.file("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        alone.error("sign data --private-key key.pem"),
        "key_exposed"
    );
}

#[test]
fn an_encrypted_key_signs_with_its_password_alone() {
    let workshop = Workshop::with_model();
    let run = |line: &str, variable: &str, value: &str| {
        Outcome::of(workshop.command(line).env(variable, value))
    };
    let made = run(
        "key new safe --encrypt --role sign",
        "MODELWARD_PASSWORD",
        "correct horse",
    );
    assert_eq!(made.status, 0, "{made:?}");
    let text = String::from_utf8(workshop.read(".modelward/keys/safe.key.pem")).unwrap();
    assert!(text.contains("ENCRYPTED"), "{text}");
    let signed = run(
        "sign out/digits --key safe",
        "MODELWARD_PASSWORD",
        "correct horse",
    );
    assert_eq!(signed.status, 0, "{signed:?}");
    workshop.write("password", "correct horse\nand a second line\n");
    fs::set_permissions(workshop.file("password"), fs::Permissions::from_mode(0o600)).unwrap();
    let signed = run(
        "sign out/digits --key safe",
        "MODELWARD_PASSWORD_FILE",
        "password",
    );
    assert_eq!(signed.status, 0, "{signed:?}");
    assert!(workshop.yes("verify out/digits").stdout.contains("`safe`"));
    for outcome in [made, signed] {
        assert!(!format!("{outcome:?}").contains("horse"));
    }
    // Two keys could sign now, and nobody guesses which.
    assert_eq!(workshop.error("sign out/digits"), "usage");
}

#[test]
fn what_is_left_out_is_named_and_signed() {
    let workshop = Workshop::with_data();
    workshop.write("model/weights", "w");
    workshop.write("model/notes/today.txt", "n");
    workshop.yes("sign model --ignore notes");
    workshop.yes("verify model");
    workshop.write("model/notes/tomorrow.txt", "m");
    workshop.yes("verify model");
    workshop.write("model/other.txt", "o");
    assert_eq!(workshop.denied("verify model"), ["file_extra"]);
    fs::remove_file(workshop.file("model/other.txt")).unwrap();
    // A signature that lies inside the model is no part of it.
    workshop.yes("sign model --ignore notes --signature model/model.sig");
    workshop.yes("verify model --signature model/model.sig");
}

/// What the signature does not cover is told where it is there, and nobody is told of what is not.
#[test]
fn what_is_left_out_is_told() {
    let workshop = Workshop::with_data();
    let told = |line: &str| workshop.yes(line).stdout.contains("left out");
    let ignored = |line: &str| workshop.allowed(line)["ignored"].clone();
    assert_eq!(ignored("sign data --ignore gone"), serde_json::json!([]));
    assert_eq!(ignored("verify data"), serde_json::json!([]));
    assert!(!told("sign data") && !told("verify data"));
    workshop.write("data/.git/config", "x");
    workshop.write("data/.gitignore", "x");
    workshop.write("data/notes", "x");
    let there = serde_json::json!([".git", ".gitignore", "notes"]);
    let sign = "sign data --ignore notes --signature data/model.sig";
    let verify = "verify data --signature data/model.sig";
    assert_eq!(ignored(sign), there);
    assert_eq!(ignored(verify), there);
    assert!(told(sign) && told(verify));
    // It may be anything, and that is why it is told; below the root it is a file like any other.
    workshop.write("data/.git/config", "y");
    workshop.yes(verify);
    workshop.write("data/sub/.git/config", "x");
    assert_eq!(workshop.denied(verify), ["file_extra"]);
}

/// `openssl` and `cosign` encrypt by an empty password too; that one is set shows it, whatever it is.
#[test]
fn an_empty_password_is_one() {
    let workshop = Workshop::bare();
    workshop.write("key.pem", KEY_WITH_AN_EMPTY_PASSWORD);
    workshop.write("empty", "\n");
    for name in ["key.pem", "empty"] {
        fs::set_permissions(workshop.file(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let sign = "sign data --private-key key.pem";
    assert_eq!(workshop.error(sign), "password_missing");
    for (variable, value) in [
        ("MODELWARD_PASSWORD", ""),
        ("MODELWARD_PASSWORD_FILE", "empty"),
    ] {
        let signed = Outcome::of(workshop.command(sign).env(variable, value));
        assert_eq!(signed.status, 0, "{signed:?}");
    }
    let wrong = Outcome::of(workshop.command(sign).env("MODELWARD_PASSWORD", "x"));
    assert!(wrong.stderr.contains("password_wrong"), "{wrong:?}");
}

/// Each file that is left out is named, by any path that leads to it; one that is nowhere in the model was meant otherwise.
#[test]
fn what_is_to_be_left_out_lies_in_the_model() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("m/weights", "w");
    workshop.write("m/secret.txt", "s");
    let sign = |ignore: &str| format!("sign m --private-key key.pem --ignore {ignore}");
    let absolute = workshop.file("m/secret.txt").display().to_string();
    for one in [
        "secret.txt",
        "./secret.txt",
        "m/secret.txt",
        "secret.txt/",
        &absolute,
    ] {
        let ignored = workshop.allowed(&sign(one))["ignored"].clone();
        assert_eq!(ignored, serde_json::json!(["secret.txt"]), "{one}");
    }
    for outside in ["/etc", "../x", "..", ".", "m", "*.txt"] {
        assert_eq!(workshop.error(&sign(outside)), "usage", "{outside}");
    }
    assert_eq!(
        workshop.error("sign m/weights --private-key key.pem --ignore notes"),
        "usage"
    );
    assert!(
        workshop
            .yes(&sign("nope"))
            .stderr
            .contains("nothing of that name")
    );
}

/// A slip of the hand costs neither the key nor the model.
#[test]
fn a_signature_replaces_signatures_only() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("m/a.txt", "a");
    for (line, kept) in [
        (
            "sign m --private-key key.pem --signature key.pem",
            "key.pem",
        ),
        (
            "sign m/a.txt --private-key key.pem --signature m/a.txt",
            "m/a.txt",
        ),
        (
            "oms sign key m --private_key key.pem --signature key.pem",
            "key.pem",
        ),
    ] {
        let before = workshop.read(kept);
        let outcome = workshop.run(line);
        assert!(outcome.status != 0, "{line}: {outcome:?}");
        assert!(outcome.stderr.contains("is no signature"), "{outcome:?}");
        assert_eq!(workshop.read(kept), before, "{line}");
    }
    workshop.write("empty", "");
    for _ in 0..2 {
        workshop.yes("sign m --private-key key.pem --signature empty");
    }
    assert_eq!(workshop.error("bundle convert empty --to key.pem"), "usage");
}

/// Paths need not be text, and are told all the same.
#[test]
fn a_path_that_is_no_text_is_written_to() {
    use std::os::unix::ffi::OsStrExt;
    let workshop = Workshop::bare();
    workshop.write_key();
    let path = std::ffi::OsStr::from_bytes(b"s\xff.sig");
    for more in ["--json", "--quiet"] {
        let mut command = workshop.command("sign data --private-key key.pem");
        let signed = Outcome::of(command.arg(more).arg("--signature").arg(path));
        assert_eq!(signed.status, 0, "{signed:?}");
    }
    let mut command = workshop.command("bundle convert");
    let converted = Outcome::of(command.arg(path).arg("--to").arg(path));
    assert_eq!(converted.status, 0, "{converted:?}");
}

/// What can't be written is found out before the statement is in the log, where it would stay.
#[test]
fn a_signature_that_has_no_place_is_not_recorded() {
    let workshop = Workshop::with_data();
    let lines = || workshop.allowed("log show")["entries"].clone();
    let before = lines();
    fs::create_dir(workshop.file("data.sig")).unwrap();
    let answer = workshop.json("sign data");
    assert_eq!(answer["code"], "io", "{answer:#}");
    assert!(
        answer["message"].to_string().contains("is a folder"),
        "{answer:#}"
    );
    assert_eq!(
        workshop.error("sign data --signature gone/data.sig"),
        "not_found"
    );
    assert_eq!(lines(), before);
    workshop.yes("sign data --signature other.sig");
    assert_ne!(lines(), before);
}

/// Who has only a model and a key finds the word for it.
#[test]
fn what_is_missing_is_named_with_the_ways_to_give_it() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("m/w", "w");
    let outcome = workshop.run("sign m");
    assert!(
        outcome.stderr.contains("`--private-key FILE`"),
        "{outcome:?}"
    );
    std::os::unix::fs::symlink("w", workshop.file("m/link")).unwrap();
    let outcome = workshop.run("sign m --private-key key.pem");
    assert!(outcome.stderr.contains("`--follow-links`"), "{outcome:?}");
    let said = workshop.yes("help environment").stdout;
    for name in [
        "SIGSTORE_ID_TOKEN",
        "SSL_CERT_FILE",
        "XDG_DATA_HOME",
        "BUILDKITE",
    ] {
        assert!(said.contains(name), "{said}");
    }
}
