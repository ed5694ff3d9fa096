//! Files that a person names: what a shell hands over under a name, such as `/dev/stdin`, `<(…)` or `/dev/stdout`, is meant too.
//!
//! Files that lie in a model or a store are read as [`whole_file`] does, which takes nothing but regular files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags};
use rustix::io::Errno;

use crate::whole_file::{self, NotAFile, Writing, folder_of};

/// As many as the kernel follows.
const LINKS_MAX: usize = 40;

/// Reads a file of at most so many bytes, or what is handed over under its name, once and to its end.
///
/// # Errors
/// It can't be read, is longer, or is a pipe, socket or device that nobody handed over: who waits for one may wait for ever.
pub fn read(path: &Path, size_bytes_max: u64) -> io::Result<Vec<u8>> {
    match handed_over(path) {
        Some(descriptor) => read_descriptor(&descriptor, path, size_bytes_max),
        None => whole_file::read(path, size_bytes_max),
    }
}

/// As [`read`], of text.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub fn read_text(path: &Path, size_bytes_max: u64) -> io::Result<String> {
    whole_file::text(read(path, size_bytes_max)?)
}

/// Writes a file, whole or not at all, where its name leads: links are followed, and what is a pipe or a device stays one and
/// gets the bytes.
///
/// # Errors
/// It can't be written, is a folder, a socket or a disk, or is a pipe that nobody reads.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by(path, &|out| out.write_all(bytes))
}

/// As [`write()`], of what `write` writes, always the same: it may be long.
///
/// # Errors
/// As [`write()`].
pub fn write_by(path: &Path, write: Writing<'_>) -> io::Result<()> {
    match destination(path)? {
        Destination::Place(place) => match whole_file::write_by(&place, write) {
            Err(cause) if is_fixed(&place, &cause) => {
                let mut open = File::options().write(true).truncate(true).open(&place)?;
                write(&mut open)?;
                open.sync_all()
            }
            written => written,
        },
        Destination::Through(mut open) => write(&mut open),
    }
}

/// Whether a file can be written, as far as can be told before.
///
/// # Errors
/// As [`write()`], and somebody may not write in its folder.
pub fn check(path: &Path) -> io::Result<()> {
    let place = led_to(path)?;
    match is_written_through(&place)? {
        true => Ok(()),
        false => match rustix::fs::access(folder_of(&place), Access::WRITE_OK) {
            Err(cause) if is_fixed(&place, &cause.into()) => Ok(()),
            access => Ok(access?),
        },
    }
}

/// Whether a file can't be replaced, and can be written: it is mounted there by itself, as containers do, or its folder is not
/// ours. Then it has to be written where it is, and is not whole if we are killed meanwhile.
fn is_fixed(place: &Path, cause: &io::Error) -> bool {
    let why = cause.raw_os_error().map(Errno::from_raw_os_error);
    let is_kept = matches!(
        why,
        Some(Errno::BUSY | Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV)
    );
    is_kept && place.is_file() && rustix::fs::access(place, Access::WRITE_OK).is_ok()
}

/// Where the bytes of a file go.
enum Destination {
    /// A file's own name, whether it is there or not.
    Place(PathBuf),
    /// What is written into as it is.
    Through(File),
}

fn destination(path: &Path) -> io::Result<Destination> {
    let place = led_to(path)?;
    match is_written_through(&place)? {
        true => open_through(&place).map(Destination::Through),
        false => Ok(Destination::Place(place)),
    }
}

/// Whether a name that is no link is a pipe's, a device's or an open file's, and not that of a file that is or may be.
fn is_written_through(place: &Path) -> io::Result<bool> {
    if is_descriptor(place) {
        return Ok(true);
    }
    let kind = match fs::symlink_metadata(place) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // Else it would be told of the file, which is not there and shall not be.
            fs::metadata(folder_of(place)).map_err(|_| NoFolder::error(place))?;
            return Ok(false);
        }
        found => found?.file_type(),
    };
    match () {
        () if kind.is_file() => Ok(false),
        () if kind.is_dir() => Err(Errno::ISDIR.into()),
        () if kind.is_fifo() || kind.is_char_device() => Ok(true),
        () => Err(io::Error::other(NotAFile)),
    }
}

