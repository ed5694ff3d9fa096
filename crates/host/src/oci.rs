//! Artifacts in registries and image layouts: their manifests, the statements that lie beside them, and the way there and back.
//!
//! ```text
//! tag ─► manifest (its digest is what we read) ─► what is listed as referring to it ─► manifests of bundles ─► bundles
//!                                              └► the tags `sha256-….att` and `….sig` ─► their layers, as cosign wrote them
//! ```
//! What a digest names is held against it; a list is only where to look. Nothing of it is believed here, and of whatever a
//! registry or folder holds only so much is read as the constants say. Files are asked for by `transfer` alone.

mod credentials;
mod error;
pub mod image;
mod layout;
mod registry;
mod search;
mod transfer;

use std::fmt;

use digest::Digest;
use trust::oci::{Descriptor, Version};

pub use crate::sigstore::HttpError;
pub use credentials::DockerError;
pub use error::{ReadError, Whom};
pub use layout::Layout;
pub use registry::{PushedBlob, Registry};
pub use search::{FoundStatement, Searched, Written, statements};
pub use transfer::{Lot, pull, push};

/// So many entries of lists are looked through.
const LISTED_MAX: usize = 10_000;

/// Where artifacts are.
pub trait Source {
    /// A manifest or index, as it is there; what a digest names has it.
    ///
    /// # Errors
    /// It is not there, too long, or something else.
    fn manifest(&self, version: &Version) -> Result<Vec<u8>, ReadError>;

    /// A blob of at most so many bytes, which has its digest.
    ///
    /// # Errors
    /// As [`Source::manifest`].
    fn blob(&self, blob: &Descriptor, size_bytes_max: u64) -> Result<Vec<u8>, ReadError>;

    /// The lists of what may refer to a manifest. One that is not there is none; one that can't be read is an error.
    fn listings(&self, subject: Digest) -> Vec<Result<Listing, ReadError>>;

    /// The manifests in which cosign kept statements about a manifest before there were lists.
    fn tagged(&self, subject: Digest) -> Vec<Result<Tagged, ReadError>>;
}

/// A list of what may refer to a manifest.
#[derive(Debug)]
pub struct Listing {
    place: Place,
    manifests: Vec<Descriptor>,
    is_whole: bool,
}

/// A manifest whose layers are statements.
#[derive(Debug)]
pub struct Tagged {
    place: Place,
    manifest: Vec<u8>,
}

/// Which list named a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The layout's `index.json`.
    Index,
    /// The registry's list of referrers.
    Referrers,
    /// The tag `sha256-…`, where there is no such list.
    FallbackTag,
    /// The tag `sha256-….att`.
    AttestationTag,
    /// The tag `sha256-….sig`.
    SignatureTag,
}

impl Place {
    /// The tag under which it is, if it is one.
    fn tag(self, subject: Digest) -> Option<String> {
        let ending = match self {
            Self::Index | Self::Referrers => return None,
            Self::FallbackTag => "",
            Self::AttestationTag => ".att",
            Self::SignatureTag => ".sig",
        };
        Some(format!("sha256-{}{ending}", subject.hex()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Index => "index.json",
            Self::Referrers => "referrers",
            Self::FallbackTag => "fallback tag",
            Self::AttestationTag => "tag .att",
            Self::SignatureTag => "tag .sig",
        })
    }
}

/// Bytes that are what their digest says.
fn checked(bytes: Vec<u8>, want: Digest) -> Result<Vec<u8>, ReadError> {
    let got = Digest::of(&bytes);
    if got == want {
        Ok(bytes)
    } else {
        Err(ReadError::Other { want, got })
    }
}

/// Refuses a blob that says that it is longer than what is read.
fn check_size(blob: &Descriptor, size_bytes_max: u64) -> Result<(), ReadError> {
    if blob.size_bytes <= size_bytes_max {
        return Ok(());
    }
    Err(ReadError::TooLarge {
        what: blob.digest.to_string(),
        size_bytes_max,
    })
}
