//! The pages of `docs/errors`, inside the binary. `build.rs` makes the table: a code without a page does not compile.

use trust::Code;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));
