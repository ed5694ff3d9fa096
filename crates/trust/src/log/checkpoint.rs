//! Checkpoints (C2SP tlog-checkpoint): a log's name, size and root, signed.

use data_encoding::BASE64;
use digest::Digest;

use super::{Head, LogKey, LogSigner, Note, NoteError};

/// A head that a log signed. Made only by signing it, or by checking the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    head: Head,
    note: String,
}

impl Checkpoint {
    /// Reads a checkpoint and checks that the log with this key signed it.
    ///
    /// # Errors
    /// It is no checkpoint, isn't signed by the key, or is another log's.
    pub fn open(note: &str, key: &LogKey) -> Result<Self, CheckpointError> {
        let text = Note::open(note, key)?;
        let (origin, head) = parse_text(&text)?;
        if origin != key.name() {
            return Err(CheckpointError::OtherLog {
                want: key.name().to_owned(),
                got: origin.to_owned(),
            });
        }
        Ok(Self {
            head,
            note: note.to_owned(),
        })
    }

    /// Signs a head. Whoever signs two heads that don't lead from one to the other has broken the log's promise.
    #[must_use]
    pub fn sign(head: Head, signer: &LogSigner) -> Self {
        let root = BASE64.encode(head.root.raw());
        let text = format!("{}\n{}\n{root}\n", signer.key().name(), head.size);
        Self {
            head,
            note: signer.sign(&text),
        }
    }

    /// The head in a checkpoint of a log that signs in another way than ours: by a key with this id.
    ///
    /// # Errors
    /// It is no checkpoint, or isn't signed by the key.
    pub(crate) fn head_signed_by(
        note: &str,
        id: [u8; 4],
        verifies: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<Head, CheckpointError> {
        let note = Note::parse(note)?;
        Ok(parse_text(note.text_signed_by(id, &verifies)?)?.1)
    }

    /// What a checkpoint claims, without checking who signed it: enough for an index that is checked later.
    ///
    /// # Errors
    /// It is no checkpoint.
    pub fn claimed_head(note: &str) -> Result<Head, CheckpointError> {
        let note = Note::parse(note)?;
        Ok(parse_text(note.claimed_text())?.1)
    }

    /// The size and root that were signed.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The signed note, as it was read or made.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// Reads the text of a checkpoint. Lines after the third are other people's extensions, and ignored.
fn parse_text(text: &str) -> Result<(&str, Head), CheckpointError> {
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    let mut line = |what| {
        let line = lines.next().filter(|line| !line.is_empty());
        line.ok_or(CheckpointError::Malformed(what))
    };
    let origin = line("it has no name")?;
    let size = line("it has no size")?;
    let root = line("it has no root")?;
    if lines.any(str::is_empty) {
        return Err(CheckpointError::Malformed("it has an empty line"));
    }
    let size = parse_decimal(size).ok_or(CheckpointError::Malformed("its size is no number"))?;
    let root = parse_hash(root).ok_or(CheckpointError::Malformed("its root is no SHA-256 hash"))?;
    Ok((origin, Head { size, root }))
}

/// A decimal number without sign or leading zeros.
pub(super) fn parse_decimal(text: &str) -> Option<u64> {
    let is_canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_canonical)
}

/// A hash in base64.
pub(super) fn parse_hash(text: &str) -> Option<Digest> {
    if text.len() != 44 {
        return None;
    }
    let raw = BASE64.decode(text.as_bytes()).ok()?;
    Some(Digest::from_raw(raw.try_into().ok()?))
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Its note was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A note, but no checkpoint.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// Signed by the key, and about another log.
    #[error("the checkpoint is of the log `{got}`, and `{want}` was expected")]
    OtherLog {
        /// The log whose key it is.
        want: String,
        /// The log it is about.
        got: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> LogSigner {
        LogSigner::from_seed("example.com/log", &[1; 32]).unwrap()
    }

    fn head() -> Head {
        Head {
            size: 42,
            root: Digest::of(b"root"),
        }
    }

    #[test]
    fn opens_what_it_signs() {
        let signed = Checkpoint::sign(head(), &signer());
        let opened = Checkpoint::open(signed.note(), signer().key()).unwrap();
        assert_eq!((opened.head(), &opened), (head(), &signed));
        assert_eq!(Checkpoint::claimed_head(signed.note()), Ok(head()));
        assert!(signed.note().starts_with("example.com/log\n42\n"));
    }

    #[test]
    fn extension_lines_are_ignored() {
        let text = format!(
            "example.com/log\n42\n{}\nextension\n",
            BASE64.encode(head().root.raw())
        );
        let opened = Checkpoint::open(&signer().sign(&text), signer().key()).unwrap();
        assert_eq!(opened.head(), head());
    }

    #[test]
    fn refuses_what_is_signed_and_no_checkpoint() {
        let root = BASE64.encode(head().root.raw());
        for text in [
            "\n".to_owned(),
            "example.com/log\n".to_owned(),
            "example.com/log\n42\n".to_owned(),
            format!("example.com/log\n042\n{root}\n"),
            format!("example.com/log\n+42\n{root}\n"),
            format!("example.com/log\n-1\n{root}\n"),
            format!("example.com/log\n18446744073709551616\n{root}\n"),
            format!("example.com/log\n42\n{root}A\n"),
            format!("example.com/log\n42\n{}\n", "A".repeat(44)),
            format!("example.com/log\n42\n{}\n", BASE64.encode(b"short")),
            format!("\n42\n{root}\n"),
            format!("example.com/log\n42\n{root}\n\nextension\n"),
            format!("example.com/other\n42\n{root}\n"),
        ] {
            let note = signer().sign(&text);
            assert!(Checkpoint::open(&note, signer().key()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn refuses_another_size_root_or_key() {
        let signed = Checkpoint::sign(head(), &signer());
        let other = LogSigner::from_seed("example.com/log", &[2; 32]).unwrap();
        assert!(Checkpoint::open(signed.note(), other.key()).is_err());
        let longer = signed.note().replace("\n42\n", "\n43\n");
        assert!(Checkpoint::open(&longer, signer().key()).is_err());
    }
}
