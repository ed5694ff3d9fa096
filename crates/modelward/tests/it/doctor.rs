//! `doctor`: what this machine can do is what then happens.

use crate::workshop::{TRAIN, Workshop};

#[test]
fn the_isolation_that_is_named_is_the_one_in_provenance() {
    let workshop = Workshop::with_data();
    let checks = workshop.allowed("doctor")["checks"].clone();
    let trained = workshop.allowed(TRAIN);
    assert_eq!(checks["step_isolation"]["says"], trained["isolation"]);
    let names = [
        "control_groups",
        "git",
        "landlock",
        "npm",
        "processor",
        "sealed_memory",
        "step_isolation",
    ];
    let found: Vec<&str> = checks
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(found, names);
    let text = workshop.yes("doctor").stdout;
    for name in names {
        assert!(text.contains(&name.replace('_', " ")), "{name}: {text}");
    }
}
