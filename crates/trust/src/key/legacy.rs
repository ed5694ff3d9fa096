//! Keys encrypted the way of RFC 1421, as `openssl ec -aes256` still writes them. Only read: the derivation is one round of
//! MD5, and a password guessed is a key lost.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use data_encoding::HEXUPPER_PERMISSIVE;
use des::TdesEde3;
use md5::{Digest as _, Md5};
use pkcs8::der::pem;
use zeroize::Zeroizing;

use super::KeyError;

const PROC_TYPE: &str = "Proc-Type: 4,ENCRYPTED";
const DEK_INFO: &str = "DEK-Info: ";
const SALT_LEN: usize = 8;

pub(super) fn looks_encrypted(text: &str) -> bool {
    text.lines().any(|line| line == PROC_TYPE)
}

/// Opens the one block of this text.
pub(super) fn open(text: &str, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (cipher, iv, bare) = split(text)?;
    let (_, mut sealed) = pem::decode_vec(bare.as_bytes()).map_err(|_| KeyError::NotAPrivateKey)?;
    let key = derive(password, &iv, cipher.key_len());
    let opened_len = cipher
        .decrypt(&key, &iv, &mut sealed)
        .ok_or(KeyError::PasswordWrong)?;
    let mut opened = Zeroizing::new(sealed);
    opened.truncate(opened_len);
    Ok(opened)
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

impl Cipher {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "AES-128-CBC" => Some(Self::Aes128),
            "AES-192-CBC" => Some(Self::Aes192),
            "AES-256-CBC" => Some(Self::Aes256),
            "DES-EDE3-CBC" => Some(Self::TripleDes),
            _ => None,
        }
    }

    const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    const fn iv_len(self) -> usize {
        match self {
            Self::TripleDes => 8,
            _ => 16,
        }
    }

    /// Decrypts in place, and says how many bytes were under the padding.
    fn decrypt(self, key: &[u8], iv: &[u8], sealed: &mut [u8]) -> Option<usize> {
        match self {
            Self::Aes128 => decrypt::<Aes128>(key, iv, sealed),
            Self::Aes192 => decrypt::<Aes192>(key, iv, sealed),
            Self::Aes256 => decrypt::<Aes256>(key, iv, sealed),
            Self::TripleDes => decrypt::<TdesEde3>(key, iv, sealed),
        }
    }
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    iv: &[u8],
    sealed: &mut [u8],
) -> Option<usize> {
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
    Some(decryptor.decrypt_padded::<Pkcs7>(sealed).ok()?.len())
}

/// The cipher, its IV, and the text without the two headers and the empty line behind them.
fn split(text: &str) -> Result<(Cipher, Vec<u8>, Zeroizing<String>), KeyError> {
    let begin = text.find("-----BEGIN ").ok_or(KeyError::NotAPrivateKey)?;
    let mut lines = text.get(begin..).unwrap_or_default().lines();
    let first = lines.next().ok_or(KeyError::NotAPrivateKey)?;
    if lines.next() != Some(PROC_TYPE) {
        return Err(KeyError::NotAPrivateKey);
    }
    let (name, iv) = lines
        .next()
        .and_then(|line| line.strip_prefix(DEK_INFO)?.split_once(','))
        .ok_or(KeyError::NotAPrivateKey)?;
    if lines.next() != Some("") {
        return Err(KeyError::NotAPrivateKey);
    }
    let cipher = Cipher::from_name(name).ok_or(KeyError::UnknownEncryption)?;
    let iv = HEXUPPER_PERMISSIVE
        .decode(iv.as_bytes())
        .ok()
        .filter(|iv| iv.len() == cipher.iv_len())
        .ok_or(KeyError::NotAPrivateKey)?;
    let mut bare = Zeroizing::new(String::with_capacity(text.len()));
    for line in std::iter::once(first).chain(lines) {
        bare.push_str(line);
        bare.push('\n');
    }
    Ok((cipher, iv, bare))
}

/// OpenSSL's `EVP_BytesToKey` with one round of MD5, salted with the IV's first eight bytes.
fn derive(password: &[u8], iv: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    let salt = iv.get(..SALT_LEN).unwrap_or(iv);
    let mut key = Zeroizing::new(Vec::with_capacity(len + 16));
    let mut last = Zeroizing::new(Vec::new());
    while key.len() < len {
        let mut hash = Md5::new();
        hash.update(last.as_slice());
        hash.update(password);
        hash.update(salt);
        *last = hash.finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(len);
    key
}
