//! A digest in JSON as `sha256:` and hexadecimal digits, for `#[serde(with = "…")]`.

use digest::Digest;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes it.
///
/// # Errors
/// The serializer fails.
pub fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

/// Reads it.
///
/// # Errors
/// The text is no digest.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}
