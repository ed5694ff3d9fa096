//! `modelward log show|verify|proof|watch`

mod watch;

use std::path::{Path, PathBuf};

use host::log::CosignError;
use host::store::Problem;
use serde_json::json;
use trust::log::{Checkpoint, Entry, Proof, WitnessKey};
use trust::{Code, Denied, Reason};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::Lines;
use crate::model::unreadable;
use crate::ui::Ui;
use crate::workspace::Workspace;

const NOTE_SIZE_BYTES_MAX: u64 = 1 << 20;
const BUNDLE_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Read the log, and prove what stands in it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the lines
    #[command(after_help = "Example: modelward log show")]
    Show,
    /// Read everything again: each line, tile and hash against the signed checkpoint, and it against all earlier ones
    #[command(after_help = "Example: modelward log verify")]
    Verify,
    /// Print the signed checkpoint: keep it elsewhere, and `log grown` shows later that nothing before it was changed
    #[command(after_help = "Example: modelward log checkpoint > /mnt/elsewhere/checkpoint")]
    Checkpoint,
    /// Show that the log only grew since a checkpoint that was kept
    #[command(after_help = "Example: modelward log grown /mnt/elsewhere/checkpoint")]
    Grown {
        /// The checkpoint's file
        since: PathBuf,
    },
    /// Ask a witness to cosign the head, and show its cosignature with the head from now on
    #[command(
        after_help = "Example: modelward log cosign --url https://witness.example --witness KEY"
    )]
    Cosign {
        /// Where the witness is
        #[arg(long, value_name = "URL")]
        url: String,
        /// Its key, as a C2SP verifier key
        #[arg(long, value_name = "KEY")]
        witness: WitnessKey,
    },
    /// Look whether a log only grew since the last look, and whether all it says of mine was said by this store
    #[command(
        after_help = "Example: modelward log watch --url https://log.example/models --state seen"
    )]
    Watch(watch::WatchArgs),
    /// Write a proof that a line is in the log, which anybody can check without the log
    #[command(after_help = "Example: modelward log proof 3 > proof")]
    Proof {
        /// Which line
        index: u64,
    },
    /// Check a proof offline, against the trust root's logs
    #[command(after_help = "Example: modelward log check proof out/digits.sig")]
    Check {
        /// The proof's file
        proof: PathBuf,
        /// The bundle that it is about
        bundle: PathBuf,
    },
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    match args.action {
        Action::Show => show(&workspace),
        Action::Verify => verify(&workspace, ui),
        Action::Checkpoint => checkpoint(&workspace),
        Action::Grown { since } => grown(&workspace, &since),
        Action::Cosign { url, witness } => cosign(&workspace, &url, &witness),
        Action::Watch(args) => watch::run(&args, &workspace),
        Action::Proof { index } => prove(&workspace, index),
        Action::Check { proof, bundle } => check(&workspace, &proof, &bundle),
    }
}

fn show(workspace: &Workspace) -> Result<Answer, Failure> {
    let ledger = workspace.ledger()?;
    let line = |(index, entry): (usize, &Entry)| {
        let kind = entry.predicate_type();
        let subjects: Vec<String> = entry
            .subjects()
            .iter()
            .take(4)
            .map(digest::Digest::short)
            .collect();
        format!(
            "{index:6}  {}  {kind}  about {}",
            entry.bundle().short(),
            subjects.join(", ")
        )
    };
    let datum = |(index, entry): (usize, &Entry)| {
        let subjects: Vec<String> = entry.subjects().iter().map(ToString::to_string).collect();
        json!({"index": index, "bundle": entry.bundle().to_string(), "predicateType": entry.predicate_type(), "subjects": subjects})
    };
    let text: Lines = ledger.entries().iter().enumerate().map(line).collect();
    let entries: Vec<_> = ledger.entries().iter().enumerate().map(datum).collect();
    Ok(Answer::new(text, json!({"entries": entries})))
}

fn verify(workspace: &Workspace, ui: &Ui) -> Result<Answer, Failure> {
    let key = workspace.log_key()?.ok_or_else(no_log)?;
    let bar = ui.bytes_bar("reading the log", None);
    let checkpoint = workspace
        .store
        .log()
        .verify(&key, &|size_bytes| bar.inc(size_bytes))?;
    bar.finish_and_clear();
    // And what a gate looks at: every line is read, and its root is one that we believe now.
    let lines = workspace.ledger()?.entries().len();
    let head = checkpoint.map(|checkpoint| checkpoint.head());
    let root = head.map_or_else(|| "none yet".to_owned(), |head| head.root.to_string());
    // A shorter log is whole in itself: what was written after its lost lines tells of them.
    let lost = workspace.store.lost_lines(&key)?;
    let reason = |lost: &Problem| {
        Reason::new(
            lost.code(),
            lost.to_string(),
            lost.hint().unwrap_or_default(),
        )
    };
    if let Some(denied) = Denied::from_reasons(lost.iter().map(reason).collect()) {
        return Err(denied.into());
    }
    let text = format!("the log is whole: {lines} lines, root {root}");
    Ok(Answer::new(
        text,
        json!({"size": lines, "root": root, "log": key.to_string()}),
    ))
}

fn checkpoint(workspace: &Workspace) -> Result<Answer, Failure> {
    let note = workspace.checkpoint()?.ok_or_else(|| {
        Failure::error(
            Code::NotFound,
            "the log has no line yet",
            "record something first",
        )
    })?;
    Ok(Answer::new(Lines::page(&note), json!({"checkpoint": note})))
}

