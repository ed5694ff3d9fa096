//! `bundle convert`: signatures of earlier releases in today's form.

use testkit::sigstore::{Draught, Rekor};

use crate::workshop::Workshop;

/// A model, and its signature in the form of releases before 1.1, which held the key.
fn with_old_signature() -> Workshop {
    let workshop = Workshop::with_data();
    workshop.write("model/w", "w");
    workshop.yes("sign model");
    let keys = workshop.allowed("key list")["keys"].clone();
    let pem = keys[0]["publicKey"].as_str().unwrap();
    workshop.write("k.pub", pem);
    let hint = keys[0]["id"]
        .as_str()
        .unwrap()
        .trim_start_matches("sha256:");
    let raw = data_encoding::BASE64.encode(pem.as_bytes());
    std::fs::copy(workshop.file("model.sig"), workshop.file("new.sig")).unwrap();
    workshop.replace(
        "model.sig",
        &format!("\"hint\":\"{hint}\"}},\"tlogEntries\":[]"),
        &format!("\"rawBytes\":\"{raw}\",\"keyDetails\":\"PKIX_ECDSA_P256_SHA_256\"}}"),
    );
    workshop.replace("model.sig", "\"keyid\":\"\"", "\"keyid\":null");
    workshop
}

#[test]
fn an_old_form_becomes_the_new_one_and_nothing_signed_changes() {
    let workshop = with_old_signature();
    workshop.yes("verify model --public-key k.pub");
    let inspected = workshop.allowed("inspect model.sig");
    assert_eq!(inspected["olderForm"], true);
    let converted = workshop.allowed("bundle convert model.sig --to converted.sig");
    assert_eq!(converted["changed"], true);
    // Byte for byte what would be written today over the same signature.
    assert_eq!(workshop.read("converted.sig"), workshop.read("new.sig"));
    workshop.yes("verify model --signature converted.sig --public-key k.pub");
    let again = workshop.allowed("bundle convert converted.sig --to again.sig");
    assert_eq!(
        (&again["changed"], &again["remaining"]),
        (&false.into(), &serde_json::json!([]))
    );
    assert_eq!(workshop.read("again.sig"), workshop.read("new.sig"));
}

/// What only a new signature changes is told: pieces, other hashes.
#[test]
fn what_stays_is_told() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("model/w", "w");
    workshop.yes("sign model --private-key key.pem --shard-size 4 --hash blake3");
    let converted = workshop.allowed("bundle convert model.sig --to converted.sig");
    assert_eq!(converted["remaining"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_no_signature_is_not_converted() {
    let workshop = with_old_signature();
    workshop.write("no.sig", "{}");
    assert_eq!(
        workshop.error("bundle convert no.sig --to x.sig"),
        "bundle_invalid"
    );
    assert_eq!(
        workshop.error("bundle convert nowhere --to x.sig"),
        "not_found"
    );
    let entries = workshop.allowed("log show")["entries"].clone();
    let other = crate::workshop::blob(entries[0]["bundle"].as_str().unwrap());
    assert_eq!(
        workshop.denied(&format!("bundle convert {other} --to x.sig")),
        ["subject_mismatch"]
    );
    assert!(!workshop.file("x.sig").exists());
}

/// Release 0.2 signed other bytes: that can't be carried over. Of a public vector, where it is.
#[test]
fn the_first_release_is_signed_again() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        return;
    };
    let old =
        std::path::Path::new(&vectors).join("oms/python-historical/v0.2.0-certificate/model.sig");
    let workshop = Workshop::bare();
    std::fs::copy(old, workshop.file("old.sig")).unwrap();
    assert_eq!(
        workshop.denied("bundle convert old.sig --to x.sig"),
        ["signature_method"]
    );
    assert_eq!(workshop.yes("inspect old.sig").status, 0);
}

/// What the public Sigstore's log has of earlier releases, in today's form: believed as before, and not with a proof less.
#[test]
fn a_keyless_signature_of_an_earlier_release_is_written_anew() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        return;
    };
    let vectors = std::path::Path::new(&vectors).join("oms/python-historical");
    for version in ["v0.3.1", "v1.0.0", "v1.1.0"] {
        let workshop = Workshop::bare();
        let folder = vectors.join(format!("{version}-sigstore"));
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            workshop.write(&format!("model/{name}"), std::fs::read(&path).unwrap());
        }
        workshop.yes("bundle convert model/model.sig --to model/model.sig");
        assert_eq!(
            workshop.allowed("inspect model/model.sig")["olderForm"],
            false
        );
        let verify = "verify model --signature model/model.sig --identity stefanb@us.ibm.com \
            --identity-provider https://sigstore.verify.ibm.com/oauth2";
        workshop.yes(verify);
        let mut bundle: serde_json::Value =
            serde_json::from_slice(&workshop.read("model/model.sig")).unwrap();
        let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
        entry["inclusionProof"]["hashes"] = serde_json::json!([]);
        workshop.write("model/model.sig", bundle.to_string());
        assert_eq!(workshop.denied(verify), ["log_proof_invalid"], "{version}");
    }
}

/// The little Sigstore's, in the form of version 0.2 with the whole chain.
#[test]
fn a_keyless_signature_in_an_older_form_is_written_anew() {
    let workshop = Workshop::bare();
    workshop.write("model/config.json", "{}");
    workshop.write("model/weights/w.bin", "1");
    workshop.write("root.json", testkit::sigstore::root().to_string());
    let mut bundle = Draught::new(Rekor::First).bundle();
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    let leaf = material.remove("certificate").unwrap();
    let chain = serde_json::json!({"certificates": [leaf]});
    material.insert("x509CertificateChain".into(), chain);
    workshop.write("model.sig", bundle.to_string());
    let converted = workshop.allowed("bundle convert model.sig --to new.sig");
    assert_eq!(converted["changed"], true);
    workshop.yes("verify model --signature new.sig --identity signer@example.com --identity-provider https://issuer.example.com --trust-config root.json");
    assert_eq!(workshop.allowed("inspect new.sig")["olderForm"], false);
    bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"] = serde_json::Value::Null;
    workshop.write("model.sig", bundle.to_string());
    assert_eq!(
        workshop.denied("bundle convert model.sig --to other.sig"),
        ["signature_method"]
    );
    assert!(!workshop.file("other.sig").exists());
}
