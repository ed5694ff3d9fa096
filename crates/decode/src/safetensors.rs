//! The safetensors container, read to the last byte.
//!
//! Stricter than the reference reader where two readings are possible: duplicate keys, names with path components and
//! metadata that is not text are refused. The tensors tile the data: no hole, no overlap, no byte after the last one.

mod header;

use std::ops::Range;

pub use header::read_header;

/// The longest header that is read, in bytes; the format's own limit.
pub const HEADER_BYTES_MAX: u64 = 100_000_000;

/// Reads a whole file that is in memory.
///
/// # Errors
/// The header breaks an invariant of the format, or the tensors do not tile the data exactly.
pub fn read(bytes: &[u8]) -> Result<Layout<'_>, Error> {
    let file_size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let header = read_header(bytes, file_size_bytes)?;
    let data_start = usize::try_from(header.data_start).unwrap_or(usize::MAX);
    let data = bytes.get(data_start..).unwrap_or_default();
    Ok(Layout { header, data })
}

/// How many bytes from the start of a file [`read_header`] needs: the length field and the header.
///
/// # Errors
/// The length field is cut off, over the limit, or runs past the end of the file.
pub fn prefix_size_bytes(start: &[u8], file_size_bytes: u64) -> Result<u64, Error> {
    let field: [u8; 8] = start
        .first_chunk()
        .copied()
        .ok_or(Error::TooShort { file_size_bytes })?;
    let header_bytes = u64::from_le_bytes(field);
    if header_bytes > HEADER_BYTES_MAX {
        return Err(Error::HeaderTooLong { header_bytes });
    }
    let prefix = header_bytes + 8;
    if prefix > file_size_bytes {
        return Err(Error::HeaderPastEnd {
            header_bytes,
            file_size_bytes,
        });
    }
    Ok(prefix)
}

/// A file whose header and tensors were checked against its length.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout<'a> {
    /// What the header says.
    pub header: Header,
    data: &'a [u8],
}

impl<'a> Layout<'a> {
    /// A tensor and its bytes.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<(&TensorInfo, &'a [u8])> {
        let info = self.header.tensors.iter().find(|info| info.name == name)?;
        Some((info, self.bytes_of(info)?))
    }

    /// Every tensor with its bytes, in the order of the data.
    pub fn tensors(&self) -> impl Iterator<Item = (&TensorInfo, &'a [u8])> {
        self.header
            .tensors
            .iter()
            .filter_map(|info| Some((info, self.bytes_of(info)?)))
    }

    fn bytes_of(&self, info: &TensorInfo) -> Option<&'a [u8]> {
        let begin = usize::try_from(info.bytes.start).ok()?;
        let end = usize::try_from(info.bytes.end).ok()?;
        self.data.get(begin..end)
    }
}

/// The header of a file, with everything that can be checked without the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The tensors, in the order of the data; they tile it.
    pub tensors: Vec<TensorInfo>,
    /// The free-form metadata, in the order it was written.
    pub metadata: Vec<(String, String)>,
    /// Where the data begins, from the start of the file.
    pub data_start: u64,
}

/// One tensor of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// What its elements are.
    pub dtype: Dtype,
    /// Its dimensions, outermost first; none for a scalar.
    pub shape: Vec<u64>,
    /// Where its bytes are, from the start of the data.
    pub bytes: Range<u64>,
}

macro_rules! dtypes {
    ($($variant:ident $name:literal $size:literal;)*) => {
        /// What the elements of a tensor are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Dtype {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Dtype {
            /// The name in the header.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How many bytes an element takes.
            #[must_use]
            pub const fn size_bytes(self) -> u64 {
                match self { $(Self::$variant => $size,)* }
            }

            fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

dtypes! {
    Bool "BOOL" 1;
    U8 "U8" 1;
    I8 "I8" 1;
    F8E4M3 "F8_E4M3" 1;
    F8E5M2 "F8_E5M2" 1;
    F8E4M3Fnuz "F8_E4M3FNUZ" 1;
    F8E5M2Fnuz "F8_E5M2FNUZ" 1;
    F8E8M0 "F8_E8M0" 1;
    U16 "U16" 2;
    I16 "I16" 2;
    F16 "F16" 2;
    Bf16 "BF16" 2;
    U32 "U32" 4;
    I32 "I32" 4;
    F32 "F32" 4;
    U64 "U64" 8;
    I64 "I64" 8;
    F64 "F64" 8;
    C64 "C64" 8;
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No room for the length of the header.
    #[error("{file_size_bytes} bytes are too few for a safetensors file")]
    TooShort {
        /// How long the file is.
        file_size_bytes: u64,
    },
    /// The header is over the limit.
    #[error("the header says it is {header_bytes} bytes long, more than {HEADER_BYTES_MAX}")]
    HeaderTooLong {
        /// How long the header says it is.
        header_bytes: u64,
    },
    /// The header does not fit in the file, or not all of it was given.
    #[error("the header says it is {header_bytes} bytes long, in a file of {file_size_bytes}")]
    HeaderPastEnd {
        /// How long the header says it is.
        header_bytes: u64,
        /// How long the file is.
        file_size_bytes: u64,
    },
    /// The header does not start with `{`.
    #[error("the header does not start with `{{`")]
    HeaderStart,
    /// The header is not strict JSON.
    #[error("the header cannot be read")]
    HeaderJson(#[source] crate::json::Error),
    /// The metadata is not an object of texts.
    #[error("`__metadata__` has something other than texts in it")]
    Metadata,
    /// A name that is empty or could leave a folder.
    #[error("the tensor name {name:?} is empty, a path, or has a NUL")]
    Name {
        /// Which.
        name: String,
    },
    /// A tensor whose description has the wrong shape.
    #[error("the tensor `{name}` is not described by `dtype`, `shape` and `data_offsets` alone")]
    Description {
        /// Which.
        name: String,
    },
    /// An element type that is not known.
    #[error("the tensor `{name}` has the unknown dtype {dtype:?}")]
    UnknownDtype {
        /// Which.
        name: String,
        /// What it says.
        dtype: String,
    },
    /// Shape, dtype and offsets do not agree.
    #[error("the tensor `{name}` has a shape that does not fill its {span_bytes} bytes")]
    Span {
        /// Which.
        name: String,
        /// How many bytes the offsets give it.
        span_bytes: u64,
    },
    /// Offsets that run backwards.
    #[error("the tensor `{name}` ends before it begins")]
    Backwards {
        /// Which.
        name: String,
    },
    /// A hole before a tensor, or one that lies over another.
    #[error("the tensor `{name}` begins at {begin}, and the one before it ends at {expected}")]
    NotAdjacent {
        /// Which.
        name: String,
        /// Where it begins.
        begin: u64,
        /// Where it should.
        expected: u64,
    },
    /// The data is longer or shorter than the tensors.
    #[error("the tensors end at {tensors_end}, and the data has {data_bytes} bytes")]
    DataLength {
        /// Where the last tensor ends.
        tensors_end: u64,
        /// How long the data is.
        data_bytes: u64,
    },
}

#[cfg(test)]
mod tests;
