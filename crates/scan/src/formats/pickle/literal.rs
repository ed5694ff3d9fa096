//! Text operands, read as leniently as the most lenient loader does.

/// An integer as `INT` and `LONG` take it: base 0, underscores, spaces, a trailing `L`. None if no loader takes it;
/// `Some(None)` if it does not fit.
pub(super) fn integer(line: &[u8]) -> Option<Option<i64>> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let text = text.strip_suffix('L').unwrap_or(text);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((radix, lower.strip_prefix(prefix)?)))
        .unwrap_or((10, &lower));
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = i64::from_str_radix(&digits, radix).ok();
    Some(value.map(|value| if negative { -value } else { value }))
}

/// Whether `FLOAT` takes it in some loader.
pub(super) fn is_float(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else {
        return false;
    };
    let text = text.trim().replace('_', "");
    text.parse::<f64>().is_ok()
}

/// The text of `STRING`: in quotes, with backslash escapes. Bytes over 0x7f are read as Latin-1.
pub(super) fn quoted(line: &[u8]) -> Option<String> {
    let line = line.trim_ascii();
    let (first, rest) = line.split_first()?;
    let (last, inner) = rest.split_last()?;
    if first != last || !matches!(first, b'\'' | b'"') {
        return None;
    }
    let mut out = String::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            escape(&mut bytes, &mut out)?;
        } else {
            out.push(char::from(byte));
        }
    }
    Some(out)
}

fn escape(bytes: &mut (impl Iterator<Item = u8> + Clone), out: &mut String) -> Option<()> {
    let byte = bytes.next()?;
    match byte {
        b'\n' => {}
        b'a' => out.push('\u{7}'),
        b'b' => out.push('\u{8}'),
        b'f' => out.push('\u{c}'),
        b'n' => out.push('\n'),
        b'r' => out.push('\r'),
        b't' => out.push('\t'),
        b'v' => out.push('\u{b}'),
        b'x' => {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let code = digit(bytes.next())? * 16 + digit(bytes.next())?;
            out.push(char::from_u32(code)?);
        }
        b'0'..=b'7' => {
            let mut code = u32::from(byte - b'0');
            for _ in 0..2 {
                let Some(next @ b'0'..=b'7') = bytes.clone().next() else {
                    break;
                };
                bytes.next();
                code = code * 8 + u32::from(next - b'0');
            }
            out.push(char::from_u32(code & 0xff)?);
        }
        b'\\' | b'\'' | b'"' => out.push(char::from(byte)),
        other => {
            out.push('\\');
            out.push(char::from(other));
        }
    }
    Some(())
}

/// The text of `UNICODE`: Latin-1 with `\u` and `\U` escapes.
pub(super) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                out.push(char::from(*byte));
                continue;
            }
        };
        let code = std::str::from_utf8(after.get(1..=digits)?).ok()?;
        let code = u32::from_str_radix(code, 16).ok()?;
        // A lone surrogate is text to Python; here it only has to differ from every name.
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = after.get(digits + 1..)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_integers_as_the_most_lenient_loader() {
        for (text, value) in [
            ("0x10", 16),
            ("0X10L", 16),
            ("0o17", 15),
            ("0b11", 3),
            ("-1_0", -10),
            (" +7 ", 7),
            ("001", 1),
        ] {
            assert_eq!(integer(text.as_bytes()), Some(Some(value)), "{text}");
        }
        assert_eq!(integer(b"123456789012345678901234567890"), Some(None));
        for text in ["", "x", "0x", "1.5", "--1", "1 2", "\u{665}"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn reads_strings_with_their_escapes() {
        assert_eq!(quoted(br"'os'").as_deref(), Some("os"));
        assert_eq!(
            quoted(br#""o\x73\163\n\'\q""#).as_deref(),
            Some("oss\n'\\q")
        );
        assert_eq!(quoted(b"'\xe9'").as_deref(), Some("\u{e9}"));
        for text in [&b"os"[..], b"'os", b"'os\"", b"'", b"", br"'\x4'", br"'\'"] {
            assert_eq!(quoted(text), None, "{text:?}");
        }
        assert_eq!(raw_unicode(br"o\u0073\U00000021").as_deref(), Some("os!"));
        assert_eq!(raw_unicode(b"\xe9\\x").as_deref(), Some("\u{e9}\\x"));
        assert_eq!(raw_unicode(br"\u00"), None);
    }
}
