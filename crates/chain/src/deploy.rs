//! The stage `deploy`: for whom a package may be deployed.
//!
//! In: an slsa-policy deployment policy, the model, its publications in the log. Must hold: a publisher that the policy
//! trusts published it for one of its environments at its level, and nothing recalled. Out:
//! `https://slsa.dev/deployment/v0.1` with its scope. Denies: `publish_missing`, `publisher_mismatch`, `level_too_low`,
//! `environment_mismatch`, `package_unknown`, `recalled`. Logs: the deployment.

use policy::slsa::DeploymentPolicies;
use trust::predicate::{Deployment, Publish};
use trust::{Artifact, Code, Denied, Statement, Time, Verdict};

use crate::ledger::{Fault, Ledger};
use crate::lineage::names;
use crate::lost;
use crate::publish::subject;
use crate::recall::recalled;

/// Says whether a model may be deployed by this policy, and if so, what is to be signed about it.
///
/// # Errors
/// A recall can't be checked.
pub fn decide(
    ledger: &Ledger<'_>,
    policies: &DeploymentPolicies,
    policy_id: &str,
    package: &str,
    artifact: &Artifact,
    now: Time,
) -> Result<Verdict<Statement<Deployment>>, Fault> {
    let about = names(artifact);
    let publications = ledger.about::<Publish>(&about);
    let verdict = policies.evaluate(
        policy_id,
        package,
        artifact.digest(),
        &publications.verified(),
    );
    let verdict = lost::told_of::<Publish, _>(ledger, &about, Code::PublishMissing, verdict);
    let verdict = publications.told_with(verdict);
    let recalled = recalled(ledger, artifact)?;
    Ok(match (verdict, Denied::from_reasons(recalled)) {
        (Verdict::Allowed(result), None) => {
            let predicate = Deployment {
                creation_time: now,
                environments: result.environments,
                scopes: result.scopes,
            };
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
