//! The memory that requests may take, all together: their bodies, what is made of them, and their answers.
//!
//! What takes less than a connection's own buffers is not counted.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trust::Code;

use crate::refusal::Refusal;

pub(crate) struct Memory {
    free: Arc<Semaphore>,
    size_bytes: usize,
}

impl Memory {
    pub(crate) fn new(size_bytes: usize) -> Self {
        let size_bytes = size_bytes.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(size_bytes)),
            size_bytes,
        }
    }

    /// A share, which grows as it is needed.
    pub(crate) fn share(&self) -> Result<Share, Refusal> {
        Ok(Share {
            permit: permit(&self.free, 0)?,
            all_bytes: self.size_bytes,
        })
    }

    /// Whether so much is free now. It is not kept for whoever asks: a promise of many bytes costs nobody else any.
    pub(crate) fn has(&self, size_bytes: u64) -> Result<(), Refusal> {
        if size_bytes <= self.free.available_permits() as u64 {
            Ok(())
        } else {
            Err(used_up())
        }
    }
}

/// One request's part of the memory. It is free again when this is dropped.
pub(crate) struct Share {
    permit: OwnedSemaphorePermit,
    all_bytes: usize,
}

impl Share {
    pub(crate) fn size_bytes(&self) -> usize {
        self.permit.num_permits()
    }

    /// Takes so much more, or refuses: for now, or for good when it would be too much even for the only request.
    pub(crate) fn grow(&mut self, more_bytes: usize) -> Result<(), Refusal> {
        let whole_bytes = self.size_bytes().saturating_add(more_bytes);
        if whole_bytes > self.all_bytes {
            let message = format!(
                "the request and its answer take {whole_bytes} bytes of memory, more than the {} there are for all requests",
                self.all_bytes
            );
            return Err(Refusal::new(Code::TooLarge, message, "send less at once"));
        }
        self.permit
            .merge(permit(self.permit.semaphore(), more_bytes)?);
        Ok(())
    }

    /// Gives back all but so much.
    pub(crate) fn shrink_to(&mut self, size_bytes: usize) {
        let unused = self.size_bytes().saturating_sub(size_bytes);
        drop(self.permit.split(unused));
    }

    /// Bytes that keep this share until they have left.
    pub(crate) fn keep(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Kept {
            bytes,
            _share: self,
        })
    }
}

struct Kept {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn permit(free: &Arc<Semaphore>, size_bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let permits = u32::try_from(size_bytes).unwrap_or(u32::MAX);
    let permit = Arc::clone(free).try_acquire_many_owned(permits);
    permit.map_err(|_| used_up())
}

fn used_up() -> Refusal {
    Refusal::overloaded("as much memory is taken by requests as may be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_of_one_whole() {
        let memory = Memory::new(100);
        let (mut first, mut second) = (memory.share().unwrap(), memory.share().unwrap());
        first.grow(60).unwrap();
        assert!(memory.has(40).is_ok() && memory.has(41).is_err());
        assert_eq!(second.grow(41).unwrap_err().code(), "overloaded");
        second.grow(40).unwrap();
        assert_eq!(second.grow(61).unwrap_err().code(), "too_large");
        first.shrink_to(10);
        assert_eq!(first.size_bytes(), 10);
        second.grow(50).unwrap();
        let bytes = second.keep(vec![1; 90]);
        let half = bytes.slice(..45);
        drop(bytes);
        assert!(memory.has(11).is_err(), "half of it is still to be sent");
        drop(half);
        assert!(memory.has(90).is_ok());
    }
}