/// Follows links, but for those of open files, which lead to no name.
fn led_to(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..LINKS_MAX {
        if is_descriptor(&place) {
            return Ok(place);
        }
        match fs::read_link(&place) {
            Ok(to) => {
                check_link(&place)?;
                place = folder_of(&place).join(to);
            }
            Err(_) => return Ok(place),
        }
    }
    Err(Errno::LOOP.into())
}

/// In a folder that everybody may write to, a stranger's link is not followed (as with Linux's `fs.protected_symlinks`): it may
/// lead to what we should not write.
fn check_link(link: &Path) -> io::Result<()> {
    const STICKY_FOR_ALL: u32 = 0o1002;
    let (folder, link) = (fs::metadata(folder_of(link))?, fs::symlink_metadata(link)?);
    let is_for_all = folder.mode() & STICKY_FOR_ALL == STICKY_FOR_ALL;
    let is_trusted = [rustix::process::geteuid().as_raw(), folder.uid()].contains(&link.uid());
    match is_for_all && !is_trusted {
        true => Err(Errno::ACCESS.into()),
        false => Ok(()),
    }
}

/// Whether a name is one of the kernel's for an open file, by whatever way it was reached.
fn is_descriptor(path: &Path) -> bool {
    let is_of_process = |folder: PathBuf| folder.starts_with("/proc") && folder.ends_with("fd");
    handed_over(path).is_some() || folder_of(path).canonicalize().is_ok_and(is_of_process)
}

/// Opens a pipe, a device or an open file for writing. Nothing is made, and nobody is waited for.
fn open_through(path: &Path) -> io::Result<File> {
    let standard: Option<OwnedFd> = match handed_over(path).as_deref().and_then(number) {
        Some(1) => Some(io::stdout().as_fd().try_clone_to_owned()?),
        Some(2) => Some(io::stderr().as_fd().try_clone_to_owned()?),
        _ => None,
    };
    if let Some(standard) = standard {
        return Ok(File::from(standard));
    }
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NONBLOCK;
    let opened = rustix::fs::open(
        path,
        flags | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let opened = match opened {
        Err(Errno::NXIO) => return Err(io::Error::new(io::ErrorKind::BrokenPipe, NobodyReads)),
        opened => opened?,
    };
    let flags = rustix::fs::fcntl_getfl(&opened)?;
    rustix::fs::fcntl_setfl(&opened, flags - OFlags::NONBLOCK)?;
    Ok(File::from(opened))
}

/// Whether a name stands for what a shell hands over.
#[must_use]
pub fn is_handed_over(path: &Path) -> bool {
    handed_over(path).is_some()
}

/// The open file that a name stands for as it is written. A link to it, which a stranger's folder may hold, is none.
pub(crate) fn handed_over(path: &Path) -> Option<PathBuf> {
    let parts: Vec<&OsStr> = path.components().map(Component::as_os_str).collect();
    let parts: Vec<&str> = parts
        .iter()
        .map(|part| part.to_str())
        .collect::<Option<_>>()?;
    let own = std::process::id().to_string();
    let name = match parts.as_slice() {
        ["/", "dev", "stdin"] => "0",
        ["/", "dev", "stdout"] => "1",
        ["/", "dev", "stderr"] => "2",
        ["/", "dev", "fd", name] | ["/", "proc", "self" | "thread-self", "fd", name] => name,
        ["/", "proc", id, "fd", name] if *id == own => name,
        _ => return None,
    };
    let descriptor = Path::new("/proc/self/fd").join(name);
    number(&descriptor).map(|_| descriptor)
}

fn number(descriptor: &Path) -> Option<u32> {
    descriptor.file_name()?.to_str()?.parse().ok()
}

fn read_descriptor(descriptor: &Path, path: &Path, size_bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = size_bytes_max.saturating_add(1);
    let file = match number(descriptor) {
        // A socket, as which some hand it over, can't be opened by its name.
        Some(0) => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        _ => File::open(descriptor).or_else(|_| File::open(path))?,
    };
    if file.metadata()?.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    file.take(limit).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > size_bytes_max {
        true => Err(whole_file::too_long(size_bytes_max)),
        false => Ok(bytes),
    }
}

/// Whether a file can't be written because the folder it shall be in is not there.
#[must_use]
pub fn is_without_folder(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<NoFolder>())
}

#[derive(Debug, thiserror::Error)]
#[error("there is no folder `{}`", folder.display())]
struct NoFolder {
    folder: PathBuf,
}

