//! The append-only log on disk, laid out as C2SP's tlog-tiles, so that a plain file server can show it.
//!
//! ```text
//! checkpoint            the signed head; replaced last, so that all it commits to is already there
//! checkpoints           every head ever signed, in order
//! tile/entries/<N>      the entries, 256 to a file
//! tile/<L>/<N>          hashes over 256^L entries each; unfinished tiles end in `.p/<width>`
//! lock                  held by the one who appends
//! ```
//!
//! An append is acknowledged when entries, tiles, history and checkpoint are durable, in this order. What a killed
//! writer leaves is either not yet signed, and overwritten by the next, or signed, and then completed: a log never
//! signs two heads that don't follow from one another, and checks that before it signs.
//!
//! This folder is not trusted: whoever can write to it can remove or damage the log, and [`Log::verify`] notices,
//! unless they also hold the signing key and rewrite `checkpoints` too. Then only somebody who kept a checkpoint of
//! before can tell.

mod cosigned;
pub(crate) mod durable;
mod error;
mod folder;
mod history;
mod own;
mod past;
mod published;
mod remote;
mod seen;
mod sequencer;
mod tiles;
mod write;

use std::path::{Path, PathBuf};

use digest::Digest;
use trust::log::{
    Checkpoint, ENTRY_SIZE_BYTES_MAX, Frontier, Head, LogKey, LogSigner, Proof, consistency,
    inclusion, leaf_hash, verify_consistency, verify_inclusion,
};

pub use cosigned::CosignError;
pub use durable::DiskError;
use durable::{read_if_there, replace};
pub use error::LogError;
use history::History;
pub use own::{OwnLogError, open_or_create, witness};
use past::Past;
pub use published::StoredTile;
pub use remote::{Growth, RemoteLog};
pub use seen::{Seen, SeenError};
pub use sequencer::{Answer, NotTaken, Placed, Sequencer};
use tiles::Tiles;
pub use tiles::{TILE_SIZE_BYTES_MAX, Visit};

/// A log in a folder. Holds nothing open: any number of processes may read and append at once.
#[derive(Debug, Clone)]
pub struct Log {
    folder: PathBuf,
    tmp: PathBuf,
    history: History,
}

/// What an append acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The index of the first of the entries; the others follow it.
    pub first_index: u64,
    /// The head that commits to them.
    pub checkpoint: Checkpoint,
}

