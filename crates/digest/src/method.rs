//! How a model's files are measured where it is not by SHA-256 and whole: OpenSSF model signing knows more.

use std::fmt;
use std::num::NonZeroU64;

use blake2::{Blake2b512, Digest as _};
use data_encoding::HEXLOWER;

use crate::{Digest, Hasher, Measured};

/// A hash function of OpenSSF model signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// BLAKE2b with 512 bits and no key (RFC 7693).
    Blake2b,
    /// BLAKE3 with 256 bits.
    Blake3,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Blake2b, Self::Blake3];

    /// Its name in a signature.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    /// How many bytes its digests have.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }
}

/// What is hashed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The hash function.
    pub algorithm: Algorithm,
    /// Into pieces of how many bytes each file is cut; whole if none.
    pub shard_size: Option<NonZeroU64>,
}

impl Method {
    /// Whole files by SHA-256: what names an artifact everywhere else.
    pub const WHOLE_SHA256: Self = Self {
        algorithm: Algorithm::Sha256,
        shard_size: None,
    };
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.algorithm.as_str();
        match self.shard_size {
            None => write!(f, "whole and by {algorithm}"),
            Some(size) => write!(f, "in pieces of {size} bytes and by {algorithm}"),
        }
    }
}

/// The digest of a file or a piece of one, as somebody states it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceDigest {
    algorithm: Algorithm,
    /// The digest's bytes; zero after its size.
    raw: [u8; 64],
}

impl ResourceDigest {
    /// A digest that somebody states, in lower-case hexadecimal digits; none if it has not the algorithm's size.
    #[must_use]
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Option<Self> {
        Self::from_raw(algorithm, &HEXLOWER.decode(text.as_bytes()).ok()?)
    }

    /// A digest that somebody states; none if it has not the algorithm's size.
    #[must_use]
    pub fn from_raw(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.size_bytes()).then(|| Self::padded(algorithm, bytes))
    }

    /// These bytes, of the algorithm's size.
    fn padded(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut raw = [0; 64];
        for (to, from) in raw.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self { algorithm, raw }
    }

    /// What made it.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its bytes.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        let size = self.algorithm.size_bytes();
        self.raw.get(..size).unwrap_or_default()
    }

    /// Its lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        HEXLOWER.encode(self.raw())
    }

    /// It, if it is by SHA-256.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        let raw = self.raw().try_into().ok()?;
        (self.algorithm == Algorithm::Sha256).then(|| Digest::from_raw(raw))
    }
}

impl From<Digest> for ResourceDigest {
    fn from(digest: Digest) -> Self {
        Self::padded(Algorithm::Sha256, digest.raw())
    }
}

/// The digest and size of a file, or of a piece of one, that this room read itself: a fact, not a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredResource {
    digest: ResourceDigest,
    size_bytes: u64,
}

impl MeasuredResource {
    pub(crate) fn new(algorithm: Algorithm, digest: &[u8], size_bytes: u64) -> Self {
        let digest = ResourceDigest::padded(algorithm, digest);
        Self { digest, size_bytes }
    }

    pub(crate) fn of_sha256(digest: Digest, size_bytes: u64) -> Self {
        Self::new(Algorithm::Sha256, digest.raw(), size_bytes)
    }

    /// The digest of what was read.
    #[must_use]
    pub const fn digest(&self) -> ResourceDigest {
        self.digest
    }

    /// As everything else knows it, if it is by SHA-256.
    #[must_use]
    pub fn measured(&self) -> Option<Measured> {
        Some(Measured::new(self.digest.sha256()?, self.size_bytes))
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl fmt::Display for ResourceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex())
    }
}

impl fmt::Debug for ResourceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Hashes one stream by any algorithm.
pub(crate) enum AnyHasher {
    Sha256(Hasher),
    Blake2b(Box<Blake2b512>),
    Blake3(Box<blake3::Hasher>),
}

impl AnyHasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Hasher::new()),
            Algorithm::Blake2b => Self::Blake2b(Box::default()),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake2b(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    pub(crate) fn finish(self, size_bytes: u64) -> MeasuredResource {
        match self {
            Self::Sha256(hasher) => MeasuredResource::of_sha256(hasher.finish(), size_bytes),
            Self::Blake2b(hasher) => {
                MeasuredResource::new(Algorithm::Blake2b, &hasher.finalize(), size_bytes)
            }
            Self::Blake3(hasher) => {
                let digest = hasher.finalize();
                MeasuredResource::new(Algorithm::Blake3, digest.as_bytes(), size_bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `abc`, by RFC 7693's appendix A, FIPS 180-4's examples, and the same text by BLAKE3's own program.
    #[test]
    fn known_answers() {
        for (algorithm, hex) in [
            (
                Algorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                Algorithm::Blake2b,
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                 7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
            (
                Algorithm::Blake3,
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            ),
        ] {
            let mut hasher = AnyHasher::new(algorithm);
            hasher.update(b"a");
            hasher.update(b"bc");
            let digest = hasher.finish(3);
            assert_eq!(digest.digest().hex(), hex);
            assert_eq!(digest.digest().raw().len(), algorithm.size_bytes());
            assert_eq!(
                digest.digest().to_string(),
                format!("{}:{hex}", algorithm.as_str())
            );
            assert_eq!(Algorithm::from_word(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_word("sha512"), None);
    }
}
