//! Who signed: the one of the trust root's that made one of a bundle's signatures.

use crate::sigstore::{self, Evidence, LogEntry};
use crate::verified::How;
use crate::x509::signature::{self, Algorithm, Hash};
use crate::x509::{Certificate, Purpose as Usage, chain};
use crate::{Bundle, Error, KeyId, Material, PublicKey, Role, RootCertificate, RootKey, Time};
use crate::{TrustRoot, timestamp};

/// What exactly was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// DSSE's pre-authentication encoding.
    Dsse,
    /// What the first release of OpenSSF model signing made of it.
    FirstRelease,
}

/// One of the root's who made one of the signatures, with what the root says of them.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub(super) name: &'a str,
    pub(super) key: KeyId,
    pub(super) roles: &'a [Role],
    pub(super) speaks_for: &'a [String],
    pub(super) valid_from: Time,
    pub(super) valid_until: Time,
    pub(super) how: How,
    pub(super) encoding: Encoding,
}

impl<'a> Signer<'a> {
    pub(super) fn of_key(key: &'a RootKey) -> Self {
        Self {
            name: &key.name,
            key: key.public_key.id(),
            roles: &key.roles,
            speaks_for: &key.speaks_for,
            valid_from: key.valid_from,
            valid_until: key.valid_until,
            how: How::Key,
            encoding: Encoding::Dsse,
        }
    }
}

/// When a certificate must have been valid.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// At this time, or at that of a timestamp over the signature.
    At(Time),
    /// When it began to be.
    AtItsBeginning,
}

/// The one of the root's who made one of the signatures.
pub(super) fn signer<'a>(
    bundle: &Bundle,
    root: &'a TrustRoot,
    when: When,
) -> Result<Signer<'a>, Error> {
    match bundle.material() {
        Material::Key { hint } => by_key(bundle, *hint, root),
        Material::Certificate {
            leaf,
            intermediates,
            timestamps,
        } => {
            if root.certificates().next().is_none() {
                let got = "with a certificate";
                return Err(Error::Method { got });
            }
            let read = |der: &Vec<u8>| Certificate::from_der(der).map_err(Error::Certificate);
            let chain = Chain {
                leaf: read(leaf)?,
                intermediates: intermediates.iter().map(read).collect::<Result<_, _>>()?,
                timestamps,
            };
            by_certificate(bundle, &chain, root, when)
        }
        Material::Keyless {
            leaf,
            entries,
            timestamps,
            ..
        } => {
            if root.identities().next().is_none() {
                return Err(Error::Method { got: "keylessly" });
            }
            let leaf = Certificate::from_der(leaf).map_err(Error::Certificate)?;
            by_identity(bundle, &leaf, (entries, timestamps), root, when)
        }
    }
}

fn by_key<'a>(
    bundle: &Bundle,
    hint: Option<KeyId>,
    root: &'a TrustRoot,
) -> Result<Signer<'a>, Error> {
    let signed = |key: &'a RootKey| {
        let (_, encoding) = signed(bundle, |bytes, sig| key.public_key.verifies(bytes, sig))?;
        Some(Signer {
            encoding,
            ..Signer::of_key(key)
        })
    };
    // Only one key can be named; with more signatures, others than its may be there too.
    let has_more = bundle.envelope().signatures.len() > 1;
    if let Some(id) = hint {
        match root.key(id) {
            None if has_more => {}
            None => return Err(Error::KeyUnknown { key: Some(id) }),
            Some(key) => {
                if let Some(signer) = signed(key) {
                    return Ok(signer);
                }
                if !has_more {
                    let key_name = key.name.clone();
                    return Err(Error::Signature { key_name });
                }
            }
        }
    }
    root.keys()
        .find_map(signed)
        .ok_or(Error::KeyUnknown { key: None })
}

/// What came with the signature.
struct Chain<'a> {
    leaf: Certificate,
    intermediates: Vec<Certificate>,
    timestamps: &'a [Vec<u8>],
}

