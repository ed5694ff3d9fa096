//! Step roots: the trees that a step sees as `/`, pinned by the digest of their manifest.
//!
//! A manifest has one line for each entry, in the order of paths: `sha256 mode path` for a file, `link target path`
//! for a symbolic link (with the target's length, so that it can be told from the path), `folder mode path` for a
//! folder. A mode is who may read, write and execute, and the sticky bit. Owners and times are not part of it: the step
//! sees neither as something to rely on. Nor are set-user-id and set-group-id: in a step they do nothing.

mod closure;
mod copy;
pub mod elf;
mod keep;
mod place;
mod resolve;
mod tree;

pub use closure::{Closure, closure};
pub use keep::{RootFolder, Taken};
pub use place::place;
pub use tree::{Error, Kind, REPLACED, RootTree};
