//! `POST /classify/v0`, as its clients know it.

use data_encoding::BASE64;
use server::inference::Protocol;

use crate::fixture::{
    ADMISSION, JSON, MODEL_DIGEST, Running, classify_body, hooks, limits, marks, picture, serving,
};

#[test]
fn tells_every_digit_and_where_it_comes_from() {
    let (hooks, records) = hooks();
    let running = Running::start(serving(), hooks, limits());
    let mut connection = running.connect();
    for digit in 0..10 {
        let body = classify_body(&picture(digit));
        let answer = connection.ask("POST", "/classify/v0", &[JSON], &body);
        assert_eq!(
            answer.body,
            format!(r#"{{"predicted_digit":{digit}}}"#).as_bytes()
        );
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json"))
        );
        let marks = marks(&answer);
        assert_eq!(marks["modelward-model-digest"], MODEL_DIGEST.to_string());
        assert_eq!(marks["modelward-admission"], ADMISSION.to_string());
        assert_eq!(marks["modelward-prediction"], format!("s1-{}", digit + 1));
    }
    let records = records.lock().unwrap();
    assert_eq!(records.len(), 10);
    for (digit, record) in records.iter().enumerate() {
        assert_eq!((record.classes.as_slice(), record.rows), (&[digit][..], 1));
        assert_eq!((record.model, record.admission), (MODEL_DIGEST, ADMISSION));
        assert_eq!(
            (record.id.clone(), record.protocol),
            (format!("s1-{}", digit + 1), Protocol::Classify)
        );
        assert!(
            records
                .iter()
                .filter(|other| other.input == record.input)
                .count()
                == 1
        );
    }
}

#[test]
fn base64_is_lenient() {
    let running = Running::plain();
    let text = BASE64.encode(&picture(4));
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(60)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    let body = format!(
        r#"{{"image": "  {}-_!", "other": [1]}}"#,
        lines.join("\\r\\n")
    );
    let answer = running.post(
        "/classify/v0",
        &[("Content-Type", "application/JSON; charset=utf-8")],
        body.as_bytes(),
    );
    assert_eq!(
        (answer.status, &answer.json()["predicted_digit"]),
        (200, &4.into())
    );
}

#[test]
fn refuses_what_holds_no_picture() {
    let running = Running::plain();
    let png = picture(1);
    let missing = "Missing 'image' field in request body.";
    let truncated = classify_body(&png[..png.len() / 2]);
    let deep = "[".repeat(1000);
    let table: &[(&[u8], &str, &str)] = &[
        (b"", "request_invalid", missing),
        (b"  \r\n", "request_invalid", missing),
        (b"null", "request_invalid", missing),
        (b"[]", "request_invalid", missing),
        (b"{}", "request_invalid", missing),
        (b"7", "request_invalid", missing),
        (b"\"image\"", "request_invalid", missing),
        (b"[\"image\"]", "request_invalid", missing),
        (br#"{"Image": "aGk="}"#, "request_invalid", missing),
        (
            br#"{"image": null}"#,
            "request_invalid",
            "Invalid base64 encoding: ",
        ),
        (
            br#"{"image": 7}"#,
            "request_invalid",
            "Invalid base64 encoding: ",
        ),
        (
            br#"{"image": "aGk"}"#,
            "request_invalid",
            "Invalid base64 encoding: ",
        ),
        (
            r#"{"image": "é"}"#.as_bytes(),
            "request_invalid",
            "Invalid base64 encoding: ",
        ),
        (
            br#"{"image": ""}"#,
            "picture_invalid",
            "Image preprocessing failed: ",
        ),
        (
            br#"{"image": "aGk="}"#,
            "picture_invalid",
            "Image preprocessing failed: ",
        ),
        (
            &truncated,
            "picture_invalid",
            "Image preprocessing failed: ",
        ),
        (
            br#"{"image": "aGk=""#,
            "json_invalid",
            "The body is not JSON: ",
        ),
        (
            br#"{"image": "aGk="} x"#,
            "json_invalid",
            "The body is not JSON: ",
        ),
        (
            br#"{"image": "aGk=", "image": "aGk="}"#,
            "json_invalid",
            "The body is not JSON: ",
        ),
        (
            b"{\"image\": \"\xff\"}",
            "json_invalid",
            "The body is not JSON: ",
        ),
        (b"--boundary", "json_invalid", "The body is not JSON: "),
        (deep.as_bytes(), "json_invalid", "The body is not JSON: "),
    ];
    let bare = running.post("/classify/v0", &[], b"");
    assert_eq!((bare.status, bare.error().as_str()), (400, missing));
    let mut connection = running.connect();
    for (body, code, error) in table {
        let answer = connection.ask("POST", "/classify/v0", &[JSON], body);
        let sent = String::from_utf8_lossy(body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, *code),
            "{sent}"
        );
        assert!(
            answer.error().starts_with(error),
            "{sent}: {}",
            answer.error()
        );
    }
    assert_eq!(running.classify(1).json()["predicted_digit"], 1);
}

#[test]
fn refuses_other_media_types_encodings_and_methods() {
    let running = Running::plain();
    let body = classify_body(&picture(1));
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "image/png",
        "application/jsonx",
        "",
    ] {
        let answer = running.post("/classify/v0", &[("content-type", media_type)], &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (415, "media_type"),
            "{media_type}"
        );
    }
    assert_eq!(running.post("/classify/v0", &[], &body).status, 415);
    for encoding in ["gzip", "deflate", "br"] {
        let answer = running.post(
            "/classify/v0",
            &[JSON, ("content-encoding", encoding)],
            &body,
        );
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (415, "media_type"),
            "{encoding}"
        );
    }
    assert_eq!(
        running
            .post(
                "/classify/v0",
                &[JSON, ("content-encoding", "identity")],
                &body
            )
            .status,
        200
    );
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = running
            .connect()
            .ask(method, "/classify/v0", &[JSON], &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "method_not_allowed"),
            "{method}"
        );
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    for path in [
        "/",
        "/classify",
        "/classify/v0/",
        "/classify/v1",
        "/CLASSIFY/v0",
        "/%ff",
        "/v2/../classify/v0",
    ] {
        let answer = running.post(path, &[JSON], &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
}
