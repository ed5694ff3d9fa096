//! The public vectors: bundles that released tools wrote, and the specification's own.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trust::x509::Certificate;
use trust::{Bundle, PublicKey, Role};

use super::*;

fn folder() -> Option<PathBuf> {
    std::env::var_os("MODELWARD_VECTORS").map(|folder| PathBuf::from(folder).join("oms"))
}

/// The root that trusts this key alone.
fn root_of(key: &Path) -> TrustRoot {
    let pem = fs::read_to_string(key).unwrap();
    TrustRoot::of_key(PublicKey::from_pem(&pem).unwrap(), Role::Sign)
}

/// The root that trusts everyone whom this authority certified, as the reference does.
fn certified_by(anchor: &Path) -> TrustRoot {
    let pem = fs::read_to_string(anchor).unwrap();
    let anchors = Certificate::all_from_pem(&pem).unwrap();
    TrustRoot::of_authorities(anchors, None, Vec::new(), Role::Sign)
}

/// The model's files without what the bundle says was left out; none where they can't be measured.
fn listing(model: &Path, bundle: &[u8]) -> Listing {
    if model.is_file() {
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        return [(name, digest::measure_file(model).unwrap())].into();
    }
    let ignored = ignored(bundle);
    let is_ignored = |path: &str| {
        let is_below = |ignored: &String| {
            path.strip_prefix(ignored.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // Release 1.0.1 left `ignore-me` out when it signed, and did not say so.
        let is_left_out = ["model.sig", "ignore-me"].contains(&path);
        is_left_out || ignored.iter().any(is_below)
    };
    digest::list(model, &is_ignored, &|_| {}).unwrap_or_default()
}

fn ignored(bundle: &[u8]) -> Vec<String> {
    let Ok(bundle) = Bundle::parse(bundle) else {
        return Vec::new();
    };
    let statement: Value = serde_json::from_slice(&bundle.envelope().payload).unwrap();
    let ignored = statement["predicate"]["serialization"]["ignore_paths"].as_array();
    ignored
        .into_iter()
        .flatten()
        .map(|path| path.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn bundles_of_the_reference() {
    let Some(folder) = folder().map(|folder| folder.join("generated")) else {
        return;
    };
    let known = known_failures();
    let cases: Value =
        serde_json::from_slice(&fs::read(folder.join("CASES.json")).unwrap()).unwrap();
    let (mut wrong, mut accepted) = (Vec::new(), 0);
    for case in cases["cases"].as_array().unwrap() {
        let text = |field: &str| case[field].as_str().unwrap();
        let command: Vec<&str> = case["verify_cmd"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        let root = match command[0] {
            "certificate" => certified_by(&folder.join(command[2])),
            _ => root_of(&folder.join(command[2])),
        };
        let bundle = fs::read(folder.join(text("bundle"))).unwrap();
        let listing = listing(&folder.join(text("model")), &bundle);
        let got = judged(&bundle, &listing, &root);
        // What the specification leaves open is refused.
        let expect = if text("spec_verdict") == "accept" {
            "accept"
        } else {
            "refuse"
        };
        wrong.extend(check(
            &format!("generated/{}", text("name")),
            &got,
            expect,
            &known,
        ));
        if got == "accept" {
            accepted += 1;
            refuse_twins(text("name"), &bundle, &listing, &root);
        }
    }
    assert!(
        wrong.is_empty() && accepted >= 5,
        "{accepted} accepted; {wrong:#?}"
    );
}

#[test]
fn bundles_of_released_versions() {
    let Some(folder) = folder().map(|folder| folder.join("python-historical")) else {
        return;
    };
    let known = known_failures();
    let keys = folder.join("keys/certificate");
    let by_key = root_of(&keys.join("signing-key-pub.pem"));
    let by_certificate = certified_by(&keys.join("ca-cert.pem"));
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let model = entry.unwrap().path();
        let Ok(bundle) = fs::read(model.join("model.sig")) else {
            continue;
        };
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        let root = match name.ends_with("-certificate") {
            true => &by_certificate,
            false => &by_key,
        };
        let got = judged(&bundle, &listing(&model, &bundle), root);
        wrong.extend(check(
            &format!("python-historical/{name}"),
            &got,
            "accept",
            &known,
        ));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn bundles_of_the_specification() {
    let Some(folder) = folder() else { return };
    let known = known_failures();
    let keys = folder.join("python-historical/keys/certificate");
    let by_key = root_of(&keys.join("signing-key-pub.pem"));
    let by_certificate = certified_by(&keys.join("ca-cert.pem"));
    let folder = folder.join("spec-test-vectors/v1.0");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    // The specification gives no model to go with them.
    for (name, root) in [
        ("certificate", &by_certificate),
        ("key", &by_key),
        ("sigstore", &by_key),
    ] {
        let bundle = read(&format!("valid/{name}.bundle.json"));
        let got = match verify::<ModelSignature>(&bundle, root, now()) {
            Ok(_) => "accept".to_owned(),
            Err(error) => error.code().to_string(),
        };
        let case = format!("spec-test-vectors/valid/{name}");
        assert_eq!(check(&case, &got, "accept", &known), None);
    }
    for entry in fs::read_dir(folder.join("invalid")).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            Bundle::parse(&fs::read(&path).unwrap()).is_err(),
            "{}",
            path.display()
        );
    }
    // Signed again by a key that we read, so that it is the payload that is refused.
    let bundle = Bundle::parse(&read("invalid-payload/wrong-predicate.bundle.json")).unwrap();
    let sealed = key(1)
        .seal(bundle.envelope().payload.clone())
        .unwrap()
        .to_bytes();
    assert_eq!(
        judged(&sealed, &Listing::new(), &trusting(1, &[])),
        "subject_mismatch"
    );
}

#[test]
fn known_failures_name_cases_that_there_are() {
    let cases: Cases = table("conformance/oms/cases.toml");
    for case in known_failures().keys().filter(|case| !case.contains('/')) {
        assert!(cases.case.iter().any(|known| known.case == *case), "{case}");
    }
}
