//! Why something was not read from a registry or layout, or not pushed to one.

use std::fmt;
use std::io;
use std::path::PathBuf;

use digest::Digest;
use trust::Code;
use trust::oci::OciError;

use super::credentials::DockerError;
use crate::sigstore::HttpError;

/// Why an artifact or a statement was not read or pushed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there.
    #[error("there is no `{what}` in {place}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// Where.
        place: String,
    },
    /// A file of a layout can't be read.
    #[error("`{path}` can't be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The folder is no layout.
    #[error("`{folder}` is no OCI image layout")]
    NoLayout {
        /// The folder.
        folder: PathBuf,
    },
    /// It could be any of several.
    #[error("`{folder}` has {count} artifacts that are meant as well as another: {names}")]
    Several {
        /// The layout.
        folder: PathBuf,
        /// How many.
        count: usize,
        /// Some of them.
        names: String,
    },
    /// These are other bytes than those that were asked for.
    #[error("other bytes than `{want}` were given for it: {got}")]
    Other {
        /// What was asked for.
        want: Digest,
        /// What came.
        got: Digest,
    },
    /// It is longer than what is read.
    #[error("`{what}` is longer than the {size_bytes_max} bytes that are read")]
    TooLarge {
        /// What.
        what: String,
        /// How much is read.
        size_bytes_max: u64,
    },
    /// It is no manifest or index.
    #[error("`{what}` is not what it should be")]
    Manifest {
        /// What.
        what: String,
        /// Why.
        #[source]
        cause: OciError,
    },
    /// The registry can't be reached, or says no.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The registry sends us where we don't go.
    #[error("`{from}` sends us to `{to}`, where we don't go")]
    Elsewhere {
        /// Who.
        from: String,
        /// Where to.
        to: String,
    },
    /// The registry gives nothing to somebody it does not know, or not to us.
    #[error("`{host}` does not allow this {whom}")]
    Credentials {
        /// The registry.
        host: String,
        /// To whom.
        whom: Whom,
    },
    /// Docker's configuration, which names credentials, can't be read.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// What a registry has is not what we sent.
    #[error(
        "`{host}` has other bytes under `{what}` than those that were pushed: {got} instead of {want}"
    )]
    Swapped {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// What was pushed.
        want: Digest,
        /// What came back.
        got: Digest,
    },
    /// A file became another one while it was pushed.
    #[error("the bytes that were read for `{want}` are other ones: {got}")]
    Changed {
        /// What it was.
        want: Digest,
        /// What it is.
        got: Digest,
    },
    /// A registry takes no more of an upload, or says that it took something else.
    #[error("`{host}` lost an upload: {why}")]
    Upload {
        /// The registry.
        host: String,
        /// How that was seen.
        why: String,
    },
    /// Others write a list as often as we do.
    #[error("`{host}` does not keep what is written under `{tag}`: it was written {times} times")]
    Contended {
        /// The registry.
        host: String,
        /// The list.
        tag: String,
        /// How often we wrote.
        times: u32,
    },
    /// It took too long.
    #[error("`{host}` took longer than {seconds} seconds in all")]
    Time {
        /// The registry.
        host: String,
        /// How long it had.
        seconds: u64,
    },
}

impl ReadError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::Io { .. } => Code::Io,
            Self::NoLayout { .. } => Code::ManifestInvalid,
            Self::Several { .. } => Code::Usage,
            Self::Other { .. } | Self::Swapped { .. } | Self::Changed { .. } => {
                Code::DigestMismatch
            }
            Self::Docker(_) => Code::SettingsInvalid,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Manifest { cause, .. } => cause.code(),
            Self::Http(_)
            | Self::Elsewhere { .. }
            | Self::Credentials { .. }
            | Self::Upload { .. }
            | Self::Contended { .. }
            | Self::Time { .. } => Code::Network,
        }
    }

    /// What to do.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => {
                "`oras manifest fetch` shows what is there; is the name right?"
            }
            Self::Io { .. } => "is the layout whole?",
            Self::NoLayout { .. } => "a layout has `oci-layout`, `index.json` and `blobs/`",
            Self::Several { .. } => "name one by its digest: `oci-layout://FOLDER@sha256:…`",
            Self::Other { .. } => {
                "believe nothing from there until you know why; get the artifact elsewhere"
            }
            Self::TooLarge { .. } => "that is no signature or manifest; ask whoever pushed it",
            Self::Manifest { cause, .. } => cause.way(),
            Self::Http(_) | Self::Time { .. } => {
                "try again, or copy the artifact into a layout: `oras copy --to-oci-layout`"
            }
            Self::Elsewhere { .. } => {
                "copy the artifact into a layout with a client you trust: `oras copy --to-oci-layout`"
            }
            Self::Credentials { .. } => {
                "`docker login`, `podman login --compat-auth-file` or `oras login` write credentials to ~/.docker/config.json, where they are read"
            }
            Self::Docker(_) => "see docs/guides/registry.md",
            Self::Swapped { .. } => {
                "somebody else pushes there, or the registry is not to be trusted: the artifact that you meant is not there"
            }
            Self::Changed { .. } => "push again when nobody writes to the model",
            Self::Upload { .. } => "push again: what is there is not sent again",
            Self::Contended { .. } => "push again when fewer push at once",
        }
    }
}

/// To whom a registry does not allow something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// To somebody without credentials; for this registry there are none.
    Nobody,
    /// To who has the credentials that there are.
    Us,
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "to somebody without credentials, and there are none for it",
            Self::Us => "with the credentials that there are for it",
        })
    }
}
