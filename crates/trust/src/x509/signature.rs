//! The signatures that certificates and timestamps bear: ECDSA, RSA and Ed25519, with SHA-2 alone.

use aws_lc_rs::signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm};
use pkcs8::der::Tag;

use super::der::{Element, around};
use crate::KeyAlgorithm;
use crate::PublicKey;

/// A hash function that may still be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Reads an `AlgorithmIdentifier`, without parameters or with the `NULL` that older writers put there.
    pub(crate) fn read(algorithm: &Element<'_>) -> Option<Self> {
        let (oid, parameters) = oid_and_parameters(algorithm)?;
        is_absent_or_null(parameters).then_some(())?;
        match oid.as_str() {
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &aws_lc_rs::digest::SHA256,
            Self::Sha384 => &aws_lc_rs::digest::SHA384,
            Self::Sha512 => &aws_lc_rs::digest::SHA512,
        };
        aws_lc_rs::digest::digest(algorithm, bytes)
            .as_ref()
            .to_vec()
    }

    const fn size_bytes(self) -> u32 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// How something was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Ecdsa(Hash),
    RsaPkcs1(Hash),
    RsaPss(Hash),
    Ed25519,
    /// RSA, with the hash said elsewhere: CMS may write it so.
    Rsa,
    /// One that is not verified here, by its name.
    Refused(String),
}

impl Algorithm {
    /// Reads an `AlgorithmIdentifier`. Parameters that don't belong to the algorithm make it none at all.
    pub(crate) fn read(algorithm: &Element<'_>) -> Option<Self> {
        let (oid, parameters) = oid_and_parameters(algorithm)?;
        let (known, is_fit) = match oid.as_str() {
            "1.2.840.10045.4.3.2" => (Self::Ecdsa(Hash::Sha256), parameters.is_none()),
            "1.2.840.10045.4.3.3" => (Self::Ecdsa(Hash::Sha384), parameters.is_none()),
            "1.2.840.10045.4.3.4" => (Self::Ecdsa(Hash::Sha512), parameters.is_none()),
            "1.3.101.112" => (Self::Ed25519, parameters.is_none()),
            "1.2.840.113549.1.1.11" => {
                (Self::RsaPkcs1(Hash::Sha256), is_absent_or_null(parameters))
            }
            "1.2.840.113549.1.1.12" => {
                (Self::RsaPkcs1(Hash::Sha384), is_absent_or_null(parameters))
            }
            "1.2.840.113549.1.1.13" => {
                (Self::RsaPkcs1(Hash::Sha512), is_absent_or_null(parameters))
            }
            "1.2.840.113549.1.1.1" => (Self::Rsa, is_absent_or_null(parameters)),
            "1.2.840.113549.1.1.10" => (pss(&parameters?), true),
            other => (Self::Refused(refused_name(other).to_owned()), true),
        };
        is_fit.then_some(known)
    }

    /// The name of an algorithm that is not verified here.
    pub(crate) fn refused(&self) -> Option<&str> {
        match self {
            Self::Refused(name) => Some(name),
            Self::Rsa => Some("RSA without a hash function"),
            _ => None,
        }
    }

    /// The hash that the algorithm names.
    pub(crate) const fn hash(&self) -> Option<Hash> {
        match self {
            Self::Ecdsa(hash) | Self::RsaPkcs1(hash) | Self::RsaPss(hash) => Some(*hash),
            _ => None,
        }
    }
}

/// The OID with its parameters, if there are any.
fn oid_and_parameters<'a>(algorithm: &Element<'a>) -> Option<(String, Option<Element<'a>>)> {
    let mut inside = algorithm.inside()?;
    let oid = inside.take(Tag::ObjectIdentifier)?.oid()?.to_string();
    let parameters = (!inside.is_done()).then(|| inside.any());
    inside.end()?;
    match parameters {
        None => Some((oid, None)),
        Some(parameters) => Some((oid, Some(parameters?))),
    }
}

fn is_absent_or_null(parameters: Option<Element<'_>>) -> bool {
    parameters.is_none_or(|element| element.whole == [5, 0])
}

