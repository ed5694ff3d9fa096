//! Refreshing a Sigstore's root, when somebody asks for it: what changed is fetched from the repository of updates, and kept
//! in this user's data folder, in one file, whole or not at all.
//!
//! The file is trusted: whoever can write it can make any keyless signature be believed. It is used only if it is this user's
//! and nobody else may write it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use decode::json::{self, Limits};
use digest::Digest;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use trust::sigstore::SigstoreRootError;
use trust::tuf::{Kept, PUBLIC_SIGSTORE, TufError, Update};
use trust::{Code, SigstoreRoot, Time};

use super::HttpError;
use super::http::Client;
use super::{Services, ServicesError};
use crate::lock::{Lock, LockError, WAIT_MAX};
use crate::whole_file;

const PUBLIC_URL: &str = "https://tuf-repo-cdn.sigstore.dev";
const FILE: &str = "trusted_root.json";
/// Where to sign, which not every repository says.
const SIGNING_FILE: &str = "signing_config.v0.2.json";
const CONFIG_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";
const FORMAT: &str = "modelward-sigstore-root/v1";
const SIZE_BYTES_MAX: u64 = 8 << 20;

/// A repository of updates, and the root by which it is believed at first.
#[derive(Debug, Clone)]
pub struct Repository {
    url: String,
    root: Vec<u8>,
}

impl Repository {
    /// The public Sigstore's.
    #[must_use]
    pub fn public() -> Self {
        Self::new(PUBLIC_URL, PUBLIC_SIGSTORE.to_vec())
    }

    /// Another, by its address and one of its `root.json`.
    #[must_use]
    pub fn new(url: &str, root: Vec<u8>) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, root }
    }

    /// Where what was fetched from it is kept.
    fn file(&self, folder: &Path) -> PathBuf {
        let name = match self.url == PUBLIC_URL {
            true => "public".to_owned(),
            false => Digest::of(self.url.as_bytes()).hex(),
        };
        folder.join(format!("{name}.json"))
    }

    /// What the last refresh brought, if there was one.
    ///
    /// # Errors
    /// It can't be read, is not what was written, or others may write it.
    pub fn refreshed(&self, folder: &Path) -> Result<Option<Refreshed>, RefreshError> {
        let kept = self.kept(folder)?;
        let refreshed = kept.map(|(kept, at)| Refreshed::of(&kept, at));
        refreshed.transpose()
    }

    /// Fetches what changed, verifies it, and keeps it.
    ///
    /// # Errors
    /// The repository can't be reached, or what it has is refused: then all stays as it was. Or somebody else refreshes, and does
    /// not come to an end.
    pub fn refresh(&self, folder: &Path, now: Time) -> Result<Refreshed, RefreshError> {
        self.refresh_within(folder, now, WAIT_MAX)
    }

    fn refresh_within(
        &self,
        folder: &Path,
        now: Time,
        wait_max: Duration,
    ) -> Result<Refreshed, RefreshError> {
        let io = |cause| RefreshError::Io {
            path: folder.to_owned(),
            cause,
        };
        let mut maker = DirBuilder::new();
        maker.recursive(true).mode(0o700);
        maker.create(folder).map_err(io)?;
        // Two at once could leave the older of two answers.
        let _alone = Lock::exclusive(File::open(folder).map_err(io)?, folder, wait_max)?;
        let last = self.kept(folder)?.map(|(kept, _)| kept);
        let client = Client::new()?;
        let mut update = Update::begin(&self.root, last, (FILE, &[SIGNING_FILE]), now)?;
        while let Some(wanted) = update.wants() {
            let url = format!("{}/{}", self.url, wanted.path);
            let bytes = client.get_at_most(&url, wanted.size_bytes_max, wanted.may_be_missing)?;
            update.take(bytes.as_deref())?;
        }
        let kept = update.kept().ok_or(RefreshError::Unfinished)?;
        // One that can't be read is not kept, though it is signed.
        let refreshed = Refreshed::of(&kept, now)?;
        let path = self.file(folder);
        let bytes = wire::Kept::write(&kept, now);
        whole_file::write(&path, &bytes).map_err(|cause| RefreshError::Io { path, cause })?;
        Ok(refreshed)
    }

    fn kept(&self, folder: &Path) -> Result<Option<(Kept, Time)>, RefreshError> {
        let path = self.file(folder);
        let read = read_mine(&path).map_err(|cause| RefreshError::Io {
            path: path.clone(),
            cause,
        })?;
        let Some((bytes, is_mine)) = read else {
            return Ok(None);
        };
        if !is_mine {
            return Err(RefreshError::Exposed { path });
        }
        let kept = wire::Kept::read(&bytes);
        kept.map(Some).ok_or(RefreshError::Damaged { path })
    }
}

