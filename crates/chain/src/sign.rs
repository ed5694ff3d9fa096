//! The stage `sign`: these are the files of the model, says who holds the key.
//!
//! In: the model's files, measured. Must hold: nothing but that they are files. Out: an OpenSSF model signature.
//! Denies: nothing. Logs: the signature.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use trust::predicate::{Form, ModelSignature};
use trust::{Artifact, Statement};

use crate::ledger::Ledger;

/// The paths that are left out by default, as the reference implementation does.
pub const IGNORED: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// The statement that signs a model.
#[must_use]
pub fn statement(
    name: &str,
    artifact: &Artifact,
    form: Form,
    ignored: Vec<String>,
) -> Statement<ModelSignature> {
    ModelSignature::statement(name, artifact, form, ignored)
}

/// Whether somebody we believe signed exactly the files of this model.
#[must_use]
pub fn is_signed(ledger: &Ledger<'_>, artifact: &Artifact) -> bool {
    let root = BTreeSet::from([artifact.signing_root()]);
    let files = artifact.files().iter();
    let files = files.map(|(path, file)| (path, file.digest));
    let files: BTreeMap<&str, Digest> = files.collect();
    let same = |signature: &ModelSignature| {
        let Some(signed) = signature.files() else {
            return false;
        };
        match signature.form() {
            Form::SingleFile => signed.values().eq(files.values()),
            Form::Folder => signed == files,
        }
    };
    let signatures = ledger.about::<ModelSignature>(&root).believed;
    signatures
        .iter()
        .any(|logged| same(&logged.statement.value().predicate))
}
