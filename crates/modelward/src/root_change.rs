//! Changes of the trust root, one at a time. A key's file comes before the root that believes it: the names of keys that
//! are being made are kept meanwhile, so that what a killed command left is known from a key that was removed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use trust::{Code, TrustRoot};

use crate::answer::Failure;
use crate::faults::at;
use crate::interruption::Work;

const FILE: &str = "unfinished";
const SIZE_BYTES_MAX: u64 = 64 * 1024;
/// A change takes a moment; one that takes longer than this hangs.
const WAIT_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Waits until nobody else makes a store in this folder, as long as this is held. A folder that can't be opened is not held:
/// no store can be made there, and whoever tries is told why.
pub(crate) fn alone_in(folder: &Path) -> Option<File> {
    let folder = std::fs::create_dir_all(folder).and_then(|()| File::open(folder));
    folder
        .ok()
        .filter(|folder| flock(folder, FlockOperation::LockExclusive).is_ok())
}

/// Held while the root is read, changed and written.
#[derive(Debug)]
pub(crate) struct RootChange {
    /// The folder of the keys, locked. Not the list: that is replaced, and a lock stays with the file that it was put on.
    _folder: File,
    list: PathBuf,
    unfinished: BTreeSet<String>,
    /// Ends last: who is told to stop meanwhile finishes the change.
    _work: Work,
}

impl RootChange {
    /// Waits until nobody else changes the root of the store with these keys.
    pub(crate) fn begin(keys: &Path) -> Result<Self, Failure> {
        let change = Self::begin_within(keys, WAIT_MAX).map_err(|cause| failed(keys, cause))?;
        // Keys and the root are written by whoever holds this, and by nobody else.
        host::whole_file::sweep(keys);
        host::whole_file::sweep(keys.parent().unwrap_or(keys));
        Ok(change)
    }

    fn begin_within(keys: &Path, wait_max: Duration) -> io::Result<Self> {
        let folder = File::open(keys)?;
        let started = Instant::now();
        while let Err(error) = flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            match error {
                Errno::WOULDBLOCK | Errno::INTR if started.elapsed() < wait_max => {
                    std::thread::sleep(POLL);
                }
                Errno::WOULDBLOCK => {
                    let why =
                        "another command is changing the trust root, and does not come to an end";
                    return Err(io::Error::new(ErrorKind::ResourceBusy, why));
                }
                other => return Err(other.into()),
            }
        }
        let work = Work::begin();
        let list = keys.join(FILE);
        let text = match host::whole_file::read(&list, SIZE_BYTES_MAX) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        let unfinished = String::from_utf8_lossy(&text)
            .lines()
            .map(ToOwned::to_owned)
            .collect();
        Ok(Self {
            _folder: folder,
            list,
            unfinished,
            _work: work,
        })
    }

    /// What the root knows is finished, whether or not its command lived to say so.
    pub(crate) fn settle(&mut self, root: &TrustRoot) -> Result<(), Failure> {
        let count = self.unfinished.len();
        for key in root.keys() {
            self.unfinished.remove(&key.name);
        }
        if self.unfinished.len() == count {
            return Ok(());
        }
        self.write()
    }

    /// Whether an earlier command began to make this key, and the root never knew it.
    pub(crate) fn was_begun(&self, name: &str) -> bool {
        self.unfinished.contains(name)
    }

    /// This key is being made from now on, until the root knows it.
    pub(crate) fn begin_key(&mut self, name: &str) -> Result<(), Failure> {
        self.unfinished.insert(name.to_owned());
        self.write()
    }

    /// One that is killed here leaves the list as it was.
    fn write(&self) -> Result<(), Failure> {
        let lines = self.unfinished.iter().map(|name| format!("{name}\n"));
        host::whole_file::write(&self.list, lines.collect::<String>().as_bytes())
            .map_err(at(&self.list))
    }
}

/// A folder of keys that is gone took the log's key along.
fn failed(keys: &Path, cause: io::Error) -> Failure {
    if cause.kind() != ErrorKind::NotFound {
        return at(keys)(cause);
    }
    let message = format!(
        "the store has lost its keys: `{}` is not there",
        keys.display()
    );
    let way = "restore `keys` from a backup: without the log's key in it, `log.seed`, nothing can be recorded here";
    Failure::error(Code::StoreCorrupt, message, way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_waits_too_long_is_told_why() {
        let keys = tempfile::tempdir().unwrap();
        let held = RootChange::begin(keys.path()).unwrap();
        let wait = Duration::from_millis(20);
        let error = RootChange::begin_within(keys.path(), wait).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        assert!(error.to_string().contains("another command"), "{error}");
        drop(held);
        assert!(RootChange::begin_within(keys.path(), wait).is_ok());
    }

    /// Whoever reads the list, at any moment of its being written, finds the old one or the new one.
    #[test]
    fn the_list_is_replaced_and_never_emptied() {
        let keys = tempfile::tempdir().unwrap();
        let mut change = RootChange::begin(keys.path()).unwrap();
        change.begin_key("one").unwrap();
        let mut old = File::open(keys.path().join(FILE)).unwrap();
        change.begin_key("two").unwrap();
        let mut read = [0; 8];
        let size_bytes = io::Read::read(&mut old, &mut read).unwrap();
        assert_eq!(&read[..size_bytes], b"one\n");
        drop(change);
        let change = RootChange::begin(keys.path()).unwrap();
        assert!(change.was_begun("one") && change.was_begun("two"));
    }
}
