//! The tiles of a log, wherever they are: read down from a head that is known, so that nothing is handed out that the head
//! doesn't commit to.

use std::collections::HashMap;
use std::path::Path;

use digest::Digest;
use trust::log::{
    ENTRY_SIZE_BYTES_MAX, Head, Node, Part, TILE_WIDTH, TilePath, leaf_hash, parse_bundle,
    parse_hashes, root_from_nodes, subtree,
};

use super::LogError;
use super::folder::Folder;

/// Where tiles are.
pub(super) trait Source {
    /// A tile that is as wide or wider, which begins with the same bytes, and says which.
    fn read(&self, wanted: TilePath) -> Result<(TilePath, Vec<u8>), LogError>;
}

/// The log as it was at one size.
pub(super) struct Tiles<S> {
    source: S,
    size: u64,
    /// The tiles that a root or a proof needs, read once.
    read: HashMap<(u8, u64), Vec<Digest>>,
}

/// What is done with an entry: its index, its bytes.
pub type Visit<'a, E> = dyn FnMut(u64, &[u8]) -> Result<(), E> + 'a;

impl<'a> Tiles<Folder<'a>> {
    pub(super) fn new(folder: &'a Path, size: u64) -> Self {
        Self::of(Folder(folder), size)
    }
}

impl<S: Source> Tiles<S> {
    pub(super) fn of(source: S, size: u64) -> Self {
        Self {
            source,
            size,
            read: HashMap::new(),
        }
    }

    /// Visits the entries from `from` on, in order, each after it was found to be what `head` commits to.
    ///
    /// The unfinished tiles at the right edge make the root; from each of their hashes the way goes down over full
    /// tiles to the entries, each tile checked against the hash above it.
    pub(super) fn walk<E: From<LogError>>(
        &mut self,
        head: Head,
        from: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        self.check_root(head)?;
        for level in (0..u64::BITS as u8 / 8).rev() {
            if let Some(edge) = TilePath::at_edge(Part::Hashes(level), self.size) {
                let hashes = self.hashes(level, edge.index())?.to_vec();
                self.descend(level, edge.index(), &hashes, from, visit)?;
            }
        }
        Ok(())
    }

    /// Checks that the tiles at the right edge lead to the head's root.
    pub(super) fn check_root(&mut self, head: Head) -> Result<(), LogError> {
        if self.root()? == head.root {
            Ok(())
        } else {
            Err(LogError::Root { size: self.size })
        }
    }

    pub(super) fn root(&mut self) -> Result<Digest, LogError> {
        root_from_nodes(self.size, &mut |node| self.node(node))
    }

    /// The hash of a complete subtree.
    pub(super) fn node(&mut self, node: Node) -> Result<Digest, LogError> {
        let level = u8::try_from(node.level / 8).unwrap_or(u8::MAX);
        let height = node.level % 8;
        let per_tile = TILE_WIDTH >> height;
        let tile = node.index / per_tile;
        let size = self.size;
        subtree(self.hashes(level, tile)?, height, node.index % per_tile)
            .ok_or(LogError::Root { size })
    }

    /// The hashes of a tile that a root or a proof needs.
    pub(super) fn hashes(&mut self, level: u8, index: u64) -> Result<&[Digest], LogError> {
        if !self.read.contains_key(&(level, index)) {
            let hashes = self.read_hashes(level, index)?;
            self.read.insert((level, index), hashes);
        }
        Ok(self.read.get(&(level, index)).map_or(&[], Vec::as_slice))
    }

    /// The entries of a bundle, checked against the leaf hashes.
    pub(super) fn bundle(&self, index: u64, leaves: &[Digest]) -> Result<Vec<Vec<u8>>, LogError> {
        let width = leaves.len();
        let (tile, bytes) = self.read_tile(Part::Entries, index)?;
        let entries = parse_bundle(&bytes, tile.width()).map_err(LogError::tile(tile))?;
        for (at, (entry, leaf)) in entries.iter().zip(leaves).enumerate() {
            if leaf_hash(entry) != *leaf {
                return Err(LogError::Entry {
                    index: index * TILE_WIDTH + at as u64,
                });
            }
        }
        Ok(entries
            .into_iter()
            .take(width)
            .map(<[u8]>::to_vec)
            .collect())
    }

    fn descend<E: From<LogError>>(
        &self,
        level: u8,
        index: u64,
        hashes: &[Digest],
        from: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        if level == 0 {
            return self.visit_bundle(index, hashes, from, visit);
        }
        for (child, hash) in (index * TILE_WIDTH..).zip(hashes) {
            // The last entry below this hash; a hash above 2^64 entries doesn't exist.
            let last = ((child + 1) << (8 * u32::from(level))).wrapping_sub(1);
            if last < from {
                continue;
            }
            let below = self.read_hashes(level - 1, child)?;
            if subtree(&below, 8, 0) != Some(*hash) {
                return Err(E::from(LogError::Tile {
                    path: format!("tile/{}/{child}", level - 1),
                }));
            }
            self.descend(level - 1, child, &below, from, visit)?;
        }
        Ok(())
    }

    fn visit_bundle<E: From<LogError>>(
        &self,
        index: u64,
        leaves: &[Digest],
        from: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        let first = index * TILE_WIDTH;
        if first + leaves.len() as u64 <= from {
            return Ok(());
        }
        for (at, entry) in (first..).zip(self.bundle(index, leaves)?) {
            if at >= from {
                visit(at, &entry)?;
            }
        }
        Ok(())
    }

    fn read_hashes(&self, level: u8, index: u64) -> Result<Vec<Digest>, LogError> {
        let (tile, bytes) = self.read_tile(Part::Hashes(level), index)?;
        let mut hashes = parse_hashes(&bytes, tile.width()).map_err(LogError::tile(tile))?;
        if let Some(wanted) = TilePath::at_size(tile.part(), index, self.size) {
            hashes.truncate(usize::try_from(wanted.width()).unwrap_or(usize::MAX));
        }
        Ok(hashes)
    }

    fn read_tile(&self, part: Part, index: u64) -> Result<(TilePath, Vec<u8>), LogError> {
        let wanted =
            TilePath::at_size(part, index, self.size).ok_or(LogError::Root { size: self.size })?;
        self.source.read(wanted)
    }
}

/// No tile is longer: 256 entries, each with its length.
pub const TILE_SIZE_BYTES_MAX: u64 = TILE_WIDTH * (ENTRY_SIZE_BYTES_MAX as u64 + 2);
