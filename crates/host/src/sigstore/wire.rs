//! What the services are asked, and what of their answers goes into a bundle. Nothing of it is believed here.

use data_encoding::{BASE64, HEXLOWER};
use decode::json::{self, Limits};
use digest::Digest;
use serde::Deserialize;
use serde_json::{Value, json};
use trust::Envelope;
use trust::x509::Certificate;

/// An envelope as bundles and logs have it.
pub(super) fn envelope(envelope: &Envelope) -> Value {
    let signature = |bytes: &Vec<u8>| json!({"sig": BASE64.encode(bytes), "keyid": ""});
    let signatures: Vec<Value> = envelope.signatures.iter().map(signature).collect();
    json!({
        "payload": BASE64.encode(envelope.payload()),
        "payloadType": envelope.payload_type(),
        "signatures": signatures,
    })
}

/// The leaf of a certificate authority's answer, in PEM. One whose log's word came apart from it is of no use in a bundle.
pub(super) fn first_certificate(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        signed_certificate_embedded_sct: Certified,
    }
    #[derive(Deserialize)]
    struct Certified {
        chain: Chain,
    }
    #[derive(Deserialize)]
    struct Chain {
        certificates: Vec<String>,
    }
    let answer: Answer = json::from_slice(answer, Limits::SMALL).ok()?;
    let chain = answer.signed_certificate_embedded_sct.chain;
    chain.certificates.into_iter().next()
}

/// What Rekor v1 is asked to enter.
pub(super) fn first_request(enclosed: &Envelope, leaf: &Certificate) -> Value {
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {"proposedContent": {
            "envelope": envelope(enclosed).to_string(),
            "verifiers": [BASE64.encode(leaf.to_pem().as_bytes())],
        }},
    })
}

/// Rekor v1's entry, in the bundle's form.
pub(super) fn first_entry(answer: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        body: String,
        integrated_time: u64,
        #[serde(rename = "logID")]
        log_id: String,
        log_index: u64,
        verification: Verification,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Verification {
        inclusion_proof: Proof,
        signed_entry_timestamp: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Proof {
        checkpoint: String,
        hashes: Vec<String>,
        log_index: u64,
        root_hash: String,
        tree_size: u64,
    }
    let answer: std::collections::BTreeMap<String, Entry> =
        json::from_slice(answer, Limits::SMALL).ok()?;
    let mut entries = answer.into_values();
    let entry = entries.next().filter(|_| entries.len() == 0)?;
    let base64 = |hex: &str| Some(BASE64.encode(&HEXLOWER.decode(hex.as_bytes()).ok()?));
    let proof = entry.verification.inclusion_proof;
    let hashes: Option<Vec<String>> = proof.hashes.iter().map(|hash| base64(hash)).collect();
    Some(json!({
        "logIndex": entry.log_index.to_string(),
        "logId": {"keyId": base64(&entry.log_id)?},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": entry.integrated_time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": entry.verification.signed_entry_timestamp},
        "inclusionProof": {
            "logIndex": proof.log_index.to_string(),
            "rootHash": base64(&proof.root_hash)?,
            "treeSize": proof.tree_size.to_string(),
            "hashes": hashes?,
            "checkpoint": {"envelope": proof.checkpoint},
        },
        "canonicalizedBody": entry.body,
    }))
}

/// What Rekor v2 is asked to enter: it takes an envelope as the hash of what its signature is over.
pub(super) fn second_request(enclosed: &Envelope, leaf: &Certificate) -> Value {
    json!({"hashedRekordRequestV002": {
        "digest": BASE64.encode(Digest::of(enclosed.signed_bytes()).raw()),
        "signature": {
            "content": BASE64.encode(&enclosed.signatures[0]),
            "verifier": {
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "x509Certificate": {"rawBytes": BASE64.encode(leaf.as_der())},
            },
        },
    }})
}

/// Rekor v2's entry, which is in the bundle's form already.
pub(super) fn second_entry(answer: &[u8]) -> Option<Value> {
    // Read strictly first: doubled keys would be lost in the second reading.
    let _: json::Value = json::from_slice(answer, Limits::SMALL).ok()?;
    serde_json::from_slice(answer).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_authority_has_a_leaf() {
        let answer =
            r#"{"signedCertificateEmbeddedSct":{"chain":{"certificates":["leaf","root"]}}}"#;
        assert_eq!(
            first_certificate(answer.as_bytes()).as_deref(),
            Some("leaf")
        );
        for (from, to) in [
            ("Embedded", "Detached"),
            ("[\"leaf\",\"root\"]", "[]"),
            ("\"chain\"", "\"chian\""),
            ("}}}", "}}"),
        ] {
            let bad = answer.replace(from, to);
            assert_ne!(bad, answer);
            assert_eq!(first_certificate(bad.as_bytes()), None, "{from} -> {to}");
        }
    }

    #[test]
    fn an_entry_of_the_first_log_is_turned_into_the_bundles() {
        let answer = r#"{"ab":{"body":"Qg==","integratedTime":7,"logID":"00ff","logIndex":9,"attestation":{},
            "verification":{"signedEntryTimestamp":"Uw==","inclusionProof":{"checkpoint":"c","hashes":["01"],
            "logIndex":8,"rootHash":"02","treeSize":10}}}}"#;
        let entry = first_entry(answer.as_bytes()).unwrap();
        assert_eq!(entry["logId"]["keyId"], "AP8=");
        assert_eq!(entry["inclusionProof"]["hashes"], json!(["AQ=="]));
        assert_eq!(entry["inclusionProof"]["logIndex"], "8");
        assert_eq!(
            (&entry["logIndex"], &entry["integratedTime"]),
            (&json!("9"), &json!("7"))
        );
        for (from, to) in [
            ("\"01\"", "\"0\""),
            ("00ff", "00fg"),
            ("treeSize", "size"),
            ("\"ab\":{", "\"aa\":1,\"ab\":{"),
            ("\"logIndex\":9", "\"logIndex\":9,\"logIndex\":9"),
        ] {
            let bad = answer.replacen(from, to, 1);
            assert_ne!(bad, answer);
            assert!(first_entry(bad.as_bytes()).is_none(), "{from} -> {to}");
        }
        assert!(second_entry(b"{\"a\":1,\"a\":1}").is_none() && second_entry(b"[]").is_none());
    }
}
