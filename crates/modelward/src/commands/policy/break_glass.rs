//! `modelward policy break-glass MODEL`

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use policy::gate::EXCEPTION_SECONDS_MAX;
use serde_json::json;
use trust::predicate::Exception;
use trust::{Code, Statement, Subject};

use super::Somewhere;
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::Lines;
use crate::model;
use crate::release::SigningKey;
use crate::ui::Ui;
use crate::workspace::Workspace;

const MINUTE_SECONDS: i64 = 60;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward policy break-glass out/digits --policy policy.toml --environment prod --requirement approvals --reason 'incident 12' --minutes 60"
)]
pub(super) struct Args {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// The policy's file: as it is now, and no other one
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    somewhere: Somewhere,
    /// A requirement that it may pass; once for each
    #[arg(long = "requirement", value_name = "WORD", required = true)]
    requirements: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
    /// For how long; a day at most
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..=EXCEPTION_SECONDS_MAX / MINUTE_SECONDS))]
    minutes: i64,
    #[command(flatten)]
    key: SigningKey,
}

pub(super) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let policy = super::read(&args.policy)?;
    let asks = policy.asks();
    let words: Vec<&str> = asks.iter().map(|(word, _)| *word).collect();
    if let Some(unknown) = args
        .requirements
        .iter()
        .find(|word| !words.contains(&word.as_str()))
    {
        let message = format!(
            "the policy `{}` has no requirement `{unknown}`",
            policy.name()
        );
        return Err(Failure::error(
            Code::Usage,
            message,
            format!("it has `{}`", words.join("`, `")),
        ));
    }
    let workspace = Workspace::open(common)?;
    let place = args.somewhere.place(&workspace)?;
    let artifact = model::artifact(&args.model, &workspace, ui)?.1;
    let exception = Exception {
        policy: policy.digest(),
        requirements: args.requirements.clone(),
        environment: place.environment,
        scopes: place.scopes,
        reason: args.reason.clone(),
        granted_at: workspace.now,
        expires: workspace.now.plus_seconds(args.minutes * MINUTE_SECONDS),
    };
    let expires = exception.expires;
    let subject = Subject {
        name: args.model.clone(),
        digest: artifact.digest(),
    };
    let said = args.key.say(
        &Statement {
            subjects: vec![subject],
            predicate: exception,
        },
        &workspace,
    )?;
    // The answer and no note: `--quiet` does not silence it.
    let told = format!(
        "BREAK GLASS: until {expires} the model {} passes `{}` of the policy `{}`",
        artifact.digest(),
        args.requirements.join("`, `"),
        policy.name()
    );
    let text = Lines::from([told, said.to_string()]);
    let data = json!({"model": artifact.digest().to_string(), "policy": policy.digest().to_string(),
                      "requirements": args.requirements, "expires": expires.to_string(), "statement": said.data()});
    Ok(Answer::new(text, data))
}
