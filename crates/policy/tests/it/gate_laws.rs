//! What holds of every policy and whatever was said: held over many subsets of statements, good, bad and of other models.

use policy::gate::{Decision, Policy};
use trust::predicate::ScanVerdict;
use trust::{Artifact, Statement, Verified};

use crate::gate::{
    Said, added, all_of, approved, built, cyclonedx, model, policy, prod, requested, scanned,
    signed, spdx,
};
use crate::kit::{BUILDER, SOURCE, WORKSTATION};

const DAY: i64 = 86_400;
const ROUNDS: u32 = 150;

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Some of these, in some order.
    fn some<'a, P>(&mut self, of: &'a [P]) -> Vec<&'a P> {
        let mut drawn: Vec<(u64, &P)> = of.iter().map(|item| (self.throw(), item)).collect();
        drawn.retain(|(number, _)| number % 3 != 0);
        drawn.sort_by_key(|(number, _)| *number);
        drawn.into_iter().map(|(_, item)| item).collect()
    }
}

/// A hand of statements.
#[derive(Default, Clone)]
struct Hand<'a> {
    signatures: Vec<&'a Verified<Statement<trust::predicate::ModelSignature>>>,
    provenance: Vec<&'a Verified<Statement<trust::predicate::Provenance>>>,
    scans: Vec<&'a Verified<Statement<trust::predicate::ScanReport>>>,
    datasets: Vec<&'a Verified<Statement<trust::predicate::Dataset>>>,
    cyclonedx: Vec<&'a Verified<Statement<trust::predicate::CycloneDx>>>,
    spdx: Vec<&'a Verified<Statement<trust::predicate::Spdx>>>,
    requests: Vec<&'a Verified<Statement<trust::predicate::ApprovalRequest>>>,
    approvals: Vec<&'a Verified<Statement<trust::predicate::Approval>>>,
}

impl<'a> Hand<'a> {
    fn drawn(from: &'a Said, dice: &mut Dice) -> Self {
        Self {
            signatures: dice.some(&from.signatures),
            provenance: dice.some(&from.provenance),
            scans: dice.some(&from.scans),
            datasets: dice.some(&from.datasets),
            cyclonedx: dice.some(&from.cyclonedx),
            spdx: dice.some(&from.spdx),
            requests: dice.some(&from.requests),
            approvals: dice.some(&from.approvals),
        }
    }

    fn evaluate(&self, policy: &Policy, model: &Artifact) -> Decision {
        let evidence = policy::gate::Evidence {
            signatures: &self.signatures,
            provenance: &self.provenance,
            scans: &self.scans,
            datasets: &self.datasets,
            cyclonedx: &self.cyclonedx,
            spdx: &self.spdx,
            requests: &self.requests,
            approvals: &self.approvals,
            exceptions: &[],
        };
        policy.evaluate(model, &evidence, &prod(), crate::kit::now())
    }

    /// The same statements the other way round, and each twice.
    fn reversed(&self) -> Self {
        fn twice<T: Clone>(list: &[T]) -> Vec<T> {
            list.iter().rev().chain(list).cloned().collect()
        }
        Self {
            signatures: twice(&self.signatures),
            provenance: twice(&self.provenance),
            scans: twice(&self.scans),
            datasets: twice(&self.datasets),
            cyclonedx: twice(&self.cyclonedx),
            spdx: twice(&self.spdx),
            requests: twice(&self.requests),
            approvals: twice(&self.approvals),
        }
    }

    /// With what was said of something else.
    fn with(&self, other: &'a Said) -> Self {
        let mut all = self.clone();
        all.signatures.extend(&other.signatures);
        all.provenance.extend(&other.provenance);
        all.scans.extend(&other.scans);
        all.cyclonedx.extend(&other.cyclonedx);
        all.spdx.extend(&other.spdx);
        all.requests.extend(&other.requests);
        all.approvals.extend(&other.approvals);
        all
    }

    /// Every hand that lacks one of these.
    fn lacking_one(&self) -> Vec<Self> {
        let mut hands = Vec::new();
        macro_rules! lack {
            ($($list:ident)*) => {$(
                for index in 0..self.$list.len() {
                    let mut hand = self.clone();
                    hand.$list.remove(index);
                    hands.push(hand);
                }
            )*};
        }
        lack!(signatures provenance scans datasets cyclonedx spdx requests approvals);
        hands
    }
}

