//! Tiles on disk.

use std::fs::{self, File};
use std::path::Path;

use trust::log::TilePath;

use super::LogError;
use super::durable::DiskError;
use super::tiles::{Source, TILE_SIZE_BYTES_MAX};
use crate::whole_file;

/// A log's folder.
pub(super) struct Folder<'a>(pub(super) &'a Path);

impl Source for Folder<'_> {
    fn read(&self, wanted: TilePath) -> Result<(TilePath, Vec<u8>), LogError> {
        let (tile, file, size_bytes) = self.open(wanted)?;
        let path = self.0.join(tile.to_string());
        let bytes = whole_file::read_open(&file, size_bytes).map_err(DiskError::at(&path))?;
        Ok((tile, bytes))
    }
}

impl Folder<'_> {
    /// The tile as wide as this, or a wider one, which begins with the same bytes: a narrow one is removed once a wider one is
    /// there, also while we look. It is open and not yet read, and comes with its size.
    pub(super) fn open(&self, wanted: TilePath) -> Result<(TilePath, File, u64), LogError> {
        for _ in 0..ATTEMPTS_MAX {
            let wider = self.wider(wanted)?;
            for tile in [wanted].into_iter().chain(wider).chain([wanted.full()]) {
                if let Some((file, size_bytes)) = self.open_if_there(tile)? {
                    return Ok((tile, file, size_bytes));
                }
            }
        }
        Err(LogError::Missing {
            path: wanted.to_string(),
        })
    }

    fn open_if_there(&self, tile: TilePath) -> Result<Option<(File, u64)>, LogError> {
        let path = self.0.join(tile.to_string());
        let opened = whole_file::open(&path).and_then(|file| {
            let size_bytes = file.metadata()?.len();
            Ok((file, size_bytes))
        });
        match opened {
            Ok((_, size_bytes)) if size_bytes > TILE_SIZE_BYTES_MAX => Err(LogError::LongTile {
                path: tile.to_string(),
            }),
            Ok(opened) => Ok(Some(opened)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(DiskError::at(&path)(e).into()),
        }
    }

    /// The narrowest of the unfinished tiles on disk that are wider than this one.
    fn wider(&self, wanted: TilePath) -> Result<Option<TilePath>, LogError> {
        if wanted.is_full() {
            return Ok(None);
        }
        let folder = self.0.join(format!("{}.p", wanted.full()));
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DiskError::at(&folder)(e).into()),
        };
        let widths =
            listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
        let narrowest = widths.filter(|width| *width > wanted.width()).min();
        let path = narrowest.map(|width| format!("{}.p/{width}", wanted.full()));
        Ok(path.and_then(|path| path.parse().ok()))
    }
}

/// A tile may be replaced by a wider one between listing and reading; that happens once per append.
const ATTEMPTS_MAX: usize = 16;
