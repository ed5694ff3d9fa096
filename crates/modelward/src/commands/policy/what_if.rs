//! `modelward policy what-if`

use std::path::PathBuf;

use chain::Ledger;
use chain::gate::{Judged, Running};
use policy::gate::{Place, Policy};
use serde_json::{Value, json};
use trust::{Denied, Reason};

use super::{Scopes, tree};
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::{Lines, counted};
use crate::ui::Ui;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward policy what-if --policy stricter.toml")]
pub(super) struct Args {
    /// The policy's file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    scopes: Scopes,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let policy = super::read(&args.policy)?;
    let workspace = Workspace::open(common)?;
    let ledger = workspace.ledger()?;
    let (mut text, mut things, mut reasons) =
        (Lines::default(), Vec::<Value>::new(), Vec::<Reason>::new());
    let mut allowed = 0;
    for running in chain::gate::running(&ledger, workspace.now) {
        let place = args
            .scopes
            .place(running.environment.clone(), running.service_account.clone())?;
        let Some(judged) = judged(&ledger, &policy, &running, &place, &workspace)? else {
            ui.warn(&format!(
                "the files of the model {} are not known here, so that nothing can be said of it",
                running.model
            ));
            continue;
        };
        let denied = judged.denied();
        let what = told(&running);
        match &denied {
            None => allowed += 1,
            Some(denied) => {
                text.push(format!("would be refused: {what}"));
                text.extend(
                    denied
                        .reasons()
                        .map(|reason| format!("  [{}] {}", reason.code, reason.message)),
                );
                reasons.extend(denied.reasons().map(|reason| {
                    Reason::new(
                        reason.code,
                        format!("{what}: {}", reason.message),
                        &reason.way,
                    )
                }));
            }
        }
        things.push(json!({"model": running.model.to_string(), "package": running.name, "environment": running.environment,
            "serviceAccount": running.service_account, "admitted": running.is_admitted, "allowed": denied.is_none(),
            "decision": tree::data(&judged)}));
    }
    text.push(format!(
        "{} of {} would be let in",
        allowed,
        counted(things.len(), "model")
    ));
    let data = json!({"policy": policy.digest().to_string(), "models": things});
    Ok(Answer::new(text, data).denied_if(Denied::from_reasons(reasons)))
}

fn judged(
    ledger: &Ledger<'_>,
    policy: &Policy,
    running: &Running,
    place: &Place,
    workspace: &Workspace,
) -> Result<Option<Judged>, Failure> {
    let artifact = ledger.artifact(running.model).cloned();
    let Some(artifact) = artifact.or_else(|| workspace.artifact(running.model).ok()) else {
        return Ok(None);
    };
    Ok(Some(chain::gate::judge(
        ledger,
        policy,
        &artifact,
        place,
        workspace.now,
    )?))
}

fn told(running: &Running) -> String {
    let word = if running.is_admitted {
        "admitted"
    } else {
        "deployed"
    };
    let account = running
        .service_account
        .as_deref()
        .unwrap_or("nobody that is told");
    let environment = running.environment.as_deref().unwrap_or("any environment");
    format!(
        "{} `{}`, {word} for `{account}` in `{environment}`",
        running.model.short(),
        running.name
    )
}
