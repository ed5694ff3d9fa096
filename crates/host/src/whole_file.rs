//! Files that are written whole or not at all, and read with a limit.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tempfile::Builder;

/// Begins the names of files that are not yet in their place. A killed writer leaves one only between two system calls that
/// give a whole file its name, or where the file system knows no files without a name; [`sweep`] removes it.
const UNFINISHED: &str = ".modelward-new-";

/// Writes a file: whole and durable before it has its name, and in the place of what is there. Nobody sees half of it.
///
/// # Errors
/// The folder can't be written, or the disk is full.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by(path, &|out| out.write_all(bytes))
}

/// As [`write()`], of what `write` writes, always the same: it may be long.
///
/// # Errors
/// As [`write()`].
pub fn write_by(path: &Path, write: Writing<'_>) -> io::Result<()> {
    write_as(path, write, 0o644)
}

/// What writes a file's bytes, as often as it is asked.
pub type Writing<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// As [`write_by`], with these permissions.
pub(crate) fn write_as(path: &Path, write: Writing<'_>, mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    match put(path, write, mode) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let other = Builder::new()
                .prefix(UNFINISHED)
                .make_in(folder, |name| put(name, write, mode))?;
            other.persist(path).map_err(|e| e.error)?;
        }
        written => written?,
    }
    File::open(folder)?.sync_all()
}

/// Writes a file that is not there yet: it has no name, and goes with its writer, until it is whole and durable.
///
/// # Errors
/// There is one, the folder can't be written, or the disk is full.
pub(crate) fn write_once(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    put(path, &|out| out.write_all(bytes), mode)?;
    File::open(folder_of(path))?.sync_all()
}

/// As [`write_once`], but for the name, which may be lost with the power.
fn put(path: &Path, write: Writing<'_>, mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(mode)) {
        // This file system knows no files without a name.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            put_under_other_name(path, write, mode)
        }
        opened => {
            let mut file = File::from(opened?);
            fill(&mut file, write)?;
            let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
            match rustix::fs::linkat(CWD, nameless, CWD, path, AtFlags::SYMLINK_FOLLOW) {
                // There is no `/proc` here.
                Err(Errno::NOENT) => put_under_other_name(path, write, mode),
                linked => Ok(linked?),
            }
        }
    }
}

fn put_under_other_name(path: &Path, write: Writing<'_>, mode: u32) -> io::Result<()> {
    let mut file = Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder_of(path))?;
    fill(file.as_file_mut(), write)?;
    file.persist_noclobber(path).map(drop).map_err(|e| e.error)
}

fn fill(file: &mut File, write: Writing<'_>) -> io::Result<()> {
    write(file)?;
    file.sync_all()
}

/// Removes what killed writers left in a folder. Nobody may be writing in it.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // `.tmp` is how they began in earlier stores.
        let ours = [UNFINISHED, ".tmp"];
        if ours
            .iter()
            .any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()))
        {
            // What can't be removed now is left for the next.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Opens a regular file for reading. Who waits for a FIFO may wait for ever, and a device may never end: both are refused at
/// once, and so is a folder.
///
/// # Errors
/// It can't be opened, or is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::empty())
}

/// As [`open`], but a link is refused too, wherever it leads.
///
/// # Errors
/// As there, or it is a link.
pub(crate) fn open_no_link(path: &Path) -> io::Result<File> {
    match open_with(path, OFlags::NOFOLLOW) {
        Err(cause) if cause.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(io::Error::other(NotAFile))
        }
        opened => opened,
    }
}

fn open_with(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        // As a socket is answered, which can't be opened.
        Err(Errno::NXIO) => return Err(io::Error::other(NotAFile)),
        opened => File::from(opened?),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    if kind.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other(NotAFile))
    }
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// It can't be read, is no regular file, or is longer.
pub fn read(path: &Path, size_bytes_max: u64) -> io::Result<Vec<u8>> {
    read_open(&open(path)?, size_bytes_max)
}

/// Reads a file of text, of at most so many bytes.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub fn read_text(path: &Path, size_bytes_max: u64) -> io::Result<String> {
    text(read(path, size_bytes_max)?)
}

pub(crate) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text"))
}

/// Reads an open file to its end, as [`read`].
pub(crate) fn read_open(file: &File, size_bytes_max: u64) -> io::Result<Vec<u8>> {
    // A gibibyte is not read to find out that it is too long.
    let size_bytes = file.metadata()?.len();
    if size_bytes > size_bytes_max {
        return Err(too_long(size_bytes_max));
    }
    // One more than it has, so that its end is found without room for more.
    let size_bytes = usize::try_from(size_bytes).unwrap_or_default();
    let mut bytes = Vec::with_capacity(size_bytes.saturating_add(1));
    file.take(size_bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > size_bytes_max {
        return Err(too_long(size_bytes_max));
    }
    Ok(bytes)
}

pub(crate) fn too_long(size_bytes_max: u64) -> io::Error {
    let what = format!("it is longer than {size_bytes_max} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}

/// Whether a file was refused because it is a pipe, a socket or a device.
#[must_use]
pub fn is_no_file(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<NotAFile>())
}

#[derive(Debug, thiserror::Error)]
#[error("it is not a regular file")]
pub(crate) struct NotAFile;

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use rustix::fs::{FileType, inotify};

    use super::*;

    #[test]
    fn writes_whole_and_reads_with_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write(&path, b"one").unwrap();
        write(&path, b"three").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"three");
        assert_eq!(
            read(&path, 4).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
    /// Only a whole file gets a name, and one that is new gets no other: what is killed before leaves nothing behind.
    #[test]
    fn a_new_file_has_its_own_name_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let watched = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watched, dir.path(), inotify::WatchFlags::CREATE).unwrap();
        write(&dir.path().join("one"), b"1").unwrap();
        write_once(&dir.path().join("two"), b"2", 0o600).unwrap();
        let again = write_once(&dir.path().join("two"), b"3", 0o600).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&watched, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = events.next() {
            names.extend(
                event
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
        assert_eq!(names, ["one", "two"]);
        assert_eq!(read(&dir.path().join("two"), 5).unwrap(), b"2");
    }

    #[test]
    fn what_killed_writers_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            ".modelward-new-abc",
            ".tmpAbCdEf",
            "signer.key.pem",
            ".other",
        ] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        sweep(dir.path());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    /// Each in a thread of its own: one that waits fails here, and does not hold up the rest.
    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
        let socket = dir.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [fifo, socket, "/dev/zero".into(), "/dev/null".into()] {
            let (told, hears) = std::sync::mpsc::channel();
            let asked = path.clone();
            std::thread::spawn(move || told.send(read(&asked, 5).unwrap_err()));
            let error = hears.recv_timeout(std::time::Duration::from_secs(10));
            let error = error.unwrap_or_else(|_| panic!("{} is waited for", path.display()));
            assert!(is_no_file(&error), "{}: {error}", path.display());
        }
        let error = read(dir.path(), 5).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
