//! What the blobs tell of statements, whatever the log says: a log that was put back by an older one forgets lines, and
//! the blobs that were written for them stay.
//!
//! A bundle is written before its line, so one without a line may be what a killed writer left. The manifest that makes
//! it a referrer is written after its line: one whose bundle has no line is proof that the log lost it.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use trust::Bundle;
use trust::log::LogKey;

use super::oci::{BUNDLE_TYPE, Manifest};
use super::{Problem, Store, StoreError};
use crate::log::durable;

/// A statement about one thing, and its manifest, are shorter; what is longer is not read here.
const SIZE_BYTES_MAX: u64 = 1 << 20;

/// The statements that lie in the store and that no line of its log names.
#[derive(Debug, Default)]
pub struct Unlogged {
    /// Their bundles.
    pub bundles: Vec<Vec<u8>>,
    /// Those that had a line, as the manifest tells that was written after it; whether or not they are here.
    pub lost: BTreeSet<Digest>,
}

/// The statements that the blobs tell of.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// The bundles that are here.
    pub(super) bundles: BTreeSet<Digest>,
    /// The manifests of referrers, each with the bundle whose line it followed.
    pub(super) referrers: BTreeMap<Digest, Digest>,
}

impl Traces {
    /// The lines that were lost: of bundles that are not `accounted` for, which then are.
    pub(super) fn lost(&self, accounted: &mut BTreeSet<Digest>) -> Vec<Problem> {
        let mut lost = Vec::new();
        for (&manifest, &bundle) in &self.referrers {
            // A statement about several things has a manifest for each; one of them is enough.
            if accounted.insert(bundle) {
                lost.push(Problem::LineLost { bundle, manifest });
            }
        }
        lost
    }
}

impl Store {
    /// What the blobs tell of statements that none of the `logged` ones is: an artifact may hold the bundle of one as a
    /// file, and whoever wants to hide it sees to it that one does. Nobody vouches for them. Large ones are left out.
    ///
    /// # Errors
    /// The blobs can't be read.
    pub fn unlogged(&self, logged: &BTreeSet<Digest>) -> Result<Unlogged, StoreError> {
        let mut unlogged = Unlogged::default();
        let mut traces = BTreeMap::new();
        self.small_blobs(logged, &mut |digest, bytes| {
            if let Some(bundle) = referred(&bytes) {
                traces.insert(digest, bundle);
            } else if Bundle::parse(&bytes).is_ok() {
                unlogged.bundles.push(bytes);
            }
        })?;
        traces.retain(|_, bundle| !logged.contains(bundle));
        // That a line was lost nobody can say who hands in a file.
        if !traces.is_empty() {
            let files = self.artifact_files()?;
            traces.retain(|manifest, _| !files.contains(manifest));
        }
        unlogged.lost = traces.into_values().collect();
        Ok(unlogged)
    }

    /// The lines that the log has lost, as far as the blobs tell.
    ///
    /// # Errors
    /// The blobs or the log can't be read.
    pub fn lost_lines(&self, key: &LogKey) -> Result<Vec<Problem>, StoreError> {
        // Before the log: what is written for a line meanwhile has its line by then.
        let traces = self.traces()?;
        let lines = self.log_entries(key, 0)?;
        let mut accounted = lines.iter().map(|(_, entry)| entry.bundle()).collect();
        Ok(traces.lost(&mut accounted))
    }

    pub(super) fn traces(&self) -> Result<Traces, StoreError> {
        let mut traces = Traces::default();
        // An artifact may hold what looks like a statement, or is one.
        let files = self.artifact_files()?;
        self.small_blobs(&files, &mut |digest, bytes| {
            if let Some(bundle) = referred(&bytes) {
                traces.referrers.insert(digest, bundle);
            } else if Bundle::parse(&bytes).is_ok() {
                traces.bundles.insert(digest);
            }
        })?;
        Ok(traces)
    }

    /// Removes the manifests of referrers that no line of the log leads to. The bundles stay.
    pub(super) fn remove_traces(&self, logged: &BTreeSet<Digest>) -> Result<(), StoreError> {
        for (manifest, bundle) in self.traces()?.referrers {
            if !logged.contains(&bundle) {
                durable::remove(&self.blob_path(manifest))?;
            }
        }
        Ok(())
    }

    fn artifact_files(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let mut files = BTreeSet::new();
        for row in self.index_json_rows()? {
            // One that can't be read is for [`Store::verify`] to tell.
            if let Ok(artifact) = self.artifact(row.digest) {
                files.extend(artifact.files().values().map(|file| file.digest));
            }
        }
        Ok(files)
    }

    /// Hands out each small blob that is whole. What is damaged or just being removed is for [`Store::verify`] to tell.
    fn small_blobs(
        &self,
        known: &BTreeSet<Digest>,
        visit: &mut dyn FnMut(Digest, Vec<u8>),
    ) -> Result<(), StoreError> {
        for digest in self.blob_digests()? {
            let size = self.blob_size_bytes(digest);
            if known.contains(&digest) || size.is_none_or(|size| size > SIZE_BYTES_MAX) {
                continue;
            }
            match self.read_blob(digest, SIZE_BYTES_MAX) {
                Ok(bytes) => visit(digest, bytes),
                Err(StoreError::Disk(cause)) => return Err(cause.into()),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// The bundle that a referrer's manifest names.
fn referred(bytes: &[u8]) -> Option<Digest> {
    let manifest = Manifest::parse(bytes).ok()?;
    let [bundle] = manifest.layers.as_slice() else {
        return None;
    };
    (manifest.artifact_type == BUNDLE_TYPE).then_some(bundle.digest)
}
