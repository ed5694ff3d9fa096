//! Manifests and indexes, and the names that a manifest's blobs have in a signature.

use std::collections::{BTreeMap, BTreeSet};

use decode::json::{self, Limits};
use digest::Digest;
use serde::Deserialize;

use crate::{Code, TreePath};

const MANIFEST_TYPES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
pub(super) const EMPTY_CONFIG: &[u8] = b"{}";
/// All media types of Sigstore bundles begin so: `….v0.3+json`, and in older bundles `…+json;version=0.1`.
const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle";
const TITLE: &str = "org.opencontainers.image.title";
/// Where a ModelPack's layer goes.
const MODEL_PATH: &str = "org.cncf.model.filepath";
/// What oras notes of a folder that it packed.
const UNPACK: &str = "io.deis.oras.content.unpack";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// What the config goes by in a signature, as the port of model signing to Go has it.
const CONFIG: &str = "config.json";

/// Whether this is a Sigstore bundle's media type, of whatever version.
#[must_use]
pub fn is_bundle_type(media_type: &str) -> bool {
    let rest = media_type.strip_prefix(BUNDLE_TYPE);
    rest.is_some_and(|rest| rest.starts_with(['.', '+']))
}

/// A blob or manifest, as something that was not signed names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is said to be.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it is said to have.
    pub size_bytes: u64,
    /// What kind of artifact it is said to be.
    pub artifact_type: Option<String>,
    /// The name of the file that it is.
    title: Option<String>,
    /// The tag that it has in a layout.
    pub tag: Option<String>,
    /// What else is noted beside it.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A blob that is here.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::measured(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A blob of which the digest and the size are known.
    #[must_use]
    pub fn measured(media_type: &str, digest: Digest, size_bytes: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size_bytes,
            artifact_type: None,
            title: None,
            tag: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether it may be the manifest of a Sigstore bundle: it says so, or the one who lists it does not tell.
    #[must_use]
    pub fn may_be_bundle(&self) -> bool {
        let is_manifest = MANIFEST_TYPES.contains(&self.media_type.as_str());
        let tells = |kind: &&str| !kind.is_empty() && *kind != EMPTY_TYPE;
        let told = self.artifact_type.as_deref().filter(tells);
        is_manifest && told.is_none_or(is_bundle_type)
    }

    /// Whether it says that it is the manifest of a Sigstore bundle.
    #[must_use]
    pub fn says_bundle(&self) -> bool {
        self.may_be_bundle() && self.artifact_type.as_deref().is_some_and(is_bundle_type)
    }

    /// The name of the file that it is, if it is one file and no archive. A title makes a file of what oras pushes, which calls
    /// every file a `tar`, and packs folders alone.
    fn file_name(&self) -> Option<&str> {
        let is = |mark: &str| self.media_type.contains(mark);
        let is_packed = is("gzip") || is("zstd") || self.annotations.contains_key(UNPACK);
        let title = self.title.as_deref().filter(|title| !title.is_empty());
        let path = || self.annotations.get(MODEL_PATH).map(String::as_str);
        match title {
            _ if is_packed => None,
            Some(title) => Some(title),
            None => path().filter(|_| !is(".tar")),
        }
    }

    /// Whether it is the config that stands for none. It is told by its bytes, which these two determine.
    fn is_empty_config(&self) -> bool {
        self.digest == Digest::of(EMPTY_CONFIG) && self.size_bytes == EMPTY_CONFIG.len() as u64
    }
}

/// An image manifest: a config and layers, all of them blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    media_type: String,
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    subject: Option<Digest>,
}

impl Manifest {
    /// The longest manifest or index that is read, as registries have it.
    pub const SIZE_BYTES_MAX: usize = 4 << 20;

    /// Reads a manifest.
    ///
    /// # Errors
    /// It is not one, or names its blobs in a way that is not read here.
    pub fn parse(bytes: &[u8]) -> Result<Self, OciError> {
        let wire: wire::Manifest = json::from_slice(bytes, LIMITS).map_err(OciError::Json)?;
        check(
            "manifest",
            wire.schema_version,
            wire.media_type.as_deref(),
            &MANIFEST_TYPES,
        )?;
        if wire.manifests.is_some() {
            return Err(OciError::TwoReadings);
        }
        let subject = wire.subject.map(Descriptor::try_from).transpose()?;
        let media_type = wire.media_type.as_deref().unwrap_or(MANIFEST_TYPES[0]);
        Ok(Self {
            media_type: media_type.to_owned(),
            artifact_type: wire.artifact_type,
            config: wire.config.try_into()?,
            layers: all(wire.layers)?,
            subject: subject.map(|subject| subject.digest),
        })
    }

    /// What it says that it is about.
    #[must_use]
    pub const fn subject(&self) -> Option<Digest> {
        self.subject
    }

