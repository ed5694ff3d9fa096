//! A tree of somebody's, copied as far as a root goes: what the manifest tells of it, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, DirEntry, FileTimes, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::tree::{DEPTH_MAX, Error, MODE_BITS, REPLACED, failed};

/// Copies the tree at `from` to the new folder `into`, and says how large it is. Hard links stay hard links; owners,
/// times, extended attributes, set-user-id and set-group-id bits stay behind. The copy is not measured.
pub(super) fn copy(from: &Path, into: &Path) -> Result<u64, Error> {
    let mut copying = Copying::default();
    make_folder(into)?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| REPLACED.contains(&name)) {
            copying.entry(&entry, &into.join(name), 0)?;
        }
    }
    copying.folders.push((into.to_owned(), 0o755));
    // Last: into a folder that may not be written to nothing can be put, and it can't be removed either.
    for (folder, mode) in copying.folders {
        set_mode(&folder, mode)?;
    }
    Ok(copying.size_bytes)
}

#[derive(Default)]
struct Copying {
    size_bytes: u64,
    /// Files with more names than one, by device and inode.
    linked: BTreeMap<(u64, u64), PathBuf>,
    /// Inner ones first.
    folders: Vec<(PathBuf, u32)>,
}

impl Copying {
    fn entry(&mut self, entry: &DirEntry, to: &Path, depth: usize) -> Result<(), Error> {
        let from = entry.path();
        let metadata = entry.metadata().map_err(failed(&from))?;
        if metadata.is_symlink() {
            let target = fs::read_link(&from).map_err(failed(&from))?;
            symlink(target, to).map_err(failed(to))
        } else if metadata.is_dir() {
            self.folder(&from, to, depth)?;
            self.folders.push((to.to_owned(), mode(&metadata)));
            Ok(())
        } else {
            self.file(&from, to, &metadata)
        }
    }

    fn folder(&mut self, from: &Path, to: &Path, depth: usize) -> Result<(), Error> {
        if depth >= DEPTH_MAX {
            return Err(Error::TooMuch {
                path: from.to_owned(),
            });
        }
        make_folder(to)?;
        for entry in fs::read_dir(from).map_err(failed(from))? {
            let entry = entry.map_err(failed(from))?;
            self.entry(&entry, &to.join(entry.file_name()), depth + 1)?;
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, to: &Path, metadata: &Metadata) -> Result<(), Error> {
        let inode = (metadata.dev(), metadata.ino());
        if let Some(first) = self.linked.get(&inode) {
            return fs::hard_link(first, to).map_err(failed(to));
        }
        // What is no regular file any more is refused here.
        let mut source = digest::open_file(from)?;
        self.size_bytes += write(&mut source, to, mode(metadata)).map_err(failed(to))?;
        if metadata.nlink() > 1 {
            self.linked.insert(inode, to.to_owned());
        }
        Ok(())
    }
}

fn write(source: &mut fs::File, to: &Path, mode: u32) -> io::Result<u64> {
    let mut new = OpenOptions::new();
    let mut target = new.write(true).create_new(true).mode(0o600).open(to)?;
    let size_bytes = io::copy(source, &mut target)?;
    target.set_permissions(Permissions::from_mode(mode))?;
    let epoch = SystemTime::UNIX_EPOCH;
    target.set_times(FileTimes::new().set_accessed(epoch).set_modified(epoch))?;
    Ok(size_bytes)
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & MODE_BITS
}

fn make_folder(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(failed(path))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed(path))
}
