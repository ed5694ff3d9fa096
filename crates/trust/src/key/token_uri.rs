//! PKCS#11 URIs (RFC 7512): which key on which token, the module that reaches it, and where its PIN is.

use std::collections::BTreeSet;
use std::fmt;

use zeroize::Zeroizing;

const SCHEME: &str = "pkcs11:";
const LEN_MAX: usize = 4096;
/// PKCS#11's labels of tokens are 32 bytes, padded.
const TOKEN_LEN_MAX: usize = 32;
const ID_LEN_MAX: usize = 255;

/// A key on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUri {
    /// The token, by what is known of it.
    pub token: TokenName,
    /// The key's label (`CKA_LABEL`).
    pub object: Option<String>,
    /// The key's identifier (`CKA_ID`).
    pub id: Option<Vec<u8>>,
    /// Which module reaches the token.
    pub module: ModuleName,
    /// Its PIN, if the URI says where that is.
    pub pin: Option<Pin>,
}

/// What a URI says of a token: all of it has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenName {
    /// Its label.
    pub label: Option<String>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The slot it is in.
    pub slot_id: Option<u32>,
}

/// What a URI says of the library that reaches a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleName {
    /// The library's file, or a folder in which `name` is looked for.
    pub path: Option<String>,
    /// The library's name, without `lib` before it and `.so` behind it.
    pub name: Option<String>,
}

/// Where a PIN is. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Pin {
    /// In the URI.
    Value(Zeroizing<String>),
    /// In a file of this path.
    Source(String),
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Pin::Value"),
            Self::Source(path) => write!(f, "Pin::Source({path})"),
        }
    }
}

impl TokenUri {
    /// Reads a URI. What RFC 7512 lets a reader ignore in the path (a vendor's words, the library's version) is refused
    /// instead: the key that is meant has to be the one that is found.
    ///
    /// # Errors
    /// It is no PKCS#11 URI, an attribute stands twice or has a value that it can't have, or it names no key or no token.
    pub fn parse(text: &str) -> Result<Self, TokenUriError> {
        if text.len() > LEN_MAX {
            return Err(TokenUriError::TooLong);
        }
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| TokenUriError::Scheme {
                // What stands behind the question mark can be a PIN.
                text: text.split('?').next().unwrap_or_default().to_owned(),
            })?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self {
            token: TokenName::default(),
            object: None,
            id: None,
            module: ModuleName::default(),
            pin: None,
        };
        each(path, ';', |name, value| uri.set_path(name, value))?;
        each(query, '&', |name, value| uri.set_query(name, value))?;
        uri.checked()
    }

    fn set_path(&mut self, name: &str, value: &str) -> Result<(), TokenUriError> {
        let refused = || value_of(name);
        match name {
            "token" => self.token.label = Some(label(name, value)?),
            "manufacturer" => self.token.manufacturer = Some(label(name, value)?),
            "model" => self.token.model = Some(label(name, value)?),
            "serial" => self.token.serial = Some(label(name, value)?),
            "object" => self.object = Some(decoded(name, value)?.to_string()),
            "id" => {
                let id = bytes(value).ok_or_else(refused)?;
                if id.is_empty() || id.len() > ID_LEN_MAX {
                    return Err(refused());
                }
                self.id = Some(id.to_vec());
            }
            "slot-id" => self.token.slot_id = Some(number(value).ok_or_else(refused)?),
            // The key and its public half share label and identifier, whichever of the two is named.
            "type" if matches!(value, "private" | "public") => {}
            "type" => return Err(refused()),
            _ => {
                return Err(TokenUriError::Attribute {
                    name: name.to_owned(),
                });
            }
        }
        Ok(())
    }

    fn set_query(&mut self, name: &str, value: &str) -> Result<(), TokenUriError> {
        match name {
            "module-path" => self.module.path = Some(decoded(name, value)?.to_string()),
            "module-name" => self.module.name = Some(decoded(name, value)?.to_string()),
            "pin-value" | "pin-source" if self.pin.is_some() => return Err(TokenUriError::TwoPins),
            "pin-value" => self.pin = Some(Pin::Value(decoded(name, value)?)),
            "pin-source" => self.pin = Some(Pin::Source(pin_source(&decoded(name, value)?)?)),
            // RFC 7512: other words of the query are for others.
            _ => {}
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, TokenUriError> {
        if self.id.is_none() && self.object.is_none() {
            return Err(TokenUriError::NoKey);
        }
        if self.token.slot_id.is_none() && self.token.label.is_none() {
            return Err(TokenUriError::NoToken);
        }
        Ok(self)
    }
}

/// Every `name=value` between separators, each name once.
fn each(
    text: &str,
    separator: char,
    mut set: impl FnMut(&str, &str) -> Result<(), TokenUriError>,
) -> Result<(), TokenUriError> {
    let mut seen = BTreeSet::new();
    for attribute in text.split(separator).filter(|_| !text.is_empty()) {
        let (name, value) = attribute.split_once('=').ok_or(TokenUriError::Shape)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(TokenUriError::Shape);
        }
        if !seen.insert(name) {
            return Err(TokenUriError::Twice {
                name: name.to_owned(),
            });
        }
        set(name, value)?;
    }
    Ok(())
}

