//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use digest::{Digest, ReadError};
use trust::artifact::ArtifactError;

use crate::log::{DiskError, LogError};

/// Why the store didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No store here, nor above.
    #[error("there is no store in `{}` or a folder above it", folder.display())]
    NoStore {
        /// Where the search began.
        folder: PathBuf,
    },
    /// A folder of the right name, with something else in it.
    #[error("`{}` is not a store of Modelward", folder.display())]
    NotOurs {
        /// The folder.
        folder: PathBuf,
    },
    /// A store that a later version of the program made.
    #[error("`{}` is a store of version {found}, and this program knows versions up to {known}", folder.display())]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// Not in the store.
    #[error("{digest} is not in the store")]
    BlobMissing {
        /// What was asked for.
        digest: Digest,
    },
    /// The file under this digest has other bytes.
    #[error("the store's copy of {digest} is corrupt: its bytes are {got}")]
    BlobCorrupt {
        /// What was asked for.
        digest: Digest,
        /// What the bytes there are.
        got: Digest,
    },
    /// Longer than the caller can take.
    #[error("{digest} has {size_bytes} bytes, more than the {size_bytes_max} that are read here")]
    BlobTooLarge {
        /// What was asked for.
        digest: Digest,
        /// Its size.
        size_bytes: u64,
        /// How much was allowed.
        size_bytes_max: u64,
    },
    /// A file that was to be put in.
    #[error(transparent)]
    Source(#[from] ReadError),
    /// A stream that was to be put in.
    #[error("what was to be stored can't be read")]
    Read(#[source] io::Error),
    /// An artifact's own name.
    #[error(
        "`{name}` can't be an artifact's name: 1 to 255 bytes without control characters were expected"
    )]
    ArtifactName {
        /// The name.
        name: String,
    },
    /// Files that make no artifact.
    #[error("these files make no artifact")]
    Artifact(#[source] ArtifactError),
    /// A blob that is no manifest of ours.
    #[error("{digest} is not an artifact")]
    NotAnArtifact {
        /// Which blob.
        digest: Digest,
        /// Why.
        #[source]
        cause: ArtifactError,
    },
    /// A JSON file of the store.
    #[error("`{}` of the store is damaged", path.display())]
    Json {
        /// Which.
        path: PathBuf,
        /// How.
        #[source]
        cause: decode::json::Error,
    },
    /// The log entry names another bundle than the one to record.
    #[error("the bundle is {got}, and its log entry says {want}")]
    OtherBundle {
        /// What the entry says.
        want: Digest,
        /// What the bytes are.
        got: Digest,
    },
    /// The disk failed when a statement's bundle was written already.
    #[error(
        "the statement {bundle} was written, and whether the log has a line for it is not known"
    )]
    Written {
        /// The statement.
        bundle: Digest,
        /// Why it is not known.
        #[source]
        cause: Box<Self>,
    },
    /// The disk failed when a statement stood in the log already.
    #[error(
        "the statement {bundle} was recorded in line {log_index} of the log, and what follows from that could not be written"
    )]
    Logged {
        /// The statement.
        bundle: Digest,
        /// Its line.
        log_index: u64,
        /// Why not.
        #[source]
        cause: Box<Self>,
    },
    /// A line of the log is none of ours.
    #[error("entry {log_index} of the log can't be read")]
    Entry {
        /// Which.
        log_index: u64,
        /// Why.
        #[source]
        cause: trust::log::EntryError,
    },
    /// The index failed.
    #[error("the store's index, `index.sqlite`, failed")]
    Index(#[source] rusqlite::Error),
    /// The folder `log` is gone, with every line that was ever in it.
    #[error("the store `{}` has lost its log: the folder `log` is not there", folder.display())]
    LogMissing {
        /// The store.
        folder: PathBuf,
    },
    /// The folder `blobs` is gone, with all that was put in or said.
    #[error("the store `{}` has lost what is in it: the folder `blobs/sha256` is not there", folder.display())]
    BlobsMissing {
        /// The store.
        folder: PathBuf,
    },
    /// The log lost lines.
    #[error("the store's index knows {indexed} lines of the log, and the log has only {logged}")]
    LogShrank {
        /// How many the index knows.
        indexed: u64,
        /// How many there are.
        logged: u64,
    },
    /// Opened for reading.
    #[error("the store `{}` can't be written to", folder.display())]
    ReadOnly {
        /// The store.
        folder: PathBuf,
    },
}

impl StoreError {
    /// The bundle is there, and the log failed. One that refused has no line for it.
    pub(super) fn written(bundle: Digest, cause: Self) -> Self {
        match cause {
            Self::Log(LogError::Disk(_)) => Self::Written {
                bundle,
                cause: Box::new(cause),
            },
            cause => cause,
        }
    }

    /// The line is there, and what is derived from it is not.
    pub(super) fn logged(bundle: Digest, log_index: u64, cause: Self) -> Self {
        Self::Logged {
            bundle,
            log_index,
            cause: Box::new(cause),
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Disk(disk) | Self::Log(LogError::Disk(disk)) => disk.hint(),
            Self::Written { .. } => Some(
                "make room, or mend what failed; then `modelward log show` says whether it was recorded. A recall counts even without a line",
            ),
            Self::Logged { .. } => Some(
                "make room, or mend what failed: the next command writes what is missing, and nothing has to be said again",
            ),
            Self::NoStore { .. } => Some("name the folder that has one with `--store`"),
            Self::NotOurs { .. } => {
                Some("name another folder with `--store`; this one was left as it is")
            }
            Self::Newer { .. } => Some("use the newer program; this one changed nothing"),
            Self::BlobCorrupt { .. } => {
                Some("remove that blob and put the file into the store again")
            }
            Self::Index(_) | Self::Json { .. } => {
                Some("run `modelward store rebuild`: it is made again from the log and the blobs")
            }
            Self::LogMissing { .. } => Some(
                "restore `log` from the newest backup: it can't be made again; without one, begin a new store and say again what still holds",
            ),
            Self::BlobsMissing { .. } => Some(
                "restore `blobs` from the newest backup: it can't be made again; `modelward store verify` then says what is still missing",
            ),
            Self::LogShrank { .. } => Some(
                "restore `log` from a backup; `modelward store rebuild` accepts the shorter log",
            ),
            Self::ReadOnly { .. } => {
                Some("run as the folder's owner, or name another folder with `--store`")
            }
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(cause: rusqlite::Error) -> Self {
        let path = PathBuf::from("index.sqlite");
        let kind = match cause.sqlite_error_code() {
            // The file was removed or replaced while it was open.
            Some(rusqlite::ErrorCode::ReadOnly) if is_moved(&cause) => return Self::Index(cause),
            Some(rusqlite::ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
            Some(rusqlite::ErrorCode::ReadOnly) => io::ErrorKind::ReadOnlyFilesystem,
            Some(rusqlite::ErrorCode::PermissionDenied) => io::ErrorKind::PermissionDenied,
            _ => return Self::Index(cause),
        };
        DiskError::at(&path)(io::Error::new(kind, cause)).into()
    }
}

fn is_moved(cause: &rusqlite::Error) -> bool {
    let code = cause.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_READONLY_DBMOVED)
}
