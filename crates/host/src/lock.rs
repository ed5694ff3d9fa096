//! Locks that keep two processes apart: waited for a minute at most; then it is told who holds it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// What is done under a lock takes a moment; what takes longer than this hangs.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// Held while it lives; the system lets go of it when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else holds this file or folder, which is open as `file` and called `path`.
    ///
    /// # Errors
    /// Somebody holds it all the time, or the system knows no locks there.
    pub fn exclusive(file: File, path: &Path, wait_max: Duration) -> Result<Self, LockError> {
        let operation = FlockOperation::NonBlockingLockExclusive;
        Self::wait(file, path, operation, wait_max)
    }

    /// As [`Self::exclusive`], but beside others that share it.
    ///
    /// # Errors
    /// As there.
    pub fn shared(file: File, path: &Path, wait_max: Duration) -> Result<Self, LockError> {
        let operation = FlockOperation::NonBlockingLockShared;
        Self::wait(file, path, operation, wait_max)
    }

    fn wait(
        file: File,
        path: &Path,
        operation: FlockOperation,
        wait_max: Duration,
    ) -> Result<Self, LockError> {
        let started = Instant::now();
        loop {
            match rustix::fs::flock(&file, operation) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if started.elapsed() < wait_max => {
                    std::thread::sleep(POLL);
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(LockError::Busy {
                        path: path.to_owned(),
                        holder: Holder::of(&file),
                    });
                }
                Err(error) => {
                    return Err(LockError::Io {
                        path: path.to_owned(),
                        cause: error.into(),
                    });
                }
            }
        }
    }
}

/// Who holds a lock, as far as the system tells: nothing of processes in other containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    process: Option<u32>,
    program: Option<String>,
}

impl Holder {
    fn of(file: &File) -> Self {
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        let process = file.metadata().ok();
        let process = process.and_then(|it| process_in(&locks, it.dev(), it.ino()));
        let program = process.and_then(|id| fs::read(format!("/proc/{id}/comm")).ok());
        let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'`';
        let program = program.map(|name| name.into_iter().filter(plain).collect());
        Self {
            process,
            program: program.and_then(|name| String::from_utf8(name).ok()),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.process, &self.program) {
            (None, _) => f.write_str("another process"),
            (Some(id), None) => write!(f, "process {id}"),
            (Some(id), Some(program)) => write!(f, "process {id} (`{program}`)"),
        }
    }
}

/// The process that the kernel's list says has locked a file, such as in `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF`.
/// Those that wait have an arrow, and those in other containers no number.
fn process_in(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    let holder = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [_, "FLOCK", _, _, process, place, ..] if *place == wanted => process.parse().ok(),
            _ => None,
        }
    };
    locks
        .lines()
        .find_map(holder)
        .filter(|process| *process > 0)
}

/// Why a lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error("{holder} holds `{}` and does not let go of it", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
        /// Who that is.
        holder: Holder,
    },
    /// The system can't lock.
    #[error("`{}` can't be locked", path.display())]
    Io {
        /// The lock.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_waits_too_long_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, wait) = (folder.path(), Duration::from_millis(20));
        let take = || Lock::exclusive(File::open(path).unwrap(), path, wait);
        let held = take().unwrap();
        let Err(LockError::Busy { holder, .. }) = take() else {
            panic!("it is held");
        };
        // Not every system tells; one that does tells the truth.
        assert!([None, Some(std::process::id())].contains(&holder.process));
        drop(held);
        let shared = || Lock::shared(File::open(path).unwrap(), path, wait);
        let both = (shared().unwrap(), shared().unwrap());
        assert!(take().is_err());
        drop(both);
        assert!(take().is_ok());
    }

    #[test]
    fn the_kernels_list_is_read() {
        let device = rustix::fs::makedev(0xfe, 0);
        let list = "1: POSIX  ADVISORY  WRITE 1 fe:00:99 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 4711 fe:00:99 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 4712 fe:00:98 0 EOF\n\
                    3: FLOCK  ADVISORY  READ 0 fe:00:97 0 EOF\n";
        let told = |inode| process_in(list, device, inode);
        assert_eq!((told(99), told(98), told(97)), (Some(4711), None, None));
        assert_eq!(process_in(list, rustix::fs::makedev(0xfe, 1), 99), None);
        let text = |process, program: Option<&str>| {
            let program = program.map(ToOwned::to_owned);
            Holder { process, program }.to_string()
        };
        assert_eq!(text(Some(7), Some("modelward")), "process 7 (`modelward`)");
        assert_eq!(text(None, None), "another process");
    }
}
