//! `modelward serve --role witness`

use std::net::SocketAddr;
use std::path::PathBuf;

use host::log::OwnLogError;
use serde_json::json;
use server::log::Limits;
use server::witness::Serving;
use trust::Code;

use super::interrupted;
use super::log::{listen, of_own};
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::faults::at;
use crate::ui::Ui;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct WitnessArgs {
    /// With `--role witness`: the folder of its key and of what it saw, which is made if it is not there
    #[arg(long, value_name = "FOLDER")]
    witness: Option<PathBuf>,
    /// With `--witness`: what a new witness is called
    #[arg(
        long,
        value_name = "NAME",
        requires = "witness",
        default_value = "modelward.local/witness"
    )]
    witness_name: String,
}

impl WitnessArgs {
    /// Whether something was said that only a witness could mean.
    pub(super) const fn is_meant(&self) -> bool {
        self.witness.is_some()
    }
}

pub(super) fn run(
    args: &WitnessArgs,
    http: SocketAddr,
    common: &Common,
    ui: &Ui,
) -> Result<Answer, Failure> {
    let Some(folder) = &args.witness else {
        let hint = "name the folder of its key with `--witness`";
        return Err(Failure::error(Code::Usage, "a witness has a folder", hint));
    };
    let workspace = Workspace::open(common)?;
    let logs: Vec<_> = workspace
        .root
        .logs()
        .iter()
        .filter_map(|key| key.parse().ok())
        .collect();
    let (seen, signer) =
        host::log::witness(folder, &args.witness_name).map_err(|e: OwnLogError| of_own(e))?;
    let listener = listen(http)?;
    let address = listener.local_addr().map_err(at(http.to_string()))?;
    let (key, count) = (signer.key().clone(), logs.len());
    let told = if ui.json {
        json!({"result": "allowed", "witness": key.to_string(), "address": address.to_string(), "logs": count})
            .to_string()
    } else {
        format!("witness `{key}` of {count} logs on http://{address}")
    };
    let serving = Serving { seen, logs, signer };
    server::witness::serve(listener, serving, &Limits::default(), interrupted(&told)).map_err(
        |e| {
            let way = "is the address free, and may this user listen on it?";
            Failure::from_error(Code::Network, &e, way)
        },
    )?;
    ui.note(format!("stopped witnessing on http://{address}"));
    Ok(Answer::printed())
}
