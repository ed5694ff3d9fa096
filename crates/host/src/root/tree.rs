//! A tree on disk, measured.

use std::fmt::Write;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use digest::{Digest, ReadError};
use serde::Serialize;

/// A tree that was measured by this process; a step's root is made from nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootTree {
    path: PathBuf,
    digest: Digest,
    kind: Kind,
}

/// Where a tree is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Copied from this host: another host gives another.
    HostClosure,
    /// Given by a person, who says how to make it again.
    Tree,
}

impl Kind {
    /// As provenance says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HostClosure => "host-closure",
            Self::Tree => "tree",
        }
    }
}

/// Top entries of a tree that are not measured, because a step sees the sandbox's own in their place.
pub const REPLACED: &[&str] = &["dev", "in", "out", "proc", "results", "sys", "tmp", "work"];

impl RootTree {
    /// Measures a tree for the first time.
    ///
    /// # Errors
    /// It can't be read, or holds what a root can't.
    pub fn measure(path: &Path, kind: Kind) -> Result<Self, Error> {
        let path = fs::canonicalize(path).map_err(failed(path))?;
        let digest = Digest::of(manifest(&path)?.as_bytes());
        Ok(Self { path, digest, kind })
    }

    /// Measures a tree whose digest is known.
    ///
    /// # Errors
    /// As [`RootTree::measure`], or it is another tree.
    pub fn verify(path: &Path, want: Digest, kind: Kind) -> Result<Self, Error> {
        let tree = Self::measure(path, kind)?;
        if tree.digest == want {
            return Ok(tree);
        }
        Err(Error::Mismatch {
            path: tree.path,
            want,
            got: tree.digest,
        })
    }

    /// Sees to it that the tree still is what it was.
    pub(crate) fn measure_again(&self) -> Result<(), Error> {
        Self::verify(&self.path, self.digest, self.kind).map(drop)
    }

