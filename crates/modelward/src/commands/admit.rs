//! `modelward admit MODEL`

use policy::admission::AdmissionRules;
use policy::slsa::PackageName;
use serde_json::json;
use trust::{Code, Role, Verdict};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model;
use crate::ui::Ui;
use crate::workspace::Workspace;

const DAY_SECONDS: i64 = 24 * 3600;
/// A scan, publication or deployment older than this counts no more.
const EVIDENCE_AGE_SECONDS_MAX: i64 = 90 * DAY_SECONDS;

/// Let a model in, for a service account in an environment, if everything that must be known of it is known
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward admit out/digits --package registry.example/team/digits --environment prod --service-account digits@example"
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
    /// Where it will run
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_ENVIRONMENT",
        hide_env_values = true
    )]
    environment: Option<String>,
    /// As whom it will run
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_SERVICE_ACCOUNT",
        hide_env_values = true
    )]
    service_account: Option<String>,
    /// The key that signs
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let package = workspace.package(args.package)?;
    let package = PackageName::parse(&package).map_err(|why| {
        Failure::error(
            Code::Usage,
            format!("`{package}` is no package: {why}"),
            "such as `registry.example/team/digits`",
        )
    })?;
    let place = workspace.place(args.environment, args.service_account)?;
    let (_, artifact) = model::artifact(&args.model, &workspace, ui)?;
    let ledger = workspace.ledger()?;
    let rules = AdmissionRules {
        package,
        environment: place.environment.clone(),
        service_account: place.service_account.clone(),
        max_age_seconds: EVIDENCE_AGE_SECONDS_MAX,
        formats: None,
    };
    let holds = chain::admit::Duration {
        seconds: workspace.settings.admission_seconds.unwrap_or(DAY_SECONDS),
    };
    let verdict = chain::admit::decide(
        &ledger,
        &rules,
        &artifact,
        &workspace.root,
        holds,
        workspace.now,
    )?;
    let statement = match verdict {
        Verdict::Allowed(statement) => statement,
        Verdict::Denied(denied) => return Err(denied.into()),
    };
    let said = workspace.say(
        &statement,
        &workspace.signer(Role::Admit, args.key.as_deref())?,
    )?;
    let text = format!(
        "admitted {} for `{}` in `{}` until {}\n{said}",
        artifact.digest(),
        place.service_account,
        place.environment,
        statement.predicate.expires
    );
    let data = json!({"model": artifact.digest().to_string(), "environment": place.environment,
                      "serviceAccount": place.service_account, "expires": statement.predicate.expires.to_string(),
                      "evidence": statement.predicate.evidence, "statement": said.data()});
    Ok(Answer::new(text, data))
}
