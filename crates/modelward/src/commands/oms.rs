//! `modelward oms …`, and the program under the name `model_signing`: OpenSSF model signing's own words, for scripts that
//! have them. What they ask is done as `sign` and `verify` do it.
//!
//! ```text
//! what was typed ─► spelling ─► words ─► sign, verify, digest ─► measure, trust ─► yes, or refused in their words
//! ```

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use trust::Code;

use crate::answer::{Answer, Failure};
use crate::lines::Lines;
use crate::ui::Ui;

mod conformance;
mod digest;
mod hand_over;
mod manifest;
mod measure;
mod methods;
mod refused;
mod sign;
mod spelling;
mod verify;
mod voice;
mod words;

use refused::Refused;
use voice::Voice;
use words::{Command, Words};

/// The reference's program.
const NAME: &str = "model_signing";
/// The release of it whose words these are.
const RELEASE: &str = "1.1.1";
const NOT_UNDERSTOOD: u8 = 2;

/// Sign and verify in the words of OpenSSF's `model_signing`, which scripts have already
///
/// `sign`, `verify` and `digest`, each with all options of that program and of its port to Go, written with `-` or `_`;
/// the same exit statuses (0 yes, 1 no or failed, 2 not understood), and the same sentences on the same streams. So does
/// this program under the name `model_signing`. `modelward oms sign key --help` lists a method's options. Where that program
/// lets through what nobody vouched for, this one says no, and what to do.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "modelward oms [OPTIONS] <sign|verify|digest> [METHOD] ...",
    help_template = "{about-with-newline}\n{usage-heading} {usage}{after-help}",
    after_help = "Options before and after these words: `--log-level`, `--log-format`, `--output-file`, `--timeout`; and `--json`, which takes \
                  options from a JSON object. Those of the other commands, `--store` and the like, mean nothing here.\n\n\
                  Example: modelward oms verify key MODEL --signature model.sig --public_key key.pub"
)]
pub(crate) struct Args {
    /// `sign`, `verify` or `digest`, and what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// What is typed in the reference's words, if that is what it is: without the name that was called.
pub(crate) fn words_of(arguments: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = arguments.split_first()?;
    if Path::new(program).file_name() == Some(OsStr::new(NAME)) {
        return Some(rest);
    }
    let (word, rest) = rest.split_first()?;
    let is_about_us = rest
        .first()
        .is_none_or(|next| next == "--help" || next == "-h");
    (word == "oms" && !is_about_us).then_some(rest)
}

/// After an option of ours there is nothing that it could mean.
pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let hint = if args.words.is_empty() {
        "`modelward oms --help` says what it takes"
    } else {
        "begin with `modelward oms`; for JSON use `modelward sign` and `modelward verify`"
    };
    let message = "`oms` takes the words of `model_signing`, and no options of ours";
    Err(Failure::error(Code::Usage, message, hint))
}

/// Does what is asked in the reference's words, and answers in its form.
pub(crate) fn answer(typed: &[OsString]) -> ExitCode {
    let words = match spelling::spelled(typed.iter().cloned()) {
        Ok(words) => words,
        Err(refused) => return not_understood(&refused.way, &refused.text),
    };
    let program = std::iter::once(OsString::from(NAME));
    match Words::try_parse_from(program.chain(words)) {
        Ok(words) => within_time(words),
        Err(error) => misread(&error),
    }
}

/// What is done, for the sentences about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Signing,
    Verification,
    Digest,
    Other,
}

impl Deed {
    const fn of(command: &Command) -> Self {
        match command {
            Command::Sign(_) => Self::Signing,
            Command::Verify(_) => Self::Verification,
            Command::Digest(_) => Self::Digest,
            Command::Conformance(_) | Command::HandOver(_) => Self::Other,
        }
    }

    const fn failed(self) -> &'static str {
        match self {
            Self::Signing => "Signing failed with error: ",
            Self::Verification => "Verification failed with error: ",
            Self::Digest => "Computing digest failed: ",
            Self::Other => "",
        }
    }
}

