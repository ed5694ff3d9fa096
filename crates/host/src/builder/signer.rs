//! The signer: the only process that holds the key while a step runs.
//!
//! It is a user of its own, sees no network and opens no file. It is told by the observer, not by the control plane,
//! what the outputs measure, and signs one statement, if that is about exactly those.

use std::collections::BTreeMap;
use std::io;

use digest::Digest;
use rustix::thread::{CapabilitySet, UnshareFlags};
use trust::predicate::Provenance;
use trust::{Bundle, Predicate, PrivateKey, Signer as _, Statement};

use super::channel::Channel;
use super::confine;
use super::error::Error;
use super::message::{Answer, Entry, Failure, Sight};
use super::process::{self, Process};

/// A signer that waits for its one statement. Dropping it ends its process, and the key is gone from memory.
#[derive(Debug)]
pub(super) struct Signer(Process);

impl Signer {
    /// Gives a signer process its key. One that it can't sign with is refused here, before anything has run.
    pub(super) fn new(process: Process, key: &str) -> Result<Self, Error> {
        let signer = Self(process);
        let given = signer.0.channel.send_bytes(key.as_bytes(), &[]);
        given.map_err(|cause| signer.failed(cause))?;
        match signer.answer()? {
            Answer::HoldsKey => Ok(signer),
            Answer::Refused(why) => Err(Error::NotSigned { why }),
            Answer::Signed => Err(signer.failed(io::ErrorKind::InvalidData.into())),
        }
    }

    pub(super) fn sign(self, statement: &[u8]) -> Result<Bundle, Error> {
        let sent = self.0.channel.send_bytes(statement, &[]);
        sent.map_err(|cause| self.failed(cause))?;
        match self.answer()? {
            Answer::Signed => self.bundle(),
            Answer::Refused(why) => Err(Error::NotSigned { why }),
            Answer::HoldsKey => Err(self.failed(io::ErrorKind::InvalidData.into())),
        }
    }

    fn answer(&self) -> Result<Answer, Error> {
        let answer = self.0.channel.receive();
        answer
            .and_then(|answer| answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
            .map_err(|cause| self.failed(cause))
    }

    fn bundle(&self) -> Result<Bundle, Error> {
        let received = self.0.channel.receive_bytes();
        received
            .and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
            .and_then(|(bytes, _)| Bundle::parse(&bytes).map_err(io::Error::other))
            .map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: io::Error) -> Error {
        self.0.failed("signing", cause)
    }
}

/// Serves one run.
pub(super) fn serve() -> io::Result<()> {
    let channel = Channel::inherited()?;
    let observer = Channel::inherited_second()?;
    if let Err(failure) = start(&channel) {
        return channel.send(&Entry::Failed(failure));
    }
    channel.send(&Entry::Ready)?;
    let Some((key, _)) = channel.receive_bytes()? else {
        return Ok(());
    };
    let key = match read_key(&key) {
        Ok(key) => key,
        Err(why) => return channel.send(&Answer::Refused(why)),
    };
    channel.send(&Answer::HoldsKey)?;
    let Some(observed) = hear(&observer)? else {
        return Ok(());
    };
    let Some((statement, _)) = channel.receive_bytes()? else {
        return Ok(());
    };
    match sign(&key, &statement, &observed) {
        Err(why) => channel.send(&Answer::Refused(why)),
        Ok(bundle) => {
            channel.send(&Answer::Signed)?;
            channel.send_bytes(&bundle.to_bytes(), &[])
        }
    }
}

fn read_key(pem: &[u8]) -> Result<PrivateKey, String> {
    let pem = std::str::from_utf8(pem).map_err(|_| "the key is not PEM")?;
    PrivateKey::from_pem(pem, None).map_err(|e| e.to_string())
}

fn sign(key: &PrivateKey, statement: &[u8], observed: &Digests) -> Result<Bundle, String> {
    check(statement, observed)?;
    key.seal(statement.to_vec()).map_err(|e| e.to_string())
}

fn start(channel: &Channel) -> Result<(), Failure> {
    let user = process::enter(channel, NAMESPACES)?;
    process::settle(user, CapabilitySet::empty())?;
    confine::fence_off_all_files().map_err(Failure::when("fencing off files"))
}

const NAMESPACES: UnshareFlags = UnshareFlags::NEWUSER
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWIPC);

type Digests = BTreeMap<String, Digest>;

/// What the observer measured; nothing, if it refused something or is gone.
fn hear(observer: &Channel) -> io::Result<Option<Digests>> {
    let mut observed = Digests::new();
    loop {
        match observer.receive()? {
            Some(Sight::Output { path, sha256, .. }) => {
                let digest = Digest::from_hex(&sha256).map_err(io::Error::other)?;
                observed.insert(path, digest);
            }
            Some(Sight::Done) => return Ok(Some(observed)),
            _ => return Ok(None),
        }
    }
}

/// The statement must be provenance, and its subjects the outputs: all of them, no other, as they were observed.
fn check(statement: &[u8], observed: &Digests) -> Result<(), String> {
    let statement = Statement::parse(statement).map_err(|e| e.to_string())?;
    if statement.predicate.predicate_type != Provenance::TYPE {
        return Err("the statement is not provenance, and a builder signs nothing else".into());
    }
    let mut stated = Digests::new();
    for subject in statement.subjects {
        if stated
            .insert(subject.name.clone(), subject.digest)
            .is_some()
        {
            return Err(format!("subject `{}` stands twice", subject.name));
        }
    }
    if stated == *observed {
        Ok(())
    } else {
        Err("the statement's subjects are not what the observer measured".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVENANCE: &str = Provenance::TYPE;

    fn refusal(predicate_type: &str, subjects: &[(&str, &[u8])]) -> Option<String> {
        let observed = [("a", &b"1"[..]), ("b", b"2")];
        let observed = observed.map(|(name, bytes)| (name.to_owned(), Digest::of(bytes)));
        let subjects = subjects.iter().map(|(name, bytes)| {
            let hex = Digest::of(bytes).hex();
            format!(r#"{{"name":"{name}","digest":{{"sha256":"{hex}"}}}}"#)
        });
        let subjects = subjects.collect::<Vec<_>>().join(",");
        let statement = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{subjects}],"predicateType":"{predicate_type}","predicate":{{}}}}"#
        );
        check(statement.as_bytes(), &Digests::from(observed)).err()
    }

    #[test]
    fn signs_only_what_was_observed() {
        assert_eq!(refusal(PROVENANCE, &[("a", b"1"), ("b", b"2")]), None);
        assert_eq!(refusal(PROVENANCE, &[("b", b"2"), ("a", b"1")]), None);
        for subjects in [
            &[("a", &b"1"[..])][..],
            &[],
            &[("a", b"1"), ("b", b"1")],
            &[("a", b"1"), ("c", b"2")],
            &[("a", b"1"), ("b", b"2"), ("c", b"2")],
            &[("a", b"1"), ("b", b"2"), ("b", b"2")],
        ] {
            assert!(refusal(PROVENANCE, subjects).is_some(), "{subjects:?}");
        }
        let both = [("a", &b"1"[..]), ("b", b"2")];
        assert!(refusal("https://slsa.dev/publish/v0.1", &both).is_some());
        assert!(check(b"{}", &Digests::new()).is_err());
    }
}
