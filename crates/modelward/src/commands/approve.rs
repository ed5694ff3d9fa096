//! `modelward approve request|grant|list`

use std::collections::BTreeSet;

use chain::{Ledger, Logged};
use clap::builder::NonEmptyStringValueParser;
use digest::Digest;
use serde_json::{Value, json};
use trust::predicate::{Approval, ApprovalRequest};
use trust::{Artifact, Code, Statement, Subject};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::Lines;
use crate::model;
use crate::release::SigningKey;
use crate::ui::Ui;
use crate::workspace::{Said, Workspace};

/// Ask for a model's review, and approve it; a policy says whose approvals count
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Ask others to look at a model
    Request(Request),
    /// Approve a model that somebody asked to look at
    Grant(Grant),
    /// List what was asked for, and who approved it
    #[command(after_help = "Example: modelward approve list")]
    List,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward approve request out/digits --title 'second release' --assignee bob --assignee carol"
)]
struct Request {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// What it is about, in a line
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    title: String,
    /// What they should know
    #[arg(long, value_name = "TEXT", default_value = "")]
    body: String,
    /// Who is asked, as the trust root calls them; once for each
    #[arg(long = "assignee", value_name = "NAME")]
    assignees: Vec<String>,
    #[command(flatten)]
    key: SigningKey,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward approve grant out/digits --comment 'better on sevens' --key bob"
)]
struct Grant {
    /// The request, by its number or the first digits of its digest; or the model, whose last request is meant
    request: String,
    /// What there is to say to it
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    #[command(flatten)]
    key: SigningKey,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    match &args.action {
        Action::Request(args) => request(args, &workspace, ui),
        Action::Grant(args) => grant(args, &workspace, ui),
        Action::List => list(&workspace),
    }
}

fn request(args: &Request, workspace: &Workspace, ui: &Ui) -> Result<Answer, Failure> {
    let (name, artifact) = model::artifact(&args.model, workspace, ui)?;
    if let Some(unknown) = args
        .assignees
        .iter()
        .find(|name| !workspace.root.has_name(name))
    {
        let message = format!("the trust root knows nobody called `{unknown}`");
        return Err(Failure::error(
            Code::Usage,
            message,
            "`modelward key list` shows whom it knows",
        ));
    }
    let predicate = ApprovalRequest {
        title: args.title.clone(),
        body: args.body.clone(),
        assignees: args.assignees.clone(),
        requested_at: workspace.now,
    };
    let said = args
        .key
        .say(&about(&name, &artifact, predicate), workspace)?;
    let text = Lines::from([
        format!(
            "asked for the review of {}: request {}",
            artifact.digest(),
            said.bundle.short()
        ),
        said.to_string(),
    ]);
    let data = json!({"model": artifact.digest().to_string(), "request": said.bundle.to_string(), "title": args.title,
                      "assignees": args.assignees, "statement": said.data()});
    Ok(Answer::new(text, data))
}

fn grant(args: &Grant, workspace: &Workspace, ui: &Ui) -> Result<Answer, Failure> {
    let ledger = workspace.ledger()?;
    let requests = ledger.all::<ApprovalRequest>().believed;
    let request = find(&args.request, &requests, workspace, ui)?;
    let (asked, statement) = (request.statement.proof(), request.statement.value());
    let predicate = Approval {
        request: asked.bundle,
        comment: args.comment.clone(),
        approved_at: workspace.now,
    };
    let key = workspace.signer_name(trust::Role::Approve, args.key.name())?;
    if key == asked.key_name {
        ui.warn(&format!(
            "`{key}` asked for this review: no policy counts who approves what they asked for"
        ));
    }
    let model = statement.subjects.first().map(|subject| subject.digest);
    let approval = Statement {
        subjects: statement.subjects.clone(),
        predicate,
    };
    let said = args.key.say(&approval, workspace)?;
    let title = &statement.predicate.title;
    let text = Lines::from([format!("`{key}` approved `{title}`"), said.to_string()]);
    let data = json!({"model": model.map(|model| model.to_string()), "request": asked.bundle.to_string(), "title": title,
                      "by": key, "statement": said.data()});
    Ok(Answer::new(text, data))
}

