//! What the control plane and its processes say to each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::profile::{Layers, MemoryBound};
use super::step::{Exit, Limits};

/// From a process that changes its user: it has left the shared namespaces, and needs its ids mapped.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Entry {
    /// The namespaces are new.
    Unshared,
    /// The process is what it shall be: its user changed, its privileges dropped.
    Ready,
    /// It could not get there.
    Failed(Failure),
}

/// To it: the ids are mapped, become this one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Mapped {
    /// The user and group to become, as seen inside.
    pub(super) id: u32,
    /// Whether supplementary groups can be dropped: a lone id may not.
    pub(super) drops_groups: bool,
}

/// What process 1 of the sandbox needs to know.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// An empty folder on which to build the step's root.
    pub(super) scaffold: PathBuf,
    pub(super) root: PathBuf,
    pub(super) inputs: PathBuf,
    pub(super) command: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) limits: Limits,
    pub(super) memory: MemoryBound,
    pub(super) user: Mapped,
}

/// From the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It is built; the folders of outputs, results and scratch, and the step's `/proc`, come as descriptors.
    Built(Layers),
    /// The step's main process has ended.
    Ended {
        exit: Exit,
        left_processes: u32,
        cpu_seconds: f64,
    },
    /// Every process of the sandbox is dead.
    Dead,
    /// The program could not be started.
    NotStarted(String),
    /// The sandbox could not be built.
    Failed(Failure),
}

/// Something that a process of ours could not do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) doing: String,
    pub(super) why: String,
}

/// To the observer, with the folders of outputs, results and staged files as descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Look {
    pub(super) output_size_bytes_max: u64,
    pub(super) output_files_max: u64,
}

/// From the observer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sight {
    /// A file, measured while it was copied to the file of this number.
    Output {
        path: String,
        sha256: String,
        size_bytes: u64,
        number: u32,
    },
    /// What the step wrote about itself.
    Claim {
        name: String,
        text: String,
    },
    /// Something that is not taken.
    RefusedOutput {
        path: String,
        why: String,
    },
    RefusedClaim {
        name: String,
        why: String,
    },
    /// That was all.
    Done,
}

/// From the signer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It has a key that it can sign with.
    HoldsKey,
    /// Signed; the bundle's bytes follow as a message of their own.
    Signed,
    Refused(String),
}
