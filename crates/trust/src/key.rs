//! Keys: ECDSA P-256, verified by AWS-LC, made and signed with by RustCrypto (deterministic, RFC 6979).

use std::fmt;

use digest::Digest;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::bundle::{Bundle, Material};
use crate::dsse::{Envelope, PAYLOAD_TYPE};

mod algorithm;
mod public;

pub use algorithm::KeyAlgorithm;
pub use public::PublicKey;

/// A PEM file of one key is some hundreds of bytes.
const PEM_SIZE_BYTES_MAX: usize = 16 * 1024;
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// What our key files ask of scrypt: 16 MiB, five times over. OpenSSL opens none that asks for 32 MiB or more, and five
/// rounds make up for it.
const SCRYPT_LOG_COST: u8 = 14;
const SCRYPT_BLOCK_SIZE: u32 = 8;
const SCRYPT_PARALLELIZATION: u32 = 5;
/// A key file names the cost of opening it. Older ones of ours ask scrypt for 128 MiB; OpenSSL's ask PBKDF2 for 2048 rounds.
const SCRYPT_SIZE_BYTES_MAX: u64 = 256 << 20;
const SCRYPT_PARALLELIZATION_MAX: u16 = 16;
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// The name of a public key: SHA-256 of its PEM text, as OpenSSF model signing has it (the bundle's `hint`).
pub type KeyId = Digest;

/// Signs. What holds the key is its own business: a file here; a token or a key service are others.
pub trait Signer {
    /// The public half of the key that signs.
    fn public_key(&self) -> &PublicKey;

    /// Signs these bytes (DSSE's pre-authentication encoding): ECDSA over their SHA-256, in DER.
    ///
    /// # Errors
    /// What holds the key does not answer.
    fn sign(&self, signed_bytes: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Seals a statement's bytes into a bundle.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    fn seal(&self, payload: Vec<u8>) -> Result<Bundle, KeyError> {
        let payload_type = PAYLOAD_TYPE.to_owned();
        let mut envelope = Envelope {
            payload_type,
            payload,
            signatures: Vec::new(),
        };
        envelope
            .signatures
            .push(self.sign(&envelope.signed_bytes())?);
        let hint = Some(self.public_key().id());
        Ok(Bundle::new(envelope, Material::Key { hint }))
    }
}

/// A P-256 private key in memory. Wiped when dropped; never printed.
pub struct PrivateKey {
    key: SigningKey,
    public: PublicKey,
}

/// Fresh randomness that encrypting a key takes.
#[derive(Debug, Clone, Copy)]
pub struct EncryptionSeed {
    /// For the key derivation.
    pub salt: [u8; 16],
    /// For the cipher.
    pub iv: [u8; 16],
}

impl PrivateKey {
    /// Makes a key of 32 fresh random bytes.
    ///
    /// # Errors
    /// The bytes are no valid scalar, which happens once in 2^32 draws: draw again.
    pub fn from_random(random: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = p256::SecretKey::from_slice(random).map_err(|_| KeyError::NotAPrivateKey)?;
        Self::from_secret(&secret)
    }

    /// Reads a PEM private key in PKCS#8 (RFC 5958), decrypting it with `password` if it is encrypted (PBES2), or in the
    /// form that `openssl ecparam -genkey -noout` writes (RFC 5915).
    ///
    /// # Errors
    /// It is no such key, of another curve, encrypted and no password is there, or the password is wrong.
    pub fn from_pem(pem: &str, password: Option<&str>) -> Result<Self, KeyError> {
        if pem.len() > PEM_SIZE_BYTES_MAX {
            return Err(KeyError::NotAPrivateKey);
        }
        let secret = if looks_encrypted(pem) {
            let password = password.ok_or(KeyError::PasswordMissing)?;
            let (_, der) =
                pkcs8::SecretDocument::from_pem(pem).map_err(|_| KeyError::NotAPrivateKey)?;
            let sealed = EncryptedPrivateKeyInfoRef::try_from(der.as_bytes())
                .map_err(|_| KeyError::NotAPrivateKey)?;
            if !is_affordable(&sealed) {
                return Err(KeyError::TooCostly);
            }
            let opened = sealed
                .decrypt(password)
                .map_err(|_| KeyError::PasswordWrong)?;
            p256::SecretKey::from_pkcs8_der(opened.as_bytes())
                .map_err(|_| KeyError::PasswordWrong)?
        } else {
            p256::SecretKey::from_pkcs8_pem(pem)
                .ok()
                .or_else(|| p256::SecretKey::from_sec1_pem(pem).ok())
                .ok_or(KeyError::NotAPrivateKey)?
        };
        Self::from_secret(&secret)
    }

