//! Eight streams at once, by AVX2.

#![allow(
    unsafe_code,
    reason = "vectors are read from memory by pointer; see `load_half`, `load` and `store`"
)]

use std::arch::x86_64::*;

use super::constants::{ROUND, State};
use super::rounds::compress_lanes;

pub(super) const LANES: usize = 8;
pub(super) type Vector = __m256i;

compress_lanes!("avx2");

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn choose(which: Vector, yes: Vector, no: Vector) -> Vector {
    _mm256_xor_si256(no, _mm256_and_si256(which, _mm256_xor_si256(yes, no)))
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    let differ = _mm256_xor_si256(a, b);
    _mm256_xor_si256(b, _mm256_and_si256(differ, _mm256_xor_si256(b, c)))
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn rotate<const RIGHT: i32, const LEFT: i32>(a: Vector) -> Vector {
    _mm256_or_si256(_mm256_srli_epi32::<RIGHT>(a), _mm256_slli_epi32::<LEFT>(a))
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn shift<const RIGHT: i32>(a: Vector) -> Vector {
    _mm256_srli_epi32::<RIGHT>(a)
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn every(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn words(lanes: &[&[[u8; 64]]; LANES], at: usize) -> [Vector; 16] {
    let mut halves = [[every(0); 8]; 2];
    for (lane, blocks) in lanes.iter().enumerate() {
        halves[0][lane] = load_half::<0>(&blocks[at]);
        halves[1][lane] = load_half::<1>(&blocks[at]);
    }
    let mut w = [every(0); 16];
    let (first, last) = w.split_at_mut(8);
    first.copy_from_slice(&transposed(&halves[0]));
    last.copy_from_slice(&transposed(&halves[1]));
    w
}

/// Transposes eight rows of eight words: pairs of words, then fours, then halves.
#[target_feature(enable = "avx2")]
#[inline]
fn transposed(rows: &[Vector; 8]) -> [Vector; 8] {
    let mut pairs = *rows;
    for at in (0..8).step_by(2) {
        pairs[at] = _mm256_unpacklo_epi32(rows[at], rows[at + 1]);
        pairs[at + 1] = _mm256_unpackhi_epi32(rows[at], rows[at + 1]);
    }
    let mut fours = pairs;
    for at in (0..8).step_by(4) {
        fours[at] = _mm256_unpacklo_epi64(pairs[at], pairs[at + 2]);
        fours[at + 1] = _mm256_unpackhi_epi64(pairs[at], pairs[at + 2]);
        fours[at + 2] = _mm256_unpacklo_epi64(pairs[at + 1], pairs[at + 3]);
        fours[at + 3] = _mm256_unpackhi_epi64(pairs[at + 1], pairs[at + 3]);
    }
    let mut columns = fours;
    for at in 0..4 {
        columns[at] = _mm256_permute2x128_si256::<0x20>(fours[at], fours[at + 4]);
        columns[at + 4] = _mm256_permute2x128_si256::<0x31>(fours[at], fours[at + 4]);
    }
    columns
}

/// The first eight words of a block, or the last, turned from big-endian.
#[target_feature(enable = "avx2")]
#[inline]
fn load_half<const HALF: usize>(block: &[u8; 64]) -> Vector {
    let half = &block.as_chunks::<32>().0[HALF];
    // SAFETY: the half is 32 readable bytes, and this load asks for no alignment.
    let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
    let (low, high) = (0x0405_0607_0001_0203, 0x0c0d_0e0f_0809_0a0b);
    _mm256_shuffle_epi8(bytes, _mm256_set_epi64x(high, low, high, low))
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load(words: &[u32; LANES]) -> Vector {
    // SAFETY: eight words are 32 readable bytes, and this load asks for no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn store(vector: Vector) -> [u32; LANES] {
    let mut words = [0; LANES];
    // SAFETY: eight words are 32 writable bytes, and this store asks for no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) };
    words
}
