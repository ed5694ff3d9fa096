//! Whom a Sigstore consists of: `TrustedRoot` of sigstore/protobuf-specs, in its JSON form.

use decode::json::{self, Limits};

use crate::x509::{Certificate, CertificateError};
use crate::{PublicKey, Time, base64};

const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];
const CONFIG_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";
/// More of each than any Sigstore has.
const INSTANCES_MAX: usize = 64;
const CERTIFICATES_MAX: usize = 8;
/// The roots of the public Sigstore, by the names that trust roots have for them.
const EMBEDDED: [(&str, &str); 2] = [
    ("production", include_str!("production.json")),
    ("staging", include_str!("staging.json")),
];
/// The day on which the embedded roots were taken: 2026-11-21.
const TAKEN: i64 = 1_795_219_200;

/// The authorities and logs of one Sigstore, with the time in which each was in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigstoreRoot {
    name: Option<&'static str>,
    text: String,
    pub(super) logs: Vec<Log>,
    pub(super) certificate_logs: Vec<Log>,
    pub(super) authorities: Vec<Authority>,
    pub(super) timestamp_authorities: Vec<Authority>,
}

/// A log and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) id: Vec<u8>,
    /// By what its signatures under checkpoints name the key.
    pub(super) checkpoint_id: [u8; 4],
    /// None if it is of a kind that is not used here: logs that were retired have such keys.
    pub(super) key: Option<PublicKey>,
    pub(super) during: During,
}

/// An authority: its certificates from the one that issues to the one that is trusted. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) certificates: Vec<Certificate>,
    pub(super) during: During,
}

impl Authority {
    /// The certificate that is trusted, and those below it.
    pub(super) fn split(&self) -> (&Certificate, &[Certificate]) {
        let last = self.certificates.len() - 1;
        (&self.certificates[last], &self.certificates[..last])
    }
}

/// A time in which something was in use, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct During {
    start: Time,
    end: Option<Time>,
}

impl During {
    pub(super) fn contains(self, at: Time) -> bool {
        self.start <= at && self.end.is_none_or(|end| at <= end)
    }
}

impl SigstoreRoot {
    /// The root of the public Sigstore, as it was on the day of [`Self::taken`].
    #[must_use]
    pub fn production() -> Self {
        Self::embedded(EMBEDDED[0].1)
    }

    /// The root of the public Sigstore's staging instance, as it was on the day of [`Self::taken`].
    #[must_use]
    pub fn staging() -> Self {
        Self::embedded(EMBEDDED[1].1)
    }

    fn embedded(text: &str) -> Self {
        Self::parse(text.as_bytes()).expect("what is embedded is read by a test")
    }

    /// When it was taken from Sigstore, if it is one of those that are embedded: they grow old with this program.
    #[must_use]
    pub fn taken(&self) -> Option<Time> {
        embedded_name(&self.text).map(|_| Time::from_unix(TAKEN))
    }

    /// What trust roots call it: the name of an embedded root, or of the one that this one is newer than.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The same root, as the newest of the public Sigstore: trust roots go on to call it `production`.
    #[must_use]
    pub fn as_production(self) -> Self {
        let name = Some(EMBEDDED[0].0);
        Self { name, ..self }
    }

