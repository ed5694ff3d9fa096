//! Public keys: read from `SubjectPublicKeyInfo` (RFC 5280, 5480, 8410), of known kinds, each in its one encoding.

use std::fmt;

use aws_lc_rs::signature::UnparsedPublicKey;
use digest::Digest;
use pkcs8::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use pkcs8::der::pem::{self, LineEnding};
use pkcs8::der::{Decode, Encode, Reader, SliceReader};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::{KeyAlgorithm, KeyError, KeyId, PEM_SIZE_BYTES_MAX};

const LABEL: &str = "PUBLIC KEY";
const ID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ID_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ID_P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ID_SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");

const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;
/// AWS-LC computes with no larger exponent; nobody's is.
const RSA_EXPONENT_BITS_MAX: usize = 33;
/// The first byte of a point that is written whole.
const UNCOMPRESSED: u8 = 4;

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    der: Vec<u8>,
    pem: String,
    key_bytes: Vec<u8>,
    id: KeyId,
}

impl PublicKey {
    /// Reads a PEM `SubjectPublicKeyInfo`, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// It is anything else, or a key that is not used here (see [`Self::from_spki_der`]).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > PEM_SIZE_BYTES_MAX {
            return Err(KeyError::NotAPublicKey);
        }
        let (label, der) = pem::decode_vec(text.trim_ascii_end().as_bytes())
            .map_err(|_| KeyError::NotAPublicKey)?;
        if label != LABEL {
            return Err(KeyError::NotAPublicKey);
        }
        Self::from_spki_der(&der)
    }

    /// Reads a DER `SubjectPublicKeyInfo`, as certificates hold it.
    ///
    /// # Errors
    /// It is anything else or has data behind it, is of an unknown kind or curve, an RSA key of less than 2048 or more
    /// than 8192 bits, an Ed25519 key that anybody can sign for, or its point is not on its curve or not written whole.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > PEM_SIZE_BYTES_MAX {
            return Err(KeyError::NotAPublicKey);
        }
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::NotAPublicKey)?;
        let key_bytes = info
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::NotAPublicKey)?;
        let algorithm = algorithm(&info.algorithm)?;
        check(algorithm, key_bytes)?;
        // One key has one text, and its name is made of that: what is read has to be what is written.
        if info.to_der().ok().as_deref() != Some(der) {
            return Err(KeyError::NotAPublicKey);
        }
        let pem =
            pem::encode_string(LABEL, LineEnding::LF, der).map_err(|_| KeyError::NotAPublicKey)?;
        Ok(Self {
            algorithm,
            der: der.to_vec(),
            id: Digest::of(pem.as_bytes()),
            pem,
            key_bytes: key_bytes.to_vec(),
        })
    }

    /// Puts an ECDSA key together of its curve's name (an object identifier in DER, `CKA_EC_PARAMS`) and its point.
    ///
    /// # Errors
    /// As [`Self::from_spki_der`].
    pub fn from_point(curve_der: &[u8], point: &[u8]) -> Result<Self, KeyError> {
        let curve: ObjectIdentifier =
            Decode::from_der(curve_der).map_err(|_| KeyError::ExplicitCurve)?;
        let parameters = Some(AnyRef::from(&curve));
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef {
                oid: ID_EC,
                parameters,
            },
            subject_public_key: BitStringRef::from_bytes(point).map_err(|_| KeyError::OddPoint)?,
        };
        Self::from_spki_der(&info.to_der().map_err(|_| KeyError::NotAPublicKey)?)
    }

    /// The kind of key.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key as PEM, as `openssl pkey -pubout` writes it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key as a DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What stands inside the `SubjectPublicKeyInfo`: an uncompressed point, an Ed25519 key's 32 bytes, or an
    /// `RSAPublicKey` in DER.
    #[must_use]
    pub fn key_bytes(&self) -> &[u8] {
        &self.key_bytes
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Whether this key made this signature over these bytes, in the one way in which its kind signs. ECDSA signatures
    /// are strict DER.
    #[must_use]
    pub fn verifies(&self, signed_bytes: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm.verification(), &self.key_bytes);
        key.verify(signed_bytes, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}:{})", self.algorithm, self.id.short())
    }
}

