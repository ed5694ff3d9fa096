//! Which kernel takes how many streams.

use super::Kernel;

/// The kernels that a listing uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    few: Kernel,
    many: Kernel,
    /// From how many streams on it is `many`.
    many_from: usize,
}

impl Kernels {
    /// The fastest of those that this processor has.
    #[must_use]
    pub fn of_this_processor() -> Self {
        Self::among(&Kernel::ALL)
    }

    /// The fastest of these that this processor has, as one chooses that has no others (figures in docs/decisions/0013).
    #[must_use]
    pub fn among(allowed: &[Kernel]) -> Self {
        let [wide, half, plain, sha] = [
            Kernel::Avx512,
            Kernel::Avx512Vl,
            Kernel::Avx2,
            Kernel::ShaNi,
        ]
        .map(|kernel| allowed.contains(&kernel) && kernel.is_here());
        match (sha, wide && half, plain) {
            // Twelve lanes of sixteen are as fast as the SHA instructions, more are faster.
            (true, true, _) => Self::both(Kernel::ShaNi, Kernel::Avx512, 13),
            (true, false, _) => Self::one(Kernel::ShaNi),
            // Half of the lanes for half of the width: at eight streams the narrow one has no idle lane.
            (false, true, _) => Self::both(Kernel::Avx512Vl, Kernel::Avx512, 9),
            (false, false, true) => Self::one(Kernel::Avx2),
            (false, false, false) => Self::one(Kernel::OneByOne),
        }
    }

    /// This kernel alone, if this processor has it.
    #[must_use]
    pub fn only(kernel: Kernel) -> Option<Self> {
        kernel.is_here().then(|| Self::one(kernel))
    }

    /// The kernel for so many streams.
    #[must_use]
    pub const fn for_streams(&self, count: usize) -> Kernel {
        if count < self.many_from {
            self.few
        } else {
            self.many
        }
    }

    /// How many streams one core takes at most.
    pub(crate) const fn lanes_max(&self) -> usize {
        self.many.lanes()
    }

    /// How many streams one core should have before another one gets any: with fewer it has no less to do.
    pub(crate) const fn lanes_worthwhile(&self) -> usize {
        self.few.lanes()
    }

    /// Whether a single stream is slower by these than by [`Kernel::OneByOne`]: lanes that stand empty cost as much.
    pub(crate) fn loses_alone(&self) -> bool {
        self.few != Kernel::ShaNi
    }

    const fn one(kernel: Kernel) -> Self {
        Self::both(kernel, kernel, 0)
    }

    const fn both(few: Kernel, many: Kernel, many_from: usize) -> Self {
        Self {
            few,
            many,
            many_from,
        }
    }
}
