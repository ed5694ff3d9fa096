//! What was signed about an image, in cosign's words: found where it refers to the image, and printed as its envelope.

use data_encoding::BASE64;
use digest::Digest;
use serde_json::{Value, json};

use super::registry::{self, Answer, Registry};
use super::{FILES, MANIFEST, descriptor, manifest, with_key, write_layout};
use crate::schema;
use crate::workshop::Workshop;

const TYPE: &str = "https://example.com/t/v1";
const BY_KEY: &str = "--key key.pub --insecure-ignore-tlog";

/// The forms of answers about images.
pub(crate) fn forms() -> [String; 2] {
    let workshop = with_key();
    let image = manifest(&FILES, b"{}").to_string();
    let listed = descriptor(MANIFEST, image.as_bytes());
    write_layout(
        &workshop,
        std::slice::from_ref(&listed),
        &[image.as_bytes()],
    );
    let bundle = attested(&workshop, "oci-layout://layout", TYPE);
    let holder = registry::bundle_manifest(&bundle, image.as_bytes()).to_string();
    let blobs = [image.as_bytes(), &bundle, holder.as_bytes()];
    write_layout(&workshop, &[listed, registry::referrer(&holder)], &blobs);
    let line = format!("verify-attestation {BY_KEY} --type {TYPE} oci-layout://layout");
    let attest = "attest --predicate predicate.json --key key.pem --no-upload --bundle out.json oci-layout://layout";
    [
        schema::check("attest", &workshop.allowed(attest)),
        schema::check("verify-attestation", &workshop.allowed(&line)),
    ]
}

/// A bundle of a predicate about an image: of the registry or layout that is named.
fn attested(workshop: &Workshop, image: &str, kind: &str) -> Vec<u8> {
    workshop.write("predicate.json", "{\"a\":1}");
    let line = format!(
        "attest --predicate predicate.json --type {kind} --key key.pem --no-upload --bundle out.json {image}"
    );
    let said = workshop.allowed(&line);
    assert_eq!(said["bundle"], "out.json");
    workshop.read("out.json")
}

fn payload(line: &str) -> Value {
    let envelope: Value = serde_json::from_str(line).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    let payload = envelope["payload"].as_str().unwrap();
    serde_json::from_slice(&BASE64.decode(payload.as_bytes()).unwrap()).unwrap()
}

#[test]
fn an_images_statements_are_found_in_a_layout() {
    let workshop = with_key();
    let image = manifest(&FILES, b"{}").to_string();
    let (bytes, digest) = (image.as_bytes(), Digest::of(image.as_bytes()));
    let listed = descriptor(MANIFEST, bytes);
    write_layout(&workshop, std::slice::from_ref(&listed), &[bytes]);
    let verify = format!("verify-attestation {BY_KEY} --type {TYPE} oci-layout://layout");
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    let bundle = attested(&workshop, "oci-layout://layout", TYPE);
    let other = attested(&workshop, "oci-layout://layout", "vuln");
    let holders = [&bundle, &other].map(|it| registry::bundle_manifest(it, bytes).to_string());
    let listed = [
        &[listed][..],
        &holders.each_ref().map(|it| registry::referrer(it)),
    ]
    .concat();
    let blobs = [
        bytes,
        &bundle,
        &other,
        holders[0].as_bytes(),
        holders[1].as_bytes(),
    ];
    write_layout(&workshop, &listed, &blobs);
    for verify in [
        verify.clone(),
        verify.replace("oci-layout://layout", "--local-image layout"),
    ] {
        let said = workshop.yes(&verify);
        assert!(
            said.stderr
                .contains("The following checks were performed on each of these signatures:"),
            "{said:?}"
        );
        // What was not checked is not said to have been.
        assert!(!said.stderr.contains("transparency log"), "{said:?}");
        assert_eq!(said.stdout.lines().count(), 1);
        let said = payload(&said.stdout);
        assert_eq!(
            (&said["predicateType"], &said["predicate"]),
            (&json!(TYPE), &json!({"a": 1}))
        );
        assert_eq!(said["subject"][0]["digest"]["sha256"], digest.hex());
    }
    let answer = workshop.allowed(&verify);
    assert_eq!(
        (&answer["digest"], &answer["statements"][0]["predicateType"]),
        (&json!(digest.to_string()), &json!(TYPE))
    );
    assert_eq!(
        workshop.denied(&verify.replace(TYPE, "custom")),
        ["subject_mismatch", "subject_mismatch"]
    );
    workshop.write(
        "other.pub",
        std::fs::read(format!("{}/p384.pub.pem", super::KEYS)).unwrap(),
    );
    assert_eq!(
        workshop.denied(&verify.replace("key.pub", "other.pub")),
        ["key_unknown"]
    );
    // The same bundle, said to be about another image.
    let another = manifest(&FILES[1..], b"{}").to_string();
    let holder = registry::bundle_manifest(&bundle, another.as_bytes()).to_string();
    let listed = [
        descriptor(MANIFEST, another.as_bytes()),
        registry::referrer(&holder),
    ];
    write_layout(
        &workshop,
        &listed,
        &[another.as_bytes(), &bundle, holder.as_bytes()],
    );
    assert_eq!(workshop.denied(&verify), ["subject_mismatch"]);
}

#[test]
fn an_images_statements_are_found_in_a_registry() {
    let workshop = with_key();
    let registry = Registry::start();
    let image = manifest(&FILES, b"{}").to_string();
    let digest = registry.push(image.as_bytes());
    registry.answer("/v2/m/manifests/v1", Answer::ok(image.as_bytes()));
    registry.list(digest, &[]);
    // cosign names images without a scheme.
    let name = format!("{}/m@{digest}", registry.address);
    let bundle = attested(&workshop, &name, TYPE);
    let statement: Value = serde_json::from_slice(&bundle).unwrap();
    let subject = payload(&statement["dsseEnvelope"].to_string())["subject"][0].clone();
    assert_eq!(
        subject,
        json!({"name": format!("{}/m", registry.address), "digest": {"sha256": digest.hex()}})
    );
    let verify = format!("verify-attestation {BY_KEY} --type {TYPE} {name}");
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    let listed = registry.push_bundle(&bundle, image.as_bytes());
    registry.list(digest, &[listed]);
    assert_eq!(
        payload(&workshop.yes(&verify).stdout)["predicateType"],
        TYPE
    );
    let by_tag = verify.replace(&format!("@{digest}"), ":v1");
    let said = workshop.yes(&by_tag);
    assert!(
        said.stderr
            .contains("a tag may mean another image tomorrow"),
        "{said:?}"
    );
    // Whoever can't be asked may have had it.
    registry.answer(
        &format!("/v2/m/referrers/{digest}"),
        Answer::status(500, ""),
    );
    assert_eq!(workshop.error(&verify), "network");
    let line = format!("attest --predicate predicate.json --key key.pem --bundle out.json {name}");
    assert_eq!(workshop.error(&line), "usage");
}
