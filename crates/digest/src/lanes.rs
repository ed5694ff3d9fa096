//! SHA-256 of many streams on one core: each kernel takes a block of every stream at a time.
//!
//! A single stream has to wait for itself, block by block; instructions that stand idle meanwhile, or lanes of wide
//! registers, take the blocks of others. What stands here is x86-64's; elsewhere streams go one by one through
//! [`Hasher`](crate::Hasher), whose instructions AWS-LC chooses.

#![allow(
    unsafe_code,
    reason = "a kernel may run only on a processor that has its instructions; see `compress_by`"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512vl;
mod choice;
mod constants;
#[cfg(target_arch = "x86_64")]
mod rounds;
#[cfg(target_arch = "x86_64")]
mod shani;

use std::fmt;

pub use choice::Kernels;
pub(crate) use constants::{INITIAL, State};

/// The most streams that one call takes.
pub(crate) const LANES_MAX: usize = 16;

/// A way to compute SHA-256 of several streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Sixteen lanes of 512-bit registers.
    Avx512,
    /// Eight lanes of 256-bit registers, with the instructions that came with AVX-512.
    Avx512Vl,
    /// Eight lanes of 256-bit registers.
    Avx2,
    /// The SHA instructions, four streams interleaved.
    ShaNi,
    /// One stream after the other, by AWS-LC.
    OneByOne,
}

impl Kernel {
    /// Every kernel.
    pub const ALL: [Self; 5] = [
        Self::Avx512,
        Self::Avx512Vl,
        Self::Avx2,
        Self::ShaNi,
        Self::OneByOne,
    ];

    /// Whether this processor has its instructions.
    #[must_use]
    pub fn is_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            match self {
                Self::Avx512 => has!("avx512f") && has!("avx512bw"),
                Self::Avx512Vl => has!("avx2") && has!("avx512f") && has!("avx512vl"),
                Self::Avx2 => has!("avx2"),
                Self::ShaNi => has!("sha") && has!("sse4.1") && has!("ssse3"),
                Self::OneByOne => true,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::OneByOne
        }
    }

    /// How many streams it takes at once. Fewer cost as much, save with [`ShaNi`](Self::ShaNi).
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx512Vl | Self::Avx2 => 8,
            Self::ShaNi => 4,
            Self::OneByOne => 1,
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "avx512",
            Self::Avx512Vl => "avx512vl",
            Self::Avx2 => "avx2",
            Self::ShaNi => "shani",
            Self::OneByOne => "one by one",
        })
    }
}

/// Takes each lane's blocks into its state, all by one kernel, which must be here and not [`Kernel::OneByOne`].
///
/// # Panics
/// There are not as many lanes as states, more than [`LANES_MAX`], or lanes of different lengths; or the kernel can't.
pub(crate) fn compress(kernel: Kernel, states: &mut [State], lanes: &[&[u8]]) {
    assert!(states.len() == lanes.len() && kernel.is_here() && lanes.len() <= LANES_MAX);
    let size = kernel.lanes();
    for (states, lanes) in states.chunks_mut(size).zip(lanes.chunks(size)) {
        compress_by(kernel, states, lanes);
    }
}

/// No more lanes than the kernel has.
#[cfg(target_arch = "x86_64")]
fn compress_by(kernel: Kernel, states: &mut [State], lanes: &[&[u8]]) {
    // SAFETY: each of these asks for nothing but that the processor has the instructions, and `compress` made sure.
    unsafe {
        match (kernel, lanes.len()) {
            (Kernel::Avx512, _) => filled(states, lanes, |s, l| avx512::compress(s, l)),
            (Kernel::Avx512Vl, _) => filled(states, lanes, |s, l| avx512vl::compress(s, l)),
            (Kernel::Avx2, _) => filled(states, lanes, |s, l| avx2::compress(s, l)),
            (Kernel::ShaNi, 4) => filled(states, lanes, |s, l| shani::compress::<4>(s, l)),
            (Kernel::ShaNi, 3) => filled(states, lanes, |s, l| shani::compress::<3>(s, l)),
            (Kernel::ShaNi, 2) => filled(states, lanes, |s, l| shani::compress::<2>(s, l)),
            (Kernel::ShaNi, _) => filled(states, lanes, |s, l| shani::compress::<1>(s, l)),
            (Kernel::OneByOne, _) => unreachable!("it keeps no state of ours"),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn compress_by(_: Kernel, _: &mut [State], _: &[&[u8]]) {
    unreachable!("no kernel is here");
}

/// Calls a kernel with all its lanes: those that are too many get the first one's blocks, for nothing.
#[cfg(target_arch = "x86_64")]
fn filled<const LANES: usize>(
    states: &mut [State],
    lanes: &[&[u8]],
    kernel: impl FnOnce(&mut [State; LANES], &[&[u8]; LANES]),
) {
    let mut all_states = [INITIAL; LANES];
    all_states[..states.len()].copy_from_slice(states);
    let mut all_lanes = [lanes[0]; LANES];
    all_lanes[..lanes.len()].copy_from_slice(lanes);
    kernel(&mut all_states, &all_lanes);
    states.copy_from_slice(&all_states[..states.len()]);
}

#[cfg(test)]
mod tests;
