//! An encoded picture to an input row, number for number as Pillow and torchvision make it.
//!
//! PNG → 8-bit grey → bilinear resize with antialias → `/255` → `(x − mean) / deviation`.
//!
//! Pictures come from strangers: size and colour are read from the header and held against the limits before anything
//! is unpacked. Lines are made grey and narrow as they come, so that a picture is never held in its colours; an interlaced
//! one, whose lines come in seven passes, is held in grey. Animations give their first picture, and bytes after the end are
//! not read, as with Pillow.

mod header;
mod lines;
mod resize;

use std::io::Cursor;

use png::{Decoder, DecodingError, Limits, Transformations};

use header::Header;
use lines::Lines;

/// The longest encoded picture, in bytes.
pub const ENCODED_BYTES_MAX: usize = 1 << 20;
/// The widest and highest picture.
pub const SIDE_MAX: u32 = 4096;
/// The most pixels.
pub const PIXELS_MAX: u64 = 16 << 20;
/// The most bytes that a picture may unpack to; 16-bit colours reach it before [`PIXELS_MAX`].
pub const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// The most memory the decoder may take: lines and chunks.
const DECODER_BYTES_MAX: usize = 1 << 20;

/// How a picture becomes an input: grey, resized, and normalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GreyPicture {
    width: usize,
    height: usize,
    mean: f32,
    deviation: f32,
}

impl GreyPicture {
    /// None when black or white would be no finite number. The sizes come from a checked shape.
    pub(crate) fn new(width: usize, height: usize, mean: f32, deviation: f32) -> Option<Self> {
        let picture = Self {
            width,
            height,
            mean,
            deviation,
        };
        let is_good = deviation > 0.0
            && picture.normalised(0).is_finite()
            && picture.normalised(255).is_finite();
        is_good.then_some(picture)
    }

    /// The width of the input.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The height of the input.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.height
    }

    /// The input row for an encoded picture.
    ///
    /// # Errors
    /// The bytes are no whole PNG within the limits.
    pub fn row(&self, encoded: &[u8]) -> Result<Vec<f32>, PictureError> {
        let resized = resized(encoded, self.width, self.height)?;
        let pixels = resized.pixels.iter();
        Ok(pixels.map(|level| self.normalised(*level)).collect())
    }

    /// The most memory that [`GreyPicture::row`] takes for this picture, in bytes.
    #[must_use]
    pub fn memory_bytes(&self, encoded: &[u8]) -> usize {
        let Some(header) = Header::read(encoded).filter(|header| check_size(header).is_ok()) else {
            return 0;
        };
        let (width, height) = (header.width as usize, header.height as usize);
        let whole = if header.is_interlaced {
            width * height
        } else {
            0
        };
        let narrow = self.width * height;
        let row = self.width * self.height * size_of::<f32>();
        DECODER_BYTES_MAX + whole + narrow + 2 * row
    }

    fn normalised(&self, level: u8) -> f32 {
        (f32::from(level) / 255.0 - self.mean) / self.deviation
    }
}

/// 8-bit grey, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// An encoded picture in grey, of this size.
fn resized(encoded: &[u8], width: usize, height: usize) -> Result<Grey, PictureError> {
    if encoded.len() > ENCODED_BYTES_MAX {
        return Err(PictureError::TooLong {
            size_bytes: encoded.len(),
        });
    }
    let header = Header::read(encoded).ok_or(PictureError::NotPng)?;
    check_size(&header)?;
    if !header::has_whole_palettes(encoded) {
        return Err(PictureError::Palette);
    }
    let limits = Limits {
        bytes: DECODER_BYTES_MAX,
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(encoded), limits);
    // What it says besides its pixels is not asked for, and may unpack to far more than it was.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(PictureError::Decode)?;
    let size_bytes = (reader.output_buffer_size()).map_or(u64::MAX, |size| size as u64);
    if size_bytes > UNPACKED_BYTES_MAX {
        return Err(PictureError::TooMuchMemory { size_bytes });
    }
    let narrow = Lines::new(reader, &header)?.narrow(width)?;
    Ok(resize::columns(narrow, height))
}

fn check_size(header: &Header) -> Result<(), PictureError> {
    let Header { width, height, .. } = *header;
    let sides_fit = (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height);
    if sides_fit && u64::from(width) * u64::from(height) <= PIXELS_MAX {
        Ok(())
    } else {
        Err(PictureError::Size { width, height })
    }
}

/// Why a picture was refused.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// More bytes than allowed.
    #[error("the picture has {size_bytes} bytes, more than the {ENCODED_BYTES_MAX} allowed")]
    TooLong {
        /// How many.
        size_bytes: usize,
    },
    /// Another format.
    #[error("the picture is no PNG file")]
    NotPng,
    /// Too wide, too high, or empty.
    #[error(
        "the picture is {width}×{height}; sides may be 1 to {SIDE_MAX} and the whole {PIXELS_MAX} pixels"
    )]
    Size {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// Small in pixels, but large in memory.
    #[error(
        "the picture unpacks to {size_bytes} bytes, more than the {UNPACKED_BYTES_MAX} allowed"
    )]
    TooMuchMemory {
        /// How many.
        size_bytes: u64,
    },
    /// A palette that ends within a colour.
    #[error("the picture's palette ends within a colour")]
    Palette,
    /// Broken inside.
    #[error("the picture can't be decoded")]
    Decode(#[source] DecodingError),
    /// A layout of colours that PNG doesn't have.
    #[error("the picture has colours of an unknown layout")]
    Color,
    /// Fewer or more lines than its header says.
    #[error("the picture has not the lines that its header promises")]
    Lines,
}

#[cfg(test)]
mod tests;
