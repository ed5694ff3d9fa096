//! What can be typed after `model_signing`: every flag of the reference and of its port to Go, by its hyphenated name.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use digest::Algorithm;

use super::conformance::Conformance;
use super::methods::{SignMethod, VerifyMethod};

/// Signs and verifies models as OpenSSF's `model_signing` does: the same words, exit statuses and sentences.
///
/// Words may be written with `-` or `_`. Without a method, `sign` and `verify` mean `sigstore`. Exit status: 0 yes, 1 no
/// or failed, 2 not understood.
#[derive(Debug, Parser)]
#[command(
    name = "model_signing",
    bin_name = "model_signing",
    version,
    disable_help_subcommand = true,
    args_override_self = true,
    propagate_version = true
)]
pub(super) struct Words {
    #[command(flatten)]
    pub(super) voice: VoiceWords,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How much is said beside the verdict, and where.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct VoiceWords {
    /// How much is told beside the verdict
    #[arg(
        long,
        global = true,
        value_enum,
        ignore_case = true,
        default_value = "info"
    )]
    pub(super) log_level: Level,
    /// How it is told
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(super) log_format: Format,
    /// Where it is told, rather than on standard error
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) output_file: Option<PathBuf>,
    /// As `--log-level debug`
    #[arg(long, short = 'd', global = true)]
    pub(super) verbose: bool,
    /// Give up after this time, such as `90s`, `30m` or `2h`; without it, it takes as long as it takes
    #[arg(long, short = 't', global = true, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Level {
    Debug,
    Info,
    #[value(alias = "warn")]
    Warning,
    Error,
    Critical,
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Sign a model
    #[command(subcommand)]
    Sign(SignMethod),
    /// Verify that a model is as it was signed
    #[command(subcommand)]
    Verify(VerifyMethod),
    /// Print a model's digest, as a signature's subject has it
    Digest(DigestWords),
    /// What the public conformance suite asks
    #[command(subcommand)]
    Conformance(Box<Conformance>),
    /// Verify a model and hand its tensors over: what `modelward.load` of the Python package asks
    #[command(subcommand, hide = true)]
    HandOver(VerifyMethod),
}

/// Which model, and what of it.
#[derive(Debug, Clone, Args)]
pub(super) struct ModelWords {
    /// The model, a folder or a file; or `oci-manifest://FILE`: what an OCI manifest names, of which nothing is read
    #[arg(value_name = "MODEL_PATH", required_unless_present = "model")]
    model_path: Option<PathBuf>,
    // As it stands in `--json`.
    #[arg(long, hide = true, value_name = "MODEL_PATH")]
    model: Option<PathBuf>,
    /// Leave this path out, and all below it: absolute, from here, or from the model
    #[arg(long, value_name = "IGNORE_PATHS")]
    pub(super) ignore_paths: Vec<PathBuf>,
    /// Leave out `.git`, `.gitattributes`, `.github` and `.gitignore` at the model's root (the default)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new(), overrides_with = "no_ignore_git_paths")]
    ignore_git_paths: bool,
    /// Leave them in
    #[arg(long, overrides_with = "ignore_git_paths")]
    no_ignore_git_paths: bool,
    /// Follow symbolic links that stay in the model, or in the repository of a Hugging Face cache
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) allow_symlinks: bool,
    /// Follow links that stay in this folder instead
    #[arg(long, value_name = "FOLDER")]
    pub(super) links_inside: Option<PathBuf>,
}

impl ModelWords {
    /// A model with nothing said about it.
    pub(super) fn of(path: PathBuf, ignore_paths: Vec<PathBuf>) -> Self {
        Self {
            model_path: Some(path),
            model: None,
            ignore_paths,
            ignore_git_paths: true,
            no_ignore_git_paths: false,
            allow_symlinks: false,
            links_inside: None,
        }
    }

    /// Where the model is.
    pub(super) fn path(&self) -> PathBuf {
        // The parser asked for one of the two.
        let path = self.model_path.as_ref().or(self.model.as_ref());
        path.cloned().unwrap_or_default()
    }

    /// Whether git's own files are left out.
    pub(super) const fn ignores_git(&self) -> bool {
        self.ignore_git_paths && !self.no_ignore_git_paths
    }
}

/// How a model is hashed, where not whole and by SHA-256. The reference has this in its library only.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct HashWords {
    /// Hash by `blake2b` or `blake3` rather than `sha256`; the reference's command line verifies neither
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    pub(super) hash_algorithm: Option<Algorithm>,
    /// Hash pieces of so many bytes rather than whole files
    #[arg(long, value_name = "BYTES")]
    pub(super) shard_size: Option<NonZeroU64>,
}

impl HashWords {
    pub(super) fn method(&self) -> digest::Method {
        digest::Method {
            algorithm: self.hash_algorithm.unwrap_or(Algorithm::Sha256),
            shard_size: self.shard_size,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct DigestWords {
    #[command(flatten)]
    pub(super) model: ModelWords,
    #[command(flatten)]
    pub(super) hash: HashWords,
    /// Print the digest that the reference prints, which orders files by the parts of their paths
    #[arg(long, value_enum, value_name = "WHOM")]
    pub(super) compat: Option<Peer>,
    /// Print each file with its digest, as one JSON object
    #[arg(long)]
    pub(super) resources: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Peer {
    Python,
}

/// The reference's library calls BLAKE2b `blake2`.
pub(super) fn algorithm(word: &str) -> Result<Algorithm, String> {
    let word = if word == "blake2" { "blake2b" } else { word };
    Algorithm::from_word(word).ok_or_else(|| {
        let words = Algorithm::ALL.map(Algorithm::as_str).join(", ");
        format!("the hash functions are {words}")
    })
}

/// Times as Go writes them: numbers, each with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "a time is a number and its unit: `90s`, `30m`, `1h30m`".to_owned();
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = rest.split_at(digits.unwrap_or(rest.len()));
        let end = unit.find(|c: char| c.is_ascii_digit());
        let (unit, next) = unit.split_at(end.unwrap_or(unit.len()));
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "" if number == "0" => 0,
            _ => return Err(refused()),
        };
        let number: u64 = number.parse().map_err(|_| refused())?;
        let part = number.checked_mul(milliseconds).ok_or_else(refused)?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or_else(refused)?;
        rest = next;
    }
    match total {
        Duration::ZERO => Err(refused()),
        total => Ok(total),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Words::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_go_writes_them() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5_400), ("2h", 7_200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1_500)));
        for text in ["", "0", "3", "m", "3x", "99999999999999999999s", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
