//! From a leaf to an anchor: the search for the path, and what each certificate on it must be.

use std::fmt;

use digest::Digest;

use super::{Certificate, ExtendedKeyUsage};
use crate::{KeyError, PublicKey, Time};

/// As many certificates as may come with a leaf, and as may stand in a path.
const CERTIFICATES_MAX: usize = 16;
/// Signatures that are verified before a search is given up. Honest chains need as many as they have links.
const SIGNATURES_MAX: u32 = 64;

/// What the leaf's key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing models and statements. The leaf's key usage, if there is one, has `digitalSignature`; its extended key usage,
    /// if there is one, has `codeSigning`; and there is one of the two.
    Signing,
    /// Stamping times (RFC 3161 §2.3): the extended key usage is `timeStamping` alone, and critical.
    TimeStamping,
}

/// A leaf that an anchor vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Certificate>);

impl Path {
    /// The certificates from leaf to anchor; one alone if the leaf is an anchor itself.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// The leaf.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        // A path begins with its leaf.
        &self.0[0]
    }
}

/// Looks for a path from `leaf` to one of `anchors`, through none, some or all of `intermediates`, which nobody vouches for.
///
/// (1) Every certificate on it, the anchor too, is valid at `at`. (2) None has a critical extension that is not understood.
/// (3) The leaf may be used for `purpose`. (4) Each is signed by the next one's key, and names it as its issuer; what is
/// named, and not signed, counts for nothing. (5) Every issuer is an authority, may sign certificates, allows as many
/// authorities below it as there are, and allows the purpose if it has an extended key usage.
///
/// Stricter than RFC 5280: authorities that issued to themselves count for the path's length like others, and an issuer with
/// name constraints is refused, critical or not, because they are not applied here. Looser than others: the leaf may be an
/// authority, and an anchor need not be self-signed; a leaf that is an anchor, byte for byte, is a path.
///
/// # Errors
/// There is no such path. The error is that of the search which came furthest.
pub fn verify(
    leaf: &Certificate,
    intermediates: &[Certificate],
    anchors: &[Certificate],
    at: Time,
    purpose: Purpose,
) -> Result<Path, ChainError> {
    if intermediates.len() >= CERTIFICATES_MAX {
        return Err(ChainError::TooMany {
            count_max: CERTIFICATES_MAX,
        });
    }
    check_each(leaf, at)?;
    check_leaf(leaf, purpose)?;
    let mut search = Search {
        intermediates,
        anchors,
        at,
        purpose,
        signatures_left: SIGNATURES_MAX,
        furthest: None,
    };
    let mut path = vec![leaf];
    if search.reaches_anchor(&mut path) {
        return Ok(Path(path.into_iter().cloned().collect()));
    }
    if search.signatures_left == 0 {
        return Err(ChainError::TooTangled {
            signatures_max: SIGNATURES_MAX,
        });
    }
    let (_, furthest) = search.furthest.unwrap_or((0, issuer_missing(leaf)));
    Err(furthest)
}

/// Says whether a certificate can be an anchor for `purpose`: as an authority above others, or, if it `may_be_leaf`, as the
/// leaf that it is itself. With `at`, it must not have ended before. Its issuer's signature counts for nothing, as in
/// [`verify`].
///
/// # Errors
/// It can't, so that no path could end there.
pub(crate) fn check_anchor(
    anchor: &Certificate,
    at: Option<Time>,
    purpose: Purpose,
    may_be_leaf: bool,
) -> Result<(), ChainError> {
    let at = at.map_or(anchor.not_before(), |at| at.max(anchor.not_before()));
    check_each(anchor, at)?;
    anchor.public_key().map_err(|source| ChainError::Key {
        certificate: Named::of(anchor),
        source,
    })?;
    if may_be_leaf && check_leaf(anchor, purpose).is_ok() {
        return Ok(());
    }
    check_issuer(anchor, 0, purpose)
}

struct Search<'a> {
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    at: Time,
    purpose: Purpose,
    signatures_left: u32,
    /// The error found at the greatest depth, and that depth.
    furthest: Option<(usize, ChainError)>,
}

