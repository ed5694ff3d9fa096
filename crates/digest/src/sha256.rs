//! The digest itself. One algorithm so far: SHA-256, by AWS-LC, which picks the machine's instructions at run time.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;

/// A SHA-256 digest (FIPS 180-4). Printed as `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// A digest that somebody states: 32 raw bytes.
    #[must_use]
    pub const fn from_raw(raw: [u8; 32]) -> Self {
        Self(raw)
    }

    /// A digest that somebody states: 64 lower-case hexadecimal digits, without a prefix.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, ParseDigestError> {
        let raw = HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|raw| raw.try_into().ok());
        raw.map(Self)
            .ok_or_else(|| ParseDigestError(text.chars().take(80).collect()))
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        HEXLOWER.encode(self.0.get(..6).unwrap_or_default())
    }

    /// The 32 raw bytes.
    #[must_use]
    pub const fn raw(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let refused = || ParseDigestError(text.chars().take(80).collect());
        Self::from_hex(text.strip_prefix("sha256:").ok_or_else(refused)?).map_err(|_| refused())
    }
}

/// The text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest: 64 lower-case hexadecimal digits were expected")]
pub struct ParseDigestError(String);

/// Hashes a stream piece by piece.
#[derive(Clone)]
pub struct Hasher(Context);

impl Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Takes the next piece in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut raw = [0; 32];
        raw.copy_from_slice(self.0.finish().as_ref());
        Digest(raw)
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(sha256)")
    }
}

/// The digest and size of bytes that this room read itself: a fact, not a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    digest: Digest,
    size_bytes: u64,
}

impl Measured {
    pub(crate) const fn new(digest: Digest, size_bytes: u64) -> Self {
        Self { digest, size_bytes }
    }

    /// The digest of what was read.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // FIPS 180-4 examples.
        for (text, hex) in [
            (
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(Digest::of(text.as_bytes()).hex(), hex);
        }
    }

    #[test]
    fn parses_what_it_prints_and_nothing_else() {
        let digest = Digest::of(b"x");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let hex = digest.hex();
        for bad in [
            hex.clone(),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha512:{hex}"),
            "sha256:ab".into(),
            format!("sha256:{hex} "),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
