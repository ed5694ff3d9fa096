//! The envelope of a token: CMS `SignedData` (RFC 5652) with one signer.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use pkcs8::der::Tag;

use super::TimestampError;
use crate::x509::Certificate;
use crate::x509::der::{Element, Elements, around, in_place};
use crate::x509::signature::{Algorithm, Hash, verifies};

const ID_SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const ID_TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const ID_CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const ID_MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
const ID_SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
const ID_SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";

const CERTIFICATES_MAX: usize = 16;
const ATTRIBUTES_MAX: usize = 32;

/// A token's content, and who signed it.
pub(super) struct SignedData<'a> {
    pub(super) content: &'a [u8],
    pub(super) certificates: Vec<Certificate>,
    signer: SignerInfo<'a>,
}

struct SignerInfo<'a> {
    id: SignerId<'a>,
    hash: Hash,
    /// As they stand in the token, and each one's OID and value.
    attributes: (Element<'a>, Vec<(String, Element<'a>)>),
    algorithm: Algorithm,
    signature: &'a [u8],
}

enum SignerId<'a> {
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    KeyId(&'a [u8]),
}

const fn malformed(part: &'static str) -> TimestampError {
    TimestampError::Malformed { part }
}

impl<'a> SignedData<'a> {
    pub(super) fn read(token: Element<'a>) -> Result<Self, TimestampError> {
        let signed = content_info(&token).ok_or(malformed("token"))?;
        let mut inside = signed.inside().ok_or(malformed("token"))?;
        let version = inside.take(Tag::Integer).and_then(|e| e.small());
        // RFC 5652 §5.1: 3, for the content is no `id-data`.
        version
            .filter(|version| *version == 3)
            .ok_or(malformed("version"))?;
        let hashes = inside.take(Tag::Set).ok_or(malformed("digest algorithm"))?;
        let content = inside.take(Tag::Sequence).and_then(|e| content(&e));
        let content = content.ok_or(malformed("content"))?;
        let certificates = match inside.optional(around(0)) {
            Some(element) => certificates(&element)?,
            None => Vec::new(),
        };
        let signers = inside.take(Tag::Set).ok_or(malformed("signer"))?;
        // Revocation lists would stand before the signers, and are not read.
        inside.end().ok_or(malformed("signer"))?;
        let signer = signers.single(Tag::Sequence).ok_or(malformed("signer"))?;
        let signer = SignerInfo::read(&signer)?;
        let hashes = hashes.single(Tag::Sequence).and_then(|e| Hash::read(&e));
        if hashes != Some(signer.hash) {
            return Err(malformed("digest algorithm"));
        }
        Ok(Self {
            content,
            certificates,
            signer,
        })
    }

    /// The signer's certificate, if it made the signature over this content.
    pub(super) fn verified_signer<'b>(
        &'b self,
        untrusted: &'b [Certificate],
    ) -> Result<&'b Certificate, TimestampError> {
        let signer = &self.signer;
        let mut known = self.certificates.iter().chain(untrusted);
        let certificate = known.find(|certificate| signer.id.names(certificate));
        let certificate = certificate.ok_or(TimestampError::SignerMissing)?;
        if signer
            .attribute(ID_CONTENT_TYPE)?
            .oid()
            .map(|oid| oid.to_string())
            .as_deref()
            != Some(ID_TST_INFO)
        {
            return Err(malformed("content type"));
        }
        let digest = signer.attribute(ID_MESSAGE_DIGEST)?;
        if digest.tag != Tag::OctetString || digest.value != signer.hash.of(self.content) {
            return Err(TimestampError::ContentDigest);
        }
        if !signer.is_bound_to(certificate)? {
            return Err(TimestampError::SignerBinding);
        }
        let key = certificate.public_key();
        let key = key.map_err(|_| TimestampError::Algorithm { part: "signature" })?;
        if !verifies(
            key,
            &signer.algorithm,
            &signer.signed_bytes(),
            signer.signature,
        ) {
            return Err(TimestampError::Signature);
        }
        Ok(certificate)
    }
}

fn content_info<'a>(token: &Element<'a>) -> Option<Element<'a>> {
    let mut inside = token.inside()?;
    let kind = inside.take(Tag::ObjectIdentifier)?.oid()?;
    let signed = inside.take(around(0))?.single(Tag::Sequence)?;
    inside.end()?;
    (kind.to_string() == ID_SIGNED_DATA).then_some(signed)
}

fn content<'a>(encapsulated: &Element<'a>) -> Option<&'a [u8]> {
    let mut inside = encapsulated.inside()?;
    let kind = inside.take(Tag::ObjectIdentifier)?.oid()?;
    let content = inside.take(around(0))?.single(Tag::OctetString)?.value;
    inside.end()?;
    (kind.to_string() == ID_TST_INFO).then_some(content)
}

fn certificates(element: &Element<'_>) -> Result<Vec<Certificate>, TimestampError> {
    let all = element.all(Tag::Sequence, CERTIFICATES_MAX);
    let all = all.ok_or(malformed("list of certificates"))?;
    let read = |element: &Element<'_>| Certificate::from_der(element.whole);
    let all: Result<_, _> = all.iter().map(read).collect();
    all.map_err(TimestampError::Certificate)
}

