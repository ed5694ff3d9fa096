//! What a dependency policy names, brought here: by the ordinary client of its registry, or from a path. Nothing that
//! arrives is trusted: each file is measured while it is copied, and the policy compares.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use digest::{Digest, Listing, measure_reader};
use trust::Code;

use crate::whole_file;

/// More than this is not unpacked, whatever the archive says.
const UNPACKED_SIZE_BYTES_MAX: u64 = 16 << 30;
const MEMBERS_MAX: usize = 1_000_000;
/// How often it is looked how far a download is.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const WRITABLE: u32 = 0o200;

/// A file to take out of what was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its path in the archive or folder.
    pub path: String,
    /// What it is to be called.
    pub name: String,
    /// The most bytes it may have.
    pub size_bytes_max: u64,
}

/// Fetches a package of the npm registry that this machine's `npm` is set up for. Runs none of its scripts. Returns the
/// archive in `folder`. `progress` hears how many bytes of it have come in so far.
///
/// # Errors
/// There is no `npm`, or it fails.
pub fn npm(
    package: &str,
    version: &str,
    folder: &Path,
    progress: &dyn Fn(u64),
) -> Result<PathBuf, FetchError> {
    let reference = format!("{package}@{version}");
    let mut client = Command::new("npm");
    client
        // Without a log, all that it writes is what it fetches.
        .args(["pack", "--ignore-scripts", "--silent", "--logs-max=0"])
        .arg("--pack-destination")
        .arg(folder)
        .arg("--")
        .arg(&reference)
        .current_dir(folder);
    let output = run(&mut client, progress).map_err(|cause| FetchError::NoClient {
        client: "npm",
        cause,
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        return Err(FetchError::Client {
            client: "npm",
            reference,
            said,
        });
    }
    let archives = fs::read_dir(folder).map_err(|cause| FetchError::io(folder, cause))?;
    let archive = archives
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| has_ending(path, "tgz"));
    let archive = archive.ok_or(FetchError::Client {
        client: "npm",
        reference,
        said: "it left no archive".to_owned(),
    })?;
    let metadata = fs::metadata(&archive).map_err(|cause| FetchError::io(&archive, cause))?;
    progress(metadata.len());
    Ok(archive)
}

/// Runs a client to its end, and tells again and again how many bytes it has of what it fetches.
fn run(client: &mut Command, progress: &dyn Fn(u64)) -> io::Result<Output> {
    client.stdin(Stdio::null()).stdout(Stdio::null());
    let child = client.stderr(Stdio::piped()).spawn()?;
    let process = child.id();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| child.wait_with_output());
        // It writes the archive more than once: to its cache, and from there to the folder.
        let mut size_bytes = 0;
        while !waiting.is_finished() {
            size_bytes = being_written(process).max(size_bytes);
            progress(size_bytes);
            thread::sleep(LOOK_INTERVAL);
        }
        let ended = waiting.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("waiting for it failed")))
    })
}

/// The size of the longest file that a process is writing: what has come in of a download, wherever it is put. Zero if
/// it writes none, or leaves that to a process of its own.
fn being_written(process: u32) -> u64 {
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return 0;
    };
    let size = |path: &Path| {
        let is_writable = path.symlink_metadata().ok()?.permissions().mode() & WRITABLE != 0;
        let file = path.metadata().ok()?;
        (is_writable && file.is_file()).then_some(file.len())
    };
    let paths = open.filter_map(Result::ok).map(|entry| entry.path());
    paths.filter_map(|path| size(&path)).max().unwrap_or(0)
}

/// The digest and size of an archive, or `None` for a folder.
///
/// # Errors
/// It can't be read.
pub fn measure(source: &Path) -> Result<Option<(Digest, u64)>, FetchError> {
    if source.is_dir() {
        return Ok(None);
    }
    let measured = digest::measure_file(source).map_err(|cause| FetchError::Read { cause })?;
    Ok(Some((measured.digest(), measured.size_bytes())))
}

