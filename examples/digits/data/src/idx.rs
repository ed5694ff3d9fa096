//! The IDX format: a magic number, big-endian sizes, then one byte per value.
//!
//! Read strictly: the magic number, the sizes and the exact length must agree, so a file that was
//! cut short, or carries something behind its last picture, is refused.

/// Parses a file of pictures, 28 rows by 28 columns each.
pub fn parse_images(mut bytes: Vec<u8>) -> Result<Images, ParseError> {
    let [magic, count, rows, columns] = header(&bytes)?;
    if magic != IMAGES_MAGIC {
        return Err(ParseError::Magic {
            want: IMAGES_MAGIC,
            got: magic,
        });
    }
    if (rows, columns) != (SIDE as u32, SIDE as u32) {
        return Err(ParseError::Shape { rows, columns });
    }
    check_length(&bytes, IMAGES_HEADER, count, PIXELS)?;
    bytes.drain(..IMAGES_HEADER);
    Ok(Images { pixels: bytes })
}

/// Parses a file of labels: one digit, 0 to 9, for each picture.
pub fn parse_labels(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    let [magic, count] = header(bytes)?;
    if magic != LABELS_MAGIC {
        return Err(ParseError::Magic {
            want: LABELS_MAGIC,
            got: magic,
        });
    }
    check_length(bytes, LABELS_HEADER, count, 1)?;
    let labels = &bytes[LABELS_HEADER..];
    match labels.iter().position(|&label| label > 9) {
        Some(index) => Err(ParseError::Label {
            index,
            label: labels[index],
        }),
        None => Ok(labels.to_vec()),
    }
}

/// Pictures of 28 by 28 grey values: 0 is paper, 255 is ink.
#[derive(Debug)]
pub struct Images {
    pixels: Vec<u8>, // a whole number of pictures
}

impl Images {
    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / PIXELS
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The grey values of picture `index`, row by row.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.pixels.chunks_exact(PIXELS).nth(index)
    }

    pub(crate) fn truncate(&mut self, count: usize) {
        self.pixels.truncate(count.saturating_mul(PIXELS));
    }
}

/// Why bytes are not an IDX file of digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The file ends inside its header.
    #[error("the file has {got} bytes, fewer than the {want} of its header")]
    Header {
        /// Length of the header.
        want: usize,
        /// Length of the file.
        got: usize,
    },
    /// The file holds something else.
    #[error("the file starts with `{got:#010x}` where `{want:#010x}` is expected")]
    Magic {
        /// The magic number of the format.
        want: u32,
        /// What the file has there.
        got: u32,
    },
    /// The pictures have another size.
    #[error("the pictures have {rows} rows and {columns} columns, but the network takes 28 and 28")]
    Shape {
        /// Rows of each picture.
        rows: u32,
        /// Columns of each picture.
        columns: u32,
    },
    /// The header announces none, or more than are taken.
    #[error("the header announces {count} entries, but 1 to {COUNT_MAX} are taken")]
    Count {
        /// The announced number.
        count: u32,
    },
    /// The length does not follow from the header.
    #[error(
        "the header announces {want} bytes, but the file has {got}: it is incomplete or altered"
    )]
    Length {
        /// Length that follows from the header.
        want: usize,
        /// Length of the file.
        got: usize,
    },
    /// A label is no digit.
    #[error("label {index} is {label}, which is no digit")]
    Label {
        /// Position of the label.
        index: usize,
        /// Its value.
        label: u8,
    },
}

/// Rows, and columns, of a picture.
pub const SIDE: usize = 28;
/// Grey values of a picture.
pub const PIXELS: usize = SIDE * SIDE;
/// Most entries a file may have.
pub const COUNT_MAX: u32 = 100_000;
/// Largest file of pictures.
pub const IMAGES_BYTES_MAX: u64 = IMAGES_HEADER as u64 + COUNT_MAX as u64 * PIXELS as u64;
/// Largest file of labels.
pub const LABELS_BYTES_MAX: u64 = LABELS_HEADER as u64 + COUNT_MAX as u64;

const IMAGES_MAGIC: u32 = 0x0803; // unsigned bytes in three dimensions
const LABELS_MAGIC: u32 = 0x0801; // unsigned bytes in one dimension
const IMAGES_HEADER: usize = 16;
const LABELS_HEADER: usize = 8;

