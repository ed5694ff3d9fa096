//! Signed certificate timestamps (RFC 6962 §3.2, §3.3): a log's word that it has a certificate.

use digest::Digest;
use pkcs8::der::Tag;

use super::SigstoreError;
use super::root::Log;
use crate::x509::Certificate;
use crate::x509::der::{Element, around};
use crate::{KeyAlgorithm, Time};

const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";
const SCTS_MAX: usize = 16;
const SHA256: u8 = 4;
const RSA: u8 = 1;
const ECDSA: u8 = 3;

/// Checks that the certificate bears the word of at least one of these logs that they have it, and none that is wrong.
pub(super) fn verify(
    certificate: &Certificate,
    issuer: &Certificate,
    logs: &[Log],
    now: Option<Time>,
) -> Result<(), SigstoreError> {
    check(certificate, issuer, logs, now).map_err(SigstoreError::CertificateLog)
}

fn check(
    certificate: &Certificate,
    issuer: &Certificate,
    logs: &[Log],
    now: Option<Time>,
) -> Result<(), SctError> {
    let list = certificate.extensions().value(SCT_LIST);
    let scts = read_list(list.ok_or(SctError::Missing)?).ok_or(SctError::Malformed)?;
    let certified = without_scts(certificate).ok_or(SctError::Malformed)?;
    let issuer = issuer.public_key().map_err(|_| SctError::Malformed)?;
    let mut is_logged = false;
    for sct in &scts {
        let Some(log) = logs.iter().find(|log| log.id == sct.log_id) else {
            continue;
        };
        let key = log.key.as_ref().ok_or(SctError::LogKey)?;
        let algorithm = match key.algorithm() {
            KeyAlgorithm::Rsa => [SHA256, RSA],
            KeyAlgorithm::P256 => [SHA256, ECDSA],
            _ => return Err(SctError::LogKey),
        };
        let signed = sct.signed_bytes(Digest::of(issuer.der()), &certified);
        if sct.algorithm != algorithm
            || !key.verifies(&signed.ok_or(SctError::Malformed)?, sct.signature)
        {
            return Err(SctError::Signature);
        }
        if !log.during.contains(sct.time()) {
            return Err(SctError::LogTime { at: sct.time() });
        }
        if now.is_some_and(|now| sct.time() > now) {
            return Err(SctError::Future { at: sct.time() });
        }
        is_logged = true;
    }
    is_logged.then_some(()).ok_or(SctError::LogUnknown)
}

/// One log's word.
struct Sct<'a> {
    log_id: &'a [u8],
    milliseconds: u64,
    extensions: &'a [u8],
    algorithm: [u8; 2],
    signature: &'a [u8],
}

impl<'a> Sct<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        const VERSION_1: u8 = 0;
        let (version, rest) = bytes.split_first()?;
        let (log_id, rest) = rest.split_at_checked(32)?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (extensions, rest) = vector(rest)?;
        let (algorithm, rest) = rest.split_first_chunk::<2>()?;
        let (signature, rest) = vector(rest)?;
        (*version == VERSION_1 && rest.is_empty()).then_some(Self {
            log_id,
            milliseconds: u64::from_be_bytes(*time),
            extensions,
            algorithm: *algorithm,
            signature,
        })
    }

    fn time(&self) -> Time {
        Time::from_unix(i64::try_from(self.milliseconds / 1000).unwrap_or(i64::MAX))
    }

    /// What the log signed: the certificate as its issuer was about to sign it, and by whose key.
    fn signed_bytes(&self, issuer: Digest, certified: &[u8]) -> Option<Vec<u8>> {
        const VERSION_1_CERTIFICATE_TIMESTAMP: [u8; 2] = [0, 0];
        const PRECERTIFICATE: [u8; 2] = [0, 1];
        let [0, certified_length @ ..] = u32::try_from(certified.len()).ok()?.to_be_bytes() else {
            return None;
        };
        let extensions_length = u16::try_from(self.extensions.len()).ok()?.to_be_bytes();
        let parts: [&[u8]; 8] = [
            &VERSION_1_CERTIFICATE_TIMESTAMP,
            &self.milliseconds.to_be_bytes(),
            &PRECERTIFICATE,
            issuer.raw(),
            &certified_length,
            certified,
            &extensions_length,
            self.extensions,
        ];
        Some(parts.concat())
    }
}

/// The list in an extension: an octet string around a TLS vector of vectors.
fn read_list(extension: &[u8]) -> Option<Vec<Sct<'_>>> {
    let list = Element::only(extension, Tag::OctetString)?.value;
    let (mut rest, behind) = vector(list)?;
    behind.is_empty().then_some(())?;
    let mut scts = Vec::new();
    while !rest.is_empty() {
        let (sct, more) = vector(rest)?;
        scts.push(Sct::read(sct)?);
        (scts.len() <= SCTS_MAX).then_some(())?;
        rest = more;
    }
    Some(scts)
}

/// Bytes behind their length in two bytes, and what is behind them.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// What of the certificate is signed, without the list.
fn without_scts(certificate: &Certificate) -> Option<Vec<u8>> {
    let whole = Element::only(certificate.signed_bytes(), Tag::Sequence)?;
    let mut inside = whole.inside()?;
    let mut parts = Vec::new();
    while !inside.is_done() {
        let part = inside.any()?;
        if part.tag != around(3) {
            parts.extend_from_slice(part.whole);
            continue;
        }
        let mut kept = Vec::new();
        for extension in part.single(Tag::Sequence)?.all(Tag::Sequence, usize::MAX)? {
            let oid = extension.inside()?.take(Tag::ObjectIdentifier)?.oid()?;
            if oid.to_string() != SCT_LIST {
                kept.extend_from_slice(extension.whole);
            }
        }
        parts.extend(element(0xa3, &element(0x30, &kept)?)?);
    }
    element(0x30, &parts)
}

/// An element in DER.
fn element(tag: u8, value: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(value.len()).ok()?.to_be_bytes();
    let mut bytes = match value.len() {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    bytes.extend_from_slice(value);
    Some(bytes)
}

/// Why no log vouches that it has a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SctError {
    /// It bears no log's word.
    #[error("the certificate bears no signed certificate timestamp")]
    Missing,
    /// The list is not what RFC 6962 says.
    #[error("the certificate's signed certificate timestamps can't be read")]
    Malformed,
    /// None is by a log that is known.
    #[error("the root names none of the logs that say they have the certificate")]
    LogUnknown,
    /// The log's key is of a kind that is not used here.
    #[error("the key of the log that has the certificate is not used here")]
    LogKey,
    /// The log did not sign it.
    #[error("a signed certificate timestamp is not signed by its log")]
    Signature,
    /// The log was not in use.
    #[error("the log that has the certificate was not in use at {at}")]
    LogTime {
        /// When it was to be.
        at: Time,
    },
    /// The log's word is of a time after now.
    #[error("a log of certificates says that it took the certificate at {at}, which is after now")]
    Future {
        /// When.
        at: Time,
    },
}
