//! `key set` and `key list`: whom the trust root knows by a certificate or an identity.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use testkit::certificates::{
    Draft, authority, chain, key_usage, purposes, stamping_certificate, stamping_root,
};
use testkit::sigstore::{Draught, Rekor, root};
use trust::TrustRoot;
use trust::x509::Certificate;

use crate::workshop::Workshop;

const WHO: &str = "--certificate-identity email:signer@example.com";
const TEAM: &str = "key set team --certificate-chain root.pem --certificate-identity email:signer@example.com --role sign";
const ALICE: &str = "key set alice --identity signer@example.com --identity-provider https://issuer.example.com \
    --trust-config root.json --role sign";

fn pem(der: &[u8]) -> String {
    Certificate::from_der(der).unwrap().to_pem()
}

fn root_draft(extensions: &[Vec<u8>]) -> Draft {
    Draft::new("root", "root", 1, extensions)
}

/// A store, and a model that the holder of a certificate signed, or, as `model.keyless.sig`, somebody at a Sigstore.
fn workshop() -> Workshop {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    workshop.write("model/config.json", "{}");
    workshop.write("model/weights/w.bin", "1");
    let [leaf, middle, anchor] = chain();
    for (name, der) in [("leaf", leaf), ("middle", middle), ("root", anchor)] {
        workshop.write(&format!("{name}.pem"), pem(&der));
    }
    workshop.write("held.pem", testkit::key(3).to_pem(None).unwrap().as_str());
    fs::set_permissions(workshop.file("held.pem"), PermissionsExt::from_mode(0o600)).unwrap();
    workshop.yes(
        "sign model --private-key held.pem --certificate leaf.pem --certificate-chain middle.pem",
    );
    let keyless = Draught::new(Rekor::Second).bundle();
    workshop.write("model.keyless.sig", keyless.to_string());
    workshop.write("root.json", root().to_string());
    workshop
}

fn trust_root(workshop: &Workshop) -> TrustRoot {
    TrustRoot::parse(&workshop.read(".modelward/trust.toml")).unwrap()
}

#[test]
fn a_certificates_holder_is_added_changed_and_removed() {
    let workshop = workshop();
    assert_eq!(workshop.denied("verify model"), ["key_unknown"]);
    workshop.yes(TEAM);
    let verified = workshop.yes("verify model").stdout;
    assert!(verified.contains("`team` (certificate of"), "{verified}");
    let known = trust_root(&workshop)
        .certificates()
        .next()
        .cloned()
        .unwrap();
    let anchors: Vec<String> = known.anchors.iter().map(Certificate::to_pem).collect();
    assert_eq!(anchors, [pem(&chain()[2])]);
    assert_eq!(
        known.identity.unwrap().to_string(),
        "email:signer@example.com"
    );
    for (line, code) in [
        (
            "key set team --certificate-identity email:other@example.com",
            "identity_mismatch",
        ),
        ("key set team --role scan", "key_role"),
        (
            "key set team --valid-from 2020-01-01T00:00:00Z --valid-until 2020-01-02T00:00:00Z",
            "key_expired",
        ),
    ] {
        workshop.yes(line);
        assert_eq!(workshop.denied("verify model"), [code], "{line}");
        workshop.yes(&format!("{TEAM} --valid-until 2039-01-01T00:00:00Z"));
        workshop.yes("verify model");
    }
    assert_eq!(workshop.error(TEAM), "usage", "there is nothing to change");
    workshop.yes("key set team --remove");
    assert_eq!(workshop.denied("verify model"), ["key_unknown"]);
    assert_eq!(workshop.error("key set team --remove"), "key_missing");
    workshop.is_sound();
}

#[test]
fn an_identity_is_added_changed_and_removed() {
    let workshop = workshop();
    let verify = "verify model --signature model.keyless.sig";
    // The certificate signature is beside it, and no part of the model that was signed.
    assert_eq!(workshop.denied(verify), ["key_unknown"]);
    workshop.yes(ALICE);
    let verified = workshop.yes(verify).stdout;
    let word = "`alice` (by word of https://issuer.example.com";
    assert!(verified.contains(word), "{verified}");
    for (line, code) in [
        (
            "key set alice --identity other@example.com",
            "identity_mismatch",
        ),
        (
            "key set alice --identity-provider google",
            "identity_mismatch",
        ),
        ("key set alice --trust-config staging", "timestamp_invalid"),
        ("key set alice --role scan", "key_role"),
    ] {
        workshop.yes(line);
        assert_eq!(workshop.denied(verify), [code], "{line}");
        workshop.yes(ALICE);
        workshop.yes(verify);
    }
    workshop.yes("key set alice --remove");
    assert_eq!(workshop.denied(verify), ["key_unknown"]);
    // The public Sigstore is the default, and one of three providers is known by its name.
    workshop.yes("key set bob --identity bob@example.com --identity-provider google --role sign");
    let bob = workshop.allowed("key list")["identities"][0].clone();
    assert_eq!(
        (&bob["issuer"], &bob["trustedRoot"]),
        (&json!("https://accounts.google.com"), &json!("production"))
    );
    let root = String::from_utf8(workshop.read(".modelward/trust.toml")).unwrap();
    assert!(root.contains("trusted_root = \"production\""), "{root}");
}

