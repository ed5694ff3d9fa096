//! In which order the pictures are shown.

/// Numbers that look random and follow from a seed alone: the SplitMix64 generator.
///
/// The state grows by a fixed odd constant; each number is the state after two rounds of
/// shift-xor-multiply and a last shift-xor. Written out here so that an order made today can be
/// made again whatever a library does.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`. Its bias, under `bound` / 2⁶⁴, is far too small to matter here.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// The numbers from zero up to `count`, shuffled after Fisher and Yates, from the last place down.
pub(crate) fn shuffled(count: usize, generator: &mut Generator) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, generator.below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut generator = Generator::new(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| generator.next()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(numbers, published);
    }

    #[test]
    fn shuffles_without_losing_any() {
        let mut order = shuffled(1000, &mut Generator::new(7));
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn follows_from_the_seed() {
        let order = |seed| shuffled(100, &mut Generator::new(seed));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn does_not_repeat_the_order_in_the_next_epoch() {
        let mut generator = Generator::new(1);
        assert_ne!(shuffled(100, &mut generator), shuffled(100, &mut generator));
    }

    #[test]
    fn takes_none_and_one() {
        assert_eq!(shuffled(0, &mut Generator::new(1)), [0; 0]);
        assert_eq!(shuffled(1, &mut Generator::new(1)), [0]);
    }
}
