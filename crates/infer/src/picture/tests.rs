use super::*;

/// Written by `testdata/pictures.py`: a picture, and the grey levels that Pillow makes of it at 28×28.
macro_rules! pillow {
    ($($name:literal)*) => {
        [$((
            $name,
            include_bytes!(concat!("../../testdata/pictures/", $name, ".png")).as_slice(),
            include_bytes!(concat!("../../testdata/pictures/", $name, ".grey")).as_slice(),
        )),*]
    };
}

const PILLOW: [(&str, &[u8], &[u8]); 29] = pillow![
    "edges-100x90"
    "grey-alpha16-28x28"
    "grey-alpha8-44x33"
    "grey1-33x40"
    "grey16-30x31"
    "grey16-dark-28x28"
    "grey16-transparent-28x28"
    "grey2-31x30"
    "grey4-35x28"
    "grey4-transparent-28x28"
    "grey8-10x13"
    "grey8-1x1"
    "grey8-28x28"
    "grey8-28x57"
    "grey8-29x27"
    "grey8-300x3"
    "grey8-75x61"
    "grey8-90x28"
    "palette1-28x28"
    "palette4-29x29"
    "palette8-50x37"
    "palette8-transparent-30x30"
    "rgb16-31x29"
    "rgb8-28x28"
    "rgb8-64x48"
    "rgb8-interlaced-37x29"
    "rgb8-transparent-28x28"
    "rgba16-28x28"
    "rgba8-40x41"
];

fn fixture(name: &str) -> &'static [u8] {
    PILLOW
        .iter()
        .find(|(known, _, _)| *known == name)
        .unwrap()
        .1
}

fn digit() -> GreyPicture {
    GreyPicture::new(28, 28, 0.1307, 0.3081).unwrap()
}

#[test]
fn equals_pillow_bit_for_bit() {
    for (name, encoded, want) in PILLOW {
        let resized = resized(encoded, 28, 28).unwrap();
        assert_eq!((resized.width, resized.height), (28, 28));
        assert_eq!(resized.pixels, want, "{name}");
    }
}

#[test]
fn normalises() {
    let row = digit().row(fixture("grey8-28x28")).unwrap();
    let levels = resized(fixture("grey8-28x28"), 28, 28).unwrap().pixels;
    assert_eq!(row.len(), 784);
    for (value, level) in row.iter().zip(levels) {
        let want = (f64::from(level) / 255.0 - 0.1307) / 0.3081;
        assert!((f64::from(*value) - want).abs() < 1e-6);
    }
}

#[test]
fn refuses_every_truncation_and_other_formats() {
    let whole = fixture("rgb8-28x28");
    assert!(digit().row(whole).is_ok());
    // Without its end chunk, 12 bytes, the picture is still whole.
    for size in 0..whole.len() - 12 - 8 {
        assert!(digit().row(&whole[..size]).is_err(), "{size} bytes");
    }
    for other in [&b""[..], b"GIF89a", b"\xff\xd8\xff\xe0", &whole[1..]] {
        assert!(matches!(digit().row(other), Err(PictureError::NotPng)));
    }
}

#[test]
fn refuses_a_flipped_bit_in_header_and_pixels() {
    let whole = fixture("rgb8-28x28");
    for at in [17, 24, 25, 28, 29, 60, whole.len() / 2] {
        let mut flipped = whole.to_vec();
        flipped[at] ^= 1;
        assert!(digit().row(&flipped).is_err(), "byte {at}");
    }
}

#[test]
fn refuses_more_bytes_than_allowed() {
    let mut padded = fixture("grey8-28x28").to_vec();
    padded.resize(ENCODED_BYTES_MAX, 0);
    assert!(digit().row(&padded).is_ok());
    padded.push(0);
    assert!(matches!(
        digit().row(&padded),
        Err(PictureError::TooLong { .. })
    ));
}

