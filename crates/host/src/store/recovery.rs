//! The artifacts found again where both lists of their names are lost: their manifests are among the blobs, and statements
//! call what they are about by a name. Nobody relies on a name, so that nothing here is verified.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use digest::Digest;
use trust::{Artifact, Bundle, Kind, Opaque, Statement};

use super::artifacts::check_name;
use super::index::{Index, NameRow};
use super::oci::MANIFEST_SIZE_BYTES_MAX;
use super::{Store, StoreError};
use crate::log::durable;

/// So begins every manifest that [`Artifact::manifest`] writes.
const START: &[u8] = b"{\"schemaVersion\"";

/// What became of the artifacts' names when the store was rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// One of their two lists was whole.
    Kept,
    /// Both were lost: the artifacts were found among the blobs.
    Found {
        /// How many there are.
        artifacts: usize,
        /// How many of them no statement calls by a name: their digest stands in its place.
        unnamed: usize,
    },
}

impl Store {
    /// The artifacts among the blobs, each called as the first statement about it calls it. One that is only a file of another
    /// was not put in by itself.
    pub(super) fn found_names(&self, index: &Index) -> Result<(Vec<NameRow>, Names), StoreError> {
        let said = self.said_names(index)?;
        let found = self.found_artifacts()?;
        let files = found
            .iter()
            .flat_map(|(artifact, _)| artifact.files().values());
        let files: BTreeSet<Digest> = files.map(|file| file.digest).collect();
        let mut rows = Vec::new();
        let mut unnamed = 0;
        for (artifact, size_bytes) in &found {
            let digest = artifact.digest();
            let name = said.get(&digest);
            if name.is_none() && files.contains(&digest) {
                continue;
            }
            unnamed += usize::from(name.is_none());
            rows.push(NameRow {
                digest,
                name: name.cloned().unwrap_or_else(|| digest.to_string()),
                artifact_type: artifact.kind().media_type().to_owned(),
                size_bytes: *size_bytes,
            });
        }
        let artifacts = rows.len();
        Ok((rows, Names::Found { artifacts, unnamed }))
    }

    /// What logged statements call their subjects.
    fn said_names(&self, index: &Index) -> Result<BTreeMap<Digest, String>, StoreError> {
        let mut names = BTreeMap::new();
        for (recorded, _) in index.statements()? {
            let Ok(bytes) = self.read_blob(recorded.bundle, MANIFEST_SIZE_BYTES_MAX) else {
                continue;
            };
            let Ok(bundle) = Bundle::parse(&bytes) else {
                continue;
            };
            let Ok(said) = Statement::<Opaque<'_>>::parse(bundle.envelope().payload()) else {
                continue;
            };
            for subject in said.subjects.iter() {
                if check_name(&subject.name).is_ok() {
                    let name = subject.name.clone();
                    names.entry(subject.digest).or_insert(name);
                }
            }
        }
        Ok(names)
    }

    /// Each with the size of its manifest. Lists of what stood in steps' roots never had a name.
    fn found_artifacts(&self) -> Result<Vec<(Artifact, u64)>, StoreError> {
        let mut found = Vec::new();
        for path in durable::files(&self.blobs_path())? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(digest) = name.and_then(|name| Digest::from_hex(name).ok()) else {
                continue;
            };
            let mut start = Vec::new();
            let opened = self.open_blob(digest);
            let Ok(blob) = opened else { continue };
            let read = blob.take(START.len() as u64).read_to_end(&mut start);
            if read.is_err() || start != START {
                continue;
            }
            // What is damaged is for [`Store::verify`] to tell.
            if let (Ok(artifact), Some(size)) =
                (self.artifact(digest), self.blob_size_bytes(digest))
                && artifact.kind() != Kind::StepRoot
            {
                found.push((artifact, size));
            }
        }
        Ok(found)
    }
}