#[test]
fn all_three_sorts_are_listed_with_what_they_may_do_and_until_when() {
    let workshop = workshop();
    workshop.write("stamps.pem", pem(&stamping_root()));
    let until = "--valid-until 2039-01-01T00:00:00Z";
    workshop.yes(&format!(
        "{TEAM} --timestamp-chain stamps.pem --speaks-for https://example.com/x {until}"
    ));
    workshop.yes(&format!(
        "{ALICE} --role scan --valid-from 2038-01-01T00:00:00Z {until}"
    ));
    let listed = workshop.allowed("key list");
    let team = &listed["certificates"][0];
    assert_eq!(
        (&team["name"], &team["identity"], &team["roles"]),
        (
            &json!("team"),
            &json!("email:signer@example.com"),
            &json!(["sign"])
        )
    );
    assert_eq!(team["speaksFor"], json!(["https://example.com/x"]));
    assert_eq!(team["validUntil"], "2039-01-01T00:00:00Z");
    let fingerprint = digest::Digest::of(&chain()[2]).to_string();
    assert_eq!(
        team["anchors"],
        json!([{"subject": "CN=root", "fingerprint": fingerprint,
                "validFrom": "2020-01-01T00:00:00Z", "validUntil": "2040-01-01T00:00:00Z"}])
    );
    assert_eq!(team["timestampAnchors"].as_array().unwrap().len(), 1);
    let alice = &listed["identities"][0];
    assert_eq!(alice["roles"], json!(["sign", "scan"]));
    let config = digest::Digest::of(root().to_string().as_bytes()).to_string();
    assert_eq!(alice["trustedRoot"], config);
    let id = listed["keys"][0]["id"].as_str().unwrap();
    let text = workshop.yes("key list").stdout;
    let lines: Vec<&str> = text.lines().collect();
    for (line, words) in lines.iter().zip([
        vec!["laptop", &id[7..19], "private key here"],
        vec![
            "team",
            "certificate of email:signer@example.com by CN=root  sign  until 2039-01-01T00:00:00Z",
        ],
        vec![
            "alice",
            "identity signer@example.com by https://issuer.example.com  sign,scan  \
             from 2038-01-01T00:00:00Z until 2039-01-01T00:00:00Z",
        ],
    ]) {
        assert!(words.iter().all(|words| line.contains(words)), "{line}");
    }
    assert_eq!(lines.len(), 3);
    assert!(!text.contains(&id[..20]), "{text}");
}

