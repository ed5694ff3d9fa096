//! The files of a folder, held against a commit: each is read and hashed here, as git names a file, and never by git itself,
//! which would run the filters that the repository names.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use data_encoding::HEXLOWER;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::{Repository, SourceError};

/// The files of the folder that the commit has.
pub(super) fn listing(
    repository: &Repository,
    folder: &Path,
    commit: &str,
) -> Result<Vec<u8>, SourceError> {
    repository.ask(folder, &["ls-tree", "-r", "-z", commit])
}

/// Whether a file of the listing is not there as it names it.
pub(super) fn differs(folder: &Path, listing: &[u8]) -> Result<bool, SourceError> {
    for entry in entries(listing) {
        if !entry?.is_in(folder) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there are files that the commit, or that of a submodule of it, neither has nor ignores. The listing is the
/// commit's.
pub(super) fn has_untracked(
    repository: &Repository,
    folder: &Path,
    commit: &str,
    listing: &[u8],
) -> Result<bool, SourceError> {
    if lists_untracked(repository, folder, commit)? {
        return Ok(true);
    }
    for entry in entries(listing) {
        let entry = entry?;
        if entry.is_submodule() && entry.has_untracked_in(folder) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether git finds such a file outside of submodules. The store is beside a project and no part of it.
///
/// The repository's index can be made to say anything, so git gets one with what the commit has.
fn lists_untracked(
    repository: &Repository,
    folder: &Path,
    commit: &str,
) -> Result<bool, SourceError> {
    let scratch = tempfile::tempdir().map_err(|cause| SourceError::NotListed { cause })?;
    let listed = Repository {
        top: repository.top.clone(),
        index: Some(scratch.path().join("index")),
    };
    listed.ask(&listed.top, &["read-tree", commit])?;
    let store = format!("--exclude={}", crate::store::FOLDER_NAME);
    let mut arguments = vec!["ls-files", "-z", "--others", "--directory"];
    arguments.extend(["--no-empty-directory", &store]);
    if has_its_ignores_above(repository, folder)? {
        // A list that is not the commit's must not ignore itself.
        arguments.extend([
            "--exclude-per-directory=.gitignore",
            "--exclude=!.gitignore",
        ]);
    }
    arguments.extend(["--", "."]);
    Ok(!listed.ask(folder, &arguments)?.is_empty())
}

/// Whether what is ignored by the folders above is so by the last commit: they may have changed since that of the folder.
fn has_its_ignores_above(repository: &Repository, folder: &Path) -> Result<bool, SourceError> {
    let above = folder.ancestors().skip(1);
    for above in above.take_while(|above| above.starts_with(&repository.top)) {
        if above.join(".gitignore").symlink_metadata().is_err() {
            continue;
        }
        let entry = repository.ask(above, &["ls-tree", "-z", "HEAD", "--", ".gitignore"])?;
        if entry.is_empty() || differs(above, &entry)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn entries(listing: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, SourceError>> {
    let lines = listing.split(|byte| *byte == 0);
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| Entry::parse(line).ok_or(SourceError::Listing))
}

/// A line of git's list: `100644 blob DIGEST`, a tab, and the path.
struct Entry<'a> {
    mode: &'a str,
    name: &'a str,
    path: PathBuf,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let (facts, path) = line.split_at_checked(tab)?;
        let mut facts = std::str::from_utf8(facts).ok()?.split(' ');
        let (mode, _, name) = (facts.next()?, facts.next()?, facts.next()?);
        let path = PathBuf::from(OsStr::from_bytes(path.get(1..)?));
        Some(Self { mode, name, path })
    }

    fn is_in(&self, folder: &Path) -> bool {
        match self.mode {
            "120000" => self.is_link(folder).unwrap_or(false),
            SUBMODULE => self.is_submodule_as_named(folder),
            "100755" => self.is_file(folder, true).unwrap_or(false),
            _ => self.is_file(folder, false).unwrap_or(false),
        }
    }

    fn is_file(&self, folder: &Path, is_executable: bool) -> std::io::Result<bool> {
        let file = File::from(self.open(folder, OFlags::RDONLY | OFlags::NONBLOCK)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() || (metadata.mode() & 0o100 != 0) != is_executable {
            return Ok(false);
        }
        self.is_named(file, metadata.len())
    }

    fn is_link(&self, folder: &Path) -> std::io::Result<bool> {
        let link = self.open(folder, OFlags::PATH)?;
        let target = readlinkat(&link, "", Vec::new())?;
        self.is_named(target.as_bytes(), target.as_bytes().len() as u64)
    }

    fn is_submodule(&self) -> bool {
        self.mode == SUBMODULE
    }

    fn is_submodule_as_named(&self, folder: &Path) -> bool {
        match self.submodule(folder) {
            // A commit that is not there is another than the one that is.
            Some(Submodule::Fetched(repository)) => {
                listing(&repository, &repository.top, self.name)
                    .and_then(|listing| differs(&repository.top, &listing))
                    .is_ok_and(|differs| !differs)
            }
            Some(Submodule::NotFetched { is_empty }) => is_empty,
            None => false,
        }
    }

    /// Of files in a submodule whose commit is not there nobody can say that it has them.
    fn has_untracked_in(&self, folder: &Path) -> bool {
        match self.submodule(folder) {
            Some(Submodule::Fetched(repository)) => {
                listing(&repository, &repository.top, self.name)
                    .and_then(|listing| {
                        has_untracked(&repository, &repository.top, self.name, &listing)
                    })
                    .unwrap_or(true)
            }
            Some(Submodule::NotFetched { is_empty }) => !is_empty,
            None => false,
        }
    }

    fn submodule(&self, folder: &Path) -> Option<Submodule> {
        let inside = self.open(folder, OFlags::RDONLY | OFlags::DIRECTORY);
        let git = OFlags::PATH | OFlags::NOFOLLOW;
        let is_fetched = openat(inside.ok()?.as_fd(), ".git", git, Mode::empty()).is_ok();
        let top = folder.join(&self.path);
        if is_fetched {
            return Some(Submodule::Fetched(Repository { top, index: None }));
        }
        let is_empty = top.read_dir().ok()?.next().is_none();
        Some(Submodule::NotFetched { is_empty })
    }

    /// Opens what lies at the path, and follows no link on the way: a path must not lead to another file, or to a device.
    fn open(&self, folder: &Path, flags: OFlags) -> Result<std::os::fd::OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(CWD, folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        openat2(folder, &self.path, flags, Mode::empty(), within)
    }

    /// Whether git's name for these bytes is this one: the digest of `blob`, their length and themselves.
    fn is_named(&self, bytes: impl Read, size_bytes: u64) -> std::io::Result<bool> {
        let mut hasher = Context::new(match self.name.len() {
            40 => &SHA1_FOR_LEGACY_USE_ONLY,
            _ => &SHA256,
        });
        hasher.update(format!("blob {size_bytes}\0").as_bytes());
        // What grows meanwhile is read no further, and is another file.
        let mut bytes = bytes.take(size_bytes.saturating_add(1));
        let mut piece = vec![0; 64 * 1024];
        loop {
            match bytes.read(&mut piece)? {
                0 => break,
                count => hasher.update(piece.get(..count).unwrap_or_default()),
            }
        }
        Ok(HEXLOWER.encode(hasher.finish().as_ref()) == self.name)
    }
}

/// What lies where a repository names another one.
enum Submodule {
    Fetched(Repository),
    /// An empty folder, where nobody put files.
    NotFetched {
        is_empty: bool,
    },
}

/// The mode of a line that names a commit of another repository.
const SUBMODULE: &str = "160000";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    fn is_changed(folder: &Path) -> Result<bool, SourceError> {
        let repository = Repository::around(folder).unwrap();
        differs(folder, &listing(&repository, folder, "HEAD")?)
    }

    fn run(folder: &Path, arguments: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e@example.com"])
            .args(["-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(folder)
            .output();
        let output = status.unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// A plain file, a program and a link, in a repository of either kind of digest.
    fn repository(format: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        run(dir.path(), &["init", "-q", "--object-format", format]);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("sub/a\nb"), "plain").unwrap();
        fs::write(path("tool"), "#!/bin/sh").unwrap();
        fs::set_permissions(path("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("sub", path("link")).unwrap();
        run(dir.path(), &["add", "."]);
        run(dir.path(), &["commit", "-q", "-m", "one"]);
        dir
    }

    #[test]
    fn each_kind_of_change_is_seen() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("bytes", |folder| {
                fs::write(folder.join("sub/a\nb"), "other").unwrap()
            }),
            ("mode", |folder| {
                let mode = fs::Permissions::from_mode(0o644);
                fs::set_permissions(folder.join("tool"), mode).unwrap();
            }),
            ("gone", |folder| {
                fs::remove_file(folder.join("tool")).unwrap()
            }),
            ("link", |folder| {
                fs::remove_file(folder.join("link")).unwrap();
                symlink("tool", folder.join("link")).unwrap();
            }),
            ("link for a folder", |folder| {
                fs::rename(folder.join("sub"), folder.join("moved")).unwrap();
                symlink("moved", folder.join("sub")).unwrap();
            }),
            ("file for a link", |folder| {
                fs::remove_file(folder.join("link")).unwrap();
                fs::write(folder.join("link"), "sub").unwrap();
            }),
        ];
        for format in ["sha1", "sha256"] {
            for (name, change) in changes {
                let dir = repository(format);
                assert!(!is_changed(dir.path()).unwrap(), "{format}");
                change(dir.path());
                assert!(is_changed(dir.path()).unwrap(), "{format}: {name}");
            }
        }
    }

    /// What is named from below the root is what lies there, and only that is looked at.
    #[test]
    fn a_folder_in_a_repository_is_its_own_source() {
        let dir = repository("sha1");
        fs::write(dir.path().join("tool"), "other").unwrap();
        assert!(!is_changed(&dir.path().join("sub")).unwrap());
        fs::write(dir.path().join("sub/a\nb"), "other").unwrap();
        assert!(is_changed(&dir.path().join("sub")).unwrap());
    }

    /// A repository with another one in `inner`, as it was committed.
    fn with_submodule(inner: &Path) -> tempfile::TempDir {
        let outer = repository("sha1");
        let from = inner.display().to_string();
        run(outer.path(), &["submodule", "add", "-q", &from, "inner"]);
        run(outer.path(), &["commit", "-q", "-m", "two"]);
        outer
    }

    #[test]
    fn a_submodule_is_looked_into() {
        let inner = repository("sha1");
        let outer = with_submodule(inner.path());
        assert!(!is_changed(outer.path()).unwrap());
        fs::write(outer.path().join("inner/tool"), "other").unwrap();
        assert!(is_changed(outer.path()).unwrap());
        // Never fetched: an empty folder.
        run(outer.path(), &["submodule", "deinit", "-q", "-f", "inner"]);
        assert!(!is_changed(outer.path()).unwrap());
        fs::write(outer.path().join("inner/extra"), "x").unwrap();
        assert!(is_changed(outer.path()).unwrap());
    }

    #[test]
    fn files_that_a_submodule_does_not_have_are_untracked() {
        let deep = repository("sha1");
        let inner = with_submodule(deep.path());
        fs::write(inner.path().join(".gitignore"), "*.o\n").unwrap();
        run(inner.path(), &["add", ".gitignore"]);
        run(inner.path(), &["commit", "-q", "-m", "three"]);
        let outer = with_submodule(inner.path());
        let all = ["submodule", "update", "-q", "--init", "--recursive"];
        run(outer.path(), &all);
        let told = || {
            let source = crate::source::git(outer.path()).unwrap().unwrap();
            (source.changed, source.untracked)
        };
        fs::write(outer.path().join("inner/ignored.o"), "x").unwrap();
        assert_eq!(told(), (false, false));
        for new in ["inner/new", "inner/sub/new", "inner/inner/new"] {
            fs::write(outer.path().join(new), "x").unwrap();
            assert_eq!(told(), (false, true), "{new}");
            fs::remove_file(outer.path().join(new)).unwrap();
        }
        // Files where nothing was fetched are the commit's in no way.
        run(outer.path(), &["submodule", "deinit", "-q", "-f", "inner"]);
        assert_eq!(told(), (false, false));
        fs::write(outer.path().join("inner/extra"), "x").unwrap();
        assert_eq!(told(), (true, true));
    }
}
