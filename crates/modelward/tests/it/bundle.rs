//! `bundle convert`: signatures of earlier releases in today's form.

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
