//! The Open Inference Protocol.

use server::inference::Protocol;

use crate::fixture::{JSON, PIXELS, Running, hooks, infer_body, limits, marks, rows, serving};

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// A request of JSON and raw tensors, with the length of the JSON in text.
fn binary(json: &str, tensors: &[u8]) -> (String, Vec<u8>) {
    (json.len().to_string(), [json.as_bytes(), tensors].concat())
}

fn logits(digits: &[usize]) -> Vec<f32> {
    let row = |digit: &usize| {
        let digit = *digit;
        (0..10).map(move |class| if class == digit { 56.0 } else { 0.0 })
    };
    digits.iter().flat_map(row).collect()
}

#[test]
fn says_what_it_is() {
    let running = Running::plain();
    let model = serde_json::json!({
        "name": "digits", "versions": ["1"], "platform": "modelward_safetensors",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}],
    });
    let server = serde_json::json!({
        "name": "modelward", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"],
    });
    let ready = serde_json::json!({"name": "digits", "ready": true});
    for (path, body) in [
        ("/v2", server),
        ("/v2/health/live", serde_json::json!({"live": true})),
        (
            "/v2/health/ready",
            serde_json::json!({"ready": true, "live": true}),
        ),
        ("/v2/models", serde_json::json!({"models": ["digits"]})),
        ("/v2/models/digits", model.clone()),
        ("/v2/models/digits/versions/1", model.clone()),
        ("/v2/models/%64igits", model),
        ("/v2/models/digits/ready", ready.clone()),
        ("/v2/models/digits/versions/1/ready", ready),
    ] {
        let answer = running.get(path);
        assert_eq!((answer.status, answer.json()), (200, body), "{path}");
    }
    let index = running.post("/v2/repository/index", &[], b"");
    let entry =
        serde_json::json!([{"name": "digits", "version": "1", "state": "READY", "reason": ""}]);
    assert_eq!(index.json(), entry);
}

#[test]
fn knows_no_other_model_and_no_holes() {
    let running = Running::plain();
    for path in [
        "/v2/models/other",
        "/v2/models/Digits",
        "/v2/models/digits/versions/2",
        "/v2/models/digits/versions/01/ready",
        "/v2/models/..%2f..%2fetc%2fpasswd",
        "/v2/models/%ff/ready",
        "/v2/models/digits/other",
        "/v3",
    ] {
        assert_eq!(
            (running.get(path).status, running.get(path).code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    let answer = running.post("/v2/models/other/infer", &[JSON], &infer_body(&[1]));
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    for (path, status) in [
        ("/v2/repository/models/digits/load", 501),
        ("/v2/repository/models/digits/unload", 501),
        ("/v2/systemsharedmemory/region/a/register", 501),
        ("/v2/cudasharedmemory/region/a/register", 501),
        ("/v2/trace/setting", 501),
        ("/v2/models/digits/trace/setting", 501),
        ("/v2/logging", 501),
    ] {
        let answer = running.post(path, &[JSON], b"{}");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, "not_offered"),
            "{path}"
        );
    }
    for (method, path) in [
        ("POST", "/v2/health/live"),
        ("GET", "/v2/models/digits/infer"),
        ("DELETE", "/v2/models/digits"),
    ] {
        let answer = running.connect().ask(method, path, &[], b"");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "method_not_allowed"),
            "{path}"
        );
    }
}

#[test]
fn infers_flat_and_nested_json() {
    let (hooks, records) = hooks();
    let running = Running::start(serving(), hooks, limits());
    let flat = running.infer(&[JSON], &infer_body(&[3, 0, 9]));
    let row = |digit: usize| {
        let row = rows(&[digit]);
        format!("[{:?}]", row.chunks(28).collect::<Vec<_>>())
    };
    let nested = format!(
        r#"{{"model_name": "digits", "id": "é\"1", "parameters": {{"sequence_id": 7, "priority": "high", "timeout": 1000, "x": true}},
            "inputs": [{{"name": "image", "shape": [2, 1, 28, 28], "datatype": "FP32", "parameters": {{"content_type": "np"}}, "data": [{}, {}]}}],
            "outputs": [{{"name": "logits", "parameters": {{"binary_data": false}}}}]}}"#,
        row(5),
        row(6)
    );
    let nested = running.post(
        "/v2/models/digits/versions/1/infer",
        &[JSON],
        nested.as_bytes(),
    );
    for (answer, id, digits) in [
        (&flat, None, &[3, 0, 9][..]),
        (&nested, Some("é\"1"), &[5, 6]),
    ] {
        let body = answer.json();
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(
            (&body["model_name"], &body["model_version"]),
            (&"digits".into(), &"1".into())
        );
        assert_eq!(body.get("id").and_then(|id| id.as_str()), id);
        let parameters: std::collections::BTreeMap<String, String> =
            serde_json::from_value(body["parameters"].clone()).unwrap();
        assert_eq!((parameters.len(), &parameters), (3, &marks(answer)));
        let output = serde_json::json!([{
            "name": "logits", "datatype": "FP32", "shape": [digits.len(), 10], "data": logits(digits),
        }]);
        assert_eq!(body["outputs"], output);
    }
    let records = records.lock().unwrap();
    let classes: Vec<_> = records
        .iter()
        .map(|record| (record.protocol, record.rows, record.classes.clone()))
        .collect();
    assert_eq!(
        classes,
        [
            (Protocol::V2, 3, vec![3, 0, 9]),
            (Protocol::V2, 2, vec![5, 6])
        ]
    );
    assert_eq!(
        records[0].input,
        digest::Digest::of(&bytes(&rows(&[3, 0, 9])))
    );
    assert_eq!(
        records[0].output,
        digest::Digest::of(&bytes(&logits(&[3, 0, 9])))
    );
}

