//! A folder's files, each measured, in the order of their names.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, fstat, statat};

use crate::beneath::Tree;
use crate::schedule::{self, Order, Piece};
use crate::stream::{Entry, Stamp};
use crate::{ByName, Kernels, Measured, MeasuredResource, Method, Names, ReadError};

/// The regular files under a folder: names relative to it, with `/`, in code-point order, each with what it measures.
pub type Listing = ByName<Measured>;

/// As OpenSSF model signing names them: a file by its name, as in a [`Listing`], or a shard of it by `NAME:START:END`,
/// where the end is exclusive. An empty file has no shard.
pub type Resources = ByName<MeasuredResource>;

/// What of a folder is walked.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// Leaves out the paths for which it says so; a folder that is left out takes all below it along.
    pub ignore: &'a (dyn Fn(&str) -> bool + Sync),
    /// What becomes of symbolic links.
    pub links: Links<'a>,
}

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy)]
pub enum Links<'a> {
    /// A link is an error.
    Refuse,
    /// Links to files and folders inside this one are followed; it is the root, or holds it. All others are errors, and
    /// so is a link to a folder that holds the link.
    Inside(&'a Path),
}

const DEPTH_MAX: usize = 64;
const FILES_MAX: usize = 1_000_000;
const FOLDER_LINKS_MAX: usize = 10_000;