fn grown(workspace: &Workspace, since: &Path) -> Result<Answer, Failure> {
    let bytes =
        host::named_file::read(since, NOTE_SIZE_BYTES_MAX).map_err(|e| unreadable(since, &e))?;
    let refused = |e: &dyn std::error::Error| {
        Failure::from_error(
            Code::LogInconsistent,
            e,
            "give a checkpoint as `modelward log checkpoint` printed it",
        )
    };
    let note = String::from_utf8(bytes).map_err(|e| refused(&e))?;
    // What was printed lacks the empty end of its last line.
    let note = format!("{}\n", note.trim_end_matches('\n'));
    let key = workspace.log_key()?;
    let key =
        key.ok_or_else(|| Failure::error(Code::LogKeyUnknown, "the trust root knows no log", ""))?;
    let older = Checkpoint::open(&note, &key)
        .map_err(|e| refused(&e))?
        .head();
    let proof = workspace.store.log().consistency(older, &key)?;
    let newer = workspace
        .store
        .log()
        .checkpoint(&key)?
        .map_or(0, |newer| newer.head().size);
    let text = format!("the log only grew: from {} lines to {newer}", older.size);
    let proof: Vec<String> = proof.iter().map(ToString::to_string).collect();
    Ok(Answer::new(
        text,
        json!({"from": older.size, "to": newer, "proof": proof}),
    ))
}

fn prove(workspace: &Workspace, index: u64) -> Result<Answer, Failure> {
    let key = workspace.log_key()?.ok_or_else(no_log)?;
    let checkpoint = workspace.store.log().checkpoint(&key)?;
    let size = checkpoint.map_or(0, |checkpoint| checkpoint.head().size);
    if index >= size {
        let message = format!("the log has {size} lines, counted from 0, and no line {index}");
        let hint = "`modelward log show` lists them";
        return Err(Failure::error(Code::NotFound, message, hint));
    }
    let proof = workspace.store.log().prove(index, &key)?.to_string();
    Ok(Answer::new(
        Lines::page(&proof),
        json!({"index": index, "proof": proof}),
    ))
}

fn check(workspace: &Workspace, proof: &PathBuf, bundle: &PathBuf) -> Result<Answer, Failure> {
    let read = |path: &PathBuf, size_bytes_max| {
        host::named_file::read(path, size_bytes_max).map_err(|e| unreadable(path, &e))
    };
    let invalid = |e: &dyn std::error::Error| {
        Failure::from_error(
            Code::LogInconsistent,
            e,
            "get the proof again with `modelward log proof`",
        )
    };
    let text = String::from_utf8(read(proof, NOTE_SIZE_BYTES_MAX)?).map_err(|e| invalid(&e))?;
    let proof = Proof::parse(&text).map_err(|e| invalid(&e))?;
    let bytes = read(bundle, BUNDLE_SIZE_BYTES_MAX)?;
    let statement = trust::Bundle::parse(&bytes)?;
    let statement = trust::Statement::<trust::Opaque<'_>>::parse(statement.envelope().payload())?;
    let subjects = statement.subjects.iter().map(|subject| subject.digest);
    let entry = Entry::new(
        digest::Digest::of(&bytes),
        &statement.predicate.predicate_type,
        subjects,
    );
    let entry = entry.map_err(|e| invalid(&e))?.to_bytes();
    let mut last = None;
    for key in workspace
        .root
        .logs()
        .iter()
        .filter_map(|key| key.parse().ok())
    {
        match proof.verify(&entry, &key) {
            Ok(logged) => {
                let text = format!(
                    "line {} of the log `{}` is this bundle",
                    logged.index(),
                    logged.origin()
                );
                return Ok(Answer::new(
                    text,
                    json!({"index": logged.index(), "log": logged.origin()}),
                ));
            }
            Err(e) => last = Some(e),
        }
    }
    Err(last.map_or_else(
        || Failure::error(Code::LogKeyUnknown, "the trust root knows no log", ""),
        |e| invalid(&e),
    ))
}

fn cosign(workspace: &Workspace, url: &str, witness: &WitnessKey) -> Result<Answer, Failure> {
    let key = workspace.log_key()?.ok_or_else(no_log)?;
    let cosigned = workspace.store.log().cosign(&key, url, witness);
    let size = cosigned.map_err(uncosigned)?.head().size;
    let text = format!("`{}` cosigned the head of {size} lines", witness.name());
    let data = json!({"size": size, "log": key.to_string(), "witness": witness.to_string()});
    Ok(Answer::new(text, data))
}

fn uncosigned(error: CosignError) -> Failure {
    let way = "does the witness know this log's key, and is its own the one that was named?";
    match error {
        CosignError::Log(cause) => cause.into(),
        cause @ CosignError::Http(_) => Failure::from_error(Code::Network, &cause, way),
        cause @ CosignError::SawMore { .. } => {
            let way = "lines were lost: restore the newest backup of the log";
            Denied::because(Reason::new(Code::LogRolledBack, cause.to_string(), way)).into()
        }
        cause @ CosignError::Answer => {
            Denied::because(Reason::new(Code::LogUnwitnessed, cause.to_string(), way)).into()
        }
    }
}

pub(super) fn no_log() -> Failure {
    Failure::error(
        Code::LogKeyUnknown,
        "the trust root knows no log",
        "`modelward store init` makes one",
    )
}
