//! Where to sign: `SigningConfig` of sigstore/protobuf-specs, as a `ClientTrustConfig` has it.

use decode::json::{self, Limits};
use serde::Deserialize;
use trust::Time;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// The services of one Sigstore that are in use now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    pub(super) certificate: Url,
    pub(super) log: Url,
    /// 1 or 2.
    pub(super) log_version: u32,
    pub(super) timestamp: Option<Url>,
    /// Where people sign in.
    pub(super) provider: Option<Url>,
}

/// Where the services are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses<'a> {
    /// The certificate authority.
    pub certificate: &'a str,
    /// The log.
    pub log: &'a str,
    /// 1 or 2.
    pub log_version: u32,
    /// The timestamp authority, if there is one.
    pub timestamp: Option<&'a str>,
    /// Where people sign in, if they can.
    pub provider: Option<&'a str>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url(String);

impl Url {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }
}

impl Services {
    /// Those of the public Sigstore.
    #[must_use]
    pub fn production() -> Self {
        let url = |text: &str| Url(text.to_owned());
        Self {
            certificate: url("https://fulcio.sigstore.dev"),
            log: url("https://rekor.sigstore.dev"),
            log_version: 1,
            timestamp: Some(url("https://timestamp.sigstore.dev/api/v1/timestamp")),
            provider: Some(url("https://oauth2.sigstore.dev/auth")),
        }
    }

    /// Those of the public Sigstore's staging instance.
    #[must_use]
    pub fn staging() -> Self {
        let url = |text: &str| Url(text.to_owned());
        Self {
            certificate: url("https://fulcio.sigstage.dev"),
            log: url("https://rekor.sigstage.dev"),
            log_version: 1,
            timestamp: Some(url("https://timestamp.sigstage.dev/api/v1/timestamp")),
            provider: Some(url("https://oauth2.sigstage.dev/auth")),
        }
    }

    /// Those of nobody, but for where people sign in.
    #[cfg(test)]
    pub(super) fn at_provider(url: &str) -> Self {
        let provider = Some(Url(url.to_owned()));
        Self {
            provider,
            ..Self::production()
        }
    }

