//! Writes that are whole or not there, and that outlive a power cut once they return: write a temporary file, fsync it,
//! rename it, fsync the folder. And the locks' files.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags};
use tempfile::NamedTempFile;

use crate::lock::{Lock, LockError, WAIT_MAX};
use crate::whole_file;

const FLUSHES_AT_ONCE: usize = 8;
const STALE_AFTER: Duration = Duration::from_secs(60 * 60);

/// Who may write a file later: anybody the umask allows, or nobody.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Writable = 0o666,
    Frozen = 0o444,
}

/// Puts `bytes` at `path`, whole and durably, in place of what is there.
pub(crate) fn replace(path: &Path, bytes: &[u8], tmp: &Path) -> Result<(), DiskError> {
    let mut file = temporary(tmp, Mode::Writable)?;
    file.write_all(bytes).map_err(DiskError::at(path))?;
    install(file, path)
}

/// A temporary file, locked as long as it is open, so that [`clear`] lets it be.
pub(crate) fn temporary(tmp: &Path, mode: Mode) -> Result<NamedTempFile, DiskError> {
    let file = tempfile::Builder::new()
        .prefix("writing-")
        .permissions(Permissions::from_mode(mode as u32))
        .tempfile_in(tmp)
        .map_err(DiskError::at(tmp))?;
    rustix::fs::flock(file.as_file(), FlockOperation::NonBlockingLockExclusive)
        .map_err(|e| DiskError::at(tmp)(e.into()))?;
    Ok(file)
}

/// Makes a written temporary file durable under its name.
pub(crate) fn install(file: NamedTempFile, path: &Path) -> Result<(), DiskError> {
    let folder = path.parent().unwrap_or(path);
    create_folder(folder)?;
    install_all(vec![(file, path.to_owned())], BTreeSet::new())
}

/// Makes written temporary files durable under their names: all are flushed before the first gets its name, and each folder
/// once, after the last, with those in which folders were made.
pub(crate) fn install_all(
    files: Vec<(NamedTempFile, PathBuf)>,
    mut folders: BTreeSet<PathBuf>,
) -> Result<(), DiskError> {
    at_once(&files, |(file, path)| {
        let flushed = file.as_file().sync_all();
        flushed.map_err(DiskError::at(path))
    })?;
    for (file, path) in files {
        let persisted = file.persist(&path);
        persisted.map_err(|e| DiskError::at(&path)(e.error))?;
        folders.extend(path.parent().map(Path::to_owned));
    }
    let folders: Vec<PathBuf> = folders.into_iter().collect();
    at_once(&folders, |folder| sync_folder(folder))
}

/// Flushes some at the same time: the disk takes them in one go, and nobody computes meanwhile.
fn at_once<T: Sync>(
    all: &[T],
    flush: impl Fn(&T) -> Result<(), DiskError> + Sync,
) -> Result<(), DiskError> {
    let flush = |some: &[T]| some.iter().try_for_each(&flush);
    let share = all.len().div_ceil(FLUSHES_AT_ONCE).max(1);
    let (own, others) = all.split_at(share.min(all.len()));
    std::thread::scope(|scope| {
        let others: Vec<_> = others
            .chunks(share)
            .map(|share| scope.spawn(move || flush(share)))
            .collect();
        let mut flushed = flush(own);
        for other in others {
            let other = other.join().unwrap_or_else(|e| resume_unwind(e));
            flushed = flushed.and(other);
        }
        flushed
    })
}

/// Puts `bytes` at `path`, durably, in place of what is there, once `before` is done; they are flushed meanwhile.
pub(crate) fn replace_after<E: From<DiskError>>(
    path: &Path,
    bytes: &[u8],
    tmp: &Path,
    before: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let mut file = temporary(tmp, Mode::Writable)?;
    file.write_all(bytes).map_err(DiskError::at(path))?;
    std::thread::scope(|scope| {
        let flushing = scope.spawn(|| file.as_file().sync_all().map_err(DiskError::at(path)));
        let done = before();
        let flushed = flushing.join().unwrap_or_else(|e| resume_unwind(e));
        done.and(flushed.map_err(E::from))
    })?;
    Ok(install(file, path)?)
}

/// Adds bytes at the end of a file, durably.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let is_new = !path.exists();
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(DiskError::at(path))?;
    file.write_all(bytes).map_err(DiskError::at(path))?;
    file.sync_all().map_err(DiskError::at(path))?;
    match path.parent() {
        Some(folder) if is_new => sync_folder(folder),
        _ => Ok(()),
    }
}

/// Makes a folder and those above it, and tells in which folders it made any: they are to be flushed.
pub(crate) fn create_unflushed(
    folder: &Path,
    changed: &mut BTreeSet<PathBuf>,
) -> Result<(), DiskError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    create_unflushed(parent, changed)?;
    changed.insert(parent.to_owned());
    make_folder(folder)
}

/// Makes a folder and those above it, durably.
pub(crate) fn create_folder(folder: &Path) -> Result<(), DiskError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    create_folder(parent)?;
    make_folder(folder)?;
    sync_folder(parent)
}

/// Whatever the umask lets through: what anybody may write to decides nothing.
fn make_folder(folder: &Path) -> Result<(), DiskError> {
    match fs::DirBuilder::new().mode(0o775).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(DiskError::at(folder)(e)),
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), DiskError> {
    let synced = File::open(folder).and_then(|open| open.sync_all());
    synced.map_err(DiskError::at(folder))
}

