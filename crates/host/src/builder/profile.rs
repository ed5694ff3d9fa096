//! Which layers stood between a step and the machine, for provenance.

use serde::{Deserialize, Serialize};

use super::step::Limits;
use super::users::Isolation;

/// What stood between a step and the machine: what was on, not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SandboxProfile {
    /// How runner, observer and signer were kept apart.
    pub isolation: Isolation,
    /// What process 1 of the sandbox put on.
    #[serde(flatten)]
    pub layers: Layers,
    /// Which control groups held it: `v1`, `v2`, or none.
    pub cgroup: Option<CgroupVersion>,
    /// The limits it ran under.
    pub limits: Limits,
}

/// The layers that process 1 of the sandbox put on itself and so on the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Namespaces of its own.
    pub namespaces: Vec<String>,
    /// What it can reach of the network.
    pub network: String,
    /// Whether system calls were filtered.
    pub seccomp: bool,
    /// Whether Landlock was enforced: `full`, `partial`, or `none`.
    pub landlock: String,
    /// Whether it can gain privileges by executing a file.
    pub no_new_privileges: bool,
    /// Whether it has any capability.
    pub capabilities: String,
}

/// Which generation of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupVersion {
    /// A hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
}
