//! What can go wrong with the log.

use trust::log::{CheckpointError, ENTRY_SIZE_BYTES_MAX, ProofError, TileError, TilePath};

use super::durable::DiskError;
use crate::sigstore::HttpError;

/// Why the log didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A log's server gives no answer.
    #[error("the log's server did not give what was asked for")]
    Remote {
        /// Why.
        #[source]
        cause: HttpError,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An entry that doesn't fit.
    #[error("an entry has {size_bytes} bytes, more than the {ENTRY_SIZE_BYTES_MAX} a log can hold")]
    LongEntry {
        /// Its size.
        size_bytes: usize,
    },
    /// An append of nothing.
    #[error("there is nothing to append to the log")]
    NothingToAppend,
    /// The log has no entries.
    #[error("the log is empty")]
    Empty,
    /// The checkpoint is binary.
    #[error("the log's checkpoint is not text")]
    NotText,
    /// A checkpoint is malformed, or not signed by the key.
    #[error("a checkpoint of the log was refused")]
    Checkpoint {
        /// Why.
        #[source]
        cause: CheckpointError,
    },
    /// A tile doesn't have the bytes of a tile.
    #[error("`{path}` of the log is damaged")]
    Malformed {
        /// Which.
        path: String,
        /// How.
        #[source]
        cause: TileError,
    },
    /// A tile has more bytes than any could.
    #[error("`{path}` of the log is longer than a tile can be")]
    LongTile {
        /// Which.
        path: String,
    },
    /// A tile is gone.
    #[error("`{path}` of the log is missing")]
    Missing {
        /// Which.
        path: String,
    },
    /// A tile's hashes are not those above it.
    #[error("`{path}` of the log is not what the checkpoint commits to")]
    Tile {
        /// Which.
        path: String,
    },
    /// An entry is not the one that its hash says.
    #[error("entry {index} of the log is not what the checkpoint commits to")]
    Entry {
        /// Which.
        index: u64,
    },
    /// The tiles lead to another root.
    #[error(
        "the tiles of the log don't lead to the root that its checkpoint of {size} entries commits to"
    )]
    Root {
        /// The checkpoint's size.
        size: u64,
    },
    /// A proof can't be made or doesn't hold.
    #[error("the log doesn't prove that")]
    Proof(#[from] ProofError),
    /// A head that was signed is not one this log ever had.
    #[error(
        "the log was rewritten: it once signed a head of {size} entries that it doesn't lead to any more"
    )]
    Rewritten {
        /// The size of that head.
        size: u64,
    },
    /// The head is not among those that were signed.
    #[error("the log's head of {size} entries is missing from its list of signed checkpoints")]
    Forgotten {
        /// The size of the head.
        size: u64,
    },
    /// The list of signed checkpoints is damaged.
    #[error("the log's list of signed checkpoints is damaged")]
    History,
}

impl LogError {
    pub(super) fn tile(tile: TilePath) -> impl FnOnce(TileError) -> Self {
        move |cause| Self::Malformed {
            path: tile.to_string(),
            cause,
        }
    }
}
