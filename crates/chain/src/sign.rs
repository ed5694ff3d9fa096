//! The stage `sign`: these are the files of the model, says who holds the key.
//!
//! In: the model's files, measured. Must hold: nothing but that they are files. Out: an OpenSSF model signature.
//! Denies: nothing. Logs: the signature.

use trust::predicate::{Form, ModelSignature};
use trust::{Artifact, Statement};

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