/// Copies the wanted files out of an archive (`.tgz`, `.tar.gz`, `.tar`) or a folder into `folder`, measuring each on
/// the way. A wanted file that isn't there is left out: whoever wanted it compares.
///
/// # Errors
/// The source can't be read, is no archive, or holds more than is allowed.
pub fn take(source: &Path, wanted: &[Wanted], folder: &Path) -> Result<Listing, FetchError> {
    if source.is_dir() {
        return take_from_folder(source, wanted, folder);
    }
    let file = whole_file::open(source).map_err(|cause| FetchError::io(source, cause))?;
    if has_ending(source, "tar") {
        take_from_tar(source, &mut &file, wanted, folder)
    } else {
        take_from_tar(
            source,
            &mut flate2::read::MultiGzDecoder::new(file),
            wanted,
            folder,
        )
    }
}

fn take_from_folder(
    source: &Path,
    wanted: &[Wanted],
    folder: &Path,
) -> Result<Listing, FetchError> {
    let mut listing = Listing::new();
    for want in wanted {
        let path = source.join(&want.path);
        if !path.exists() {
            continue;
        }
        let mut file = whole_file::open(&path).map_err(|cause| FetchError::io(&path, cause))?;
        listing.insert(&want.name, copy(&mut file, want, folder)?);
    }
    Ok(listing)
}

fn take_from_tar(
    source: &Path,
    bytes: &mut dyn Read,
    wanted: &[Wanted],
    folder: &Path,
) -> Result<Listing, FetchError> {
    let failed = |cause| FetchError::io(source, cause);
    let by_path: BTreeMap<&str, &Wanted> = wanted
        .iter()
        .map(|want| (want.path.as_str(), want))
        .collect();
    let mut listing = Listing::new();
    let mut archive = tar::Archive::new(bytes.take(UNPACKED_SIZE_BYTES_MAX));
    for (count, member) in archive.entries().map_err(failed)?.enumerate() {
        let mut member = member.map_err(failed)?;
        if count > MEMBERS_MAX {
            return Err(FetchError::TooMuch {
                source_path: source.to_owned(),
            });
        }
        let path = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let Some(want) = by_path.get(path.as_str()) else {
            continue;
        };
        if !member.header().entry_type().is_file() {
            continue;
        }
        if listing.contains_key(&want.name) {
            return Err(FetchError::Twice {
                source_path: source.to_owned(),
                path,
            });
        }
        listing.insert(&want.name, copy(&mut member, want, folder)?);
    }
    Ok(listing)
}

fn copy(from: &mut dyn Read, want: &Wanted, folder: &Path) -> Result<digest::Measured, FetchError> {
    let target = folder.join(&want.name);
    let failed = |cause| FetchError::Write {
        path: target.clone(),
        cause,
    };
    fs::create_dir_all(target.parent().unwrap_or(folder)).map_err(failed)?;
    let mut file = File::create_new(&target).map_err(failed)?;
    // One byte more than allowed is enough for the policy to see that it is too long.
    let mut from = from.take(want.size_bytes_max.saturating_add(1));
    measure_reader(&mut from, &mut file).map_err(|cause| match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failed(cause),
        _ => FetchError::io(&target, cause),
    })
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The registry's client is not there.
    #[error("`{client}` can't be run")]
    NoClient {
        /// Which client.
        client: &'static str,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The registry's client failed.
    #[error("`{client}` can't fetch `{reference}`: {said}")]
    Client {
        /// Which client.
        client: &'static str,
        /// What it was asked for.
        reference: String,
        /// The last line of what it said.
        said: String,
    },
    /// An archive or folder can't be read.
    #[error("`{}` can't be read", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// What was taken out of it can't be written.
    #[error("`{}` can't be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// An archive can't be measured.
    #[error(transparent)]
    Read {
        /// Why.
        cause: digest::ReadError,
    },
    /// An archive holds too much.
    #[error("`{}` holds more than {MEMBERS_MAX} files", source_path.display())]
    TooMuch {
        /// Which.
        source_path: PathBuf,
    },
    /// An archive holds a file twice.
    #[error("`{}` holds `{path}` twice", source_path.display())]
    Twice {
        /// Which archive.
        source_path: PathBuf,
        /// Which file.
        path: String,
    },
}

