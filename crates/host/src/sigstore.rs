//! Signing keylessly (Sigstore): a key of one use, certified for whom a token names, stamped, entered in a log, thrown away.
//!
//! ```text
//! token ─► certificate (Fulcio) ─► signature ─► timestamp (RFC 3161) ─► log entry (Rekor v1, v2) ─► bundle ─► verified
//! ```
//! The token never leaves for another place than the certificate authority. What comes back is believed no more than any
//! other bundle: it is verified by the root before it is returned.

mod ambient;
pub(crate) mod http;
mod login;
mod redirect;
mod refresh;
mod services;
mod token;
mod wire;

pub use http::HttpError;
pub(crate) use http::{Client as HttpClient, check as check_url};
pub use login::{Asker, Login};
pub use redirect::Redirect;
pub use refresh::{RefreshError, Refreshed, Repository, data_folder};
pub use services::{Addresses, Services, ServicesError};
pub use token::{IdentityToken, TokenError};

use data_encoding::BASE64;
use serde_json::{Value, json};
use trust::timestamp::TimestampError;
use trust::x509::{AlternativeName, Certificate, CertificateError};
use trust::{
    Bundle, Code, Envelope, KeyError, PrivateKey, Role, Signer, SigstoreRoot, TrustRoot, timestamp,
    verify_any_as_made,
};
use zeroize::Zeroizing;

use crate::clock;
use crate::keys::{KeyFileError, random};
use http::Client;

/// A signature, and whose it is.
#[derive(Debug)]
pub struct Signed {
    /// The signature, with all proofs.
    pub bundle: Bundle,
    /// To whom the certificate was made out.
    pub identity: String,
    /// The provider that vouched for them.
    pub issuer: String,
}

/// Signs a statement's bytes as whom the token names, at these services, and verifies what came of it by this root.
///
/// # Errors
/// A service can't be reached or says no, or what it gave is not believed.
pub fn sign(
    statement: Vec<u8>,
    token: &IdentityToken,
    services: &Services,
    root: SigstoreRoot,
) -> Result<Signed, SigstoreError> {
    let client = Client::new().map_err(SigstoreError::Http)?;
    let seed = Zeroizing::new(random::<32>().map_err(SigstoreError::Random)?);
    let key = PrivateKey::from_random(&seed).map_err(SigstoreError::Key)?;
    let leaf = certify(&client, token, services, &key)?;
    let (identity, issuer) = whose(&leaf)?;
    let envelope = key.enclose(statement).map_err(SigstoreError::Key)?;
    let stamps = match &services.timestamp {
        Some(url) => vec![stamp(&client, url.as_str(), &envelope.signatures[0], None)?],
        None => Vec::new(),
    };
    let entry = log(&client, services, &envelope, &leaf)?;
    let bundle = bundle(&envelope, &leaf, &entry, &stamps)?;
    let trusted = TrustRoot::of_identity(identity.clone(), issuer.clone(), root, Role::Sign);
    let now = clock::now().map_err(SigstoreError::Clock)?;
    // Whether the services' clocks are a little ahead of this one is the verifier's question.
    verify_any_as_made(&bundle, &trusted, Role::Sign, now).map_err(SigstoreError::NotBelieved)?;
    Ok(Signed {
        bundle,
        identity,
        issuer,
    })
}

/// Has the key certified for whom the token names. The signature over their name proves that the key is ours.
fn certify(
    client: &Client,
    token: &IdentityToken,
    services: &Services,
    key: &PrivateKey,
) -> Result<Certificate, SigstoreError> {
    let proof = key
        .sign(token.subject().as_bytes())
        .map_err(SigstoreError::Key)?;
    let request = Zeroizing::new(
        json!({
            "credentials": {"oidcIdentityToken": token.text()},
            "publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": key.public_key().pem()},
                "proofOfPossession": BASE64.encode(&proof),
            },
        })
        .to_string(),
    );
    let url = services.certificate.join("/api/v2/signingCert");
    let answer = client.post_json(&url, request.as_bytes())?;
    let pem = wire::first_certificate(&answer).ok_or(SigstoreError::Answer {
        service: "certificate authority",
    })?;
    let certificates = Certificate::all_from_pem(&pem).map_err(SigstoreError::Certificate)?;
    let leaf = certificates.into_iter().next();
    let leaf = leaf.filter(|leaf| leaf.public_key().ok() == Some(key.public_key()));
    leaf.ok_or(SigstoreError::Answer {
        service: "certificate authority",
    })
}

