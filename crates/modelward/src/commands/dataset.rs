//! `modelward dataset add|list`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chain::Logged;
use digest::Digest;
use host::fetch::{self, Wanted};
use policy::dependency::{DatasetRule, DependencyPolicy, Source};
use serde_json::json;
use trust::predicate::Dataset;
use trust::{Artifact, Code, Kind, Reason};

use crate::answer::{Answer, Failure, allowed};
use crate::cli::Common;
use crate::lines::{Lines, counted};
use crate::model::unreadable;
use crate::release::SigningKey;
use crate::ui::Ui;
use crate::workspace::{Said, Workspace};

const POLICY_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Bring in data sets, as a dependency policy allows
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fetch a data set that the policy names, check every byte, and keep it
    Add(Add),
    /// List the data sets
    #[command(after_help = "Example: modelward dataset list")]
    List,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward dataset add mnist --policy dependencies.toml")]
struct Add {
    /// The policy's name for it
    name: String,
    /// The dependency policy (docs/formats/dependency-policy.md)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// What it is to be used for
    #[arg(long, value_name = "PURPOSE", default_value = "train")]
    purpose: String,
    /// An archive or folder that is here already, instead of the source that the policy names
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    #[command(flatten)]
    key: SigningKey,
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    match args.action {
        Action::Add(add) => bring(&add, &workspace, ui),
        Action::List => list(&workspace),
    }
}

fn bring(args: &Add, workspace: &Workspace, ui: &Ui) -> Result<Answer, Failure> {
    let bytes = host::named_file::read(&args.policy, POLICY_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(&args.policy, &e))?;
    let policy = DependencyPolicy::parse(&args.policy.display().to_string(), &bytes)?;
    let rule = allowed(policy.evaluate(&args.name, &args.purpose, None))?;
    // What is here may be reused; a path that was named is looked at.
    if args.from.is_none()
        && let Some((artifact, said)) = reusable(rule, policy.digest(), workspace)?
    {
        warn_if_recalled(&args.name, &artifact, workspace, ui)?;
        return Ok(answer(
            &args.name,
            &artifact,
            said.bundle,
            said.log_index,
            true,
        ));
    }
    let staging = workspace.staging()?;
    let source = match &args.from {
        Some(path) => path.clone(),
        None => bring_source(rule, staging.path(), &args.policy, workspace, ui)?,
    };
    check_archive(rule, &source)?;
    let wanted: Vec<Wanted> = rule.files.iter().map(want).collect();
    let taken = staging.path().join("taken");
    let listing = fetch::take(&source, &wanted, &taken)?;
    let verdict =
        chain::dataset::decide(&policy, &args.name, &args.purpose, &listing, workspace.now)?;
    let (artifact, statement) = allowed(verdict)?;
    let path_of = |path: &str| taken.join(path);
    workspace.keep(&args.name, &artifact, &path_of, ui)?;
    let said = args.key.say(&statement, workspace)?;
    warn_if_recalled(&args.name, &artifact, workspace, ui)?;
    Ok(answer(
        &args.name,
        &artifact,
        said.bundle,
        said.log_index,
        false,
    ))
}

/// A policy may allow it still: whoever adds it learns now, and not from `train`, that nothing can be made of it.
fn warn_if_recalled(
    name: &str,
    artifact: &Artifact,
    workspace: &Workspace,
    ui: &Ui,
) -> Result<(), Failure> {
    let reasons = chain::recall::recalled(&workspace.ledger()?, artifact)?;
    if let Some(reason) = reasons.first() {
        ui.warn(&format!(
            "nothing can be trained on `{name}`: {}",
            reason.message
        ));
    }
    Ok(())
}

/// The data set as it was added before under the very same policy, if its blobs are still here.
fn reusable(
    rule: &DatasetRule,
    policy: Digest,
    workspace: &Workspace,
) -> Result<Option<(Artifact, Said)>, Failure> {
    let files = rule.files.iter().map(|file| {
        (
            file.name.clone(),
            trust::artifact::FileEntry {
                digest: file.digest,
                size_bytes: file.size_bytes,
            },
        )
    });
    let Ok(artifact) = Artifact::new(Kind::DataSet, files.collect()) else {
        return Ok(None);
    };
    let held = |file: &trust::artifact::FileEntry| {
        workspace.store.blob_size_bytes(file.digest) == Some(file.size_bytes)
    };
    if !artifact.files().values().all(held) {
        return Ok(None);
    }
    let ledger = workspace.ledger()?;
    let added = ledger
        .about::<Dataset>(&BTreeSet::from([artifact.digest()]))
        .believed;
    let same =
        |logged: &Logged<Dataset>| logged.statement.value().predicate.policy == policy.to_string();
    let said = added.iter().rfind(|logged| same(logged)).and_then(Said::of);
    Ok(said.map(|said| (artifact, said)))
}

