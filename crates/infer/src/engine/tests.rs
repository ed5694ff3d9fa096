use super::*;
use crate::fixture::{DIGITS, Sequence, Tensor, digits, model};

/// The definition of each layer, in `f64` and by loops over it.
mod naive {
    pub(super) type Planes = Vec<Vec<Vec<f64>>>;

    pub(super) fn planes(values: &[f64], height: usize, width: usize) -> Planes {
        let rows: Vec<Vec<f64>> = values.chunks(width).map(<[f64]>::to_vec).collect();
        rows.chunks(height).map(<[_]>::to_vec).collect()
    }

    pub(super) fn flat(planes: &Planes) -> Vec<f64> {
        planes.iter().flatten().flatten().copied().collect()
    }

    pub(super) struct Kernel<'a> {
        pub(super) shape: &'a [usize],
        pub(super) weights: &'a [f32],
        pub(super) biases: &'a [f32],
        pub(super) padding: usize,
        pub(super) stride: usize,
    }

    pub(super) fn conv2d(input: &Planes, kernel: &Kernel<'_>) -> Planes {
        let [out, channels, kernel_height, kernel_width] = *kernel.shape else {
            panic!()
        };
        let (height, width) = (input[0].len(), input[0][0].len());
        let (pad, stride) = (kernel.padding, kernel.stride);
        let at = |c: usize, y: usize, x: usize| {
            let inside = y >= pad && x >= pad && y - pad < height && x - pad < width;
            if inside {
                input[c][y - pad][x - pad]
            } else {
                0.0
            }
        };
        let sum = |o: usize, top: usize, left: usize| {
            let mut sum = f64::from(kernel.biases[o]);
            for c in 0..channels {
                for y in 0..kernel_height {
                    for x in 0..kernel_width {
                        let tap = ((o * channels + c) * kernel_height + y) * kernel_width + x;
                        sum += f64::from(kernel.weights[tap]) * at(c, top + y, left + x);
                    }
                }
            }
            sum
        };
        let rows = (height + 2 * pad - kernel_height) / stride + 1;
        let columns = (width + 2 * pad - kernel_width) / stride + 1;
        let row = |o, y| {
            (0..columns)
                .map(|x| sum(o, y * stride, x * stride))
                .collect()
        };
        (0..out)
            .map(|o| (0..rows).map(|y| row(o, y)).collect())
            .collect()
    }

    pub(super) fn max_pool2d(input: &Planes, size: usize) -> Planes {
        let largest = |plane: &Vec<Vec<f64>>, top: usize, left: usize| {
            let window = (top..top + size).flat_map(|y| (left..left + size).map(move |x| (y, x)));
            window
                .map(|(y, x)| plane[y][x])
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let pooled = |plane: &Vec<Vec<f64>>| {
            let (rows, columns) = (plane.len() / size, plane[0].len() / size);
            let row = |y| {
                (0..columns)
                    .map(|x| largest(plane, y * size, x * size))
                    .collect()
            };
            (0..rows).map(row).collect()
        };
        input.iter().map(pooled).collect()
    }

    pub(super) fn linear(input: &[f64], weights: &[f32], biases: &[f32]) -> Vec<f64> {
        let rows = weights.chunks(input.len()).zip(biases);
        rows.map(|(row, bias)| {
            let products = row
                .iter()
                .zip(input)
                .map(|(weight, value)| f64::from(*weight) * value);
            f64::from(*bias) + products.sum::<f64>()
        })
        .collect()
    }

    pub(super) fn softmax(input: &[f64]) -> Vec<f64> {
        let total: f64 = input.iter().map(|value| value.exp()).sum();
        input.iter().map(|value| value.exp() / total).collect()
    }
}

fn close(got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!(
            (f64::from(*got) - want).abs() <= 1e-4,
            "{got} is not {want}"
        );
    }
}

/// Convolution, pooling and softmax with sizes that fit no block: the engine's answer is the definition's.
#[test]
fn agrees_with_the_definition_on_odd_sizes() {
    for (seed, (shape, height, width, padding, stride, size)) in [
        ([1, 1, 1, 1], 1, 1, 0, 1, 1),
        ([3, 2, 3, 3], 7, 5, 0, 1, 1),
        ([4, 1, 3, 3], 9, 8, 1, 1, 2),
        ([5, 3, 3, 2], 11, 13, 2, 1, 3),
        ([9, 2, 5, 1], 12, 6, 1, 2, 2),
        ([2, 4, 2, 3], 10, 17, 3, 3, 1),
        ([6, 1, 4, 4], 4, 4, 0, 4, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let mut sequence = Sequence(seed as u64);
        let kernel = sequence.tensor("k", &shape, 0.5);
        let biases = sequence.tensor("kb", &shape[..1], 0.5);
        let input = sequence.take(shape[1] * height * width, 1.0);
        let wide: Vec<f64> = input.iter().map(|value| f64::from(*value)).collect();
        let parts = naive::Kernel {
            shape: &shape,
            weights: &kernel.values,
            biases: &biases.values,
            padding,
            stride,
        };
        let planes = naive::conv2d(&naive::planes(&wide, height, width), &parts);
        let planes = naive::max_pool2d(&planes, size);
        let row: Vec<f64> = naive::flat(&planes)
            .iter()
            .map(|value| value.max(0.0))
            .collect();
        let matrix = sequence.tensor("m", &[3, row.len()], 0.5);
        let offsets = sequence.tensor("mb", &[3], 0.5);
        let want = naive::softmax(&naive::linear(&row, &matrix.values, &offsets.values));
        let text = odd(shape[1], height, width, padding, stride, size);
        let model = model(&[kernel, biases, matrix, offsets], &text).unwrap();
        close(&Session::new(model).run(&input, 1).unwrap(), &want);
    }
}

fn odd(
    channels: usize,
    height: usize,
    width: usize,
    padding: usize,
    stride: usize,
    size: usize,
) -> String {
    format!(
        r#"{{"format": "modelward-architecture/v1", "name": "odd",
            "input": {{"name": "in", "datatype": "FP32", "shape": [-1, {channels}, {height}, {width}]}},
            "output": {{"name": "out", "datatype": "FP32", "shape": [-1, 3]}},
            "layers": [
                {{"op": "conv2d", "weight": "k", "bias": "kb", "padding": {padding}, "stride": {stride}}},
                {{"op": "max_pool2d", "size": {size}}}, {{"op": "relu"}}, {{"op": "flatten"}},
                {{"op": "linear", "weight": "m", "bias": "mb"}}, {{"op": "softmax"}}]}}"#
    )
}

