//! `modelward audit PREDICTION|DIGEST|FILE`

use std::collections::BTreeSet;
use std::path::Path;

use chain::audit::{Fact, Node, Trace, mermaid};
use digest::Digest;
use host::predictions::Prediction;
use serde_json::json;
use trust::Code;

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::faults::at;
use crate::lines::Lines;
use crate::model;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Trace the chain both ways: a prediction back to its data set, a data set forward to all that was made of it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward audit out/digits")]
pub(crate) struct Args {
    /// A prediction's id, a digest, a data set's name, or a file or folder
    target: String,
    /// Print the chain as a Mermaid picture
    #[arg(long)]
    mermaid: bool,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let ledger = workspace.ledger()?;
    let (digest, prediction) = resolve(&args.target, &workspace, &ledger, ui)?;
    let trace = chain::audit::trace(&ledger, digest)?.ok_or_else(|| nothing(&args.target))?;
    let picture = mermaid(&trace);
    let text = if args.mermaid {
        Lines::page(&picture)
    } else {
        tree(&trace, prediction.as_ref())
    };
    let data = json!({"target": args.target, "digest": digest.to_string(), "prediction": prediction.as_ref().map(recorded),
                      "backward": trace.backward, "forward": trace.forward, "mermaid": picture});
    Ok(Answer::new(text, data))
}

/// The model is signed for in the log; what it answered stands in a plain file alone.
fn recorded(prediction: &Prediction) -> serde_json::Value {
    json!({"id": prediction.id, "at": prediction.at, "route": prediction.route, "answer": prediction.answer,
           "input": prediction.input, "output": prediction.output, "signed": false})
}

fn nothing(target: &str) -> Failure {
    Failure::error(
        Code::NotFound,
        format!("the log says nothing about `{target}`"),
        "is this the right store? `modelward log show` lists its lines",
    )
}

/// The log names the session, and its record has no such prediction.
fn never_given(session: &str, target: &str) -> Failure {
    Failure::error(
        Code::NotFound,
        format!("the server of session `{session}` has no record of a prediction `{target}`"),
        "check the number after the session: the answer's `id` is the whole; what the record held is lost if `predictions` was",
    )
}

fn resolve(
    target: &str,
    workspace: &Workspace,
    ledger: &chain::Ledger<'_>,
    ui: &Ui,
) -> Result<(Digest, Option<Prediction>), Failure> {
    if let Ok(digest) = target.parse() {
        return Ok((digest, None));
    }
    if let Some((session, _)) = target.split_once('-')
        && is_session(session)
        && let Some(model) = chain::audit::served_in(ledger, session)
    {
        let recorded = host::predictions::find(workspace.store.path(), target)
            .map_err(at(workspace.store.path()))?;
        let recorded = recorded.ok_or_else(|| never_given(session, target))?;
        return Ok((model, Some(recorded)));
    }
    if let Some(dataset) = chain::audit::dataset_called(ledger, target) {
        return Ok((dataset, None));
    }
    let path = Path::new(target);
    if !path.exists() {
        return Err(nothing(target));
    }
    let (_, artifact) = model::artifact(target, workspace, ui)?;
    let known: BTreeSet<Digest> = ledger.artifacts().map(trust::Artifact::digest).collect();
    let whole = artifact.digest();
    let only = artifact
        .files()
        .values()
        .next()
        .map(|file| file.digest)
        .filter(|_| path.is_file());
    Ok((
        if known.contains(&whole) {
            whole
        } else {
            only.unwrap_or(whole)
        },
        None,
    ))
}

fn is_session(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn tree(trace: &Trace, prediction: Option<&Prediction>) -> Lines {
    let mut text = Lines::default();
    if let Some(prediction) = prediction {
        text.push(format!(
            "prediction {} at {}: {}",
            prediction.id, prediction.at, prediction.answer
        ));
        text.push("   as the server's own record says: nobody signed it, and whoever can write to the store can change it");
        text.push("made by");
    }
    branch(&mut text, &trace.backward, "", "", "← ");
    if !trace.forward.is_empty() {
        text.push("went into");
        for node in &trace.forward {
            branch(&mut text, node, "", "", "→ ");
        }
    }
    text
}

fn line(fact: &Fact) -> String {
    let line = match fact.log_index {
        Some(index) => format!("log line {index}"),
        None => "not in the log".to_owned(),
    };
    match &fact.doubt {
        Some(doubt) => format!("{line}; not believed: {doubt}"),
        None => line,
    }
}

fn branch(text: &mut Lines, node: &Node, first: &str, rest: &str, arrow: &str) {
    let digest: String = node.digest.chars().take(19).collect();
    text.push(format!("{first}{} `{}`  {digest}", node.kind, node.name));
    for fact in &node.facts {
        text.push(format!(
            "{rest}   {:8} {}  [by {}, {}]",
            fact.stage,
            fact.says,
            fact.who(),
            line(fact)
        ));
    }
    for claim in &node.claims {
        text.push(format!("{rest}   claim    {claim}"));
    }
    for gap in &node.gaps {
        text.push(format!("{rest}   gap      {gap}"));
    }
    let last = node.links.len().saturating_sub(1);
    for (position, link) in node.links.iter().enumerate() {
        let (here, below) = if position == last {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        };
        branch(
            text,
            link,
            &format!("{rest}{here}{arrow}"),
            &format!("{rest}{below}"),
            arrow,
        );
    }
}
