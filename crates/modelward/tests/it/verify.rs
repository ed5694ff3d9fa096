//! `verify`: exactly the files that were signed, by a key that the trust root believes.

use crate::workshop::Workshop;

#[test]
fn every_kind_of_difference_is_told_at_once() {
    let workshop = Workshop::with_model();
    workshop.yes("verify out/digits");
    workshop.flip("out/digits/model.safetensors", 100);
    std::fs::rename(
        workshop.file("out/digits/architecture.json"),
        workshop.file("out/digits/architecture.jsn"),
    )
    .unwrap();
    let mut codes = workshop.denied("verify out/digits");
    codes.sort();
    assert_eq!(codes, ["digest_mismatch", "file_extra", "file_missing"]);
}

/// Whatever bit of a signature is turned over, nothing is verified by it.
#[test]
fn no_changed_signature_verifies() {
    let workshop = Workshop::with_model();
    let size_bytes = workshop.read("out/digits.sig").len();
    for at in (0..size_bytes).step_by(size_bytes / 40) {
        workshop.flip("out/digits.sig", at);
        let outcome = workshop.run("verify out/digits");
        assert_ne!(outcome.status, 0, "byte {at}: {outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
        workshop.flip("out/digits.sig", at);
    }
    workshop.yes("verify out/digits");
}

/// A link in a model could point anywhere, and is no file of it.
#[test]
fn links_in_a_model_are_refused() {
    let workshop = Workshop::with_model();
    std::os::unix::fs::symlink("/etc/hostname", workshop.file("out/digits/link")).unwrap();
    assert_eq!(workshop.error("verify out/digits"), "io");
    assert_eq!(workshop.error("sign out/digits"), "io");
    assert_eq!(workshop.error("scan out/digits"), "io");
}

/// All that is wrong is told at once, whatever else stands there; only where nothing else is wrong nobody can tell.
#[test]
fn what_cannot_be_hashed_is_told_among_all_other_differences() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let workshop = Workshop::bare();
    workshop.write_key_pair();
    for name in ["a", "b", "sub/c", "d"] {
        workshop.write(&format!("m/{name}"), name);
    }
    workshop.yes("sign m --private-key key.pem");
    let verify = "verify m --public-key key.pub";
    std::os::unix::fs::symlink("a", workshop.file("m/link")).unwrap();
    mknodat(CWD, workshop.file("m/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert_eq!(workshop.error(verify), "io");
    workshop.write("m/b", "other");
    std::fs::remove_file(workshop.file("m/a")).unwrap();
    workshop.write("m/more", "");
    std::fs::remove_file(workshop.file("m/d")).unwrap();
    std::os::unix::fs::symlink("b", workshop.file("m/d")).unwrap();
    for line in [verify, &format!("{verify} --cache cached")] {
        let codes = [
            "file_missing",
            "digest_mismatch",
            "file_extra",
            "file_missing",
            "file_extra",
            "file_extra",
        ];
        assert_eq!(workshop.denied(line), codes, "{line}");
        let said = workshop.run(line).stderr;
        for told in [
            "`a` was signed and is not there",
            "`b` is not the file",
            "`more` is there",
            "`d` was signed, and in its place stands a symbolic link",
            "`fifo` is a FIFO, and was not signed",
            "`link` is a symbolic link, and was not signed",
        ] {
            assert!(said.contains(told), "{told}: {said}");
        }
    }
}

/// An absolute link is followed nowhere, though it may lead inside; what to do is said.
#[test]
fn a_link_that_leads_by_way_of_outside_is_told_with_a_way() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("m/a", "a");
    std::os::unix::fs::symlink(workshop.file("m/a"), workshop.file("m/l")).unwrap();
    let line = "sign m --private-key key.pem --follow-links";
    assert_eq!(workshop.error(line), "io");
    let said = workshop.run(line).stderr;
    assert!(
        said.contains("by way of what is outside it") && said.contains("--links-inside FOLDER"),
        "{said}"
    );
}

/// Elsewhere one of them takes the other's place.
#[test]
fn names_that_differ_by_case_alone_are_neither_signed_nor_verified() {
    let workshop = Workshop::with_data();
    workshop.write_key_pair();
    workshop.write("m/sub/Élan.txt", "1");
    workshop.write("m/sub/elan.txt", "1");
    workshop.yes("sign m --private-key key.pem");
    workshop.write("m/sub/élan.txt", "2");
    for line in [
        "sign m",
        "sign m --private-key key.pem",
        "sign m --private-key key.pem --shard-size 5",
        "sign m --private-key key.pem --cache cached",
    ] {
        assert_eq!(workshop.error(line), "model_invalid", "{line}");
        let said = workshop.run(line).stderr;
        assert!(said.contains("`sub/Élan.txt` and `sub/élan.txt`"), "{said}");
    }
    let outcome = workshop.run("oms sign key m --private_key key.pem --signature o.sig");
    assert!(
        outcome.status == 1 && outcome.stderr.contains("differ only by"),
        "{outcome:?}"
    );
    // Another tool signs them.
    let mut statement = signed_statement(&workshop);
    let resources = statement["predicate"]["resources"].as_array_mut().unwrap();
    let mut twin = resources[1].clone();
    twin["name"] = "sub/élan.txt".into();
    twin["digest"] = digest::Digest::of(b"2").hex().into();
    resources.push(twin);
    let mut root = digest::Hasher::new();
    for resource in resources {
        let raw = data_encoding::HEXLOWER.decode(resource["digest"].as_str().unwrap().as_bytes());
        root.update(&raw.unwrap());
    }
    statement["subject"][0]["digest"]["sha256"] = root.finish().hex().into();
    let pem = String::from_utf8(workshop.read("key.pem")).unwrap();
    let key = trust::PrivateKey::from_pem(&pem, None).unwrap();
    let bundle = trust::Signer::seal(&key, statement.to_string().into_bytes());
    workshop.write("m.sig", bundle.unwrap().to_bytes());
    let verify = "verify m --public-key key.pub";
    assert_eq!(workshop.error(verify), "model_invalid");
    let outcome = workshop.run("oms verify key m --signature m.sig --public_key key.pub");
    assert!(
        outcome.status == 1 && outcome.stderr.contains("differ only by"),
        "{outcome:?}"
    );
}

/// So it is with two Unicode forms of a character, with letters that have more than one lower case, and with folders.
#[test]
fn names_that_are_the_same_elsewhere_are_not_signed() {
    for (one, other) in [
        ("e\u{301}.txt", "\u{e9}.txt"),
        ("stra\u{df}e", "STRASSE"),
        ("\u{17f}", "S"),
        ("A/x", "a/y"),
        ("A/b/x", "A/B/y"),
    ] {
        let workshop = Workshop::bare();
        workshop.write_key();
        workshop.write(&format!("m/{one}"), "1");
        workshop.yes("sign m --private-key key.pem");
        workshop.write(&format!("m/{other}"), "2");
        let sign = "sign m --private-key key.pem";
        assert_eq!(workshop.error(sign), "model_invalid", "{one} {other}");
    }
}

/// Anybody can write a long list into a bundle: it is refused before there is a tree of it.
#[test]
fn paths_to_leave_out_are_not_without_number() {
    let workshop = Workshop::bare();
    workshop.write_key_pair();
    workshop.write("m/a", "1");
    workshop.yes("sign m --private-key key.pem");
    let pem = String::from_utf8(workshop.read("key.pem")).unwrap();
    let key = trust::PrivateKey::from_pem(&pem, None).unwrap();
    for (count, is_read) in [(1_000, true), (500_000, false)] {
        let mut statement = signed_statement(&workshop);
        statement["predicate"]["serialization"]["ignore_paths"] = vec!["a"; count].into();
        let bundle = trust::Signer::seal(&key, statement.to_string().into_bytes());
        workshop.write("long.sig", bundle.unwrap().to_bytes());
        let outcome = workshop.run("inspect long.sig");
        assert_eq!(outcome.status == 0, is_read, "{count}");
        assert_eq!(outcome.stderr.contains("longer than 1 MiB"), !is_read);
    }
}

fn signed_statement(workshop: &Workshop) -> serde_json::Value {
    let bundle: serde_json::Value = serde_json::from_slice(&workshop.read("m.sig")).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = data_encoding::BASE64.decode(payload.as_bytes()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// Two readers, of which each takes another of the two, would see two bundles.
#[test]
fn a_bundle_has_one_content() {
    let workshop = Workshop::bare();
    workshop.write_key_pair();
    workshop.write("m/a", "a");
    workshop.yes("sign m --private-key key.pem");
    let bundle: serde_json::Value = serde_json::from_slice(&workshop.read("m.sig")).unwrap();
    let both = |value: &str| {
        let mut bundle = bundle.clone();
        bundle["messageSignature"] = serde_json::from_str(value).unwrap();
        workshop.write("m.sig", bundle.to_string());
    };
    let verify = "verify m --public-key key.pub";
    // In JSON of protobuf `null` is nothing.
    both("null");
    workshop.yes(verify);
    for value in [
        "5",
        "{}",
        r#"{"messageDigest":{"algorithm":"SHA2_256","digest":"AAAA"},"signature":"AAAA"}"#,
    ] {
        both(value);
        assert_eq!(workshop.error(verify), "bundle_invalid", "{value}");
    }
}

/// Nobody else's program, and no argument that is no text, makes it panic.
#[test]
fn arguments_that_are_no_text_are_refused_in_words() {
    use std::os::unix::ffi::OsStrExt;
    let workshop = Workshop::bare();
    for line in ["", "verify", "train --input bands --name"] {
        let mut command = workshop.command(line);
        command.arg(std::ffi::OsStr::from_bytes(b"m\xff"));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.starts_with("error: [") && !text.contains("panicked"),
            "{text}"
        );
    }
}

#[test]
fn what_was_recalled_is_not_verified() {
    let workshop = Workshop::with_model();
    workshop.yes("sign out/digits");
    workshop.yes("verify out/digits");
    workshop.yes("recall dataset bands --reason x");
    assert_eq!(workshop.denied("verify out/digits"), ["recalled"]);
}

/// A part is a verdict of its own: it says what was not checked, and nothing else is read.
#[test]
fn a_part_is_never_the_whole() {
    use std::os::unix::fs::PermissionsExt;
    let workshop = Workshop::with_data();
    for name in [
        "config.json",
        "tokenizer/vocab.txt",
        "tokenizer/deep/merges.txt",
        "weights.bin",
    ] {
        workshop.write(&format!("model/{name}"), name);
    }
    workshop.yes("sign model");
    let part = workshop.allowed("verify model --only tokenizer/** --only *.json");
    assert_eq!(part["partial"], true);
    let checked = [
        "config.json",
        "tokenizer/deep/merges.txt",
        "tokenizer/vocab.txt",
    ];
    assert_eq!(part["checked"], serde_json::json!(checked));
    assert_eq!(part["unchecked"], serde_json::json!(["weights.bin"]));
    assert!(part["model"].is_null() && part["files"].is_null());
    let text = workshop.yes("verify model --only *.json").stdout;
    assert!(text.starts_with("verified in part: 1 of 4"), "{text}");
    assert!(
        text.contains("not checked: ") && text.contains("weights.bin"),
        "{text}"
    );
    // What is not asked for is not read: it may be unreadable, another, or gone, or no file at all.
    workshop.write("model/weights.bin", "other");
    let unreadable = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(workshop.file("model/weights.bin"), unreadable).unwrap();
    std::os::unix::fs::symlink("/dev/zero", workshop.file("model/zero")).unwrap();
    workshop.yes("verify model --only tokenizer/**");
    // Of what is asked for, each difference counts.
    workshop.write("model/tokenizer/more", "m");
    assert_eq!(
        workshop.denied("verify model --only tokenizer/**"),
        ["file_extra"]
    );
    std::fs::remove_file(workshop.file("model/tokenizer/more")).unwrap();
    workshop.write("model/tokenizer/vocab.txt", "x");
    assert_eq!(
        workshop.denied("verify model --only tokenizer/**"),
        ["digest_mismatch"]
    );
    workshop.yes("verify model --only *.json");
    assert_eq!(
        workshop.denied("verify model --only *.json --only *.md"),
        ["file_missing"]
    );
    assert_eq!(workshop.error("verify model --only ../x"), "usage");
    workshop.write("one.bin", "1");
    workshop.yes("sign one.bin");
    assert_eq!(workshop.error("verify one.bin --only *"), "usage");
    workshop.yes("recall key laptop --reason stolen");
    // For what it signs, and for this model that it signed.
    let recalled = ["recalled", "recalled"];
    assert_eq!(workshop.denied("verify model --only *.json"), recalled);
}

/// The recall of a model is felt by its parts.
#[test]
fn a_part_of_what_was_recalled_is_not_verified() {
    let workshop = Workshop::with_model();
    workshop.yes("verify out/digits --only *.json");
    workshop.yes("recall model out/digits --reason x");
    assert_eq!(
        workshop.denied("verify out/digits --only *.json"),
        ["recalled"]
    );
}

/// What was read before and not written since is not read again; what was, is.
#[test]
fn a_cache_saves_reading_and_hides_no_change() {
    let workshop = Workshop::with_data();
    workshop.write_key();
    workshop.write("model/a", "a");
    workshop.write("model/b", "b");
    workshop.yes("sign model");
    let cached = |line: &str| workshop.allowed(line)["cached"].clone();
    let line = "verify model --cache cached";
    // What was just written could be written again within the same tick of the clock.
    assert_eq!((cached(line), cached(line)), (0.into(), 0.into()));
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    assert_eq!((cached(line), cached(line)), (0.into(), 2.into()));
    let text = workshop.yes(line).stdout;
    assert!(
        text.contains("2 of them were taken from the cache"),
        "{text}"
    );
    assert_eq!(
        workshop.allowed(line)["model"],
        workshop.allowed("verify model")["model"]
    );
    let sign = "sign model --private-key key.pem --signature again.sig";
    assert_eq!(cached(&format!("{sign} --cache cached")), 2);
    let from_cache = workshop.read("again.sig");
    assert_eq!(cached(sign), 0);
    assert_eq!(workshop.read("again.sig"), from_cache);
    workshop.flip("cached/modelward-digests", 40);
    let outcome = workshop.yes(line);
    assert!(
        outcome.stderr.contains("is damaged") && !outcome.stdout.contains("cache"),
        "{outcome:?}"
    );
    workshop.write("model/b", "x");
    assert_eq!(workshop.denied(line), ["digest_mismatch"]);
    workshop.write("model/b", "b");
    assert_eq!(cached(line), 1);
    workshop.write("model/c", "c");
    assert_eq!(workshop.denied(line), ["file_extra"]);
    std::fs::remove_file(workshop.file("model/c")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(workshop.file("cached"), open).unwrap();
    let outcome = workshop.yes(line);
    assert!(
        outcome.stderr.contains("may be written by others"),
        "{outcome:?}"
    );
    assert!(
        !outcome.stdout.contains("taken from the cache"),
        "{outcome:?}"
    );
}

/// Whoever writes to a file while it is hashed makes no signature of a mixture, and no verdict on one.
#[test]
fn a_file_that_changes_while_it_is_hashed_is_refused() {
    use std::io::{Seek, Write};
    let workshop = Workshop::with_data();
    workshop.write("model/small", "s");
    workshop.write("model/large", "");
    let mut file = std::fs::File::options();
    let mut file = file.write(true).open(workshop.file("model/large")).unwrap();
    file.set_len(1 << 29).unwrap();
    workshop.yes("sign model --signature whole.sig");
    for line in ["sign model", "verify model --signature whole.sig"] {
        let mut child = workshop
            .command(line)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            file.rewind().unwrap();
            file.write_all(b"x").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let outcome = child.wait_with_output().unwrap();
        let text = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(outcome.status.code(), Some(2), "{line}: {text}");
        assert!(
            text.contains("[io]") && text.contains("changed while it was read"),
            "{text}"
        );
    }
    assert!(!workshop.file("model.sig").exists());
}

/// Names are bytes: those that are no text can't be signed, and are not passed over.
#[test]
fn a_name_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let workshop = Workshop::with_model();
    let name = std::ffi::OsStr::from_bytes(b"out/digits/w\xff.bin");
    std::fs::write(workshop.path().join(name), "x").unwrap();
    for line in [
        "verify out/digits",
        "sign out/digits",
        "digest out/digits",
        "diff out/digits out/digits.sig",
    ] {
        let answer = workshop.json(line);
        assert_eq!(answer["code"], "io", "{line}: {answer:#}");
        assert!(
            answer["message"].as_str().unwrap().contains("not UTF-8"),
            "{answer:#}"
        );
    }
}

/// A file that can't be read is told by its name; what could be read does not pass for the whole. Whoever may read everything
/// is somebody else for this.
#[test]
fn an_unreadable_file_is_told() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    let workshop = Workshop::bare();
    workshop.write("model/open", "o");
    workshop.write("model/closed", "c");
    workshop.write("model.sig", "{}");
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(workshop.file("model/closed"), closed).unwrap();
    let is_root = std::fs::metadata(workshop.path())
        .unwrap()
        .permissions()
        .mode()
        & 0o700
        == 0o700
        && std::fs::read(workshop.file("model/closed")).is_ok();
    let program = workshop.file("program");
    std::fs::copy(env!("CARGO_BIN_EXE_modelward"), &program).unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(workshop.path(), everybody).unwrap();
    let mut command = std::process::Command::new(&program);
    command
        .current_dir(workshop.path())
        .args(["digest", "model"]);
    if is_root {
        chown(workshop.file("model/closed"), Some(65534), Some(65534)).unwrap();
        command.uid(65534).gid(65534);
    }
    let outcome = crate::workshop::Outcome::of(&mut command);
    assert_eq!(outcome.status, 2, "{outcome:?}");
    assert!(outcome.stderr.contains("model/closed"), "{outcome:?}");
}

/// One bundle has one signer, and a model may have several bundles: any that is believed and holds is enough, and it is told
/// which one.
#[test]
fn of_several_signatures_one_that_is_believed_is_enough() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.yes("store init");
    workshop.yes("key new laptop --role sign");
    workshop.write("model/w", "w");
    workshop.yes("sign model --private-key key.pem --signature model/theirs.sig");
    workshop.write("other/w", "another");
    workshop.yes("sign other --signature old.sig");
    workshop.yes("sign model --ignore theirs.sig --signature model/ours.sig");
    let all =
        "verify model --signature model/theirs.sig --signature old.sig --signature model/ours.sig";
    let answer = workshop.allowed(all);
    assert_eq!(
        (&answer["signature"], &answer["keyName"]),
        (&"model/ours.sig".into(), &"laptop".into())
    );
    let outcome = workshop.yes(all);
    for (text, part) in [
        (&outcome.stdout, "by the signature model/ours.sig"),
        (
            &outcome.stderr,
            "model/theirs.sig does not count: [key_unknown]",
        ),
        (&outcome.stderr, "old.sig does not count: [digest_mismatch]"),
    ] {
        assert!(text.contains(part), "{part}: {outcome:?}");
    }
    let part = workshop.allowed(&format!("{all} --only w"));
    assert_eq!(part["signature"], "model/ours.sig");
    // None that holds: each says why.
    let none =
        "verify model --signature model/theirs.sig --signature old.sig --signature model/ours.sig";
    workshop.write("model/w", "changed");
    assert_eq!(
        workshop.denied(none),
        ["key_unknown", "digest_mismatch", "digest_mismatch"]
    );
    let told = workshop.run(none).stderr;
    assert!(told.contains("old.sig: "), "{told}");
    // One that can't be read may have been the one, if no other holds.
    workshop.write("nonsense.sig", "nonsense");
    assert_eq!(
        workshop.error("verify model --signature nonsense.sig --signature old.sig"),
        "bundle_invalid"
    );
    let told = workshop
        .run("verify model --signature nonsense.sig --signature nowhere.sig --signature old.sig")
        .stderr;
    for part in [
        "error: [bundle_invalid] nonsense.sig: ",
        "the signature nowhere.sig was not looked at",
        "the signature old.sig does not count: ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    workshop.write("model/w", "w");
    for unread in ["nonsense.sig", "nowhere.sig"] {
        let told = workshop.yes(&format!(
            "verify model --signature {unread} --signature model/theirs.sig --signature model/ours.sig"
        ));
        let warning = format!("the signature {unread} was not looked at");
        assert!(told.stderr.contains(&warning), "{told:?}");
    }
}
