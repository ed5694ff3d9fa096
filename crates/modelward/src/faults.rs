//! The errors of the other rooms, as what a command answers: each has its code and its way out.

use std::io::ErrorKind;
use std::path::Path;

use host::fetch::FetchError;
use host::keys::KeyFileError;
use host::keys::exec::PluginError;
use host::keys::pkcs11::TokenError;
use host::lock::LockError;
use host::log::{DiskError, LogError};
use host::sigstore::HttpError;
use host::store::StoreError;
use host::trust_root::TrustRootError;

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
                "docs/formats/keys.md says which keys sign; make one with `modelward key new NAME`"
                    .to_owned()
            }
            KeyFileError::Io { cause, .. } => disk_way(cause).to_owned(),
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

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let way = error.way();
        Self::from_error(error.code(), &error, way)
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Self::from_error(error.code(), &error, "see docs/formats/signer-plugin.md")
    }
}

/// The file that MODELWARD_PASSWORD_FILE names, and no key.
pub(crate) fn password_file(path: &Path, error: &KeyFileError) -> Failure {
    let named = format!("`{}`, which MODELWARD_PASSWORD_FILE names,", path.display());
    let file = path.display();
    match error {
        KeyFileError::Missing { .. } => Failure::error(
            Code::PasswordMissing,
            format!("{named} is not there"),
            "write the password into its first line, and `chmod 600` it; or unset the variable",
        ),
        KeyFileError::Exposed { mode, .. } => Failure::error(
            Code::KeyExposed,
            format!(
                "{named} may be read by others than its owner (mode {mode:o}), or is not yours"
            ),
            format!("`chmod 600 {file}`; if others have read it, choose another password"),
        ),
        KeyFileError::NotAFile { .. } | KeyFileError::NotText { .. } => Failure::error(
            Code::PasswordMissing,
            format!("{named} is no file of text"),
            "name a file whose first line is the password",
        ),
        error => Failure::from_error(error.code(), error, format!("can `{file}` be read?")),
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let code = match &error {
            FetchError::Write { cause, .. } => {
                return Self::from_error(io_code(cause), &error, disk_way(cause));
            }
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

impl From<TrustRootError> for Failure {
    fn from(error: TrustRootError) -> Self {
        let is_lost = |cause: &KeyFileError| matches!(cause, KeyFileError::Missing { .. });
        let error = match error {
            TrustRootError::Key(cause) if !is_lost(&cause) => return log_key(cause),
            error => error,
        };
        let (code, way) = match &error {
            TrustRootError::Io { cause, .. } if is_gone(cause) => (
                if cause.kind() == ErrorKind::NotFound { Code::NotFound } else { Code::RootInvalid },
                "restore `trust.toml` from a backup; if the store was only being made, `modelward store init` goes on with it".to_owned(),
            ),
            TrustRootError::Io { cause, .. } => (io_code(cause), disk_way(cause).to_owned()),
            TrustRootError::Exposed { path, .. } => (
                error.code(),
                format!("see what is in it, and then `chmod 600 {}`", path.display()),
            ),
            TrustRootError::Root { .. } => (
                error.code(),
                "mend what is named, or restore `trust.toml` from a backup".to_owned(),
            ),
            TrustRootError::Seed { .. } | TrustRootError::Key(_) => (
                error.code(),
                "restore the log's key, `keys/log.seed`, from a backup: no other can sign this log".to_owned(),
            ),
            TrustRootError::Note(_) => (
                error.code(),
                "choose a name such as `log.example/models`".to_owned(),
            ),
        };
        Self::from_error(code, &error, way)
    }
}

/// The log's key can't be made anew as another key can.
fn log_key(error: KeyFileError) -> Failure {
    let KeyFileError::Exposed { path, .. } = &error else {
        return error.into();
    };
    let way = format!(
        "if nobody else has read it: `chmod 600 {}`; else begin a new store, which has a log key of its own, and say again what still holds",
        path.display()
    );
    Failure::from_error(error.code(), &error, way)
}

impl From<digest::ReadError> for Failure {
    fn from(error: digest::ReadError) -> Self {
        let (code, way) = match &error {
            digest::ReadError::Io { cause, .. } => (io_code(cause), disk_way(cause)),
            _ => (Code::Io, PATH_WAY),
        };
        Self::from_error(code, &error, way)
    }
}

const LINKS_WAY: &str = "make the link relative; if links may lead elsewhere, name that folder: `verify --links-inside FOLDER`, `sign --follow-links FOLDER`";

impl From<digest::WalkError> for Failure {
    fn from(error: digest::WalkError) -> Self {
        match error {
            digest::WalkError::Read(error @ digest::ReadError::Io { .. }) => error.into(),
            error @ digest::WalkError::Read(digest::ReadError::Link { .. }) => {
                let way = "put the file in the link's place; `sign` with a key that is not the store's takes `--follow-links`";
                Self::from_error(Code::Io, &error, way)
            }
            error @ digest::WalkError::Read(digest::ReadError::Outside { .. }) => {
                Self::from_error(Code::Io, &error, LINKS_WAY)
            }
            error => Self::from_error(Code::Io, &error, "a model is plain files in plain folders"),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let error = match error {
            StoreError::Log(log) => return log.into(),
            error => error,
        };
        let code = store_code(&error);
        let hint = match (&error, error.hint()) {
            (StoreError::Disk(_) | StoreError::Source(_) | StoreError::Read(_), None) => PATH_WAY,
            (StoreError::BlobMissing { .. }, None) => BLOB_WAY,
            (_, hint) => hint.unwrap_or_default(),
        };
        Self::from_error(code, &error, hint)
    }
}

fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Disk(disk) => disk_code(disk),
        StoreError::Log(log) => log_code(log),
        StoreError::Written { cause, .. } | StoreError::Logged { cause, .. } => store_code(cause),
        StoreError::NoStore { .. } => Code::StoreMissing,
        StoreError::NotOurs { .. } => Code::StoreForeign,
        StoreError::Newer { .. } => Code::StoreNewer,
        StoreError::BlobMissing { .. } | StoreError::NotAnArtifact { .. } => Code::NotFound,
        StoreError::BlobTooLarge { .. } => Code::TooLarge,
        StoreError::ReadOnly { .. } => Code::StoreReadOnly,
        StoreError::LogMissing { .. } => Code::LogMissing,
        StoreError::LogShrank { .. } => Code::LogRolledBack,
        StoreError::Source(digest::ReadError::Io { cause, .. }) | StoreError::Read(cause) => {
            io_code(cause)
        }
        StoreError::Source(_) => Code::Io,
        StoreError::Artifact(_) | StoreError::ArtifactName { .. } => Code::ModelInvalid,
        _ => Code::StoreCorrupt,
    }
}

/// What a person can do about something that the store does not have, or has lost.
const BLOB_WAY: &str = "`modelward store list` shows what is there; what was there once is put in again, or restored from a backup";

/// What a person can do about a log that was rewritten or damaged, whichever command tells, be it the one that is named.
const LOG_WAY: &str = "restore the log from a backup: it can't be made again. `modelward log verify` says whether that one is whole";

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let way = match &error {
            LogError::Remote { .. } => "is the address the log's, and does its server run?",
            _ => LOG_WAY,
        };
        Self::from_error(log_code(&error), &error, way)
    }
}

