//! Publish, deploy, admit, serve: a chain that is let through, and each fact of it changed.

use std::collections::BTreeSet;

use chain::serve::Place;
use chain::train::WORKSTATION;
use chain::{Logged, admit, deploy, publish, serve};
use policy::admission::AdmissionRules;
use policy::slsa::{DeploymentPolicies, PackageName, PublishPolicies};
use serde_json::json;
use trust::predicate::{
    Admission, Deployment, Provenance, Publish, RecallKind, ScanVerdict, Serving,
};
use trust::{Artifact, RootKey, Statement, Time, Verdict};

use crate::kit::{
    KEY, NOW, OTHER, OTHER_BUILDER, PUBLISHER, SOURCE, STRANGER, World, about, allowed, built,
    codes, data, key_id, model, now, root_key, scanned, signed, whole,
};

const PACKAGE: &str = "registry.example/team/digits";
const ACCOUNT: &str = "digits@prod.example";
const DAY: i64 = 24 * 60 * 60;

fn digits() -> Artifact {
    model("digits")
}

fn publish_policies() -> PublishPolicies {
    let org = json!({"format": 1, "roots": {"build": [
        {"id": WORKSTATION, "name": "workstation", "slsa_level": 1},
    ]}});
    let project = json!({
        "format": 1,
        "package": {"name": PACKAGE, "environment": {"any_of": ["prod", "staging"]}},
        "build": {"require_slsa_builder": "workstation", "repository": {"uri": SOURCE}},
    });
    let files = [("digits.json".to_owned(), project.to_string().into_bytes())];
    PublishPolicies::parse(org.to_string().as_bytes(), &files).unwrap()
}

fn deployment_policies() -> DeploymentPolicies {
    let org = json!({"format": 1, "roots": {"publish": [
        {"id": PUBLISHER, "build": {"max_slsa_level": 2}},
    ]}});
    let project = json!({
        "format": 1,
        "protection": {"google_service_account": ACCOUNT},
        "build": {"require_slsa_level": 1},
        "packages": [{"name": PACKAGE, "environment": {"any_of": ["prod"]}}],
    });
    let files = [("prod.json".to_owned(), project.to_string().into_bytes())];
    DeploymentPolicies::parse(org.to_string().as_bytes(), &files).unwrap()
}

fn rules() -> AdmissionRules {
    AdmissionRules {
        package: PackageName::parse(PACKAGE).unwrap(),
        environment: "prod".to_owned(),
        service_account: ACCOUNT.to_owned(),
        max_age_seconds: 30 * DAY,
        formats: None,
    }
}

fn published(world: &World, environment: Option<&str>) -> Verdict<Statement<Publish>> {
    let (policies, ledger) = (publish_policies(), world.ledger());
    publish::decide(&ledger, &policies, PACKAGE, environment, &digits(), now()).unwrap()
}

fn deployed(world: &World, policy: &str, package: &str) -> Verdict<Statement<Deployment>> {
    let (policies, ledger) = (deployment_policies(), world.ledger());
    deploy::decide(&ledger, &policies, policy, package, &digits(), now()).unwrap()
}

fn admitted(world: &World, rules: &AdmissionRules, at: i64) -> Verdict<Statement<Admission>> {
    let (holds, at) = (admit::Duration { seconds: DAY }, Time::from_unix(at));
    let ledger = chain::Ledger::open(world.dossier(), &world.root, at).unwrap();
    admit::decide(&ledger, rules, &digits(), &world.root, holds, at).unwrap()
}

fn prod() -> Place {
    Place {
        environment: "prod".to_owned(),
        service_account: ACCOUNT.to_owned(),
    }
}

fn served(world: &World, place: &Place, at: i64) -> Verdict<Logged<Admission>> {
    let at = Time::from_unix(at);
    let ledger = chain::Ledger::open(world.dossier(), &world.root, at).unwrap();
    serve::decide(&ledger, &digits(), place, at).unwrap()
}

/// The data set and what was built from it.
fn with_build(provenance: &Statement<Provenance>) -> World {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.keep(&digits());
    world.say(provenance);
    world
}

fn provenance() -> Statement<Provenance> {
    built(&digits(), &whole(&data("a")))
}

