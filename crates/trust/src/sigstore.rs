//! Keyless signatures (Sigstore): a key of one use, certified for an identity that a provider vouches for, and logged.
//!
//! ```text
//! SigstoreRoot ─┬─► timestamps ─┐
//!               ├─► log entries ┴─► times ─► certificate chain ─► SCT ─► Logged       identity, issuer ─► believed
//! ```
//! The key is thrown away after it signed, so that all depends on when that was. No clock is read: the times are those that
//! a log or a timestamp authority signed, and none of them may lie after `now`.

mod body;
mod entry;
mod root;
mod sct;

pub use entry::LogEntry;
pub(crate) use entry::wire as entry_wire;
pub use root::{SigstoreRoot, SigstoreRootError};
pub use sct::SctError;

use crate::error::OTHER_SIGNER_WAY;
use crate::log::{CheckpointError, ProofError};
use crate::timestamp::{self, TimestampError};
use crate::x509::{AlternativeName, Certificate, ChainError, Purpose, chain};
use crate::{Code, Envelope, PublicKey, Time};
use root::Authority;

/// Whose signature it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'a> {
    /// Of a key of one use, which a certificate names.
    Certificate(&'a Certificate),
    /// Of a key that is known.
    Key(&'a PublicKey),
}

/// What came with a signature.
pub(crate) struct Evidence<'a> {
    pub(crate) by: By<'a>,
    pub(crate) envelope: &'a Envelope,
    /// The one of the envelope's that the key made.
    pub(crate) signature: &'a [u8],
    pub(crate) entries: &'a [LogEntry],
    pub(crate) timestamps: &'a [Vec<u8>],
}

/// Checks that a signature was made while its certificate held, and was logged; says when.
///
/// (1) Every timestamp that came along is over the signature, by an authority of the root's. (2) Every log entry is about
/// this signature, payload and certificate or key alone; its log is the root's, promised it and proved it against a
/// checkpoint that it signed (Rekor v1), or proved it and leaves the time to a timestamp (Rekor v2). (3) There is a time, none
/// is after `now`, and every log entered at a time of its own. (4) An authority of the root's certified the leaf, if there is
/// one, for signing code, and all certificates were valid at each time. (5) A certificate log of the root's has it, and none
/// will have it after `now`.
pub(crate) fn verify(
    evidence: &Evidence<'_>,
    root: &SigstoreRoot,
    now: Option<Time>,
) -> Result<Time, SigstoreError> {
    let mut times = stamped(evidence, root)?;
    if evidence.entries.is_empty() {
        return Err(SigstoreError::NotLogged);
    }
    for entry in evidence.entries {
        times.extend(entry.verify(evidence, root)?);
    }
    let Some(earliest) = times.iter().min().copied() else {
        return Err(SigstoreError::NoTime);
    };
    for at in times.iter().copied() {
        if let Some(now) = now.filter(|now| at > *now) {
            return Err(SigstoreError::Future { at, now });
        }
        for entry in evidence.entries {
            entry.check_log_time(root, at)?;
        }
        if let By::Certificate(leaf) = evidence.by {
            let issuer = certified(leaf, &root.authorities, at)?;
            chain::check_code_signing(leaf).map_err(SigstoreError::Chain)?;
            sct::verify(leaf, issuer, &root.certificate_logs, now)?;
        }
    }
    Ok(earliest)
}

/// Checks that a certificate was made out to this identity, by word of this provider; both to the letter.
pub(crate) fn check_identity(
    leaf: &Certificate,
    identity: &str,
    issuer: &str,
) -> Result<(), SigstoreError> {
    let extensions = leaf.extensions();
    let found: Vec<String> = extensions.alternative_names.iter().map(text).collect();
    if !found.iter().any(|name| name == identity) {
        let wanted = identity.to_owned();
        return Err(SigstoreError::Identity { wanted, found });
    }
    if extensions.oidc_issuer.as_deref() != Some(issuer) {
        return Err(SigstoreError::Provider {
            wanted: issuer.to_owned(),
            found: extensions.oidc_issuer.clone(),
        });
    }
    Ok(())
}

