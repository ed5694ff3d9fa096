//! Keyless signatures of a small Sigstore of our own: each proof is wrong in one way at a time, with all others right.

use serde_json::{Value, json};
use testkit::certificates::{extension, tlv};
use testkit::sigstore::{Draught, Rekor, SIGNED_AT, root, trusting_identity};
use trust::predicate::ModelSignature;
use trust::{How, Time, TrustRoot, verify, verify_to_forbid};

const REKORS: [Rekor; 3] = [Rekor::First, Rekor::Second, Rekor::SecondAsFirst];

fn now() -> Time {
    Time::from_unix(SIGNED_AT + 86_400 * 365)
}

fn said(bundle: &Value, root: &TrustRoot) -> (&'static str, String) {
    match verify::<ModelSignature>(bundle.to_string().as_bytes(), root, now()) {
        Ok(_) => ("accept", String::new()),
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(own) = cause {
                text = format!("{text}: {own}");
                cause = own.source();
            }
            (error.code().as_str(), text)
        }
    }
}

/// Refused with this code, in words that have these in them.
fn refused(bundle: &Value, code: &str, words: &str) {
    let got = said(bundle, &trusting_identity(&root()));
    assert!(got.0 == code && got.1.contains(words), "{words}: {got:?}");
}

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";

fn with(bundle: &Value, pointer: &str, value: Value) -> Value {
    let mut twin = bundle.clone();
    let place = twin.pointer_mut(pointer);
    *place.unwrap_or_else(|| panic!("{pointer} is not there")) = value;
    twin
}

#[test]
fn every_kind_of_log_is_believed() {
    for rekor in REKORS {
        let bundle = Draught::new(rekor).bundle().to_string();
        let root = trusting_identity(&root());
        let verified = verify::<ModelSignature>(bundle.as_bytes(), &root, now()).unwrap();
        let How::Keyless {
            identity,
            issuer,
            logged_at,
        } = &verified.proof().how
        else {
            panic!("{:?}", verified.proof());
        };
        assert_eq!(
            (identity.as_str(), issuer.as_str(), logged_at.unix()),
            (
                "signer@example.com",
                "https://issuer.example.com",
                SIGNED_AT
            )
        );
    }
}

#[test]
fn a_time_must_be_proved() {
    let unstamped = |rekor| {
        let mut draught = Draught::new(rekor);
        draught.is_stamped = false;
        draught.bundle()
    };
    let root = trusting_identity(&root());
    assert_eq!(said(&unstamped(Rekor::First), &root).0, "accept");
    refused(
        &unstamped(Rekor::Second),
        "timestamp_invalid",
        "neither a log nor a timestamp",
    );
    // What a log of the second kind is said to promise is signed by nobody.
    let second = Draught::new(Rekor::Second).bundle();
    let said_time = format!("{}", SIGNED_AT);
    let mut claimed = second.clone();
    claimed.pointer_mut(ENTRY).unwrap()["integratedTime"] = json!(said_time);
    refused(&claimed, "log_proof_invalid", "promise");
    let mut claimed = second.clone();
    claimed.pointer_mut(ENTRY).unwrap()["inclusionPromise"] =
        json!({"signedEntryTimestamp": "AAAA"});
    refused(&claimed, "log_proof_invalid", "promise");
    let other_place = with(&second, &format!("{ENTRY}/logIndex"), json!("2"));
    refused(&other_place, "log_proof_invalid", "promise");
    // A time after now is refused, but for what only forbids.
    let bundle = second.to_string();
    let before = Time::from_unix(SIGNED_AT - 1);
    let early = verify::<ModelSignature>(bundle.as_bytes(), &root, before).unwrap_err();
    assert_eq!(early.code().as_str(), "timestamp_invalid");
    assert!(verify_to_forbid::<ModelSignature>(bundle.as_bytes(), &root, before).is_ok());
}

#[test]
fn the_certificate_must_be_logged() {
    let changed = |change: &dyn Fn(&mut Draught)| {
        let mut draught = Draught::new(Rekor::First);
        change(&mut draught);
        draught.bundle()
    };
    let invalid = "log_proof_invalid";
    let by = testkit::sigstore::CERTIFICATE_LOG;
    refused(&changed(&|d| d.scts = vec![]), invalid, "bears no signed");
    refused(
        &changed(&|d| d.scts = vec![9]),
        invalid,
        "not signed by its log",
    );
    refused(
        &changed(&|d| d.scts = vec![by, 9]),
        invalid,
        "not signed by its log",
    );
    refused(
        &changed(&|d| d.sct_issuer = 9),
        invalid,
        "not signed by its log",
    );
    refused(
        &changed(&|d| d.sct_log = 9),
        invalid,
        "names none of the logs",
    );
    // 2023, before the log was in use.
    let early = changed(&|d| d.sct_time = 1_672_531_200_000);
    refused(&early, invalid, "was not in use");
    for list in [
        vec![],
        vec![0, 1],
        vec![0, 0, 1],
        vec![0, 3, 0, 1, 0],
        vec![0xff; 9],
    ] {
        let bundle = changed(&|draught| {
            draught.scts = vec![];
            let list = extension("1.3.6.1.4.1.11129.2.4.2", false, &tlv(4, &[&list]));
            draught.certificate.extensions.push(list);
        });
        refused(
            &bundle,
            invalid,
            "signed certificate timestamps can't be read",
        );
    }
    // The list may stand anywhere among the extensions, and twice the same word is one.
    let accepted = changed(&|d| d.scts = vec![by, by]);
    assert_eq!(said(&accepted, &trusting_identity(&root())).0, "accept");
}

