//! The public vectors' chains, where they are: what the specification says of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use data_encoding::BASE64;
use serde_json::Value;
use trust::timestamp;
use trust::x509::{self, Certificate, ChainError, Identity, Purpose};

use crate::certificates::AT;

fn folder() -> Option<PathBuf> {
    std::env::var_os("MODELWARD_VECTORS").map(|folder| PathBuf::from(folder).join("oms"))
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn pem(path: PathBuf) -> Vec<Certificate> {
    Certificate::all_from_pem(&fs::read_to_string(path).unwrap()).unwrap()
}

fn certificate(raw: &Value) -> Certificate {
    let der = BASE64.decode(raw["rawBytes"].as_str().unwrap().as_bytes());
    Certificate::from_der(&der.unwrap()).unwrap()
}

fn verdict(bundle: &Value, anchors: &[Certificate]) -> Result<(), ChainError> {
    let chain = &bundle["verificationMaterial"]["x509CertificateChain"]["certificates"];
    let chain: Vec<Certificate> = chain.as_array().unwrap().iter().map(certificate).collect();
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    x509::chain::verify(&chain[0], &chain[1..], anchors, at, Purpose::Signing).map(drop)
}

#[test]
fn chains_of_the_reference_are_as_the_specification_says() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("generated");
    let anchors = pem(folder.join("keys/ca.crt"));
    let cases = json(folder.join("CASES.json"));
    let mut verdicts = BTreeMap::new();
    for case in cases["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if !name.starts_with("cert-") {
            continue;
        }
        let bundle = json(folder.join(case["bundle"].as_str().unwrap()));
        let verdict = verdict(&bundle, &anchors);
        match case["spec_verdict"].as_str().unwrap() {
            "accept" => assert_eq!(verdict, Ok(()), "{name}"),
            "reject" => assert!(verdict.is_err(), "{name}"),
            // A key for servers that may sign, too: what it is for is what counts here.
            _ => assert!(matches!(verdict, Err(ChainError::Leaf { .. })), "{name}"),
        }
        verdicts.insert(name.to_owned(), verdict);
    }
    assert_eq!(verdicts.len(), 8);
    assert!(matches!(
        verdicts["cert-leafexp"],
        Err(ChainError::Expired { .. })
    ));
    assert!(matches!(
        verdicts["cert-leaffut"],
        Err(ChainError::NotYetValid { .. })
    ));
    assert!(matches!(
        verdicts["cert-leafintexp"],
        Err(ChainError::Expired { .. })
    ));
    assert!(matches!(
        verdicts["cert-leafnoku"],
        Err(ChainError::Leaf { .. })
    ));
}

#[test]
fn chains_of_every_release_are_accepted() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("python-historical");
    let anchors = pem(folder.join("keys/certificate/ca-cert.pem"));
    let foreign = pem(folder.join("../generated/keys/ca.crt"));
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with("-certificate") {
            continue;
        }
        let bundle = json(path.join("model.sig"));
        assert_eq!(verdict(&bundle, &anchors), Ok(()), "{}", path.display());
        assert!(verdict(&bundle, &foreign).is_err(), "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn sigstores_certificate_and_timestamp_are_read() {
    let Some(folder) = folder() else { return };
    let bundle = json(folder.join("python-historical/v1.1.0-sigstore/model.sig"));
    let root = json(folder.join("sigstore-offline/trusted_root.production.json"));
    let chain = |authority: &Value| {
        let chain = authority["certChain"]["certificates"].as_array().unwrap();
        let chain: Vec<Certificate> = chain.iter().map(certificate).collect();
        chain
    };
    let material = &bundle["verificationMaterial"];
    let stamps = &material["timestampVerificationData"]["rfc3161Timestamps"];
    let token = stamps[0]["signedTimestamp"].as_str().unwrap();
    let token = BASE64.decode(token.as_bytes()).unwrap();
    let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"]
        .as_str()
        .unwrap();
    let signature = BASE64.decode(signature.as_bytes()).unwrap();
    let stamping = chain(&root["timestampAuthorities"][0]);
    let (anchor, others) = stamping.split_last().unwrap();
    let anchor = std::slice::from_ref(anchor);
    let timestamp = timestamp::verify(&token, &signature, others, anchor).unwrap();
    assert_eq!(timestamp.time.to_string(), "2025-10-10T02:12:20Z");
    assert!(timestamp::verify(&token, &signature[1..], others, anchor).is_err());

    let leaf = certificate(&material["certificate"]);
    let issuing = chain(&root["certificateAuthorities"][1]);
    let (anchor, others) = issuing.split_last().unwrap();
    let anchor = std::slice::from_ref(anchor);
    let at = timestamp.time;
    x509::chain::verify(&leaf, others, anchor, at, Purpose::Signing).unwrap();
    let late = AT.parse().unwrap();
    let late = x509::chain::verify(&leaf, others, anchor, late, Purpose::Signing);
    assert!(matches!(late, Err(ChainError::Expired { .. })));
    let identity: Identity = "email:stefanb@us.ibm.com".parse().unwrap();
    assert_eq!(identity.check(&leaf), Ok(()));
    assert_eq!(
        leaf.extensions().oidc_issuer.as_deref(),
        Some("https://sigstore.verify.ibm.com/oauth2")
    );
}
