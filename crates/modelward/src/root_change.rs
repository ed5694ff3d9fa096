//! Changes of the trust root, one at a time. A key's file comes before the root that believes it: the names of keys that
//! are being made are kept meanwhile, so that what a killed command left is known from a key that was removed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use trust::TrustRoot;

const FILE: &str = "unfinished";
const SIZE_BYTES_MAX: u64 = 64 * 1024;

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
    file: File,
    unfinished: BTreeSet<String>,
}

impl RootChange {
    /// Waits until nobody else changes the root of the store with these keys.
    pub(crate) fn begin(keys: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(keys.join(FILE))?;
        flock(&file, FlockOperation::LockExclusive)?;
        let mut text = String::new();
        (&mut file).take(SIZE_BYTES_MAX).read_to_string(&mut text)?;
        let unfinished = text.lines().map(ToOwned::to_owned).collect();
        Ok(Self { file, unfinished })
    }

    /// What the root knows is finished, whether or not its command lived to say so.
    pub(crate) fn settle(&mut self, root: &TrustRoot) -> io::Result<()> {
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
    pub(crate) fn begin_key(&mut self, name: &str) -> io::Result<()> {
        self.unfinished.insert(name.to_owned());
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let lines = self.unfinished.iter().map(|name| format!("{name}\n"));
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(lines.collect::<String>().as_bytes())?;
        self.file.sync_all()
    }
}
