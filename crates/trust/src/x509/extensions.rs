//! The extensions of a certificate: those that are understood, and whether there are critical ones that are not.

use pkcs8::der::Tag;

use super::der::{Element, around, in_place};

/// More than any certificate has.
const EXTENSIONS_MAX: usize = 64;
const NAMES_MAX: usize = 256;
const PURPOSES_MAX: usize = 64;

const SUBJECT_KEY_ID: &str = "2.5.29.14";
const KEY_USAGE: &str = "2.5.29.15";
const SUBJECT_ALTERNATIVE_NAME: &str = "2.5.29.17";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const NAME_CONSTRAINTS: &str = "2.5.29.30";
const CERTIFICATE_POLICIES: &str = "2.5.29.32";
const AUTHORITY_KEY_ID: &str = "2.5.29.35";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
/// Sigstore's: who told the authority the identity, as bare text and as DER.
const OIDC_ISSUER_OLD: &str = "1.3.6.1.4.1.57264.1.1";
const OIDC_ISSUER: &str = "1.3.6.1.4.1.57264.1.8";
/// Sigstore's: a user's name that is no e-mail address, as `otherName`.
const SIGSTORE_USERNAME: &str = "1.3.6.1.4.1.57264.1.7";

/// Extensions whose being critical is understood. Policies stand here because no policy is asked for: any is fit (RFC 5280
/// §6.1.1, user-initial-policy-set), and what would ask for one, `policyConstraints`, is not here.
const UNDERSTOOD: &[&str] = &[
    SUBJECT_KEY_ID,
    KEY_USAGE,
    SUBJECT_ALTERNATIVE_NAME,
    BASIC_CONSTRAINTS,
    NAME_CONSTRAINTS,
    CERTIFICATE_POLICIES,
    AUTHORITY_KEY_ID,
    EXTENDED_KEY_USAGE,
];

/// What stands in a certificate's extensions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    /// What the key may do.
    pub key_usage: Option<KeyUsage>,
    /// What the key may be used for.
    pub extended_key_usage: Option<ExtendedKeyUsage>,
    /// Whether the subject is an authority.
    pub basic_constraints: Option<BasicConstraints>,
    /// The name of the issuer's key.
    pub authority_key_id: Option<Vec<u8>>,
    /// The name of the subject's key.
    pub subject_key_id: Option<Vec<u8>>,
    /// The subject's other names.
    pub alternative_names: Vec<AlternativeName>,
    /// Sigstore's OIDC issuer.
    pub oidc_issuer: Option<String>,
    all: Vec<Extension>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Extension {
    oid: String,
    is_critical: bool,
    value: Vec<u8>,
}

/// What a key may do (RFC 5280 §4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// Sign what is no certificate.
    pub digital_signature: bool,
    /// Sign what its holder is bound by.
    pub content_commitment: bool,
    /// Sign certificates.
    pub key_cert_sign: bool,
}

/// What a key may be used for (RFC 5280 §4.2.1.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// Whether who doesn't know the purposes must refuse the certificate.
    pub is_critical: bool,
    /// The purposes' OIDs.
    pub purposes: Vec<String>,
}

impl ExtendedKeyUsage {
    /// `id-kp-codeSigning`.
    pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
    /// `id-kp-timeStamping`.
    pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
    const ANY: &str = "2.5.29.37.0";

    /// Whether this purpose, or any, is among them.
    #[must_use]
    pub fn allows(&self, purpose: &str) -> bool {
        let mut purposes = self.purposes.iter();
        purposes.any(|own| own == purpose || own == Self::ANY)
    }
}

/// Whether a subject is an authority (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// It may issue certificates.
    pub is_authority: bool,
    /// How many authorities may stand between it and a leaf.
    pub path_length: Option<u32>,
}

/// A name of the subject beside its distinguished one. Names of other kinds are passed over: nobody can expect them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlternativeName {
    /// An e-mail address.
    Email(String),
    /// A name in the DNS.
    Dns(String),
    /// A URI.
    Uri(String),
    /// A user's name at Sigstore, which is no e-mail address.
    Username(String),
}

