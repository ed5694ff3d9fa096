//! Asking witnesses to cosign the head, and showing what they said with it. Cosignatures lie beside the checkpoint, in
//! `cosigned`: they are of its text, and go when it does.

use digest::Digest;
use trust::log::{AddCheckpoint, Checkpoint, Head, LogKey, Note, WitnessKey, consistency};

use super::durable::{self, replace};
use super::tiles::Tiles;
use super::{Log, LogError, read_note};
use crate::sigstore::{HttpClient, HttpError, check_url};

/// A witness's answer has a line for each of its keys.
const LINES_SIZE_BYTES_MAX: usize = 4 << 10;

impl Log {
    /// Asks the witness at an address to cosign the head, checks that it did, and shows it with the head from now on. Returns
    /// the head.
    ///
    /// # Errors
    /// There is no head, the witness gives no answer or says no, or what it says is not by its key.
    pub fn cosign(
        &self,
        key: &LogKey,
        url: &str,
        witness: &WitnessKey,
    ) -> Result<Checkpoint, CosignError> {
        check_url(url)?;
        let client = HttpClient::new()?;
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let checkpoint = self.checkpoint(key)?.ok_or(LogError::Empty)?;
        let first = self.ask(&client, &url, 0, &checkpoint);
        let lines = match first {
            // It says what it saw last.
            Err(CosignError::Http(HttpError::Refused {
                status: 409, said, ..
            })) => {
                let size = said.trim().parse().map_err(|_| CosignError::Answer)?;
                self.ask(&client, &url, size, &checkpoint)?
            }
            first => first?,
        };
        let lines = String::from_utf8(lines).map_err(|_| CosignError::Answer)?;
        if lines.len() > LINES_SIZE_BYTES_MAX {
            return Err(CosignError::Answer);
        }
        self.keep_cosigned(&checkpoint, &lines, witness)?;
        Ok(checkpoint)
    }

    fn ask(
        &self,
        client: &HttpClient,
        url: &str,
        old: u64,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<u8>, CosignError> {
        let size = checkpoint.head().size;
        if old > size {
            return Err(CosignError::SawMore { saw: old, size });
        }
        let hashes = self.hashes_between(old, checkpoint.head())?;
        let asked = AddCheckpoint::new(old, hashes, checkpoint).to_string();
        let text = "text/plain; charset=utf-8";
        Ok(client.post(url, text, text, asked.as_bytes())?)
    }

    /// Adds lines to those that the head has, after the witness's was found among them.
    fn keep_cosigned(
        &self,
        checkpoint: &Checkpoint,
        lines: &str,
        witness: &WitnessKey,
    ) -> Result<(), CosignError> {
        let alone = Note::parse(&format!("{}{lines}", checkpoint.note()));
        let seen = alone.and_then(|note| witness.cosigned(&note));
        if !matches!(seen, Ok(Some(_))) {
            return Err(CosignError::Answer);
        }
        let _lock = durable::lock(&self.lock_path()).map_err(LogError::Disk)?;
        let before = self.with_cosignatures(checkpoint.note())?;
        // What the witness said before, it says again with a newer time.
        let named = format!("\u{2014} {} ", witness.name());
        let kept: String = before
            .split_inclusive('\n')
            .filter(|line| !line.starts_with(&named))
            .collect();
        let note = format!("{kept}{lines}");
        Note::parse(&note).map_err(|_| CosignError::Answer)?;
        let path = self.folder.join("cosigned");
        replace(&path, note.as_bytes(), &self.tmp).map_err(LogError::Disk)?;
        Ok(())
    }

    /// The head's note, with what witnesses said of it, if they did.
    pub(super) fn with_cosignatures(&self, note: &str) -> Result<String, LogError> {
        let cosigned = read_note(&self.folder.join("cosigned"))?;
        let cosigned = cosigned.filter(|cosigned| cosigned.starts_with(note));
        Ok(cosigned.unwrap_or_else(|| note.to_owned()))
    }

    fn hashes_between(&self, old: u64, newer: Head) -> Result<Vec<Digest>, LogError> {
        if old == 0 || old == newer.size {
            return Ok(Vec::new());
        }
        let mut tiles = Tiles::new(&self.folder, newer.size);
        consistency(old, newer.size, &mut |node| tiles.node(node))
    }
}

/// Why a head was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum CosignError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The witness gives no answer, or says no.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The witness saw a longer log.
    #[error("the witness saw {saw} lines, and the log has {size}")]
    SawMore {
        /// What the witness saw.
        saw: u64,
        /// What there is.
        size: u64,
    },
    /// Not by the witness's key.
    #[error("the witness's answer is no cosignature of the head by its key")]
    Answer,
}