/// All that the gate before the server asks for, said by this key.
fn ready_by(seed: u8) -> World {
    let mut world = with_build(&provenance());
    world.say_by(seed, &signed(&digits()));
    world.say_by(seed, &scanned(&digits(), ScanVerdict::Clean));
    let publication = allowed(published(&world, Some("prod")));
    world.say_by(seed, &publication);
    let deployment = allowed(deployed(&world, "prod.json", PACKAGE));
    world.say_by(seed, &deployment);
    world
}

fn ready() -> World {
    ready_by(KEY)
}

/// A model that was admitted at `NOW`.
fn ready_to_serve() -> World {
    let mut world = ready();
    let admission = allowed(admitted(&world, &rules(), NOW));
    world.say(&admission);
    world
}

#[test]
fn a_model_is_published_by_how_it_was_built() {
    let world = with_build(&provenance());
    let statement = allowed(published(&world, Some("prod")));
    assert!(statement.is_about(digits().digest()));
    let said = &statement.predicate;
    assert_eq!(
        (said.package.environment.as_deref(), said.build_level()),
        (Some("prod"), 1)
    );
    type Change = fn(&mut Statement<Provenance>);
    let changes: [(Change, Option<&str>, Vec<&str>); 8] = [
        (|_| {}, Some("staging"), vec![]),
        (|_| {}, Some("test"), vec!["environment_mismatch"]),
        (|_| {}, None, vec!["environment_mismatch"]),
        (
            |said| drop(said.subjects.pop()),
            Some("prod"),
            vec!["provenance_missing"],
        ),
        (
            |said| said.predicate.run_details.builder.id = OTHER_BUILDER.to_owned(),
            Some("prod"),
            vec!["builder_mismatch"],
        ),
        (
            |said| {
                let parameters = &mut said.predicate.build_definition.external_parameters;
                parameters.insert(
                    "source".to_owned(),
                    json!("https://git.example/fork/digits"),
                );
            },
            Some("prod"),
            vec!["source_mismatch"],
        ),
        (
            |said| {
                let parameters = &mut said.predicate.build_definition.external_parameters;
                parameters.remove("source");
            },
            Some("prod"),
            vec!["source_mismatch"],
        ),
        // All at once.
        (
            |said| {
                said.predicate.run_details.builder.id = OTHER_BUILDER.to_owned();
                said.predicate.build_definition.external_parameters.clear();
            },
            Some("test"),
            vec![
                "environment_mismatch",
                "builder_mismatch",
                "source_mismatch",
            ],
        ),
    ];
    for (change, environment, want) in changes {
        let mut said = provenance();
        change(&mut said);
        assert_eq!(codes(&published(&with_build(&said), environment)), want);
    }
}

#[test]
fn a_package_that_no_policy_speaks_of_is_not_published() {
    let world = with_build(&provenance());
    let (policies, ledger) = (publish_policies(), world.ledger());
    let decide = |package| {
        let prod = Some("prod");
        publish::decide(&ledger, &policies, package, prod, &digits(), now()).unwrap()
    };
    assert_eq!(codes(&decide(PACKAGE)), Vec::<&str>::new());
    assert_eq!(
        codes(&decide("registry.example/team/other")),
        ["package_unknown"]
    );
}

#[test]
fn provenance_that_is_not_believed_does_not_publish() {
    for (seed, want) in [
        (KEY, vec![]),
        (OTHER, vec![]),
        (STRANGER, vec!["provenance_missing"]),
    ] {
        let mut world = World::new();
        world.say_by(seed, &provenance());
        assert_eq!(codes(&published(&world, Some("prod"))), want);
    }
}

#[test]
fn a_recall_adds_to_the_other_reasons_of_each_gate() {
    let mut world = ready();
    let recall = |world: &mut World| {
        world.recall(RecallKind::Dataset, &data("a").digest().to_string());
    };
    assert_eq!(codes(&published(&world, Some("prod"))), Vec::<&str>::new());
    assert_eq!(
        codes(&deployed(&world, "prod.json", PACKAGE)),
        Vec::<&str>::new()
    );
    assert_eq!(codes(&admitted(&world, &rules(), NOW)), Vec::<&str>::new());
    recall(&mut world);
    assert_eq!(codes(&published(&world, Some("prod"))), ["recalled"]);
    assert_eq!(codes(&deployed(&world, "prod.json", PACKAGE)), ["recalled"]);
    assert_eq!(codes(&admitted(&world, &rules(), NOW)), ["recalled"]);
    let mut unpublished = with_build(&provenance());
    recall(&mut unpublished);
    assert_eq!(
        codes(&published(&unpublished, None)),
        ["environment_mismatch", "recalled"]
    );
    assert_eq!(
        codes(&deployed(&unpublished, "prod.json", PACKAGE)),
        ["publish_missing", "recalled"]
    );
    assert_eq!(
        codes(&admitted(&unpublished, &rules(), NOW)),
        [
            "signature_missing",
            "scan_missing",
            "publish_missing",
            "deployment_missing",
            "recalled"
        ]
    );
}

