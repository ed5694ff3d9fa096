//! The parsers of `trust` that read certificates and timestamps.

use std::slice;
use std::sync::LazyLock;

use trust::Time;
use trust::timestamp;
use trust::x509::{Certificate, Identity, Purpose, chain};

use crate::certificates;

/// Signer, authority and root, in DER: signing takes longer than reading.
static CHAIN: LazyLock<[Vec<u8>; 3]> = LazyLock::new(certificates::chain);
static ROOT: LazyLock<Certificate> = LazyLock::new(|| anchor(&CHAIN[2]));
static STAMPING_ROOT: LazyLock<Certificate> =
    LazyLock::new(|| anchor(&certificates::stamping_root()));

/// 2030, when the fixtures hold.
const AT: i64 = 1_893_456_000;

fn anchor(der: &[u8]) -> Certificate {
    Certificate::from_der(der).expect("a fixture is a certificate")
}

/// Certificates one behind the other, from the leaf on.
pub(super) fn certificate_chain(bytes: &[u8]) {
    let mut rest = bytes;
    let mut read = Vec::new();
    while let Some((first, behind)) = split(rest) {
        let Ok(certificate) = Certificate::from_der(first) else {
            return;
        };
        assert_eq!(certificate.as_der(), first);
        for identity in certificate.identities() {
            assert_eq!(
                identity.to_string().parse::<Identity>().as_ref(),
                Ok(&identity)
            );
        }
        assert!(certificate.not_before() <= certificate.not_after());
        read.push(certificate);
        rest = behind;
    }
    let Some((leaf, others)) = read.split_first() else {
        return;
    };
    let at = Time::from_unix(AT);
    if let Ok(path) = chain::verify(leaf, others, slice::from_ref(&*ROOT), at, Purpose::Signing) {
        // Whoever is believed was signed by the one key that signs in the fixtures: nothing in it can differ.
        let known = |own: &Certificate| CHAIN.iter().any(|known| known == own.as_der());
        assert!(
            path.certificates().iter().all(known),
            "a forged certificate"
        );
    }
}

/// The first element of these bytes, by its length alone.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match *bytes {
        [0x30, 0x82, high, low, ..] => 4 + usize::from(high) * 256 + usize::from(low),
        [0x30, 0x81, length, ..] => 3 + usize::from(length),
        [] => return None,
        _ => bytes.len(),
    };
    Some(bytes.split_at(length.min(bytes.len())))
}

pub(super) fn certificate_chain_seeds() -> Vec<Vec<u8>> {
    let [leaf, middle, root] = CHAIN.clone();
    let pss = include_str!("../../fixtures/x509/leaf-rsa-pss-sha256.pem");
    let pss = Certificate::all_from_pem(pss).expect("a fixture is a certificate");
    vec![
        [leaf.clone(), middle.clone()].concat(),
        [leaf.clone(), middle, root].concat(),
        leaf,
        pss[0].as_der().to_vec(),
    ]
}

/// PEM files of certificates.
pub(super) fn certificate_pem(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(certificates) = Certificate::all_from_pem(text) {
        assert!(!certificates.is_empty());
        assert!(certificates.len() <= text.matches("-----BEGIN CERTIFICATE-----").count());
    }
}

pub(super) fn certificate_pem_seeds() -> Vec<Vec<u8>> {
    let one = include_bytes!("../../fixtures/x509/leaf-ed25519.pem").as_slice();
    let other = include_bytes!("../../fixtures/x509/root-ed25519.pem").as_slice();
    vec![one.to_vec(), [one, b"\nsubject: root\n", other].concat()]
}

/// Timestamp responses and tokens.
pub(super) fn timestamp(bytes: &[u8]) {
    const STAMPED: &[u8] = b"stamped";
    let anchors = slice::from_ref(&*STAMPING_ROOT);
    if let Ok(timestamp) = timestamp::verify(bytes, STAMPED, &[], anchors) {
        let right = Time::from_unix(1_735_689_600);
        assert_eq!(timestamp.time, right, "a forged time");
    }
}

pub(super) fn timestamp_seeds() -> Vec<Vec<u8>> {
    let token = certificates::Stamp::of(b"stamped").token();
    let status = certificates::tlv(0x30, &[&[2, 1, 0]]);
    vec![
        certificates::tlv(0x30, &[&status, &token]),
        token,
        include_bytes!("../../fixtures/timestamp/ec.tsr").to_vec(),
        include_bytes!("../../fixtures/timestamp/refused.tsr").to_vec(),
    ]
}

/// Identities to expect.
pub(super) fn identity(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(identity) = text.parse::<Identity>() {
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }
}

pub(super) fn identity_seeds() -> Vec<Vec<u8>> {
    let fingerprint = format!("sha256:{}", "AB:".repeat(31) + "AB");
    super::texts(&[
        "subject:CN=signer",
        "uri:https://example.com/",
        "email:a@b",
        &fingerprint,
    ])
}
