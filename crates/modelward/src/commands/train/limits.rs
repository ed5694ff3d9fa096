//! How much a step may use.

use std::time::Duration;

use host::builder;
use serde_json::{Value, json};

use crate::whole_number::{MEMORY_MIB_MAX, within};

/// A year: what takes longer is not waited for.
const WALL_SECONDS_MAX: u64 = 365 * 24 * 3600;
/// Some thirty years of one processor, which a process with many threads may use in less time.
const CPU_SECONDS_MAX: u64 = 1_000_000_000;
/// What Linux has process ids for, unless it is told otherwise.
const PROCESSES_MAX: u64 = 32_768;

#[derive(Debug, clap::Args)]
pub(super) struct Limits {
    /// How much memory it may use, in MiB; at most 16777216. Where no control group can be made, that is counted again
    /// and again: a burst between two counts goes unseen, and provenance says `memory: polled`
    #[arg(long, value_name = "MIB", default_value_t = 8192, value_parser = within(1..=MEMORY_MIB_MAX))]
    memory: u64,
    /// How much processor time each of its processes may use, in seconds; at most 1000000000
    #[arg(long, value_name = "SECONDS", default_value_t = 14_400, value_parser = within(1..=CPU_SECONDS_MAX))]
    cpu: u64,
    /// How long it may take, in seconds; at most 31536000, a year
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = within(1..=WALL_SECONDS_MAX))]
    wall: u64,
    /// How many processes and threads it may have, from 1 to 32768
    #[arg(long, value_name = "COUNT", default_value_t = 512, value_parser = within(1..=PROCESSES_MAX))]
    processes: u64,
}

impl Limits {
    /// As the builder takes them.
    pub(super) fn of_step(&self) -> builder::Limits {
        builder::Limits {
            wall: Duration::from_secs(self.wall),
            cpu_seconds: self.cpu,
            memory_bytes: self.memory << 20,
            processes: self.processes,
            ..builder::Limits::default()
        }
    }

    /// As the provenance tells them.
    pub(super) fn stated(&self) -> Value {
        json!({"wallSeconds": self.wall, "cpuSeconds": self.cpu, "memoryMiB": self.memory, "processes": self.processes})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[derive(Debug, clap::Parser)]
    struct Typed {
        #[command(flatten)]
        _limits: Limits,
    }

    #[test]
    fn the_help_names_the_most_that_is_taken() {
        let mosts = [
            ("memory", MEMORY_MIB_MAX),
            ("cpu", CPU_SECONDS_MAX),
            ("wall", WALL_SECONDS_MAX),
            ("processes", PROCESSES_MAX),
        ];
        let definition = Typed::command();
        for (name, most) in mosts {
            let argument = definition.get_arguments().find(|a| a.get_id() == name);
            let help = argument.unwrap().get_help().unwrap().to_string();
            assert!(help.contains(&most.to_string()), "{name}: {help}");
        }
    }
}
