//! The stage `audit`: the chain both ways, for any digest.
//!
//! In: a ledger and a digest. Must hold: nothing; what is missing is said. Out: a tree of things and of what was said
//! about each. Denies: nothing. Logs: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use digest::Digest;
use serde::Serialize;
use trust::predicate::{
    Admission, Dataset, Deployment, ModelSignature, Provenance, Publish, Recall, ScanReport,
    Serving,
};
use trust::{Artifact, Kind, Predicate, Statement, Verified};

use crate::ledger::{Fault, Ledger, Logged};
use crate::lineage::{Builds, names};

const DEPTH_MAX: usize = 16;

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
    /// The name of the key that signed it.
    pub by: String,
    /// The log line.
    pub log_index: u64,
    /// The bundle.
    pub bundle: String,
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
    let artifact = ledger
        .artifacts()
        .iter()
        .find(|artifact| artifact.digest() == target);
    let artifact = artifact.or_else(|| {
        ledger
            .artifacts()
            .iter()
            .find(|artifact| artifact.contains(target))
    });
    let backward = match artifact {
        Some(artifact) => walk.backward(artifact, 0),
        None => match walk.names.get(&target) {
            Some((kind, name)) => leaf(kind, name, target),
            None => return Ok(None),
        },
    };
    let start = artifact.map_or_else(|| BTreeSet::from([target]), names);
    Ok(Some(Trace {
        backward,
        forward: walk.forward(&start, 0),
    }))
}

/// What the walk needs at every step, read once.
struct Walk<'a> {
    ledger: &'a Ledger<'a>,
    builds: Builds,
    all_builds: Vec<Logged<Provenance>>,
    datasets: Vec<Logged<Dataset>>,
    recalls: Vec<Logged<Recall>>,
    names: BTreeMap<Digest, (String, String)>,
}

impl<'a> Walk<'a> {
    fn new(ledger: &'a Ledger<'a>) -> Result<Self, Fault> {
        let all_builds = ledger.all::<Provenance>().believed;
        let mut names = BTreeMap::new();
        for build in &all_builds {
            for material in &build
                .statement
                .value()
                .predicate
                .build_definition
                .resolved_dependencies
            {
                if let Some(digest) = material.sha256() {
                    names.insert(
                        digest,
                        (
                            material_kind(&material.uri).to_owned(),
                            material.name.clone(),
                        ),
                    );
                }
            }
        }
        Ok(Self {
            ledger,
            builds: Builds::new(ledger),
            all_builds,
            datasets: ledger.all::<Dataset>().believed,
            recalls: ledger.recalls()?.believed,
            names,
        })
    }

    fn backward(&self, artifact: &Artifact, depth: usize) -> Node {
        let mut node = self.node(artifact);
        if depth == DEPTH_MAX {
            node.gaps
                .push("the chain goes on further than is shown".to_owned());
            return node;
        }
        let builds: Vec<_> = self.builds.of(artifact).collect();
        if builds.is_empty() && artifact.kind() == Kind::Model {
            node.gaps
                .push("no provenance: nobody says how it was made".to_owned());
        }
        for build in builds {
            node.links.extend(self.inputs(build, depth));
        }
        node
    }

    fn inputs(&self, build: &Verified<Statement<Provenance>>, depth: usize) -> Vec<Node> {
        let predicate = &build.value().predicate;
        let mut nodes = Vec::new();
        let mut within: BTreeSet<Digest> = BTreeSet::new();
        let dependencies = &predicate.build_definition.resolved_dependencies;
        for material in dependencies {
            let Some(digest) = material.sha256() else {
                continue;
            };
            if let Some(artifact) = self.ledger.artifact(digest) {
                within.extend(names(artifact));
                nodes.push(self.backward(artifact, depth + 1));
            }
        }
        for material in dependencies {
            match material.sha256() {
                Some(digest) if within.contains(&digest) => {}
                Some(digest) => {
                    nodes.push(leaf(material_kind(&material.uri), &material.name, digest))
                }
                None => nodes.push(unhashed(material)),
            }
        }
        nodes
    }

