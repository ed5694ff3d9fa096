//! `https://model_signing/signature/v1.0` of OpenSSF model signing: the files that a model has.

use std::collections::BTreeMap;

use decode::json;
use digest::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::artifact::TreePath;
use crate::{Artifact, Error, Role, Statement, Subject};

const ALGORITHM: &str = "sha256";
const METHOD: &str = "files";
/// The name that the released tools write for a model of a single file.
const SINGLE_FILE: &str = ".";

/// The files of a model, each with its digest, whole and by SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelSignature {
    serialization: wire::Serialization,
    resources: Vec<wire::Resource>,
}

impl ModelSignature {
    /// The statement that signs a model, with the model's name and the paths in it that were left out.
    #[must_use]
    pub fn statement(
        name: &str,
        artifact: &Artifact,
        form: Form,
        ignored: Vec<String>,
    ) -> Statement<Self> {
        let resource = |(path, file): (&TreePath, &crate::artifact::FileEntry)| wire::Resource {
            name: if form == Form::SingleFile {
                SINGLE_FILE.to_owned()
            } else {
                path.as_str().to_owned()
            },
            algorithm: ALGORITHM.to_owned(),
            digest: file.digest.hex(),
        };
        let serialization = wire::Serialization {
            method: METHOD.to_owned(),
            hash_type: ALGORITHM.to_owned(),
            allow_symlinks: false,
            ignore_paths: ignored,
        };
        let resources = artifact.files().iter().map(resource).collect();
        let subject = Subject {
            name: name.to_owned(),
            digest: artifact.signing_root(),
        };
        Statement {
            subjects: vec![subject],
            predicate: Self {
                serialization,
                resources,
            },
        }
    }

    /// The signed files and their digests.
    pub fn resources(&self) -> impl Iterator<Item = (&str, Digest)> {
        // Each digest was checked when it was read, and written from a digest.
        self.resources
            .iter()
            .filter_map(|r| Some((r.name.as_str(), Digest::from_hex(&r.digest).ok()?)))
    }

    /// The same, to look many files up: walking [`Self::resources`] for each takes minutes where there are tens of
    /// thousands.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<&str, Digest> {
        self.resources().collect()
    }

    /// The paths that were left out when it was signed, with all below them.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.serialization.ignore_paths
    }

    /// Whether a file rather than a folder was signed.
    #[must_use]
    pub fn form(&self) -> Form {
        match self.resources.as_slice() {
            [only] if only.name == SINGLE_FILE => Form::SingleFile,
            _ => Form::Folder,
        }
    }

    /// OpenSSF model signing's root digest: over the raw digests in the order they are listed.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut hasher = Hasher::new();
        for (_, digest) in self.resources() {
            hasher.update(digest.raw());
        }
        hasher.finish()
    }
}

/// What was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A folder and what is in it.
    Folder,
    /// One file.
    SingleFile,
}

impl Predicate for ModelSignature {
    const TYPE: &'static str = "https://model_signing/signature/v1.0";
    const ROLE: Role = Role::Sign;

    fn read(value: json::Value) -> Result<Self, Error> {
        let wire: wire::Signature = read_as(value)?;
        let refused = |why: String| Err(Error::StatementShape(why));
        let how = &wire.serialization;
        if how.method != METHOD || how.hash_type != ALGORITHM {
            return refused(format!(
                "it signs by `{}` and `{}`, and only whole files by SHA-256 are read",
                how.method, how.hash_type
            ));
        }
        if how.allow_symlinks {
            return refused(
                "it was signed through symbolic links, and links are not followed".to_owned(),
            );
        }
        if wire.resources.is_empty() {
            return refused("it signs no file".to_owned());
        }
        let single = wire.resources.len() == 1;
        let mut seen = BTreeMap::new();
        for resource in &wire.resources {
            let is_named =
                TreePath::new(&resource.name).is_ok() || (single && resource.name == SINGLE_FILE);
            if !is_named
                || resource.algorithm != ALGORITHM
                || Digest::from_hex(&resource.digest).is_err()
            {
                return refused(format!(
                    "its file `{}` has an unfit name or digest",
                    resource.name
                ));
            }
            if seen.insert(&resource.name, ()).is_some() {
                return refused(format!("it signs the file `{}` twice", resource.name));
            }
        }
        Ok(Self {
            serialization: wire.serialization,
            resources: wire.resources,
        })
    }

    fn fits(&self, subjects: &[Subject]) -> Result<(), Error> {
        match subjects {
            [only] if only.digest == self.root() => Ok(()),
            [only] => Err(Error::StatementShape(format!(
                "its root digest is {}, and its files make {}",
                only.digest,
                self.root()
            ))),
            _ => Err(Error::StatementShape(
                "it names more than one model".to_owned(),
            )),
        }
    }
}

mod wire {
    use super::{Deserialize, Serialize};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Signature {
        pub(super) serialization: Serialization,
        pub(super) resources: Vec<Resource>,
    }

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Serialization {
        pub(super) method: String,
        pub(super) hash_type: String,
        pub(super) allow_symlinks: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) ignore_paths: Vec<String>,
    }

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Resource {
        pub(super) name: String,
        pub(super) algorithm: String,
        pub(super) digest: String,
    }
}