fn label(name: &str, value: &str) -> Result<String, TokenUriError> {
    let label = decoded(name, value)?;
    if label.len() > TOKEN_LEN_MAX {
        return Err(value_of(name));
    }
    Ok(label.to_string())
}

fn decoded(name: &str, value: &str) -> Result<Zeroizing<String>, TokenUriError> {
    let bytes = bytes(value).ok_or_else(|| value_of(name))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| value_of(name))?;
    if text.is_empty() || text.contains('\0') {
        return Err(value_of(name));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Percent-decoding, where every `%` has its two digits and nothing else is a blank, a control or not ASCII.
fn bytes(value: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'%' => {
                let (digits, behind) = rest.split_first_chunk::<2>()?;
                rest = behind;
                data_encoding::HEXUPPER_PERMISSIVE
                    .decode(digits)
                    .ok()?
                    .first()
                    .copied()?
            }
            graphic if graphic.is_ascii_graphic() && *graphic != b'#' => *graphic,
            _ => return None,
        });
    }
    Some(bytes)
}

fn number(value: &str) -> Option<u32> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| is_plain)
}

/// A file, as a path or a `file:` URI. A command to run (`|…`) is not run.
fn pin_source(text: &str) -> Result<String, TokenUriError> {
    let path = match text.strip_prefix("file:") {
        Some(path) => path.strip_prefix("//").unwrap_or(path),
        None => text,
    };
    if path.is_empty() || path.starts_with('|') {
        return Err(value_of("pin-source"));
    }
    Ok(path.to_owned())
}

fn value_of(name: &str) -> TokenUriError {
    TokenUriError::Value {
        name: name.to_owned(),
    }
}

