//! Bytes under their digest.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use digest::{Digest, Measured, ReadError, measure_copy, measure_reader, measure_written};
use tempfile::NamedTempFile;

use super::oci::MANIFEST_TYPE;
use super::{Access, Store, StoreError};
use crate::log::durable::{self, DiskError, Mode};
use crate::whole_file;

impl Store {
    /// Puts a stream in, and measures it on the way. `progress` hears how many bytes were taken. When it returns, the
    /// blob is durable; if it was there before, with the same size, that one is kept.
    ///
    /// # Errors
    /// The stream or the disk fails.
    pub fn put_reader(
        &self,
        reader: &mut dyn Read,
        progress: &dyn Fn(u64),
    ) -> Result<Measured, StoreError> {
        self.put(progress, |out| {
            measure_reader(reader, out).map_err(StoreError::Read)
        })
    }

    /// Puts a regular file in, as [`Store::put_reader`].
    ///
    /// # Errors
    /// The file is a link or no regular file, changes meanwhile, or the disk fails.
    pub fn put_file(&self, path: &Path, progress: &dyn Fn(u64)) -> Result<Measured, StoreError> {
        self.put(progress, |out| Ok(measure_copy(path, out)?))
    }

    /// Puts bytes in that are in memory.
    ///
    /// # Errors
    /// The disk fails.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Measured, StoreError> {
        self.put_written(&|out| out.write_all(bytes))
    }

    /// Puts in what `write` writes, always the same, without holding it.
    ///
    /// # Errors
    /// The disk fails.
    pub fn put_written(
        &self,
        write: &dyn Fn(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Measured, StoreError> {
        let write = |out: &mut dyn Write| measure_written(out, write).map_err(StoreError::Read);
        // It is often there already; then nothing is written.
        let measured = write(&mut io::sink())?;
        if self.holds(measured) {
            durable::sync_folder(&self.blobs_path())?;
            return Ok(measured);
        }
        self.put(&|_| (), write)
    }

    /// Opens a blob. What a link leads to is none of the store's. Its bytes were right when they were put in; who relies on them re-hashes what it reads.
    ///
    /// # Errors
    /// It isn't there, or is no regular file.
    pub fn open_blob(&self, digest: Digest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        match whole_file::open_no_link(&path) {
            Ok(file) => Ok(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::BlobMissing { digest })
            }
            Err(e) => Err(DiskError::at(&path)(e).into()),
        }
    }

    /// Reads a blob of at most `size_bytes_max` bytes, and hashes what it returns.
    ///
    /// # Errors
    /// It isn't there, is longer, or its bytes are not those of the digest.
    pub fn read_blob(&self, digest: Digest, size_bytes_max: u64) -> Result<Vec<u8>, StoreError> {
        let file = self.open_blob(digest)?;
        let path = self.blob_path(digest);
        let size_bytes = file.metadata().map_err(DiskError::at(&path))?.len();
        if size_bytes > size_bytes_max {
            return Err(StoreError::BlobTooLarge {
                digest,
                size_bytes,
                size_bytes_max,
            });
        }
        // It was limited above; a vector that grows would be moved, and be there twice.
        let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or_default());
        file.take(size_bytes_max)
            .read_to_end(&mut bytes)
            .map_err(DiskError::at(&path))?;
        let got = Digest::of(&bytes);
        if got == digest {
            Ok(bytes)
        } else {
            Err(StoreError::BlobCorrupt { digest, got })
        }
    }

    /// The digests that the blobs are called by, in order. Of a model of many files there are many.
    pub(super) fn blob_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let folder = self.blobs_path();
        let mut digests = Vec::new();
        for entry in fs::read_dir(&folder).map_err(DiskError::at(&folder))? {
            let name = entry.map_err(DiskError::at(&folder))?.file_name();
            let digest = name.to_str().and_then(|name| Digest::from_hex(name).ok());
            digests.extend(digest);
        }
        digests.sort_unstable();
        Ok(digests)
    }

    /// Whether a blob begins as the manifests of artifacts do, whatever follows: they may be long.
    pub(super) fn begins_as_manifest(&self, digest: Digest) -> bool {
        let beginning = format!("{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST_TYPE}\"");
        let mut bytes = vec![0; beginning.len()];
        let read = self
            .open_blob(digest)
            .is_ok_and(|mut blob| blob.read_exact(&mut bytes).is_ok());
        read && bytes == beginning.as_bytes()
    }

    /// The size of a blob, if it is there.
    #[must_use]
    pub fn blob_size_bytes(&self, digest: Digest) -> Option<u64> {
        let metadata = fs::symlink_metadata(self.blob_path(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    pub(super) fn holds(&self, measured: Measured) -> bool {
        self.blob_size_bytes(measured.digest()) == Some(measured.size_bytes())
    }

    pub(super) fn blobs_path(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Write => Ok(()),
            Access::ReadOnly => Err(StoreError::ReadOnly {
                folder: self.root.clone(),
            }),
        }
    }

    /// Where a blob is, if it is in the store. Whoever reads it there has to measure what it reads.
    #[must_use]
    pub fn blob_path(&self, digest: Digest) -> PathBuf {
        self.blobs_path().join(digest.hex())
    }

    fn put(
        &self,
        progress: &dyn Fn(u64),
        measure: impl FnOnce(&mut dyn Write) -> Result<Measured, StoreError>,
    ) -> Result<Measured, StoreError> {
        let (file, measured) = self.write(progress, measure)?;
        if self.holds(measured) {
            durable::sync_folder(&self.blobs_path())?;
        } else {
            durable::install(file, &self.blob_path(measured.digest()))?;
        }
        Ok(measured)
    }

    /// Writes a blob that has no name yet, and measures it on the way.
    pub(super) fn write(
        &self,
        progress: &dyn Fn(u64),
        measure: impl FnOnce(&mut dyn Write) -> Result<Measured, StoreError>,
    ) -> Result<(NamedTempFile, Measured), StoreError> {
        self.check_writable()?;
        let mut file = durable::temporary(&self.tmp(), Mode::Frozen)?;
        let path = file.path().to_owned();
        let mut out = Watched {
            out: file.as_file_mut(),
            progress,
            has_failed: false,
        };
        let measured = measure(&mut out);
        let has_failed = out.has_failed;
        let measured = measured.map_err(|e| if has_failed { written(&path, e) } else { e })?;
        Ok((file, measured))
    }
}

/// The copying functions can't tell whose end of the copy failed; a writer that remembers can.
fn written(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Read(cause) | StoreError::Source(ReadError::Io { cause, .. }) => {
            DiskError::at(path)(cause).into()
        }
        other => other,
    }
}

struct Watched<'a> {
    out: &'a mut File,
    progress: &'a dyn Fn(u64),
    has_failed: bool,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.out.write(bytes);
        match &result {
            Ok(written) => (self.progress)(*written as u64),
            Err(e) => self.has_failed = e.kind() != io::ErrorKind::Interrupted,
        }
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
