//! The stage `train`: a step ran, and this is what went in and came out.
//!
//! In: verified data sets, the step's root, the program, and what the observer measured. Must hold: each data set was
//! added under a policy that allows it for training, each base model signed, also where a file of them stands in the root,
//! and nothing recalled, nor the builder, nor the key that signs for it. Out: SLSA v1 provenance that claims no more than was seen. Denies: `data_not_allowed`,
//! `purpose_not_allowed`, `signature_missing`, `recalled`. Logs: the provenance.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use serde_json::{Value, json};
use trust::predicate::{
    BuildDefinition, BuilderRef, Dataset, Isolation, ModelSignature, Provenance,
    ResourceDescriptor, RunDetails, RunMetadata, SOURCE_PARAMETER,
};
use trust::{Artifact, Code, Denied, KeyId, Kind, Reason, Statement, Subject, Time, Verdict};

use crate::ledger::{Fault, Ledger};
use crate::lineage::names;
use crate::lost;
use crate::recall::{recalled, recalled_builder};
use crate::sign::is_signed;
use crate::step_root;

/// The builder that a workstation is: SLSA Build L1 and no more, since whoever asks for the build owns the machine.
pub const WORKSTATION: &str = "https://modelward.dev/builder/workstation/v1";
/// What our builder's parameters mean: docs/formats/build-type.md.
pub const BUILD_TYPE: &str = "https://modelward.dev/build/step/v1";
/// The external parameter that holds what the model is called.
pub const NAME_PARAMETER: &str = "name";
/// What data must be allowed for, for a step to learn from it.
pub const PURPOSE: &str = "train";
pub use trust::predicate::CLAIM;

/// Everything that a provenance says, as it was chosen or measured.
#[derive(Debug, Clone)]
pub struct Build {
    /// What the model is called.
    pub name: String,
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

/// Says whether a step may learn from these data sets, build on these models, and have what these roots list.
///
/// # Errors
/// A recall can't be checked.
pub fn decide(ledger: &Ledger<'_>, inputs: &[Artifact]) -> Result<Verdict<()>, Fault> {
    let mut reasons = Vec::new();
    for input in inputs {
        reasons.extend(recalled(ledger, input)?);
        reasons.extend(match input.kind() {
            Kind::Model => lost::told::<ModelSignature>(
                ledger,
                &names(input),
                Code::SignatureMissing,
                unsigned(ledger, input).into_iter().collect(),
            ),
            Kind::DataSet => lost::told::<Dataset>(
                ledger,
                &BTreeSet::from([input.digest()]),
                Code::DataNotAllowed,
                not_allowed(ledger, input).into_iter().collect(),
            ),
            Kind::StepRoot => step_root::not_allowed(ledger, input),
        });
    }
    Ok(match Denied::from_reasons(reasons) {
        Some(denied) => Verdict::Denied(denied),
        None => Verdict::Allowed(()),
    })
}

/// Says whether what this builder builds, and this key says of it, will be believed: asked before a step runs, since all that
/// it makes would be lost.
///
/// # Errors
/// A recall can't be checked.
pub fn decide_who(ledger: &Ledger<'_>, key: KeyId) -> Result<Verdict<()>, Fault> {
    let reasons = recalled_builder(ledger, WORKSTATION, key)?;
    Ok(match Denied::from_reasons(reasons) {
        Some(denied) => Verdict::Denied(denied),
        None => Verdict::Allowed(()),
    })
}

/// What was allowed for something else, such as to measure what others learned, was not allowed for this.
fn not_allowed(ledger: &Ledger<'_>, dataset: &Artifact) -> Option<Reason> {
    let digest = dataset.digest();
    let added = ledger.about::<Dataset>(&BTreeSet::from([digest])).believed;
    let added = added.iter().map(|logged| logged.statement.value());
    // The first subject is the whole: a file of one data set may be the manifest of another.
    let is_whole = |added: &&Statement<Dataset>| {
        let whole = added.subjects.first();
        whole.is_some_and(|whole| whole.digest == digest)
    };
    let added: Vec<&Dataset> = added.filter(is_whole).map(|said| &said.predicate).collect();
    let what = format!("the data set {digest}");
    unless_to_train(&added, &what)
}

/// A reason, unless one of these allows to learn from what it is about.
pub(crate) fn unless_to_train(added: &[&Dataset], what: &str) -> Option<Reason> {
    let purposes: BTreeSet<&str> = added
        .iter()
        .flat_map(|added| &added.purposes)
        .map(String::as_str)
        .collect();
    if purposes.contains(PURPOSE) {
        return None;
    }
    let Some(newest) = added.last() else {
        return Some(Reason::new(
            Code::DataNotAllowed,
            format!("no policy allowed {what}"),
            "add it under a dependency policy: `modelward dataset add NAME --policy FILE`",
        ));
    };
    let purposes: Vec<&str> = purposes.into_iter().collect();
    Some(Reason::new(
        Code::PurposeNotAllowed,
        format!(
            "{what} (`{}`) is allowed for `{}`, not for `{PURPOSE}`",
            newest.name,
            purposes.join("`, `")
        ),
        format!(
            "if its owner agrees, add \"{PURPOSE}\" to its purposes in the policy, and `modelward dataset add {}` again",
            newest.name
        ),
    ))
}

fn unsigned(ledger: &Ledger<'_>, base: &Artifact) -> Option<Reason> {
    (!is_signed(ledger, base)).then(|| {
        Reason::new(
            Code::SignatureMissing,
            format!("nobody signed the base model {}", base.digest()),
            "sign it, if you know it: `modelward sign MODEL`",
        )
    })
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
            external_parameters: asked(
                &build.name,
                &build.command,
                &build.environment,
                build.source.as_deref(),
                &build.limits,
            ),
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

/// What the person who asks for a build chooses, as a provenance holds it.
#[must_use]
pub fn asked(
    name: &str,
    command: &[String],
    environment: &BTreeMap<String, String>,
    source: Option<&str>,
    limits: &Value,
) -> BTreeMap<String, Value> {
    let mut parameters = BTreeMap::from([
        (NAME_PARAMETER.to_owned(), json!(name)),
        ("command".to_owned(), json!(command)),
        ("environment".to_owned(), json!(environment)),
        ("limits".to_owned(), limits.clone()),
    ]);
    if let Some(source) = source {
        parameters.insert(SOURCE_PARAMETER.to_owned(), json!(source));
    }
    parameters
}

/// What a step claimed, as its provenance holds it.
#[must_use]
pub fn claims(provenance: &Provenance) -> BTreeMap<String, String> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    provenance.claims().map(owned).collect()
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
