//! What is run, and what came of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use digest::Digest;
use serde::{Deserialize, Serialize};
use trust::Bundle;

use super::error::Error;
use super::profile::SandboxProfile;
use super::run_folder::RunFolder;
use super::signer::Signer;
use crate::root::RootTree;

/// A command, with all that it may see.
#[derive(Debug, Clone)]
pub struct Step {
    /// The tree that it sees as `/`, read-only. It is measured again before use.
    pub root: RootTree,
    /// What it finds under `/in`, read-only, each by digest.
    pub inputs: Vec<Input>,
    /// The program and its arguments. A program without `/` is looked for in the `PATH` of `env`.
    pub command: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// How much of everything.
    pub limits: Limits,
    /// An existing folder in which runs make theirs; only its owner needs to reach it.
    pub runs: PathBuf,
}

/// Something to find under `/in`.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name there: one path component.
    pub name: String,
    /// Where it is now. It is copied while it is hashed, and the step sees the copy.
    pub source: PathBuf,
    /// What it must be.
    pub expected: Expected,
    /// Whether its files may be executed.
    pub executable: bool,
}

/// What an input must be, byte by byte.
#[derive(Debug, Clone)]
pub enum Expected {
    /// A file with this digest.
    File(Digest),
    /// A folder with exactly these files, by their paths in it.
    Folder(BTreeMap<String, Digest>),
}

/// The most that a step may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// From its start to its end, by the clock.
    pub wall: Duration,
    /// Of the processor, for each process.
    pub cpu_seconds: u64,
    /// Of memory, for all together: by a control group, or else by looking at them, see
    /// [`MemoryBound`](super::MemoryBound). `/out`, `/tmp`, `/work` and `/dev/shm` are memory too.
    pub memory_bytes: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Of any file it writes.
    pub file_size_bytes: u64,
    /// Descriptors of each process.
    pub open_files: u64,
    /// Of all files under `/out` together.
    pub output_bytes: u64,
    /// Files and folders under `/out`.
    pub output_files: u64,
    /// Of `/tmp`, `/work` and `/dev/shm` together.
    pub scratch_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(3600),
            cpu_seconds: 4 * 3600,
            memory_bytes: 8 << 30,
            processes: 512,
            file_size_bytes: 4 << 30,
            open_files: 1024,
            output_bytes: 4 << 30,
            output_files: 10_000,
            scratch_bytes: 2 << 30,
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Which of a step's streams a line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What the observer measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Of the bytes that it copied to the staged file.
    pub digest: Digest,
    /// How many there were.
    pub size_bytes: u64,
}

/// A step that ended well: exit code 0, nothing left running, every output taken. Dropping it removes the staged files.
#[derive(Debug)]
pub struct Ran {
    /// What the observer measured, by path under `/out`.
    pub outputs: BTreeMap<String, Observed>,
    /// What the step wrote under `/results`: its own claims, by name.
    pub claims: BTreeMap<String, String>,
    /// What stood between the step and the machine.
    pub profile: SandboxProfile,
    /// From the start of the step to the death of its last process, by the clock.
    pub seconds: f64,
    /// Of the processor, by all its processes.
    pub cpu_seconds: f64,
    /// The last of what it printed to standard output.
    pub stdout_tail: String,
    /// The last of what it printed to standard error.
    pub stderr_tail: String,
    pub(super) folder: RunFolder,
    pub(super) signer: Option<Signer>,
}

impl Ran {
    /// The folder with the copies that the observer made; paths in it are the keys of `outputs`.
    #[must_use]
    pub fn staged(&self) -> &Path {
        self.folder.staged()
    }

    /// Has the signer seal the bytes of an in-toto statement. It does so once, and only for provenance whose subjects
    /// are exactly what the observer told it. It lives as long as the thread that called [`run`](super::run).
    ///
    /// # Errors
    /// The step was run without a key, the signer has signed already, or it refuses.
    pub fn sign(&mut self, statement: &[u8]) -> Result<Bundle, Error> {
        let signer = self.signer.take().ok_or_else(|| Error::NotSigned {
            why: "there is no signer, or it has signed already".into(),
        })?;
        signer.sign(statement)
    }
}
