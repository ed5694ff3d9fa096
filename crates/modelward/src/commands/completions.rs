//! `modelward completions SHELL`

use clap_complete::Shell;
use serde_json::json;

use crate::answer::{Answer, Failure};
use crate::cli;
use crate::lines::Lines;

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward completions bash > ~/.local/share/bash-completion/completions/modelward"
)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::definition(), "modelward", &mut script);
    let script = String::from_utf8_lossy(&script).trim_end().to_owned();
    Ok(Answer::new(Lines::page(&script), json!({"script": script})))
}
