//! What stood in a step's root: programs and libraries, and whatever else somebody put there. The list of it is an artifact
//! of its own, which the provenance names; what it lists went in.

use std::collections::BTreeMap;

use digest::Digest;
use trust::artifact::{ArtifactError, FileEntry};
use trust::predicate::{Dataset, ModelSignature, Provenance, ScanReport};
use trust::{
    Artifact, Bundle, Code, Kind, Opaque, Predicate, Reason, Statement, TreePath, Verified,
};

use crate::ledger::{Ledger, Logged};
use crate::lineage::{Builds, names, root_files};
use crate::lost;
use crate::sign::is_signed;
use crate::train::unless_to_train;

/// The file of a model that says how it is laid out and nothing of what it learned, so that many models share it.
const LAYOUT: &str = "architecture.json";

/// Whether to have this one file of an artifact is to have something of it.
pub(crate) fn is_telling(kind: Kind, path: &str) -> bool {
    kind != Kind::Model || path != LAYOUT
}

/// The list of these files.
///
/// # Errors
/// There are none, or more than an artifact can have.
pub fn list(files: BTreeMap<TreePath, FileEntry>) -> Result<Artifact, ArtifactError> {
    Artifact::new(Kind::StepRoot, files.into_iter().collect())
}

/// The lists that a build's bundle names, believed or not: each certifies itself by its digest.
#[must_use]
pub fn lists_named_in(bundle: &[u8]) -> Vec<Digest> {
    let named = || {
        let bundle = Bundle::parse(bundle).ok()?;
        let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload()).ok()?;
        let provenance = Provenance::read(statement.predicate.predicate).ok()?;
        Some(provenance.root_lists().collect())
    };
    named().unwrap_or_default()
}

/// Why a step may not have this root: what is included as if it were a program needs what it would need as an input.
pub(crate) fn not_allowed(ledger: &Ledger<'_>, root: &Artifact) -> Vec<Reason> {
    let mut reasons = data_not_allowed(ledger, root);
    reasons.extend(models_unsigned(ledger, root));
    // The empty file is part of everything.
    let files = root.files().values().filter(|file| file.size_bytes != 0);
    reasons.extend(lost::that_may_be_about(
        ledger,
        files.map(|file| &file.digest),
    ));
    reasons
}

/// What belongs to models, one of which at least somebody has to have signed, as a base is.
fn models_unsigned(ledger: &Ledger<'_>, root: &Artifact) -> Vec<Reason> {
    let within = root.files().iter();
    // The empty file is part of everything.
    let within = within.filter(|(_, file)| file.size_bytes != 0);
    let within: BTreeMap<Digest, &str> = within.map(|(path, file)| (file.digest, path)).collect();
    let builds = Builds::new(ledger.builds().believed);
    let models = models_with(&within, &builds, ledger);
    let mut holders: BTreeMap<Digest, Vec<&(String, Artifact)>> = BTreeMap::new();
    for known in &models {
        let (_, model) = known;
        for (path, file) in model.files() {
            if within.contains_key(&file.digest)
                && is_telling(Kind::Model, path)
                && !is_taken_over(ledger, &builds, model, file.digest)
            {
                holders.entry(file.digest).or_default().push(known);
            }
        }
    }
    let unsigned = |(file, models): (Digest, Vec<&(String, Artifact)>)| {
        let (first, _) = models.first()?;
        let is_signed = models.iter().any(|(_, model)| is_signed(ledger, model));
        let path = within.get(&file).filter(|_| !is_signed)?;
        Some(Reason::new(
            Code::SignatureMissing,
            format!("the file `{path}` of the step's root is part of {first}, which nobody signed"),
            "sign that model, if you know it: `modelward sign MODEL`",
        ))
    };
    holders.into_iter().filter_map(unsigned).collect()
}