impl FetchError {
    fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            cause,
        }
    }

    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NoClient { .. } | Self::Client { .. } => Code::Network,
            Self::Io { .. } | Self::Write { .. } | Self::Read { .. } => Code::Io,
            Self::TooMuch { .. } => Code::TooLarge,
            Self::Twice { .. } => Code::DataInvalid,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::NoClient { .. } => {
                "install it, or fetch the archive yourself and give it with `--from FILE`"
            }
            Self::Client { .. } => {
                "check the network, or fetch the archive yourself and give it with `--from FILE`"
            }
            Self::Io { .. } | Self::Write { .. } | Self::Read { .. } => {
                "check the path and its permissions"
            }
            Self::TooMuch { .. } | Self::Twice { .. } => "get the archive that the policy means",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(path: &str, size_bytes_max: u64) -> Wanted {
        Wanted {
            path: path.to_owned(),
            name: path.rsplit('/').next().unwrap().to_owned(),
            size_bytes_max,
        }
    }

    fn archive(folder: &Path, members: &[(&str, &[u8])]) -> PathBuf {
        let path = folder.join("a.tgz");
        let gzip = flate2::write::GzEncoder::new(
            File::create(&path).unwrap(),
            flate2::Compression::fast(),
        );
        let mut builder = tar::Builder::new(gzip);
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn what_a_client_has_written_is_told_while_it_writes() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("long"), [0; 100]).unwrap();
        // A file that is only read does not count, and what was told is not taken back.
        let script = "exec 3> part 4< long; printf 12345 >&3; sleep 1; printf 678 >&3; sleep 1; \
                      exec 3>&-; sleep 1; echo said >&2; exit 7";
        let told = std::cell::RefCell::new(Vec::new());
        let mut client = Command::new("sh");
        client.args(["-c", script]).current_dir(dir.path());
        let output = run(&mut client, &|size_bytes| {
            told.borrow_mut().push(size_bytes);
        })
        .unwrap();
        assert_eq!(
            (output.status.code(), &*output.stderr),
            (Some(7), &b"said\n"[..])
        );
        let mut told = told.into_inner();
        told.dedup();
        let told = told.strip_prefix(&[0]).unwrap_or(&told);
        assert_eq!(told, [5, 8]);
        assert!(run(&mut Command::new("/no/such/client"), &|_| ()).is_err());
    }

    #[test]
    fn takes_what_is_wanted_and_measures_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = archive(
            dir.path(),
            &[("package/data/x", b"xx"), ("package/y", b"y")],
        );
        let out = dir.path().join("out");
        let listing = take(
            &path,
            &[wanted("package/data/x", 10), wanted("package/none", 10)],
            &out,
        )
        .unwrap();
        assert_eq!(listing.len(), 1);
        assert_eq!(listing["x"].digest(), Digest::of(b"xx"));
        assert_eq!(fs::read(out.join("x")).unwrap(), b"xx");
    }

    #[test]
    fn a_longer_file_is_cut_one_byte_after_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = archive(dir.path(), &[("x", b"1234567890")]);
        let listing = take(&path, &[wanted("x", 4)], &dir.path().join("out")).unwrap();
        assert_eq!(listing["x"].size_bytes(), 5);
    }

    #[test]
    fn a_doubled_or_broken_archive_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = archive(dir.path(), &[("x", b"1"), ("x", b"2")]);
        let taken = take(&path, &[wanted("x", 4)], &dir.path().join("out"));
        assert!(matches!(taken, Err(FetchError::Twice { .. })));
        let broken = dir.path().join("b.tgz");
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() / 2);
        fs::write(&broken, bytes).unwrap();
        assert!(take(&broken, &[wanted("x", 4)], &dir.path().join("out2")).is_err());
    }
}
