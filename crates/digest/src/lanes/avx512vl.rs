//! Eight streams at once with AVX-512's rotations and its logic of three operands: the code of AVX2, for which the
//! compiler then finds them.

use super::avx2::{
    LANES, Vector, add, choose, every, load, majority, rotate, shift, store, words, xor3,
};
use super::constants::{ROUND, State};
use super::rounds::compress_lanes;

compress_lanes!("avx2,avx512f,avx512vl");
