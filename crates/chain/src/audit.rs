//! The stage `audit`: the chain both ways, for any digest.
//!
//! In: a ledger and a digest. Must hold: nothing; what is missing is said. Out: a tree of things and of what was said
//! about each. Denies: nothing. Logs: nothing.

mod facts;
mod materials;
mod mermaid;
mod said;

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use serde::Serialize;
use trust::predicate::{Dataset, ModelSignature, Provenance, Publish, Recall, ScanReport, Serving};
use trust::{Artifact, KeyId, Kind, Predicate};

use crate::ledger::{Fault, Ledger, Logged};
use crate::lineage::{Builds, names, root_files, word};
use crate::train::NAME_PARAMETER;

use said::Said;

use materials::{ARGUMENT, IN_ROOT, leaf, material_kind, unhashed};

pub use mermaid::mermaid;

const DEPTH_MAX: usize = 16;
const GOES_ON: &str = "the chain goes on further than is shown";

/// A thing in the chain, what was said about it, and what it came from or went into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// What it is, in a word.
    pub kind: String,
    /// Its name, for people.
    pub name: String,
    /// Its digest, if it has one.
    pub digest: String,
    /// What was said about it, in the log's order.
    pub facts: Vec<Fact>,
    /// What was said of it and nobody checked.
    pub claims: Vec<String>,
    /// What should have been said and was not.
    pub gaps: Vec<String>,
    /// The next things in this direction.
    pub links: Vec<Self>,
}

/// One statement about a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Which stage said it.
    pub stage: String,
    /// What was said.
    pub says: String,
    /// The name of the key that signed it, or the key's id if the root does not know it.
    pub by: String,
    /// The log line; none for a recall whose line is gone.
    pub log_index: Option<u64>,
    /// The bundle.
    pub bundle: String,
    /// Why it is not believed any more, if it is not: its key ended, lost its role or was removed from the root.
    pub doubt: Option<String>,
}

impl Fact {
    /// Who signed it, for a person: a key that has no name by the first digits of its id.
    #[must_use]
    pub fn who(&self) -> String {
        let id = self.by.parse::<KeyId>();
        id.map_or_else(|_| self.by.clone(), |id| id.short())
    }
}

/// Both ways from one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The thing and what it came from.
    pub backward: Node,
    /// What it went into.
    pub forward: Vec<Node>,
}

/// Traces a digest: of an artifact, of one of its files, or of anything that a build read.
///
/// # Errors
/// A recall can't be checked.
pub fn trace(ledger: &Ledger<'_>, target: Digest) -> Result<Option<Trace>, Fault> {
    let walk = Walk::new(ledger)?;
    let artifact = ledger.artifact(target).or_else(|| {
        // What stood in a step's root is no part of a whole: it goes its own ways.
        let mut wholes = ledger.artifacts();
        wholes.find(|artifact| artifact.kind() != Kind::StepRoot && artifact.contains(target))
    });
    let backward = match artifact {
        Some(artifact) => walk.backward(artifact, &mut BTreeSet::new(), 0),
        None => match walk.names.get(&target) {
            Some((kind, name)) => leaf(kind, name, target),
            None => return Ok(None),
        },
    };
    let start = artifact.map_or_else(|| BTreeSet::from([target]), names);
    let mut shown: BTreeSet<Digest> = artifact.iter().map(|artifact| artifact.digest()).collect();
    Ok(Some(Trace {
        backward,
        forward: walk.forward(&start, &mut shown, 0),
    }))
}

/// The data set that was added last under this name.
#[must_use]
pub fn dataset_called(ledger: &Ledger<'_>, name: &str) -> Option<Digest> {
    let all = said::all::<Dataset>(ledger);
    let called = |said: &&Said<Dataset>| said.statement().predicate.name == name;
    let found = said::last(all.iter().filter(called))?;
    found.statement().subjects.first().map(|s| s.digest)
}

