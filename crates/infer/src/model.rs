//! Verified weights and a verified architecture to a model, or the reason why they are none.
//!
//! [`Model::load`] is the only way in: there is no model of bytes that nobody vouched for. Every shape is inferred and every limit checked before anything of that size is allocated. The weights are copied
//! once, into the order in which the engine reads them; the file's bytes may be dropped afterwards.

mod weights;

use digest::{Digest, Sealed};
use trust::{Proof, Verified};

use crate::architecture::{Architecture, ArchitectureError, Layer};
use crate::engine::{Conv2d, ConvParts, Linear, MaxPool2d, Planes, Sizes, Step};
use crate::picture::GreyPicture;
use crate::tensor::TensorSpec;
use weights::Weights;

/// The most parameters, all layers together: 48 MiB of `F32`. While a model is loaded its file and its weights are both
/// held, and a server shall never need more than the model and 64 MiB.
pub const PARAMETERS_MAX: usize = 12 << 20;
/// The most numbers between two layers, and in each buffer of a session: 16 MiB of `F32`, four buffers at most.
pub const ACTIVATIONS_MAX: usize = 4 << 20;

/// A model that is ready to run: immutable, and shared by as many sessions as there are workers.
#[derive(Debug)]
pub struct Model {
    architecture: Architecture,
    steps: Vec<Step>,
    sizes: Sizes,
    parameters: usize,
    digest: Digest,
    proof: Proof,
}

impl Model {
    /// Joins weights (a safetensors file) and their architecture.
    ///
    /// # Errors
    /// They were not admitted together, the architecture can't be read, or the weights are not exactly those that the
    /// layers name, in `F32`, finite, of the right shapes and within the limits.
    pub fn load(
        weights: &Verified<Sealed>,
        architecture: &Verified<Sealed>,
    ) -> Result<Self, LoadError> {
        // Two files that are each admitted may still be of two models.
        if weights.proof().bundle != architecture.proof().bundle {
            return Err(LoadError::Mixed);
        }
        let architecture = Architecture::parse(architecture.value())?;
        let mut builder = Builder::new(Weights::read(weights.value())?, architecture.input())?;
        let mut steps = Vec::new();
        for (at, layer) in architecture.layers().iter().enumerate() {
            builder.at = at;
            steps.extend(builder.step(layer)?);
        }
        let got = builder.shape.row();
        if got != architecture.output().row {
            let want = architecture.output().row.clone();
            return Err(LoadError::Output { want, got });
        }
        Ok(Self {
            steps,
            sizes: builder.sizes,
            parameters: builder.weights.finish()?,
            digest: weights.value().digest(),
            proof: weights.proof().clone(),
            architecture,
        })
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.architecture.name()
    }

    /// What the model takes.
    #[must_use]
    pub const fn input(&self) -> &TensorSpec {
        self.architecture.input()
    }

    /// What the model gives.
    #[must_use]
    pub const fn output(&self) -> &TensorSpec {
        self.architecture.output()
    }

    /// The names of the classes, in the order of the output; empty when the architecture names none.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        self.architecture.labels()
    }

    /// How a picture becomes an input, when the model takes pictures.
    #[must_use]
    pub const fn preprocessing(&self) -> Option<&GreyPicture> {
        self.architecture.preprocessing()
    }

    /// How many parameters the model has.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        self.parameters
    }

    /// The digest of the weights that this model computes with.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How we know that this is the model to run.
    #[must_use]
    pub const fn proof(&self) -> &Proof {
        &self.proof
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) const fn sizes(&self) -> Sizes {
        self.sizes
    }
}

/// What flows between two layers.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Planes(Planes),
    Flat(usize),
}

impl Shape {
    fn of(spec: &TensorSpec) -> Self {
        match *spec.row() {
            [channels, height, width] => Self::Planes(Planes {
                channels,
                height,
                width,
            }),
            _ => Self::Flat(spec.row_elements()),
        }
    }

