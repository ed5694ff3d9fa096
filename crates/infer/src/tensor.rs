//! Tensors as callers speak of them: the datatypes of the Open Inference Protocol, shapes, and numbers in JSON or as
//! raw bytes.

use std::fmt;
use std::str::FromStr;

use decode::json::Raw;

/// The most dimensions a tensor may have.
pub const RANK_MAX: usize = 8;
/// The most numbers one tensor may hold: 64 MiB of `FP32`.
pub const ELEMENTS_MAX: usize = 16 << 20;

/// What a model takes or gives: a name, a datatype, and the shape of one row. The first dimension, the batch, is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) row: Vec<usize>,
}

impl TensorSpec {
    /// The tensor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The datatype of its elements.
    #[must_use]
    pub const fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// The shape of one row: all dimensions but the batch.
    #[must_use]
    pub fn row(&self) -> &[usize] {
        &self.row
    }

    /// How many elements one row has.
    #[must_use]
    pub fn row_elements(&self) -> usize {
        // Checked against a limit when the specification was read, so the product can't overflow.
        self.row.iter().product()
    }

    /// The shape as the protocol writes it, with -1 for the batch.
    #[must_use]
    pub fn shape(&self) -> Vec<i64> {
        let row = self.row.iter();
        std::iter::once(-1)
            .chain(row.map(|size| i64::try_from(*size).unwrap_or(i64::MAX)))
            .collect()
    }

    /// The number of rows in a tensor of this shape, when it is one that the model takes.
    ///
    /// # Errors
    /// The shape has another row, no rows, or too many elements.
    pub fn rows(&self, shape: &[usize]) -> Result<usize, TensorError> {
        match shape {
            [rows, row @ ..] if *rows > 0 && row == self.row => {
                elements(shape)?;
                Ok(*rows)
            }
            _ => Err(TensorError::Shape {
                name: self.name.clone(),
                want: self.shape(),
                got: shape.to_vec(),
            }),
        }
    }
}

/// The number of elements in a tensor of this shape.
///
/// # Errors
/// The shape has too many dimensions or elements.
pub fn elements(shape: &[usize]) -> Result<usize, TensorError> {
    if shape.len() > RANK_MAX {
        return Err(TensorError::Rank { rank: shape.len() });
    }
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
        .filter(|product| *product <= ELEMENTS_MAX)
        .ok_or_else(|| TensorError::Elements {
            shape: shape.to_vec(),
        })
}

/// Gives the numbers of an `FP32` tensor in JSON, row-major, as they are read: from one flat array, or arrays nested exactly
/// as the shape says.
///
/// # Errors
/// The counts don't match the shape, or an element is no finite `FP32`; then some numbers were given already.
pub fn floats_from_json(
    data: Raw<'_>,
    shape: &[usize],
    mut take: impl FnMut(f32),
) -> Result<(), TensorError> {
    let flat = [elements(shape)?];
    let first = data.items().ok_or(TensorError::NotAnArray)?.next();
    let is_nested = first.is_some_and(|first| first.text().starts_with('['));
    flatten(data, if is_nested { shape } else { &flat }, &mut take)
}

/// Depth is bounded by the number of levels, and that by [`RANK_MAX`].
fn flatten(data: Raw<'_>, levels: &[usize], take: &mut impl FnMut(f32)) -> Result<(), TensorError> {
    let Some((want, inner)) = levels.split_first() else {
        take(float(data)?);
        return Ok(());
    };
    let items = || data.items().ok_or(TensorError::NotAnArray);
    let count = |got| TensorError::Count { want: *want, got };
    let mut seen = 0;
    for item in items()? {
        if seen == *want {
            return Err(count(items()?.count()));
        }
        flatten(item, inner, take)?;
        seen += 1;
    }
    if seen == *want {
        Ok(())
    } else {
        Err(count(seen))
    }
}

fn float(data: Raw<'_>) -> Result<f32, TensorError> {
    let text = data.text();
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(TensorError::NotANumber);
    }
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(TensorError::NotFinite),
    }
}

