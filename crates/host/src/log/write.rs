//! Growing the tree on disk: entries and tiles, before anything refers to them.

use std::fs;
use std::path::Path;

use digest::Digest;
use trust::log::{
    ENTRY_SIZE_BYTES_MAX, Head, Part, TILE_WIDTH, TilePath, bundle_to_bytes, consistency,
    hashes_to_bytes, leaf_hash, subtree, verify_consistency,
};

use super::durable::replace;
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
        self.write_bundles(&mut tiles, head.size, entries)?;
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
                self.write_tile(
                    Part::Hashes(level),
                    tile,
                    hashes.len(),
                    &hashes_to_bytes(hashes),
                )?;
                added.extend(subtree(hashes, 8, 0));
            }
        }
        Ok(())
    }

    fn write_bundles<B: AsRef<[u8]>>(
        &self,
        tiles: &mut Tiles<'_>,
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
            self.write_tile(Part::Entries, tile, entries.len(), &bytes)?;
        }
        Ok(())
    }

    fn write_tile(
        &self,
        part: Part,
        index: u64,
        width: usize,
        bytes: &[u8],
    ) -> Result<(), LogError> {
        let level = if let Part::Hashes(level) = part {
            level
        } else {
            0
        };
        let size = (index * TILE_WIDTH + width as u64) << (8 * u32::from(level));
        let tile = TilePath::at_size(part, index, size).ok_or(LogError::Root { size })?;
        Ok(replace(
            &self.folder.join(tile.to_string()),
            bytes,
            &self.tmp,
        )?)
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

fn remove_all_but(folder: &Path, kept: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != kept {
            drop(fs::remove_file(entry.path()));
        }
    }
}
