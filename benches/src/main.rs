//! Speed and memory beside the peers, turn by turn in one run: `modelward-benches MODELWARD TARGET [NAME]...`, where the
//! names choose among the measurements.
//!
//! ```text
//! startup ─ verdict ─ hashing ─ commands ─ sandbox ─ loading ─ memory ─ serving ─ signing ─ log ─► table ─► TARGET/bench.json
//! ```
//! The medians of rounds in which ours and the peer take turns are compared, so that whatever else the machine does
//! meets both. A bar that could not be measured is not met.

mod commands;
mod files;
mod hashing;
mod loading;
mod log;
mod masked;
mod measure;
mod memory;
mod sandbox;
mod serving;
mod signing;
mod startup;
mod table;
mod verdict;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use table::Table;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is measured, and where there is room to do so.
struct Bench {
    /// The release build.
    modelward: PathBuf,
    /// The repository.
    house: PathBuf,
    /// A safetensors file of 1 GiB.
    model: PathBuf,
    /// A folder that goes when all is done.
    folder: tempfile::TempDir,
    /// Where the result goes.
    target: PathBuf,
    /// Where `make interop` keeps the peers' own environments.
    peers: PathBuf,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [name, ..] if host::builder::SUBCOMMANDS.contains(name) => {
            return host::builder::entry(name);
        }
        ["__watch", command @ ..] => measure::watch(command),
        ["__list", root, kernel, shard_size] => hashing::list(root.as_ref(), kernel, shard_size),
        ["__hash", file] => hashing::hash(file.as_ref()),
        [modelward, target, only @ ..] => bench(modelward.as_ref(), target.as_ref(), only),
        _ => Err("usage: modelward-benches MODELWARD TARGET [NAME]...".into()),
    };
    done.unwrap_or_else(|cause| {
        eprintln!("benches: {cause}");
        ExitCode::from(2)
    })
}

fn bench(modelward: &Path, target: &Path, only: &[&str]) -> Result<ExitCode> {
    let names: Vec<&str> = MEASUREMENTS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
        return Err(format!("`{unknown}` is none of {}", names.join(", ")).into());
    }
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(target)?;
    let bench = Bench {
        modelward: modelward.canonicalize()?,
        house: std::env::current_dir()?,
        model: files::safetensors(folder.path())?,
        folder,
        target: target.to_owned(),
        peers: std::env::var_os("MODELWARD_INTEROP_CACHE")
            .map_or_else(|| target.join("interop"), PathBuf::from),
    };
    let mut table = Table::begin()?;
    for (name, measure) in MEASUREMENTS {
        if only.is_empty() || only.contains(&name) {
            measure(&bench, &mut table)?;
        }
    }
    table.end(&bench.target.join("bench.json"))
}

type Measurement = fn(&Bench, &mut Table) -> Result<()>;

const MEASUREMENTS: [(&str, Measurement); 10] = [
    ("startup", startup::measure),
    ("verdict", verdict::measure),
    ("hashing", hashing::measure),
    ("commands", commands::measure),
    ("sandbox", sandbox::measure),
    ("loading", loading::measure),
    ("memory", memory::measure),
    ("serving", serving::measure),
    ("signing", signing::measure),
    ("log", log::measure),
];
