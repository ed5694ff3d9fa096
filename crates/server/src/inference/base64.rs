//! Base64 as lenient as the clients of `/classify/v0` know it from Python's `b64decode`: characters outside the alphabet
//! are dropped, and after the padding nothing is read.

use infer::room;

/// The bytes of a text of at most `length_max` characters, or what is wrong with it.
pub(super) fn decode(
    mut text: impl Iterator<Item = char>,
    length_max: usize,
) -> Result<Vec<u8>, &'static str> {
    let mut bytes = room(length_max / 4 * 3 + 3);
    let mut quad = Quad::default();
    while let Some(character) = text.next() {
        let byte = u8::try_from(character).ok().filter(u8::is_ascii);
        let byte = byte.ok_or(NOT_ASCII)?;
        if byte == b'=' {
            if quad.is_padded() {
                return text
                    .all(|rest| rest.is_ascii())
                    .then_some(bytes)
                    .ok_or(NOT_ASCII);
            }
        } else if let Some(digit) = digit(byte) {
            bytes.extend(quad.push(digit));
        }
    }
    match quad.digits {
        0 => Ok(bytes),
        1 => Err("one character is left over after the last group of four"),
        _ => Err("the padding is incomplete"),
    }
}

const NOT_ASCII: &str = "the text holds characters that are not ASCII";

/// Four digits make three bytes; each digit but the first completes one.
#[derive(Default)]
struct Quad {
    digits: u8,
    pads: u8,
    rest: u8,
}

impl Quad {
    /// Takes in a padding character, and says whether the group is full with it.
    fn is_padded(&mut self) -> bool {
        if self.digits < 2 {
            return false;
        }
        self.pads += 1;
        self.digits + self.pads >= 4
    }

    fn push(&mut self, digit: u8) -> Option<u8> {
        let byte = match self.digits {
            0 => None,
            1 => Some(self.rest << 2 | digit >> 4),
            2 => Some(self.rest << 4 | digit >> 2),
            _ => Some(self.rest << 6 | digit),
        };
        self.rest = digit;
        self.digits = (self.digits + 1) % 4;
        self.pads = 0;
        byte
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
        super::decode(text.chars(), text.len())
    }

    #[test]
    fn decodes_what_an_encoder_wrote() {
        let all: Vec<u8> = (0..=255).collect();
        for size in [0, 1, 2, 3, 4, 61, 62, 63, 256] {
            let bytes = &all[..size];
            assert_eq!(decode(&BASE64.encode(bytes)).as_deref(), Ok(bytes));
        }
    }

    /// Each line was run through Python 3's `base64.b64decode`.
    #[test]
    fn is_as_lenient_as_python() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("aGk=", b"hi"),
            ("a G\nk=\r\n", b"hi"),
            ("a-G_k=", b"hi"),
            ("aGk=aGk=", b"hi"),
            ("aGk=====", b"hi"),
            ("=aGk=", b"hi"),
            ("a=Gk=", b"hi"),
            ("aG=k=", b"hi"),
            ("aGkh", b"hi!"),
            ("aGkh====", b"hi!"),
            ("====", b""),
            ("!!!", b""),
            ("YQ==", b"a"),
            ("Y=Q==", b"a"),
            ("YQ=x=", b"a\x0c"),
            ("YW=J=", b"ab"),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(bytes), "{text:?}");
        }
        for text in [
            "a",
            "aG",
            "aGk",
            "aGkh=a",
            "YQ=",
            "YQ=xyz",
            "aGkha",
            "data:image/png;base64,aGk=",
            "é",
            "aGk=é",
        ] {
            assert!(decode(text).is_err(), "{text:?}");
        }
        assert_eq!(decode(&"=".repeat(1000)), Ok(vec![]));
    }
}
