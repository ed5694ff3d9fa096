use super::*;
use crate::fixture::{DIGITS, Sequence, Tensor, admitted, digits, model, safetensors};

/// The digit classifier after one change to its weights.
fn changed(change: impl FnOnce(&mut Vec<Tensor>)) -> LoadError {
    let (mut tensors, _) = digits(1);
    assert!(model(&tensors, DIGITS).is_ok());
    change(&mut tensors);
    model(&tensors, DIGITS).unwrap_err()
}

/// The digit classifier after one change to its architecture.
fn rewritten(from: &str, to: &str) -> Result<(), LoadError> {
    assert!(DIGITS.contains(from), "{from}");
    let (tensors, _) = digits(1);
    model(&tensors, &DIGITS.replacen(from, to, 1)).map(drop)
}

/// A model of these layers over a row, which the output's shape may contradict.
fn small(tensors: &[Tensor], row: &str, layers: &str) -> LoadError {
    let text = format!(
        r#"{{"format": "modelward-architecture/v1", "name": "small",
            "input": {{"name": "in", "datatype": "FP32", "shape": [-1, {row}]}},
            "output": {{"name": "out", "datatype": "FP32", "shape": [-1, 1]}},
            "layers": [{layers}]}}"#
    );
    model(tensors, &text).unwrap_err()
}

#[test]
fn loads_the_digit_classifier() {
    let (tensors, _) = digits(1);
    let model = model(&tensors, DIGITS).unwrap();
    assert_eq!((model.name(), model.parameters()), ("digits", 421_642));
    assert_eq!(
        (model.labels().len(), model.output().row()),
        (10, &[10][..])
    );
    assert!(model.preprocessing().is_some());
}

#[test]
fn refuses_missing_extra_and_shared_tensors() {
    let error = changed(|tensors| drop(tensors.pop()));
    assert!(matches!(error, LoadError::Missing { name } if name == "fc2.bias"));
    let error = changed(|tensors| tensors.push(Sequence(2).tensor("backdoor", &[1], 1.0)));
    assert!(matches!(error, LoadError::Unused { names } if names == ["backdoor"]));
    let same = [
        Sequence(3).tensor("w", &[4], 1.0),
        Sequence(3).tensor("m", &[4, 4], 1.0),
    ];
    let error = small(
        &same,
        "4",
        r#"{"op": "linear", "weight": "m", "bias": "w"}, {"op": "linear", "weight": "m", "bias": "w"}"#,
    );
    assert!(matches!(error, LoadError::UsedTwice { name } if name == "m"));
}

#[test]
fn refuses_other_shapes_and_datatypes() {
    for (at, shape) in [
        (0, &[32, 3, 3, 1][..]),
        (0, &[288]),
        (1, &[32, 1]),
        (4, &[3136, 128]),
        (6, &[128, 10]),
        (7, &[1, 10]),
    ] {
        let error = changed(|tensors| tensors[at].shape = shape.to_vec());
        assert!(
            matches!(error, LoadError::Shape { .. }),
            "{shape:?}: {error}"
        );
    }
    for dtype in ["I32", "U32"] {
        let error = changed(|tensors| tensors[0].dtype = dtype);
        assert!(matches!(error, LoadError::Dtype { .. }), "{dtype}");
    }
}

#[test]
fn refuses_weights_that_are_not_finite() {
    for (at, value) in [(0, f32::NAN), (3, f32::INFINITY), (7, f32::NEG_INFINITY)] {
        let error = changed(|tensors| *tensors[at].values.last_mut().unwrap() = value);
        assert!(matches!(error, LoadError::NotFinite { .. }), "{value}");
    }
}

#[test]
fn refuses_files_that_are_no_safetensors() {
    let (tensors, _) = digits(1);
    let refused = |bytes: &[u8]| {
        let (weights, architecture) = admitted(bytes, DIGITS);
        matches!(
            Model::load(&weights, &architecture),
            Err(LoadError::Weights(_))
        )
    };
    let whole = safetensors(&tensors);
    assert!(!refused(&whole));
    for size in [0, 7, 8, 100, whole.len() - 1] {
        assert!(refused(&whole[..size]), "{size}");
    }
    assert!(refused(&[&whole[..], b"\0"].concat()));
}

