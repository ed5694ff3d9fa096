//! Digests that were measured before, of files that nobody has written to since, as far as the system says: a cache that
//! saves reading them again. What comes out of it is believed and not measured, so that no gate takes it; `sign` and
//! `verify` do where they are asked to.
//!
//! It is trusted: whoever can write its folder can make other bytes pass for those that were hashed. So it is used only if
//! folder and file are this user's and nobody else may write them. The system is trusted, too: who runs the file system, or
//! sets the clock, can change a file and leave its times as they were.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use digest::{ByName, Links, Method, Names, ResourceDigest, Resources, Walk, WalkError};
use rustix::fs::{AtFlags, CWD, FileType, OFlags, StatxFlags, statx};

mod format;

use format::{Entries, Key, Stamp, Unfit};

/// The cache's file in its folder.
pub const FILE_NAME: &str = "modelward-digests";
const SIZE_BYTES_MAX: u64 = 64 << 20;
/// A file that was written so shortly before may be written again without its times telling: they go by the kernel's ticks.
const AGE_NANOSECONDS_MIN: i128 = 2_000_000_000;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A cache, open.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    boot: String,
    entries: Entries,
    damaged: bool,
}

/// A model's resources with their digests, of which some were measured now and some before.
#[derive(Debug)]
pub struct Remembered {
    /// Each resource by its name, with its digest and its size.
    pub resources: ByName<(ResourceDigest, u64)>,
    /// How many files there are.
    pub files: usize,
    /// How many of them were not read.
    pub from_cache: usize,
}

impl Cache {
    /// Opens the cache in a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// The folder or the file can't be read, or others may write them.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let failed = |cause| CacheError::Io {
            path: folder.to_owned(),
            cause,
        };
        let mut maker = DirBuilder::new();
        maker.recursive(true).mode(0o700);
        maker.create(folder).map_err(failed)?;
        only_mine(folder, &folder.symlink_metadata().map_err(failed)?)?;
        let boot = std::fs::read_to_string(BOOT_ID).map_err(|cause| CacheError::Io {
            path: BOOT_ID.into(),
            cause,
        })?;
        let path = folder.join(FILE_NAME);
        let mut cache = Self {
            boot: boot.trim_end().to_owned(),
            entries: Entries::new(),
            damaged: false,
            path,
        };
        let bytes = cache.bytes()?;
        match bytes.map(|bytes| format::read(&bytes, &cache.boot)) {
            Some(Ok(entries)) => cache.entries = entries,
            None | Some(Err(Unfit::OtherBoot)) => {}
            Some(Err(Unfit::Damaged)) => cache.damaged = true,
        }
        Ok(cache)
    }

    /// Whether its file was there and not what was written into it: then nothing was taken from it.
    #[must_use]
    pub const fn was_damaged(&self) -> bool {
        self.damaged
    }

    /// Measures a folder, or a single file, as `digest::list_resources` does; but for the files that are as they were when
    /// they were measured before. Links are refused.
    ///
    /// # Errors
    /// As `digest::list_resources`.
    pub fn measure(
        &mut self,
        root: &Path,
        ignore: &(dyn Fn(&str) -> bool + Sync),
        method: Method,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Remembered, WalkError> {
        let begun = nanoseconds_since_1970();
        let seen = Mutex::new((Names::default(), Vec::new()));
        let look = |name: &str, path: &Path| {
            let Some(stamp) = stamp(path) else {
                return false;
            };
            let (names, stamps) = &mut *seen.lock().unwrap_or_else(PoisonError::into_inner);
            names.push(name);
            stamps.push(stamp);
            self.entries.contains_key(&Key::new(stamp, method))
        };
        // A single file is not asked about: it is looked up here.
        let single = root.file_name().and_then(|name| name.to_str());
        let is_known = single.is_some_and(|name| root.is_file() && look(name, root));
        let measured = match is_known {
            true => Resources::new(),
            false => {
                let walk = Walk {
                    ignore: &|name| ignore(name) || look(name, &root.join(name)),
                    links: Links::Refuse,
                };
                digest::list_resources(root, &walk, method, progress)?
            }
        };
        let (names, stamps) = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let seen = || (0..).map(|at| names.get(at)).zip(stamps.iter().copied());
        let known = seen().filter_map(|(file, stamp)| {
            let digests = self.entries.get(&Key::new(stamp, method))?;
            Some(pieces(file, stamp.size_bytes, method).zip(digests))
        });
        let from_cache = known.clone().count();
        let known = known.flatten();
        let known = known.map(|((name, size_bytes), digest)| (name, (*digest, size_bytes)));
        let now = measured.iter().map(|(name, measured)| {
            let measured = (measured.digest(), measured.size_bytes());
            (Cow::Borrowed(name), measured)
        });
        let remembered = Remembered {
            resources: now.chain(known).collect(),
            files: stamps.len(),
            from_cache,
        };
        let place = |file: &str| match root.is_file() {
            true => root.to_owned(),
            false => root.join(file),
        };
        let learnt = seen().filter_map(|(file, before)| {
            let key = Key::new(before, method);
            let is_same = || stamp(&place(file)) == Some(before);
            if self.entries.contains_key(&key) || !is_old(&before, begun) || !is_same() {
                return None;
            }
            let names = pieces(file, before.size_bytes, method);
            let digests =
                names.map(|(name, _)| measured.get(&name).map(digest::MeasuredResource::digest));
            Some((key, digests.collect::<Option<_>>()?))
        });
        let learnt: Entries = learnt.collect();
        self.learn(learnt);
        Ok(remembered)
    }

    /// Takes entries in, in place of what was known of the same files when they were otherwise: all at once, since there may
    /// be many of both.
    fn learn(&mut self, learnt: Entries) {
        let now = learnt.keys().map(|key| (key.stamp.identity(), key.stamp));
        let now: BTreeMap<_, _> = now.collect();
        let is_now = |key: &Key| {
            let stamp = now.get(&key.stamp.identity());
            stamp.is_none_or(|stamp| *stamp == key.stamp)
        };
        self.entries.retain(|key, _| is_now(key));
        self.entries.extend(learnt);
    }

    /// Writes what is known now. Where that is too much, all of it is forgotten: a model of so many files is better measured.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn save(&self) -> Result<(), CacheError> {
        let none = Entries::new();
        let write =
            |entries: &Entries, out: &mut dyn Write| format::write(entries, &self.boot, out);
        let measured = digest::measure_written(&mut io::sink(), |out| write(&self.entries, out));
        let fits = measured.is_ok_and(|measured| measured.size_bytes() <= SIZE_BYTES_MAX);
        let entries = if fits { &self.entries } else { &none };
        let write = |out: &mut dyn Write| write(entries, out);
        crate::whole_file::write_by(&self.path, &write).map_err(|cause| self.failed(cause))
    }

    /// None if there is no file yet.
    fn bytes(&self) -> Result<Option<Vec<u8>>, CacheError> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path);
        let file: File = match opened {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            opened => opened.map_err(|cause| self.failed(cause))?,
        };
        only_mine(&self.path, &file.metadata().map_err(|e| self.failed(e))?)?;
        let mut bytes = Vec::new();
        file.take(SIZE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|cause| self.failed(cause))?;
        Ok(Some(bytes))
    }

    fn failed(&self, cause: io::Error) -> CacheError {
        CacheError::Io {
            path: self.path.clone(),
            cause,
        }
    }
}

