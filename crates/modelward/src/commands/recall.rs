//! `modelward recall KIND TARGET --reason TEXT`

use std::path::Path;

use serde_json::json;
use trust::predicate::{Dataset, RecallKind};
use trust::{Code, Role};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Say that a data set, builder, key or model is bad: every later gate and every running server refuses what descends
/// from it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward recall dataset mnist --reason 'its labels were wrong'")]
pub(crate) struct Args {
    /// What it is
    kind: Kind,
    /// Which one: a digest (of it, or of one of its files), a data set's name, a model's path, a builder's id, or a key's
    /// name or id
    target: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// The key that signs
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Dataset,
    Builder,
    Key,
    Model,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let kind = match args.kind {
        Kind::Dataset => RecallKind::Dataset,
        Kind::Builder => RecallKind::Builder,
        Kind::Key => RecallKind::Key,
        Kind::Model => RecallKind::Model,
    };
    let target = resolve(kind, &args.target, &workspace, ui)?;
    let statement = chain::recall::statement(kind, &target, &args.reason, workspace.now);
    let key = workspace.signer(Role::Recall, args.key.as_deref())?;
    let said = workspace.say(&statement, &key)?;
    let text = format!("recalled the {} {target}: {said}", kind.as_str());
    Ok(Answer::new(
        text,
        json!({"kind": kind.as_str(), "target": target, "statement": said.data()}),
    ))
}

/// The name that the recall is written with: a digest where there is one, since a name can be given twice.
fn resolve(
    kind: RecallKind,
    target: &str,
    workspace: &Workspace,
    ui: &Ui,
) -> Result<String, Failure> {
    if kind == RecallKind::Builder {
        return Ok(target.to_owned());
    }
    if let Ok(digest) = target.parse::<digest::Digest>() {
        return Ok(digest.to_string());
    }
    let found = match kind {
        RecallKind::Key => workspace
            .root
            .keys()
            .find(|key| key.name == target)
            .map(|key| key.public_key.id()),
        RecallKind::Dataset => {
            let datasets = workspace.ledger()?.all::<Dataset>().believed;
            let named = datasets
                .into_iter()
                .rfind(|logged| logged.statement.value().predicate.name == target);
            named.and_then(|logged| {
                logged
                    .statement
                    .value()
                    .subjects
                    .first()
                    .map(|subject| subject.digest)
            })
        }
        RecallKind::Model if Path::new(target).exists() => {
            Some(model::artifact(target, workspace, ui)?.1.digest())
        }
        RecallKind::Model | RecallKind::Builder => None,
    };
    found.map(|digest| digest.to_string()).ok_or_else(|| {
        let message = format!("there is no {} `{target}` here", kind.as_str());
        Failure::error(Code::NotFound, message, "give its digest, `sha256:…`")
    })
}
