//! Private keys in files that only their owner reads, and the randomness that keys are made of.
//!
//! Other holders of keys sign without giving them out: [`pkcs11`] tokens, and [`exec`] for key services.
//!
//! A key's file is trusted: whoever can read it (and knows its password, if it has one) can sign as the key.

pub mod exec;
pub mod pkcs11;

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use trust::{Code, CosignSeed, EncryptionSeed, KeyError, PrivateKey, Signer as _};
use zeroize::Zeroizing;

use crate::{named_file, whole_file};

const SUFFIX: &str = "key.pem";
const SIZE_BYTES_MAX: u64 = 16 * 1024;
const NAME_LEN_MAX: usize = 64;

/// A folder of private keys.
#[derive(Debug, Clone)]
pub struct KeyFolder {
    folder: PathBuf,
}

impl KeyFolder {
    /// The keys in this folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Makes a key and its file, encrypted if a password is given.
    ///
    /// # Errors
    /// A key of that name is there, the name is not fit, or the file can't be written.
    pub fn create(&self, name: &str, password: Option<&str>) -> Result<PrivateKey, KeyFileError> {
        let path = self.path(name)?;
        let key = generate()?;
        let seed = EncryptionSeed {
            salt: random()?,
            iv: random()?,
        };
        let pem = key.to_pem(password.map(|password| (password, seed)));
        let pem = pem.map_err(|cause| KeyFileError::Key {
            path: path.clone(),
            cause,
        })?;
        write_new(&path, pem.as_bytes())?;
        Ok(key)
    }

    /// Whether there is a key of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.path(name).is_ok_and(|path| path.exists())
    }

    /// The names of the keys that are here, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name = |name: String| Some(name.strip_suffix(SUFFIX)?.strip_suffix('.')?.to_owned());
        let names = entries.filter_map(|entry| name(entry.file_name().into_string().ok()?));
        let mut names: Vec<String> = names.filter(|name| self.has(name)).collect();
        names.sort_unstable();
        names
    }

    /// Reads a key's file. `password` is asked only if the key is encrypted.
    ///
    /// # Errors
    /// There is no such key, others may read it, it is no key, or the password is missing or wrong.
    pub fn load(
        &self,
        name: &str,
        password: &dyn Fn() -> Option<Zeroizing<String>>,
    ) -> Result<PrivateKey, KeyFileError> {
        let path = self.path(name)?;
        let pem = self.read_pem(name)?;
        let password = if trust::looks_encrypted(&pem) {
            password()
        } else {
            None
        };
        let key = PrivateKey::from_pem(&pem, password.as_ref().map(|password| password.as_str()));
        key.map_err(|cause| KeyFileError::Key { path, cause })
    }

    /// The text of a key's file, for a process that holds the key instead of this one.
    ///
    /// # Errors
    /// There is no such key, or others may read it.
    pub fn read_pem(&self, name: &str) -> Result<Zeroizing<String>, KeyFileError> {
        read_private(&self.path(name)?)
    }

    fn path(&self, name: &str) -> Result<PathBuf, KeyFileError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(plain) {
            return Err(KeyFileError::Name {
                name: name.to_owned(),
            });
        }
        Ok(self.folder.join(format!("{name}.{SUFFIX}")))
    }
}

/// Makes a key in cosign's form: the private half encrypted in one file, the public half in another. Neither takes the place of a
/// file that is there.
///
/// # Errors
/// One of the files is there already, or can't be written.
pub fn create_pair(private: &Path, public: &Path, password: &str) -> Result<(), KeyFileError> {
    for path in [private, public] {
        if path.symlink_metadata().is_ok() {
            let path = path.to_owned();
            return Err(KeyFileError::Exists { path });
        }
    }
    let key = generate()?;
    let seed = CosignSeed {
        salt: random()?,
        nonce: random()?,
    };
    let pem = key.to_cosign_pem(password, seed);
    let pem = pem.map_err(|cause| KeyFileError::Key {
        path: private.to_owned(),
        cause,
    })?;
    write_new(private, pem.as_bytes())?;
    let text = key.public_key().pem().as_bytes();
    whole_file::write_once(public, text, 0o644).map_err(|cause| KeyFileError::Io {
        path: public.to_owned(),
        cause,
    })
}

