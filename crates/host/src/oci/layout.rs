//! An image layout: a folder with `oci-layout`, `index.json` and `blobs/`.

use std::io;
use std::path::{Path, PathBuf};

use decode::json::{self, Limits};
use digest::Digest;
use trust::oci::{Descriptor, Index, Manifest, Version};

use super::{LISTED_MAX, Listing, Place, ReadError, Source, Tagged, check_size, checked};
use crate::whole_file;

/// So many manifests are read to find the only artifact among them.
const READ_TO_CHOOSE_MAX: usize = 16;
/// What cosign calls the manifests in a layout that it saves, each about the one image beside it.
const KIND: &str = "kind";
const ATTESTATIONS: &str = "dev.cosignproject.cosign/atts";
const SIGNATURES: &str = "dev.cosignproject.cosign/sigs";
const NAMES_SHOWN_MAX: usize = 5;

/// An image layout.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    index: Index,
}

impl Layout {
    /// Opens a layout.
    ///
    /// # Errors
    /// It is none, or its index can't be read.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        let marker = read(&folder.join("oci-layout"), 1024);
        let version = marker.ok().and_then(|bytes| {
            let value = json::value(&bytes, Limits::SMALL).ok()?;
            Some(value.member("imageLayoutVersion")?.as_str()?.to_owned())
        });
        if version.as_deref() != Some("1.0.0") {
            let folder = folder.to_owned();
            return Err(ReadError::NoLayout { folder });
        }
        let bytes = read(&folder.join("index.json"), Manifest::SIZE_BYTES_MAX as u64)?;
        Ok(Self {
            index: index(&bytes, "index.json")?,
            folder: folder.to_owned(),
        })
    }

    /// The digest of the artifact that is meant: what a tag names, or the only one.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn resolve(&self, version: Option<&Version>) -> Result<Digest, ReadError> {
        let meant: Vec<&Descriptor> = match version {
            Some(Version::Digest(digest)) => return Ok(*digest),
            Some(Version::Tag(tag)) => self.of_tag(tag).collect(),
            None => self.artifacts()?,
        };
        let mut digests: Vec<Digest> = meant.iter().map(|descriptor| descriptor.digest).collect();
        digests.dedup();
        match digests.as_slice() {
            [only] => Ok(*only),
            [] => Err(self.not_found(version.map_or("artifact".to_owned(), ToString::to_string))),
            several => Err(self.several(several.len(), &meant)),
        }
    }

    fn of_tag<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Descriptor> {
        let listed = self.index.manifests.iter();
        listed.filter(move |descriptor| descriptor.tag.as_deref() == Some(tag))
    }

    /// What does not refer to something else.
    fn artifacts(&self) -> Result<Vec<&Descriptor>, ReadError> {
        let is_list = |descriptor: &&Descriptor| {
            let tag = descriptor.tag.as_deref();
            let is_cosigns = descriptor
                .annotations
                .get(KIND)
                .is_some_and(|kind| [ATTESTATIONS, SIGNATURES].contains(&kind.as_str()));
            is_cosigns || tag.is_some_and(|tag| tag.starts_with("sha256-"))
        };
        let listed = self.index.manifests.iter();
        let mut artifacts: Vec<&Descriptor> = listed
            .filter(|descriptor| !descriptor.says_bundle() && !is_list(descriptor))
            .collect();
        if (2..=READ_TO_CHOOSE_MAX).contains(&artifacts.len()) {
            let mut alone = Vec::new();
            for descriptor in artifacts {
                let bytes = self.manifest(&Version::Digest(descriptor.digest))?;
                let refers = Manifest::parse(&bytes).is_ok_and(|it| it.subject().is_some());
                alone.extend((!refers).then_some(descriptor));
            }
            artifacts = alone;
        }
        Ok(artifacts)
    }

    fn several(&self, count: usize, meant: &[&Descriptor]) -> ReadError {
        let name = |descriptor: &&Descriptor| match &descriptor.tag {
            Some(tag) => tag.chars().filter(|c| !c.is_control()).take(80).collect(),
            None => descriptor.digest.to_string(),
        };
        let names: Vec<String> = meant.iter().take(NAMES_SHOWN_MAX).map(name).collect();
        ReadError::Several {
            folder: self.folder.clone(),
            count,
            names: names.join(", "),
        }
    }

    fn not_found(&self, what: String) -> ReadError {
        ReadError::NotFound {
            what,
            place: format!("`{}`", self.folder.display()),
        }
    }

    fn read_blob(&self, digest: Digest, size_bytes_max: u64) -> Result<Vec<u8>, ReadError> {
        let path = self.folder.join("blobs/sha256").join(digest.hex());
        if !path.exists() {
            return Err(self.not_found(digest.to_string()));
        }
        checked(read(&path, size_bytes_max)?, digest)
    }

    /// cosign's manifest of statements: under its tag, or in a layout that cosign saved under a word for its kind.
    fn cosigns(
        &self,
        subject: Digest,
        place: Place,
        kind: &str,
    ) -> Option<Result<Tagged, ReadError>> {
        let tag = place.tag(subject)?;
        let is_kind = |descriptor: &&Descriptor| {
            descriptor.annotations.get(KIND).map(String::as_str) == Some(kind)
        };
        let saved = self.index.manifests.iter().find(is_kind);
        let found = self.of_tag(&tag).next().or(saved)?.digest;
        let manifest = self.read_blob(found, Manifest::SIZE_BYTES_MAX as u64);
        Some(manifest.map(|manifest| Tagged { place, manifest }))
    }

    /// What the tag of older clients lists.
    fn fallback(&self, subject: Digest) -> Option<Result<Listing, ReadError>> {
        let tag = format!("sha256-{}", subject.hex());
        let list = self.of_tag(&tag).next()?.digest;
        let listed = self.manifest(&Version::Digest(list));
        let listed = listed.and_then(|bytes| index(&bytes, &tag));
        Some(listed.map(|index| listing(&index, Place::FallbackTag)))
    }
}

