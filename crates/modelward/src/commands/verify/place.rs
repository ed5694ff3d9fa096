//! Where a model's signature is; and if it isn't there, where else it may be.

use std::path::{Path, PathBuf};

use trust::Code;

use super::{Args, read_signature};
use crate::answer::Failure;
use crate::model::{SIGNATURE_ENDING, signature_path, unreadable};

/// What the reference's program calls a signature unless it is told otherwise.
const REFERENCE_NAME: &str = "model.sig";

/// The model and its signatures, whichever of the two was named.
pub(super) fn paths(args: &Args) -> Result<(PathBuf, Vec<PathBuf>), Failure> {
    if !args.signatures.is_empty() {
        return Ok((args.model.clone(), args.signatures.clone()));
    }
    let text = args.model.to_str();
    let named = text.and_then(|name| name.strip_suffix(SIGNATURE_ENDING));
    match named.map(PathBuf::from) {
        Some(model) if model.exists() => Ok((model, vec![args.model.clone()])),
        Some(model) if args.model.is_file() && !signature_path(&args.model)?.exists() => {
            let message = format!(
                "`{}` is a signature by its name, and `{}`, its model, is not there",
                args.model.display(),
                model.display()
            );
            let way = format!(
                "name the model: `modelward verify MODEL --signature {}`",
                args.model.display()
            );
            Err(Failure::error(Code::NotFound, message, way))
        }
        _ => Ok((args.model.clone(), vec![signature_path(&args.model)?])),
    }
}

/// Reads a model's signature, or says what to do where there is none.
pub(super) fn signature_of(model: &Path, signature: &Path) -> Result<Vec<u8>, Failure> {
    model
        .symlink_metadata()
        .map_err(|e| unreadable(model, &e))?;
    if signature.symlink_metadata().is_err() {
        let message = format!("there is no signature at `{}`", signature.display());
        let sign = format!("`modelward sign {}`", model.display());
        let way = missing_way(model, signature, &sign);
        return Err(Failure::error(Code::NotFound, message, way));
    }
    read_signature(signature)
}

/// What to do where a signature is not: there is one elsewhere, or the model was never signed.
pub(crate) fn missing_way(model: &Path, looked: &Path, sign: &str) -> String {
    let beside = signature_path(model).ok();
    let places = [
        Some(model.join(REFERENCE_NAME)),
        beside,
        Some(REFERENCE_NAME.into()),
    ];
    let mut places = places.into_iter().flatten();
    match places.find(|place| place != looked && place.is_file()) {
        Some(found) => format!(
            "there is one at `{0}`: say so with `--signature {0}`",
            found.display()
        ),
        None => format!(
            "sign it first, with {sign}; or say where its signature is, with `--signature FILE`"
        ),
    }
}
