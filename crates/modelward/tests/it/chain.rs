//! The whole chain, small: from a data set to a prediction and back, and then the recall.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bands;
use crate::server::{Server, header};
use crate::workshop::{PROD, Workshop, admit, deploy, publish, serve};

/// A recall must be felt by a running server within this time.
const RECALL_SECONDS_MAX: u64 = 10;

#[test]
fn a_chain_from_data_set_to_prediction_and_back_and_its_recall() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    workshop.yes("dataset add bands --policy dependencies.toml");
    // Each gate asks for what comes before it.
    workshop.yes(crate::workshop::TRAIN);
    assert_eq!(workshop.denied(&deploy("prod")), ["publish_missing"]);
    let missing = [
        "signature_missing",
        "scan_missing",
        "publish_missing",
        "deployment_missing",
    ];
    assert_eq!(workshop.denied(&admit("prod", PROD)), missing);
    workshop.yes("scan out/digits");
    workshop.yes("sign out/digits");
    workshop.yes("verify out/digits");
    workshop.yes(&publish("prod"));
    workshop.yes(&deploy("prod"));
    assert_eq!(workshop.denied(&serve(PROD)), ["admission_missing"]);
    workshop.yes(&admit("prod", PROD));
    let server = Server::start(&workshop);

    let (status, head, answer) = server.infer(7);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(brightest(&answer), 7);
    let picture =
        std::fs::read(bands::house().join("crates/infer/testdata/pictures/grey8-28x28.png"))
            .unwrap();
    let picture = data_encoding::BASE64.encode(&picture);
    let (status, _, answer) = server.ask(
        "POST",
        "/classify/v0",
        &format!(r#"{{"image":"{picture}"}}"#),
    );
    assert_eq!(status, 200, "{answer}");
    assert!(answer["predicted_digit"].is_u64(), "{answer}");

    let prediction = header(&head, "modelward-prediction");
    trace_back(&workshop, &prediction);
    trace_forward(&workshop);

    let recalled = workshop.allowed("recall dataset bands --reason 'labels were wrong'");
    assert_eq!(recalled["kind"], "dataset");
    refuses_in_time(&server);
    let codes = workshop.denied(&admit("prod", PROD));
    assert!(codes.contains(&"recalled".to_owned()), "{codes:?}");
    assert_eq!(workshop.denied(crate::workshop::TRAIN), ["recalled"]);
    let audit = workshop.yes("audit bands").stdout;
    assert!(audit.contains("labels were wrong"), "{audit}");
    let audit = workshop.yes(&format!("audit {prediction}")).stdout;
    assert!(audit.contains("labels were wrong"), "{audit}");
    workshop.is_sound();

    let address = server.started["address"].as_str().unwrap().to_owned();
    let stopped = server.stop();
    assert_eq!(stopped.status, 0, "{stopped:?}");
    assert_eq!(stopped.stdout, "", "its answer was where it is");
    assert_eq!(
        stopped.stderr,
        format!("stopped serving on http://{address}\n")
    );
}

fn brightest(answer: &Value) -> usize {
    let logits = answer["outputs"][0]["data"].as_array().unwrap();
    let logit = |at: &usize| logits[*at].as_f64().unwrap();
    (0..10)
        .max_by(|a, b| logit(a).total_cmp(&logit(b)))
        .unwrap()
}

fn trace_back(workshop: &Workshop, prediction: &str) {
    let trace = workshop.allowed(&format!("audit {prediction}"));
    assert_eq!(trace["prediction"]["id"], prediction);
    assert_eq!(trace["prediction"]["answer"], "7");
    what_nobody_signed_is_told(workshop, prediction);
    assert_eq!(trace["backward"]["name"], "digits");
    let stages: Vec<&str> = facts(&trace["backward"]);
    let wanted = [
        "train", "scan", "sign", "publish", "deploy", "admit", "serve",
    ];
    assert_eq!(stages, wanted);
    let links = trace["backward"]["links"].as_array().unwrap();
    let kinds: Vec<&str> = links
        .iter()
        .map(|link| link["kind"].as_str().unwrap())
        .collect();
    let wanted = [
        "data set",
        "step root",
        "step root",
        "included file",
        "program",
        "argument",
    ];
    assert_eq!(kinds, wanted);
    assert_eq!(links[0]["name"], "bands");
    assert_eq!(facts(&links[0]), ["dataset"]);
    // The same from the file, the folder and the digest.
    let digest = trace["digest"].as_str().unwrap();
    for target in ["out/digits", "out/digits/model.safetensors", digest] {
        let again = workshop.allowed(&format!("audit {target}"));
        assert_eq!(again["backward"], trace["backward"], "{target}");
    }
    let picture = workshop.yes("audit out/digits --mermaid").stdout;
    assert!(picture.starts_with("flowchart LR\n"), "{picture}");
    assert!(
        picture.contains("data set: bands") && picture.contains("model: digits"),
        "{picture}"
    );
    assert_eq!(picture.matches(" --> ").count(), 6, "{picture}");
}

/// Whoever can write to the store can change the record of a prediction, and an audit does not pass that off as a fact.
fn what_nobody_signed_is_told(workshop: &Workshop, prediction: &str) {
    let (session, _) = prediction.split_once('-').unwrap();
    let record = format!(".modelward/predictions/{session}.jsonl");
    let as_it_was = workshop.read(&record);
    workshop.replace(&record, r#""answer":"7""#, r#""answer":"3""#);
    let said = workshop.yes(&format!("audit {prediction}")).stdout;
    assert!(said.contains(": 3\n"), "{said}");
    assert!(said.contains("nobody signed it"), "{said}");
    let trace = workshop.allowed(&format!("audit {prediction}"));
    assert_eq!(trace["prediction"]["signed"], false);
    workshop.write(&record, as_it_was);
    let never = workshop.json(&format!("audit {session}-99999"));
    let told = never["message"].as_str().unwrap();
    assert!(told.contains(&format!("session `{session}`")), "{never:#}");
}

fn trace_forward(workshop: &Workshop) {
    let trace = workshop.allowed("audit bands");
    let forward = trace["forward"].as_array().unwrap();
    // The model holds a file of its data set, and still goes into nothing.
    assert_eq!(forward.len(), 1, "{trace:#}");
    assert_eq!(forward[0]["name"], "digits");
    assert_eq!(forward[0]["links"], serde_json::json!([]));
}

fn facts(node: &Value) -> Vec<&str> {
    let facts = node["facts"].as_array().unwrap().iter();
    facts.map(|fact| fact["stage"].as_str().unwrap()).collect()
}

pub(crate) fn refuses_in_time(server: &Server) {
    let begun = Instant::now();
    loop {
        let (status, _, answer) = server.infer(7);
        if status == 503 {
            assert_eq!(answer["code"], "recalled", "{answer}");
            break;
        }
        assert_eq!(status, 200, "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(RECALL_SECONDS_MAX));
        sleep(Duration::from_millis(100));
    }
    let (ready, _, _) = server.ask("GET", "/v2/health/ready", "");
    assert_eq!(ready, 503);
}
