//! Keyless bundles of released tools: accepted, and refused once any proof in them is missing or another.

use serde_json::{Value, json};
use trust::{Role, SigstoreRoot};

use super::vectors::{folder, identified};
use super::*;

/// The keyless bundles that there are, by their names.
fn bundles() -> Vec<(String, Value)> {
    let Some(folder) = folder() else {
        return Vec::new();
    };
    let mut paths: Vec<_> = ["v0.3.1", "v1.0.0", "v1.0.1", "v1.1.0"]
        .map(|version| format!("python-historical/{version}-sigstore/model.sig"))
        .to_vec();
    paths.push("spec-test-vectors/v1.0/valid/sigstore.bundle.json".to_owned());
    let read = |path: String| {
        let bytes = std::fs::read(folder.join(&path)).unwrap();
        (path, serde_json::from_slice(&bytes).unwrap())
    };
    paths.into_iter().map(read).collect()
}

fn said(bundle: &[u8], root: &TrustRoot, now: Time) -> &'static str {
    match verify::<ModelSignature>(bundle, root, now) {
        Ok(_) => "accept",
        Err(error) => error.code().as_str(),
    }
}

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
const STAMP: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0";

/// The bundle without the member at this place.
fn without(bundle: &Value, pointer: &str) -> Option<Value> {
    let mut twin = bundle.clone();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match twin.pointer_mut(parent)? {
        Value::Object(members) => members.remove(member).map(|_| ()),
        Value::Array(items) => (!items.is_empty()).then(|| drop(items.remove(0))),
        _ => None,
    }?;
    Some(twin)
}

/// The bundle with every `step`th byte of the base64 value at this place changed, each in its own twin.
fn altered(bundle: &Value, pointer: &str, step: usize) -> Vec<Value> {
    let Some(text) = bundle.pointer(pointer).and_then(Value::as_str) else {
        return Vec::new();
    };
    let bytes = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    let twin = |at: usize| {
        let (mut twin, mut bytes) = (bundle.clone(), bytes.clone());
        bytes[at] ^= 1;
        *twin.pointer_mut(pointer).unwrap() = data_encoding::BASE64.encode(&bytes).into();
        twin
    };
    (0..bytes.len()).step_by(step).map(twin).collect()
}

#[test]
fn each_proof_that_is_missing_is_a_refusal() {
    for (name, bundle) in bundles() {
        let refusal = |pointer: &str| {
            let twin = without(&bundle, pointer)?;
            Some(said(twin.to_string().as_bytes(), &identified(), now()))
        };
        assert_eq!(
            said(bundle.to_string().as_bytes(), &identified(), now()),
            "accept",
            "{name}"
        );
        for (pointer, code) in [
            (ENTRY, "bundle_invalid"),
            (
                &*format!("{ENTRY}/inclusionPromise") as &str,
                "log_proof_invalid",
            ),
            (&format!("{ENTRY}/inclusionProof"), "log_proof_invalid"),
            (
                &format!("{ENTRY}/inclusionProof/checkpoint"),
                "log_proof_invalid",
            ),
            (
                &format!("{ENTRY}/inclusionProof/hashes/0"),
                "log_proof_invalid",
            ),
            (
                &format!("{ENTRY}/inclusionProof/logIndex"),
                "log_proof_invalid",
            ),
            (
                &format!("{ENTRY}/inclusionProof/rootHash"),
                "bundle_invalid",
            ),
            (
                &format!("{ENTRY}/inclusionProof/treeSize"),
                "bundle_invalid",
            ),
            (&format!("{ENTRY}/integratedTime"), "log_proof_invalid"),
            (&format!("{ENTRY}/logIndex"), "log_proof_invalid"),
            (&format!("{ENTRY}/logId"), "bundle_invalid"),
            (&format!("{ENTRY}/kindVersion"), "bundle_invalid"),
            (&format!("{ENTRY}/canonicalizedBody"), "bundle_invalid"),
            ("/verificationMaterial/certificate", "bundle_invalid"),
            ("/verificationMaterial/tlogEntries", "bundle_invalid"),
            ("/dsseEnvelope/signatures/0", "bundle_invalid"),
            ("/dsseEnvelope/payload", "bundle_invalid"),
        ] {
            assert_eq!(refusal(pointer), Some(code), "{name}: {pointer}");
        }
        // Releases before 1.1.0 wrote none, and nothing in the others says that there was one: the promise has the time.
        assert!(refusal(STAMP).is_none_or(|said| said == "accept"), "{name}");
    }
}

