//! `serve`: bad requests are answered in words, and bad models are not served.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::Value;

use crate::bands::house;
use crate::server::Server;
use crate::workshop::{PROD, Workshop, admit, deploy, publish, serve};

fn picture(bytes: &[u8]) -> String {
    format!(r#"{{"image":"{}"}}"#, BASE64.encode(bytes))
}

/// A PNG that says it has 60,000 by 60,000 pixels: three and a half gigabytes of them.
fn bomb(png: &[u8]) -> Vec<u8> {
    let mut bytes = png.to_vec();
    for at in [16, 20] {
        bytes.splice(at..at + 4, 60_000_u32.to_be_bytes());
    }
    bytes
}

#[test]
fn bad_requests_are_answered_in_words_and_the_server_goes_on() {
    let workshop = Workshop::admitted();
    let server = Server::start(&workshop);
    let png =
        std::fs::read(house().join("crates/infer/testdata/pictures/grey8-28x28.png")).unwrap();
    let cut = picture(png.get(..png.len() / 2).unwrap());
    let deep = "[".repeat(100_000);
    let table = [
        ("/classify/v0", "", 400),
        ("/classify/v0", "{}", 400),
        ("/classify/v0", &deep, 400),
        ("/classify/v0", r#"{"image":"AAAA"}{}"#, 400),
        ("/classify/v0", &cut, 400),
        ("/classify/v0", &picture(&bomb(&png)), 400),
        ("/classify/v0", &picture(b"GIF89a"), 400),
        ("/v2/models/bands/infer", "", 400),
        ("/v2/models/bands/infer", r#"{"inputs":[]}"#, 400),
        ("/v2/models/other/infer", r#"{"inputs":[]}"#, 404),
    ];
    for (path, body, status) in table {
        let (got, _, answer) = server.ask("POST", path, body);
        let shown: String = body.chars().take(60).collect();
        assert_eq!(got, status, "{path} {shown}: {answer}");
        assert!(
            answer["error"]
                .as_str()
                .is_some_and(|error| !error.is_empty()),
            "{answer}"
        );
        assert!(answer["code"].is_string(), "{answer}");
        let hint = answer["hint"].as_str();
        assert!(hint.is_some_and(|hint| !hint.is_empty()), "{answer}");
        if body.is_empty() {
            assert!(
                hint.is_some_and(|hint| hint.contains("as the body")),
                "{answer}"
            );
        }
    }
    assert_eq!(server.infer(3).0, 200);
    assert_eq!(server.stop().status, 0);
}

/// A model whose numbers are none is trained, signed and published, and still is not let in.
#[test]
fn a_model_of_nan_is_not_served() {
    let workshop = Workshop::with_data();
    let script = "cat /in/bands/header > /out/model.safetensors; i=0; \
                  while [ $i -lt 7850 ]; do printf \"\\000\\000\\300\\177\"; i=$((i+1)); done >> /out/model.safetensors; \
                  cat /in/bands/architecture.json > /out/architecture.json";
    workshop.yes(&format!(
        "train --input bands --name digits --to out/digits --source git+https://modelward.dev/source/modelward --include /bin/cat -- /bin/sh -c '{script}'"
    ));
    assert_eq!(
        workshop.read("out/digits/model.safetensors").len(),
        crate::bands::safetensors().len()
    );
    assert_eq!(workshop.denied("scan out/digits"), ["scan_suspicious"]);
    workshop.yes("sign out/digits");
    workshop.yes(&publish("prod"));
    workshop.yes(&deploy("prod"));
    assert_eq!(workshop.denied(&admit("prod", PROD)), ["scan_suspicious"]);
    assert_eq!(workshop.denied(&serve(PROD)), ["admission_missing"]);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let workshop = Workshop::admitted();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let line = serve(PROD).replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    let answer = workshop.json(&line);
    assert_eq!(
        (&answer["code"], &answer["hint"]),
        (
            &"network".into(),
            &"choose another address with `--http`".into()
        )
    );
    // Nothing was said of a server that never was.
    let entries = workshop.allowed("log show")["entries"].to_string();
    assert!(!entries.contains("/serving"), "{entries}");
}

/// A person reads one line that says where it is; a digest of the store is served as the folder is.
#[test]
fn a_model_of_the_store_is_served_by_its_digest() {
    let workshop = Workshop::admitted();
    let digest = workshop.allowed("audit out/digits")["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::remove_dir_all(workshop.file("out")).unwrap();
    let line = serve(PROD).replace("out/digits", &digest);
    let mut command = workshop.command(&line);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = crate::workshop::Held(child);
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(held.0.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    assert!(
        line.starts_with(&format!("serving `bands` {digest} on http://127.0.0.1:")),
        "{line}"
    );
}

/// What was admitted is what is served: after that no path is looked at again.
#[test]
fn a_file_that_is_replaced_later_changes_nothing() {
    let workshop = Workshop::admitted();
    let server = Server::start(&workshop);
    let before = server.infer(4);
    workshop.flip("out/digits/model.safetensors", 20_000);
    let after = server.infer(4);
    let data = |answer: &Value| answer["outputs"][0]["data"].clone();
    assert_eq!((before.0, after.0), (200, 200));
    assert_eq!(data(&before.2), data(&after.2));
    drop(server);
    assert_eq!(workshop.denied(&serve(PROD)), ["admission_missing"]);
}

/// The trust root is looked at as often as the log.
#[test]
fn a_running_server_sees_a_change_of_the_root_at_once() {
    let workshop = Workshop::admitted();
    let server = Server::start(&workshop);
    assert_eq!(server.infer(1).0, 200);
    workshop.yes("key new second");
    workshop.yes("key set laptop --remove");
    let begun = Instant::now();
    while server.infer(1).0 == 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it still serves");
        sleep(Duration::from_millis(100));
    }
    let (status, _, answer) = server.infer(1);
    assert_eq!(status, 503, "{answer}");
    assert!(
        answer["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
        "{answer}"
    );
}