    fn from_secret(secret: &p256::SecretKey) -> Result<Self, KeyError> {
        let public = {
            let der = secret.public_key().to_public_key_der();
            PublicKey::from_spki_der(der.map_err(|_| KeyError::NotAPrivateKey)?.as_bytes())?
        };
        Ok(Self {
            key: SigningKey::from(secret),
            public,
        })
    }

    /// The key as PKCS#8 PEM: encrypted (PBES2 with scrypt and AES-256-CBC, which OpenSSL reads) if a password is given.
    ///
    /// # Errors
    /// The password is empty.
    pub fn to_pem(
        &self,
        password: Option<(&str, EncryptionSeed)>,
    ) -> Result<Zeroizing<String>, KeyError> {
        let der = self
            .key
            .to_pkcs8_der()
            .map_err(|_| KeyError::NotAPrivateKey)?;
        let Some((password, seed)) = password else {
            return der
                .to_pem("PRIVATE KEY", LineEnding::LF)
                .map_err(|_| KeyError::NotAPrivateKey);
        };
        if password.is_empty() {
            return Err(KeyError::PasswordMissing);
        }
        let info =
            PrivateKeyInfoRef::try_from(der.as_bytes()).map_err(|_| KeyError::NotAPrivateKey)?;
        let sealed = info
            .encrypt_with_params(encryption(seed)?, password)
            .map_err(|_| KeyError::NotAPrivateKey)?;
        sealed
            .to_pem(ENCRYPTED_LABEL, LineEnding::LF)
            .map_err(|_| KeyError::NotAPrivateKey)
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed_bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature: DerSignature = self.key.sign(signed_bytes);
        Ok(signature.as_bytes().to_vec())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(p256:{})", self.public.id().short())
    }
}

fn encryption(seed: EncryptionSeed) -> Result<pbes2::Parameters, KeyError> {
    scrypt::Params::new(SCRYPT_LOG_COST, SCRYPT_BLOCK_SIZE, SCRYPT_PARALLELIZATION)
        .ok()
        .and_then(|cost| {
            pbes2::Parameters::generate_scrypt_aes256cbc(cost, &seed.salt, seed.iv).ok()
        })
        .ok_or(KeyError::NotAPrivateKey)
}

/// Whether opening a key takes no more memory and time than anybody asks for who means to open it again.
fn is_affordable(sealed: &EncryptedPrivateKeyInfoRef<'_>) -> bool {
    // Older schemes are not opened at all.
    let Some(scheme) = sealed.encryption_algorithm.pbes2() else {
        return true;
    };
    if let Some(scrypt) = scheme.kdf.scrypt() {
        let size_bytes = scrypt
            .cost_parameter
            .checked_mul(u64::from(scrypt.block_size) * 128);
        return size_bytes.is_some_and(|size| size <= SCRYPT_SIZE_BYTES_MAX)
            && scrypt.parallelization <= SCRYPT_PARALLELIZATION_MAX;
    }
    let pbkdf2 = scheme.kdf.pbkdf2();
    pbkdf2.is_some_and(|pbkdf2| pbkdf2.iteration_count <= PBKDF2_ROUNDS_MAX)
}

/// Whether a PEM text is an encrypted key, so that somebody can be asked for its password.
#[must_use]
pub fn looks_encrypted(pem: &str) -> bool {
    pem.contains(ENCRYPTED_LABEL)
}

/// Why a key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no public key.
    #[error("this is not a public key in PEM (`BEGIN PUBLIC KEY`) or DER")]
    NotAPublicKey,
    /// The text is no private key.
    #[error("this is not a P-256, P-384 or P-521 private key in PEM")]
    NotAPrivateKey,
    /// A kind of key that is not used here.
    #[error(
        "this is a key of the kind {kind}, where ECDSA, Ed25519 and RSA (PKCS#1) keys are known"
    )]
    UnknownKind {
        /// Its object identifier.
        kind: String,
    },
    /// A curve that is not used here.
    #[error("this key is on the curve `{curve}`, where P-256, P-384 and P-521 are known")]
    UnknownCurve {
        /// Its name, or object identifier.
        curve: String,
    },
    /// A curve that is spelt out: it can be any, and look like a known one.
    #[error(
        "this key does not name its curve; write it anew with `openssl ec -param_enc named_curve`"
    )]
    ExplicitCurve,
    /// A point in another encoding, not on its curve, or of small order.
    #[error(
        "this key's point is not on its curve, weak, or not written whole; if it is compressed, write it anew with `openssl ec -conv_form uncompressed`"
    )]
    OddPoint,
    /// An RSA key that is too small or too large.
    #[error("this RSA key has {bits} bits, where 2048 to 8192 are allowed")]
    RsaSize {
        /// Its size.
        bits: usize,
    },
    /// The key is encrypted.
    #[error("the key is encrypted and no password was given")]
    PasswordMissing,
    /// The password does not open the key.
    #[error("the password does not open the key")]
    PasswordWrong,
    /// The file asks for too much.
    #[error(
        "the key file asks for more memory or time to open it than any key needs; encrypt it again with `openssl pkcs8 -topk8`"
    )]
    TooCostly,
    /// What holds the key failed.
    #[error("what holds the key does not answer: {0}")]
    Holder(String),
}

