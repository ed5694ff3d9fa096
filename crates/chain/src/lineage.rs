//! What an artifact descends from: the walk to the left of the chain, over provenance alone.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use trust::log::Entry;
use trust::predicate::Provenance;
use trust::{Artifact, KeyId, Kind, Statement, Verified};

use crate::ledger::{Fault, Ledger, Logged};
use crate::train::NAME_PARAMETER;

/// Everything that went into an artifact, through all generations, each with how it did: a clause for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The artifact, its files, and everything read when it, or what it was made from, was built.
    pub digests: BTreeMap<Digest, String>,
    /// Who built it and its ancestors.
    pub builders: BTreeMap<String, String>,
    /// Who signed the provenance of it and its ancestors.
    pub keys: BTreeMap<KeyId, String>,
    /// What stood in a step's root by itself, without the empty file, which is part of everything.
    pub in_roots: BTreeSet<Digest>,
    /// Lists of what stood in a step's root that are gone: what else went in can't be known.
    pub unread: BTreeSet<Digest>,
}

impl Lineage {
    /// Walks from an artifact to all that it was made from.
    ///
    /// # Errors
    /// Something that it descends from was built by a build that is not believed: what went in can't be known.
    pub fn of(artifact: &Artifact, ledger: &Ledger<'_>) -> Result<Self, Fault> {
        let builds = ledger.builds();
        let refused = builds.refused;
        let walk = Walk {
            builds: Builds::new(builds.believed),
            ledger,
            start: artifact,
        };
        let mut lineage = Self::default();
        let mut next = walk.of_artifact(artifact, &mut lineage);
        if artifact.kind() == Kind::StepRoot {
            next.extend(artifact.files().values().map(|file| file.digest));
        }
        // A material may be a file of what it went into: having its name is not having walked on from it. Each digest is
        // walked on from once, so that this ends, and not before the chain does.
        let mut walked: BTreeSet<Digest> = BTreeSet::from([artifact.digest()]);
        while let Some(digest) = next.pop() {
            if !walked.insert(digest) {
                continue;
            }
            next.extend(match ledger.artifact(digest) {
                Some(artifact) => walk.of_artifact(artifact, &mut lineage),
                None => walk.of_builds(walk.builds.of_file(digest), &mut lineage),
            });
        }
        let made_some = |entry: &Entry| walked.iter().any(|digest| walk.made_by(entry, *digest));
        let unknown = refused
            .into_iter()
            .find(|(bundle, _)| ledger.line_of(*bundle).is_some_and(made_some));
        match unknown {
            None => Ok(lineage),
            Some((bundle, cause)) => Err(Fault::Unreadable {
                bundle,
                cause: Box::new(cause),
            }),
        }
    }
}

impl Lineage {
    /// What was met first keeps its word: it is nearer.
    fn name_all_of(&mut self, artifact: &Artifact) {
        let whole = artifact.digest();
        let what = format!("{} {}", word(artifact.kind()), whole.short());
        for (path, file) in artifact.files() {
            let clause = || format!("it is the file `{path}` of the {what}");
            self.digests.entry(file.digest).or_insert_with(clause);
            if artifact.kind() == Kind::StepRoot && file.size_bytes != 0 {
                self.in_roots.insert(file.digest);
            }
        }
        for digest in [whole, artifact.signing_root()] {
            // A file of something else with this digest says less.
            self.digests.insert(digest, format!("it is the {what}"));
        }
    }

    fn name_all_in(&mut self, build: &Verified<Statement<Provenance>>) {
        let predicate = &build.value().predicate;
        let parameters = &predicate.build_definition.external_parameters;
        let named = parameters
            .get(NAME_PARAMETER)
            .and_then(|name| name.as_str());
        let which = build.proof().bundle.short();
        let what = match named {
            Some(name) => format!("the build {which} of `{name}`"),
            None => format!("the build {which}"),
        };
        let builder = predicate.run_details.builder.id.clone();
        self.builders
            .entry(builder)
            .or_insert_with(|| format!("it ran {what}"));
        self.keys
            .entry(build.proof().key)
            .or_insert_with(|| format!("it signed {what}"));
        for material in &predicate.build_definition.resolved_dependencies {
            if let Some(digest) = material.sha256() {
                let clause = || format!("{what} read it as `{}`", material.name);
                self.digests.entry(digest).or_insert_with(clause);
            }
        }
    }
}

