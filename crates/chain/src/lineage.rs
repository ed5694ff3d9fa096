//! What an artifact descends from: the walk to the left of the chain, over provenance alone.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use trust::predicate::Provenance;
use trust::{Artifact, KeyId, Statement, Verified};

use crate::ledger::{Ledger, Logged};

/// How far back the walk goes before it gives up: no honest chain is longer.
const GENERATIONS_MAX: usize = 64;

/// Everything that went into an artifact, through all generations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The artifact, its files, and everything read when it, or what it was made from, was built.
    pub digests: BTreeSet<Digest>,
    /// Who built it and its ancestors.
    pub builders: BTreeSet<String>,
    /// Who signed the provenance of it and its ancestors.
    pub keys: BTreeSet<KeyId>,
}

impl Lineage {
    /// Walks from an artifact to all that it was made from.
    #[must_use]
    pub fn of(artifact: &Artifact, ledger: &Ledger<'_>) -> Self {
        let provenance = Builds::new(ledger);
        let mut lineage = Self::default();
        let mut wanted = vec![artifact.clone()];
        let mut loose: BTreeSet<Digest> = BTreeSet::new();
        // A material may be a file of what it went into: having its name is not having walked on from it.
        let mut walked: BTreeSet<Digest> = BTreeSet::from([artifact.digest()]);
        for _ in 0..GENERATIONS_MAX {
            let mut materials = BTreeSet::new();
            for artifact in wanted.drain(..) {
                lineage.digests.extend(names(&artifact));
                materials.extend(
                    provenance
                        .of(&artifact)
                        .flat_map(|build| lineage.take(build)),
                );
            }
            for digest in std::mem::take(&mut loose) {
                materials.extend(
                    provenance
                        .of_file(digest)
                        .flat_map(|build| lineage.take(build)),
                );
            }
            lineage.digests.extend(&materials);
            let fresh: Vec<Digest> = materials
                .into_iter()
                .filter(|digest| walked.insert(*digest))
                .collect();
            if fresh.is_empty() {
                break;
            }
            for digest in fresh {
                match ledger.artifact(digest) {
                    Some(artifact) => wanted.push(artifact.clone()),
                    None => drop(loose.insert(digest)),
                }
            }
        }
        lineage
    }

    fn take(&mut self, build: &Verified<Statement<Provenance>>) -> Vec<Digest> {
        let predicate = &build.value().predicate;
        self.builders
            .insert(predicate.run_details.builder.id.clone());
        self.keys.insert(build.proof().key);
        predicate.materials().collect()
    }
}

/// All digests that name an artifact or one of its files.
#[must_use]
pub fn names(artifact: &Artifact) -> BTreeSet<Digest> {
    let files = artifact.files().values().map(|file| file.digest);
    files
        .chain([artifact.digest(), artifact.signing_root()])
        .collect()
}

/// The builds of a ledger, found by what they made.
pub(crate) struct Builds {
    builds: Vec<Logged<Provenance>>,
    by_subject: BTreeMap<Digest, Vec<usize>>,
}

impl Builds {
    pub(crate) fn new(ledger: &Ledger<'_>) -> Self {
        let builds = ledger.all::<Provenance>().believed;
        let mut by_subject: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (position, build) in builds.iter().enumerate() {
            for subject in &build.statement.value().subjects {
                by_subject.entry(subject.digest).or_default().push(position);
            }
        }
        Self { builds, by_subject }
    }

    /// The builds that made this artifact.
    pub(crate) fn of(
        &self,
        artifact: &Artifact,
    ) -> impl Iterator<Item = &Verified<Statement<Provenance>>> {
        let made_it = |build: &&Verified<Statement<Provenance>>| build.value().covers(artifact);
        let names = names(artifact);
        let positions: BTreeSet<usize> = names
            .iter()
            .filter_map(|name| self.by_subject.get(name))
            .flatten()
            .copied()
            .collect();
        let builds = positions
            .into_iter()
            .filter_map(|position| self.builds.get(position));
        builds
            .map(|build| &build.statement)
            .filter(made_it)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The builds that made a file with this digest.
    pub(crate) fn of_file(
        &self,
        digest: Digest,
    ) -> impl Iterator<Item = &Verified<Statement<Provenance>>> {
        let positions = self.by_subject.get(&digest).into_iter().flatten();
        positions
            .filter_map(|position| self.builds.get(*position))
            .map(|build| &build.statement)
    }
}
