//! Signed notes (C2SP signed-note): a text, an empty line, and a line per signature. Ed25519 keys only.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use digest::Hasher;

/// The longest note that is read. A checkpoint has a few hundred bytes.
const NOTE_SIZE_BYTES_MAX: usize = 64 * 1024;
/// How many signatures a note may carry, ours and others'.
const SIGNATURES_MAX: usize = 64;
const NAME_SIZE_BYTES_MAX: usize = 255;
/// The signature type of a plain Ed25519 signature.
const ED25519_TYPE: u8 = 1;
pub(super) const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A note whose signatures were not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

impl Note {
    /// Reads a note, and checks it: at least one signature is by `key`, and none by `key` is wrong. Signatures by
    /// others are ignored.
    ///
    /// # Errors
    /// It is no note, or isn't signed by this key.
    pub fn open(note: &str, key: &LogKey) -> Result<String, NoteError> {
        let note = Self::parse(note)?;
        let ours = note
            .signatures
            .iter()
            .filter(|s| s.name == key.name && s.key_id == key.key_id());
        let mut is_signed = false;
        for signature in ours {
            let public = UnparsedPublicKey::new(&ED25519, key.public);
            public
                .verify(note.text.as_bytes(), &signature.bytes)
                .map_err(|_| NoteError::WrongSignature {
                    key: key.to_string(),
                })?;
            is_signed = true;
        }
        if is_signed {
            Ok(note.text)
        } else {
            Err(NoteError::NotSigned {
                key: key.to_string(),
            })
        }
    }

    /// Reads a note without checking a signature: what it holds is a claim.
    ///
    /// # Errors
    /// It is no note, or over a limit.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_SIZE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("it has a control character"));
        }
        let (text, lines) = note
            .rsplit_once("\n\n")
            .ok_or(NoteError::Malformed("no empty line before the signatures"))?;
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("its last line has no end"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(parse_signature(line)?);
        }
        Ok(Self {
            text: format!("{text}\n"),
            signatures,
        })
    }

    /// The text, if a signature in it by the key of this id is right, and none is wrong. What the id and the name before it
    /// say is for who has the key to judge: `verifies` does that.
    pub(super) fn text_signed_by(
        &self,
        id: [u8; 4],
        verifies: &dyn Fn(&[u8], &[u8]) -> bool,
    ) -> Result<&str, NoteError> {
        let key = || HEXLOWER.encode(&id);
        let (text, mut is_signed) = (self.text.as_str(), false);
        // The name is not signed, so that it must be the text's own.
        let origin = text.lines().next().unwrap_or_default();
        let is_named = |name: &str| {
            let rest = origin.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" - "))
        };
        for signature in self.signatures.iter().filter(|s| s.key_id == id) {
            if !is_named(&signature.name) || !verifies(text.as_bytes(), &signature.bytes) {
                return Err(NoteError::WrongSignature { key: key() });
            }
            is_signed = true;
        }
        is_signed
            .then_some(text)
            .ok_or_else(|| NoteError::NotSigned { key: key() })
    }

    /// What stands, after the id, in the signatures of this name and id.
    pub(super) fn signatures_of(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let signatures = self.signatures.iter();
        let named = signatures.filter(move |s| s.name == name && s.key_id == id);
        named.map(|signature| signature.bytes.as_slice())
    }

    /// The text, with the end of its last line: a claim.
    #[must_use]
    pub fn claimed_text(&self) -> &str {
        &self.text
    }
}

fn parse_signature(line: &str) -> Result<Signature, NoteError> {
    let malformed = NoteError::Malformed("a line is no signature");
    let rest = line.strip_prefix(SIGNATURE_PREFIX);
    let (name, encoded) = rest
        .and_then(|rest| rest.split_once(' '))
        .ok_or(malformed)?;
    check_name(name)?;
    let decoded = BASE64
        .decode(encoded.as_bytes())
        .map_err(|_| NoteError::Malformed("a signature is not base64"))?;
    let (key_id, bytes) = decoded
        .split_first_chunk::<4>()
        .filter(|(_, bytes)| !bytes.is_empty())
        .ok_or(NoteError::Malformed("a signature is too short"))?;
    Ok(Signature {
        name: name.to_owned(),
        key_id: *key_id,
        bytes: bytes.to_vec(),
    })
}

