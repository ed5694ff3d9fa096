//! Being a witness (C2SP tlog-witness): a head is cosigned if it follows from the one that was cosigned before.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;
use digest::Digest;

use super::checkpoint::{parse_decimal, parse_hash};
use super::{
    Checkpoint, CheckpointError, Head, LogKey, NoteError, ProofError, WitnessKey, root,
    verify_consistency,
};

/// A note, and 63 hashes before it.
const SIZE_BYTES_MAX: usize = 128 << 10;
const HASHES_MAX: usize = 63;

/// What is asked of a witness: a head, and the hashes that lead to it from the size that it saw last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: u64,
    hashes: Vec<Digest>,
    note: String,
}

impl AddCheckpoint {
    /// Asks for a head to be cosigned that follows from the one of `old` entries.
    #[must_use]
    pub fn new(old: u64, hashes: Vec<Digest>, checkpoint: &Checkpoint) -> Self {
        Self {
            old,
            hashes,
            note: checkpoint.note().to_owned(),
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// It is none, or over a limit.
    pub fn parse(text: &str) -> Result<Self, WitnessRefusal> {
        let malformed = WitnessRefusal::Malformed;
        if text.len() > SIZE_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(malformed("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(parse_decimal);
        let old = old.ok_or(malformed("it does not say which size is old"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == HASHES_MAX {
                return Err(malformed("it has too many hashes"));
            }
            hashes.push(parse_hash(line).ok_or(malformed("a line is no hash"))?);
        }
        let claimed = Checkpoint::claimed_head(note)
            .map_err(|_| malformed("what follows is no checkpoint"))?;
        if claimed.size < old {
            return Err(malformed("the old size is more than the checkpoint's"));
        }
        let note = note.to_owned();
        Ok(Self { old, hashes, note })
    }

    /// The log that it claims to be about.
    #[must_use]
    pub fn claimed_origin(&self) -> &str {
        self.note.lines().next().unwrap_or_default()
    }

    /// The head to cosign and to remember. (1) The log signed it. (2) It is asked for from the head that was seen last, so that two who
    /// ask at once can't both be answered from the same. (3) It follows from that one.
    ///
    /// # Errors
    /// One of the three doesn't hold.
    pub fn judge(
        &self,
        key: &LogKey,
        last: Option<&Checkpoint>,
    ) -> Result<Checkpoint, WitnessRefusal> {
        let checkpoint = Checkpoint::open(&self.note, key)?;
        let seen = last.map_or_else(
            || Head {
                size: 0,
                root: root(&[]),
            },
            Checkpoint::head,
        );
        let newer = checkpoint.head();
        let is_other = newer.size == seen.size && newer.root != seen.root;
        if self.old != seen.size || is_other {
            return Err(WitnessRefusal::Conflict { size: seen.size });
        }
        verify_consistency(seen, newer, &self.hashes)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.hashes {
            writeln!(f, "{}", BASE64.encode(hash.raw()))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// The key that cosigns. The secret lives in AWS-LC, which wipes what it frees.
pub struct WitnessSigner {
    key: WitnessKey,
    pair: Ed25519KeyPair,
}

impl WitnessSigner {
    /// The witness with this seed. The caller keeps the seed in memory that is wiped.
    ///
    /// # Errors
    /// The name can't be a witness's, or AWS-LC refuses the seed.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| NoteError::Key("AWS-LC refused the seed"))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| NoteError::Key("an Ed25519 key has 32 bytes"))?;
        let key = WitnessKey::new(name, public)?;
        Ok(Self { key, pair })
    }

    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &WitnessKey {
        &self.key
    }

    /// The line that says that this head was seen at this time. Whoever cosigns two heads that don't follow from one another has
    /// broken the witness's promise: ask [`AddCheckpoint::judge`], and remember first.
    #[must_use]
    pub fn cosign(&self, checkpoint: &Checkpoint, unix_seconds: u64) -> String {
        let (text, _) = checkpoint.note().split_once("\n\n").unwrap_or_default();
        let message = WitnessKey::message(unix_seconds, &format!("{text}\n"));
        let signature = self.pair.sign(message.as_bytes());
        self.key.line(unix_seconds, signature.as_ref())
    }
}

impl fmt::Debug for WitnessSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessSigner({})", self.key)
    }
}

/// Why a head is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// Not a request.
    #[error("not a request to a witness: {0}")]
    Malformed(&'static str),
    /// Not signed by the log.
    #[error("the checkpoint was refused")]
    Checkpoint(#[from] CheckpointError),
    /// Asked from another size than the last, or with another root at it.
    #[error("the head that was seen last has {size} entries, and this one does not go on from it")]
    Conflict {
        /// The size that was seen last.
        size: u64,
    },
    /// Not proved to follow.
    #[error("the checkpoint is not proved to follow from the one that was seen last")]
    Proof(#[from] ProofError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogSigner, Note, Witnesses, consistency, leaf_hash, subtree};

    fn log() -> LogSigner {
        LogSigner::from_seed("example.com/log", &[1; 32]).unwrap()
    }

    fn leaves(size: u8) -> Vec<Digest> {
        (0..size).map(|i| leaf_hash(&[i])).collect()
    }

    fn head(size: u8) -> Checkpoint {
        let root = root(&leaves(size));
        Checkpoint::sign(
            Head {
                size: size.into(),
                root,
            },
            &log(),
        )
    }

    fn ask(old: u8, size: u8) -> AddCheckpoint {
        let leaves = leaves(size);
        let mut find = |node: crate::log::Node| {
            Ok::<_, ProofError>(subtree(&leaves, node.level, node.index).unwrap())
        };
        let hashes = consistency(old.into(), size.into(), &mut find).unwrap();
        AddCheckpoint::new(old.into(), hashes, &head(size))
    }

    #[test]
    fn follows_one_history_alone() {
        let key = log();
        let judge = |asked: &AddCheckpoint, last: Option<u8>| {
            let last = last.map(head);
            asked
                .judge(key.key(), last.as_ref())
                .map(|seen| seen.head().size)
        };
        assert_eq!(judge(&ask(0, 5), None), Ok(5));
        assert_eq!(judge(&ask(5, 9), Some(5)), Ok(9));
        assert_eq!(judge(&ask(9, 9), Some(9)), Ok(9), "it may be asked again");
        assert_eq!(
            judge(&ask(0, 9), Some(5)),
            Err(WitnessRefusal::Conflict { size: 5 })
        );
        assert_eq!(
            judge(&ask(5, 9), None),
            Err(WitnessRefusal::Conflict { size: 0 })
        );
        // Another history, as long and longer.
        let root = Digest::of(b"another");
        for size in [5, 9] {
            let other = Checkpoint::sign(Head { size, root }, &log());
            let hashes = if size == 5 { vec![] } else { ask(5, 9).hashes };
            let asked = AddCheckpoint::new(5, hashes, &other);
            assert!(judge(&asked, Some(5)).is_err(), "{size}");
        }
        let twin = AddCheckpoint {
            hashes: vec![],
            ..ask(5, 9)
        };
        assert!(matches!(
            judge(&twin, Some(5)),
            Err(WitnessRefusal::Proof(_))
        ));
        let stranger = LogSigner::from_seed("example.com/log", &[2; 32]).unwrap();
        assert!(matches!(
            ask(0, 5).judge(stranger.key(), None),
            Err(WitnessRefusal::Checkpoint(_))
        ));
    }

    #[test]
    fn requests_have_one_spelling() {
        let asked = ask(5, 9);
        let text = asked.to_string();
        assert_eq!(AddCheckpoint::parse(&text), Ok(asked.clone()));
        assert_eq!(asked.claimed_origin(), "example.com/log");
        for (from, to) in [
            ("old 5", "old 05"),
            ("old 5", "old 10"),
            ("old 5", "new 5"),
            ("old 5\n", ""),
            ("old 5", "old 5\nx"),
            ("\n\n", "\n"),
            ("=\n", "\n"),
        ] {
            let twin = text.replacen(from, to, 1);
            assert!(AddCheckpoint::parse(&twin).is_err(), "{twin}");
        }
        let hash = format!("{}\n", BASE64.encode(Digest::of(b"").raw()));
        let many = text.replacen("old 5\n", &format!("old 5\n{}", hash.repeat(64)), 1);
        assert!(AddCheckpoint::parse(&many).is_err());
        assert!(AddCheckpoint::parse(&" ".repeat(SIZE_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_it_cosigns_is_believed() {
        let witness = WitnessSigner::from_seed("witness.example/w", &[7; 32]).unwrap();
        let note = head(5).note().to_owned() + &witness.cosign(&head(5), 1_700_000_000);
        let cosigned = Checkpoint::open(&note, log().key()).unwrap();
        let one = Witnesses::new(vec![witness.key().clone()], 1).unwrap();
        assert_eq!(one.check(&cosigned), Ok(vec![witness.key()]));
        assert!(one.check(&head(5)).is_err());
        let seen = witness.key().cosigned(&Note::parse(&note).unwrap());
        assert_eq!(seen, Ok(Some(1_700_000_000)));
    }
}
