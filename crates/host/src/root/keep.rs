//! The roots that a store keeps: each whole, and under its digest.

use std::fs::{self, DirBuilder, DirEntry, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use digest::Digest;

use super::copy::copy;
use super::tree::{Error, Kind, RootTree, failed};

/// A folder of roots, `KIND/HEX` each. Only its owner reaches it: in a tree there may be folders that anyone may write
/// to.
#[derive(Debug)]
pub struct RootFolder {
    path: PathBuf,
}

/// A root that a folder was asked to take.
#[derive(Debug)]
pub struct Taken {
    /// The root that is kept.
    pub root: RootTree,
    /// How much was copied for it; nothing if it was there.
    pub copied_size_bytes: Option<u64>,
}

impl RootFolder {
    /// The one at this path; it is made when it is needed.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Keeps a root that was made in `made`, on the same file system: that folder is moved, unless the same root is here.
    ///
    /// # Errors
    /// As [`RootTree::measure`]; the root that is here was changed; or the folder can't be written.
    pub fn keep(&self, made: &Path, kind: Kind) -> Result<RootTree, Error> {
        let made = RootTree::measure(made, kind)?;
        match self.kept(made.digest(), kind)? {
            Some(kept) => Ok(kept),
            None => self.put(&made),
        }
    }

    /// Takes a copy of a person's tree, unless it is here: then that one is measured. It is copied into the new folder
    /// `unfinished`, on the same file system, and moved when it is whole.
    ///
    /// # Errors
    /// As [`RootFolder::keep`], or the tree changed while it was copied.
    pub fn take(&self, tree: &Path, unfinished: &Path) -> Result<Taken, Error> {
        let given = RootTree::measure(tree, Kind::Tree)?;
        if let Some(root) = self.kept(given.digest(), Kind::Tree)? {
            return Ok(Taken {
                root,
                copied_size_bytes: None,
            });
        }
        let size_bytes = copy(given.path(), unfinished)?;
        let copied = RootTree::measure(unfinished, Kind::Tree)?;
        if copied.digest() != given.digest() {
            return Err(Error::Changed {
                path: tree.to_owned(),
            });
        }
        Ok(Taken {
            root: self.put(&copied)?,
            copied_size_bytes: Some(size_bytes),
        })
    }

    /// The root with this digest, measured. One that is here both ways is said to be of the host: that claims less.
    ///
    /// # Errors
    /// It is not here, or was changed.
    pub fn open(&self, digest: Digest) -> Result<RootTree, Error> {
        for kind in [Kind::HostClosure, Kind::Tree] {
            if let Some(kept) = self.kept(digest, kind)? {
                return Ok(kept);
            }
        }
        Err(Error::NotKept { digest })
    }

    /// Measures all that is here, and returns what is wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<Error> {
        let kinds = [Kind::HostClosure, Kind::Tree];
        kinds
            .into_iter()
            .flat_map(|kind| self.faults_of(kind))
            .collect()
    }

    fn faults_of(&self, kind: Kind) -> Vec<Error> {
        let folder = self.path.join(kind.as_str());
        let entries = match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>)
        {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(cause) => return vec![failed(&folder)(cause)],
        };
        let fault = |entry: DirEntry| {
            let (path, name) = (entry.path(), entry.file_name());
            let digest = name.to_str().and_then(|name| Digest::from_hex(name).ok());
            match digest {
                Some(digest) => RootTree::verify(&path, digest, kind).err(),
                None => Some(Error::Stray { path }),
            }
        };
        entries.into_iter().filter_map(fault).collect()
    }

    fn kept(&self, digest: Digest, kind: Kind) -> Result<Option<RootTree>, Error> {
        let path = self.path_of(digest, kind);
        if !path.try_exists().map_err(failed(&path))? {
            return Ok(None);
        }
        RootTree::verify(&path, digest, kind).map(Some)
    }

    /// The bytes are on the disk before the name is: after a power cut a root is whole or not there.
    fn put(&self, made: &RootTree) -> Result<RootTree, Error> {
        let kept = self.path_of(made.digest(), made.kind());
        let parent = kept.parent().unwrap_or(&self.path);
        let mut folders = DirBuilder::new();
        folders.mode(0o700).recursive(true);
        folders.create(parent).map_err(failed(parent))?;
        let folder = File::open(made.path()).map_err(failed(made.path()))?;
        rustix::fs::syncfs(&folder).map_err(|e| failed(made.path())(e.into()))?;
        match fs::rename(made.path(), &kept) {
            // Another process has just put the same one down; it is measured as any other that is here.
            Err(_) if kept.is_dir() => {
                return RootTree::verify(&kept, made.digest(), made.kind());
            }
            renamed => renamed.map_err(failed(&kept))?,
        }
        let parent_folder = File::open(parent).and_then(|folder| folder.sync_all());
        parent_folder.map_err(failed(parent))?;
        made.moved_to(&kept)
    }

    fn path_of(&self, digest: Digest, kind: Kind) -> PathBuf {
        self.path.join(kind.as_str()).join(digest.hex())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    struct World {
        dir: tempfile::TempDir,
        roots: RootFolder,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let roots = RootFolder::at(&dir.path().join("roots"));
            let tree = dir.path().join("tree");
            for folder in ["usr/bin", "dev", "etc"] {
                fs::create_dir_all(tree.join(folder)).unwrap();
            }
            fs::write(tree.join("usr/bin/tool"), "tool").unwrap();
            fs::hard_link(tree.join("usr/bin/tool"), tree.join("usr/bin/same")).unwrap();
            symlink("/usr/bin", tree.join("bin")).unwrap();
            Self { dir, roots }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn take(&self) -> Result<Taken, Error> {
            self.roots.take(&self.at("tree"), &self.at("unfinished"))
        }
    }

    #[test]
    fn a_tree_is_copied_once_and_opened_by_its_digest() {
        let world = World::new();
        let first = world.take().unwrap();
        assert_eq!(first.copied_size_bytes, Some(4), "a hard link is one file");
        let digest = first.root.digest();
        let kept = world.roots.path_of(digest, Kind::Tree);
        assert_eq!(first.root.path(), kept.canonicalize().unwrap());
        assert!(!world.at("unfinished").exists());
        let again = world.take().unwrap();
        assert_eq!((again.copied_size_bytes, &again.root), (None, &first.root));
        assert_eq!(world.roots.open(digest).unwrap(), first.root);
        assert!(matches!(
            world.roots.open(Digest::of(b"other")),
            Err(Error::NotKept { .. })
        ));
        // What happens to the person's own later changes nothing here.
        fs::remove_dir_all(world.at("tree")).unwrap();
        assert_eq!(world.roots.open(digest).unwrap(), first.root);
    }

    #[test]
    fn a_kept_root_that_was_changed_is_refused() {
        let world = World::new();
        assert!(world.roots.faults().is_empty());
        let kept = world.take().unwrap().root;
        assert!(world.roots.faults().is_empty());
        fs::write(kept.path().join("usr/bin/tool"), "evil").unwrap();
        fs::create_dir(world.at("roots/tree/odd")).unwrap();
        let faults = world.roots.faults();
        assert_eq!(faults.len(), 2);
        let has = |wanted: fn(&Error) -> bool| faults.iter().any(wanted);
        assert!(has(|fault| matches!(fault, Error::Mismatch { .. })));
        assert!(has(|fault| matches!(fault, Error::Stray { .. })));
        for refused in [
            world.take().map(|taken| taken.root),
            world.roots.open(kept.digest()),
        ] {
            assert!(matches!(refused, Err(Error::Mismatch { .. })));
        }
    }

    #[test]
    fn a_copy_has_links_and_modes_and_nobodys_rights() {
        let world = World::new();
        world.mode("tree/usr/bin/tool", 0o6755);
        world.mode("tree/etc", 0o1777);
        world.mode("tree/usr/bin", 0o2555);
        let kept = world.take().unwrap().root;
        let at = |name: &str| fs::symlink_metadata(kept.path().join(name)).unwrap();
        let mode = |name: &str| at(name).permissions().mode() & 0o7777;
        assert_eq!(mode("usr/bin/tool"), 0o755, "set-user-id is left out");
        assert_eq!((mode("etc"), mode("usr/bin")), (0o1777, 0o555));
        assert_eq!(at("usr/bin/tool").ino(), at("usr/bin/same").ino());
        assert_eq!(at("usr/bin/tool").mtime(), 0);
        let link = fs::read_link(kept.path().join("bin")).unwrap();
        assert_eq!(link, Path::new("/usr/bin"));
        assert!(!kept.path().join("dev").exists());
        let of_roots = fs::metadata(world.at("roots")).unwrap();
        assert_eq!(of_roots.permissions().mode() & 0o777, 0o700);
        world.mode("tree/usr/bin", 0o755);
        fs::set_permissions(
            kept.path().join("usr/bin"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
    }

    #[test]
    fn what_was_made_is_moved_and_keeps_its_kind() {
        let world = World::new();
        let made = world
            .roots
            .keep(&world.at("tree"), Kind::HostClosure)
            .unwrap();
        assert!(!world.at("tree").exists() && made.path().join("usr/bin/tool").exists());
        let opened = world.roots.open(made.digest()).unwrap();
        assert_eq!(opened.kind(), Kind::HostClosure);
    }

    #[test]
    fn a_tree_with_a_socket_is_not_taken() {
        let world = World::new();
        let _socket = std::os::unix::net::UnixListener::bind(world.at("tree/etc/socket")).unwrap();
        assert!(matches!(world.take(), Err(Error::Special { .. })));
        assert!(!world.at("roots").exists() && !world.at("unfinished").exists());
    }
}