#[cfg(test)]
mod tests {
    use pkcs8::der::EncodePem;

    use super::*;

    const SEED: EncryptionSeed = EncryptionSeed {
        salt: [1; 16],
        iv: [2; 16],
    };

    fn key() -> PrivateKey {
        PrivateKey::from_random(&[7; 32]).unwrap()
    }

    #[test]
    fn signs_the_same_each_time_and_verifies() {
        let signature = key().sign(b"statement").unwrap();
        assert_eq!(signature, key().sign(b"statement").unwrap());
        assert!(key().public.verifies(b"statement", &signature));
        assert!(!key().public.verifies(b"Statement", &signature));
        for at in 0..signature.len() {
            let mut altered = signature.clone();
            altered[at] ^= 1;
            assert!(!key().public.verifies(b"statement", &altered), "byte {at}");
        }
        let other = PrivateKey::from_random(&[8; 32]).unwrap();
        assert!(!other.public.verifies(b"statement", &signature));
    }

    #[test]
    fn keys_survive_pem_with_and_without_a_password() {
        let plain = key().to_pem(None).unwrap();
        assert_eq!(
            PrivateKey::from_pem(&plain, None).unwrap().public,
            key().public
        );
        let sec1 = p256::SecretKey::from(key().key.as_nonzero_scalar())
            .to_sec1_pem(LineEnding::LF)
            .unwrap();
        assert!(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
        assert_eq!(
            PrivateKey::from_pem(&sec1, None).unwrap().public,
            key().public
        );
        let cut = sec1.replacen('M', "", 1);
        assert_eq!(
            PrivateKey::from_pem(&cut, None).unwrap_err(),
            KeyError::NotAPrivateKey
        );
        let sealed = key().to_pem(Some(("secret", SEED))).unwrap();
        assert!(looks_encrypted(&sealed) && !looks_encrypted(&plain));
        assert_eq!(
            PrivateKey::from_pem(&sealed, Some("secret"))
                .unwrap()
                .public,
            key().public
        );
        assert_eq!(
            PrivateKey::from_pem(&sealed, Some("Secret")).unwrap_err(),
            KeyError::PasswordWrong
        );
        assert_eq!(
            PrivateKey::from_pem(&sealed, None).unwrap_err(),
            KeyError::PasswordMissing
        );
        let public = key().public;
        assert_eq!(PublicKey::from_pem(public.pem()).unwrap(), public);
    }

    #[test]
    fn openssl_has_the_memory_to_open_our_keys() {
        let ours = encryption(SEED).unwrap();
        let scrypt = ours.kdf.scrypt().unwrap();
        let (n, r) = (scrypt.cost_parameter, u64::from(scrypt.block_size));
        let p = u64::from(scrypt.parallelization);
        assert!(128 * r * (n + 2 + p) <= 32 << 20);
    }

    #[test]
    fn a_key_that_asks_for_too_much_is_not_opened() {
        let ours = encryption(SEED).unwrap();
        let sealed = |cost: u64, parallelization: u16| {
            let scrypt = pbes2::ScryptParams {
                cost_parameter: cost,
                parallelization,
                ..*ours.kdf.scrypt().unwrap()
            };
            let scheme = pbes2::Parameters {
                kdf: scrypt.into(),
                encryption: ours.encryption,
            };
            let info = pkcs8::EncryptedPrivateKeyInfoOwned {
                encryption_algorithm: scheme.into(),
                encrypted_data: pkcs8::der::asn1::OctetString::new([0; 16]).unwrap(),
            };
            info.to_pem(LineEnding::LF).unwrap()
        };
        let opened = |pem: &str| PrivateKey::from_pem(pem, Some("secret")).unwrap_err();
        assert_eq!(opened(&sealed(2, 1)), KeyError::PasswordWrong);
        for (cost, parallelization) in [(1 << 19, 1), (1 << 62, 1), (u64::MAX, 1), (2, 17)] {
            assert_eq!(
                opened(&sealed(cost, parallelization)),
                KeyError::TooCostly,
                "{cost}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_key() {
        for text in [
            "",
            "hello",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ] {
            assert_eq!(
                PublicKey::from_pem(text).unwrap_err(),
                KeyError::NotAPublicKey
            );
            assert_eq!(
                PrivateKey::from_pem(text, None).unwrap_err(),
                KeyError::NotAPrivateKey
            );
        }
        assert!(PrivateKey::from_random(&[0; 32]).is_err());
        assert!(PrivateKey::from_random(&[0xff; 32]).is_err());
    }
}
