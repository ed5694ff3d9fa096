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
//!
//! # Verify a model
//!
//! ```
//! use digest::{Links, Walk};
//! use trust::predicate::{Form, ModelSignature};
//! use trust::{PublicKey, Role, Time, TrustRoot, verify, verify_resources};
//!
//! # fn example(folder: &std::path::Path, pem: &str, now: Time) -> Result<bool, Box<dyn std::error::Error>> {
//! let root = TrustRoot::of_key(PublicKey::from_pem(pem)?, Role::Sign);
//! let bundle = std::fs::read(folder.join("model.sig"))?;
//! let signature = verify::<ModelSignature>(&bundle, &root, now)?;
//! // What the signature says of its method is what is measured: hashes, pieces, links and what is left out.
//! let (model, signed) = (folder.join("model"), &signature.value().predicate);
//! let ignore = |path: &str| signed.ignored().iter().any(|ignored| ignored == path);
//! let links = if signed.follows_links() { Links::Inside(&model) } else { Links::Refuse };
//! let files = digest::list_resources(&model, &Walk { ignore: &ignore, links }, signed.method(), &|_bytes_read| {})?;
//! let verified = verify_resources(&signature, signed.method(), files, Form::Folder);
//! match &verified {
//!     Ok(model) => println!("it is as {} signed it", model.proof().key_name),
//!     Err(differences) => differences.iter().for_each(|difference| println!("{}", difference.reason().message)),
//! }
//! # Ok(verified.is_ok())
//! # }
//! # // Really run: on a model that is signed here, on one that was changed since, and with a broken signature.
//! # use trust::{PrivateKey, Signer, artifact::Kind, Artifact, seal};
//! # let folder = std::env::temp_dir().join(format!("verify-a-model-{}", std::process::id()));
//! # std::fs::create_dir_all(folder.join("model")).unwrap();
//! # std::fs::write(folder.join("model/weights"), "w").unwrap();
//! # let key = PrivateKey::from_random(&[7; 32]).unwrap();
//! # let files = digest::list(&folder.join("model"), &|_| false, &|_| {}).unwrap();
//! # let artifact = Artifact::from_listing(Kind::Model, &files).unwrap();
//! # let statement = ModelSignature::statement("model", &artifact, Form::Folder, vec![]);
//! # std::fs::write(folder.join("model.sig"), seal(&statement, &key).unwrap().to_bytes()).unwrap();
//! # let answer = || example(&folder, key.public_key().pem(), Time::from_unix(0));
//! # assert!(answer().unwrap());
//! # std::fs::write(folder.join("model/weights"), "x").unwrap();
//! # assert!(!answer().unwrap());
//! # std::fs::write(folder.join("model.sig"), "{}").unwrap();
//! # assert!(answer().is_err());
//! # std::fs::remove_dir_all(folder).unwrap();
//! ```

mod any_statement;
pub mod artifact;
mod base64;
mod bundle;
pub mod code;
mod compact;
mod denial;
pub mod digest_text;
mod dsse;
mod error;
mod key;
pub mod log;
pub mod oci;
pub mod predicate;
mod root;
mod seal;
pub mod sigstore;
mod statement;
mod time;
pub mod timestamp;
mod toml_cause;
pub mod tuf;
mod verified;
mod verify;
pub mod x509;

pub use any_statement::{AnyStatement, AnySubject};
pub use artifact::{Artifact, Kind, TreePath};
pub use bundle::{Bundle, KeyHint, Material, Received};
pub use code::Code;
pub use denial::{Denied, Reason, Verdict};
pub use dsse::{Envelope, PAYLOAD_TYPE};
pub use error::Error;
pub use key::{
    CosignSeed, EncryptionSeed, KeyAlgorithm, KeyError, KeyId, ModuleName, Pin, PrivateKey,
    PublicKey, Signer, TokenName, TokenUri, TokenUriError, ecdsa_from_der, ecdsa_to_der,
    looks_encrypted,
};
pub use predicate::Predicate;
pub use root::{KeyWitnesses, Role, RootCertificate, RootError, RootIdentity, RootKey, TrustRoot};
pub use seal::{SealError, seal, seal_certified};
pub use sigstore::SigstoreRoot;
pub use statement::{Opaque, Statement, Subject};
pub use time::{ParseTimeError, Time};
pub use toml_cause::toml_cause;
pub use verified::{How, Proof, Verified};
pub use verify::{
    Difference, Listed, ManifestError, Named, Part, differences, verify, verify_any,
    verify_any_as_made, verify_bundle, verify_listed, verify_manifest, verify_part,
    verify_resources, verify_sealed, verify_taken, verify_to_forbid, verify_to_speak, verify_tree,
};
