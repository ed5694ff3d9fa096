//! DSSE v1 envelopes: what exactly is signed.

use std::borrow::Cow;
use std::ops::Range;

use crate::base64;
use crate::predicate::FIRST_RELEASE_TYPE;

/// The payload type of every statement here.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A payload and the signatures over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    /// The payload and what is signed before it. Of many files it is long, and so it is there once.
    signed: Vec<u8>,
    payload_at: usize,
    /// The signatures, raw, in the order they were written. At least one.
    pub signatures: Vec<Vec<u8>>,
}

impl Envelope {
    /// Puts a payload where a signature can be made over it.
    #[must_use]
    pub(crate) fn unsigned(payload_type: String, mut payload: Vec<u8>) -> Self {
        let before = before(&payload_type, payload.len());
        let payload_at = before.len();
        payload.splice(0..0, before);
        Self {
            payload_type,
            signed: payload,
            payload_at,
            signatures: Vec::new(),
        }
    }

    /// What the payload is.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The payload; these bytes, and no re-serialisation, are what is parsed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.signed.get(self.payload_at..).unwrap_or_default()
    }

    /// The bytes that a signature is over: DSSE's pre-authentication encoding.
    #[must_use]
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }

    /// The bytes that the first release of OpenSSF model signing (0.2) signed instead, by a mistake in its encoding: the
    /// payload as Python prints it. None where the payload is not that release's, or longer than any of its.
    #[must_use]
    pub(crate) fn bytes_signed_by_first_release(&self) -> Option<Vec<u8>> {
        const SIZE_BYTES_MAX: usize = 16 << 20;
        let text = std::str::from_utf8(self.payload()).ok()?;
        text.contains(FIRST_RELEASE_TYPE)
            .then(|| first_release_pae(&self.payload_type, self.payload(), SIZE_BYTES_MAX))?
    }
}

/// `DSSEV1 LEN(type) type LEN(payload) PRINTED(payload)`, where the payload is printed as a Python bytes literal. None where
/// that is longer than it may be.
fn first_release_pae(payload_type: &str, payload: &[u8], size_bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = format!(
        "DSSEV1 {} {payload_type} {} ",
        payload_type.chars().count(),
        payload.len()
    )
    .into_bytes();
    // Python prefers single quotes, and takes double ones where that saves it from escaping.
    let quote = if payload.contains(&b'\'') && !payload.contains(&b'"') {
        b'"'
    } else {
        b'\''
    };
    out.extend([b'b', quote]);
    for &byte in payload {
        if out.len() > size_bytes_max {
            return None;
        }
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            _ if byte == quote => out.extend([b'\\', byte]),
            0x20..=0x7e => out.push(byte),
            _ => out.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    out.push(quote);
    Some(out)
}

/// `DSSEv1 LEN(type) type LEN(payload) payload` (DSSE v1.0 protocol, "signature definition"), up to the payload.
fn before(payload_type: &str, payload_size_bytes: usize) -> Vec<u8> {
    let before = format!(
        "DSSEv1 {} {payload_type} {payload_size_bytes} ",
        payload_type.len()
    );
    before.into_bytes()
}

/// All of an envelope but its payload, and where that is.
pub(crate) struct Head {
    payload_type: String,
    pub(crate) payload: Payload,
    signatures: Vec<Vec<u8>>,
}

/// The payload's base64.
pub(crate) enum Payload {
    /// It stands here in the document.
    Within(Range<usize>),
    /// It was written with escapes, and is not as it stands there.
    Escaped(String),
}

impl Payload {
    fn of(text: Cow<'_, str>, document: &[u8]) -> Self {
        match text {
            Cow::Borrowed(text) => {
                let start = text.as_ptr().addr() - document.as_ptr().addr();
                Self::Within(start..start + text.len())
            }
            Cow::Owned(text) => Self::Escaped(text),
        }
    }

    pub(crate) const fn within(&self) -> Option<&Range<usize>> {
        match self {
            Self::Within(at) => Some(at),
            Self::Escaped(_) => None,
        }
    }
}

impl Head {
    /// Of an envelope that was read from a document.
    pub(crate) fn from_wire(
        wire: wire::Envelope<'_>,
        document: &[u8],
    ) -> Result<Self, &'static str> {
        const SIGNATURES_MAX: usize = 64;
        let listed = wire
            .signatures
            .items()
            .ok_or("signatures that are no list")?;
        let mut signatures = Vec::new();
        for signature in listed {
            if signatures.len() == SIGNATURES_MAX {
                return Err("more than 64 signatures");
            }
            let signature: wire::Signature = signature.read().map_err(|_| "an unfit signature")?;
            let raw = base64::decode(&signature.sig);
            signatures.push(raw.ok_or("a signature that is not base64")?);
        }
        if signatures.is_empty() {
            return Err("an envelope without a signature");
        }
        Ok(Self {
            payload: Payload::of(wire.payload, document),
            payload_type: wire.payload_type,
            signatures,
        })
    }
}

