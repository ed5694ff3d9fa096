//! SHA-256 of one block per lane, written once for vectors of every width.

/// Makes `compress`, which takes so many blocks from every lane into its state. Around it stand what differs from one
/// instruction set to the next: `Vector` (a `u32` of every lane), `LANES`, and `add`, `xor3`, `choose`, `majority`,
/// `rotate::<RIGHT, LEFT>` (two counts, together 32), `shift::<RIGHT>`, `every` (the same word in all lanes), `words`
/// (the words of each lane's block at one place, word by word), `load` and `store`.
macro_rules! compress_lanes {
    ($features:literal) => {
        /// Takes the blocks of each lane into its state.
        ///
        /// # Panics
        /// The lanes don't all have equally many whole blocks.
        #[target_feature(enable = $features)]
        pub(super) fn compress(states: &mut [State; LANES], lanes: &[&[u8]; LANES]) {
            // Loops and no closures here: a closure handed to `std` is not compiled for these instructions.
            let mut blocks: [&[[u8; 64]]; LANES] = [&[]; LANES];
            for (blocks, lane) in blocks.iter_mut().zip(lanes) {
                *blocks = lane.as_chunks().0;
            }
            let count = blocks[0].len();
            assert!(blocks.iter().all(|blocks| blocks.len() == count));
            let mut state = [every(0); 8];
            for (word, vector) in state.iter_mut().enumerate() {
                let mut column = [0; LANES];
                for (value, state) in column.iter_mut().zip(&*states) {
                    *value = state[word];
                }
                *vector = load(&column);
            }
            for at in 0..count {
                let w = words(&blocks, at);
                compress_block(&mut state, w);
            }
            for (word, vector) in state.into_iter().enumerate() {
                for (state, value) in states.iter_mut().zip(store(vector)) {
                    state[word] = value;
                }
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn compress_block(state: &mut [Vector; 8], mut w: [Vector; 16]) {
            let mut s = *state;
            for sixteen in 0..4 {
                // Without loops, so that all of `w` and `s` has places that are known when this is compiled.
                compress_lanes!(@rounds s, w, sixteen, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                if sixteen < 3 {
                    compress_lanes!(@schedule w, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                }
            }
            for (word, new) in state.iter_mut().zip(s) {
                *word = add(*word, new);
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn round(s: [Vector; 8], word: Vector, constant: u32) -> [Vector; 8] {
            let [a, b, c, d, e, f, g, h] = s;
            let sum_e = xor3(rotate::<6, 26>(e), rotate::<11, 21>(e), rotate::<25, 7>(e));
            let sum_a = xor3(rotate::<2, 30>(a), rotate::<13, 19>(a), rotate::<22, 10>(a));
            let fixed = add(add(h, every(constant)), word);
            let first = add(add(fixed, choose(e, f, g)), sum_e);
            let second = add(majority(a, b, c), sum_a);
            [add(first, second), a, b, c, add(d, first), e, f, g]
        }

        /// The word sixteen rounds on, from those now, one on, nine on and fourteen on.
        #[target_feature(enable = $features)]
        #[inline]
        fn next_word(now: Vector, one: Vector, nine: Vector, fourteen: Vector) -> Vector {
            let near = xor3(rotate::<7, 25>(one), rotate::<18, 14>(one), shift::<3>(one));
            let far = xor3(
                rotate::<17, 15>(fourteen),
                rotate::<19, 13>(fourteen),
                shift::<10>(fourteen),
            );
            add(add(now, near), add(nine, far))
        }
    };
    (@rounds $s:ident, $w:ident, $sixteen:ident, $($at:literal)*) => {
        $($s = round($s, $w[$at], ROUND[$sixteen * 16 + $at]);)*
    };
    (@schedule $w:ident, $($at:literal)*) => {
        $($w[$at] = next_word($w[$at], $w[($at + 1) % 16], $w[($at + 9) % 16], $w[($at + 14) % 16]);)*
    };
}

pub(super) use compress_lanes;
