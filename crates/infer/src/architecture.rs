//! The architecture file: what a model's weights mean. It is small, declarative and signed with the weights.
//!
//! ```json
//! {"format": "modelward-architecture/v1", "name": "digits",
//!  "input": {"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]},
//!  "output": {"name": "logits", "datatype": "FP32", "shape": [-1, 10], "labels": ["0", "..."]},
//!  "preprocessing": {"kind": "grey-image", "width": 28, "height": 28, "mean": 0.1307, "deviation": 0.3081},
//!  "layers": [{"op": "conv2d", "weight": "conv1.weight", "bias": "conv1.bias", "padding": 1, "stride": 1},
//!             {"op": "relu"}, {"op": "max_pool2d", "size": 2}, {"op": "flatten"},
//!             {"op": "linear", "weight": "fc1.weight", "bias": "fc1.bias"}, {"op": "softmax"}]}
//! ```
//! `labels`, `preprocessing`, `padding` (0) and `stride` (1) may be left out. Weights lie as torch lays them:
//! `[out, in, height, width]` for `conv2d`, `[out, in]` for `linear`.

mod wire;

use crate::picture::{GreyPicture, SIDE_MAX};
use crate::tensor::{TensorError, TensorSpec};

/// The longest architecture file, in bytes.
pub const SIZE_BYTES_MAX: usize = 1 << 20;
/// The most layers.
pub const LAYERS_MAX: usize = 256;
/// The longest name of a model or a tensor, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// The largest padding, stride and pooling size.
pub const STEP_MAX: usize = 64;

/// The layers of a model, what goes in and what comes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    name: String,
    input: TensorSpec,
    output: TensorSpec,
    labels: Vec<String>,
    preprocessing: Option<GreyPicture>,
    layers: Vec<Layer>,
}

impl Architecture {
    /// Reads an architecture file.
    ///
    /// # Errors
    /// The file is not strict JSON, has an unknown key or operation, or contradicts itself or a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, ArchitectureError> {
        let limits = decode::json::Limits {
            size_bytes_max: SIZE_BYTES_MAX,
            depth_max: 8,
        };
        let file: wire::Architecture = decode::json::from_slice(bytes, limits)?;
        file.try_into()
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the model takes.
    #[must_use]
    pub const fn input(&self) -> &TensorSpec {
        &self.input
    }

    /// What the model gives.
    #[must_use]
    pub const fn output(&self) -> &TensorSpec {
        &self.output
    }

    /// The names of the classes, in the order of the output; empty when the file names none.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// How a picture becomes an input, when the model takes pictures.
    #[must_use]
    pub const fn preprocessing(&self) -> Option<&GreyPicture> {
        self.preprocessing.as_ref()
    }

    /// The layers, first to last.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

/// One layer, with the names of its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Cross-correlation over planes, as torch's `Conv2d`.
    Conv2d {
        /// The tensor `[out, in, height, width]`.
        weight: String,
        /// The tensor `[out]`.
        bias: String,
        /// Zeros added on each side.
        padding: usize,
        /// The step between windows.
        stride: usize,
    },
    /// Negative numbers become zero.
    Relu,
    /// The largest of each window of `size` by `size`; a rest at the edge is dropped.
    MaxPool2d {
        /// Side and step of the window.
        size: usize,
    },
    /// Planes become one row.
    Flatten,
    /// A matrix and a bias, as torch's `Linear`.
    Linear {
        /// The tensor `[out, in]`.
        weight: String,
        /// The tensor `[out]`.
        bias: String,
    },
    /// Numbers become probabilities.
    Softmax,
}

impl Layer {
    /// The name of the operation in the file.
    #[must_use]
    pub const fn op(&self) -> &'static str {
        match self {
            Self::Conv2d { .. } => "conv2d",
            Self::Relu => "relu",
            Self::MaxPool2d { .. } => "max_pool2d",
            Self::Flatten => "flatten",
            Self::Linear { .. } => "linear",
            Self::Softmax => "softmax",
        }
    }
}

/// Why an architecture file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// Not JSON of the right shape.
    #[error("the architecture file can't be read")]
    Json(#[from] decode::json::Error),
    /// Another format.
    #[error(
        "the architecture file has the format `{0}`; this engine reads `modelward-architecture/v1`"
    )]
    Format(String),
    /// A name that is empty, too long, or of other characters.
    #[error(
        "`{field}` must be 1 to {NAME_BYTES_MAX} printable ASCII characters without space, quote, slash or backslash"
    )]
    Name {
        /// The field.
        field: &'static str,
    },
    /// A datatype that the engine doesn't compute with.
    #[error("`{name}` has the datatype `{datatype}`; this engine computes with FP32")]
    Datatype {
        /// The tensor.
        name: String,
        /// Its datatype.
        datatype: String,
    },
    /// A shape that the engine has no use for.
    #[error("`{name}` must have a shape of -1 and one or three sizes from 1 on, not {shape:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<i64>,
    },
    /// A row that is too large.
    #[error("a row of `{name}` is too large")]
    TooLarge {
        /// The tensor.
        name: String,
        /// By how much.
        #[source]
        source: TensorError,
    },
    /// As many labels as classes are needed.
    #[error("there are {got} labels for {want} classes")]
    Labels {
        /// How many classes there are.
        want: usize,
        /// How many labels there are.
        got: usize,
    },
    /// The picture isn't what the input takes.
    #[error("`preprocessing` makes the row {picture:?}, but the input takes {input:?}")]
    Picture {
        /// The row that a picture becomes.
        picture: [usize; 3],
        /// The row that the input takes.
        input: Vec<usize>,
    },
    /// The picture is larger than any that is read.
    #[error("`preprocessing` makes a picture with a side of {0}, more than the {SIDE_MAX} allowed")]
    PictureSide(usize),
    /// Numbers that make no finite input.
    #[error("`mean` and `deviation` must be finite, and `deviation` far enough above zero")]
    Normalisation,
    /// No layers or too many.
    #[error("there are {0} layers; there must be 1 to {LAYERS_MAX}")]
    Layers(usize),
    /// A padding, stride or size out of range.
    #[error("layer {layer}: `{field}` is {value}, out of its range up to {STEP_MAX}")]
    Step {
        /// The layer, from 0.
        layer: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        value: usize,
    },
}

#[cfg(test)]
mod tests;
