//! What a witness remembers: of each log, the head that it saw last. It is remembered before it is cosigned, so that a witness that
//! was killed never cosigns a head that does not follow.

use std::path::{Path, PathBuf};

use digest::Digest;
use trust::log::{AddCheckpoint, Checkpoint, LogKey, WitnessRefusal};

use super::durable::{self, DiskError};
use super::{LogError, read_note};

/// The heads that were seen, in a folder.
#[derive(Debug, Clone)]
pub struct Seen {
    folder: PathBuf,
    tmp: PathBuf,
}

impl Seen {
    /// In this folder, which must exist, with unfinished files in `tmp`, on the same file system.
    #[must_use]
    pub fn at(folder: &Path, tmp: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            tmp: tmp.to_owned(),
        }
    }

    /// Judges a head by the last that was seen, and remembers it, durably, in its place: one at a time.
    ///
    /// # Errors
    /// The head is not one to cosign, or the disk fails, or what was remembered is damaged: then nothing is cosigned any more.
    pub fn see(&self, asked: &AddCheckpoint, key: &LogKey) -> Result<Checkpoint, SeenError> {
        let lock = self.folder.join("lock");
        let _lock = durable::lock(&lock).map_err(LogError::Disk)?;
        let path = self
            .folder
            .join(Digest::of(key.to_string().as_bytes()).hex());
        let last = read_note(&path)?
            .map(|note| Checkpoint::open(&note, key))
            .transpose()
            .map_err(|cause| LogError::Checkpoint { cause })?;
        let checkpoint = asked.judge(key, last.as_ref())?;
        durable::replace(&path, checkpoint.note().as_bytes(), &self.tmp).map_err(LogError::Disk)?;
        Ok(checkpoint)
    }
}

/// Why a head was not seen.
#[derive(Debug, thiserror::Error)]
pub enum SeenError {
    /// It is not one to cosign.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// It can't be remembered.
    #[error(transparent)]
    Disk(#[from] LogError),
}

impl From<DiskError> for SeenError {
    fn from(cause: DiskError) -> Self {
        Self::Disk(cause.into())
    }
}

#[cfg(test)]
mod tests {
    use trust::log::{Head, LogSigner, leaf_hash, root};

    use super::*;

    fn head(size: u8) -> Checkpoint {
        let signer = LogSigner::from_seed("example.com/log", &[1; 32]).unwrap();
        let leaves: Vec<Digest> = (0..size).map(|i| leaf_hash(&[i])).collect();
        let root = root(&leaves);
        Checkpoint::sign(
            Head {
                size: size.into(),
                root,
            },
            &signer,
        )
    }

    #[test]
    fn one_of_many_at_once_is_seen_and_a_damaged_memory_sees_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let seen = Seen::at(dir.path(), dir.path());
        let key = LogSigner::from_seed("example.com/log", &[1; 32]).unwrap();
        let key = key.key();
        let wins = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=8)
                .map(|size| {
                    let seen = seen.clone();
                    scope.spawn(move || {
                        seen.see(&AddCheckpoint::new(0, vec![], &head(size)), key)
                            .is_ok()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(
            wins, 1,
            "each asks from nothing, and only the first finds nothing"
        );
        let path = dir
            .path()
            .join(Digest::of(key.to_string().as_bytes()).hex());
        let note = std::fs::read_to_string(&path).unwrap();
        let size = Checkpoint::open(&note, key).unwrap().head().size;
        let last = u8::try_from(size).unwrap();
        let again = AddCheckpoint::new(size, vec![], &head(last));
        assert!(seen.see(&again, key).is_ok());
        std::fs::write(&path, note.replace('\n', "\n\n")).unwrap();
        assert!(matches!(seen.see(&again, key), Err(SeenError::Disk(_))));
    }
}
