//! Keys in key services: a program of somebody else's is asked for the public key and for each signature
//! (docs/formats/signer-plugin.md).
//!
//! The program is trusted to sign, and to nothing else: it runs with none of our environment, folders and files, under a
//! limit of time and size, and what it answers is checked against its public key before it is used.

mod program;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use decode::json::{self, Limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use trust::{Code, KeyAlgorithm, KeyError, PublicKey, Signer};

/// The protocol's version, in every message.
const VERSION: u32 = 1;
const KEY_LEN_MAX: usize = 4096;
const ANSWER_LIMITS: Limits = Limits {
    size_bytes_max: program::ANSWER_SIZE_BYTES_MAX,
    depth_max: 4,
};

/// A program that signs, and the key it is to sign with.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Its file, as an absolute path.
    pub program: PathBuf,
    /// What it calls the key: what stands here means something to the program alone.
    pub key: String,
    /// The variables of the environment that it gets. All others are kept from it.
    pub environment: Vec<(OsString, OsString)>,
    /// How long each answer may take.
    pub timeout: Duration,
}

impl Plugin {
    /// A minute: a key service behind a network, or a person who has to touch something.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

/// A key behind a program.
pub struct PluginKey {
    plugin: Plugin,
    public: PublicKey,
}

impl PluginKey {
    /// Asks for the public key, which has to be of ECDSA.
    ///
    /// # Errors
    /// The program can't be started, fails, takes too long, says too much, or answers with something else or with a key that
    /// does not sign here.
    pub fn open(plugin: Plugin) -> Result<Self, PluginError> {
        let held = Self::open_also_ed25519(plugin)?;
        if held.public.algorithm() == KeyAlgorithm::Ed25519 {
            return Err(PluginError::Key(KeyError::Ed25519));
        }
        Ok(held)
    }

    /// As [`Self::open`], for somebody who means an Ed25519 key: the reference of model signing refuses what those sign.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_also_ed25519(plugin: Plugin) -> Result<Self, PluginError> {
        check_program(&plugin.program)?;
        if plugin.key.len() > KEY_LEN_MAX || plugin.key.contains('\0') {
            return Err(PluginError::KeyName);
        }
        let request = wire::PublicKeyRequest {
            version: VERSION,
            key: &plugin.key,
        };
        let answer: wire::PublicKeyAnswer = ask(&plugin, "public-key", &request)?;
        check_version(answer.version)?;
        let public = PublicKey::from_pem(&answer.public_key).map_err(PluginError::Key)?;
        if public.algorithm() == KeyAlgorithm::Rsa {
            return Err(PluginError::Key(KeyError::RsaSigns));
        }
        Ok(Self { plugin, public })
    }

    fn ask_to_sign(&self, signed_bytes: &[u8]) -> Result<Vec<u8>, PluginError> {
        let algorithm = self.public.algorithm();
        let hash = algorithm.hash(signed_bytes);
        let request = wire::SignRequest {
            version: VERSION,
            key: &self.plugin.key,
            algorithm: algorithm.as_str(),
            hash: algorithm.hash_name(),
            digest: hash.as_deref().map(|hash| BASE64.encode(hash)),
            message: hash.is_none().then(|| BASE64.encode(signed_bytes)),
        };
        let answer: wire::SignAnswer = ask(&self.plugin, "sign", &request)?;
        check_version(answer.version)?;
        let signature = BASE64.decode(answer.signature.as_bytes());
        let signature = signature.map_err(|_| PluginError::Answer)?;
        if self.public.verifies(signed_bytes, &signature) {
            Ok(signature)
        } else {
            Err(PluginError::ForeignSignature)
        }
    }
}

impl Signer for PluginKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed_bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.ask_to_sign(signed_bytes).map_err(|error| match error {
            PluginError::ForeignSignature => KeyError::ForeignSignature,
            other => KeyError::Holder(other.to_string()),
        })
    }
}

impl fmt::Debug for PluginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginKey({:?})", self.public)
    }
}

