//! What an artifact is: the names and digests of its files, and one digest over them all.

use std::fmt;

use decode::json::{self, Limits};
use digest::{ByName, Digest, Hasher, Listing, Measured};

use crate::compact::{self, Hashing};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_CONFIG: &[u8] = b"{}";
const FILE_TYPE: &str = "application/octet-stream";
/// As many files as an artifact may have.
pub const FILES_MAX: usize = 100_000;
const PATH_SIZE_BYTES_MAX: usize = 4096;

/// A name inside an artifact: relative, `/`-separated, no empty part, no `.`, no `..`, no control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(String);

impl TreePath {
    /// Takes a name.
    ///
    /// # Errors
    /// It is absolute, leads out of the artifact, or holds what a name should not.
    pub fn new(name: &str) -> Result<Self, ArtifactError> {
        Self::check(name).map(|()| Self(name.to_owned()))
    }

    fn check(name: &str) -> Result<(), ArtifactError> {
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let fits = name.len() <= PATH_SIZE_BYTES_MAX && !name.chars().any(char::is_control);
        if fits && name.split('/').all(is_plain) {
            Ok(())
        } else {
            Err(ArtifactError::Path(name.chars().take(80).collect()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for TreePath {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an artifact is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a step learns from.
    DataSet,
    /// What a server loads.
    Model,
    /// The file system that a step runs in.
    StepRoot,
}

impl Kind {
    const ALL: [Self; 3] = [Self::DataSet, Self::Model, Self::StepRoot];

    /// The OCI artifact type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::DataSet => "application/vnd.modelward.dataset.v1",
            Self::Model => "application/vnd.modelward.model.v1",
            Self::StepRoot => "application/vnd.modelward.step-root.v1",
        }
    }
}

/// One file of an artifact, as stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEntry {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size_bytes: u64,
}

/// Names and digests of the files of a data set, model or step root. At least one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    kind: Kind,
    /// Each name is a [`TreePath`].
    files: ByName<FileEntry>,
}

impl Artifact {
    /// The artifact that these files are.
    ///
    /// # Errors
    /// There are none, too many, one is called what no [`TreePath`] is, or their sizes add up to more than there can be.
    pub fn new(kind: Kind, files: ByName<FileEntry>) -> Result<Self, ArtifactError> {
        files.keys().try_for_each(TreePath::check)?;
        if files.is_empty() {
            return Err(ArtifactError::Empty);
        }
        if files.len() > FILES_MAX {
            return Err(ArtifactError::TooMany);
        }
        let add = |sum: u64, file: &FileEntry| sum.checked_add(file.size_bytes);
        let size_bytes = files.values().try_fold(0, add);
        size_bytes.ok_or(ArtifactError::TooLarge)?;
        Ok(Self { kind, files })
    }

    /// The artifact that was measured.
    ///
    /// # Errors
    /// As [`Artifact::new`].
    pub fn from_listing(kind: Kind, listing: &Listing) -> Result<Self, ArtifactError> {
        Self::of_listing(kind, listing.clone())
    }

    /// As [`Artifact::from_listing`], of a listing that is not needed any more: of many files it is long.
    ///
    /// # Errors
    /// As [`Artifact::new`].
    pub fn of_listing(kind: Kind, listing: Listing) -> Result<Self, ArtifactError> {
        let entry = |measured: Measured| FileEntry {
            digest: measured.digest(),
            size_bytes: measured.size_bytes(),
        };
        Self::new(kind, listing.map(entry))
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its files, in code-point order of their names. Each name is a [`TreePath`].
    #[must_use]
    pub const fn files(&self) -> &ByName<FileEntry> {
        &self.files
    }

    /// As [`Artifact::files`], of an artifact that is not needed any more.
    #[must_use]
    pub fn into_files(self) -> ByName<FileEntry> {
        self.files
    }

    /// All its bytes together.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        // Added up once before, when the artifact was made.
        self.files.values().map(|file| file.size_bytes).sum()
    }

