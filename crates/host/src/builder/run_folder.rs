//! A run's own folder: it goes when the run goes, and if the run was killed, when the next one comes.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use tempfile::TempDir;

use super::error::Error;

/// A folder that only its owner reaches, held by a lock as long as the run lasts.
#[derive(Debug)]
pub(super) struct RunFolder {
    folder: TempDir,
    staged: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes one among `runs`, and removes those whose run is dead.
    pub(super) fn new(runs: &Path) -> Result<Self, Error> {
        let failed = |cause| Error::RunFolder {
            path: runs.to_owned(),
            cause,
        };
        // One run at a time makes its folder and sweeps: a folder that is seen without its lock held is dead.
        let making = File::open(runs).map_err(failed)?;
        rustix::fs::flock(&making, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        sweep(runs);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(runs)
            .map_err(failed)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|e| failed(e.into()))?;
        drop(making);
        let folder = Self {
            staged: folder.path().join("staged"),
            folder,
            _lock: lock,
        };
        for (path, mode) in [
            (folder.scaffold(), 0o755),
            (folder.inputs(), 0o755),
            // The observer is another user; nobody else gets past the folder above.
            (folder.received(), 0o777),
            (folder.staged().to_owned(), 0o755),
        ] {
            make(&path, mode).map_err(failed)?;
        }
        Ok(folder)
    }

    /// An empty folder to build the step's root on.
    pub(super) fn scaffold(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The verified copies of the inputs.
    pub(super) fn inputs(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    /// Where the observer writes, by number.
    pub(super) fn received(&self) -> PathBuf {
        self.folder.path().join("received")
    }

    /// Where the control plane puts what the observer wrote, by name.
    pub(super) fn staged(&self) -> &Path {
        &self.staged
    }
}

const PREFIX: &str = "run-";
const LOCK: &str = "lock";

fn make(path: &Path, mode: u32) -> io::Result<()> {
    if !path.is_dir() {
        fs::create_dir(path)?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// What can't be removed now is left for the next run: it holds copies, and nothing that is missed.
fn sweep(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if ours && is_dead(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_dead(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        // It was killed before it had one.
        Err(cause) => cause.kind() == io::ErrorKind::NotFound,
    }
}