/// The request that is meant.
fn find<'a>(
    word: &str,
    requests: &'a [Logged<ApprovalRequest>],
    workspace: &Workspace,
    ui: &Ui,
) -> Result<&'a Logged<ApprovalRequest>, Failure> {
    let missing = || {
        Failure::error(
            Code::NotFound,
            format!("there is no request `{word}`"),
            "`modelward approve list` shows them; `modelward approve request MODEL` makes one",
        )
    };
    let is_meant = |logged: &&Logged<ApprovalRequest>| {
        let bundle = logged.statement.proof().bundle;
        let is_start =
            word.len() >= 8 && bundle.hex().starts_with(word.trim_start_matches("sha256:"));
        is_start || logged.index.is_some_and(|index| word == index.to_string())
    };
    let mut meant = requests.iter().filter(is_meant);
    if let Some(found) = meant.next() {
        return match meant.next() {
            None => Ok(found),
            Some(_) => Err(Failure::error(
                Code::Usage,
                format!("`{word}` is several requests"),
                "give more of its digits",
            )),
        };
    }
    if word.parse::<Digest>().is_err() && !std::path::Path::new(word).exists() {
        return Err(missing());
    }
    let model = model::artifact(word, workspace, ui)?.1.digest();
    let of_model = |logged: &&Logged<ApprovalRequest>| logged.statement.value().is_about(model);
    requests.iter().rfind(of_model).ok_or_else(missing)
}

fn list(workspace: &Workspace) -> Result<Answer, Failure> {
    let ledger = workspace.ledger()?;
    let requests = ledger.all::<ApprovalRequest>().believed;
    let mut text = Lines::default();
    let mut data: Vec<Value> = Vec::new();
    for logged in &requests {
        let (proof, statement) = (logged.statement.proof(), logged.statement.value());
        let said = &statement.predicate;
        let by = approvers(&ledger, statement, proof.bundle);
        let approved = if by.is_empty() {
            "nobody".to_owned()
        } else {
            by.join(", ")
        };
        text.push(format!(
            "{}  `{}` by {}, of {}: approved by {approved}",
            proof.bundle.short(),
            said.title,
            proof.key_name,
            said.requested_at
        ));
        let model = statement
            .subjects
            .first()
            .map(|subject| subject.digest.to_string());
        data.push(json!({"request": proof.bundle.to_string(), "model": model, "title": said.title, "body": said.body,
            "assignees": said.assignees, "by": proof.key_name, "requestedAt": said.requested_at.to_string(), "approvedBy": by,
            "statement": Said::of(logged).map(|said| said.data())}));
    }
    Ok(Answer::new(text, json!({"requests": data})))
}

/// Who approved what was asked for by this request.
fn approvers(
    ledger: &Ledger<'_>,
    request: &Statement<ApprovalRequest>,
    bundle: Digest,
) -> Vec<String> {
    let about: BTreeSet<Digest> = request
        .subjects
        .iter()
        .map(|subject| subject.digest)
        .collect();
    let approvals = ledger.about::<Approval>(&about).believed;
    let answers = approvals
        .iter()
        .filter(|logged| logged.statement.value().predicate.request == bundle);
    let names: BTreeSet<String> = answers
        .map(|logged| logged.statement.proof().key_name.clone())
        .collect();
    names.into_iter().collect()
}

fn about<P>(name: &str, artifact: &Artifact, predicate: P) -> Statement<P> {
    let subject = Subject {
        name: name.to_owned(),
        digest: artifact.digest(),
    };
    Statement {
        subjects: vec![subject],
        predicate,
    }
}
