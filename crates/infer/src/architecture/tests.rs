use super::*;
use crate::fixture::DIGITS;

fn refused(from: &str, to: &str) -> ArchitectureError {
    assert!(DIGITS.contains(from), "{from}");
    Architecture::parse(DIGITS.replacen(from, to, 1).as_bytes()).unwrap_err()
}

#[test]
fn reads_the_digit_classifier() {
    let digits = Architecture::parse(DIGITS.as_bytes()).unwrap();
    assert_eq!((digits.name(), digits.layers().len()), ("digits", 10));
    assert_eq!(digits.input().shape(), [-1, 1, 28, 28]);
    assert_eq!(digits.output().shape(), [-1, 10]);
    assert_eq!(digits.labels().len(), 10);
    assert_eq!(
        digits.preprocessing(),
        GreyPicture::new(28, 28, 0.1307, 0.3081).as_ref()
    );
    let first = Layer::Conv2d {
        weight: "conv1.weight".into(),
        bias: "conv1.bias".into(),
        padding: 1,
        stride: 1,
    };
    assert_eq!(
        (&digits.layers()[0], digits.layers()[2].op()),
        (&first, "max_pool2d")
    );
}

#[test]
fn refuses_what_it_does_not_know() {
    for (from, to, says) in [
        (
            r#""op": "relu""#,
            r#""op": "gelu""#,
            "unknown variant `gelu`",
        ),
        (
            r#""op": "relu""#,
            r#""op": "relu", "slope": 0.1"#,
            "unknown field `slope`",
        ),
        (
            r#""op": "flatten""#,
            r#""op": "flatten", "axis": 1"#,
            "unknown field `axis`",
        ),
        (
            r#""padding": 1"#,
            r#""padding": 1, "groups": 2"#,
            "unknown field `groups`",
        ),
        (r#""padding": 1"#, r#""padding": -1"#, "invalid value"),
        (
            r#""padding": 1"#,
            r#""padding": 1, "padding": 0"#,
            "stands twice",
        ),
        (r#""size": 2"#, r#""kernel": 2"#, "unknown field `kernel`"),
        (
            r#""kind": "grey-image""#,
            r#""kind": "colour""#,
            "unknown variant `colour`",
        ),
        (
            r#""mean": 0.1307"#,
            r#""mean": 0.1307, "crop": 1"#,
            "unknown field `crop`",
        ),
        (
            r#""name": "digits""#,
            r#""name": "digits", "golden": []"#,
            "unknown field `golden`",
        ),
        (
            r#""name": "image""#,
            r#""name": "image", "labels": []"#,
            "unknown field `labels`",
        ),
        (r#""name": "digits","#, "", "missing field `name`"),
    ] {
        let error = refused(from, to);
        let ArchitectureError::Json(cause) = &error else {
            panic!("{to}: {error}");
        };
        assert!(cause.to_string().contains(says), "{to}: {cause}");
    }
    assert!(Architecture::parse(format!("{DIGITS}{DIGITS}").as_bytes()).is_err());
    assert!(Architecture::parse(&vec![b' '; SIZE_BYTES_MAX + 1]).is_err());
}

#[test]
fn refuses_another_format_or_datatype() {
    let error = refused("architecture/v1", "architecture/v2");
    assert!(matches!(error, ArchitectureError::Format(_)));
    for datatype in ["FP16", "fp32", ""] {
        let error = refused("FP32", datatype);
        assert!(
            matches!(error, ArchitectureError::Datatype { .. }),
            "{datatype}"
        );
    }
}

#[test]
fn refuses_names_that_are_none() {
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    for name in ["", "a b", "a/b", "é", "`", "a\\\"b", &long] {
        for field in [
            r#""digits""#,
            r#""image""#,
            r#""logits""#,
            r#""conv1.weight""#,
            r#""fc2.bias""#,
        ] {
            let error = refused(field, &format!("\"{name}\""));
            assert!(
                matches!(error, ArchitectureError::Name { .. }),
                "{field} {name}"
            );
        }
    }
}

#[test]
fn refuses_shapes_that_no_layer_takes() {
    for shape in [
        "[]",
        "[-1]",
        "[1, 1, 28, 28]",
        "[-1, 28, 28]",
        "[-1, 1, 0, 28]",
        "[-1, 1, 28, -1]",
        "[-1, 1, 1, 28, 28]",
    ] {
        let error = refused("[-1, 1, 28, 28]", shape);
        assert!(matches!(error, ArchitectureError::Shape { .. }), "{shape}");
    }
    for shape in [
        "[-1, 1, 4097, 4096]",
        "[-1, 9223372036854775807, 9223372036854775807, 2]",
    ] {
        let error = refused("[-1, 1, 28, 28]", shape);
        assert!(
            matches!(error, ArchitectureError::TooLarge { .. }),
            "{shape}"
        );
    }
}

#[test]
fn refuses_labels_and_pictures_that_do_not_fit() {
    let error = refused(r#""8", "9""#, r#""8""#);
    assert_eq!(error, ArchitectureError::Labels { want: 10, got: 9 });
    let error = refused(r#""width": 28"#, r#""width": 27"#);
    assert!(matches!(error, ArchitectureError::Picture { .. }));
    for (from, to) in [
        ("0.3081", "0.0"),
        ("0.3081", "-1"),
        ("0.3081", "1e-39"),
        ("0.1307", "1e39"),
    ] {
        assert_eq!(refused(from, to), ArchitectureError::Normalisation, "{to}");
    }
    let wide = DIGITS.replace("1, 28, 28]", "1, 1, 4097]").replace(
        r#""width": 28, "height": 28"#,
        r#""width": 4097, "height": 1"#,
    );
    let error = Architecture::parse(wide.as_bytes()).unwrap_err();
    assert_eq!(error, ArchitectureError::PictureSide(4097));
}

#[test]
fn refuses_steps_and_layers_over_the_limit() {
    for (from, to) in [
        (r#""padding": 1"#, r#""padding": 65"#),
        (r#""padding": 1"#, r#""stride": 0"#),
        (r#""padding": 1"#, r#""stride": 65"#),
        (r#""size": 2"#, r#""size": 0"#),
        (r#""size": 2"#, r#""size": 65"#),
    ] {
        assert!(
            matches!(refused(from, to), ArchitectureError::Step { .. }),
            "{to}"
        );
    }
    let relus = |count: usize| {
        let (head, _) = DIGITS.split_once(r#""layers""#).unwrap();
        let layers = vec![r#"{"op": "relu"}"#; count].join(",");
        Architecture::parse(format!("{head}\"layers\": [{layers}]}}").as_bytes())
    };
    assert!(relus(LAYERS_MAX).is_ok());
    for count in [0, LAYERS_MAX + 1] {
        assert_eq!(relus(count), Err(ArchitectureError::Layers(count)));
    }
}
