//! Many blobs at once. Each is as durable as one that is put in alone, and waits for the disk are shared: of many small
//! files, waiting is nearly all that there is to do.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use digest::{Digest, Measured, measure_copy};
use tempfile::NamedTempFile;

use super::{Store, StoreError};
use crate::log::durable;

/// So many files are open at once, and so much may have to be written again when the power goes.
const FILES_MAX: usize = 128;
const SIZE_BYTES_MAX: u64 = 64 << 20;

/// Blobs on their way in. What is not finished was never put in.
#[must_use = "blobs are durable when it is finished"]
pub(super) struct Batch<'a> {
    store: &'a Store,
    /// Written, and under no name yet.
    written: BTreeMap<Digest, NamedTempFile>,
    size_bytes: u64,
}

impl<'a> Batch<'a> {
    pub(super) const fn new(store: &'a Store) -> Self {
        Self {
            store,
            written: BTreeMap::new(),
            size_bytes: 0,
        }
    }

    /// Takes a regular file in, as [`Store::put_file`]; it is durable when the batch is finished.
    pub(super) fn put_file(
        &mut self,
        path: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<Measured, StoreError> {
        let copy = |out: &mut dyn std::io::Write| Ok(measure_copy(path, out)?);
        let (file, measured) = self.store.write(progress, copy)?;
        if !self.store.holds(measured) && self.written.insert(measured.digest(), file).is_none() {
            self.size_bytes += measured.size_bytes();
        }
        if self.written.len() >= FILES_MAX || self.size_bytes >= SIZE_BYTES_MAX {
            self.install()?;
        }
        Ok(measured)
    }

    /// Makes all that was taken in durable; also what was there before, of which another writer may not have come so far.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.install()
    }

    fn install(&mut self) -> Result<(), StoreError> {
        self.size_bytes = 0;
        let named = std::mem::take(&mut self.written)
            .into_iter()
            .map(|(digest, file)| (file, self.store.blob_path(digest)))
            .collect();
        Ok(durable::install_all(named, BTreeSet::new())?)
    }
}
