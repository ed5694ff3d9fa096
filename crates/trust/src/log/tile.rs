//! Tiles and entry bundles (C2SP tlog-tiles): their paths and their bytes.

use std::fmt;
use std::str::FromStr;

use digest::Digest;

use super::checkpoint::parse_decimal;
use super::merkle::node_hash;

/// How many hashes a full tile, and how many entries a full bundle has.
pub const TILE_WIDTH: u64 = 256;
/// The longest entry: its length is written in two bytes.
pub const ENTRY_SIZE_BYTES_MAX: usize = 65_535;
/// 256^8 entries would be 2^64.
const LEVEL_MAX: u8 = 7;
const PATH_SIZE_BYTES_MAX: usize = 64;

/// Which file of a log: `tile/<level>/<index>` or `tile/entries/<index>`, with `.p/<width>` if it isn't full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    part: Part,
    index: u64,
    width: u64,
}

/// Hashes of which level, or the entries themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Each hash is over 256^level entries.
    Hashes(u8),
    /// The entries.
    Entries,
}

impl TilePath {
    /// The tile of a log of `size` entries, as wide as that log makes it; none if that log doesn't have it.
    #[must_use]
    pub fn at_size(part: Part, index: u64, size: u64) -> Option<Self> {
        let level = match part {
            Part::Hashes(level) if level > LEVEL_MAX => return None,
            Part::Hashes(level) => level,
            Part::Entries => 0,
        };
        let hashes = size >> (8 * u32::from(level));
        let width = hashes.saturating_sub(index.checked_mul(TILE_WIDTH)?);
        (width > 0).then_some(Self {
            part,
            index,
            width: width.min(TILE_WIDTH),
        })
    }

    /// The unfinished tile at the right edge of a log of `size` entries; none if that edge is even.
    #[must_use]
    pub fn at_edge(part: Part, size: u64) -> Option<Self> {
        let level = match part {
            Part::Hashes(level) if level > LEVEL_MAX => return None,
            Part::Hashes(level) => level,
            Part::Entries => 0,
        };
        let index = (size >> (8 * u32::from(level))) / TILE_WIDTH;
        Self::at_size(part, index, size)
    }

    /// Hashes of which level, or entries.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// Which tile of the level, from the left.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it has.
    #[must_use]
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// Whether it will never change again.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The same tile, when it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..self
        }
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Hashes(level) => write!(f, "tile/{level}/")?,
            Part::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let refused = || TileError::Path(text.chars().take(80).collect());
        if text.len() > PATH_SIZE_BYTES_MAX {
            return Err(refused());
        }
        let path = parse_path(text).ok_or_else(refused)?;
        // One spelling for each tile, so that a cache can't be made to hold two.
        if path.to_string() == text {
            Ok(path)
        } else {
            Err(refused())
        }
    }
}

fn parse_path(text: &str) -> Option<TilePath> {
    let (part, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let part = match part {
        "entries" => Part::Entries,
        level => Part::Hashes(u8::try_from(parse_decimal(level)?).ok()?),
    };
    if matches!(part, Part::Hashes(level) if level > LEVEL_MAX) {
        return None;
    }
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, parse_decimal(width)?),
        None => (rest, TILE_WIDTH),
    };
    let mut number: u64 = 0;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let is_group = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
        let group: u64 = digits.parse().ok().filter(|_| is_group)?;
        number = number.checked_mul(1000)?.checked_add(group)?;
    }
    (1..=TILE_WIDTH).contains(&width).then_some(TilePath {
        part,
        index: number,
        width,
    })
}

/// The bytes of a tile with these hashes.
#[must_use]
pub fn hashes_to_bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.raw()).collect()
}

/// The hashes of a tile, of which there must be `width`.
///
/// # Errors
/// The bytes are another number of hashes.
pub fn parse_hashes(bytes: &[u8], width: u64) -> Result<Vec<Digest>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() && hashes.len() as u64 == width {
        Ok(hashes.iter().map(|raw| Digest::from_raw(*raw)).collect())
    } else {
        Err(TileError::Width { width })
    }
}

/// The hash over the `index`-th 2^`height` hashes of a tile, if the tile has them all.
#[must_use]
pub fn subtree(hashes: &[Digest], height: u32, index: u64) -> Option<Digest> {
    let len = 1_usize.checked_shl(height)?;
    let start = usize::try_from(index).ok()?.checked_mul(len)?;
    let mut row = hashes.get(start..start.checked_add(len)?)?.to_vec();
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs.iter().map(|[l, r]| node_hash(l, r)).collect();
    }
    row.first().copied()
}

