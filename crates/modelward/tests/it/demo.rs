//! `demo`: what a stage answers is what the demo answers.

use crate::bands;
use crate::workshop::Workshop;

const DEMO: &str = "demo --folder demo --example example --programs programs";

/// A demo that gets as far as the training, with the small data set under the name of the real one.
fn begun() -> Workshop {
    let workshop = Workshop::bare();
    let policy = String::from_utf8(workshop.read("dependencies.toml")).unwrap();
    let policy = policy.replace("name = \"bands\"", "name = \"mnist\"");
    workshop.write("example/policies/dependencies.toml", policy);
    bands::copy(
        &workshop.file("data"),
        &workshop.file("example/policies/data"),
    );
    workshop.write("programs/digits-train", "");
    workshop.write("demo/nothing", "");
    workshop.yes("store init demo");
    workshop.yes("key new laptop --store demo");
    workshop.yes("dataset add mnist --store demo --policy example/policies/dependencies.toml");
    workshop
}

#[test]
fn a_gates_no_is_the_demos_no() {
    let workshop = begun();
    workshop.yes("recall dataset mnist --store demo --reason 'labels were bought'");
    assert_eq!(workshop.denied(DEMO), ["recalled"]);
    let outcome = workshop.run(DEMO);
    assert_eq!(outcome.status, 1, "{outcome:?}");
    for part in ["[recalled] `modelward ", "labels were bought"] {
        assert!(outcome.stderr.contains(part), "{part}: {outcome:?}");
    }
}

#[test]
fn what_a_stage_could_not_do_is_told_with_its_way_out() {
    let workshop = begun();
    workshop.write("demo/out/digits/mine", "edited");
    let answer = workshop.json(DEMO);
    assert_eq!(
        (&answer["result"], &answer["code"]),
        (&"error".into(), &"io".into())
    );
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    assert!(text("message").contains("`out/digits` holds files"));
    assert!(text("hint").contains("move away"), "{answer:#}");
}
