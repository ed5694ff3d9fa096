//! `modelward policy explain MODEL`

use std::path::PathBuf;

use serde_json::json;

use super::{Somewhere, tree};
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model;
use crate::ui::Ui;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward policy explain out/digits --policy policy.toml --environment prod"
)]
pub(super) struct Args {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// The policy's file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    somewhere: Somewhere,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let policy = super::read(&args.policy)?;
    let workspace = Workspace::open(common)?;
    let place = args.somewhere.place(&workspace)?;
    let artifact = model::artifact(&args.model, &workspace, ui)?.1;
    let ledger = workspace.ledger()?;
    let judged = chain::gate::judge(&ledger, &policy, &artifact, &place, workspace.now)?;
    let data = json!({"model": artifact.digest().to_string(), "decision": tree::data(&judged)});
    Ok(Answer::new(tree::lines(&judged), data).denied_if(judged.denied()))
}