/// Why a text is no PKCS#11 URI. The beginnings are the reference's, which scripts look for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenUriError {
    /// Another scheme.
    #[error("Malformed pkcs11 URI: missing 'pkcs11:' prefix: {text}")]
    Scheme {
        /// The text, up to what can hold a PIN.
        text: String,
    },
    /// More than 4 KiB.
    #[error("Malformed pkcs11 URI: it is longer than 4096 bytes")]
    TooLong,
    /// Not `name=value`.
    #[error(
        "Malformed pkcs11 URI: `name=value` was expected between `;`, and between `&` behind the `?`"
    )]
    Shape,
    /// An attribute that stands twice.
    #[error("Malformed pkcs11 URI: `{name}` stands twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// An attribute that is not known.
    #[error(
        "Malformed pkcs11 URI: `{name}` is not known; `token`, `manufacturer`, `model`, `serial`, `slot-id`, `object`, `id` and `type` are"
    )]
    Attribute {
        /// Its name.
        name: String,
    },
    /// An attribute with a value that it can't have.
    #[error("Malformed pkcs11 URI: `{name}` has a value that it can't have")]
    Value {
        /// Its name.
        name: String,
    },
    /// Both ways of giving a PIN.
    #[error("Malformed pkcs11 URI: `pin-value` and `pin-source` exclude each other")]
    TwoPins,
    /// No key is named.
    #[error("Malformed pkcs11 URI: it names no key; add `object=LABEL` or `id=%01`")]
    NoKey,
    /// No token is named.
    #[error("Malformed pkcs11 URI: it names no token; add `token=LABEL` or `slot-id=NUMBER`")]
    NoToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> TokenUriError {
        TokenUri::parse(text).unwrap_err()
    }

    #[test]
    fn reads_what_people_write() {
        let text = "pkcs11:token=tok;object=mykey?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-value=1234";
        let uri = TokenUri::parse(text).unwrap();
        assert_eq!(uri.token.label.as_deref(), Some("tok"));
        assert_eq!(uri.object.as_deref(), Some("mykey"));
        let path = uri.module.path.as_deref();
        assert_eq!(path, Some("/usr/lib/softhsm/libsofthsm2.so"));
        assert_eq!(uri.pin, Some(Pin::Value("1234".to_owned().into())));
        assert!(!format!("{uri:?}").contains("1234"));

        let text = "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=0a;token=My%20t%C3%B6ken;id=%01%02;type=private;slot-id=7?module-name=softhsm2&pin-source=file:/etc/pin&x-vendor=1";
        let uri = TokenUri::parse(text).unwrap();
        assert_eq!(uri.token.label.as_deref(), Some("My töken"));
        assert_eq!(uri.token.model.as_deref(), Some("SoftHSM v2"));
        assert_eq!(uri.token.slot_id, Some(7));
        assert_eq!(uri.id, Some(vec![1, 2]));
        assert_eq!(uri.module.name.as_deref(), Some("softhsm2"));
        assert_eq!(uri.pin, Some(Pin::Source("/etc/pin".to_owned())));
        for source in ["/etc/pin", "file:/etc/pin", "file:///etc/pin"] {
            let text = format!("pkcs11:token=t;object=o?pin-source={source}");
            let pin = TokenUri::parse(&text).unwrap().pin;
            assert_eq!(pin, Some(Pin::Source("/etc/pin".to_owned())));
        }
    }

    #[test]
    fn says_the_references_sentence_without_the_pin() {
        let said = refused("foo:bar?pin-value=1234").to_string();
        assert_eq!(
            said,
            "Malformed pkcs11 URI: missing 'pkcs11:' prefix: foo:bar"
        );
    }

    #[test]
    fn refuses_what_has_two_meanings_or_none() {
        let value = |name: &str| value_of(name);
        for (text, error) in [
            ("pkcs11:", TokenUriError::NoKey),
            ("pkcs11:token=t", TokenUriError::NoKey),
            ("pkcs11:object=o", TokenUriError::NoToken),
            ("pkcs11:token=t;object=o;", TokenUriError::Shape),
            ("pkcs11:token=t;;object=o", TokenUriError::Shape),
            ("pkcs11:token;object=o", TokenUriError::Shape),
            ("pkcs11:to%6ben=t;object=o", TokenUriError::Shape),
            ("pkcs11:token=t;object=o?&", TokenUriError::Shape),
            (
                "pkcs11:token=t;token=u;object=o",
                TokenUriError::Twice {
                    name: "token".to_owned(),
                },
            ),
            (
                "pkcs11:token=t;object=o;x-color=red",
                TokenUriError::Attribute {
                    name: "x-color".to_owned(),
                },
            ),
            (
                "pkcs11:token=t;object=o?pin-value=1&pin-source=/p",
                TokenUriError::TwoPins,
            ),
            ("pkcs11:token=;object=o", value("token")),
            ("pkcs11:token=t;object=a b", value("object")),
            ("pkcs11:token=t;object=%", value("object")),
            ("pkcs11:token=t;object=%4", value("object")),
            ("pkcs11:token=t;object=%zz", value("object")),
            ("pkcs11:token=t;object=%00", value("object")),
            ("pkcs11:token=t;object=%ff", value("object")),
            ("pkcs11:token=t;object=o#f", value("object")),
            ("pkcs11:token=t;id=", value("id")),
            ("pkcs11:token=t;id=%1", value("id")),
            ("pkcs11:slot-id=4294967296;object=o", value("slot-id")),
            ("pkcs11:slot-id=-1;object=o", value("slot-id")),
            ("pkcs11:slot-id=+1;object=o", value("slot-id")),
            ("pkcs11:token=t;object=o;type=cert", value("type")),
            (
                "pkcs11:token=t;object=o?pin-source=|cat",
                value("pin-source"),
            ),
        ] {
            assert_eq!(refused(text), error, "{text}");
        }
        let long = format!("pkcs11:token={};object=o", "t".repeat(33));
        assert_eq!(refused(&long), value("token"));
        let long = format!("pkcs11:token=t;object={}", "o".repeat(4096));
        assert_eq!(refused(&long), TokenUriError::TooLong);
        let long = format!("pkcs11:token=t;id={}", "%01".repeat(256));
        assert_eq!(refused(&long), value("id"));
    }
}