#[test]
fn agrees_with_the_definition_on_the_digit_classifier() {
    let (tensors, mut sequence) = digits(7);
    let input = sequence.take(784, 1.0);
    let wide: Vec<f64> = input.iter().map(|value| f64::from(*value)).collect();
    let model = model(&tensors, DIGITS).unwrap();
    close(
        &Session::new(model).run(&input, 1).unwrap(),
        &naive_digits(&tensors, &wide),
    );
}

fn naive_digits(tensors: &[Tensor], input: &[f64]) -> Vec<f64> {
    let mut planes = naive::planes(input, 28, 28);
    for pair in tensors[..4].chunks(2) {
        let kernel = naive::Kernel {
            shape: &pair[0].shape,
            weights: &pair[0].values,
            biases: &pair[1].values,
            padding: 1,
            stride: 1,
        };
        planes = naive::max_pool2d(&naive::conv2d(&planes, &kernel), 2);
        planes
            .iter_mut()
            .flatten()
            .flatten()
            .for_each(|value| *value = value.max(0.0));
    }
    let mut row = naive::linear(
        &naive::flat(&planes),
        &tensors[4].values,
        &tensors[5].values,
    );
    row.iter_mut().for_each(|value| *value = value.max(0.0));
    naive::linear(&row, &tensors[6].values, &tensors[7].values)
}

/// `testdata/golden.json` was computed by `testdata/golden.py`, which shares no line with this crate.
#[test]
fn agrees_with_the_golden_answer() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/golden.json")).unwrap();
    let (tensors, mut sequence) = digits(golden["seed"].as_u64().unwrap());
    let input = sequence.take(784, 1.0);
    let logits = golden["logits"].as_array().unwrap();
    let want: Vec<f64> = logits.iter().map(|logit| logit.as_f64().unwrap()).collect();
    let mut session = Session::new(model(&tensors, DIGITS).unwrap());
    close(&session.run(&input, 1).unwrap(), &want);
}

#[test]
fn rows_do_not_depend_on_each_other_or_on_time() {
    let (tensors, mut sequence) = digits(8);
    let rows = 5;
    let input = sequence.take(rows * 784, 2.0);
    let model = model(&tensors, DIGITS).unwrap();
    let mut session = Session::new(Arc::clone(&model));
    let together = session.run(&input, rows).unwrap();
    assert_eq!(session.run(&input, rows).unwrap(), together);
    for (row, want) in input.chunks(784).zip(together.chunks(10)) {
        assert_eq!(session.run(row, 1).unwrap(), want);
        assert_eq!(Session::new(Arc::clone(&model)).run(row, 1).unwrap(), want);
    }
}

#[test]
fn refuses_other_counts_and_numbers_that_are_none() {
    let (tensors, mut sequence) = digits(9);
    let mut session = Session::new(model(&tensors, DIGITS).unwrap());
    let mut input = sequence.take(784, 1.0);
    for (rows, size) in [(0, 0), (0, 784), (1, 783), (2, 784)] {
        let refused = session.run(&input[..size], rows);
        assert!(
            matches!(refused, Err(RunError::Count { .. })),
            "{rows} {size}"
        );
    }
    assert!(matches!(
        session.run(&input, usize::MAX),
        Err(RunError::TooLarge(_))
    ));
    for value in [f32::NAN, f32::INFINITY] {
        input[300] = value;
        assert_eq!(session.run(&input, 1), Err(RunError::InputNotFinite));
    }
}

#[test]
fn says_when_the_arithmetic_overflows() {
    let (tensors, _) = digits(10);
    let mut session = Session::new(model(&tensors, DIGITS).unwrap());
    let huge = [f32::MAX, -f32::MAX].repeat(392);
    assert_eq!(session.run(&huge, 1), Err(RunError::OutputNotFinite));
    assert!(session.run(&[0.5; 784], 1).is_ok());
}

#[test]
fn keeps_what_is_not_a_number() {
    let mut values = [f32::NAN, -1.0, 2.0];
    relu(&mut values);
    assert!(values[0].is_nan() && values[1..] == [0.0, 2.0]);
}