/// A log's public key with the log's name (its origin). Written `name+id+key`, as C2SP's verifier keys are.
#[derive(Clone, PartialEq, Eq)]
pub struct LogKey {
    name: String,
    public: [u8; 32],
}

impl LogKey {
    /// A key that somebody states.
    ///
    /// # Errors
    /// The name is empty, too long, or has a space or `+` in it.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            public,
        })
    }

    /// The log's name, which is the origin of its checkpoints.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 public key.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The four bytes by which signatures name the key. Not a digest to rely on: easily collided.
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        let mut hasher = Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.update(&[b'\n', ED25519_TYPE]);
        hasher.update(&self.public);
        let [a, b, c, d, ..] = *hasher.finish().raw();
        [a, b, c, d]
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[ED25519_TYPE][..], &self.public].concat();
        let id = HEXLOWER.encode(&self.key_id());
        write!(f, "{}+{id}+{}", self.name, BASE64.encode(&typed))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({self})")
    }
}

impl FromStr for LogKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("`name+id+key` was expected");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(typed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        if typed.len() > 64 {
            return Err(NoteError::Key("it is too long"));
        }
        let typed = BASE64.decode(typed.as_bytes()).map_err(|_| malformed)?;
        let public = match typed.split_first() {
            Some((&ED25519_TYPE, public)) => public.try_into().ok(),
            _ => return Err(NoteError::Key("only Ed25519 (type 1) is known")),
        };
        let key = Self::new(
            name,
            public.ok_or(NoteError::Key("an Ed25519 key has 32 bytes"))?,
        )?;
        if HEXLOWER.encode(&key.key_id()) == id {
            Ok(key)
        } else {
            Err(NoteError::Key("its id is not that of the name and key"))
        }
    }
}

/// The key that signs a log's checkpoints. The secret lives in AWS-LC, which wipes what it frees.
pub struct LogSigner {
    key: LogKey,
    pair: Ed25519KeyPair,
}

impl LogSigner {
    /// The signer with this seed. The caller keeps the seed in memory that is wiped.
    ///
    /// # Errors
    /// The name can't be a log's, or AWS-LC refuses the seed.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| NoteError::Key("AWS-LC refused the seed"))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| NoteError::Key("an Ed25519 key has 32 bytes"))?;
        Ok(Self {
            key: LogKey::new(name, public)?,
            pair,
        })
    }

    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &LogKey {
        &self.key
    }

    /// Signs a text, which ends with a line's end, into a note.
    pub(super) fn sign(&self, text: &str) -> String {
        let id = self.key.key_id();
        let signature = [&id[..], self.pair.sign(text.as_bytes()).as_ref()].concat();
        let signature = BASE64.encode(&signature);
        format!(
            "{text}\n{SIGNATURE_PREFIX}{} {signature}\n",
            self.key.name()
        )
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSigner({})", self.key)
    }
}

pub(super) fn check_name(name: &str) -> Result<(), NoteError> {
    let is_plain = !name
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '+');
    if !name.is_empty() && name.len() <= NAME_SIZE_BYTES_MAX && is_plain {
        Ok(())
    } else {
        Err(NoteError::Name)
    }
}

