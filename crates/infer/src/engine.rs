//! The arithmetic: one row through the layers of a model, in `f32`, in one thread.
//!
//! Rows are computed one after another and every sum is added in a fixed order: a row's answer does not depend on the
//! rows beside it, nor on how often it is asked.

mod conv2d;
mod linear;
mod max_pool2d;

use std::sync::Arc;

pub(crate) use conv2d::{Conv2d, ConvParts};
pub(crate) use linear::Linear;
pub(crate) use max_pool2d::MaxPool2d;

use crate::model::Model;
use crate::tensor::{TensorError, elements};

/// A worker's place at a model: its buffers, used again for every row.
#[derive(Debug)]
pub struct Session {
    model: Arc<Model>,
    front: Vec<f32>,
    back: Vec<f32>,
    scratch: Scratch,
}

impl Session {
    /// Makes the buffers for a model.
    #[must_use]
    pub fn new(model: Arc<Model>) -> Self {
        let sizes = model.sizes();
        Self {
            front: vec![0.0; sizes.activations],
            back: vec![0.0; sizes.activations],
            scratch: Scratch {
                padded: vec![0.0; sizes.padded],
                panel: vec![[0.0; conv2d::PIXELS]; sizes.taps],
            },
            model,
        }
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The outputs for `rows` inputs that lie one after another.
    ///
    /// # Errors
    /// The count is wrong, a number is not finite, or the result isn't.
    pub fn run(&mut self, input: &[f32], rows: usize) -> Result<Vec<f32>, RunError> {
        let model = Arc::clone(&self.model);
        let row_in = model.input().row_elements();
        let row_out = model.output().row_elements();
        let want = elements(&[rows, row_in]).map_err(RunError::TooLarge)?;
        let size_out = elements(&[rows, row_out]).map_err(RunError::TooLarge)?;
        if rows == 0 || input.len() != want {
            let got = input.len();
            return Err(RunError::Count { rows, row_in, got });
        }
        let mut output = Vec::with_capacity(size_out);
        for row in input.chunks_exact(row_in) {
            output.extend_from_slice(self.run_row(row)?);
        }
        Ok(output)
    }

    /// The output for one input, which is there until the next is run.
    ///
    /// # Errors
    /// The count is wrong, a number is not finite, or the result isn't.
    pub fn run_row(&mut self, row: &[f32]) -> Result<&[f32], RunError> {
        let model = Arc::clone(&self.model);
        let (row_in, got) = (model.input().row_elements(), row.len());
        if got != row_in {
            let rows = 1;
            return Err(RunError::Count { rows, row_in, got });
        }
        if !row.iter().all(|value| value.is_finite()) {
            return Err(RunError::InputNotFinite);
        }
        let output = self.compute(&model, row);
        if output.iter().all(|value| value.is_finite()) {
            Ok(output)
        } else {
            Err(RunError::OutputNotFinite)
        }
    }

    /// How much memory the buffers for a model take, in bytes.
    #[must_use]
    pub fn memory_bytes(model: &Model) -> usize {
        let sizes = model.sizes();
        let numbers = 2 * sizes.activations + sizes.padded + sizes.taps * conv2d::PIXELS;
        numbers * size_of::<f32>()
    }

    fn compute(&mut self, model: &Model, row: &[f32]) -> &[f32] {
        let mut size = row.len();
        self.front[..size].copy_from_slice(row);
        for step in model.steps() {
            if let Some(size_out) = step.size_out() {
                let input = &self.front[..size];
                step.run(input, &mut self.back[..size_out], &mut self.scratch);
                std::mem::swap(&mut self.front, &mut self.back);
                size = size_out;
            } else {
                step.run_in_place(&mut self.front[..size]);
            }
        }
        &self.front[..size]
    }
}

/// What a convolution needs besides input and output.
#[derive(Debug)]
pub(crate) struct Scratch {
    padded: Vec<f32>,
    panel: Vec<[f32; conv2d::PIXELS]>,
}

/// How large a session's buffers must be, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    pub(crate) activations: usize,
    pub(crate) padded: usize,
    pub(crate) taps: usize,
}

/// Planes of numbers, one after another, each row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planes {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// A layer with its weights, for an input of known shape.
#[derive(Debug)]
pub(crate) enum Step {
    Conv2d(Conv2d),
    Relu,
    MaxPool2d(MaxPool2d),
    Linear(Linear),
    Softmax,
}

impl Step {
    /// The size of the output, for the steps that have one of their own.
    const fn size_out(&self) -> Option<usize> {
        match self {
            Self::Conv2d(conv2d) => Some(conv2d.size_out()),
            Self::MaxPool2d(pool) => Some(pool.size_out()),
            Self::Linear(linear) => Some(linear.size_out()),
            Self::Relu | Self::Softmax => None,
        }
    }

    fn run(&self, input: &[f32], output: &mut [f32], scratch: &mut Scratch) {
        match self {
            Self::Conv2d(conv2d) => conv2d.run(input, output, scratch),
            Self::MaxPool2d(pool) => pool.run(input, output),
            Self::Linear(linear) => linear.run(input, output),
            Self::Relu | Self::Softmax => output.copy_from_slice(input),
        }
    }

    fn run_in_place(&self, values: &mut [f32]) {
        match self {
            Self::Relu => relu(values),
            Self::Softmax => softmax(values),
            Self::Conv2d(_) | Self::MaxPool2d(_) | Self::Linear(_) => {}
        }
    }
}

/// Keeps what is not a number, so that an overflow before it is seen at the end.
fn relu(values: &mut [f32]) {
    for value in values {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

fn softmax(values: &mut [f32]) {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in &mut *values {
        *value = (*value - largest).exp();
    }
    let total: f32 = values.iter().sum();
    for value in values {
        *value /= total;
    }
}

/// Why a model gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// More than one tensor may hold.
    #[error("the batch is too large")]
    TooLarge(#[source] TensorError),
    /// Not as many numbers as the rows need.
    #[error("{rows} rows of {row_in} numbers were announced, but {got} numbers came")]
    Count {
        /// How many rows were announced.
        rows: usize,
        /// How many numbers a row has.
        row_in: usize,
        /// How many numbers came.
        got: usize,
    },
    /// An infinite or undefined number in the input.
    #[error("the input holds a number that is not finite")]
    InputNotFinite,
    /// The arithmetic overflowed: the input is far outside what the model was made for.
    #[error("the output is not finite; the input is far outside what the model was made for")]
    OutputNotFinite,
}

#[cfg(test)]
mod tests;