/// Gives the numbers of an `FP32` tensor in raw little-endian bytes, row-major, as they are read.
///
/// # Errors
/// The length doesn't match the shape, or an element is not finite; then some numbers were given already.
pub fn floats_from_bytes(
    bytes: &[u8],
    shape: &[usize],
    mut take: impl FnMut(f32),
) -> Result<(), TensorError> {
    let want = elements(shape)?;
    let (chunks, rest) = bytes.as_chunks::<4>();
    if chunks.len() != want || !rest.is_empty() {
        return Err(TensorError::Bytes {
            want: want * 4,
            got: bytes.len(),
        });
    }
    for chunk in chunks {
        let number = f32::from_le_bytes(*chunk);
        if !number.is_finite() {
            return Err(TensorError::NotFinite);
        }
        take(number);
    }
    Ok(())
}

/// The datatypes of the Open Inference Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    Bf16,
    Bytes,
}

impl Datatype {
    /// The name in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(datatype, _, _)| *datatype == self);
        named.map_or("", |(_, name, _)| name)
    }

    /// How many bytes one element has; none for `BYTES`, whose elements carry their own length.
    #[must_use]
    pub fn size_bytes(self) -> Option<usize> {
        let named = NAMES.iter().find(|(datatype, _, _)| *datatype == self);
        named.and_then(|(_, _, size_bytes)| *size_bytes)
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Datatype {
    type Err = TensorError;

    fn from_str(name: &str) -> Result<Self, TensorError> {
        let named = NAMES.iter().find(|(_, known, _)| *known == name);
        named
            .map(|(datatype, _, _)| *datatype)
            .ok_or_else(|| TensorError::Datatype(name.to_owned()))
    }
}

const NAMES: [(Datatype, &str, Option<usize>); 14] = [
    (Datatype::Bool, "BOOL", Some(1)),
    (Datatype::Uint8, "UINT8", Some(1)),
    (Datatype::Uint16, "UINT16", Some(2)),
    (Datatype::Uint32, "UINT32", Some(4)),
    (Datatype::Uint64, "UINT64", Some(8)),
    (Datatype::Int8, "INT8", Some(1)),
    (Datatype::Int16, "INT16", Some(2)),
    (Datatype::Int32, "INT32", Some(4)),
    (Datatype::Int64, "INT64", Some(8)),
    (Datatype::Fp16, "FP16", Some(2)),
    (Datatype::Fp32, "FP32", Some(4)),
    (Datatype::Fp64, "FP64", Some(8)),
    (Datatype::Bf16, "BF16", Some(2)),
    (Datatype::Bytes, "BYTES", None),
];

/// Why a tensor was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// A datatype the protocol doesn't know.
    #[error("`{0}` is no datatype of the Open Inference Protocol")]
    Datatype(String),
    /// More dimensions than allowed.
    #[error("a tensor of {rank} dimensions has more than the {RANK_MAX} allowed")]
    Rank {
        /// How many.
        rank: usize,
    },
    /// More elements than allowed.
    #[error("a tensor of shape {shape:?} has more than the {ELEMENTS_MAX} elements allowed")]
    Elements {
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Not the shape that the model takes.
    #[error("`{name}` takes the shape {want:?}, where -1 is the number of rows, not {got:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// What the model takes.
        want: Vec<i64>,
        /// What was offered.
        got: Vec<usize>,
    },
    /// An array was expected in the data.
    #[error("the data is neither flat nor nested as the shape says: an array was expected")]
    NotAnArray,
    /// A number was expected in the data.
    #[error("the data is neither flat nor nested as the shape says: a number was expected")]
    NotANumber,
    /// A number that `FP32` can't hold, or not a number at all.
    #[error("the data holds a number that is not finite in FP32")]
    NotFinite,
    /// An array with too few or too many items.
    #[error("the shape asks for {want} items where the data has {got}")]
    Count {
        /// How many the shape asks for.
        want: usize,
        /// How many there are.
        got: usize,
    },
    /// Raw data that is too short or too long.
    #[error("the shape asks for {want} bytes where the data has {got}")]
    Bytes {
        /// How many the shape asks for.
        want: usize,
        /// How many there are.
        got: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> TensorSpec {
        TensorSpec {
            name: "image".into(),
            datatype: Datatype::Fp32,
            row: vec![1, 28, 28],
        }
    }

    fn read(data: &str, shape: &[usize]) -> Result<Vec<f32>, TensorError> {
        let data = decode::json::checked(data.as_bytes(), decode::json::Limits::SMALL).unwrap();
        let mut floats = Vec::new();
        floats_from_json(data, shape, |number| floats.push(number)).map(|()| floats)
    }

    #[test]
    fn counts_rows_of_its_own_shape_only() {
        assert_eq!(image().shape(), [-1, 1, 28, 28]);
        assert_eq!(image().rows(&[3, 1, 28, 28]), Ok(3));
        for shape in [
            &[][..],
            &[0, 1, 28, 28],
            &[1, 28, 28],
            &[1, 1, 28, 27],
            &[784],
        ] {
            let refused = image().rows(shape);
            assert!(
                matches!(refused, Err(TensorError::Shape { .. })),
                "{shape:?}"
            );
        }
        let refused = image().rows(&[1 << 20, 1, 28, 28]);
        assert!(matches!(refused, Err(TensorError::Elements { .. })));
    }

    #[test]
    fn counts_elements_within_limits() {
        assert_eq!(elements(&[]), Ok(1));
        assert_eq!(elements(&[ELEMENTS_MAX]), Ok(ELEMENTS_MAX));
        for shape in [&[ELEMENTS_MAX, 2][..], &[usize::MAX, 2], &[usize::MAX; 8]] {
            assert!(matches!(elements(shape), Err(TensorError::Elements { .. })));
        }
        assert_eq!(elements(&[1; 8]), Ok(1));
        assert_eq!(elements(&[1; 9]), Err(TensorError::Rank { rank: 9 }));
    }

    #[test]
    fn reads_flat_and_nested_numbers() {
        for data in ["[1,2.5,-3e0,4]", "[[1,2.5],[-3.0,4]]"] {
            assert_eq!(read(data, &[2, 2]), Ok(vec![1.0, 2.5, -3.0, 4.0]), "{data}");
        }
        assert_eq!(read("[[[0.1]]]", &[1, 1, 1]), Ok(vec![0.1]));
        assert_eq!(read("[]", &[0]), Ok(vec![]));
    }

    #[test]
    fn refuses_other_counts_and_nestings() {
        let count = |want, got| Err(TensorError::Count { want, got });
        for (data, error) in [
            ("[1,2,3]", count(4, 3)),
            ("[1,2,3,4,5]", count(4, 5)),
            ("[]", count(4, 0)),
            ("[[1,2],[3]]", count(2, 1)),
            ("[[1,2]]", count(2, 1)),
            ("[[1,2,3,4]]", count(2, 4)),
            ("[[1,2],3]", Err(TensorError::NotAnArray)),
            ("[[[1],[2]],[[3],[4]]]", Err(TensorError::NotANumber)),
            ("[1,2,3,[4]]", Err(TensorError::NotANumber)),
            ("[1,2,3,\"4\"]", Err(TensorError::NotANumber)),
            ("[1,2,3,true]", Err(TensorError::NotANumber)),
            ("[1,2,3,null]", Err(TensorError::NotANumber)),
            ("[1,2,3,4e38]", Err(TensorError::NotFinite)),
            ("{}", Err(TensorError::NotAnArray)),
            ("4", Err(TensorError::NotAnArray)),
        ] {
            assert_eq!(read(data, &[2, 2]), error, "{data}");
        }
    }

    #[test]
    fn reads_raw_numbers() {
        let read = |bytes: &[u8], shape: &[usize]| {
            let mut floats = Vec::new();
            floats_from_bytes(bytes, shape, |number| floats.push(number)).map(|()| floats)
        };
        let bytes = [1.0_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat();
        assert_eq!(read(&bytes, &[1, 2]), Ok(vec![1.0, -2.0]));
        let refused = read(&bytes[..7], &[1, 2]);
        assert_eq!(refused, Err(TensorError::Bytes { want: 8, got: 7 }));
        let refused = read(&f32::NAN.to_le_bytes(), &[1]);
        assert_eq!(refused, Err(TensorError::NotFinite));
    }

    #[test]
    fn names_every_datatype() {
        for (datatype, name, _) in NAMES {
            assert_eq!((name.parse(), datatype.name()), (Ok(datatype), name));
        }
        assert!("FLOAT32".parse::<Datatype>().is_err());
        assert_eq!(
            (Datatype::Bf16.size_bytes(), Datatype::Bytes.size_bytes()),
            (Some(2), None)
        );
    }
}