#[test]
fn a_model_is_deployed_by_where_it_was_published() {
    let publication = |change: fn(&mut Statement<Publish>)| {
        let mut world = with_build(&provenance());
        let mut statement = allowed(published(&world, Some("prod")));
        change(&mut statement);
        world.say(&statement);
        world
    };
    let statement = allowed(deployed(&publication(|_| {}), "prod.json", PACKAGE));
    assert!(statement.is_about(digits().digest()));
    assert_eq!(
        statement.predicate.scopes.values().collect::<Vec<_>>(),
        [ACCOUNT]
    );
    type Change = fn(&mut Statement<Publish>);
    let changes: [(Change, &str, &str, Vec<&str>); 9] = [
        (|_| {}, "prod.json", PACKAGE, vec![]),
        (|_| {}, "test.json", PACKAGE, vec!["package_unknown"]),
        (
            |_| {},
            "prod.json",
            "registry.example/team/other",
            vec!["package_unknown"],
        ),
        (
            |said| *said = about(&model("other"), said.predicate.clone()),
            "prod.json",
            PACKAGE,
            vec!["publish_missing"],
        ),
        (
            |said| said.predicate.package.name = "team/other".to_owned(),
            "prod.json",
            PACKAGE,
            vec!["publish_missing"],
        ),
        (
            |said| said.predicate.package.environment = Some("staging".to_owned()),
            "prod.json",
            PACKAGE,
            vec!["environment_mismatch"],
        ),
        (
            |said| said.predicate.properties.build_level = 0,
            "prod.json",
            PACKAGE,
            vec!["level_too_low"],
        ),
        (
            |said| said.predicate.properties.build_level = 3,
            "prod.json",
            PACKAGE,
            vec!["publisher_mismatch"],
        ),
        (
            |said| {
                said.predicate.properties.build_level = 0;
                said.predicate.package.environment = None;
            },
            "prod.json",
            PACKAGE,
            vec!["level_too_low", "environment_mismatch"],
        ),
    ];
    for (change, policy, package, want) in changes {
        assert_eq!(
            codes(&deployed(&publication(change), policy, package)),
            want
        );
    }
}

#[test]
fn a_publisher_that_the_policy_does_not_name_is_not_believed() {
    let mut world = with_build(&provenance());
    let publication = allowed(published(&world, Some("prod")));
    world.say(&publication);
    for (speaks_for, want) in [(PUBLISHER, vec![]), ("someone", vec!["publisher_mismatch"])] {
        let key = RootKey {
            speaks_for: vec![speaks_for.to_owned(), WORKSTATION.to_owned()],
            ..root_key(KEY)
        };
        world.root = world.root.clone().with_key(key);
        assert_eq!(codes(&deployed(&world, "prod.json", PACKAGE)), want);
    }
}

#[test]
fn an_admission_holds_its_evidence() {
    let world = ready();
    let statement = allowed(admitted(&world, &rules(), NOW));
    assert!(statement.is_about(digits().digest()));
    let said = &statement.predicate;
    assert_eq!(
        (said.admitted_at, said.expires),
        (now(), now().plus_seconds(DAY))
    );
    assert_eq!(said.trust_root, world.root.digest().to_string());
    let names: Vec<_> = said
        .evidence
        .iter()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "signature",
            "provenance",
            "scan",
            "publication",
            "deployment"
        ]
    );
    let bundles: BTreeSet<String> = world
        .gathered
        .bundles
        .keys()
        .map(ToString::to_string)
        .collect();
    for line in &said.evidence {
        assert!(bundles.contains(line.split_once('=').unwrap().1), "{line}");
    }
}

