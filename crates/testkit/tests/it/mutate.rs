//! Changes to inputs: always the same ones for the same seed, so that what fails today fails tomorrow.

/// A generator of numbers (xorshift, as in Marsaglia, "Xorshift RNGs", 2003).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) const fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | 1)
    }

    /// A number below `limit`; 0 if there is none.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    pub(crate) fn one_of<'a, T: ?Sized + AsRef<[u8]>>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// What stands in the formats that are read, and what parsers stumble over.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"0.1",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"..",
    b"/",
    b"../",
    b"\0",
    b"\n",
    b"\n\n",
    b"\r\n",
    b" ",
    b"=",
    b"\xff",
    b"\xef\xbb\xbf",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x80\x04\x95",
    b"cos\nsystem\n",
    b"IDAT",
    b"IEND",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"[[[[[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"sha256",
    b"\"x\":1,",
];

/// One to four changes to `input`, with pieces of `other`.
pub(crate) fn mutated(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        change(&mut bytes, other, numbers);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    let end = (at + 1 + numbers.below(16)).min(bytes.len());
    match numbers.below(9) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.insert(at, numbers.byte()),
        3 => {
            let token = numbers.one_of(TOKENS);
            bytes.splice(at..at, token.iter().copied());
        }
        4 => {
            let piece = bytes[at..end].to_vec();
            let to = numbers.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        5 => {
            let from = numbers.below(other.len());
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
        6 => number(&mut bytes[at..], numbers),
        7 if !bytes.is_empty() => bytes[at] = numbers.byte(),
        _ if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
        _ => {}
    }
}

/// Writes one of the numbers at which widths end over what is there.
fn number(bytes: &mut [u8], numbers: &mut Numbers) {
    let edges = [
        0,
        1,
        0x7f,
        0xff,
        0x7fff,
        0xffff,
        1 << 31,
        0xffff_ffff,
        1 << 63,
        u64::MAX,
    ];
    let edge = edges[numbers.below(edges.len())];
    let width = [1, 2, 4, 8][numbers.below(4)].min(bytes.len());
    let raw = [edge.to_le_bytes(), edge.to_be_bytes()][numbers.below(2)];
    bytes[..width].copy_from_slice(&raw[..width]);
}
