//! Artifacts in registries and image layouts: their manifests, and the signature bundles that refer to them.
//!
//! ```text
//! tag ─► manifest (its digest is what we read) ─► what is listed as referring to it ─► manifests of bundles ─► bundles
//! ```
//! What a digest names is held against it; a list is only where to look. Nothing of it is believed here, and of whatever a
//! registry or folder holds only so much is read as the constants say. No layer is ever asked for.

mod layout;
mod registry;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use digest::Digest;
use trust::Code;
use trust::oci::{Descriptor, Manifest, OciError, Version};

pub use crate::sigstore::HttpError;
pub use layout::Layout;
pub use registry::Registry;

/// So many manifests that may be bundles' are looked at, those that say so first.
const CANDIDATES_MAX: usize = 128;
/// So many entries of lists are looked through.
const LISTED_MAX: usize = 10_000;
/// A signature over a hundred thousand files is half of that.
const BUNDLE_SIZE_BYTES_MAX: u64 = 32 << 20;
/// All that is read in search of bundles.
const SEARCH_SIZE_BYTES_MAX: u64 = 256 << 20;

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

    /// The lists of what may refer to a manifest.
    fn listings(&self, subject: Digest) -> Vec<Result<Listing, ReadError>>;
}

/// A list of what may refer to a manifest.
#[derive(Debug)]
pub struct Listing {
    place: Place,
    manifests: Vec<Descriptor>,
    is_whole: bool,
}

/// Which list named a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The layout's `index.json`.
    Index,
    /// The registry's list of referrers.
    Referrers,
    /// The tag `sha256-…`, where there is no such list.
    FallbackTag,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Index => "index.json",
            Self::Referrers => "referrers",
            Self::FallbackTag => "fallback tag",
        })
    }
}

/// A signature bundle that refers to a manifest.
#[derive(Debug)]
pub struct FoundBundle {
    /// The bundle.
    pub bytes: Vec<u8>,
    /// The manifest that holds it, by its digest.
    pub manifest: Digest,
    /// Which list named that.
    pub place: Place,
}

/// What a search left open.
#[derive(Debug)]
pub struct Searched {
    /// What could not be read.
    pub unread: Vec<ReadError>,
    /// Whether all was looked at that there is.
    pub is_whole: bool,
}

/// Shows every bundle that refers to a manifest, until one is enough. A bundle that can't be read hides no other.
pub fn bundles(
    source: &dyn Source,
    subject: Digest,
    show: &mut dyn FnMut(&FoundBundle) -> ControlFlow<()>,
) -> Searched {
    let mut searched = Searched {
        unread: Vec::new(),
        is_whole: true,
    };
    let mut left = SEARCH_SIZE_BYTES_MAX;
    for (descriptor, place) in candidates(source, subject, &mut searched) {
        match bundle(source, subject, &descriptor, &mut left) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let manifest = descriptor.digest;
                let found = FoundBundle {
                    bytes,
                    manifest,
                    place,
                };
                if show(&found).is_break() {
                    break;
                }
            }
            Err(error) => searched.unread.push(error),
        }
    }
    searched
}

/// What may be the manifest of a bundle, each once, first what says that it is.
fn candidates(
    source: &dyn Source,
    subject: Digest,
    searched: &mut Searched,
) -> Vec<(Descriptor, Place)> {
    let mut seen = BTreeSet::new();
    let mut candidates = Vec::new();
    for listing in source.listings(subject) {
        match listing {
            Ok(listing) => {
                searched.is_whole &= listing.is_whole;
                let listed = listing
                    .manifests
                    .into_iter()
                    .filter(Descriptor::may_be_bundle);
                let new = listed.filter(|descriptor| seen.insert(descriptor.digest));
                candidates.extend(new.map(|descriptor| (descriptor, listing.place)));
            }
            Err(error) => searched.unread.push(error),
        }
    }
    candidates.sort_by_key(|(descriptor, _)| !descriptor.says_bundle());
    searched.is_whole &= candidates.len() <= CANDIDATES_MAX;
    candidates.truncate(CANDIDATES_MAX);
    candidates
}

