//! The most memory that a command holds at once, for models of 1 GiB, and for many files.

use std::path::Path;
use std::process::Command;

use crate::measure::program;
use crate::table::{Bar, Row, Table, Unit};
use crate::{Bench, Result, files};

/// Whatever a model's files are long.
const SIGN_AND_VERIFY_MEBIBYTES_MAX: f64 = 32.0;
/// For as many files as a model can have: their names and digests are held, and so is what was signed of them.
const MANY_FILES_MEBIBYTES_MAX: f64 = 38.0;
const SCAN_MEBIBYTES_MAX: f64 = 64.0;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let model = bench.model.as_path();
    let folder = bench.folder.path();
    let store = folder.join("memory");
    std::fs::create_dir(&store)?;
    let command = |words: &[&str], model: &Path| {
        let mut command = Command::new(&bench.modelward);
        command.current_dir(&store).args(words).arg(model);
        command
    };
    for words in [["store", "init"], ["key", "new"]] {
        let name = if words[0] == "key" {
            "bench"
        } else {
            "--quiet"
        };
        program(&command(&words, Path::new(name)))?;
    }
    let (pickle, shards) = (files::pickle(folder)?, files::shards(folder)?);
    for (what, words, model) in [
        ("memory: sign 1 GiB into a store", &["sign"][..], model),
        ("memory: verify 1 GiB", &["verify"], model),
        (
            "memory: scan 1 GiB of safetensors into a store",
            &["scan"],
            model,
        ),
        (
            "memory: sign 100,000 files into a store",
            &["sign"],
            &shards,
        ),
        ("memory: verify 100,000 files", &["verify"], &shards),
        (
            "memory: scan 100,000 files into a store",
            &["scan"],
            &shards,
        ),
        (
            "memory: verify 100,000 files once they were scanned",
            &["verify"],
            &shards,
        ),
        (
            "memory: scan a 1 GiB pickle",
            &["scan", "--no-record"],
            &pickle,
        ),
    ] {
        let ended = program(&command(words, model))?;
        table.add(&Row {
            what,
            unit: Unit::Mebibytes,
            ours: ended.peak_mebibytes,
            peer: None,
            bar: Bar::Absolute(match words[0] {
                "scan" => SCAN_MEBIBYTES_MAX,
                _ if model == shards => MANY_FILES_MEBIBYTES_MAX,
                _ => SIGN_AND_VERIFY_MEBIBYTES_MAX,
            }),
        });
    }
    Ok(())
}
