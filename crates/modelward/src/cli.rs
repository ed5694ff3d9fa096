//! The command line: what can be typed, and where it goes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use serde_json::json;
use trust::Code;

use crate::answer::{Answer, Failure, report};
use crate::commands;
use crate::interruption::Interruption;
use crate::lines::Lines;
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
    disable_help_subcommand = true,
    after_help = "Begin with `modelward store init` and `modelward key new NAME`. `modelward help error CODE` explains \
                  an answer, and `modelward help environment` lists the variables that are read."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
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
    Sbom(commands::sbom::Args),
    Sign(commands::sign::Args),
    Verify(commands::verify::Args),
    Digest(commands::digest::Args),
    Inspect(commands::inspect::Args),
    Diff(commands::diff::Args),
    Bundle(commands::bundle::Args),
    Push(commands::push::Args),
    Pull(commands::pull::Args),
    Artifact(commands::artifact::Args),
    Publish(commands::publish::Args),
    Deploy(commands::deploy::Args),
    Approve(commands::approve::Args),
    Policy(commands::policy::Args),
    Fetch(commands::fetch::Args),
    Admit(commands::admit::Args),
    Serve(commands::serve::Args),
    Audit(commands::audit::Args),
    Recall(commands::recall::Args),
    Key(commands::key::Args),
    Log(commands::log::Args),
    Store(commands::store::Args),
    Keyless(commands::keyless::Args),
    GenerateKeyPair(commands::cosign::generate_key_pair::Args),
    Attest(Box<commands::cosign::attest::Args>),
    AttestBlob(Box<commands::cosign::attest_blob::Args>),
    VerifyAttestation(Box<commands::cosign::verify_attestation::Args>),
    VerifyBlobAttestation(Box<commands::cosign::verify_blob_attestation::Args>),
    Oms(commands::oms::Args),
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
    if let Some(words) = commands::oms::words_of(&arguments) {
        return commands::oms::answer(words);
    }
    // So that even an unreadable command line is answered in the form that was asked for; what follows `--` is a step's.
    let ours = arguments.iter().take_while(|argument| *argument != "--");
    let json = ours.into_iter().any(|argument| argument == "--json");
    match parse(&arguments) {
        Ok(cli) => {
            // The whole command line's definition is not needed any more.
            host::memory::give_back();
            let ui = Ui::new(cli.common.json, cli.common.quiet);
            // A server stops in its own way: what is under way gets its answer.
            if matches!(cli.command, Command::Serve(_)) {
                return report(dispatch(cli, &ui), &ui);
            }
            let interruption = Interruption::watch(ui);
            report(interruption.settle(dispatch(cli, &ui)), &ui)
        }
        Err(error) => {
            let ui = Ui::new(json, false);
            report(unparsed(&error, &ui), &ui)
        }
    }
}

fn parse<T: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = T>,
) -> Result<Cli, clap::Error> {
    let mut matches = definition().try_get_matches_from(arguments)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut definition()))
}

/// Help and the version are answers; all else that could not be parsed is none.
fn unparsed(error: &clap::Error, ui: &Ui) -> Result<Answer, Failure> {
    let text = error.to_string();
    let text = text.trim_end();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Ok(Answer::new(Lines::page(text), json!({"text": text})))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            ui.note(Lines::page(text));
            let hint = "`modelward help` lists the commands";
            Err(Failure::error(Code::Usage, "a command is missing", hint))
        }
        _ => Err(misread(text)),
    }
}

/// What the parser says, as we say it: a sentence, and what to do. It quotes with `'`, and we with backticks.
fn misread(text: &str) -> Failure {
    let (mut message, mut tips, mut usage) = (Vec::new(), Vec::new(), None);
    let text = text.replace('\'', "`");
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(": ") {
            Some(("error", said)) => message.push(said.to_owned()),
            // "a similar … exists: `x`", or "some similar … exist: `x`, `y`"
            Some(("tip", tip)) => tips.push(match tip.rsplit_once(": ") {
                Some((what, similar)) if what.contains("similar") => {
                    format!("did you mean {similar}?")
                }
                _ => tip.to_owned(),
            }),
            Some(("Usage", said)) => usage = Some(format!("the usage is `{said}`")),
            _ if line.starts_with("For more information") => {}
            _ => message.push(line.to_owned()),
        }
    }
    let message = message
        .join(" ")
        .replace("unrecognized subcommand", "there is no command");
    tips.extend(usage.filter(|_| tips.is_empty()));
    Failure::error(Code::Usage, message, tips.join("; "))
}