impl Log {
    /// The log in `folder`, whose unfinished files go to `tmp`, a folder on the same file system. Both must exist.
    #[must_use]
    pub fn at(folder: &Path, tmp: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            tmp: tmp.to_owned(),
            history: History::in_folder(folder),
        }
    }

    /// Adds entries at the end and signs the new head. When it returns, they are durable.
    ///
    /// # Errors
    /// An entry is too long, the log on disk is damaged or another key's, or the disk fails; then nothing was added,
    /// or it was added and not acknowledged.
    pub fn append<B: AsRef<[u8]>>(
        &self,
        entries: &[B],
        signer: &LogSigner,
    ) -> Result<Appended, LogError> {
        if entries.is_empty() {
            return Err(LogError::NothingToAppend);
        }
        if let Some(long) = entries
            .iter()
            .map(|e| e.as_ref().len())
            .find(|len| *len > ENTRY_SIZE_BYTES_MAX)
        {
            return Err(LogError::LongEntry { size_bytes: long });
        }
        let _lock = durable::lock(&self.lock_path())?;
        self.repair_locked()?;
        let older = match self.checkpoint(signer.key())? {
            Some(checkpoint) => checkpoint.head(),
            None => empty(),
        };
        self.write_tiles(older, entries)?;
        let newer = self.grown(older, entries.len() as u64)?;
        let checkpoint = Checkpoint::sign(newer, signer);
        let note = checkpoint.note();
        durable::replace_after(&self.checkpoint_path(), note.as_bytes(), &self.tmp, || {
            self.history.push(note)
        })?;
        self.remove_narrower(older.size, newer.size);
        Ok(Appended {
            first_index: older.size,
            checkpoint,
        })
    }

    /// The head of the log, signed by this key; none as long as nothing was appended.
    ///
    /// # Errors
    /// It can't be read, or isn't signed by the key.
    pub fn checkpoint(&self, key: &LogKey) -> Result<Option<Checkpoint>, LogError> {
        let note = self.read_checkpoint()?;
        let opened = note.map(|note| Checkpoint::open(&note, key)).transpose();
        opened.map_err(|cause| LogError::Checkpoint { cause })
    }

    /// Hands out the entries from index `from` on, in order, each after it was found to be under the signed head.
    ///
    /// # Errors
    /// The log is damaged or another key's, or `visit` fails.
    pub fn entries<E: From<LogError>>(
        &self,
        key: &LogKey,
        from: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        let Some(checkpoint) = self.checkpoint(key)? else {
            return Ok(());
        };
        let head = checkpoint.head();
        Tiles::new(&self.folder, head.size).walk(head, from, visit)
    }

    /// As [`Log::entries`], under a head that the caller believes.
    ///
    /// # Errors
    /// The log is damaged or has not so many, or `visit` fails.
    pub fn entries_under<E: From<LogError>>(
        &self,
        head: Head,
        from: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        if from >= head.size {
            return Ok(());
        }
        Tiles::new(&self.folder, head.size).walk(head, from, visit)
    }

    /// As [`Log::entries`], under the head that the log claims, whoever signed it: for an index that is derived and
    /// trusted by nobody. Returns how many entries there are.
    ///
    /// # Errors
    /// The log is damaged, or `visit` fails.
    pub(crate) fn claimed_entries<E: From<LogError>>(
        &self,
        from: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<u64, E> {
        let head = self.claimed_head()?;
        if from < head.size {
            Tiles::new(&self.folder, head.size).walk(head, from, visit)?;
        }
        Ok(head.size)
    }

    /// How many entries the log claims to have, whoever signed that.
    pub(crate) fn claimed_size(&self) -> Result<u64, LogError> {
        Ok(self.claimed_head()?.size)
    }

    /// A proof, for anybody who has the key, that the entry at `index` is in the log.
    ///
    /// # Errors
    /// There is no such entry, or the log is damaged or another key's.
    pub fn prove(&self, index: u64, key: &LogKey) -> Result<Proof, LogError> {
        let checkpoint = self.checkpoint(key)?.ok_or(LogError::Empty)?;
        let head = checkpoint.head();
        let mut tiles = Tiles::new(&self.folder, head.size);
        let hashes = inclusion(index, head.size, &mut |node| tiles.node(node))?;
        let leaf = tiles.node(trust::log::Node { level: 0, index })?;
        verify_inclusion(leaf, index, head, &hashes)?;
        Ok(Proof::new(index, hashes, &checkpoint))
    }

    /// The hashes that lead from `older` to the present head, for [`trust::log::verify_consistency`].
    ///
    /// # Errors
    /// The log isn't one that `older` could have become, or is damaged or another key's.
    pub fn consistency(&self, older: Head, key: &LogKey) -> Result<Vec<Digest>, LogError> {
        let newer = match self.checkpoint(key)? {
            Some(checkpoint) => checkpoint.head(),
            None => empty(),
        };
        let mut tiles = Tiles::new(&self.folder, newer.size);
        let hashes = consistency(older.size, newer.size, &mut |node| tiles.node(node))?;
        verify_consistency(older, newer, &hashes)?;
        Ok(hashes)
    }

    /// Reads everything again: (1) the checkpoint is signed by the key; (2) tiles and entries are those under its root;
    /// (3) each head that was ever signed is one that this log once had, so that nothing was taken out or changed
    /// since; (4) the checkpoint is the last of them. `progress` hears the size of each entry. Returns the head.
    ///
    /// # Errors
    /// The first thing that isn't so.
    pub fn verify(
        &self,
        key: &LogKey,
        progress: &dyn Fn(u64),
    ) -> Result<Option<Checkpoint>, LogError> {
        let (checkpoint, history_size_bytes) = {
            let _lock = durable::lock_shared(&self.lock_path())?;
            (self.checkpoint(key)?, self.history.size_bytes()?)
        };
        let head = checkpoint.as_ref().map_or_else(empty, Checkpoint::head);
        let mut past = Past::new(self.history.records(history_size_bytes)?, key)?;
        let mut frontier = Frontier::default();
        Tiles::new(&self.folder, head.size).walk(head, 0, &mut |_, entry| {
            progress(entry.len() as u64);
            frontier.push(leaf_hash(entry));
            past.check(&frontier)
        })?;
        match past {
            Past {
                next: None, last, ..
            } if last == head => Ok(checkpoint),
            Past {
                next: Some(next), ..
            } => Err(LogError::Rewritten { size: next.size }),
            Past { last, .. } => Err(LogError::Forgotten {
                size: head.size.max(last.size),
            }),
        }
    }

    /// Completes what a killed writer had signed and not put in place.
    ///
    /// # Errors
    /// The disk fails, or the log is not the one whose head was signed last.
    pub(crate) fn repair(&self) -> Result<(), LogError> {
        let _lock = durable::lock(&self.lock_path())?;
        self.repair_locked()
    }

    fn repair_locked(&self) -> Result<(), LogError> {
        let (last, current) = (self.history.repair()?, self.read_checkpoint()?);
        if last.note == current {
            return Ok(());
        }
        // A killed writer leaves the checkpoint before the last; anything else is damage, and not to be covered up.
        let size = self.claimed_head()?.size;
        let signed = last.note.filter(|_| last.before == current);
        let signed = signed.ok_or(LogError::Forgotten { size })?;
        let head = claimed(&signed)?;
        let is_this_log = Tiles::new(&self.folder, head.size).check_root(head).is_ok();
        if !is_this_log {
            return Err(LogError::Rewritten { size: head.size });
        }
        self.write_checkpoint(&signed)
    }

    fn claimed_head(&self) -> Result<Head, LogError> {
        self.read_checkpoint()?
            .map_or_else(|| Ok(empty()), |note| claimed(&note))
    }

    fn read_checkpoint(&self) -> Result<Option<String>, LogError> {
        read_note(&self.checkpoint_path())
    }

    fn write_checkpoint(&self, note: &str) -> Result<(), LogError> {
        Ok(replace(
            &self.checkpoint_path(),
            note.as_bytes(),
            &self.tmp,
        )?)
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    fn lock_path(&self) -> PathBuf {
        self.folder.join("lock")
    }
}

fn read_note(path: &Path) -> Result<Option<String>, LogError> {
    let note = read_if_there(path)?.map(String::from_utf8).transpose();
    note.map_err(|_| LogError::NotText)
}

fn claimed(note: &str) -> Result<Head, LogError> {
    Checkpoint::claimed_head(note).map_err(|cause| LogError::Checkpoint { cause })
}

/// The head of a log without entries.
fn empty() -> Head {
    Head {
        size: 0,
        root: trust::log::root(&[]),
    }
}

#[cfg(test)]
mod tests;
