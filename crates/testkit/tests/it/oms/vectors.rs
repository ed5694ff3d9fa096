//! The public vectors: bundles that released tools wrote, and the specification's own.

use std::fs;
use std::path::{Path, PathBuf};

use digest::Method;
use serde_json::Value;
use trust::x509::Certificate;
use trust::{Bundle, PublicKey, Role, SigstoreRoot};

use super::*;

pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os("MODELWARD_VECTORS").map(|folder| PathBuf::from(folder).join("oms"))
}

/// The root that trusts this key alone.
pub(super) fn root_of(key: &Path) -> TrustRoot {
    let pem = fs::read_to_string(key).unwrap();
    TrustRoot::of_key(PublicKey::from_pem(&pem).unwrap(), Role::Sign)
}

/// The root that trusts everyone whom this authority certified, as the reference does.
pub(super) fn certified_by(anchor: &Path) -> TrustRoot {
    let pem = fs::read_to_string(anchor).unwrap();
    let anchors = Certificate::all_from_pem(&pem).unwrap();
    TrustRoot::of_authorities(anchors, None, Vec::new(), Role::Sign)
}

/// The root that trusts whoever signed the reference's keyless vectors, at the public Sigstore.
pub(super) fn identified() -> TrustRoot {
    let (identity, issuer) = (
        "stefanb@us.ibm.com",
        "https://sigstore.verify.ibm.com/oauth2",
    );
    let sigstore = SigstoreRoot::production();
    TrustRoot::of_identity(identity.into(), issuer.into(), sigstore, Role::Sign)
}

/// A copy of the model that can be changed. Where the vectors came with symbolic links, each stands as a file that holds
/// where it led: `link.bin` and `extdir`.
fn copy_of(model: &Path) -> tempfile::TempDir {
    let holder = tempfile::tempdir().unwrap();
    // Git keeps no empty folder.
    if !model.exists() {
        fs::create_dir(holder.path().join(model.file_name().unwrap())).unwrap();
        return holder;
    }
    copy(model, &holder.path().join(model.file_name().unwrap()));
    holder
}

fn copy(from: &Path, to: &Path) {
    let name = from.file_name().unwrap().to_str().unwrap();
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if ["link.bin", "extdir"].contains(&name) {
        std::os::unix::fs::symlink(fs::read_to_string(from).unwrap(), to).unwrap();
    } else {
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
}

/// What was accepted is refused once a file is another, is gone, or is one more; and as [`twins`].
fn refuse_twins_on_disk(case: &str, bundle: &[u8], model: &Path, root: &TrustRoot) {
    let refused = |what: &str, bundle: &[u8]| {
        let got = judged_on_disk(bundle, model, &LEFT_OUT, root);
        assert_ne!(got, "accept", "{case}: {what}");
    };
    for (what, twin) in twins(bundle) {
        refused(&what, &twin);
    }
    for file in files(model) {
        let was = fs::read(&file).unwrap();
        fs::write(&file, [&was[..], b"x"].concat()).unwrap();
        refused("a file was changed", bundle);
        fs::remove_file(&file).unwrap();
        // Files without a byte have no piece, so that nothing says that they were there.
        if !was.is_empty() {
            refused("a file is missing", bundle);
        }
        fs::write(&file, was).unwrap();
    }
    if model.is_dir() {
        let more = model.join("more");
        fs::write(&more, "more").unwrap();
        refused("a file more", bundle);
        fs::remove_file(&more).unwrap();
    }
}

/// The plain files that are signed.
fn files(model: &Path) -> Vec<PathBuf> {
    if model.is_file() {
        return vec![model.to_owned()];
    }
    let is_left_out = |path: &str| LEFT_OUT.contains(&path) || path == ".git";
    let walk = Walk {
        ignore: &is_left_out,
        links: Links::Inside(model),
    };
    let listed = digest::list_resources(model, &walk, Method::WHOLE_SHA256, &|_| {}).unwrap();
    let files = listed.keys().map(|name| model.join(name));
    files.filter(|path| !path.is_symlink()).collect()
}

/// The signature; and what release 1.0.1 left out when it signed, and did not say.
const LEFT_OUT: [&str; 2] = ["model.sig", "ignore-me"];

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
        let model = folder.join(text("model"));
        let holder = copy_of(&model);
        let model = holder.path().join(model.file_name().unwrap());
        let got = judged_on_disk(&bundle, &model, &LEFT_OUT, &root);
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
            refuse_twins_on_disk(text("name"), &bundle, &model, &root);
        }
    }
    assert!(
        wrong.is_empty() && accepted >= 17,
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
    let by_identity = identified();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let model = entry.unwrap().path();
        let Ok(bundle) = fs::read(model.join("model.sig")) else {
            continue;
        };
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        // These two are of a single file, which was signed as one.
        let model = match name.as_str() {
            "v0.3.1-elliptic-key" | "v1.0.0-elliptic-key" => model.join("signme-1"),
            _ => model,
        };
        let root = match name.rsplit('-').next() {
            Some("certificate") => &by_certificate,
            Some("sigstore") => &by_identity,
            _ => &by_key,
        };
        let got = judged_on_disk(&bundle, &model, &LEFT_OUT, root);
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
        ("sigstore", &identified()),
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
        .seal(bundle.envelope().payload().to_vec())
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
