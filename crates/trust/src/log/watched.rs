//! What a watch of a log remembers between two looks: the last head, and up to where it has read the lines.

use std::fmt;

use super::checkpoint::parse_decimal;
use super::{Checkpoint, CheckpointError, LogKey};

const HEADER: &str = "modelward-watch/v1";

/// The head that was seen last, and how many of its lines were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    read: u64,
    checkpoint: Checkpoint,
}

impl Watched {
    /// Of the lines under this head, so many were read.
    #[must_use]
    pub fn new(read: u64, checkpoint: Checkpoint) -> Self {
        let read = read.min(checkpoint.head().size);
        Self { read, checkpoint }
    }

    /// Reads what was remembered of the log with this key.
    ///
    /// # Errors
    /// It is something else, or of another log.
    pub fn parse(text: &str, key: &LogKey) -> Result<Self, WatchedError> {
        let (head, note) = text.split_once("\n\n").ok_or(WatchedError::Malformed)?;
        let read = head
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix("\nread "));
        let read = read
            .and_then(parse_decimal)
            .ok_or(WatchedError::Malformed)?;
        let checkpoint = Checkpoint::open(note, key)?;
        if read > checkpoint.head().size {
            return Err(WatchedError::Malformed);
        }
        Ok(Self { read, checkpoint })
    }

    /// How many lines were read.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.read
    }

    /// The head that was seen last.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{HEADER}\nread {}\n\n{}",
            self.read,
            self.checkpoint.note()
        )
    }
}

/// Why what was remembered can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchedError {
    /// Not what a watch writes.
    #[error("not what a watch of a log remembers")]
    Malformed,
    /// Its head was refused.
    #[error("the remembered head was refused")]
    Checkpoint(#[from] CheckpointError),
}

#[cfg(test)]
mod tests {
    use digest::Digest;

    use super::*;
    use crate::log::{Head, LogSigner};

    #[test]
    fn one_spelling_and_its_mutated_twins() {
        let log = |seed| LogSigner::from_seed("example.com/log", &[seed; 32]).unwrap();
        let root = Digest::of(b"root");
        let checkpoint = Checkpoint::sign(Head { size: 42, root }, &log(1));
        let watched = Watched::new(40, checkpoint.clone());
        let text = watched.to_string();
        assert_eq!(Watched::parse(&text, log(1).key()), Ok(watched));
        assert_eq!(Watched::new(43, checkpoint).read(), 42);
        assert!(Watched::parse(&text, log(2).key()).is_err());
        for (from, to) in [
            ("/v1", "/v2"),
            ("read 40", "read 43"),
            ("read 40", "read 040"),
            ("read 40", "read"),
            ("read 40", "read 40\n"),
            ("\n42\n", "\n41\n"),
            ("\n\n", "\n"),
        ] {
            let twin = text.replacen(from, to, 1);
            assert_ne!(twin, text);
            assert!(Watched::parse(&twin, log(1).key()).is_err(), "{twin}");
        }
    }
}