/// What anybody on the machine may change is no program to sign with.
fn check_program(program: &Path) -> Result<(), PluginError> {
    use std::os::unix::fs::MetadataExt;
    const WRITABLE_BY_ALL: u32 = 0o002;
    let refused = || PluginError::Program {
        path: program.to_owned(),
    };
    if !program.is_absolute() {
        return Err(refused());
    }
    let metadata = std::fs::metadata(program).map_err(|_| refused())?;
    if !metadata.is_file() || metadata.mode() & WRITABLE_BY_ALL != 0 {
        return Err(refused());
    }
    Ok(())
}

fn ask<T: DeserializeOwned>(
    plugin: &Plugin,
    word: &str,
    request: &impl Serialize,
) -> Result<T, PluginError> {
    let mut request = serde_json::to_vec(request).map_err(|_| PluginError::Answer)?;
    request.push(b'\n');
    let answer = program::run(plugin, word, request)?;
    json::from_slice(&answer, ANSWER_LIMITS).map_err(|_| PluginError::Answer)
}

const fn check_version(version: u32) -> Result<(), PluginError> {
    if version == VERSION {
        Ok(())
    } else {
        Err(PluginError::Version { version })
    }
}

/// Messages, name for name as docs/formats/signer-plugin.md has them.
mod wire {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize)]
    pub(super) struct PublicKeyRequest<'a> {
        pub(super) version: u32,
        pub(super) key: &'a str,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct PublicKeyAnswer {
        pub(super) version: u32,
        #[serde(rename = "publicKey")]
        pub(super) public_key: String,
    }

    #[derive(Serialize)]
    pub(super) struct SignRequest<'a> {
        pub(super) version: u32,
        pub(super) key: &'a str,
        pub(super) algorithm: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) hash: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) digest: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) message: Option<String>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct SignAnswer {
        pub(super) version: u32,
        pub(super) signature: String,
    }
}

/// Why a signer plug-in does not sign.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// Not a program to start.
    #[error("`{}` is no signer plug-in: the absolute path of a file that not everybody may write was expected", path.display())]
    Program {
        /// The path.
        path: PathBuf,
    },
    /// A key's name that is too long or not text.
    #[error("the signer plug-in's key has a name that is too long, or holds a NUL")]
    KeyName,
    /// It did not start, or its pipes broke.
    #[error("the signer plug-in can't be run")]
    Run(#[source] std::io::Error),
    /// It took too long, and was ended.
    #[error("the signer plug-in did not answer within {seconds} seconds")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// It said no.
    #[error("the signer plug-in failed ({status}): {said}")]
    Failed {
        /// How it ended.
        status: String,
        /// What it wrote to standard error: printable, and the beginning only.
        said: String,
    },
    /// It said too much.
    #[error(
        "the signer plug-in's answer is longer than {} bytes",
        program::ANSWER_SIZE_BYTES_MAX
    )]
    TooLong,
    /// Its answer is no answer.
    #[error(
        "the signer plug-in's answer is not what its protocol says (docs/formats/signer-plugin.md)"
    )]
    Answer,
    /// Its answer is of another version.
    #[error("the signer plug-in answers in version {version} of its protocol, where 1 is known")]
    Version {
        /// The version.
        version: u32,
    },
    /// Its key is not of a kind that is used here.
    #[error("the signer plug-in's key can't be used")]
    Key(#[source] KeyError),
    /// Its signature does not hold.
    #[error(
        "the signer plug-in's signature is not one of its public key over what was to be signed"
    )]
    ForeignSignature,
}

impl PluginError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Program { .. } | Self::KeyName => Code::Usage,
            Self::Run(_) | Self::Timeout { .. } | Self::Failed { .. } => Code::Io,
            Self::TooLong
            | Self::Answer
            | Self::Version { .. }
            | Self::Key(_)
            | Self::ForeignSignature => Code::KeyInvalid,
        }
    }
}

#[cfg(test)]
mod tests;