    /// The same after it was moved to where only its owner reaches it.
    pub(super) fn moved_to(&self, path: &Path) -> Result<Self, Error> {
        Ok(Self {
            path: fs::canonicalize(path).map_err(failed(path))?,
            ..*self
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of its manifest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Where it is from.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its manifest, measured anew.
    ///
    /// # Errors
    /// As [`RootTree::measure`].
    pub fn manifest(&self) -> Result<String, Error> {
        manifest(&self.path)
    }
}

fn manifest(root: &Path) -> Result<String, Error> {
    let mut lines = String::from("modelward root 1\n");
    let mut walk = Walk {
        lines: &mut lines,
        entries: 0,
    };
    walk.folder(root, "", 0)?;
    Ok(lines)
}

struct Walk<'a> {
    lines: &'a mut String,
    entries: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Error> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(failed(folder))?;
        entries.sort_unstable_by_key(DirEntry::file_name);
        self.entries += entries.len();
        if depth > DEPTH_MAX || self.entries > ENTRIES_MAX {
            return Err(Error::TooMuch {
                path: folder.to_owned(),
            });
        }
        for entry in entries {
            self.entry(&entry, prefix, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, prefix: &str, depth: usize) -> Result<(), Error> {
        let path = entry.path();
        let name = plain_name(entry)?;
        if depth == 0 && REPLACED.contains(&name.as_str()) {
            return Ok(());
        }
        let name = format!("{prefix}{name}");
        let metadata = entry.metadata().map_err(failed(&path))?;
        let mode = metadata.permissions().mode() & MODE_BITS;
        let line = if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(failed(&path))?;
            let target = target
                .to_str()
                .ok_or_else(|| Error::Name { path: path.clone() })?;
            format!("link {}:{target}", target.len())
        } else if metadata.is_dir() {
            format!("folder {mode:o}")
        } else if !metadata.is_file() {
            return Err(Error::Special { path });
        } else {
            let measured = digest::measure_file(&path)?;
            format!("{} {mode:o}", measured.digest().hex())
        };
        let _ = writeln!(self.lines, "{line} {name}");
        if metadata.is_dir() {
            self.folder(&path, &format!("{name}/"), depth + 1)?;
        }
        Ok(())
    }
}

fn plain_name(entry: &DirEntry) -> Result<String, Error> {
    let name = entry.file_name().into_string().ok();
    name.filter(|name| !name.contains(char::is_control))
        .ok_or_else(|| Error::Name { path: entry.path() })
}

/// What of a mode counts: who may read, write and execute, and the sticky bit.
pub(super) const MODE_BITS: u32 = 0o1777;
pub(super) const DEPTH_MAX: usize = 64;
const ENTRIES_MAX: usize = 1_000_000;

pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    |cause| Error::Io {
        path: path.to_owned(),
        cause,
    }
}

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing failed.
    #[error("`{}` can't be read or written", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A file can't be measured.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A symbolic link was named, and what it points to is not copied with it.
    #[error("`{}` is a symbolic link, and links are not followed", path.display())]
    Link {
        /// Which.
        path: PathBuf,
    },
    /// Neither file, folder nor link.
    #[error("`{}` is a socket, pipe or device, and a root has none", path.display())]
    Special {
        /// Which.
        path: PathBuf,
    },
    /// A name or link target that can't be written in a manifest.
    #[error("the name or target of `{}` is not plain UTF-8", path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// Too deep, or too many entries.
    #[error("`{}` holds more than {ENTRIES_MAX} entries or is deeper than {DEPTH_MAX} folders", path.display())]
    TooMuch {
        /// Where it was noticed.
        path: PathBuf,
    },
    /// Another tree than the one that was asked for.
    #[error("`{}` is not the root that was asked for: expected {want}, got {got}", path.display())]
    Mismatch {
        /// Where.
        path: PathBuf,
        /// What it had to be.
        want: Digest,
        /// What it is.
        got: Digest,
    },
    /// A tree that is not the same before and after it was copied.
    #[error("`{}` changed while it was copied", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// No root of this digest is kept.
    #[error("there is no root {digest} in the store")]
    NotKept {
        /// Which.
        digest: Digest,
    },
    /// Something among the roots that are kept which is none.
    #[error("`{}` is no root's digest", path.display())]
    Stray {
        /// Which.
        path: PathBuf,
    },
    /// A program can't be executed here, so what it needs isn't known.
    #[error("`{}` is not a program of this machine", path.display())]
    Program {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: super::elf::Error,
    },
    /// A library that a program needs is not where the loader looks.
    #[error("`{}` needs `{library}`, which is not installed; install it, or name the folder that holds it", by.display())]
    Library {
        /// Which.
        library: String,
        /// What needs it.
        by: PathBuf,
    },
    /// A file that a step would not see, because it has a folder of its own there.
    #[error("`{}` would be hidden by the step's own folder of that name; give it as an input", path.display())]
    Hidden {
        /// Which.
        path: PathBuf,
    },
    /// Two programs from outside the system's folders have one name.
    #[error("two programs would both be `{}`; rename one", path.display())]
    SameName {
        /// Where they would be.
        path: PathBuf,
    },
    /// The folder to build in is in use.
    #[error("`{}` is not empty; a root is built in an empty or new folder", path.display())]
    NotEmpty {
        /// Which.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["usr/bin", "dev", "etc"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("usr/bin/tool"), "x").unwrap();
        fs::write(at("dev/ignored"), "x").unwrap();
        std::os::unix::fs::symlink("usr/bin", at("bin")).unwrap();
        dir
    }

    #[test]
    fn a_manifest_sees_content_modes_links_and_names() {
        let dir = sample();
        let measure = || RootTree::measure(dir.path(), Kind::Tree).unwrap();
        let first = measure();
        assert_eq!(measure(), first);
        assert!(first.measure_again().is_ok());
        let tool = dir.path().join("usr/bin/tool");
        fs::write(dir.path().join("dev/ignored"), "y").unwrap();
        assert_eq!(measure(), first);
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(&tool, "y").unwrap(),
            &|| fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap(),
            &|| {
                fs::remove_file(dir.path().join("bin")).unwrap();
                std::os::unix::fs::symlink("usr/sbin", dir.path().join("bin")).unwrap();
            },
            &|| fs::create_dir(dir.path().join("etc/more")).unwrap(),
        ];
        let mut seen = vec![first.digest()];
        for change in changes {
            change();
            let digest = measure().digest();
            assert!(!seen.contains(&digest));
            seen.push(digest);
        }
        assert!(matches!(first.measure_again(), Err(Error::Mismatch { .. })));
        // Does nothing in a step, and stays behind in a copy.
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o6755)).unwrap();
        assert_eq!(Some(&measure().digest()), seen.last());
    }

    #[test]
    fn a_manifest_cannot_be_faked_by_names() {
        let dir = sample();
        fs::write(dir.path().join("etc/a\nb"), "").unwrap();
        assert!(matches!(
            RootTree::measure(dir.path(), Kind::Tree),
            Err(Error::Name { .. })
        ));
    }

    #[test]
    fn devices_and_pipes_are_no_part_of_a_root() {
        let dir = sample();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("etc/pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(matches!(
            RootTree::measure(dir.path(), Kind::Tree),
            Err(Error::Special { .. })
        ));
    }
}
