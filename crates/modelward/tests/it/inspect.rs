//! `inspect`: what a signature says, and that nobody checked it unless somebody did.

use crate::workshop::Workshop;

#[test]
fn nothing_is_called_verified_that_was_not() {
    let workshop = Workshop::with_model();
    let said = workshop.allowed("inspect out/digits.sig");
    assert_eq!(
        (&said["verified"], &said["kind"]),
        (&false.into(), &"key".into())
    );
    assert_eq!(said["keyName"], serde_json::Value::Null);
    let text = workshop.yes("inspect out/digits.sig").stdout;
    assert!(text.starts_with("NOT VERIFIED"), "{text}");
    for said in [
        "digits",
        "model.safetensors",
        "whole and by sha256",
        "refused",
        ".gitignore",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let keys = workshop.allowed("key list")["keys"].clone();
    workshop.write("k.pub", keys[0]["publicKey"].as_str().unwrap());
    let text = workshop
        .yes("inspect out/digits.sig --public-key k.pub")
        .stdout;
    assert!(
        text.starts_with("VERIFIED") && text.contains("no file was compared"),
        "{text}"
    );
    // A bit of the signature: still shown, and not verified.
    let bundle = workshop.read("out/digits.sig");
    let mut bundle: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
    let sig = &mut bundle["dsseEnvelope"]["signatures"][0]["sig"];
    let mut bytes = data_encoding::BASE64
        .decode(sig.as_str().unwrap().as_bytes())
        .unwrap();
    bytes[20] ^= 1;
    *sig = data_encoding::BASE64.encode(&bytes).into();
    workshop.write("out/digits.sig", bundle.to_string());
    assert!(
        workshop
            .yes("inspect out/digits.sig")
            .stdout
            .starts_with("NOT VERIFIED")
    );
    assert_eq!(
        workshop.denied("inspect out/digits.sig --public-key k.pub"),
        ["signature_invalid"]
    );
}

/// A name in a signature is a stranger's: it can't write lines of its own.
#[test]
fn a_hostile_name_writes_no_line() {
    let workshop = Workshop::with_model();
    let bundle = workshop.read("out/digits.sig");
    let mut bundle: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = data_encoding::BASE64.decode(payload.as_bytes()).unwrap();
    let payload = String::from_utf8(payload).unwrap();
    let hostile = payload.replacen(
        "\"name\":\"digits\"",
        "\"name\":\"x\\nVERIFIED: by alice\\u001b[2J\"",
        1,
    );
    assert_ne!(hostile, payload);
    bundle["dsseEnvelope"]["payload"] = data_encoding::BASE64.encode(hostile.as_bytes()).into();
    workshop.write("hostile.sig", bundle.to_string());
    let text = workshop.yes("inspect hostile.sig").stdout;
    assert!(
        !text.contains("\nVERIFIED") && !text.contains('\x1b'),
        "{text}"
    );
}

#[test]
fn of_many_files_the_first_are_shown() {
    let workshop = Workshop::with_data();
    for number in 0..120 {
        workshop.write(&format!("model/{number:03}"), number.to_string());
    }
    workshop.yes("sign model");
    let said = workshop.allowed("inspect model.sig");
    assert_eq!(
        (said["files"].as_array().unwrap().len(), &said["filesInAll"]),
        (100, &120.into())
    );
    let text = workshop.yes("inspect model.sig --files 2").stdout;
    assert!(
        text.contains("and 118 more") && !text.contains(" 002"),
        "{text}"
    );
}

/// Of the other statements of the chain, too.
#[test]
fn other_statements_are_shown() {
    let workshop = Workshop::with_model();
    let entries = workshop.allowed("log show")["entries"].clone();
    for entry in entries.as_array().unwrap() {
        let bundle = crate::workshop::blob(entry["bundle"].as_str().unwrap());
        let said = workshop.allowed(&format!("inspect {bundle}"));
        assert_eq!(said["predicateType"], entry["predicateType"]);
        assert!(!said["subjects"].as_array().unwrap().is_empty());
    }
    workshop.write("none.sig", "{}");
    assert_eq!(workshop.error("inspect none.sig"), "bundle_invalid");
    assert_eq!(workshop.error("inspect nowhere.sig"), "not_found");
}

/// Whatever released tools wrote is shown, with when it is said to have been signed; of public vectors, where they are.
#[test]
fn what_released_tools_wrote_is_shown() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        return;
    };
    let folder = std::path::Path::new(&vectors).join("oms/python-historical");
    let workshop = Workshop::bare();
    let mut kinds = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path().join("model.sig");
        if !path.exists() {
            continue;
        }
        std::fs::copy(&path, workshop.file("model.sig")).unwrap();
        let said = workshop.allowed("inspect model.sig");
        let kind = said["kind"].as_str().unwrap();
        assert_eq!(said["verified"], false);
        assert_eq!(said["leaf"].is_null(), kind == "key", "{}", path.display());
        let times = said["claimedTimes"].as_array().unwrap();
        assert_eq!(times.is_empty(), kind != "keyless", "{}", path.display());
        assert!(said["filesInAll"].as_u64().unwrap() > 0);
        kinds.insert(kind.to_owned());
    }
    assert_eq!(kinds.len(), 3, "{kinds:?}");
}
