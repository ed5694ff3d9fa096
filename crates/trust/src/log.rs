//! The transparency log's formats and proofs: what a line is, and how anybody checks, offline, that it stands in the
//! log and that the log only ever grew.
//!
//! ```text
//! Entry ─ bytes ─► leaf hash ─► tiles ─► root ─► Checkpoint (signed)      in order of making
//! Proof = index + hashes + checkpoint      Proof::verify(entry, key) ─► Logged
//! ```
//!
//! The tree is that of RFC 6962; checkpoints, tiles and proofs are C2SP's signed-note, tlog-checkpoint, tlog-tiles and
//! tlog-proof. No file is read here: who has tiles hands a function that finds a node's hash.
//!
//! Absent by design: an entry never holds an envelope, only its digest, so that lines stay small and a log can be
//! shown to people who may not see the statements.

mod checkpoint;
mod cosignature;
mod entry;
mod merkle;
mod note;
mod proof;
mod tile;
mod watched;
mod witness;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use cosignature::{WitnessKey, Witnesses, WitnessesError};
pub use entry::{Entry, EntryError};
pub use merkle::{
    Frontier, Head, Node, ProofError, consistency, inclusion, leaf_hash, node_hash, root,
    root_from_nodes, verify_consistency, verify_inclusion,
};
pub use note::{LogKey, LogSigner, Note, NoteError};
pub use proof::{Logged, Proof, ProofFileError};
pub use tile::{
    ENTRY_SIZE_BYTES_MAX, Part, TILE_WIDTH, TileError, TilePath, bundle_to_bytes, hashes_to_bytes,
    parse_bundle, parse_hashes, subtree,
};
pub use watched::{Watched, WatchedError};
pub use witness::{AddCheckpoint, WitnessRefusal, WitnessSigner};