    /// The Sigstore bundle that it holds, if it holds one and nothing else.
    #[must_use]
    pub fn bundle(&self) -> Option<&Descriptor> {
        let is_bundle = self.artifact_type.as_deref().is_some_and(is_bundle_type);
        match self.layers.as_slice() {
            [only] if is_bundle || is_bundle_type(&only.media_type) => Some(only),
            _ => None,
        }
    }

    /// What it is; of an older one that does not say so, what it is read as.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// What kind of artifact it says that it is.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref()
    }

    /// Its config, which may stand for none.
    #[must_use]
    pub const fn config(&self) -> &Descriptor {
        &self.config
    }

    /// Its layers, in order.
    #[must_use]
    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    /// The files that it is: each layer one, under its title or, in a ModelPack, its path.
    ///
    /// # Errors
    /// There is no layer, one has no name or one that leads elsewhere, two have the same, or one is an archive of files.
    pub fn files(&self) -> Result<BTreeMap<TreePath, &Descriptor>, OciError> {
        let mut files = BTreeMap::new();
        for layer in &self.layers {
            let name = layer.file_name().ok_or_else(|| OciError::NoFile {
                digest: layer.digest.to_string(),
            })?;
            let cut = |name: &str| name.chars().take(80).collect();
            let path = TreePath::new(name).map_err(|_| OciError::Name { name: cut(name) })?;
            if files.insert(path, layer).is_some() {
                return Err(OciError::Doubled { name: cut(name) });
            }
        }
        match files.is_empty() {
            true => Err(OciError::NoLayers),
            false => Ok(files),
        }
    }

    /// How many blobs it names.
    #[must_use]
    pub const fn blobs(&self) -> usize {
        self.layers.len().saturating_add(1)
    }

    /// The only layer, if there is one layer.
    pub(crate) fn only_layer(&self) -> bool {
        self.layers.len() == 1
    }

    /// Its blobs by the names that they have in a signature, as the port of model signing to Go gives them: a layer's is its
    /// title, or `layer_NNN.tar.gz` by its place; the config's is `config.json`, unless it is empty and a layer has that
    /// name.
    ///
    /// # Errors
    /// There is no layer, a title is no name of a file in a model, or two blobs have the same name: one of them could be
    /// exchanged.
    pub fn resources(&self) -> Result<BTreeMap<String, Digest>, OciError> {
        let mut resources = self.layers_by_name()?;
        if resources.contains_key(CONFIG) {
            return match self.config.is_empty_config() {
                true => Ok(resources),
                false => Err(OciError::Doubled {
                    name: CONFIG.to_owned(),
                }),
            };
        }
        resources.insert(CONFIG.to_owned(), self.config.digest);
        Ok(resources)
    }

    /// As [`Self::resources`], to be signed: without an empty config, which is no file of the model's, and is not there where
    /// its files are pulled.
    ///
    /// # Errors
    /// As [`Self::resources`].
    pub fn resources_to_sign(&self) -> Result<BTreeMap<String, Digest>, OciError> {
        self.resources_but(&BTreeSet::new())
    }

    /// As [`Self::resources`], held against names that were signed: an empty config that was not signed is nothing. So files
    /// that were signed in a folder, and pushed one by one, are as they were signed.
    pub(crate) fn resources_but(
        &self,
        signed: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, Digest>, OciError> {
        if self.config.is_empty_config() && !signed.contains(CONFIG) {
            return self.layers_by_name();
        }
        self.resources()
    }

    fn layers_by_name(&self) -> Result<BTreeMap<String, Digest>, OciError> {
        let mut layers = BTreeMap::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let title = layer.title.clone().filter(|title| !title.is_empty());
            let name = title.unwrap_or_else(|| format!("layer_{place:03}.tar.gz"));
            if TreePath::new(&name).is_err() {
                let name = name.chars().take(80).collect();
                return Err(OciError::Name { name });
            }
            if layers.insert(name.clone(), layer.digest).is_some() {
                return Err(OciError::Doubled { name });
            }
        }
        match layers.is_empty() {
            true => Err(OciError::NoLayers),
            false => Ok(layers),
        }
    }
}

/// An image index: a list of manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// What it lists.
    pub manifests: Vec<Descriptor>,
}

impl Index {
    /// Reads an index. Of what it lists under digests that are not read here nothing is kept.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(bytes: &[u8]) -> Result<Self, OciError> {
        let wire: wire::Index = json::from_slice(bytes, LIMITS).map_err(OciError::Json)?;
        check(
            "index",
            wire.schema_version,
            wire.media_type.as_deref(),
            &INDEX_TYPES,
        )?;
        if wire.layers.is_some() {
            return Err(OciError::TwoReadings);
        }
        let listed = wire.manifests.into_iter();
        let manifests = listed.filter_map(|wire| Descriptor::try_from(wire).ok());
        Ok(Self {
            manifests: manifests.collect(),
        })
    }
}

