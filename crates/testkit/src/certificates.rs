//! Certificates and timestamps made by hand, byte for byte, so that they can be wrong in any one way.

use trust::{PrivateKey, Signer};

use crate::key;

/// One element in DER.
///
/// # Panics
/// There is more in it than two bytes can count.
#[must_use]
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = u16::try_from(value.len()).expect("what tests make is small");
    let [high, low] = length.to_be_bytes();
    let mut bytes = match length {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    bytes.extend(value);
    bytes
}

/// An OID in DER.
///
/// # Panics
/// It is none.
#[must_use]
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted
        .split('.')
        .map(|arc| arc.parse().expect("a number"))
        .collect();
    let mut bytes = Vec::new();
    let first = arcs[0] * 40 + arcs[1];
    for arc in [first].into_iter().chain(arcs[2..].iter().copied()) {
        let mut groups = vec![arc & 0x7f];
        while let Some(rest) = groups
            .last()
            .map(|_| arc >> (7 * groups.len()))
            .filter(|r| *r > 0)
        {
            groups.push(rest & 0x7f | 0x80);
        }
        bytes.extend(
            groups
                .iter()
                .rev()
                .map(|group| u8::try_from(*group).expect("8 bits")),
        );
    }
    tlv(0x06, &[&bytes])
}

/// An extension.
#[must_use]
pub fn extension(dotted: &str, is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if is_critical { &[1, 1, 0xff] } else { &[] };
    tlv(0x30, &[&oid(dotted), critical, &tlv(0x04, &[value])])
}

/// `CA:TRUE`, with how many authorities may stand below.
#[must_use]
pub fn authority(path_length: Option<u8>) -> Vec<u8> {
    let length = path_length.map_or(vec![], |length| tlv(0x02, &[&[length]]));
    extension("2.5.29.19", true, &tlv(0x30, &[&[1, 1, 0xff], &length]))
}

/// `keyUsage`: the bits from the left, `0x80` for `digitalSignature`, `0x04` for `keyCertSign`.
#[must_use]
pub fn key_usage(bits: u8) -> Vec<u8> {
    let unused = u8::try_from(bits.trailing_zeros()).expect("at most 8");
    extension("2.5.29.15", true, &tlv(0x03, &[&[unused, bits]]))
}

/// `extKeyUsage`.
#[must_use]
pub fn purposes(is_critical: bool, dotted: &[&str]) -> Vec<u8> {
    let oids: Vec<u8> = dotted.iter().flat_map(|dotted| oid(dotted)).collect();
    extension("2.5.29.37", is_critical, &tlv(0x30, &[&oids]))
}

/// `subjectAltName` with these names: the tag of each (`0x81` e-mail, `0x82` DNS, `0x86` URI) and its bytes.
#[must_use]
pub fn alternative_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let names: Vec<u8> = names
        .iter()
        .flat_map(|(tag, name)| tlv(*tag, &[name]))
        .collect();
    extension("2.5.29.17", false, &tlv(0x30, &[&names]))
}

/// A distinguished name of one common name.
#[must_use]
pub fn common_name(name: &str) -> Vec<u8> {
    let attribute = tlv(0x30, &[&oid("2.5.4.3"), &tlv(0x0c, &[name.as_bytes()])]);
    tlv(0x30, &[&tlv(0x31, &[&attribute])])
}

/// A certificate to be.
#[derive(Debug, Clone)]
pub struct Draft {
    /// 2 for version 3; none is version 1.
    pub version: Option<u8>,
    /// The serial number's bytes.
    pub serial: Vec<u8>,
    /// The issuer's distinguished name.
    pub issuer: Vec<u8>,
    /// The subject's distinguished name.
    pub subject: Vec<u8>,
    /// From when and until when, `YYYYMMDDHHMMSSZ`.
    pub valid: [&'static str; 2],
    /// The key is the one of this seed.
    pub key: u8,
    /// Or this one, as `SubjectPublicKeyInfo`.
    pub other_key: Option<Vec<u8>>,
    /// The extensions.
    pub extensions: Vec<Vec<u8>>,
    /// The signature's algorithm: its `AlgorithmIdentifier`.
    pub algorithm: Vec<u8>,
}

impl Draft {
    /// A certificate for the years 2020 to 2040, with the key of this seed.
    #[must_use]
    pub fn new(issuer: &str, subject: &str, key: u8, extensions: &[Vec<u8>]) -> Self {
        Self {
            version: Some(2),
            serial: vec![key],
            issuer: common_name(issuer),
            subject: common_name(subject),
            valid: ["20200101000000Z", "20400101000000Z"],
            key,
            other_key: None,
            extensions: extensions.to_vec(),
            algorithm: ecdsa_with_sha256(),
        }
    }