/// Reads a file that holds a secret: one that its owner alone may read, and that is no link; or what a shell hands over.
///
/// # Errors
/// It is not there, others may read it, or it is too long or not text.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |cause| KeyFileError::Io {
        path: path.to_owned(),
        cause,
    };
    if named_file::handed_over(path).is_some() {
        return read_handed_over(path);
    }
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(KeyFileError::Missing {
                path: path.to_owned(),
            });
        }
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    let is_mine = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.mode() & 0o077 != 0 || !is_mine {
        return Err(KeyFileError::Exposed {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
        });
    }
    let mut text = Zeroizing::new(String::new());
    match file.take(SIZE_BYTES_MAX).read_to_string(&mut text) {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => Err(KeyFileError::NotText {
            path: path.to_owned(),
        }),
        read => read.map(|_| text).map_err(failed),
    }
}

/// What a shell hands over is its user's own, and nobody else's to read.
fn read_handed_over(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let path = path.to_owned();
    match named_file::read(&path, SIZE_BYTES_MAX) {
        Err(cause) => Err(KeyFileError::Io { path, cause }),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Zeroizing::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(KeyFileError::NotText { path })
            }
        },
    }
}

/// Writes a file that holds a secret: whole, for its owner alone, and never over another.
///
/// # Errors
/// There is one already, or it can't be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let failed = |cause| KeyFileError::Io {
        path: path.to_owned(),
        cause,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    match whole_file::write_once(path, bytes, 0o600) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Err(KeyFileError::Exists {
            path: path.to_owned(),
        }),
        written => written.map_err(failed),
    }
}

/// Fresh random bytes from the kernel.
///
/// # Errors
/// The kernel has none.
pub fn random<const N: usize>() -> Result<[u8; N], KeyFileError> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled +=
            rustix::rand::getrandom(rest, flags).map_err(|e| KeyFileError::Random(e.into()))?;
    }
    Ok(bytes)
}

/// One draw in 2^32 is no valid key: then the next is tried.
fn generate() -> Result<PrivateKey, KeyFileError> {
    const DRAWS_MAX: usize = 8;
    for _ in 0..DRAWS_MAX {
        let drawn = Zeroizing::new(random::<32>()?);
        if let Ok(key) = PrivateKey::from_random(&drawn) {
            return Ok(key);
        }
    }
    Err(KeyFileError::Random(io::Error::other(
        "the kernel's random bytes are not random",
    )))
}

/// Why a private key can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not a name for a key.
    #[error("`{name}` is no name for a key: letters, digits, `-` and `_` were expected")]
    Name {
        /// The name.
        name: String,
    },
    /// No such file.
    #[error("there is no key `{}`", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file is there already.
    #[error("`{}` is there already, and keys are never overwritten", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("`{}` may be read by others than its owner (mode {mode:o}), or is not yours", path.display())]
    Exposed {
        /// Where.
        path: PathBuf,
        /// The permissions found.
        mode: u32,
    },
    /// A folder, pipe, socket or device: its mode says nothing of a key.
    #[error("`{}` is no regular file, and a key is in one", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// Bytes that are no text, as a key's file is.
    #[error("`{}` is not text, and a key's file is", path.display())]
    NotText {
        /// Where.
        path: PathBuf,
    },
    /// Not a key, or not opened.
    #[error("the key `{}` can't be used", path.display())]
    Key {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        cause: KeyError,
    },
    /// Reading or writing failed.
    #[error("the key `{}` can't be read or written", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// No randomness.
    #[error("no random bytes to make a key of")]
    Random(#[source] io::Error),
}