/// Good statements, bad ones, and twins by the same people, all of one model.
fn pool(model: &Artifact) -> Said {
    let mut said = all_of(model);
    said.signatures.push(signed("mallory", model));
    said.signatures
        .push(signed("alice", &crate::gate::model("other weights")));
    said.provenance
        .push(built("laptop", WORKSTATION, SOURCE, model, "1.0"));
    said.provenance
        .push(built("builder", BUILDER, SOURCE, model, "0.5"));
    said.provenance
        .push(built("bob", BUILDER, SOURCE, model, "0.99"));
    said.scans
        .push(scanned("scanner", model, 40 * DAY, ScanVerdict::Clean));
    said.scans
        .push(scanned("scanner", model, 60, ScanVerdict::Malicious));
    said.scans
        .push(scanned("mallory", model, -DAY, ScanVerdict::Clean));
    said.datasets.push(added("curator", "evaluate", "MIT"));
    said.datasets
        .push(added("mallory", "train", "GPL-3.0-only"));
    said.cyclonedx
        .push(cyclonedx("scanner", model, "GPL-3.0-only"));
    said.spdx.push(spdx("scanner", model, "MIT"));
    let another = requested("bob", model);
    said.approvals.push(approved("bob", model, &another, DAY));
    said.approvals.push(approved("alice", model, &another, DAY));
    said.approvals
        .push(approved("builder", model, &said.requests[0], DAY));
    said.requests.push(another);
    said
}

fn policies() -> Vec<Policy> {
    let builder = format!("[[build.builder]]\nid = \"{BUILDER}\"\nlevel = 3\n");
    [
        "[signature]\nthreshold = 2\n".to_owned(),
        "[signature]\nby = [\"alice\", \"bob\"]\nthreshold = 2\n[scan]\nmax_age_days = 30\n".to_owned(),
        format!("[[metric]]\nname = \"accuracy\"\nat_least = 0.97\n[data]\npurposes = [\"train\"]\nlicences = [\"MIT\"]\n{builder}"),
        format!("[approvals]\nthreshold = 2\n[build]\nlevel = 3\n{builder}"),
        "[approvals]\nby = [\"bob\", \"alice\", \"builder\"]\n".to_owned(),
        "[[expression]]\nname = \"e\"\nover = \"build\"\ncel = 'by == \"builder\"'\n[[expression]]\nname = \"f\"\nover = \"sbom\"\ncel = 'has(predicate.bomFormat)'\n".to_owned(),
        "[sbom]\nmax_age_days = 30\n[licence]\nallowed = [\"MIT\"]\n".to_owned(),
    ]
    .map(|rules| policy(&rules))
    .into()
}

#[test]
fn a_decision_depends_on_what_was_said_and_on_nothing_else() {
    let (model, other) = (model("weights"), all_of(&model("other weights")));
    let pool = pool(&model);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut met, mut unmet) = (0, 0);
    for policy in policies() {
        for _ in 0..ROUNDS {
            let hand = Hand::drawn(&pool, &mut dice);
            let decision = hand.evaluate(&policy, &model);
            *(if decision.is_met() {
                &mut met
            } else {
                &mut unmet
            }) += 1;
            assert_eq!(
                hand.reversed().evaluate(&policy, &model),
                decision,
                "order and repetition say nothing"
            );
            let with_other = hand.with(&other).evaluate(&policy, &model);
            assert_eq!(
                with_other.is_met(),
                decision.is_met(),
                "what is said of another model says nothing"
            );
            for less in hand.lacking_one() {
                let less = less.evaluate(&policy, &model);
                assert!(
                    decision.is_met() || !less.is_met(),
                    "taking one away makes no yes:\n{decision:#?}\n{less:#?}"
                );
            }
        }
    }
    assert!(met > 100 && unmet > 100, "both are met: {met} {unmet}");
}

/// Among any number that do not satisfy, one that does is found; and each of the others is told.
#[test]
fn every_statement_is_tried() {
    let model = model("weights");
    let rules = policy("[scan]\nmax_age_days = 30\nby = [\"scanner\"]\n");
    let mut said = Said::default();
    for days in 31..60 {
        said.scans
            .push(scanned("scanner", &model, days * DAY, ScanVerdict::Clean));
        said.scans
            .push(scanned("mallory", &model, days, ScanVerdict::Clean));
    }
    let decision = said.evaluate(&rules, &model, &prod());
    assert!(!decision.is_met());
    assert_eq!(decision.findings[0].tried.len(), 58);
    assert!(
        decision.findings[0]
            .tried
            .iter()
            .all(|tried| tried.against.len() == 1)
    );
    said.scans
        .insert(17, scanned("scanner", &model, DAY, ScanVerdict::Clean));
    let decision = said.evaluate(&rules, &model, &prod());
    assert!(decision.is_met());
    assert_eq!(decision.findings[0].tried.len(), 59);
}
