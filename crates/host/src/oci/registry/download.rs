//! A blob into a file: read as it comes, measured on the way, and gone on with where it was broken off.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use digest::Hasher;
use rustix::fs::OFlags;
use std::os::unix::fs::OpenOptionsExt;
use trust::oci::Descriptor;
use ureq::http::StatusCode;

use super::ask::header;
use super::{Question, Registry, Whence};
use crate::oci::{HttpError, ReadError};

/// So often in a row it is tried again when nothing came.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);
const PIECE_SIZE_BYTES: usize = 128 << 10;

/// A file that is becoming a blob.
struct Part<'a> {
    file: File,
    path: &'a Path,
    hasher: Hasher,
    at: u64,
}

impl Registry {
    /// Fetches a blob into a file. What is there of it, from an earlier time, is measured and not fetched again. When it
    /// returns, the file is the blob and durable; a file of other bytes is not left behind.
    ///
    /// # Errors
    /// It is not there, breaks off again and again, has other bytes than its digest, or the disk fails.
    pub(in crate::oci) fn download(
        &self,
        blob: &Descriptor,
        path: &Path,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ReadError> {
        let mut part = Part::open(path, blob.size_bytes, progress)?;
        let had_some = part.at > 0;
        self.complete(blob, &mut part, progress)?;
        let got = part.finish()?;
        if got == blob.digest {
            return Ok(());
        }
        std::fs::remove_file(path).map_err(|cause| io_error(path, cause))?;
        match had_some {
            // What was there before was something else.
            true => self.download(blob, path, &|_| {}),
            false => {
                let want = blob.digest;
                Err(ReadError::Other { want, got })
            }
        }
    }

    fn complete(
        &self,
        blob: &Descriptor,
        part: &mut Part<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ReadError> {
        let mut tries = 0;
        while part.at < blob.size_bytes {
            let began_at = part.at;
            match self.more(blob, part, progress) {
                Ok(()) => {}
                Err(error) if !is_passing(&error) => return Err(error),
                Err(error) => {
                    tries = if part.at > began_at { 0 } else { tries + 1 };
                    if tries == TRIES {
                        return Err(error);
                    }
                    thread::sleep(PAUSE * (1 << tries));
                }
            }
        }
        Ok(())
    }

    /// Asks for what is missing, and takes what comes of it.
    fn more(
        &self,
        blob: &Descriptor,
        part: &mut Part<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ReadError> {
        let address = self.address(&format!("blobs/{}", blob.digest));
        let mut question = Question::get(&address, "*/*", 0, Whence::Anywhere);
        if part.at > 0 {
            question = question.with("Range", format!("bytes={}-", part.at));
        }
        let (address, answer) = self.respond(&question)?;
        let begins = match answer.status() {
            StatusCode::OK => Some(0),
            StatusCode::PARTIAL_CONTENT => {
                header(answer.headers(), "content-range").and_then(begin)
            }
            StatusCode::NOT_FOUND => return Err(self.not_found(blob.digest.to_string())),
            status => {
                let said = String::new();
                let (url, status) = (super::shown(&address), status.as_u16());
                return Err(HttpError::Refused { url, status, said }.into());
            }
        };
        match begins {
            Some(begins) if begins == part.at => {}
            // It gives all of it again, whatever it was asked.
            Some(0) => part.restart()?,
            _ => return Err(self.not_found(format!("the rest of {}", blob.digest))),
        }
        let mut body = answer.into_body().into_reader();
        let mut piece = vec![0; PIECE_SIZE_BYTES];
        while part.at < blob.size_bytes {
            let count = match body.read(&mut piece) {
                Ok(0) => return Err(broken(&address, &io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => count,
                Err(cause) => return Err(broken(&address, &cause)),
            };
            let piece = piece.get(..count).unwrap_or_default();
            if blob.size_bytes - part.at < count as u64 {
                return Err(ReadError::TooLarge {
                    what: blob.digest.to_string(),
                    size_bytes_max: blob.size_bytes,
                });
            }
            part.write(piece)?;
            progress(count as u64);
        }
        Ok(())
    }
}

impl<'a> Part<'a> {
    fn open(
        path: &'a Path,
        size_bytes: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Self, ReadError> {
        let failed = |cause| io_error(path, cause);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        options.custom_flags(i32::try_from(flags).unwrap_or_default());
        let mut file = options.open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is no regular file")));
        }
        if metadata.len() > size_bytes {
            file.set_len(0).map_err(failed)?;
        }
        let (mut hasher, mut at) = (Hasher::new(), 0);
        let mut piece = vec![0; PIECE_SIZE_BYTES];
        loop {
            let count = file.read(&mut piece).map_err(failed)?;
            if count == 0 {
                break;
            }
            hasher.update(piece.get(..count).unwrap_or_default());
            at += count as u64;
            progress(count as u64);
        }
        Ok(Self {
            file,
            path,
            hasher,
            at,
        })
    }

    fn restart(&mut self) -> Result<(), ReadError> {
        let emptied = self.file.set_len(0);
        let emptied = emptied.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|cause| io_error(self.path, cause))?;
        (self.hasher, self.at) = (Hasher::new(), 0);
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), ReadError> {
        let written = self.file.write_all(piece);
        written.map_err(|cause| io_error(self.path, cause))?;
        self.hasher.update(piece);
        self.at += piece.len() as u64;
        Ok(())
    }

    fn finish(self) -> Result<digest::Digest, ReadError> {
        let synced = self.file.sync_all();
        synced.map_err(|cause| io_error(self.path, cause))?;
        Ok(self.hasher.finish())
    }
}

/// Whether it may be otherwise the next time.
pub(super) fn is_passing(error: &ReadError) -> bool {
    match error {
        ReadError::Http(HttpError::Failed { .. }) => true,
        ReadError::Http(HttpError::Refused { status, .. }) => *status == 429 || *status >= 500,
        _ => false,
    }
}

/// Where a part begins, of `bytes 5-9/10`.
fn begin(content_range: &str) -> Option<u64> {
    let range = content_range.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

fn broken(address: &str, cause: &io::Error) -> ReadError {
    ReadError::Http(HttpError::Failed {
        url: super::shown(address),
        cause: cause.to_string(),
    })
}

fn io_error(path: &Path, cause: io::Error) -> ReadError {
    let path = path.to_owned();
    ReadError::Io { path, cause }
}
