//! Who signed: those of the trust root's who made a bundle's signatures.

use std::borrow::Cow;

use super::Purpose;
use crate::TrustRoot;
use crate::sigstore::{self, By, Evidence, LogEntry};
use crate::timestamp::{self, TimestampError};
use crate::verified::How;
use crate::x509::signature::{self, Algorithm, Hash};
use crate::x509::{Certificate, Purpose as Usage, chain};
use crate::{
    Bundle, Error, KeyHint, KeyId, Material, PublicKey, Role, RootCertificate, RootKey, Time,
};

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
    /// The key, of whose signature nothing is known yet.
    pub(super) fn of_key(key: &'a RootKey) -> Self {
        Self {
            name: &key.name,
            key: key.public_key.id(),
            roles: &key.roles,
            speaks_for: &key.speaks_for,
            valid_from: key.valid_from,
            valid_until: key.valid_until,
            how: How::Key {
                stamped: None,
                logged_at: None,
            },
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

impl When {
    pub(super) const fn of(purpose: Purpose, now: Time) -> Self {
        match purpose {
            Purpose::Allow => Self::At(now),
            Purpose::Forbid => Self::AtItsBeginning,
        }
    }

    const fn now(self) -> Option<Time> {
        match self {
            Self::At(now) => Some(now),
            Self::AtItsBeginning => None,
        }
    }
}

/// All of the root's who made one of the signatures, at least one: first whom the bundle's own words lead to, then the keys
/// that made another.
pub(super) fn signers<'a>(
    bundle: &Bundle,
    root: &'a TrustRoot,
    when: When,
) -> Result<Vec<Signer<'a>>, Error> {
    let (named, beside) = match bundle.material() {
        Material::Key {
            hint,
            entries,
            timestamps,
            ..
        } => return by_key(bundle, *hint, (entries, timestamps), (root, when)),
        Material::Certificate {
            leaf,
            intermediates,
            timestamps,
        } => {
            let named = by_certificate(bundle, (leaf, intermediates, timestamps), root, when);
            (named, (&[][..], timestamps.as_slice()))
        }
        Material::Keyless {
            leaf,
            entries,
            timestamps,
            ..
        } => {
            let beside = (entries.as_slice(), timestamps.as_slice());
            (by_identity(bundle, leaf, beside, root, when), beside)
        }
    };
    // One signature is the named one's or nobody's.
    if !has_more(bundle) {
        return named;
    }
    let others = root
        .keys()
        .filter_map(|key| key_that_signed(bundle, key, beside, (root, when)));
    match named {
        Ok(named) => Ok(named.into_iter().chain(others.flatten()).collect()),
        Err(refused) => some_or_first_refusal(others, refused),
    }
}

/// The log entries and timestamps that came along.
type Beside<'a> = (&'a [LogEntry], &'a [Vec<u8>]);

fn has_more(bundle: &Bundle) -> bool {
    bundle.envelope().signatures.len() > 1
}

fn by_key<'a>(
    bundle: &Bundle,
    hint: Option<KeyHint>,
    beside: Beside<'_>,
    (root, when): (&'a TrustRoot, When),
) -> Result<Vec<Signer<'a>>, Error> {
    let is_named = |key: &&RootKey| hint.is_some_and(|hint| hint.is_of(&key.public_key));
    // Only one key can be named; with more signatures, others than its may be there too.
    if let Some(hint) = hint
        && !has_more(bundle)
    {
        let unknown = || Error::KeyUnknown { key: hint.id() };
        let key = root.keys().find(is_named).ok_or_else(unknown)?;
        let signer = key_that_signed(bundle, key, beside, (root, when));
        let key_name = || key.name.clone();
        let signer = signer.ok_or_else(|| Error::Signature {
            key_name: key_name(),
        })?;
        return Ok(vec![signer?]);
    }
    let (named, others): (Vec<_>, Vec<_>) = root.keys().partition(is_named);
    let signers = named
        .into_iter()
        .chain(others)
        .filter_map(|key| key_that_signed(bundle, key, beside, (root, when)));
    some_or_first_refusal(signers, Error::KeyUnknown { key: None })
}

/// The key as signer, if it made one of the signatures; or what its witnesses say against that.
fn key_that_signed<'a>(
    bundle: &Bundle,
    key: &'a RootKey,
    beside: Beside<'_>,
    (root, when): (&TrustRoot, When),
) -> Option<Result<Signer<'a>, Error>> {
    let public_key = &key.public_key;
    let (signature, encoding) = signed(bundle, |bytes, sig| public_key.verifies(bytes, sig))?;
    let how = witnessed(public_key, (bundle, signature), beside, (root, when));
    Some(how.map(|how| Signer {
        how,
        encoding,
        ..Signer::of_key(key)
    }))
}

