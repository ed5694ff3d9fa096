//! A piece of a file that is read once, from its start to its end, while nobody writes to the file.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;

use rustix::fs::{Advice, FileType, OFlags, Stat, fadvise, fstat};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

use crate::ReadError;
use crate::beneath::Tree;

/// A regular file that the walk saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Its path from the root.
    pub(crate) name: &'a str,
    pub(crate) stamp: Stamp,
}

/// Which file it is, and what changes when somebody writes to it.
///
/// The time of its last change does so too, and nobody can set it back. But it also changes when the file gets another name,
/// or loses one, and the store's blobs are laid out so. Where it alone has changed, the file is read a second time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: i64,
    changed: i64,
}

impl Stamp {
    /// Of a regular file; anything else has none.
    #[expect(
        clippy::unnecessary_cast,
        reason = "the types differ from one architecture to the next"
    )]
    pub(crate) fn of(stat: &Stat) -> Option<Self> {
        let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
        is_file.then_some(Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size_bytes: u64::try_from(stat.st_size).ok()?,
            modified: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        })
    }

    pub(crate) const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether it is that file, and nobody is seen to have written to it.
    pub(crate) const fn is_as(&self, before: &Self) -> bool {
        self.device == before.device
            && self.inode == before.inode
            && self.size_bytes == before.size_bytes
            && self.modified == before.modified
    }

    /// Whether something was done to it: it got or lost a name, or somebody wrote and put the time back.
    pub(crate) const fn was_touched_since(&self, before: &Self) -> bool {
        self.changed != before.changed
    }
}

/// In one number, to hold many. It is compared with its like alone: what does not fit in is no matter.
const fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(rest)
}

/// The file, open, and how far it is read.
pub(crate) struct Stream<'a> {
    tree: &'a Tree,
    entry: Entry<'a>,
    file: OwnedFd,
    at: u64,
    end: u64,
    /// From where on the page cache holds what we brought into it and nobody else asked for.
    ours_from: Option<u64>,
}

impl<'a> Stream<'a> {
    /// Opens a file for the bytes from `start` to `end`. With `drops_cache`, pages that were not in the page cache
    /// before leave it again.
    pub(crate) fn open(
        tree: &'a Tree,
        entry: Entry<'a>,
        (start, end): (u64, u64),
        drops_cache: bool,
    ) -> Result<Self, ReadError> {
        // A FIFO that took the file's place meanwhile is not waited for.
        let file = tree.open_name(entry.name, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let mut stream = Self {
            tree,
            entry,
            file,
            at: start,
            end,
            ours_from: None,
        };
        let _ = stream.expect_unchanged()?;
        if end - start >= ADVISED_FROM_BYTES {
            // What the kernel makes of advice changes its speed and nothing else.
            if drops_cache && stream.is_cold() {
                stream.ours_from = Some(start);
            }
            let _ = fadvise(&stream.file, 0, None, Advice::Sequential);
        }
        Ok(stream)
    }

    pub(crate) const fn left_bytes(&self) -> u64 {
        self.end - self.at
    }

    /// Fills the buffer, or as much of it as the stream still has; says how much.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let most = usize::try_from(self.left_bytes()).unwrap_or(usize::MAX);
        let buffer = match buffer.get_mut(..most) {
            Some(last) => last,
            None => buffer,
        };
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match pread(&self.file, rest, self.at) {
                Ok(0) => return Err(self.changed()),
                Ok(count) => {
                    filled += count;
                    self.at += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(cause) => return Err(self.failed(cause)),
            }
        }
        self.drop_cache(DROPPED_AT_ONCE_BYTES);
        Ok(filled)
    }

    /// Makes sure that nobody wrote meanwhile, and that the file ends where its size says: of some, such as those of
    /// `/proc`, the system says that they are empty. Whether something was done to it is returned: then these may be the
    /// bytes of no moment, and it is to be read again.
    pub(crate) fn finish(mut self) -> Result<bool, ReadError> {
        self.drop_cache(1);
        if self.end == self.entry.stamp.size_bytes() {
            self.expect_end()?;
        }
        self.expect_unchanged()
    }

    fn expect_end(&self) -> Result<(), ReadError> {
        loop {
            match pread(&self.file, &mut [0_u8], self.end) {
                Ok(0) => return Ok(()),
                Ok(_) => return Err(self.changed()),
                Err(Errno::INTR) => {}
                Err(cause) => return Err(self.failed(cause)),
            }
        }
    }

    fn expect_unchanged(&self) -> Result<bool, ReadError> {
        let stat = fstat(&self.file).map_err(|cause| self.failed(cause))?;
        let before = &self.entry.stamp;
        match Stamp::of(&stat) {
            Some(now) if now.is_as(before) => Ok(now.was_touched_since(before)),
            _ => Err(self.changed()),
        }
    }

    /// Whether none of a few pages, evenly spread, is in the page cache. A file system that can't say is left alone.
    fn is_cold(&self) -> bool {
        // So that asking for a page brings no others along.
        let _ = fadvise(&self.file, 0, None, Advice::Random);
        let step = ((self.end - self.at) / SAMPLES).max(1);
        (0..SAMPLES).all(|sample| {
            let mut byte = [0];
            let mut into = [IoSliceMut::new(&mut byte)];
            let at = self.at + sample * step;
            let asked = preadv2(&self.file, &mut into, at, ReadWriteFlags::NOWAIT);
            asked == Err(Errno::AGAIN)
        })
    }