impl<'a> SignerInfo<'a> {
    fn read(element: &Element<'a>) -> Result<Self, TimestampError> {
        let mut inside = element.inside().ok_or(malformed("signer"))?;
        let version = inside.take(Tag::Integer).and_then(|e| e.small());
        let id = inside.any().and_then(|e| SignerId::read(&e, version?));
        let id = id.ok_or(malformed("signer"))?;
        let hash = inside.take(Tag::Sequence).ok_or(malformed("signer"))?;
        let hash = Hash::read(&hash).ok_or(TimestampError::Algorithm { part: "signature" })?;
        let attributes = inside
            .take(around(0))
            .ok_or(malformed("signed attributes"))?;
        let read = attributes_of(&attributes).ok_or(malformed("signed attributes"))?;
        let algorithm = inside.take(Tag::Sequence).and_then(|e| Algorithm::read(&e));
        let algorithm = algorithm.ok_or(malformed("signature algorithm"))?;
        let signature = inside
            .take(Tag::OctetString)
            .ok_or(malformed("signature"))?;
        // Unsigned attributes would stand here, and are not read.
        inside.end().ok_or(malformed("signature"))?;
        let algorithm = match algorithm {
            Algorithm::Rsa => Algorithm::RsaPkcs1(hash),
            other => other,
        };
        if algorithm.refused().is_some() {
            return Err(TimestampError::Algorithm { part: "signature" });
        }
        // RFC 8419 pairs Ed25519 with SHA-512.
        if algorithm.hash().unwrap_or(Hash::Sha512) != hash {
            return Err(malformed("signature algorithm"));
        }
        Ok(Self {
            id,
            hash,
            attributes: (attributes, read),
            algorithm,
            signature: signature.value,
        })
    }

    fn attribute(&self, oid: &str) -> Result<&Element<'a>, TimestampError> {
        let missing = malformed("signed attributes");
        self.find(oid).ok_or(missing)
    }

    fn find(&self, oid: &str) -> Option<&Element<'a>> {
        let found = self.attributes.1.iter().find(|(own, _)| own == oid);
        found.map(|(_, value)| value)
    }

    /// RFC 5652 §5.4: the attributes are signed with a set's tag, and stand in the token with another.
    fn signed_bytes(&self) -> Vec<u8> {
        const SET: u8 = 0x31;
        let mut bytes = self.attributes.0.whole.to_vec();
        if let Some(tag) = bytes.first_mut() {
            *tag = SET;
        }
        bytes
    }

    /// Whether the signed attributes name this certificate by its hash. The old form has SHA-1, which is enough here: to
    /// put another certificate in its place takes a second preimage, with the signer's key in it.
    fn is_bound_to(&self, certificate: &Certificate) -> Result<bool, TimestampError> {
        let malformed = malformed("signed attributes");
        let (new, old) = (
            self.find(ID_SIGNING_CERTIFICATE_V2),
            self.find(ID_SIGNING_CERTIFICATE),
        );
        if new.is_none() && old.is_none() {
            return Err(malformed);
        }
        let new = new
            .map(|value| first_hash(value).ok_or(malformed.clone()))
            .transpose()?;
        let old = old
            .map(|value| first_hash(value).ok_or(malformed))
            .transpose()?;
        let der = certificate.as_der();
        let fits_new =
            |(hash, value): (Option<Hash>, &[u8])| hash.unwrap_or(Hash::Sha256).of(der) == value;
        let fits_old = |(hash, value): (Option<Hash>, &[u8])| {
            hash.is_none() && digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref() == value
        };
        Ok(new.is_none_or(fits_new) && old.is_none_or(fits_old))
    }
}

/// The hash of the signer's certificate, which is the first of those listed, with its algorithm if one is named
/// (`ESSCertID`, `ESSCertIDv2`). The issuer and serial number beside it say nothing that the hash does not.
fn first_hash<'a>(value: &Element<'a>) -> Option<(Option<Hash>, &'a [u8])> {
    let certificates = value.inside()?.take(Tag::Sequence)?;
    let mut first = certificates.inside()?.take(Tag::Sequence)?.inside()?;
    let hash = match first.optional(Tag::Sequence) {
        Some(algorithm) => Some(Hash::read(&algorithm)?),
        None => None,
    };
    let value = first.take(Tag::OctetString)?.value;
    first.optional(Tag::Sequence);
    first.end()?;
    Some((hash, value))
}

/// Each attribute's OID and its one value; none stands twice.
fn attributes_of<'a>(set: &Element<'a>) -> Option<Vec<(String, Element<'a>)>> {
    let mut attributes: Vec<(String, Element<'a>)> = Vec::new();
    for attribute in set.all(Tag::Sequence, ATTRIBUTES_MAX)? {
        let mut inside = attribute.inside()?;
        let oid = inside.take(Tag::ObjectIdentifier)?.oid()?.to_string();
        let values = inside.take(Tag::Set)?;
        inside.end()?;
        let mut values: Elements<'a> = values.inside()?;
        let value = values.any()?;
        values.end()?;
        let is_doubled = attributes.iter().any(|(other, _)| *other == oid);
        (!is_doubled).then(|| attributes.push((oid, value)))?;
    }
    Some(attributes)
}

impl<'a> SignerId<'a> {
    fn read(element: &Element<'a>, version: u32) -> Option<Self> {
        match (element.tag, version) {
            (Tag::Sequence, 1) => {
                let mut inside = element.inside()?;
                let issuer = inside.take(Tag::Sequence)?.whole;
                let serial = inside.take(Tag::Integer)?.serial()?;
                inside.end()?;
                Some(Self::IssuerAndSerial { issuer, serial })
            }
            (tag, 3) if tag == in_place(0) => Some(Self::KeyId(element.value)),
            _ => None,
        }
    }

    fn names(&self, certificate: &Certificate) -> bool {
        match *self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.issuer().as_der() == issuer && certificate.serial() == serial
            }
            Self::KeyId(id) => certificate.extensions().subject_key_id.as_deref() == Some(id),
        }
    }
}