    /// The root as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Since when its youngest member is in use: the root is no older than that.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        let logs = self.logs.iter().chain(&self.certificate_logs);
        let authorities = self.authorities.iter().chain(&self.timestamp_authorities);
        let starts = logs.map(|log| log.during.start);
        let starts = starts.chain(authorities.map(|authority| authority.during.start));
        starts.max()
    }

    /// Reads a `TrustedRoot`, or the one in a `ClientTrustConfig`.
    ///
    /// # Errors
    /// It is neither, has unknown or doubled keys, a certificate that can't be read, or more of something than is read.
    pub fn parse(bytes: &[u8]) -> Result<Self, SigstoreRootError> {
        let document: json::Value =
            json::from_slice(bytes, Limits::SMALL).map_err(SigstoreRootError::Json)?;
        let media_type = document.member("mediaType").and_then(json::Value::as_str);
        let wire = if media_type == Some(CONFIG_MEDIA_TYPE) {
            let config: wire::Config =
                json::from_slice(bytes, Limits::SMALL).map_err(SigstoreRootError::Json)?;
            config.trusted_root
        } else {
            json::from_slice(bytes, Limits::SMALL).map_err(SigstoreRootError::Json)?
        };
        Self::of(wire, bytes)
    }

    fn of(wire: wire::Root, bytes: &[u8]) -> Result<Self, SigstoreRootError> {
        if !MEDIA_TYPES.contains(&wire.media_type.as_str()) {
            return Err(SigstoreRootError::MediaType(wire.media_type));
        }
        let counts = [
            wire.tlogs.len(),
            wire.ctlogs.len(),
            wire.certificate_authorities.len(),
            wire.timestamp_authorities.len(),
        ];
        if counts.iter().any(|count| *count > INSTANCES_MAX) {
            return Err(SigstoreRootError::TooMany);
        }
        let logs = |wire: Vec<wire::Log>| wire.into_iter().map(log).collect::<Result<Vec<_>, _>>();
        let authorities = |wire: Vec<wire::Authority>| {
            let read = wire.into_iter().map(authority);
            read.collect::<Result<Vec<_>, _>>()
        };
        // The parser took it, so that it is text.
        let text = String::from_utf8_lossy(bytes).into_owned();
        let root = Self {
            name: embedded_name(&text),
            text,
            logs: logs(wire.tlogs)?,
            certificate_logs: logs(wire.ctlogs)?,
            authorities: authorities(wire.certificate_authorities)?,
            timestamp_authorities: authorities(wire.timestamp_authorities)?,
        };
        for logs in [&root.logs, &root.certificate_logs] {
            let is_twice = |log: &Log| logs.iter().filter(|other| other.id == log.id).count() > 1;
            if logs.iter().any(is_twice) {
                return Err(SigstoreRootError::Part("a log stands there twice"));
            }
        }
        Ok(root)
    }
}

fn embedded_name(text: &str) -> Option<&'static str> {
    let mut embedded = EMBEDDED.iter();
    let found = embedded.find(|(_, own)| *own == text);
    found.map(|(name, _)| *name)
}

fn log(wire: wire::Log) -> Result<Log, SigstoreRootError> {
    if wire.hash_algorithm != "SHA2_256" {
        return Err(SigstoreRootError::Part(
            "a log that hashes by another function than SHA-256",
        ));
    }
    let decode = |text: &str, what| base64::decode(text).ok_or(SigstoreRootError::Part(what));
    let id = decode(&wire.log_id.key_id, "a log's id is not base64")?;
    let checkpoint_id = match &wire.checkpoint_key_id {
        Some(id) => decode(&id.key_id, "a log's checkpoint id is not base64")?,
        None => id.clone(),
    };
    let checkpoint_id = *checkpoint_id
        .first_chunk()
        .ok_or(SigstoreRootError::Part("a log's id is too short"))?;
    let key = wire
        .public_key
        .raw_bytes
        .ok_or(SigstoreRootError::Part("a log without a key"))?;
    let key = decode(&key, "a log's key is not base64")?;
    let during = wire
        .public_key
        .valid_for
        .ok_or(SigstoreRootError::Part("a log's key without a time"))?;
    Ok(Log {
        id,
        checkpoint_id,
        key: PublicKey::from_spki_der(&key).ok(),
        during: time(&during)?,
    })
}

fn authority(wire: wire::Authority) -> Result<Authority, SigstoreRootError> {
    let certificates = wire.cert_chain.certificates;
    if certificates.is_empty() || certificates.len() > CERTIFICATES_MAX {
        return Err(SigstoreRootError::Part(
            "an authority with no certificate, or more than 8",
        ));
    }
    let read = |raw: &wire::Raw| {
        let der = base64::decode(&raw.raw_bytes).ok_or(SigstoreRootError::Part(
            "an authority's certificate is not base64",
        ))?;
        Certificate::from_der(&der).map_err(SigstoreRootError::Certificate)
    };
    Ok(Authority {
        certificates: certificates.iter().map(read).collect::<Result<_, _>>()?,
        during: time(&wire.valid_for)?,
    })
}

fn time(wire: &wire::During) -> Result<During, SigstoreRootError> {
    let (start, end) = (wire.start, wire.end);
    if end.is_some_and(|end| end < start) {
        return Err(SigstoreRootError::Part("a time that ends before it begins"));
    }
    Ok(During { start, end })
}

mod wire {
    use decode::json;
    use serde::Deserialize;

