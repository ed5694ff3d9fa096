//! `modelward publish MODEL`

use policy::slsa::PublishPolicies;
use serde_json::json;
use trust::{Role, Verdict};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model;
use crate::policies::Policies;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Publish a model as a package, as an slsa-policy publish policy allows
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward publish out/digits --package registry.example/team/digits --environment prod --policies publish"
)]
pub(crate) struct Args {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// The package, such as `registry.example/team/digits`
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_PACKAGE",
        hide_env_values = true
    )]
    package: Option<String>,
    /// The environment, if the policy has any
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_ENVIRONMENT",
        hide_env_values = true
    )]
    environment: Option<String>,
    /// The folder of the policies: `org.json` and the projects' files
    #[arg(long, value_name = "DIR")]
    policies: std::path::PathBuf,
    /// The key that signs
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let files = Policies::read(&args.policies)?;
    let policies = PublishPolicies::parse(&files.organisation, &files.projects)?;
    let package = workspace.package(args.package)?;
    let environment = args
        .environment
        .or_else(|| workspace.settings.environment.clone());
    let (_, artifact) = model::artifact(&args.model, &workspace, ui)?;
    let ledger = workspace.ledger()?;
    let verdict = chain::publish::decide(
        &ledger,
        &policies,
        &package,
        environment.as_deref(),
        &artifact,
        workspace.now,
    )?;
    let statement = match verdict {
        Verdict::Allowed(statement) => statement,
        Verdict::Denied(denied) => return Err(denied.into()),
    };
    let level = statement.predicate.build_level();
    let said = workspace.say(
        &statement,
        &workspace.signer(Role::Publish, args.key.as_deref())?,
    )?;
    let place = environment.as_deref().unwrap_or("any environment");
    let text = format!(
        "published {} as `{package}` for {place} at SLSA Build L{level}\n{said}",
        artifact.digest()
    );
    let data = json!({"model": artifact.digest().to_string(), "package": package, "environment": environment,
                      "level": level, "statement": said.data()});
    Ok(Answer::new(text, data))
}