/// What can't be written by others than this user.
fn only_mine(path: &Path, metadata: &std::fs::Metadata) -> Result<(), CacheError> {
    let is_mine = metadata.uid() == rustix::process::geteuid().as_raw();
    let is_plain = metadata.is_file() || metadata.is_dir();
    if is_mine && is_plain && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(CacheError::Exposed {
        path: path.to_owned(),
        mode: metadata.mode() & 0o7777,
    })
}

/// Of a regular file, if the system says all of it.
fn stamp(path: &Path) -> Option<Stamp> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let said = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
    let is_whole = said.stx_mask & wanted.bits() == wanted.bits();
    let is_file = FileType::from_raw_mode(said.stx_mode.into()).is_file();
    (is_whole && is_file).then_some(Stamp {
        mount: said.stx_mnt_id,
        device: u64::from(said.stx_dev_major) << 32 | u64::from(said.stx_dev_minor),
        inode: said.stx_ino,
        size_bytes: said.stx_size,
        modified: (said.stx_mtime.tv_sec, said.stx_mtime.tv_nsec),
        changed: (said.stx_ctime.tv_sec, said.stx_ctime.tv_nsec),
    })
}

/// Whether a file was left alone for long enough before it was read.
fn is_old(stamp: &Stamp, begun: i128) -> bool {
    let since = |(seconds, nanoseconds): (i64, u32)| {
        begun - (i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds))
    };
    since(stamp.modified).min(since(stamp.changed)) >= AGE_NANOSECONDS_MIN
}

fn nanoseconds_since_1970() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0))
}

/// The names and sizes of the resources that a file makes, in their order.
fn pieces(
    file: &str,
    size_bytes: u64,
    method: Method,
) -> impl Iterator<Item = (Cow<'_, str>, u64)> {
    let shard_size = method.shard_size.map(std::num::NonZeroU64::get);
    let count = shard_size.map_or(1, |size| size_bytes.div_ceil(size));
    (0..count).map(move |at| {
        let Some(size) = shard_size else {
            return (Cow::Borrowed(file), size_bytes);
        };
        let start = at.saturating_mul(size);
        let end = start.saturating_add(size).min(size_bytes);
        (Cow::Owned(format!("{file}:{start}:{end}")), end - start)
    })
}

/// Why a cache is not used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Others could have written it.
    #[error("`{}` may be written by others than you, or is not yours (mode {mode:o})", path.display())]
    Exposed {
        /// The folder or the file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It can't be read or written.
    #[error("`{}` can't be read or written: {cause}", path.display())]
    Io {
        /// What can't.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

#[cfg(test)]
mod tests;