fn within_time(words: Words) -> ExitCode {
    let deed = Deed::of(&words.command);
    let Some(time) = words.voice.timeout else {
        return conclude(deed, done(&words));
    };
    let (tells, hears) = mpsc::channel();
    thread::spawn(move || tells.send(done(&words)));
    // Whatever still runs ends with the process.
    conclude(
        deed,
        hears.recv_timeout(time).unwrap_or_else(|error| {
            let text = match error {
                RecvTimeoutError::Timeout => format!("it took longer than {time:?}"),
                RecvTimeoutError::Disconnected => "it ended without an answer".to_owned(),
            };
            Err(Refused::new(text, "give it more time with `--timeout`"))
        }),
    )
}

/// What a yes prints.
fn done(words: &Words) -> Result<String, Refused> {
    let voice = Voice::open(&words.voice)?;
    match &words.command {
        Command::Sign(method) => sign::run(method, &voice).map(|()| "Signing succeeded".into()),
        Command::Verify(method) => {
            verify::run(method, &voice).map(|()| "Verification succeeded".into())
        }
        Command::Digest(words) => digest::run(words),
        Command::Conformance(words) => conformance::run(words, &voice),
        Command::HandOver(method) => hand_over::run(method, &voice).map(|()| String::new()),
    }
}

fn conclude(deed: Deed, result: Result<String, Refused>) -> ExitCode {
    let said = result.and_then(|text| {
        let said = crate::answer::say_at_last(text);
        said.map_err(|e| Refused::new(format!("the answer can't be written: {e}"), ""))
    });
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(refused) => {
            complain(format!(
                "{}{}",
                deed.failed(),
                refused.text.replace('\n', " ")
            ));
            if !refused.way.is_empty() {
                complain(format!("hint: {}", refused.way));
            }
            ExitCode::FAILURE
        }
    }
}

/// Help and the version are answers; all else that could not be parsed is told as the reference's parser does.
fn misread(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp => {
            crate::answer::say(Lines::page(error.to_string().trim_end()));
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayVersion => {
            let ours = env!("CARGO_PKG_VERSION");
            crate::answer::say(format!(
                "{NAME}, version {RELEASE} (as answered by modelward {ours})"
            ));
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            complain(Lines::page(error.to_string().trim_end()));
            ExitCode::from(NOT_UNDERSTOOD)
        }
        _ => {
            let usage = error.get(ContextKind::Usage).map(ToString::to_string);
            let usage = usage.unwrap_or_else(|| format!("Try '{NAME} --help' for help."));
            not_understood(&usage, &sentence(error))
        }
    }
}

fn not_understood(usage: &str, sentence: &str) -> ExitCode {
    let mut lines = Lines::page(usage);
    lines.extend([String::new(), format!("Error: {sentence}")]);
    complain(lines);
    ExitCode::from(NOT_UNDERSTOOD)
}

/// What the parser says, in the words of the reference's.
fn sentence(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let name = |text: &str| text.split([' ', '=']).next().unwrap_or_default().to_owned();
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            let missing = name(&context(ContextKind::InvalidArg));
            match missing.strip_prefix("--") {
                Some(option) => format!("Missing option '--{}'.", option.replace('-', "_")),
                None => format!("Missing argument '{}'.", missing.trim_matches(['<', '>'])),
            }
        }
        ErrorKind::UnknownArgument => match context(ContextKind::InvalidArg) {
            option if option.starts_with('-') => format!("No such option '{option}'."),
            extra => format!("Got unexpected extra argument ({extra})"),
        },
        ErrorKind::InvalidSubcommand => {
            format!(
                "No such command '{}'.",
                context(ContextKind::InvalidSubcommand)
            )
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let option = name(&context(ContextKind::InvalidArg));
            let value = context(ContextKind::InvalidValue);
            let why = match std::error::Error::source(error) {
                Some(why) => why.to_string(),
                None => format!("it is not one of {}", context(ContextKind::ValidValue)),
            };
            format!("Invalid value for '{option}': '{value}': {why}.")
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned()
        }
    }
}

fn complain(said: impl Into<Lines>) {
    let shown = Ui::plain().shown_lines(&said.into());
    // Whoever has no standard error is told by the exit status.
    let _ = writeln!(std::io::stderr(), "{shown}");
}
