//! `modelward help [COMMAND…]` and `modelward help error CODE`

use serde_json::json;
use trust::Code;

use crate::answer::{Answer, Failure};
use crate::lines::Lines;
use crate::settings::VARIABLES;
use crate::{cli, pages};

/// Explain a command, or an error: `modelward help error CODE`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward help error recalled")]
pub(crate) struct Args {
    /// A command and its subcommands; or `error` and a code; or `environment`
    words: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    match args
        .words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["error"] => Ok(codes()),
        ["error", code] => error(code),
        ["environment"] => Ok(environment()),
        words => command(words),
    }
}

fn error(word: &str) -> Result<Answer, Failure> {
    match Code::from_word(word) {
        Some(code) => {
            let page = pages::of(code).trim_end();
            Ok(Answer::new(
                Lines::page(page),
                json!({"code": code.as_str(), "page": page}),
            ))
        }
        None => {
            let hint = match Code::nearest(word) {
                Some(code) => format!("did you mean `{code}`?"),
                None => "`modelward help error` lists all codes".to_owned(),
            };
            Err(Failure::error(
                Code::NotFound,
                format!("there is no code `{word}`"),
                hint,
            ))
        }
    }
}

fn codes() -> Answer {
    let line = |code: &Code| format!("{:22} {}", code.as_str(), code.summary());
    let text: Lines = Code::ALL.iter().map(line).collect();
    let word = |code: &Code| json!({"code": code.as_str(), "exit": code.kind().exit_status(), "http": code.http(), "summary": code.summary()});
    Answer::new(
        text,
        json!({"codes": Code::ALL.iter().map(word).collect::<Vec<_>>()}),
    )
}

fn environment() -> Answer {
    let line = |(name, what): &(&str, &str)| format!("{name:26} {what}");
    let text: Lines = VARIABLES.iter().map(line).collect();
    let data: serde_json::Map<_, _> = VARIABLES
        .iter()
        .map(|(name, what)| ((*name).to_owned(), json!(what)))
        .collect();
    Answer::new(text, json!({"variables": data}))
}

fn command(words: &[&str]) -> Result<Answer, Failure> {
    let mut definition = cli::definition();
    definition.build();
    let mut found = &definition;
    for word in words {
        found = found.find_subcommand(word).ok_or_else(|| {
            let message = format!("there is no command `{}`", words.join(" "));
            Failure::error(Code::Usage, message, nearest(found, word))
        })?;
    }
    let text = cli::help(words).unwrap_or_default();
    Ok(Answer::new(Lines::page(&text), json!({"help": text})))
}

/// The command that was probably meant.
fn nearest(among: &clap::Command, word: &str) -> String {
    let likeness = |name: &&str| strsim::jaro_winkler(name, word);
    let names = among.get_subcommands().map(clap::Command::get_name);
    match names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        Some(name) if likeness(&name) > 0.7 => format!("did you mean `{name}`?"),
        _ => "`modelward help` lists the commands".to_owned(),
    }
}
