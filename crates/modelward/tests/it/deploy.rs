//! `deploy`: a deployment policy over what was published.

use crate::workshop::{PROD, Workshop, deploy, publish};

#[test]
fn the_scope_is_the_policys() {
    let workshop = Workshop::with_model();
    workshop.yes(&publish("prod"));
    let deployed = workshop.allowed(&deploy("prod"));
    assert_eq!(
        deployed["scopes"]["cloud.google.com/service_account/v1"],
        PROD
    );
    let statement = workshop.statement(&deployed["statement"]["bundle"]);
    assert_eq!(
        statement["predicateType"],
        "https://slsa.dev/deployment/v0.1"
    );
    assert_eq!(statement["predicate"]["scopes"], deployed["scopes"]);
}

#[test]
fn each_demand_of_the_policy_is_made() {
    let workshop = Workshop::with_model();
    workshop.yes(&publish("prod"));
    let table = [
        (
            "servers-prod.json",
            "\"prod\"",
            "\"staging\"",
            "environment_mismatch",
        ),
        (
            "servers-prod.json",
            "bh-aisec-model-inference",
            "other",
            "package_unknown",
        ),
        (
            "org.json",
            "publisher/local/v1",
            "publisher/other/v1",
            "publisher_mismatch",
        ),
    ];
    for (file, from, to, code) in table {
        let file = format!("deployment/{file}");
        workshop.replace(&file, from, to);
        assert_eq!(workshop.denied(&deploy("prod")), [code], "{file}: {to}");
        workshop.replace(&file, to, from);
        workshop.yes(&deploy("prod"));
    }
    let all =
        "name a project's by its path in the folder: `servers-prod.json`, `servers-staging.json`";
    for (policy, message, way) in [
        (
            "nowhere",
            "the folder of deployment policies has no `nowhere`",
            all,
        ),
        ("org.json", "`org.json` is the organisation's policy", all),
        (
            "deployment/servers-prod.json",
            "has no `deployment/servers-prod.json`",
            "did you mean `servers-prod.json`?",
        ),
        ("../publish/digits", "has no `../publish/digits`", all),
    ] {
        let answer = workshop.json(&deploy("prod").replace("servers-prod.json", policy));
        let reason = &answer["reasons"][0];
        assert_eq!(reason["code"], "package_unknown", "{answer:#}");
        assert!(
            reason["message"].as_str().unwrap().contains(message),
            "{answer:#}"
        );
        assert_eq!(reason["way"], way);
    }
}
