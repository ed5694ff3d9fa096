//! `modelward log watch`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use digest::Digest;
use host::log::{Growth, Log, LogError, RemoteLog};
use serde_json::json;
use trust::log::{Checkpoint, Entry, Head, LogKey, Watched, WitnessKey, Witnesses, WitnessesError};
use trust::{Code, Denied, Reason};

use crate::answer::{Answer, Failure};
use crate::faults::at;
use crate::workspace::Workspace;

/// A head with all its signatures, and a line before it.
const STATE_SIZE_BYTES_MAX: u64 = 128 << 10;
/// How many lines one look reads; the next goes on from there.
const LINES_MAX: u64 = 1 << 20;
/// How many lines that are not ours are told at once.
const TOLD_MAX: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// Where the log is shown, such as `https://log.example/models`; the store's own log by default
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The file that remembers what was seen; it is made at the first look
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// What is mine besides the store's artifacts
    #[arg(long = "subject", value_name = "DIGEST")]
    subjects: Vec<Digest>,
    /// A witness that must have cosigned the head, as a C2SP verifier key
    #[arg(long = "witness", value_name = "KEY")]
    witnesses: Vec<WitnessKey>,
    /// How many of the witnesses must have; all by default
    #[arg(long, value_name = "COUNT", requires = "witnesses")]
    witnesses_needed: Option<usize>,
}

/// Where the lines are.
enum Shown<'a> {
    Here(&'a Log),
    There(RemoteLog),
}

/// What was found among the lines.
#[derive(Default)]
struct Found {
    /// Up to where the lines were read.
    read: u64,
    /// Lines about mine that I did not make.
    unexpected: Vec<(u64, Digest, Digest)>,
    /// Lines of another kind.
    unknown: u64,
}

/// Why reading the lines ended.
enum End {
    Enough,
    Failed(LogError),
}

impl From<LogError> for End {
    fn from(cause: LogError) -> Self {
        Self::Failed(cause)
    }
}

pub(super) fn run(args: &WatchArgs, workspace: &Workspace) -> Result<Answer, Failure> {
    let shown = match &args.url {
        None => Shown::Here(workspace.store.log()),
        Some(url) => Shown::There(RemoteLog::at(url).map_err(|e| unreachable(&e))?),
    };
    // (1) A log of the trust root signed the head. Stops: an invented log.
    let (key, newer) = head(&shown, workspace)?;
    // (2) Enough witnesses saw it. Stops: a head for me alone.
    witnessed(args, &newer)?;
    // (3) It goes on from what was seen before. Stops: another history than the one that was shown.
    let before = remembered(&args.state, &key)?;
    if let Some(before) = &before {
        let (was, is) = (before.checkpoint().head(), newer.head());
        follows(shown.growth(was, is)?, was, &newer, &key)?;
    }
    // (4) What is said of mine, I said. Stops: a stolen key that is used unseen.
    let from = before.as_ref().map_or(0, Watched::read);
    let found = look(
        &shown,
        newer.head(),
        from,
        &mine(args, workspace)?,
        workspace,
    )?;
    let first_told = found.unexpected.first().map(|(index, ..)| *index);
    let watched = Watched::new(first_told.unwrap_or(found.read), newer);
    host::whole_file::write(&args.state, watched.to_string().as_bytes())
        .map_err(at(&args.state))?;
    let reasons = found.unexpected.iter().map(unexpected).collect();
    match Denied::from_reasons(reasons) {
        Some(denied) => Err(denied.into()),
        None => Ok(answer(&watched, from, &found, &key)),
    }
}

impl Shown<'_> {
    fn note(&self) -> Result<Option<String>, LogError> {
        match self {
            Self::Here(log) => log.note(),
            Self::There(log) => log.note().map(Some),
        }
    }

    fn growth(&self, older: Head, newer: Head) -> Result<Growth, LogError> {
        match self {
            Self::Here(log) => log.growth(older, newer),
            Self::There(log) => log.growth(older, newer),
        }
    }

    fn entries(
        &self,
        head: Head,
        from: u64,
        visit: &mut host::log::Visit<'_, End>,
    ) -> Result<(), End> {
        match self {
            Self::Here(log) => log.entries_under(head, from, visit),
            Self::There(log) => log.entries(head, from, visit),
        }
    }
}

fn head(shown: &Shown<'_>, workspace: &Workspace) -> Result<(LogKey, Checkpoint), Failure> {
    let Some(note) = shown.note()? else {
        let hint = "watch it once something was recorded";
        return Err(Failure::error(
            Code::NotFound,
            "the log has no line yet",
            hint,
        ));
    };
    let keys = workspace
        .root
        .logs()
        .iter()
        .filter_map(|key| key.parse().ok());
    let mut refused = None;
    for key in keys {
        match Checkpoint::open(&note, &key) {
            Ok(checkpoint) => return Ok((key, checkpoint)),
            Err(cause) => refused = Some(cause),
        }
    }
    let said = refused.map_or_else(
        || "the trust root knows no log".to_owned(),
        |e| e.to_string(),
    );
    let message = format!("no log of the trust root signed the head: {said}");
    let way =
        "is this the log that is meant? then add its verifier key to the trust root as a `[[log]]`";
    Err(Denied::because(Reason::new(Code::LogKeyUnknown, message, way)).into())
}

