//! Models as OCI artifacts: signed and verified by what a manifest names, wherever the manifest is.

use digest::Digest;
use serde_json::{Value, json};

use crate::workshop::Workshop;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../trust/testdata/keys");
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BY_KEY: &str = "--public-key key.pub";

/// A folder with a key, and no store.
fn with_key() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write(
        "key.pub",
        std::fs::read(format!("{KEYS}/p256.pub.pem")).unwrap(),
    );
    workshop
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// A manifest of files, as `oras push` writes it.
fn manifest(files: &[(&str, &str)], config: &[u8]) -> Value {
    let layer = |(name, bytes): &(&str, &str)| {
        let mut layer = descriptor("application/octet-stream", bytes.as_bytes());
        layer["annotations"] = json!({"org.opencontainers.image.title": name});
        layer
    };
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.model",
           "config": descriptor("application/vnd.oci.empty.v1+json", config),
           "layers": files.iter().map(layer).collect::<Vec<_>>()})
}

const FILES: [(&str, &str); 3] = [
    ("config.json", "{\"a\":1}"),
    ("sub/vocab.txt", "a b"),
    ("weights.bin", "0123"),
];

#[test]
fn a_manifest_alone_is_signed_and_verified() {
    let workshop = with_key();
    workshop.write(
        "manifest.json",
        manifest(&FILES[1..], b"{\"c\":2}").to_string(),
    );
    let signed = workshop.allowed("sign oci-manifest://manifest.json --private-key key.pem");
    let names = json!(["config.json", "sub/vocab.txt", "weights.bin"]);
    assert_eq!((&signed["blobs"], &signed["read"]), (&names, &json!(false)));
    let said = workshop.allowed("inspect manifest.json.sig --public-key key.pub");
    assert_eq!(said["subjects"][0]["name"], "manifest");
    let verify = format!("verify oci-manifest://manifest.json {BY_KEY}");
    let verified = workshop.allowed(&verify);
    assert_eq!(verified["blobs"], names);
    assert_eq!(
        (&verified["partial"], &verified["read"]),
        (&json!(true), &json!(false))
    );
    assert!(verified["model"].is_null() && verified["files"].is_null());
    let text = workshop.yes(&verify).stdout;
    assert!(
        text.starts_with("verified by manifest: ") && text.contains("not read"),
        "{text}"
    );
    // Another digest, another name, one more, one less, another config: each is another artifact.
    let good = String::from_utf8(workshop.read("manifest.json")).unwrap();
    let other = Digest::of(b"other").to_string();
    for (from, to, codes) in [
        (
            Digest::of(b"0123").to_string(),
            other.clone(),
            vec!["digest_mismatch"],
        ),
        (
            Digest::of(b"{\"c\":2}").to_string(),
            other,
            vec!["digest_mismatch"],
        ),
        (
            "weights.bin".into(),
            "weights.ckpt".into(),
            vec!["file_extra", "file_missing"],
        ),
    ] {
        workshop.write("manifest.json", good.replacen(&from, &to, 1));
        let mut denied = workshop.denied(&verify);
        denied.sort();
        assert_eq!(denied, codes, "{from}");
    }
    workshop.write(
        "manifest.json",
        manifest(&FILES[2..], b"{\"c\":2}").to_string(),
    );
    assert_eq!(workshop.denied(&verify), ["file_missing"]);
    // What is not signed may differ, and is not believed.
    workshop.write("manifest.json", good.replacen("vnd.example.model", "x", 1));
    workshop.yes(&verify);
    // As a file of its own it is none that was signed.
    let denied = workshop.denied("verify manifest.json --public-key key.pub");
    assert!(denied.contains(&"file_extra".to_owned()), "{denied:?}");
}