#[test]
fn each_statement_that_is_missing_has_its_code() {
    let all = ready();
    // The lines are the data set, the build, the signature, the scan, the publication, the deployment.
    let mut every = BTreeSet::new();
    for (line, code) in [
        (1, "provenance_missing"),
        (2, "signature_missing"),
        (3, "scan_missing"),
        (4, "publish_missing"),
        (5, "deployment_missing"),
    ] {
        let mut world = World::new();
        world.gathered = all.gathered.clone();
        world.gathered.entries.remove(line);
        assert_eq!(codes(&admitted(&world, &rules(), NOW)), [code]);
        every.insert(code);
    }
    let nothing = codes(&admitted(&World::new(), &rules(), NOW));
    assert_eq!(nothing.into_iter().collect::<BTreeSet<_>>(), every);
}

#[test]
fn each_fact_that_the_gate_asks_for_counts() {
    let world = ready();
    let other = |change: fn(&mut AdmissionRules)| {
        let mut rules = rules();
        change(&mut rules);
        codes(&admitted(&world, &rules, NOW))
    };
    assert_eq!(other(|_| {}), Vec::<&str>::new());
    assert_eq!(
        other(|rules| rules.environment = "staging".to_owned()),
        ["environment_mismatch"]
    );
    assert_eq!(
        other(|rules| rules.service_account = "other@prod.example".to_owned()),
        ["scope_mismatch"]
    );
    let package = |rules: &mut AdmissionRules| {
        rules.package = PackageName::parse("registry.example/team/other").unwrap();
    };
    assert_eq!(other(package), ["publish_missing"]);
    let month = 30 * DAY;
    assert_eq!(
        codes(&admitted(&world, &rules(), NOW + month)),
        Vec::<&str>::new()
    );
    assert_eq!(
        codes(&admitted(&world, &rules(), NOW + month + 1)),
        ["scan_missing", "publish_missing", "deployment_missing"]
    );
}

#[test]
fn what_a_scan_found_closes_the_gate() {
    for (verdict, want) in [
        (ScanVerdict::Clean, None),
        (ScanVerdict::Suspicious, Some("scan_suspicious")),
        (ScanVerdict::Inconclusive, Some("scan_inconclusive")),
        (ScanVerdict::Malicious, Some("scan_malicious")),
    ] {
        let mut world = ready();
        world.say(&scanned(&digits(), verdict));
        let codes: BTreeSet<_> = codes(&admitted(&world, &rules(), NOW))
            .into_iter()
            .collect();
        assert_eq!(codes, want.into_iter().collect());
    }
}

#[test]
fn why_a_statement_did_not_count_is_a_reason_too() {
    let world = ready_by(OTHER);
    assert_eq!(codes(&admitted(&world, &rules(), NOW)), Vec::<&str>::new());
    let mut retired = ready_by(OTHER);
    let key = RootKey {
        valid_until: now(),
        ..root_key(OTHER)
    };
    retired.root = retired.root.clone().with_key(key);
    let codes = codes(&admitted(&retired, &rules(), NOW));
    let missing = [
        "signature_missing",
        "scan_missing",
        "publish_missing",
        "deployment_missing",
    ];
    assert_eq!(codes[..4], missing);
    assert_eq!(codes[4..], ["key_expired"; 4]);
}

#[test]
fn statements_of_a_stranger_open_and_close_nothing() {
    let mut world = ready();
    world.say_by(STRANGER, &scanned(&digits(), ScanVerdict::Malicious));
    assert_eq!(codes(&admitted(&world, &rules(), NOW)), Vec::<&str>::new());
    let mut strangers = with_build(&provenance());
    strangers.say_by(STRANGER, &signed(&digits()));
    strangers.say_by(STRANGER, &scanned(&digits(), ScanVerdict::Clean));
    let codes = codes(&admitted(&strangers, &rules(), NOW));
    assert!(codes.contains(&"signature_missing") && codes.contains(&"scan_missing"));
    assert!(codes.contains(&"key_unknown"));
}