    fn forward(&self, start: &BTreeSet<Digest>, depth: usize) -> Vec<Node> {
        if depth == DEPTH_MAX {
            return Vec::new();
        }
        let read = |build: &&Logged<Provenance>| {
            build
                .statement
                .value()
                .predicate
                .materials()
                .any(|material| start.contains(&material))
        };
        let mut nodes = Vec::new();
        for build in self.all_builds.iter().filter(read) {
            let statement = build.statement.value();
            let made = self
                .ledger
                .artifacts()
                .iter()
                .filter(|artifact| statement.covers(artifact));
            for artifact in made.filter(|artifact| artifact.kind() == Kind::Model) {
                let mut node = self.node(artifact);
                node.links = self.forward(&names(artifact), depth + 1);
                nodes.push(node);
            }
        }
        nodes.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
        nodes.dedup();
        nodes
    }

    fn node(&self, artifact: &Artifact) -> Node {
        let mut facts = self.facts(artifact);
        facts.sort_by_key(|fact| fact.log_index);
        let kind = match artifact.kind() {
            Kind::DataSet => "data set",
            Kind::Model => "model",
            Kind::StepRoot => "step root",
        };
        let digest = artifact.digest();
        let called = |logged: &&Logged<Dataset>| logged.statement.value().is_about(digest);
        let name = match self.datasets.iter().find(called) {
            Some(dataset) => dataset.statement.value().predicate.name.clone(),
            None => artifact
                .files()
                .keys()
                .next()
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        let gaps = Vec::new();
        Node {
            kind: kind.to_owned(),
            name,
            digest: digest.to_string(),
            facts,
            gaps,
            links: Vec::new(),
        }
    }

    fn facts(&self, artifact: &Artifact) -> Vec<Fact> {
        let about = names(artifact);
        let whole = BTreeSet::from([artifact.digest()]);
        let mut facts = Vec::new();
        collect(
            &mut facts,
            "dataset",
            self.ledger.about::<Dataset>(&whole).believed,
            |d| {
                format!(
                    "{} allows `{}` ({}) for {}",
                    short(&d.policy),
                    d.name,
                    d.licence,
                    d.purposes.join(", ")
                )
            },
        );
        let builds = self.ledger.about::<Provenance>(&about).believed;
        let builds = builds
            .into_iter()
            .filter(|build| build.statement.value().covers(artifact))
            .collect();
        collect(&mut facts, "train", builds, build_says);
        collect(
            &mut facts,
            "scan",
            self.ledger.about::<ScanReport>(&whole).believed,
            |s| format!("{} by {}", s.verdict.as_str(), s.scanner),
        );
        let signed = BTreeSet::from([artifact.signing_root()]);
        collect(
            &mut facts,
            "sign",
            self.ledger.about::<ModelSignature>(&signed).believed,
            |s| format!("{} files signed", s.resources().count()),
        );
        collect(
            &mut facts,
            "publish",
            self.ledger.about::<Publish>(&whole).believed,
            publish_says,
        );
        collect(
            &mut facts,
            "deploy",
            self.ledger.about::<Deployment>(&whole).believed,
            |d| {
                let scopes = d
                    .scopes
                    .iter()
                    .map(|(scope, value)| format!("{scope} = {value}"));
                scopes.collect::<Vec<_>>().join(", ")
            },
        );
        collect(
            &mut facts,
            "admit",
            self.ledger.about::<Admission>(&whole).believed,
            |a| {
                format!(
                    "for `{}` in `{}` until {}",
                    a.service_account, a.environment, a.expires
                )
            },
        );
        collect(
            &mut facts,
            "serve",
            self.ledger.about::<Serving>(&whole).believed,
            |s| format!("session {} from {}", s.session, s.started_at),
        );
        let recalled = |logged: &&Logged<Recall>| {
            logged
                .statement
                .value()
                .subjects
                .iter()
                .any(|s| about.contains(&s.digest))
        };
        for recall in self.recalls.iter().filter(recalled) {
            facts.push(fact(
                "recall",
                recall,
                recall.statement.value().predicate.reason.clone(),
            ));
        }
        facts
    }
}

fn collect<P: Predicate>(
    facts: &mut Vec<Fact>,
    stage: &str,
    found: Vec<Logged<P>>,
    says: impl Fn(&P) -> String,
) {
    for logged in found {
        facts.push(fact(
            stage,
            &logged,
            says(&logged.statement.value().predicate),
        ));
    }
}

fn fact<P>(stage: &str, logged: &Logged<P>, says: String) -> Fact {
    let proof = logged.statement.proof();
    Fact {
        stage: stage.to_owned(),
        says,
        by: proof.key_name.clone(),
        log_index: logged.index,
        bundle: proof.bundle.to_string(),
    }
}

fn build_says(build: &Provenance) -> String {
    let source = build.source().unwrap_or("no source");
    let isolation = build
        .isolation()
        .map_or("isolation not stated", trust::predicate::Isolation::as_str);
    format!(
        "built by {} from {source}, {isolation}",
        build.run_details.builder.id
    )
}

fn publish_says(publish: &Publish) -> String {
    let environment = publish
        .package
        .environment
        .as_deref()
        .unwrap_or("any environment");
    format!(
        "{}/{} for {environment} at Build L{}",
        publish.package.registry,
        publish.package.name,
        publish.build_level()
    )
}

fn leaf(kind: &str, name: &str, digest: Digest) -> Node {
    Node {
        kind: kind.to_owned(),
        name: name.to_owned(),
        digest: digest.to_string(),
        facts: Vec::new(),
        gaps: Vec::new(),
        links: Vec::new(),
    }
}

/// A dependency that has another digest than SHA-256, such as a git commit.
fn unhashed(material: &trust::predicate::ResourceDescriptor) -> Node {
    let digest = material
        .digest
        .iter()
        .map(|(algorithm, value)| format!("{algorithm}:{value}"))
        .next();
    let name = if material.name.is_empty() {
        &material.uri
    } else {
        &material.name
    };
    Node {
        kind: material_kind(&material.uri).to_owned(),
        name: name.clone(),
        digest: digest.unwrap_or_default(),
        facts: Vec::new(),
        gaps: Vec::new(),
        links: Vec::new(),
    }
}

/// What a dependency is, as our builder names them; `input` for those of other builders.
fn material_kind(uri: &str) -> &'static str {
    match uri {
        _ if uri.starts_with("modelward:dataset") => "data set",
        _ if uri.starts_with("modelward:program") => "program",
        _ if uri.starts_with("modelward:root") => "step root",
        _ if uri.starts_with("modelward:model") => "model",
        _ if uri.starts_with("git+") => "source",
        _ => "input",
    }
}

