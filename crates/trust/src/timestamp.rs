//! Timestamps (RFC 3161): an authority's word that some bytes were there at a time.
//!
//! ```text
//! TimeStampResp ─► token = ContentInfo ─► SignedData ─► SignerInfo ─► signed attributes ─► TSTInfo ─► stamped bytes
//! ```
//! Read strictly: every byte of a token is signed, or has one value that is read, or is said below to mean nothing.

mod info;
mod signed_data;

use pkcs8::der::Tag;

use crate::Time;
use crate::x509::der::Element;
use crate::x509::{Certificate, CertificateError, ChainError, Path, Purpose, chain};

use info::Info;
use signed_data::SignedData;

/// Tokens are some kilobytes; those with their whole chain, a few more.
const SIZE_BYTES_MAX: usize = 256 * 1024;

/// How many bytes a nonce has.
pub const NONCE_BYTES: usize = 16;

/// A token whose signature, chain and imprint are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// When the bytes were there, in whole seconds. What the authority says of its clock's accuracy is not counted.
    pub time: Time,
    /// The certificates from the authority's own to an anchor.
    pub path: Path,
}

/// Verifies that an authority which one of `anchors` vouches for stamped these bytes. `token` is a `TimeStampResp` or the
/// `TimeStampToken` out of one; `untrusted` are certificates that it may have left out.
///
/// (1) The token holds a `TSTInfo` with one signer. (2) The signer's certificate is one of the token's or of `untrusted`, is
/// the one that its signed attributes are bound to (RFC 5035, RFC 2634), and made the signature. (3) The signed attributes
/// have the content's digest. (4) The imprint is the digest of `stamped_bytes`, by SHA-256, SHA-384 or SHA-512. (5) The
/// certificate is for stamping times alone, and an anchor vouches for it at the time that it stamped.
///
/// Two things in a token mean nothing here: which of the two words for "granted" a response has, and certificates that
/// are not on the path.
///
/// # Errors
/// One of these doesn't hold.
pub fn verify(
    token: &[u8],
    stamped_bytes: &[u8],
    untrusted: &[Certificate],
    anchors: &[Certificate],
) -> Result<Timestamp, TimestampError> {
    if token.len() > SIZE_BYTES_MAX {
        return Err(TimestampError::TooLarge {
            size_bytes_max: SIZE_BYTES_MAX,
        });
    }
    let token = token_of(token)?;
    let signed = SignedData::read(token)?;
    let info = Info::read(signed.content)?;
    let signer = signed.verified_signer(untrusted)?;
    if !info.is_about(stamped_bytes) {
        return Err(TimestampError::Imprint);
    }
    let others: Vec<Certificate> = signed
        .certificates
        .iter()
        .chain(untrusted)
        .cloned()
        .collect();
    let path = chain::verify(signer, &others, anchors, info.time, Purpose::TimeStamping)
        .map_err(TimestampError::Chain)?;
    Ok(Timestamp {
        time: info.time,
        path,
    })
}

/// What an authority is asked to have bytes stamped (`TimeStampReq`, RFC 3161 §2.4.1): by their SHA-256, with its certificate
/// to come along. The nonce must be new: it is how an answer is known to be no older one.
#[must_use]
pub fn query(stamped_bytes: &[u8], nonce: &[u8; NONCE_BYTES]) -> Vec<u8> {
    const BEFORE: [u8; 24] = [
        0x30, 75, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
    ];
    const WITH_CERTIFICATE: [u8; 3] = [0x01, 0x01, 0xff];
    let imprint = digest::Digest::of(stamped_bytes);
    let nonce = nonce_integer(nonce);
    [&BEFORE[..], imprint.raw(), &nonce, &WITH_CERTIFICATE].concat()
}

/// Verifies what an authority answered to [`query`], as [`verify`] does, and that it is the answer to this very question.
/// Without anchors, whether anybody vouches for the authority is left to whoever verifies the signature.
///
/// # Errors
/// As [`verify`]; or it has another nonce.
pub fn verify_answer(
    answer: &[u8],
    stamped_bytes: &[u8],
    nonce: &[u8; NONCE_BYTES],
    anchors: Option<&[Certificate]>,
) -> Result<Timestamp, TimestampError> {
    if answer.len() > SIZE_BYTES_MAX {
        return Err(TimestampError::TooLarge {
            size_bytes_max: SIZE_BYTES_MAX,
        });
    }
    let signed = SignedData::read(token_of(answer)?)?;
    if Info::read(signed.content)?.nonce != Some(&nonce_integer(nonce)[2..]) {
        return Err(TimestampError::Nonce);
    }
    match anchors {
        Some(anchors) => verify(answer, stamped_bytes, &[], anchors),
        None => {
            let signer = signed.verified_signer(&[])?;
            verify(answer, stamped_bytes, &[], std::slice::from_ref(signer))
        }
    }
}

