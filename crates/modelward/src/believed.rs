//! Whom to believe, where it is not the store's trust root: a key, those whom an authority certified, or an identity.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use host::sigstore::{Repository, Services, ServicesError};
use trust::x509::{Certificate, Identity};
use trust::{Code, KeyWitnesses, Role, SigstoreRoot, Time, TrustRoot};

use crate::answer::Failure;
use crate::commands::key::read_public;
use crate::holder::read_certificates;
use crate::model::unreadable;
use crate::ui::Ui;

pub(crate) const TRUST_CONFIG_SIZE_BYTES_MAX: u64 = 1 << 20;
/// Sigstore changes its keys about once a year, and says so half a year ahead.
const EMBEDDED_DAYS_MAX: i64 = 180;

/// Somebody to believe and nobody else.
#[derive(Debug, clap::Args)]
pub(crate) struct Believed {
    /// Believe this public key (PEM) and no other, without a store
    #[arg(long, value_name = "FILE", groups = ["held_to_time", "held_to_log"])]
    public_key: Option<PathBuf>,
    /// Believe certificates of these authorities (PEM, one or several in a file), without a store
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "public_key",
        requires = "certificate_identity",
        group = "held_to_time"
    )]
    certificate_chain: Vec<PathBuf>,
    /// To whom the certificate must be made out: `subject:CN=…`, `email:…`, `uri:…`, `dns:…` or `sha256:` and its
    /// fingerprint
    #[arg(long, value_name = "WHO", requires = "certificate_chain")]
    certificate_identity: Option<Identity>,
    /// Believe timestamps of these authorities (PEM), so that a signature outlives its certificate
    #[arg(long, value_name = "FILE", requires = "held_to_time")]
    timestamp_chain: Vec<PathBuf>,
    /// Believe who signed keylessly (Sigstore) as this identity, an e-mail address or a URI to the letter, without a store
    #[arg(
        long,
        value_name = "WHO",
        conflicts_with_all = ["public_key", "certificate_chain"],
        requires = "identity_provider",
        group = "held_to_log"
    )]
    identity: Option<String>,
    /// Who vouches for the identity: the provider's URL to the letter, or `github`, `google` or `microsoft`
    #[arg(long, value_name = "URL", requires = "identity")]
    identity_provider: Option<Provider>,
    /// The Sigstore to believe, as `TrustedRoot` or `ClientTrustConfig` in JSON; the public one by default. With a public key: the
    /// one whose log must have the signature
    #[arg(long, value_name = "FILE", requires = "held_to_log")]
    trust_config: Option<PathBuf>,
}

/// An OpenID Connect provider's URL.
#[derive(Debug, Clone)]
pub(crate) struct Provider(pub(crate) String);

impl FromStr for Provider {
    type Err = Infallible;

    /// The names are those of the three providers by which people sign in at the public Sigstore.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let url = match text {
            "github" => "https://github.com/login/oauth",
            "google" => "https://accounts.google.com",
            "microsoft" => "https://login.microsoftonline.com",
            url => url,
        };
        Ok(Self(url.to_owned()))
    }
}

impl Believed {
    /// A root that believes whom the arguments name, and nobody else; none if they name nobody.
    pub(crate) fn root(&self, now: Time, ui: &Ui) -> Result<Option<TrustRoot>, Failure> {
        if let Some(path) = &self.public_key {
            let witnesses = KeyWitnesses {
                timestamp_anchors: certificates(&self.timestamp_chain)?,
                sigstore: self
                    .trust_config
                    .as_deref()
                    .map(read_sigstore)
                    .transpose()?,
            };
            let root = TrustRoot::of_key(read_public(path)?, Role::Sign);
            return Ok(Some(root.with_key_witnesses(witnesses)));
        }
        if let (Some(identity), Some(Provider(issuer))) = (&self.identity, &self.identity_provider)
        {
            let sigstore = self.sigstore(now, ui)?;
            let (identity, issuer) = (identity.clone(), issuer.clone());
            return Ok(Some(TrustRoot::of_identity(
                identity,
                issuer,
                sigstore,
                Role::Sign,
            )));
        }
        if self.certificate_chain.is_empty() {
            return Ok(None);
        }
        let anchors = certificates(&self.certificate_chain)?;
        let timestamp_anchors = certificates(&self.timestamp_chain)?;
        let identity = self.certificate_identity.clone();
        Ok(Some(TrustRoot::of_authorities(
            anchors,
            identity,
            timestamp_anchors,
            Role::Sign,
        )))
    }

    /// Why a signature is not believed. Where a public key was named, no trust root is to be changed.
    pub(crate) fn refused(&self, root: &TrustRoot, error: trust::Error) -> Failure {
        let (Some(path), trust::Error::KeyUnknown { key }) = (&self.public_key, &error) else {
            return error.into();
        };
        let named = root.keys().next().map(|key| key.public_key.id().short());
        let (path, named) = (path.display(), named.unwrap_or_default());
        let message = match key {
            Some(key) => format!(
                "the signature names the key `{}`, and `{path}` is `{named}`",
                key.short()
            ),
            None => format!("the signature is not by `{path}`, which is `{named}`"),
        };
        let way = "get the model that this key's owner signed; or name the public key of whoever signed, if you trust them";
        Failure::error(error.code(), message, way)
    }

