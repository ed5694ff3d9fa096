//! Trains a classifier of handwritten digits.
//!
//! Meant to run as a step without network, clock or choice of its own: it reads a data set below one
//! folder, writes the model below another and the figures below a third, and the same program, data
//! and options give the same bytes.

mod network;
mod order;
mod safetensors;
mod training;

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use digits_data::{DataSet, Half, ReadError};

use training::{Diverged, Examination, Recipe};

fn main() -> ExitCode {
    match train(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(2)
        }
    }
}

/// Train a classifier of handwritten digits
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Decide the first weights, the order of the pictures, and dropout
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Show all pictures this many times
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    epochs: u32,
    /// Learn from this many pictures at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Start with this learning rate; it falls to zero in a straight line
    #[arg(long, value_name = "X", default_value_t = 0.001, value_parser = learning_rate)]
    learning_rate: f64,
    /// Read the data set from this folder of the inputs
    #[arg(long, value_name = "NAME", default_value = "mnist", value_parser = folder_name)]
    dataset: String,
    /// Learn from the first pictures only, for a quick try
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit_images: Option<u32>,
    /// Folder that holds the data sets
    #[arg(
        long,
        value_name = "DIR",
        env = "MODELWARD_INPUTS",
        default_value = "/in"
    )]
    inputs: PathBuf,
    /// Folder to write the model to
    #[arg(
        long,
        value_name = "DIR",
        env = "MODELWARD_OUTPUTS",
        default_value = "/out"
    )]
    outputs: PathBuf,
    /// Folder to write one small file per figure to
    #[arg(
        long,
        value_name = "DIR",
        env = "MODELWARD_RESULTS",
        default_value = "/results"
    )]
    results: PathBuf,
}

fn train(arguments: &Arguments) -> Result<(), TrainError> {
    for folder in [&arguments.outputs, &arguments.results] {
        if !folder.is_dir() {
            return Err(TrainError::NoFolder {
                path: folder.clone(),
            });
        }
    }
    let (training, test) = read(arguments)?;
    let recipe = Recipe {
        seed: arguments.seed,
        epochs: arguments.epochs as usize,
        batch: arguments.batch as usize,
        learning_rate: arguments.learning_rate,
    };
    let network = training::train(&training, &recipe, &mut io::stderr())?;
    let examination = training::examine(&network, &test)?;
    let model = safetensors::to_bytes(&network.tensors());
    write(&arguments.outputs, "model.safetensors", &model)?;
    write(
        &arguments.outputs,
        "architecture.json",
        network::ARCHITECTURE.as_bytes(),
    )?;
    write_results(&arguments.results, examination, recipe.epochs)
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
enum TrainError {
    /// A folder to write to does not exist.
    #[error("`{}` is no folder; make it, or name another", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// One half of the data set could not be used.
    #[error("cannot use the data set")]
    Read(#[from] ReadError),
    /// Training failed.
    #[error("training failed")]
    Diverged(#[from] Diverged),
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn read(arguments: &Arguments) -> Result<(DataSet, DataSet), TrainError> {
    let folder = arguments.inputs.join(&arguments.dataset);
    let mut training = DataSet::read(&folder, Half::Training)?;
    if let Some(limit) = arguments.limit_images {
        training.truncate(limit as usize);
    }
    Ok((training, DataSet::read(&folder, Half::Test)?))
}

fn write_results(folder: &Path, got: Examination, epochs: usize) -> Result<(), TrainError> {
    write(
        folder,
        "accuracy",
        format!("{:.4}", got.accuracy).as_bytes(),
    )?;
    write(folder, "loss", format!("{:.6}", got.loss).as_bytes())?;
    write(folder, "epochs", epochs.to_string().as_bytes())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(|source| TrainError::Write { path, source })
}

fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if 0.0 < rate && rate < f64::INFINITY => Ok(rate),
        _ => Err("a learning rate is a number above 0".into()),
    }
}

/// A single folder below the inputs: no path that leads elsewhere.
fn folder_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "." || text == ".." || text.contains('/') {
        return Err("a data set is named by one folder of the inputs, without `/`".into());
    }
    Ok(text.into())
}

fn report(error: &dyn Error) {
    let mut stderr = io::stderr();
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(stderr, "error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(stderr, "caused by: {error}");
        cause = error.source();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_folder_name_and_no_path() {
        assert_eq!(folder_name("mnist").unwrap(), "mnist");
        for text in ["", ".", "..", "/etc", "../mnist", "a/b"] {
            assert!(folder_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn takes_learning_rates_that_can_learn() {
        assert_eq!(learning_rate("1e-3"), Ok(0.001));
        for text in ["0", "-0.1", "NaN", "inf", "fast"] {
            assert!(learning_rate(text).is_err(), "{text}");
        }
    }
}