/// A number in DER: the first bit set would make it negative, and zeros in front are not written.
fn nonce_integer(nonce: &[u8; NONCE_BYTES]) -> [u8; NONCE_BYTES + 2] {
    let mut integer = [0; NONCE_BYTES + 2];
    integer[0] = 0x02;
    integer[1] = 16;
    integer[2..].copy_from_slice(nonce);
    integer[2] = nonce[0] & 0x7f | 0x40;
    integer
}

/// When a token says that it was made, whoever made it: nothing of it is checked. For showing, and for nothing else.
#[must_use]
pub fn claimed_time(token: &[u8]) -> Option<Time> {
    let token = Some(token).filter(|token| token.len() <= SIZE_BYTES_MAX)?;
    let signed = SignedData::read(token_of(token).ok()?).ok()?;
    Info::read(signed.content).ok().map(|info| info.time)
}

/// Whether a token says that it is over these bytes, whoever made it: nothing of it is checked. To leave it out, and for
/// nothing else.
pub(crate) fn claims_to_stamp(token: &[u8], bytes: &[u8]) -> bool {
    let claims = |token| {
        let signed = SignedData::read(token_of(token).ok()?).ok()?;
        Some(Info::read(signed.content).ok()?.is_about(bytes))
    };
    token.len() <= SIZE_BYTES_MAX && claims(token) == Some(true)
}

/// Whether a token may be what it says, where nobody vouches for its authority: it can be read, is over these bytes and was
/// signed with the certificate that came along. No time follows from that. What is made with algorithms that are not
/// believed, or without that certificate, can't be told from one that is.
pub(crate) fn check_unvouched(token: &[u8], stamped_bytes: &[u8]) -> Result<(), TimestampError> {
    if token.len() > SIZE_BYTES_MAX {
        return Err(TimestampError::TooLarge {
            size_bytes_max: SIZE_BYTES_MAX,
        });
    }
    let is_about = || {
        let signed = SignedData::read(token_of(token)?)?;
        if !Info::read(signed.content)?.is_about(stamped_bytes) {
            return Err(TimestampError::Imprint);
        }
        signed.verified_signer(&[]).map(drop)
    };
    match is_about() {
        Err(
            TimestampError::Algorithm { .. }
            | TimestampError::Certificate(_)
            | TimestampError::SignerMissing,
        ) => Ok(()),
        judged => judged,
    }
}

/// The token that a response holds, or that these bytes are.
fn token_of(bytes: &[u8]) -> Result<Element<'_>, TimestampError> {
    let unread = TimestampError::Malformed { part: "token" };
    let outer = Element::only(bytes, Tag::Sequence).ok_or(unread.clone())?;
    let mut inside = outer.inside().ok_or(unread.clone())?;
    let Some(status) = inside.optional(Tag::Sequence) else {
        return Ok(outer);
    };
    let status = status.single(Tag::Integer).and_then(|e| e.small());
    // `granted` and `grantedWithMods`. A refusal has more to it, and no token.
    if !matches!(status, Some(0 | 1)) {
        return Err(TimestampError::NotGranted);
    }
    let token = inside.take(Tag::Sequence).ok_or(unread.clone())?;
    inside.end().ok_or(unread)?;
    Ok(token)
}

/// Why a token proves no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// There is more of it than is read.
    #[error("the timestamp has more than {size_bytes_max} bytes")]
    TooLarge {
        /// What is read.
        size_bytes_max: usize,
    },
    /// A part is not what RFC 3161 or RFC 5652 say, or not in DER.
    #[error("the timestamp can't be read: its {part} is not what RFC 3161 says")]
    Malformed {
        /// The part.
        part: &'static str,
    },
    /// The authority did not stamp.
    #[error("the timestamp is the authority's refusal to stamp")]
    NotGranted,
    /// It is made with an algorithm that is not believed.
    #[error("the timestamp's {part} is made by an algorithm that is not believed")]
    Algorithm {
        /// What is made with it.
        part: &'static str,
    },
    /// A certificate in it can't be read.
    #[error("a certificate in the timestamp can't be read")]
    Certificate(#[source] CertificateError),
    /// The signer's certificate is nowhere.
    #[error("the certificate of the timestamp's signer is neither in it nor among those given")]
    SignerMissing,
    /// The signer's certificate is not the one that it signed with.
    #[error("the timestamp was not signed with the certificate that it names")]
    SignerBinding,
    /// The signed digest is another content's.
    #[error("the timestamp's content is not the one that was signed")]
    ContentDigest,
    /// The signature is not the signer's.
    #[error("the timestamp's signature is not by its signer")]
    Signature,
    /// It is about something else.
    #[error("the timestamp is about other bytes")]
    Imprint,
    /// It was made after the time of asking.
    #[error(
        "the timestamp is of {at}, and now it is {now}: the authority's clock is wrong, or this machine's"
    )]
    Future {
        /// When it says that it was made.
        at: Time,
        /// The time it was asked.
        now: Time,
    },
    /// It answers another question.
    #[error("the timestamp is the answer to another question than the one that was asked")]
    Nonce,
    /// No anchor vouches for the signer.
    #[error("no anchor vouches for the timestamp's signer")]
    Chain(#[source] ChainError),
}