#[test]
fn the_entry_must_be_the_logs() {
    for rekor in REKORS {
        let mut draught = Draught::new(rekor);
        draught.entered = Some(b"another".to_vec());
        refused(&draught.bundle(), "log_proof_invalid", "another payload");
        let bundle = Draught::new(rekor).bundle();
        let at = |place: &str| format!("{ENTRY}/{place}");
        let unknown = with(&bundle, &at("logId/keyId"), json!("AAAA"));
        refused(&unknown, "log_proof_invalid", "does not name the log");
        let kind = with(&bundle, &at("kindVersion/kind"), json!("intoto"));
        refused(&kind, "log_proof_invalid", "`intoto`");
        let none = with(&bundle, &at("inclusionProof"), Value::Null);
        refused(&none, "log_proof_invalid", "no inclusion proof");
        let none = with(&bundle, &at("inclusionProof/checkpoint"), Value::Null);
        refused(&none, "log_proof_invalid", "no checkpoint");
        let size = with(&bundle, &at("inclusionProof/treeSize"), json!("5"));
        refused(&size, "log_proof_invalid", "another size");
        let hashes = with(&bundle, &at("inclusionProof/hashes"), json!([]));
        refused(&hashes, "log_proof_invalid", "not in the log's tree");
        let twice = bundle.pointer(ENTRY).unwrap();
        let entries = json!([twice, unknown.pointer(ENTRY).unwrap()]);
        let second = with(&bundle, "/verificationMaterial/tlogEntries", entries);
        refused(&second, "log_proof_invalid", "does not name the log");
    }
    let bundle = Draught::new(Rekor::First).bundle();
    let none = with(&bundle, &format!("{ENTRY}/inclusionPromise"), Value::Null);
    refused(&none, "log_proof_invalid", "no promise");
    let mut draught = Draught::new(Rekor::First);
    draught.log = 9;
    refused(&draught.bundle(), "log_proof_invalid", "not signed by it");
    // A checkpoint by another log's key, with a promise by the right one.
    let checkpoint = format!("{ENTRY}/inclusionProof/checkpoint");
    let foreign = draught.bundle().pointer(&checkpoint).unwrap().clone();
    let foreign = with(&bundle, &checkpoint, foreign);
    refused(&foreign, "log_proof_invalid", "checkpoint is not believed");
}

#[test]
fn the_certificate_must_hold_when_it_was_signed() {
    for rekor in REKORS {
        for valid in [
            ["20200101000000Z", "20241231235959Z"],
            ["20250101000001Z", "20400101000000Z"],
        ] {
            let mut draught = Draught::new(rekor);
            draught.certificate.valid = valid;
            refused(&draught.bundle(), "certificate_time", "");
        }
        let mut draught = Draught::new(rekor);
        draught.certificate.extensions.remove(1);
        draught.certificate.extensions.insert(
            1,
            testkit::certificates::purposes(false, &["1.3.6.1.5.5.7.3.1"]),
        );
        refused(&draught.bundle(), "certificate_untrusted", "codeSigning");
    }
}

#[test]
fn each_part_of_the_root_is_needed_and_has_its_time() {
    for rekor in REKORS {
        let bundle = Draught::new(rekor).bundle();
        for (part, code) in [
            ("tlogs", "log_proof_invalid"),
            ("ctlogs", "log_proof_invalid"),
            ("certificateAuthorities", "certificate_untrusted"),
            ("timestampAuthorities", "timestamp_invalid"),
        ] {
            let mut without = root();
            without[part] = json!([]);
            assert_eq!(
                said(&bundle, &trusting_identity(&without)).0,
                code,
                "{part}"
            );
            for during in [
                json!({"start": "2025-06-01T00:00:00Z"}),
                json!({"start": "2024-01-01T00:00:00Z", "end": "2024-06-01T00:00:00Z"}),
            ] {
                let mut other = root();
                for instance in other[part].as_array_mut().unwrap() {
                    match instance.get_mut("publicKey") {
                        Some(key) => key["validFor"] = during.clone(),
                        None => instance["validFor"] = during.clone(),
                    }
                }
                assert_eq!(said(&bundle, &trusting_identity(&other)).0, code, "{part}");
            }
        }
    }
}

#[test]
fn a_stamp_over_other_bytes_is_refused() {
    let bundle = Draught::new(Rekor::Second).bundle();
    let token = testkit::certificates::Stamp::of(b"other").token();
    let stamp = json!({"signedTimestamp": data_encoding::BASE64.encode(&token)});
    let stamps = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
    let other = with(&bundle, stamps, json!([stamp]));
    refused(&other, "timestamp_invalid", "about other bytes");
    // One that is right does not excuse one that is wrong.
    let right = bundle.pointer(stamps).unwrap()[0].clone();
    let both = with(&bundle, stamps, json!([right, stamp]));
    refused(&both, "timestamp_invalid", "about other bytes");
}
