//! Files that are written whole or not at all, and read with a limit.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Writes a file: to another name, made durable, then put in its place. Nobody sees half of it.
///
/// # Errors
/// The folder can't be written, or the disk is full.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let mut file = tempfile::Builder::new()
        .permissions(permissions)
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
}

/// Opens a regular file for reading. Who waits for a FIFO may wait for ever, and a device may never end: both are refused at
/// once, and so is a folder.
///
/// # Errors
/// It can't be opened, or is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
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
    String::from_utf8(read(path, size_bytes_max)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text"))
}

/// Reads an open file to its end, as [`read`].
pub(crate) fn read_open(file: &File, size_bytes_max: u64) -> io::Result<Vec<u8>> {
    let too_long = || {
        let what = format!("it is longer than {size_bytes_max} bytes");
        io::Error::new(io::ErrorKind::FileTooLarge, what)
    };
    // A gibibyte is not read to find out that it is too long.
    if file.metadata()?.len() > size_bytes_max {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    file.take(size_bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > size_bytes_max {
        return Err(too_long());
    }
    Ok(bytes)
}

/// Whether a file was refused because it is a pipe, a socket or a device.
#[must_use]
pub fn is_no_file(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<NotAFile>())
}

#[derive(Debug, thiserror::Error)]
#[error("it is not a regular file")]
struct NotAFile;

#[cfg(test)]
mod tests {
    use rustix::fs::FileType;

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
    /// Each in a thread of its own: one that waits fails here, and does not hold up the rest.
    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
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
