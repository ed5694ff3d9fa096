//! An OCI manifest in the place of a model, where it is named as one: what it names is signed, and none of it read.

use std::path::Path;

use trust::oci::Reference;
use trust::predicate::ModelSignature;
use trust::{Difference, ManifestError, Statement, Verified};

use super::refused::{self, Refused};
use super::voice::Voice;
use super::words::ModelWords;
use crate::answer::Failure;
use crate::artifact::Artifact;
use crate::commands::verify::left_out_when_signed;

/// The manifest that the words name as one: `oci-manifest://FILE`. A path is a file, whatever it holds: by its content alone,
/// which may come from anybody, a file would decide whether its own bytes are looked at.
pub(super) fn named(model: &Path) -> Result<Option<Artifact>, Refused> {
    match crate::artifact::reference(model)? {
        Some(reference @ Reference::Manifest(_)) => Ok(Some(Artifact::read(reference)?)),
        Some(Reference::Registry(..) | Reference::Layout(..)) => Err(Refused::new(
            format!("`{}` is not fetched under this name", model.display()),
            "`modelward sign` and `modelward verify` take it; or give its manifest: `oci-manifest://FILE`",
        )),
        None => Ok(None),
    }
}

/// Says how a manifest is named, where a file is one and is taken for the file that it is: the port to Go takes it for what
/// it names.
pub(super) fn hint(model: &Path, voice: &Voice) {
    let is_named_so = model
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("json"));
    let Some(text) = model.to_str().filter(|_| is_named_so && model.is_file()) else {
        return;
    };
    if Artifact::read(Reference::Manifest(text.to_owned())).is_ok() {
        voice.warn(&format!(
            "`{text}` is taken for the file that it is; what it names as an OCI manifest is meant by `oci-manifest://{text}`"
        ));
    }
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
