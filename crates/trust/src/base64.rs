//! Standard base64 with padding (RFC 4648 §4), the only form that the formats we read allow. No two texts mean the same.

use std::fmt;
use std::ops::Range;

use data_encoding::BASE64;

/// So much is decoded at once where it lies: a multiple of four.
const PIECE_SIZE_BYTES: usize = 4096;

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let decoded = BASE64.decode(text.as_bytes()).ok()?;
    // Padding in the middle makes it shorter.
    (decoded.len() == decoded_size_bytes(text.as_bytes())).then_some(decoded)
}

/// What a document in base64 says, behind `head`: decoded where the document lies, since it may be most of a long one.
pub(crate) fn decode_within(
    mut document: Vec<u8>,
    text: Range<usize>,
    head: impl FnOnce(usize) -> Vec<u8>,
) -> Option<Vec<u8>> {
    let size_bytes = decoded_size_bytes(document.get(text.clone())?);
    let head = head(size_bytes);
    // What is decoded must not reach what is still to be read.
    let missing = head.len().saturating_sub(text.start);
    document.reserve_exact(missing);
    document.splice(0..0, std::iter::repeat_n(0, missing));
    let (start, end) = (text.start + missing, text.end + missing);
    document.get_mut(..head.len())?.copy_from_slice(&head);
    let mut written = head.len();
    let mut piece = [0; PIECE_SIZE_BYTES];
    for at in (start..end).step_by(PIECE_SIZE_BYTES) {
        let read = document.get(at..end.min(at + PIECE_SIZE_BYTES))?;
        let decoded = piece.get_mut(..BASE64.decode_len(read.len()).ok()?)?;
        let count = BASE64.decode_mut(read, decoded).ok()?;
        let to = document.get_mut(written..written + count)?;
        to.copy_from_slice(decoded.get(..count)?);
        written += count;
    }
    document.truncate(written);
    document.shrink_to_fit();
    (written == head.len() + size_bytes).then_some(document)
}

/// How long it is when it is decoded, if its padding stands at its end only.
fn decoded_size_bytes(text: &[u8]) -> usize {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Bytes that are encoded while they are written.
pub(crate) struct Encoded<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BASE64.encode_write(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_where_it_lies_what_it_decodes_elsewhere() {
        for length in (0..70).chain([3071, 3072, 3073, 9216, 10_000]) {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at * 7 % 251) as u8).collect();
            let text = encode(&bytes);
            assert_eq!(decode(&text).as_deref(), Some(bytes.as_slice()));
            for (before, head) in [("", "head"), ("{\"payload\":\"", "head"), ("xx", "")] {
                let document = format!("{before}{text}\"}}").into_bytes();
                let at = before.len()..before.len() + text.len();
                let head = |size_bytes| {
                    assert_eq!(size_bytes, bytes.len());
                    head.into()
                };
                let want = [head(bytes.len()), bytes.clone()].concat();
                assert_eq!(decode_within(document, at, head), Some(want), "{length}");
            }
        }
    }

    #[test]
    fn refuses_what_could_be_written_otherwise() {
        let long = "QUJD".repeat(1023);
        for text in [
            "YQ", "YR==", "YQ==YQ==", "Y=Q=", "YQ===", "=", "====", "Y Q=", "YQ\n=",
        ] {
            for before in ["", &long] {
                let text = format!("{before}{text}");
                assert_eq!(decode(&text), None, "{text}");
                let size = text.len();
                let within = decode_within(text.into_bytes(), 0..size, |_| Vec::new());
                assert_eq!(within, None);
            }
        }
    }
}
