//! Offline proofs (C2SP tlog-proof): a small text file that shows to anybody with the log's key that an entry is in
//! the log.

use std::fmt;

use data_encoding::BASE64;
use digest::Digest;

use super::checkpoint::{parse_decimal, parse_hash};
use super::{Checkpoint, CheckpointError, Head, LogKey, ProofError, leaf_hash, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A checkpoint with all its signatures, and 64 hashes.
const SIZE_BYTES_MAX: usize = 128 * 1024;
/// A tree of 2^64 entries is 64 high.
const HASHES_MAX: usize = 64;

/// A proof that was not yet checked. Printed as a `.tlog-proof` file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    index: u64,
    hashes: Vec<Digest>,
    checkpoint: String,
}

impl Proof {
    /// A proof from its parts.
    #[must_use]
    pub fn new(index: u64, hashes: Vec<Digest>, checkpoint: &Checkpoint) -> Self {
        Self {
            index,
            hashes,
            checkpoint: checkpoint.note().to_owned(),
        }
    }

    /// Checks that the log with this key holds this entry. (1) The log signed the checkpoint; stops an invented log.
    /// (2) The hashes lead from the entry to the checkpoint's root; stops an entry that was never recorded.
    ///
    /// # Errors
    /// One of the two doesn't hold.
    pub fn verify(&self, entry: &[u8], key: &LogKey) -> Result<Logged, ProofFileError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        verify_inclusion(
            leaf_hash(entry),
            self.index,
            checkpoint.head(),
            &self.hashes,
        )?;
        Ok(Logged {
            origin: key.name().to_owned(),
            index: self.index,
            head: checkpoint.head(),
        })
    }

    /// Reads a proof file. Extra data in it is skipped: nothing vouches for it.
    ///
    /// # Errors
    /// It is no proof file, or over a limit.
    pub fn parse(text: &str) -> Result<Self, ProofFileError> {
        if text.len() > SIZE_BYTES_MAX {
            return Err(ProofFileError::Malformed("it is too long"));
        }
        let (proof, checkpoint) = text.split_once("\n\n").ok_or(ProofFileError::Malformed(
            "no empty line before the checkpoint",
        ))?;
        let mut lines = proof.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(ProofFileError::Malformed("its first line is another"));
        }
        if let Some(extra) = lines.next_if(|line| line.starts_with("extra ")) {
            let extra = extra.strip_prefix("extra ").unwrap_or_default();
            BASE64
                .decode(extra.as_bytes())
                .map_err(|_| ProofFileError::Malformed("its extra data is not base64"))?;
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index
            .and_then(parse_decimal)
            .ok_or(ProofFileError::Malformed("it has no index"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == HASHES_MAX {
                return Err(ProofFileError::Malformed("it has too many hashes"));
            }
            let hash = parse_hash(line);
            hashes.push(hash.ok_or(ProofFileError::Malformed("a line is no hash"))?);
        }
        // The checkpoint is read once more, with its signature, when the proof is verified.
        Checkpoint::claimed_head(checkpoint)?;
        Ok(Self {
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Which entry it is about.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The hashes from the leaf's sibling up to the root's child.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// The checkpoint it leads to, as a note: a claim until [`Proof::verify`] has looked.
    #[must_use]
    pub fn claimed_checkpoint(&self) -> &str {
        &self.checkpoint
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", BASE64.encode(hash.raw()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// What a verified proof tells: this entry stands in this log. Made only by [`Proof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    origin: String,
    index: u64,
    head: Head,
}

impl Logged {
    /// The log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The head that the log had signed when the proof was made.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }
}

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// Not a proof file.
    #[error("not a log proof: {0}")]
    Malformed(&'static str),
    /// Its checkpoint was refused.
    #[error("the log proof's checkpoint was refused")]
    Checkpoint(#[from] CheckpointError),
    /// Its hashes prove something else.
    #[error("the log proof doesn't prove that the entry is in the log")]
    Inclusion(#[from] ProofError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogSigner, inclusion, root, subtree};

    fn signer() -> LogSigner {
        LogSigner::from_seed("example.com/log", &[1; 32]).unwrap()
    }

    /// The proof of entry 5 in a log of 8.
    fn proof() -> Proof {
        let leaves: Vec<Digest> = (0..8).map(|i| leaf_hash(&[i])).collect();
        let head = Head {
            size: 8,
            root: root(&leaves),
        };
        let mut find = |node: crate::log::Node| {
            Ok::<_, ProofError>(subtree(&leaves, node.level, node.index).unwrap())
        };
        let hashes = inclusion(5, 8, &mut find).unwrap();
        Proof::new(5, hashes, &Checkpoint::sign(head, &signer()))
    }

    #[test]
    fn verifies_offline() {
        let text = proof().to_string();
        let read = Proof::parse(&text).unwrap();
        assert_eq!((read.to_string(), &read), (text.clone(), &proof()));
        let logged = read.verify(&[5], signer().key()).unwrap();
        assert_eq!(
            (logged.origin(), logged.index(), logged.head().size),
            ("example.com/log", 5, 8)
        );
        let extra = text.replacen("index", "extra aGVsbG8=\nindex", 1);
        assert_eq!(Proof::parse(&extra).unwrap(), read);
    }

    #[test]
    fn another_entry_index_hash_size_or_key_is_refused() {
        let other = LogSigner::from_seed("example.com/log", &[2; 32]).unwrap();
        assert!(proof().verify(&[6], signer().key()).is_err());
        assert!(proof().verify(&[5], other.key()).is_err());
        let text = proof().to_string();
        for (from, to) in [
            ("index 5".to_owned(), "index 4".to_owned()),
            ("index 5".to_owned(), "index 13".to_owned()),
            ("\n8\n".to_owned(), "\n9\n".to_owned()),
            (
                format!("{}\n", BASE64.encode(proof().hashes[1].raw())),
                String::new(),
            ),
            (
                BASE64.encode(proof().hashes[2].raw()),
                BASE64.encode(proof().hashes[0].raw()),
            ),
        ] {
            let twin = text.replacen(&from, &to, 1);
            assert_ne!(twin, text);
            let twin = Proof::parse(&twin).unwrap();
            assert!(twin.verify(&[5], signer().key()).is_err(), "{twin}");
        }
    }

    #[test]
    fn what_is_no_proof_file() {
        let text = proof().to_string();
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 5", "index 05"),
            ("index 5\n", ""),
            ("index 5", "extra !\nindex 5"),
            ("index 5", "extra aGVsbG8=\nextra aGVsbG8=\nindex 5"),
            ("\n\n", "\n"),
            ("=\n", "\n"),
            ("\nexample.com/log", "\n\nexample.com/log"),
        ] {
            let twin = text.replacen(from, to, 1);
            assert_ne!(twin, text);
            assert!(Proof::parse(&twin).is_err(), "{twin}");
        }
        let hash = format!("{}\n", BASE64.encode(Digest::of(b"").raw()));
        let many = text.replacen("index 5\n", &format!("index 5\n{}", hash.repeat(64)), 1);
        assert!(Proof::parse(&many).is_err());
        assert!(Proof::parse(&" ".repeat(SIZE_BYTES_MAX + 1)).is_err());
    }
}
