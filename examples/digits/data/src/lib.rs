//! Handwritten digits as the original MNIST files hold them.
//!
//! `bytes → idx → DataSet`: [`idx`] parses bytes and reads no file; [`DataSet::read`] reads the two
//! files of one half and refuses them when they disagree.

mod data_set;
pub mod idx;

pub use data_set::{DataSet, Half, ReadError, read_images};