/// Files that were signed in a folder, and pushed one by one, are as they were signed; and the other way round.
#[test]
fn one_signature_serves_the_folder_and_its_manifest() {
    let workshop = with_key();
    for (name, bytes) in FILES {
        workshop.write(&format!("model/{name}"), bytes);
    }
    workshop.write("manifest.json", manifest(&FILES, b"{}").to_string());
    workshop.yes("sign model --private-key key.pem");
    let verify = format!("verify oci-manifest://manifest.json --signature model.sig {BY_KEY}");
    workshop.yes(&verify);
    workshop
        .yes("sign oci-manifest://manifest.json --private-key key.pem --signature by-manifest.sig");
    workshop.yes(&format!(
        "verify model --signature by-manifest.sig {BY_KEY}"
    ));
    // A config that says something is part of the artifact, and nobody signed it.
    workshop.write(
        "manifest.json",
        manifest(&FILES[1..], b"{\"c\":2}").to_string(),
    );
    assert_eq!(workshop.denied(&verify), ["digest_mismatch"]);
    workshop.write("manifest.json", manifest(&FILES, b"{\"c\":2}").to_string());
    assert_eq!(workshop.error(&verify), "manifest_invalid");
    // What a folder's signature leaves out is told, and covered by nothing.
    let more = [&FILES[..], &[(".gitattributes", "x")]].concat();
    workshop.write("manifest.json", manifest(&more, b"{}").to_string());
    assert_eq!(
        workshop.allowed(&verify)["ignored"],
        json!([".gitattributes"])
    );
    let more = [&FILES[..], &[("extra", "x")]].concat();
    workshop.write("manifest.json", manifest(&more, b"{}").to_string());
    assert_eq!(workshop.denied(&verify), ["file_extra"]);
    // A single file, which goes by no name in its signature.
    workshop.write("w.bin", "0123");
    workshop.yes("sign w.bin --private-key key.pem");
    workshop.write(
        "manifest.json",
        manifest(&[("other.bin", "0123")], b"{}").to_string(),
    );
    workshop.yes(&format!(
        "verify oci-manifest://manifest.json --signature w.bin.sig {BY_KEY}"
    ));
}

/// A signature by manifest is no recorded statement, and a manifest no model: no gate begins with either.
#[test]
fn no_gate_takes_a_manifest() {
    let workshop = Workshop::with_data();
    workshop.write("manifest.json", manifest(&FILES, b"{}").to_string());
    assert_eq!(workshop.error("sign oci-manifest://manifest.json"), "usage");
    for line in [
        crate::workshop::publish("prod"),
        crate::workshop::deploy("prod"),
        crate::workshop::admit("prod", crate::workshop::PROD),
    ] {
        let line = line.replacen("out/digits", "oci-manifest://manifest.json", 1);
        assert!(line.contains("oci-manifest"), "{line}");
        assert_eq!(workshop.error(&line), "not_found", "{line}");
    }
}

#[test]
fn what_is_no_manifest_or_reference_is_refused() {
    let workshop = with_key();
    workshop.write("a.json", "{\"schemaVersion\":2}");
    workshop.write("index.json", "{\"schemaVersion\":2,\"manifests\":[]}");
    workshop.write("long.json", vec![b' '; (4 << 20) + 1]);
    for file in ["a.json", "index.json", "long.json", "key.pub"] {
        let line = format!("sign oci-manifest://{file} --private-key key.pem");
        assert_eq!(workshop.error(&line), "manifest_invalid", "{file}");
    }
    for (line, code) in [
        (
            "sign oci-manifest://gone.json --private-key key.pem",
            "not_found",
        ),
        (
            "sign oci-manifest://a.json --private-key key.pem --hash blake3",
            "usage",
        ),
        (
            "sign oci-manifest://a.json --private-key key.pem --ignore x",
            "usage",
        ),
        ("sign oci-layout://x --private-key key.pem", "usage"),
        (
            "verify oci-manifest://a.json --public-key key.pub --only x",
            "usage",
        ),
        ("verify oci-manifest:// --public-key key.pub", "usage"),
        ("verify oci://host/name --public-key key.pub", "usage"),
        (
            "verify oci://user@host/name:tag --public-key key.pub",
            "usage",
        ),
    ] {
        assert_eq!(workshop.error(line), code, "{line}");
    }
}
