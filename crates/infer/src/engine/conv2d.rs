//! Cross-correlation over planes, as a matrix product that is never laid out whole.
//!
//! For [`PIXELS`] output pixels at a time, what lies under the kernel is gathered into a panel that stays in the
//! nearest cache; then [`CHANNELS`] output channels at a time are summed over it, in registers.

use super::{Planes, Scratch};

/// Output pixels in a panel.
pub(super) const PIXELS: usize = 8;
/// Output channels summed at once. With [`PIXELS`] these are as many sums as 16 registers of 4 numbers hold.
const CHANNELS: usize = 4;

#[derive(Debug)]
pub(crate) struct Conv2d {
    input: Planes,
    output: Planes,
    padding: usize,
    stride: usize,
    /// Where each weight of a channel looks in the padded planes, seen from the corner of the window.
    taps: Vec<usize>,
    /// For each block of channels, for each tap, one weight per channel; zeros fill the last block.
    weights: Vec<[f32; CHANNELS]>,
    /// For each block, one bias per channel.
    biases: Vec<[f32; CHANNELS]>,
}

/// What a convolution is made of; the weights are `[out, in, height, width]`.
pub(crate) struct ConvParts {
    pub(crate) input: Planes,
    pub(crate) output: Planes,
    pub(crate) kernel_height: usize,
    pub(crate) kernel_width: usize,
    pub(crate) padding: usize,
    pub(crate) stride: usize,
}

impl ConvParts {
    /// How many numbers of a panel there are for each tap.
    pub(crate) const PANEL_WIDTH: usize = PIXELS;
}

impl Conv2d {
    /// The loader has checked that the counts fit each other.
    pub(crate) fn new(parts: &ConvParts, weights: &[f32], biases: &[f32]) -> Self {
        let ConvParts {
            input,
            output,
            padding,
            stride,
            ..
        } = *parts;
        let taps = taps(parts);
        let blocks = output.channels.div_ceil(CHANNELS);
        let mut packed = vec![[0.0; CHANNELS]; blocks * taps.len()];
        for (channel, weights) in weights.chunks_exact(taps.len()).enumerate() {
            let block = &mut packed[channel / CHANNELS * taps.len()..][..taps.len()];
            for (packed, weight) in block.iter_mut().zip(weights) {
                packed[channel % CHANNELS] = *weight;
            }
        }
        let mut packed_biases = vec![[0.0; CHANNELS]; blocks];
        for (channel, bias) in biases.iter().enumerate() {
            packed_biases[channel / CHANNELS][channel % CHANNELS] = *bias;
        }
        Self {
            input,
            output,
            padding,
            stride,
            taps,
            weights: packed,
            biases: packed_biases,
        }
    }

    pub(super) const fn size_out(&self) -> usize {
        self.output.channels * self.output.height * self.output.width
    }

    pub(super) fn run(&self, input: &[f32], output: &mut [f32], scratch: &mut Scratch) {
        let Scratch { padded, panel } = scratch;
        let panel = &mut panel[..self.taps.len()];
        self.pad(input, padded);
        let area = self.output.height * self.output.width;
        for first in (0..area).step_by(PIXELS) {
            self.gather(first, padded, panel);
            let pixels = PIXELS.min(area - first);
            let blocks = self.weights.chunks_exact(self.taps.len()).zip(&self.biases);
            let planes = output.chunks_mut(CHANNELS * area);
            for ((weights, biases), planes) in blocks.zip(planes) {
                let sums = sums(weights, panel, biases);
                for (plane, sums) in planes.chunks_exact_mut(area).zip(&sums) {
                    plane[first..first + pixels].copy_from_slice(&sums[..pixels]);
                }
            }
        }
    }

    fn pad(&self, input: &[f32], padded: &mut [f32]) {
        let Planes {
            channels,
            height,
            width,
        } = self.input;
        let padded_width = width + 2 * self.padding;
        let padded_area = (height + 2 * self.padding) * padded_width;
        padded[..channels * padded_area].fill(0.0);
        for (plane, padded) in input
            .chunks_exact(height * width)
            .zip(padded.chunks_exact_mut(padded_area))
        {
            let inner = &mut padded[self.padding * padded_width..];
            for (row, padded) in plane
                .chunks_exact(width)
                .zip(inner.chunks_mut(padded_width))
            {
                padded[self.padding..self.padding + width].copy_from_slice(row);
            }
        }
    }

    /// Pixels after the last one look where the last one looks; what they sum is not kept.
    fn gather(&self, first: usize, padded: &[f32], panel: &mut [[f32; PIXELS]]) {
        let padded_width = self.input.width + 2 * self.padding;
        let last = self.output.height * self.output.width - 1;
        let corners: [usize; PIXELS] = std::array::from_fn(|pixel| {
            let at = (first + pixel).min(last);
            let (y, x) = (at / self.output.width, at % self.output.width);
            (y * padded_width + x) * self.stride
        });
        for (pixels, tap) in panel.iter_mut().zip(&self.taps) {
            let seen = &padded[*tap..];
            *pixels = corners.map(|corner| seen[corner]);
        }
    }
}

fn taps(parts: &ConvParts) -> Vec<usize> {
    let padded_width = parts.input.width + 2 * parts.padding;
    let padded_area = (parts.input.height + 2 * parts.padding) * padded_width;
    let mut taps =
        Vec::with_capacity(parts.input.channels * parts.kernel_height * parts.kernel_width);
    for channel in 0..parts.input.channels {
        for y in 0..parts.kernel_height {
            let row = channel * padded_area + y * padded_width;
            taps.extend(row..row + parts.kernel_width);
        }
    }
    taps
}

/// One sum per channel and pixel. Written so that the compiler keeps the sums in vector registers.
fn sums(
    weights: &[[f32; CHANNELS]],
    panel: &[[f32; PIXELS]],
    biases: &[f32; CHANNELS],
) -> [[f32; PIXELS]; CHANNELS] {
    let mut sums = biases.map(|bias| [bias; PIXELS]);
    for (weights, pixels) in weights.iter().zip(panel) {
        for (sums, weight) in sums.iter_mut().zip(weights) {
            for (sum, pixel) in sums.iter_mut().zip(pixels) {
                *sum += weight * pixel;
            }
        }
    }
    sums
}
