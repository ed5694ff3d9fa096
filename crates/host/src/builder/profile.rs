//! Which layers stood between a step and the machine, for provenance.

use serde::{Deserialize, Serialize, Serializer};
use trust::predicate::Isolation;

use super::step::Limits;

/// What stood between a step and the machine: what was on, not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SandboxProfile {
    /// How runner, observer and signer were kept apart.
    #[serde(serialize_with = "as_word")]
    pub isolation: Isolation,
    /// What process 1 of the sandbox put on.
    #[serde(flatten)]
    pub layers: Layers,
    /// Which control groups held it: `v1`, `v2`, or none.
    pub cgroup: Option<CgroupVersion>,
    /// How its memory was kept within its limit.
    pub memory: MemoryBound,
    /// The limits it ran under.
    pub limits: Limits,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn as_word<S: Serializer>(isolation: &Isolation, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(isolation.as_str())
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

/// What kept all processes of a step together within its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryBound {
    /// The kernel, by a control group: not a page more than the limit.
    Cgroup,
    /// The control plane, which looked again and again, and would have ended the step. It may have had more between
    /// two looks.
    Polled,
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
