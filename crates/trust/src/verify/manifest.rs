//! What was signed, held against what a manifest names: nothing is measured.

use std::collections::BTreeMap;

use digest::{Digest, Method};

use super::signed::{Difference, differences};
use crate::oci::{Manifest, OciError};
use crate::predicate::{Form, ModelSignature};
use crate::{Statement, Verified};

/// Blobs that a manifest names by the digests that were signed: not a model, since nobody read them.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    blobs: BTreeMap<String, Digest>,
    left_out: Vec<String>,
}

impl Named {
    /// The blobs by their names in the signature; at least one.
    #[must_use]
    pub const fn blobs(&self) -> &BTreeMap<String, Digest> {
        &self.blobs
    }

    /// The names of blobs that the manifest has too, and that were left out when it was signed. They may hold anything.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

/// Joins a model's signature with a manifest: it names the signed blobs by their digests, all of them and no others, but
/// for those that the signature leaves out. Whether somebody has these blobs, and as which files, it does not say, and no
/// gate takes the answer.
///
/// # Errors
/// All differences, in the order of their names; or the manifest's blobs have no names that can be compared.
pub fn verify_manifest(
    signature: &Verified<Statement<ModelSignature>>,
    manifest: &Manifest,
    ignored: &[String],
) -> Result<Verified<Named>, ManifestError> {
    let signed = &signature.value().predicate;
    let resources = manifest
        .resources_but(&signed.signed_files())
        .map_err(ManifestError::Unfit)?;
    let is_left_out = |name: &str| {
        let below = |path: &String| {
            let rest = name.strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        ignored.iter().any(below)
    };
    let (left_out, blobs): (BTreeMap<_, _>, BTreeMap<_, _>) = resources
        .into_iter()
        .partition(|(name, _)| is_left_out(name));
    let form = match manifest.only_layer() && blobs.len() == 1 {
        true => Form::SingleFile,
        false => Form::Folder,
    };
    let there = blobs
        .iter()
        .map(|(name, digest)| (name.as_str(), (*digest).into()));
    let differences = differences(signed, Method::WHOLE_SHA256, there, form);
    if !differences.is_empty() {
        return Err(ManifestError::Differs(differences));
    }
    let named = Named {
        blobs,
        left_out: left_out.into_keys().collect(),
    };
    Ok(Verified::new(named, signature.proof().clone()))
}

/// Why a manifest does not name what was signed.
#[derive(Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// Its blobs have no names that can be compared.
    Unfit(OciError),
    /// It names other blobs.
    Differs(Vec<Difference>),
}
