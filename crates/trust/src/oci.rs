//! OCI artifacts as facts: which blobs a manifest names, which manifests an index lists, and how an artifact is named.
//!
//! ```text
//! reference ─► (host: bytes of a manifest, their digest checked) ─► Manifest ─► its blobs as a signature names them
//!                                                             └► Index ─► which of the listed may be bundles
//! ```
//! The JSON is that of the image specification, 1.0 and 1.1, and of Docker before it. What is not known is ignored, as the
//! specification asks; nothing of it is signed, and so nothing of it is believed. `referring` writes what is pushed beside an
//! artifact: manifests of bundles, and the lists that name them.

mod manifest;
mod reference;
mod referring;

pub use manifest::{Descriptor, Index, Manifest, OciError, is_bundle_type};
pub use reference::{Reference, ReferenceError, Repository, Version};
pub use referring::{Attestations, Referrer, ReferrerList};
