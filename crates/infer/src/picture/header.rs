//! What the first 26 bytes of a PNG say, before any of it is unpacked.

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The first chunk: its length (13), its type.
const FIRST_CHUNK: &[u8] = b"\0\0\0\x0dIHDR";
const COLOR_GREY: u8 = 0;

pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    depth: u8,
    color: u8,
}

impl Header {
    pub(super) fn read(encoded: &[u8]) -> Option<Self> {
        let rest = encoded.strip_prefix(SIGNATURE)?.strip_prefix(FIRST_CHUNK)?;
        let (width, rest) = rest.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let [depth, color, ..] = *rest else {
            return None;
        };
        Some(Self {
            width: u32::from_be_bytes(*width),
            height: u32::from_be_bytes(*height),
            depth,
            color,
        })
    }

    /// Whether this is 16-bit grey without alpha, which becomes 8-bit grey by other rules than the rest.
    pub(super) const fn is_deep_grey(&self) -> bool {
        self.depth == 16 && self.color == COLOR_GREY
    }
}
