//! A log that is no store's: a folder with its key, for lines that others send.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use trust::log::{LogSigner, WitnessSigner};

use super::durable::{self, DiskError};
use super::{Log, LogError, Seen};
use crate::keys::KeyFileError;
use crate::trust_root::{LOG_SEED, TrustRootError, create_log_key, log_signer, witness_signer};

/// Opens what a witness has in a folder, or makes it with a new key, called `name`: `keys/` and `tmp/` as a log's, and what it saw in
/// `seen/`.
///
/// # Errors
/// The folder can't be written, or its key can't be used.
pub fn witness(folder: &Path, name: &str) -> Result<(Seen, WitnessSigner), OwnLogError> {
    let [keys, seen, tmp] = make(folder, "seen")?;
    if !keys.join(LOG_SEED).exists() {
        create_log_key(&keys, name)?;
    }
    Ok((Seen::at(&seen, &tmp), witness_signer(&keys)?))
}

/// Opens the log in a folder, or makes it with a new key, called `name`.
///
/// ```text
/// keys/log.seed     its key: who has it can sign another history
/// log/              as in a store
/// tmp/              unfinished files
/// ```
///
/// # Errors
/// The folder can't be written, its key can't be used, or the log in it is not the key's.
pub fn open_or_create(folder: &Path, name: &str) -> Result<(Log, LogSigner), OwnLogError> {
    if !folder.join("keys").exists() && folder.join("log").exists() {
        return Err(OwnLogError::Keyless {
            folder: folder.to_owned(),
        });
    }
    let [keys, log, tmp] = make(folder, "log")?;
    let signer = match log_signer(&keys) {
        Err(TrustRootError::Key(KeyFileError::Missing { .. })) => create_log_key(&keys, name)?,
        signer => signer?,
    };
    let log = Log::at(&log, &tmp);
    log.repair()?;
    log.checkpoint(signer.key())?;
    Ok((log, signer))
}

/// The folders of keys, of what is kept, and of unfinished files.
fn make(folder: &Path, kept: &str) -> Result<[PathBuf; 3], LogError> {
    // A path from the root on has folders above it that can be made durable.
    let folder = std::path::absolute(folder).map_err(DiskError::at(folder))?;
    let [keys, kept, tmp] = ["keys", kept, "tmp"].map(|name| folder.join(name));
    for folder in [&folder, &kept, &tmp] {
        durable::create_folder(folder)?;
    }
    if !keys.exists() {
        let made = DirBuilder::new().mode(0o700).create(&keys);
        made.map_err(DiskError::at(&keys))?;
    }
    Ok([keys, kept, tmp])
}

/// Why a folder's log can't be had.
#[derive(Debug, thiserror::Error)]
pub enum OwnLogError {
    /// A log and no key.
    #[error("`{}` has a log and no key to go on with it", folder.display())]
    Keyless {
        /// The folder.
        folder: PathBuf,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] TrustRootError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_opened_with_its_own_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("log");
        let open = || open_or_create(&folder, "example.com/log");
        let (log, signer) = open().unwrap();
        log.append(&[b"one"], &signer).unwrap();
        let (again, same) = open().unwrap();
        assert_eq!(same.key(), signer.key());
        assert_eq!(again.note().unwrap(), log.note().unwrap());
        let seed = folder.join("keys/log.seed");
        let other = format!("example.com/log\n{}\n", "ab".repeat(32));
        std::fs::write(&seed, other).unwrap();
        assert!(matches!(
            open(),
            Err(OwnLogError::Log(LogError::Checkpoint { .. }))
        ));
        std::fs::remove_dir_all(folder.join("keys")).unwrap();
        assert!(matches!(open(), Err(OwnLogError::Keyless { .. })));
    }
}
