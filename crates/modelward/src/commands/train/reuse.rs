//! An earlier run's model instead of another run.

use serde_json::json;
use trust::predicate::Provenance;
use trust::{Artifact, Kind};

use super::{Plan, Recorded};
use crate::answer::Failure;
use crate::workspace::{Said, Workspace};

/// An earlier build that was asked the very same, and whose outputs are still here.
pub(super) fn reusable(
    plan: &Plan,
    workspace: &Workspace,
) -> Result<Option<(Artifact, Recorded)>, Failure> {
    let ledger = workspace.ledger()?;
    let wanted = chain::train::asked(
        &plan.name,
        &plan.step.command,
        &plan.environment,
        plan.source.as_deref(),
        &plan.limits,
    );
    let features = json!(host::cpu::features());
    for logged in ledger.all::<Provenance>().believed.into_iter().rev() {
        let statement = logged.statement.value();
        let definition = &statement.predicate.build_definition;
        let same = definition.external_parameters == wanted
            && definition.resolved_dependencies == plan.dependencies
            && definition.internal_parameters.get("cpuFeatures") == Some(&features);
        let made = ledger.artifacts().find(|artifact| {
            artifact.kind() == Kind::Model
                && artifact.files().len() == statement.subjects.len()
                && statement.covers(artifact)
                && artifact.files().values().all(|file| {
                    workspace.store.blob_size_bytes(file.digest) == Some(file.size_bytes)
                })
        });
        if let (true, Some(artifact)) = (same, made)
            && let Some(said) = Said::of(&logged)
            && chain::recall::recalled(&ledger, artifact)?.is_empty()
        {
            let isolation = statement
                .predicate
                .isolation()
                .map_or("", |isolation| isolation.as_str())
                .to_owned();
            let claims = chain::train::claims(&statement.predicate);
            return Ok(Some((
                artifact.clone(),
                Recorded {
                    said,
                    isolation,
                    claims,
                    seconds: 0.0,
                    cpu_seconds: 0.0,
                },
            )));
        }
    }
    Ok(None)
}
