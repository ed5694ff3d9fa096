//! Growing the tree on disk: entries and tiles, before anything refers to them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use digest::Digest;
use tempfile::NamedTempFile;
use trust::log::{
    ENTRY_SIZE_BYTES_MAX, Head, Part, TILE_WIDTH, TilePath, bundle_to_bytes, consistency,
    hashes_to_bytes, leaf_hash, subtree, verify_consistency,
};

use super::durable::{self, DiskError, Mode};
use super::folder::Folder;
use super::tiles::Tiles;
use super::{Log, LogError};

impl Log {
    /// Writes entries and tiles, each durable. Nothing refers to them yet.
    pub(super) fn write_tiles<B: AsRef<[u8]>>(
        &self,
        head: Head,
        entries: &[B],
    ) -> Result<(), LogError> {
        let mut tiles = Tiles::new(&self.folder, head.size);
        tiles.check_root(head)?;
        let mut pending = Pending::new(self);
        self.write_bundles(&mut pending, &mut tiles, head.size, entries)?;
        let mut added: Vec<Digest> = entries.iter().map(|e| leaf_hash(e.as_ref())).collect();
        for level in 0..u64::BITS as u8 / 8 {
            if added.is_empty() {
                break;
            }
            let index = (head.size >> (8 * u32::from(level))) / TILE_WIDTH;
            let edge = TilePath::at_edge(Part::Hashes(level), head.size);
            let mut hashes = match edge {
                Some(_) => tiles.hashes(level, index)?.to_vec(),
                None => Vec::new(),
            };
            hashes.append(&mut added);
            for (tile, hashes) in (index..).zip(hashes.chunks(256)) {
                let bytes = hashes_to_bytes(hashes);
                pending.write(Part::Hashes(level), tile, hashes.len(), &bytes)?;
                added.extend(subtree(hashes, 8, 0));
            }
        }
        pending.install()
    }

    fn write_bundles<B: AsRef<[u8]>>(
        &self,
        pending: &mut Pending<'_>,
        tiles: &mut Tiles<Folder<'_>>,
        size: u64,
        entries: &[B],
    ) -> Result<(), LogError> {
        let index = size / TILE_WIDTH;
        let mut bundle = match TilePath::at_edge(Part::Entries, size) {
            Some(_) => {
                let leaves = tiles.hashes(0, index)?.to_vec();
                tiles.bundle(index, &leaves)?
            }
            None => Vec::new(),
        };
        bundle.extend(entries.iter().map(|entry| entry.as_ref().to_vec()));
        for (tile, entries) in (index..).zip(bundle.chunks(256)) {
            let bytes = bundle_to_bytes(entries).map_err(|_| LogError::LongEntry {
                size_bytes: ENTRY_SIZE_BYTES_MAX,
            })?;
            pending.write(Part::Entries, tile, entries.len(), &bytes)?;
        }
        Ok(())
    }

    /// The head after `added` entries, read back from disk and proved to follow from the older one: what is signed is
    /// what is there.
    pub(super) fn grown(&self, older: Head, added: u64) -> Result<Head, LogError> {
        let size = older.size + added;
        let mut tiles = Tiles::new(&self.folder, size);
        let newer = Head {
            size,
            root: tiles.root()?,
        };
        let hashes = consistency(older.size, size, &mut |node| tiles.node(node))?;
        verify_consistency(older, newer, &hashes)?;
        Ok(newer)
    }

    /// Removes unfinished tiles that a wider one has replaced. They hold nothing that isn't in the wider one, so that
    /// failing to remove them is no failure.
    pub(super) fn remove_narrower(&self, older: u64, newer: u64) {
        let levels = (0..8).map(Part::Hashes).chain([Part::Entries]);
        for edge in levels.filter_map(|part| TilePath::at_edge(part, older)) {
            let now = TilePath::at_size(edge.part(), edge.index(), newer);
            let folder = self.folder.join(format!("{}.p", edge.full()));
            match now {
                Some(now) if now.is_full() => drop(fs::remove_dir_all(&folder)),
                Some(now) => remove_all_but(&folder, &now.width().to_string()),
                None => {}
            }
        }
    }
}

/// Tiles that are written and not yet flushed: the disk takes many in one go.
struct Pending<'a> {
    log: &'a Log,
    files: Vec<(NamedTempFile, PathBuf)>,
    /// Where folders were made for them.
    folders: BTreeSet<PathBuf>,
}

impl<'a> Pending<'a> {
    const fn new(log: &'a Log) -> Self {
        Self {
            log,
            files: Vec::new(),
            folders: BTreeSet::new(),
        }
    }

    fn write(
        &mut self,
        part: Part,
        index: u64,
        width: usize,
        bytes: &[u8],
    ) -> Result<(), LogError> {
        let level = match part {
            Part::Hashes(level) => level,
            Part::Entries => 0,
        };
        let size = (index * TILE_WIDTH + width as u64) << (8 * u32::from(level));
        let tile = TilePath::at_size(part, index, size).ok_or(LogError::Root { size })?;
        let path = self.log.folder.join(tile.to_string());
        let folder = path.parent().unwrap_or(&path);
        durable::create_unflushed(folder, &mut self.folders)?;
        let mut file = durable::temporary(&self.log.tmp, Mode::Writable)?;
        file.write_all(bytes).map_err(DiskError::at(&path))?;
        self.files.push((file, path));
        if self.files.len() == PENDING_MAX {
            let files = std::mem::take(&mut self.files);
            durable::install_all(files, std::mem::take(&mut self.folders))?;
        }
        Ok(())
    }

    fn install(self) -> Result<(), LogError> {
        Ok(durable::install_all(self.files, self.folders)?)
    }
}

/// How many are open at once.
const PENDING_MAX: usize = 64;

fn remove_all_but(folder: &Path, kept: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != kept {
            drop(fs::remove_file(entry.path()));
        }
    }
}
