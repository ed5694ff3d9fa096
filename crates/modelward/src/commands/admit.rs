//! `modelward admit MODEL`

use policy::admission::AdmissionRules;
use policy::slsa::PackageName;
use serde_json::json;
use trust::Code;

use crate::answer::{Answer, Failure, allowed};
use crate::cli::Common;
use crate::release::{Destination, Release, SigningKey};
use crate::ui::Ui;
use crate::workspace::Workspace;

const DAY_SECONDS: i64 = 24 * 3600;
/// A scan, publication or deployment older than this counts no more.
pub(crate) const EVIDENCE_AGE_SECONDS_MAX: i64 = 90 * DAY_SECONDS;

/// Let a model in, for a service account in an environment, if everything that must be known of it is known
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward admit out/digits --package registry.example/team/digits --environment prod --service-account digits@example"
)]
pub(crate) struct Args {
    #[command(flatten)]
    release: Release,
    #[command(flatten)]
    destination: Destination,
    #[command(flatten)]
    key: SigningKey,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let package = args.release.package(&workspace)?;
    let package = PackageName::parse(&package).map_err(|why| {
        Failure::error(
            Code::Usage,
            format!("`{package}` is no package: {why}"),
            "such as `registry.example/team/digits`",
        )
    })?;
    let place = args.destination.place(&workspace)?;
    let artifact = args.release.artifact(&workspace, ui)?;
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
    let statement = allowed(verdict)?;
    let said = args.key.say(&statement, &workspace)?;
    let admitted = format!(
        "admitted {} for `{}` in `{}` until {}",
        artifact.digest(),
        place.service_account,
        place.environment,
        statement.predicate.expires
    );
    let data = json!({"model": artifact.digest().to_string(), "environment": place.environment,
                      "serviceAccount": place.service_account, "expires": statement.predicate.expires.to_string(),
                      "evidence": statement.predicate.evidence, "statement": said.data()});
    Ok(Answer::new([admitted, said.to_string()], data))
}