    /// Lets go of pages that are ours, once there are so many.
    fn drop_cache(&mut self, least_bytes: u64) {
        let Some(from) = self.ours_from else { return };
        if let Some(length) = (self.at - from).checked_sub(least_bytes) {
            let _ = fadvise(
                &self.file,
                from,
                std::num::NonZeroU64::new(length + least_bytes),
                Advice::DontNeed,
            );
            self.ours_from = Some(self.at);
        }
    }

    pub(crate) fn changed(&self) -> ReadError {
        ReadError::Changed {
            path: self.tree.path(self.entry.name),
        }
    }

    fn failed(&self, cause: Errno) -> ReadError {
        ReadError::Io {
            path: self.tree.path(self.entry.name),
            cause: cause.into(),
        }
    }
}

/// Below this, advice costs more than it gives.
const ADVISED_FROM_BYTES: u64 = 1 << 20;
const DROPPED_AT_ONCE_BYTES: u64 = 8 << 20;
const SAMPLES: u64 = 16;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::Links;

    fn entry<'a>(tree: &Tree, name: &'a str) -> Entry<'a> {
        let file = tree.open_name(name, OFlags::PATH).unwrap();
        Entry {
            name,
            stamp: Stamp::of(&fstat(file).unwrap()).unwrap(),
        }
    }

    fn read(
        folder: &Path,
        before_opening: impl FnOnce(&Path),
        before_reading: impl FnOnce(&Path),
        before_the_end: impl FnOnce(&Path),
    ) -> Result<bool, ReadError> {
        let path = folder.join("f");
        std::fs::write(&path, [1; 100]).unwrap();
        // Times are as coarse as the kernel's clock ticks.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let tree = Tree::open(folder, Links::Refuse).unwrap();
        let entry = entry(&tree, "f");
        before_opening(&path);
        let mut stream = Stream::open(&tree, entry, (0, 100), false)?;
        before_reading(&path);
        assert_eq!(stream.fill(&mut [0; 64])?, 64);
        assert_eq!(stream.fill(&mut [0; 64])?, 36);
        before_the_end(&path);
        stream.finish()
    }

    #[test]
    fn a_file_that_has_more_than_its_size_is_none() {
        let tree = Tree::open(Path::new("/proc/self"), Links::Refuse).unwrap();
        let entry = entry(&tree, "status");
        assert_eq!(entry.stamp.size_bytes(), 0);
        let stream = Stream::open(&tree, entry, (0, 0), false).unwrap();
        assert!(matches!(stream.finish(), Err(ReadError::Changed { .. })));
    }

    #[test]
    fn a_writer_is_noticed_whenever_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = |_: &Path| ();
        let write = |path: &Path| std::fs::write(path, [2; 100]).unwrap();
        let replace = |path: &Path| {
            std::fs::write(path.with_extension("new"), [1; 100]).unwrap();
            std::fs::rename(path.with_extension("new"), path).unwrap();
        };
        let cut = |path: &Path| std::fs::write(path, [1; 70]).unwrap();
        let folder = folder.path();
        assert!(!read(folder, nothing, nothing, nothing).unwrap());
        let name = |path: &Path| std::fs::hard_link(path, path.with_extension("too")).unwrap();
        let forget = |path: &Path| std::fs::remove_file(path.with_extension("too")).unwrap();
        assert!(read(folder, nothing, name, forget).unwrap());
        assert!(read(folder, name, forget, nothing).unwrap());
        // Whoever puts the time back is seen to have done something.
        let hide = |path: &Path| {
            let time = path.metadata().unwrap().modified().unwrap();
            std::fs::write(path, [2; 100]).unwrap();
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        };
        assert!(read(folder, hide, nothing, nothing).unwrap());
        assert!(read(folder, nothing, hide, nothing).unwrap());
        assert!(read(folder, nothing, nothing, hide).unwrap());
        for refused in [
            read(folder, write, nothing, nothing),
            read(folder, replace, nothing, nothing),
            read(folder, cut, nothing, nothing),
            read(folder, nothing, write, nothing),
            read(folder, nothing, cut, nothing),
            read(folder, nothing, nothing, write),
            read(folder, nothing, nothing, cut),
        ] {
            assert!(
                matches!(refused, Err(ReadError::Changed { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_fifo_in_the_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let refused = read(
            folder.path(),
            |path| {
                std::fs::remove_file(path).unwrap();
                let mode = rustix::fs::Mode::RUSR;
                rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0).unwrap();
            },
            |_| (),
            |_| (),
        );
        assert!(matches!(refused, Err(ReadError::Changed { .. })));
    }

    #[test]
    fn what_we_brought_into_the_cache_leaves_it_and_what_was_there_stays() {
        const SIZE: u64 = 20 << 20;
        // Not in the folder for what is temporary: that is often memory, from which nothing leaves.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, vec![1; SIZE as usize]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        file.sync_all().unwrap();
        let tree = Tree::open(folder.path(), Links::Refuse).unwrap();
        let entry = entry(&tree, "f");
        let read = || {
            let mut stream = Stream::open(&tree, entry, (0, SIZE), true).unwrap();
            let was_cold = stream.ours_from.is_some();
            let mut buffer = vec![0; 1 << 20];
            while stream.left_bytes() > 0 {
                stream.fill(&mut buffer).unwrap();
            }
            stream.finish().unwrap();
            was_cold
        };
        // Where all is in the cache it stays there, however often it is read.
        assert!(!read());
        assert!(!read());
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        if read() {
            assert!(read(), "the first reader left nothing behind");
        } else {
            let said = "not run, for this file system keeps its pages: the cache of a first reader";
            let _ = writeln!(std::io::stderr(), "{said}");
        }
    }
}