    /// The Sigstore that was named, or the public one with a warning if what is built in is old.
    fn sigstore(&self, now: Time, ui: &Ui) -> Result<SigstoreRoot, Failure> {
        if let Some(path) = &self.trust_config {
            return read_sigstore(path);
        }
        let used = public_sigstore(now, &|warning| ui.warn(warning))?;
        if used.is_refreshed {
            ui.note(refreshed_note(used.since, now));
        }
        Ok(used.root)
    }
}

/// The root of the public Sigstore, where to sign at it, and since when both are known.
pub(crate) struct Used {
    pub(crate) root: SigstoreRoot,
    pub(crate) services: Result<Services, ServicesError>,
    pub(crate) since: Time,
    pub(crate) is_refreshed: bool,
}

/// The root that was refreshed last, or the one that is built in if that is newer; with a warning if it is old.
pub(crate) fn public_sigstore(now: Time, warn: &dyn Fn(&str)) -> Result<Used, Failure> {
    let built_in = SigstoreRoot::production();
    let taken = built_in.taken().unwrap_or(now);
    let folder = host::sigstore::data_folder();
    let refreshed = match folder {
        Some(folder) => Repository::public().refreshed(&folder)?,
        None => None,
    };
    let used = match refreshed.filter(|refreshed| refreshed.at > taken) {
        Some(refreshed) => Used {
            services: refreshed
                .services(now)
                .map(|said| said.unwrap_or_else(Services::production)),
            root: refreshed.root,
            since: refreshed.at,
            is_refreshed: true,
        },
        None => Used {
            services: Ok(Services::production()),
            root: built_in,
            since: taken,
            is_refreshed: false,
        },
    };
    if let Some(warning) = too_old(used.since, now) {
        warn(&warning);
    }
    Ok(used)
}

/// By which root an identity of the public Sigstore is believed, where it is not the one that is built in.
pub(crate) fn refreshed_note(since: Time, now: Time) -> String {
    let days = days_between(since, now);
    format!("by the root of the public Sigstore that was refreshed {days} days ago")
}

/// Where roots that are refreshed are kept.
pub(crate) fn refreshed_folder() -> Result<PathBuf, Failure> {
    host::sigstore::data_folder().ok_or_else(crate::commands::keyless::no_folder)
}

pub(crate) const fn days_between(since: Time, now: Time) -> i64 {
    (now.unix() - since.unix()) / 86_400
}

/// What is to be said of a root that was taken or refreshed then.
pub(crate) fn too_old(since: Time, now: Time) -> Option<String> {
    let days = days_between(since, now);
    (days > EMBEDDED_DAYS_MAX).then(|| {
        format!(
            "the root of the public Sigstore that is used is {days} days old: it may name authorities that are no longer trusted, and lack newer ones; run `modelward keyless refresh`, update Modelward, or give a newer root with `--trust-config`"
        )
    })
}

/// Reads a Sigstore root.
pub(crate) fn read_sigstore(path: &Path) -> Result<SigstoreRoot, Failure> {
    let bytes = host::named_file::read(path, TRUST_CONFIG_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(path, &e))?;
    parse_sigstore(&bytes)
}

/// Reads a Sigstore root from a file's bytes, which a pipe gives but once.
pub(crate) fn parse_sigstore(bytes: &[u8]) -> Result<SigstoreRoot, Failure> {
    let way = "give a `TrustedRoot` or a `ClientTrustConfig` of Sigstore's, in JSON";
    SigstoreRoot::parse(bytes).map_err(|e| Failure::from_error(Code::RootInvalid, &e, way))
}

/// Reads the certificates of several files.
pub(crate) fn certificates(files: &[PathBuf]) -> Result<Vec<Certificate>, Failure> {
    let mut certificates = Vec::new();
    for file in files {
        certificates.extend(read_certificates(file)?);
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_root_is_told_and_a_young_one_is_not() {
        let taken = Time::from_unix(1_000_000);
        let after = |days: i64| too_old(taken, taken.plus_seconds(days * 86_400));
        assert_eq!((after(-1), after(0), after(180)), (None, None, None));
        assert!(after(181).is_some_and(|warning| warning.contains("181 days")));
    }

    #[test]
    fn the_three_providers_have_names() {
        let url = |text: &str| text.parse::<Provider>().map(|provider| provider.0);
        assert_eq!(url("google"), Ok("https://accounts.google.com".to_owned()));
        assert_eq!(
            url("https://example.com/"),
            Ok("https://example.com/".to_owned())
        );
    }
}
