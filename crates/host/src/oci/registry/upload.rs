//! Blobs and manifests into a registry. What it says that it took is compared with what was sent, never taken for it.

use std::io::Read;
use std::thread;
use std::time::Duration;

use digest::{Digest, Hasher};
use trust::oci::Version;
use ureq::http::{HeaderMap, Method, StatusCode};

use super::address::absolute;
use super::ask::header;
use super::download::is_passing;
use super::{Answer, MANIFESTS, Question, Registry, Whence, shown};
use crate::oci::{ReadError, Source};

/// A file goes in parts of so many bytes, each of which is held until it is there.
const PART_SIZE_BYTES: usize = 8 << 20;
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
const BYTES: &str = "application/octet-stream";

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushedBlob {
    /// It was there.
    There,
    /// It was sent.
    Sent,
}

/// An upload that goes on.
struct Session {
    /// Where the next part goes.
    address: String,
    /// How much is there.
    at: u64,
}

impl Registry {
    /// Pushes a blob, part by part; one that is there is not sent again. A part that gets lost is sent again from where the
    /// registry has it.
    ///
    /// # Errors
    /// The registry does not take it or breaks off again and again, or the bytes are other ones.
    pub(in crate::oci) fn upload(
        &self,
        want: Digest,
        size_bytes: u64,
        from: &mut dyn Read,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<PushedBlob, ReadError> {
        if self.has_blob(want, size_bytes)? {
            progress(size_bytes);
            return Ok(PushedBlob::There);
        }
        let mut session = self.begin_upload()?;
        let mut hasher = Hasher::new();
        let mut part = Vec::new();
        while session.at < size_bytes {
            let length = (size_bytes - session.at).min(PART_SIZE_BYTES as u64);
            part.clear();
            let read = (&mut *from).take(length).read_to_end(&mut part);
            read.map_err(|cause| ReadError::Io {
                path: want.to_string().into(),
                cause,
            })?;
            hasher.update(&part);
            if part.len() as u64 != length {
                let got = hasher.finish();
                return Err(ReadError::Changed { want, got });
            }
            self.send_part(&mut session, &part)?;
            progress(length);
        }
        // Before the registry is asked to keep it: what it is called is ours to say.
        let got = hasher.finish();
        if got != want {
            return Err(ReadError::Changed { want, got });
        }
        self.end_upload(&session, want)?;
        Ok(PushedBlob::Sent)
    }

    /// Pushes bytes that are in memory.
    ///
    /// # Errors
    /// The registry does not take them.
    pub(in crate::oci) fn upload_bytes(&self, bytes: &[u8]) -> Result<PushedBlob, ReadError> {
        let size_bytes = bytes.len() as u64;
        self.upload(Digest::of(bytes), size_bytes, &mut &*bytes, &|_| {})
    }

    /// Whether the registry says that it has a blob of this size.
    fn has_blob(&self, blob: Digest, size_bytes: u64) -> Result<bool, ReadError> {
        let address = self.address(&format!("blobs/{blob}"));
        let question = Question {
            method: Method::HEAD,
            ..Question::get(&address, "*/*", 0, Whence::Anywhere)
        };
        let (_, answer) = self.respond(&question)?;
        let length = header(answer.headers(), "content-length");
        let length = length.and_then(|length| length.parse::<u64>().ok());
        Ok(answer.status() == StatusCode::OK && length == Some(size_bytes))
    }

    fn begin_upload(&self) -> Result<Session, ReadError> {
        let address = self.address("blobs/uploads/");
        let question = Question::change(Method::POST, &address, &[]);
        let answer = self.ask(&question)?;
        match answer.status {
            StatusCode::ACCEPTED => Ok(Session {
                address: self.next_address(&address, &answer.headers)?,
                at: 0,
            }),
            _ => Err(self.refused(&address, &answer)),
        }
    }

    /// Sends a part until all of it is there.
    fn send_part(&self, session: &mut Session, part: &[u8]) -> Result<(), ReadError> {
        let (begin, end) = (session.at, session.at + part.len() as u64);
        let mut tries = 0;
        while session.at < end {
            let done = usize::try_from(session.at - begin).unwrap_or(part.len());
            let rest = part.get(done..).unwrap_or_default();
            let sent = self.patch(session, rest);
            let Err(error) = sent else { continue };
            tries += 1;
            if tries == TRIES || !may_go_on(&error) {
                return Err(error);
            }
            thread::sleep(PAUSE * (1 << tries));
            let before = session.at;
            self.ask_where(session)?;
            if session.at < begin || session.at > end {
                let why = format!("it has {} bytes of {before} to {end}", session.at);
                let host = self.host();
                return Err(ReadError::Upload { host, why });
            }
        }
        Ok(())
    }

    fn patch(&self, session: &mut Session, rest: &[u8]) -> Result<(), ReadError> {
        let last = session.at + rest.len() as u64 - 1;
        let question = Question::change(Method::PATCH, &session.address, rest)
            .with("Content-Type", BYTES)
            .with("Content-Range", format!("{}-{last}", session.at));
        let answer = self.ask(&question)?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(self.refused(&session.address, &answer));
        }
        self.take_note(session, &answer.headers, Some(last + 1))
    }

