//! cosign's words for statements: what cosign 3.1.2 made (in `testdata/cosign`: a throw-away key, a predicate and bundles about
//! `weights`) is believed, what is made here is what it would have made, and a change in any of it is refused.

use std::fs;

use digest::Digest;
use serde_json::{Value, json};
use testkit::sigstore::{Draught, IDENTITY, PROVIDER, Rekor, root};
use trust::Signer as _;

use crate::schema;
use crate::services::{Services, token};
use crate::workshop::{Outcome, Workshop, json_of, with_json};

const THEIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cosign");
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../trust/testdata/keys");
const WEIGHTS: &str = "weights\n";
const PREDICATE: &str = "{\"a\": 1, \"b\": [1, \"x<&>\"]}\n";
const BY_KEY: &str = "--key key.pub --insecure-ignore-tlog";
const ATTEST: &str =
    "attest-blob --predicate predicate.json --key key.pem --bundle out.json --yes weights.bin";

/// The forms of answers about files.
pub(crate) fn forms() -> [String; 3] {
    let workshop = bench();
    let line = "generate-key-pair";
    let mut command = workshop.command(&with_json(line));
    let pair = json_of(line, command.env("COSIGN_PASSWORD", "secret"));
    let made = workshop.allowed(ATTEST);
    let verify = format!("verify-blob-attestation --bundle out.json {BY_KEY} weights.bin");
    [
        schema::check("generate-key-pair", &pair),
        schema::check("attest-blob", &made),
        schema::check("verify-blob-attestation", &workshop.allowed(&verify)),
    ]
}

/// Weights, a predicate, a key, and another one.
fn bench() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write_key();
    for name in ["p256", "p384"] {
        let pem = fs::read(format!("{KEYS}/{name}.pub.pem")).unwrap();
        workshop.write(
            if name == "p256" {
                "key.pub"
            } else {
                "other.pub"
            },
            pem,
        );
    }
    workshop.write("weights.bin", WEIGHTS);
    workshop.write("other.bin", "other");
    workshop.write("predicate.json", PREDICATE);
    workshop
}

fn payload(bundle: &[u8]) -> Value {
    let bundle: Value = serde_json::from_slice(bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    serde_json::from_slice(&data_encoding::BASE64.decode(payload.as_bytes()).unwrap()).unwrap()
}

fn theirs(workshop: &Workshop, name: &str) {
    workshop.write(name, fs::read(format!("{THEIRS}/{name}")).unwrap());
}

/// A bundle with one letter of what is signed, or of the signature, changed.
fn changed(bundle: &[u8], member: &str) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_slice(bundle).unwrap();
    let text = match member {
        "payload" => &mut bundle["dsseEnvelope"]["payload"],
        _ => &mut bundle["dsseEnvelope"]["signatures"][0]["sig"],
    };
    let mut letters = text.as_str().unwrap().to_owned().into_bytes();
    let at = letters.len() / 2;
    letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
    *text = String::from_utf8(letters).unwrap().into();
    bundle.to_string().into_bytes()
}

#[test]
fn what_cosign_signed_is_believed_and_its_twins_are_refused() {
    let workshop = bench();
    theirs(&workshop, "cosign.pub");
    for (file, kind) in [
        ("custom", "custom"),
        ("spdx", "spdx"),
        ("spdxjson", "spdxjson"),
        ("uri", "https://example.com/t/v1"),
    ] {
        let bundle = format!("{file}.json");
        theirs(&workshop, &bundle);
        let verify = format!(
            "verify-blob-attestation --bundle {bundle} --key cosign.pub --insecure-ignore-tlog=true --type {kind} weights.bin"
        );
        let said = workshop.yes(&verify);
        assert_eq!(said.stdout, "", "{kind}");
        assert!(said.stderr.ends_with("Verified OK\n"), "{said:?}");
        let digest = Digest::of(WEIGHTS.as_bytes()).hex();
        let by_digest = format!("--digest {digest} --digestAlg sha256");
        workshop.yes(&verify.replace("weights.bin", &by_digest));
        for (from, to, code) in [
            ("weights.bin", "other.bin", "subject_mismatch"),
            ("cosign.pub", "key.pub", "key_unknown"),
            (kind, "vuln", "subject_mismatch"),
            ("--insecure-ignore-tlog=true", "", "log_proof_invalid"),
        ] {
            let twin = match from == kind {
                true => verify.replace(&format!("--type {kind}"), "--type vuln"),
                false => verify.replace(from, to),
            };
            assert_eq!(workshop.denied(&twin), [code], "{twin}");
        }
        let other = by_digest.replace("sha256", "sha512");
        let twin = verify.replace("weights.bin", &other);
        assert_eq!(workshop.denied(&twin), ["subject_mismatch"]);
        let good = workshop.read(&bundle);
        for member in ["payload", "sig"] {
            workshop.write(&bundle, changed(&good, member));
            assert_eq!(
                workshop.denied(&verify),
                ["signature_invalid"],
                "{kind} {member}"
            );
        }
    }
}

