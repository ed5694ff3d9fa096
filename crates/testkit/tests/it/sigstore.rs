//! Keyless signatures of a small Sigstore of our own: each proof is wrong in one way at a time, with all others right.

use serde_json::{Value, json};
use testkit::certificates::{extension, tlv};
use testkit::sigstore::{Draught, Rekor, SIGNED_AT, root, signer, trusting_identity};
use trust::predicate::ModelSignature;
use trust::x509::Certificate;
use trust::{How, KeyWitnesses, Role, SigstoreRoot, Time, TrustRoot, verify, verify_to_forbid};

const REKORS: [Rekor; 5] = Rekor::ALL;

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

const STAMP: &str =
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
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
    for rekor in REKORS.into_iter().filter(|rekor| rekor.promises()) {
        assert_eq!(said(&unstamped(rekor), &root).0, "accept");
        // Beside a promise it is not needed, and must be right all the same.
        let stamped = Draught::new(rekor).bundle();
        let token = stamped.pointer(STAMP).unwrap().as_str().unwrap();
        let token = data_encoding::BASE64.decode(token.as_bytes()).unwrap();
        for at in [token.len() / 2, token.len() - 1] {
            let mut altered = token.clone();
            altered[at] ^= 1;
            let altered = json!(data_encoding::BASE64.encode(&altered));
            refused(&with(&stamped, STAMP, altered), "timestamp_invalid", "");
        }
        refused(
            &with(&stamped, STAMP, json!("AAAA")),
            "timestamp_invalid",
            "",
        );
    }
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
    let late = changed(&|d| d.sct_time = 1_000 * (now().unix() as u64 + 30 * 86_400));
    refused(&late, invalid, "after now");
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
        let kind = with(&bundle, &at("kindVersion/kind"), json!("rfc3161"));
        refused(&kind, "log_proof_invalid", "`rfc3161`");
        // As another kind or version that is read, it is not what it says.
        let version = bundle.pointer(&at("kindVersion/version")).unwrap();
        let other = if version == "0.0.1" { "0.0.2" } else { "0.0.1" };
        for (place, value) in [
            ("version", other),
            ("kind", "dsse"),
            ("kind", "hashedrekord"),
        ] {
            let place = at(&format!("kindVersion/{place}"));
            if *bundle.pointer(&place).unwrap() != json!(value) {
                assert_eq!(
                    refusal(&with(&bundle, &place, json!(value))),
                    "log_proof_invalid"
                );
            }
        }
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
    for rekor in REKORS.into_iter().filter(|rekor| rekor.promises()) {
        let bundle = Draught::new(rekor).bundle();
        let none = with(&bundle, &format!("{ENTRY}/inclusionPromise"), Value::Null);
        refused(&none, "log_proof_invalid", "no promise");
        let mut draught = Draught::new(rekor);
        draught.log = 9;
        refused(&draught.bundle(), "log_proof_invalid", "not signed by it");
        for (place, value) in [("integratedTime", "1735689601"), ("logIndex", "1002")] {
            let other = with(&bundle, &format!("{ENTRY}/{place}"), json!(value));
            refused(&other, "log_proof_invalid", "not signed by it");
        }
        // A checkpoint by another log's key, with a promise by the right one.
        let checkpoint = format!("{ENTRY}/inclusionProof/checkpoint");
        let foreign = draught.bundle().pointer(&checkpoint).unwrap().clone();
        let foreign = with(&bundle, &checkpoint, foreign);
        refused(&foreign, "log_proof_invalid", "checkpoint is not believed");
    }
}

fn refusal(bundle: &Value) -> &'static str {
    said(bundle, &trusting_identity(&root())).0
}

