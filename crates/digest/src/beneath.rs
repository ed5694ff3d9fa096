//! Opening below a folder and nowhere else, whatever links stand there.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

use crate::{Links, ReadError};

/// A folder, held open, and the boundary that no name below it leads across.
pub(crate) struct Tree {
    /// What its caller called it, for messages.
    root: PathBuf,
    /// The boundary, from which every name is resolved.
    boundary: OwnedFd,
    /// From the boundary to the root; empty if they are the same.
    inner: PathBuf,
    follows_links: bool,
    /// Whether the kernel resolves names within a boundary itself (Linux 5.6, if no filter forbids it).
    is_resolved_by_kernel: AtomicBool,
}

impl Tree {
    pub(crate) fn open(root: &Path, links: Links<'_>) -> Result<Self, ReadError> {
        let failed = |cause| ReadError::Io {
            path: root.to_owned(),
            cause,
        };
        let (boundary, inner) = match links {
            Links::Refuse => (root.to_owned(), PathBuf::new()),
            Links::Inside(boundary) => {
                let boundary = boundary.canonicalize().map_err(failed)?;
                let inside = root.canonicalize().map_err(failed)?;
                match inside.strip_prefix(&boundary) {
                    Ok(inner) => (boundary.clone(), inner.to_owned()),
                    Err(_) => return Err(ReadError::Outside { path: inside }),
                }
            }
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let boundary =
            rustix::fs::open(&boundary, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        Ok(Self {
            root: root.to_owned(),
            boundary,
            inner,
            follows_links: matches!(links, Links::Inside(_)),
            is_resolved_by_kernel: AtomicBool::new(true),
        })
    }

    pub(crate) const fn follows_links(&self) -> bool {
        self.follows_links
    }

    /// Where a name stands, as a person would write it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Opens what has this name below the root (the root itself, if it is empty).
    pub(crate) fn open_name(&self, name: &str, flags: OFlags) -> Result<OwnedFd, ReadError> {
        let path = self.inner.join(name);
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &path
        };
        self.resolve(path, flags | OFlags::CLOEXEC)
            .map_err(|cause| {
                let path = self.path(name);
                match cause {
                    Errno::LOOP if !self.follows_links => ReadError::Link { path },
                    Errno::XDEV => ReadError::Outside { path },
                    cause => ReadError::Io {
                        path,
                        cause: cause.into(),
                    },
                }
            })
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        within.set(ResolveFlags::NO_SYMLINKS, !self.follows_links);
        let mut attempts = 0;
        while self.is_resolved_by_kernel.load(Ordering::Relaxed) {
            match rustix::fs::openat2(&self.boundary, path, flags, Mode::empty(), within) {
                // Something was renamed meanwhile, so that the kernel can't be sure.
                Err(Errno::AGAIN) if attempts < ATTEMPTS_MAX => attempts += 1,
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.is_resolved_by_kernel.store(false, Ordering::Relaxed);
                }
                resolved => return resolved,
            }
        }
        resolve_by_steps(&self.boundary, path, flags, self.follows_links)
    }
}

const ATTEMPTS_MAX: u32 = 100;
const LINKS_MAX: u32 = 40;

/// As the kernel does it, where it doesn't: folder by folder, each opened without following a link; what a link says is
/// walked in its place, and a step above the boundary is `XDEV`.
fn resolve_by_steps(
    boundary: &OwnedFd,
    path: &Path,
    flags: OFlags,
    follows_links: bool,
) -> rustix::io::Result<OwnedFd> {
    let mut folders: Vec<OwnedFd> = Vec::new();
    let mut rest = steps(path)?;
    let mut links = 0;
    while let Some(step) = rest.pop() {
        if step == OsStr::new("..") {
            folders.pop().ok_or(Errno::XDEV)?;
            continue;
        }
        let here = folders.last().unwrap_or(boundary).as_fd();
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let there = openat(here, &step, look, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&there)?.st_mode) == FileType::Symlink {
            links += 1;
            if !follows_links || links > LINKS_MAX {
                return Err(Errno::LOOP);
            }
            let target = OsString::from_vec(readlinkat(&there, "", Vec::new())?.into_bytes());
            rest.extend(steps(Path::new(&target))?);
        } else if rest.is_empty() {
            return openat(here, &step, flags | OFlags::NOFOLLOW, Mode::empty());
        } else {
            folders.push(there);
        }
    }
    openat(
        folders.last().unwrap_or(boundary),
        ".",
        flags,
        Mode::empty(),
    )
}

/// The parts of a relative path, last one first.
fn steps(path: &Path) -> rustix::io::Result<Vec<OsString>> {
    let mut steps = Vec::new();
    for component in path.components().rev() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) | Component::ParentDir => {
                steps.push(component.as_os_str().to_owned());
            }
            Component::RootDir | Component::Prefix(_) => return Err(Errno::XDEV),
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(links: bool, by_kernel: bool, folder: &Path) -> Tree {
        let links = if links {
            Links::Inside(folder)
        } else {
            Links::Refuse
        };
        let tree = Tree::open(&folder.join("root"), links).unwrap();
        tree.is_resolved_by_kernel
            .store(by_kernel, Ordering::Relaxed);
        tree
    }

    fn read(tree: &Tree, name: &str) -> Result<String, ReadError> {
        let file = tree.open_name(name, OFlags::RDONLY)?;
        let mut bytes = [0; 16];
        let count = rustix::io::read(&file, &mut bytes).unwrap();
        Ok(String::from_utf8(bytes[..count].to_vec()).unwrap())
    }

    /// By the kernel and by our steps, so that each is the other's twin.
    #[test]
    fn a_name_leads_nowhere_but_beneath() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("boundary");
        std::fs::create_dir_all(folder.join("root/d")).unwrap();
        std::fs::write(outer.path().join("secret"), "secret").unwrap();
        std::fs::write(folder.join("blob"), "blob").unwrap();
        std::fs::write(folder.join("root/d/f"), "f").unwrap();
        let at = |name: &str| folder.join("root").join(name);
        symlink("d/f", at("link")).unwrap();
        symlink("d", at("folder")).unwrap();
        symlink("../blob", at("blob")).unwrap();
        symlink("../../secret", at("out")).unwrap();
        symlink(outer.path().join("secret"), at("absolute")).unwrap();
        symlink("loop", at("loop")).unwrap();
        for by_kernel in [true, false] {
            let refusing = tree(false, by_kernel, &folder);
            let following = tree(true, by_kernel, &folder);
            assert_eq!(read(&refusing, "d/f").unwrap(), "f");
            for (name, text) in [
                ("link", "f"),
                ("folder/f", "f"),
                ("blob", "blob"),
                ("d/f", "f"),
            ] {
                assert_eq!(read(&following, name).unwrap(), text, "{name}");
            }
            for name in ["link", "folder/f", "blob", "out", "absolute", "loop"] {
                let refused = read(&refusing, name);
                assert!(matches!(refused, Err(ReadError::Link { .. })), "{name}");
            }
            for name in ["out", "absolute", "../../secret", "folder/../../../secret"] {
                let refused = read(&following, name);
                assert!(
                    matches!(refused, Err(ReadError::Outside { .. })),
                    "{name} {by_kernel}: {refused:?}"
                );
            }
            assert!(read(&following, "loop").is_err());
            assert!(matches!(
                read(&refusing, "../blob"),
                Err(ReadError::Outside { .. })
            ));
        }
    }

    #[test]
    fn a_root_outside_its_boundary_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = Tree::open(one.path(), Links::Inside(other.path()));
        assert!(matches!(refused, Err(ReadError::Outside { .. })));
    }
}
