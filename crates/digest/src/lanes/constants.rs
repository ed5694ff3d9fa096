//! The numbers of SHA-256 (FIPS 180-4, §4.2.2 and §5.3.3), computed from what they mean.

/// Eight words: what SHA-256 carries from one block to the next.
pub(crate) type State = [u32; 8];

/// The state before the first block: the first 32 bits of the fractions of the square roots of the first eight primes.
pub(crate) const INITIAL: State = {
    let mut words = [0; 8];
    let mut at = 0;
    while at < 8 {
        words[at] = root_fraction(PRIMES[at], 2);
        at += 1;
    }
    words
};

/// One word per round: the first 32 bits of the fractions of the cube roots of the first 64 primes.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const ROUND: [u32; 64] = {
    let mut words = [0; 64];
    let mut at = 0;
    while at < 64 {
        words[at] = root_fraction(PRIMES[at], 3);
        at += 1;
    }
    words
};

const PRIMES: [u128; 64] = {
    let mut primes = [0; 64];
    let (mut found, mut candidate) = (0, 2);
    while found < 64 {
        let mut divisor = 2;
        while candidate % divisor != 0 {
            divisor += 1;
        }
        if divisor == candidate {
            primes[found] = candidate;
            found += 1;
        }
        candidate += 1;
    }
    primes
};

/// The last 32 bits of the largest whole number whose power is at most `prime << (32 * power)`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is cut off is the whole part of the root"
)]
const fn root_fraction(prime: u128, power: u32) -> u32 {
    let scaled = prime << (32 * power);
    let (mut low, mut high) = (0_u128, 1 << 37);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if middle.pow(power) <= scaled {
            low = middle;
        } else {
            high = middle;
        }
    }
    low as u32
}

#[cfg(test)]
mod tests {
    #[test]
    fn first_and_last_are_those_of_the_standard() {
        assert_eq!(super::INITIAL[0], 0x6a09_e667);
        assert_eq!(super::INITIAL[7], 0x5be0_cd19);
        assert_eq!(super::ROUND[0], 0x428a_2f98);
        assert_eq!(super::ROUND[63], 0xc671_78f2);
    }
}