/// What a kind of artifact is called.
pub(crate) const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::DataSet => "data set",
        Kind::Model => "model",
        Kind::StepRoot => "step root",
    }
}

/// One step to the left: what is met goes into the lineage, and what to walk on from comes out.
struct Walk<'a> {
    builds: Builds,
    ledger: &'a Ledger<'a>,
    start: &'a Artifact,
}

impl Walk<'_> {
    /// Whether a line about a build that can't be read says that it made this, or may say so.
    fn made_by(&self, entry: &Entry, digest: Digest) -> bool {
        let is_about = |digest: &Digest| entry.more() > 0 || entry.subjects().contains(digest);
        let is_whole =
            |artifact: &Artifact| artifact.files().values().all(|file| is_about(&file.digest));
        is_about(&digest) || self.artifact(digest).is_some_and(is_whole)
    }

    fn artifact(&self, digest: Digest) -> Option<&Artifact> {
        let start = Some(self.start).filter(|start| start.digest() == digest);
        start.or_else(|| self.ledger.artifact(digest))
    }

    fn of_artifact(&self, artifact: &Artifact, lineage: &mut Lineage) -> Vec<Digest> {
        lineage.name_all_of(artifact);
        self.of_builds(self.builds.of(artifact), lineage)
    }

    fn of_builds<'b>(
        &self,
        builds: impl Iterator<Item = &'b Verified<Statement<Provenance>>>,
        lineage: &mut Lineage,
    ) -> Vec<Digest> {
        let mut next = Vec::new();
        for build in builds {
            let predicate = &build.value().predicate;
            lineage.name_all_in(build);
            let is_gone = |list: &Digest| self.ledger.artifact(*list).is_none();
            lineage
                .unread
                .extend(predicate.root_lists().filter(is_gone));
            next.extend(self.builds.read_by(predicate, self.ledger));
        }
        next
    }
}

/// What stood in the root of a build's step, as far as the lists of it are there.
pub(crate) fn root_files<'a>(
    build: &Provenance,
    ledger: &'a Ledger<'_>,
) -> impl Iterator<Item = (&'a str, Digest)> {
    let lists = build.root_lists().filter_map(|list| ledger.artifact(list));
    let files = lists.flat_map(|list| list.files().iter());
    files.map(|(path, file)| (path, file.digest))
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
    pub(crate) fn new(builds: Vec<Logged<Provenance>>) -> Self {
        let mut by_subject: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (position, build) in builds.iter().enumerate() {
            for subject in &build.statement.value().subjects {
                by_subject.entry(subject.digest).or_default().push(position);
            }
        }
        Self { builds, by_subject }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Verified<Statement<Provenance>>> {
        self.builds.iter().map(|build| &build.statement)
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

    /// What a build read, to walk on from, with all that stood in its step's root: without the files of what it read whole
    /// and whose own build is known, since one file may be another model's too, which went into nothing here.
    pub(crate) fn read_by(&self, build: &Provenance, ledger: &Ledger<'_>) -> BTreeSet<Digest> {
        let whole = build
            .materials()
            .filter_map(|material| ledger.artifact(material));
        let made = whole.filter(|artifact| self.of(artifact).next().is_some());
        let explained: BTreeSet<Digest> = made
            .flat_map(|artifact| artifact.files().values().map(|file| file.digest))
            .collect();
        build
            .materials()
            .chain(root_files(build, ledger).map(|(_, digest)| digest))
            .filter(|material| !explained.contains(material))
            .collect()
    }
}
