//! X.509 certificates (RFC 5280), for signatures over models and for timestamps: read strictly, chained by our own search.
//!
//! ```text
//! PEM or DER ─► Certificate ─┬─► chain::verify ─► Path      (leaf … anchor, each link by signature)
//!                            └─► Identity::check            (who the leaf was made out to)
//! ```
//! Not the web's rules: the leaf may be a CA, there are no default anchors, and nothing here asks a host name. What is
//! not understood and marked critical is refused, and so is SHA-1.

mod certificate;
pub mod chain;
pub(crate) mod der;
mod extensions;
mod identity;
mod name;
mod pem;
pub(crate) mod signature;

pub use certificate::{Certificate, CertificateError};
pub use chain::{ChainError, Named, Path, Purpose};
pub use extensions::{AlternativeName, BasicConstraints, ExtendedKeyUsage, Extensions, KeyUsage};
pub use identity::{Identity, IdentityError, ParseIdentityError};
pub use name::Name;