#[test]
fn each_proof_that_is_another_is_a_refusal() {
    for (name, bundle) in bundles() {
        for (pointer, step, codes) in [
            // Each byte of a certificate is its issuer's word, or the signer's key: chain, SCT, identity.
            (
                "/verificationMaterial/certificate/rawBytes",
                5,
                &[
                    "bundle_invalid",
                    "certificate_untrusted",
                    "signature_invalid",
                    "log_proof_invalid",
                ][..],
            ),
            ("/dsseEnvelope/payload", 97, &["signature_invalid"]),
            ("/dsseEnvelope/signatures/0/sig", 1, &["signature_invalid"]),
            (&*format!("{ENTRY}/logId/keyId"), 1, &["log_proof_invalid"]),
            (
                &format!("{ENTRY}/inclusionPromise/signedEntryTimestamp"),
                1,
                &["log_proof_invalid"],
            ),
            (
                &format!("{ENTRY}/inclusionProof/rootHash"),
                1,
                &["log_proof_invalid"],
            ),
            (
                &format!("{ENTRY}/inclusionProof/hashes/0"),
                1,
                &["log_proof_invalid"],
            ),
            (
                &format!("{ENTRY}/inclusionProof/hashes/7"),
                1,
                &["log_proof_invalid"],
            ),
            (
                &format!("{ENTRY}/canonicalizedBody"),
                7,
                &["log_proof_invalid"],
            ),
        ] {
            for twin in altered(&bundle, pointer, step) {
                let said = said(twin.to_string().as_bytes(), &identified(), now());
                assert!(codes.contains(&said), "{name}: {pointer}: {said}");
            }
        }
        for (pointer, value) in [
            ("logIndex", json!("1")),
            ("integratedTime", json!("1746234603")),
            ("integratedTime", json!("0")),
            ("inclusionProof/logIndex", json!("1")),
            ("inclusionProof/treeSize", json!("84437789")),
            ("inclusionProof/hashes", json!([])),
            ("inclusionProof/checkpoint/envelope", json!("")),
            ("kindVersion/kind", json!("hashedrekord")),
            ("kindVersion/version", json!("0.0.2")),
        ] {
            let mut twin = bundle.clone();
            *twin.pointer_mut(&format!("{ENTRY}/{pointer}")).unwrap() = value;
            let said = said(twin.to_string().as_bytes(), &identified(), now());
            assert_eq!(said, "log_proof_invalid", "{name}: {pointer}");
        }
        each_character_of_the_checkpoint(&name, &bundle);
        each_byte_of_the_timestamp(&name, &bundle);
    }
}

/// Two things in a token mean nothing: which word for "granted" it has, and a certificate that is not on the path. The
/// authority's own is in the root too, so that its copy in the token is not needed.
fn each_byte_of_the_timestamp(name: &str, bundle: &Value) {
    let pointer = format!("{STAMP}/signedTimestamp");
    let Some(text) = bundle.pointer(&pointer).and_then(Value::as_str) else {
        return;
    };
    let token = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    let root: Value = serde_json::from_str(SigstoreRoot::production().text()).unwrap();
    let own = root.pointer("/timestampAuthorities/0/certChain/certificates/0/rawBytes");
    let own = own.and_then(Value::as_str).unwrap();
    let own = data_encoding::BASE64.decode(own.as_bytes()).unwrap();
    let start = token.windows(own.len()).position(|part| part == own);
    let start = start.expect("the token has its authority's certificate");
    const STATUS: usize = 8;
    for (at, twin) in altered(bundle, &pointer, 1).iter().enumerate() {
        let said = said(twin.to_string().as_bytes(), &identified(), now());
        let means_nothing = at == STATUS || (start..start + own.len()).contains(&at);
        assert!(
            said == "timestamp_invalid" || said == "accept" && means_nothing,
            "{name}: byte {at} of the timestamp: {said}"
        );
    }
}

fn each_character_of_the_checkpoint(name: &str, bundle: &Value) {
    let pointer = format!("{ENTRY}/inclusionProof/checkpoint/envelope");
    let envelope: Vec<char> = bundle
        .pointer(&pointer)
        .and_then(Value::as_str)
        .unwrap()
        .chars()
        .collect();
    for at in 0..envelope.len() {
        let mut other = envelope.clone();
        other[at] = if other[at] == 'A' { 'B' } else { 'A' };
        let mut twin = bundle.clone();
        *twin.pointer_mut(&pointer).unwrap() = other.iter().collect::<String>().into();
        let said = said(twin.to_string().as_bytes(), &identified(), now());
        assert_eq!(said, "log_proof_invalid", "{name}: character {at}");
    }
}

