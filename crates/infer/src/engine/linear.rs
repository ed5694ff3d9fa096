//! A matrix and a bias.

/// Partial sums per row of the matrix, so that the compiler can add in vector registers.
const LANES: usize = 16;

#[derive(Debug)]
pub(crate) struct Linear {
    size_in: usize,
    /// `[out, in]`
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl Linear {
    /// The loader has checked that there are `size_in` weights for each bias.
    pub(crate) const fn new(size_in: usize, weights: Vec<f32>, biases: Vec<f32>) -> Self {
        Self {
            size_in,
            weights,
            biases,
        }
    }

    pub(super) const fn size_out(&self) -> usize {
        self.biases.len()
    }

    pub(super) fn run(&self, input: &[f32], output: &mut [f32]) {
        let rows = self.weights.chunks_exact(self.size_in).zip(&self.biases);
        for (output, (weights, bias)) in output.iter_mut().zip(rows) {
            *output = bias + dot(weights, input);
        }
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left_blocks, left_rest) = left.as_chunks::<LANES>();
    let (right_blocks, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(right)) {
            *sum += left * right;
        }
    }
    let rest: f32 = left_rest
        .iter()
        .zip(right_rest)
        .map(|(left, right)| left * right)
        .sum();
    sums.iter().sum::<f32>() + rest
}
