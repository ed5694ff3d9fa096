//! Cosignatures (C2SP tlog-cosignature, `cosignature/v1`): witnesses who say that they saw a head, and that it follows from
//! every one that they saw before.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use digest::Hasher;

use super::note::{SIGNATURE_PREFIX, check_name};
use super::{Checkpoint, Note, NoteError};

/// The signature type of a timestamped Ed25519 cosignature.
const COSIGNATURE_TYPE: u8 = 4;
const HEADER: &str = "cosignature/v1";
/// A witness's key is some hundred bytes.
const KEY_SIZE_BYTES_MAX: usize = 64;
/// How many witnesses are asked about at most.
const WITNESSES_MAX: usize = 32;

/// A witness's public key, with its name. Written `name+id+key`, as C2SP's verifier keys are.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    public: [u8; 32],
}

impl WitnessKey {
    /// A key that somebody states.
    ///
    /// # Errors
    /// The name is empty, too long, or has a space or `+` in it.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let name = name.to_owned();
        Ok(Self { name, public })
    }

    /// What the witness is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> [u8; 4] {
        let mut hasher = Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.update(&[b'\n', COSIGNATURE_TYPE]);
        hasher.update(&self.public);
        let [a, b, c, d, ..] = *hasher.finish().raw();
        [a, b, c, d]
    }

    /// What is signed.
    pub(super) fn message(time: u64, text: &str) -> String {
        format!("{HEADER}\ntime {time}\n{text}")
    }

    /// The line of a note that holds a cosignature.
    pub(super) fn line(&self, time: u64, signature: &[u8]) -> String {
        let blob = [&self.key_id()[..], &time.to_be_bytes(), signature].concat();
        format!("{SIGNATURE_PREFIX}{} {}\n", self.name, BASE64.encode(&blob))
    }

    /// When the witness saw what the note says, in seconds since 1970 by its own clock; none if it didn't say that it did.
    ///
    /// # Errors
    /// A line that names the witness's key is not by it.
    pub fn cosigned(&self, note: &Note) -> Result<Option<u64>, NoteError> {
        let mut seen = None;
        for blob in note.signatures_of(&self.name, self.key_id()) {
            let wrong = || NoteError::WrongSignature {
                key: self.to_string(),
            };
            let (time, signature) = blob.split_first_chunk::<8>().ok_or_else(wrong)?;
            let time = u64::from_be_bytes(*time);
            let message = Self::message(time, note.claimed_text());
            UnparsedPublicKey::new(&ED25519, self.public)
                .verify(message.as_bytes(), signature)
                .map_err(|_| wrong())?;
            seen = seen.max(Some(time));
        }
        Ok(seen)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[COSIGNATURE_TYPE][..], &self.public].concat();
        let id = HEXLOWER.encode(&self.key_id());
        write!(f, "{}+{id}+{}", self.name, BASE64.encode(&typed))
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({self})")
    }
}

impl FromStr for WitnessKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("`name+id+key` was expected");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(typed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        if typed.len() > KEY_SIZE_BYTES_MAX {
            return Err(NoteError::Key("it is too long"));
        }
        let typed = BASE64.decode(typed.as_bytes()).map_err(|_| malformed)?;
        let public = match typed.split_first() {
            Some((&COSIGNATURE_TYPE, public)) => public.try_into().ok(),
            _ => {
                return Err(NoteError::Key(
                    "a witness's is of type 4, Ed25519 cosignatures",
                ));
            }
        };
        let key = Self::new(
            name,
            public.ok_or(NoteError::Key("an Ed25519 key has 32 bytes"))?,
        )?;
        if HEXLOWER.encode(&key.key_id()) == id {
            Ok(key)
        } else {
            Err(NoteError::Key("its id is not that of the name and key"))
        }
    }
}

/// Which witnesses are believed, and how many of them a head needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnesses {
    keys: Vec<WitnessKey>,
    needed: usize,
}

impl Witnesses {
    /// At least `needed` of these.
    ///
    /// # Errors
    /// No head could have so many, none is needed, or one key would count twice.
    pub fn new(keys: Vec<WitnessKey>, needed: usize) -> Result<Self, WitnessesError> {
        if keys.len() > WITNESSES_MAX {
            return Err(WitnessesError::Many);
        }
        if needed == 0 || needed > keys.len() {
            return Err(WitnessesError::Count {
                needed,
                named: keys.len(),
            });
        }
        for (at, key) in keys.iter().enumerate() {
            let before = keys.iter().take(at);
            if before.clone().any(|other| other.public == key.public) {
                return Err(WitnessesError::Twice {
                    name: key.name.clone(),
                });
            }
        }
        Ok(Self { keys, needed })
    }

    /// Checks that enough witnesses saw a head, and names those that did.
    ///
    /// # Errors
    /// Fewer did, or a cosignature is wrong.
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<Vec<&WitnessKey>, WitnessesError> {
        let note = Note::parse(checkpoint.note())?;
        let mut seen = Vec::new();
        for key in &self.keys {
            if key.cosigned(&note)?.is_some() {
                seen.push(key);
            }
        }
        if seen.len() >= self.needed {
            return Ok(seen);
        }
        Err(WitnessesError::TooFew {
            seen: seen.len(),
            needed: self.needed,
            size: checkpoint.head().size,
        })
    }
}