/// To whom a certificate is made out, and by whose word.
fn whose(leaf: &Certificate) -> Result<(String, String), SigstoreError> {
    let extensions = leaf.extensions();
    let name = extensions.alternative_names.first().map(|name| match name {
        AlternativeName::Email(text)
        | AlternativeName::Dns(text)
        | AlternativeName::Uri(text)
        | AlternativeName::Username(text) => text.clone(),
    });
    let nobody = SigstoreError::Answer {
        service: "certificate authority",
    };
    name.zip(extensions.oidc_issuer.clone()).ok_or(nobody)
}

/// Has the signature of a bundle stamped by the authority at this address, for which one of the anchors must vouch, if any are
/// given. Only what is verified is put in.
///
/// # Errors
/// The authority can't be reached or says no, or its answer is not believed.
pub fn stamped(
    bundle: Bundle,
    url: &str,
    anchors: Option<&[Certificate]>,
) -> Result<Bundle, SigstoreError> {
    let client = Client::new().map_err(SigstoreError::Http)?;
    let token = stamp(&client, url, &bundle.envelope().signatures[0], anchors)?;
    let stamped = bundle.with_timestamp(token);
    stamped.ok_or(SigstoreError::NoPlace)
}

/// Has bytes stamped by the authority at this address; the answer is one to this very question, and whole.
fn stamp(
    client: &Client,
    url: &str,
    bytes: &[u8],
    anchors: Option<&[Certificate]>,
) -> Result<Vec<u8>, SigstoreError> {
    let nonce = random().map_err(SigstoreError::Random)?;
    let query = timestamp::query(bytes, &nonce);
    let (query_type, reply_type) = ("application/timestamp-query", "application/timestamp-reply");
    let answer = client.post(url, query_type, reply_type, &query)?;
    timestamp::verify_answer(&answer, bytes, &nonce, anchors).map_err(SigstoreError::Stamp)?;
    Ok(answer)
}

/// Has the signature entered in the log; its entry as bundles have it.
fn log(
    client: &Client,
    services: &Services,
    envelope: &Envelope,
    leaf: &Certificate,
) -> Result<Value, SigstoreError> {
    let unread = SigstoreError::Answer { service: "log" };
    if services.log_version == 1 {
        let request = wire::first_request(envelope, leaf).to_string();
        let url = services.log.join("/api/v1/log/entries");
        let answer = client.post_json(&url, request.as_bytes())?;
        wire::first_entry(&answer).ok_or(unread)
    } else {
        let request = wire::second_request(envelope, leaf).to_string();
        let url = services.log.join("/api/v2/log/entries");
        let answer = client.post_json(&url, request.as_bytes())?;
        wire::second_entry(&answer).ok_or(unread)
    }
}

fn bundle(
    envelope: &Envelope,
    leaf: &Certificate,
    entry: &Value,
    stamps: &[Vec<u8>],
) -> Result<Bundle, SigstoreError> {
    let stamp = |token: &Vec<u8>| json!({"signedTimestamp": BASE64.encode(token)});
    let stamps: Vec<Value> = stamps.iter().map(stamp).collect();
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": BASE64.encode(leaf.as_der())},
            "tlogEntries": [entry],
            "timestampVerificationData": {"rfc3161Timestamps": stamps},
        },
        "dsseEnvelope": wire::envelope(envelope),
    });
    Bundle::parse(bundle.to_string().as_bytes()).map_err(SigstoreError::NotBelieved)
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SigstoreError {
    /// A service can't be reached, or says no.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A service answers in a way that is not understood.
    #[error("the {service} answers in a way that is not understood")]
    Answer {
        /// Which service.
        service: &'static str,
    },
    /// The kernel has no random bytes.
    #[error(transparent)]
    Random(KeyFileError),
    /// No key could be made.
    #[error("no key of one use could be made")]
    Key(#[source] KeyError),
    /// The certificate can't be read.
    #[error("the certificate authority's certificate can't be read")]
    Certificate(#[source] CertificateError),
    /// The clock can't be right.
    #[error(transparent)]
    Clock(clock::ClockError),
    /// The timestamp is not one that was asked for.
    #[error("the authority's timestamp is not believed")]
    Stamp(#[source] TimestampError),
    /// There are as many timestamps as there may be, or what was signed is kept as it came.
    #[error("the signature takes no timestamp more")]
    NoPlace,
    /// What the services gave does not verify.
    #[error("what the services gave is not believed by the Sigstore root")]
    NotBelieved(#[source] trust::Error),
}

impl SigstoreError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Http(_) | Self::Answer { .. } | Self::Certificate(_) => Code::Network,
            Self::Stamp(_) => Code::TimestampInvalid,
            Self::NoPlace => Code::BundleInvalid,
            Self::Random(error) => error.code(),
            Self::Key(_) => Code::KeyInvalid,
            Self::Clock(error) => error.code(),
            Self::NotBelieved(error) => error.code(),
        }
    }
}
