//! Bytes to [`Value`], by one pass with an explicit position.

use std::collections::HashSet;

use super::{Error, Limits, Value};

/// Above this many members, duplicates are looked for by a set instead of by looking back.
const MEMBERS_LOOKED_BACK_OVER: usize = 16;

pub(super) fn document(bytes: &[u8], limits: Limits) -> Result<Value, Error> {
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
    let mut reader = Reader {
        text,
        bytes,
        at: 0,
        depth: 0,
        depth_max: limits.depth_max,
    };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < bytes.len() {
        Err(Error::Trailing { at: reader.at })
    } else {
        Ok(value)
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    depth_max: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Value, Error> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => Err(self.syntax("a value was expected")),
            None => Err(self.syntax("it ends where a value was expected")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        if self.depth == self.depth_max {
            return Err(Error::TooDeep {
                at: self.at,
                depth_max: self.depth_max,
            });
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in quotes was expected"));
            }
            let key = self.string()?;
            if is_duplicate(&members, &mut seen, &key) {
                return Err(Error::DuplicateKey { key, at: key_at });
            }
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.syntax("`:` was expected after a key"));
            }
            self.skip_space();
            let value = self.value()?;
            members.push((key, value));
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.syntax("`,` or `}` was expected"));
            }
            self.skip_space();
        }
    }

    fn array(&mut self) -> Result<Value, Error> {
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.syntax("`,` or `]` was expected"));
            }
            self.skip_space();
        }
    }

    fn number(&mut self) -> Result<Value, Error> {
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
        Ok(Value::Number(self.slice(start, self.at).to_owned()))
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

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Value, Error> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.syntax("a value was expected"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut out = String::new();
        let mut start = self.at;
        loop {
            match self.peek() {
                None => return Err(self.syntax("it ends inside a string")),
                Some(b'"') => {
                    out.push_str(self.slice(start, self.at));
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(self.slice(start, self.at));
                    self.at += 1;
                    out.push(self.escape()?);
                    start = self.at;
                }
                Some(0..0x20) => return Err(self.syntax("a control character in a string")),
                Some(_) => self.at += 1,
            }
        }
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
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    fn skip_space(&mut self) {
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

fn is_duplicate(members: &[(String, Value)], seen: &mut HashSet<String>, key: &str) -> bool {
    if members.len() < MEMBERS_LOOKED_BACK_OVER {
        return members.iter().any(|(earlier, _)| earlier == key);
    }
    if seen.is_empty() {
        seen.extend(members.iter().map(|(earlier, _)| earlier.clone()));
    }
    !seen.insert(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Error> {
        document(
            text.as_bytes(),
            Limits {
                size_bytes_max: 10_000,
                depth_max: 4,
            },
        )
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