/// What the system said of a file, folder or address, which is named: "no such file" alone helps nobody. There is no `From` that
/// would leave it out.
pub(crate) fn at(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Failure {
    move |cause| {
        // A temporary file's name, which nobody typed, is told around what the system said.
        let named = cause.get_ref().and_then(std::error::Error::source);
        let said = named.map_or_else(|| cause.to_string(), ToString::to_string);
        let message = format!(
            "`{}` can't be read or written: {said}",
            path.as_ref().display()
        );
        Failure::error(io_code(&cause), message, disk_way(&cause))
    }
}

const PATH_WAY: &str = "check the path and its permissions";

/// What a person can do about what the system said.
pub(crate) fn disk_way(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space and run the command again; nothing was left half written"
        }
        ErrorKind::ReadOnlyFilesystem => "mount it writable, or use another folder",
        ErrorKind::PermissionDenied => "run as the folder's owner, or use another folder",
        ErrorKind::IsADirectory => "a file is meant, and this is a folder: name the file",
        ErrorKind::FileTooLarge => "is it the right file? one of this kind is much shorter",
        _ if host::whole_file::is_no_file(error) => {
            "give a plain file: write into one what the pipe or device gives"
        }
        _ => PATH_WAY,
    }
}

/// No file is there, or something that is none.
fn is_gone(cause: &std::io::Error) -> bool {
    [ErrorKind::NotFound, ErrorKind::IsADirectory].contains(&cause.kind())
        || host::whole_file::is_no_file(cause)
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
        LogError::Remote {
            cause: HttpError::TooLong { .. },
        } => Code::TooLarge,
        LogError::Remote { .. } => Code::Network,
        LogError::LongEntry { .. } => Code::TooLarge,
        LogError::NothingToAppend | LogError::Empty => Code::NotFound,
        _ => Code::LogInconsistent,
    }
}

