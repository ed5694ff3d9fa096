//! The stage `dataset`: data comes in, as a policy allows.
//!
//! In: a dependency policy, and the files that were fetched, measured. Must hold: the policy names them, their licence and
//! this purpose. Out: a dataset statement. Denies: `data_not_allowed`, `licence_not_allowed`, `purpose_not_allowed`,
//! `digest_mismatch`, `file_missing`, `file_extra`. Logs: the dataset statement.

use digest::Listing;
use policy::dependency::DependencyPolicy;
use trust::artifact::ArtifactError;
use trust::predicate::Dataset;
use trust::{Artifact, Kind, Statement, Subject, Time, Verdict};

use crate::ledger::Fault;

/// Says whether the fetched files may be used for a purpose, and if so, what is to be signed about them.
///
/// # Errors
/// The files make no artifact.
pub fn decide(
    policy: &DependencyPolicy,
    name: &str,
    purpose: &str,
    listing: &Listing,
    now: Time,
) -> Result<Verdict<(Artifact, Statement<Dataset>)>, Fault> {
    let rule = match policy.evaluate(name, purpose, Some(listing)) {
        Verdict::Allowed(rule) => rule,
        Verdict::Denied(denied) => return Ok(Verdict::Denied(denied)),
    };
    // An entry may list a purpose that the policy allows no data for: it is not what was allowed.
    let is_allowed = |purpose: &&String| {
        matches!(
            policy.evaluate(name, purpose, Some(listing)),
            Verdict::Allowed(_)
        )
    };
    let purposes = rule.purposes.iter().filter(is_allowed).cloned().collect();
    let artifact = Artifact::from_listing(Kind::DataSet, listing);
    let artifact = artifact.map_err(|cause: ArtifactError| Fault::Artifact { cause })?;
    let predicate = Dataset {
        name: rule.name.clone(),
        source: rule.source.to_string(),
        licence: rule.licence.clone(),
        purposes,
        policy: policy.digest().to_string(),
        added_at: now,
    };
    let files = artifact.files().iter().map(|(path, file)| Subject {
        name: path.to_string(),
        digest: file.digest,
    });
    let whole = Subject {
        name: rule.name.clone(),
        digest: artifact.digest(),
    };
    let subjects = std::iter::once(whole).chain(files).collect();
    Ok(Verdict::Allowed((
        artifact,
        Statement {
            subjects,
            predicate,
        },
    )))
}