/// But for the time, and the order of members.
#[test]
fn what_is_signed_is_what_cosign_would_have_signed() {
    let workshop = bench();
    for (file, kind) in [
        ("custom", "custom"),
        ("spdx", "spdx"),
        ("spdxjson", "spdxjson"),
        ("uri", "https://example.com/t/v1"),
    ] {
        workshop.yes(&format!("{ATTEST} --type {kind}"));
        let mut ours = payload(&workshop.read("out.json"));
        let mut theirs = payload(&fs::read(format!("{THEIRS}/{file}.json")).unwrap());
        if file == "custom" {
            for payload in [&mut ours, &mut theirs] {
                let time = payload["predicate"]["Timestamp"].take();
                assert_eq!(time.as_str().unwrap().len(), "2026-11-21T21:00:06Z".len());
            }
        }
        assert_eq!(ours, theirs, "{kind}");
        let verify = format!("verify-blob-attestation --bundle out.json {BY_KEY} --type {kind}");
        let answer = workshop.allowed(&format!("{verify} weights.bin"));
        let subject = json!([{"name": "weights.bin", "digest": {"sha256": Digest::of(WEIGHTS.as_bytes()).hex()}}]);
        assert_eq!(answer["statement"]["subjects"], subject);
        assert_eq!(
            workshop.denied(&format!("{verify} other.bin")),
            ["subject_mismatch"]
        );
        let other = verify.replace("key.pub", "other.pub");
        assert_eq!(
            workshop.denied(&format!("{other} weights.bin")),
            ["key_unknown"]
        );
    }
    for (kind, uri) in [
        ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
        ("link", "https://in-toto.io/Link/v1"),
        ("cyclonedx", "https://cyclonedx.org/bom"),
        ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
        ("openvex", "https://openvex.dev/ns"),
    ] {
        workshop.yes(&format!("{ATTEST} --type {kind}"));
        let ours = payload(&workshop.read("out.json"));
        assert_eq!(ours["predicateType"], uri, "{kind}");
        // As it was written, and nothing dropped.
        assert_eq!(
            ours["predicate"],
            json!({"a": 1, "b": [1, "x<&>"]}),
            "{kind}"
        );
        let verify =
            format!("verify-blob-attestation --bundle out.json {BY_KEY} weights.bin --type");
        workshop.yes(&format!("{verify} {kind}"));
        workshop.yes(&format!("{verify} {uri}"));
        assert_eq!(
            workshop.denied(&format!("{verify} custom")),
            ["subject_mismatch"]
        );
    }
}

#[test]
fn a_predicate_is_read_in_one_way_or_not_at_all() {
    let workshop = bench();
    let deep = "[".repeat(100_000);
    for (text, codes) in [
        ("{\"a\":1,\"a\":2}", ["json_invalid", "custom"]),
        (
            "{\"a\":{\"b\":1,\"\\u0062\":2}}",
            ["json_invalid", "custom"],
        ),
        ("{} {}", ["json_invalid", "custom"]),
        ("{", ["json_invalid", "custom"]),
        ("[1]", ["json_invalid", "custom"]),
        ("\"text\"", ["json_invalid", "custom"]),
        ("", ["json_invalid", "custom"]),
        (deep.as_str(), ["json_invalid", "custom"]),
    ] {
        workshop.write("predicate.json", text);
        for kind in ["slsaprovenance1", "spdxjson", "https://example.com/t/v1"] {
            let line = format!("{ATTEST} --type {kind}");
            assert_eq!(workshop.error(&line), codes[0], "{kind}: {text:.40}");
            assert!(!workshop.file("out.json").exists());
        }
        // There it is text, of whatever kind.
        workshop.yes(&format!("{ATTEST} --type {}", codes[1]));
        fs::remove_file(workshop.file("out.json")).unwrap();
    }
    workshop.write("predicate.json", b"\xff");
    assert_eq!(workshop.error(ATTEST), "json_invalid");
    for kind in ["slsaprovenance3", "bogus", "''"] {
        assert_eq!(
            workshop.error(&format!("{ATTEST} --type {kind}")),
            "usage",
            "{kind}"
        );
    }
}

