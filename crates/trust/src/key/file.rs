//! The forms in which private keys stand in files, told apart by PEM's label.

use aws_lc_rs::signature::Ed25519KeyPair;
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs8::der::pem;
use pkcs8::der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::private::Secret;
use super::public::{algorithm, on_curve};
use super::{KeyAlgorithm, KeyError, PEM_SIZE_BYTES_MAX, cosign, legacy};

pub(super) const PKCS8_LABEL: &str = "PRIVATE KEY";
pub(super) const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";
const SEC1_LABEL: &str = "EC PRIVATE KEY";
pub(super) const SIGSTORE_LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const COSIGN_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
const RSA_LABEL: &str = "RSA PRIVATE KEY";
const SEC1_PARAMETERS: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(0),
};
const PARAMETERS_BEGIN: &str = "-----BEGIN EC PARAMETERS-----";
const PARAMETERS_END: &str = "-----END EC PARAMETERS-----";

/// A key file names the cost of opening it. Older ones of ours ask scrypt for 128 MiB, cosign's for 64 MiB; OpenSSL's ask
/// PBKDF2 for 2048 rounds.
const SCRYPT_SIZE_BYTES_MAX: u64 = 256 << 20;
/// Size times parallelization: what is computed one after the other.
const SCRYPT_WORK_BYTES_MAX: u64 = 1 << 30;
const SCRYPT_PARALLELIZATION_MAX: u32 = 16;
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// Whether a PEM text is an encrypted key, so that somebody can be asked for its password.
#[must_use]
pub fn looks_encrypted(text: &str) -> bool {
    [ENCRYPTED_LABEL, SIGSTORE_LABEL, COSIGN_LABEL]
        .iter()
        .any(|label| text.contains(label))
        || legacy::looks_encrypted(text)
}

/// Reads a key of any form.
pub(super) fn read(text: &str, password: Option<&str>) -> Result<Secret, KeyError> {
    if text.len() > PEM_SIZE_BYTES_MAX {
        return Err(KeyError::NotAPrivateKey);
    }
    let (text, parameters) = without_parameters(text.trim_ascii_end())?;
    let label = pem::decode_label(text.as_bytes()).map_err(|_| KeyError::NotAPrivateKey)?;
    let secret = match label {
        PKCS8_LABEL => from_pkcs8(&decoded(text)?)?,
        SEC1_LABEL if legacy::looks_encrypted(text) => {
            let password = password.ok_or(KeyError::PasswordMissing)?;
            let der = legacy::open(text, password.as_bytes())?;
            opened(from_sec1(&der))?
        }
        SEC1_LABEL => from_sec1(&decoded(text)?)?,
        ENCRYPTED_LABEL => from_encrypted(&decoded(text)?, password)?,
        SIGSTORE_LABEL | COSIGN_LABEL => {
            let sealed = cosign::Sealed::parse(&decoded(text)?)?;
            let password = password.ok_or(KeyError::PasswordMissing)?;
            from_pkcs8(&sealed.open(password.as_bytes())?)?
        }
        RSA_LABEL => return Err(KeyError::RsaSigns),
        _ => return Err(KeyError::NotAPrivateKey),
    };
    if parameters.is_some_and(|curve| curve != secret.algorithm()) {
        return Err(KeyError::NotAPrivateKey);
    }
    Ok(secret)
}

/// `openssl ecparam -genkey` writes the curve's name in a block of its own before the key.
fn without_parameters(text: &str) -> Result<(&str, Option<KeyAlgorithm>), KeyError> {
    if !text.starts_with(PARAMETERS_BEGIN) {
        return Ok((text, None));
    }
    let end = text.find(PARAMETERS_END).ok_or(KeyError::NotAPrivateKey)?;
    let (block, key) = text
        .split_at_checked(end + PARAMETERS_END.len())
        .ok_or(KeyError::NotAPrivateKey)?;
    let curve = ObjectIdentifier::from_der(&decoded(block)?);
    let curve = on_curve(curve.map_err(|_| KeyError::ExplicitCurve)?)?;
    Ok((key.trim_ascii_start(), Some(curve)))
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (_, bytes) = pem::decode_vec(text.as_bytes()).map_err(|_| KeyError::NotAPrivateKey)?;
    Ok(Zeroizing::new(bytes))
}