#[test]
fn proofs_of_another_signature_are_refused() {
    let bundles = bundles();
    for (name, bundle) in &bundles {
        for (other_name, other) in bundles
            .iter()
            .filter(|other| other != &&(name.clone(), bundle.clone()))
        {
            if other.pointer(ENTRY) == bundle.pointer(ENTRY) {
                continue;
            }
            let mut twin = bundle.clone();
            *twin.pointer_mut(ENTRY).unwrap() = other.pointer(ENTRY).unwrap().clone();
            let got = said(twin.to_string().as_bytes(), &identified(), now());
            assert_eq!(got, "log_proof_invalid", "{name} with {other_name}'s entry");
            let certificate = "/verificationMaterial/certificate";
            let mut twin = bundle.clone();
            *twin.pointer_mut(certificate).unwrap() = other.pointer(certificate).unwrap().clone();
            let got = said(twin.to_string().as_bytes(), &identified(), now());
            assert_eq!(
                got, "signature_invalid",
                "{name} with {other_name}'s certificate"
            );
        }
    }
}

#[test]
fn only_the_right_identity_root_and_time_accept() {
    let with = |identity: &str, issuer: &str, sigstore| {
        TrustRoot::of_identity(identity.into(), issuer.into(), sigstore, Role::Sign)
    };
    let (who, provider) = (
        "stefanb@us.ibm.com",
        "https://sigstore.verify.ibm.com/oauth2",
    );
    let text = SigstoreRoot::production().text().to_owned();
    let root_without = |part: &str| {
        let mut root: Value = serde_json::from_str(&text).unwrap();
        root[part] = json!([]);
        SigstoreRoot::parse(root.to_string().as_bytes()).unwrap()
    };
    for (name, bundle) in bundles() {
        let stamped = bundle.pointer(STAMP).is_some();
        let bundle = bundle.to_string().into_bytes();
        let production = SigstoreRoot::production;
        for (root, code) in [
            (with(who, provider, production()), "accept"),
            (
                with("stefanb@us.ibm.co", provider, production()),
                "identity_mismatch",
            ),
            (
                with("STEFANB@us.ibm.com", provider, production()),
                "identity_mismatch",
            ),
            (with("", provider, production()), "identity_mismatch"),
            (
                with(who, "https://sigstore.verify.ibm.com/oauth2/", production()),
                "identity_mismatch",
            ),
            (
                with(who, "https://accounts.google.com", production()),
                "identity_mismatch",
            ),
            (
                with(who, provider, root_without("tlogs")),
                "log_proof_invalid",
            ),
            (
                with(who, provider, root_without("ctlogs")),
                "log_proof_invalid",
            ),
            (
                with(who, provider, root_without("certificateAuthorities")),
                "certificate_untrusted",
            ),
            (
                with(who, provider, root_without("timestampAuthorities")),
                if stamped {
                    "timestamp_invalid"
                } else {
                    "accept"
                },
            ),
            (
                with(who, provider, SigstoreRoot::staging()),
                if stamped {
                    "timestamp_invalid"
                } else {
                    "log_proof_invalid"
                },
            ),
            (trusting(1, &[]), "key_unknown"),
        ] {
            assert_eq!(said(&bundle, &root, now()), code, "{name}: {root:?}");
        }
        // 2025-01-01: before any of them was signed.
        let early = Time::from_unix(1_735_689_600);
        assert_eq!(
            said(&bundle, &identified(), early),
            "timestamp_invalid",
            "{name}"
        );
    }
}

/// A root in which something was not in use when the bundle was signed refuses it.
#[test]
fn what_was_not_in_use_vouches_for_nothing() {
    let text = SigstoreRoot::production().text().to_owned();
    for (name, bundle) in bundles() {
        let bundle = bundle.to_string().into_bytes();
        for (part, code) in [
            ("tlogs", "log_proof_invalid"),
            ("ctlogs", "log_proof_invalid"),
            ("certificateAuthorities", "certificate_untrusted"),
        ] {
            let mut root: Value = serde_json::from_str(&text).unwrap();
            for instance in root[part].as_array_mut().unwrap() {
                let during = match instance.get_mut("publicKey") {
                    Some(key) => key,
                    None => instance,
                };
                during["validFor"] =
                    json!({"start": "2021-01-01T00:00:00Z", "end": "2024-01-01T00:00:00Z"});
            }
            let sigstore = SigstoreRoot::parse(root.to_string().as_bytes()).unwrap();
            let root = TrustRoot::of_identity(
                "stefanb@us.ibm.com".into(),
                "https://sigstore.verify.ibm.com/oauth2".into(),
                sigstore,
                Role::Sign,
            );
            assert_eq!(said(&bundle, &root, now()), code, "{name}: {part}");
        }
    }
}
