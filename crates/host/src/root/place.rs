//! Files put into a root at another path than they have on this host.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::tree::{Error, REPLACED, failed};

const DEPTH_MAX: usize = 64;

/// Copies a file, or a folder with all below it, into a root that is still being made, at the absolute path `inside`.
/// Modes become 755 for what its owner may execute and 644 for the rest.
///
/// # Errors
/// Something can't be read or written, is a link or no plain file, `inside` is no plain absolute path, or a step would not see it
/// there.
pub fn place(root: &Path, from: &Path, inside: &Path) -> Result<(), Error> {
    let target = below(root, inside)?;
    fs::create_dir_all(target.parent().unwrap_or(root)).map_err(failed(&target))?;
    copy(from, &target, root, 0)
}

fn below(root: &Path, inside: &Path) -> Result<PathBuf, Error> {
    let mut target = root.to_owned();
    for part in inside.components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => target.push(name),
            _ => {
                return Err(Error::Io {
                    path: inside.to_owned(),
                    cause: std::io::ErrorKind::InvalidInput.into(),
                });
            }
        }
    }
    Ok(target)
}

fn copy(from: &Path, to: &Path, root: &Path, depth: usize) -> Result<(), Error> {
    let inside = to.strip_prefix(root).unwrap_or(to);
    let top = inside.iter().next().and_then(|name| name.to_str());
    if top.is_some_and(|top| REPLACED.contains(&top)) {
        let path = Path::new("/").join(inside);
        return Err(Error::Hidden { path });
    }
    let metadata = fs::symlink_metadata(from).map_err(failed(from))?;
    if metadata.is_dir() && depth < DEPTH_MAX {
        fs::create_dir_all(to).map_err(failed(to))?;
        for entry in fs::read_dir(from).map_err(failed(from))? {
            let name = entry.map_err(failed(from))?.file_name();
            copy(&from.join(&name), &to.join(&name), root, depth + 1)?;
        }
        return Ok(());
    }
    if !metadata.is_file() {
        let path = from.to_owned();
        return Err(match metadata.file_type() {
            kind if kind.is_symlink() => Error::Link { path },
            kind if kind.is_dir() => Error::TooMuch { path },
            _ => Error::Special { path },
        });
    }
    let mode = if metadata.permissions().mode() & 0o100 == 0 {
        0o644
    } else {
        0o755
    };
    fs::copy(from, to).map_err(failed(to))?;
    fs::set_permissions(to, Permissions::from_mode(mode)).map_err(failed(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_what_is_plain() {
        let dir = tempfile::tempdir().unwrap();
        let (root, from) = (dir.path().join("root"), dir.path().join("from"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/f"), "x").unwrap();
        place(&root, &from, Path::new("/app")).unwrap();
        assert_eq!(fs::read(root.join("app/sub/f")).unwrap(), b"x");
        assert!(place(&root, &from, Path::new("/../x")).is_err());
        for inside in ["/in", "/in/x", "in/x", "/tmp/x/y"] {
            let placed = place(&root, &from, Path::new(inside));
            assert!(matches!(placed, Err(Error::Hidden { .. })), "{inside}");
        }
        place(&root, &from, Path::new("/inside/in")).unwrap();
        // A folder in the place of the root is looked at name by name.
        place(&root, &from, Path::new("/")).unwrap();
        fs::create_dir(from.join("out")).unwrap();
        let placed = place(&root, &from, Path::new("/"));
        assert!(matches!(placed, Err(Error::Hidden { path }) if path == Path::new("/out")));
        fs::remove_dir(from.join("out")).unwrap();
        std::os::unix::fs::symlink("/etc", from.join("l")).unwrap();
        let placed = place(&root, &from, Path::new("/b"));
        assert!(matches!(placed, Err(Error::Link { .. })));
    }
}
