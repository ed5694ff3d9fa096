//! Compact JSON whose size is found before it is written: over many files it is long, and a vector that grows holds it
//! twice.

use std::io;

use digest::{Digest, Hasher};
use serde::Serialize;

/// For what is signed before a payload: without it, it would be moved to where there is.
const ROOM_SIZE_BYTES: usize = 128;

/// The value's JSON. Empty if it can't be JSON, which strings, numbers, lists and maps with string keys always can.
pub(crate) fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    let mut counted = Counted(0);
    if serde_json::to_writer(&mut counted, value).is_err() {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(counted.0 + ROOM_SIZE_BYTES);
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Hashes what is written.
#[derive(Debug, Default)]
pub(crate) struct Hashing(Hasher);

impl Hashing {
    pub(crate) fn finish(self) -> Digest {
        self.0.finish()
    }
}

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes were written.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