/// The first `N` big-endian words.
fn header<const N: usize>(bytes: &[u8]) -> Result<[u32; N], ParseError> {
    let short = ParseError::Header {
        want: N * 4,
        got: bytes.len(),
    };
    let (words, _) = bytes.as_chunks::<4>();
    let words: &[[u8; 4]; N] = words.first_chunk().ok_or(short)?;
    Ok(words.map(u32::from_be_bytes))
}

/// Whether a file is exactly as long as its header says.
fn check_length(bytes: &[u8], header: usize, count: u32, size: usize) -> Result<(), ParseError> {
    if count == 0 || count > COUNT_MAX {
        return Err(ParseError::Count { count });
    }
    let want = header + count as usize * size; // at most 78,400,016: `count` is bounded
    if bytes.len() != want {
        return Err(ParseError::Length {
            want,
            got: bytes.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(words: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend(values);
        bytes
    }

    #[test]
    fn reads_pictures_in_order() {
        let images =
            parse_images(file(&[0x803, 2, 28, 28], &[[3; 784], [9; 784]].concat())).unwrap();
        assert_eq!((images.len(), images.is_empty()), (2, false));
        assert_eq!(images.get(0).unwrap(), [3; 784]);
        assert_eq!(images.get(1).unwrap(), [9; 784]);
        assert_eq!(images.get(2), None);
    }

    #[test]
    fn reads_labels_in_order() {
        assert_eq!(
            parse_labels(&file(&[0x801, 3], &[0, 9, 5])).unwrap(),
            [0, 9, 5]
        );
    }

    #[test]
    fn refuses_every_altered_file_of_pictures() {
        let cases: &[(&[u32], usize, ParseError)] = &[
            (&[], 0, ParseError::Header { want: 16, got: 0 }),
            (&[0x803, 1, 28], 3, ParseError::Header { want: 16, got: 15 }),
            (
                &[0x801, 1, 28, 28],
                784,
                ParseError::Magic {
                    want: 0x803,
                    got: 0x801,
                },
            ),
            (
                &[0x0308_0000, 1, 28, 28],
                784,
                ParseError::Magic {
                    want: 0x803,
                    got: 0x0308_0000,
                },
            ),
            (
                &[0x803, 1, 27, 28],
                784,
                ParseError::Shape {
                    rows: 27,
                    columns: 28,
                },
            ),
            (
                &[0x803, 1, 28, 0],
                784,
                ParseError::Shape {
                    rows: 28,
                    columns: 0,
                },
            ),
            (&[0x803, 0, 28, 28], 0, ParseError::Count { count: 0 }),
            (
                &[0x803, 100_001, 28, 28],
                784,
                ParseError::Count { count: 100_001 },
            ),
            (
                &[0x803, u32::MAX, 28, 28],
                784,
                ParseError::Count { count: u32::MAX },
            ),
            (
                &[0x803, 1, 28, 28],
                783,
                ParseError::Length {
                    want: 800,
                    got: 799,
                },
            ),
            (
                &[0x803, 1, 28, 28],
                785,
                ParseError::Length {
                    want: 800,
                    got: 801,
                },
            ),
            (
                &[0x803, 2, 28, 28],
                784,
                ParseError::Length {
                    want: 1584,
                    got: 800,
                },
            ),
        ];
        for (words, values, want) in cases {
            assert_eq!(
                &parse_images(file(words, &vec![0; *values])).unwrap_err(),
                want
            );
        }
    }

    #[test]
    fn refuses_every_altered_file_of_labels() {
        let cases: &[(&[u32], &[u8], ParseError)] = &[
            (&[0x801], &[0, 0, 0], ParseError::Header { want: 8, got: 7 }),
            (
                &[0x803, 1],
                &[1],
                ParseError::Magic {
                    want: 0x801,
                    got: 0x803,
                },
            ),
            (&[0x801, 0], &[], ParseError::Count { count: 0 }),
            (&[0x801, 2], &[1], ParseError::Length { want: 10, got: 9 }),
            (
                &[0x801, 2],
                &[1, 2, 3],
                ParseError::Length { want: 10, got: 11 },
            ),
            (
                &[0x801, 3],
                &[1, 10, 255],
                ParseError::Label {
                    index: 1,
                    label: 10,
                },
            ),
        ];
        for (words, values, want) in cases {
            assert_eq!(&parse_labels(&file(words, values)).unwrap_err(), want);
        }
    }
}