/// The file's bytes, or none if there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    match whole_file::read(path, u64::MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(DiskError::at(path)(e)),
    }
}

/// The paths in a folder, in the order of their names.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let listing = fs::read_dir(folder).map_err(DiskError::at(folder))?;
    let paths: io::Result<Vec<PathBuf>> = listing.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(DiskError::at(folder))?;
    paths.sort();
    Ok(paths)
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> Result<(), DiskError> {
    fs::remove_file(path).map_err(DiskError::at(path))
}

/// Removes what writers that were killed left behind: temporary files that nobody has locked, an hour after their last
/// change by the clock `now`.
pub(crate) fn clear(tmp: &Path, now: SystemTime) -> Result<(), DiskError> {
    for path in files(tmp)? {
        // A file that another process has just removed is as good as removed by us.
        let Ok(file) = whole_file::open(&path) else {
            continue;
        };
        let changed = file.metadata().and_then(|meta| meta.modified());
        let is_old = changed
            .ok()
            .and_then(|changed| now.duration_since(changed).ok())
            .is_some_and(|age| age > STALE_AFTER);
        if is_old
            && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && path.is_file()
        {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Waits until nobody else writes what this file is the lock of.
pub(crate) fn lock(path: &Path) -> Result<Lock, DiskError> {
    let file = File::options()
        .create(true)
        .append(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(DiskError::at(path))?;
    Ok(Lock::exclusive(file, path, WAIT_MAX)?)
}

/// Waits until nobody writes; others may read too. None if nobody ever wrote.
pub(crate) fn lock_shared(path: &Path) -> Result<Option<Lock>, DiskError> {
    match whole_file::open(path) {
        Ok(file) => Ok(Some(Lock::shared(file, path, WAIT_MAX)?)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(DiskError::at(path)(e)),
    }
}

/// Why the disk didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// No space, or no quota.
    #[error("the disk is full: `{}` can't be written", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A file system that is mounted read-only.
    #[error("`{}` is on a file system that is mounted read-only", path.display())]
    ReadOnly {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Not ours to read or write.
    #[error("there is no permission to read or write `{}`", path.display())]
    Denied {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// What the store is made of is not there.
    #[error("`{}` is missing", path.display())]
    Missing {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Something else stands in the place of a file: a folder, a pipe, a device.
    #[error("`{}` is no file any more", path.display())]
    NotAFile {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Another process keeps the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Anything else.
    #[error("`{}` can't be read or written", path.display())]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl DiskError {
    /// Names the file that a system's error is about.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, cause },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, cause },
            io::ErrorKind::PermissionDenied => Self::Denied { path, cause },
            io::ErrorKind::NotFound => Self::Missing { path, cause },
            io::ErrorKind::IsADirectory => Self::NotAFile { path, cause },
            _ if whole_file::is_no_file(&cause) => Self::NotAFile { path, cause },
            _ => Self::Io { path, cause },
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Full { .. } => {
                Some("free some space and run the command again; nothing was left half written")
            }
            Self::ReadOnly { .. } => {
                Some("mount it writable, or name another folder with `--store`")
            }
            Self::Denied { .. } => {
                Some("run as the folder's owner, or name another folder with `--store`")
            }
            Self::Missing { .. } | Self::NotAFile { .. } => {
                Some("restore it from a backup; `modelward store verify` says what else is wrong")
            }
            Self::Lock(LockError::Busy { .. }) => {
                Some("wait for the other process to end, or end it: the lock goes with it")
            }
            Self::Lock(LockError::Io { .. }) | Self::Io { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let tmp = dir.path().join("tmp");
        create_folder(&tmp).unwrap();
        let path = dir.path().join("a/b/c");
        for bytes in [&b"first"[..], b"second"] {
            replace(&path, bytes, &tmp).unwrap();
            assert_eq!(read_if_there(&path).unwrap().unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
        assert_eq!(read_if_there(&dir.path().join("none")).unwrap(), None);
    }

    #[test]
    fn clears_what_is_old_and_unlocked() {
        let dir = tempfile::tempdir().unwrap();
        let tmp = dir.path();
        let later = SystemTime::now() + STALE_AFTER + Duration::from_secs(5);
        let in_use = temporary(tmp, Mode::Writable).unwrap();
        fs::write(tmp.join("left"), b"x").unwrap();
        clear(tmp, SystemTime::now()).unwrap();
        assert!(tmp.join("left").exists());
        clear(tmp, later).unwrap();
        assert!(in_use.path().exists() && !tmp.join("left").exists());
    }

    #[test]
    fn system_errors_get_their_names() {
        let error = |errno: rustix::io::Errno| DiskError::at(Path::new("x"))(errno.into());
        assert!(matches!(
            error(rustix::io::Errno::NOSPC),
            DiskError::Full { .. }
        ));
        assert!(matches!(
            error(rustix::io::Errno::DQUOT),
            DiskError::Full { .. }
        ));
        assert!(matches!(
            error(rustix::io::Errno::ROFS),
            DiskError::ReadOnly { .. }
        ));
        assert!(matches!(
            error(rustix::io::Errno::ACCESS),
            DiskError::Denied { .. }
        ));
        assert!(matches!(error(rustix::io::Errno::IO), DiskError::Io { .. }));
    }
}
