//! The stage `admit`: the gate before the server.
//!
//! In: the model and all that the log says of it. Must hold: signature, provenance, clean scan, publication and
//! deployment, for this environment and service account, and nothing recalled; and what a policy of format 2 asks for
//! besides, if there is one. Out: an admission with its evidence.
//! Denies: with all reasons at once. Logs: the admission.

use policy::admission::{AdmissionRules, Evidence};
use policy::gate::{Place, Policy};
use trust::predicate::{Admission, Deployment, ModelSignature, Provenance, Publish, ScanReport};
use trust::{Artifact, Code, Denied, Reason, Statement, Time, TrustRoot, Verdict};

use crate::gate::{self, Judged};
use crate::ledger::{Fault, Ledger};
use crate::lineage::names;
use crate::lost;
use crate::publish::subject;
use crate::recall::recalled;

/// How long an admission holds.
#[derive(Debug, Clone, Copy)]
pub struct Duration {
    /// In seconds.
    pub seconds: i64,
}

/// Says whether a model is let in, and if so, what is to be signed about it.
///
/// # Errors
/// A recall can't be checked.
pub fn decide(
    ledger: &Ledger<'_>,
    rules: &AdmissionRules,
    artifact: &Artifact,
    root: &TrustRoot,
    holds: Duration,
    now: Time,
) -> Result<Verdict<Statement<Admission>>, Fault> {
    decide_with(ledger, rules, artifact, root, holds, now, None)
}

/// As [`decide`], and by a policy of format 2 besides, which can ask for more and for no less.
///
/// # Errors
/// A recall can't be checked.
pub fn decide_by(
    ledger: &Ledger<'_>,
    (rules, policy, place): (&AdmissionRules, &Policy, &Place),
    artifact: &Artifact,
    root: &TrustRoot,
    holds: Duration,
    now: Time,
) -> Result<(Verdict<Statement<Admission>>, Judged), Fault> {
    let judged = gate::judge(ledger, policy, artifact, place, now)?;
    let verdict = decide_with(ledger, rules, artifact, root, holds, now, Some(&judged))?;
    Ok((verdict, judged))
}

fn decide_with(
    ledger: &Ledger<'_>,
    rules: &AdmissionRules,
    artifact: &Artifact,
    root: &TrustRoot,
    holds: Duration,
    now: Time,
    judged: Option<&Judged>,
) -> Result<Verdict<Statement<Admission>>, Fault> {
    let about = names(artifact);
    let signatures = ledger.about::<ModelSignature>(&about);
    let provenance = ledger.about::<Provenance>(&about);
    let scans = ledger.about::<ScanReport>(&about);
    let publications = ledger.about::<Publish>(&about);
    let deployments = ledger.about::<Deployment>(&about);
    let verdict = rules.evaluate(
        artifact,
        &Evidence {
            signatures: &signatures.verified(),
            provenance: &provenance.verified(),
            scans: &scans.verified(),
            publications: &publications.verified(),
            deployments: &deployments.verified(),
        },
        now,
    );
    let mut reasons = match verdict {
        Verdict::Denied(denied) => denied.reasons().cloned().collect(),
        Verdict::Allowed(admitted) => {
            let mut against = recalled(ledger, artifact)?;
            against.extend(judged.into_iter().flat_map(by_policy));
            if against.is_empty() {
                let mut evidence = admitted.to_lines();
                evidence.extend(judged.into_iter().flat_map(lines));
                let predicate = Admission {
                    admitted_at: now,
                    expires: ends(judged, now.plus_seconds(holds.seconds)),
                    environment: rules.environment.clone(),
                    service_account: rules.service_account.clone(),
                    trust_root: root.digest().to_string(),
                    evidence,
                };
                let subjects = vec![subject(&rules.package.to_string(), artifact)];
                return Ok(Verdict::Allowed(Statement {
                    subjects,
                    predicate,
                }));
            }
            against
        }
    };
    reasons = lost::told::<Deployment>(ledger, &about, Code::DeploymentMissing, reasons);
    reasons = lost::told::<Publish>(ledger, &about, Code::PublishMissing, reasons);
    reasons = lost::told::<ScanReport>(ledger, &about, Code::ScanMissing, reasons);
    reasons = lost::told::<Provenance>(ledger, &about, Code::ProvenanceMissing, reasons);
    reasons = lost::told::<ModelSignature>(ledger, &about, Code::SignatureMissing, reasons);
    // Why a statement that is there did not count is a reason too.
    reasons.extend(signatures.disbelieved());
    reasons.extend(provenance.disbelieved());
    reasons.extend(scans.disbelieved());
    reasons.extend(publications.disbelieved());
    reasons.extend(deployments.disbelieved());
    let by_policy = judged.into_iter().flat_map(by_policy);
    for reason in recalled(ledger, artifact)?.into_iter().chain(by_policy) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Ok(Verdict::Denied(
        Denied::from_reasons(reasons).unwrap_or_else(nothing_said),
    ))
}

/// What a policy has against it, where it enforces.
fn by_policy(judged: &Judged) -> Vec<Reason> {
    match judged.decision.verdict() {
        Verdict::Allowed(_) => Vec::new(),
        Verdict::Denied(denied) => {
            let reasons = denied.reasons().cloned();
            reasons.chain(judged.disbelieved.iter().cloned()).collect()
        }
    }
}

/// When an admission ends: no later than the exceptions that it rests on.
fn ends(judged: Option<&Judged>, longest: Time) -> Time {
    let verdict = judged.map(|judged| judged.decision.verdict());
    let Some(Verdict::Allowed(passed)) = verdict else {
        return longest;
    };
    let ends = passed.exceptions.iter().map(|(_, excepted)| excepted.until);
    ends.min().map_or(longest, |first| first.min(longest))
}

/// The policy and what satisfied it, as an admission lists its evidence. What did not, and was let pass, stands there too.
fn lines(judged: &Judged) -> Vec<String> {
    let decision = &judged.decision;
    let mut lines = vec![format!("policy={}", decision.policy)];
    let Verdict::Allowed(passed) = decision.verdict() else {
        return lines;
    };
    let met = passed.evidence.iter();
    lines.extend(met.map(|(word, bundle)| format!("policy.{word}={bundle}")));
    let excepted = passed.exceptions.iter();
    lines.extend(excepted.map(|(word, it)| format!("exception.{word}={}", it.by.bundle)));
    let passed_over = passed.passed_over.iter();
    lines.extend(passed_over.map(|(word, _)| format!("unmet.{word}={}", decision.policy)));
    lines
}

/// A denial always has a reason; this one stands for a contradiction in what gave none.
fn nothing_said() -> Denied {
    Denied::because(Reason::new(
        Code::AdmissionMissing,
        "the gate denied and gave no reason",
        "please report it",
    ))
}
