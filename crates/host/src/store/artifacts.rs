//! Artifacts: named files under one digest, that of their OCI manifest. They are what statements are about.

use std::path::PathBuf;

use digest::{Digest, ReadError};
use trust::Artifact;

use super::batch::Batch;
use super::index::{Index, NameRow};
use super::oci::{Descriptor, ImageIndex, MANIFEST_SIZE_BYTES_MAX, MANIFEST_TYPE, REF_NAME};
use super::{Access, Names, Store, StoreError};
use crate::log::durable;

const NAME_SIZE_BYTES_MAX: usize = 255;

/// A name under which an artifact was put in. A name is a help for people: two artifacts may have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedArtifact {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The name.
    pub name: String,
    /// What kind of artifact it is.
    pub artifact_type: String,
}

impl Store {
    /// Puts the files of an artifact in that was measured: `path_of` says where each is. All are durable before the artifact
    /// is there. The same files make the same artifact, whatever its name. `progress` hears how many bytes were taken.
    ///
    /// # Errors
    /// The name is not allowed, a file can't be read or is not what was measured, or the disk fails.
    pub fn put_measured(
        &self,
        name: &str,
        artifact: &Artifact,
        path_of: &dyn Fn(&str) -> PathBuf,
        progress: &dyn Fn(u64),
    ) -> Result<(), StoreError> {
        check_name(name)?;
        let mut batch = Batch::new(self);
        for (file, measured) in artifact.files() {
            let path = path_of(file);
            let taken = batch.put_file(&path, progress)?;
            if taken.digest() != measured.digest {
                return Err(StoreError::Source(ReadError::Changed { path }));
            }
        }
        batch.finish()?;
        self.put_manifest(name, artifact)
    }

    fn put_manifest(&self, name: &str, artifact: &Artifact) -> Result<(), StoreError> {
        let measured = self.put_written(&|out| artifact.write_manifest(out))?;
        self.give_name(&NameRow {
            digest: measured.digest(),
            name: name.to_owned(),
            artifact_type: artifact.kind().media_type().to_owned(),
            size_bytes: measured.size_bytes(),
        })
    }

    /// Reads an artifact's manifest.
    ///
    /// # Errors
    /// It isn't there, is corrupt, or is no artifact.
    pub fn artifact(&self, digest: Digest) -> Result<Artifact, StoreError> {
        let bytes = self.read_blob(digest, MANIFEST_SIZE_BYTES_MAX)?;
        let read = Artifact::from_manifest(&bytes);
        read.map_err(|cause| StoreError::NotAnArtifact { digest, cause })
    }

    /// All artifacts with their names.
    ///
    /// # Errors
    /// The index fails.
    pub fn artifacts(&self) -> Result<Vec<NamedArtifact>, StoreError> {
        let named = |row: NameRow| NamedArtifact {
            digest: row.digest,
            name: row.name,
            artifact_type: row.artifact_type,
        };
        Ok(self.index().names()?.into_iter().map(named).collect())
    }

    /// First the index, then `index.json`: what a killed writer left out of the latter is added when the store is
    /// opened, and a name that only stands in `index.json` is damage.
    fn give_name(&self, row: &NameRow) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        let mut index = self.index();
        let change = index.begin()?;
        change.name(row)?;
        change.commit()?;
        self.write_names(std::slice::from_ref(row))
    }

    /// Adds names to `index.json` that it doesn't have.
    fn write_names(&self, rows: &[NameRow]) -> Result<(), StoreError> {
        let mut index = self.read_index_json()?;
        let known = index.manifests.len();
        for row in rows {
            let descriptor = row.descriptor();
            if !index.manifests.contains(&descriptor) {
                index.manifests.push(descriptor);
            }
        }
        if index.manifests.len() > known {
            durable::replace(
                &self.index_json_path(),
                index.to_json().as_bytes(),
                &self.tmp(),
            )?;
        }
        Ok(())
    }

    /// Makes the index and `index.json` agree again, when the store is opened. An `index.json` that can't be read stays
    /// as it is: the names are in the index too, and `verify` tells of it.
    pub(super) fn catch_up_names(&self, index: &mut Index) -> Result<(), StoreError> {
        let agreed = if index.has_names()? {
            self.write_names(&index.names()?)
        } else {
            self.index_json_rows()
                .and_then(|rows| import_names(index, &rows))
        };
        match agreed {
            Err(StoreError::Json { .. }) => Ok(()),
            other => other,
        }
    }

    /// Makes the names again, from `index.json`, or, if that can't be read, from the index, or, if that has none, from the
    /// blobs and what statements say.
    pub(super) fn rebuild_names(
        &self,
        index: &mut Index,
        known: Option<&[NameRow]>,
    ) -> Result<Names, StoreError> {
        let (rows, names) = match (self.index_json_rows(), known) {
            (Err(StoreError::Json { .. }), Some(known)) => (known.to_vec(), Names::Kept),
            (Err(StoreError::Json { .. }), None) => self.found_names(index)?,
            (rows, _) => (rows?, Names::Kept),
        };
        let json = ImageIndex::of(rows.iter().map(NameRow::descriptor).collect()).to_json();
        durable::replace(&self.index_json_path(), json.as_bytes(), &self.tmp())?;
        import_names(index, &rows)?;
        Ok(names)
    }

    /// The names that stand in `index.json`.
    pub(super) fn index_json_rows(&self) -> Result<Vec<NameRow>, StoreError> {
        let index = self.read_index_json()?;
        let row = |descriptor: Descriptor| {
            let row = NameRow::from(descriptor.clone());
            (row.descriptor() == descriptor).then_some(row)
        };
        let rows: Option<Vec<NameRow>> = index.manifests.into_iter().map(row).collect();
        rows.ok_or_else(|| StoreError::Json {
            path: self.index_json_path(),
            cause: decode::json::Error::Shape("not the descriptor of a named artifact".to_owned()),
        })
    }

    fn read_index_json(&self) -> Result<ImageIndex, StoreError> {
        let path = self.index_json_path();
        let bytes = durable::read_if_there(&path)?.unwrap_or_default();
        ImageIndex::parse(&bytes).map_err(|cause| StoreError::Json { path, cause })
    }

    fn index_json_path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    pub(super) fn is_writable(&self) -> bool {
        self.access == Access::Write
    }
}

impl NameRow {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: MANIFEST_TYPE.to_owned(),
            digest: self.digest,
            size: self.size_bytes,
            artifact_type: Some(self.artifact_type.clone()),
            annotations: [(REF_NAME.to_owned(), self.name.clone())].into(),
        }
    }
}

impl From<Descriptor> for NameRow {
    fn from(mut descriptor: Descriptor) -> Self {
        Self {
            digest: descriptor.digest,
            name: descriptor.annotations.remove(REF_NAME).unwrap_or_default(),
            artifact_type: descriptor.artifact_type.unwrap_or_default(),
            size_bytes: descriptor.size,
        }
    }
}

/// Takes names into an index that has none.
pub(super) fn import_names(index: &mut Index, rows: &[NameRow]) -> Result<(), StoreError> {
    let change = index.begin()?;
    for row in rows {
        change.name(row)?;
    }
    change.set_has_names()?;
    change.commit()
}

pub(super) fn check_name(name: &str) -> Result<(), StoreError> {
    let is_plain = !name.chars().any(char::is_control);
    if is_plain && !name.is_empty() && name.len() <= NAME_SIZE_BYTES_MAX {
        Ok(())
    } else {
        Err(StoreError::ArtifactName {
            name: name.chars().take(80).collect(),
        })
    }
}