/// Another signer's entry, with all its proofs, does not vouch for this signature.
#[test]
fn an_entry_of_another_signature_is_none() {
    for rekor in REKORS {
        let bundle = Draught::new(rekor).bundle();
        let mut by_key = Draught::new(rekor);
        by_key.is_by_key = true;
        // Of the same payload and signature, by the bare key.
        let foreign = by_key.bundle().pointer(ENTRY).unwrap().clone();
        refused(
            &with(&bundle, ENTRY, foreign),
            "log_proof_invalid",
            "another certificate",
        );
        // Of the same payload and key, with another certificate.
        let mut other = Draught::new(rekor);
        other.sct_time += 1;
        let foreign = other.bundle().pointer(ENTRY).unwrap().clone();
        refused(
            &with(&bundle, ENTRY, foreign),
            "log_proof_invalid",
            "another certificate",
        );
        // Of another payload, and so of another signature.
        let mut other = Draught::new(rekor);
        other.payload.push(b' ');
        let foreign = other.bundle().pointer(ENTRY).unwrap().clone();
        refused(
            &with(&bundle, ENTRY, foreign),
            "log_proof_invalid",
            "another payload",
        );
    }
}

fn by_key(rekor: Rekor) -> Value {
    let mut draught = Draught::new(rekor);
    draught.is_by_key = true;
    draught.bundle()
}

fn trusting_key(witnesses: KeyWitnesses) -> TrustRoot {
    TrustRoot::of_key(signer(), Role::Sign).with_key_witnesses(witnesses)
}

/// The key, whose signatures must be in the log of this Sigstore.
fn trusting_logged_key(root: &Value) -> TrustRoot {
    let sigstore = SigstoreRoot::parse(root.to_string().as_bytes()).unwrap();
    trusting_key(KeyWitnesses {
        timestamp_anchors: vec![],
        sigstore: Some(sigstore),
    })
}

#[test]
fn a_keys_signature_may_be_logged_and_stamped() {
    let nobody = trusting_key(KeyWitnesses::default());
    let logged = trusting_logged_key(&root());
    let anchor = Certificate::from_der(&testkit::certificates::stamping_root()).unwrap();
    let stamped = trusting_key(KeyWitnesses {
        timestamp_anchors: vec![anchor],
        sigstore: None,
    });
    let at = Some(Time::from_unix(SIGNED_AT));
    for rekor in REKORS {
        let bundle = by_key(rekor).to_string();
        for (root, times) in [
            (&nobody, (None, None)),
            (&logged, (None, at)),
            (&stamped, (at, None)),
        ] {
            let verified = verify::<ModelSignature>(bundle.as_bytes(), root, now()).unwrap();
            let How::Key { stamped, logged_at } = &verified.proof().how else {
                panic!("{:?}", verified.proof());
            };
            assert_eq!((*stamped, *logged_at), times, "{rekor:?}");
            // What it was received as is what is written again.
            let read = trust::Bundle::parse(bundle.as_bytes()).unwrap();
            assert_eq!(read.to_bytes(), bundle.as_bytes());
        }
    }
}

/// Where a log is asked for, each proof is: dropped or altered, it is refused.
#[test]
fn a_logged_keys_proofs_must_hold() {
    let logged = trusting_logged_key(&root());
    let refused = |bundle: &Value, code: &str, words: &str| {
        let got = said(bundle, &logged);
        assert!(got.0 == code && got.1.contains(words), "{words}: {got:?}");
    };
    let invalid = "log_proof_invalid";
    let entries = "/verificationMaterial/tlogEntries";
    for rekor in REKORS {
        let bundle = by_key(rekor);
        let at = |place: &str| format!("{ENTRY}/{place}");
        refused(&with(&bundle, entries, json!([])), invalid, "in no log");
        let drop = |place: &str| with(&bundle, &at(place), Value::Null);
        refused(&drop("inclusionProof"), invalid, "no inclusion proof");
        refused(&drop("inclusionProof/checkpoint"), invalid, "no checkpoint");
        let hashes = with(&bundle, &at("inclusionProof/hashes"), json!([]));
        refused(&hashes, invalid, "not in the log's tree");
        let size = with(&bundle, &at("inclusionProof/treeSize"), json!("5"));
        refused(&size, invalid, "another size");
        let unknown = with(&bundle, &at("logId/keyId"), json!("AAAA"));
        refused(&unknown, invalid, "does not name the log");
        // The entry of a certificate for the same key and payload.
        let foreign = Draught::new(rekor).bundle().pointer(ENTRY).unwrap().clone();
        refused(&with(&bundle, ENTRY, foreign), invalid, "another key");
        let mut other = Draught::new(rekor);
        (other.is_by_key, other.entered) = (true, Some(b"another".to_vec()));
        refused(&other.bundle(), invalid, "another payload");
        let mut unstamped = Draught::new(rekor);
        (unstamped.is_by_key, unstamped.is_stamped) = (true, false);
        match rekor.promises() {
            true => {
                assert_eq!(said(&unstamped.bundle(), &logged).0, "accept");
                refused(&drop("inclusionPromise"), invalid, "no promise");
                let late = with(&bundle, &at("integratedTime"), json!("1735689601"));
                refused(&late, invalid, "not signed by it");
            }
            false => refused(&unstamped.bundle(), "timestamp_invalid", "neither a log"),
        }
        for part in ["tlogs", "timestampAuthorities"] {
            let mut without = root();
            without[part] = json!([]);
            let got = said(&bundle, &trusting_logged_key(&without)).0;
            assert!(
                got == invalid || got == "timestamp_invalid",
                "{part}: {got}"
            );
        }
    }
    // A time after now.
    let bundle = by_key(Rekor::First).to_string();
    let before = Time::from_unix(SIGNED_AT - 1);
    let early = verify::<ModelSignature>(bundle.as_bytes(), &logged, before).unwrap_err();
    assert_eq!(early.code().as_str(), "timestamp_invalid");
}

