//! The errors of the other rooms, as what a command answers: each has its code and its way out.

use std::io::ErrorKind;

use host::fetch::FetchError;
use host::keys::KeyFileError;
use host::log::{DiskError, LogError};
use host::store::StoreError;

use host::builder;
use trust::{Code, Denied, Reason};

use crate::answer::Failure;
use crate::step_lines::harmless;

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

known!(trust::Error, chain::Fault, policy::PolicyError);

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let way = match &error {
            KeyFileError::Key { .. } if error.way().is_empty() => {
                "a key is P-256 in PEM (PKCS#8); make one with `modelward key new NAME`".to_owned()
            }
            KeyFileError::Io { .. } => "check the path and its permissions".to_owned(),
            KeyFileError::Name { .. } => "choose a name such as `laptop`".to_owned(),
            _ => error.way(),
        };
        let code = match &error {
            KeyFileError::Io { cause, .. } => io_code(cause),
            _ => error.code(),
        };
        Self::from_error(code, &error, way)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let code = match &error {
            FetchError::Io { cause, .. } => match cause.kind() {
                ErrorKind::NotFound => Code::NotFound,
                // The file could be read, and was no archive.
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => {
                    Code::DataInvalid
                }
                _ => error.code(),
            },
            _ => error.code(),
        };
        let way = match code {
            Code::DataInvalid => "give the archive that the policy names: `.tgz`, whole".to_owned(),
            _ => error.way().to_owned(),
        };
        Self::from_error(code, &error, way)
    }
}

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
        let code = match &error {
            host::trust_root::TrustRootError::Io { cause, .. } => io_code(cause),
            _ => error.code(),
        };
        Self::from_error(
            code,
            &error,
            "restore `trust.toml` from a backup; if the store was only being made, `modelward store init` goes on with it",
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
            StoreError::BlobMissing { .. } | StoreError::NotAnArtifact { .. } => Code::NotFound,
            StoreError::BlobTooLarge { .. } => Code::TooLarge,
            StoreError::ReadOnly { .. } => Code::StoreReadOnly,
            StoreError::Source(_) | StoreError::Read(_) => Code::Io,
            StoreError::Artifact(_) | StoreError::ArtifactName { .. } => Code::ModelInvalid,
            _ => Code::StoreCorrupt,
        };
        let hint = match (&error, error.hint()) {
            (StoreError::Log(_), None) => LOG_WAY,
            (_, hint) => hint.unwrap_or_default(),
        };
        Self::from_error(code, &error, hint)
    }
}

/// What a person can do about a log that was rewritten or damaged.
const LOG_WAY: &str =
    "find out with `modelward log verify` what was changed, and restore the log from a backup";

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::from_error(log_code(&error), &error, LOG_WAY)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::from_error(
            io_code(&error),
            &error,
            "check the path and its permissions",
        )
    }
}

/// What the system said, as far as it has a code of its own.
pub(crate) fn io_code(error: &std::io::Error) -> Code {
    match error.kind() {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::FileTooLarge => Code::TooLarge,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::StoreFull,
        ErrorKind::ReadOnlyFilesystem => Code::StoreReadOnly,
        _ => Code::Io,
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

impl From<host::root::Error> for Failure {
    fn from(error: host::root::Error) -> Self {
        Self::from_error(
            Code::Io,
            &error,
            "name what is missing with `--include`, or give a whole tree with `--root`",
        )
    }
}

impl From<builder::Error> for Failure {
    fn from(error: builder::Error) -> Self {
        let (code, way) = match &error {
            builder::Error::NoSandbox { .. } => (
                Code::SandboxUnavailable,
                "`modelward doctor` says what is missing",
            ),
            builder::Error::StepFailed { stderr_tail, .. } => {
                let said = stderr_tail.lines().last().unwrap_or_default();
                let message = format!("{error}; the last it said: {}", harmless(said));
                return Self::Denied(Denied::because(Reason::new(
                    Code::StepFailed,
                    message,
                    "mend the program, and run it again",
                )));
            }
            builder::Error::Violation { .. } => (
                Code::StepViolation,
                "take out what reaches for the network or other processes",
            ),
            builder::Error::Stopped => (Code::Interrupted, "repeat the command when you are ready"),
            builder::Error::LeftProcesses { .. } => (
                Code::StepLeftProcesses,
                "have the program wait for all that it starts",
            ),
            builder::Error::TimedOut { .. }
            | builder::Error::OutOfCpu { .. }
            | builder::Error::OutOfMemory { .. } => (
                Code::StepOverLimit,
                "give it more with `--wall`, `--cpu` or `--memory`",
            ),
            builder::Error::OutputRefused { .. } | builder::Error::ClaimRefused { .. } => {
                (Code::OutputRefused, "leave plain files and folders only")
            }
            builder::Error::InputMismatch { .. } => (
                Code::DigestMismatch,
                "the store's copy is damaged: `modelward store verify`",
            ),
            builder::Error::BadStep { .. } | builder::Error::NotStarted { .. } => (
                Code::Usage,
                "check the command; `--include` brings files of this host in",
            ),
            _ => (Code::Io, "run it again; if it stays, report it"),
        };
        Self::from_error(code, &error, way)
    }
}