fn from_pkcs8(der: &[u8]) -> Result<Secret, KeyError> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::NotAPrivateKey)?;
    let secret = match algorithm(&info.algorithm)? {
        KeyAlgorithm::P256 => p256::SecretKey::try_from(info)
            .map(|key| Secret::P256(key.into()))
            .ok(),
        KeyAlgorithm::P384 => p384::SecretKey::try_from(info)
            .map(|key| Secret::P384(key.into()))
            .ok(),
        KeyAlgorithm::P521 => p521::SecretKey::try_from(info)
            .map(|key| Secret::P521(key.into()))
            .ok(),
        KeyAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .map(Secret::Ed25519)
            .ok(),
        KeyAlgorithm::Rsa => return Err(KeyError::RsaSigns),
    };
    secret.ok_or(KeyError::NotAPrivateKey)
}

/// RFC 5915, whose curve has to be named: what it names decides, and not what the key's length would fit.
fn from_sec1(der: &[u8]) -> Result<Secret, KeyError> {
    let secret = match curve_of_sec1(der)? {
        KeyAlgorithm::P256 => p256::SecretKey::from_sec1_der(der)
            .map(|key| Secret::P256(key.into()))
            .ok(),
        KeyAlgorithm::P384 => p384::SecretKey::from_sec1_der(der)
            .map(|key| Secret::P384(key.into()))
            .ok(),
        KeyAlgorithm::P521 => p521::SecretKey::from_sec1_der(der)
            .map(|key| Secret::P521(key.into()))
            .ok(),
        KeyAlgorithm::Ed25519 | KeyAlgorithm::Rsa => None,
    };
    secret.ok_or(KeyError::NotAPrivateKey)
}

fn curve_of_sec1(der: &[u8]) -> Result<KeyAlgorithm, KeyError> {
    let parameters = || {
        let mut reader = SliceReader::new(der)?;
        let parameters = reader.sequence(|key| {
            u8::decode(key)?;
            <&OctetStringRef>::decode(key)?;
            let parameters = AnyRef::decode(key)?;
            while !key.is_finished() {
                AnyRef::decode(key)?;
            }
            Ok::<_, pkcs8::der::Error>(parameters)
        })?;
        reader.finish()?;
        Ok::<_, pkcs8::der::Error>(parameters)
    };
    let parameters = parameters().map_err(|_| KeyError::NotAPrivateKey)?;
    if parameters.tag() != SEC1_PARAMETERS {
        return Err(KeyError::ExplicitCurve);
    }
    let curve = ObjectIdentifier::from_der(parameters.value());
    on_curve(curve.map_err(|_| KeyError::ExplicitCurve)?)
}

/// PBES2 (RFC 8018).
fn from_encrypted(der: &[u8], password: Option<&str>) -> Result<Secret, KeyError> {
    let sealed =
        EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::UnknownEncryption)?;
    let password = password.ok_or(KeyError::PasswordMissing)?;
    check_cost(&sealed)?;
    let opened_der = sealed
        .decrypt(password)
        .map_err(|_| KeyError::PasswordWrong)?;
    opened(from_pkcs8(opened_der.as_bytes()))
}

/// What a wrong password leaves is noise, once in some hundred times well padded: it is no key, and the password is why.
fn opened(read: Result<Secret, KeyError>) -> Result<Secret, KeyError> {
    read.map_err(|cause| match cause {
        KeyError::NotAPrivateKey => KeyError::PasswordWrong,
        other => other,
    })
}

/// Opening a key takes no more memory and time than anybody asks for who means to open it again.
fn check_cost(sealed: &EncryptedPrivateKeyInfoRef<'_>) -> Result<(), KeyError> {
    // PKCS#12's schemes and PBES1 are not opened at all.
    let scheme = sealed
        .encryption_algorithm
        .pbes2()
        .ok_or(KeyError::UnknownEncryption)?;
    if let Some(scrypt) = scheme.kdf.scrypt() {
        return check_scrypt(
            scrypt.cost_parameter,
            u32::from(scrypt.block_size),
            u32::from(scrypt.parallelization),
        );
    }
    let rounds = scheme.kdf.pbkdf2().map(|pbkdf2| pbkdf2.iteration_count);
    match rounds {
        Some(1..=PBKDF2_ROUNDS_MAX) => Ok(()),
        _ => Err(KeyError::TooCostly),
    }
}

/// The limits on scrypt, which are the same wherever a file asks for it.
pub(super) fn check_scrypt(
    cost: u64,
    block_size: u32,
    parallelization: u32,
) -> Result<(), KeyError> {
    let size = cost.checked_mul(128 * u64::from(block_size));
    let work = size.and_then(|size| size.checked_mul(u64::from(parallelization)));
    let is_affordable = size.is_some_and(|size| size <= SCRYPT_SIZE_BYTES_MAX)
        && work.is_some_and(|work| work <= SCRYPT_WORK_BYTES_MAX)
        && parallelization <= SCRYPT_PARALLELIZATION_MAX;
    if is_affordable {
        Ok(())
    } else {
        Err(KeyError::TooCostly)
    }
}
