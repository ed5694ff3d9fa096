//! Names of subjects and issuers, as a person reads them: RFC 4514.

use std::fmt;
use std::fmt::Write as _;

use pkcs8::der::Tag;

use super::der::Element;

/// More parts than any name has.
const PARTS_MAX: usize = 64;

/// A distinguished name. Two are equal if their bytes are; the text is for people and for expectations.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    der: Vec<u8>,
    text: String,
}

impl Name {
    pub(crate) fn read(element: &Element<'_>) -> Option<Self> {
        let mut parts = Vec::new();
        for relative in element.all(Tag::Set, PARTS_MAX)? {
            let attributes = relative.all(Tag::Sequence, PARTS_MAX)?;
            let texts: Option<Vec<String>> = attributes.iter().map(attribute).collect();
            let texts = texts.filter(|texts| !texts.is_empty())?;
            parts.push(texts.join("+"));
        }
        // RFC 4514 writes the most special part first.
        parts.reverse();
        let der = element.whole.to_vec();
        let text = parts.join(",");
        Some(Self { der, text })
    }

    /// The name as RFC 4514 writes it, `CN=signer,O=Example`; empty if the name is.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name's DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.text)
    }
}

fn attribute(element: &Element<'_>) -> Option<String> {
    let mut inside = element.inside()?;
    let kind = inside.take(Tag::ObjectIdentifier)?.oid()?.to_string();
    let value = inside.any()?;
    inside.end()?;
    let known = KEYWORDS.iter().find(|(oid, _)| *oid == kind);
    Some(match (known, text(&value)) {
        (Some((_, keyword)), Some(text)) => format!("{keyword}={}", escaped(&text)),
        (Some((_, keyword)), None) => format!("{keyword}=#{}", hex(value.whole)),
        (None, _) => format!("{kind}=#{}", hex(value.whole)),
    })
}

/// The words of RFC 4514, and two that certificates often have beside them.
const KEYWORDS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

fn text(value: &Element<'_>) -> Option<String> {
    match value.tag {
        Tag::Utf8String => String::from_utf8(value.value.to_vec()).ok(),
        Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString
        | Tag::TeletexString => {
            let is_ascii = value.value.is_ascii();
            is_ascii.then(|| String::from_utf8(value.value.to_vec()).ok())?
        }
        Tag::BmpString => {
            let (pairs, rest) = value.value.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok())?
        }
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::new();
    for (at, char) in text.chars().enumerate() {
        match char {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', char]),
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            control if control.is_control() => {
                let mut bytes = [0; 4];
                for byte in control.encode_utf8(&mut bytes).bytes() {
                    // Writing to a `String` does not fail.
                    let _ = write!(out, "\\{byte:02x}");
                }
            }
            plain => out.push(plain),
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