/// The bundle that a manifest holds, if it holds one and is about the subject.
fn bundle(
    source: &dyn Source,
    subject: Digest,
    descriptor: &Descriptor,
    left: &mut u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut spend = |size: u64| -> Result<(), ReadError> {
        *left = left.checked_sub(size).ok_or_else(|| ReadError::TooLarge {
            what: "all that refers to the artifact".to_owned(),
            size_bytes_max: SEARCH_SIZE_BYTES_MAX,
        })?;
        Ok(())
    };
    let bytes = source.manifest(&Version::Digest(descriptor.digest))?;
    spend(bytes.len() as u64)?;
    let manifest = Manifest::parse(&bytes).map_err(|cause| ReadError::Manifest {
        what: descriptor.digest.to_string(),
        cause,
    })?;
    if manifest.subject() != Some(subject) {
        return Ok(None);
    }
    let Some(blob) = manifest.bundle() else {
        return Ok(None);
    };
    spend(blob.size_bytes)?;
    source.blob(blob, BUNDLE_SIZE_BYTES_MAX).map(Some)
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

/// Why an artifact or a bundle was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there.
    #[error("there is no `{what}` in {place}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// Where.
        place: String,
    },
    /// A file of a layout can't be read.
    #[error("`{path}` can't be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The folder is no layout.
    #[error("`{folder}` is no OCI image layout")]
    NoLayout {
        /// The folder.
        folder: PathBuf,
    },
    /// It could be any of several.
    #[error("`{folder}` has {count} artifacts that are meant as well as another: {names}")]
    Several {
        /// The layout.
        folder: PathBuf,
        /// How many.
        count: usize,
        /// Some of them.
        names: String,
    },
    /// These are other bytes than those that were asked for.
    #[error("other bytes than `{want}` were given for it: {got}")]
    Other {
        /// What was asked for.
        want: Digest,
        /// What came.
        got: Digest,
    },
    /// It is longer than what is read.
    #[error("`{what}` is longer than the {size_bytes_max} bytes that are read")]
    TooLarge {
        /// What.
        what: String,
        /// How much is read.
        size_bytes_max: u64,
    },
    /// It is no manifest or index.
    #[error("`{what}` is not what it should be")]
    Manifest {
        /// What.
        what: String,
        /// Why.
        #[source]
        cause: OciError,
    },
    /// The registry can't be reached, or says no.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The registry sends us where we don't go.
    #[error("`{from}` sends us to `{to}`, where we don't go")]
    Elsewhere {
        /// Who.
        from: String,
        /// Where to.
        to: String,
    },
    /// The registry gives nothing to somebody it does not know.
    #[error("`{host}` gives this to nobody without credentials, and Modelward has none")]
    Credentials {
        /// The registry.
        host: String,
    },
    /// It took too long.
    #[error("`{host}` took longer than {seconds} seconds in all")]
    Time {
        /// The registry.
        host: String,
        /// How long it had.
        seconds: u64,
    },
}

impl ReadError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::Io { .. } => Code::Io,
            Self::NoLayout { .. } => Code::ManifestInvalid,
            Self::Several { .. } => Code::Usage,
            Self::Other { .. } => Code::DigestMismatch,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Manifest { cause, .. } => cause.code(),
            Self::Http(_)
            | Self::Elsewhere { .. }
            | Self::Credentials { .. }
            | Self::Time { .. } => Code::Network,
        }
    }

    /// What to do.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => {
                "`oras manifest fetch` shows what is there; is the name right?"
            }
            Self::Io { .. } => "is the layout whole?",
            Self::NoLayout { .. } => "a layout has `oci-layout`, `index.json` and `blobs/`",
            Self::Several { .. } => "name one by its digest: `oci-layout://FOLDER@sha256:…`",
            Self::Other { .. } => {
                "believe nothing from there until you know why; get the artifact elsewhere"
            }
            Self::TooLarge { .. } => "that is no signature or manifest; ask whoever pushed it",
            Self::Manifest { cause, .. } => cause.way(),
            Self::Http(_) | Self::Time { .. } => {
                "try again, or copy the artifact into a layout: `oras copy --to-oci-layout`"
            }
            Self::Elsewhere { .. } => {
                "copy the artifact into a layout with a client you trust: `oras copy --to-oci-layout`"
            }
            Self::Credentials { .. } => {
                "copy the artifact into a layout with a client that has them: `oras copy --to-oci-layout`"
            }
        }
    }
}
