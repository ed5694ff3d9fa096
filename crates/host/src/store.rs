//! The store: one folder, `.modelward`, with everything that was put in or said about it.
//!
//! ```text
//! version           the format's version, written last when a store is made
//! oci-layout        \
//! index.json         > an OCI image layout; `index.json` lists artifacts, the things statements are about
//! blobs/sha256/     /  every file, manifest and bundle, under its digest
//! referrers/        per subject an OCI index of the statements about it          (derived)
//! index.sqlite      subject → statements, and the artifacts' names               (derived)
//! log/              the append-only log: see `host::log`
//! tmp/              unfinished writes        lock   held by the one who writes
//! keys/  trust.toml  roots/ are other rooms'
//! ```
//!
//! A statement is recorded blob first, then the log line, then what is derived; each step is durable before the next,
//! and opening the store repeats what a killed writer had not come to. Nothing here is trusted: whoever can write to
//! the folder can damage or remove what is in it, and [`Store::verify`] and every reader that re-hashes notice.

mod artifacts;
mod batch;
mod blobs;
mod error;
mod index;
mod oci;
mod recovery;
mod statements;
mod traces;
mod verify;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::lock::Lock;
use crate::log::Log;
use crate::log::durable::{self, DiskError};
use crate::root::RootFolder;

pub use artifacts::NamedArtifact;
pub use error::StoreError;
pub use recovery::Names;
pub use statements::Recorded;
pub use traces::Unlogged;
pub use verify::{Checked, Problem};

use index::Index;

/// The name of the store's folder.
pub const FOLDER_NAME: &str = ".modelward";
const VERSION: u32 = 1;
const VERSION_PREFIX: &str = "modelward store ";
const FOLDERS: [&str; 5] = ["blobs/sha256", "referrers", "log", "tmp", "keys"];

/// An open store. Any number of processes may have it open and write at once.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    log: Log,
    index: Mutex<Index>,
    access: Access,
}

/// Whether we may write to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    ReadOnly,
}

impl Store {
    /// Makes a store in `folder`, or opens the one that is there.
    ///
    /// # Errors
    /// The folder can't be written, or there is something in `.modelward` that is not a store of ours.
    pub fn init(folder: &Path) -> Result<Self, StoreError> {
        let root = folder.join(FOLDER_NAME);
        if root.join("version").exists() {
            return Self::open(folder);
        }
        check_unfinished(&root)?;
        for name in FOLDERS {
            durable::create_folder(&root.join(name))?;
        }
        let owner_only = fs::Permissions::from_mode(0o700);
        fs::set_permissions(root.join("keys"), owner_only).map_err(DiskError::at(&root))?;
        let tmp = root.join("tmp");
        for (name, bytes) in [
            ("lock", String::new()),
            ("log/lock", String::new()),
            ("oci-layout", oci::LAYOUT.to_owned()),
            ("index.json", oci::ImageIndex::default().to_json()),
            (
                &format!("blobs/sha256/{}", oci::EMPTY.digest.hex()),
                oci::EMPTY_JSON.to_owned(),
            ),
            ("version", format!("{VERSION_PREFIX}{VERSION}\n")),
        ] {
            let path = root.join(name);
            if !path.exists() {
                durable::replace(&path, bytes.as_bytes(), &tmp)?;
            }
        }
        Self::open(folder)
    }

