//! A few streams, interleaved, by the SHA instructions: while one waits for its round, the others have theirs.

#![allow(
    unsafe_code,
    reason = "vectors are read from memory by pointer; see `load` and `store`"
)]

use std::arch::x86_64::*;

use super::constants::{ROUND, State};

/// Takes the blocks of each lane into its state.
///
/// # Panics
/// The lanes don't all have equally many whole blocks.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) fn compress<const LANES: usize>(states: &mut [State; LANES], lanes: &[&[u8]; LANES]) {
    // Loops and no closures here: a closure handed to `std` is not compiled for these instructions.
    let mut blocks: [&[[u8; 64]]; LANES] = [&[]; LANES];
    let mut halves = [[_mm_setzero_si128(); 2]; LANES];
    for lane in 0..LANES {
        blocks[lane] = lanes[lane].as_chunks().0;
        halves[lane] = gathered(&states[lane]);
    }
    let count = blocks[0].len();
    assert!(blocks.iter().all(|blocks| blocks.len() == count));
    for at in 0..count {
        compress_block(&mut halves, &blocks, at);
    }
    for (state, halves) in states.iter_mut().zip(halves) {
        *state = scattered(halves);
    }
}

/// The state as the instructions want it: the words F, E, B, A and H, G, D, C, from the lowest.
type Halves = [__m128i; 2];

#[target_feature(enable = "sha,sse4.1,ssse3")]
#[inline]
fn compress_block<const LANES: usize>(
    halves: &mut [Halves; LANES],
    lanes: &[&[[u8; 64]]; LANES],
    at: usize,
) {
    let before = *halves;
    let turn = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut w = [[turn; 4]; LANES];
    for (w, blocks) in w.iter_mut().zip(lanes) {
        for (four, bytes) in w.iter_mut().zip(blocks[at].as_chunks::<16>().0) {
            *four = _mm_shuffle_epi8(load(bytes), turn);
        }
    }
    for sixteen in ROUND.as_chunks::<16>().0 {
        let last = sixteen[0] == ROUND[48];
        four_rounds::<LANES, 0>(halves, &mut w, sixteen, last);
        four_rounds::<LANES, 1>(halves, &mut w, sixteen, last);
        four_rounds::<LANES, 2>(halves, &mut w, sixteen, last);
        four_rounds::<LANES, 3>(halves, &mut w, sixteen, last);
    }
    for (halves, before) in halves.iter_mut().zip(before) {
        *halves = [
            _mm_add_epi32(halves[0], before[0]),
            _mm_add_epi32(halves[1], before[1]),
        ];
    }
}

/// Four rounds of every lane, and the four words that come sixteen rounds later.
#[target_feature(enable = "sha,sse4.1,ssse3")]
#[inline]
fn four_rounds<const LANES: usize, const AT: usize>(
    halves: &mut [Halves; LANES],
    w: &mut [[__m128i; 4]; LANES],
    constants: &[u32; 16],
    last: bool,
) {
    let constants = load(&bytes_of(&constants.as_chunks::<4>().0[AT]));
    for ([feba, hgdc], w) in halves.iter_mut().zip(w) {
        let sum = _mm_add_epi32(w[AT], constants);
        *hgdc = _mm_sha256rnds2_epu32(*hgdc, *feba, sum);
        *feba = _mm_sha256rnds2_epu32(*feba, *hgdc, _mm_shuffle_epi32::<0b00_00_11_10>(sum));
        if !last {
            let [one, two, three] = [w[(AT + 1) % 4], w[(AT + 2) % 4], w[(AT + 3) % 4]];
            let near = _mm_sha256msg1_epu32(w[AT], one);
            let nine = _mm_alignr_epi8::<4>(three, two);
            w[AT] = _mm_sha256msg2_epu32(_mm_add_epi32(near, nine), three);
        }
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
#[inline]
fn gathered(state: &State) -> Halves {
    let [a, b, c, d, e, f, g, h] = *state;
    [
        load(&bytes_of(&[f, e, b, a])),
        load(&bytes_of(&[h, g, d, c])),
    ]
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
#[inline]
fn scattered([feba, hgdc]: Halves) -> State {
    let ([f, e, b, a], [h, g, d, c]) = (store(feba), store(hgdc));
    [a, b, c, d, e, f, g, h]
}

fn bytes_of(words: &[u32; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (four, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *four = word.to_ne_bytes();
    }
    bytes
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
#[inline]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: these are 16 readable bytes, and this load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
#[inline]
fn store(vector: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: four words are 16 writable bytes, and this store asks for no alignment.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) };
    words
}
