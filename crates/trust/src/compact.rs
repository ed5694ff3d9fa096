//! Compact JSON whose size is found before it is written: over many files it is long, and a vector that grows holds it
//! twice.

use std::io;

use serde::Serialize;

/// The value's JSON. Empty if it can't be JSON, which strings, numbers, lists and maps with string keys always can.
pub(crate) fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    let mut counted = Counted(0);
    if serde_json::to_writer(&mut counted, value).is_err() {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(counted.0);
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
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
