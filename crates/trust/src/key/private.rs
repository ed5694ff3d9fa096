//! Private keys in memory: made of randomness or read from a file, they sign the same bytes the same way each time.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use p256::ecdsa::signature::Signer as _;
use pkcs8::der::asn1::BitStringRef;
use pkcs8::der::pem::{self, LineEnding};
use pkcs8::der::{Encode, SecretDocument};
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::spki::{AlgorithmIdentifierRef, EncodePublicKey, SubjectPublicKeyInfoRef};
use pkcs8::{EncodePrivateKey, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::public::ID_ED25519;
use super::{CosignSeed, KeyAlgorithm, KeyError, PublicKey, Signer, cosign, file};

/// What our key files ask of scrypt: 16 MiB, five times over. OpenSSL opens none that asks for 32 MiB or more, and five
/// rounds make up for it.
const SCRYPT_LOG_COST: u8 = 14;
const SCRYPT_BLOCK_SIZE: u32 = 8;
const SCRYPT_PARALLELIZATION: u32 = 5;

/// A private key in memory. Wiped when dropped; never printed.
pub struct PrivateKey {
    secret: Secret,
    public: PublicKey,
}

/// The kinds that sign. RSA is not among them: its keys are verified and not used.
pub(super) enum Secret {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Ed25519(Ed25519KeyPair),
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
    /// Makes a P-256 key of 32 fresh random bytes.
    ///
    /// # Errors
    /// The bytes are no valid scalar, which happens once in 2^32 draws: draw again.
    pub fn from_random(random: &[u8; 32]) -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(random);
        Self::from_secret(Secret::P256(key.map_err(|_| KeyError::NotAPrivateKey)?))
    }

    /// Reads an ECDSA key from any of these forms of PEM:
    ///
    /// - PKCS#8 (RFC 5958), plain, or encrypted with PBES2 (AES in CBC or GCM mode or Triple DES; PBKDF2 or scrypt);
    /// - RFC 5915 (`EC PRIVATE KEY`), also behind `EC PARAMETERS`, plain, or encrypted the old way (`Proc-Type: 4,ENCRYPTED`,
    ///   AES or Triple DES in CBC mode);
    /// - cosign's (`ENCRYPTED SIGSTORE PRIVATE KEY`, `ENCRYPTED COSIGN PRIVATE KEY`).
    ///
    /// # Errors
    /// It is no such key, of a kind that does not sign here, encrypted and no password is there, the password is wrong,
    /// or opening it costs too much. Ed25519 keys are refused: see [`Self::from_pem_also_ed25519`].
    pub fn from_pem(text: &str, password: Option<&str>) -> Result<Self, KeyError> {
        let key = Self::from_pem_also_ed25519(text, password)?;
        if key.public.algorithm() == KeyAlgorithm::Ed25519 {
            return Err(KeyError::Ed25519);
        }
        Ok(key)
    }

    /// As [`Self::from_pem`], and Ed25519 keys in PKCS#8 too. Model signing's specification does not know them, and its
    /// reference refuses what they sign: somebody has to have asked for one.
    ///
    /// # Errors
    /// As [`Self::from_pem`].
    pub fn from_pem_also_ed25519(text: &str, password: Option<&str>) -> Result<Self, KeyError> {
        Self::from_secret(file::read(text, password)?)
    }

    pub(super) fn from_secret(secret: Secret) -> Result<Self, KeyError> {
        let public = secret.public_key().ok_or(KeyError::NotAPrivateKey)?;
        Ok(Self { secret, public })
    }

    /// The key as PKCS#8 PEM: encrypted (PBES2 with scrypt and AES-256-CBC, which OpenSSL reads) if a password is given.
    ///
    /// # Errors
    /// The password is empty.
    pub fn to_pem(
        &self,
        password: Option<(&str, EncryptionSeed)>,
    ) -> Result<Zeroizing<String>, KeyError> {
        let der = self.secret.to_pkcs8().ok_or(KeyError::NotAPrivateKey)?;
        let Some((password, seed)) = password else {
            return pem::encode_string(file::PKCS8_LABEL, LineEnding::LF, der.as_bytes())
                .map(Zeroizing::new)
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
            .to_pem(file::ENCRYPTED_LABEL, LineEnding::LF)
            .map_err(|_| KeyError::NotAPrivateKey)
    }

    /// The key as `cosign generate-key-pair` writes one, which cosign and [`Self::from_pem`] read. As there, the password may be
    /// empty.
    ///
    /// # Errors
    /// The key can't be written as PKCS#8.
    pub fn to_cosign_pem(
        &self,
        password: &str,
        seed: CosignSeed,
    ) -> Result<Zeroizing<String>, KeyError> {
        let der = self.secret.to_pkcs8().ok_or(KeyError::NotAPrivateKey)?;
        let sealed = cosign::seal(der.as_bytes(), password.as_bytes(), seed)?;
        pem::encode_string(file::SIGSTORE_LABEL, LineEnding::LF, &sealed)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::NotAPrivateKey)
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed_bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.secret.sign(signed_bytes))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = &self.public;
        write!(
            f,
            "PrivateKey({}:{})",
            public.algorithm(),
            public.id().short()
        )
    }
}

