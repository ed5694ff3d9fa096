//! One certificate, read.

use std::fmt;

use digest::Digest;
use pkcs8::der::Tag;

use super::der::{Element, Elements, around};
use super::extensions::{Extensions, Refused};
use super::name::Name;
use super::signature::{Algorithm, verifies};
use crate::{KeyError, PublicKey, Time};

/// Certificates are one or two kilobytes.
const SIZE_BYTES_MAX: usize = 64 * 1024;

/// A certificate: what it says, believed by nobody yet. Two are equal if their bytes are.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    fingerprint: Digest,
    serial: Vec<u8>,
    issuer: Name,
    subject: Name,
    not_before: Time,
    not_after: Time,
    key: Result<PublicKey, KeyError>,
    extensions: Extensions,
    signature: Signature,
}

#[derive(Clone)]
struct Signature {
    signed_bytes: Vec<u8>,
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Certificate {
    /// Reads a certificate in DER, to its last byte.
    ///
    /// # Errors
    /// It is none, not in DER, or an extension stands in it twice.
    pub fn from_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > SIZE_BYTES_MAX {
            return Err(CertificateError::TooLarge {
                size_bytes_max: SIZE_BYTES_MAX,
            });
        }
        let (signed, algorithm, signature) = outer(bytes).ok_or(malformed("certificate"))?;
        let mut inside = signed.inside().ok_or(malformed("certificate"))?;
        let version = version(&mut inside).ok_or(malformed("version"))?;
        let serial = inside.take(Tag::Integer).and_then(|e| e.serial());
        let serial = serial.ok_or(malformed("serial number"))?.to_vec();
        let named = inside
            .take(Tag::Sequence)
            .ok_or(malformed("signature algorithm"))?;
        // The one outside is not signed, and must not say another thing.
        let algorithm = (named.whole == algorithm.whole)
            .then(|| Algorithm::read(&named))
            .flatten()
            .ok_or(malformed("signature algorithm"))?;
        let mut name = || inside.take(Tag::Sequence).and_then(|e| Name::read(&e));
        let issuer = name().ok_or(malformed("issuer"))?;
        let (not_before, not_after) = validity(&mut inside).ok_or(malformed("validity"))?;
        let mut name = || inside.take(Tag::Sequence).and_then(|e| Name::read(&e));
        let subject = name().ok_or(malformed("subject"))?;
        let key = inside.take(Tag::Sequence).ok_or(malformed("public key"))?;
        let key = PublicKey::from_spki_der(key.whole);
        let extensions = extensions(&mut inside, version)?;
        inside.end().ok_or(malformed("certificate"))?;
        Ok(Self {
            der: bytes.to_vec(),
            fingerprint: Digest::of(bytes),
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            extensions,
            signature: Signature {
                signed_bytes: signed.whole.to_vec(),
                algorithm,
                bytes: signature.to_vec(),
            },
        })
    }

    /// The bytes it was read from.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of its bytes.
    #[must_use]
    pub const fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Who it is made out to.
    #[must_use]
    pub const fn subject(&self) -> &Name {
        &self.subject
    }

    /// Who is said to have issued it.
    #[must_use]
    pub const fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Its number at its issuer: an integer's bytes in DER.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// From when it holds.
    #[must_use]
    pub const fn not_before(&self) -> Time {
        self.not_before
    }

    /// Until when it holds, that second included.
    #[must_use]
    pub const fn not_after(&self) -> Time {
        self.not_after
    }

    /// What its extensions say.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Its key.
    ///
    /// # Errors
    /// It is of a kind that is not used here.
    pub fn public_key(&self) -> Result<&PublicKey, KeyError> {
        self.key.as_ref().map_err(Clone::clone)
    }

    /// What of it is signed.
    pub(crate) fn signed_bytes(&self) -> &[u8] {
        &self.signature.signed_bytes
    }

    /// The name of the algorithm that signed it, if signatures by it are not believed.
    pub(crate) fn refused_algorithm(&self) -> Option<&str> {
        self.signature.algorithm.refused()
    }

    /// Whether its signature is by this key.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let Signature {
            signed_bytes,
            algorithm,
            bytes,
        } = &self.signature;
        verifies(key, algorithm, signed_bytes, bytes)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({}, {})",
            self.subject,
            self.fingerprint.short()
        )
    }
}

/// What is signed, by which algorithm, and the signature.
fn outer(bytes: &[u8]) -> Option<(Element<'_>, Element<'_>, &[u8])> {
    let mut inside = Element::only(bytes, Tag::Sequence)?.inside()?;
    let signed = inside.take(Tag::Sequence)?;
    let algorithm = inside.take(Tag::Sequence)?;
    let signature = inside.take(Tag::BitString)?.bits()?.as_bytes()?;
    inside.end()?;
    Some((signed, algorithm, signature))
}

/// 3, or 1 if none is named. Version 2 was never used for anything.
fn version(inside: &mut Elements<'_>) -> Option<u32> {
    match inside.optional(around(0)) {
        None => Some(1),
        Some(element) => (element.single(Tag::Integer)?.small()? == 2).then_some(3),
    }
}

fn validity(inside: &mut Elements<'_>) -> Option<(Time, Time)> {
    let mut times = inside.take(Tag::Sequence)?.inside()?;
    let (from, until) = (times.any()?.time()?, times.any()?.time()?);
    times.end()?;
    (from <= until).then_some((from, until))
}

fn extensions(inside: &mut Elements<'_>, version: u32) -> Result<Extensions, CertificateError> {
    let Some(element) = inside.optional(around(3)) else {
        return Ok(Extensions::default());
    };
    let element = element.single(Tag::Sequence).filter(|_| version == 3);
    let element = element.ok_or(malformed("extensions"))?;
    Extensions::read(&element).map_err(|refused| match refused {
        Refused::Malformed(what) => malformed(what),
        Refused::Doubled(oid) => CertificateError::DoubledExtension { oid },
    })
}

const fn malformed(part: &'static str) -> CertificateError {
    CertificateError::Malformed { part }
}

/// Why bytes are no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is more of it than is read.
    #[error("there are more than {size_bytes_max} bytes of certificates")]
    TooLarge {
        /// What is read.
        size_bytes_max: usize,
    },
    /// There are more of them than are read.
    #[error("there are more than {count_max} certificates")]
    TooMany {
        /// What is read.
        count_max: usize,
    },
    /// A part is not what RFC 5280 says, or not in DER.
    #[error("the certificate can't be read: its {part} is not what RFC 5280 says")]
    Malformed {
        /// The part.
        part: &'static str,
    },
    /// An extension stands there twice, so that it can be read in two ways.
    #[error("the certificate has the extension {oid} twice")]
    DoubledExtension {
        /// The extension.
        oid: String,
    },
    /// The file holds something else.
    #[error("the file holds a `{label}`, and only certificates may stand in it")]
    PemLabel {
        /// What it holds.
        label: String,
    },
    /// The file holds no certificate.
    #[error("the file holds no `-----BEGIN CERTIFICATE-----`")]
    PemMissing,
    /// A certificate has no end.
    #[error("a certificate in the file has no `-----END CERTIFICATE-----`")]
    PemEnd,
    /// A certificate's text is no base64.
    #[error("a certificate in the file is not in base64")]
    PemBase64,
}
