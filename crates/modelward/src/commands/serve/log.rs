//! `modelward serve --role log`

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use host::log::{Log, OwnLogError};
use serde_json::json;
use server::log::{Adding, Limits, Serving, Tokens};
use trust::Code;
use trust::log::{LogKey, LogSigner};

use super::interrupted;
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::faults::at;
use crate::ui::Ui;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// With `--role log`: serve the log in this folder, which is made if it is not there, and not the store's
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    /// With `--log`: take lines from whoever has one of the tokens in this file, one to a line
    #[arg(long, value_name = "FILE", requires = "log")]
    accept_entries: Option<PathBuf>,
    /// With `--log`: what a new log is called
    #[arg(
        long,
        value_name = "NAME",
        requires = "log",
        default_value = "modelward.local/log"
    )]
    log_name: String,
}

impl LogArgs {
    /// Whether something was said that only a log's server could mean.
    pub(super) const fn is_meant(&self) -> bool {
        self.log.is_some() || self.accept_entries.is_some()
    }
}

pub(super) fn run(
    args: &LogArgs,
    http: SocketAddr,
    common: &Common,
    ui: &Ui,
) -> Result<Answer, Failure> {
    let tokens = args.accept_entries.as_deref().map(tokens).transpose()?;
    let (log, key, signer) = match &args.log {
        Some(folder) => own(folder, &args.log_name)?,
        None => of_store(common)?,
    };
    let adding = tokens.zip(signer);
    let adding = adding.map(|(tokens, signer)| Adding { signer, tokens });
    let listener = listen(http)?;
    let address = listener.local_addr().map_err(at(http.to_string()))?;
    let told = announcement(ui, &key, address, adding.is_some());
    let serving = Serving { log, adding };
    server::log::serve(listener, serving, Limits::default(), interrupted(&told)).map_err(|e| {
        let way = "is the address free, and may this user listen on it?";
        Failure::from_error(Code::Network, &e, way)
    })?;
    ui.note(format!("stopped serving on http://{address}"));
    Ok(Answer::printed())
}

/// The store's own log, which takes lines of what the store holds and no others.
fn of_store(common: &Common) -> Result<(Log, LogKey, Option<LogSigner>), Failure> {
    let workspace = Workspace::open(common)?;
    let key = workspace.log_key()?.ok_or_else(super::super::log::no_log)?;
    let log = workspace.store.log().clone();
    // What is another's is not shown as ours.
    log.checkpoint(&key)?;
    Ok((log, key, None))
}

fn own(folder: &Path, name: &str) -> Result<(Log, LogKey, Option<LogSigner>), Failure> {
    let (log, signer) = host::log::open_or_create(folder, name).map_err(of_own)?;
    Ok((log, signer.key().clone(), Some(signer)))
}

pub(super) fn of_own(error: OwnLogError) -> Failure {
    match error {
        OwnLogError::Log(cause) => Failure::from(cause),
        OwnLogError::Key(cause) => Failure::from(cause),
        cause @ OwnLogError::Keyless { .. } => {
            let way = "bring its `keys` back, or serve a store's log from its store";
            Failure::from_error(Code::KeyMissing, &cause, way)
        }
    }
}

fn tokens(path: &Path) -> Result<Tokens, Failure> {
    let text = host::keys::read_private(path)?;
    Tokens::parse(&text).map_err(|e| {
        let way = "write one token to a line, such as `openssl rand -hex 32` makes";
        Failure::from_error(Code::SettingsInvalid, &e, way)
    })
}

pub(super) fn listen(http: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(http).map_err(|e| {
        let message = format!("can't listen on {http}: {e}");
        let way = "choose another address with `--http`";
        Failure::error(Code::Network, message, way)
    })
}

fn announcement(ui: &Ui, key: &LogKey, address: SocketAddr, adds: bool) -> String {
    if ui.json {
        let line = json!({"result": "allowed", "serving": key.name(), "log": key.to_string(),
                          "address": address.to_string(), "adds": adds});
        return line.to_string();
    }
    let takes = if adds {
        "takes lines from who has a token"
    } else {
        "is only read"
    };
    format!("serving the log `{key}` on http://{address}: it {takes}")
}