    /// Its name everywhere: the digest of its manifest, which covers names, sizes and contents.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hashing = Hashing::default();
        let written = self.write_manifest(&mut hashing);
        debug_assert!(written.is_ok(), "a hasher takes everything");
        hashing.finish()
    }

    /// OpenSSF model signing's root digest: over the files' raw digests, in the order of their names.
    #[must_use]
    pub fn signing_root(&self) -> Digest {
        let mut hasher = Hasher::new();
        for file in self.files.values() {
            hasher.update(file.digest.raw());
        }
        hasher.finish()
    }

    /// Whether this digest names the artifact, its signing root or one of its files.
    #[must_use]
    pub fn contains(&self, digest: Digest) -> bool {
        self.digest() == digest
            || self.signing_root() == digest
            || self.files.values().any(|file| file.digest == digest)
    }

    /// The OCI image manifest (image-spec 1.1) of the artifact: compact, files in order, nothing else in it, so that the
    /// same files always have the same manifest.
    #[must_use]
    pub fn manifest(&self) -> Vec<u8> {
        // Strings, numbers and lists always serialise.
        compact::to_vec(&wire::Written::from(self))
    }

    /// Writes what [`Artifact::manifest`] returns, without holding it: of many small files it is long.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_manifest(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        // Each name and number is a write of its own.
        let mut out = std::io::BufWriter::new(out);
        serde_json::to_writer(&mut out, &wire::Written::from(self))?;
        std::io::Write::flush(&mut out)
    }

    /// Reads a manifest that [`Artifact::manifest`] wrote.
    ///
    /// # Errors
    /// It is anything else: the bytes must be exactly those that this artifact's manifest has.
    pub fn from_manifest(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let wire: wire::Read<'_> =
            json::from_slice(bytes, Limits::LARGE).map_err(ArtifactError::Json)?;
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.media_type() == wire.artifact_type);
        let kind = kind.ok_or(ArtifactError::Manifest(
            "its artifact type is not one of ours",
        ))?;
        let layers = wire.layers.items();
        let layers = layers.ok_or(ArtifactError::Manifest("its layers are no list"))?;
        let files = layers.map(|layer| {
            let layer: wire::Layer<'_> = layer.read().map_err(ArtifactError::Json)?;
            let digest = layer.digest.parse();
            let digest =
                digest.map_err(|_| ArtifactError::Manifest("a layer's digest is not SHA-256"))?;
            let size_bytes = layer.size;
            let entry = FileEntry { digest, size_bytes };
            Ok((layer.annotations.title, entry))
        });
        let files = files.collect::<Result<ByName<FileEntry>, ArtifactError>>()?;
        let artifact = Self::new(kind, files)?;
        if artifact.digest() == Digest::of(bytes) {
            Ok(artifact)
        } else {
            Err(ArtifactError::Manifest(
                "it says more, or in another order, than our manifests do",
            ))
        }
    }
}

/// The manifest's JSON, written and read without a copy of the files' names in memory.
mod wire {
    use std::borrow::Cow;

    use decode::json::Raw;
    use digest::Digest;
    use serde::{Deserialize, Serialize, Serializer};

