//! `modelward sign oci-manifest://FILE`: what a manifest names, by the digests that it names.

use digest::Digest;
use host::oci::Registry;
use serde_json::json;
use trust::Code;
use trust::oci::{Reference, Repository};

use super::Args;
use crate::answer::{Answer, Failure};
use crate::artifact::{Artifact, referrer};
use crate::lines::counted;
use crate::model::unwritable;
use crate::signature_file::check_target;

pub(super) fn sign(args: &Args, reference: Reference) -> Result<Answer, Failure> {
    check_words(args)?;
    let repository = place(args, &reference)?;
    let beside = Artifact::signature_path(&reference);
    let target = args.signature.clone().or(beside);
    if target.is_none() && repository.is_none() {
        let message =
            "the signature of an artifact in a registry or layout has no place of its own";
        let way = "say where it goes with `--signature FILE`, or in a registry `--attach` it";
        return Err(Failure::error(Code::Usage, message, way));
    }
    target.as_deref().map_or(Ok(()), check_target)?;
    let artifact = Artifact::read(reference)?;
    let statement = artifact.statement()?;
    let bundle = args.held.seal(&statement)?.to_bytes();
    if let Some(target) = &target {
        host::named_file::write(target, &bundle).map_err(|e| unwritable(target, &e))?;
    }
    let attached = repository
        .map(|it| attach(&it, &artifact, bundle))
        .transpose()?;
    let names: Vec<&str> = statement
        .predicate
        .resources()
        .map(|(name, _)| name)
        .collect();
    let places = [
        target.as_ref().map(|target| target.display().to_string()),
        attached.map(|manifest| format!("attached as {manifest}")),
    ];
    let places: Vec<String> = places.into_iter().flatten().collect();
    let text = [
        format!(
            "signed by manifest: the names and digests of {} of `{}`: {}",
            counted(names.len(), "blob"),
            artifact.name,
            places.join(", ")
        ),
        format!(
            "none of them was read: the manifest `{}` is taken at its word",
            artifact.digest
        ),
    ];
    let data = json!({"manifest": artifact.digest.to_string(), "artifact": artifact.reference.to_string(), "blobs": names,
                      "read": false, "signature": target.as_ref().map(|target| target.display().to_string()), "attached": attached.map(|manifest| manifest.to_string())});
    Ok(Answer::new(text, data))
}

/// Where a signature is to be attached, if it is.
fn place(args: &Args, reference: &Reference) -> Result<Option<Repository>, Failure> {
    match (args.attach, reference) {
        (false, _) => Ok(None),
        (true, Reference::Registry(repository, _)) => Ok(Some(repository.clone())),
        (true, _) => Err(Failure::error(
            Code::Usage,
            "a signature is attached in a registry, and this is none",
            "leave out `--attach`, or name `oci://HOST/NAME@DIGEST`",
        )),
    }
}

/// Pushes a signature so that it refers to the artifact; says under which digest.
fn attach(
    repository: &Repository,
    artifact: &Artifact,
    bundle: Vec<u8>,
) -> Result<Digest, Failure> {
    let referrer = referrer(&artifact.subject, bundle)?;
    let manifest = referrer.0.digest();
    Registry::open_to_push(repository)?.push_referrers(artifact.digest, &[referrer])?;
    Ok(manifest)
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
