//! Strict JSON (RFC 8259): one reading of the bytes, or an error with its place.
//!
//! Stricter than the RFC where readers disagree: duplicate keys, trailing data, lone surrogates and invalid UTF-8
//! are refused, and depth and size are limited. Numbers keep their text, so that `1`, `1.0` and `1e0` stay apart.

mod parse;
mod typed;

use std::borrow::Cow;

use parse::Reader;
use serde::Deserialize;

/// What a reader allows before it refuses.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest document, in bytes.
    pub size_bytes_max: usize,
    /// How many arrays and objects may be open at once.
    pub depth_max: usize,
}

impl Limits {
    /// A policy, a trust root, a request: 1 MiB, 32 deep.
    pub const SMALL: Self = Self {
        size_bytes_max: 1 << 20,
        depth_max: 32,
    };
    /// A bundle or a statement over many files: 64 MiB, 64 deep.
    pub const LARGE: Self = Self {
        size_bytes_max: 64 << 20,
        depth_max: 64,
    };
}

/// A JSON value with its keys in the order they were written; no key stands twice in an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

impl Value {
    /// The member of an object with this name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.as_object()?
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The members, if this is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        if let Self::Object(members) = self {
            Some(members)
        } else {
            None
        }
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The number, if this is one written as an unsigned integer that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        if let Self::Number(text) = self {
            text.parse().ok()
        } else {
            None
        }
    }
}

/// A value of a document that was found to be strict JSON, as it was written: what is in it is read when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// The text, without the space around it.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.0
    }

    /// All of it as a [`Value`].
    #[must_use]
    pub fn value(self) -> Value {
        // It was read before, and so is read again.
        self.reader().node().unwrap_or(Value::Null)
    }

    /// All of it as a type.
    ///
    /// # Errors
    /// It has another shape than `T`.
    pub fn read<T: Deserialize<'a>>(self) -> Result<T, Error> {
        T::deserialize(&mut self.reader())
    }

    /// The member of an object with this name.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Self> {
        self.members()?
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The members, if this is an object.
    #[must_use]
    pub fn members(self) -> Option<impl Iterator<Item = (Cow<'a, str>, Self)>> {
        let mut reader = self.opened(b'{')?;
        let mut is_first = true;
        Some(std::iter::from_fn(move || {
            let key = reader.next_key(is_first).ok()??;
            is_first = false;
            Some((key, Self(reader.as_written().ok()?)))
        }))
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn items(self) -> Option<impl Iterator<Item = Self>> {
        let mut reader = self.opened(b'[')?;
        let mut is_first = true;
        Some(std::iter::from_fn(move || {
            let is_more = reader.next_item(is_first).ok()?;
            is_first = false;
            is_more.then(|| reader.as_written().ok().map(Self))?
        }))
    }

    /// The text, unescaped, if this is a string.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let mut reader = self.reader();
        (reader.peek() == Some(b'"')).then(|| reader.string().ok())?
    }

    /// The characters of the text, unescaped, one after another, if this is a string.
    #[must_use]
    pub fn chars(self) -> Option<impl Iterator<Item = char> + use<'a>> {
        let mut reader = self.reader();
        let text = (reader.peek() == Some(b'"')).then(|| reader.quoted().ok())??;
        Some(Reader::new(text, 0, 0).unescaped())
    }

    fn opened(self, with: u8) -> Option<Reader<'a>> {
        let mut reader = self.reader();
        let is_open = reader.peek() == Some(with) && reader.open().is_ok();
        is_open.then_some(reader)
    }

    /// Its depth was limited when it was found to be JSON.
    const fn reader(self) -> Reader<'a> {
        Reader::new(self.0, 0, usize::MAX)
    }
}

/// Finds that one document is strict JSON, and leaves it as it is.
///
/// # Errors
/// The document is over a limit, is not JSON, or could be read in two ways.
pub fn checked(bytes: &[u8], limits: Limits) -> Result<Raw<'_>, Error> {
    parse::document(bytes, limits).map(Raw)
}

/// Reads one document into a [`Value`].
///
/// # Errors
/// As [`checked`].
pub fn value(bytes: &[u8], limits: Limits) -> Result<Value, Error> {
    checked(bytes, limits).map(Raw::value)
}

/// Reads one document into a type, strictly. What the type borrows is not copied, and nothing is kept besides.
///
/// # Errors
/// As [`checked`], or the document has another shape than `T`.
pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8], limits: Limits) -> Result<T, Error> {
    checked(bytes, limits)?.read()
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than the limit.
    #[error("the JSON is {size_bytes} bytes long, more than the {size_bytes_max} allowed")]
    TooLong {
        /// How long it is.
        size_bytes: usize,
        /// How long it may be.
        size_bytes_max: usize,
    },
    /// Nested deeper than the limit.
    #[error("the JSON is nested deeper than {depth_max} at byte {at}")]
    TooDeep {
        /// Where.
        at: usize,
        /// How deep it may be.
        depth_max: usize,
    },
    /// Not JSON.
    #[error("not JSON at byte {at}: {problem}")]
    Syntax {
        /// Where.
        at: usize,
        /// What was wrong.
        problem: &'static str,
    },
    /// A key twice in one object.
    #[error("the key `{key}` stands twice in one object, at byte {at}")]
    DuplicateKey {
        /// Which.
        key: String,
        /// Where the second one is.
        at: usize,
    },
    /// Something after the document.
    #[error("there is more after the JSON ends, at byte {at}")]
    Trailing {
        /// Where.
        at: usize,
    },
    /// JSON, but not of the expected shape.
    #[error("{0}")]
    Shape(String),
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Shape(message.to_string())
    }
}
