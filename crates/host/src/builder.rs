//! The builder: runs a step in a sandbox, measures what it leaves, and signs what was measured.
//!
//! ```text
//!            plan                    outputs, by descriptor               statement
//! control ─────────► runner          control ─────────► observer          control ─────────► signer
//!                      │ namespaces                        │ measures, copies                   │ holds the key
//!                      ▼                                   └──────── what was measured ────────►│
//!                   process 1 ──► step                                                          ▼
//!                                                                                           signature
//! ```
//!
//! Runner, observer and signer are this very program, started anew as a hidden subcommand ([`entry`]) before any
//! thread exists, each under a user of its own where the machine allows it ([`Users`]).
//!
//! What holds, and what keeps it:
//! 1. The step sees the bytes that were verified: inputs are copied while they are hashed, the root is measured anew.
//! 2. It reaches nothing else: namespaces, a read-only root, no capabilities, filtered system calls, Landlock, limits.
//! 3. Outputs are read when every process of the step is dead: when process 1 ends, the kernel kills the others, and
//!    only then does the runner's wait for it return.
//! 4. What the observer measured and what the step claims never mix: outputs have digests, `/results` are claims.
//! 5. The key is with the signer alone, and the signer hears of the outputs from the observer itself.
//!
//! All of this is one kernel's word. A step that breaks the kernel breaks the sandbox.

mod cgroup;
mod channel;
mod confine;
mod control;
mod error;
mod init;
mod inputs;
mod lines;
mod memory;
mod message;
mod mounts;
mod observer;
mod process;
mod profile;
mod receive;
mod run_folder;
mod runner;
mod sandbox;

pub(crate) use sandbox::{map_large_allocations, trim_allocations};
mod seccomp;
mod signer;
mod step;
mod users;
mod watch;

use std::process::ExitCode;

pub use control::run;
pub use error::Error;
pub use profile::{CgroupVersion, Layers, MemoryBound, SandboxProfile};
pub use sandbox::close_on_exec;
pub use step::{Exit, Expected, Input, Limits, Observed, Ran, Step, Stream};
pub use trust::predicate::Isolation;
pub use users::{FIRST_ID, Users, detect};

/// The hidden subcommands of a program that uses this builder.
pub const SUBCOMMANDS: [&str; 4] = ["__runner", "__observer", "__signer", INIT];
const INIT: &str = "__init";

/// Which control groups a step can be limited by here; none if none can be written.
#[must_use]
pub fn cgroup_version() -> Option<CgroupVersion> {
    cgroup::Cgroup::new(&Limits::default()).map(|cgroup| cgroup.version())
}

/// The newest Landlock ABI that this kernel knows, of those that are asked for; 0 if it knows none.
#[must_use]
pub fn landlock_abi() -> u32 {
    confine::landlock_abi()
}

/// Does the part of the hidden subcommand `name`. To be called first thing in `main`, before any thread is started and
/// any file opened, when the first argument is one of [`SUBCOMMANDS`].
#[must_use]
pub fn entry(name: &str) -> ExitCode {
    let served = sandbox::close_inherited().and_then(|()| match name {
        "__runner" => runner::serve(),
        "__observer" => observer::serve(),
        "__signer" => signer::serve(),
        INIT => init::serve(),
        _ => Err(std::io::ErrorKind::InvalidInput.into()),
    });
    // Whoever started this process hears of failures over its line, where there is one still.
    if served.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