    fn row(self) -> Vec<usize> {
        match self {
            Self::Planes(planes) => vec![planes.channels, planes.height, planes.width],
            Self::Flat(size) => vec![size],
        }
    }
}

/// Walks the layers, with the shape that flows into the next one.
struct Builder<'a> {
    weights: Weights<'a>,
    at: usize,
    shape: Shape,
    sizes: Sizes,
}

impl<'a> Builder<'a> {
    fn new(weights: Weights<'a>, input: &TensorSpec) -> Result<Self, LoadError> {
        let mut builder = Self {
            weights,
            at: 0,
            shape: Shape::of(input),
            sizes: Sizes::default(),
        };
        builder.sizes.activations = builder.limited(&builder.shape.row())?;
        Ok(builder)
    }

    /// Flattening moves nothing, so it is no step of its own.
    fn step(&mut self, layer: &Layer) -> Result<Option<Step>, LoadError> {
        match (layer, self.shape) {
            (
                Layer::Conv2d {
                    weight,
                    bias,
                    padding,
                    stride,
                },
                Shape::Planes(input),
            ) => self
                .conv2d(input, weight, bias, *padding, *stride)
                .map(Some),
            (Layer::MaxPool2d { size }, Shape::Planes(input)) => {
                self.max_pool2d(input, *size).map(Some)
            }
            (Layer::Linear { weight, bias }, Shape::Flat(size_in)) => {
                self.linear(size_in, weight, bias).map(Some)
            }
            (Layer::Softmax, Shape::Flat(_)) => Ok(Some(Step::Softmax)),
            (Layer::Relu, _) => Ok(Some(Step::Relu)),
            (Layer::Flatten, shape) => {
                self.shape = Shape::Flat(shape.row().iter().product());
                Ok(None)
            }
            (Layer::Conv2d { .. } | Layer::MaxPool2d { .. }, Shape::Flat(_)) => {
                Err(self.misplaced(layer, "planes"))
            }
            (Layer::Linear { .. } | Layer::Softmax, Shape::Planes(_)) => {
                Err(self.misplaced(layer, "one flat row; put `flatten` before it"))
            }
        }
    }

    fn conv2d(
        &mut self,
        input: Planes,
        weight: &str,
        bias: &str,
        padding: usize,
        stride: usize,
    ) -> Result<Step, LoadError> {
        let channels_in = Some(input.channels);
        let (shape, weights) = self
            .weights
            .take(weight, &[None, channels_in, None, None])?;
        let [channels, _, kernel_height, kernel_width] = shape[..] else {
            return Err(self.window());
        };
        let (_, biases) = self.weights.take(bias, &[Some(channels)])?;
        // Neither can overflow: planes are limited, and so is the padding.
        let (height, width) = (input.height + 2 * padding, input.width + 2 * padding);
        let output = Planes {
            channels,
            height: self.windows(height, kernel_height, stride)?,
            width: self.windows(width, kernel_width, stride)?,
        };
        let padded = self.limited(&[input.channels, height, width])?;
        let taps = input.channels * kernel_height * kernel_width;
        self.limited(&[taps, ConvParts::PANEL_WIDTH])?;
        self.sizes.padded = self.sizes.padded.max(padded);
        self.sizes.taps = self.sizes.taps.max(taps);
        self.flows(Shape::Planes(output))?;
        let parts = ConvParts {
            input,
            output,
            kernel_height,
            kernel_width,
            padding,
            stride,
        };
        Ok(Step::Conv2d(Conv2d::new(&parts, &weights, &biases)))
    }

    fn max_pool2d(&mut self, input: Planes, size: usize) -> Result<Step, LoadError> {
        let output = Planes {
            channels: input.channels,
            height: self.windows(input.height, size, size)?,
            width: self.windows(input.width, size, size)?,
        };
        self.flows(Shape::Planes(output))?;
        Ok(Step::MaxPool2d(MaxPool2d::new(input, output, size)))
    }