impl<'a> Search<'a> {
    /// Whether `path` can be continued to an anchor; then it is.
    fn reaches_anchor(&mut self, path: &mut Vec<&'a Certificate>) -> bool {
        let Some(&last) = path.last() else {
            return false;
        };
        if self.anchors.contains(last) {
            return true;
        }
        if path.len() == CERTIFICATES_MAX {
            return false;
        }
        let depth = path.len() * 2;
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        let candidates = anchors.iter().chain(intermediates);
        for issuer in candidates.filter(|issuer| issuer.subject() == last.issuer()) {
            if path.contains(&issuer) {
                continue;
            }
            match self.check_link(last, issuer, path.len() - 1) {
                Err(error) => {
                    // An issuer that did sign tells more than a namesake.
                    let is_namesake = matches!(error, ChainError::Signature { .. });
                    self.note(depth + usize::from(!is_namesake), error);
                }
                Ok(()) => {
                    path.push(issuer);
                    if self.reaches_anchor(path) {
                        return true;
                    }
                    path.pop();
                }
            }
        }
        self.note(depth, issuer_missing(last));
        false
    }

    fn is_signed(&mut self, issued: &Certificate, key: &PublicKey) -> bool {
        self.signatures_left -= 1;
        issued.is_signed_by(key)
    }

    fn note(&mut self, depth: usize, error: ChainError) {
        if self
            .furthest
            .as_ref()
            .is_none_or(|(furthest, _)| *furthest < depth)
        {
            self.furthest = Some((depth, error));
        }
    }

    /// Checks that `issuer` signed `issued`, and was allowed to. `below`: the authorities between it and the leaf.
    fn check_link(
        &mut self,
        issued: &Certificate,
        issuer: &Certificate,
        below: usize,
    ) -> Result<(), ChainError> {
        if let Some(algorithm) = issued.refused_algorithm() {
            let algorithm = algorithm.to_owned();
            return Err(ChainError::Algorithm {
                certificate: Named::of(issued),
                algorithm,
            });
        }
        let key = issuer.public_key().map_err(|source| ChainError::Key {
            certificate: Named::of(issuer),
            source,
        })?;
        if self.signatures_left == 0 || !self.is_signed(issued, key) {
            return Err(ChainError::Signature {
                certificate: Named::of(issued),
            });
        }
        check_each(issuer, self.at)?;
        check_issuer(issuer, below, self.purpose)
    }
}

/// What every certificate must be, wherever it stands.
fn check_each(certificate: &Certificate, at: Time) -> Result<(), ChainError> {
    let named = || Named::of(certificate);
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if at < not_before {
        return Err(ChainError::NotYetValid {
            certificate: named(),
            not_before,
            at,
        });
    }
    if at > not_after {
        return Err(ChainError::Expired {
            certificate: named(),
            not_after,
            at,
        });
    }
    match certificate.extensions().unknown_critical() {
        Some(oid) => Err(ChainError::CriticalExtension {
            certificate: named(),
            oid: oid.to_owned(),
        }),
        None => Ok(()),
    }
}

fn check_leaf(leaf: &Certificate, purpose: Purpose) -> Result<(), ChainError> {
    let usage = leaf.extensions().key_usage;
    let extended = leaf.extensions().extended_key_usage.as_ref();
    let refused = |why| {
        Err(ChainError::Leaf {
            certificate: Named::of(leaf),
            why,
        })
    };
    match purpose {
        Purpose::Signing => {
            if usage.is_none() && extended.is_none() {
                return refused("says nothing of what its key may be used for");
            }
            if usage.is_some_and(|usage| !usage.digital_signature) {
                return refused("lacks the key usage `digitalSignature`");
            }
            if extended.is_some_and(|purposes| !purposes.allows(ExtendedKeyUsage::CODE_SIGNING)) {
                return refused("is for other purposes than `codeSigning`");
            }
        }
        Purpose::TimeStamping => {
            let is_alone = |purposes: &ExtendedKeyUsage| {
                purposes.is_critical && purposes.purposes == [ExtendedKeyUsage::TIME_STAMPING]
            };
            if !extended.is_some_and(is_alone) {
                return refused("is not for the purpose `timeStamping` alone, marked critical");
            }
            if usage.is_some_and(|usage| !usage.digital_signature && !usage.content_commitment) {
                return refused("lacks the key usage `digitalSignature`");
            }
        }
    }
    Ok(())
}

/// Whether a leaf says that it is for signing code: Sigstore's authorities always do.
pub(crate) fn check_code_signing(leaf: &Certificate) -> Result<(), ChainError> {
    let purposes = leaf.extensions().extended_key_usage.as_ref();
    if purposes.is_some_and(|own| own.allows(ExtendedKeyUsage::CODE_SIGNING)) {
        return Ok(());
    }
    Err(ChainError::Leaf {
        certificate: Named::of(leaf),
        why: "lacks the extended key usage `codeSigning`",
    })
}