const fn disk_code(error: &DiskError) -> Code {
    match error {
        DiskError::Full { .. } => Code::StoreFull,
        DiskError::ReadOnly { .. } | DiskError::Denied { .. } => Code::StoreReadOnly,
        DiskError::Missing { .. } | DiskError::NotAFile { .. } => Code::StoreCorrupt,
        DiskError::Lock(LockError::Busy { .. }) => Code::StoreBusy,
        DiskError::Lock(LockError::Io { .. }) | DiskError::Io { .. } => Code::Io,
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let (code, way) = match &error {
            LockError::Busy { .. } => (
                Code::StoreBusy,
                "wait for the other process to end, or end it: the lock goes with it",
            ),
            LockError::Io { cause, .. } => (io_code(cause), disk_way(cause)),
        };
        Self::from_error(code, &error, way)
    }
}

const ROOT_WAY: &str = "name what is missing with `--include`, or give a whole tree with `--root`";

impl From<host::root::Error> for Failure {
    fn from(error: host::root::Error) -> Self {
        use host::root::Error;
        let (code, way) = match &error {
            Error::Mismatch { .. } => (
                Code::DigestMismatch,
                "it was changed since it was kept: remove that folder and run it again; `--root DIR` takes a tree in anew",
            ),
            Error::NotKept { .. } => (
                Code::NotFound,
                "`--root DIR` takes a tree in, and says its digest",
            ),
            Error::Changed { .. } => (Code::Io, "run it again when nothing writes to the tree"),
            Error::Special { .. } => (
                Code::Io,
                "leave it out; only those in the own `dev` of a root that is given don't count",
            ),
            Error::Hidden { .. } => (
                Code::Usage,
                "data comes in with `--input`; what is no data is put elsewhere with `--include PATH=INSIDE`",
            ),
            Error::Link { .. } => (
                Code::Io,
                "name the file that it points to, as `--include FILE=INSIDE`",
            ),
            Error::Io { cause, .. } if host::whole_file::is_no_file(cause) => {
                (Code::Io, disk_way(cause))
            }
            Error::Io { cause, .. } if io_code(cause) == Code::StoreFull => {
                (Code::StoreFull, disk_way(cause))
            }
            Error::Io { cause, .. } | Error::Read(digest::ReadError::Io { cause, .. }) => {
                (io_code(cause), ROOT_WAY)
            }
            _ => (Code::Io, ROOT_WAY),
        };
        Self::from_error(code, &error, way)
    }
}

/// All that is asked of what a step leaves: the refusal says which of it was not so.
const OUTPUT_WAY: &str = "leave plain files and folders only, at most 10000 of them and 4 GiB in all, and at most 64 results of 4096 bytes";

/// Held to the step's limits by a test, as the one above.
const FILE_WAY: &str =
    "it wrote a file of more than 4 GiB, which no step may: write it in parts, of 4 GiB in all";

