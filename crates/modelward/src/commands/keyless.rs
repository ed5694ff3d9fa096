//! `modelward keyless refresh|show`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use host::sigstore::{Refreshed, Repository, Services, ServicesError};
use serde_json::{Value, json};
use trust::{Code, SigstoreRoot, Time};

use crate::answer::{Answer, Failure};
use crate::believed::{days_between, public_sigstore, refreshed_folder};
use crate::lines::Lines;
use crate::model::{unreadable, unwritable};
use crate::ui::Ui;

const ROOT_SIZE_BYTES_MAX: u64 = 1 << 20;

/// See or refresh the root by which keyless signatures are believed, and where they are made
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
    /// Where the repository says it, also where to sign. Each file is signed by those whom the last one named (The Update
    /// Framework), so that nobody on the way can make one, turn it back or hold it back for long. It is kept in your data folder,
    /// whole or not at all.
    #[command(after_help = "Example: modelward keyless refresh")]
    Refresh(Refresh),
    /// Say which root of the public Sigstore is used, how old it is, and where it is signed
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
    /// Write the Sigstore's root, and where to sign, to this file too, for `--trust-config`
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    match &args.word {
        Word::Refresh(words) => refresh(words, ui),
        Word::Show => show(ui),
    }
}

fn refresh(words: &Refresh, ui: &Ui) -> Result<Answer, Failure> {
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
    let now = host::clock::now()?;
    let refreshed = repository.refresh(&folder, now)?;
    if let Some(path) = &words.to {
        let text = refreshed.to_config();
        host::named_file::write(path, text.as_bytes()).map_err(|e| unwritable(path, &e))?;
    }
    let known = match (&before, &words.url) {
        (Some(before), _) => Some(before.root.text().to_owned()),
        (None, None) => Some(SigstoreRoot::production().text().to_owned()),
        (None, Some(_)) => None,
    };
    let is_changed = known.is_none_or(|known| !is_same(&known, refreshed.root.text()));
    let services = match refreshed.services(now) {
        Ok(None) if words.url.is_none() => Ok(Some(Services::production())),
        services => services,
    };
    let services = known_or_told(services, ui);
    Ok(told(
        &refreshed,
        is_changed,
        services.as_ref(),
        words.to.as_deref(),
    ))
}

/// That nobody knows where to sign hinders nobody from verifying.
fn known_or_told(services: Result<Option<Services>, ServicesError>, ui: &Ui) -> Option<Services> {
    services.unwrap_or_else(|error| {
        ui.warn(&format!(
            "nothing can be signed there by what it says of where: {error}"
        ));
        None
    })
}

fn told(
    refreshed: &Refreshed,
    is_changed: bool,
    services: Option<&Services>,
    to: Option<&Path>,
) -> Answer {
    let said = match is_changed {
        true => "refreshed: the Sigstore's root is another than before",
        false => "refreshed: the Sigstore's root is the one that was there",
    };
    let newest = refreshed.root.newest();
    let mut text = Lines::from(said);
    text.extend(newest.map(youngest));
    text.extend(services.map(signed_at));
    text.extend(to.map(|to| format!("written to `{}`, for `--trust-config`", to.display())));
    let data = json!({"changed": is_changed, "refreshed": refreshed.at.to_string(), "to": to.map(|to| to.display().to_string()),
                      "newest": newest.map(|time: Time| time.to_string()), "services": services.map(addresses)});
    Answer::new(text, data)
}

/// Whether two roots say the same; they may be written with other spaces.
fn is_same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
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
    let services = known_or_told(used.services.map(Some), ui);
    text.extend(services.as_ref().map(signed_at));
    let data = json!({"builtIn": !used.is_refreshed, "since": used.since.to_string(), "days": days,
                      "newest": newest.map(|time| time.to_string()), "services": services.as_ref().map(addresses)});
    Ok(Answer::new(text, data))
}

fn youngest(newest: Time) -> String {
    format!("its youngest member is in use since {newest}")
}

/// Where it is signed, for a person.
fn signed_at(services: &Services) -> String {
    let at = services.addresses();
    let stamps = at
        .timestamp
        .map_or(String::new(), |url| format!(", stamped at {url}"));
    let (certificate, log, version) = (at.certificate, at.log, at.log_version);
    format!(
        "what is signed at it is certified at {certificate}, logged at {log} (version {version}){stamps}"
    )
}

/// Where it is signed, for a program.
fn addresses(services: &Services) -> Value {
    let at = services.addresses();
    json!({"certificate": at.certificate, "log": at.log, "logVersion": at.log_version, "timestamp": at.timestamp,
           "provider": at.provider})
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