/// The model that was served in a session.
#[must_use]
pub fn served_in(ledger: &Ledger<'_>, session: &str) -> Option<Digest> {
    let all = said::all::<Serving>(ledger);
    let started = |said: &&Said<Serving>| said.statement().predicate.session == session;
    let found = said::last(all.iter().filter(started))?;
    found.statement().subjects.first().map(|s| s.digest)
}

/// What the walk needs at every step, read once.
struct Walk<'a> {
    ledger: &'a Ledger<'a>,
    builds: Vec<Said<Provenance>>,
    /// What each of the builds read.
    reads: Vec<BTreeSet<Digest>>,
    datasets: Vec<Said<Dataset>>,
    recalls: Vec<Logged<Recall>>,
    names: BTreeMap<Digest, (String, String)>,
}

impl<'a> Walk<'a> {
    fn new(ledger: &'a Ledger<'a>) -> Result<Self, Fault> {
        let builds = said::all::<Provenance>(ledger);
        let mut names = BTreeMap::new();
        for build in &builds {
            let definition = &build.statement().predicate.build_definition;
            for material in &definition.resolved_dependencies {
                if let Some(digest) = material.sha256() {
                    let kind = material_kind(material).to_owned();
                    // A file's own name comes before what a command calls it.
                    let name = (kind, material.name.clone());
                    names.entry(digest).or_insert(name);
                }
            }
        }
        for build in &builds {
            for (path, digest) in root_files(&build.statement().predicate, ledger) {
                let name = || (IN_ROOT.to_owned(), path.to_string());
                names.entry(digest).or_insert_with(name);
            }
        }
        let explained = Builds::new(ledger.builds().believed);
        let read =
            |build: &Said<Provenance>| explained.read_by(&build.statement().predicate, ledger);
        Ok(Self {
            ledger,
            reads: builds.iter().map(read).collect(),
            builds,
            datasets: said::all::<Dataset>(ledger),
            recalls: ledger.recalls()?.believed,
            names,
        })
    }

    /// What is `shown` already is named again, without what is behind it: a hand-made chain may lead back to itself.
    fn backward(&self, artifact: &Artifact, shown: &mut BTreeSet<Digest>, depth: usize) -> Node {
        let mut node = self.node(artifact);
        if !shown.insert(artifact.digest()) {
            return node;
        }
        if depth == DEPTH_MAX {
            node.gaps.push(GOES_ON.to_owned());
            return node;
        }
        let builds: Vec<_> = self.builds_of(artifact).collect();
        if artifact.kind() == Kind::Model && builds.iter().all(|build| build.doubt.is_some()) {
            let gap = if builds.is_empty() {
                "no provenance: nobody says how it was made"
            } else {
                "no provenance that is believed now"
            };
            node.gaps.push(gap.to_owned());
        }
        for build in builds {
            for link in self.inputs(build, shown, depth) {
                // Built again from the same, it came from each thing once.
                let same = |other: &Node| {
                    (&other.kind, &other.name, &other.digest)
                        == (&link.kind, &link.name, &link.digest)
                };
                if !node.links.iter().any(same) {
                    node.links.push(link);
                }
            }
        }
        node
    }

    fn inputs(
        &self,
        build: &Said<Provenance>,
        shown: &mut BTreeSet<Digest>,
        depth: usize,
    ) -> Vec<Node> {
        let predicate = &build.statement().predicate;
        let mut nodes = Vec::new();
        let mut within: BTreeSet<Digest> = BTreeSet::new();
        let dependencies = &predicate.build_definition.resolved_dependencies;
        for material in dependencies {
            let Some(digest) = material.sha256() else {
                continue;
            };
            if let Some(artifact) = self.ledger.artifact(digest) {
                // Of a root it is shown which of its files were named.
                if artifact.kind() == Kind::StepRoot {
                    within.insert(digest);
                } else {
                    within.extend(names(artifact));
                }
                nodes.push(self.backward(artifact, shown, depth + 1));
            }
        }
        for material in dependencies {
            match material.sha256() {
                // What the command was told to read is shown though it is part of something.
                Some(digest) if within.contains(&digest) && material_kind(material) != ARGUMENT => {
                }
                Some(digest) => nodes.push(leaf(material_kind(material), &material.name, digest)),
                None => nodes.push(unhashed(material)),
            }
        }
        nodes
    }

