//! The kinds of keys, each with the one way in which it signs here.

use std::fmt;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};

/// A kind of key. Which hash it signs, and how the signature is written, follows from the kind alone: nothing that is
/// received can choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 over SHA-256, in DER.
    P256,
    /// ECDSA on P-384 over SHA-384, in DER.
    P384,
    /// ECDSA on P-521 over SHA-512, in DER.
    P521,
    /// Ed25519 over the bytes themselves.
    Ed25519,
    /// RSA of 2048 to 8192 bits: PKCS#1 v1.5 over SHA-256.
    Rsa,
}

impl KeyAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::P256, Self::P384, Self::P521, Self::Ed25519, Self::Rsa];

    /// Its name, which is also what the signer plug-in's protocol calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "ecdsa-p256",
            Self::P384 => "ecdsa-p384",
            Self::P521 => "ecdsa-p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
        }
    }

    /// The hash that this kind signs, by name: `None` for Ed25519, which signs the bytes.
    #[must_use]
    pub const fn hash_name(self) -> Option<&'static str> {
        match self {
            Self::P256 | Self::Rsa => Some("sha256"),
            Self::P384 => Some("sha384"),
            Self::P521 => Some("sha512"),
            Self::Ed25519 => None,
        }
    }

    /// The hash of these bytes that this kind signs: `None` for Ed25519, which signs the bytes.
    #[must_use]
    pub fn hash(self, signed_bytes: &[u8]) -> Option<Vec<u8>> {
        let algorithm = match self {
            Self::P256 | Self::Rsa => &SHA256,
            Self::P384 => &SHA384,
            Self::P521 => &SHA512,
            Self::Ed25519 => return None,
        };
        Some(digest::digest(algorithm, signed_bytes).as_ref().to_vec())
    }

    /// How many bytes a coordinate of its points has: `None` for what is not ECDSA.
    #[must_use]
    pub const fn coordinate_len(self) -> Option<usize> {
        match self {
            Self::P256 => Some(32),
            Self::P384 => Some(48),
            Self::P521 => Some(66),
            Self::Ed25519 | Self::Rsa => None,
        }
    }

    pub(super) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA384_ASN1,
            Self::P521 => &ECDSA_P521_SHA512_ASN1,
            Self::Ed25519 => &ED25519,
            Self::Rsa => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
