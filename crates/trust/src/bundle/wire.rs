//! A bundle's JSON form.

use decode::json;
use serde::{Deserialize, Serialize};

use super::{dsse_wire, entry_wire};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bundle<'a> {
    #[serde(rename = "mediaType", alias = "media_type")]
    pub(super) media_type: String,
    #[serde(rename = "verificationMaterial", alias = "verification_material")]
    pub(super) verification_material: Material,
    #[serde(default, borrow, rename = "dsseEnvelope", alias = "dsse_envelope")]
    pub(super) dsse_envelope: Option<dsse_wire::Envelope<'a>>,
    /// The other kind of content; known, so that it is refused for what it is.
    #[serde(default, rename = "messageSignature", alias = "message_signature")]
    pub(super) message_signature: Option<json::Value>,
}

#[derive(Serialize)]
pub(super) struct Written<'a> {
    #[serde(rename = "mediaType")]
    pub(super) media_type: &'static str,
    #[serde(rename = "verificationMaterial")]
    pub(super) verification_material: Material,
    #[serde(rename = "dsseEnvelope")]
    pub(super) dsse_envelope: dsse_wire::Written<'a>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Material {
    #[serde(
        default,
        rename = "publicKey",
        alias = "public_key",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) public_key: Option<PublicKey>,
    #[serde(
        default,
        rename = "x509CertificateChain",
        alias = "x509_certificate_chain",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) x509_certificate_chain: Option<Chain>,
    #[serde(default, skip_serializing)]
    pub(super) certificate: Option<Raw>,
    /// Always written, and empty: a bundle with entries keeps the bytes that it came in.
    #[serde(
        default,
        rename = "tlogEntries",
        alias = "tlog_entries",
        serialize_with = "no_entries"
    )]
    pub(super) tlog_entries: Vec<entry_wire::Entry>,
    #[serde(
        default,
        rename = "timestampVerificationData",
        alias = "timestamp_verification_data",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) timestamp_verification_data: Option<Timestamps>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicKey {
    #[serde(default)]
    pub(super) hint: String,
    #[serde(default, rename = "rawBytes", alias = "raw_bytes", skip_serializing)]
    pub(super) raw_bytes: Option<String>,
    /// What the key is, which the key itself says better.
    #[expect(dead_code, reason = "named so that it is a known member")]
    #[serde(
        default,
        rename = "keyDetails",
        alias = "key_details",
        skip_serializing
    )]
    pub(super) key_details: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chain {
    pub(super) certificates: Vec<Raw>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(rename = "rawBytes", alias = "raw_bytes")]
    pub(super) raw_bytes: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timestamps {
    #[serde(default, rename = "rfc3161Timestamps", alias = "rfc3161_timestamps")]
    pub(super) rfc3161_timestamps: Vec<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timestamp {
    #[serde(rename = "signedTimestamp", alias = "signed_timestamp")]
    pub(super) signed_timestamp: String,
}

fn no_entries<S: serde::Serializer>(
    _entries: &Vec<entry_wire::Entry>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(std::iter::empty::<u8>())
}
