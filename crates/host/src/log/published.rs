//! What a log shows to strangers: its signed head, and the tiles under it. What is on disk and not yet signed is not shown:
//! it may still become something else.

use std::fs::File;

use trust::log::{Part, TilePath, bundle_to_bytes, hashes_to_bytes, parse_bundle, parse_hashes};

use super::durable::DiskError;
use super::folder::Folder;
use super::{Log, LogError};
use crate::whole_file;

/// A tile that is there, not yet read.
#[derive(Debug)]
pub struct StoredTile {
    wanted: TilePath,
    /// The same tile as it lies on disk, as wide or wider.
    stored: TilePath,
    file: File,
    size_bytes: u64,
}

impl Log {
    /// The head as it was signed, with what witnesses said of it, for whoever checks it; none as long as nothing was appended.
    ///
    /// # Errors
    /// It can't be read.
    pub fn note(&self) -> Result<Option<String>, LogError> {
        let note = self.read_checkpoint()?;
        note.map(|note| self.with_cosignatures(&note)).transpose()
    }

    /// A tile, if the signed head commits to all of it.
    ///
    /// # Errors
    /// The disk fails, or the log is damaged.
    pub fn tile(&self, wanted: TilePath) -> Result<Option<StoredTile>, LogError> {
        let size = self.claimed_size()?;
        let there = TilePath::at_size(wanted.part(), wanted.index(), size);
        if there.is_none_or(|there| there.width() < wanted.width()) {
            return Ok(None);
        }
        let (stored, file, size_bytes) = Folder(&self.folder).open(wanted)?;
        Ok(Some(StoredTile {
            wanted,
            stored,
            file,
            size_bytes,
        }))
    }
}

impl StoredTile {
    /// How many bytes reading it takes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Its bytes, cut to the width that was asked for.
    ///
    /// # Errors
    /// The disk fails, or it holds something else.
    pub fn read(&self) -> Result<Vec<u8>, LogError> {
        let path = self.stored.to_string();
        let bytes = whole_file::read_open(&self.file, self.size_bytes)
            .map_err(DiskError::at(path.as_ref()))?;
        let width = usize::try_from(self.wanted.width()).unwrap_or(usize::MAX);
        let stored = self.stored;
        match self.wanted.part() {
            Part::Hashes(_) => {
                let hashes = parse_hashes(&bytes, stored.width());
                let mut hashes = hashes.map_err(LogError::tile(stored))?;
                hashes.truncate(width);
                Ok(hashes_to_bytes(&hashes))
            }
            Part::Entries => {
                let entries =
                    parse_bundle(&bytes, stored.width()).map_err(LogError::tile(stored))?;
                let entries = entries.get(..width).unwrap_or(&entries);
                bundle_to_bytes(entries).map_err(LogError::tile(stored))
            }
        }
    }
}