#[test]
fn infers_binary_tensors() {
    let running = Running::plain();
    let input = |parameters: &str| {
        format!(
            r#""inputs": [{{"name": "image", "shape": [2, 1, 28, 28], "datatype": "FP32", "parameters": {{{parameters}}}}}]"#
        )
    };
    let input = input(&format!(r#""binary_data_size": {}"#, 2 * PIXELS * 4));
    let tensors = bytes(&rows(&[8, 2]));
    for (json, is_binary) in [
        (format!(r#"{{{input}}}"#), false),
        (format!(r#"{{{input}, "outputs": []}}"#), false),
        (
            format!(r#"{{{input}, "parameters": {{"binary_data_output": true}}}}"#),
            true,
        ),
        (
            format!(
                r#"{{{input}, "outputs": [{{"name": "logits", "parameters": {{"binary_data": true}}}}]}}"#
            ),
            true,
        ),
        (
            format!(
                r#"{{{input}, "parameters": {{"binary_data_output": true}}, "outputs": [{{"name": "logits", "parameters": {{"binary_data": false}}}}]}}"#
            ),
            false,
        ),
    ] {
        let (length, body) = binary(&json, &tensors);
        // Some clients state no type.
        let answer = running.infer(&[("Inference-Header-Content-Length", &length)], &body);
        assert_eq!(answer.status, 200, "{json}");
        let stated = answer
            .header("inference-header-content-length")
            .map(|text| text.parse::<usize>().unwrap());
        assert_eq!(stated.is_some(), is_binary, "{json}");
        let (text, tail) = answer.body.split_at(stated.unwrap_or(answer.body.len()));
        let output = &serde_json::from_slice::<serde_json::Value>(text).unwrap()["outputs"][0];
        if is_binary {
            assert_eq!(
                answer.header("content-type"),
                Some("application/octet-stream")
            );
            assert_eq!(
                (
                    output["parameters"]["binary_data_size"].as_u64(),
                    output.get("data")
                ),
                (Some(80), None)
            );
            assert_eq!(tail, bytes(&logits(&[8, 2])));
        } else {
            assert_eq!(output["data"], serde_json::json!(logits(&[8, 2])));
        }
    }
    let raw = running.infer(
        &[("inference-header-content-length", "0")],
        &bytes(&rows(&[7])),
    );
    assert_eq!(raw.status, 200);
    assert!(raw.body.ends_with(&bytes(&logits(&[7]))));
}

#[test]
fn refuses_tensors_that_are_not_the_models() {
    let running = Running::plain();
    let good = String::from_utf8(infer_body(&[1])).unwrap();
    let input = good.strip_prefix(r#"{"inputs": ["#).unwrap();
    let input = input.strip_suffix("]}").unwrap();
    let mut connection = running.connect();
    let mut check = |from: &str, to: &str, status: u16, code: &str| {
        let body = good.replacen(from, to, 1);
        assert_ne!(body, good, "{from}");
        let answer = connection.ask("POST", "/v2/models/digits/infer", &[JSON], body.as_bytes());
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{from} -> {to}: {}",
            answer.error()
        );
    };
    let invalid = "request_invalid";
    let (two, none) = (format!("{input}, {input}"), String::new());
    for (from, to) in [
        (r#""image""#, r#""picture""#),
        (r#""image""#, "null"),
        (r#""FP32""#, r#""FP64""#),
        (r#""FP32""#, r#""float32""#),
        ("[1, 1, 28, 28]", "[1, 28, 28]"),
        ("[1, 1, 28, 28]", "[2, 1, 28, 28]"),
        ("[1, 1, 28, 28]", "[0, 1, 28, 28]"),
        ("[1, 1, 28, 28]", "[-1, 1, 28, 28]"),
        ("[1, 1, 28, 28]", "[1.0, 1, 28, 28]"),
        ("[1, 1, 28, 28]", "[18446744073709551615, 1, 28, 28]"),
        ("[1, 1, 28, 28]", "[99999999999999999999, 1, 28, 28]"),
        ("[1, 1, 28, 28]", "\"1\""),
        ("[0.0, ", "["),
        ("[0.0, ", "[0.0, 0.0, "),
        ("[0.0, ", "[true, "),
        ("[0.0, ", "[null, "),
        ("[0.0, ", "[\"0\", "),
        ("[0.0, ", "[1e39, "),
        ("[0.0, ", "[[0.0], "),
        (r#""inputs""#, r#""input""#),
        (
            r#""inputs""#,
            r#""outputs": [{"name": "probabilities"}], "inputs""#,
        ),
        (
            r#""inputs""#,
            r#""outputs": [{"name": "logits"}, {"name": "logits"}], "inputs""#,
        ),
        (r#""inputs""#, r#""outputs": {"name": "logits"}, "inputs""#),
        (r#""inputs""#, r#""model_name": "other", "inputs""#),
        (r#""inputs""#, r#""id": 7, "inputs""#),
        (r#""inputs""#, r#""parameters": [], "inputs""#),
        (r#""inputs""#, r#""parameters": {"a": {}}, "inputs""#),
        (
            r#""inputs""#,
            r#""parameters": {"binary_data_output": 1}, "inputs""#,
        ),
        (
            r#""name""#,
            r#""parameters": {"binary_data_size": 0}, "name""#,
        ),
        (
            r#""name""#,
            r#""parameters": {"binary_data_size": "4"}, "name""#,
        ),
        (input, two.as_str()),
        (input, none.as_str()),
        (input, "7"),
    ] {
        check(from, to, 400, invalid);
    }
    check("0.0, ", "NaN, ", 400, "json_invalid");
    check("0.0, ", "Infinity, ", 400, "json_invalid");
    check("0.0, ", "[[[[[[[[[[[[[[[[", 400, "json_invalid");
    check(
        r#""name""#,
        r#""name": "image", "name""#,
        400,
        "json_invalid",
    );
    for key in [
        "shared_memory_region",
        "shared_memory_byte_size",
        "shared_memory_offset",
    ] {
        check(
            r#""name""#,
            &format!(r#""parameters": {{"{key}": "r"}}, "name""#),
            501,
            "not_offered",
        );
    }
    let output =
        r#""outputs": [{"name": "logits", "parameters": {"classification": 3}}], "inputs""#;
    check(r#""inputs""#, output, 501, "not_offered");
    assert_eq!(
        connection
            .ask("POST", "/v2/models/digits/infer", &[JSON], good.as_bytes())
            .status,
        200
    );
}

#[test]
fn refuses_binary_tensors_of_other_sizes() {
    let running = Running::plain();
    let json = |size: usize| {
        format!(
            r#"{{"inputs": [{{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "parameters": {{"binary_data_size": {size}}}}}]}}"#
        )
    };
    let size = PIXELS * 4;
    let mut not_a_number = bytes(&rows(&[1]));
    not_a_number[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    for (stated, tensors) in [
        (size, vec![0; size - 1]),
        (size, vec![0; size + 1]),
        (size, vec![]),
        (size - 4, vec![0; size - 4]),
        (size + 4, vec![0; size + 4]),
        (usize::MAX, vec![0; size]),
        (size, not_a_number),
    ] {
        let (length, body) = binary(&json(stated), &tensors);
        let answer = running.infer(&[("inference-header-content-length", &length)], &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "request_invalid"),
            "{stated} {}",
            tensors.len()
        );
    }
    let (length, body) = binary(&json(size), &vec![0; size]);
    assert_eq!(
        running
            .infer(&[("inference-header-content-length", &length)], &body)
            .status,
        200
    );
    for length in ["-1", "x", "", "1e3", "18446744073709551616", "99999999"] {
        let answer = running.infer(&[("inference-header-content-length", length)], &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "request_invalid"),
            "{length}"
        );
    }
    let short = running.infer(
        &[("inference-header-content-length", "0")],
        &vec![0; size - 4],
    );
    assert_eq!(
        (short.status, short.code().as_str()),
        (400, "request_invalid")
    );
}