/// How shells, the system and Python say that a process or thread could not be started.
const NO_MORE_PROCESSES: [&str; 4] = [
    "Cannot fork",
    "fork: retry",
    "Resource temporarily unavailable",
    "can't start new thread",
];

/// What a person can do about a step that failed.
fn step_way(exit: builder::Exit, stderr_tail: &str) -> &'static str {
    /// `SIGXFSZ` on Linux, and how a shell says it.
    const FILE_TOO_LARGE: i32 = 25;
    const FILE_TOO_LARGE_SHELL: i32 = 128 + FILE_TOO_LARGE;
    match exit {
        // So shells, and `env`, say that there is no such program, or that it can't be executed.
        builder::Exit::Code(126 | 127) => {
            "it starts a program that its root has not: bring that in with `--include PATH`, or give a whole tree with `--root`"
        }
        builder::Exit::Signal(FILE_TOO_LARGE) | builder::Exit::Code(FILE_TOO_LARGE_SHELL) => {
            FILE_WAY
        }
        // Python, among others, ignores the signal and prints what the system says instead.
        _ if stderr_tail.contains("File too large") => FILE_WAY,
        _ if NO_MORE_PROCESSES
            .iter()
            .any(|said| stderr_tail.contains(said)) =>
        {
            "it could start no more processes or threads: have it start fewer, or give it more with `--processes COUNT`"
        }
        _ => "mend the program, and run it again",
    }
}

