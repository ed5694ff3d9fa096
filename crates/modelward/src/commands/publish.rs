//! `modelward publish MODEL`

use policy::slsa::PublishPolicies;
use serde_json::json;

use crate::answer::{Answer, Failure, allowed};
use crate::cli::Common;
use crate::policies::PolicyFolder;
use crate::release::{Environment, Release, SigningKey};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Publish a model as a package, as an slsa-policy publish policy allows
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward publish out/digits --package registry.example/team/digits --environment prod --policies publish"
)]
pub(crate) struct Args {
    #[command(flatten)]
    release: Release,
    #[command(flatten)]
    environment: Environment,
    #[command(flatten)]
    policies: PolicyFolder,
    #[command(flatten)]
    key: SigningKey,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let files = args.policies.read()?;
    let policies = PublishPolicies::parse(&files.organisation, &files.projects)?;
    let package = args.release.package(&workspace)?;
    let environment = args.environment.name(&workspace);
    let artifact = args.release.artifact(&workspace, ui)?;
    let ledger = workspace.ledger()?;
    let verdict = chain::publish::decide(
        &ledger,
        &policies,
        &package,
        environment.as_deref(),
        &artifact,
        workspace.now,
    )?;
    let statement = allowed(verdict)?;
    let level = statement.predicate.build_level();
    let said = args.key.say(&statement, &workspace)?;
    let place = environment.as_deref().unwrap_or("any environment");
    let published = format!(
        "published {} as `{package}` for {place} at SLSA Build L{level}",
        artifact.digest()
    );
    let data = json!({"model": artifact.digest().to_string(), "package": package, "environment": environment,
                      "level": level, "statement": said.data()});
    Ok(Answer::new([published, said.to_string()], data))
}
