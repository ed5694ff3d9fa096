//! Bytes to facts. This room alone makes [`Verified`].
//!
//! ```text
//! key ─► root ─┐
//! dsse ─► bundle ─► statement<predicate> ─► verify ─► Verified<Statement<P>> ─┬─► Verified<Artifact>   (with a listing)
//!                                                                            └─► Verified<Sealed>     (with sealed bytes)
//! x509 ─► path to an anchor, identity        timestamp ─► the time at which bytes were there
//! sigstore ─► a keyless signature was logged, and when
//! ```
//! Pure: bytes and time are arguments; nothing here opens a file, reads a clock or rolls dice.

pub mod artifact;
mod base64;
mod bundle;
pub mod code;
mod denial;
pub mod digest_text;
mod dsse;
mod error;
mod key;
pub mod log;
pub mod predicate;
mod root;
mod seal;
pub mod sigstore;
mod statement;
mod time;
pub mod timestamp;
mod verified;
mod verify;
pub mod x509;

pub use artifact::{Artifact, Kind, TreePath};
pub use bundle::{Bundle, Material};
pub use code::Code;
pub use denial::{Denied, Reason, Verdict};
pub use dsse::{Envelope, PAYLOAD_TYPE};
pub use error::Error;
pub use key::{
    EncryptionSeed, KeyAlgorithm, KeyError, KeyId, ModuleName, Pin, PrivateKey, PublicKey, Signer,
    TokenName, TokenUri, TokenUriError, ecdsa_from_der, ecdsa_to_der, looks_encrypted,
};
pub use predicate::Predicate;
pub use root::{Role, RootCertificate, RootError, RootIdentity, RootKey, TrustRoot};
pub use seal::{SealError, seal, seal_certified};
pub use sigstore::SigstoreRoot;
pub use statement::{Opaque, Statement, Subject};
pub use time::{ParseTimeError, Time};
pub use verified::{How, Proof, Verified};
pub use verify::{
    Difference, differences, verify, verify_resources, verify_sealed, verify_to_forbid, verify_tree,
};
