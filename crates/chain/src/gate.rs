//! The gate's own policy, format 2, over the log: what it says of a model, and of all that runs now.
//!
//! A recall is asked here beside the policy: no mode and no exception lets it pass.

use std::collections::BTreeSet;

use digest::Digest;
use policy::gate::{Decision, Evidence, Place, Policy};
use trust::predicate::{
    Admission, Approval, ApprovalRequest, CycloneDx, Dataset, Deployment, Exception,
    GOOGLE_SERVICE_ACCOUNT, ModelSignature, Provenance, ScanReport, Spdx,
};
use trust::{Artifact, Denied, Reason, Statement, Time, Verdict};

use crate::ledger::{Fault, Ledger, Logged, Statements};
use crate::lineage::names;
use crate::recall::recalled;

/// What is said of a model.
#[derive(Debug, Clone)]
pub struct Judged {
    /// By the policy.
    pub decision: Decision,
    /// By recalls, which no policy can outweigh.
    pub recalled: Vec<Reason>,
    /// Why statements that are there do not count.
    pub disbelieved: Vec<Reason>,
}

impl Judged {
    /// Every reason for a no, if it is one.
    #[must_use]
    pub fn denied(&self) -> Option<Denied> {
        let mut reasons = self.recalled.clone();
        if let Verdict::Denied(denied) = self.decision.verdict() {
            reasons.extend(denied.reasons().cloned());
            reasons.extend(self.disbelieved.iter().cloned());
        }
        Denied::from_reasons(reasons)
    }
}

/// Says what a policy and the recalls say of a model in this place.
///
/// # Errors
/// A recall can't be checked.
pub fn judge(
    ledger: &Ledger<'_>,
    policy: &Policy,
    artifact: &Artifact,
    place: &Place,
    now: Time,
) -> Result<Judged, Fault> {
    let about = names(artifact);
    let signatures = ledger.about::<ModelSignature>(&about);
    let provenance = ledger.about::<Provenance>(&about);
    let scans = ledger.about::<ScanReport>(&about);
    let datasets = ledger.about::<Dataset>(&datasets_of(&provenance));
    let cyclonedx = ledger.about::<CycloneDx>(&about);
    let spdx = ledger.about::<Spdx>(&about);
    let requests = ledger.about::<ApprovalRequest>(&about);
    let approvals = ledger.about::<Approval>(&about);
    let exceptions = ledger.about::<Exception>(&about);
    let evidence = Evidence {
        signatures: &signatures.verified(),
        provenance: &provenance.verified(),
        scans: &scans.verified(),
        datasets: &datasets.verified(),
        cyclonedx: &cyclonedx.verified(),
        spdx: &spdx.verified(),
        requests: &requests.verified(),
        approvals: &approvals.verified(),
        exceptions: &exceptions.verified(),
    };
    let decision = policy.evaluate(artifact, &evidence, place, now);
    let disbelieved = [
        signatures.disbelieved(),
        provenance.disbelieved(),
        scans.disbelieved(),
        datasets.disbelieved(),
        cyclonedx.disbelieved(),
        spdx.disbelieved(),
        requests.disbelieved(),
        approvals.disbelieved(),
        exceptions.disbelieved(),
    ];
    Ok(Judged {
        decision,
        recalled: recalled(ledger, artifact)?,
        disbelieved: disbelieved.concat(),
    })
}

fn datasets_of(builds: &Statements<Provenance>) -> BTreeSet<Digest> {
    let builds = builds.believed.iter();
    let builds = builds.map(|build| &build.statement.value().predicate);
    let read: BTreeSet<Digest> = builds
        .flat_map(|build| build.datasets().filter_map(|data| data.sha256()))
        .collect();
    read
}

/// A model that may run somewhere, by an admission that holds or a deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Running {
    /// The model.
    pub model: Digest,
    /// What it is called.
    pub name: String,
    /// The environment, if it is told.
    pub environment: Option<String>,
    /// The service account.
    pub service_account: Option<String>,
    /// Whether an admission holds: else it is deployed and may be admitted.
    pub is_admitted: bool,
}

impl Running {
    /// Where it runs.
    #[must_use]
    pub fn place(&self) -> Place {
        let account = self.service_account.clone();
        let account = account.map(|account| (GOOGLE_SERVICE_ACCOUNT.to_owned(), account));
        Place {
            environment: self.environment.clone(),
            scopes: account.into_iter().collect(),
        }
    }
}

/// All that may run now, each once: admitted where an admission holds, else deployed.
#[must_use]
pub fn running(ledger: &Ledger<'_>, now: Time) -> Vec<Running> {
    let admissions = ledger.all::<Admission>().believed;
    let admitted = admissions.iter().filter_map(|logged| admitted(logged, now));
    let mut found: BTreeSet<Running> = admitted.collect();
    let deployments = ledger.all::<Deployment>().believed;
    for running in deployments.iter().flat_map(deployed) {
        let admitted = Running {
            is_admitted: true,
            ..running.clone()
        };
        if !found.contains(&admitted) {
            found.insert(running);
        }
    }
    found.into_iter().collect()
}

fn admitted(logged: &Logged<Admission>, now: Time) -> Option<Running> {
    let statement = logged.statement.value();
    let said = &statement.predicate;
    let subject = statement.subjects.first()?;
    (now < said.expires).then(|| Running {
        model: subject.digest,
        name: subject.name.clone(),
        environment: Some(said.environment.clone()),
        service_account: Some(said.service_account.clone()),
        is_admitted: true,
    })
}

fn deployed(logged: &Logged<Deployment>) -> Vec<Running> {
    let statement: &Statement<Deployment> = logged.statement.value();
    let Some(subject) = statement.subjects.first() else {
        return Vec::new();
    };
    let said = &statement.predicate;
    let running = |environment: Option<String>| Running {
        model: subject.digest,
        name: subject.name.clone(),
        environment,
        service_account: said.scopes.get(GOOGLE_SERVICE_ACCOUNT).cloned(),
        is_admitted: false,
    };
    match said.environments.as_slice() {
        [] => vec![running(None)],
        some => some
            .iter()
            .map(|name| running(Some(name.clone())))
            .collect(),
    }
}