impl Secret {
    pub(super) const fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::P256(_) => KeyAlgorithm::P256,
            Self::P384(_) => KeyAlgorithm::P384,
            Self::P521(_) => KeyAlgorithm::P521,
            Self::Ed25519(_) => KeyAlgorithm::Ed25519,
        }
    }

    fn sign(&self, signed_bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(signed_bytes);
                signature.as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.sign(signed_bytes);
                signature.as_bytes().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::DerSignature = key.sign(signed_bytes);
                signature.as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(signed_bytes).as_ref().to_vec(),
        }
    }

    fn public_key(&self) -> Option<PublicKey> {
        let der = match self {
            Self::P256(key) => key.verifying_key().to_public_key_der().ok()?.into_vec(),
            Self::P384(key) => key.verifying_key().to_public_key_der().ok()?.into_vec(),
            Self::P521(key) => key.verifying_key().to_public_key_der().ok()?.into_vec(),
            Self::Ed25519(key) => ed25519_der(key.public_key().as_ref())?,
        };
        PublicKey::from_spki_der(&der).ok()
    }

    fn to_pkcs8(&self) -> Option<SecretDocument> {
        match self {
            Self::P256(key) => key.to_pkcs8_der().ok(),
            Self::P384(key) => key.to_pkcs8_der().ok(),
            Self::P521(key) => key.to_pkcs8_der().ok(),
            Self::Ed25519(key) => {
                let der = key.to_pkcs8v1().ok()?;
                SecretDocument::try_from(der.as_ref()).ok()
            }
        }
    }
}

fn ed25519_der(key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AlgorithmIdentifierRef {
        oid: ID_ED25519,
        parameters: None,
    };
    let info = SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key: BitStringRef::from_bytes(key).ok()?,
    };
    info.to_der().ok()
}

fn encryption(seed: EncryptionSeed) -> Result<pbes2::Parameters, KeyError> {
    scrypt::Params::new(SCRYPT_LOG_COST, SCRYPT_BLOCK_SIZE, SCRYPT_PARALLELIZATION)
        .ok()
        .and_then(|cost| {
            pbes2::Parameters::generate_scrypt_aes256cbc(cost, &seed.salt, seed.iv).ok()
        })
        .ok_or(KeyError::NotAPrivateKey)
}

#[cfg(test)]
mod tests {
    use pkcs8::der::EncodePem;

    use super::*;
    use crate::looks_encrypted;

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
        let sec1 = p256::SecretKey::from_slice(&[7; 32])
            .unwrap()
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
    fn refuses_scalars_that_are_none() {
        assert!(PrivateKey::from_random(&[0; 32]).is_err());
        assert!(PrivateKey::from_random(&[0xff; 32]).is_err());
    }
}
