//! Speed and memory beside the peers, turn by turn in one run: `modelward-benches MODELWARD TARGET`.
//!
//! ```text
//! startup ─ verdict ─ hashing ─ sandbox ─ loading ─ memory ─ serving ─ signing ─► table ─► TARGET/bench.json
//! ```
//! The medians of rounds in which ours and the peer take turns are compared, so that whatever else the machine does
//! meets both. A bar that could not be measured is not met.

mod files;
mod hashing;
mod loading;
mod measure;
mod memory;
mod sandbox;
mod serving;
mod signing;
mod startup;
mod table;
mod verdict;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use table::Table;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is measured, and where there is room to do so.
struct Bench {
    /// The release build.
    modelward: PathBuf,
    /// The repository.
    house: PathBuf,
    /// A folder that goes when all is done.
    folder: tempfile::TempDir,
    /// Where the peers' own environment would be.
    target: PathBuf,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [name, ..] if host::builder::SUBCOMMANDS.contains(name) => {
            return host::builder::entry(name);
        }
        ["__watch", command @ ..] => measure::watch(command),
        ["__hash", file] => hashing::hash(file.as_ref()),
        [modelward, target] => bench(modelward.into(), target.into()),
        _ => Err("usage: modelward-benches MODELWARD TARGET".into()),
    };
    done.unwrap_or_else(|cause| {
        eprintln!("benches: {cause}");
        ExitCode::from(2)
    })
}

fn bench(modelward: PathBuf, target: PathBuf) -> Result<ExitCode> {
    let bench = Bench {
        modelward: modelward.canonicalize()?,
        house: std::env::current_dir()?,
        folder: tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&target)?,
        target,
    };
    let mut table = Table::begin()?;
    startup::measure(&bench, &mut table)?;
    verdict::measure(&mut table)?;
    sandbox::measure(&bench, &mut table)?;
    let model = files::safetensors(&bench)?;
    hashing::measure(&model, &mut table)?;
    loading::measure(&model, &mut table)?;
    signing::measure(&bench, &model, &mut table)?;
    memory::measure(&bench, &model, &mut table)?;
    serving::measure(&bench, &mut table)?;
    table.end(&bench.target.join("bench.json"))
}
