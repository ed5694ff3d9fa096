//! The file as it is written; it becomes an [`Architecture`](super::Architecture) only when it holds together.

use serde::Deserialize;

use super::{ArchitectureError as Error, LAYERS_MAX, NAME_BYTES_MAX, STEP_MAX};
use crate::picture::{GreyPicture, SIDE_MAX};
use crate::tensor::{Datatype, TensorSpec, elements};

const FORMAT: &str = "modelward-architecture/v1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Architecture {
    format: String,
    name: String,
    input: Input,
    output: Output,
    preprocessing: Option<Preprocessing>,
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    labels: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Preprocessing {
    GreyImage {
        width: usize,
        height: usize,
        mean: f32,
        deviation: f32,
    },
}

/// Layers without fields are written `{}` here because a unit variant would let unknown keys pass.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Layer {
    Conv2d {
        weight: String,
        bias: String,
        #[serde(default)]
        padding: usize,
        #[serde(default = "one")]
        stride: usize,
    },
    Relu {},
    MaxPool2d {
        size: usize,
    },
    Flatten {},
    Linear {
        weight: String,
        bias: String,
    },
    Softmax {},
}

const fn one() -> usize {
    1
}

impl TryFrom<Architecture> for super::Architecture {
    type Error = Error;

    fn try_from(file: Architecture) -> Result<Self, Error> {
        if file.format != FORMAT {
            return Err(Error::Format(file.format));
        }
        if !(1..=LAYERS_MAX).contains(&file.layers.len()) {
            return Err(Error::Layers(file.layers.len()));
        }
        let input = spec(
            "input.name",
            file.input.name,
            &file.input.datatype,
            &file.input.shape,
        )?;
        let output = file.output;
        let labels = output.labels;
        let output = spec("output.name", output.name, &output.datatype, &output.shape)?;
        let layers = file.layers.into_iter().enumerate();
        Ok(Self {
            name: name("name", file.name)?,
            labels: labels.map_or(Ok(vec![]), |labels| checked_labels(labels, &output))?,
            preprocessing: file
                .preprocessing
                .map(|kind| picture(&kind, &input))
                .transpose()?,
            layers: layers
                .map(|(at, layer)| checked_layer(at, layer))
                .collect::<Result<_, _>>()?,
            input,
            output,
        })
    }
}

fn spec(
    field: &'static str,
    text: String,
    datatype: &str,
    shape: &[i64],
) -> Result<TensorSpec, Error> {
    let name = name(field, text)?;
    if datatype.parse() != Ok(Datatype::Fp32) {
        let datatype = datatype.to_owned();
        return Err(Error::Datatype { name, datatype });
    }
    let row = match shape {
        [-1, row @ ..] if row.len() == 1 || row.len() == 3 => row,
        _ => &[],
    };
    let row: Vec<usize> = row
        .iter()
        .filter_map(|size| usize::try_from(*size).ok().filter(|size| *size > 0))
        .collect();
    if row.is_empty() || row.len() + 1 != shape.len() {
        let shape = shape.to_vec();
        return Err(Error::Shape { name, shape });
    }
    match elements(&row) {
        Ok(_) => Ok(TensorSpec {
            name,
            datatype: Datatype::Fp32,
            row,
        }),
        Err(source) => Err(Error::TooLarge { name, source }),
    }
}

fn name(field: &'static str, text: String) -> Result<String, Error> {
    let is_good = (1..=NAME_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'/\\`".contains(&byte));
    if is_good {
        Ok(text)
    } else {
        Err(Error::Name { field })
    }
}

fn checked_labels(labels: Vec<String>, output: &TensorSpec) -> Result<Vec<String>, Error> {
    let (want, got) = (output.row_elements(), labels.len());
    if want == got {
        Ok(labels)
    } else {
        Err(Error::Labels { want, got })
    }
}

fn picture(kind: &Preprocessing, input: &TensorSpec) -> Result<GreyPicture, Error> {
    let Preprocessing::GreyImage {
        width,
        height,
        mean,
        deviation,
    } = *kind;
    let row = [1, height, width];
    if input.row != row {
        return Err(Error::Picture {
            picture: row,
            input: input.row.clone(),
        });
    }
    let side_max = width.max(height);
    if side_max > SIDE_MAX as usize {
        return Err(Error::PictureSide(side_max));
    }
    GreyPicture::new(width, height, mean, deviation).ok_or(Error::Normalisation)
}

fn checked_layer(layer: usize, written: Layer) -> Result<super::Layer, Error> {
    let within = |field, value: usize, least: usize| {
        if (least..=STEP_MAX).contains(&value) {
            Ok(value)
        } else {
            Err(Error::Step {
                layer,
                field,
                value,
            })
        }
    };
    Ok(match written {
        Layer::Conv2d {
            weight,
            bias,
            padding,
            stride,
        } => super::Layer::Conv2d {
            weight: name("weight", weight)?,
            bias: name("bias", bias)?,
            padding: within("padding", padding, 0)?,
            stride: within("stride", stride, 1)?,
        },
        Layer::Relu {} => super::Layer::Relu,
        Layer::MaxPool2d { size } => super::Layer::MaxPool2d {
            size: within("size", size, 1)?,
        },
        Layer::Flatten {} => super::Layer::Flatten,
        Layer::Linear { weight, bias } => super::Layer::Linear {
            weight: name("weight", weight)?,
            bias: name("bias", bias)?,
        },
        Layer::Softmax {} => super::Layer::Softmax,
    })
}
