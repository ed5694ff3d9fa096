//! The dependency policy.

use policy::dependency::{DependencyPolicy, Source};

use crate::kit::{allowed, codes, denied, listing};

const POLICY: &str = r#"
format = "modelward-dependency-policy/v1"
allowed_licences = ["MIT", "CC-BY-4.0"]
allowed_purposes = ["train", "evaluate"]

[[dataset]]
name = "digits"
source = "npm:@data/digits@1.2.6"
licence = "MIT"
purposes = ["train"]
[dataset.archive]
digest = "sha256:8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
size_bytes = 11496804

[[dataset.file]]
name = "images"
path = "package/data/images"
digest = "sha256:16dc368a89b428b2485484313ba67a3912ca03f2b2b42429174a4f8b3dc84e44"
size_bytes = 6

[[dataset.file]]
name = "labels"
path = "package/data/labels"
digest = "sha256:16dc368a89b428b2485484313ba67a3912ca03f2b2b42429174a4f8b3dc84e44"
size_bytes = 6

[[dataset]]
name = "faces"
source = "file:faces.tar.gz"
licence = "LicenseRef-Unknown"
purposes = ["evaluate"]
[[dataset.file]]
name = "faces"
path = "faces"
digest = "sha256:16dc368a89b428b2485484313ba67a3912ca03f2b2b42429174a4f8b3dc84e44"
size_bytes = 6
"#;

/// The text whose digest the policy names.
const BYTES: &str = "pixels";

fn policy() -> DependencyPolicy {
    let digest = digest::Digest::of(BYTES.as_bytes()).to_string();
    let old = "sha256:16dc368a89b428b2485484313ba67a3912ca03f2b2b42429174a4f8b3dc84e44";
    DependencyPolicy::parse("data.toml", POLICY.replace(old, &digest).as_bytes()).unwrap()
}

#[test]
fn data_that_the_policy_names_is_allowed_with_its_rule() {
    let policy = policy();
    let rule = allowed(policy.evaluate("digits", "train", None));
    assert_eq!(rule.source.to_string(), "npm:@data/digits@1.2.6");
    let named = Source::Npm {
        package: "@data/digits".into(),
        version: "1.2.6".into(),
    };
    assert_eq!(rule.source, named);
    assert_eq!(rule.archive.as_ref().unwrap().size_bytes, 11_496_804);
    let files = listing(&[("images", BYTES), ("labels", BYTES)]);
    let again = allowed(policy.evaluate("digits", "train", Some(&files)));
    assert_eq!(again.files[0].path.as_str(), "package/data/images");
}

/// Of a file that is too long only the beginning was read, whose digest is nobody's.
#[test]
fn a_file_that_is_too_long_is_told_as_that() {
    let told = |bytes: &str| {
        let files = listing(&[("images", BYTES), ("labels", bytes)]);
        let policy = policy();
        let reasons = denied(policy.evaluate("digits", "train", Some(&files)));
        let first = reasons.reasons().next();
        first.map(|reason| reason.message.to_string()).unwrap()
    };
    let long = told("pixels, and one byte more");
    assert!(
        long.contains("longer than 6 bytes") && !long.contains("got"),
        "{long}"
    );
    let other = told("pixelz");
    assert!(other.contains("got sha256:"), "{other}");
}

#[test]
fn all_that_differs_is_told_at_once() {
    let policy = policy();
    for (name, purpose, files, want) in [
        (
            "digits",
            "train",
            vec![("images", BYTES), ("labels", "pixelz")],
            vec!["digest_mismatch"],
        ),
        (
            "digits",
            "train",
            vec![("images", BYTES)],
            vec!["file_missing"],
        ),
        (
            "digits",
            "train",
            vec![("images", BYTES), ("labels", BYTES), ("more", "")],
            vec!["file_extra"],
        ),
        (
            "digits",
            "train",
            vec![],
            vec!["file_missing", "file_missing"],
        ),
        (
            "faces",
            "identify",
            vec![("faces", "longer"), ("x", "")],
            vec![
                "licence_not_allowed",
                "purpose_not_allowed",
                "digest_mismatch",
                "file_extra",
            ],
        ),
        (
            "faces",
            "train",
            vec![("faces", BYTES)],
            vec!["licence_not_allowed", "purpose_not_allowed"],
        ),
        (
            "digits",
            "evaluate",
            vec![("images", BYTES), ("labels", BYTES)],
            vec!["purpose_not_allowed"],
        ),
    ] {
        let files = listing(&files);
        assert_eq!(
            codes(&policy.evaluate(name, purpose, Some(&files))),
            want,
            "{name} {purpose}"
        );
    }
}