    /// Where keys are certified, signatures are logged (with the log's version) and stamped, and people sign in.
    #[must_use]
    pub fn addresses(&self) -> Addresses<'_> {
        Addresses {
            certificate: self.certificate.as_str(),
            log: self.log.as_str(),
            log_version: self.log_version,
            timestamp: self.timestamp.as_ref().map(Url::as_str),
            provider: self.provider.as_ref().map(Url::as_str),
        }
    }

    /// Reads those of a `ClientTrustConfig`: of each kind the newest version that is known, the first of those in use.
    ///
    /// # Errors
    /// It has no signing configuration, or one without a certificate authority or a log that is in use; or its log tells no
    /// time, and it has no timestamp authority.
    pub fn parse(config: &[u8], now: Time) -> Result<Self, ServicesError> {
        let config: Config =
            json::from_slice(config, Limits::SMALL).map_err(ServicesError::Json)?;
        Self::of(config.signing_config, now)
    }

    /// Reads those of a `SigningConfig`, as [`Self::parse`].
    ///
    /// # Errors
    /// As there.
    pub fn parse_signing(config: &[u8], now: Time) -> Result<Self, ServicesError> {
        let signing = json::from_slice(config, Limits::SMALL).map_err(ServicesError::Json)?;
        Self::of(signing, now)
    }

    fn of(signing: Signing, now: Time) -> Result<Self, ServicesError> {
        if signing.media_type != MEDIA_TYPE {
            return Err(ServicesError::MediaType(signing.media_type));
        }
        let pick = |services: &[Service], versions: &[u32]| {
            versions.iter().find_map(|version| {
                let in_use = |own: &&Service| own.major_api_version == *version && own.is_used(now);
                services
                    .iter()
                    .find(in_use)
                    .map(|own| (Url(own.url.clone()), *version))
            })
        };
        let missing = |what| ServicesError::Missing { what };
        let (certificate, _) =
            pick(&signing.ca_urls, &[1]).ok_or(missing("a certificate authority"))?;
        let (log, log_version) = pick(&signing.rekor_tlog_urls, &[2, 1]).ok_or(missing("a log"))?;
        let timestamp = pick(&signing.tsa_urls, &[1]).map(|(url, _)| url);
        if log_version == 2 && timestamp.is_none() {
            return Err(missing(
                "a timestamp authority, without which its log proves no time",
            ));
        }
        Ok(Self {
            certificate,
            log,
            log_version,
            timestamp,
            provider: pick(&signing.oidc_urls, &[1]).map(|(url, _)| url),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    signing_config: Signing,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signing {
    media_type: String,
    #[serde(default)]
    ca_urls: Vec<Service>,
    #[serde(default)]
    rekor_tlog_urls: Vec<Service>,
    #[serde(default)]
    oidc_urls: Vec<Service>,
    #[serde(default)]
    tsa_urls: Vec<Service>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    url: String,
    #[serde(deserialize_with = "version")]
    major_api_version: u32,
    valid_for: During,
}

#[derive(Deserialize)]
struct During {
    start: Time,
    #[serde(default)]
    end: Option<Time>,
}

impl Service {
    fn is_used(&self, now: Time) -> bool {
        self.valid_for.start <= now && self.valid_for.end.is_none_or(|end| now <= end)
    }
}

/// protobuf's JSON has small numbers as such; some writers quote them.
fn version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = json::Value::deserialize(deserializer)?;
    let (json::Value::String(text) | json::Value::Number(text)) = value else {
        return Err(serde::de::Error::custom("a version is a number"));
    };
    text.parse().map_err(serde::de::Error::custom)
}

/// Why a file does not say where to sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServicesError {
    /// Not JSON of the right shape.
    #[error("it is no `ClientTrustConfig` with a `signingConfig`, nor a `SigningConfig`")]
    Json(#[source] json::Error),
    /// Of another kind.
    #[error("the signing configuration is of media type `{0}`, and only 0.2 is read")]
    MediaType(String),
    /// Nothing to sign at.
    #[error("the signing configuration names no {what} that is in use")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(services: &str) -> Vec<u8> {
        format!("{{\"mediaType\":\"x\",\"trustedRoot\":{{}},\"signingConfig\":{{\"mediaType\":\"{MEDIA_TYPE}\",{services}}}}}")
            .into_bytes()
    }

    fn service(url: &str, version: &str, start: &str) -> String {
        format!(
            "{{\"url\":\"{url}\",\"majorApiVersion\":{version},\"validFor\":{{\"start\":\"{start}\"}},\"operator\":\"x\"}}"
        )
    }

    /// What they sign would be refused at once otherwise.
    #[test]
    fn the_built_in_roots_vouch_for_the_built_in_services() {
        use trust::SigstoreRoot;
        let (production, staging) = (SigstoreRoot::production(), SigstoreRoot::staging());
        for (services, root, other) in [
            (Services::production(), &production, &staging),
            (Services::staging(), &staging, &production),
        ] {
            let urls = [&services.certificate, &services.log];
            for url in urls.into_iter().chain(&services.timestamp) {
                // A root may leave out the path.
                let named = format!("\"{}", url.0.split("/api").next().unwrap());
                assert!(root.text().contains(&named), "{named}");
                assert!(!other.text().contains(&named), "{named}");
            }
        }
    }

    #[test]
    fn the_newest_that_is_in_use_is_taken() {
        let (past, future) = ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
        let all = |log: &str, stamps: &str| {
            let authority = service("https://ca/", "1", past);
            let text = format!(
                "\"caUrls\":[{authority}],\"rekorTlogUrls\":[{log}],\"tsaUrls\":[{stamps}]"
            );
            Services::parse(&config(&text), "2026-01-01T00:00:00Z".parse().unwrap())
        };
        let (first, second) = (
            service("https://one", "1", past),
            service("https://two", "\"2\"", past),
        );
        let both = format!("{first},{second}");
        let stamps = service("https://tsa/x", "1", past);
        let got = all(&both, &stamps).unwrap();
        assert_eq!((got.log.as_str(), got.log_version), ("https://two", 2));
        assert_eq!(got.certificate.join("/api"), "https://ca/api");
        assert!(matches!(
            all(&second, ""),
            Err(ServicesError::Missing { .. })
        ));
        assert_eq!(all(&first, "").unwrap().log_version, 1);
        let later = format!("{},{first}", service("https://two", "2", future));
        assert_eq!(all(&later, &stamps).unwrap().log_version, 1);
        assert!(matches!(
            all("", &stamps),
            Err(ServicesError::Missing { .. })
        ));
        let third = service("https://three", "3", past);
        assert!(matches!(
            all(&third, &stamps),
            Err(ServicesError::Missing { .. })
        ));
    }
}
