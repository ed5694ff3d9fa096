//! A store in a temporary folder, and the statements that tests put in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use digest::Digest;
use host::store::{Recorded, Store, StoreError};
use tempfile::TempDir;
use trust::artifact::FileEntry;
use trust::log::{Entry, LogSigner};
use trust::{Artifact, Kind};

pub(crate) struct Room {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

pub(crate) fn room() -> Room {
    in_folder(tempfile::tempdir().unwrap())
}

/// On a memory file system where there is one: a kill doesn't lose what the kernel has, so that crash tests need no
/// disk, and a disk makes them ten times slower.
pub(crate) fn fast_room() -> Room {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    in_folder(dir.unwrap())
}

fn in_folder(dir: TempDir) -> Room {
    Room {
        store: Store::init(dir.path()).unwrap(),
        dir,
    }
}

pub(crate) fn signer() -> LogSigner {
    LogSigner::from_seed("example.com/log", &[5; 32]).unwrap()
}

/// A bundle with its entry: the text says which, and what it is about.
pub(crate) fn statement(text: &str, subject: &str) -> (Vec<u8>, Entry) {
    let bundle = format!("{{\"bundle\":\"{text}\"}}").into_bytes();
    let subjects = [Digest::of(subject.as_bytes())];
    let entry = Entry::new(Digest::of(&bundle), "https://example.com/said/v1", subjects);
    (bundle, entry.unwrap())
}

pub(crate) fn record(store: &Store, text: &str, subject: &str) -> Recorded {
    let (bundle, entry) = statement(text, subject);
    store.record(&bundle, &entry, &signer()).unwrap()
}

/// Files by what the artifact calls them.
pub(crate) type Tree = BTreeMap<String, PathBuf>;

/// Measures files and puts them in, as commands do.
pub(crate) fn put_tree(store: &Store, name: &str, files: &Tree) -> Result<Artifact, StoreError> {
    let entry = |path: &PathBuf| {
        let measured = digest::measure_file(path)?;
        let (digest, size_bytes) = (measured.digest(), measured.size_bytes());
        Ok::<_, StoreError>(FileEntry { digest, size_bytes })
    };
    let entries: Result<Vec<_>, StoreError> = files
        .iter()
        .map(|(name, path)| Ok((name.as_str(), entry(path)?)))
        .collect();
    let artifact =
        Artifact::new(Kind::Model, entries?.into_iter().collect()).map_err(StoreError::Artifact)?;
    let path_of = |name: &str| files[name].clone();
    store.put_measured(name, &artifact, &path_of, &|_| ())?;
    Ok(artifact)
}

/// An artifact of one file with these bytes, which lies beside the store.
pub(crate) fn put_one(
    store: &Store,
    name: &str,
    file: &str,
    bytes: &str,
) -> Result<Artifact, StoreError> {
    let path = store.path().with_file_name("one");
    std::fs::write(&path, bytes).unwrap();
    put_tree(store, name, &[(file.to_owned(), path)].into())
}

pub(crate) fn problems(store: &Store) -> Vec<String> {
    let found = store.verify(Some(signer().key()), &|_| ()).unwrap();
    found.problems.iter().map(ToString::to_string).collect()
}

/// All files under a folder, by path relative to it.
pub(crate) fn files(root: &Path) -> Vec<String> {
    let listing = digest::list(root, &|_| false, &|_| ()).unwrap();
    listing.keys().map(ToOwned::to_owned).collect()
}
