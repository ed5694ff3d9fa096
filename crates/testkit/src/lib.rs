//! Fixtures made with real keys, for tests only; and, in `tests/`, the tests that keep the architecture true.

pub mod certificates;
pub mod files;
pub mod sigstore;
pub mod statements;
pub mod targets;
pub mod tuf;

use trust::{PrivateKey, Role, RootKey, Signer, Time, TrustRoot};

/// The key that is made of this seed: a real P-256 key, always the same.
///
/// # Panics
/// The seed is 0 or 255, which make no key.
#[must_use]
pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_random(&[seed; 32]).expect("every seed but 0 and 255 makes a key")
}

/// A root that believes the key of this seed in all roles, under these names, for ever.
#[must_use]
pub fn trusting(seed: u8, speaks_for: &[&str]) -> TrustRoot {
    let (always, never) = (Time::from_unix(i64::MIN), Time::from_unix(i64::MAX));
    TrustRoot::new(always, never).with_key(RootKey {
        name: format!("key-{seed}"),
        public_key: key(seed).public_key().clone(),
        roles: Role::ALL.to_vec(),
        speaks_for: speaks_for.iter().map(ToString::to_string).collect(),
        valid_from: always,
        valid_until: never,
    })
}