    /// Asks how much of an upload is there.
    fn ask_where(&self, session: &mut Session) -> Result<(), ReadError> {
        let question = Question::get(&session.address, "*/*", 0, Whence::Registry);
        let answer = self.ask(&question)?;
        if answer.status != StatusCode::NO_CONTENT {
            return Err(self.refused(&session.address, &answer));
        }
        self.take_note(session, &answer.headers, None)
    }

    fn take_note(
        &self,
        session: &mut Session,
        headers: &HeaderMap,
        sent: Option<u64>,
    ) -> Result<(), ReadError> {
        // `0-0` is said of nothing, too; whoever says nothing took what was sent.
        let range = header(headers, "range").and_then(|range| {
            let (_, last) = range.rsplit_once('-')?;
            last.parse::<u64>().ok()
        });
        let has = match range {
            Some(0) => sent.filter(|sent| *sent == 1).unwrap_or(0),
            Some(last) => last.saturating_add(1),
            None => sent.unwrap_or(0),
        };
        if header(headers, "location").is_some() {
            session.address = self.next_address(&session.address, headers)?;
        }
        session.at = has;
        Ok(())
    }

    fn end_upload(&self, session: &Session, blob: Digest) -> Result<(), ReadError> {
        let separator = if session.address.contains('?') {
            '&'
        } else {
            '?'
        };
        let address = format!("{}{separator}digest={blob}", session.address);
        let answer = self.ask(&Question::change(Method::PUT, &address, &[]))?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => {
                self.check_stated(&answer.headers, &blob.to_string(), blob)
            }
            _ => Err(self.refused(&address, &answer)),
        }
    }

    /// Where an upload goes on: with the registry itself, which has our pass.
    fn next_address(&self, address: &str, headers: &HeaderMap) -> Result<String, ReadError> {
        let to = header(headers, "location").unwrap_or_default();
        let next = absolute(address, to).filter(|next| self.is_own(next));
        next.ok_or_else(|| ReadError::Elsewhere {
            from: shown(address),
            to: shown(to),
        })
    }

    /// Pushes a manifest under its digest and, if one is named, a tag; reads it back by both, and compares. Says whether the
    /// registry takes note of its subject.
    ///
    /// # Errors
    /// The registry does not take it, or has something else afterwards.
    pub fn push_manifest(
        &self,
        manifest: &[u8],
        media_type: &str,
        tag: Option<&str>,
    ) -> Result<bool, ReadError> {
        let want = Digest::of(manifest);
        let name = tag.map_or_else(|| want.to_string(), ToOwned::to_owned);
        let answer = self.put_manifest(&name, manifest, media_type)?;
        self.check_stated(&answer.headers, &name, want)?;
        self.check_back(&Version::Digest(want), &want.to_string(), want)?;
        if let Some(tag) = tag {
            self.check_back(&Version::Tag(tag.to_owned()), tag, want)?;
        }
        Ok(header(&answer.headers, "oci-subject").is_some())
    }

    pub(super) fn put_manifest(
        &self,
        name: &str,
        manifest: &[u8],
        media_type: &str,
    ) -> Result<Answer, ReadError> {
        let address = self.address(&format!("manifests/{name}"));
        let mut tries = 0;
        loop {
            let question = Question::change(Method::PUT, &address, manifest);
            let question = question
                .with("Content-Type", media_type)
                .with("Accept", MANIFESTS);
            let answer = self.ask(&question).and_then(|answer| match answer.status {
                StatusCode::CREATED => Ok(answer),
                _ => Err(self.refused(&address, &answer)),
            });
            match answer {
                Err(error) if is_passing(&error) && tries < TRIES => {
                    tries += 1;
                    thread::sleep(PAUSE * (1 << tries));
                }
                answer => return answer,
            }
        }
    }

    /// What a registry says that it kept.
    fn check_stated(&self, headers: &HeaderMap, what: &str, want: Digest) -> Result<(), ReadError> {
        let stated = header(headers, "docker-content-digest");
        match stated.and_then(|stated| stated.parse::<Digest>().ok()) {
            Some(got) if got != want => Err(self.swapped(what, want, got)),
            _ => Ok(()),
        }
    }

    /// What a registry gives when it is asked for what was pushed.
    fn check_back(&self, version: &Version, what: &str, want: Digest) -> Result<(), ReadError> {
        match self.manifest(version) {
            Ok(bytes) if Digest::of(&bytes) == want => Ok(()),
            Ok(bytes) => Err(self.swapped(what, want, Digest::of(&bytes))),
            Err(ReadError::Other { got, .. }) => Err(self.swapped(what, want, got)),
            Err(error) => Err(error),
        }
    }

    fn swapped(&self, what: &str, want: Digest, got: Digest) -> ReadError {
        ReadError::Swapped {
            host: self.host(),
            what: what.to_owned(),
            want,
            got,
        }
    }
}

/// Whether it can be found out how much is there, and gone on from there.
fn may_go_on(error: &ReadError) -> bool {
    let is_other_range = |status: &u16| *status == 416;
    match error {
        ReadError::Http(crate::oci::HttpError::Refused { status, .. })
            if is_other_range(status) =>
        {
            true
        }
        error => is_passing(error),
    }
}
