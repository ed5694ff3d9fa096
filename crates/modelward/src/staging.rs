//! A folder for unfinished work, in the store: it goes when the work is done, and if the process was killed, when the
//! next one comes.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::interruption::Work;

const PREFIX: &str = "work-";
const LOCK: &str = ".lock";

/// An empty folder, held by a lock as long as this lives.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
    _lock: File,
    /// Ends last.
    _work: Work,
}

impl Staging {
    /// Makes one in `parent`, and removes those whose process is dead.
    pub(crate) fn new(parent: &Path) -> io::Result<Self> {
        let work = Work::begin();
        // One at a time makes and sweeps: a folder that is seen without its lock held is dead.
        let making = File::open(parent)?;
        flock(&making, FlockOperation::LockExclusive)?;
        sweep(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create(folder.path().join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self {
            folder,
            _lock: lock,
            _work: work,
        })
    }

    /// Where it is. It holds nothing but the lock, whose name begins with a dot.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What can't be removed now is left for the next: it holds copies, and nothing that is missed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if ours && is_dead(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_dead(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        // It was killed before it had one.
        Err(cause) => cause.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_swept_and_what_is_held_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let held = Staging::new(parent.path()).unwrap();
        for name in ["work-young", "work-old", "other"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        fs::write(parent.path().join("work-old").join(LOCK), "").unwrap();
        let next = Staging::new(parent.path()).unwrap();
        assert!(held.path().is_dir() && next.path().is_dir());
        assert!(parent.path().join("other").is_dir());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 3);
    }
}
