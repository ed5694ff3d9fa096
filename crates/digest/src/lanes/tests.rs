use std::io::Write;

use super::*;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

fn here() -> impl Iterator<Item = Kernel> {
    let ours = Kernel::ALL.into_iter().filter(|k| *k != Kernel::OneByOne);
    ours.filter(|kernel| kernel.is_here())
}

#[test]
fn each_kernel_computes_what_the_crate_does() {
    let mut numbers = Numbers(0x5eed);
    let bytes: Vec<u8> = (0..1 << 16).map(|_| numbers.below(256) as u8).collect();
    for kernel in here() {
        for round in 0..2000 {
            let (lanes, blocks) = (1 + numbers.below(LANES_MAX), numbers.below(9));
            let lanes: Vec<&[u8]> = (0..lanes)
                .map(|_| &bytes[numbers.below(bytes.len() - 64 * blocks)..][..64 * blocks])
                .collect();
            let before: Vec<State> = lanes
                .iter()
                .map(|_| std::array::from_fn(|_| numbers.below(1 << 31) as u32))
                .collect();
            let mut ours = before.clone();
            compress(kernel, &mut ours, &lanes);
            let mut twins = before;
            for (state, lane) in twins.iter_mut().zip(&lanes) {
                sha2::block_api::compress256(state, lane.as_chunks().0);
            }
            assert_eq!(ours, twins, "{kernel}, round {round}, {blocks} blocks");
        }
    }
    // To the terminal even where the test passes: what was not run was not tested.
    for kernel in Kernel::ALL {
        let word = if kernel.is_here() { "run" } else { "not run" };
        writeln!(std::io::stderr(), "kernel {kernel}: {word}").unwrap();
    }
}

#[test]
fn lanes_of_different_lengths_are_refused() {
    for kernel in here() {
        let refused = std::panic::catch_unwind(|| {
            compress(kernel, &mut [INITIAL; 2], &[&[0; 64], &[0; 128]]);
        });
        assert!(refused.is_err(), "{kernel}");
    }
}

#[test]
fn of_a_processor_that_has_less_no_other_kernel_is_chosen() {
    assert_eq!(Kernels::among(&Kernel::ALL), Kernels::of_this_processor());
    assert_eq!(
        Some(Kernels::among(&[])),
        Kernels::only(Kernel::OneByOne),
        "it is everywhere"
    );
    let without_sha: Vec<Kernel> = Kernel::ALL
        .into_iter()
        .filter(|kernel| *kernel != Kernel::ShaNi)
        .collect();
    for count in 1..=LANES_MAX {
        let chosen = Kernels::among(&without_sha).for_streams(count);
        assert!(chosen.is_here() && chosen != Kernel::ShaNi, "{chosen}");
        let chosen = Kernels::among(&[Kernel::Avx2]).for_streams(count);
        let wanted = if Kernel::Avx2.is_here() {
            Kernel::Avx2
        } else {
            Kernel::OneByOne
        };
        assert_eq!(chosen, wanted);
    }
}