fn text(name: &AlternativeName) -> String {
    match name {
        AlternativeName::Email(text)
        | AlternativeName::Dns(text)
        | AlternativeName::Uri(text)
        | AlternativeName::Username(text) => text.clone(),
    }
}

/// The times of all timestamps. One that no authority of the root's made is refused, not passed over.
fn stamped(evidence: &Evidence<'_>, root: &SigstoreRoot) -> Result<Vec<Time>, SigstoreError> {
    let stamp = |token: &Vec<u8>| {
        let mut refused = None;
        for authority in &root.timestamp_authorities {
            let (anchor, others) = authority.split();
            let (signature, anchors) = (evidence.signature, std::slice::from_ref(anchor));
            match timestamp::verify(token, signature, others, anchors) {
                Ok(stamp) if authority.during.contains(stamp.time) => return Ok(stamp.time),
                Ok(stamp) => {
                    let error = SigstoreError::StampTime { at: stamp.time };
                    refused = Some(error);
                }
                // What is wrong with the token itself tells more than whose it is not.
                Err(error) => refused = refused.or(Some(SigstoreError::Timestamp(error))),
            }
        }
        Err(refused.unwrap_or(SigstoreError::NoTimestampAuthority))
    };
    evidence.timestamps.iter().map(stamp).collect()
}

/// The authority's certificate that issued the leaf.
fn certified<'a>(
    leaf: &Certificate,
    authorities: &'a [Authority],
    at: Time,
) -> Result<&'a Certificate, SigstoreError> {
    let mut refused = SigstoreError::NoAuthority;
    for authority in authorities {
        let (anchor, others) = authority.split();
        let anchors = std::slice::from_ref(anchor);
        match chain::verify(leaf, others, anchors, at, Purpose::Signing) {
            Ok(path) if authority.during.contains(at) => {
                let issuer = path.certificates().get(1).unwrap_or(anchor);
                let mut all = authority.certificates.iter();
                // The path went through the authority's own certificates and no others.
                return Ok(all.find(|own| *own == issuer).unwrap_or(anchor));
            }
            Ok(_) => refused = SigstoreError::AuthorityTime { at },
            Err(error) => {
                let is_foreign = matches!(error, ChainError::IssuerMissing { .. });
                if !is_foreign || matches!(refused, SigstoreError::NoAuthority) {
                    refused = SigstoreError::Chain(error);
                }
            }
        }
    }
    Err(refused)
}

