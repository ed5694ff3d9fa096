//! Chains that OpenSSL signed: each algorithm that is believed, and those that are not.

use std::collections::BTreeSet;
use std::fs;

use trust::x509::{self, Certificate, ChainError, Purpose};

use crate::top;

fn certificate(name: &str) -> Certificate {
    let path = top("crates/testkit/fixtures/x509").join(name);
    Certificate::all_from_pem(&fs::read_to_string(path).unwrap())
        .unwrap()
        .remove(0)
}

fn verdict(algorithm: &str, leaf: &Certificate) -> Result<(), ChainError> {
    let anchors = [certificate(&format!("root-{algorithm}.pem"))];
    let at = super::AT.parse().unwrap();
    x509::chain::verify(leaf, &[], &anchors, at, Purpose::Signing).map(drop)
}

#[test]
fn sha2_is_believed_and_nothing_older() {
    let names = fs::read_dir(top("crates/testkit/fixtures/x509")).unwrap();
    let names: BTreeSet<String> = names
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("leaf-")?.strip_suffix(".pem")?.to_owned()))
        .collect();
    assert_eq!(names.len(), 17);
    for name in names {
        let leaf = certificate(&format!("leaf-{name}.pem"));
        let verdict = verdict(&name, &leaf);
        if name.starts_with("refused-") {
            assert!(
                matches!(
                    verdict,
                    Err(ChainError::Algorithm { .. } | ChainError::Key { .. })
                ),
                "{name}: {verdict:?}"
            );
            continue;
        }
        assert_eq!(verdict, Ok(()), "{name}");
        // Its twin, with another last byte of the signature.
        let mut der = leaf.as_der().to_vec();
        *der.last_mut().unwrap() ^= 1;
        let twin = Certificate::from_der(&der).unwrap();
        let refused = self::verdict(&name, &twin);
        assert!(
            matches!(refused, Err(ChainError::Signature { .. })),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn a_key_signs_in_the_way_that_is_named() {
    // The leaf of one algorithm says so; a root of the same name with another kind of key did not sign it.
    let leaf = certificate("leaf-rsa-sha256.pem");
    for other in ["rsa-sha384", "ecdsa-p256-sha256", "ed25519"] {
        let root = certificate(&format!("root-{other}.pem"));
        let key = root.public_key().unwrap();
        assert_ne!(leaf.public_key().unwrap(), key);
        assert!(verdict(other, &leaf).is_err(), "{other}");
    }
}