#[test]
fn a_whole_statement_is_signed_as_it_is_if_it_is_about_this() {
    let workshop = bench();
    let digest = Digest::of(WEIGHTS.as_bytes()).hex();
    let statement = |version: &str, digest: &str| {
        json!({"_type": format!("https://in-toto.io/Statement/{version}"), "predicateType": "https://example.com/t/v1",
               "subject": [{"digest": {"sha256": digest}}], "predicate": {}}).to_string()
    };
    let line = ATTEST.replace("--predicate predicate.json", "--statement statement.json");
    for version in ["v0.1", "v1"] {
        workshop.write("statement.json", statement(version, &digest));
        workshop.yes(&line);
        let read: Value = serde_json::from_slice(&workshop.read("statement.json")).unwrap();
        assert_eq!(payload(&workshop.read("out.json")), read);
        workshop.yes(&format!(
            "verify-blob-attestation --bundle out.json {BY_KEY} --type https://example.com/t/v1 weights.bin"
        ));
    }
    workshop.write("statement.json", statement("v1", &"0".repeat(64)));
    assert_eq!(workshop.denied(&line), ["subject_mismatch"]);
    workshop.write("statement.json", statement("v2", &digest));
    assert_eq!(workshop.error(&line), "statement_invalid");
    // What lies elsewhere is named by its digest.
    workshop.write("statement.json", statement("v1", &"0".repeat(64)));
    let elsewhere = format!("{line} --hash {}", "0".repeat(64));
    workshop.yes(&elsewhere.replace("weights.bin", "gone.bin"));
}

/// Where cosign looks away if it is asked to, it is said that nobody does here.
#[test]
fn what_would_prove_nothing_is_not_done() {
    let workshop = bench();
    workshop.yes(ATTEST);
    let verify = "verify-blob-attestation --bundle out.json weights.bin";
    for words in [
        "",
        "--certificate-identity x",
        "--certificate-oidc-issuer x",
        "--certificate-identity-regexp .* --certificate-oidc-issuer x --insecure-ignore-tlog",
        "--certificate-identity-regexp ( --certificate-oidc-issuer x",
        "--key key.pub --insecure-ignore-tlog --check-claims=false",
        "--key key.pub --insecure-ignore-tlog --insecure-ignore-sct",
        "--key key.pub --certificate-identity x --certificate-oidc-issuer x",
        "--key key.pub --insecure-ignore-tlog --digest 00 --digestAlg sha256",
    ] {
        assert_eq!(
            workshop.error(&format!("{verify} {words}")),
            "usage",
            "{words}"
        );
    }
    for digest in ["''", "zz", "ABCD"] {
        let line = format!(
            "verify-blob-attestation --bundle out.json {BY_KEY} --digestAlg sha256 --digest {digest}"
        );
        assert_eq!(workshop.error(&line), "usage", "{digest}");
    }
    for words in ["--tlog-upload", "--use-signing-config=true"] {
        assert_eq!(
            workshop.error(&format!("{ATTEST} {words}")),
            "usage",
            "{words}"
        );
    }
    workshop.yes(&format!(
        "{ATTEST} --tlog-upload=false --use-signing-config=false -d --timeout 3m0s"
    ));
    let keyless = ATTEST.replace("--key key.pem", "--tlog-upload=false");
    assert_eq!(workshop.error(&keyless), "usage");
    // Neither a key nor a model is lost by a slip of the hand.
    let slip = ATTEST.replace("--bundle out.json", "--bundle key.pem");
    assert_eq!(workshop.error(&slip), "usage");
}