/// Why extensions can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// This part is not what its OID says.
    Malformed(&'static str),
    /// One OID stands twice.
    Doubled(String),
}

impl Extensions {
    /// Reads `Extensions`.
    pub(crate) fn read(element: &Element<'_>) -> Result<Self, Refused> {
        let unread = Refused::Malformed("extensions");
        let elements = element.all(Tag::Sequence, EXTENSIONS_MAX);
        let elements = elements
            .filter(|elements| !elements.is_empty())
            .ok_or(unread.clone())?;
        let mut extensions = Self::default();
        for element in elements {
            let extension = Extension::read(&element).ok_or(unread.clone())?;
            if extensions
                .all
                .iter()
                .any(|other| other.oid == extension.oid)
            {
                return Err(Refused::Doubled(extension.oid));
            }
            extensions.understand(&extension)?;
            extensions.all.push(extension);
        }
        extensions.check_oidc_issuers()?;
        Ok(extensions)
    }

    fn understand(&mut self, extension: &Extension) -> Result<(), Refused> {
        let value = extension.value.as_slice();
        let only = |tag| Element::only(value, tag);
        let (understood, what) = match extension.oid.as_str() {
            KEY_USAGE => {
                self.key_usage = only(Tag::BitString).and_then(|e| KeyUsage::read(&e));
                (self.key_usage.is_some(), "keyUsage")
            }
            EXTENDED_KEY_USAGE => {
                let purposes = only(Tag::Sequence).and_then(|e| purposes(&e));
                let is_critical = extension.is_critical;
                self.extended_key_usage = purposes.map(|purposes| ExtendedKeyUsage {
                    is_critical,
                    purposes,
                });
                (self.extended_key_usage.is_some(), "extKeyUsage")
            }
            BASIC_CONSTRAINTS => {
                let read = |e| BasicConstraints::read(&e);
                self.basic_constraints = only(Tag::Sequence).and_then(read);
                (self.basic_constraints.is_some(), "basicConstraints")
            }
            SUBJECT_KEY_ID => {
                self.subject_key_id = only(Tag::OctetString).map(|e| e.value.to_vec());
                (self.subject_key_id.is_some(), "subjectKeyIdentifier")
            }
            AUTHORITY_KEY_ID => {
                let read = only(Tag::Sequence).and_then(|e| authority_key_id(&e));
                let is_read = read.is_some();
                self.authority_key_id = read.flatten();
                (is_read, "authorityKeyIdentifier")
            }
            SUBJECT_ALTERNATIVE_NAME => {
                let names = only(Tag::Sequence).and_then(|e| alternative_names(&e));
                let is_read = names.is_some();
                self.alternative_names = names.unwrap_or_default();
                (is_read, "subjectAltName")
            }
            OIDC_ISSUER => {
                let text = only(Tag::Utf8String).and_then(|e| text(e.value));
                self.oidc_issuer = text;
                (self.oidc_issuer.is_some(), "OIDC issuer")
            }
            OIDC_ISSUER_OLD => (text(value).is_some(), "OIDC issuer"),
            _ => (true, ""),
        };
        understood.then_some(()).ok_or(Refused::Malformed(what))
    }