const LIMITS: Limits = Limits {
    size_bytes_max: Manifest::SIZE_BYTES_MAX,
    depth_max: 16,
};

/// The media type may be left out, as image specification 1.0 had it.
fn check(
    what: &'static str,
    version: u32,
    media_type: Option<&str>,
    types: &[&str],
) -> Result<(), OciError> {
    if version == 2 && media_type.is_none_or(|media_type| types.contains(&media_type)) {
        return Ok(());
    }
    let got = media_type.unwrap_or_default().chars().take(80).collect();
    Err(OciError::Type { what, version, got })
}

fn all(wire: Vec<wire::Descriptor>) -> Result<Vec<Descriptor>, OciError> {
    wire.into_iter().map(Descriptor::try_from).collect()
}

impl TryFrom<wire::Descriptor> for Descriptor {
    type Error = OciError;

    fn try_from(mut wire: wire::Descriptor) -> Result<Self, OciError> {
        let digest = wire.digest.parse().map_err(|_| OciError::Digest {
            got: wire.digest.chars().take(80).collect(),
        })?;
        Ok(Self {
            media_type: wire.media_type,
            digest,
            size_bytes: wire.size,
            artifact_type: wire.artifact_type,
            title: wire.annotations.remove(TITLE),
            tag: wire.annotations.remove(REF_NAME),
            annotations: wire.annotations,
        })
    }
}

/// The specification's JSON.
mod wire {
    use super::json::Value;
    use super::{BTreeMap, Deserialize};

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Manifest {
        pub(super) schema_version: u32,
        pub(super) media_type: Option<String>,
        pub(super) artifact_type: Option<String>,
        pub(super) config: Descriptor,
        pub(super) layers: Vec<Descriptor>,
        pub(super) subject: Option<Descriptor>,
        /// An index has them.
        pub(super) manifests: Option<Value>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Index {
        pub(super) schema_version: u32,
        pub(super) media_type: Option<String>,
        pub(super) manifests: Vec<Descriptor>,
        /// A manifest has them.
        pub(super) layers: Option<Value>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Descriptor {
        pub(super) media_type: String,
        pub(super) digest: String,
        pub(super) size: u64,
        pub(super) artifact_type: Option<String>,
        #[serde(default)]
        pub(super) annotations: BTreeMap<String, String>,
    }
}

/// Why a manifest or an index was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OciError {
    /// It is no JSON of that shape.
    #[error("the OCI manifest or index can't be read")]
    Json(#[source] json::Error),
    /// It is something else.
    #[error("it is no OCI {what}: its `schemaVersion` is {version}, its `mediaType` `{got}`")]
    Type {
        /// What was expected.
        what: &'static str,
        /// Which version it says.
        version: u32,
        /// What it says that it is.
        got: String,
    },
    /// It is a manifest and an index at once.
    #[error(
        "it has both `layers` and `manifests`, and could be read as a manifest and as an index"
    )]
    TwoReadings,
    /// A blob is named by another digest than SHA-256.
    #[error("the OCI manifest names a blob by `{got}`, and only `sha256:` digests are read")]
    Digest {
        /// By what.
        got: String,
    },
    /// It names nothing.
    #[error("the OCI manifest has no layers")]
    NoLayers,
    /// A title would lead elsewhere.
    #[error("a layer's title is `{name}`, which is no name of a file in a model")]
    Name {
        /// The title.
        name: String,
    },
    /// A layer is no file by itself.
    #[error("the layer `{digest}` is no file: it has no title, or is an archive")]
    NoFile {
        /// The layer.
        digest: String,
    },
    /// It has no place for one more.
    #[error("the list of what refers to the artifact is full: {size_bytes} bytes")]
    Full {
        /// How long it would be.
        size_bytes: usize,
    },
    /// Two blobs would be one resource.
    #[error("two blobs of the OCI manifest are called `{name}`")]
    Doubled {
        /// The name.
        name: String,
    },
}

impl OciError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::ManifestInvalid
    }

    /// What to do.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Type { .. } | Self::TwoReadings => {
                "name the manifest of one artifact, such as `oras manifest fetch` or `skopeo inspect --raw` prints it"
            }
            Self::Digest { .. } => "push the artifact again with SHA-256 digests",
            Self::NoLayers => "push the model's files with it",
            Self::NoFile { .. } => {
                "pull it with the client that pushed it; of an image, take one file with `modelward fetch`"
            }
            Self::Full { .. } => {
                "remove from the registry what refers to the artifact and is of no use"
            }
            Self::Name { .. } | Self::Doubled { .. } => {
                "push each file under a name of its own, relative to the model"
            }
        }
    }
}

#[cfg(test)]
mod tests;
