//! Memory that can no longer change: fill, seal, hash, and only then read.

#![allow(
    unsafe_code,
    reason = "mapping memory is unsafe in general; see `map` for why it is sound here"
)]

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;

use memmap2::{Mmap, MmapOptions};
use rustix::fs::{MemfdFlags, SealFlags};

use crate::{Digest, Measured, measure_bytes};

/// Bytes in a sealed memory file, with the digest that they had after the seal: nobody, not even this process, can
/// change them any more, so what was hashed is what is read.
#[derive(Debug)]
pub struct Sealed {
    map: Option<Mmap>,
    file: File,
    measured: Measured,
}

impl Sealed {
    /// Fills a memory file from `reader`, seals it, and hashes it.
    ///
    /// # Errors
    /// There are more than `size_bytes_max` bytes, the reader fails, or the kernel has no sealed memory.
    pub fn fill(reader: &mut impl Read, size_bytes_max: u64) -> Result<Self, SealError> {
        let mut file = create().map_err(SealError::Unsupported)?;
        // Of a file whose type is known here, the kernel copies the bytes itself.
        let mut limited = reader.take(size_bytes_max.saturating_add(1));
        let size_bytes = io::copy(&mut limited, &mut file).map_err(SealError::Fill)?;
        if size_bytes > size_bytes_max {
            return Err(SealError::TooLarge { size_bytes_max });
        }
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals).map_err(|e| SealError::Unsupported(e.into()))?;
        let map = map(&file, size_bytes).map_err(SealError::Unsupported)?;
        let measured = measure_bytes(map.as_deref().unwrap_or_default());
        Ok(Self {
            map,
            file,
            measured,
        })
    }

    /// The digest of the sealed bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.measured.digest()
    }

    /// The digest and size of the sealed bytes.
    #[must_use]
    pub const fn measured(&self) -> Measured {
        self.measured
    }

    /// The memory file, for an engine that takes a descriptor.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }
}

impl Deref for Sealed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

/// Kernels before 6.3 don't know `MFD_NOEXEC_SEAL` and answer EINVAL: there the file is merely not executed.
fn create() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let opened = rustix::fs::memfd_create("modelward-sealed", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| rustix::fs::memfd_create("modelward-sealed", flags))?;
    Ok(File::from(opened))
}

fn map(file: &File, size_bytes: u64) -> io::Result<Option<Mmap>> {
    if size_bytes == 0 {
        return Ok(None);
    }
    // SAFETY: a map is unsound when the file can change under it. This one is sealed against writing, shrinking and
    // growing, and sealed against further seals, before it is mapped. All of it is hashed next, so its pages are mapped
    // at once and not fault by fault.
    unsafe { MmapOptions::new().populate().map(file) }.map(Some)
}

/// Why bytes could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// More than was allowed.
    #[error("there are more than the {size_bytes_max} bytes allowed")]
    TooLarge {
        /// How many were allowed.
        size_bytes_max: u64,
    },
    /// The source or the memory gave out.
    #[error("sealed memory can't be filled")]
    Fill(#[source] io::Error),
    /// The kernel lacks what it takes.
    #[error("this kernel gives no sealed memory")]
    Unsupported(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_hashes_and_stays() {
        let sealed = Sealed::fill(&mut &b"weights"[..], 7).unwrap();
        assert_eq!(
            (&*sealed, sealed.digest()),
            (&b"weights"[..], Digest::of(b"weights"))
        );
        let mut file = sealed.file();
        assert!(io::Write::write(&mut file, b"W").is_err());
        assert!(file.set_len(3).is_err());
        assert!(file.set_len(30).is_err());
    }

    #[test]
    fn empty_is_sealed_too_and_more_is_refused() {
        assert!(Sealed::fill(&mut io::empty(), 0).unwrap().is_empty());
        assert!(matches!(
            Sealed::fill(&mut &b"12345678"[..], 7),
            Err(SealError::TooLarge { .. })
        ));
    }
}
