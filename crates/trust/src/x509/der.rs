//! Walking over DER: one element after the other, nothing skipped, nothing left over.
//!
//! `None` means "these bytes are no such thing"; who asked knows what it was to be, and says so.

use pkcs8::der::asn1::{BitStringRef, ObjectIdentifier};
use pkcs8::der::{DateTime, Decode as _, Header, Reader as _, SliceReader, Tag, TagNumber};

use crate::Time;

/// An element: its tag, what is inside, and all its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: Tag,
    pub(crate) value: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// The elements that stand in some bytes.
pub(crate) struct Elements<'a>(SliceReader<'a>);

impl<'a> Elements<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        SliceReader::new(bytes).ok().map(Self)
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let whole = self.0.tlv_bytes().ok()?;
        let mut reader = SliceReader::new(whole).ok()?;
        let header = Header::decode(&mut reader).ok()?;
        let value = reader.read_slice(header.length()).ok()?;
        let tag = header.tag();
        Some(Element { tag, value, whole })
    }

    /// The next element, which must have this tag.
    pub(crate) fn take(&mut self, tag: Tag) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// The next element if it has this tag. What is there and can't be read is found by [`Self::end`].
    pub(crate) fn optional(&mut self, tag: Tag) -> Option<Element<'a>> {
        (Tag::peek(&self.0).ok()? == tag).then(|| self.any())?
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.is_finished()
    }

    /// Nothing is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.is_done().then_some(())
    }
}

impl<'a> Element<'a> {
    /// The one element that these bytes are, with nothing behind it.
    pub(crate) fn only(bytes: &'a [u8], tag: Tag) -> Option<Self> {
        let mut elements = Elements::of(bytes)?;
        let element = elements.take(tag)?;
        elements.end()?;
        Some(element)
    }

    /// The elements inside.
    pub(crate) fn inside(&self) -> Option<Elements<'a>> {
        Elements::of(self.value)
    }

    /// The one element inside, with nothing behind it.
    pub(crate) fn single(&self, tag: Tag) -> Option<Self> {
        Self::only(self.value, tag)
    }

    /// All elements inside, at most so many, each with this tag.
    pub(crate) fn all(&self, tag: Tag, count_max: usize) -> Option<Vec<Self>> {
        let mut inside = self.inside()?;
        let mut all = Vec::new();
        while !inside.is_done() {
            all.push(inside.take(tag)?);
            (all.len() <= count_max).then_some(())?;
        }
        Some(all)
    }

    pub(crate) fn oid(&self) -> Option<ObjectIdentifier> {
        ObjectIdentifier::from_der(self.whole).ok()
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        bool::from_der(self.whole).ok()
    }

    /// A small number that is not negative.
    pub(crate) fn small(&self) -> Option<u32> {
        u32::from_der(self.whole).ok()
    }

    /// An integer's bytes, written as short as they can be, not negative, at most 160 bits as RFC 5280 has it.
    pub(crate) fn serial(&self) -> Option<&'a [u8]> {
        const SIZE_BYTES_MAX: usize = 21;
        let is_minimal = match self.value {
            [] => false,
            [0, second, ..] => *second >= 0x80,
            [first, ..] => *first < 0x80,
        };
        (is_minimal || self.value == [0]).then_some(())?;
        (self.value.len() <= SIZE_BYTES_MAX).then_some(self.value)
    }

    pub(crate) fn bits(&self) -> Option<BitStringRef<'a>> {
        BitStringRef::from_der(self.whole).ok()
    }

    /// Text of ASCII characters that can be seen: no NUL and no line ends to cut a name with.
    pub(crate) fn visible_ascii(&self) -> Option<&'a str> {
        let is_visible = |byte: &u8| (b' '..=b'~').contains(byte);
        (!self.value.is_empty() && self.value.iter().all(is_visible)).then_some(())?;
        std::str::from_utf8(self.value).ok()
    }

    /// A moment, as `UTCTime` or `GeneralizedTime` in UTC; the second may have parts of a second, which are dropped.
    pub(crate) fn time(&self) -> Option<Time> {
        let digits = self.value.strip_suffix(b"Z")?;
        match self.tag {
            Tag::UtcTime => {
                let century = if digits.first()? < &b'5' {
                    b"20"
                } else {
                    b"19"
                };
                moment(&[century, digits].concat())
            }
            Tag::GeneralizedTime => match digits.split_at_checked(14)? {
                (whole, []) => moment(whole),
                (whole, [b'.', parts @ .., last]) => {
                    let is_number = parts.iter().all(u8::is_ascii_digit);
                    (is_number && (b'1'..=b'9').contains(last)).then_some(())?;
                    moment(whole)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// `YYYYMMDDHHMMSS`.
fn moment(digits: &[u8]) -> Option<Time> {
    let digits: [u8; 14] = digits.try_into().ok()?;
    digits.iter().all(u8::is_ascii_digit).then_some(())?;
    let pair = |at: usize| (digits[at] - b'0') * 10 + (digits[at + 1] - b'0');
    let year = u16::from(pair(0)) * 100 + u16::from(pair(2));
    let date = DateTime::new(year, pair(4), pair(6), pair(8), pair(10), pair(12)).ok()?;
    i64::try_from(date.unix_duration().as_secs())
        .ok()
        .map(Time::from_unix)
}

/// The tag `[number]`, around other elements.
pub(crate) fn around(number: u32) -> Tag {
    TagNumber(number).context_specific(true)
}

/// The tag `[number]` in place of a primitive type's own.
pub(crate) fn in_place(number: u32) -> Tag {
    TagNumber(number).context_specific(false)
}