/// Each of these is refused, and the root stays as it was to the last byte.
#[test]
fn what_is_not_fit_is_refused() {
    let workshop = workshop();
    workshop.yes(TEAM);
    workshop.yes(ALICE);
    let above = [authority(None), key_usage(0x04)];
    let mut ended = root_draft(&above);
    ended.valid = ["20200101000000Z", "20210101000000Z"];
    let server = purposes(false, &["1.3.6.1.5.5.7.3.1"]);
    for (name, draft) in [
        ("ended", ended),
        ("no-authority", root_draft(&[key_usage(0x04)])),
        ("no-usage", root_draft(&[authority(None), key_usage(0x80)])),
        (
            "for-servers",
            root_draft(&[authority(None), key_usage(0x04), server]),
        ),
    ] {
        workshop.write(&format!("{name}.pem"), pem(&draft.signed_by(1)));
    }
    let stamp = stamping_certificate(&[key_usage(0x80), purposes(true, &["1.3.6.1.5.5.7.3.8"])]);
    workshop.write("stamp.pem", pem(&stamp));
    workshop.write("nonsense.pem", "nonsense");
    workshop.write("nonsense.json", "{}");
    let before = workshop.read(".modelward/trust.toml");
    let by = |file: &str| format!("key set x --certificate-chain {file}.pem {WHO} --role sign");
    let as_who = |rest: &str| format!("key set x {rest} --role sign");
    for (line, code) in [
        (by("ended"), "certificate_invalid"),
        (by("no-authority"), "certificate_invalid"),
        (by("no-usage"), "certificate_invalid"),
        (by("for-servers"), "certificate_invalid"),
        // One that stamps signs nothing, and one that signs stamps nothing.
        (by("stamp"), "certificate_invalid"),
        (
            format!("{} --timestamp-chain leaf.pem", by("middle")),
            "certificate_invalid",
        ),
        (by("nonsense"), "usage"),
        (by("nowhere"), "not_found"),
        (as_who("--certificate-chain root.pem"), "usage"),
        (as_who(WHO), "usage"),
        (
            as_who("--certificate-chain root.pem --certificate-identity signer"),
            "usage",
        ),
        (
            format!("key set x --certificate-chain middle.pem {WHO}"),
            "usage",
        ),
        (format!("{} --role sing", by("middle")), "usage"),
        (as_who("--identity a@example.com"), "usage"),
        (as_who("--identity-provider google"), "usage"),
        (
            as_who("--identity a@example.com --identity-provider gogle"),
            "usage",
        ),
        (
            as_who("--identity a@example.com --identity-provider https://"),
            "usage",
        ),
        (
            as_who("--identity alice --identity-provider google"),
            "usage",
        ),
        (
            "key set x --identity a@example.com --identity-provider google".into(),
            "usage",
        ),
        (
            as_who(
                "--identity a@example.com --identity-provider google --trust-config nonsense.json",
            ),
            "root_invalid",
        ),
        // One way to know somebody, one name for one, and one entry for whom.
        (
            format!(
                "{} --identity a@example.com --identity-provider google",
                by("middle")
            ),
            "usage",
        ),
        (format!("key set x --public-key root.pem {WHO}"), "usage"),
        (TEAM.replace("team", "laptop"), "key_exists"),
        (ALICE.replace("alice", "team"), "key_exists"),
        (TEAM.replace("team", "again"), "key_exists"),
        (ALICE.replace("alice", "again"), "key_exists"),
        ("key new team".into(), "key_exists"),
        ("key rotate laptop --to alice".into(), "key_exists"),
        ("key rotate team".into(), "key_missing"),
        ("key set team --remove --role sign".into(), "usage"),
        ("key set nobody --role sign".into(), "key_missing"),
        // Compared to the letter, it is nobody's; and who vouches in the clear vouches for anybody.
        (
            ALICE.replace("alice", "x").replace("signer@", "*@"),
            "usage",
        ),
        (
            ALICE.replace("alice", "x").replace("https://", "http://"),
            "usage",
        ),
        (
            ALICE
                .replace("alice", "x")
                .replace("https://issuer", "http://127.0.0.1"),
            "usage",
        ),
    ] {
        assert_eq!(workshop.error(&line), code, "{line}");
        assert_eq!(workshop.read(".modelward/trust.toml"), before, "{line}");
    }
    assert!(!workshop.file(".modelward/keys/team.key.pem").exists());
}

/// Only signatures of models are asked for by what is no key; and on one machine there is nobody between.
#[test]
fn a_role_that_nobody_asks_for_is_told() {
    let workshop = workshop();
    let told = |line: String| workshop.yes(&line).stderr;
    assert!(!told(TEAM.to_owned()).contains("warning"));
    let odd = told(format!("{TEAM} --role build"));
    assert!(
        odd.contains("warning: nothing here asks") && odd.contains("`build`"),
        "{odd}"
    );
    assert!(told(ALICE.replace("--role sign", "--role admit")).contains("`admit`"));
    assert!(!told("key set laptop --role admit --role sign".to_owned()).contains("warning"));
    for here in [
        "http://localhost:8080/x",
        "http://[::1]/",
        "http://127.0.0.1",
    ] {
        workshop.yes(&format!(
            "key set bob --identity bob@example.com --identity-provider {here} --role sign"
        ));
    }
}

/// What ended counts for what was stamped before; and a signer's own certificate needs no authority.
#[test]
fn what_looks_odd_and_is_fit_is_taken() {
    let workshop = workshop();
    let mut ended = root_draft(&[authority(None), key_usage(0x04)]);
    ended.valid = ["20200101000000Z", "20210101000000Z"];
    workshop.write("ended.pem", pem(&ended.signed_by(1)));
    workshop.write("stamps.pem", pem(&stamping_root()));
    workshop.yes(&format!(
        "key set past --certificate-chain ended.pem --timestamp-chain stamps.pem {WHO} --role sign"
    ));
    workshop.yes(&format!(
        "key set herself --certificate-chain leaf.pem {WHO} --role sign"
    ));
    assert!(workshop.yes("verify model").stdout.contains("`herself`"));
    // Twice in the files is once in the root.
    workshop.yes(&TEAM.replace("root.pem", "root.pem --certificate-chain root.pem"));
    let root = trust_root(&workshop);
    let team = root.certificates().find(|known| known.name == "team");
    assert_eq!(team.unwrap().anchors.len(), 1);
}

/// A root that would be too long to be read again is not written.
#[test]
fn a_root_that_could_not_be_read_is_not_written() {
    let workshop = workshop();
    let long = format!("{}{}", root(), " ".repeat(700 << 10));
    workshop.write("long.json", long);
    let line = |name: &str| {
        format!(
            "key set {name} --identity {name}@example.com --identity-provider google --trust-config long.json --role sign"
        )
    };
    workshop.yes(&line("one"));
    let before = workshop.read(".modelward/trust.toml");
    assert_eq!(workshop.error(&line("two")), "root_invalid");
    assert_eq!(workshop.read(".modelward/trust.toml"), before);
    workshop.yes("key list");
}
