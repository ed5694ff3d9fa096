//! DSSE v1 envelopes: what exactly is signed.

use crate::base64;

/// The payload type of every statement here.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A payload and the signatures over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The signed bytes; these, and no re-serialisation, are what is parsed.
    pub payload: Vec<u8>,
    /// The signatures, raw, in the order they were written. At least one.
    pub signatures: Vec<Vec<u8>>,
}

impl Envelope {
    /// The bytes that a signature is over: DSSE's pre-authentication encoding.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }
}

/// `DSSEv1 LEN(type) type LEN(payload) payload` (DSSE v1.0 protocol, "signature definition").
pub(crate) fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    out.extend_from_slice(payload);
    out
}

/// The envelope's JSON form.
pub(crate) mod wire {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Envelope {
        pub(crate) payload: String,
        #[serde(rename = "payloadType")]
        pub(crate) payload_type: String,
        pub(crate) signatures: Vec<Signature>,
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
    pub(crate) fn from_wire(wire: wire::Envelope) -> Result<Self, &'static str> {
        const SIGNATURES_MAX: usize = 64;
        if wire.signatures.is_empty() {
            return Err("an envelope without a signature");
        }
        if wire.signatures.len() > SIGNATURES_MAX {
            return Err("more than 64 signatures");
        }
        let payload = base64::decode(&wire.payload).ok_or("a payload that is not base64")?;
        let signatures = wire.signatures.iter().map(|s| base64::decode(&s.sig));
        let signatures: Option<Vec<_>> = signatures.collect();
        let signatures = signatures.ok_or("a signature that is not base64")?;
        Ok(Self {
            payload_type: wire.payload_type,
            payload,
            signatures,
        })
    }

    pub(crate) fn to_wire(&self) -> wire::Envelope {
        let signature = |sig: &Vec<u8>| wire::Signature {
            sig: base64::encode(sig),
            keyid: Some(String::new()),
        };
        wire::Envelope {
            payload: base64::encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self.signatures.iter().map(signature).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pae;

    #[test]
    fn encodes_as_the_protocol_says() {
        // The protocol's own example.
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
