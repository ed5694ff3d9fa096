//! The signer: the only process that holds the key while a step runs.
//!
//! It is a user of its own, sees no network and opens no file. It is told by the observer, not by the control plane,
//! what the outputs measure, and signs one statement, if that is about exactly those.

use std::collections::BTreeMap;
use std::io;

use decode::json::{self, Limits};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::channel::Channel;
use super::error::Error;
use super::message::{Answer, Entry, Failure, Sight};
use super::process::{self, Process};
use super::{SignFn, confine};

/// A signer that waits for its one statement. Dropping it ends its process, and the key is gone from memory.
#[derive(Debug)]
pub(super) struct Signer(pub(super) Process);

impl Signer {
    pub(super) fn give_key(&self, key: &[u8]) -> Result<(), Error> {
        let given = self.0.channel.send_bytes(key, &[]);
        given.map_err(|cause| self.0.failed("being given the key", cause))
    }

    pub(super) fn sign(self, statement: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |cause| self.0.failed("signing", cause);
        let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let channel = &self.0.channel;
        channel.send_bytes(statement, &[]).map_err(failed)?;
        match channel
            .receive()
            .and_then(|answer| answer.ok_or_else(gone))
            .map_err(failed)?
        {
            Answer::Refused(why) => Err(Error::NotSigned { why }),
            Answer::Signed => {
                let signed = channel.receive_bytes().map_err(failed)?;
                signed
                    .map(|(bytes, _)| bytes.to_vec())
                    .ok_or_else(|| failed(gone()))
            }
        }
    }
}

/// Serves one run.
pub(super) fn serve(sign: SignFn) -> io::Result<()> {
    let channel = Channel::inherited()?;
    let observer = Channel::inherited_second()?;
    if let Err(failure) = start(&channel) {
        return channel.send(&Entry::Failed(failure));
    }
    channel.send(&Entry::Ready)?;
    let Some((key, _)) = channel.receive_bytes()? else {
        return Ok(());
    };
    let Some(observed) = hear(&observer)? else {
        return Ok(());
    };
    let Some((statement, _)) = channel.receive_bytes()? else {
        return Ok(());
    };
    let signed = check(&statement, &observed).and_then(|()| sign(&key, &statement));
    match signed {
        Err(why) => channel.send(&Answer::Refused(why)),
        Ok(bytes) => {
            channel.send(&Answer::Signed)?;
            channel.send_bytes(&bytes, &[])
        }
    }
}

fn start(channel: &Channel) -> Result<(), Failure> {
    let user = process::enter(channel, NAMESPACES)?;
    process::settle(user, CapabilitySet::empty())?;
    confine::fence_off_all_files().map_err(Failure::when("fencing off files"))
}

const NAMESPACES: UnshareFlags = UnshareFlags::NEWUSER
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWIPC);

type Digests = BTreeMap<String, String>;

/// What the observer measured; nothing, if it refused something or is gone.
fn hear(observer: &Channel) -> io::Result<Option<Digests>> {
    let mut observed = Digests::new();
    loop {
        match observer.receive()? {
            Some(Sight::Output { path, sha256, .. }) => observed.insert(path, sha256),
            Some(Sight::Done) => return Ok(Some(observed)),
            _ => return Ok(None),
        };
    }
}

/// The statement's subjects must be the outputs: all of them, no other, with the digests that were observed.
fn check(statement: &[u8], observed: &Digests) -> Result<(), String> {
    let statement = json::value(statement, Limits::LARGE).map_err(|e| e.to_string())?;
    let subjects = statement.member("subject").and_then(json::Value::as_array);
    let mut stated = Digests::new();
    for subject in subjects.ok_or("the statement has no subjects")? {
        let name = subject.member("name").and_then(json::Value::as_str);
        let digests = subject.member("digest").and_then(json::Value::as_object);
        let (Some(name), Some([(algorithm, sha256)])) = (name, digests) else {
            return Err("a subject needs a name and one digest".into());
        };
        let sha256 = sha256.as_str().filter(|_| algorithm == "sha256");
        let sha256 = sha256.ok_or("a subject needs a SHA-256 digest")?.to_owned();
        if stated.insert(name.to_owned(), sha256).is_some() {
            return Err(format!("subject `{name}` stands twice"));
        }
    }
    if stated.is_empty() {
        return Err("there is nothing to state: the step has no outputs".into());
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

    #[test]
    fn signs_only_what_was_observed() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let observed = Digests::from([("a".into(), one.clone()), ("b".into(), two.clone())]);
        let subject =
            |name: &str, hex: &str| format!(r#"{{"name":"{name}","digest":{{"sha256":"{hex}"}}}}"#);
        let refusal = |subjects: &[String]| {
            let statement = format!(r#"{{"subject":[{}]}}"#, subjects.join(","));
            check(statement.as_bytes(), &observed).err()
        };
        assert_eq!(refusal(&[subject("a", &one), subject("b", &two)]), None);
        assert_eq!(refusal(&[subject("b", &two), subject("a", &one)]), None);
        for subjects in [
            vec![subject("a", &one)],
            vec![],
            vec![subject("a", &one), subject("b", &one)],
            vec![subject("a", &one), subject("c", &two)],
            vec![subject("a", &one), subject("b", &two), subject("c", &two)],
            vec![subject("a", &one), subject("b", &two), subject("b", &two)],
            vec![
                subject("a", &one),
                subject("b", &two).replace("sha256", "sha512"),
            ],
        ] {
            assert!(refusal(&subjects).is_some(), "{subjects:?}");
        }
        assert!(check(b"{}", &observed).is_err());
        assert!(check(br#"{"subject":[]}"#, &Digests::new()).is_err());
    }
}
