//! The one grammar: bytes to checked text, and checked text to [`Value`] or to a type, by an explicit position.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Error, Limits, Value};

/// More members than any object of ours has; each is remembered until the object ends, to find the one that stands twice.
const MEMBERS_MAX: usize = 65_536;
/// In all objects together that are open: each level may have as many, and together they would take many times the document.
const OPEN_MEMBERS_MAX: usize = 2 * MEMBERS_MAX;
/// Above this many members, duplicates are looked for by a set instead of by looking back.
const MEMBERS_LOOKED_BACK_OVER: usize = 16;

/// The text of the one value of a document that is strict JSON within its limits.
pub(super) fn document(bytes: &[u8], limits: Limits) -> Result<&str, Error> {
    if bytes.len() > limits.size_bytes_max {
        return Err(Error::TooLong {
            size_bytes: bytes.len(),
            size_bytes_max: limits.size_bytes_max,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|e| Error::Syntax {
        at: e.valid_up_to(),
        problem: "invalid UTF-8",
    })?;
    let mut reader = Reader::new(text, 0, limits.depth_max);
    reader.skip_space();
    let value = reader.as_written()?;
    reader.skip_space();
    if reader.at < bytes.len() {
        Err(Error::Trailing { at: reader.at })
    } else {
        Ok(value)
    }
}

/// What a reader makes of each value that it comes by.
pub(super) trait Node: Sized {
    /// Whether anything is: what isn't is not unescaped.
    const IS_KEPT: bool;
    fn scalar(scalar: Scalar<'_>) -> Self;
    fn array(items: Vec<Self>) -> Self;
    fn object(members: Vec<(Cow<'_, str>, Self)>) -> Self;
}

/// A value without parts.
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(Cow<'a, str>),
}

/// Nothing is kept: it was JSON. A list of these takes no memory.
pub(super) struct Checked;

impl Node for Checked {
    const IS_KEPT: bool = false;

    fn scalar(_: Scalar<'_>) -> Self {
        Self
    }

    fn array(_: Vec<Self>) -> Self {
        Self
    }

    fn object(_: Vec<(Cow<'_, str>, Self)>) -> Self {
        Self
    }
}

impl Node for Value {
    const IS_KEPT: bool = true;

    fn scalar(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Number(text) => Self::Number(text.to_owned()),
            Scalar::String(text) => Self::String(text.into_owned()),
        }
    }

    fn array(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn object(members: Vec<(Cow<'_, str>, Self)>) -> Self {
        let members = members.into_iter();
        Self::Object(
            members
                .map(|(key, value)| (key.into_owned(), value))
                .collect(),
        )
    }
}

pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
    depth: usize,
    depth_max: usize,
    /// How many members are remembered.
    open_members: usize,
}

impl<'a> Reader<'a> {
    /// Reads from `at`, which is where a value begins, or space before one.
    pub(super) const fn new(text: &'a str, at: usize, depth_max: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at,
            depth: 0,
            depth_max,
            open_members: 0,
        }
    }

    pub(super) fn node<N: Node>(&mut self) -> Result<N, Error> {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') if !N::IS_KEPT => self.quoted().map(|_| N::scalar(Scalar::Null)),
            _ => self.scalar().map(N::scalar),
        }
    }

    pub(super) fn scalar(&mut self) -> Result<Scalar<'a>, Error> {
        match self.peek() {
            Some(b'"') => self.string().map(Scalar::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Scalar::Number),
            Some(b't') => self.literal("true", Scalar::Bool(true)),
            Some(b'f') => self.literal("false", Scalar::Bool(false)),
            Some(b'n') => self.literal("null", Scalar::Null),
            Some(_) => Err(self.syntax("a value was expected")),
            None => Err(self.syntax("it ends where a value was expected")),
        }
    }

    /// Goes into an array or an object.
    pub(super) fn open(&mut self) -> Result<(), Error> {
        if self.depth == self.depth_max {
            return Err(Error::TooDeep {
                at: self.at,
                depth_max: self.depth_max,
            });
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Whether another part follows before `end`, which closes the array or object; the comma before it is eaten.
    pub(super) fn next_part(
        &mut self,
        is_first: bool,
        end: u8,
        expected: &'static str,
    ) -> Result<bool, Error> {
        if !is_first {
            self.skip_space();
        }
        if self.eat(end) {
            self.depth -= 1;
            return Ok(false);
        }
        if !is_first {
            if !self.eat(b',') {
                return Err(self.syntax(expected));
            }
            self.skip_space();
        }
        Ok(true)
    }

    pub(super) fn next_item(&mut self, is_first: bool) -> Result<bool, Error> {
        self.next_part(is_first, b']', "`,` or `]` was expected")
    }

    /// The key of the next member; what follows is its value.
    pub(super) fn next_key(&mut self, is_first: bool) -> Result<Option<Cow<'a, str>>, Error> {
        if !self.next_part(is_first, b'}', "`,` or `}` was expected")? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(self.syntax("a key in quotes was expected"));
        }
        let key = self.string()?;
        self.skip_space();
        if !self.eat(b':') {
            return Err(self.syntax("`:` was expected after a key"));
        }
        self.skip_space();
        Ok(Some(key))
    }

    /// Whether the array or object ends here.
    pub(super) fn closes(&mut self) -> bool {
        self.skip_space();
        let closes = self.eat(b']') || self.eat(b'}');
        self.depth -= usize::from(closes);
        closes
    }

    /// The text of the next value.
    pub(super) fn as_written(&mut self) -> Result<&'a str, Error> {
        let start = self.at;
        self.node::<Checked>()?;
        Ok(self.slice(start, self.at))
    }

    fn object<N: Node>(&mut self) -> Result<N, Error> {
        let mut members: Vec<(Cow<'a, str>, N)> = Vec::new();
        let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
        self.open()?;
        loop {
            let key_at = self.at;
            let Some(key) = self.next_key(members.is_empty())? else {
                self.open_members -= members.len();
                return Ok(N::object(members));
            };
            if is_duplicate(&members, &mut seen, &key) {
                return Err(Error::DuplicateKey {
                    key: key.into_owned(),
                    at: self.key_after(key_at),
                });
            }
            if members.len() == MEMBERS_MAX {
                return Err(self.syntax("more than 65536 keys in one object"));
            }
            if self.open_members == OPEN_MEMBERS_MAX {
                return Err(self.syntax("more than 131072 keys in objects within each other"));
            }
            self.open_members += 1;
            let value = self.node()?;
            members.push((key, value));
        }
    }

    /// Where the key is that was looked for from here: after a comma and space, if it is not the first.
    fn key_after(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| *byte == b'"').unwrap_or(0)
    }

    fn array<N: Node>(&mut self) -> Result<N, Error> {
        let mut items = Vec::new();
        self.open()?;
        while self.next_item(items.is_empty())? {
            items.push(self.node()?);
        }
        Ok(N::array(items))
    }

    fn number(&mut self) -> Result<&'a str, Error> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.syntax("a digit was expected")),
        }
        if self.eat(b'.') {
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(self.slice(start, self.at))
    }

    fn some_digits(&mut self) -> Result<(), Error> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.syntax("a digit was expected"));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &'static str, value: Scalar<'a>) -> Result<Scalar<'a>, Error> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.syntax("a value was expected"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Text in quotes: itself where nothing in it is escaped.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        let text = self.quoted()?;
        if !text.contains('\\') {
            return Ok(Cow::Borrowed(text));
        }
        // What is escaped is shorter when it isn't.
        let mut unescaped = String::with_capacity(text.len());
        unescaped.extend(Self::new(text, 0, 0).unescaped());
        Ok(Cow::Owned(unescaped))
    }

    /// Text in quotes as it was written, without them.
    pub(super) fn quoted(&mut self) -> Result<&'a str, Error> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err(self.syntax("it ends inside a string")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.slice(start, self.at - 1));
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..0x20) => return Err(self.syntax("a control character in a string")),
                Some(_) => self.at += 1,
            }
        }
    }

    /// The characters of a text that was in quotes.
    pub(super) fn unescaped(mut self) -> impl Iterator<Item = char> + use<'a> {
        std::iter::from_fn(move || {
            let written = self.text.get(self.at..)?.chars().next()?;
            self.at += written.len_utf8();
            match written {
                '\\' => self.escape().ok(),
                _ => Some(written),
            }
        })
    }

    fn escape(&mut self) -> Result<char, Error> {
        let escaped = self
            .peek()
            .ok_or_else(|| self.syntax("it ends inside a string"))?;
        self.at += 1;
        Ok(match escaped {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.syntax("an unknown escape")),
        })
    }

    fn unicode(&mut self) -> Result<char, Error> {
        let first = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            if !(self.eat(b'\\') && self.eat(b'u')) {
                return Err(self.syntax("half of a surrogate pair"));
            }
            let second = self.hex4()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.syntax("half of a surrogate pair"));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.syntax("half of a surrogate pair"))
    }

    fn hex4(&mut self) -> Result<u32, Error> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.ok_or_else(|| self.syntax("four hexadecimal digits were expected"))?;
        let code = digits.iter().fold(0, |code, digit| {
            code * 16 + char::from(*digit).to_digit(16).unwrap_or_default()
        });
        self.at += 4;
        Ok(code)
    }

    /// The text between two positions, both next to ASCII bytes and so on character boundaries.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn syntax(&self, problem: &'static str) -> Error {
        Error::Syntax {
            at: self.at,
            problem,
        }
    }
}

