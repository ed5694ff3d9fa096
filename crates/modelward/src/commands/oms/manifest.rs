//! An OCI manifest in the place of a model, as the port to Go takes it: what it names is signed, and none of it read.

use std::path::Path;

use trust::oci::Reference;
use trust::predicate::{Form, ModelSignature};
use trust::{Difference, ManifestError, Statement, Verified};

use super::refused::{self, Refused};
use super::voice::Voice;
use super::words::ModelWords;
use crate::answer::Failure;
use crate::artifact::Artifact;
use crate::commands::verify::left_out_when_signed;

/// The manifest that a file is, if it is called `….json` and is one.
pub(super) fn at(model: &Path) -> Option<Artifact> {
    let text = model.to_str()?;
    let is_named_so = text.to_ascii_lowercase().ends_with(".json");
    let is_file = || {
        model
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
    };
    if !is_named_so || !is_file() {
        return None;
    }
    Artifact::read(Reference::Manifest(text.to_owned())).ok()
}

/// What signs it.
pub(super) fn statement(
    words: &ModelWords,
    artifact: &Artifact,
    voice: &Voice,
) -> Result<Statement<ModelSignature>, Refused> {
    if !words.ignore_paths.is_empty() {
        let way = "sign without `--ignore_paths`, or the files instead of their manifest";
        return Err(Refused::new("an OCI manifest is signed whole", way));
    }
    let statement = artifact.statement()?;
    voice.warn(&format!(
        "`{}` is an OCI manifest: the names and digests of its {} blobs are signed, at its word; none of them was read",
        artifact.reference,
        statement.predicate.resources().count(),
    ));
    Ok(statement)
}

/// Whether this was signed as a manifest names it: not as a file, by whatever name.
pub(super) fn is_meant(signed: &ModelSignature, model: &Path) -> bool {
    let own = model.file_name().and_then(|name| name.to_str());
    let mut names = signed.resources().map(|(name, _)| name);
    let is_own = own.is_some() && names.next() == own && names.next().is_none();
    signed.form() == Form::Folder && !is_own
}

/// Holds a signature against what a manifest names.
pub(super) fn verify(
    artifact: &Artifact,
    signature: &Verified<Statement<ModelSignature>>,
    ignores_unsigned: bool,
    voice: &Voice,
) -> Result<(), Refused> {
    let ignored = left_out_when_signed(&signature.value().predicate);
    match trust::verify_manifest(signature, &artifact.manifest, &ignored) {
        Ok(_) => {}
        Err(ManifestError::Unfit(error)) => return Err(Failure::from(error).into()),
        Err(ManifestError::Differs(mut differences)) => {
            if ignores_unsigned {
                let is_extra =
                    |difference: &Difference| matches!(difference, Difference::Extra { .. });
                differences.retain(|difference| !is_extra(difference));
            }
            if !differences.is_empty() {
                return Err(refused::mismatch(&artifact.name, &differences));
            }
            voice.warn("the manifest names blobs that nobody signed, ignored as asked");
        }
    }
    voice.warn(&format!(
        "`{}` is an OCI manifest: the names and digests in it are as they were signed; none of its blobs was read",
        artifact.reference
    ));
    Ok(())
}
