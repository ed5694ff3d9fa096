//! A folder's files, each measured, in the order of their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Measured, ReadError, measure_file};

/// The regular files under a folder: names relative to it, with `/`, in code-point order, each with what it measures.
pub type Listing = BTreeMap<String, Measured>;

const DEPTH_MAX: usize = 64;
const FILES_MAX: usize = 1_000_000;

/// Measures every file under `root`, on all cores, leaving out the paths for which `ignore` says so (a folder that is
/// left out takes all below it along). `progress` hears the size of each file when it is done.
///
/// # Errors
/// A link, socket or device is among them, a name is not UTF-8, there are too many or too deep, or a file can't be read.
pub fn list(
    root: &Path,
    ignore: &(dyn Fn(&str) -> bool + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Listing, WalkError> {
    let mut names = Vec::new();
    collect(root, "", 0, ignore, &mut names)?;
    measure_all(root, &names, progress)
}

/// The names of the regular files under `root`, as [`list`] has them, without reading any.
///
/// # Errors
/// As [`list`].
pub fn names(
    root: &Path,
    ignore: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<String>, WalkError> {
    let mut names = Vec::new();
    collect(root, "", 0, ignore, &mut names)?;
    names.sort();
    Ok(names)
}

fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    ignore: &(dyn Fn(&str) -> bool + Sync),
    names: &mut Vec<String>,
) -> Result<(), WalkError> {
    let failed = |cause| {
        WalkError::Read(ReadError::Io {
            path: folder.to_owned(),
            cause,
        })
    };
    if depth == DEPTH_MAX || names.len() > FILES_MAX {
        return Err(WalkError::TooMuch {
            path: folder.to_owned(),
        });
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| WalkError::Name { path: path.clone() })?;
        let name = format!("{prefix}{name}");
        if ignore(&name) {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            collect(&path, &format!("{name}/"), depth + 1, ignore, names)?;
        } else if kind.is_symlink() {
            return Err(WalkError::Read(ReadError::Link { path }));
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// Files are handed out one by one, so that one large file doesn't hold up the others.
fn measure_all(
    root: &Path,
    names: &[String],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Listing, WalkError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Ok(Listing::new()));
    let work = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let measured = measure_file(&root.join(name));
            let mut results = results
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match (measured, results.as_mut()) {
                (Ok(measured), Ok(listing)) => {
                    listing.insert(name.clone(), measured);
                    progress(measured.size_bytes());
                }
                (Err(e), Ok(_)) => *results = Err(WalkError::Read(e)),
                (_, Err(_)) => return,
            }
        }
    };
    let cores = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(names.len().max(1));
    std::thread::scope(|scope| {
        for _ in 1..cores {
            scope.spawn(work);
        }
        work();
    });
    results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Why a folder could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// One of its files could not be measured.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A name that is not UTF-8.
    #[error("the name of `{}` is not UTF-8", path.display())]
    Name {
        /// Which file.
        path: PathBuf,
    },
    /// Too deep, or too many files.
    #[error("`{}` holds more than {FILES_MAX} files or is deeper than {DEPTH_MAX} folders", path.display())]
    TooMuch {
        /// Where it was noticed.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure_bytes;

    #[test]
    fn lists_in_order_and_leaves_out() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/c", "b-d", "a", ".git/x"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let listing = list(dir.path(), &|name| name == ".git", &|_| ()).unwrap();
        assert_eq!(listing.keys().collect::<Vec<_>>(), ["a", "b-d", "b/c"]);
        assert_eq!(listing["b/c"], measure_bytes(b"b/c"));
    }

    #[test]
    fn a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("l")).unwrap();
        assert!(matches!(
            list(dir.path(), &|_| false, &|_| ()),
            Err(WalkError::Read(ReadError::Link { .. }))
        ));
    }
}
