//! The errors of the other rooms, as what a command answers: each has its code and its way out.

use host::keys::KeyFileError;
use host::log::{DiskError, LogError};
use host::store::StoreError;

use trust::Code;

use crate::answer::Failure;

/// For errors that know their code and say what to do.
macro_rules! known {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::from_error(error.code(), &error, error.way())
            }
        })*
    };
}

known!(
    trust::Error,
    chain::Fault,
    KeyFileError,
    host::fetch::FetchError,
    policy::PolicyError
);

impl From<host::clock::ClockError> for Failure {
    fn from(error: host::clock::ClockError) -> Self {
        Self::from_error(
            error.code(),
            &error,
            "set the clock: `timedatectl set-ntp true`",
        )
    }
}

impl From<host::trust_root::TrustRootError> for Failure {
    fn from(error: host::trust_root::TrustRootError) -> Self {
        Self::from_error(
            error.code(),
            &error,
            "restore `trust.toml` from a backup, or make a new store",
        )
    }
}

impl From<digest::ReadError> for Failure {
    fn from(error: digest::ReadError) -> Self {
        Self::from_error(Code::Io, &error, "check the path and its permissions")
    }
}

impl From<digest::WalkError> for Failure {
    fn from(error: digest::WalkError) -> Self {
        Self::from_error(Code::Io, &error, "a model is plain files in plain folders")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let error = match error {
            StoreError::Log(log) => return log.into(),
            error => error,
        };
        let code = match &error {
            StoreError::Disk(disk) => disk_code(disk),
            StoreError::NoStore { .. } => Code::StoreMissing,
            StoreError::NotOurs { .. } => Code::StoreForeign,
            StoreError::Newer { .. } => Code::StoreNewer,
            StoreError::BlobMissing { .. } => Code::NotFound,
            StoreError::BlobTooLarge { .. } => Code::TooLarge,
            StoreError::ReadOnly { .. } => Code::StoreReadOnly,
            StoreError::Source(_) | StoreError::Read(_) => Code::Io,
            StoreError::FileName { .. } | StoreError::ArtifactName { .. } | StoreError::NoFiles => {
                Code::ModelInvalid
            }
            _ => Code::StoreCorrupt,
        };
        let hint = error.hint().unwrap_or_default();
        Self::from_error(code, &error, hint)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let way = "find out with `modelward log verify` what was changed, and restore the log from a backup";
        Self::from_error(log_code(&error), &error, way)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::from_error(Code::Io, &error, "check the path and its permissions")
    }
}

/// A log that is not what its checkpoints commit to is a no; a disk that fails is no answer.
fn log_code(error: &LogError) -> Code {
    match error {
        LogError::Disk(disk) => disk_code(disk),
        LogError::LongEntry { .. } => Code::TooLarge,
        LogError::NothingToAppend | LogError::Empty => Code::NotFound,
        _ => Code::LogInconsistent,
    }
}

const fn disk_code(error: &DiskError) -> Code {
    match error {
        DiskError::Full { .. } => Code::StoreFull,
        DiskError::ReadOnly { .. } | DiskError::Denied { .. } => Code::StoreReadOnly,
        DiskError::Busy { .. } | DiskError::Io { .. } => Code::Io,
    }
}
