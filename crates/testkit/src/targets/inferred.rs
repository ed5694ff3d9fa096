//! Architectures, pictures and tensors.

use std::sync::LazyLock;

use decode::json::{self, Limits};
use infer::architecture::{Architecture, LAYERS_MAX};
use infer::picture::GreyPicture;
use infer::tensor::{ELEMENTS_MAX, elements, floats_from_bytes, floats_from_json};

use super::texts;
use crate::files;

/// A model that takes pictures of 4 by 3.
const SMALL: &str = r#"{"format":"modelward-architecture/v1","name":"small",
"input":{"name":"image","datatype":"FP32","shape":[-1,1,3,4]},
"output":{"name":"logits","datatype":"FP32","shape":[-1,2],"labels":["no","yes"]},
"preprocessing":{"kind":"grey-image","width":4,"height":3,"mean":0.5,"deviation":0.25},
"layers":[{"op":"conv2d","weight":"c.weight","bias":"c.bias","padding":1,"stride":1},{"op":"relu"},
{"op":"max_pool2d","size":2},{"op":"flatten"},{"op":"linear","weight":"f.weight","bias":"f.bias"},{"op":"softmax"}]}"#;

/// What is accepted keeps its limits and doesn't contradict itself.
pub(super) fn architecture(bytes: &[u8]) {
    let Ok(architecture) = Architecture::parse(bytes) else {
        return;
    };
    assert!((1..=LAYERS_MAX).contains(&architecture.layers().len()));
    assert!(!architecture.name().is_empty());
    let (input, output) = (architecture.input(), architecture.output());
    for spec in [input, output] {
        assert!((1..=ELEMENTS_MAX).contains(&spec.row_elements()));
    }
    let labels = architecture.labels().len();
    assert!(labels == 0 || labels == output.row_elements());
    if let Some(picture) = architecture.preprocessing() {
        assert_eq!(picture.width() * picture.height(), input.row_elements());
    }
}

pub(super) fn architecture_seeds() -> Vec<Vec<u8>> {
    let flat = r#"{"format":"modelward-architecture/v1","name":"x","input":{"name":"a","datatype":"FP32","shape":[-1,8]},"output":{"name":"b","datatype":"FP32","shape":[-1,8]},"layers":[{"op":"relu"}]}"#;
    texts(&[SMALL, flat])
}

/// The picture as it is, and with its checksums put right: few changes leave them right.
pub(super) fn picture(bytes: &[u8]) {
    read_picture(bytes);
    read_picture(&files::png_with_right_checksums(bytes));
}

/// What is accepted becomes a row of the model's size, all of it finite.
fn read_picture(bytes: &[u8]) {
    static PICTURE: LazyLock<Option<GreyPicture>> = LazyLock::new(|| {
        Architecture::parse(SMALL.as_bytes())
            .ok()?
            .preprocessing()
            .copied()
    });
    let picture = PICTURE.as_ref().expect("the architecture takes pictures");
    if let Ok(row) = picture.row(bytes) {
        assert_eq!(row.len(), 12);
        assert!(row.iter().all(|level| (-2.0..=2.0).contains(level)));
    }
}

pub(super) fn picture_seeds() -> Vec<Vec<u8>> {
    let theirs: [&[u8]; 5] = [
        include_bytes!("../../../infer/testdata/pictures/grey8-1x1.png"),
        include_bytes!("../../../infer/testdata/pictures/edges-100x90.png"),
        include_bytes!("../../../infer/testdata/pictures/palette1-28x28.png"),
        include_bytes!("../../../infer/testdata/pictures/palette4-29x29.png"),
        include_bytes!("../../../infer/testdata/pictures/grey2-31x30.png"),
    ];
    let mut seeds = theirs.map(<[u8]>::to_vec).to_vec();
    seeds.push(files::png(2, 2, &[0, 1, 2, 1, 3, 4]));
    // Says it is wide, and unpacks to little.
    seeds.push(files::png(4096, 4096, &[0; 4097]));
    seeds
}

/// A shape (its rank, then its sizes) and data, in JSON and raw: what is accepted has the shape's size and is finite.
pub(super) fn tensor(bytes: &[u8]) {
    let Some((rank, rest)) = bytes.split_first() else {
        return;
    };
    let Some((sizes, data)) = rest.split_at_checked(usize::from(*rank)) else {
        return;
    };
    let shape: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
    let mut floats = Vec::new();
    if let Ok(data) = json::checked(data, Limits::SMALL) {
        let read = floats_from_json(data, &shape, |number| floats.push(number));
        judge(&shape, &floats, read.is_ok());
    }
    floats.clear();
    let read = floats_from_bytes(data, &shape, |number| floats.push(number));
    judge(&shape, &floats, read.is_ok());
}

fn judge(shape: &[usize], floats: &[f32], is_whole: bool) {
    assert!(floats.iter().all(|value| value.is_finite()));
    let most = elements(shape).unwrap_or(0);
    assert!(floats.len() <= most && (floats.len() == most || !is_whole));
}

pub(super) fn tensor_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        (&[2, 2, 2][..], "[1,2.5,-3e2,4]"),
        (&[2, 2, 2], "[[1,2],[3,4]]"),
        (&[3, 1, 2, 1], "[[[1],[2]]]"),
        (&[1, 1], "[1e39]"),
        (&[0], "[7]"),
    ]
    .map(|(shape, data)| [shape, data.as_bytes()].concat())
    .to_vec();
    seeds.push([&[1, 2][..], &1.5_f32.to_le_bytes(), &2_f32.to_le_bytes()].concat());
    seeds.push([&[1, 1][..], &f32::NAN.to_le_bytes()].concat());
    seeds
}
