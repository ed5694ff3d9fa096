//! `modelward policy what-if`

use std::path::PathBuf;

use chain::Ledger;
use chain::gate::{Judged, Running};
use digest::Digest;
use policy::gate::{Place, Policy};
use serde_json::{Value, json};
use trust::{Code, Denied, Reason};

use super::{Scopes, tree};
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::{Lines, counted};
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

pub(super) fn run(args: &Args, common: &Common) -> Result<Answer, Failure> {
    let policy = super::read(&args.policy)?;
    let workspace = Workspace::open(common)?;
    let ledger = workspace.ledger()?;
    let mut found = Found::default();
    for running in chain::gate::running(&ledger, workspace.now) {
        let (environment, account) = (running.environment.clone(), running.service_account.clone());
        let place = args.scopes.place(environment, account)?;
        found.add(
            &running,
            judged(&ledger, &policy, &running, &place, &workspace)?,
        );
    }
    found.answer(policy.digest())
}

/// What would become of all that runs.
#[derive(Default)]
struct Found {
    text: Lines,
    models: Vec<Value>,
    refused: Vec<Reason>,
    unknown: Vec<String>,
    allowed: usize,
}

impl Found {
    fn add(&mut self, running: &Running, judged: Option<Judged>) {
        let what = told(running);
        let Some(judged) = judged else {
            self.text.push(format!("can't be told: {what}"));
            self.unknown.push(what);
            return;
        };
        let denied = judged.denied();
        self.models.push(json!({"model": running.model.to_string(), "package": running.name, "environment": running.environment,
            "serviceAccount": running.service_account, "admitted": running.is_admitted, "allowed": denied.is_none(),
            "decision": tree::data(&judged)}));
        let Some(denied) = denied else {
            self.allowed += 1;
            return;
        };
        self.text.push(format!("would be refused: {what}"));
        for reason in denied.reasons() {
            self.text
                .push(format!("  [{}] {}", reason.code, reason.message));
            let message = format!("{what}: {}", reason.message);
            self.refused
                .push(Reason::new(reason.code, message, &reason.way));
        }
    }

    /// A model of which nothing can be said makes no yes.
    fn answer(mut self, policy: Digest) -> Result<Answer, Failure> {
        if let (Some(first), true) = (self.unknown.first(), self.refused.is_empty()) {
            let models = counted(self.unknown.len(), "model");
            let message = format!("the files of {models} that may run are not known here: {first}");
            let hint = "ask where the store has them, or ask `modelward policy explain` about their folder";
            return Err(Failure::error(Code::NotFound, message, hint));
        }
        let models = counted(self.models.len(), "model");
        self.text
            .push(format!("{} of {models} would be let in", self.allowed));
        let data = json!({"policy": policy.to_string(), "models": self.models});
        Ok(Answer::new(self.text, data).denied_if(Denied::from_reasons(self.refused)))
    }
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
