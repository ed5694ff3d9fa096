//! `modelward deploy MODEL`

use policy::slsa::DeploymentPolicies;
use serde_json::json;

use crate::answer::{Answer, Failure, allowed};
use crate::cli::Common;
use crate::policies::PolicyFolder;
use crate::release::{Release, SigningKey};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Allow a published model to be deployed, as an slsa-policy deployment policy says for whom
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward deploy out/digits --package registry.example/team/digits --policies deployment --policy prod.json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    release: Release,
    #[command(flatten)]
    policies: PolicyFolder,
    /// Which of them: the file's path in the folder
    #[arg(long, value_name = "FILE")]
    policy: String,
    #[command(flatten)]
    key: SigningKey,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let files = args.policies.read()?;
    let policies = DeploymentPolicies::parse(&files.organisation, &files.projects)?;
    let package = args.release.package(&workspace)?;
    let artifact = args.release.artifact(&workspace, ui)?;
    let ledger = workspace.ledger()?;
    let verdict = chain::deploy::decide(
        &ledger,
        &policies,
        &args.policy,
        &package,
        &artifact,
        workspace.now,
    )?;
    let statement = allowed(verdict)?;
    let said = args.key.say(&statement, &workspace)?;
    let scopes: Vec<String> = statement
        .predicate
        .scopes
        .iter()
        .map(|(scope, value)| format!("{scope} = {value}"))
        .collect();
    let deployed = format!(
        "{} may be deployed where {}",
        artifact.digest(),
        scopes.join(" and ")
    );
    let data = json!({"model": artifact.digest().to_string(), "package": package, "scopes": statement.predicate.scopes,
                      "statement": said.data()});
    Ok(Answer::new([deployed, said.to_string()], data))
}