    /// The certificate in DER, signed by the key of this seed.
    #[must_use]
    pub fn signed_by(&self, seed: u8) -> Vec<u8> {
        let signed = self.signed_bytes();
        let mut bits = vec![0];
        bits.extend(signature(&key(seed), &signed));
        tlv(0x30, &[&signed, &self.algorithm, &tlv(0x03, &[&bits])])
    }

    /// What of it is signed.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        let version = |version: u8| tlv(0xa0, &[&tlv(0x02, &[&[version]])]);
        let version = self.version.map_or(vec![], version);
        let valid = self.valid.map(|time| tlv(0x18, &[time.as_bytes()]));
        let extensions = tlv(0xa3, &[&tlv(0x30, &[&self.extensions.concat()])]);
        let extensions = if self.extensions.is_empty() {
            vec![]
        } else {
            extensions
        };
        tlv(
            0x30,
            &[
                &version,
                &tlv(0x02, &[&self.serial]),
                &self.algorithm,
                &self.issuer,
                &tlv(0x30, &[&valid[0], &valid[1]]),
                &self.subject,
                self.other_key
                    .as_deref()
                    .unwrap_or(key(self.key).public_key().der()),
                &extensions,
            ],
        )
    }
}

/// How the keys of this crate sign.
#[must_use]
pub fn ecdsa_with_sha256() -> Vec<u8> {
    tlv(0x30, &[&oid("1.2.840.10045.4.3.2")])
}

fn signature(key: &PrivateKey, signed_bytes: &[u8]) -> Vec<u8> {
    key.sign(signed_bytes).expect("a key in memory signs")
}

/// A root (seed 1), an authority below it (seed 2) and a signer (seed 3), in DER; the signer comes first.
#[must_use]
pub fn chain() -> [Vec<u8>; 3] {
    let authority = || vec![authority(None), key_usage(0x04)];
    let names = alternative_names(&[
        (0x81, b"signer@example.com"),
        (0x82, b"signer.example.com"),
        (0x86, b"https://example.com/signer"),
    ]);
    let code_signing = purposes(false, &["1.3.6.1.5.5.7.3.3"]);
    let leaf = [key_usage(0x80), code_signing, names];
    [
        Draft::new("middle", "signer", 3, &leaf).signed_by(2),
        Draft::new("root", "middle", 2, &authority()).signed_by(1),
        Draft::new("root", "root", 1, &authority()).signed_by(1),
    ]
}

/// A token to be: a stamp by the key of seed 5, whose certificate the root of seed 4 issued.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The authority's certificate.
    pub certificate: Vec<u8>,
    /// The kind of what is stated.
    pub content_type: Vec<u8>,
    /// `TSTInfo`.
    pub info: Vec<u8>,
    /// The signed attributes, without their tag.
    pub attributes: Vec<Vec<u8>>,
    /// How it is said to be signed.
    pub algorithm: Vec<u8>,
    /// How often the signer stands there.
    pub signers: usize,
}

impl Stamp {
    /// A right stamp over these bytes, in 2025.
    #[must_use]
    pub fn of(stamped_bytes: &[u8]) -> Self {
        Self::at(stamped_bytes, "20250101000000.5Z")
    }

    /// A right stamp over these bytes, at this time, as ASN.1 writes it.
    #[must_use]
    pub fn at(stamped_bytes: &[u8], time: &str) -> Self {
        let hash = digest::Digest::of(stamped_bytes);
        let time = tlv(0x18, &[time.as_bytes()]);
        Self::stating(tst_info(hash.raw(), &time))
    }