#[test]
fn the_lines_to_add_make_it_allowed() {
    let policy = policy();
    let files = listing(&[("a \"b\".bin", "1"), ("c/d", "22")]);
    let denied = denied(policy.evaluate("digitz", "train", Some(&files)));
    let reason = denied.reasons().next().unwrap();
    assert_eq!(reason.code.as_str(), "data_not_allowed");
    assert!(
        reason.way.starts_with("did you mean `digits`?"),
        "{}",
        reason.way
    );
    let (_, lines) = reason.way.split_once(":\n").unwrap();
    // A person fills in what only a person knows.
    let lines = lines
        .replace("PACKAGE@VERSION", "digitz@1.0.0")
        .replace("SPDX", "MIT");
    let added = format!("{POLICY}\n{lines}");
    let policy = DependencyPolicy::parse("data.toml", added.as_bytes()).unwrap();
    allowed(policy.evaluate("digitz", "train", Some(&files)));
    let changed = listing(&[("a \"b\".bin", "2"), ("c/d", "22")]);
    assert_eq!(
        codes(&policy.evaluate("digitz", "train", Some(&changed))),
        ["digest_mismatch"]
    );
}

#[test]
fn refuses_what_is_not_a_policy() {
    for (from, to, says) in [
        ("/v1", "/v2", "the only format"),
        (
            "allowed_licences",
            "allowed_licenses",
            "did you mean `allowed_licences`?",
        ),
        (
            "purposes = [\"train\"]",
            "purpose = [\"train\"]",
            "did you mean `purposes`?",
        ),
        ("purposes = [\"train\"]", "purposes = []", "at least one"),
        ("purposes = [\"train\"]", "purposes = \"train\"", "a list"),
        (
            "[\"MIT\", \"CC-BY-4.0\"]",
            "[\"MIT\", \"MIT\"]",
            "stands twice",
        ),
        ("licence = \"MIT\"", "licence = 2026-01-01", "a text"),
        (
            "licence = \"MIT\"",
            "licence = \"MIT\"\nlicence = \"MIT\"",
            "can't be read",
        ),
        ("1.2.6", "^1.2.6", "an exact version"),
        ("1.2.6", "latest", "an exact version"),
        ("1.2.6", "1.x", "an exact version"),
        ("@1.2.6", "", "an exact version"),
        ("npm:@data/digits", "npm:../digits", "an exact version"),
        ("npm:@data/digits", "pypi:@data/digits", "an exact version"),
        ("npm:@data", "gopher:@data", "an exact version"),
        ("file:faces", "https://faces", "an exact version"),
        (
            "\"package/data/images\"",
            "\"../images\"",
            "plain relative name",
        ),
        (
            "\"package/data/images\"",
            "\"/images\"",
            "plain relative name",
        ),
        ("name = \"labels\"", "name = \"images\"", "another file"),
        (
            "name = \"faces\"\nsource",
            "name = \"digits\"\nsource",
            "already",
        ),
        ("name = \"digits\"", "name = \"digits \"", "space around"),
        ("sha256:8f87", "sha512:8f87", "hexadecimal"),
        ("sha256:8f87", "sha256:8F87", "hexadecimal"),
        ("size_bytes = 6", "size_bytes = -6", "a whole number"),
        ("size_bytes = 6", "size_bytes = 6.0", "a whole number"),
        (
            "size_bytes = 6",
            "size_byte = 6",
            "did you mean `size_bytes`?",
        ),
        ("size_bytes = 6\n", "\n", "lacks the key `size_bytes`"),
        (
            "[dataset.archive]",
            "[dataset.archiv]",
            "did you mean `archive`?",
        ),
    ] {
        let bad = POLICY.replacen(from, to, 1);
        assert_ne!(bad, POLICY, "{from}");
        let error = DependencyPolicy::parse("data.toml", bad.as_bytes()).unwrap_err();
        let said = format!("{error}; {}", error.way());
        assert!(said.contains(says), "{from} -> {to}: {said}");
    }
    assert!(DependencyPolicy::parse("data.toml", b"\xff").is_err());
    assert!(DependencyPolicy::parse("data.toml", &vec![b'\n'; (1 << 20) + 1]).is_err());
    let deep = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(DependencyPolicy::parse("data.toml", deep.as_bytes()).is_err());
}

#[test]
fn a_policy_without_data_allows_none() {
    let (head, _) = POLICY.split_once("[[dataset]]").unwrap();
    let policy = DependencyPolicy::parse("data.toml", head.as_bytes()).unwrap();
    assert_eq!(
        codes(&policy.evaluate("digits", "train", None)),
        ["data_not_allowed"]
    );
    assert_eq!(policy.digest(), digest::Digest::of(head.as_bytes()));
    assert!(policy.datasets().is_empty());
}