#[test]
fn refuses_sizes_by_the_header_alone() {
    for (width, height) in [
        (5000, 5000),
        (4097, 1),
        (1, 4097),
        (0, 28),
        (28, 0),
        (u32::MAX, u32::MAX),
    ] {
        let refused = digit().row(&blank(width, height, 8, 0, &[]));
        assert!(
            matches!(refused, Err(PictureError::Size { .. })),
            "{width}×{height}"
        );
    }
}

/// In colours these would take 48 MiB; what is held is told by the header.
#[test]
fn a_large_picture_is_not_held_but_for_an_interlaced_one() {
    let rows = vec![0; (3 * 4096 + 1) * 4096];
    let mut encoded = blank(4096, 4096, 8, 2, &rows);
    assert!(digit().memory_bytes(&encoded) < 2 << 20);
    assert_eq!(digit().row(&encoded).unwrap(), [digit().normalised(0); 784]);
    encoded[28] = 1;
    let in_grey = 4096 * 4096;
    let told = digit().memory_bytes(&encoded);
    assert!((in_grey..in_grey + (2 << 20)).contains(&told), "{told}");
    assert_eq!(digit().memory_bytes(b"GIF89a"), 0);
}

#[test]
fn takes_the_largest_picture_and_refuses_the_bomb() {
    let largest = vec![0; (4096 + 1) * 4096];
    let encoded = blank(4096, 4096, 8, 0, &largest);
    let row = digit().row(&encoded).unwrap();
    assert_eq!(row, [digit().normalised(0); 784]);
    // The same pixels in 16-bit colour would take 96 MiB.
    let refused = digit().row(&blank(4096, 4096, 16, 2, &largest));
    assert!(
        matches!(refused, Err(PictureError::TooMuchMemory { .. })),
        "{refused:?}"
    );
    // A header that promises more rows than the data has.
    let refused = digit().row(&blank(4096, 4096, 8, 0, &largest[..4097 * 100]));
    assert!(matches!(refused, Err(PictureError::Decode(_))));
}

#[test]
fn refuses_numbers_that_normalise_to_none() {
    for (mean, deviation) in [
        (0.5, 0.0),
        (0.5, -1.0),
        (f32::NAN, 1.0),
        (0.5, f32::NAN),
        (0.5, 1e-39),
    ] {
        assert_eq!(
            GreyPicture::new(28, 28, mean, deviation),
            None,
            "{mean} {deviation}"
        );
    }
}

/// A PNG of these bytes, whatever the header says of them.
fn blank(width: u32, height: u32, depth: u8, color: u8, rows: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, color, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", zlib(rows)), (b"IEND", vec![])] {
        png.extend((data.len() as u32).to_be_bytes());
        let start = png.len();
        png.extend(kind);
        png.extend(data);
        png.extend(crc32(&png[start..]).to_be_bytes());
    }
    png
}

/// Bytes of zero as a deflate stream with fixed codes: one literal, then copies of 258 bytes at distance 1.
fn zlib(zeros: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0b011, 3);
    let mut left = zeros.len();
    if left > 0 {
        bits.push_code(0x30, 8);
        left -= 1;
    }
    while left >= 258 {
        bits.push_code(0b1100_0101, 8);
        bits.push_code(0, 5);
        left -= 258;
    }
    for _ in 0..left {
        bits.push_code(0x30, 8);
    }
    bits.push_code(0, 7);
    let mut stream = vec![0x78, 0x01];
    stream.extend(bits.bytes);
    let adler = (zeros.len() as u32 % 65521) << 16 | 1;
    stream.extend(adler.to_be_bytes());
    stream
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
        for at in 0..width {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> at & 1) as u8;
            *self.bytes.last_mut().unwrap() |= bit << (self.count % 8);
            self.count += 1;
        }
    }

    /// Codes are written from their highest bit on.
    fn push_code(&mut self, code: u32, width: u32) {
        self.push(code.reverse_bits() >> (32 - width), width);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