impl From<builder::Error> for Failure {
    fn from(error: builder::Error) -> Self {
        let (code, way) = match &error {
            builder::Error::NoSandbox { .. } => (
                Code::SandboxUnavailable,
                "`modelward doctor` says what is missing",
            ),
            builder::Error::StepFailed { stderr_tail, exit } => {
                let said = stderr_tail.lines().last().unwrap_or_default();
                let message = format!("{error}; the last it said: {}", harmless(said));
                let way = step_way(*exit, stderr_tail);
                return Self::Denied(Denied::because(Reason::new(Code::StepFailed, message, way)));
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
            builder::Error::TimedOut { .. } => {
                (Code::StepOverLimit, "give it more with `--wall SECONDS`")
            }
            builder::Error::OutOfCpu { .. } => {
                (Code::StepOverLimit, "give it more with `--cpu SECONDS`")
            }
            builder::Error::OutOfMemory { .. } => {
                (Code::StepOverLimit, "give it more with `--memory MIB`")
            }
            builder::Error::OutputRefused { .. } | builder::Error::ClaimRefused { .. } => {
                (Code::OutputRefused, OUTPUT_WAY)
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    fn told(failure: impl Into<Failure>) -> (Code, String) {
        match failure.into() {
            Failure::Error(problem) => (problem.code, problem.hint),
            Failure::Denied(denied) => panic!("{denied:?}"),
        }
    }

    /// A full disk wants room, and one that can't be written another user or another place; nothing was lost on either.
    #[test]
    fn a_disk_that_takes_nothing_is_no_lost_file() {
        let path = || PathBuf::from("p");
        for (kind, code, way) in [
            (ErrorKind::StorageFull, Code::StoreFull, "free some space"),
            (ErrorKind::QuotaExceeded, Code::StoreFull, "free some space"),
            (
                ErrorKind::ReadOnlyFilesystem,
                Code::StoreReadOnly,
                "mount it writable",
            ),
            (
                ErrorKind::PermissionDenied,
                Code::Io,
                "run as the folder's owner",
            ),
        ] {
            let cause = || io::Error::from(kind);
            let root = TrustRootError::Io {
                path: path(),
                cause: cause(),
            };
            let key = KeyFileError::Io {
                path: path(),
                cause: cause(),
            };
            let nested = TrustRootError::Key(KeyFileError::Io {
                path: path(),
                cause: cause(),
            });
            let fetched = FetchError::Write {
                path: path(),
                cause: cause(),
            };
            let at_place = at("p")(cause());
            let all = [
                root.into(),
                key.into(),
                nested.into(),
                fetched.into(),
                at_place,
            ];
            for (told_code, hint) in all.map(|failure: Failure| told(failure)) {
                assert_eq!(told_code, code, "{kind:?}: {hint}");
                assert!(hint.starts_with(way), "{kind:?}: {hint}");
            }
        }
        let cause = io::Error::from(ErrorKind::NotFound);
        let gone = TrustRootError::Io {
            path: path(),
            cause,
        };
        assert!(told(gone).1.contains("from a backup"));
        let seed = TrustRootError::Key(KeyFileError::Missing { path: path() });
        assert!(told(seed).1.contains("`keys/log.seed`, from a backup"));
        let (path, mode) = (path(), 0o644);
        let exposed = TrustRootError::Key(KeyFileError::Exposed { path, mode });
        assert!(told(exposed).1.contains("begin a new store"));
    }

    #[test]
    fn what_is_asked_of_outputs_is_what_the_builder_asks() {
        let limits = builder::Limits::default();
        assert_eq!(
            (limits.output_files, limits.output_bytes),
            (10_000, 4 << 30)
        );
        let (path, why) = ("x".to_owned(), "too large".to_owned());
        let Failure::Denied(denied) = builder::Error::OutputRefused { path, why }.into() else {
            panic!("a refused output is a no");
        };
        assert!(
            denied
                .reasons()
                .all(|reason| reason.way.contains("10000 of them and 4 GiB"))
        );
    }

    #[test]
    fn a_step_that_wrote_too_large_a_file_is_told_the_limit() {
        assert_eq!(builder::Limits::default().file_size_bytes, 4 << 30);
        let told = |exit, stderr_tail: &str| {
            let stderr_tail = stderr_tail.to_owned();
            let failed = builder::Error::StepFailed { exit, stderr_tail };
            let Failure::Denied(denied) = failed.into() else {
                panic!("a failed step is a no");
            };
            denied.reasons().all(|reason| reason.way.contains("4 GiB"))
        };
        use builder::Exit::{Code, Signal};
        assert!(told(Signal(25), "") && told(Code(153), ""));
        let python = "OSError: [Errno 27] File too large\n";
        assert!(told(Code(1), python) && !told(Code(1), "OSError\n"));
        assert!(!told(Signal(9), "") && !told(Code(127), ""));
    }

    #[test]
    fn a_step_over_a_limit_is_told_which() {
        let way = |error: builder::Error| {
            let Failure::Denied(denied) = error.into() else {
                panic!("a no");
            };
            let way = denied.reasons().next().map(|reason| reason.way.to_string());
            way.unwrap_or_default()
        };
        let limit = std::time::Duration::from_secs(1);
        let forked = |said: &str| builder::Error::StepFailed {
            exit: builder::Exit::Code(2),
            stderr_tail: said.to_owned(),
        };
        for (error, flag) in [
            (builder::Error::TimedOut { limit }, "--wall"),
            (builder::Error::OutOfCpu { limit_seconds: 1 }, "--cpu"),
            (builder::Error::OutOfMemory { limit_bytes: 1 }, "--memory"),
            (forked("sh: 1: Cannot fork\n"), "--processes"),
            (
                forked("RuntimeError: can't start new thread\n"),
                "--processes",
            ),
        ] {
            let way = way(error);
            let flags = way.matches("--").count();
            assert!(way.contains(flag) && flags == 1, "{way}");
        }
        assert!(!way(forked("no\n")).contains("--"));
    }

    #[test]
    fn each_failure_of_a_token_has_a_way_of_its_own() {
        let said = "CKR_PIN_INCORRECT".to_owned();
        for (error, way) in [
            (TokenError::PinMissing, "`MODELWARD_PIN`"),
            (TokenError::LogIn { said }, "the right PIN"),
            (TokenError::NoModuleNamed, "`…?module-name=softhsm2`"),
            (
                TokenError::NoModule {
                    name: "x".to_owned(),
                },
                "module-path=",
            ),
            (
                TokenError::NoTokenLabel {
                    label: "x".to_owned(),
                },
                "--list-token-slots",
            ),
        ] {
            let (_, hint) = told(error);
            assert!(hint.contains(way), "{hint}");
        }
    }
}
