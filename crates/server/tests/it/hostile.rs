//! What strangers send who mean no good, or whose network is bad.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use server::inference::{Limits, Serving};

use crate::client::request;
use crate::fixture::{JSON, Running, classify_body, hooks, infer_body, limits, picture, serving};

fn impatient() -> Running {
    let limits = Limits {
        head_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        write_timeout: Duration::from_millis(300),
        ..limits()
    };
    Running::start(serving(), hooks().0, limits)
}

#[test]
fn bodies_over_the_limit_are_refused_before_they_are_read() {
    let running = Running::plain();
    for (path, max) in [
        ("/classify/v0", 1 << 20),
        ("/v2/models/digits/infer", 16 << 20),
    ] {
        for size in [max + 1, 10_usize.pow(12), u64::MAX as usize / 2] {
            let mut connection = running.connect();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {size}\r\n\r\n"
            );
            connection.send(head.as_bytes());
            let answer = connection.receive().unwrap();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (413, "too_large"),
                "{path} {size}"
            );
            assert!(
                connection.receive().is_none(),
                "the connection is of no use any more"
            );
        }
        // One that is sent whole all the same sees its answer too.
        let answer = running.post(path, &[JSON], &vec![b' '; max + 1]);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "too_large"),
            "{path}"
        );
    }
    assert_eq!(running.classify(1).status, 200);
}