/// Why a note or a key of one was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than any note of ours.
    #[error("the note is longer than {NOTE_SIZE_BYTES_MAX} bytes")]
    TooLong,
    /// More signatures than are looked at.
    #[error("the note has more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// Not a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature is by the key.
    #[error("the note is not signed by `{key}`")]
    NotSigned {
        /// The key that was looked for.
        key: String,
    },
    /// A signature names the key and isn't by it.
    #[error("the note's signature by `{key}` is wrong")]
    WrongSignature {
        /// The key it names.
        key: String,
    },
    /// Not a verifier key.
    #[error("not a log's key: {0}")]
    Key(&'static str),
    /// Not a name for a key.
    #[error(
        "a log's name has 1 to {NAME_SIZE_BYTES_MAX} bytes and neither spaces nor `+`, such as `example.com/log`"
    )]
    Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the signed-note specification.
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_specifications_example_and_its_mutated_twins() {
        let key: LogKey = KEY.parse().unwrap();
        assert_eq!(key.to_string(), KEY);
        assert_eq!(
            Note::open(NOTE, &key).unwrap(),
            "This is an example message.\n"
        );
        for (twin, expected) in [
            (
                NOTE.replace("example message", "example massage"),
                NoteError::WrongSignature { key: KEY.into() },
            ),
            (
                NOTE.replace("Uw2QOkn8", "Uw2QOkn9"),
                NoteError::WrongSignature { key: KEY.into() },
            ),
            (
                NOTE.replace("Uw2QOkn8", "Uw2QOkm8"),
                NoteError::WrongSignature { key: KEY.into() },
            ),
            (
                NOTE.replace("Uw2QOkn8", "Uw2QO"),
                NoteError::Malformed("a signature is not base64"),
            ),
            (
                NOTE.replace("Uw2Q", "Uw2R"),
                NoteError::NotSigned { key: KEY.into() },
            ),
            (
                NOTE.replace("example.com/foo", "example.com/bar"),
                NoteError::NotSigned { key: KEY.into() },
            ),
            (
                NOTE.replace("\u{2014} ", "- "),
                NoteError::Malformed("a line is no signature"),
            ),
            (
                NOTE.replace("\n\n", "\n"),
                NoteError::Malformed("no empty line before the signatures"),
            ),
            (
                NOTE.trim_end().to_owned(),
                NoteError::Malformed("its last line has no end"),
            ),
            (
                NOTE.replace("This", "This\t"),
                NoteError::Malformed("it has a control character"),
            ),
            ("x".repeat(NOTE_SIZE_BYTES_MAX + 1), NoteError::TooLong),
        ] {
            assert_eq!(Note::open(&twin, &key), Err(expected), "{twin}");
        }
    }

    #[test]
    fn keys_that_are_none() {
        for bad in [
            "",
            "example.com/foo",
            "example.com/foo+530d903a",
            "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k ",
        ] {
            assert!(bad.parse::<LogKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn signs_what_opens_and_ignores_others() {
        let signer = LogSigner::from_seed("example.com/log", &[7; 32]).unwrap();
        let note = signer.sign("text\nof two lines\n");
        let text = "text\nof two lines\n";
        assert_eq!(Note::open(&note, signer.key()).unwrap(), text);
        let other = LogSigner::from_seed("example.com/log", &[8; 32]).unwrap();
        assert!(matches!(
            Note::open(&note, other.key()),
            Err(NoteError::NotSigned { .. })
        ));
        let line = |s: &LogSigner| s.sign(text).rsplit("\n\n").next().unwrap().to_owned();
        let both = format!("{text}\n{}{}", line(&other), line(&signer));
        assert!(Note::open(&both, signer.key()).is_ok());
        let many = format!("{text}\n{}{}", line(&other).repeat(63), line(&signer));
        assert!(Note::open(&many, signer.key()).is_ok());
        let too_many = format!("{text}\n{}{}", line(&other).repeat(64), line(&signer));
        assert_eq!(
            Note::open(&too_many, signer.key()),
            Err(NoteError::TooManySignatures)
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let signer = LogSigner::from_seed("example.com/log", &[7; 32]).unwrap();
        assert_eq!(
            format!("{signer:?}"),
            format!("LogSigner({})", signer.key())
        );
    }
}