/// Why a head's witnesses are not enough, or could never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessesError {
    /// More than are looked at.
    #[error("more than {WITNESSES_MAX} witnesses are named")]
    Many,
    /// A number that means nothing or is never met.
    #[error("{needed} of {named} witnesses are asked for")]
    Count {
        /// How many.
        needed: usize,
        /// Of how many.
        named: usize,
    },
    /// One witness under two names.
    #[error("the key of the witness `{name}` is named twice")]
    Twice {
        /// The second name.
        name: String,
    },
    /// Not seen by enough.
    #[error(
        "{seen} of the {needed} witnesses that are asked for cosigned the head of {size} lines"
    )]
    TooFew {
        /// How many saw it.
        seen: usize,
        /// How many should have.
        needed: usize,
        /// The head's size.
        size: u64,
    },
    /// Not a note, or a wrong cosignature in it.
    #[error(transparent)]
    Note(#[from] NoteError),
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use digest::Digest;

    use super::*;
    use crate::log::{Head, LogSigner};

    fn log() -> LogSigner {
        LogSigner::from_seed("example.com/log", &[1; 32]).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        let root = Digest::of(b"root");
        Checkpoint::sign(Head { size: 42, root }, &log())
    }

    fn witness(number: u8) -> (WitnessKey, Ed25519KeyPair) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap();
        let key = WitnessKey {
            name: format!("witness.example/{number}"),
            public: pair.public_key().as_ref().try_into().unwrap(),
        };
        (key, pair)
    }

    /// The line that a witness adds, made by the specification's words and not by the code above.
    fn line(number: u8, note: &str, time: u64) -> String {
        let (key, pair) = witness(number);
        let (text, _) = note.split_once("\n\n").unwrap();
        let signed = pair.sign(format!("cosignature/v1\ntime {time}\n{text}\n").as_bytes());
        let blob = [&key.key_id()[..], &time.to_be_bytes(), signed.as_ref()].concat();
        format!("\u{2014} {} {}\n", key.name, BASE64.encode(&blob))
    }

    fn cosigned(lines: &[String]) -> Checkpoint {
        let note = checkpoint().note().to_owned() + &lines.concat();
        Checkpoint::open(&note, log().key()).unwrap()
    }

    #[test]
    fn so_many_of_those_that_are_named() {
        let note = checkpoint().note().to_owned();
        let keys = || [2, 3, 4].map(|number| witness(number).0).to_vec();
        let two = Witnesses::new(keys(), 2).unwrap();
        let by = |numbers: &[u8]| {
            let lines: Vec<String> = numbers.iter().map(|n| line(*n, &note, 7)).collect();
            two.check(&cosigned(&lines)).map(|seen| seen.len())
        };
        assert_eq!(by(&[2, 4]), Ok(2));
        assert_eq!(by(&[2, 3, 4, 9]), Ok(3));
        let few = |seen| {
            let (needed, size) = (2, 42);
            Err(WitnessesError::TooFew { seen, needed, size })
        };
        // None, one, one twice, and one with a stranger.
        assert_eq!(
            [by(&[]), by(&[3]), by(&[3, 3]), by(&[3, 9])],
            [few(0), few(1), few(1), few(1)]
        );
        for unfit in [
            Witnesses::new(keys(), 0),
            Witnesses::new(keys(), 4),
            Witnesses::new(vec![], 0),
        ] {
            assert!(matches!(unfit, Err(WitnessesError::Count { .. })));
        }
        let mut twice = keys();
        twice.push(WitnessKey {
            name: "other".into(),
            ..witness(2).0
        });
        assert!(matches!(
            Witnesses::new(twice, 2),
            Err(WitnessesError::Twice { .. })
        ));
    }

    #[test]
    fn another_time_head_name_or_byte_is_no_cosignature() {
        let note = checkpoint().note().to_owned();
        let good = line(2, &note, 7);
        let (key, _) = witness(2);
        let seen = |line: &str| {
            let note = Note::parse(&(checkpoint().note().to_owned() + line)).unwrap();
            key.cosigned(&note)
        };
        assert_eq!(seen(&good), Ok(Some(7)));
        assert_eq!(seen(&(line(2, &note, 9) + &good)), Ok(Some(9)));
        // Over another head.
        assert!(seen(&line(2, &note.replace("\n42\n", "\n43\n"), 7)).is_err());
        // By another name it is a stranger's.
        assert_eq!(seen(&good.replace("example/2", "example/3")), Ok(None));
        let blob = good.rsplit_once(' ').unwrap().1.trim_end();
        let raw = BASE64.decode(blob.as_bytes()).unwrap();
        for at in 0..raw.len() {
            let mut twin = raw.clone();
            twin[at] ^= 1;
            let line = good.replace(blob, &BASE64.encode(&twin));
            assert_ne!(seen(&line), Ok(Some(7)), "{at}");
            assert!(at < 4 || seen(&line).is_err(), "{at}");
        }
        let short = good.replace(blob, &BASE64.encode(&raw[..11]));
        assert!(seen(&short).is_err());
    }

    #[test]
    fn keys_are_written_one_way_and_are_no_logs() {
        let (key, _) = witness(2);
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let text = key.to_string();
        for (from, to) in [("example/2", "example/3"), ("+", "-"), ("witness", "")] {
            let twin = text.replacen(from, to, 1);
            assert!(twin.parse::<WitnessKey>().is_err(), "{twin}");
        }
        assert!(log().key().to_string().parse::<WitnessKey>().is_err());
        assert!(text.parse::<crate::log::LogKey>().is_err());
        assert!(
            format!("{text}{}", "A".repeat(64))
                .parse::<WitnessKey>()
                .is_err()
        );
    }
}
