//! The lines of a picture, as a decoder gives them, to 8-bit grey of the width that is wanted.

use std::io::Cursor;

use png::{BitDepth, ColorType, Reader};

use super::header::Header;
use super::resize::Rows;
use super::{Grey, PictureError};
use crate::room;

/// Where each pass of an interlaced picture begins, and how far apart its pixels are: across and down.
const PASSES: [([usize; 2], [usize; 2]); 7] = [
    ([0, 0], [8, 8]),
    ([4, 0], [8, 8]),
    ([0, 4], [4, 8]),
    ([2, 0], [4, 4]),
    ([0, 2], [2, 4]),
    ([1, 0], [2, 2]),
    ([0, 1], [1, 2]),
];

pub(super) struct Lines<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    width: usize,
    height: usize,
    is_interlaced: bool,
    pixel: Pixel,
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        reader: Reader<Cursor<&'a [u8]>>,
        header: &Header,
    ) -> Result<Self, PictureError> {
        let (color, depth) = reader.output_color_type();
        Ok(Self {
            reader,
            width: header.width as usize,
            height: header.height as usize,
            is_interlaced: header.is_interlaced,
            pixel: Pixel::of(color, depth, header.is_deep_grey())?,
        })
    }

    /// The whole picture, with lines of this width.
    pub(super) fn narrow(mut self, width: usize) -> Result<Grey, PictureError> {
        let rows = Rows::new(self.width, width);
        let mut pixels = room(width * self.height);
        if self.is_interlaced {
            for line in self.joined()?.chunks_exact(self.width) {
                rows.resize(line, &mut pixels);
            }
        } else {
            let mut line = Vec::with_capacity(self.width);
            for _ in 0..self.height {
                line.clear();
                self.next(|levels| line.extend(levels))?;
                rows.resize(&line, &mut pixels);
            }
        }
        self.end()?;
        Ok(Grey {
            width,
            height: self.height,
            pixels,
        })
    }

    /// The passes of an interlaced picture in one. Transparency is dropped, as Pillow drops it.
    fn joined(&mut self) -> Result<Vec<u8>, PictureError> {
        let (width, height) = (self.width, self.height);
        let mut pixels = room(width * height);
        pixels.resize(width * height, 0);
        // A pass without a pixel in a line has no lines.
        for ([left, top], [across, down]) in
            PASSES.into_iter().filter(|([left, _], _)| *left < width)
        {
            for y in (top..height).step_by(down) {
                let line = &mut pixels[y * width..(y + 1) * width];
                let places = line.iter_mut().skip(left).step_by(across);
                self.next(|levels| {
                    for (place, level) in places.zip(levels) {
                        *place = level;
                    }
                })?;
            }
        }
        Ok(pixels)
    }

    fn next<T>(
        &mut self,
        take: impl FnOnce(&mut dyn Iterator<Item = u8>) -> T,
    ) -> Result<T, PictureError> {
        let row = self.reader.next_row().map_err(PictureError::Decode)?;
        let row = row.ok_or(PictureError::Lines)?;
        let pixels = row.data().chunks_exact(self.pixel.size_bytes);
        Ok(take(&mut pixels.map(self.pixel.level)))
    }

    /// What is left of the data is read too: its checksum shows what was altered on the way.
    fn end(&mut self) -> Result<(), PictureError> {
        match self.reader.next_row().map_err(PictureError::Decode)? {
            None => Ok(()),
            Some(_) => Err(PictureError::Lines),
        }
    }
}

/// How a pixel's bytes become one level of grey.
struct Pixel {
    size_bytes: usize,
    level: fn(&[u8]) -> u8,
}

impl Pixel {
    /// 16-bit samples have their high byte first. Pillow keeps that of a colour but cuts a 16-bit grey off at 255.
    fn of(color: ColorType, depth: BitDepth, is_deep_grey: bool) -> Result<Self, PictureError> {
        let level: fn(&[u8]) -> u8 = match (color, depth) {
            (ColorType::Grayscale | ColorType::GrayscaleAlpha, BitDepth::Sixteen)
                if is_deep_grey =>
            {
                |pixel| if pixel[0] == 0 { pixel[1] } else { u8::MAX }
            }
            (
                ColorType::Grayscale | ColorType::GrayscaleAlpha,
                BitDepth::Eight | BitDepth::Sixteen,
            ) => |pixel| pixel[0],
            (ColorType::Rgb | ColorType::Rgba, BitDepth::Eight) => {
                |pixel| luma(pixel[0], pixel[1], pixel[2])
            }
            (ColorType::Rgb | ColorType::Rgba, BitDepth::Sixteen) => {
                |pixel| luma(pixel[0], pixel[2], pixel[4])
            }
            _ => return Err(PictureError::Color),
        };
        let sample_bytes = if depth == BitDepth::Sixteen { 2 } else { 1 };
        Ok(Self {
            size_bytes: color.samples() * sample_bytes,
            level,
        })
    }
}

/// The luma of ITU-R BT.601 in 16-bit fixed point, as Pillow computes it.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue) + 0x8000;
    // The factors add up to 65536, so the sum shifted is at most 255.
    (sum >> 16) as u8
}