/// The envelope's JSON form.
pub(crate) mod wire {
    use std::borrow::Cow;

    use decode::json::Raw;
    use serde::{Deserialize, Serialize, Serializer};

    use crate::base64::Encoded;

    /// The signatures are read one after the other.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Envelope<'a> {
        #[serde(borrow)]
        pub(crate) payload: Cow<'a, str>,
        #[serde(rename = "payloadType", alias = "payload_type")]
        pub(crate) payload_type: String,
        #[serde(borrow)]
        pub(crate) signatures: Raw<'a>,
    }

    /// What is written, in the reference's order.
    #[derive(Serialize)]
    pub(crate) struct Written<'a> {
        #[serde(serialize_with = "encoded")]
        pub(crate) payload: &'a [u8],
        #[serde(rename = "payloadType")]
        pub(crate) payload_type: &'a str,
        pub(crate) signatures: Vec<Signature>,
    }

    fn encoded<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Encoded(bytes))
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Signature {
        pub(crate) sig: String,
        /// Written empty; read as empty, null or absent, as the releases of the reference write it.
        #[serde(default)]
        pub(crate) keyid: Option<String>,
    }
}

impl Envelope {
    /// An envelope of a document, in which the payload is decoded where it lies.
    pub(crate) fn of_document(head: Head, document: Vec<u8>) -> Result<Self, &'static str> {
        let Head {
            payload_type,
            payload,
            signatures,
        } = head;
        let mut payload_at = 0;
        let signed_before = |size_bytes| {
            let before = before(&payload_type, size_bytes);
            payload_at = before.len();
            before
        };
        let signed = match payload {
            Payload::Within(at) => base64::decode_within(document, at, signed_before),
            Payload::Escaped(text) => {
                let at = 0..text.len();
                base64::decode_within(text.into_bytes(), at, signed_before)
            }
        };
        Ok(Self {
            signed: signed.ok_or("a payload that is not base64")?,
            payload_type,
            payload_at,
            signatures,
        })
    }

    pub(crate) fn to_wire(&self) -> wire::Written<'_> {
        let signature = |sig: &Vec<u8>| wire::Signature {
            sig: base64::encode(sig),
            keyid: Some(String::new()),
        };
        wire::Written {
            payload: self.payload(),
            payload_type: &self.payload_type,
            signatures: self.signatures.iter().map(signature).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Envelope, first_release_pae};

    #[test]
    fn encodes_as_the_protocol_says() {
        // The protocol's own example.
        assert_eq!(
            Envelope::unsigned(
                "http://example.com/HelloWorld".to_owned(),
                b"hello world".to_vec()
            )
            .signed_bytes(),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn prints_as_the_first_release_did() {
        for (payload, printed) in [
            (&b"a"[..], "b'a'"),
            (b"it's", "b\"it's\""),
            (b"it's \"so\"", "b'it\\'s \"so\"'"),
            (b"\"", "b'\"'"),
            (b"\\ \n\r\t\x00\x7f\xff", "b'\\\\ \\n\\r\\t\\x00\\x7f\\xff'"),
        ] {
            let want = format!("DSSEV1 4 type {} {printed}", payload.len());
            let printed = |size_bytes_max| first_release_pae("type", payload, size_bytes_max);
            assert_eq!(printed(want.len()).as_deref(), Some(want.as_bytes()));
        }
        assert_eq!(first_release_pae("type", &[0; 100], 300), None);
    }

    /// Of whoever signs anything else, nothing is printed: it may be long.
    #[test]
    fn prints_only_what_the_first_release_said() {
        for (payload, is_its) in [
            (
                "{\"predicateType\":\"https://model_signing/Digests/v0.1\"}",
                true,
            ),
            (
                "{\"predicateType\":\"https://model_signing/signature/v1.0\"}",
                false,
            ),
        ] {
            let envelope = Envelope::unsigned("type".to_owned(), payload.into());
            assert_eq!(envelope.bytes_signed_by_first_release().is_some(), is_its);
        }
    }
}
