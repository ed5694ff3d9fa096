//! What an authority states: `TSTInfo` (RFC 3161 §2.4.2).

use pkcs8::der::Tag;

use super::TimestampError;
use crate::Time;
use crate::x509::der::{Element, Elements, around};
use crate::x509::signature::Hash;

/// More extensions than any token has.
const EXTENSIONS_MAX: usize = 16;

/// A time, and what was there.
pub(super) struct Info<'a> {
    pub(super) time: Time,
    /// What was asked for, as a number's bytes.
    pub(super) nonce: Option<&'a [u8]>,
    hash: Hash,
    imprint: &'a [u8],
}

impl<'a> Info<'a> {
    pub(super) fn read(content: &'a [u8]) -> Result<Self, TimestampError> {
        let malformed = |part| TimestampError::Malformed { part };
        let whole = Element::only(content, Tag::Sequence).ok_or(malformed("content"))?;
        let mut inside = whole.inside().ok_or(malformed("content"))?;
        let version = inside.take(Tag::Integer).and_then(|e| e.small());
        version
            .filter(|version| *version == 1)
            .ok_or(malformed("version"))?;
        let policy = inside.take(Tag::ObjectIdentifier).and_then(|e| e.oid());
        policy.ok_or(malformed("policy"))?;
        let imprint = inside.take(Tag::Sequence).ok_or(malformed("imprint"))?;
        let (hash, imprint) = imprint_of(&imprint)?;
        // RFC 3161 §2.4.2 allows 160 bits.
        let serial = inside.take(Tag::Integer).and_then(|e| e.serial());
        serial.ok_or(malformed("serial number"))?;
        let time = inside.take(Tag::GeneralizedTime).and_then(|e| e.time());
        let time = time.ok_or(malformed("time"))?;
        let nonce = rest(&mut inside).ok_or(malformed("content"))?;
        Ok(Self {
            time,
            nonce,
            hash,
            imprint,
        })
    }

    pub(super) fn is_about(&self, stamped_bytes: &[u8]) -> bool {
        self.hash.of(stamped_bytes) == self.imprint
    }
}

fn imprint_of<'a>(element: &Element<'a>) -> Result<(Hash, &'a [u8]), TimestampError> {
    let read = || {
        let mut inside = element.inside()?;
        let algorithm = inside.take(Tag::Sequence)?;
        let imprint = inside.take(Tag::OctetString)?.value;
        inside.end()?;
        Some((algorithm, imprint))
    };
    let (algorithm, imprint) = read().ok_or(TimestampError::Malformed { part: "imprint" })?;
    let hash = Hash::read(&algorithm).ok_or(TimestampError::Algorithm { part: "imprint" })?;
    Ok((hash, imprint))
}

/// What may stand behind the time: accuracy, ordering, the authority's name and extensions, of which none may be critical,
/// are not used. The nonce, if there is one.
fn rest<'a>(inside: &mut Elements<'a>) -> Option<Option<&'a [u8]>> {
    inside.optional(Tag::Sequence);
    if let Some(ordering) = inside.optional(Tag::Boolean) {
        ordering.boolean()?;
    }
    let nonce = inside.optional(Tag::Integer).map(|nonce| nonce.value);
    inside.optional(around(0));
    if let Some(extensions) = inside.optional(around(1)) {
        for extension in extensions.all(Tag::Sequence, EXTENSIONS_MAX)? {
            let mut parts = extension.inside()?;
            parts.take(Tag::ObjectIdentifier)?;
            parts.take(Tag::OctetString)?;
            parts.end()?;
        }
    }
    inside.end()?;
    Some(nonce)
}