    fn linear(&mut self, size_in: usize, weight: &str, bias: &str) -> Result<Step, LoadError> {
        let (shape, weights) = self.weights.take(weight, &[None, Some(size_in)])?;
        let (_, biases) = self.weights.take(bias, &[Some(shape[0])])?;
        self.flows(Shape::Flat(biases.len()))?;
        Ok(Step::Linear(Linear::new(size_in, weights, biases)))
    }

    fn flows(&mut self, shape: Shape) -> Result<(), LoadError> {
        let size = self.limited(&shape.row())?;
        self.sizes.activations = self.sizes.activations.max(size);
        self.shape = shape;
        Ok(())
    }

    fn limited(&self, sizes: &[usize]) -> Result<usize, LoadError> {
        sizes
            .iter()
            .try_fold(1_usize, |product, size| product.checked_mul(*size))
            .filter(|product| *product <= ACTIVATIONS_MAX)
            .ok_or(LoadError::Activations { layer: self.at })
    }

    fn windows(&self, size: usize, window: usize, stride: usize) -> Result<usize, LoadError> {
        let room = size.checked_sub(window).ok_or_else(|| self.window())?;
        Ok(room / stride + 1)
    }

    const fn window(&self) -> LoadError {
        LoadError::Window { layer: self.at }
    }

    const fn misplaced(&self, layer: &Layer, needs: &'static str) -> LoadError {
        LoadError::Misplaced {
            layer: self.at,
            op: layer.op(),
            needs,
        }
    }
}

/// Why weights and architecture are no model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Weights of one model with the architecture of another.
    #[error("the weights and the architecture were not admitted together")]
    Mixed,
    /// No architecture.
    #[error("the architecture is refused")]
    Architecture(#[from] ArchitectureError),
    /// No safetensors file.
    #[error("the weights can't be read")]
    Weights(#[from] decode::safetensors::Error),
    /// A tensor that a layer names.
    #[error("the weights have no tensor `{name}`")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// Tensors that no layer names.
    #[error("no layer uses the tensors {names:?}; an architecture must account for all weights")]
    Unused {
        /// The first few.
        names: Vec<String>,
    },
    /// A tensor that two layers name.
    #[error("two layers use the tensor `{name}`")]
    UsedTwice {
        /// The tensor.
        name: String,
    },
    /// Other numbers than the engine computes with.
    #[error("the tensor `{name}` has the datatype {dtype}; this engine computes with F32")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its datatype.
        dtype: &'static str,
    },
    /// Another shape than the layer needs.
    #[error("the tensor `{name}` must have the shape {want}, where * is free, not {got:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The shape that the layer needs.
        want: String,
        /// The shape it has.
        got: Vec<u64>,
    },
    /// An infinite or undefined weight.
    #[error("the tensor `{name}` holds a number that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// Too many weights.
    #[error("with `{name}` the model has more than the {PARAMETERS_MAX} parameters allowed")]
    Parameters {
        /// The tensor that went over the limit.
        name: String,
    },
    /// Too many numbers between layers.
    #[error("layer {layer} needs a buffer of more than the {ACTIVATIONS_MAX} numbers allowed")]
    Activations {
        /// The layer, from 0.
        layer: usize,
    },
    /// A window that is larger than the picture.
    #[error("layer {layer}: the window is larger than what it moves over")]
    Window {
        /// The layer, from 0.
        layer: usize,
    },
    /// A layer that doesn't follow from the one before.
    #[error("layer {layer}: `{op}` needs {needs}")]
    Misplaced {
        /// The layer, from 0.
        layer: usize,
        /// Its operation.
        op: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// The last layer gives another shape than the architecture promises.
    #[error("the architecture promises rows of shape {want:?}, but its layers give {got:?}")]
    Output {
        /// What is promised.
        want: Vec<usize>,
        /// What the layers give.
        got: Vec<usize>,
    },
}

#[cfg(test)]
mod tests;
