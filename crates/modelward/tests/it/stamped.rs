//! Timestamps over the signatures of keys and certificates, and log entries beside those of keys.

use serde_json::json;
use testkit::certificates::{Stamp, chain, stamping_root};
use testkit::sigstore::{Draught, Rekor, root, signer};
use trust::x509::Certificate;

use crate::services::Services;
use crate::workshop::Workshop;

const AT: &str = "2025-01-01T00:00:00Z";

fn pem(der: &[u8]) -> String {
    Certificate::from_der(der).unwrap().to_pem()
}

/// A model, a key with a certificate, and the authority whose stamps are believed.
fn workshop() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write("model/config.json", "{}");
    workshop.write_key();
    workshop.write("stamps.pem", pem(&stamping_root()));
    let [leaf, middle, root] = chain();
    workshop.write("leaf.pem", pem(&leaf) + &pem(&middle));
    workshop.write("ca.pem", pem(&root));
    let key = testkit::key(3).to_pem(None).unwrap();
    workshop.write("leaf.key", key.as_bytes());
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(workshop.file("leaf.key"), owner_only).unwrap();
    let key = testkit::key(3);
    workshop.write("leaf.pub", trust::Signer::public_key(&key).pem());
    workshop
}

fn sign(services: &Services, more: &str) -> String {
    format!(
        "sign model --private-key leaf.key --tsa-url {}/stamp --timestamp-chain stamps.pem {more}",
        services.base
    )
}