impl KeyFileError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => Code::KeyMissing,
            Self::Exists { .. } => Code::KeyExists,
            Self::Exposed { .. } => Code::KeyExposed,
            Self::Key {
                cause: KeyError::PasswordMissing,
                ..
            } => Code::PasswordMissing,
            Self::Key {
                cause: KeyError::PasswordWrong,
                ..
            } => Code::PasswordWrong,
            Self::Name { .. } | Self::NotAFile { .. } | Self::NotText { .. } | Self::Key { .. } => {
                Code::KeyInvalid
            }
            Self::Io { .. } | Self::Random(_) => Code::Io,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn way(&self) -> String {
        match self {
            Self::Missing { .. } => "make one with `modelward key new NAME`".to_owned(),
            Self::Exists { .. } => "choose another name".to_owned(),
            Self::Exposed { path, .. } => format!(
                "if nobody else has read it: `chmod 600 {}`; else make a new key and recall this one",
                path.display()
            ),
            Self::NotAFile { .. } => "name the key's file".to_owned(),
            Self::NotText { .. } => {
                "give the key in PEM, or restore its file from a backup".to_owned()
            }
            Self::Key { cause: KeyError::PasswordMissing | KeyError::PasswordWrong, .. } => {
                "give the password in MODELWARD_PASSWORD or MODELWARD_PASSWORD_FILE, or at the prompt".to_owned()
            }
            Self::Name { .. } | Self::Key { .. } | Self::Io { .. } | Self::Random(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use trust::Signer;

    use super::*;

    fn folder() -> (tempfile::TempDir, KeyFolder) {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFolder::at(&dir.path().join("keys"));
        (dir, keys)
    }

    fn password(text: &'static str) -> impl Fn() -> Option<Zeroizing<String>> {
        move || Some(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn keys_come_back_and_are_never_overwritten() {
        let (_dir, keys) = folder();
        let made = keys.create("builder", None).unwrap();
        let loaded = keys
            .load("builder", &|| panic!("no password is needed"))
            .unwrap();
        assert_eq!(made.public_key(), loaded.public_key());
        assert_eq!(
            keys.create("builder", None).unwrap_err().code(),
            Code::KeyExists
        );
        assert_eq!(
            keys.load("other", &|| None).unwrap_err().code(),
            Code::KeyMissing
        );
        assert_eq!(
            keys.create("../x", None).unwrap_err().code(),
            Code::KeyInvalid
        );
    }

    #[test]
    fn an_encrypted_key_asks_for_its_password() {
        let (_dir, keys) = folder();
        keys.create("k", Some("secret")).unwrap();
        assert!(keys.load("k", &password("secret")).is_ok());
        assert_eq!(
            keys.load("k", &password("wrong")).unwrap_err().code(),
            Code::PasswordWrong
        );
        assert_eq!(
            keys.load("k", &|| None).unwrap_err().code(),
            Code::PasswordMissing
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let (_dir, keys) = folder();
        keys.create("k", None).unwrap();
        let path = keys.path("k").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                keys.load("k", &|| None).unwrap_err().code(),
                Code::KeyExposed,
                "{mode:o}"
            );
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let link = keys.path("l").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(keys.load("l", &|| None).is_err());
    }

    /// A folder is no key that others may read: `chmod 600 /tmp` would be bad advice.
    #[test]
    fn what_is_no_file_is_no_exposed_key() {
        let (dir, _) = folder();
        let garbage = dir.path().join("garbage");
        write_new(&garbage, &[0xff; 64]).unwrap();
        for path in [dir.path(), Path::new("/dev/zero"), &garbage] {
            let error = read_private(path).unwrap_err();
            assert_eq!(error.code(), Code::KeyInvalid, "{error}");
            assert!(!error.way().contains("chmod"), "{}", error.way());
        }
    }
}
