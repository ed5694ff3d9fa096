//! Whom to believe, where it is not the store's trust root: a key, or those whom an authority certified.

use std::path::PathBuf;

use trust::x509::{Certificate, Identity};
use trust::{Role, TrustRoot};

use crate::answer::Failure;
use crate::commands::key::read_public;
use crate::holder::read_certificates;

/// Somebody to believe and nobody else.
#[derive(Debug, clap::Args)]
pub(crate) struct Believed {
    /// Believe this public key (PEM) and no other, without a store
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Believe certificates of these authorities (PEM, one or several in a file), without a store
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "public_key",
        requires = "certificate_identity"
    )]
    certificate_chain: Vec<PathBuf>,
    /// To whom the certificate must be made out: `subject:CN=…`, `email:…`, `uri:…`, `dns:…` or `sha256:` and its
    /// fingerprint
    #[arg(long, value_name = "WHO", requires = "certificate_chain")]
    certificate_identity: Option<Identity>,
    /// Believe timestamps of these authorities (PEM), so that a signature outlives its certificate
    #[arg(long, value_name = "FILE", requires = "certificate_chain")]
    timestamp_chain: Vec<PathBuf>,
}

impl Believed {
    /// A root that believes whom the arguments name, and nobody else; none if they name nobody.
    pub(crate) fn root(&self) -> Result<Option<TrustRoot>, Failure> {
        if let Some(path) = &self.public_key {
            return Ok(Some(TrustRoot::of_key(read_public(path)?, Role::Sign)));
        }
        if self.certificate_chain.is_empty() {
            return Ok(None);
        }
        let anchors = all(&self.certificate_chain)?;
        let timestamp_anchors = all(&self.timestamp_chain)?;
        let identity = self.certificate_identity.clone();
        Ok(Some(TrustRoot::of_authorities(
            anchors,
            identity,
            timestamp_anchors,
            Role::Sign,
        )))
    }
}

fn all(files: &[PathBuf]) -> Result<Vec<Certificate>, Failure> {
    let mut certificates = Vec::new();
    for file in files {
        certificates.extend(read_certificates(file)?);
    }
    Ok(certificates)
}