impl Source for Layout {
    fn manifest(&self, version: &Version) -> Result<Vec<u8>, ReadError> {
        let digest = self.resolve(Some(version))?;
        self.read_blob(digest, Manifest::SIZE_BYTES_MAX as u64)
    }

    fn blob(&self, blob: &Descriptor, size_bytes_max: u64) -> Result<Vec<u8>, ReadError> {
        check_size(blob, size_bytes_max)?;
        self.read_blob(blob.digest, blob.size_bytes)
    }

    fn listings(&self, subject: Digest) -> Vec<Result<Listing, ReadError>> {
        let mut own = listing(&self.index, Place::Index);
        own.manifests
            .retain(|descriptor| descriptor.digest != subject);
        std::iter::once(Ok(own))
            .chain(self.fallback(subject))
            .collect()
    }

    fn tagged(&self, subject: Digest) -> Vec<Result<Tagged, ReadError>> {
        let attestations = self.cosigns(subject, Place::AttestationTag, ATTESTATIONS);
        let signatures = self.cosigns(subject, Place::SignatureTag, SIGNATURES);
        attestations.into_iter().chain(signatures).collect()
    }
}

fn listing(index: &Index, place: Place) -> Listing {
    Listing {
        place,
        manifests: index.manifests.iter().take(LISTED_MAX).cloned().collect(),
        is_whole: index.manifests.len() <= LISTED_MAX,
    }
}

fn index(bytes: &[u8], what: &str) -> Result<Index, ReadError> {
    Index::parse(bytes).map_err(|cause| ReadError::Manifest {
        what: what.to_owned(),
        cause,
    })
}

fn read(path: &Path, size_bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::FileTooLarge => ReadError::TooLarge {
            what: path.display().to_string(),
            size_bytes_max,
        },
        _ => ReadError::Io {
            path: path.to_owned(),
            cause,
        },
    };
    // Who waits for a FIFO may wait for ever.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    whole_file::read(path, size_bytes_max).map_err(failed)
}
