use std::error::Error;
use std::path::Path;

use digest::{Links, Walk, list_resources};
use trust::predicate::{Form, ModelSignature};
use trust::{PublicKey, Role, Time, TrustRoot, verify, verify_resources};

/// Who signed the model, if it is as it was signed.
pub fn verify_model(
    model: &Path,
    bundle: &[u8],
    key: &str,
    now: Time,
) -> Result<String, Box<dyn Error>> {
    let root = TrustRoot::of_key(PublicKey::from_pem(key)?, Role::Sign);
    let signature = verify::<ModelSignature>(bundle, &root, now)?;
    let signed = &signature.value().predicate;
    let ignore = |path: &str| signed.ignored().iter().any(|ignored| ignored == path);
    let links = if signed.follows_links() {
        Links::Inside(model)
    } else {
        Links::Refuse
    };
    let walk = Walk {
        ignore: &ignore,
        links,
    };
    let files = list_resources(model, &walk, signed.method(), &|_bytes_read| ())?;
    let form = if model.is_dir() {
        Form::Folder
    } else {
        Form::SingleFile
    };
    match verify_resources(&signature, signed.method(), files, form) {
        Ok(verified) => Ok(verified.proof().key_name.clone()),
        Err(differences) => Err(format!("not as it was signed: {differences:?}").into()),
    }
}