/// Measures every file under `root`, on all cores, leaving out the paths for which `ignore` says so (a folder that is
/// left out takes all below it along). `progress` hears of bytes as they are read.
///
/// # Errors
/// A link, socket or device is among them, a name is not UTF-8, there are too many or too deep, or a file can't be read.
pub fn list(
    root: &Path,
    ignore: &(dyn Fn(&str) -> bool + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Listing, WalkError> {
    let links = Links::Refuse;
    list_walked(root, &Walk { ignore, links }, progress)
}

/// As [`list`], or of `root` itself if it is a file (then by its own name), through links if that was said.
///
/// # Errors
/// As [`list`]; or a link leads outside or around in a circle.
pub fn list_walked(
    root: &Path,
    walk: &Walk<'_>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Listing, WalkError> {
    let (tree, files) = open(root, walk)?;
    let order = Order {
        tree: &tree,
        files: &files,
        shards: None,
        algorithm: Method::WHOLE_SHA256.algorithm,
        kernels: Kernels::of_this_processor(),
        progress,
    };
    let digests = schedule::measure(&order)?;
    let algorithm = order.algorithm;
    let Files { names, stamps } = files;
    // As large as what each becomes, so that it is made where it lies.
    let measured = stamps.into_iter().zip(digests.iter());
    let measured = measured.filter_map(|(stamp, digest)| {
        MeasuredResource::new(algorithm, digest, stamp.size_bytes()).measured()
    });
    Ok(Listing::of(names, measured.collect()))
}

/// As [`list_walked`], measured as a signature's method says. `progress` hears of bytes as they are read.
///
/// # Errors
/// As [`list_walked`]; or there are too many shards.
pub fn list_resources(
    root: &Path,
    walk: &Walk<'_>,
    method: Method,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Resources, WalkError> {
    list_resources_by(Kernels::of_this_processor(), root, walk, method, progress)
}

/// As [`list_resources`], with these kernels, so that they can be compared.
///
/// # Errors
/// As [`list_resources`].
pub fn list_resources_by(
    kernels: Kernels,
    root: &Path,
    walk: &Walk<'_>,
    method: Method,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Resources, WalkError> {
    let (tree, files) = open(root, walk)?;
    let too_much = || WalkError::TooMuch {
        path: root.to_owned(),
    };
    let shards = method
        .shard_size
        .map(|size| shards(&files, size).ok_or_else(too_much))
        .transpose()?;
    let order = Order {
        tree: &tree,
        files: &files,
        shards: shards.as_deref(),
        algorithm: method.algorithm,
        kernels,
        progress,
    };
    let digests = schedule::measure(&order)?;
    let measured = digests.iter().enumerate().map(|(at, digest)| {
        MeasuredResource::new(method.algorithm, digest, order.piece(at).size_bytes())
    });
    let measured: Vec<_> = measured.collect();
    let names = match &shards {
        None => files.names,
        Some(shards) => shard_names(&files, shards),
    };
    Ok(Resources::of(names, measured))
}

/// No two are called the same: after its last two colons a name says which shard it is, and before them of which file.
fn shard_names(files: &Files, shards: &[Piece]) -> Names {
    let mut names = Names::default();
    for shard in shards {
        let file = files.entry(shard.file).name;
        names.push(&format!("{file}:{}:{}", shard.start, shard.end));
    }
    names
}

/// The names of the regular files under `root`, as [`list`] has them, without reading any.
///
/// # Errors
/// As [`list`].
pub fn names(
    root: &Path,
    ignore: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<String>, WalkError> {
    let links = Links::Refuse;
    let tree = Tree::open(root, links)?;
    let files = Collector::collect(&tree, &Walk { ignore, links })?;
    let mut names: Vec<String> = files.entries().map(|file| file.name.to_owned()).collect();
    names.sort();
    Ok(names)
}

/// The files of a folder, or a single file in the folder where it stands.
fn open(root: &Path, walk: &Walk<'_>) -> Result<(Tree, Files), WalkError> {
    let failed = |cause| ReadError::Io {
        path: root.to_owned(),
        cause,
    };
    if std::fs::metadata(root).map_err(failed)?.is_dir() {
        let tree = Tree::open(root, walk.links)?;
        let files = Collector::collect(&tree, walk)?;
        return Ok((tree, files));
    }
    let path = || root.to_owned();
    let name = root.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| WalkError::Name { path: path() })?;
    let folder = root.parent().filter(|folder| *folder != Path::new(""));
    let tree = Tree::open(folder.unwrap_or(Path::new(".")), walk.links)?;
    let file = tree.open_name(name, OFlags::PATH)?;
    let stat = fstat(file).map_err(|e| failed(e.into()))?;
    let stamp = Stamp::of(&stat).ok_or_else(|| ReadError::NotAFile { path: path() })?;
    let mut files = Files::default();
    files.push(name, stamp);
    Ok((tree, files))
}

/// None if there would be too many.
fn shards(files: &Files, size: NonZeroU64) -> Option<Vec<Piece>> {
    let counts = files
        .entries()
        .map(|file| file.stamp.size_bytes().div_ceil(size.get()));
    let count = counts.fold(0, u64::saturating_add);
    (count <= FILES_MAX as u64).then_some(())?;
    let mut pieces = Vec::new();
    for (file, entry) in files.entries().enumerate() {
        let mut start = 0;
        while start < entry.stamp.size_bytes() {
            let end = start
                .saturating_add(size.get())
                .min(entry.stamp.size_bytes());
            pieces.push(Piece { file, start, end });
            start = end;
        }
    }
    Some(pieces)
}

// [`list_walked`] makes the one of the other.
const _: () = assert!(size_of::<Stamp>() == size_of::<Measured>());

/// The regular files that were seen.
#[derive(Default)]
pub(crate) struct Files {
    names: Names,
    stamps: Vec<Stamp>,
}

impl Files {
    fn push(&mut self, name: &str, stamp: Stamp) {
        self.names.push(name);
        self.stamps.push(stamp);
    }

    pub(crate) const fn len(&self) -> usize {
        self.stamps.len()
    }

    pub(crate) fn entry(&self, at: usize) -> Entry<'_> {
        Entry {
            name: self.names.get(at),
            stamp: self.stamps[at],
        }
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).map(|at| self.entry(at))
    }
}

/// Goes through folders and notes files.
struct Collector<'a> {
    tree: &'a Tree,
    walk: &'a Walk<'a>,
    files: Files,
    /// Files, folders and links that were seen.
    seen: usize,
    /// Links to folders that were followed: a few of them can make far more names than there are files.
    folder_links: usize,
    /// The folders from the root to the one at hand, by device and inode.
    above: Vec<(u64, u64)>,
}

impl<'a> Collector<'a> {
    fn collect(tree: &'a Tree, walk: &'a Walk<'a>) -> Result<Files, WalkError> {
        let mut collector = Self {
            tree,
            walk,
            files: Files::default(),
            seen: 0,
            folder_links: 0,
            above: Vec::new(),
        };
        collector.folder("")?;
        Ok(collector.files)
    }

    fn folder(&mut self, name: &str) -> Result<(), WalkError> {
        let failed = |cause: rustix::io::Errno| self.failed(name, cause);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = self.tree.open_name(name, flags)?;
        let stat = fstat(&folder).map_err(failed)?;
        #[expect(
            clippy::useless_conversion,
            reason = "the types differ from one architecture to the next"
        )]
        let identity = (u64::from(stat.st_dev), u64::from(stat.st_ino));
        if self.above.contains(&identity) {
            let path = self.tree.path(name);
            return Err(WalkError::Circle { path });
        }
        let entries = Dir::read_from(&folder).map_err(failed)?;
        self.above.push(identity);
        for entry in entries {
            let entry = entry.map_err(|cause| self.failed(name, cause))?;
            let bytes = entry.file_name().to_bytes();
            if bytes == b"." || bytes == b".." {
                continue;
            }
            self.seen += 1;
            let is_too_much = self.above.len() > DEPTH_MAX
                || self.seen > FILES_MAX
                || self.folder_links > FOLDER_LINKS_MAX;
            if is_too_much {
                let path = self.tree.path(name);
                return Err(WalkError::TooMuch { path });
            }
            let Ok(last) = entry.file_name().to_str() else {
                let last: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
                let path = self.tree.path(name).join(last);
                return Err(WalkError::Name { path });
            };
            let name = if name.is_empty() {
                last.to_owned()
            } else {
                format!("{name}/{last}")
            };
            if !(self.walk.ignore)(&name) {
                self.entry(&folder, last, &name)?;
            }
        }
        self.above.pop();
        Ok(())
    }

    fn entry(&mut self, folder: impl AsFd, last: &str, name: &str) -> Result<(), WalkError> {
        let failed = |cause| self.failed(name, cause);
        let mut stat = statat(folder, last, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let mut kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink && self.tree.follows_links() {
            let there = self.tree.open_name(name, OFlags::PATH)?;
            stat = fstat(there).map_err(failed)?;
            kind = FileType::from_raw_mode(stat.st_mode);
            self.folder_links += usize::from(kind == FileType::Directory);
        }
        let path = || self.tree.path(name);
        match (kind, Stamp::of(&stat)) {
            (FileType::Directory, _) => self.folder(name)?,
            (FileType::Symlink, _) => return Err(ReadError::Link { path: path() }.into()),
            (_, Some(stamp)) => self.files.push(name, stamp),
            (_, None) => return Err(ReadError::NotAFile { path: path() }.into()),
        }
        Ok(())
    }

    fn failed(&self, name: &str, cause: rustix::io::Errno) -> WalkError {
        let path = self.tree.path(name);
        let cause = cause.into();
        WalkError::Read(ReadError::Io { path, cause })
    }
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
    /// A folder that is reached again through a link in it.
    #[error("`{}` is a link to a folder that holds it", path.display())]
    Circle {
        /// Which link.
        path: PathBuf,
    },
    /// Too deep, too many files or shards, or too many links to folders.
    #[error(
        "`{}` holds more than {FILES_MAX} files, shards or folders, more than {FOLDER_LINKS_MAX} links to folders, \
         or is deeper than {DEPTH_MAX} folders",
        path.display()
    )]
    TooMuch {
        /// Where it was noticed.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests;
