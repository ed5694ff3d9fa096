//! `scan`: what a hostile file is called, and that it stops the chain.

use crate::workshop::{PROD, Workshop, admit, deploy, publish};

/// `os.system('id')`, as a pickle.
const PICKLE: &[u8] = b"cos\nsystem\n(S'id'\ntR.";

#[test]
fn only_a_clean_model_is_a_yes() {
    let workshop = Workshop::with_model();
    workshop.write("bad/model.pkl", PICKLE);
    workshop.write("odd/model.bin", [0xd7, 0x01, 0x02, 0xff, 0x00, 0x9c]);
    for (model, status, verdict) in [
        ("out/digits", 0, "clean"),
        ("bad", 1, "malicious"),
        ("odd", 1, "inconclusive"),
    ] {
        let outcome = workshop.run(&format!("scan {model}"));
        assert_eq!(outcome.status, status, "{outcome:?}");
        assert!(outcome.stdout.starts_with(verdict), "{outcome:?}");
        let answer = workshop.json(&format!("scan {model}"));
        assert_eq!(answer["verdict"], verdict);
        // Whatever it is, it is signed and logged.
        assert!(answer["statement"]["bundle"].is_string(), "{answer:#}");
    }
    // The answer's code is that of the worst file, wherever it stands.
    workshop.write("both/a.bin", [0xd7, 0x01, 0x02, 0xff, 0x00, 0x9c]);
    workshop.write("both/model.pkl", PICKLE);
    let codes = ["scan_malicious", "scan_inconclusive"];
    assert_eq!(workshop.denied("scan both --no-record"), codes);
    let explained = workshop.run("scan bad --explain --no-record");
    assert!(
        explained.stdout.contains("why: ") && explained.stdout.contains("fix: "),
        "{explained:?}"
    );
    workshop.is_sound();
}

/// One file of a folder is enough, and a signature does not make it better.
#[test]
fn a_hostile_file_stops_at_the_gate() {
    let workshop = Workshop::with_data();
    workshop.write("data/model.pkl", PICKLE);
    let script = "cat /in/bands/header /in/bands/weights > /out/model.safetensors; cat /in/bands/architecture.json > /out/architecture.json; \
                  printf \"cos\\nsystem\\n(S\\042id\\042\\ntR.\" > /out/model.pkl";
    let line = format!(
        "train --input bands --name digits --to out/digits --source git+https://modelward.dev/source/modelward --include /bin/cat -- /bin/sh -c '{script}'"
    );
    workshop.yes(&line);
    assert_eq!(workshop.run("scan out/digits").status, 1);
    workshop.yes("sign out/digits");
    workshop.yes(&publish("prod"));
    workshop.yes(&deploy("prod"));
    assert_eq!(workshop.denied(&admit("prod", PROD)), ["scan_malicious"]);
}

#[test]
fn nothing_is_recorded_when_nobody_asked() {
    let workshop = Workshop::with_data();
    workshop.yes("scan data/architecture.json --no-record");
    assert_eq!(
        workshop.allowed("log show")["entries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // Without a store there is nothing to record in, and the answer is the same.
    let bare = Workshop::bare();
    assert_eq!(
        bare.allowed("scan data/architecture.json")["statement"],
        serde_json::Value::Null
    );
}