/// A key that is entered in a log, and an identity: by the small Sigstore.
#[test]
fn logs_and_identities_are_asked_for() {
    let workshop = bench();
    workshop.write("root.json", root().to_string());
    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{"name": "weights.bin", "digest": {"sha256": Digest::of(WEIGHTS.as_bytes()).hex()}}], "predicate": {}});
    let mut draught = Draught::new(Rekor::Second);
    draught.payload = statement.to_string().into_bytes();
    workshop.write("keyless.json", draught.bundle().to_string());
    draught.is_by_key = true;
    workshop.write("logged.json", draught.bundle().to_string());
    workshop.write("signer.pub", testkit::sigstore::signer().pem());
    let about = "--trusted-root root.json --type slsaprovenance1 weights.bin";
    let by_key = format!("verify-blob-attestation --bundle logged.json --key signer.pub {about}");
    workshop.yes(&by_key);
    assert_eq!(
        workshop.denied(&by_key.replace("signer.pub", "key.pub")),
        ["key_unknown"]
    );
    // The public Sigstore knows none of this one's logs.
    let public = by_key.replace("--trusted-root root.json", "");
    assert_ne!(workshop.run(&public).status, 0);
    let by_identity = |identity: &str, issuer: &str| {
        format!("verify-blob-attestation --bundle keyless.json {identity} {issuer} {about}")
    };
    let (who, whose) = (
        format!("--certificate-identity {IDENTITY}"),
        format!("--certificate-oidc-issuer {PROVIDER}"),
    );
    let said = workshop.yes(&by_identity(&who, &whose)).stderr;
    assert!(
        said.contains(&format!("Certificate subject: {IDENTITY}\n")),
        "{said}"
    );
    assert!(
        said.contains(&format!("Certificate issuer URL: {PROVIDER}\n")),
        "{said}"
    );
    let expression = |text: &str| format!("--certificate-identity-regexp {text}");
    let of_issuer = |text: &str| format!("--certificate-oidc-issuer-regexp {text}");
    workshop.yes(&by_identity(&expression("^signer@example[.]com$"), &whose));
    workshop.yes(&by_identity(
        &expression("signer@.*"),
        &of_issuer("https://issuer[.]"),
    ));
    let denied = |identity: &str, issuer: &str| workshop.denied(&by_identity(identity, issuer));
    for (identity, issuer) in [
        (
            "--certificate-identity other@example.com".to_owned(),
            whose.clone(),
        ),
        (
            who.clone(),
            "--certificate-oidc-issuer https://other.example.com".to_owned(),
        ),
        (expression("^other@"), whose.clone()),
        (expression("@example[.]com$"), whose.clone()),
        (who.clone(), of_issuer("issuer[.]example[.]com")),
    ] {
        assert_eq!(
            denied(&identity, &issuer),
            ["identity_mismatch"],
            "{identity} {issuer}"
        );
    }
    assert_eq!(
        workshop.denied(&by_identity(&who, &whose).replace("weights.bin", "other.bin")),
        ["subject_mismatch"]
    );
    let good = workshop.read("keyless.json");
    workshop.write("keyless.json", changed(&good, "payload"));
    assert_eq!(denied(&who, &whose), ["signature_invalid"]);
    assert_eq!(
        denied(&expression(".*"), &of_issuer(".*")),
        ["signature_invalid"]
    );
}

#[test]
fn a_file_is_attested_keylessly() {
    let workshop = bench();
    let services = Services::start();
    let config: Value = serde_json::from_str(&services.config()).unwrap();
    workshop.write("signing.json", config["signingConfig"].to_string());
    workshop.write("root.json", config["trustedRoot"].to_string());
    workshop.write("token.jwt", token(""));
    let line = "attest-blob --predicate predicate.json --type slsaprovenance1 --bundle out.json --identity-token token.jwt \
                --signing-config signing.json --trusted-root root.json weights.bin";
    workshop.yes(line);
    let verify = format!(
        "verify-blob-attestation --bundle out.json --trusted-root root.json --type slsaprovenance1 \
         --certificate-identity {IDENTITY} --certificate-oidc-issuer {PROVIDER} weights.bin"
    );
    workshop.yes(&verify);
    workshop.write("weights.bin", "other");
    assert_eq!(workshop.denied(&verify), ["subject_mismatch"]);
    let alone = line.replace("--trusted-root root.json", "");
    assert_eq!(workshop.error(&alone), "usage");
}