/// A Sigstore's root that was fetched.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// The root.
    pub root: SigstoreRoot,
    /// When it was last found to be the newest.
    pub at: Time,
    /// The `SigningConfig` beside it, if the repository has one.
    signing: Option<String>,
}

impl Refreshed {
    fn of(kept: &Kept, at: Time) -> Result<Self, RefreshError> {
        let root = SigstoreRoot::parse(&kept.file).map_err(RefreshError::Root)?;
        let signing = kept.others.get(SIGNING_FILE);
        let signing = signing.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Ok(Self { root, at, signing })
    }

    /// Where to sign now, if the repository says it.
    ///
    /// # Errors
    /// It says it in a way that is not known here, or names nothing that is in use.
    pub fn services(&self, now: Time) -> Result<Option<Services>, ServicesError> {
        let signing = self.signing.as_ref();
        signing
            .map(|text| Services::parse_signing(text.as_bytes(), now))
            .transpose()
    }

    /// All of it in one file, as others read it: a `ClientTrustConfig`, or the `TrustedRoot` where nothing says where to sign.
    #[must_use]
    pub fn to_config(&self) -> String {
        let root = self.root.text();
        // A configuration that is no JSON would leave a file that nobody can read.
        let signing = self
            .signing
            .as_ref()
            .filter(|text| json::from_slice::<json::Value>(text.as_bytes(), Limits::SMALL).is_ok());
        match signing {
            Some(signing) => format!(
                "{{\"mediaType\":\"{CONFIG_MEDIA_TYPE}\",\"trustedRoot\":{root},\"signingConfig\":{signing}}}"
            ),
            None => root.to_owned(),
        }
    }
}

/// This user's folder for what programs keep: `XDG_DATA_HOME`, or `.local/share` at home.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    let folder = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let home = || Some(folder("HOME")?.join(".local/share"));
    let data = folder("XDG_DATA_HOME").or_else(home)?;
    Some(data.join("modelward/sigstore"))
}

/// A file, and whether it is this user's alone to write.
fn read_mine(path: &Path) -> io::Result<Option<(Vec<u8>, bool)>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut opening = OpenOptions::new();
    opening.read(true).custom_flags(flags.bits().cast_signed());
    let file = match opening.open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let said = file.metadata()?;
    let is_mine = said.uid() == rustix::process::geteuid().as_raw();
    let is_mine = is_mine && said.is_file() && said.mode() & 0o022 == 0;
    let mut bytes = Vec::new();
    file.take(SIZE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some((bytes, is_mine)))
}

mod wire {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Kept {
        format: String,
        refreshed: Time,
        root: String,
        timestamp: String,
        snapshot: String,
        trusted_root: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signing_config: Option<String>,
    }