/// The bytes of a bundle with these entries.
///
/// # Errors
/// An entry is longer than two bytes can say.
pub fn bundle_to_bytes<B: AsRef<[u8]>>(entries: &[B]) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let len = u16::try_from(entry.len()).map_err(|_| TileError::LongEntry {
            size_bytes: entry.len(),
        })?;
        bytes.extend(len.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle, of which there must be `width`.
///
/// # Errors
/// The bytes end early, or hold another number of entries.
pub fn parse_bundle(bytes: &[u8], width: u64) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len));
        if entries.len() as u64 == width || after.len() < len {
            return Err(TileError::Width { width });
        }
        let (entry, after) = after.split_at(len);
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() && entries.len() as u64 == width {
        Ok(entries)
    } else {
        Err(TileError::Width { width })
    }
}

/// Why a tile or its path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a path of a tile.
    #[error("`{0}` is no path of a tile")]
    Path(String),
    /// Not as many hashes or entries as the path says.
    #[error("the tile doesn't hold exactly the {width} it should")]
    Width {
        /// How many there should be.
        width: u64,
    },
    /// An entry that can't be written.
    #[error("an entry has {size_bytes} bytes, more than the {ENTRY_SIZE_BYTES_MAX} a log can hold")]
    LongEntry {
        /// Its size.
        size_bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{leaf_hash, root};

    #[test]
    fn paths_and_their_mutated_twins() {
        for text in [
            "tile/0/000",
            "tile/7/255",
            "tile/0/x001/x234/067",
            "tile/0/x001/x234/067.p/1",
            "tile/entries/000.p/255",
            "tile/entries/x018/x446/x744/x073/x709/x551/615",
        ] {
            assert_eq!(text.parse::<TilePath>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/8/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/x/000",
            "tile/0/x000",
            "tile/0/x000/000",
            "tile/0/001/234",
            "tile/0/x001/x234",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "tile/0/000/",
            "tile/0/../000",
            "/tile/0/000",
            "tile/0/000 ",
            "tile/entries/x018/x446/x744/x073/x709/x551/616",
            "tile/entries/x001/x018/x446/x744/x073/x709/x551/615",
        ] {
            assert!(text.parse::<TilePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_specifications_example_of_70000() {
        let width = |level, index| {
            TilePath::at_size(Part::Hashes(level), index, 70_000).map(|tile| tile.width())
        };
        assert_eq!(width(0, 272), Some(256));
        assert_eq!(width(0, 273), Some(112));
        assert_eq!(width(0, 274), None);
        assert_eq!((width(1, 0), width(1, 1)), (Some(256), Some(17)));
        assert_eq!((width(2, 0), width(3, 0)), (Some(1), None));
        let edge = |part, size| TilePath::at_edge(part, size).map(|tile| tile.to_string());
        assert_eq!(edge(Part::Hashes(1), 256), Some("tile/1/000.p/1".into()));
        assert_eq!(edge(Part::Hashes(0), 256), None);
        assert_eq!(
            edge(Part::Entries, 257),
            Some("tile/entries/001.p/1".into())
        );
    }

    #[test]
    fn bundles_and_their_mutated_twins() {
        let long = vec![1; ENTRY_SIZE_BYTES_MAX];
        let entries: [&[u8]; 3] = [b"one", b"", &long];
        let bytes = bundle_to_bytes(&entries).unwrap();
        assert_eq!(parse_bundle(&bytes, 3).unwrap(), entries);
        assert!(parse_bundle(&bytes, 2).is_err());
        assert!(parse_bundle(&bytes, 4).is_err());
        assert!(parse_bundle(&bytes[..bytes.len() - 1], 3).is_err());
        assert!(parse_bundle(&[&bytes[..], &[0]].concat(), 3).is_err());
        assert!(parse_bundle(&[&bytes[..], &[0, 0]].concat(), 3).is_err());
        assert!(bundle_to_bytes(&[vec![1; ENTRY_SIZE_BYTES_MAX + 1]]).is_err());
    }

    #[test]
    fn hashes_and_the_trees_over_them() {
        let hashes: Vec<Digest> = (0..5).map(|i| leaf_hash(&[i])).collect();
        let bytes = hashes_to_bytes(&hashes);
        assert_eq!(parse_hashes(&bytes, 5).unwrap(), hashes);
        assert!(parse_hashes(&bytes, 4).is_err());
        assert!(parse_hashes(&bytes[1..], 5).is_err());
        assert_eq!(subtree(&hashes, 2, 0), Some(root(&hashes[..4])));
        assert_eq!(subtree(&hashes, 1, 1), Some(root(&hashes[2..4])));
        assert_eq!(subtree(&hashes, 0, 4), Some(hashes[4]));
        assert_eq!(subtree(&hashes, 1, 2), None);
        assert_eq!(subtree(&hashes, 64, 0), None);
    }
}
