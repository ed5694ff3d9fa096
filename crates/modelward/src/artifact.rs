//! A model as an OCI artifact: named by a reference, known by its manifest, and none of its blobs read.

use std::path::{Path, PathBuf};

use digest::{Digest, ResourceDigest};
use host::oci::{Layout, ReadError, Registry, Source};
use trust::oci::{
    Descriptor, Manifest, OciError, Reference, ReferenceError, Referrer, Repository, Version,
};
use trust::predicate::{Form, ModelSignature, Terms};
use trust::{Bundle, Code, Opaque, Statement};

use crate::answer::Failure;
use crate::commands::verify::read_signature;
use crate::model::{SIGNATURE_ENDING, name_of};

/// An artifact whose manifest is here.
pub(crate) struct Artifact {
    /// Where it was found.
    pub(crate) reference: Reference,
    /// Its last name.
    pub(crate) name: String,
    /// The digest of its manifest, as it was read.
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    /// How what refers to it names it.
    pub(crate) subject: Descriptor,
    /// Where its signatures may be; none if only a manifest was given.
    pub(crate) source: Option<Box<dyn Source>>,
}

/// The reference that a word on the command line is, if it is one.
pub(crate) fn reference(word: &Path) -> Result<Option<Reference>, Failure> {
    let Some(text) = word.to_str().filter(|text| Reference::is_meant(text)) else {
        return Ok(None);
    };
    let reference = text.parse();
    let way = ReferenceError::way();
    reference
        .map(Some)
        .map_err(|e: ReferenceError| Failure::from_error(Code::Usage, &e, way))
}

/// The repository that a word names: `oci://HOST/NAME`, without a tag or digest.
pub(crate) fn repository(word: &str) -> Result<Repository, Failure> {
    let bare = |text: &str| format!("{text}:latest").parse().ok();
    match bare(word) {
        Some(Reference::Registry(repository, _)) => Ok(repository),
        _ => Err(Failure::error(
            Code::Usage,
            format!("`{word}` is no repository"),
            "such as `oci://registry.example/team/statements`, without a tag",
        )),
    }
}

/// A bundle on its way to an artifact.
pub(crate) fn referrer(
    subject: &Descriptor,
    bundle: Vec<u8>,
) -> Result<(Referrer, Vec<u8>), Failure> {
    let predicate_type = predicate_type(&Bundle::parse(&bundle)?)?;
    Ok((Referrer::of(subject, &bundle, &predicate_type), bundle))
}

/// What a bundle's statement says that it is.
pub(crate) fn predicate_type(bundle: &Bundle) -> Result<String, Failure> {
    let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload())?;
    Ok(statement.predicate.predicate_type.to_string())
}

impl Artifact {
    /// Reads the manifest.
    pub(crate) fn read(reference: Reference) -> Result<Self, Failure> {
        match &reference {
            Reference::Manifest(file) => {
                let path = Path::new(file);
                let name = name_of(path)?;
                let name = name.strip_suffix(".json").unwrap_or(&name).to_owned();
                let bytes = read_signature(path)?;
                Self::of(reference, name, &bytes)
            }
            Reference::Registry(repository, version) => {
                let registry = Registry::open(repository)?;
                let bytes = registry.manifest(version)?;
                let name = repository
                    .name
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                let source = Some(Box::new(registry) as Box<dyn Source>);
                Ok(Self {
                    source,
                    ..Self::of(reference, name, &bytes)?
                })
            }
            Reference::Layout(folder, version) => {
                let folder = Path::new(folder);
                let layout = Layout::open(folder)?;
                let digest = layout.resolve(version.as_ref())?;
                let bytes = layout.manifest(&Version::Digest(digest))?;
                let name = name_of(folder)?;
                let source = Some(Box::new(layout) as Box<dyn Source>);
                Ok(Self {
                    source,
                    ..Self::of(reference, name, &bytes)?
                })
            }
        }
    }

    fn of(reference: Reference, name: String, bytes: &[u8]) -> Result<Self, Failure> {
        let manifest = Manifest::parse(bytes)?;
        Ok(Self {
            subject: Descriptor::of(manifest.media_type(), bytes),
            manifest,
            digest: Digest::of(bytes),
            source: None,
            reference,
            name,
        })
    }

    /// What signs it: its blobs by name and digest.
    pub(crate) fn statement(&self) -> Result<Statement<ModelSignature>, Failure> {
        let blobs = self.manifest.resources_to_sign()?;
        let blobs = blobs.iter();
        let blobs = blobs.map(|(name, digest)| (name.as_str(), ResourceDigest::from(*digest)));
        let terms = Terms::usual(Vec::new());
        Ok(ModelSignature::of_resources(
            &self.name,
            blobs,
            Form::Folder,
            terms,
        ))
    }

    /// Where its signature is, if that is a file beside it.
    pub(crate) fn signature_path(reference: &Reference) -> Option<PathBuf> {
        match reference {
            Reference::Manifest(file) => Some(PathBuf::from(format!("{file}{SIGNATURE_ENDING}"))),
            Reference::Registry(..) | Reference::Layout(..) => None,
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::from_error(error.code(), &error, error.way())
    }
}

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        Self::from_error(error.code(), &error, error.way())
    }
}
