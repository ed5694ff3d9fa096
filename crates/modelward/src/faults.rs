//! The errors of the other rooms, as what a command answers: each has its code and its way out.

use host::keys::KeyFileError;
use host::log::LogError;
use host::store::StoreError;

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

known!(trust::Error, chain::Fault, KeyFileError, host::fetch::FetchError, policy::PolicyError, StoreError, LogError);

impl From<host::clock::ClockError> for Failure {
    fn from(error: host::clock::ClockError) -> Self {
        Self::from_error(error.code(), &error, "set the clock: `timedatectl set-ntp true`")
    }
}

impl From<host::trust_root::TrustRootError> for Failure {
    fn from(error: host::trust_root::TrustRootError) -> Self {
        Self::from_error(error.code(), &error, "restore `trust.toml` from a backup, or make a new store")
    }
}

impl From<digest::ReadError> for Failure {
    fn from(error: digest::ReadError) -> Self {
        Self::from_error(trust::Code::Io, &error, "check the path and its permissions")
    }
}

impl From<digest::WalkError> for Failure {
    fn from(error: digest::WalkError) -> Self {
        Self::from_error(trust::Code::Io, &error, "a model is plain files in plain folders")
    }
}
