//! The stage `fetch`: a file of an image is handed to whom the image was deployed for.
//!
//! In: an image by its digest, and the deployments of it: those in the log, and those that were found beside it. Must hold: one of
//! them is for this package, environment and service account, its key was not recalled, and nor was the image; a recall beside the
//! image counts as one in the log. Out: the bundle of
//! the deployment. Denies: `deployment_missing`, `scope_mismatch`, `environment_mismatch`, `recalled`. Logs: nothing.

use std::collections::BTreeSet;

use digest::Digest;
use policy::admission::AdmissionRules;
use policy::recall::Ancestry;
use trust::predicate::{Deployment, Recall};
use trust::{Denied, KeyId, Statement, Time, Verdict, Verified};

use crate::ledger::{Fault, Ledger};

/// What was found beside an image and is believed. It stands in no log.
#[derive(Debug, Default)]
pub struct Beside {
    /// For whom it was deployed.
    pub deployments: Vec<Verified<Statement<Deployment>>>,
    /// What was recalled.
    pub recalls: Vec<Verified<Statement<Recall>>>,
}

/// Says whether an image was deployed for somebody.
///
/// # Errors
/// A recall can't be checked.
pub fn decide(
    ledger: &Ledger<'_>,
    rules: &AdmissionRules,
    image: Digest,
    beside: &Beside,
    now: Time,
) -> Result<Verdict<Digest>, Fault> {
    let logged = ledger.about::<Deployment>(&BTreeSet::from([image]));
    let recalls = ledger.recalls()?;
    let recalls: Vec<_> = recalls
        .verified()
        .into_iter()
        .chain(&beside.recalls)
        .collect();
    let why = |digest: Option<Digest>, key: Option<KeyId>| {
        let clause = |what: &str| what.to_owned();
        let ancestry = Ancestry {
            digests: digest
                .map(|it| (it, clause("it is what is asked for")))
                .into_iter()
                .collect(),
            keys: key
                .map(|it| (it, clause("it signed the deployment")))
                .into_iter()
                .collect(),
            ..Ancestry::default()
        };
        policy::recall::reasons(&recalls, &ancestry)
    };
    let recalled = why(Some(image), None);
    let (mut deployments, mut by_recalled) = (Vec::new(), Vec::new());
    for deployment in logged.verified().into_iter().chain(&beside.deployments) {
        match why(None, Some(deployment.proof().key)) {
            reasons if reasons.is_empty() => deployments.push(deployment),
            reasons => by_recalled.extend(reasons),
        }
    }
    let verdict = logged.told_with(rules.evaluate_deployment(image, &deployments, now));
    Ok(match (verdict, Denied::from_reasons(recalled)) {
        (verdict @ Verdict::Allowed(_), None) => verdict,
        (Verdict::Allowed(_), Some(recalled)) => Verdict::Denied(recalled),
        (Verdict::Denied(denied), recalled) => {
            let more = recalled
                .into_iter()
                .chain(Denied::from_reasons(by_recalled));
            Verdict::Denied(more.fold(denied, Denied::and))
        }
    })
}
