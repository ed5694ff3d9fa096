//! The reference's own bundles, where they are: each gets the specification's verdict, through the reference's words.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::workshop::{Outcome, program};

/// Where the specification says nothing, ours: a folder behind a link was not signed by the reference, and is there; a
/// certificate for servers that may sign too is not for signing models.
const UNSPECIFIED_IS_REFUSED: &str = "unspecified";

#[test]
fn the_cases_of_the_reference_get_the_specifications_verdict() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        println!("skipped: MODELWARD_VECTORS is not set");
        return;
    };
    let vectors = PathBuf::from(vectors).join("oms/generated");
    let cases: Value =
        serde_json::from_slice(&fs::read(vectors.join("CASES.json")).unwrap()).unwrap();
    let holder = tempfile::tempdir().unwrap();
    let folder = holder.path().join("generated");
    copy(&vectors, &folder);
    // Git keeps no empty folder.
    fs::create_dir_all(folder.join("models/empty")).unwrap();
    let mut wrong = Vec::new();
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        let mut command = program();
        command.current_dir(&folder).args(["oms", "verify"]);
        for word in case["verify_cmd"].as_array().unwrap() {
            command.arg(word.as_str().unwrap());
        }
        command.args(["--signature", &text("bundle"), &text("model")]);
        // One model's links lead to its neighbour.
        let outcome = Outcome::of(command.args(["--links_inside", "models"]));
        let wanted = match text("spec_verdict").as_str() {
            "accept" => 0,
            "reject" | UNSPECIFIED_IS_REFUSED => 1,
            other => panic!("{other}"),
        };
        if outcome.status != wanted {
            wrong.push(format!("{}: {outcome:?}", text("name")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The keyless bundles of every release verify without a network, and for nobody else.
#[test]
fn the_keyless_bundles_of_the_reference_are_verified_for_their_identity() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        println!("skipped: MODELWARD_VECTORS is not set");
        return;
    };
    let vectors = PathBuf::from(vectors).join("oms");
    let holder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in fs::read_dir(vectors.join("python-historical")).unwrap() {
        let from = entry.unwrap().path();
        if !from.to_str().unwrap().ends_with("-sigstore") {
            continue;
        }
        count += 1;
        let model = holder.path().join(from.file_name().unwrap());
        copy(&from, &model);
        let run = |who: &str, provider: &str, more: &[&str]| {
            let mut command = program();
            command.current_dir(&model).args(["oms", "verify", "."]);
            command.args(["--signature", "model.sig", "--identity", who]);
            command.args([
                "--identity_provider",
                provider,
                "--ignore-paths",
                "ignore-me",
            ]);
            Outcome::of(command.args(more))
        };
        let (who, provider) = (
            "stefanb@us.ibm.com",
            "https://sigstore.verify.ibm.com/oauth2",
        );
        let config = vectors.join("sigstore-offline/client_trust_config.production.json");
        let config = ["--trust_config", config.to_str().unwrap()];
        for more in [&[][..], &config] {
            let outcome = run(who, provider, more);
            assert_eq!(outcome.status, 0, "{model:?}: {outcome:?}");
        }
        let refused = run("other@us.ibm.com", provider, &[]);
        assert!(refused.status == 1 && refused.stderr.contains("Certificate's SANs do not match"));
        let refused = run(who, "google", &[]);
        let said =
            "Certificate's OIDCIssuer does not match (got 'https://sigstore.verify.ibm.com/oauth2'";
        assert!(
            refused.status == 1 && refused.stderr.contains(said),
            "{refused:?}"
        );
        assert_eq!(run(who, provider, &["--use_staging"]).status, 1);
        fs::write(model.join("signme-1"), "tampered").unwrap();
        assert_eq!(run(who, provider, &[]).status, 1);
    }
    assert_eq!(count, 4);
}

/// What came as a symbolic link stands in the vectors as a file that holds where it led.
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