#[test]
fn refuses_two_files_that_were_not_admitted_together() {
    let (tensors, _) = digits(1);
    let (weights, architecture) = admitted(&safetensors(&tensors), DIGITS);
    let model = Model::load(&weights, &architecture).unwrap();
    assert_eq!(
        (model.digest(), model.proof()),
        (weights.value().digest(), weights.proof())
    );
    let (other, _) = digits(2);
    let (other, _) = admitted(&safetensors(&other), DIGITS);
    assert!(matches!(
        Model::load(&other, &architecture),
        Err(LoadError::Mixed)
    ));
}

#[test]
fn refuses_an_architecture_that_is_none() {
    let (tensors, _) = digits(1);
    let (weights, architecture) = admitted(&safetensors(&tensors), "{}");
    let refused = Model::load(&weights, &architecture);
    assert!(matches!(refused, Err(LoadError::Architecture(_))));
}

#[test]
fn refuses_layers_that_do_not_follow() {
    let misplaced = rewritten(r#"{"op": "flatten"},"#, "");
    assert!(matches!(
        misplaced,
        Err(LoadError::Misplaced {
            layer: 6,
            op: "linear",
            ..
        })
    ));
    let misplaced = rewritten(r#"{"op": "flatten"}"#, r#"{"op": "softmax"}"#);
    assert!(matches!(
        misplaced,
        Err(LoadError::Misplaced {
            layer: 6,
            op: "softmax",
            ..
        })
    ));
    let misplaced = rewritten(
        r#"{"op": "flatten"}"#,
        r#"{"op": "flatten"}, {"op": "max_pool2d", "size": 1}"#,
    );
    assert!(matches!(
        misplaced,
        Err(LoadError::Misplaced {
            layer: 7,
            op: "max_pool2d",
            ..
        })
    ));
    let shorter = rewritten(r#"{"op": "max_pool2d", "size": 2},"#, "");
    assert!(
        matches!(shorter, Err(LoadError::Shape { .. })),
        "{shorter:?}"
    );
    let window = rewritten(r#""size": 2"#, r#""size": 29"#);
    assert!(
        matches!(window, Err(LoadError::Window { layer: 2 })),
        "{window:?}"
    );
    let (tensors, _) = digits(1);
    let without = r#""labels": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]"#;
    let eleven = DIGITS
        .replace(&format!(",\n    {without}"), "")
        .replace("[-1, 10]", "[-1, 11]");
    assert!(matches!(
        model(&tensors, &eleven),
        Err(LoadError::Output { .. })
    ));
}

#[test]
fn refuses_more_than_its_buffers_may_hold() {
    let conv = |padding| {
        format!(r#"{{"op": "conv2d", "weight": "w", "bias": "b", "padding": {padding}}}"#)
    };
    let wide = [
        Sequence(4).tensor("w", &[2, 1, 1, 1], 1.0),
        Sequence(5).tensor("b", &[2], 1.0),
    ];
    let error = small(&wide, "1, 2048, 2049", &conv(0));
    assert!(
        matches!(error, LoadError::Activations { layer: 0 }),
        "input: {error}"
    );
    let error = small(&wide, "1, 2048, 2048", &conv(0));
    assert!(
        matches!(error, LoadError::Activations { layer: 0 }),
        "output: {error}"
    );
    let error = small(&wide, "1, 1024, 1024", &conv(64));
    assert!(matches!(error, LoadError::Output { .. }), "fits: {error}");
    let error = small(&wide, "1, 1, 32768", &conv(64));
    assert!(
        matches!(error, LoadError::Activations { layer: 0 }),
        "padded: {error}"
    );
}

#[test]
fn refuses_more_parameters_than_allowed() {
    let layer = r#"{"op": "linear", "weight": "w", "bias": "b"}"#;
    let of = |rows: usize| {
        [
            Tensor {
                values: vec![0.0; rows * 4096],
                ..Sequence(6).tensor("w", &[rows, 4096], 0.0)
            },
            Sequence(7).tensor("b", &[rows], 1.0),
        ]
    };
    let error = small(&of(PARAMETERS_MAX / 4096), "4096", layer);
    assert!(matches!(error, LoadError::Parameters { name } if name == "b"));
    let error = small(&of(PARAMETERS_MAX / 4096 - 1), "4096", layer);
    assert!(matches!(error, LoadError::Output { .. }), "{error}");
}

#[test]
fn models_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Model>();
    is_shared::<crate::Session>();
}