    /// A model that holds one of its own inputs does not go into itself: what is `shown` is not gone through again.
    fn forward(
        &self,
        start: &BTreeSet<Digest>,
        shown: &mut BTreeSet<Digest>,
        depth: usize,
    ) -> Vec<Node> {
        let mut nodes = Vec::new();
        for build in self.readers(start) {
            let statement = build.statement();
            let made = self
                .ledger
                .artifacts()
                .filter(|artifact| statement.covers(artifact));
            for artifact in made.filter(|artifact| artifact.kind() == Kind::Model) {
                if !shown.insert(artifact.digest()) {
                    continue;
                }
                let mut node = self.node(artifact);
                let names = names(artifact);
                if depth + 1 < DEPTH_MAX {
                    node.links = self.forward(&names, shown, depth + 1);
                } else if self.readers(&names).next().is_some() {
                    node.gaps.push(GOES_ON.to_owned());
                }
                nodes.push(node);
            }
        }
        nodes.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
        nodes.dedup();
        nodes
    }

    fn readers(&self, start: &BTreeSet<Digest>) -> impl Iterator<Item = &Said<Provenance>> {
        let reads = self.builds.iter().zip(&self.reads);
        let of_start = reads.filter(|(_, read)| !read.is_disjoint(start));
        of_start.map(|(build, _)| build)
    }

    fn node(&self, artifact: &Artifact) -> Node {
        let mut facts = self.facts(artifact);
        facts.sort_by_key(|fact| (fact.log_index.is_none(), fact.log_index));
        Node {
            kind: word(artifact.kind()).to_owned(),
            name: self.name(artifact),
            digest: artifact.digest().to_string(),
            facts,
            claims: Vec::new(),
            gaps: Vec::new(),
            links: Vec::new(),
        }
    }

    /// What it is called: as it was added or trained, else as it was signed, scanned or published; its first file if
    /// nobody said.
    fn name(&self, artifact: &Artifact) -> String {
        if artifact.kind() == Kind::StepRoot {
            return "all its files".to_owned();
        }
        let whole = artifact.digest();
        let first_file = || artifact.files().keys().next().map(ToString::to_string);
        let about_it = self.datasets.iter();
        let about_it = about_it.filter(|said| said.statement().is_about(whole));
        let added = said::last(about_it).map(|said| said.statement().predicate.name.clone());
        added
            .or_else(|| self.trained_as(artifact))
            .or_else(|| self.subject_name::<ModelSignature>(artifact.signing_root()))
            .or_else(|| self.subject_name::<ScanReport>(whole))
            .or_else(|| self.subject_name::<Publish>(whole))
            .or_else(first_file)
            .unwrap_or_default()
    }

    fn builds_of(&self, artifact: &Artifact) -> impl Iterator<Item = &Said<Provenance>> {
        let builds = self.builds.iter();
        builds.filter(|build| build.statement().covers(artifact))
    }

    fn trained_as(&self, artifact: &Artifact) -> Option<String> {
        let build = said::last(self.builds_of(artifact))?;
        let definition = &build.statement().predicate.build_definition;
        let name = definition.external_parameters.get(NAME_PARAMETER)?;
        name.as_str().map(ToOwned::to_owned)
    }

    fn subject_name<P: Predicate>(&self, digest: Digest) -> Option<String> {
        let about = said::about::<P>(self.ledger, &BTreeSet::from([digest]));
        let subjects = &said::last(about.iter())?.statement().subjects;
        let subject = subjects.iter().find(|subject| subject.digest == digest)?;
        Some(subject.name.clone()).filter(|name| !name.is_empty())
    }
}