/// The models that have one of these files, each with what it is called: those that the store has a name for, and those that
/// a build, a scan or a signature was about. The names stand in an index, from which anybody may take one away.
fn models_with(
    files: &BTreeMap<Digest, &str>,
    builds: &Builds,
    ledger: &Ledger<'_>,
) -> Vec<(String, Artifact)> {
    let named = ledger.artifacts();
    let named = named.filter(|artifact| artifact.kind() == Kind::Model);
    let mut models: Vec<(String, Artifact)> = named
        .map(|model| (format!("the model {}", model.digest()), model.clone()))
        .collect();
    for build in builds.all() {
        let made = build.value().subjects.iter();
        let made = made.map(|subject| (subject.name.as_str(), subject.digest));
        models.extend(told_of("what was built by", build, made));
    }
    for scan in ledger.to_forbid::<ScanReport>().verified() {
        let scanned = scan.value().predicate.files.iter();
        let scanned = scanned.map(|file| (file.name, file.digest));
        models.extend(told_of("what was scanned by", scan, scanned));
    }
    for signature in ledger.to_forbid::<ModelSignature>().verified() {
        let signed = signature.value().predicate.files().unwrap_or_default();
        models.extend(told_of("what was signed by", signature, signed));
    }
    let has_one = |model: &Artifact| {
        let mut all = model.files().values();
        all.any(|file| files.contains_key(&file.digest))
    };
    models.retain(|(_, model)| has_one(model));
    models
}

/// A model as a statement tells of it, which is not how large its files are.
fn told_of<P>(
    what: &str,
    statement: &Verified<Statement<P>>,
    files: impl IntoIterator<Item = (impl AsRef<str>, Digest)>,
) -> Option<(String, Artifact)> {
    let file = |(name, digest): (_, Digest)| {
        let size_bytes = 0;
        let name = AsRef::<str>::as_ref(&name);
        Some((TreePath::new(name).ok()?, FileEntry { digest, size_bytes }))
    };
    let files = files.into_iter().filter_map(file).collect();
    let bundle = statement.proof().bundle.short();
    let model = Artifact::new(Kind::Model, files).ok()?;
    Some((format!("{what} the statement {bundle}"), model))
}

/// Whether every build of a model read this file of it: what it was made from is not what it became.
fn is_taken_over(ledger: &Ledger<'_>, builds: &Builds, model: &Artifact, file: Digest) -> bool {
    let mut builds = builds
        .of(model)
        .map(|build| &build.value().predicate)
        .peekable();
    builds.peek().is_some()
        && builds.all(|build| {
            let mut in_root = root_files(build, ledger);
            build.materials().any(|material| material == file)
                || in_root.any(|(_, digest)| digest == file)
        })
}

/// Data that a policy speaks of comes in under that policy.
fn data_not_allowed(ledger: &Ledger<'_>, root: &Artifact) -> Vec<Reason> {
    let within = names(root);
    // It is data though the key of who said so is over; and it is allowed if that key holds.
    let (data, allowed) = (
        ledger.about_to_forbid::<Dataset>(&within).believed,
        ledger.about::<Dataset>(&within).believed,
    );
    let (data, allowed) = (by_file(&data), by_file(&allowed));
    let mut reasons = Vec::new();
    for (path, file) in root.files() {
        // The empty file is part of everything.
        if file.size_bytes == 0 || !data.contains_key(&file.digest) {
            continue;
        }
        let what = format!("the file `{path}` of the step's root, which is part of a data set,");
        let allowed = allowed.get(&file.digest).map(Vec::as_slice);
        reasons.extend(unless_to_train(allowed.unwrap_or_default(), &what));
    }
    reasons
}

fn by_file(said: &[Logged<Dataset>]) -> BTreeMap<Digest, Vec<&Dataset>> {
    let mut by_file: BTreeMap<Digest, Vec<&Dataset>> = BTreeMap::new();
    for statement in said.iter().map(|logged| logged.statement.value()) {
        for subject in &statement.subjects {
            let said = by_file.entry(subject.digest).or_default();
            said.push(&statement.predicate);
        }
    }
    by_file
}
