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