fn witnessed(args: &WatchArgs, head: &Checkpoint) -> Result<(), Failure> {
    if args.witnesses.is_empty() {
        return Ok(());
    }
    let needed = args.witnesses_needed.unwrap_or(args.witnesses.len());
    let witnesses = Witnesses::new(args.witnesses.clone(), needed)
        .map_err(|e| Failure::from_error(Code::Usage, &e, "name each witness once"))?;
    match witnesses.check(head) {
        Ok(_) => Ok(()),
        Err(cause @ (WitnessesError::TooFew { .. } | WitnessesError::Note(_))) => {
            let way = "have the head cosigned by the witnesses that are named";
            let reason = Reason::new(Code::LogUnwitnessed, cause.to_string(), way);
            Err(Denied::because(reason).into())
        }
        Err(cause) => Err(Failure::from_error(Code::Usage, &cause, "")),
    }
}

fn remembered(path: &Path, key: &LogKey) -> Result<Option<Watched>, Failure> {
    let text = match host::whole_file::read_text(path, STATE_SIZE_BYTES_MAX) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(at(path))?,
    };
    let refused = |e: &dyn std::error::Error| {
        let way = "give each log a file of its own; to forget what was seen, name a new file";
        Failure::from_error(Code::SettingsInvalid, e, way)
    };
    Watched::parse(&text, key)
        .map(Some)
        .map_err(|e| refused(&e))
}

fn follows(growth: Growth, was: Head, newer: &Checkpoint, key: &LogKey) -> Result<(), Failure> {
    let (name, is) = (key.name(), newer.head().size);
    let reason = match growth {
        Growth::Grown => return Ok(()),
        Growth::Shorter => {
            let message = format!(
                "the log `{name}` had {} lines, and shows {is} now",
                was.size
            );
            let way = "ask again, should an old head have been kept on the way; else ask its keeper where the lines are";
            Reason::new(Code::LogRolledBack, message, way)
        }
        Growth::Split => {
            let message = format!(
                "the log `{name}` showed a head of {} lines, and now one of {is} that does not follow from it: {}",
                was.size,
                newer.note().replace('\n', " ").trim()
            );
            let way = "keep both heads and ask others which one they were shown";
            Reason::new(Code::LogSplit, message, way)
        }
    };
    Err(Denied::because(reason).into())
}

/// The digests whose statements should all be in the store.
fn mine(args: &WatchArgs, workspace: &Workspace) -> Result<BTreeSet<Digest>, Failure> {
    let stored = workspace.store.artifacts()?;
    let stored = stored.iter().map(|artifact| artifact.digest);
    Ok(stored.chain(args.subjects.iter().copied()).collect())
}

fn look(
    shown: &Shown<'_>,
    head: Head,
    from: u64,
    mine: &BTreeSet<Digest>,
    workspace: &Workspace,
) -> Result<Found, Failure> {
    let mut found = Found {
        read: from,
        ..Found::default()
    };
    let mut visit = |index: u64, line: &[u8]| {
        if index - from == LINES_MAX || found.unexpected.len() == TOLD_MAX {
            return Err(End::Enough);
        }
        found.read = index + 1;
        let Ok(entry) = Entry::parse(line) else {
            found.unknown += 1;
            return Ok(());
        };
        let about = entry
            .subjects()
            .iter()
            .find(|subject| mine.contains(subject));
        let made = || workspace.store.blob_size_bytes(entry.bundle()).is_some();
        if let Some(about) = about.filter(|_| !made()) {
            found.unexpected.push((index, *about, entry.bundle()));
        }
        Ok(())
    };
    match shown.entries(head, from, &mut visit) {
        Ok(()) | Err(End::Enough) => Ok(found),
        Err(End::Failed(cause)) => Err(cause.into()),
    }
}

fn unexpected((index, about, bundle): &(u64, Digest, Digest)) -> Reason {
    let message = format!(
        "line {index} is about {about}, by the bundle {bundle}, which is not in this store"
    );
    let way =
        "find out who made that statement; if nobody of yours did, recall the key that signed it";
    Reason::new(Code::LogUnexpected, message, way)
}

fn answer(watched: &Watched, from: u64, found: &Found, key: &LogKey) -> Answer {
    let size = watched.checkpoint().head().size;
    let looked = found.read - from;
    let mut text = format!(
        "the log `{}` only grew, to {size} lines; {looked} new ones were read",
        key.name()
    );
    if found.read < size {
        text += &format!(", and {} are left for the next look", size - found.read);
    }
    let data = json!({"log": key.to_string(), "size": size, "from": from, "to": found.read, "unknown": found.unknown});
    Answer::new(text, data)
}

fn unreachable(cause: &dyn std::error::Error) -> Failure {
    Failure::from_error(
        Code::Network,
        cause,
        "name the log by its `https://` address",
    )
}