    /// The old form counts if the new one isn't there, and must not contradict it.
    fn check_oidc_issuers(&mut self) -> Result<(), Refused> {
        let old = self.value(OIDC_ISSUER_OLD).and_then(text);
        match (&self.oidc_issuer, old) {
            (Some(new), Some(old)) if *new != old => Err(Refused::Malformed("OIDC issuer")),
            (None, old) => {
                self.oidc_issuer = old;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The value of the extension with this OID.
    #[must_use]
    pub fn value(&self, oid: &str) -> Option<&[u8]> {
        let found = self.all.iter().find(|extension| extension.oid == oid);
        found.map(|extension| extension.value.as_slice())
    }

    /// The OID of an extension that is critical and not understood here.
    pub(crate) fn unknown_critical(&self) -> Option<&str> {
        let is_unknown = |e: &&Extension| e.is_critical && !UNDERSTOOD.contains(&e.oid.as_str());
        self.all
            .iter()
            .find(is_unknown)
            .map(|extension| extension.oid.as_str())
    }

    pub(crate) fn has_name_constraints(&self) -> bool {
        self.value(NAME_CONSTRAINTS).is_some()
    }
}

impl Extension {
    fn read(element: &Element<'_>) -> Option<Self> {
        let mut inside = element.inside()?;
        let oid = inside.take(Tag::ObjectIdentifier)?.oid()?.to_string();
        let is_critical = match inside.optional(Tag::Boolean) {
            Some(element) => element.boolean()?,
            None => false,
        };
        let value = inside.take(Tag::OctetString)?.value.to_vec();
        inside.end()?;
        Some(Self {
            oid,
            is_critical,
            value,
        })
    }
}

impl KeyUsage {
    fn read(element: &Element<'_>) -> Option<Self> {
        let bits = element.bits()?;
        let bit = |at| bits.get(at).unwrap_or(false);
        bits.bits().any(|bit| bit).then_some(Self {
            digital_signature: bit(0),
            content_commitment: bit(1),
            key_cert_sign: bit(5),
        })
    }
}

impl BasicConstraints {
    fn read(element: &Element<'_>) -> Option<Self> {
        let mut inside = element.inside()?;
        let is_authority = match inside.optional(Tag::Boolean) {
            Some(element) => element.boolean()?,
            None => false,
        };
        let path_length = match inside.optional(Tag::Integer) {
            Some(element) => Some(element.small()?),
            None => None,
        };
        inside.end()?;
        (is_authority || path_length.is_none()).then_some(Self {
            is_authority,
            path_length,
        })
    }
}

fn purposes(element: &Element<'_>) -> Option<Vec<String>> {
    let elements = element.all(Tag::ObjectIdentifier, PURPOSES_MAX)?;
    let oids: Option<Vec<String>> = elements
        .iter()
        .map(|element| element.oid().map(|oid| oid.to_string()))
        .collect();
    oids.filter(|oids| !oids.is_empty())
}

/// The key's name, if it is there; the issuer's name and serial number, which may stand beside it, are passed over.
fn authority_key_id(element: &Element<'_>) -> Option<Option<Vec<u8>>> {
    let mut inside = element.inside()?;
    let key = inside
        .optional(in_place(0))
        .map(|element| element.value.to_vec());
    let issuer = inside.optional(around(1));
    let serial = inside.optional(in_place(2));
    inside.end()?;
    (issuer.is_some() == serial.is_some()).then_some(key)
}

fn alternative_names(element: &Element<'_>) -> Option<Vec<AlternativeName>> {
    let mut inside = element.inside()?;
    let mut names = Vec::new();
    let mut count = 0;
    while !inside.is_done() {
        names.extend(alternative_name(&inside.any()?)?);
        count += 1;
        (count <= NAMES_MAX).then_some(())?;
    }
    (count > 0).then_some(names)
}

/// A name, or nothing if it is of a kind that nobody can expect.
fn alternative_name(element: &Element<'_>) -> Option<Option<AlternativeName>> {
    let ascii = || element.visible_ascii().map(ToOwned::to_owned);
    Some(match element.tag {
        tag if tag == in_place(1) => Some(AlternativeName::Email(ascii()?)),
        tag if tag == in_place(2) => Some(AlternativeName::Dns(ascii()?)),
        tag if tag == in_place(6) => Some(AlternativeName::Uri(ascii()?)),
        tag if tag == around(0) => {
            let mut inside = element.inside()?;
            let oid = inside.take(Tag::ObjectIdentifier)?.oid()?.to_string();
            let value = inside.take(around(0))?;
            inside.end()?;
            let username = || text(value.single(Tag::Utf8String)?.value);
            match oid.as_str() {
                SIGSTORE_USERNAME => Some(AlternativeName::Username(username()?)),
                _ => None,
            }
        }
        tag if [around(3), around(4), around(5), in_place(7), in_place(8)].contains(&tag) => None,
        _ => return None,
    })
}

/// UTF-8 text that can be seen.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_visible = !text.is_empty() && !text.chars().any(char::is_control);
    is_visible.then(|| text.to_owned())
}
