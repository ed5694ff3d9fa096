//! Learning from one half of the data set, being examined on the other.

use std::io::Write;

use burn::{
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Int, Tensor, TensorData},
};
use digits_data::{
    DataSet,
    idx::{PIXELS, SIDE},
};

use crate::{
    network::Network,
    order::{Generator, shuffled},
};

/// What decides the outcome, together with the data and this program.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    pub(crate) learning_rate: f64,
}

/// How the trained network did on pictures it had never seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Examination {
    /// Share of the pictures whose digit it named.
    pub(crate) accuracy: f64,
    /// Mean cross-entropy.
    pub(crate) loss: f64,
}

/// Training left the range of numbers: there is no model.
#[derive(Debug, thiserror::Error)]
#[error("the loss is no longer a finite number; try a smaller `--learning-rate`")]
pub(crate) struct Diverged;

/// Trains a network, and writes a line on its progress every few batches.
///
/// The learning rate falls in a straight line, from the recipe's to zero after the last batch.
pub(crate) fn train(
    data: &DataSet,
    recipe: &Recipe,
    progress: &mut impl Write,
) -> Result<Network, Diverged> {
    let device = Device::flex().autodiff();
    device.seed(recipe.seed);
    let mut network = Network::new(&device);
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let loss_function = CrossEntropyLossConfig::new().init(&device);
    let mut generator = Generator::new(recipe.seed);
    let total = data.len().div_ceil(recipe.batch) * recipe.epochs;
    let mut done = 0;
    for _ in 0..recipe.epochs {
        for indices in shuffled(data.len(), &mut generator).chunks(recipe.batch) {
            let (pictures, digits) = batch(data, indices, &device);
            let loss = loss_function.forward(network.forward(pictures), digits);
            let loss_value: f32 = loss.clone().into_scalar();
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            let rate = recipe.learning_rate * (total - done) as f64 / total as f64;
            network = optimizer.step(rate, network, gradients);
            done += 1;
            if !loss_value.is_finite() {
                return Err(Diverged);
            }
            if done.is_multiple_of(PROGRESS_EVERY) || done == total {
                // Training goes on when nobody reads how far it is.
                let _ = writeln!(progress, "progress {done} {total} loss {loss_value:.4}");
            }
        }
    }
    Ok(network.valid())
}

/// Shows every picture to the network once, without dropout.
pub(crate) fn examine(network: &Network, data: &DataSet) -> Result<Examination, Diverged> {
    let device = Device::flex();
    let loss_function = CrossEntropyLossConfig::new().init(&device);
    let indices: Vec<usize> = (0..data.len()).collect();
    let (mut right, mut loss) = (0, 0.0);
    for indices in indices.chunks(EXAMINATION_BATCH) {
        let (pictures, digits) = batch(data, indices, &device);
        let scores = network.forward(pictures);
        let guesses = scores.clone().argmax(1).flatten::<1>(0, 1);
        right += guesses
            .equal(digits.clone())
            .int()
            .sum()
            .into_scalar::<i64>();
        let batch_loss: f32 = loss_function.forward(scores, digits).into_scalar();
        loss += f64::from(batch_loss) * indices.len() as f64;
    }
    let count = data.len() as f64;
    // The last step of training may have been the one too many.
    if !loss.is_finite() {
        return Err(Diverged);
    }
    Ok(Examination {
        accuracy: right as f64 / count,
        loss: loss / count,
    })
}

const PROGRESS_EVERY: usize = 20;
const EXAMINATION_BATCH: usize = 250;
const MEAN: f32 = 0.1307; // of the grey values in the training half
const DEVIATION: f32 = 0.3081;

/// The chosen pictures, normalised, and their digits. The indices come from the set's own length.
fn batch(data: &DataSet, indices: &[usize], device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let mut values = Vec::with_capacity(indices.len() * PIXELS);
    let mut digits = Vec::with_capacity(indices.len());
    for (pixels, digit) in indices.iter().filter_map(|&index| data.get(index)) {
        values.extend(
            pixels
                .iter()
                .map(|&grey| (f32::from(grey) / 255.0 - MEAN) / DEVIATION),
        );
        digits.push(i32::from(digit));
    }
    let count = digits.len();
    let pictures = TensorData::new(values, [count, 1, SIDE, SIDE]);
    (
        Tensor::from_data(pictures, device),
        Tensor::from_data(TensorData::new(digits, [count]), device),
    )
}
