//! Why a step did not run, or its outputs were not taken.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use digest::Digest;

use super::step::Exit;

/// Why a step did not run, or its outputs were not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine doesn't let a sandbox be made.
    #[error("no sandbox can be made here: {doing} failed ({why}); {hint}")]
    NoSandbox {
        /// What was tried.
        doing: String,
        /// What the system said.
        why: String,
        /// What a person can do.
        hint: &'static str,
    },
    /// The step asks for something that can't be.
    #[error("the step can't be run as asked: {why}")]
    BadStep {
        /// What is wrong with it.
        why: String,
    },
    /// The run's own folder gave out.
    #[error("the run's folder `{}` can't be used", path.display())]
    RunFolder {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The root is not what it was.
    #[error(transparent)]
    Root(#[from] crate::root::Error),
    /// An input can't be read.
    #[error("input `{name}` can't be read")]
    Input {
        /// Which.
        name: String,
        /// Why.
        #[source]
        cause: Box<digest::WalkError>,
    },
    /// An input is not what was verified.
    #[error("input `{path}` is not what was expected: expected {}, got {}", shown(want.as_ref()), shown(got.as_ref()))]
    InputMismatch {
        /// Which, under `/in`.
        path: String,
        /// What it had to be; nothing if it should not be there.
        want: Option<Digest>,
        /// What it is; nothing if it is not there.
        got: Option<Digest>,
    },
    /// Runner, observer or signer failed by itself.
    #[error("the {role} process failed while {doing}")]
    Process {
        /// Which.
        role: &'static str,
        /// At what.
        doing: &'static str,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The program is not in the root, or can't be executed there.
    #[error("`{program}` can't be started in the step's root: {why}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system said.
        why: String,
    },
    /// The step says itself that it failed.
    #[error("the step failed with {exit}")]
    StepFailed {
        /// How it ended.
        exit: Exit,
        /// The last of what it printed to standard error.
        stderr_tail: String,
    },
    /// The step used a system call that no step may use, and was killed for it.
    #[error(
        "the step was killed for a system call that no step may use (a network socket, tracing, mounting and the like)"
    )]
    Violation {
        /// The last of what it printed to standard error.
        stderr_tail: String,
    },
    /// The step left processes behind.
    #[error(
        "the step ended but left {count} of its processes running; they were killed and its outputs are not taken"
    )]
    LeftProcesses {
        /// How many.
        count: u32,
    },
    /// The step took too long by the clock.
    #[error("the step was stopped after {} seconds", limit.as_secs_f64())]
    TimedOut {
        /// What it had.
        limit: Duration,
    },
    /// Whoever asked for the run wanted it no more.
    #[error("the step was told to stop")]
    Stopped,
    /// The step used up its processor time.
    #[error("the step used more than its {limit_seconds} seconds of processor time")]
    OutOfCpu {
        /// What it had.
        limit_seconds: u64,
    },
    /// The step used up its memory.
    #[error("the step needed more than its {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// What it had.
        limit_bytes: u64,
    },
    /// Something under `/out` is not taken.
    #[error("output `{path}` is refused: {why}")]
    OutputRefused {
        /// Which, under `/out`.
        path: String,
        /// Why.
        why: String,
    },
    /// Something under `/results` is not taken.
    #[error("result `{name}` is refused: {why}")]
    ClaimRefused {
        /// Which, under `/results`.
        name: String,
        /// Why.
        why: String,
    },
    /// The signer did not sign.
    #[error("the signer did not sign: {why}")]
    NotSigned {
        /// Why.
        why: String,
    },
}

fn shown(digest: Option<&Digest>) -> String {
    digest.map_or_else(|| "no such file".into(), ToString::to_string)
}
