//! Changes of the trust root, one at a time. A key's file comes before the root that believes it: the names of keys that
//! are being made are kept meanwhile, so that what a killed command left is known from a key that was removed. And with the
//! name of a key that takes another's place, that other's: its file goes when the root knows both, whoever finds it so.
//!
//! ```text
//! key rotate:  the list names new and old ─► the new key's file ─► the root, with both ─► the old file is put away ─► the list is empty
//! killed here:          nothing was done        taken up again        finished by whatever command comes next
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::lock::{Lock, LockError, WAIT_MAX};
use trust::{Code, RootKey, TrustRoot};

use crate::answer::Failure;
use crate::faults::at;
use crate::interruption::Work;

const FILE: &str = "unfinished";
const SIZE_BYTES_MAX: u64 = 64 * 1024;
/// Where the private keys are that sign no more.
const RETIRED: &str = "retired";

/// Waits until nobody else makes a store in this folder, as long as this is held. A folder that can't be opened is not held:
/// no store can be made there, and whoever tries is told why.
pub(crate) fn alone_in(folder: &Path) -> Result<Option<Lock>, LockError> {
    alone_within(folder, WAIT_MAX)
}

fn alone_within(folder: &Path, wait_max: Duration) -> Result<Option<Lock>, LockError> {
    let opened = fs::create_dir_all(folder).and_then(|()| File::open(folder));
    let Ok(opened) = opened else {
        return Ok(None);
    };
    match Lock::exclusive(opened, folder, wait_max) {
        Err(LockError::Io { .. }) => Ok(None),
        locked => locked.map(Some),
    }
}

/// Puts away the key whose place another took, if the command that was to do so was killed: of the two, only the new one
/// signs. Where nothing may be written there is no signing either.
pub(crate) fn recover(keys: &Path, root: &TrustRoot) {
    let is_left = |(new, old): (&String, &Option<String>)| old.is_some() && knows(root, new);
    if read(&keys.join(FILE)).is_ok_and(|unfinished| unfinished.iter().any(is_left)) {
        let _ = RootChange::begin(keys).and_then(|mut change| change.settle(root));
    }
}

/// Whether a command that was to put another key in this one's place was killed on the way.
pub(crate) fn is_being_replaced(keys: &Path, old: &str) -> bool {
    let unfinished = read(&keys.join(FILE)).unwrap_or_default();
    unfinished.values().flatten().any(|name| name == old)
}

/// The keys that commands began to make, which were killed before the root knew them.
pub(crate) fn begun(keys: &Path) -> BTreeSet<String> {
    let unfinished = read(&keys.join(FILE)).unwrap_or_default();
    unfinished.into_keys().collect()
}

/// Where the file of a key is whose place another took.
pub(crate) fn retired(keys: &Path, old: &RootKey) -> PathBuf {
    let id = old.public_key.id().short();
    keys.join(RETIRED)
        .join(format!("{}-{id}.key.pem", old.name))
}

fn knows(root: &TrustRoot, name: &str) -> bool {
    root.keys().any(|key| key.name == name)
}

/// The keys that are being made, each with the one whose place it takes.
type Unfinished = BTreeMap<String, Option<String>>;

fn read(list: &Path) -> io::Result<Unfinished> {
    let text = match host::whole_file::read(list, SIZE_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        text => text?,
    };
    let line = |line: &str| match line.split_once(' ') {
        Some((new, old)) => (new.to_owned(), Some(old.to_owned())),
        None => (line.to_owned(), None),
    };
    Ok(String::from_utf8_lossy(&text).lines().map(line).collect())
}

/// Held while the root is read, changed and written.
#[derive(Debug)]
pub(crate) struct RootChange {
    /// That of the keys' folder. Not of the list: that is replaced, and a lock stays with the file that it was put on.
    _lock: Lock,
    keys: PathBuf,
    unfinished: Unfinished,
    /// The keys whose place was taken while this was held, each with the one that took it.
    replaced: BTreeMap<String, String>,
    /// Ends last: who is told to stop meanwhile finishes the change.
    _work: Work,
}

impl RootChange {
    /// Waits until nobody else changes the root of the store with these keys.
    pub(crate) fn begin(keys: &Path) -> Result<Self, Failure> {
        Self::begin_within(keys, WAIT_MAX)
    }

    fn begin_within(keys: &Path, wait_max: Duration) -> Result<Self, Failure> {
        let folder = File::open(keys).map_err(|cause| failed(keys, cause))?;
        let lock = Lock::exclusive(folder, keys, wait_max)?;
        let work = Work::begin();
        // Keys and the root are written by whoever holds this, and by nobody else.
        host::whole_file::sweep(keys);
        host::whole_file::sweep(keys.parent().unwrap_or(keys));
        let list = keys.join(FILE);
        Ok(Self {
            _lock: lock,
            unfinished: read(&list).map_err(at(&list))?,
            keys: keys.to_owned(),
            replaced: BTreeMap::new(),
            _work: work,
        })
    }

    /// What the root knows is finished, whether or not its command lived to say so.
    pub(crate) fn settle(&mut self, root: &TrustRoot) -> Result<(), Failure> {
        let finished = self.unfinished.iter().filter(|(new, _)| knows(root, new));
        let finished: Vec<_> = finished
            .map(|(new, old)| (new.clone(), old.clone()))
            .collect();
        if finished.is_empty() {
            return Ok(());
        }
        for (new, old) in finished {
            if let Some(old) = old {
                let known = root.keys().find(|key| key.name == old);
                known
                    .map_or(Ok(()), |key| self.retire(key))
                    .map_err(at(&self.keys))?;
                self.replaced.insert(old, new.clone());
            }
            self.unfinished.remove(&new);
        }
        self.write()
    }