/// Provenance that slsa-github-generator 2.1.0 signed at the public Sigstore, by the root that is built in.
#[test]
fn provenance_of_the_world_is_believed() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        return;
    };
    let folder = std::path::PathBuf::from(vectors).join("slsa/verifier/gha_generic/v2.1.0");
    let workshop = Workshop::bare();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        let bundle = fs::read(&path).unwrap();
        let digest = payload(&bundle)["subject"][0]["digest"]["sha256"].clone();
        let digest = digest.as_str().unwrap();
        workshop.write("bundle.json", &bundle);
        let verify = format!(
            "verify-blob-attestation --bundle bundle.json --type slsaprovenance --digestAlg sha256 --digest {digest} \
             --certificate-oidc-issuer https://token.actions.githubusercontent.com --certificate-identity-regexp \
             ^https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v[0-9]+.[0-9]+.[0-9]+$"
        );
        workshop.yes(&verify);
        for (from, to, code) in [
            (digest, "00", "subject_mismatch"),
            ("slsaprovenance", "slsaprovenance1", "subject_mismatch"),
            ("generic_slsa3", "container_slsa3", "identity_mismatch"),
            ("token.actions", "other.actions", "identity_mismatch"),
        ] {
            assert_eq!(
                workshop.denied(&verify.replacen(from, to, 1)),
                [code],
                "{to}"
            );
        }
        workshop.write("bundle.json", changed(&bundle, "payload"));
        assert_eq!(workshop.denied(&verify), ["signature_invalid"]);
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn a_predicate_comes_by_standard_input() {
    let workshop = bench();
    let line = ATTEST.replace("--predicate predicate.json", "--predicate -");
    let file = fs::File::open(workshop.file("predicate.json")).unwrap();
    let line = format!("{line} --type spdxjson");
    let said = Outcome::of(workshop.command(&line).stdin(file));
    assert_eq!(said.status, 0, "{said:?}");
    let said = payload(&workshop.read("out.json"));
    assert_eq!(said["predicate"], json!({"a": 1, "b": [1, "x<&>"]}));
    // Nothing is not a predicate.
    assert_eq!(workshop.error(&line), "json_invalid");
}

/// Runs with cosign's variable for the password.
fn with_password(workshop: &Workshop, line: &str, password: &str) -> Outcome {
    Outcome::of(workshop.command(line).env("COSIGN_PASSWORD", password))
}

#[test]
fn keys_are_made_and_taken_in_cosigns_form() {
    let workshop = bench();
    assert_eq!(workshop.error("generate-key-pair"), "password_missing");
    let mut command = workshop.command(&with_json("generate-key-pair"));
    let made = json_of(
        "generate-key-pair",
        command.env("COSIGN_PASSWORD", "secret"),
    );
    assert_eq!(
        (&made["privateKey"], &made["publicKey"]),
        (&json!("cosign.key"), &json!("cosign.pub"))
    );
    let pem = String::from_utf8(workshop.read("cosign.key")).unwrap();
    let key = trust::PrivateKey::from_pem(&pem, Some("secret")).unwrap();
    assert_eq!(
        key.public_key().pem().as_bytes(),
        workshop.read("cosign.pub")
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(workshop.file("cosign.key"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    // No file is replaced: neither half, whichever is there.
    assert_eq!(with_password(&workshop, "generate-key-pair", "x").status, 2);
    fs::remove_file(workshop.file("cosign.key")).unwrap();
    assert_eq!(with_password(&workshop, "generate-key-pair", "x").status, 2);
    assert!(!workshop.file("cosign.key").exists());
    // And one that cosign made.
    theirs(&workshop, "cosign.key");
    theirs(&workshop, "cosign.pub");
    let key = workshop.file("cosign.key");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let attest = ATTEST.replace("key.pem", "cosign.key");
    let wrong = with_password(&workshop, &attest, "wrong");
    assert!(
        wrong.status == 2 && wrong.stderr.contains("[password_wrong]"),
        "{wrong:?}"
    );
    assert_eq!(with_password(&workshop, &attest, "secret").status, 0);
    workshop.yes("verify-blob-attestation --bundle out.json --key cosign.pub --insecure-ignore-tlog weights.bin");
}
