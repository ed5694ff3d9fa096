//! What we know, with the proof.

use digest::Digest;

use crate::{KeyId, Time};

/// A value that this crate checked, with the proof of it. Nothing else makes one: the field is private, and there is
/// no `Default`, `From` or `Deserialize`.
#[derive(Debug)]
pub struct Verified<T> {
    value: T,
    proof: Proof,
}

impl<T> Verified<T> {
    pub(crate) const fn new(value: T, proof: Proof) -> Self {
        Self { value, proof }
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// How we know it.
    #[must_use]
    pub const fn proof(&self) -> &Proof {
        &self.proof
    }
}

/// Who said it, by which root we believe them, and when that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The key that signed.
    pub key: KeyId,
    /// What the trust root calls who holds it.
    pub key_name: String,
    /// The names that the key may speak for.
    pub speaks_for: Vec<String>,
    /// The trust root, by its digest.
    pub root: Digest,
    /// The bundle that was checked, by its digest.
    pub bundle: Digest,
    /// When it was checked: a holder that lives long asks again.
    pub at: Time,
    /// What the root knows who signed by.
    pub how: How,
    /// Whether a timestamp came along that counts for nothing, since nobody vouches for its authority.
    pub has_unvouched_timestamp: bool,
}

/// What the trust root knows somebody by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Their key.
    Key {
        /// When an authority that is believed stamped the signature.
        stamped: Option<Time>,
        /// When it was signed, by word of a log that is believed, or of a timestamp beside its entry.
        logged_at: Option<Time>,
    },
    /// A certificate that an authority made out to them.
    Certificate {
        /// To whom, as RFC 4514 writes it.
        subject: String,
        /// SHA-256 of the certificate.
        fingerprint: Digest,
        /// Who was expected; none if anyone was whom the authority certified.
        identity: Option<String>,
        /// When an authority that is believed stamped the signature.
        stamped: Option<Time>,
    },
    /// An identity that a provider vouched for.
    Keyless {
        /// Who.
        identity: String,
        /// The provider.
        issuer: String,
        /// When it was signed, by word of a log or a timestamp.
        logged_at: Time,
    },
}
