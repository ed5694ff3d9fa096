//! Bytes to digests, at the speed of the machine.
//!
//! This room alone makes [`Measured`] (the digest of bytes that it read itself) and [`Sealed`] (memory that can no
//! longer change, with its digest). It reads files, and says so; it is one of the two rooms that may hold `unsafe`.

mod beneath;
mod by_name;
mod file;
mod lanes;
mod method;
mod schedule;
mod sealed;
mod sha256;
mod stream;
mod walk;

pub use by_name::{ByName, Iter, Names};
pub use file::{
    ReadError, measure_bytes, measure_copy, measure_file, measure_reader, measure_written,
    open_file,
};
pub use lanes::{Kernel, Kernels};
pub use method::{Algorithm, MeasuredResource, Method, ResourceDigest};
pub use sealed::{SealError, Sealed};
pub use sha256::{Digest, Hasher, Measured, ParseDigestError};
pub use walk::{
    Links, Listing, Resources, Walk, WalkError, list, list_resources, list_resources_by,
    list_walked, names,
};