fn dispatch(cli: Cli, ui: &Ui) -> Result<Answer, Failure> {
    let common = &cli.common;
    match cli.command {
        Command::Dataset(args) => commands::dataset::run(args, common, ui),
        Command::Train(args) => commands::train::run(&args, common, ui),
        Command::Scan(args) => commands::scan::run(&args, common, ui),
        Command::Sbom(args) => commands::sbom::run(&args, common, ui),
        Command::Sign(args) => commands::sign::run(&args, common, ui),
        Command::Verify(args) => commands::verify::run(&args, common, ui),
        Command::Digest(args) => commands::digest::run(&args, ui),
        Command::Inspect(args) => commands::inspect::run(&args, ui),
        Command::Diff(args) => commands::diff::run(&args, ui),
        Command::Bundle(args) => commands::bundle::run(args),
        Command::Push(args) => commands::push::run(&args, common, ui),
        Command::Pull(args) => commands::pull::run(&args, ui),
        Command::Artifact(args) => commands::artifact::run(&args, ui),
        Command::Publish(args) => commands::publish::run(&args, common, ui),
        Command::Deploy(args) => commands::deploy::run(&args, common, ui),
        Command::Approve(args) => commands::approve::run(&args, common, ui),
        Command::Policy(args) => commands::policy::run(args, common, ui),
        Command::Fetch(args) => commands::fetch::run(&args, common, ui),
        Command::Admit(args) => commands::admit::run(&args, common, ui),
        Command::Serve(args) => commands::serve::run(&args, common, ui),
        Command::Audit(args) => commands::audit::run(&args, common, ui),
        Command::Recall(args) => commands::recall::run(&args, common, ui),
        Command::Key(args) => commands::key::run(args, common, ui),
        Command::Log(args) => commands::log::run(args, common, ui),
        Command::Store(args) => commands::store::run(args, common, ui),
        Command::Keyless(args) => commands::keyless::run(&args, ui),
        Command::GenerateKeyPair(args) => commands::cosign::generate_key_pair::run(&args, ui),
        Command::Attest(args) => commands::cosign::attest::run(&args, ui),
        Command::AttestBlob(args) => commands::cosign::attest_blob::run(&args, ui),
        Command::VerifyAttestation(args) => commands::cosign::verify_attestation::run(&args, ui),
        Command::VerifyBlobAttestation(args) => {
            commands::cosign::verify_blob_attestation::run(&args, ui)
        }
        Command::Oms(args) => commands::oms::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args, common, ui),
        Command::Demo(args) => commands::demo::run(&args, common, ui),
        Command::Help(args) => commands::help::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    }
}

/// What a command says of itself when it is asked with `--help`.
pub(crate) fn help(words: &[&str]) -> Option<String> {
    let line = ["modelward"]
        .into_iter()
        .chain(words.iter().copied())
        .chain(["--help"]);
    let error = parse(line).err()?;
    (error.kind() == ErrorKind::DisplayHelp).then(|| error.to_string().trim_end().to_owned())
}

/// The definitions that help, completions and man pages are made from.
pub(crate) fn definition() -> clap::Command {
    without_empty_variables(Cli::command())
}

/// A variable that is set to nothing gives nothing.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |argument: &clap::Arg| {
        let value = argument.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|argument| match is_empty(&argument) {
            true => argument.env(None::<&'static str>),
            false => argument,
        })
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    /// A flag that several stages share has one meaning, one variable and one text.
    #[test]
    fn a_shared_flag_says_the_same_everywhere() {
        let definition = definition();
        let flags = [
            ("package", vec!["publish", "deploy", "admit"]),
            ("environment", vec!["publish", "admit", "serve"]),
            ("service_account", vec!["admit", "serve"]),
            ("policies", vec!["publish", "deploy"]),
            (
                "key",
                vec![
                    "publish", "deploy", "admit", "serve", "scan", "train", "recall",
                ],
            ),
        ];
        for (flag, commands) in flags {
            let said = |command: &&str| {
                let command = definition.find_subcommand(command).unwrap();
                let argument = command
                    .get_arguments()
                    .find(|a| a.get_id() == flag)
                    .unwrap();
                (
                    argument.get_help().map(ToString::to_string),
                    argument.get_env().map(ToOwned::to_owned),
                )
            };
            let texts: Vec<_> = commands.iter().map(said).collect();
            assert!(
                texts.windows(2).all(|two| two[0] == two[1]),
                "{flag}: {texts:?}"
            );
        }
    }
}
