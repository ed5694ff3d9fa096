//! A folder for unfinished work, in the store or beside what is being made: it goes when the work is done, and if the process
//! was killed, when the next one comes.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::interruption::Work;

const IN_STORE: &str = "work-";
const BESIDE: &str = ".modelward-";
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
    /// Makes one in a folder of the store, and removes those whose process is dead.
    pub(crate) fn in_store(parent: &Path) -> io::Result<Self> {
        Self::new(parent, IN_STORE)
    }

    /// As [`Staging::in_store`], in a person's folder, where it is not seen at once.
    pub(crate) fn beside(parent: &Path) -> io::Result<Self> {
        Self::new(parent, BESIDE)
    }

    fn new(parent: &Path, prefix: &str) -> io::Result<Self> {
        let work = Work::begin();
        // One at a time makes and sweeps: a folder that is seen without its lock held is dead.
        let making = File::open(parent)?;
        flock(&making, FlockOperation::LockExclusive)?;
        sweep(parent, prefix);
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
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
fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(prefix)) {
            remove_dead(&entry.path());
        }
    }
}

fn remove_dead(folder: &Path) {
    match host::whole_file::open(&folder.join(LOCK)) {
        Ok(lock) => {
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                let _ = fs::remove_dir_all(folder);
            }
        }
        // It was killed before it had one, and is empty; or it is none of ours, and stays.
        Err(_) => {
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_swept_and_what_is_held_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let held = Staging::beside(parent.path()).unwrap();
        let name = |end: &str| parent.path().join(format!("{BESIDE}{end}"));
        for folder in [
            name("young"),
            name("old"),
            name("mine"),
            parent.path().join("other"),
        ] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(name("old").join(LOCK), "").unwrap();
        fs::write(name("old").join("made"), "half").unwrap();
        fs::write(name("mine").join("file"), "a person's").unwrap();
        let next = Staging::beside(parent.path()).unwrap();
        assert!(held.path().is_dir() && next.path().is_dir());
        assert!(parent.path().join("other").is_dir() && name("mine").join("file").exists());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 4);
    }
}
