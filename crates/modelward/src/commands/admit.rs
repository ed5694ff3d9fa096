//! `modelward admit MODEL`

use std::path::PathBuf;

use ::policy::admission::AdmissionRules;
use ::policy::slsa::PackageName;
use serde_json::json;
use trust::Code;

use crate::answer::{Answer, Failure, allowed};
use crate::cli::Common;
use crate::commands::policy::{self, Scopes};
use crate::lines::Lines;
use crate::model::left_out_line;
use crate::release::{Destination, NO_PART, Release, SigningKey};
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
    /// A policy of format 2, which must allow it besides (docs/formats/policy.md)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    scopes: Scopes,
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
    let (root, now) = (&workspace.root, workspace.now);
    let (verdict, judged) = match &args.policy {
        None if !args.scopes.is_empty() => {
            let hint = "give the policy too, with `--policy FILE`, or leave out `--scope`";
            let message = "without a policy nothing asks for a scope";
            return Err(Failure::error(Code::Usage, message, hint));
        }
        None => {
            let verdict = chain::admit::decide(&ledger, &rules, &artifact, root, holds, now)?;
            (verdict, None)
        }
        Some(file) => {
            let policy = policy::read(file)?;
            let (environment, account) = (place.environment.clone(), place.service_account.clone());
            let place = args.scopes.place(Some(environment), Some(account))?;
            let by = (&rules, &policy, &place);
            let (verdict, judged) =
                chain::admit::decide_by(&ledger, by, &artifact, root, holds, now)?;
            (verdict, Some(judged))
        }
    };
    let statement = allowed(verdict)?;
    let said = args.key.say(&statement, &workspace)?;
    let left_out = args.release.left_out();
    let admitted = format!(
        "admitted {} for `{}` in `{}` until {}",
        artifact.digest(),
        place.service_account,
        place.environment,
        statement.predicate.expires
    );
    let data = json!({"model": artifact.digest().to_string(), "environment": place.environment,
                      "serviceAccount": place.service_account, "expires": statement.predicate.expires.to_string(),
                      "evidence": statement.predicate.evidence, "ignored": left_out,
                      "policy": judged.as_ref().map(policy::tree::data), "statement": said.data()});
    // With `--quiet` too: that something was let pass is part of the answer.
    let let_pass = judged
        .iter()
        .flat_map(|judged| policy::tree::let_pass(&judged.decision));
    let mut text: Lines = let_pass.collect();
    text.extend([admitted, said.to_string()]);
    text.extend(left_out_line(&left_out, NO_PART));
    Ok(Answer::new(text, data))
}
