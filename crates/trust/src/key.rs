//! Keys: of five kinds to verify with, by AWS-LC; ECDSA keys made, read and signed with by RustCrypto (deterministic,
//! RFC 6979).
//!
//! ```text
//! SubjectPublicKeyInfo ─► public ────────────────────────────► PublicKey
//! PEM ─► file ─┬─ PKCS#8, RFC 5915 ──────────┬─► private ────► PrivateKey ─► Signer
//!              ├─ PBES2                      │
//!              ├─ legacy  (`Proc-Type`)      │
//!              └─ cosign  (JSON, secretbox) ─┘
//! ```

mod algorithm;
mod cosign;
mod file;
mod legacy;
mod private;
mod public;
mod signature;
mod token_uri;

use digest::Digest;

use crate::bundle::{Bundle, KeyHint, Material};
use crate::dsse::{Envelope, PAYLOAD_TYPE};

pub use algorithm::KeyAlgorithm;
pub use cosign::CosignSeed;
pub use file::looks_encrypted;
pub use private::{EncryptionSeed, PrivateKey};
pub use public::PublicKey;
pub use signature::{ecdsa_from_der, ecdsa_to_der};
pub use token_uri::{ModuleName, Pin, TokenName, TokenUri, TokenUriError};

/// A PEM file of one key is some thousands of bytes, if it is of RSA.
const PEM_SIZE_BYTES_MAX: usize = 16 * 1024;

/// The name of a public key: SHA-256 of its PEM text, as OpenSSF model signing has it (the bundle's `hint`).
pub type KeyId = Digest;

/// Signs. What holds the key is its own business: a file here; a token or a key service are others.
pub trait Signer {
    /// The public half of the key that signs.
    fn public_key(&self) -> &PublicKey;

    /// Signs these bytes (DSSE's pre-authentication encoding) in the one way in which the key's kind signs.
    ///
    /// # Errors
    /// What holds the key does not answer.
    fn sign(&self, signed_bytes: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Puts a statement's bytes and a signature over them into an envelope.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    fn enclose(&self, payload: Vec<u8>) -> Result<Envelope, KeyError> {
        let mut envelope = Envelope::unsigned(PAYLOAD_TYPE.to_owned(), payload);
        let signature = self.sign(envelope.signed_bytes())?;
        envelope.signatures.push(signature);
        Ok(envelope)
    }

    /// Seals a statement's bytes into a bundle.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    fn seal(&self, payload: Vec<u8>) -> Result<Bundle, KeyError> {
        let material = Material::Key {
            hint: Some(KeyHint::Id(self.public_key().id())),
            entries: Vec::new(),
            timestamps: Vec::new(),
            received: None,
        };
        Ok(Bundle::new(self.enclose(payload)?, material))
    }
}

/// Why a key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no public key.
    #[error("this is not a public key in PEM (`BEGIN PUBLIC KEY`) or DER")]
    NotAPublicKey,
    /// The text is no private key.
    #[error("this is not a P-256, P-384 or P-521 private key in PEM")]
    NotAPrivateKey,
    /// A kind of key that is not used here.
    #[error(
        "this is a key of the kind {kind}, where ECDSA, Ed25519 and RSA (PKCS#1) keys are known"
    )]
    UnknownKind {
        /// Its object identifier.
        kind: String,
    },
    /// A curve that is not used here.
    #[error("this key is on the curve `{curve}`, where P-256, P-384 and P-521 are known")]
    UnknownCurve {
        /// Its name, or object identifier.
        curve: String,
    },
    /// A curve that is spelt out: it can be any, and look like a known one.
    #[error(
        "this key does not name its curve; write it anew with `openssl ec -param_enc named_curve`"
    )]
    ExplicitCurve,
    /// A point in another encoding, not on its curve, or of small order.
    #[error(
        "this key's point is not on its curve, weak, or not written whole; if it is compressed, write it anew with `openssl ec -conv_form uncompressed`"
    )]
    OddPoint,
    /// An RSA key that is too small or too large.
    #[error("this RSA key has {bits} bits, where 2048 to 8192 are allowed")]
    RsaSize {
        /// Its size.
        bits: usize,
    },
    /// RSA keys are verified and do not sign.
    #[error("RSA keys do not sign here; make an ECDSA key")]
    RsaSigns,
    /// An Ed25519 key, and nobody asked for one.
    #[error(
        "this is an Ed25519 key, which other verifiers of model signatures refuse; make an ECDSA key"
    )]
    Ed25519,
    /// A way of encrypting that is not read.
    #[error(
        "the key is encrypted in a way that is not read; encrypt it again with `openssl pkcs8 -topk8`"
    )]
    UnknownEncryption,
    /// Not the two numbers of an ECDSA signature.
    #[error("what holds the key answered with something that is no signature")]
    NotASignature,
    /// A signature of another key.
    #[error("what holds the key answered with a signature that is not this key's")]
    ForeignSignature,
    /// The key is encrypted.
    #[error("the key is encrypted and no password was given")]
    PasswordMissing,
    /// The password does not open the key.
    #[error("the password does not open the key")]
    PasswordWrong,
    /// The file asks for too much.
    #[error(
        "the key file asks for more memory or time to open it than any key needs; encrypt it again with `openssl pkcs8 -topk8`"
    )]
    TooCostly,
    /// What holds the key failed.
    #[error("what holds the key does not answer: {0}")]
    Holder(String),
}

#[cfg(test)]
mod tests;
