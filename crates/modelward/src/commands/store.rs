//! `modelward store init|verify|rebuild|list`

use std::path::PathBuf;

use host::store::{Names, Store};
use serde_json::json;
use trust::{Code, Denied, Reason, TrustRoot};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::{Lines, counted};
use crate::root_change::{self, RootChange};
use crate::ui::Ui;
use crate::workspace::{Workspace, here, keys_folder, locate, root_path};

const YEAR_SECONDS: i64 = 366 * 24 * 3600;
/// A new root already holds for clocks that are a little behind.
const CLOCK_SLACK_SECONDS: i64 = 300;

/// Make and check the store that keeps artifacts, statements and the log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a store, with a log and an empty trust root
    Init(Init),
    /// Read everything again: every byte against its digest, every statement against the log
    #[command(after_help = "Example: modelward store verify")]
    Verify,
    /// Make the index again from what is on disk
    #[command(after_help = "Example: modelward store rebuild")]
    Rebuild,
    /// List the artifacts
    #[command(after_help = "Example: modelward store list")]
    List,
    /// Write an artifact's files into a folder, each measured on the way
    Get(Get),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward store get mnist --to data/mnist")]
struct Get {
    /// Its digest, or a data set's name
    artifact: String,
    /// The folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward store init")]
struct Init {
    /// The folder; this one by default
    folder: Option<PathBuf>,
    /// What the log is called in its checkpoints
    #[arg(long, value_name = "NAME", default_value = "modelward.local/log")]
    log_name: String,
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    match args.action {
        Action::Init(init) => create(init, common),
        Action::Verify => verify(common, ui),
        Action::Rebuild => rebuild(common),
        Action::List => list(common),
        Action::Get(args) => get(&args, common),
    }
}

fn create(args: Init, common: &Common) -> Result<Answer, Failure> {
    let folder = match args.folder.or_else(|| common.store.clone()) {
        Some(folder) => folder,
        None => here()?,
    };
    let path = folder.join(host::store::FOLDER_NAME);
    if path.symlink_metadata().is_ok() && !path.is_dir() {
        return Err(Failure::error(
            Code::StoreForeign,
            format!("`{}` is no folder, and a store is one", path.display()),
            "move it away, or name another folder",
        ));
    }
    let _alone = root_change::alone_in(&folder)?;
    let store = Store::init(&folder)?;
    let now = host::clock::now()?;
    let keys = keys_folder(&store);
    let _change = RootChange::begin(&keys)?;
    // A retried command does no harm: what is there already stays.
    if !root_path(&store).exists() {
        let log = host::trust_root::create_log_key(&keys, &args.log_name)
            .or_else(|_| host::trust_root::log_signer(&keys))?;
        let root = TrustRoot::new(
            now.plus_seconds(-CLOCK_SLACK_SECONDS),
            now.plus_seconds(YEAR_SECONDS),
        );
        host::trust_root::write(&root_path(&store), &root.with_log(log.key().to_string()))?;
    }
    let text = [
        format!("a store is in {}", store.path().display()),
        "next: `modelward key new NAME`".to_owned(),
    ];
    Ok(Answer::new(
        text,
        json!({"store": folder.display().to_string(), "path": store.path().display().to_string()}),
    ))
}

fn verify(common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let bar = ui.bytes_bar("reading the store", None);
    let checked = workspace
        .store
        .verify(workspace.log_key()?.as_ref(), &|size_bytes| {
            bar.inc(size_bytes)
        })?;
    bar.finish_and_clear();
    let reason = |problem: &host::store::Problem| {
        Reason::new(
            problem.code(),
            problem.to_string(),
            problem.hint().unwrap_or_default(),
        )
    };
    let reasons: Vec<Reason> = checked.problems.iter().map(reason).collect();
    let unrecorded: Vec<String> = checked.unrecorded.iter().map(ToString::to_string).collect();
    let data = json!({"problems": reasons.len(), "unrecorded": unrecorded});
    let mut text = Lines::default();
    if reasons.is_empty() {
        text.push("the store holds what it says");
        let keys = keys_folder(&workspace.store);
        if !keys.exists() {
            text.push(format!(
                "note: it has no keys, and nothing can be recorded in it: `{}` is not there",
                keys.display()
            ));
        }
        for bundle in &unrecorded {
            text.push(format!(
                "note: the statement {bundle} was not recorded: what said it was killed or found the disk full, or the log was made shorter; a recall counts all the same"
            ));
        }
    }
    Ok(Answer::new(text, data).denied_if(Denied::from_reasons(reasons)))
}

fn rebuild(common: &Common) -> Result<Answer, Failure> {
    let folder = locate(common)?;
    let (_, names) = Store::rebuild(&folder)?;
    let statements = Workspace::open(common)?.ledger()?.entries().len();
    if let Names::Found { artifacts, unnamed } = names {
        let mut text = Lines::from(format!("the index was made again: {statements} statements"));
        let found =
            format!("note: both lists of names were lost; {artifacts} artifacts were found");
        text.push(match unnamed {
            0 => found,
            some => format!("{found}, and {some} of them are called by their digest"),
        });
        let found = json!({"artifacts": artifacts, "unnamed": unnamed});
        return Ok(Answer::new(
            text,
            json!({"statements": statements, "found": found}),
        ));
    }
    Ok(Answer::new(
        format!("the index was made again: {statements} statements"),
        json!({"statements": statements}),
    ))
}

fn list(common: &Common) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let artifacts = workspace.artifacts()?;
    let line = |artifact: &trust::Artifact| {
        let files: Vec<&str> = artifact.files().keys().collect();
        format!(
            "{}  {:>12} bytes  {}",
            artifact.digest(),
            artifact.size_bytes(),
            files.join(", ")
        )
    };
    let text: Lines = artifacts.iter().map(line).collect();
    let datum = |artifact: &trust::Artifact| {
        let files: Vec<&str> = artifact.files().keys().collect();
        json!({"digest": artifact.digest().to_string(), "type": artifact.kind().media_type(),
               "sizeBytes": artifact.size_bytes(), "files": files})
    };
    Ok(Answer::new(
        text,
        json!({"artifacts": artifacts.iter().map(datum).collect::<Vec<_>>()}),
    ))
}

fn get(args: &Get, common: &Common) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let artifact = match args.artifact.parse() {
        Ok(digest) => workspace.artifact(digest)?,
        Err(_) => super::dataset::find(&args.artifact, &workspace)?.1,
    };
    workspace.write_out(&artifact, &args.to)?;
    let text = format!(
        "wrote {} of {} to {}",
        counted(artifact.files().len(), "file"),
        artifact.digest(),
        args.to.display()
    );
    Ok(Answer::new(
        text,
        json!({"digest": artifact.digest().to_string(), "to": args.to.display().to_string()}),
    ))
}
