//! An encoded picture to an input row, number for number as Pillow and torchvision make it.
//!
//! PNG → 8-bit grey → bilinear resize with antialias → `/255` → `(x − mean) / deviation`.
//!
//! Pictures come from strangers: size and colour are read from the header and held against the limits before anything
//! is unpacked. Animations give their first picture, and bytes after the end are not read, as with Pillow.

mod header;
mod resize;

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{ColorType, ImageDecoder, ImageError, Limits};

use header::Header;

/// The longest encoded picture, in bytes.
pub const ENCODED_BYTES_MAX: usize = 1 << 20;
/// The widest and highest picture.
pub const SIDE_MAX: u32 = 4096;
/// The most pixels.
pub const PIXELS_MAX: u64 = 16 << 20;
/// The most memory for the unpacked picture, in bytes; 16-bit colours reach it before [`PIXELS_MAX`].
pub const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// The most memory the decoder may take besides: lines, chunks, a colour profile that unpacks to far more than it was.
const DECODER_BYTES_MAX: u64 = 4 << 20;

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
        let grey = grey(encoded)?;
        let resized = resize::bilinear(grey, self.width, self.height);
        let pixels = resized.pixels.iter();
        Ok(pixels.map(|level| self.normalised(*level)).collect())
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

fn grey(encoded: &[u8]) -> Result<Grey, PictureError> {
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
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    let decoder =
        PngDecoder::with_limits(Cursor::new(encoded), limits).map_err(PictureError::Decode)?;
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let size_bytes = decoder.total_bytes();
    let pixels = usize::try_from(size_bytes)
        .ok()
        .filter(|_| size_bytes <= UNPACKED_BYTES_MAX)
        .ok_or(PictureError::TooMuchMemory { size_bytes })?;
    let mut pixels = vec![0; pixels];
    decoder
        .read_image(&mut pixels)
        .map_err(PictureError::Decode)?;
    to_grey(&mut pixels, color, header.is_deep_grey())?;
    Ok(Grey {
        width: width as usize,
        height: height as usize,
        pixels,
    })
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

/// In place, so that a large picture needs no second buffer. Transparency is dropped, as Pillow drops it.
fn to_grey(pixels: &mut Vec<u8>, color: ColorType, is_deep_grey: bool) -> Result<(), PictureError> {
    // 16-bit samples lie in the order of this machine. Pillow keeps the high byte of a colour but cuts a 16-bit grey
    // off at 255.
    let deep = |pixel: &[u8], at: usize| u16::from_ne_bytes([pixel[at], pixel[at + 1]]);
    let high = |pixel: &[u8], at: usize| deep(pixel, at).to_be_bytes()[0];
    match color {
        ColorType::L8 => {}
        ColorType::La8 => shrink(pixels, 2, |pixel| pixel[0]),
        ColorType::Rgb8 => shrink(pixels, 3, |pixel| luma(pixel[0], pixel[1], pixel[2])),
        ColorType::Rgba8 => shrink(pixels, 4, |pixel| luma(pixel[0], pixel[1], pixel[2])),
        ColorType::L16 | ColorType::La16 if is_deep_grey => {
            let size_bytes = usize::from(color.bytes_per_pixel());
            shrink(pixels, size_bytes, |pixel| {
                u8::try_from(deep(pixel, 0)).unwrap_or(u8::MAX)
            });
        }
        ColorType::La16 => shrink(pixels, 4, |pixel| high(pixel, 0)),
        ColorType::Rgb16 => {
            shrink(pixels, 6, |pixel| {
                luma(high(pixel, 0), high(pixel, 2), high(pixel, 4))
            });
        }
        ColorType::Rgba16 => {
            shrink(pixels, 8, |pixel| {
                luma(high(pixel, 0), high(pixel, 2), high(pixel, 4))
            });
        }
        _ => return Err(PictureError::Color),
    }
    Ok(())
}

fn shrink(pixels: &mut Vec<u8>, size_bytes: usize, level: impl Fn(&[u8]) -> u8) {
    let count = pixels.len() / size_bytes;
    for at in 0..count {
        pixels[at] = level(&pixels[at * size_bytes..(at + 1) * size_bytes]);
    }
    pixels.truncate(count);
    pixels.shrink_to_fit();
}

/// The luma of ITU-R BT.601 in 16-bit fixed point, as Pillow computes it.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue) + 0x8000;
    // The factors add up to 65536, so the sum shifted is at most 255.
    (sum >> 16) as u8
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
    Decode(#[source] ImageError),
    /// A layout of colours that PNG doesn't have.
    #[error("the picture has colours of an unknown layout")]
    Color,
}

#[cfg(test)]
mod tests;