    impl Kept {
        pub(super) fn write(kept: &super::Kept, now: Time) -> Vec<u8> {
            let wire = Self {
                format: FORMAT.to_owned(),
                refreshed: now,
                root: BASE64.encode(&kept.root),
                timestamp: BASE64.encode(&kept.timestamp),
                snapshot: BASE64.encode(&kept.snapshot),
                trusted_root: BASE64.encode(&kept.file),
                signing_config: kept
                    .others
                    .get(SIGNING_FILE)
                    .map(|file| BASE64.encode(file)),
            };
            // Strings always serialise.
            serde_json::to_vec(&wire).unwrap_or_default()
        }

        pub(super) fn read(bytes: &[u8]) -> Option<(super::Kept, Time)> {
            let wire: Self = json::from_slice(bytes, Limits::LARGE).ok()?;
            let decode = |text: &str| BASE64.decode(text.as_bytes()).ok();
            let mut others = BTreeMap::new();
            if let Some(file) = &wire.signing_config {
                others.insert(SIGNING_FILE.to_owned(), decode(file)?);
            }
            let kept = super::Kept {
                root: decode(&wire.root)?,
                timestamp: decode(&wire.timestamp)?,
                snapshot: decode(&wire.snapshot)?,
                file: decode(&wire.trusted_root)?,
                others,
            };
            (wire.format == FORMAT).then_some((kept, wire.refreshed))
        }
    }
}

/// Why a root was not refreshed, or what was refreshed before is not used.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The repository can't be reached, or says no.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What the repository has is refused.
    #[error("the update is refused, and all stays as it was")]
    Update(#[from] TufError),
    /// What was signed is no root that is read here.
    #[error("the repository's trusted root is not one that is read here")]
    Root(#[source] SigstoreRootError),
    /// The update ended without what was wanted.
    #[error("the update ended without a trusted root")]
    Unfinished,
    /// A file or folder can't be read or written.
    #[error("`{path}` can't be read or written")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Somebody else refreshes.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Others may have written what was kept.
    #[error("others than you may write `{path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// What was kept is not what was written.
    #[error("`{path}` is not what was written there")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl RefreshError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Http(HttpError::TooLong { .. }) => Code::TooLarge,
            Self::Http(_) => Code::Network,
            Self::Update(error) => error.code(),
            Self::Lock(LockError::Busy { .. }) => Code::StoreBusy,
            Self::Io { .. } | Self::Lock(LockError::Io { .. }) => Code::Io,
            Self::Root(_) | Self::Exposed { .. } | Self::Damaged { .. } => Code::RootInvalid,
            Self::Unfinished => Code::Internal,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn way(&self) -> String {
        match self {
            Self::Http(_) => "try again, or go on with the root that is there".to_owned(),
            Self::Update(TufError::Expired { .. }) => {
                "check this machine's clock, and try again over another network".to_owned()
            }
            Self::Update(_) | Self::Root(_) => {
                "try again over another network; if it stays so, tell whoever runs the repository"
                    .to_owned()
            }
            Self::Exposed { path } => format!(
                "remove it, unless you know who wrote it, and refresh again: `rm {}`",
                path.display()
            ),
            Self::Damaged { path } => {
                format!("remove it, and refresh again: `rm {}`", path.display())
            }
            Self::Lock(LockError::Busy { .. }) => {
                "wait for the other process to end, or end it: the lock goes with it".to_owned()
            }
            Self::Lock(LockError::Io { .. }) | Self::Io { .. } | Self::Unfinished => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refreshes_meanwhile_is_waited_for_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::open(folder.path()).unwrap();
        let held = Lock::exclusive(file, folder.path(), WAIT_MAX).unwrap();
        let repository = Repository::new("http://127.0.0.1:1", b"{}".to_vec());
        let refresh = || {
            let wait_max = Duration::from_millis(20);
            repository.refresh_within(folder.path(), Time::from_unix(0), wait_max)
        };
        let refused = refresh().unwrap_err();
        assert_eq!(refused.code(), Code::StoreBusy);
        assert!(refused.to_string().contains("does not let go of it"));
        drop(held);
        assert_eq!(refresh().unwrap_err().code(), Code::UpdateUntrusted);
    }
}