/// Why a keyless signature was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    /// The certificate is somebody else's.
    #[error("the certificate is made out to {}, not to `{wanted}`", listed(.found))]
    Identity {
        /// Who was expected.
        wanted: String,
        /// Who it is made out to.
        found: Vec<String>,
    },
    /// Another provider vouched for the identity.
    #[error("{} vouched for the identity, and `{wanted}` was expected", found.as_ref().map_or("no provider".to_owned(), |found| format!("`{found}`")))]
    Provider {
        /// The provider that was expected.
        wanted: String,
        /// The one that did.
        found: Option<String>,
    },
    /// No authority certified the key, or not then.
    #[error("the root's authorities did not certify the key")]
    Chain(#[source] ChainError),
    /// The root names no authority.
    #[error("the Sigstore root names no certificate authority")]
    NoAuthority,
    /// An authority was not in use.
    #[error("the authority was not in use at {at}")]
    AuthorityTime {
        /// When it was to be.
        at: Time,
    },
    /// No log of certificates has this one.
    #[error("no log that the root names has the certificate")]
    CertificateLog(#[source] SctError),
    /// A timestamp is not what it says.
    #[error("a timestamp is not believed")]
    Timestamp(#[source] TimestampError),
    /// The authority of a timestamp was not in use.
    #[error("the authority of the timestamp was not in use at {at}")]
    StampTime {
        /// When it was to be.
        at: Time,
    },
    /// There is a timestamp, and nobody to believe it.
    #[error("there is a timestamp, and the Sigstore root names no authority for timestamps")]
    NoTimestampAuthority,
    /// Nobody says when it was signed.
    #[error("neither a log nor a timestamp says when it was signed")]
    NoTime,
    /// It was signed after now.
    #[error("it is said to have been signed at {at}, and now it is {now}")]
    Future {
        /// When it was signed.
        at: Time,
        /// The time it was asked.
        now: Time,
    },
    /// No log has it.
    #[error("the signature is in no log")]
    NotLogged,
    /// A log that the root does not name.
    #[error("the root does not name the log `{id}`, whose entry is there")]
    LogUnknown {
        /// The log's identifier.
        id: String,
    },
    /// The log was not in use.
    #[error("the log `{id}` was not in use at {at}")]
    LogTime {
        /// The log's identifier.
        id: String,
        /// When it was to be.
        at: Time,
    },
    /// The entry is of a kind that is not read.
    #[error(
        "the log's entry is a `{kind}` {version}; read are `dsse` and `hashedrekord` 0.0.1 and 0.0.2, and `intoto` 0.0.2"
    )]
    EntryKind {
        /// What it says it is.
        kind: String,
        /// Its version.
        version: String,
    },
    /// The entry's body can't be read.
    #[error("the log's entry can't be read")]
    EntryJson(#[source] decode::json::Error),
    /// The entry is not about this.
    #[error("the log's entry is about another {what}")]
    EntryOther {
        /// What is another.
        what: &'static str,
    },
    /// A proof that belongs there is not there.
    #[error("the log's entry has no {what}")]
    ProofMissing {
        /// What is missing.
        what: &'static str,
    },
    /// The log did not sign its promise.
    #[error("the log's promise is not signed by it, or is about another entry, place or time")]
    Promise,
    /// The checkpoint is not the log's.
    #[error("the log's checkpoint is not believed")]
    Checkpoint(#[source] CheckpointError),
    /// The proof is against another tree than the checkpoint's.
    #[error("the inclusion proof names another {what} than the log's checkpoint")]
    OtherHead {
        /// What is another.
        what: &'static str,
    },
    /// The entry is not in the log.
    #[error("the entry is not in the log's tree")]
    Inclusion(#[source] ProofError),
}

impl SigstoreError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Identity { .. } | Self::Provider { .. } => Code::IdentityMismatch,
            Self::Chain(ChainError::Expired { .. } | ChainError::NotYetValid { .. }) => {
                Code::CertificateTime
            }
            Self::Chain(_) | Self::NoAuthority | Self::AuthorityTime { .. } => {
                Code::CertificateUntrusted
            }
            Self::Timestamp(_)
            | Self::StampTime { .. }
            | Self::NoTimestampAuthority
            | Self::NoTime
            | Self::Future { .. } => Code::TimestampInvalid,
            _ => Code::LogProofInvalid,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::Identity { .. } | Self::Provider { .. } => OTHER_SIGNER_WAY,
            Self::Future { .. } => "check this machine's clock",
            Self::NoTime | Self::NotLogged | Self::ProofMissing { .. } => {
                "get the signature again from where it was signed, or sign again"
            }
            Self::LogUnknown { .. }
            | Self::LogTime { .. }
            | Self::NoAuthority
            | Self::NoTimestampAuthority
            | Self::StampTime { .. }
            | Self::AuthorityTime { .. }
            | Self::Chain(_)
            | Self::CertificateLog(SctError::LogUnknown | SctError::LogTime { .. })
            | Self::Timestamp(TimestampError::Chain(_) | TimestampError::SignerMissing) => {
                "give the root of the Sigstore that it was signed at, with `--trust-config`; or a newer root, if its authorities have changed since"
            }
            _ => "get the signature again from where it was signed",
        }
    }
}

fn listed(found: &[String]) -> String {
    let quoted: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() {
        "nobody".to_owned()
    } else {
        quoted.join(", ")
    }
}
