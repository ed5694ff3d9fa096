//! What a decision takes, gathered from the store. None of it is trusted.

use std::collections::BTreeSet;

use chain::{Dossier, Shelf};
use digest::Digest;
use host::store::StoreError;
use trust::log::Entry;
use trust::predicate::{Provenance, Recall};
use trust::{Artifact, Bundle, Opaque, Predicate, Statement};

use super::Workspace;
use crate::answer::Failure;

/// Statements and manifests up to so long are gathered; longer ones, which are over many files, are read when they are
/// needed.
const GATHERED_SIZE_BYTES_MAX: u64 = 1 << 20;
/// The largest statement that is read back from a store.
const BUNDLE_SIZE_BYTES_MAX: u64 = 64 << 20;

impl Workspace {
    /// Gathers the whole log, checked against every head it ever had, its statements, and the artifacts.
    pub(crate) fn dossier(&self) -> Result<Dossier<'_>, Failure> {
        let Some(key) = self.log_key()? else {
            return Ok(Dossier::default());
        };
        let checkpoint = self.store.log().verify(&key, &|_| ())?;
        let mut dossier = Dossier {
            shelf: Some(self),
            ..Dossier::default()
        };
        for named in self.store.artifacts()? {
            self.gather(named.digest, &mut dossier)?;
        }
        let head_size = checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.head().size);
        dossier.checkpoint = checkpoint.map(|checkpoint| checkpoint.note().to_owned());
        self.store
            .log()
            .entries::<host::log::LogError>(&key, 0, &mut |index, entry| {
                // What another process adds meanwhile is past the head that was checked, and for the next to see.
                if index < head_size {
                    dossier.entries.push(entry.to_vec());
                }
                Ok(())
            })?;
        // A line that can't be read is the ledger's to refuse, and a bundle that is gone its statement's.
        let entries = dossier.entries.iter();
        let entries: Vec<Entry> = entries.filter_map(|line| Entry::parse(line).ok()).collect();
        let logged: BTreeSet<Digest> = entries.iter().map(Entry::bundle).collect();
        for entry in &entries {
            let size_bytes = self.store.blob_size_bytes(entry.bundle());
            if size_bytes.is_some_and(|size_bytes| size_bytes <= GATHERED_SIZE_BYTES_MAX)
                && let Some(bytes) = self.bundle(entry.bundle())
            {
                dossier.bundles.insert(entry.bundle(), bytes);
            }
        }
        let unlogged = self.store.unlogged(&logged)?;
        (dossier.unlogged, dossier.lost) = (unlogged.bundles, unlogged.lost);
        for digest in self.unnamed(&entries, &dossier) {
            // One that is gone is the ledger's to miss.
            let _ = self.gather(digest, &mut dossier);
        }
        Ok(dossier)
    }

    /// Adds an artifact; if it is long, only its name, once its bytes were found to be right.
    fn gather(&self, digest: Digest, dossier: &mut Dossier<'_>) -> Result<(), Failure> {
        let size_bytes = self.store.blob_size_bytes(digest);
        if size_bytes.is_none_or(|size_bytes| size_bytes <= GATHERED_SIZE_BYTES_MAX) {
            dossier.artifacts.push(self.artifact(digest)?);
            return Ok(());
        }
        let got = digest::measure_file(&self.store.blob_path(digest))?.digest();
        if got != digest {
            return Err(StoreError::BlobCorrupt { digest, got }.into());
        }
        dossier.shelved.push(digest);
        Ok(())
    }

    /// A statement's bundle, if it is there and whole.
    pub(crate) fn bundle(&self, digest: Digest) -> Option<Vec<u8>> {
        self.store.read_blob(digest, BUNDLE_SIZE_BYTES_MAX).ok()
    }

    /// The artifacts that recalls and builds name by digest: a name in an index, which anybody may take away, is not what
    /// a recall hangs on.
    fn unnamed(&self, entries: &[Entry], dossier: &Dossier<'_>) -> BTreeSet<Digest> {
        let mut wanted: BTreeSet<Digest> = BTreeSet::new();
        for entry in entries {
            if entry.predicate_type() == Recall::TYPE {
                wanted.extend(entry.subjects());
            } else if entry.predicate_type() == Provenance::TYPE
                && let Some(bundle) = self.bundle(entry.bundle())
            {
                wanted.extend(chain::step_root::lists_named_in(&bundle));
            }
        }
        // A recall counts without its line.
        wanted.extend(
            dossier
                .unlogged
                .iter()
                .flat_map(|bundle| recalled_in(bundle)),
        );
        for named in &dossier.artifacts {
            wanted.remove(&named.digest());
        }
        for named in &dossier.shelved {
            wanted.remove(named);
        }
        wanted
    }
}

impl Shelf for Workspace {
    fn bundle(&self, digest: Digest) -> Option<Vec<u8>> {
        self.bundle(digest)
    }

    fn artifact(&self, digest: Digest) -> Option<Artifact> {
        self.artifact(digest).ok()
    }
}

/// What a bundle recalls, if it is a recall; believed or not.
fn recalled_in(bundle: &[u8]) -> Vec<Digest> {
    let Ok(bundle) = Bundle::parse(bundle) else {
        return Vec::new();
    };
    match Statement::<Opaque<'_>>::parse(bundle.envelope().payload()) {
        Ok(claimed) if claimed.predicate.predicate_type == Recall::TYPE => claimed
            .subjects
            .iter()
            .map(|subject| subject.digest)
            .collect(),
        _ => Vec::new(),
    }
}