/// The first of the root's that this chain leads to; else what the first of them says against it.
fn by_certificate<'a>(
    bundle: &Bundle,
    chain: &Chain<'_>,
    root: &'a TrustRoot,
    when: When,
) -> Result<Signer<'a>, Error> {
    let unfit = |cause| Error::CertificateKey { cause };
    let key = chain.leaf.public_key().map_err(unfit)?;
    let signed = signed_by_certified(bundle, key);
    let (signature, encoding) = signed.ok_or_else(|| Error::Signature {
        key_name: chain.leaf.subject().to_string(),
    })?;
    let mut refused = None;
    for known in root.certificates() {
        match is_known(signature, chain, known, when) {
            Ok(how) => {
                return Ok(Signer {
                    name: &known.name,
                    key: key.id(),
                    roles: &known.roles,
                    speaks_for: &known.speaks_for,
                    valid_from: known.valid_from,
                    valid_until: known.valid_until,
                    how,
                    encoding,
                });
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or(Error::Method {
        got: "with a certificate",
    }))
}

/// Whether the chain leads to an anchor of this one's, and to whom it should.
fn is_known(
    signature: &[u8],
    chain: &Chain<'_>,
    known: &RootCertificate,
    when: When,
) -> Result<How, Error> {
    let stamped = stamped_at(signature, chain.timestamps, known)?;
    let at = match (stamped, when) {
        (Some(stamped), _) => stamped,
        (None, When::At(now)) => now,
        (None, When::AtItsBeginning) => chain.leaf.not_before(),
    };
    let (leaf, others) = (&chain.leaf, &chain.intermediates);
    chain::verify(leaf, others, &known.anchors, at, Usage::Signing).map_err(Error::Chain)?;
    if let Some(identity) = &known.identity {
        identity.check(leaf).map_err(Error::Identity)?;
    }
    Ok(How::Certificate {
        subject: leaf.subject().to_string(),
        fingerprint: leaf.fingerprint(),
        identity: known.identity.as_ref().map(ToString::to_string),
        stamped,
    })
}

/// The first of the root's whose identity the certificate was made out to, by the word of the Sigstore that they are known
/// at; else what the first of them says against it.
fn by_identity<'a>(
    bundle: &Bundle,
    leaf: &Certificate,
    (entries, timestamps): (&[LogEntry], &[Vec<u8>]),
    root: &'a TrustRoot,
    when: When,
) -> Result<Signer<'a>, Error> {
    let unfit = |cause| Error::CertificateKey { cause };
    let key = leaf.public_key().map_err(unfit)?;
    let signed = signed(bundle, |bytes, sig| key.verifies(bytes, sig));
    let Some((signature, Encoding::Dsse)) = signed else {
        let key_name = format!("of the certificate {}", leaf.fingerprint().short());
        return Err(Error::Signature { key_name });
    };
    let evidence = Evidence {
        leaf,
        envelope: bundle.envelope(),
        signature,
        entries,
        timestamps,
    };
    let now = match when {
        When::At(now) => Some(now),
        When::AtItsBeginning => None,
    };
    let mut refused = None;
    for known in root.identities() {
        let logged = sigstore::verify(&evidence, &known.sigstore, now).and_then(|at| {
            sigstore::check_identity(leaf, &known.identity, &known.issuer).map(|()| at)
        });
        match logged {
            Ok(logged_at) => {
                return Ok(Signer {
                    name: &known.name,
                    key: key.id(),
                    roles: &known.roles,
                    speaks_for: &known.speaks_for,
                    valid_from: known.valid_from,
                    valid_until: known.valid_until,
                    how: How::Keyless {
                        identity: known.identity.clone(),
                        issuer: known.issuer.clone(),
                        logged_at,
                    },
                    encoding: Encoding::Dsse,
                });
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.map_or(Error::Method { got: "keylessly" }, Error::Sigstore))
}

/// When authorities that are believed stamped the signature: the earliest time. A token that none of them made is
/// refused; where none is known, a token says nothing.
fn stamped_at(
    signature: &[u8],
    tokens: &[Vec<u8>],
    known: &RootCertificate,
) -> Result<Option<Time>, Error> {
    if known.timestamp_anchors.is_empty() {
        return Ok(None);
    }
    let anchors = &known.timestamp_anchors;
    let stamp = |token: &Vec<u8>| timestamp::verify(token, signature, &[], anchors);
    let stamps: Result<Vec<_>, _> = tokens.iter().map(stamp).collect();
    let stamps = stamps.map_err(Error::Timestamp)?;
    Ok(stamps.into_iter().map(|stamp| stamp.time).min())
}

/// The signature that a key made, and how what it signed was encoded.
fn signed(bundle: &Bundle, verifies: impl Fn(&[u8], &[u8]) -> bool) -> Option<(&[u8], Encoding)> {
    let envelope = bundle.envelope();
    let of = |bytes: &[u8]| {
        let mut signatures = envelope.signatures.iter();
        signatures.find(|signature| verifies(bytes, signature))
    };
    if let Some(signature) = of(envelope.signed_bytes()) {
        return Some((signature, Encoding::Dsse));
    }
    let odd = envelope.bytes_signed_by_first_release()?;
    Some((of(&odd)?, Encoding::FirstRelease))
}

/// As [`signed`]; but the first release hashed by SHA-256, whatever a certificate's key was.
fn signed_by_certified<'b>(bundle: &'b Bundle, key: &PublicKey) -> Option<(&'b [u8], Encoding)> {
    signed(bundle, |bytes, signature| key.verifies(bytes, signature)).or_else(|| {
        let by = Algorithm::Ecdsa(Hash::Sha256);
        let signed = signed(bundle, |bytes, sig| {
            signature::verifies(key, &by, bytes, sig)
        });
        signed.filter(|(_, encoding)| *encoding == Encoding::FirstRelease)
    })
}
