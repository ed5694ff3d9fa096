//! `modelward keyless refresh|show`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use host::sigstore::{Refreshed, Repository};
use serde_json::json;
use trust::{Code, SigstoreRoot, Time};

use crate::answer::{Answer, Failure};
use crate::believed::{days_between, public_sigstore, refreshed_folder};
use crate::lines::Lines;
use crate::model::{unreadable, unwritable};
use crate::ui::Ui;

const ROOT_SIZE_BYTES_MAX: u64 = 1 << 20;

/// See or refresh the root by which keyless signatures are believed
///
/// Nothing is fetched to verify with, but by this: the public Sigstore's root is built in, and grows old.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward keyless refresh")]
pub(crate) struct Args {
    #[command(subcommand)]
    word: Word,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Fetch the newest root of the public Sigstore, or of another, and use it from now on
    ///
    /// Each file is signed by those whom the last one named (The Update Framework), so that nobody on the way can make one, turn
    /// it back or hold it back for long. It is kept in your data folder, whole or not at all.
    #[command(after_help = "Example: modelward keyless refresh")]
    Refresh(Refresh),
    /// Say which root of the public Sigstore is used, and how old it is
    #[command(after_help = "Example: modelward keyless show")]
    Show,
}

#[derive(Debug, clap::Args)]
struct Refresh {
    /// The address of another Sigstore's repository
    #[arg(long, value_name = "URL", requires_all = ["root", "to"])]
    url: Option<String>,
    /// A `root.json` of that repository, which you got over a way that you trust
    #[arg(long, value_name = "FILE", requires = "url")]
    root: Option<PathBuf>,
    /// Write the Sigstore's root to this file too, for `--trust-config`
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    match &args.word {
        Word::Refresh(words) => refresh(words),
        Word::Show => show(ui),
    }
}

fn refresh(words: &Refresh) -> Result<Answer, Failure> {
    let repository = match (&words.url, &words.root) {
        (Some(url), Some(path)) => {
            let root = host::named_file::read(path, ROOT_SIZE_BYTES_MAX)
                .map_err(|e| unreadable(path, &e))?;
            Repository::new(url, root)
        }
        _ => Repository::public(),
    };
    let folder = refreshed_folder()?;
    let before = repository.refreshed(&folder)?;
    let refreshed = repository.refresh(&folder, host::clock::now()?)?;
    if let Some(path) = &words.to {
        let text = refreshed.root.text().as_bytes();
        host::named_file::write(path, text).map_err(|e| unwritable(path, &e))?;
    }
    let known = match (&before, &words.url) {
        (Some(before), _) => Some(before.root.text().to_owned()),
        (None, None) => Some(SigstoreRoot::production().text().to_owned()),
        (None, Some(_)) => None,
    };
    let is_changed = known.is_none_or(|known| !is_same(&known, refreshed.root.text()));
    Ok(told(&refreshed, is_changed, words.to.as_deref()))
}

fn told(refreshed: &Refreshed, is_changed: bool, to: Option<&Path>) -> Answer {
    let said = match is_changed {
        true => "refreshed: the Sigstore's root is another than before",
        false => "refreshed: the Sigstore's root is the one that was there",
    };
    let newest = refreshed.root.newest();
    let mut text = Lines::from(said);
    text.extend(newest.map(youngest));
    text.extend(to.map(|to| format!("written to `{}`, for `--trust-config`", to.display())));
    let data = json!({"changed": is_changed, "refreshed": refreshed.at.to_string(), "to": to,
                      "newest": newest.map(|time: Time| time.to_string())});
    Answer::new(text, data)
}

/// Whether two roots say the same; they may be written with other spaces.
fn is_same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    read(one) == read(other)
}

fn show(ui: &Ui) -> Result<Answer, Failure> {
    let now = host::clock::now()?;
    let used = public_sigstore(now, &|warning| ui.warn(warning))?;
    let days = days_between(used.since, now);
    let from = match used.is_refreshed {
        true => "was refreshed",
        false => "is built in, and was taken",
    };
    let newest = used.root.newest();
    let mut text = Lines::from(format!(
        "the root of the public Sigstore {from} on {}, {days} days ago",
        used.since
    ));
    text.extend(newest.map(youngest));
    let data = json!({"builtIn": !used.is_refreshed, "since": used.since.to_string(), "days": days,
                      "newest": newest.map(|time| time.to_string())});
    Ok(Answer::new(text, data))
}

fn youngest(newest: Time) -> String {
    format!("its youngest member is in use since {newest}")
}

impl From<host::sigstore::RefreshError> for Failure {
    fn from(error: host::sigstore::RefreshError) -> Self {
        Self::from_error(error.code(), &error, error.way())
    }
}

/// There is no folder to keep anything in.
pub(crate) fn no_folder() -> Failure {
    let way = "set `HOME` or `XDG_DATA_HOME`";
    Failure::error(Code::Io, "nothing says where your data folder is", way)
}
