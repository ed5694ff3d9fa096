//! Sealing: a statement and who signs it in, a bundle out. The way back is [`crate::verify()`].

use crate::bundle::{Bundle, Material};
use crate::x509::{Certificate, ChainError, Purpose, chain};
use crate::{KeyError, Predicate, Signer, Statement, Time};

/// Puts a statement into the bytes that a key signs and a bundle holds.
///
/// # Errors
/// What holds the key does not answer.
pub fn seal<P: Predicate>(
    statement: &Statement<P>,
    signer: &dyn Signer,
) -> Result<Bundle, KeyError> {
    signer.seal(statement.to_bytes())
}

/// As [`seal`], by a key that an authority certified. `issuers` go along for whoever has only the last of them.
///
/// # Errors
/// The certificate is of another key, is not for signing, or does not hold at `now`, so that nobody would believe it; or as
/// [`seal`].
pub fn seal_certified<P: Predicate>(
    statement: &Statement<P>,
    signer: &dyn Signer,
    leaf: &Certificate,
    issuers: &[Certificate],
    now: Time,
) -> Result<Bundle, SealError> {
    if leaf.public_key().map_err(SealError::Key)? != signer.public_key() {
        return Err(SealError::OtherKey);
    }
    // As its own anchor: whether others vouch for it is the verifier's question.
    let itself = std::slice::from_ref(leaf);
    chain::verify(leaf, &[], itself, now, Purpose::Signing).map_err(SealError::Certificate)?;
    let material = Material::Certificate {
        leaf: leaf.as_der().to_vec(),
        intermediates: issuers
            .iter()
            .map(|issuer| issuer.as_der().to_vec())
            .collect(),
        timestamps: Vec::new(),
    };
    let envelope = signer.enclose(statement.to_bytes());
    Ok(Bundle::new(envelope.map_err(SealError::Key)?, material))
}

/// Why a certificate's key can't sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key does not answer, or is of a kind that is not used here.
    #[error(transparent)]
    Key(KeyError),
    /// The certificate was made out to another key.
    #[error("the certificate is of another key than the one that signs")]
    OtherKey,
    /// Nobody would believe the certificate.
    #[error("nobody would believe this certificate")]
    Certificate(#[source] ChainError),
}