    use crate::Time;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Config {
        #[serde(rename = "mediaType")]
        _media_type: String,
        pub(super) trusted_root: Root,
        /// Where to sign; nothing that is believed.
        #[serde(rename = "signingConfig")]
        _signing_config: json::Value,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Root {
        pub(super) media_type: String,
        #[serde(default)]
        pub(super) tlogs: Vec<Log>,
        #[serde(default)]
        pub(super) certificate_authorities: Vec<Authority>,
        #[serde(default)]
        pub(super) ctlogs: Vec<Log>,
        #[serde(default)]
        pub(super) timestamp_authorities: Vec<Authority>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Log {
        #[serde(default, rename = "baseUrl")]
        _base_url: String,
        pub(super) hash_algorithm: String,
        pub(super) public_key: Key,
        pub(super) log_id: Id,
        #[serde(default)]
        pub(super) checkpoint_key_id: Option<Id>,
        #[serde(default, rename = "operator")]
        _operator: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Key {
        #[serde(default)]
        pub(super) raw_bytes: Option<String>,
        /// What the key is, which the key itself says better.
        #[serde(default, rename = "keyDetails")]
        _key_details: String,
        #[serde(default)]
        pub(super) valid_for: Option<During>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Id {
        pub(super) key_id: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct During {
        pub(super) start: Time,
        #[serde(default)]
        pub(super) end: Option<Time>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Authority {
        /// Its name, which its certificates say better.
        #[serde(default, rename = "subject")]
        _subject: Option<json::Value>,
        #[serde(default, rename = "uri")]
        _uri: String,
        pub(super) cert_chain: Chain,
        pub(super) valid_for: During,
        #[serde(default, rename = "operator")]
        _operator: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Chain {
        pub(super) certificates: Vec<Raw>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Raw {
        pub(super) raw_bytes: String,
    }
}

/// Why bytes are no Sigstore root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreRootError {
    /// Not JSON of the right shape.
    #[error("the Sigstore root can't be read")]
    Json(#[source] json::Error),
    /// Of another kind.
    #[error(
        "the Sigstore root is of media type `{0}`, and only `trustedroot` 0.1 and 0.2 are read"
    )]
    MediaType(String),
    /// More than is read.
    #[error("the Sigstore root names more than {INSTANCES_MAX} logs or authorities of one kind")]
    TooMany,
    /// A part that is not fit.
    #[error("the Sigstore root can't be read: {0}")]
    Part(&'static str),
    /// An authority's certificate.
    #[error("a certificate of the Sigstore root can't be read")]
    Certificate(#[source] CertificateError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_embedded_is_read() {
        for (root, name, newest) in [
            (
                SigstoreRoot::production(),
                "production",
                "2025-09-23T00:00:00Z",
            ),
            (SigstoreRoot::staging(), "staging", "2026-01-14T00:00:00Z"),
        ] {
            assert_eq!(root.name(), Some(name));
            assert_eq!(root.newest(), newest.parse().ok());
            assert!(!root.logs.is_empty() && !root.certificate_logs.is_empty());
            assert!(!root.authorities.is_empty() && !root.timestamp_authorities.is_empty());
            assert_eq!(SigstoreRoot::parse(root.text().as_bytes()), Ok(root));
        }
        let taken = SigstoreRoot::production().taken();
        assert_eq!(taken, "2026-11-21T00:00:00Z".parse().ok());
    }

    #[test]
    fn a_client_trust_config_holds_a_root() {
        let production = SigstoreRoot::production();
        let config = format!(
            "{{\"mediaType\":\"{CONFIG_MEDIA_TYPE}\",\"trustedRoot\":{},\"signingConfig\":{{}}}}",
            production.text()
        );
        let root = SigstoreRoot::parse(config.as_bytes()).unwrap();
        assert_eq!((root.name(), root.logs), (None, production.logs));
        let other = config.replace("clienttrustconfig.v0.1", "clienttrustconfig.v9");
        assert!(SigstoreRoot::parse(other.as_bytes()).is_err());
    }

    #[test]
    fn refuses_what_is_none() {
        let good = SigstoreRoot::production().text().to_owned();
        for (from, to) in [
            ("version=0.1", "version=9"),
            ("\"tlogs\"", "\"logs\""),
            ("\"baseUrl\"", "\"hashAlgorithm\""),
            ("SHA2_256", "SHA2_512"),
            ("2021-01-12T11:53:27Z", "yesterday"),
            ("2022-12-31T23:59:59.999Z", "2020-12-31T23:59:59Z"),
            ("wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0=", "wNI="),
            ("wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0=", "!"),
            ("MIIB+DCCAX6gAwIBAgITNVkDZ", "MIIB+DCCAX6gAwIBAgITNVk"),
            (
                "wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0=",
                "zxGZFVvd0FEmjR8WrFwMdcAJ9vtaY/QXf44Y1wUeP6A=",
            ),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(
                SigstoreRoot::parse(bad.as_bytes()).is_err(),
                "{from} -> {to}"
            );
        }
        assert!(SigstoreRoot::parse(format!("{good}x").as_bytes()).is_err());
        assert!(SigstoreRoot::parse(&vec![b' '; 2 << 20]).is_err());
    }
}
