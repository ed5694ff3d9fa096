//! How a model's files are measured where it is not by SHA-256 and whole: OpenSSF model signing knows more.

use std::fmt;
use std::num::NonZeroU64;

use data_encoding::HEXLOWER;

use crate::Digest;

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
        let mut raw = [0; 64];
        (bytes.len() == algorithm.size_bytes()).then_some(())?;
        raw.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { algorithm, raw })
    }

    /// What made it.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its bytes.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.raw
            .get(..self.algorithm.size_bytes())
            .unwrap_or_default()
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
        let mut raw = [0; 64];
        for (to, from) in raw.iter_mut().zip(digest.raw()) {
            *to = *from;
        }
        Self {
            algorithm: Algorithm::Sha256,
            raw,
        }
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
