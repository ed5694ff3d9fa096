//! Who signed: the one of the trust root's that made one of a bundle's signatures.

use crate::{Bundle, Error, Material, RootKey, TrustRoot};

/// What exactly was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// DSSE's pre-authentication encoding.
    Dsse,
    /// What the first release of OpenSSF model signing made of it.
    FirstRelease,
}

/// The key of the root that made one of the signatures.
pub(super) fn signer<'a>(
    bundle: &Bundle,
    root: &'a TrustRoot,
) -> Result<(&'a RootKey, Encoding), Error> {
    let hint = match bundle.material() {
        Material::Key { hint } => hint,
        Material::Certificate { .. } => {
            return Err(Error::Method {
                got: "with a certificate",
            });
        }
        Material::Keyless { .. } => return Err(Error::Method { got: "keylessly" }),
    };
    let signed = |key: &RootKey| encoding(bundle, |bytes, sig| key.public_key.verifies(bytes, sig));
    // Only one key can be named; with more signatures, others than its may be there too.
    let has_more = bundle.envelope().signatures.len() > 1;
    let named = match hint {
        Some(id) => match root.key(*id) {
            Some(key) => Some(key),
            None if has_more => None,
            None => return Err(Error::KeyUnknown { key: Some(*id) }),
        },
        None => None,
    };
    if let Some(key) = named {
        if let Some(encoding) = signed(key) {
            return Ok((key, encoding));
        }
        if !has_more {
            let key_name = key.name.clone();
            return Err(Error::Signature { key_name });
        }
    }
    root.keys()
        .find_map(|key| Some((key, signed(key)?)))
        .ok_or(Error::KeyUnknown { key: None })
}

/// How what a key signed was encoded, if it made one of the signatures.
fn encoding(bundle: &Bundle, verifies: impl Fn(&[u8], &[u8]) -> bool) -> Option<Encoding> {
    let envelope = bundle.envelope();
    let is_signed = |bytes: &[u8]| {
        let mut signatures = envelope.signatures.iter();
        signatures.any(|signature| verifies(bytes, signature))
    };
    if is_signed(&envelope.signed_bytes()) {
        return Some(Encoding::Dsse);
    }
    let odd = envelope.bytes_signed_by_first_release()?;
    is_signed(&odd).then_some(Encoding::FirstRelease)
}