/// The kind that an algorithm identifier names.
pub(super) fn algorithm(identifier: &AlgorithmIdentifierRef<'_>) -> Result<KeyAlgorithm, KeyError> {
    match identifier.oid {
        ID_EC => {
            let parameters = identifier.parameters.ok_or(KeyError::ExplicitCurve)?;
            let curve = parameters
                .decode_as::<ObjectIdentifier>()
                .map_err(|_| KeyError::ExplicitCurve)?;
            on_curve(curve)
        }
        ID_ED25519 if identifier.parameters.is_none() => Ok(KeyAlgorithm::Ed25519),
        ID_RSA if identifier.parameters.is_some_and(|p| p.is_null()) => Ok(KeyAlgorithm::Rsa),
        other => Err(KeyError::UnknownKind {
            kind: other.to_string(),
        }),
    }
}

/// The kind of a key on this curve.
pub(super) fn on_curve(curve: ObjectIdentifier) -> Result<KeyAlgorithm, KeyError> {
    match curve {
        ID_P256 => Ok(KeyAlgorithm::P256),
        ID_P384 => Ok(KeyAlgorithm::P384),
        ID_P521 => Ok(KeyAlgorithm::P521),
        ID_SECP256K1 => Err(KeyError::UnknownCurve {
            curve: "secp256k1".to_owned(),
        }),
        other => Err(KeyError::UnknownCurve {
            curve: other.to_string(),
        }),
    }
}

fn check(algorithm: KeyAlgorithm, key_bytes: &[u8]) -> Result<(), KeyError> {
    match algorithm {
        KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521 => {
            check_point(algorithm, key_bytes)
        }
        KeyAlgorithm::Ed25519 => check_ed25519(key_bytes),
        KeyAlgorithm::Rsa => check_rsa(key_bytes),
    }
}

/// A point has several encodings. Only the one that OpenSSL and Go write is read, or a key would have several names.
fn check_point(algorithm: KeyAlgorithm, point: &[u8]) -> Result<(), KeyError> {
    let len = algorithm.coordinate_len().map(|len| 1 + 2 * len);
    if point.first() != Some(&UNCOMPRESSED) || Some(point.len()) != len {
        return Err(KeyError::OddPoint);
    }
    let is_on_curve = match algorithm {
        KeyAlgorithm::P384 => p384::PublicKey::from_sec1_bytes(point).is_ok(),
        KeyAlgorithm::P521 => p521::PublicKey::from_sec1_bytes(point).is_ok(),
        _ => p256::PublicKey::from_sec1_bytes(point).is_ok(),
    };
    if is_on_curve {
        Ok(())
    } else {
        Err(KeyError::OddPoint)
    }
}

/// For a point of small order anybody can make signatures; and a coordinate at or above the field's prime is a second
/// spelling of a smaller one.
fn check_ed25519(key: &[u8]) -> Result<(), KeyError> {
    const HIGHEST: u8 = 0x7f;
    let mut y = <[u8; 32]>::try_from(key).map_err(|_| KeyError::NotAPublicKey)?;
    y[31] &= HIGHEST;
    let is_above_prime = y[0] >= 0xed && y[1..31].iter().all(|b| *b == 0xff) && y[31] == HIGHEST;
    if is_above_prime || SMALL_ORDER.contains(&y) {
        return Err(KeyError::OddPoint);
    }
    Ok(())
}

fn check_rsa(key: &[u8]) -> Result<(), KeyError> {
    let (modulus, exponent) = rsa_numbers(key).map_err(|_| KeyError::NotAPublicKey)?;
    let bits = bit_len(modulus);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let exponent_bits = bit_len(exponent);
    if !is_odd(modulus)
        || !is_odd(exponent)
        || !(2..=RSA_EXPONENT_BITS_MAX).contains(&exponent_bits)
    {
        return Err(KeyError::NotAPublicKey);
    }
    Ok(())
}

/// `RSAPublicKey`: modulus and exponent, big-endian.
fn rsa_numbers(key: &[u8]) -> Result<(&[u8], &[u8]), pkcs8::der::Error> {
    let mut reader = SliceReader::new(key)?;
    let numbers = reader.sequence(|numbers| {
        let modulus = UintRef::decode(numbers)?.as_bytes();
        Ok::<_, pkcs8::der::Error>((modulus, UintRef::decode(numbers)?.as_bytes()))
    })?;
    reader.finish()?;
    Ok(numbers)
}

fn bit_len(number: &[u8]) -> usize {
    let leading = number
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() * 8).saturating_sub(leading)
}

/// The `y` of Ed25519's points of order 1, 2, 4 and 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    first_byte(1),
    // p - 1
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

const fn first_byte(byte: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = byte;
    bytes
}
