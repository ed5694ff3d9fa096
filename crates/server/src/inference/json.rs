//! The JSON of requests.

use decode::json::{self, Raw};
use trust::Code;

use super::Limits;
use crate::refusal::Refusal;

/// A tensor's eight dimensions, and what stands around them.
const DEPTH_MAX: usize = 16;
/// Keys are all that is kept of a document while it is checked. No request has as many, or as long ones.
const KEYS_MAX: usize = 256;
const KEY_BYTES_MAX: usize = 1 << 10;

/// Checks the JSON of a request, and leaves it as it is: nothing is made of it that takes memory. Its size was limited when
/// it was received.
pub(super) fn read<'a>(text: &'a [u8], limits: &Limits) -> Result<Raw<'a>, Refusal> {
    Counts::of(text).check(limits)?;
    let limits = json::Limits {
        size_bytes_max: text.len(),
        depth_max: DEPTH_MAX,
    };
    json::checked(text, limits).map_err(|error| {
        let message = format!("The body is not JSON: {error}");
        let hint = "send one JSON object in UTF-8, without doubled keys and with nothing after it";
        Refusal::new(Code::JsonInvalid, message, hint)
    })
}

/// How much there may be at most in a text, if it is JSON; it is looked at before it is read.
#[derive(Default)]
struct Counts {
    values: usize,
    keys: usize,
    longest_key_bytes: usize,
}

impl Counts {
    /// There are no more values than commas and opening brackets, and one; and each key stands before a colon.
    fn of(text: &[u8]) -> Self {
        let mut counts = Self::default();
        let (mut quoted_at, mut is_escaped, mut string_bytes) = (None, false, 0);
        counts.values = 1;
        for (at, byte) in text.iter().enumerate() {
            match (quoted_at, byte) {
                (Some(_), _) if is_escaped => is_escaped = false,
                (Some(_), b'\\') => is_escaped = true,
                (Some(start), b'"') => (string_bytes, quoted_at) = (at - start, None),
                (None, b'"') => quoted_at = Some(at),
                (None, b',' | b'[' | b'{') => counts.values += 1,
                (None, b':') => {
                    counts.keys += 1;
                    counts.longest_key_bytes = counts.longest_key_bytes.max(string_bytes);
                }
                _ => {}
            }
        }
        counts
    }

    fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        let hint = "send fewer rows, or send them as binary tensors";
        for (count, max, what) in [
            (self.values, limits.json_values_max, "values"),
            (self.keys, KEYS_MAX, "keys"),
            (self.longest_key_bytes, KEY_BYTES_MAX, "bytes in a key"),
        ] {
            if count > max {
                let message =
                    format!("the JSON may hold {count} {what}, more than the {max} allowed");
                return Err(Refusal::new(Code::TooLarge, message, hint));
            }
        }
        Ok(())
    }
}

/// A media type without its parameters.
pub(super) fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}
