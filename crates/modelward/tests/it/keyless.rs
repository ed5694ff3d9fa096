//! Keyless signatures: who is expected, at which Sigstore.

use std::path::PathBuf;

use serde_json::json;
use testkit::sigstore::{Draught, Rekor, root};

use crate::workshop::Workshop;

/// A model that the little Sigstore's signer signed.
fn signed() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write("model/config.json", "{}");
    workshop.write("model/weights/w.bin", "1");
    workshop.write(
        "model.sig",
        Draught::new(Rekor::Second).bundle().to_string(),
    );
    workshop.write("root.json", root().to_string());
    workshop
}

const WHO: &str = "--identity signer@example.com --identity-provider https://issuer.example.com --trust-config root.json";

#[test]
fn an_identity_is_believed_at_its_sigstore_alone() {
    let workshop = signed();
    let data = workshop.allowed(&format!("verify model {WHO}"));
    assert_eq!(
        data["identity"],
        json!({"who": "signer@example.com", "provider": "https://issuer.example.com", "loggedAt": "2025-01-01T00:00:00Z"})
    );
    let text = workshop.yes(&format!("verify model {WHO}")).stdout;
    assert!(
        text.contains("by word of https://issuer.example.com"),
        "{text}"
    );
    for (from, to, code) in [
        ("signer@", "other@", "identity_mismatch"),
        ("issuer.", "another.", "identity_mismatch"),
        // The public Sigstore knows none of this one's authorities.
        (" --trust-config root.json", "", "timestamp_invalid"),
    ] {
        let line = format!("verify model {}", WHO.replace(from, to));
        assert_eq!(workshop.denied(&line), [code], "{line}");
    }
    workshop.flip("model/config.json", 0);
    assert_eq!(
        workshop.denied(&format!("verify model {WHO}")),
        ["digest_mismatch"]
    );
}

#[test]
fn what_is_asked_for_must_be_whole() {
    let workshop = signed();
    for line in [
        "verify model --identity signer@example.com",
        "verify model --identity-provider google",
        "verify model --trust-config root.json",
    ] {
        assert_eq!(workshop.error(line), "usage", "{line}");
    }
    workshop.write("root.json", "{}");
    assert_eq!(
        workshop.error(&format!("verify model {WHO}")),
        "root_invalid"
    );
    workshop.write("root.json", vec![b' '; 2 << 20]);
    assert_ne!(workshop.run(&format!("verify model {WHO}")).status, 0);
}

/// What released versions of the reference signed at the public Sigstore, by the root that is built in.
#[test]
fn the_references_own_signatures_are_believed() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        return;
    };
    let vectors = PathBuf::from(vectors).join("oms/python-historical");
    for version in ["v0.3.1", "v1.0.0", "v1.1.0"] {
        let workshop = Workshop::bare();
        for entry in std::fs::read_dir(vectors.join(format!("{version}-sigstore"))).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            workshop.write(&format!("model/{name}"), std::fs::read(&path).unwrap());
        }
        let line = "verify model --signature model/model.sig --identity stefanb@us.ibm.com \
            --identity-provider https://sigstore.verify.ibm.com/oauth2";
        workshop.yes(line);
        let other = line.replace("stefanb", "stefanc");
        assert_eq!(workshop.denied(&other), ["identity_mismatch"], "{version}");
    }
}
