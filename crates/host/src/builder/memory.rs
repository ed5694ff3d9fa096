//! How much memory a step uses where no control group counts it: what its file systems hold, and what its processes
//! have for themselves.
//!
//! A weaker fact than a group's, and provenance tells them apart: the kernel refuses a group's next page, while here
//! somebody looks again and again, and ends a step that was over its limit at several looks in a row. What neither a
//! file system of the step nor a process shows can't be seen this way, so the step is given no way to it: see
//! `seccomp::hide_uncounted_memory`. Buffers of its pipes and sockets are not counted.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags};

/// Looks at a step from outside the sandbox, where it can't be slowed down or starved by the step.
#[derive(Debug)]
pub(super) struct Meter {
    limit_bytes: u64,
    /// The step's `/proc`.
    processes: OwnedFd,
    /// What it can write to; all of it is memory.
    file_systems: Vec<OwnedFd>,
    looks_over: u32,
    next: Instant,
}

impl Meter {
    pub(super) fn new(limit_bytes: u64, processes: OwnedFd, file_systems: Vec<OwnedFd>) -> Self {
        Self {
            limit_bytes,
            processes,
            file_systems,
            looks_over: 0,
            next: Instant::now(),
        }
    }

    /// How long until the next look is due.
    pub(super) fn due(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Looks, if it is time, and says whether the step is to be stopped. A process that is about to execute a program
    /// may share all of its parent's memory for a moment, and is then counted twice; so one look is not enough.
    pub(super) fn look(&mut self) -> io::Result<bool> {
        let begun = Instant::now();
        if begun >= self.next {
            if self.is_over_now()? {
                self.looks_over = self.looks_over.saturating_add(1);
                self.next = Instant::now() + INTERVAL;
            } else {
                self.looks_over = 0;
                // Many large processes that share much take a while to look at, and they shall get on.
                let pause = begun.elapsed() * PAUSE_PER_LOOK;
                self.next = Instant::now() + pause.clamp(INTERVAL, PAUSE_MAX);
            }
        }
        Ok(self.looks_over >= LOOKS_OVER_MAX)
    }

    /// Whether it was over its limit when it was last looked at.
    pub(super) const fn is_over(&self) -> bool {
        self.looks_over > 0
    }

    fn is_over_now(&self) -> io::Result<bool> {
        let mut files = 0_u64;
        for file_system in &self.file_systems {
            files = files.saturating_add(held(file_system)?);
        }
        // The exact sum is dear, and only ever lower.
        for sum in [rough, exact] {
            if files.saturating_add(self.sum(sum)?) < self.limit_bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Over all processes of the step but process 1, which is ours.
    fn sum(&self, memory_of: fn(&OwnedFd, &str) -> io::Result<u64>) -> io::Result<u64> {
        let mut sum = 0_u64;
        for entry in Dir::read_from(&self.processes)? {
            let entry = entry?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if name != "1" && name.bytes().all(|byte| byte.is_ascii_digit()) {
                sum = sum.saturating_add(memory_of(&self.processes, name)?);
            }
        }
        Ok(sum)
    }
}

const INTERVAL: Duration = Duration::from_millis(10);
const PAUSE_PER_LOOK: u32 = 4;
const PAUSE_MAX: Duration = Duration::from_millis(200);
const LOOKS_OVER_MAX: u32 = 5;

/// What a memory file system holds, with its names.
fn held(file_system: &OwnedFd) -> io::Result<u64> {
    let status = rustix::fs::fstatvfs(file_system)?;
    let blocks = status.f_blocks.saturating_sub(status.f_bfree);
    let names = status.f_files.saturating_sub(status.f_ffree);
    let bytes = blocks.saturating_mul(status.f_frsize);
    Ok(bytes.saturating_add(names.saturating_mul(NAME_SIZE_BYTES)))
}

/// What the kernel reckons a name in a memory file system to take.
const NAME_SIZE_BYTES: u64 = 1024;

/// What a process has for itself, and what it shares with its relatives as if it had that for itself.
fn rough(processes: &OwnedFd, process: &str) -> io::Result<u64> {
    let status = read(processes, &format!("{process}/status"))?;
    Ok(sum_of(&status, &["RssAnon:"]).saturating_add(beside(&status)))
}

/// The same with its part alone of what it shares. Where the kernel doesn't say, the rough number stands.
fn exact(processes: &OwnedFd, process: &str) -> io::Result<u64> {
    let status = read(processes, &format!("{process}/status"))?;
    let rough = sum_of(&status, &["RssAnon:"]);
    let shares = read(processes, &format!("{process}/smaps_rollup")).unwrap_or_default();
    let own = if shares.contains("\nPss_Anon:") {
        sum_of(&shares, &["Pss_Anon:"])
    } else {
        rough
    };
    Ok(own.min(rough).saturating_add(beside(&status)))
}

/// What is no page in memory of a process, and yet taken by it.
fn beside(status: &str) -> u64 {
    sum_of(status, &["VmSwap:", "VmPTE:", "HugetlbPages:"])
}

/// The sum of some fields, each given in KiB.
fn sum_of(text: &str, fields: &[&str]) -> u64 {
    let field = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        let is_wanted = fields.contains(&name);
        let kibibytes: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        is_wanted.then(|| kibibytes.saturating_mul(1024))
    };
    text.lines().filter_map(field).fold(0, u64::saturating_add)
}

/// A process that has ended meanwhile has nothing.
fn read(processes: &OwnedFd, path: &str) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(processes.as_fd(), path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::SRCH) => return Ok(String::new()),
        file => file?,
    };
    let mut text = Vec::new();
    match std::fs::File::from(file)
        .take(FILE_SIZE_BYTES_MAX)
        .read_to_end(&mut text)
    {
        Err(cause) if cause.raw_os_error() == Some(libc::ESRCH) => Ok(String::new()),
        // The step chooses its processes' names; the numbers are the kernel's.
        read => read.map(|_| String::from_utf8_lossy(&text).into_owned()),
    }
}

const FILE_SIZE_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_the_fields_that_are_asked_for() {
        let text = "Name:\tVmSwap:\t9 kB\nRssAnon:\t     100 kB\nRssFile:\t 7 kB\nVmSwap:\t 20 kB\nVmPTE:\t 3 MB\n";
        assert_eq!(sum_of(text, &["RssAnon:", "VmSwap:", "VmPTE:"]), 120 << 10);
        assert_eq!(sum_of(text, &["RssShmem:"]), 0);
        assert_eq!(
            sum_of("RssAnon: 18446744073709551615 kB", &["RssAnon:"]),
            u64::MAX
        );
    }
}