#[test]
fn a_keys_signature_is_stamped() {
    let services = Services::start();
    let workshop = workshop();
    workshop.yes(&sign(&services, ""));
    let verify = "verify model --public-key leaf.pub";
    assert_eq!(workshop.allowed(verify)["witnessed"], json!(null));
    let stamped = format!("{verify} --timestamp-chain stamps.pem");
    let answer = workshop.allowed(&stamped);
    assert_eq!(
        answer["witnessed"],
        json!({"stamped": AT, "loggedAt": null})
    );
    assert!(workshop.yes(&stamped).stdout.contains("stamped 2025-01-01"));
    assert_eq!(
        workshop.allowed("inspect model.sig")["claimedTimes"],
        json!([AT])
    );
    // By another authority's word it is none, and of another signature neither.
    assert_eq!(
        workshop.denied(&format!("{verify} --timestamp-chain ca.pem")),
        ["timestamp_invalid"]
    );
    let bundle: serde_json::Value = serde_json::from_slice(&workshop.read("model.sig")).unwrap();
    let mut other = bundle;
    let token = data_encoding::BASE64.encode(&Stamp::of(b"other").response());
    other["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
        json!(token);
    workshop.write("model.sig", other.to_string());
    assert_eq!(workshop.denied(&stamped), ["timestamp_invalid"]);
}

#[test]
fn a_certificates_signature_is_stamped() {
    let services = Services::start();
    let workshop = workshop();
    workshop.yes(&sign(&services, "--certificate leaf.pem"));
    let verify = "verify model --certificate-chain ca.pem --certificate-identity email:signer@example.com \
                  --timestamp-chain stamps.pem";
    assert_eq!(workshop.allowed(verify)["certificate"]["stamped"], AT);
    // The same by the reference's words, as the port to Go spells it.
    let oms = format!(
        "oms sign certificate model --private_key leaf.key --signing_certificate leaf.pem --signature model.sig \
         --tsa_url {}/stamp",
        services.base
    );
    let outcome = workshop.yes(&oms);
    assert!(outcome.stderr.contains("nobody was named"), "{outcome:?}");
    assert_eq!(workshop.allowed(verify)["certificate"]["stamped"], AT);
}

/// The bundle with this timestamp in the place of what it had.
fn with_timestamp(workshop: &Workshop, token: impl FnOnce(&[u8]) -> Vec<u8>) {
    let mut bundle: serde_json::Value =
        serde_json::from_slice(&workshop.read("model.sig")).unwrap();
    let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str();
    let signature = data_encoding::BASE64.decode(signature.unwrap().as_bytes());
    let token = data_encoding::BASE64.encode(&token(&signature.unwrap()));
    bundle["verificationMaterial"]["timestampVerificationData"] =
        json!({"rfc3161Timestamps": [{"signedTimestamp": token}]});
    workshop.write("model.sig", bundle.to_string());
}

/// A timestamp that is made for a signature.
type Token = fn(&[u8]) -> Vec<u8>;

const BY_KEY: &str = "verify model --public-key leaf.pub";
const BY_CERTIFICATE: &str =
    "verify model --certificate-chain ca.pem --certificate-identity email:signer@example.com";

/// A time that is not believed is told; what can't be a timestamp of this signature is refused, whoever is believed.
#[test]
fn a_stamp_that_nobody_vouches_for_counts_for_nothing_and_must_be_one() {
    let workshop = workshop();
    for (sign, verify, drop_in) in [
        (
            "sign model --private-key leaf.key",
            BY_KEY,
            "oms verify key model --signature model.sig --public_key leaf.pub",
        ),
        (
            "sign model --private-key leaf.key --certificate leaf.pem",
            BY_CERTIFICATE,
            "oms verify certificate model --signature model.sig --certificate_chain ca.pem",
        ),
    ] {
        workshop.yes(sign);
        assert_eq!(workshop.allowed(verify)["timestampUnvouched"], false);
        with_timestamp(&workshop, |signature| Stamp::of(signature).response());
        assert_eq!(workshop.allowed(verify)["timestampUnvouched"], true);
        let said = workshop.yes(verify).stdout;
        assert!(
            said.contains("a timestamp came along that is not believed"),
            "{said}"
        );
        let said = workshop.yes(drop_in).stderr;
        assert!(
            said.contains("a timestamp came along that is not believed"),
            "{said}"
        );
        let vouched = format!("{verify} --timestamp-chain stamps.pem");
        assert_eq!(workshop.allowed(&vouched)["timestampUnvouched"], false);
        let junk: [Token; 4] = [
            |_| vec![0, 0, 0],
            |_| Stamp::of(b"other").response(),
            |signature| {
                let mut token = Stamp::of(signature).response();
                *token.last_mut().unwrap() ^= 1;
                token
            },
            |signature| {
                let token = Stamp::of(signature).response();
                token[..token.len() - 1].to_vec()
            },
        ];
        for token in junk {
            with_timestamp(&workshop, token);
            assert_eq!(workshop.denied(verify), ["timestamp_invalid"]);
            assert_eq!(workshop.run(drop_in).status, 1);
        }
    }
}

#[test]
fn a_stamp_of_tomorrow_is_refused() {
    let workshop = workshop();
    for (sign, verify) in [
        ("sign model --private-key leaf.key", BY_KEY),
        (
            "sign model --private-key leaf.key --certificate leaf.pem",
            BY_CERTIFICATE,
        ),
    ] {
        workshop.yes(sign);
        let stamped = format!("{verify} --timestamp-chain stamps.pem");
        with_timestamp(&workshop, |signature| {
            Stamp::at(signature, "20390101000000Z").response()
        });
        assert_eq!(
            workshop.denied(&stamped),
            ["timestamp_invalid"],
            "{stamped}"
        );
        assert!(workshop.run(&stamped).stderr.contains("clock"));
        with_timestamp(&workshop, |signature| {
            Stamp::at(signature, "20250101000000Z").response()
        });
        workshop.yes(&stamped);
    }
}

type Change = fn(Vec<u8>) -> Vec<u8>;

/// What is not the answer to this question, or not by whom it should be, is not written.
#[test]
fn a_wrong_stamp_signs_nothing() {
    let other_nonce = |mut answer: Vec<u8>| {
        let at = answer.windows(2).position(|at| at == [0x02, 16]).unwrap();
        answer[at + 5] ^= 1;
        answer
    };
    let forged = |mut answer: Vec<u8>| {
        let last = answer.len() - 1;
        answer[last] ^= 1;
        answer
    };
    let changes: [(&str, Change); 5] = [
        ("another nonce", other_nonce),
        ("forged", forged),
        ("old", |_| Stamp::of(b"other").response()),
        ("a refusal", |_| {
            vec![0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02]
        }),
        ("nothing", |_| vec![0x30, 0]),
    ];
    for (what, change) in changes {
        let services = Services::changed(Box::new(move |_, answer| change(answer)));
        let workshop = workshop();
        assert_eq!(
            workshop.denied(&sign(&services, "")),
            ["timestamp_invalid"],
            "{what}"
        );
        let oms = format!(
            "oms sign key model --private_key leaf.key --signature model.sig --tsa_url {}/stamp",
            services.base
        );
        assert_eq!(workshop.run(&oms).status, 1, "{what}");
        assert!(!workshop.file("model.sig").exists(), "{what}");
    }
    let services = Services::start();
    let workshop = workshop();
    let line = sign(&services, "").replace("stamps.pem", "ca.pem");
    assert_eq!(workshop.denied(&line), ["timestamp_invalid"]);
    for line in [
        "sign model --tsa-url http://127.0.0.1:1/ --timestamp-chain stamps.pem",
        "sign model --private-key leaf.key --tsa-url http://127.0.0.1:1/",
        "sign model --private-key leaf.key --timestamp-chain stamps.pem",
    ] {
        assert_eq!(workshop.error(line), "usage", "{line}");
    }
    let nobody = "sign model --private-key leaf.key --tsa-url http://127.0.0.1:1/ --timestamp-chain stamps.pem";
    assert_eq!(workshop.error(nobody), "network");
    assert!(!workshop.file("model.sig").exists());
}

/// As cosign signs with a key: the entry says nothing until somebody asks for the log.
#[test]
fn a_keys_log_entry_is_checked_where_the_log_is_named() {
    let workshop = Workshop::bare();
    workshop.write("model/config.json", "{}");
    workshop.write("model/weights/w.bin", "1");
    workshop.write("k.pub", signer().pem());
    workshop.write("root.json", root().to_string());
    let mut draught = Draught::new(Rekor::First);
    draught.is_by_key = true;
    workshop.write("model.sig", draught.bundle().to_string());
    let verify = "verify model --public-key k.pub";
    assert_eq!(workshop.allowed(verify)["witnessed"], json!(null));
    workshop.yes("oms verify key model --signature model.sig --public_key k.pub");
    let logged = format!("{verify} --trust-config root.json");
    let answer = workshop.allowed(&logged);
    assert_eq!(
        answer["witnessed"],
        json!({"stamped": null, "loggedAt": AT})
    );
    draught.entered = Some(b"another".to_vec());
    workshop.write("model.sig", draught.bundle().to_string());
    assert_eq!(workshop.denied(&logged), ["log_proof_invalid"]);
    let mut bundle = draught.bundle();
    bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    workshop.write("model.sig", bundle.to_string());
    assert_eq!(workshop.denied(&logged), ["log_proof_invalid"]);
}