#[test]
fn chunked_bodies_are_counted_as_they_come() {
    let running = Running::plain();
    let head = format!(
        "POST /classify/v0 HTTP/1.1\r\nhost: x\r\n{}: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        JSON.0, JSON.1
    );
    let chunked = |body: &[u8], size: usize| {
        let mut bytes = head.clone().into_bytes();
        for chunk in body.chunks(size) {
            write!(bytes, "{:x}\r\n", chunk.len()).unwrap();
            bytes.extend([chunk, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    };
    let mut connection = running.connect();
    connection.send(&chunked(&classify_body(&picture(6)), 6));
    assert_eq!(connection.receive().unwrap().json()["predicted_digit"], 6);
    connection.send(&chunked(&vec![b' '; (1 << 20) + 1], 1000));
    assert_eq!(connection.receive().unwrap().code(), "too_large");
    let mut connection = running.connect();
    connection.send(format!("{head}xyz\r\n").as_bytes());
    assert_eq!(connection.receive().unwrap().code(), "request_invalid");
}

#[test]
fn json_of_too_many_values_is_not_unpacked() {
    let running = Running::plain();
    let ones = "1,".repeat(1 << 20);
    let body = format!(
        r#"{{"inputs": [{{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [{ones}1]}}]}}"#
    );
    let answer = running.infer(&[JSON], body.as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    assert!(answer.json()["hint"].as_str().unwrap().contains("binary"));
    let rows = Running::start(
        serving(),
        hooks().0,
        Limits {
            rows_max: 2,
            ..limits()
        },
    );
    assert_eq!(rows.infer(&[JSON], &infer_body(&[1, 2])).status, 200);
    assert_eq!(
        rows.infer(&[JSON], &infer_body(&[1, 2, 3])).code(),
        "too_large"
    );
}

/// Keys and texts are all that a request can have kept of itself.
#[test]
fn many_and_long_keys_and_texts_are_refused() {
    let running = Running::plain();
    let many: Vec<String> = (0..300).map(|at| format!("\"k{at}\": 1")).collect();
    for body in [
        format!(r#"{{"parameters": {{{}}}}}"#, many.join(",")),
        format!(r#"{{"{}": 1}}"#, "k".repeat(2000)),
        format!(r#"{{"{}": 1}}"#, "\\u006b".repeat(200)),
        infer_body_with_id(&"\\n".repeat(3000)),
    ] {
        let answer = running.infer(&[JSON], body.as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    }
    // What looks like keys within a text is none.
    let id = ":,[{\\\"".repeat(500);
    let answer = running.infer(&[JSON], infer_body_with_id(&id).as_bytes());
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    assert_eq!(answer.json()["id"], id.replace('\\', ""));
}

fn infer_body_with_id(id: &str) -> String {
    let body = String::from_utf8(infer_body(&[1])).unwrap();
    body.replacen('{', &format!(r#"{{"id": "{id}", "#), 1)
}

/// What is asked for in vain takes no memory for long, and a request that can never be answered is not told to come again.
#[test]
fn what_never_fits_is_told_for_good() {
    let limits = Limits {
        memory_bytes_max: 0,
        v2_body_bytes_max: 4 << 10,
        classify_body_bytes_max: 4 << 10,
        ..limits()
    };
    let running = Running::start(serving(), hooks().0, limits);
    let answer = running.classify(1);
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
}

#[test]
fn a_request_without_a_body_is_told_what_to_send() {
    let running = Running::plain();
    for (path, sends) in [
        ("/classify/v0", "BASE64 OF A PNG"),
        ("/v2/models/digits/infer", "\"inputs\""),
        ("/v2/models/digits/versions/1/infer", "\"inputs\""),
    ] {
        for headers in [
            &[JSON][..],
            &[JSON, ("inference-header-content-length", "0")],
        ] {
            let answer = running.post(path, headers, b"");
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "request_invalid")
            );
            let hint = answer.json()["hint"].to_string().replace('\\', "");
            assert!(
                hint.contains(sends) && hint.contains("as the body"),
                "{hint}"
            );
        }
    }
}

#[test]
fn a_bomb_is_judged_by_its_header() {
    let running = Running::plain();
    let mut bomb = picture(1);
    for (width, height) in [
        (100_000_u32, 100_000_u32),
        (u32::MAX, u32::MAX),
        (4097, 1),
        (0, 28),
    ] {
        bomb[16..20].copy_from_slice(&width.to_be_bytes());
        bomb[20..24].copy_from_slice(&height.to_be_bytes());
        let started = Instant::now();
        let answer = running.post("/classify/v0", &[JSON], &classify_body(&bomb));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "picture_invalid"),
            "{width}×{height}"
        );
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn slow_clients_are_not_waited_for() {
    let running = impatient();
    let mut connection = running.connect();
    connection.send(b"POST /classify/v0 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{");
    let answer = connection.receive().unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (408, "timeout"));
    assert!(connection.receive().is_none());
    // A byte now and then does not buy time.
    let mut connection = running.connect();
    connection.send(b"POST /classify/v0 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) && connection.0.write_all(b" ").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    for head in ["", "POST /cla", "GET /v2 HTTP/1.1\r\nhost: x\r\n"] {
        let mut connection = running.connect();
        connection.send(head.as_bytes());
        let started = Instant::now();
        let mut rest = Vec::new();
        let _ = connection.0.read_to_end(&mut rest);
        assert!(started.elapsed() < Duration::from_secs(5), "{head:?}");
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{head:?}");
    }
    assert_eq!(running.classify(1).status, 200);
}

#[test]
fn a_client_that_reads_nothing_loses_its_connection() {
    let serving = Serving {
        name: "m".repeat(8 << 10),
        ..serving()
    };
    let limits = Limits {
        write_timeout: Duration::from_millis(300),
        connections_max: 1,
        ..limits()
    };
    let running = Running::start(serving, hooks().0, limits);
    let mut deaf = running.connect();
    let started = Instant::now();
    while deaf
        .0
        .write_all(&request("GET", "/v2/models", &[], b""))
        .is_ok()
    {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it is still served"
        );
    }
    // There was one place; it is free again.
    assert_eq!(running.get("/v2/health/live").status, 200);
}

#[test]
fn half_requests_leave_nothing_behind() {
    let (hooks, records) = hooks();
    let running = Running::start(serving(), hooks, limits());
    let whole = request("POST", "/classify/v0", &[JSON], &classify_body(&picture(2)));
    for size in [1, 20, whole.len() / 2, whole.len() - 1] {
        let mut connection = running.connect();
        connection.send(&whole[..size]);
        connection.0.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ = connection.0.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{size}");
    }
    assert!(records.lock().unwrap().is_empty());
    assert_eq!(running.classify(2).json()["predicted_digit"], 2);
}

#[test]
fn heads_that_are_none_are_refused() {
    let running = Running::plain();
    let many: String = (0..100).map(|at| format!("x-{at}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(20 << 10));
    for head in [
        "hello\r\n\r\n".to_owned(),
        "GET /v2 HTTP/9.9\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned(),
        format!("GET /v2 HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("GET /v2 HTTP/1.1\r\nhost: x\r\n{long}\r\n"),
        "POST /classify/v0 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"
            .to_owned(),
        "POST /classify/v0 HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_owned(),
    ] {
        let mut connection = running.connect();
        connection.send(head.as_bytes());
        let refused = connection.receive().unwrap();
        assert!(
            (400..500).contains(&refused.status),
            "{head:?}: {}",
            refused.status
        );
    }
    assert_eq!(running.classify(3).status, 200);
}