    /// Opens the store in `folder`, and completes what a killed writer left undone. A store that we can't write to is
    /// opened for reading.
    ///
    /// # Errors
    /// There is none, it is of a newer version, or it is damaged.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let root = Self::root_in(folder)?;
        let is_writable = rustix::fs::access(&root, rustix::fs::Access::WRITE_OK).is_ok();
        if is_writable {
            Self::open_to_write(root)
        } else {
            Self::open_to_read(root)
        }
    }

    /// The store's own folder, of a form that we know.
    fn root_in(folder: &Path) -> Result<PathBuf, StoreError> {
        let root = folder.join(FOLDER_NAME);
        if !root.is_dir() {
            return Err(StoreError::NoStore {
                folder: folder.to_owned(),
            });
        }
        check_version(&root)?;
        check_kept(&root)?;
        Ok(root)
    }

    /// Opens the store in `folder` and makes all that is derived again: the index from the log and `index.json`, and
    /// the referrers. A log that lost lines is taken as it is: the manifests that tell of them are removed, the bundles
    /// stay.
    ///
    /// # Errors
    /// As [`Store::open`], or the store can't be written to.
    pub fn rebuild(folder: &Path) -> Result<(Self, Names), StoreError> {
        let root = Self::root_in(folder)?;
        durable::create_folder(&root.join("tmp"))?;
        durable::create_folder(&root.join("referrers"))?;
        let _lock = durable::lock(&root.join("lock"))?;
        let log = Log::at(&root.join("log"), &root.join("tmp"));
        log.repair()?;
        let index = Index::open(&root.join("index.sqlite"))?;
        let store = Self::new(root, log, index, Access::Write);
        let names = store.make_derived_again()?;
        Ok((store, names))
    }

    /// The `.modelward` folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The roots of steps that it keeps.
    #[must_use]
    pub fn roots(&self) -> RootFolder {
        RootFolder::at(&self.root.join("roots"))
    }

    /// The store's log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    fn open_to_write(root: PathBuf) -> Result<Self, StoreError> {
        // What is in it is unfinished: a folder that is gone took nothing along.
        durable::create_folder(&root.join("tmp"))?;
        durable::clear(&root.join("tmp"), SystemTime::now())?;
        let _lock = durable::lock(&root.join("lock"))?;
        let log = Log::at(&root.join("log"), &root.join("tmp"));
        log.repair()?;
        let index = Index::open(&root.join("index.sqlite"))?;
        let store = Self::new(root, log, index, Access::Write);
        store.catch_up(&mut store.index())?;
        store.catch_up_names(&mut store.index())?;
        Ok(store)
    }

    /// An index that is missing or behind can't be completed on disk, so it is made in memory.
    fn open_to_read(root: PathBuf) -> Result<Self, StoreError> {
        let log = Log::at(&root.join("log"), &root.join("tmp"));
        let size = log.claimed_size()?;
        let on_disk = Index::open_to_read(&root.join("index.sqlite"));
        let is_complete = |index: &Index| index.log_size().is_ok_and(|indexed| indexed == size);
        if let Some(index) = on_disk.ok().filter(is_complete) {
            return Ok(Self::new(root, log, index, Access::ReadOnly));
        }
        let store = Self::new(root, log, Index::in_memory()?, Access::ReadOnly);
        store.catch_up(&mut store.index())?;
        store.catch_up_names(&mut store.index())?;
        Ok(store)
    }

    const fn new(root: PathBuf, log: Log, index: Index, access: Access) -> Self {
        Self {
            root,
            log,
            index: Mutex::new(index),
            access,
        }
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        Ok(durable::lock(&self.root.join("lock"))?)
    }

    /// A panic can't leave the index half changed, only a transaction that is rolled back.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// A folder without a version may be one that was being made when the process was killed, and nothing else.
fn check_unfinished(root: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(DiskError::at(root)(e).into()),
    };
    for entry in entries {
        let name = entry.map_err(DiskError::at(root))?.file_name();
        let ours = FOLDERS.iter().filter_map(|folder| folder.split('/').next());
        let mut ours = ours.chain(["lock", "oci-layout", "index.json", "trust.toml"]);
        if !ours.any(|known| name == known) {
            return Err(StoreError::NotOurs {
                folder: root.to_owned(),
            });
        }
    }
    Ok(())
}

/// All but the log and the blobs follows from something. An empty log in its place would say that nothing was ever recalled.
fn check_kept(root: &Path) -> Result<(), StoreError> {
    let folder = root.to_owned();
    if !root.join("log").is_dir() {
        return Err(StoreError::LogMissing { folder });
    }
    if !root.join("blobs/sha256").is_dir() {
        return Err(StoreError::BlobsMissing { folder });
    }
    Ok(())
}

fn check_version(root: &Path) -> Result<(), StoreError> {
    let not_ours = || StoreError::NotOurs {
        folder: root.to_owned(),
    };
    let bytes = durable::read_if_there(&root.join("version"))?.ok_or_else(not_ours)?;
    let text = String::from_utf8(bytes).map_err(|_| not_ours())?;
    let number = text
        .strip_prefix(VERSION_PREFIX)
        .and_then(|rest| rest.strip_suffix('\n'));
    let found: u32 = number.and_then(|n| n.parse().ok()).ok_or_else(not_ours)?;
    match found {
        VERSION => Ok(()),
        0 => Err(not_ours()),
        _ => Err(StoreError::Newer {
            folder: root.to_owned(),
            found,
            known: VERSION,
        }),
    }
}
