//! Keys as `cosign generate-key-pair` writes them: JSON in PEM, scrypt and NaCl's secretbox around PKCS#8.

use decode::json::{self, Limits};
use poly1305::Poly1305;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use super::{KeyError, file};
use crate::compact;

const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const SALT_LEN_MAX: usize = 64;
/// What cosign asks of scrypt: 64 MiB.
const LOG_COST: u8 = 16;
const BLOCK_SIZE: u32 = 8;
const PARALLELIZATION: u32 = 1;

/// Fresh randomness that encrypting a key as cosign does takes.
#[derive(Debug, Clone, Copy)]
pub struct CosignSeed {
    /// For the key derivation.
    pub salt: [u8; 32],
    /// For the cipher.
    pub nonce: [u8; NONCE_LEN],
}

/// What stands in the PEM of a key that cosign makes.
pub(super) fn seal(pkcs8: &[u8], password: &[u8], seed: CosignSeed) -> Result<Vec<u8>, KeyError> {
    let cost = scrypt::Params::new(LOG_COST, BLOCK_SIZE, PARALLELIZATION);
    let cost = cost.map_err(|_| KeyError::NotAPrivateKey)?;
    let (mut cipher, mac_key) = opening(password, &seed.salt, &cost, &seed.nonce)?;
    let mut ciphertext = pkcs8.to_vec();
    cipher.apply_keystream(&mut ciphertext);
    let sealed = [&tag(&mac_key, &ciphertext)[..], &ciphertext].concat();
    let encode = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    Ok(compact::to_vec(&wire::Sealed {
        kdf: wire::Kdf {
            name: KDF.to_owned(),
            params: wire::Cost {
                n: 1 << LOG_COST,
                r: BLOCK_SIZE,
                p: PARALLELIZATION,
            },
            salt: encode(&seed.salt),
        },
        cipher: wire::Cipher {
            name: CIPHER.to_owned(),
            nonce: encode(&seed.nonce),
        },
        ciphertext: encode(&sealed),
    }))
}

/// A key that is closed.
pub(super) struct Sealed {
    scrypt: scrypt::Params,
    salt: Vec<u8>,
    nonce: [u8; NONCE_LEN],
    tag: [u8; TAG_LEN],
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// Reads what stands in the PEM, with the limits on the cost of opening it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let wire: wire::Sealed =
            json::from_slice(bytes, Limits::SMALL).map_err(|_| KeyError::NotAPrivateKey)?;
        if wire.kdf.name != KDF || wire.cipher.name != CIPHER {
            return Err(KeyError::UnknownEncryption);
        }
        let cost = wire.kdf.params;
        file::check_scrypt(cost.n, cost.r, cost.p)?;
        if !cost.n.is_power_of_two() {
            return Err(KeyError::NotAPrivateKey);
        }
        // The logarithm of a number of 64 bits is below 64.
        let log_cost = cost.n.trailing_zeros() as u8;
        let scrypt = scrypt::Params::new(log_cost, cost.r, cost.p);
        let salt = base64(&wire.kdf.salt)?;
        let nonce = base64(&wire.cipher.nonce)?;
        let sealed = base64(&wire.ciphertext)?;
        let (tag, ciphertext) = sealed
            .split_first_chunk::<TAG_LEN>()
            .ok_or(KeyError::NotAPrivateKey)?;
        if salt.len() > SALT_LEN_MAX {
            return Err(KeyError::NotAPrivateKey);
        }
        Ok(Self {
            scrypt: scrypt.map_err(|_| KeyError::NotAPrivateKey)?,
            salt,
            nonce: nonce.try_into().map_err(|_| KeyError::NotAPrivateKey)?,
            tag: *tag,
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// The PKCS#8 inside.
    pub(super) fn open(self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (mut cipher, mac_key) = opening(password, &self.salt, &self.scrypt, &self.nonce)?;
        let mac = tag(&mac_key, &self.ciphertext);
        if aws_lc_rs::constant_time::verify_slices_are_equal(&mac, &self.tag).is_err() {
            return Err(KeyError::PasswordWrong);
        }
        let mut opened = Zeroizing::new(self.ciphertext);
        cipher.apply_keystream(&mut opened);
        Ok(opened)
    }
}

/// The cipher where the text begins, and the authenticator's key.
fn opening(
    password: &[u8],
    salt: &[u8],
    cost: &scrypt::Params,
    nonce: &[u8; NONCE_LEN],
) -> Result<(XSalsa20, Zeroizing<[u8; KEY_LEN]>), KeyError> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    scrypt::scrypt(password, salt, cost, key.as_mut_slice())
        .map_err(|_| KeyError::NotAPrivateKey)?;
    // The cipher's first 32 bytes are the authenticator's key; what they would hide is left out of the box.
    let mut cipher = XSalsa20::new((&*key).into(), nonce.into());
    let mut mac_key = Zeroizing::new([0; KEY_LEN]);
    cipher.apply_keystream(mac_key.as_mut_slice());
    Ok((cipher, mac_key))
}

fn tag(mac_key: &[u8; KEY_LEN], ciphertext: &[u8]) -> [u8; TAG_LEN] {
    let mac = <Poly1305 as poly1305::universal_hash::KeyInit>::new(mac_key.into());
    mac.compute_unpadded(ciphertext).into()
}

fn base64(text: &str) -> Result<Vec<u8>, KeyError> {
    data_encoding::BASE64
        .decode(text.as_bytes())
        .map_err(|_| KeyError::NotAPrivateKey)
}

/// As the file has it, name for name.
mod wire {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Sealed {
        pub(super) kdf: Kdf,
        pub(super) cipher: Cipher,
        pub(super) ciphertext: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Kdf {
        pub(super) name: String,
        pub(super) params: Cost,
        pub(super) salt: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Cost {
        #[serde(rename = "N")]
        pub(super) n: u64,
        pub(super) r: u32,
        pub(super) p: u32,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Cipher {
        pub(super) name: String,
        pub(super) nonce: String,
    }
}