/// The archive: the store's, if it was fetched before, or fetched now and kept.
fn bring_source(
    rule: &DatasetRule,
    staging: &Path,
    policy: &Path,
    workspace: &Workspace,
    ui: &Ui,
) -> Result<PathBuf, Failure> {
    let held = rule.archive.as_ref().map(|archive| archive.digest);
    let held = held.filter(|digest| workspace.store.blob_size_bytes(*digest).is_some());
    if let Some(digest) = held {
        ui.note(format!("{} is in the store already", rule.source));
        return Ok(workspace.store.blob_path(digest));
    }
    ui.note(format!("fetching {} as the policy names it", rule.source));
    match &rule.source {
        Source::Npm { package, version } => {
            let folder = staging.join("package");
            std::fs::create_dir_all(&folder).map_err(|e| unreadable(&folder, &e))?;
            let size_bytes = rule.archive.as_ref().map(|archive| archive.size_bytes);
            let bar = ui.bytes_bar("downloading", size_bytes);
            let archive = fetch::npm(package, version, &folder, &|size_bytes| {
                bar.set_position(size_bytes);
            })?;
            bar.finish_and_clear();
            workspace.store.put_file(&archive, &|_| ())?;
            Ok(archive)
        }
        // A path in a policy is relative to it.
        Source::File(path) => Ok(policy.parent().unwrap_or(Path::new(".")).join(path)),
    }
}

fn check_archive(rule: &DatasetRule, source: &Path) -> Result<(), Failure> {
    let Some(want) = &rule.archive else {
        return Ok(());
    };
    match fetch::measure(source)? {
        Some((digest, _)) if digest != want.digest => {
            Err(Failure::Denied(trust::Denied::because(Reason::new(
                Code::DigestMismatch,
                format!(
                    "the archive of `{}` is not the one that the policy names: expected {}, got {digest}",
                    rule.name, want.digest
                ),
                "get the archive that the policy names; if it was replaced on purpose, say so in the policy",
            ))))
        }
        _ => Ok(()),
    }
}

fn want(file: &policy::dependency::FileRule) -> Wanted {
    Wanted {
        path: file.path.as_str().to_owned(),
        name: file.name.as_str().to_owned(),
        size_bytes_max: file.size_bytes,
    }
}

fn answer(name: &str, artifact: &Artifact, bundle: Digest, log_index: u64, reused: bool) -> Answer {
    let how = if reused { "unchanged, reused" } else { "added" };
    let text = [
        format!(
            "{how}: data set `{name}` ({}), {}, {} bytes",
            artifact.digest(),
            counted(artifact.files().len(), "file"),
            artifact.size_bytes()
        ),
        format!("statement {} in log line {log_index}", bundle.short()),
    ];
    let data = json!({"name": name, "dataset": artifact.digest().to_string(), "reused": reused,
                      "statement": {"bundle": bundle.to_string(), "logIndex": log_index}});
    Answer::new(text, data)
}

fn list(workspace: &Workspace) -> Result<Answer, Failure> {
    let datasets = workspace.ledger()?.all::<Dataset>().believed;
    let digest = |logged: &Logged<Dataset>| {
        let subjects = &logged.statement.value().subjects;
        subjects.first().map(|subject| subject.digest.to_string())
    };
    let line = |logged: &Logged<Dataset>| {
        let said = &logged.statement.value().predicate;
        format!(
            "{:16} {}  {}  for {}",
            said.name,
            digest(logged).unwrap_or_default(),
            said.licence,
            said.purposes.join(", ")
        )
    };
    let datum = |logged: &Logged<Dataset>| {
        let said = &logged.statement.value().predicate;
        json!({"name": said.name, "digest": digest(logged), "licence": said.licence, "purposes": said.purposes, "source": said.source})
    };
    let text: Lines = datasets.iter().map(line).collect();
    Ok(Answer::new(
        text,
        json!({"datasets": datasets.iter().map(datum).collect::<Vec<_>>()}),
    ))
}

/// The artifact of the data set with this name or digest that was added last.
pub(crate) fn find(word: &str, workspace: &Workspace) -> Result<(String, Artifact), Failure> {
    let ledger = workspace.ledger()?;
    let named = |logged: &Logged<Dataset>| {
        let statement = logged.statement.value();
        statement.predicate.name == word
            || word.parse().is_ok_and(|digest| statement.is_about(digest))
    };
    let missing = || {
        Failure::error(
            Code::NotFound,
            format!("there is no data set `{word}` in the store"),
            "add it: `modelward dataset add NAME --policy FILE`",
        )
    };
    let found = ledger
        .all::<Dataset>()
        .believed
        .into_iter()
        .rfind(named)
        .ok_or_else(missing)?;
    let statement = found.statement.value();
    let digest = statement
        .subjects
        .first()
        .map(|subject| subject.digest)
        .ok_or_else(missing)?;
    Ok((
        statement.predicate.name.clone(),
        ledger.artifact(digest).cloned().ok_or_else(missing)?,
    ))
}
