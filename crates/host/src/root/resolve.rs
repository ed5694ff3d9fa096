//! What a path means inside a root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::tree::{REPLACED, RootTree};

impl RootTree {
    /// The file that an absolute path means in a step, as its path below the root: links are followed as the step would,
    /// so none leads out. Nothing for what is no file of this tree.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> Option<PathBuf> {
        if !path.is_absolute() {
            return None;
        }
        let mut real = PathBuf::new();
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == Path::new("..") {
                real.pop();
                continue;
            }
            let here = real.join(part);
            if is_replaced(&here) {
                return None;
            }
            let on_disk = self.path().join(&here);
            if !fs::symlink_metadata(&on_disk).ok()?.is_symlink() {
                real = here;
                continue;
            }
            links += 1;
            let target = fs::read_link(&on_disk)
                .ok()
                .filter(|_| links <= LINKS_MAX)?;
            if target.is_absolute() {
                real = PathBuf::new();
            }
            rest.extend(parts(&target));
        }
        let found = fs::symlink_metadata(self.path().join(&real)).ok()?;
        found.is_file().then_some(real)
    }

    /// The program that a command begins with: a path, or a name that is looked for in the folders of `search`, as
    /// `PATH` has them.
    #[must_use]
    pub fn program(&self, name: &str, search: &str) -> Option<PathBuf> {
        if name.contains('/') {
            return self.resolve(Path::new(name));
        }
        let candidates = search.split(':').map(|folder| Path::new(folder).join(name));
        candidates
            .filter_map(|path| self.resolve(&path))
            .find(|found| self.is_executable(found))
    }

    fn is_executable(&self, found: &Path) -> bool {
        fs::symlink_metadata(self.path().join(found))
            .is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
    }
}

/// A step has its own there.
fn is_replaced(path: &Path) -> bool {
    let top = path.iter().next().and_then(|top| top.to_str());
    top.is_some_and(|top| REPLACED.contains(&top))
}

/// The components of a path, last first.
pub(super) fn parts(path: &Path) -> Vec<PathBuf> {
    path.components()
        .rev()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| PathBuf::from(part.as_os_str()))
        .collect()
}

/// As many as Linux follows.
pub(super) const LINKS_MAX: u32 = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::Kind;
    use super::*;

    #[test]
    fn links_lead_where_a_step_would_come_to_and_never_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join("root").join(name);
        for folder in ["usr/bin", "usr/local/bin", "tmp"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for (file, mode) in [
            ("usr/bin/python3.11", 0o755),
            ("usr/local/bin/python3", 0o644),
            ("tmp/hidden", 0o755),
        ] {
            fs::write(at(file), "x").unwrap();
            fs::set_permissions(at(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(dir.path().join("outside"), "x").unwrap();
        for (to, link) in [
            ("usr/bin", "bin"),
            ("python3.11", "usr/bin/python3"),
            ("/usr/bin/python3", "usr/bin/python"),
            ("/bin/../../../bin/python", "usr/bin/up"),
            ("loop", "usr/bin/loop"),
            ("../../../outside", "usr/bin/out"),
            ("/tmp/hidden", "usr/bin/own"),
        ] {
            symlink(to, at(link)).unwrap();
        }
        let outside = dir.path().join("outside").display().to_string();
        symlink(&outside, at("usr/bin/far")).unwrap();
        let root = RootTree::measure(&at(""), Kind::Tree).unwrap();
        let real = Some(PathBuf::from("usr/bin/python3.11"));
        for path in [
            "/usr/bin/python3.11",
            "/bin/python3",
            "/bin/python",
            "/bin/up",
        ] {
            assert_eq!(root.resolve(Path::new(path)), real, "{path}");
        }
        for path in [
            "/bin/loop",
            "/bin/out",
            "/bin/own",
            "/bin/far",
            "/tmp/hidden",
            "/usr/bin",
            "/nowhere",
            "usr/bin/python3.11",
            outside.as_str(),
        ] {
            assert_eq!(root.resolve(Path::new(path)), None, "{path}");
        }
        // The first that can be executed, as the system looks for it.
        let search = "/usr/local/bin:/usr/bin";
        assert_eq!(root.program("python3", search), real);
        assert_eq!(root.program("/bin/python3", search), real);
        assert_eq!(root.program("python3", "/usr/local/bin"), None);
        assert_eq!(root.program("bin/python3", search), None);
    }
}
