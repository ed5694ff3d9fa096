//! `modelward deploy MODEL`

use policy::slsa::DeploymentPolicies;
use serde_json::json;
use trust::{Role, Verdict};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model;
use crate::policies::Policies;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Allow a published model to be deployed, as an slsa-policy deployment policy says for whom
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward deploy out/digits --package registry.example/team/digits --policies deployment --policy prod.json"
)]
pub(crate) struct Args {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// The package that it is published as
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_PACKAGE",
        hide_env_values = true
    )]
    package: Option<String>,
    /// The folder of the policies: `org.json` and the projects' files
    #[arg(long, value_name = "DIR")]
    policies: std::path::PathBuf,
    /// Which of them: the file's path in the folder
    #[arg(long, value_name = "FILE")]
    policy: String,
    /// The key that signs
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let files = Policies::read(&args.policies)?;
    let policies = DeploymentPolicies::parse(&files.organisation, &files.projects)?;
    let package = workspace.package(args.package)?;
    let (_, artifact) = model::artifact(&args.model, &workspace, ui)?;
    let ledger = workspace.ledger()?;
    let verdict = chain::deploy::decide(
        &ledger,
        &policies,
        &args.policy,
        &package,
        &artifact,
        workspace.now,
    )?;
    let statement = match verdict {
        Verdict::Allowed(statement) => statement,
        Verdict::Denied(denied) => return Err(denied.into()),
    };
    let said = workspace.say(
        &statement,
        &workspace.signer(Role::Deploy, args.key.as_deref())?,
    )?;
    let scopes: Vec<String> = statement
        .predicate
        .scopes
        .iter()
        .map(|(scope, value)| format!("{scope} = {value}"))
        .collect();
    let text = format!(
        "{} may be deployed where {}\n{said}",
        artifact.digest(),
        scopes.join(" and ")
    );
    let data = json!({"model": artifact.digest().to_string(), "package": package, "scopes": statement.predicate.scopes,
                      "statement": said.data()});
    Ok(Answer::new(text, data))
}