    /// A stamp that states this.
    #[must_use]
    pub fn stating(info: Vec<u8>) -> Self {
        let certificate =
            stamping_certificate(&[key_usage(0x80), purposes(true, &["1.3.6.1.5.5.7.3.8"])]);
        let attributes = attributes(&info, &certificate);
        let content_type = oid("1.2.840.113549.1.9.16.1.4");
        Self {
            certificate,
            content_type,
            info,
            attributes,
            algorithm: ecdsa_with_sha256(),
            signers: 1,
        }
    }

    /// What an authority answers to a query of ours: a stamp with the query's nonce.
    ///
    /// # Panics
    /// It is no query with a SHA-256 and a nonce of 16 bytes or fewer.
    #[must_use]
    pub fn answer(query: &[u8]) -> Vec<u8> {
        let imprint = query.windows(2).position(|at| at == [0x04, 32]);
        let at = imprint.expect("a query has a hash") + 2;
        let (hash, rest) = query[at..].split_at(32);
        let length = usize::from(rest[1]);
        assert!(rest[0] == 2 && length <= 17, "a query has a nonce");
        let time = [&tlv(0x18, &[b"20250101000000Z"]), &rest[..length + 2]].concat();
        Self::stating(tst_info(hash, &time)).response()
    }

    /// The stamp in an answer that says yes.
    #[must_use]
    pub fn response(&self) -> Vec<u8> {
        tlv(0x30, &[&tlv(0x30, &[&[2, 1, 0]]), &self.token()])
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> Vec<u8> {
        let attributes = self.attributes.concat();
        let signature = signature(&key(5), &tlv(0x31, &[&attributes]));
        let id = tlv(0x30, &[&common_name("stamping root"), &tlv(0x02, &[&[5]])]);
        let signer = tlv(
            0x30,
            &[
                &[2, 1, 1],
                &id,
                &sha256(),
                &tlv(0xa0, &[&attributes]),
                &self.algorithm,
                &tlv(0x04, &[&signature]),
            ],
        );
        let content = tlv(0xa0, &[&tlv(0x04, &[&self.info])]);
        let signed = tlv(
            0x30,
            &[
                &[2, 1, 3],
                &tlv(0x31, &[&sha256()]),
                &tlv(0x30, &[&self.content_type, &content]),
                &tlv(0xa0, &[&self.certificate]),
                &tlv(0x31, &[&signer.repeat(self.signers)]),
            ],
        );
        tlv(
            0x30,
            &[&oid("1.2.840.113549.1.7.2"), &tlv(0xa0, &[&signed])],
        )
    }
}

/// The certificate of the authority that stamps, with these extensions.
#[must_use]
pub fn stamping_certificate(extensions: &[Vec<u8>]) -> Vec<u8> {
    Draft::new("stamping root", "stamps", 5, extensions).signed_by(4)
}

/// The anchor of [`Stamp`].
#[must_use]
pub fn stamping_root() -> Vec<u8> {
    let extensions = [authority(None), key_usage(0x04)];
    Draft::new("stamping root", "stamping root", 4, &extensions).signed_by(4)
}

/// `TSTInfo` over a SHA-256.
#[must_use]
pub fn tst_info(hash: &[u8], time: &[u8]) -> Vec<u8> {
    let imprint = tlv(0x30, &[&sha256(), &tlv(0x04, &[hash])]);
    tlv(
        0x30,
        &[&[2, 1, 1], &oid("1.2.3.4.1"), &imprint, &[2, 1, 9], time],
    )
}

/// The attributes that sign this content with this certificate: kind, digest, certificate.
#[must_use]
pub fn attributes(info: &[u8], certificate: &[u8]) -> Vec<Vec<u8>> {
    let of = |bytes: &[u8]| tlv(0x04, &[digest::Digest::of(bytes).raw()]);
    let bound = tlv(0x30, &[&tlv(0x30, &[&tlv(0x30, &[&of(certificate)])])]);
    vec![
        attribute("1.2.840.113549.1.9.3", &oid("1.2.840.113549.1.9.16.1.4")),
        attribute("1.2.840.113549.1.9.4", &of(info)),
        attribute("1.2.840.113549.1.9.16.2.47", &bound),
    ]
}

/// One signed attribute.
#[must_use]
pub fn attribute(dotted: &str, value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&oid(dotted), &tlv(0x31, &[value])])
}

fn sha256() -> Vec<u8> {
    tlv(0x30, &[&oid("2.16.840.1.101.3.4.2.1")])
}
