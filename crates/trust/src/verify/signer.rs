//! Who signed: the one of the trust root's that made one of a bundle's signatures.

use crate::sigstore::{self, By, Evidence, LogEntry, SigstoreError};
use crate::verified::How;
use crate::x509::signature::{self, Algorithm, Hash};
use crate::x509::{Certificate, Purpose as Usage, chain};
use crate::{
    Bundle, Error, KeyHint, KeyId, Material, PublicKey, Role, RootCertificate, RootKey, Time,
};
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

/// When a certificate must have been valid.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// At this time, or at that of a timestamp over the signature.
    At(Time),
    /// When it began to be.
    AtItsBeginning,
}

impl When {
    const fn now(self) -> Option<Time> {
        match self {
            Self::At(now) => Some(now),
            Self::AtItsBeginning => None,
        }
    }
}

/// The one of the root's who made one of the signatures.
pub(super) fn signer<'a>(
    bundle: &Bundle,
    root: &'a TrustRoot,
    when: When,
) -> Result<Signer<'a>, Error> {
    match bundle.material() {
        Material::Key {
            hint,
            entries,
            timestamps,
        } => by_key(bundle, *hint, (entries, timestamps), (root, when)),
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
    hint: Option<KeyHint>,
    beside: (&[LogEntry], &[Vec<u8>]),
    (root, when): (&'a TrustRoot, When),
) -> Result<Signer<'a>, Error> {
    let (key, signature, encoding) = known_key(bundle, hint, root)?;
    let how = witnessed(&key.public_key, (bundle, signature), beside, (root, when))?;
    Ok(Signer {
        name: &key.name,
        key: key.public_key.id(),
        roles: &key.roles,
        speaks_for: &key.speaks_for,
        valid_from: key.valid_from,
        valid_until: key.valid_until,
        how,
        encoding,
    })
}

/// The key of the root's that made one of the signatures, and which one.
fn known_key<'a, 'b>(
    bundle: &'b Bundle,
    hint: Option<KeyHint>,
    root: &'a TrustRoot,
) -> Result<(&'a RootKey, &'b [u8], Encoding), Error> {
    let signed = |key: &'a RootKey| {
        let (signature, encoding) =
            signed(bundle, |bytes, sig| key.public_key.verifies(bytes, sig))?;
        Some((key, signature, encoding))
    };
    // Only one key can be named; with more signatures, others than its may be there too.
    let has_more = bundle.envelope().signatures.len() > 1;
    if let Some(hint) = hint {
        match root.keys().find(|key| hint.is_of(&key.public_key)) {
            None if has_more => {}
            None => {
                let key = match hint {
                    KeyHint::Id(id) => Some(id),
                    KeyHint::Der(_) => None,
                };
                return Err(Error::KeyUnknown { key });
            }
            Some(key) => {
                if let Some(found) = signed(key) {
                    return Ok(found);
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

/// What those say of a key's signature who are believed about it. What of theirs is wrong is refused; where a log is asked
/// for, it must have the signature.
fn witnessed(
    key: &PublicKey,
    (bundle, signature): (&Bundle, &[u8]),
    (entries, timestamps): (&[LogEntry], &[Vec<u8>]),
    (root, when): (&TrustRoot, When),
) -> Result<How, Error> {
    let witnesses = root.key_witnesses();
    let stamped = stamped_at(signature, timestamps, &witnesses.timestamp_anchors)?;
    let now = when.now();
    if let (Some(at), Some(now)) = (stamped, now)
        && at > now
    {
        return Err(Error::Sigstore(SigstoreError::Future { at, now }));
    }
    let logged_at = witnesses.sigstore.as_ref().map(|sigstore| {
        let evidence = Evidence {
            by: By::Key(key),
            envelope: bundle.envelope(),
            signature,
            entries,
            timestamps,
        };
        sigstore::verify(&evidence, sigstore, now).map_err(Error::Sigstore)
    });
    Ok(How::Key {
        stamped,
        logged_at: logged_at.transpose()?,
    })
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
    let stamped = stamped_at(signature, chain.timestamps, &known.timestamp_anchors)?;
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
        by: By::Certificate(leaf),
        envelope: bundle.envelope(),
        signature,
        entries,
        timestamps,
    };
    let now = when.now();
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
    anchors: &[Certificate],
) -> Result<Option<Time>, Error> {
    if anchors.is_empty() {
        return Ok(None);
    }
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
    if let Some(signature) = of(&envelope.signed_bytes()) {
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
