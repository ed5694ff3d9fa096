//! The gate before the server: a model that is let in, and each statement about it gone or changed.

use std::collections::BTreeSet;

use policy::admission::AdmissionRules;
use policy::slsa::PackageName;
use trust::predicate::{Provenance, Publish, RecallKind, ScanVerdict};
use trust::{Code, Predicate, RootKey, Verdict};

use crate::gates::{
    DAY, PACKAGE, admitted, deployed, digits, provenance, published, ready, ready_by, rules,
    with_build,
};
use crate::kit::{
    NOW, OTHER, STRANGER, World, allowed, codes, data, now, root_key, scanned, signed,
};

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
        ["environment_mismatch", "environment_mismatch"]
    );
    assert_eq!(
        other(|rules| rules.service_account = "other@prod.example".to_owned()),
        ["scope_mismatch"]
    );
    let package = |rules: &mut AdmissionRules| {
        rules.package = PackageName::parse("registry.example/team/other").unwrap();
    };
    assert_eq!(other(package), ["publish_missing", "deployment_missing"]);
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

/// What the log names and the store has lost is restored: to say it again is not the way, and nobody can say that it never was.
#[test]
fn a_statement_that_is_lost_is_told_with_its_line() {
    let whole = ready();
    let lines = whole.gathered.entries.clone();
    let mut told = 0;
    for (index, line) in lines.iter().enumerate() {
        let entry = trust::log::Entry::parse(line).unwrap();
        for is_gone in [true, false] {
            let mut world = ready();
            let bundles = &mut world.gathered.bundles;
            let mut bytes = bundles.remove(&entry.bundle()).unwrap();
            if !is_gone {
                bytes.push(b' ');
                bundles.insert(entry.bundle(), bytes);
            }
            let Verdict::Denied(denied) = admitted(&world, &rules(), NOW) else {
                assert_eq!(entry.predicate_type(), trust::predicate::Dataset::TYPE);
                continue;
            };
            let reasons: Vec<_> = denied.reasons().collect();
            assert_eq!(reasons.len(), 1, "{denied:?}");
            assert_eq!(reasons[0].code, Code::StoreDamaged, "{denied:?}");
            let message = &reasons[0].message;
            assert!(
                message.starts_with(&format!("line {index} of the log")),
                "{message}"
            );
            assert!(reasons[0].way.contains("`modelward store verify`"));
            told += 1;
        }
    }
    // Signature, provenance, scan, publication, deployment.
    assert_eq!(told, 2 * 5);
    let mut world = ready();
    world
        .gathered
        .bundles
        .retain(|_, bytes| !said::<Provenance>(bytes));
    assert_eq!(codes(&published(&world, Some("prod"))), ["store_damaged"]);
    world
        .gathered
        .bundles
        .retain(|_, bytes| !said::<Publish>(bytes));
    assert_eq!(
        codes(&deployed(&world, "prod.json", PACKAGE)),
        ["store_damaged"]
    );
}

/// Whether a bundle says this.
fn said<P: Predicate>(bytes: &[u8]) -> bool {
    let bundle = trust::Bundle::parse(bytes).unwrap();
    let statement = trust::Statement::<trust::Opaque<'_>>::parse(bundle.envelope().payload());
    statement.unwrap().predicate.predicate_type == P::TYPE
}
