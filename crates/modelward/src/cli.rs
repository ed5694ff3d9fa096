//! The command line: what can be typed, and where it goes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use trust::Code;

use crate::answer::{Answer, Failure, report};
use crate::commands;
use crate::ui::Ui;

/// Keeps a model's chain of custody, from its data set to its predictions.
///
/// Every stage is the same sentence: verified things in, a policy's verdict, an action, a signed statement out, a line in
/// the log. Exit status: 0 yes, 1 no, 2 could not tell.
#[derive(Debug, Parser)]
#[command(
    name = "modelward",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The folder whose store is used; without it the store of this folder or the nearest above, as git does
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MODELWARD_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Option<PathBuf>,
    /// The settings file; without it `modelward.toml` beside the store
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MODELWARD_SETTINGS",
        hide_env_values = true
    )]
    pub(crate) settings: Option<PathBuf>,
    /// Answer with one JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but the answer
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The stages in the order of the chain, and what holds them up.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dataset(commands::dataset::Args),
    Train(commands::train::Args),
    Scan(commands::scan::Args),
    Sign(commands::sign::Args),
    Verify(commands::verify::Args),
    Publish(commands::publish::Args),
    Deploy(commands::deploy::Args),
    Admit(commands::admit::Args),
    Serve(commands::serve::Args),
    Audit(commands::audit::Args),
    Recall(commands::recall::Args),
    Key(commands::key::Args),
    Log(commands::log::Args),
    Store(commands::store::Args),
    Doctor(commands::doctor::Args),
    Demo(commands::demo::Args),
    Help(commands::help::Args),
    #[command(hide = true)]
    Completions(commands::completions::Args),
    #[command(hide = true)]
    Man(commands::man::Args),
}

/// Runs what was typed.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // So that even an unreadable command line is answered in the form that was asked for.
    let json = arguments.iter().any(|argument| argument == "--json");
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => {
            let ui = Ui::new(cli.common.json, cli.common.quiet);
            report(dispatch(cli, &ui), &ui)
        }
        Err(error) if error.use_stderr() => unreadable(&error, &Ui::new(json, false)),
        // Help and version are answers. Whoever closed the pipe has read enough.
        Err(help) => help
            .print()
            .map_or(ExitCode::SUCCESS, |()| ExitCode::SUCCESS),
    }
}

fn unreadable(error: &clap::Error, ui: &Ui) -> ExitCode {
    if !ui.json {
        let _ = error.print();
        return ExitCode::from(Code::Usage.kind().exit_status());
    }
    let text = error.to_string();
    let message = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    report(
        Err(Failure::error(Code::Usage, message, "see `modelward help`")),
        ui,
    )
}

fn dispatch(cli: Cli, ui: &Ui) -> Result<Answer, Failure> {
    let common = &cli.common;
    match cli.command {
        Command::Dataset(args) => commands::dataset::run(args, common, ui),
        Command::Train(args) => commands::train::run(args, common, ui),
        Command::Scan(args) => commands::scan::run(args, common, ui),
        Command::Sign(args) => commands::sign::run(args, common, ui),
        Command::Verify(args) => commands::verify::run(args, common, ui),
        Command::Publish(args) => commands::publish::run(args, common, ui),
        Command::Deploy(args) => commands::deploy::run(args, common, ui),
        Command::Admit(args) => commands::admit::run(args, common, ui),
        Command::Serve(args) => commands::serve::run(args, common, ui),
        Command::Audit(args) => commands::audit::run(args, common, ui),
        Command::Recall(args) => commands::recall::run(args, common, ui),
        Command::Key(args) => commands::key::run(args, common, ui),
        Command::Log(args) => commands::log::run(args, common, ui),
        Command::Store(args) => commands::store::run(args, common, ui),
        Command::Doctor(args) => commands::doctor::run(&args, common, ui),
        Command::Demo(args) => commands::demo::run(args, common, ui),
        Command::Help(args) => commands::help::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    }
}

/// The definitions that help, completions and man pages are made from.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }
}