fn short(digest: &str) -> String {
    digest.parse::<Digest>().map_or_else(
        |_| digest.to_owned(),
        |digest| format!("policy {}", digest.short()),
    )
}

/// The trace as a Mermaid flow chart, left to right as the chain runs.
#[must_use]
pub fn mermaid(trace: &Trace) -> String {
    let mut chart = Chart::default();
    let target = chart.backward(&trace.backward);
    for node in &trace.forward {
        let next = chart.forward(node);
        chart.link(&target, &next);
    }
    format!("flowchart LR\n{}{}", chart.nodes, chart.links)
}

#[derive(Default)]
struct Chart {
    nodes: String,
    links: String,
    seen: BTreeMap<String, String>,
}

impl Chart {
    fn backward(&mut self, node: &Node) -> String {
        let id = self.node(node);
        for from in &node.links {
            let from = self.backward(from);
            self.link(&from, &id);
        }
        id
    }

    fn forward(&mut self, node: &Node) -> String {
        let id = self.node(node);
        for next in &node.links {
            let next = self.forward(next);
            self.link(&id, &next);
        }
        id
    }

    fn node(&mut self, node: &Node) -> String {
        let key = format!("{}{}", node.digest, node.name);
        if let Some(id) = self.seen.get(&key) {
            return id.clone();
        }
        let id = format!("n{}", self.seen.len());
        let label: Vec<String> = [
            format!("{}: {}", node.kind, node.name),
            node.digest.chars().take(19).collect(),
        ]
        .into_iter()
        .chain(
            node.facts
                .iter()
                .map(|fact| format!("{} by {}", fact.stage, fact.by)),
        )
        .map(|line| plain(&line))
        .collect();
        // Writing to a string does not fail.
        let _ = writeln!(self.nodes, "  {id}[\"{}\"]", label.join("<br/>"));
        self.seen.insert(key, id.clone());
        id
    }

    fn link(&mut self, from: &str, to: &str) {
        let line = format!("  {from} --> {to}\n");
        if !self.links.contains(&line) {
            self.links.push_str(&line);
        }
    }
}

/// Names come from statements: what a chart would read as its own syntax is written as an entity.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(120) {
        match character {
            '"' | '<' | '>' | '#' | '&' | '`' | '\\' | ';' => {
                let _ = write!(out, "#{};", u32::from(character));
            }
            _ if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}