#[test]
fn a_server_starts_on_an_admission_for_its_place() {
    let world = ready_to_serve();
    let admission = allowed(served(&world, &prod(), NOW));
    assert_eq!(admission.index, 6);
    let place = |environment: &str, service_account: &str| Place {
        environment: environment.to_owned(),
        service_account: service_account.to_owned(),
    };
    for (place, at, want) in [
        (prod(), NOW, vec![]),
        (prod(), NOW + DAY - 1, vec![]),
        (prod(), NOW + DAY, vec!["admission_expired"]),
        (place("staging", ACCOUNT), NOW, vec!["admission_missing"]),
        (place("prod", "other"), NOW, vec!["admission_missing"]),
        (place("", ""), NOW, vec!["admission_missing"]),
    ] {
        assert_eq!(
            codes(&served(&world, &place, at)),
            want,
            "{place:?} at {at}"
        );
    }
    assert_eq!(
        codes(&served(&ready(), &prod(), NOW)),
        ["admission_missing"]
    );
}

#[test]
fn an_admission_of_another_model_or_by_a_stranger_is_none() {
    for (seed, model, want) in [
        (KEY, digits(), vec![]),
        (STRANGER, digits(), vec!["admission_missing"]),
        (KEY, model("other"), vec!["admission_missing"]),
    ] {
        let mut world = ready();
        let said = allowed(admitted(&world, &rules(), NOW)).predicate;
        world.say_by(seed, &about(&model, said));
        assert_eq!(codes(&served(&world, &prod(), NOW)), want);
    }
}

#[test]
fn the_newest_admission_wins() {
    let mut world = ready_to_serve();
    let mut staging = allowed(admitted(&world, &rules(), NOW));
    staging.predicate.environment = "staging".to_owned();
    staging.predicate.expires = Time::from_unix(NOW - 1);
    world.say(&staging);
    // That of another place is not it.
    assert_eq!(allowed(served(&world, &prod(), NOW)).index, 6);
    let mut over = allowed(admitted(&world, &rules(), NOW));
    over.predicate.expires = Time::from_unix(NOW + 1);
    world.say(&over);
    assert_eq!(allowed(served(&world, &prod(), NOW)).index, 8);
    assert_eq!(
        codes(&served(&world, &prod(), NOW + 1)),
        ["admission_expired"]
    );
}

#[test]
fn a_server_does_not_start_on_what_was_recalled() {
    let target = |artifact: &Artifact| artifact.digest().to_string();
    for (kind, target, want) in [
        (RecallKind::Model, target(&model("other")), vec![]),
        (RecallKind::Model, target(&digits()), vec!["recalled"]),
        (RecallKind::Dataset, target(&data("a")), vec!["recalled"]),
        (
            RecallKind::Builder,
            WORKSTATION.to_owned(),
            vec!["recalled"],
        ),
    ] {
        let mut world = ready_to_serve();
        world.recall(kind, &target);
        assert_eq!(codes(&served(&world, &prod(), NOW)), want);
    }
}

#[test]
fn a_recalled_key_admits_nothing_and_another_may() {
    let mut world = ready();
    let admission = allowed(admitted(&world, &rules(), NOW));
    world.say_by(OTHER, &admission);
    assert_eq!(codes(&served(&world, &prod(), NOW)), Vec::<&str>::new());
    world.recall(RecallKind::Key, &key_id(OTHER).to_string());
    assert_eq!(codes(&served(&world, &prod(), NOW)), ["recalled"]);
    world.say(&admission);
    assert_eq!(codes(&served(&world, &prod(), NOW)), Vec::<&str>::new());
    // Whoever has the recalled key can't close what the other key opened.
    let mut over = admission;
    over.predicate.expires = now();
    world.say_by(OTHER, &over);
    assert_eq!(codes(&served(&world, &prod(), NOW)), Vec::<&str>::new());
}

#[test]
fn each_start_of_a_server_is_a_session_of_its_own() {
    let world = ready_to_serve();
    let admission = allowed(served(&world, &prod(), NOW))
        .statement
        .proof()
        .bundle;
    let start =
        |model: &Artifact, at| serve::statement("digits", model, admission, Time::from_unix(at));
    let said: Statement<Serving> = start(&digits(), NOW);
    assert!(said.is_about(digits().digest()));
    assert_eq!(said.predicate.admission, admission);
    assert_eq!(said.predicate.session.len(), 16);
    assert_eq!(said, start(&digits(), NOW));
    assert_ne!(
        said.predicate.session,
        start(&digits(), NOW + 1).predicate.session
    );
    assert_ne!(
        said.predicate.session,
        start(&model("b"), NOW).predicate.session
    );
}
