//! Many files at once, to a registry and from it.

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use digest::Digest;
use trust::oci::Descriptor;

use super::registry::{PushedBlob, Registry};
use super::{ReadError, check_size};

/// So many files are under way at once.
const LANES: usize = 4;
/// A blob of more bytes is nobody's.
const SIZE_BYTES_MAX: u64 = 1 << 44;

/// A blob that is to be pushed.
pub struct Lot<'a> {
    /// Its digest, as it was measured here.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// Opens it.
    pub open: Box<dyn Fn() -> Result<Box<dyn Read>, ReadError> + Send + Sync + 'a>,
}

/// Pushes blobs, several at once. Says how many had to be sent.
///
/// # Errors
/// One could not be pushed: the first that was noticed.
pub fn push(
    registry: &Registry,
    lots: &[Lot<'_>],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<usize, ReadError> {
    let sent = Mutex::new(0);
    each(lots, |lot| {
        let mut from = (lot.open)()?;
        let pushed = registry.upload(lot.digest, lot.size_bytes, &mut from, progress)?;
        if pushed == PushedBlob::Sent {
            *sent.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        Ok(())
    })?;
    Ok(sent.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Fetches blobs into files, several at once; of what is there already only the rest. Each file is the blob that its digest
/// says, when it returns.
///
/// # Errors
/// One could not be fetched: the first that was noticed.
pub fn pull(
    registry: &Registry,
    blobs: &[(Descriptor, PathBuf)],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), ReadError> {
    each(blobs, |(blob, path)| {
        check_size(blob, SIZE_BYTES_MAX)?;
        registry.download(blob, path, progress)
    })
}

/// Does something with each of many things, on several threads, until one fails.
fn each<T: Sync>(
    items: &[T],
    act: impl Fn(&T) -> Result<(), ReadError> + Sync,
) -> Result<(), ReadError> {
    let next = Mutex::new(items.iter());
    let failure = Mutex::new(None);
    let has_failed = AtomicBool::new(false);
    let lane = || {
        while !has_failed.load(Ordering::Relaxed) {
            let item = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(item) = item else { return };
            if let Err(error) = act(item) {
                has_failed.store(true, Ordering::Relaxed);
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..LANES.min(items.len()) {
            scope.spawn(lane);
        }
        lane();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
