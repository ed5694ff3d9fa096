//! The stage `publish`: a package may be published in an environment.
//!
//! In: an slsa-policy publish policy, the model, the provenance of it in the log. Must hold: the policy's builder made it
//! from the policy's source, and nothing recalled. Out: `https://slsa.dev/publish/v0.1`.
//! Denies: `provenance_missing`, `builder_mismatch`, `source_mismatch`, `level_too_low`, `environment_mismatch`,
//! `package_unknown`, `recalled`. Logs: the publication; that for another environment stays.

use policy::slsa::PublishPolicies;
use trust::predicate::{Provenance, Publish};
use trust::{Artifact, Code, Denied, Statement, Subject, Time, Verdict};

use crate::ledger::{Fault, Ledger};
use crate::lineage::names;
use crate::lost;
use crate::recall::recalled;

/// Who publishes on this machine, as deployment policies call it.
pub const LOCAL_PUBLISHER: &str = "https://modelward.dev/publisher/local/v1";

/// Says whether a model may be published, and if so, what is to be signed about it.
///
/// # Errors
/// A recall can't be checked.
pub fn decide(
    ledger: &Ledger<'_>,
    policies: &PublishPolicies,
    package: &str,
    environment: Option<&str>,
    artifact: &Artifact,
    now: Time,
) -> Result<Verdict<Statement<Publish>>, Fault> {
    let about = names(artifact);
    let provenance = ledger.about::<Provenance>(&about);
    let verdict = policies.evaluate(package, environment, artifact, &provenance.verified());
    let verdict = lost::told_of::<Provenance, _>(ledger, &about, Code::ProvenanceMissing, verdict);
    let verdict = provenance.told_with(verdict);
    let recalled = recalled(ledger, artifact)?;
    Ok(match (verdict, Denied::from_reasons(recalled)) {
        (Verdict::Allowed(result), None) => {
            let predicate = Publish::new(now, result.package, result.level);
            Verdict::Allowed(Statement {
                subjects: vec![subject(package, artifact)],
                predicate,
            })
        }
        (Verdict::Allowed(_), Some(recalled)) => Verdict::Denied(recalled),
        (Verdict::Denied(denied), None) => Verdict::Denied(denied),
        (Verdict::Denied(denied), Some(recalled)) => Verdict::Denied(denied.and(recalled)),
    })
}

pub(crate) fn subject(name: &str, artifact: &Artifact) -> Subject {
    Subject {
        name: name.to_owned(),
        digest: artifact.digest(),
    }
}
