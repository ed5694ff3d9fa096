//! Files and streams: read once, hashed on the way.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::stream::Stamp;
use crate::{Digest, Hasher, Measured};

/// Large enough that system calls cost nothing beside hashing, small enough for the second-level cache.
const PIECE_SIZE_BYTES: usize = 256 * 1024;

/// Measures bytes in memory.
#[must_use]
pub fn measure_bytes(bytes: &[u8]) -> Measured {
    Measured::new(Digest::of(bytes), bytes.len() as u64)
}

/// Measures a regular file, without following a link in its last component.
///
/// # Errors
/// It can't be opened or read, is no regular file, or changed size while it was read.
pub fn measure_file(path: &Path) -> Result<Measured, ReadError> {
    let (measured, was_touched) = measure_open(path, &mut io::sink())?;
    if was_touched && measure_open(path, &mut io::sink())?.0 != measured {
        return Err(ReadError::Changed {
            path: path.to_owned(),
        });
    }
    Ok(measured)
}

/// Measures a regular file while its bytes go to `out`: what arrives there is what was hashed, even if somebody wrote to
/// the file and put its time back.
///
/// # Errors
/// As [`measure_file`], or `out` can't be written.
pub fn measure_copy(path: &Path, out: &mut dyn Write) -> Result<Measured, ReadError> {
    measure_open(path, out).map(|(measured, _)| measured)
}

/// Measures all that a reader gives, while its bytes go to `out`.
///
/// # Errors
/// Reading or writing fails.
pub fn measure_reader(reader: &mut dyn Read, out: &mut dyn Write) -> io::Result<Measured> {
    let mut hasher = Hasher::new();
    let mut piece = vec![0; PIECE_SIZE_BYTES];
    let mut size_bytes = 0;
    loop {
        let filled = match reader.read(&mut piece) {
            Ok(0) => return Ok(Measured::new(hasher.finish(), size_bytes)),
            Ok(filled) => piece.get(..filled).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(filled);
        out.write_all(filled)?;
        size_bytes += filled.len() as u64;
    }
}

/// Measures what `write` writes, while it goes to `out`.
///
/// # Errors
/// As `write`.
pub fn measure_written(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Measured> {
    let mut measuring = Measuring {
        out,
        hasher: Hasher::new(),
        size_bytes: 0,
    };
    write(&mut measuring)?;
    Ok(Measured::new(
        measuring.hasher.finish(),
        measuring.size_bytes,
    ))
}

struct Measuring<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
    size_bytes: u64,
}

impl Write for Measuring<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether something was done to the file meanwhile that is not seen to be writing is returned too.
fn measure_open(path: &Path, out: &mut dyn Write) -> Result<(Measured, bool), ReadError> {
    let failed = |cause| ReadError::Io {
        path: path.to_owned(),
        cause,
    };
    let mut file = open_file(path)?;
    let stamp = |file: &File| rustix::fs::fstat(file).map(|stat| Stamp::of(&stat));
    let before = stamp(&file).map_err(|e| failed(e.into()))?;
    let measured = measure_reader(&mut file, out).map_err(failed)?;
    let after = stamp(&file).map_err(|e| failed(e.into()))?;
    match before.zip(after) {
        Some((before, after))
            if before.size_bytes() == measured.size_bytes() && after.is_as(&before) =>
        {
            Ok((measured, after.was_touched_since(&before)))
        }
        _ => Err(ReadError::Changed {
            path: path.to_owned(),
        }),
    }
}

/// Opens a regular file for reading: no link is followed, and a FIFO is not waited for.
///
/// # Errors
/// It can't be opened, or is no regular file.
pub fn open_file(path: &Path) -> Result<File, ReadError> {
    let failed = |cause| ReadError::Io {
        path: path.to_owned(),
        cause,
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => {
            return Err(ReadError::Link {
                path: path.to_owned(),
            });
        }
        opened => File::from(opened.map_err(|e| failed(e.into()))?),
    };
    let is_file = file.metadata().map_err(failed)?.is_file();
    if is_file {
        Ok(file)
    } else {
        Err(ReadError::NotAFile {
            path: path.to_owned(),
        })
    }
}

/// Why a file could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Opening or reading failed.
    #[error("`{}` can't be read", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A symbolic link stands there.
    #[error("`{}` is a symbolic link, and links are not followed", path.display())]
    Link {
        /// Which file.
        path: PathBuf,
    },
    /// A folder, socket, device or FIFO stands there.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// Which file.
        path: PathBuf,
    },
    /// It would lead out of the folder that is read.
    #[error("`{}` leads outside the folder that is read, or by way of what is outside it", path.display())]
    Outside {
        /// Which file.
        path: PathBuf,
    },
    /// Somebody wrote to it meanwhile.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_and_copies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let bytes = vec![7; PIECE_SIZE_BYTES * 2 + 3];
        std::fs::write(&path, &bytes).unwrap();
        let mut copy = Vec::new();
        let measured = measure_copy(&path, &mut copy).unwrap();
        assert_eq!((measured, copy), (measure_bytes(&bytes), bytes));
    }

    /// Whoever takes the bytes writes to the file they come from.
    struct Meddler<'a>(&'a Path, &'a [u8]);

    impl Write for Meddler<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Times are as coarse as the kernel's clock ticks.
            std::thread::sleep(std::time::Duration::from_millis(20));
            std::fs::write(self.0, self.1)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for other in [&b"other"[..], b"longer than it was", b""] {
            std::fs::write(&path, b"bytes").unwrap();
            let refused = measure_copy(&path, &mut Meddler(&path, other));
            assert!(matches!(refused, Err(ReadError::Changed { .. })));
        }
    }

    #[test]
    fn refuses_links_folders_and_fifos() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("f"), b"x").unwrap();
        std::os::unix::fs::symlink(at("f"), at("link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(matches!(
            measure_file(&at("link")),
            Err(ReadError::Link { .. })
        ));
        assert!(matches!(
            measure_file(dir.path()),
            Err(ReadError::NotAFile { .. })
        ));
        assert!(matches!(
            measure_file(&at("fifo")),
            Err(ReadError::NotAFile { .. })
        ));
        assert!(matches!(
            measure_file(&at("none")),
            Err(ReadError::Io { .. })
        ));
    }
}
