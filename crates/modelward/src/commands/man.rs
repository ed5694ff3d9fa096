//! `modelward man [--to DIR]`

use std::path::PathBuf;

use serde_json::json;
use trust::Code;

use crate::answer::{Answer, Failure};
use crate::cli;

/// Write the man pages
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward man --to ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// The folder to write them to
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let failed = |e: std::io::Error| {
        Failure::from_error(
            Code::Io,
            &e,
            format!("can `{}` be written?", args.to.display()),
        )
    };
    std::fs::create_dir_all(&args.to).map_err(failed)?;
    clap_mangen::generate_to(cli::definition(), &args.to).map_err(failed)?;
    let text = format!("wrote the man pages to {}", args.to.display());
    Ok(Answer::new(
        text,
        json!({"folder": args.to.display().to_string()}),
    ))
}
