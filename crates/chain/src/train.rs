//! The stage `train`: a step ran, and this is what went in and came out.
//!
//! In: verified data sets, the step's root, the program, and what the observer measured. Must hold: each data set was
//! added under a policy, and nothing recalled. Out: SLSA v1 provenance that claims no more than was seen.
//! Denies: `data_not_allowed`, `recalled`. Logs: the provenance.

use std::collections::BTreeMap;

use digest::Digest;
use serde_json::{Value, json};
use trust::predicate::{
    BuildDefinition, BuilderRef, Isolation, Provenance, ResourceDescriptor, RunDetails,
    RunMetadata, SOURCE_PARAMETER,
};
use trust::{Statement, Subject, Time};

/// The builder that a workstation is: SLSA Build L1 and no more, since whoever asks for the build owns the machine.
pub const WORKSTATION: &str = "https://modelward.dev/builder/workstation/v1";
/// What our builder's parameters mean: docs/formats/build-type.md.
pub const BUILD_TYPE: &str = "https://modelward.dev/build/step/v1";
/// What a claim's name in the by-products begins with.
pub const CLAIM: &str = "step-claims/";

/// Everything that a provenance says, as it was chosen or measured.
#[derive(Debug, Clone)]
pub struct Build {
    /// The command, program first.
    pub command: Vec<String>,
    /// The environment that the step saw.
    pub environment: BTreeMap<String, String>,
    /// Where the program's source is, as the person who builds says.
    pub source: Option<String>,
    /// The limits that were asked for.
    pub limits: Value,
    /// How far step, observer and signer were kept apart.
    pub isolation: Isolation,
    /// What stood between the step and the machine.
    pub sandbox: Value,
    /// The processor's features that change how numbers round.
    pub cpu_features: Vec<String>,
    /// All that the step could read.
    pub dependencies: Vec<ResourceDescriptor>,
    /// What the observer measured.
    pub outputs: BTreeMap<String, Digest>,
    /// What the step claims.
    pub claims: BTreeMap<String, String>,
    /// This run's name.
    pub invocation_id: String,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub finished: Time,
    /// The builder's own version.
    pub version: String,
}

/// The statement about a build. `None` when it left no output.
#[must_use]
pub fn statement(build: Build) -> Option<Statement<Provenance>> {
    let subject = |(name, digest): (&String, &Digest)| Subject {
        name: name.clone(),
        digest: *digest,
    };
    let subjects: Vec<Subject> = build.outputs.iter().map(subject).collect();
    if subjects.is_empty() {
        return None;
    }
    let byproducts = build.claims.iter().map(claim).collect();
    let predicate = Provenance {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: external(&build),
            internal_parameters: internal(&build),
            resolved_dependencies: build.dependencies,
        },
        run_details: RunDetails {
            builder: BuilderRef {
                id: WORKSTATION.to_owned(),
                version: BTreeMap::from([("modelward".to_owned(), build.version)]),
            },
            metadata: RunMetadata {
                invocation_id: Some(build.invocation_id),
                started_on: Some(build.started),
                finished_on: Some(build.finished),
            },
            byproducts,
        },
    };
    Some(Statement {
        subjects,
        predicate,
    })
}

fn external(build: &Build) -> BTreeMap<String, Value> {
    let mut parameters = BTreeMap::from([
        ("command".to_owned(), json!(build.command)),
        ("environment".to_owned(), json!(build.environment)),
        ("limits".to_owned(), build.limits.clone()),
    ]);
    if let Some(source) = &build.source {
        parameters.insert(SOURCE_PARAMETER.to_owned(), json!(source));
    }
    parameters
}

fn internal(build: &Build) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("isolation".to_owned(), json!(build.isolation.as_str())),
        ("runnerMode".to_owned(), json!("workstation")),
        ("network".to_owned(), json!("none")),
        ("sandbox".to_owned(), build.sandbox.clone()),
        ("cpuFeatures".to_owned(), json!(build.cpu_features)),
    ])
}

/// A result that the step wrote about itself: marked as a claim, whose digest is that of its text.
fn claim((name, text): (&String, &String)) -> ResourceDescriptor {
    let mut descriptor =
        ResourceDescriptor::new(&format!("{CLAIM}{name}"), "", Digest::of(text.as_bytes()));
    descriptor
        .annotations
        .insert("value".to_owned(), json!(text));
    descriptor
}
