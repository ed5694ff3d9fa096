//! The stage `admit`: the gate before the server.
//!
//! In: the model and all that the log says of it. Must hold: signature, provenance, clean scan, publication and
//! deployment, for this environment and service account, and nothing recalled. Out: an admission with its evidence.
//! Denies: with all reasons at once. Logs: the admission.

use policy::admission::{AdmissionRules, Evidence};
use trust::predicate::{Admission, Deployment, ModelSignature, Provenance, Publish, ScanReport};
use trust::{Artifact, Code, Denied, Reason, Statement, Time, TrustRoot, Verdict};

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
            let recalled = recalled(ledger, artifact)?;
            if recalled.is_empty() {
                let predicate = Admission {
                    admitted_at: now,
                    expires: now.plus_seconds(holds.seconds),
                    environment: rules.environment.clone(),
                    service_account: rules.service_account.clone(),
                    trust_root: root.digest().to_string(),
                    evidence: admitted.to_lines(),
                };
                let subjects = vec![subject(&rules.package.to_string(), artifact)];
                return Ok(Verdict::Allowed(Statement {
                    subjects,
                    predicate,
                }));
            }
            recalled
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
    for reason in recalled(ledger, artifact)? {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Ok(Verdict::Denied(
        Denied::from_reasons(reasons).unwrap_or_else(nothing_said),
    ))
}

/// A denial always has a reason; this one stands for a contradiction in what gave none.
fn nothing_said() -> Denied {
    Denied::because(Reason::new(
        Code::AdmissionMissing,
        "the gate denied and gave no reason",
        "please report it",
    ))
}
