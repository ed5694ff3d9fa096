//! Why a statement was not believed. Each names its code.

use decode::json;

use crate::sigstore::SigstoreError;
use crate::timestamp::TimestampError;
use crate::x509::{CertificateError, ChainError, IdentityError};
use crate::{Code, KeyError, KeyId, Role, Time};

/// Whoever tampers with a model and signs it anew is found here too: to expect them is no way to yes.
pub(crate) const OTHER_SIGNER_WAY: &str = "get the model again from where it comes, and ask who signed this one; expect them only if it is them that you mean";

/// Why a bundle did not become a [`crate::Verified`] statement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The bundle is no JSON.
    #[error("the bundle can't be read")]
    BundleJson(#[source] json::Error),
    /// The bundle is of another kind.
    #[error("the bundle is of media type `{got}`, and only Sigstore bundles v0.3 are read")]
    BundleMediaType {
        /// What it says it is.
        got: String,
    },
    /// The bundle has a part that is not fit.
    #[error("the bundle can't be read: {0}")]
    BundleShape(&'static str),
    /// The payload is no in-toto statement.
    #[error("the bundle holds `{got}`, not an in-toto statement")]
    PayloadType {
        /// What it says it holds.
        got: String,
    },
    /// The statement is no JSON.
    #[error("the statement can't be read")]
    StatementJson(#[source] json::Error),
    /// The statement has a part that is not fit.
    #[error("the statement can't be read: {0}")]
    StatementShape(String),
    /// The statement says something of another type.
    #[error("the statement is a `{got}`, not a `{want}`")]
    PredicateType {
        /// What was asked for.
        want: &'static str,
        /// What it is.
        got: String,
    },
    /// It was signed in a way that the root knows nobody by.
    #[error("it is signed {got}, and the trust root knows nobody who signs so")]
    Method {
        /// How it was signed.
        got: &'static str,
    },
    /// A certificate that came with the signature can't be read.
    #[error("a certificate of the signature can't be read")]
    Certificate(#[source] CertificateError),
    /// The certificate's key is not one that signs here.
    #[error("the key of the signer's certificate is not used here")]
    CertificateKey {
        /// What is wrong with it.
        #[source]
        cause: KeyError,
    },
    /// No authority of the root vouches for the certificate.
    #[error("no authority of the trust root vouches for the signer's certificate")]
    Chain(#[source] ChainError),
    /// The certificate is somebody else's.
    #[error("somebody else signed than was expected")]
    Identity(#[source] IdentityError),
    /// A timestamp over the signature is not what it says.
    #[error("a timestamp of the signature is not believed")]
    Timestamp(#[source] TimestampError),
    /// A keyless signature is not proved to be whose it should be, or to have been made in time.
    #[error("the keyless signature is not believed")]
    Sigstore(#[source] SigstoreError),
    /// The root's time has not come.
    #[error("the trust root is valid from {valid_from}, and now it is {now}")]
    RootNotYetValid {
        /// From when it holds.
        valid_from: Time,
        /// The time it was asked.
        now: Time,
    },
    /// The root's time is over.
    #[error("the trust root expired at {expires}, and now it is {now}")]
    RootExpired {
        /// Until when it held.
        expires: Time,
        /// The time it was asked.
        now: Time,
    },
    /// The root has no such key.
    #[error("the trust root has no key {}", key.map_or("that fits".to_owned(), |id| format!("`{}`", id.short())))]
    KeyUnknown {
        /// Which key is said to have signed.
        key: Option<KeyId>,
    },
    /// The key has not this role.
    #[error("the key `{key_name}` has not the role `{role}`")]
    KeyRole {
        /// The key.
        key_name: String,
        /// The role that it takes.
        role: Role,
    },
    /// The key's time has not come.
    #[error("the key `{key_name}` is valid from {valid_from}, and now it is {now}")]
    KeyNotYetValid {
        /// The key.
        key_name: String,
        /// From when it holds.
        valid_from: Time,
        /// The time it was asked.
        now: Time,
    },
    /// The key's time is over.
    #[error("the key `{key_name}` was valid until {valid_until}, and now it is {now}")]
    KeyExpired {
        /// The key.
        key_name: String,
        /// Until when it held.
        valid_until: Time,
        /// The time it was asked.
        now: Time,
    },
    /// The statement claims to be by a name that the key doesn't have.
    #[error(
        "the statement says it is by `{claimed}`, and the key `{key_name}` may not speak for that name"
    )]
    Speaker {
        /// The key.
        key_name: String,
        /// The name it claims.
        claimed: String,
    },
    /// The signature does not verify.
    #[error("the signature is not by the key `{key_name}` over this statement")]
    Signature {
        /// The key.
        key_name: String,
    },
}

impl Error {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::BundleJson(_) | Self::BundleMediaType { .. } | Self::BundleShape(_) => {
                Code::BundleInvalid
            }
            Self::PayloadType { .. } | Self::StatementJson(_) | Self::StatementShape(_) => {
                Code::StatementInvalid
            }
            Self::PredicateType { .. } => Code::SubjectMismatch,
            Self::Method { .. } => Code::KeyUnknown,
            Self::Certificate(_) | Self::CertificateKey { .. } => Code::BundleInvalid,
            Self::Chain(ChainError::Expired { .. } | ChainError::NotYetValid { .. }) => {
                Code::CertificateTime
            }
            Self::Chain(_) => Code::CertificateUntrusted,
            Self::Identity(_) => Code::IdentityMismatch,
            Self::Timestamp(_) => Code::TimestampInvalid,
            Self::Sigstore(error) => error.code(),
            Self::RootNotYetValid { .. } => Code::RootNotYetValid,
            Self::RootExpired { .. } => Code::RootExpired,
            Self::KeyUnknown { .. } => Code::KeyUnknown,
            Self::KeyRole { .. } => Code::KeyRole,
            Self::KeyNotYetValid { .. } => Code::KeyNotYetValid,
            Self::KeyExpired { .. } => Code::KeyExpired,
            Self::Speaker { .. } => Code::SpeakerMismatch,
            Self::Signature { .. } => Code::SignatureInvalid,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::BundleJson(_) | Self::BundleMediaType { .. } | Self::BundleShape(_) => {
                "sign again with `modelward sign`"
            }
            Self::PayloadType { .. } | Self::StatementJson(_) | Self::StatementShape(_) => {
                "have the statement made again"
            }
            Self::PredicateType { .. } => "give the statement of the other type",
            Self::Certificate(_) | Self::CertificateKey { .. } => {
                "sign again with another certificate"
            }
            Self::Chain(ChainError::Expired { .. } | ChainError::NotYetValid { .. }) => {
                "sign again with a certificate that holds; a signature outlives its certificate only with a timestamp that is believed"
            }
            Self::Chain(_) => {
                "give the authority's certificate, if you trust it, or sign with one that it certified"
            }
            Self::Sigstore(error) => error.way(),
            Self::Identity(_) => OTHER_SIGNER_WAY,
            Self::Timestamp(_) => {
                "have the signature stamped again, or believe the authority that stamped it"
            }
            Self::Method { .. } => {
                "name the signer as what it is: a key, a certificate or an identity"
            }
            Self::RootNotYetValid { .. } => {
                "check this machine's clock, or ask for the root that holds now"
            }
            Self::RootExpired { .. } => {
                "ask the root's owner for a newer one, or renew yours with `modelward key set --root-expires`"
            }
            Self::KeyUnknown { .. } => {
                "add the key with `modelward key set`, if you trust who holds it"
            }
            Self::KeyRole { .. } => {
                "sign with a key that has the role, or give it with `modelward key set --role`"
            }
            Self::KeyNotYetValid { .. } => "check this machine's clock",
            Self::KeyExpired { .. } => {
                "sign again with a key that holds, or prolong it with `modelward key set --valid-until`"
            }
            Self::Speaker { .. } => {
                "add the name with `modelward key set --speaks-for`, if the key is that one's"
            }
            Self::Signature { .. } => "get the file again from where it was signed",
        }
    }
}