fn is_duplicate<'a, N>(
    members: &[(Cow<'a, str>, N)],
    seen: &mut HashSet<Cow<'a, str>>,
    key: &str,
) -> bool {
    if members.len() < MEMBERS_LOOKED_BACK_OVER {
        return members.iter().any(|(earlier, _)| earlier == key);
    }
    // Each member is put there when the next one is looked for.
    let unseen = members.get(seen.len()..).unwrap_or_default();
    seen.extend(unseen.iter().map(|(earlier, _)| earlier.clone()));
    seen.contains(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Error> {
        let limits = Limits {
            size_bytes_max: 10_000,
            depth_max: 4,
        };
        crate::json::value(text.as_bytes(), limits)
    }

    #[test]
    fn reads_what_is_json() {
        for (text, value) in [
            ("null", Value::Null),
            (" true ", Value::Bool(true)),
            ("-0.5e+3", Value::Number("-0.5e+3".into())),
            (r#""a\u00e9\ud83d\ude00\n""#, Value::String("aé😀\n".into())),
            ("[]", Value::Array(vec![])),
            (
                r#"{"a":[1]}"#,
                Value::Object(vec![(
                    "a".into(),
                    Value::Array(vec![Value::Number("1".into())]),
                )]),
            ),
        ] {
            assert_eq!(read(text).as_ref(), Ok(&value), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not() {
        for text in [
            "",
            " ",
            "nul",
            "1.",
            ".5",
            "+1",
            "1e",
            "NaN",
            "'a'",
            "[1,]",
            "[1 2]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12\"",
            "\"abc",
            "[",
            "{\"a\":",
        ] {
            assert!(matches!(read(text), Err(Error::Syntax { .. })), "{text}");
        }
        assert!(matches!(
            document(b"\"\xff\"", Limits::SMALL),
            Err(Error::Syntax { at: 1, .. })
        ));
    }

    #[test]
    fn refuses_doubled_keys_trailing_data_depth_and_size() {
        assert!(matches!(
            read(r#"{"a":1,"a":1}"#),
            Err(Error::DuplicateKey { at: 7, .. })
        ));
        assert!(matches!(
            read(r#"{"a":1,"\u0061":1}"#),
            Err(Error::DuplicateKey { .. })
        ));
        let many: Vec<String> = (0..40).map(|i| format!("\"k{i}\":0")).collect();
        assert!(read(&format!("{{{}}}", many.join(","))).is_ok());
        let full: Vec<String> = (0..=MEMBERS_MAX).map(|i| format!("\"{i}\":0")).collect();
        for (count, is_read) in [(MEMBERS_MAX, true), (MEMBERS_MAX + 1, false)] {
            let text = format!("{{{}}}", full[..count].join(","));
            let value = crate::json::value(text.as_bytes(), Limits::LARGE);
            assert_eq!(value.is_ok(), is_read, "{count}");
        }
        // One after the other there may be more of them than within each other.
        let most = format!("{{{}", full[..MEMBERS_MAX - 1].join(","));
        let within = |levels| {
            format!(
                "{}0{}",
                format!("{most},\"x\":").repeat(levels),
                "}".repeat(levels)
            )
        };
        for (text, is_read) in [
            (within(2), true),
            (within(3), false),
            (format!("[{most}}},{}]", within(2)), true),
        ] {
            let checked = crate::json::checked(text.as_bytes(), Limits::LARGE);
            assert_eq!(checked.is_ok(), is_read);
        }
        let doubled = format!("{{{},\"k3\":0}}", many.join(","));
        assert!(matches!(read(&doubled), Err(Error::DuplicateKey { .. })));
        assert!(matches!(read("{} {}"), Err(Error::Trailing { at: 3 })));
        assert!(matches!(read("01"), Err(Error::Trailing { at: 1 })));
        assert!(read("[[[[]]]]").is_ok());
        assert!(matches!(
            read("[[[[[]]]]]"),
            Err(Error::TooDeep { at: 4, .. })
        ));
        assert!(matches!(
            read(&" ".repeat(10_001)),
            Err(Error::TooLong { .. })
        ));
    }
}
