//! `modelward recall KIND TARGET --reason TEXT`

use std::collections::BTreeSet;
use std::path::Path;

use chain::Ledger;
use clap::builder::NonEmptyStringValueParser;
use digest::Digest;
use host::store::NamedArtifact;
use serde_json::json;
use trust::artifact::FileEntry;
use trust::predicate::{Dataset, RecallKind};
use trust::{Artifact, Bundle, Code, Kind, Opaque, Predicate, Role, Statement, Subject};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model;
use crate::release::SigningKey;
use crate::ui::Ui;
use crate::workspace::Workspace;

mod keys;

/// How many files a recall lists by itself.
const FILES_MAX: usize = 2000;

/// Say that a data set, builder, key or model is bad: every later gate and every running server refuses what descends
/// from it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward recall dataset mnist --reason 'its labels were wrong'")]
pub(crate) struct Args {
    /// What it is
    kind: Asked,
    /// Which one: a digest (of it, or of one of its files), a data set's name, a model's path, a builder's id, or a key's
    /// name or id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    target: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
    #[command(flatten)]
    key: SigningKey,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Asked {
    Dataset,
    Builder,
    Key,
    Model,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    if args.target.trim().is_empty() || args.reason.trim().is_empty() {
        let message = "a recall of nothing, or for no reason, is none";
        let way = "see `modelward help recall`";
        return Err(Failure::error(Code::Usage, message, way));
    }
    let workspace = Workspace::open(common)?;
    let kind = match args.kind {
        Asked::Dataset => RecallKind::Dataset,
        Asked::Builder => RecallKind::Builder,
        Asked::Key => RecallKind::Key,
        Asked::Model => RecallKind::Model,
    };
    let targets = resolve(kind, &args.target, &workspace, ui)?;
    let key = workspace.signer(Role::Recall, args.key.name())?;
    let ledger = workspace.ledger()?;
    let mut lines = Vec::new();
    let mut recalled = Vec::new();
    for target in &targets {
        let mut statement = chain::recall::statement(kind, target, &args.reason, workspace.now);
        let files = files(kind, target, &workspace);
        let is_known = chain::recall::is_known(&ledger, &workspace.root, kind, target)
            || has_all(&ledger, &files);
        statement.subjects.extend(files);
        let said = workspace.say(&statement, &key)?;
        if !is_known {
            ui.warn(&unknown(kind, target));
        }
        let shown = shown(kind, target);
        lines.push(format!("recalled the {} {shown}: {said}", kind.as_str()));
        recalled.push(json!({"target": target, "known": is_known, "statement": said.data()}));
    }
    let data = json!({"kind": kind.as_str(), "recalled": recalled});
    Ok(Answer::new(lines, data))
}

/// What is recalled, for a person: a key as everywhere by the first digits of its id.
fn shown(kind: RecallKind, target: &str) -> String {
    match target.parse::<Digest>() {
        Ok(id) if kind == RecallKind::Key => id.short(),
        _ => target.to_owned(),
    }
}

/// The files of what is recalled, where they are known: so that the same files under other names are recalled too, whatever
/// else is lost. Of more than these the store's own list has to do: a recall without a line is found if it is small.
fn files(kind: RecallKind, target: &str, workspace: &Workspace) -> Vec<Subject> {
    let is_whole = matches!(kind, RecallKind::Dataset | RecallKind::Model);
    let digest = target.parse::<Digest>().ok().filter(|_| is_whole);
    let Some(whole) = digest.and_then(|digest| workspace.artifact(digest).ok()) else {
        return Vec::new();
    };
    let named = |(path, file): (&str, &FileEntry)| Subject {
        name: path.to_string(),
        digest: file.digest,
    };
    match whole.files().len() {
        0..=FILES_MAX => whole.files().iter().map(named).collect(),
        _ => Vec::new(),
    }
}

/// Whether something here has all these files, under whatever names.
fn has_all(ledger: &Ledger<'_>, files: &[Subject]) -> bool {
    let digests: BTreeSet<Digest> = files.iter().map(|file| file.digest).collect();
    let has = |artifact: &Artifact| {
        let own: BTreeSet<Digest> = artifact.files().values().map(|f| f.digest).collect();
        digests.is_subset(&own)
    };
    !digests.is_empty() && ledger.artifacts().any(has)
}

/// A recall may come before what it is about, and it may be a slip of the pen.
fn unknown(kind: RecallKind, target: &str) -> String {
    format!(
        "nothing here is or comes of the {} `{target}`: the recall stands in the log, and stops nothing that is known now",
        kind.as_str()
    )
}

/// The name that the recall is written with: a digest where there is one, since a name can be given twice.
fn resolve(
    kind: RecallKind,
    target: &str,
    workspace: &Workspace,
    ui: &Ui,
) -> Result<Vec<String>, Failure> {
    if kind == RecallKind::Builder {
        return Ok(vec![target.to_owned()]);
    }
    if let Ok(digest) = target.parse::<Digest>() {
        return Ok(vec![digest.to_string()]);
    }
    let found: Vec<Digest> = match kind {
        RecallKind::Key => vec![keys::id_of(target, workspace, ui)?],
        RecallKind::Dataset => versions(target, workspace, ui)?.into_iter().collect(),
        RecallKind::Model if Path::new(target).exists() => {
            let model = model::artifact(target, workspace, ui)?.1;
            // Its list of files, for a copy under other names.
            vec![workspace.store.put_bytes(&model.manifest())?.digest()]
        }
        RecallKind::Model => return Err(model_unknown(target, workspace)?),
        RecallKind::Builder => Vec::new(),
    };
    if found.is_empty() {
        let message = format!("there is no {} `{target}` here", kind.as_str());
        return Err(Failure::error(
            Code::NotFound,
            message,
            "give its digest, `sha256:…`",
        ));
    }
    Ok(found.iter().map(ToString::to_string).collect())
}

/// A model's name may have been given to any model, and so it names none; but those that it was given to are told.
fn model_unknown(target: &str, workspace: &Workspace) -> Result<Failure, Failure> {
    let kept = workspace.store.artifacts()?;
    let is_meant = |kept: &&NamedArtifact| {
        kept.name == target && kept.artifact_type == Kind::Model.media_type()
    };
    let called = kept.iter().filter(is_meant);
    let called: Vec<String> = called.map(|kept| kept.digest.to_string()).collect();
    let (message, hint) = match called.as_slice() {
        [] => (
            format!("there is no model `{target}` here"),
            "give its path, or its digest, `sha256:…`; `modelward store list` shows them"
                .to_owned(),
        ),
        called => (
            format!("`{target}` is a name, and a model is recalled by its path or digest"),
            format!("the store has under this name: {}", called.join(", ")),
        ),
    };
    Ok(Failure::error(Code::NotFound, message, hint))
}

/// Every data set that was ever added under a name, whether or not the keys that said so still hold. Where the root has
/// forgotten a key, what the statement says is taken: it can but forbid. One that can't be read is told.
fn versions(name: &str, workspace: &Workspace, ui: &Ui) -> Result<BTreeSet<Digest>, Failure> {
    let ledger = workspace.ledger()?;
    let said = ledger.to_forbid::<Dataset>();
    let mut versions: BTreeSet<Digest> = BTreeSet::new();
    let statements = said.believed.iter().map(|logged| logged.statement.value());
    let named = statements.filter(|statement| statement.predicate.name == name);
    versions.extend(named.filter_map(|statement| Some(statement.subjects.first()?.digest)));
    for (bundle, _) in &said.refused {
        match claimed(*bundle, workspace) {
            Some((of, whole)) if of == name => versions.extend([whole]),
            Some(_) => {}
            None => ui.warn(&format!(
                "the statement {bundle} about a data set can't be read: if it is a version of `{name}`, it is not recalled; \
                 `modelward log show` lists what it is about, to recall by digest"
            )),
        }
    }
    Ok(versions)
}

/// The name and digest of the data set that a bundle speaks of, whoever signed it.
fn claimed(bundle: Digest, workspace: &Workspace) -> Option<(String, Digest)> {
    let bundle = Bundle::parse(&workspace.bundle(bundle)?).ok()?;
    let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload()).ok()?;
    let whole = statement.subjects.first()?.digest;
    let predicate = Dataset::read(statement.predicate.predicate).ok()?;
    Some((predicate.name, whole))
}
