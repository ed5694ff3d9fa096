//! Somebody who is known by a certificate that an authority made out to them.

use std::path::PathBuf;

use trust::x509::{Certificate, Identity};
use trust::{Code, RootCertificate, TrustRoot};

use super::{Known, Terms, a_year_from, known_as, once};
use crate::answer::Failure;
use crate::believed::certificates;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "By a certificate")]
pub(super) struct KnownCertificate {
    /// The authorities whose certificates are believed (PEM, one or several in a file)
    #[arg(
        long,
        value_name = "FILE",
        requires = "name",
        conflicts_with_all = ["identity", "identity_provider", "trust_config", "remove"]
    )]
    certificate_chain: Vec<PathBuf>,
    /// To whom the certificate must be made out: `subject:CN=…`, `email:…`, `uri:…`, `dns:…` or `sha256:` and its
    /// fingerprint
    #[arg(
        long,
        value_name = "WHO",
        requires = "name",
        conflicts_with_all = ["identity", "identity_provider", "trust_config", "remove"]
    )]
    certificate_identity: Option<Identity>,
    /// The authorities whose timestamps are believed (PEM), so that a signature outlives its certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "name",
        conflicts_with_all = ["identity", "identity_provider", "trust_config", "remove"]
    )]
    timestamp_chain: Vec<PathBuf>,
}

impl KnownCertificate {
    pub(super) const fn is_given(&self) -> bool {
        !self.certificate_chain.is_empty()
            || self.certificate_identity.is_some()
            || !self.timestamp_chain.is_empty()
    }

    pub(super) fn changed(
        &self,
        name: &str,
        terms: &Terms,
        workspace: &Workspace,
    ) -> Result<TrustRoot, Failure> {
        let root = &workspace.root;
        let known = root.certificates().find(|holder| holder.name == name);
        let mut holder = known.cloned().unwrap_or_else(|| new(name, workspace));
        if !self.certificate_chain.is_empty() {
            holder.anchors = once(&certificates(&self.certificate_chain)?);
        }
        if self.certificate_identity.is_some() {
            holder.identity = self.certificate_identity.clone();
        }
        if !self.timestamp_chain.is_empty() {
            holder.timestamp_anchors = once(&certificates(&self.timestamp_chain)?);
        }
        if self.is_given() {
            check(&holder, workspace)?;
        }
        holder.on(terms, root)
    }
}

/// Refuses what can't be believed, and whom the root knows already.
fn check(holder: &RootCertificate, workspace: &Workspace) -> Result<(), Failure> {
    let missing = |what: &str, way| {
        let message = format!("`{}` would have no {what}", holder.name);
        Err(Failure::error(Code::Usage, message, way))
    };
    if holder.anchors.is_empty() {
        return missing("authority", "name it: `--certificate-chain FILE`");
    }
    if holder.identity.is_none() {
        let way = "without one, whomever these authorities certify would be believed: give `--certificate-identity WHO`";
        return missing("identity", way);
    }
    holder.check_fit(workspace.now).map_err(|e| {
        let way = "name an authority that certifies signers, and holds; one whose time is over counts with `--timestamp-chain` alone";
        Failure::from_error(Code::CertificateInvalid, &e, way)
    })?;
    let is_same = |other: &&RootCertificate| {
        let is_other = other.name != holder.name && other.identity == holder.identity;
        is_other && same(&other.anchors, &holder.anchors)
    };
    match workspace.root.certificates().find(is_same) {
        Some(other) => Err(known_as(&other.name, "certificate's holder")),
        None => Ok(()),
    }
}

/// Whether these are the same, in whatever order.
fn same(some: &[Certificate], others: &[Certificate]) -> bool {
    some.len() == others.len() && some.iter().all(|one| others.contains(one))
}

/// Somebody who is believed by nobody's word yet.
fn new(name: &str, workspace: &Workspace) -> RootCertificate {
    let (valid_from, valid_until) = a_year_from(workspace.now);
    RootCertificate {
        name: name.to_owned(),
        anchors: Vec::new(),
        identity: None,
        timestamp_anchors: Vec::new(),
        roles: Vec::new(),
        speaks_for: Vec::new(),
        valid_from,
        valid_until,
    }
}
