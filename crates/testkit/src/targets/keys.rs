//! Trust roots and keys.

use trust::{Pin, PrivateKey, PublicKey, Signer, TokenUri, TrustRoot};

use super::texts;
use crate::{key, trusting};

/// One of the throw-away keys that other programs made.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../trust/testdata/keys/", $name, ".pem"))
    };
}

/// What is accepted is written and read again as the same root.
pub(super) fn trust_root(bytes: &[u8]) {
    let Ok(root) = TrustRoot::parse(bytes) else {
        return;
    };
    assert!(bytes.len() <= 1 << 20 && root.keys().count() <= 1_000);
    assert_eq!(root.digest(), digest::Digest::of(bytes));
    let text = root.to_toml();
    let again = TrustRoot::parse(text.as_bytes()).expect("what we write we read");
    assert_eq!(again.to_toml(), text);
    assert!(again.keys().eq(root.keys()) && again.logs() == root.logs());
}

pub(super) fn trust_root_seeds() -> Vec<Vec<u8>> {
    let one = trusting(1, &["https://example.com/builder"]);
    let two = trusting(2, &[]).with_log("example.com/log+00000000+AQ==".to_owned());
    vec![
        one.to_toml().into_bytes(),
        two.to_toml().into_bytes(),
        one.without_key("key-1").to_toml().into_bytes(),
    ]
}

/// One key has one text and one name, however it was spelt.
pub(super) fn public_key(bytes: &[u8]) {
    let Some(key) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| PublicKey::from_pem(text).ok())
    else {
        return;
    };
    assert_eq!(PublicKey::from_pem(key.pem()).as_ref(), Ok(&key));
    assert_eq!(key.id(), digest::Digest::of(key.pem().as_bytes()));
    assert!(!key.verifies(bytes, bytes), "nothing is its own signature");
}

pub(super) fn public_key_seeds() -> Vec<Vec<u8>> {
    let pem = key(1).public_key().pem().to_owned();
    texts(&[
        &pem,
        &pem.replace('\n', "\r\n"),
        file!("p384.pub"),
        file!("p521.pub"),
        file!("ed.pub"),
        file!("rsa2048.pub"),
        file!("p256.compressed"),
        file!("p256.explicit"),
        file!("k1.pub"),
    ])
}

/// What is accepted signs, and is written and read again as the same key. A password is tried too: what a file asks
/// of memory and time to open it is limited.
pub(super) fn private_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for password in [None, Some("secret")] {
        let Ok(key) = PrivateKey::from_pem_also_ed25519(text, password) else {
            continue;
        };
        let plain = key.to_pem(None).expect("what we read we write");
        let again = PrivateKey::from_pem_also_ed25519(&plain, None).expect("what we write we read");
        assert_eq!(again.public_key(), key.public_key());
    }
}

/// None is encrypted by us: our cost is meant to be felt, and a fuzzer would feel it each time.
pub(super) fn private_key_seeds() -> Vec<Vec<u8>> {
    let plain = key(1).to_pem(None).expect("a key can be written");
    texts(&[
        &plain,
        ENCRYPTED_CHEAPLY,
        file!("p521.sec1"),
        file!("p384.params"),
        file!("legacy.aes-256-cbc"),
        file!("legacy.des-ede3-cbc"),
        file!("p8.sha1"),
        file!("sigstore.cheap"),
        file!("ed"),
        file!("rsa2048"),
    ])
}

/// What is accepted names a key and a token, keeps its limits, and never prints its PIN.
pub(super) fn token_uri(bytes: &[u8]) {
    let Some(uri) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| TokenUri::parse(text).ok())
    else {
        return;
    };
    assert!(bytes.len() <= 4096);
    assert!(uri.object.is_some() || uri.id.as_ref().is_some_and(|id| !id.is_empty()));
    let label = uri.token.label.as_ref();
    assert!(uri.token.slot_id.is_some() || label.is_some_and(|label| label.len() <= 32));
    let secret = "a-pin-that-is-in-no-seed".to_owned();
    let hidden = TokenUri {
        pin: Some(Pin::Value(secret.clone().into())),
        ..uri
    };
    assert!(!format!("{hidden:?}").contains(&secret));
}

pub(super) fn token_uri_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "pkcs11:token=tok;object=mykey?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-value=1234",
        "pkcs11:model=SoftHSM%20v2;manufacturer=x;serial=0a;token=t%C3%B6k;id=%01%02;type=private;slot-id=7?module-name=softhsm2&pin-source=file:///etc/pin&x-vendor=1",
        "pkcs11:slot-id=4294967295;id=%ff",
        "pkcs11:token=t;token=t;object=%0",
    ])
}

/// The key of seed 1 under the password `secret`, with scrypt at its lowest cost.
const ENCRYPTED_CHEAPLY: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCAGCSsGAQQB2kcECzATBAgXCYkdF983AQIBAgIB
AQIBATAdBglghkgBZQMEASoEEFu7d6SR81bHKHgLNe6pNH0EgZCxapK4kpWPCgvr
tTxOseVrG1f7eDaeaW1BnsGJn8k61d7Veu/kzX75D8MXN3UYrhtHziyNeXi6bYfu
DVN+J38iGoA/Os4mvsuHhqzL6vvPUvT7JEzrKdm2bbIM2GGT+bAg7owLAfpf0VRN
t4eHbZz1xH7zsVusCEtZMLgW84UVieFrGta1a1v0e+djCVRjk70=
-----END ENCRYPTED PRIVATE KEY-----
";
