//! ECDSA signatures in their two forms: DER (`SEQUENCE { r, s }`), which bundles hold, and the two numbers side by side,
//! each as long as a coordinate, which tokens answer with (PKCS#11, CKM_ECDSA).

use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode, Encode, Reader, SliceReader, Tag};

use super::{KeyAlgorithm, KeyError};

/// Puts `r‖s` into DER.
///
/// # Errors
/// The kind is not ECDSA, the length is not the kind's, or a number is zero.
pub fn ecdsa_to_der(algorithm: KeyAlgorithm, numbers: &[u8]) -> Result<Vec<u8>, KeyError> {
    let len = algorithm.coordinate_len().ok_or(KeyError::NotASignature)?;
    let (r, s) = numbers
        .split_at_checked(len)
        .filter(|(_, s)| s.len() == len)
        .ok_or(KeyError::NotASignature)?;
    let write = || {
        let (r, s) = (UintRef::new(r)?, UintRef::new(s)?);
        let content = (r.encoded_len()? + s.encoded_len()?)?;
        let mut der = Vec::new();
        pkcs8::der::Header::new(Tag::Sequence, content).encode_to_vec(&mut der)?;
        r.encode_to_vec(&mut der)?;
        s.encode_to_vec(&mut der)?;
        Ok::<_, pkcs8::der::Error>(der)
    };
    let is_zero = |number: &[u8]| number.iter().all(|byte| *byte == 0);
    if is_zero(r) || is_zero(s) {
        return Err(KeyError::NotASignature);
    }
    write().map_err(|_| KeyError::NotASignature)
}

/// Takes DER apart into `r‖s`.
///
/// # Errors
/// The kind is not ECDSA, or it is no strict DER of two numbers that fit the kind.
pub fn ecdsa_from_der(algorithm: KeyAlgorithm, der: &[u8]) -> Result<Vec<u8>, KeyError> {
    let len = algorithm.coordinate_len().ok_or(KeyError::NotASignature)?;
    let read = || {
        let mut reader = SliceReader::new(der)?;
        let numbers = reader.sequence(|numbers| {
            let r = UintRef::decode(numbers)?.as_bytes();
            Ok::<_, pkcs8::der::Error>((r, UintRef::decode(numbers)?.as_bytes()))
        })?;
        reader.finish()?;
        Ok::<_, pkcs8::der::Error>(numbers)
    };
    let (r, s) = read().map_err(|_| KeyError::NotASignature)?;
    let mut numbers = Vec::with_capacity(2 * len);
    for number in [r, s] {
        let missing = len
            .checked_sub(number.len())
            .ok_or(KeyError::NotASignature)?;
        numbers.resize(numbers.len() + missing, 0);
        numbers.extend_from_slice(number);
    }
    Ok(numbers)
}