fn check_issuer(issuer: &Certificate, below: usize, purpose: Purpose) -> Result<(), ChainError> {
    let extensions = issuer.extensions();
    let named = || Named::of(issuer);
    let refused = |why| {
        Err(ChainError::Issuer {
            certificate: named(),
            why,
        })
    };
    let Some(constraints) = extensions.basic_constraints.filter(|own| own.is_authority) else {
        return refused("is no authority: it lacks `CA:TRUE`");
    };
    if extensions
        .key_usage
        .is_some_and(|usage| !usage.key_cert_sign)
    {
        return refused("lacks the key usage `keyCertSign`");
    }
    let purpose = match purpose {
        Purpose::Signing => ExtendedKeyUsage::CODE_SIGNING,
        Purpose::TimeStamping => ExtendedKeyUsage::TIME_STAMPING,
    };
    if extensions
        .extended_key_usage
        .as_ref()
        .is_some_and(|own| !own.allows(purpose))
    {
        return refused("may issue for other purposes only");
    }
    if extensions.has_name_constraints() {
        return refused("has name constraints, which are not applied here");
    }
    let is_short = |max: u32| u32::try_from(below).is_ok_and(|below| below <= max);
    match constraints.path_length {
        Some(max) if !is_short(max) => Err(ChainError::PathLength {
            certificate: named(),
            max,
        }),
        _ => Ok(()),
    }
}

fn issuer_missing(certificate: &Certificate) -> ChainError {
    ChainError::IssuerMissing {
        certificate: Named::of(certificate),
        issuer: certificate.issuer().to_string(),
    }
}

/// Which certificate an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// SHA-256 of its bytes.
    pub fingerprint: Digest,
}

impl Named {
    fn of(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject().to_string(),
            fingerprint: certificate.fingerprint(),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` (sha256:{})",
            self.subject,
            self.fingerprint.short()
        )
    }
}

/// Why no anchor vouches for a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// More certificates came along than are looked at.
    #[error("there are more than {count_max} certificates in the chain")]
    TooMany {
        /// What is looked at.
        count_max: usize,
    },
    /// The certificates can be combined in more ways than are tried.
    #[error("no path was found among the certificates after verifying {signatures_max} signatures")]
    TooTangled {
        /// What is tried.
        signatures_max: u32,
    },
    /// A certificate's time has not come.
    #[error(
        "the certificate {certificate} is valid from {not_before}, and the time that counts is {at}"
    )]
    NotYetValid {
        /// Which.
        certificate: Named,
        /// From when it holds.
        not_before: Time,
        /// The time that was asked for.
        at: Time,
    },
    /// A certificate's time is over.
    #[error(
        "the certificate {certificate} was valid until {not_after}, and the time that counts is {at}"
    )]
    Expired {
        /// Which.
        certificate: Named,
        /// Until when it held.
        not_after: Time,
        /// The time that was asked for.
        at: Time,
    },
    /// A certificate demands what is not understood.
    #[error(
        "the certificate {certificate} has the critical extension {oid}, which is not understood here"
    )]
    CriticalExtension {
        /// Which.
        certificate: Named,
        /// The extension.
        oid: String,
    },
    /// The leaf is for something else.
    #[error("the certificate {certificate} can't be the signer's: it {why}")]
    Leaf {
        /// Which.
        certificate: Named,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A certificate was issued by one that may not.
    #[error("the certificate {certificate} may not issue others: it {why}")]
    Issuer {
        /// Which.
        certificate: Named,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There are more authorities below one than it allows.
    #[error("the certificate {certificate} allows {max} authorities below it, and there are more")]
    PathLength {
        /// Which.
        certificate: Named,
        /// What it allows.
        max: u32,
    },
    /// A certificate was signed in a way that is not believed.
    #[error("the certificate {certificate} is signed by {algorithm}, which is not believed")]
    Algorithm {
        /// Which.
        certificate: Named,
        /// How it was signed.
        algorithm: String,
    },
    /// A certificate has a key that is not used here.
    #[error("the key of the certificate {certificate} is not used here")]
    Key {
        /// Which.
        certificate: Named,
        /// What is wrong with the key.
        source: KeyError,
    },
    /// A certificate of the issuer's name is there, and its key did not sign.
    #[error("the certificate {certificate} was not signed by the key of the issuer that it names")]
    Signature {
        /// Which.
        certificate: Named,
    },
    /// Nobody vouches for a certificate.
    #[error(
        "the certificate {certificate} was issued by `{issuer}`, which is neither an anchor nor among the certificates that came along"
    )]
    IssuerMissing {
        /// Which.
        certificate: Named,
        /// Who issued it.
        issuer: String,
    },
}