    use super::{Artifact, EMPTY_CONFIG, EMPTY_TYPE, FILE_TYPE, MANIFEST_TYPE};

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Written<'a> {
        schema_version: u32,
        media_type: &'static str,
        artifact_type: &'static str,
        config: Config<'static>,
        #[serde(serialize_with = "layers")]
        layers: &'a Artifact,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Read<'a> {
        #[serde(rename = "schemaVersion")]
        _schema_version: u32,
        #[serde(rename = "mediaType", borrow)]
        _media_type: Cow<'a, str>,
        #[serde(borrow)]
        pub(super) artifact_type: Cow<'a, str>,
        #[serde(rename = "config", borrow)]
        _config: Config<'a>,
        /// One after the other is read: they may be many.
        #[serde(borrow)]
        pub(super) layers: Raw<'a>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Config<'a> {
        #[serde(borrow)]
        media_type: Cow<'a, str>,
        #[serde(borrow)]
        digest: Cow<'a, str>,
        size: u64,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Layer<'a> {
        #[serde(borrow)]
        media_type: Cow<'a, str>,
        #[serde(borrow)]
        pub(super) digest: Cow<'a, str>,
        pub(super) size: u64,
        #[serde(borrow)]
        pub(super) annotations: Annotations<'a>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Annotations<'a> {
        #[serde(rename = "org.opencontainers.image.title", borrow)]
        pub(super) title: Cow<'a, str>,
    }

    impl<'a> From<&'a Artifact> for Written<'a> {
        fn from(artifact: &'a Artifact) -> Self {
            Self {
                schema_version: 2,
                media_type: MANIFEST_TYPE,
                artifact_type: artifact.kind.media_type(),
                config: Config {
                    media_type: EMPTY_TYPE.into(),
                    digest: Digest::of(EMPTY_CONFIG).to_string().into(),
                    size: EMPTY_CONFIG.len() as u64,
                },
                layers: artifact,
            }
        }
    }

    fn layers<S: Serializer>(artifact: &Artifact, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(artifact.files.iter().map(|(name, file)| Layer {
            media_type: FILE_TYPE.into(),
            digest: file.digest.to_string().into(),
            size: file.size_bytes,
            annotations: Annotations { title: name.into() },
        }))
    }
}

/// Why files are no artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// No files.
    #[error("there is no file in it")]
    Empty,
    /// Too many files.
    #[error("there are more than {FILES_MAX} files in it")]
    TooMany,
    /// More bytes than can be counted.
    #[error("its files have more bytes together than there can be")]
    TooLarge,
    /// A name that is not fit.
    #[error("`{0}` is not a plain relative name")]
    Path(String),
    /// A manifest that is not JSON.
    #[error("its manifest can't be read")]
    Json(#[source] json::Error),
    /// A manifest that is not one of ours.
    #[error("its manifest is not one of ours: {0}")]
    Manifest(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(names: &[&str]) -> Artifact {
        let entry = |name: &&str| {
            (
                TreePath::new(name).unwrap(),
                FileEntry {
                    digest: Digest::of(name.as_bytes()),
                    size_bytes: 1,
                },
            )
        };
        Artifact::new(Kind::Model, names.iter().map(entry).collect()).unwrap()
    }

    #[test]
    fn the_manifest_is_the_name() {
        let one = artifact(&["a/b", "c"]);
        assert_eq!(Artifact::from_manifest(&one.manifest()), Ok(one.clone()));
        assert_ne!(one.digest(), artifact(&["a/b", "d"]).digest());
        let spaced = String::from_utf8(one.manifest())
            .unwrap()
            .replace("\"layers\":", "\"layers\": ");
        assert!(Artifact::from_manifest(spaced.as_bytes()).is_err());
    }

    #[test]
    fn the_signing_root_is_the_specifications() {
        // Written by model_signing 1.1.1 over three files.
        let hex = [
            "6102b7b977af452ba2973005c4d51e7c9cf9b788557fcf7dab3585b98cda16fe",
            "1a25953465ab671d54b30108a9951b5500fa40994098ef9463853004da7933e1",
            "18d1482a2fd98564431c3caaf25353f2da146e5abd45638a1121fabe7cd85200",
        ];
        let names = ["config.json", "tokenizer/vocab.txt", "weights.bin"];
        let files = names.iter().zip(hex).map(|(name, hex)| {
            (
                TreePath::new(name).unwrap(),
                FileEntry {
                    digest: Digest::from_hex(hex).unwrap(),
                    size_bytes: 0,
                },
            )
        });
        let artifact = Artifact::new(Kind::Model, files.collect()).unwrap();
        assert_eq!(
            artifact.signing_root().hex(),
            "5d0cb4099b61773c4208d2a08c40a77c1b5ce7dffc211c29c09973f48d6dd84e"
        );
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            "a\0",
            "a\nb",
            &"x".repeat(5000),
        ] {
            assert!(TreePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(TreePath::new("..a/b:c é").is_ok());
    }
}
