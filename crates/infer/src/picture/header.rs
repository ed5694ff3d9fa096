//! What the first 29 bytes of a PNG and the lengths of its chunks say, before any of it is unpacked.

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The first chunk: its length (13), its type.
const FIRST_CHUNK: &[u8] = b"\0\0\0\x0dIHDR";
const PALETTE: &[u8] = b"PLTE";
const COLOR_GREY: u8 = 0;

pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether its lines come in seven passes.
    pub(super) is_interlaced: bool,
    depth: u8,
    color: u8,
}

impl Header {
    pub(super) fn read(encoded: &[u8]) -> Option<Self> {
        let rest = encoded.strip_prefix(SIGNATURE)?.strip_prefix(FIRST_CHUNK)?;
        let (width, rest) = rest.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let [depth, color, _compression, _filter, interlace, ..] = *rest else {
            return None;
        };
        Some(Self {
            width: u32::from_be_bytes(*width),
            height: u32::from_be_bytes(*height),
            is_interlaced: interlace != 0,
            depth,
            color,
        })
    }

    /// Whether this is 16-bit grey without alpha, which becomes 8-bit grey by other rules than the rest.
    pub(super) const fn is_deep_grey(&self) -> bool {
        self.depth == 16 && self.color == COLOR_GREY
    }
}

/// Whether each palette is made of whole colours. The format asks for it, and the decoder panics where it isn't so.
pub(super) fn has_whole_palettes(encoded: &[u8]) -> bool {
    let mut rest = encoded.strip_prefix(SIGNATURE).unwrap_or_default();
    while let Some((size_bytes, chunk)) = rest.split_first_chunk::<4>() {
        let size_bytes = u32::from_be_bytes(*size_bytes);
        if chunk.starts_with(PALETTE) && !size_bytes.is_multiple_of(3) {
            return false;
        }
        // After the data and the eight bytes of type and checksum; what is cut off is the decoder's to refuse.
        let end = (size_bytes as usize).saturating_add(8);
        rest = chunk.get(end..).unwrap_or_default();
    }
    true
}