impl NoFolder {
    fn error(path: &Path) -> io::Error {
        let folder = folder_of(path).to_owned();
        io::Error::new(io::ErrorKind::NotFound, Self { folder })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nobody reads this pipe")]
struct NobodyReads;

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, makedev, mknodat};

    use super::*;

    fn name_of(end: &impl AsRawFd) -> PathBuf {
        format!("/dev/fd/{}", end.as_raw_fd()).into()
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("sub/target", at("link")).unwrap();
        symlink("link", at("other")).unwrap();
        for (bytes, name) in [("new", "link"), ("again", "other")] {
            write(&at(name), bytes.as_bytes()).unwrap();
            assert!(at(name).is_symlink());
            assert_eq!(fs::read_to_string(at("sub/target")).unwrap(), bytes);
        }
        symlink("loop", at("loop")).unwrap();
        assert!(write(&at("loop"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_strangers_link_in_everybodys_folder_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("target", &link).unwrap();
        let everybody = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(dir.path(), everybody).unwrap();
        write(&link, b"mine").unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&link, Some(4_242), None).unwrap();
            let error = write(&link, b"theirs").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(fs::read(dir.path().join("target")).unwrap(), b"mine");
        }
    }

    #[test]
    fn what_can_not_be_replaced_is_written_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "longer than the new").unwrap();
        for (why, is_fixed_then) in [
            (Errno::BUSY, true),
            (Errno::ACCESS, true),
            (Errno::NOSPC, false),
        ] {
            assert_eq!(is_fixed(&file, &why.into()), is_fixed_then, "{why}");
            assert!(!is_fixed(&dir.path().join("none"), &why.into()));
        }
        // Root may write in every folder.
        if !rustix::process::geteuid().is_root() {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
            check(&file).unwrap();
            write(&file, b"new").unwrap();
            assert_eq!(fs::read(&file).unwrap(), b"new");
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_pipe_and_a_device_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
        let error = write(&fifo, b"x").unwrap_err();
        assert_eq!(error.to_string(), "nobody reads this pipe");
        let reader = rustix::fs::open(&fifo, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty());
        let mut reader = File::from(reader.unwrap());
        symlink("fifo", dir.path().join("link")).unwrap();
        for name in ["fifo", "link"] {
            write(&dir.path().join(name), b"bytes").unwrap();
            let mut got = [0; 5];
            reader.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"bytes");
        }
        assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
        let null = dir.path().join("null");
        // Only who may make devices can break one.
        if mknodat(
            CWD,
            &null,
            FileType::CharacterDevice,
            0o600.into(),
            makedev(1, 3),
        )
        .is_ok()
        {
            // A mount may know no devices: then it can't be opened, and stays all the same.
            let _ = write(&null, b"bytes");
            let kind = fs::symlink_metadata(&null).unwrap().file_type();
            assert!(kind.is_char_device());
        }
    }

    #[test]
    fn a_folder_a_socket_and_no_folder_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(dir.path(), b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let socket = dir.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(whole_file::is_no_file(&write(&socket, b"x").unwrap_err()));
        let error = write(&dir.path().join("none/file"), b"x").unwrap_err();
        assert!(is_without_folder(&error), "{error}");
        assert!(error.to_string().ends_with("none`"), "{error}");
    }

    #[test]
    fn what_is_handed_over_is_read_and_written() {
        let (mut reader, writer): (PipeReader, _) = io::pipe().unwrap();
        write(&name_of(&writer), b"out").unwrap();
        let mut got = [0; 3];
        reader.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"out");
        for (limit, is_read) in [(2, true), (1, false)] {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(b"in").unwrap();
            drop(writer);
            let read = read(&name_of(&reader), limit);
            assert_eq!(read.is_ok_and(|bytes| bytes == b"in"), is_read, "{limit}");
        }
    }

    /// A stranger's folder may have a link to the terminal, or a pipe: nobody waits for those.
    #[test]
    fn only_the_name_itself_hands_over() {
        let dir = tempfile::tempdir().unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        let link = dir.path().join("link");
        symlink(name_of(&reader), &link).unwrap();
        assert!(whole_file::is_no_file(&read(&link, 5).unwrap_err()));
        for other in ["/dev/null", "/dev/fd/x", "/proc/1/fd/0", "stdin", "/dev"] {
            assert!(handed_over(Path::new(other)).is_none(), "{other}");
        }
    }
}