    /// The key that took this one's place while this was held.
    pub(crate) fn successor(&self, old: &str) -> Option<&str> {
        self.replaced.get(old).map(String::as_str)
    }

    /// Whether an earlier command began to make this key, and the root never knew it.
    pub(crate) fn was_begun(&self, name: &str) -> bool {
        self.unfinished.contains_key(name)
    }

    /// The key that an earlier command began to make in this one's place.
    pub(crate) fn begun_in_place_of(&self, old: &str) -> Option<&str> {
        let mut begun = self.unfinished.iter();
        let found = begun.find(|(_, replaced)| replaced.as_deref() == Some(old));
        found.map(|(new, _)| new.as_str())
    }

    /// This key is being made from now on, until the root knows it; maybe in the place of another.
    pub(crate) fn begin_key(
        &mut self,
        name: &str,
        in_place_of: Option<&str>,
    ) -> Result<(), Failure> {
        let in_place_of = in_place_of.map(ToOwned::to_owned);
        let mut others = self.unfinished.values_mut();
        // One place is taken once.
        if let Some(other) = others.find(|other| other.is_some() && **other == in_place_of) {
            *other = None;
        }
        self.unfinished.insert(name.to_owned(), in_place_of);
        self.write()
    }

    /// Takes a key's file out of those that sign. It is kept: a key is gone soon enough.
    fn retire(&self, key: &RootKey) -> io::Result<()> {
        let target = retired(&self.keys, key);
        let folder = self.keys.join(RETIRED);
        fs::create_dir_all(&folder)?;
        match fs::rename(self.keys.join(format!("{}.key.pem", key.name)), target) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => File::open(folder)?.sync_all()?,
        }
        File::open(&self.keys)?.sync_all()
    }

    /// One that is killed here leaves the list as it was.
    fn write(&self) -> Result<(), Failure> {
        let line = |(new, old): (&String, &Option<String>)| match old {
            Some(old) => format!("{new} {old}\n"),
            None => format!("{new}\n"),
        };
        let lines: String = self.unfinished.iter().map(line).collect();
        let list = self.keys.join(FILE);
        host::whole_file::write(&list, lines.as_bytes()).map_err(at(&list))
    }
}

/// A folder of keys that is gone took the log's key along.
fn failed(keys: &Path, cause: io::Error) -> Failure {
    match cause.kind() {
        ErrorKind::NotFound => lost(keys),
        _ => at(keys)(cause),
    }
}

/// The store had keys, that of its log at least.
pub(crate) fn lost(keys: &Path) -> Failure {
    let message = format!(
        "the store has lost its keys: `{}` is not there",
        keys.display()
    );
    let way = "restore `keys` from a backup: without the log's key in it, `log.seed`, nothing can be recorded here";
    Failure::error(Code::StoreCorrupt, message, way)
}

#[cfg(test)]
mod tests {
    use trust::Code;

    use super::*;

    #[test]
    fn one_that_waits_too_long_is_told_why() {
        let keys = tempfile::tempdir().unwrap();
        let held = RootChange::begin(keys.path()).unwrap();
        let wait = Duration::from_millis(20);
        let Err(Failure::Error(problem)) = RootChange::begin_within(keys.path(), wait) else {
            panic!("it is held");
        };
        assert_eq!(problem.code, Code::StoreBusy);
        assert!(problem.hint.contains("wait for the other"), "{problem:?}");
        drop(held);
        assert!(RootChange::begin_within(keys.path(), wait).is_ok());
    }

    #[test]
    fn stores_are_made_in_a_folder_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let wait = Duration::from_millis(20);
        let held = alone_within(folder.path(), wait).unwrap();
        assert!(held.is_some());
        let refused = alone_within(folder.path(), wait).unwrap_err();
        assert!(matches!(refused, LockError::Busy { .. }), "{refused}");
        drop(held);
        assert!(alone_within(folder.path(), wait).unwrap().is_some());
        fs::write(folder.path().join("file"), "x").unwrap();
        let none = alone_within(&folder.path().join("file"), wait);
        assert!(none.unwrap().is_none());
    }

    /// Whoever reads the list, at any moment of its being written, finds the old one or the new one.
    #[test]
    fn the_list_is_replaced_and_never_emptied() {
        let keys = tempfile::tempdir().unwrap();
        let mut change = RootChange::begin(keys.path()).unwrap();
        change.begin_key("one", None).unwrap();
        let mut old = File::open(keys.path().join(FILE)).unwrap();
        change.begin_key("two", None).unwrap();
        let mut read = [0; 8];
        let size_bytes = io::Read::read(&mut old, &mut read).unwrap();
        assert_eq!(&read[..size_bytes], b"one\n");
        drop(change);
        let change = RootChange::begin(keys.path()).unwrap();
        assert!(change.was_begun("one") && change.was_begun("two"));
    }

    #[test]
    fn one_key_takes_anothers_place() {
        let keys = tempfile::tempdir().unwrap();
        let mut change = RootChange::begin(keys.path()).unwrap();
        change.begin_key("two", Some("one")).unwrap();
        change.begin_key("three", Some("one")).unwrap();
        drop(change);
        let mut change = RootChange::begin(keys.path()).unwrap();
        assert_eq!(change.begun_in_place_of("one"), Some("three"));
        assert!(change.was_begun("two") && is_being_replaced(keys.path(), "one"));
        // One that is begun for its own sake takes nobody's place any more.
        change.begin_key("three", None).unwrap();
        assert!(change.begun_in_place_of("one").is_none());
        assert!(!is_being_replaced(keys.path(), "one"));
    }
}
