//! The largest number of each window.

use super::Planes;

#[derive(Debug)]
pub(crate) struct MaxPool2d {
    input: Planes,
    output: Planes,
    size: usize,
}

impl MaxPool2d {
    pub(crate) const fn new(input: Planes, output: Planes, size: usize) -> Self {
        Self {
            input,
            output,
            size,
        }
    }

    pub(super) const fn size_out(&self) -> usize {
        self.output.channels * self.output.height * self.output.width
    }

    pub(super) fn run(&self, input: &[f32], output: &mut [f32]) {
        let planes = input.chunks_exact(self.input.height * self.input.width);
        let pooled = output.chunks_exact_mut(self.output.height * self.output.width);
        for (plane, pooled) in planes.zip(pooled) {
            let bands = plane.chunks_exact(self.size * self.input.width);
            for (band, row) in bands.zip(pooled.chunks_exact_mut(self.output.width)) {
                self.pool(band, row);
            }
        }
    }

    fn pool(&self, band: &[f32], pooled: &mut [f32]) {
        pooled.fill(f32::NEG_INFINITY);
        for row in band.chunks_exact(self.input.width) {
            for (largest, window) in pooled.iter_mut().zip(row.chunks_exact(self.size)) {
                *largest = window.iter().copied().fold(*largest, larger);
            }
        }
    }
}

/// What is not a number stays, so that an overflow before it is seen at the end.
fn larger(left: f32, right: f32) -> f32 {
    if right > left || right.is_nan() {
        right
    } else {
        left
    }
}
