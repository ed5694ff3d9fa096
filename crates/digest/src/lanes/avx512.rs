//! Sixteen streams at once, by AVX-512.

#![allow(
    unsafe_code,
    reason = "vectors are read from memory by pointer; see `load_block`, `load` and `store`"
)]

use std::arch::x86_64::*;

use super::constants::{ROUND, State};
use super::rounds::compress_lanes;

pub(super) const LANES: usize = 16;
type Vector = __m512i;

compress_lanes!("avx512f,avx512bw");

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

// The third argument of `ternarylogic` is the column of the truth table for the inputs 000 to 111, last one first.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn choose(which: Vector, yes: Vector, no: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1100_1010>(which, yes, no)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn rotate<const RIGHT: i32, const LEFT: i32>(a: Vector) -> Vector {
    _mm512_ror_epi32::<RIGHT>(a)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn shift<const RIGHT: u32>(a: Vector) -> Vector {
    _mm512_srli_epi32::<RIGHT>(a)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn every(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

/// Transposes sixteen blocks of sixteen words: pairs of words, then fours, then two rounds of quarters.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn words(lanes: &[&[[u8; 64]]; LANES], at: usize) -> [Vector; 16] {
    let mut r = [every(0); 16];
    for (row, blocks) in r.iter_mut().zip(lanes) {
        *row = load_block(&blocks[at]);
    }
    let mut pairs = [every(0); 16];
    for at in (0..16).step_by(2) {
        pairs[at] = _mm512_unpacklo_epi32(r[at], r[at + 1]);
        pairs[at + 1] = _mm512_unpackhi_epi32(r[at], r[at + 1]);
    }
    // Row `4 * four + column` has, in its quarter q, the word `4 * q + column` of the lanes `4 * four` to `4 * four + 3`.
    for four in (0..16).step_by(4) {
        r[four] = _mm512_unpacklo_epi64(pairs[four], pairs[four + 2]);
        r[four + 1] = _mm512_unpackhi_epi64(pairs[four], pairs[four + 2]);
        r[four + 2] = _mm512_unpacklo_epi64(pairs[four + 1], pairs[four + 3]);
        r[four + 3] = _mm512_unpackhi_epi64(pairs[four + 1], pairs[four + 3]);
    }
    let mut w = [every(0); 16];
    for column in 0..4 {
        let (a, b, c, d) = (r[column], r[column + 4], r[column + 8], r[column + 12]);
        // Quarters 0 and 1, and 2 and 3, of the first eight lanes and of the last eight.
        let low = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
        let high = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
        let low_last = _mm512_shuffle_i32x4::<0b01_00_01_00>(c, d);
        let high_last = _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d);
        w[column] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, low_last);
        w[column + 4] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, low_last);
        w[column + 8] = _mm512_shuffle_i32x4::<0b10_00_10_00>(high, high_last);
        w[column + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(high, high_last);
    }
    w
}

/// A block's words, turned from big-endian.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load_block(block: &[u8; 64]) -> Vector {
    // SAFETY: the block is 64 readable bytes, and this load asks for no alignment.
    let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
    let turn = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    _mm512_shuffle_epi8(bytes, turn)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(words: &[u32; LANES]) -> Vector {
    // SAFETY: sixteen words are 64 readable bytes, and this load asks for no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn store(vector: Vector) -> [u32; LANES] {
    let mut words = [0; LANES];
    // SAFETY: sixteen words are 64 writable bytes, and this store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
    words
}
