//! A digit as a PNG file, and as characters.

use digits_data::idx::{PIXELS, SIDE};

/// Writes a digit as a grey PNG file of 28 by 28 pixels.
pub fn to_png(pixels: &[u8; PIXELS]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Draws a digit in 14 lines of 28 characters, which a terminal shows about as wide as high.
///
/// One character stands for two pixels, one above the other.
pub fn to_text(pixels: &[u8; PIXELS]) -> String {
    let mut text = String::new();
    for rows in pixels.chunks_exact(2 * SIDE) {
        let (upper, lower) = rows.split_at(SIDE);
        text.extend(upper.iter().zip(lower).map(|(&a, &b)| shade(a, b)));
        text.push('\n');
    }
    text
}

fn shade(upper: u8, lower: u8) -> char {
    let grey = upper.midpoint(lower);
    SHADES[usize::from(grey) * SHADES.len() / 256]
}

const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every grey value occurs, and no two rows are alike.
    fn sample() -> [u8; PIXELS] {
        std::array::from_fn(|i| (i * 7 % 256) as u8)
    }

    #[test]
    fn png_gives_back_the_same_pixels() {
        let bytes = to_png(&sample()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = [0; PIXELS];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (28, 28));
        assert_eq!(frame.color_type, png::ColorType::Grayscale);
        assert_eq!(pixels, sample());
    }

    #[test]
    fn draws_paper_ink_and_what_is_between() {
        let mut pixels = [0; PIXELS];
        pixels[..28].fill(255); // row 0 alone: half ink in the first line
        pixels[2 * 28 + 5] = 255; // rows 2 and 3, column 5: full ink in the second line
        pixels[3 * 28 + 5] = 255;
        let text = to_text(&pixels);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 14);
        assert_eq!(lines[0], "▒".repeat(28));
        assert_eq!(lines[1], format!("{}█{}", " ".repeat(5), " ".repeat(22)));
        assert_eq!(lines[2], " ".repeat(28));
    }
}