#[test]
fn a_stamp_on_a_keys_signature_must_be_right() {
    let anchor = Certificate::from_der(&testkit::certificates::stamping_root()).unwrap();
    let stamped = trusting_key(KeyWitnesses {
        timestamp_anchors: vec![anchor],
        sigstore: None,
    });
    let bundle = by_key(Rekor::Second);
    let token = testkit::certificates::Stamp::of(b"other").token();
    let stamp = json!({"signedTimestamp": data_encoding::BASE64.encode(&token)});
    let stamps = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
    assert_eq!(
        said(&with(&bundle, stamps, json!([stamp])), &stamped).0,
        "timestamp_invalid"
    );
    let before = Time::from_unix(SIGNED_AT - 1);
    let text = bundle.to_string();
    let early = verify::<ModelSignature>(text.as_bytes(), &stamped, before).unwrap_err();
    assert_eq!(early.code().as_str(), "timestamp_invalid");
    // A name of another key is refused, whoever signed.
    let hint = "/verificationMaterial/publicKey/hint";
    let other = with(&bundle, hint, json!(data_encoding::BASE64.encode(&[7; 32])));
    assert_eq!(said(&other, &stamped).0, "key_unknown");
}

/// The forms before 0.3, with the whole chain: in today's form they are believed as before, and are refused with less.
#[test]
fn an_older_form_is_written_anew() {
    let root = trusting_identity(&root());
    for rekor in REKORS {
        let newest = Draught::new(rekor).bundle();
        let mut older = newest.clone();
        older["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.2");
        let material = older["verificationMaterial"].as_object_mut().unwrap();
        let leaf = material.remove("certificate").unwrap();
        let authority = self::root()
            .pointer("/certificateAuthorities/0/certChain/certificates/0")
            .cloned();
        material.insert(
            "x509CertificateChain".into(),
            json!({"certificates": [leaf, authority]}),
        );
        assert_eq!(said(&older, &root).0, "accept");
        let read = trust::Bundle::parse(older.to_string().as_bytes()).unwrap();
        assert!(read.is_older_form());
        let written: Value = serde_json::from_slice(&read.to_newest().unwrap()).unwrap();
        let mut wanted = newest.clone();
        // A signature's empty name of a key is left out or written; all else is as it was.
        wanted["dsseEnvelope"] = written["dsseEnvelope"].clone();
        assert_eq!(written, wanted, "{rekor:?}");
        assert_eq!(said(&written, &root).0, "accept");
        let again = trust::Bundle::parse(written.to_string().as_bytes()).unwrap();
        assert!(!again.is_older_form());
        assert_eq!(again.to_newest().unwrap(), written.to_string().into_bytes());
        let promised = with(&older, &format!("{ENTRY}/inclusionProof"), Value::Null);
        let promised = trust::Bundle::parse(promised.to_string().as_bytes()).unwrap();
        assert!(promised.to_newest().is_err());
    }
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
        refused(&draught.bundle(), "certificate_untrusted", "codeSigning");
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
