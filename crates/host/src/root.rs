//! Step roots: the trees that a step sees as `/`, pinned by the digest of their manifest.
//!
//! A manifest has one line for each entry, in the order of paths: `sha256 mode path` for a file, `link target path`
//! for a symbolic link (with the target's length, so that it can be told from the path), `folder mode path` for a
//! folder. Owners and times are not part of it: the step sees neither as something to rely on.

mod closure;
pub mod elf;
mod place;
mod tree;

pub use closure::{Closure, closure};
pub use place::place;
pub use tree::{Error, Kind, REPLACED, RootTree};