/// What those say of a key's signature who are believed about it. What of theirs is wrong is refused; where a log is asked
/// for, it must have the signature.
fn witnessed(
    key: &PublicKey,
    (bundle, signature): (&Bundle, &[u8]),
    (entries, timestamps): Beside<'_>,
    (root, when): (&TrustRoot, When),
) -> Result<How, Error> {
    let witnesses = root.key_witnesses();
    let timestamps = &without_others(timestamps, bundle, signature);
    let stamped = stamped_at(
        (signature, !has_more(bundle)),
        timestamps,
        &witnesses.timestamp_anchors,
    )?;
    let now = when.now();
    not_after_now(stamped, when)?;
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

/// Nobody has stamped what they will stamp: then the authority's clock is wrong, or this machine's.
fn not_after_now(stamped: Option<Time>, when: When) -> Result<(), Error> {
    match (stamped, when.now()) {
        (Some(at), Some(now)) if at > now => {
            Err(Error::Timestamp(TimestampError::Future { at, now }))
        }
        _ => Ok(()),
    }
}

/// The timestamps but for those that say they are over another of the envelope's signatures: those prove nothing about this
/// one, and do it no harm.
fn without_others<'a>(
    timestamps: &'a [Vec<u8>],
    bundle: &Bundle,
    signature: &[u8],
) -> Cow<'a, [Vec<u8>]> {
    if !has_more(bundle) {
        return Cow::Borrowed(timestamps);
    }
    let signatures = &bundle.envelope().signatures;
    let is_over_other = |token: &[u8]| {
        let mut others = signatures.iter();
        others.any(|other| other != signature && timestamp::claims_to_stamp(token, other))
    };
    let own = timestamps.iter().filter(|token| !is_over_other(token));
    own.cloned().collect()
}

/// What came with the signature.
struct Chain {
    leaf: Certificate,
    intermediates: Vec<Certificate>,
}

/// The root's that this chain leads to; if there are none, what the first of them says against it.
fn by_certificate<'a>(
    bundle: &Bundle,
    (leaf, intermediates, timestamps): (&[u8], &[Vec<u8>], &[Vec<u8>]),
    root: &'a TrustRoot,
    when: When,
) -> Result<Vec<Signer<'a>>, Error> {
    let unknown = Error::Method {
        got: "with a certificate",
    };
    if root.certificates().next().is_none() {
        return Err(unknown);
    }
    let read = |der: &[u8]| Certificate::from_der(der).map_err(Error::Certificate);
    let intermediates = intermediates.iter().map(|der| read(der));
    let chain = Chain {
        leaf: read(leaf)?,
        intermediates: intermediates.collect::<Result<_, _>>()?,
    };
    let unfit = |cause| Error::CertificateKey { cause };
    let key = chain.leaf.public_key().map_err(unfit)?;
    let signed = signed_by_certified(bundle, key);
    let (signature, encoding) = signed.ok_or_else(|| Error::Signature {
        key_name: chain.leaf.subject().to_string(),
    })?;
    let timestamps = &without_others(timestamps, bundle, signature);
    let stamped = (signature, !has_more(bundle));
    let known = root.certificates().map(|known| {
        Ok(Signer {
            name: &known.name,
            key: key.id(),
            roles: &known.roles,
            speaks_for: &known.speaks_for,
            valid_from: known.valid_from,
            valid_until: known.valid_until,
            how: is_known((stamped, timestamps), &chain, known, when)?,
            encoding,
        })
    });
    some_or_first_refusal(known, unknown)
}

/// Those that were found; if there are none, what was said against the first.
fn some_or_first_refusal<T>(
    judged: impl Iterator<Item = Result<T, Error>>,
    none: Error,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    let mut refused = None;
    for one in judged {
        match one {
            Ok(one) => found.push(one),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if found.is_empty() {
        return Err(refused.unwrap_or(none));
    }
    Ok(found)
}

/// Whether the chain leads to an anchor of this one's, and to whom it should.
fn is_known(
    (signature, timestamps): ((&[u8], bool), &[Vec<u8>]),
    chain: &Chain,
    known: &RootCertificate,
    when: When,
) -> Result<How, Error> {
    let stamped = stamped_at(signature, timestamps, &known.timestamp_anchors)?;
    not_after_now(stamped, when)?;
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

/// The root's whose identity the certificate was made out to, by the word of the Sigstore that they are known at; if there
/// are none, what the first of them says against it.
fn by_identity<'a>(
    bundle: &Bundle,
    leaf: &[u8],
    (entries, timestamps): (&[LogEntry], &[Vec<u8>]),
    root: &'a TrustRoot,
    when: When,
) -> Result<Vec<Signer<'a>>, Error> {
    let unknown = Error::Method { got: "keylessly" };
    if root.identities().next().is_none() {
        return Err(unknown);
    }
    let leaf = &Certificate::from_der(leaf).map_err(Error::Certificate)?;
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
    let known = root.identities().map(|known| {
        let logged_at =
            sigstore::verify(&evidence, &known.sigstore, now).map_err(Error::Sigstore)?;
        sigstore::check_identity(leaf, &known.identity, &known.issuer).map_err(Error::Sigstore)?;
        Ok(Signer {
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
        })
    });
    some_or_first_refusal(known, unknown)
}

/// When authorities that are believed stamped the signature: the earliest time. A token that none of them made is
/// refused; where none is known, a token says no time, and is refused if it is none or over other bytes. Where the signature
/// is not alone those may be another's, which was altered or is gone.
fn stamped_at(
    (signature, is_alone): (&[u8], bool),
    tokens: &[Vec<u8>],
    anchors: &[Certificate],
) -> Result<Option<Time>, Error> {
    if anchors.is_empty() {
        for token in tokens {
            match timestamp::check_unvouched(token, signature) {
                Err(TimestampError::Imprint) if !is_alone => {}
                judged => judged.map_err(Error::Timestamp)?,
            }
        }
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
