//! The trust root's file and the log's key, in a store.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use trust::log::{LogSigner, NoteError, WitnessSigner};
use trust::{Code, RootError, TrustRoot};
use zeroize::Zeroizing;

use crate::keys::{KeyFileError, random, read_private, write_new};
use crate::whole_file;

const SIZE_BYTES_MAX: u64 = 1 << 20;
pub(crate) const LOG_SEED: &str = "log.seed";

/// Reads a trust root.
///
/// # Errors
/// The file can't be read, or is no trust root.
pub fn read(path: &Path) -> Result<TrustRoot, TrustRootError> {
    let failed = |cause| TrustRootError::Io {
        path: path.to_owned(),
        cause,
    };
    let file = whole_file::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o022 != 0 {
        return Err(TrustRootError::Exposed {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
        });
    }
    if metadata.len() > SIZE_BYTES_MAX {
        return Err(TrustRootError::Root {
            path: path.to_owned(),
            cause: RootError::TooLong,
        });
    }
    let bytes = whole_file::read_open(&file, SIZE_BYTES_MAX).map_err(failed)?;
    TrustRoot::parse(&bytes).map_err(|cause| TrustRootError::Root {
        path: path.to_owned(),
        cause,
    })
}

/// Writes a trust root, whole or not at all.
///
/// # Errors
/// The file can't be written.
pub fn write(path: &Path, root: &TrustRoot) -> Result<(), TrustRootError> {
    let failed = |cause| TrustRootError::Io {
        path: path.to_owned(),
        cause,
    };
    let text = root.to_toml();
    whole_file::write_as(path, &|out| out.write_all(text.as_bytes()), 0o600).map_err(failed)
}

/// Makes the key of a new log, called `name`.
///
/// # Errors
/// There is one already, or it can't be written.
pub fn create_log_key(keys: &Path, name: &str) -> Result<LogSigner, TrustRootError> {
    let seed = Zeroizing::new(random::<32>()?);
    let signer = LogSigner::from_seed(name, &seed)?;
    let text = Zeroizing::new(format!("{name}\n{}\n", HEXLOWER.encode(&*seed)));
    write_new(&keys.join(LOG_SEED), text.as_bytes())?;
    Ok(signer)
}

/// The key of a store's log.
///
/// # Errors
/// It is not there, others may read it, or it is no key.
pub fn log_signer(keys: &Path) -> Result<LogSigner, TrustRootError> {
    signer_of_seed(keys, LogSigner::from_seed)
}

/// The key of a witness, which is kept as a log's is.
///
/// # Errors
/// As [`log_signer`].
pub fn witness_signer(keys: &Path) -> Result<WitnessSigner, TrustRootError> {
    signer_of_seed(keys, WitnessSigner::from_seed)
}

fn signer_of_seed<S>(
    keys: &Path,
    from_seed: fn(&str, &[u8; 32]) -> Result<S, NoteError>,
) -> Result<S, TrustRootError> {
    let path = keys.join(LOG_SEED);
    let text = match read_private(&path) {
        Err(KeyFileError::NotText { path } | KeyFileError::NotAFile { path }) => {
            return Err(TrustRootError::Seed { path });
        }
        text => text?,
    };
    let mut lines = text.lines();
    let name = lines.next().unwrap_or_default();
    let seed = HEXLOWER
        .decode(lines.next().unwrap_or_default().as_bytes())
        .ok();
    let seed = seed
        .and_then(|seed| <[u8; 32]>::try_from(seed).ok())
        .map(Zeroizing::new);
    let signer = seed.and_then(|seed| from_seed(name, &seed).ok());
    signer.ok_or(TrustRootError::Seed { path })
}

/// Why a trust root or log key can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TrustRootError {
    /// Reading or writing failed.
    #[error("the trust root `{}` can't be read or written", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Others may write it.
    #[error("`{}` may be changed by others than its owner (mode {mode:o})", path.display())]
    Exposed {
        /// Where.
        path: PathBuf,
        /// The permissions found.
        mode: u32,
    },
    /// Not a trust root.
    #[error("`{}` is no trust root", path.display())]
    Root {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        cause: RootError,
    },
    /// The log's key is damaged.
    #[error("the log's key `{}` is damaged", path.display())]
    Seed {
        /// Where.
        path: PathBuf,
    },
    /// The log's key can't be had.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The log's name is not fit.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl TrustRootError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Io { .. } => Code::Io,
            Self::Root { .. } | Self::Exposed { .. } => Code::RootInvalid,
            Self::Seed { .. } | Self::Note(_) => Code::KeyInvalid,
            Self::Key(cause) => cause.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_log_key_is_told_as_damaged() {
        let keys = tempfile::tempdir().unwrap();
        create_log_key(keys.path(), "log.example/models").unwrap();
        assert!(log_signer(keys.path()).is_ok());
        let path = keys.path().join(LOG_SEED);
        for garbage in [&[0xff; 64][..], b"", b"log.example/models\n00\n", b"a b\n"] {
            // Written over, it keeps its mode.
            std::fs::write(&path, garbage).unwrap();
            let error = log_signer(keys.path()).unwrap_err();
            assert!(matches!(error, TrustRootError::Seed { .. }), "{error}");
            assert_eq!(error.code(), Code::KeyInvalid);
        }
    }
}