/// RSASSA-PSS as everybody uses it: one SHA-2 for the message and for MGF1, a salt as long as its digest.
fn pss(parameters: &Element<'_>) -> Algorithm {
    let read = || {
        let mut inside = parameters.inside()?;
        let hash = Hash::read(&inside.optional(around(0))?.single(Tag::Sequence)?)?;
        let mask = inside.optional(around(1))?.single(Tag::Sequence)?;
        let (mask_oid, mask_hash) = oid_and_parameters(&mask)?;
        let is_fit = mask_oid == "1.2.840.113549.1.1.8" && Hash::read(&mask_hash?)? == hash;
        let salt = inside.optional(around(2))?.single(Tag::Integer)?.small()?;
        inside.end()?;
        (is_fit && salt == hash.size_bytes()).then_some(Algorithm::RsaPss(hash))
    };
    let unread = "RSASSA-PSS with other parameters than one SHA-2 and a salt of its length";
    read().unwrap_or_else(|| Algorithm::Refused(unread.to_owned()))
}

/// A word for the algorithms that are refused by name; the OID for the others.
fn refused_name(oid: &str) -> &str {
    match oid {
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        "1.2.840.113549.1.1.5" => "RSA with SHA-1",
        "1.2.840.113549.1.1.14" => "RSA with SHA-224",
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.10045.4.3.1" => "ECDSA with SHA-224",
        "1.2.840.10040.4.3" => "DSA with SHA-1",
        other => other,
    }
}

/// Whether this key made this signature over these bytes, in this way.
pub(crate) fn verifies(
    key: &PublicKey,
    by: &Algorithm,
    signed_bytes: &[u8],
    signature: &[u8],
) -> bool {
    let Some(algorithm) = verification(key.algorithm(), by) else {
        return false;
    };
    let key = UnparsedPublicKey::new(algorithm, key.key_bytes());
    key.verify(signed_bytes, signature).is_ok()
}

fn verification(kind: KeyAlgorithm, by: &Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    use Hash::{Sha256, Sha384, Sha512};
    Some(match (kind, by) {
        (KeyAlgorithm::P256, Algorithm::Ecdsa(Sha256)) => &lc::ECDSA_P256_SHA256_ASN1,
        (KeyAlgorithm::P256, Algorithm::Ecdsa(Sha384)) => &lc::ECDSA_P256_SHA384_ASN1,
        (KeyAlgorithm::P256, Algorithm::Ecdsa(Sha512)) => &lc::ECDSA_P256_SHA512_ASN1,
        (KeyAlgorithm::P384, Algorithm::Ecdsa(Sha256)) => &lc::ECDSA_P384_SHA256_ASN1,
        (KeyAlgorithm::P384, Algorithm::Ecdsa(Sha384)) => &lc::ECDSA_P384_SHA384_ASN1,
        (KeyAlgorithm::P384, Algorithm::Ecdsa(Sha512)) => &lc::ECDSA_P384_SHA512_ASN1,
        (KeyAlgorithm::P521, Algorithm::Ecdsa(Sha256)) => &lc::ECDSA_P521_SHA256_ASN1,
        (KeyAlgorithm::P521, Algorithm::Ecdsa(Sha384)) => &lc::ECDSA_P521_SHA384_ASN1,
        (KeyAlgorithm::P521, Algorithm::Ecdsa(Sha512)) => &lc::ECDSA_P521_SHA512_ASN1,
        (KeyAlgorithm::Rsa, Algorithm::RsaPkcs1(Sha256)) => &lc::RSA_PKCS1_2048_8192_SHA256,
        (KeyAlgorithm::Rsa, Algorithm::RsaPkcs1(Sha384)) => &lc::RSA_PKCS1_2048_8192_SHA384,
        (KeyAlgorithm::Rsa, Algorithm::RsaPkcs1(Sha512)) => &lc::RSA_PKCS1_2048_8192_SHA512,
        (KeyAlgorithm::Rsa, Algorithm::RsaPss(Sha256)) => &lc::RSA_PSS_2048_8192_SHA256,
        (KeyAlgorithm::Rsa, Algorithm::RsaPss(Sha384)) => &lc::RSA_PSS_2048_8192_SHA384,
        (KeyAlgorithm::Rsa, Algorithm::RsaPss(Sha512)) => &lc::RSA_PSS_2048_8192_SHA512,
        (KeyAlgorithm::Ed25519, Algorithm::Ed25519) => &lc::ED25519,
        _ => return None,
    })
}
