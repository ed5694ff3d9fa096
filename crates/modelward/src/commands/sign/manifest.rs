//! `modelward sign oci-manifest://FILE`: what a manifest names, by the digests that it names.

use serde_json::json;
use trust::Code;
use trust::oci::Reference;

use super::Args;
use crate::answer::{Answer, Failure};
use crate::artifact::Artifact;
use crate::lines::counted;
use crate::model::unwritable;
use crate::signature_file::check_target;

pub(super) fn sign(args: &Args, reference: Reference) -> Result<Answer, Failure> {
    check_words(args)?;
    let beside = Artifact::signature_path(&reference);
    let target = args.signature.clone().or(beside).ok_or_else(|| {
        let message =
            "the signature of an artifact in a registry or layout has no place of its own";
        Failure::error(
            Code::Usage,
            message,
            "say where it goes with `--signature FILE`",
        )
    })?;
    check_target(&target)?;
    let artifact = Artifact::read(reference)?;
    let statement = artifact.statement()?;
    let bundle = args.held.seal(&statement)?;
    host::named_file::write(&target, &bundle.to_bytes()).map_err(|e| unwritable(&target, &e))?;
    let names: Vec<&str> = statement
        .predicate
        .resources()
        .map(|(name, _)| name)
        .collect();
    let text = [
        format!(
            "signed by manifest: the names and digests of {} of `{}`: {}",
            counted(names.len(), "blob"),
            artifact.name,
            target.display()
        ),
        format!(
            "none of them was read: the manifest `{}` is taken at its word",
            artifact.digest
        ),
    ];
    let data = json!({"manifest": artifact.digest.to_string(), "artifact": artifact.reference.to_string(), "blobs": names,
                      "read": false, "signature": target.display().to_string()});
    Ok(Answer::new(text, data))
}

/// A manifest says by which digests it names what; and what a store's key signs, a store has.
fn check_words(args: &Args) -> Result<(), Failure> {
    let usage = |message, way| Err(Failure::error(Code::Usage, message, way));
    if !args.held.is_named() {
        return usage(
            "a key of the store signs only files that the store keeps, and a manifest has none",
            "sign with `--private-key`, `--token`, `--plugin` or `--keyless`",
        );
    }
    if !args.ignored.is_empty() || !args.odd.is_usual() {
        return usage(
            "of a manifest all blobs are signed, by the digests that it names",
            "leave out `--ignore`, `--hash`, `--shard-size`, `--follow-links`, `--strict-spec` and `--cache`",
        );
    }
    Ok(())
}
