//! This test program run again as another process: one that can be killed, traced, or kept from writing.

use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "MODELWARD_TEST_FOLDER";
const FIRST: &str = "MODELWARD_TEST_FIRST";
const COUNT: &str = "MODELWARD_TEST_COUNT";

/// What a child process was told to do; none in the parent, where a child's test has nothing to do.
pub(crate) struct Task {
    pub(crate) folder: PathBuf,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

pub(crate) fn task() -> Option<Task> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    Some(Task {
        folder: std::env::var_os(FOLDER)?.into(),
        first: number(FIRST)?,
        count: number(COUNT)?,
    })
}

/// A command that runs one test of this program in a process of its own, after `before` (`strace …`, `unshare …`).
pub(crate) fn command(
    before: &[&str],
    test: &str,
    folder: &Path,
    first: u64,
    count: u64,
) -> Command {
    let exe = std::env::current_exe().unwrap();
    let words: Vec<_> = before
        .iter()
        .map(|word| (*word).into())
        .chain([exe.into_os_string()])
        .collect();
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .env(COUNT, count.to_string());
    command
}

/// Says why a test can't be made on this machine, or fails if it was asked for by `MODELWARD_REQUIRE`.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn skip(what: &str, reason: &str) {
    let required = std::env::var("MODELWARD_REQUIRE").unwrap_or_default();
    assert!(
        !required.split([',', ' ']).any(|word| word == what),
        "`{what}` is required: {reason}"
    );
    eprintln!("skipped, for want of `{what}`: {reason}");
}
