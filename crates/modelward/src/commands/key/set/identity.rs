//! Somebody who is known by an identity that a provider vouches for, at one Sigstore.

use std::path::{Path, PathBuf};

use trust::{Code, RootIdentity, SigstoreRoot, TrustRoot};

use super::{Known, Terms, a_year_from, known_as};
use crate::answer::Failure;
use crate::believed::{Provider, read_sigstore};
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "By an identity (Sigstore)")]
pub(super) struct KnownIdentity {
    /// As whom they sign keylessly: an e-mail address or a URI, to the letter
    #[arg(long, value_name = "WHO", requires = "name", conflicts_with = "remove")]
    identity: Option<String>,
    /// Who vouches for the identity: the provider's URL to the letter, or `github`, `google` or `microsoft`
    #[arg(long, value_name = "URL", requires = "name", conflicts_with = "remove")]
    identity_provider: Option<Provider>,
    /// The Sigstore to believe: `production` (the public one, and the default) or `staging`, as they are built in, or a file
    /// with a `TrustedRoot` or `ClientTrustConfig` in JSON
    #[arg(
        long,
        value_name = "FILE",
        requires = "name",
        conflicts_with = "remove"
    )]
    trust_config: Option<PathBuf>,
}

impl KnownIdentity {
    pub(super) const fn is_given(&self) -> bool {
        self.identity.is_some() || self.identity_provider.is_some() || self.trust_config.is_some()
    }

    pub(super) fn changed(
        &self,
        name: &str,
        terms: &Terms,
        workspace: &Workspace,
    ) -> Result<TrustRoot, Failure> {
        let root = &workspace.root;
        let known = root.identities().find(|signer| signer.name == name);
        let mut signer = match known {
            Some(known) => known.clone(),
            None => self.added(name, workspace)?,
        };
        if let Some(identity) = &self.identity {
            signer.identity = checked_identity(identity)?;
        }
        if let Some(provider) = &self.identity_provider {
            signer.issuer = checked_issuer(provider)?;
        }
        if let Some(path) = &self.trust_config {
            signer.sigstore = sigstore(path)?;
        }
        let is_same = |other: &&RootIdentity| {
            let is_other = other.name != name && other.identity == signer.identity;
            is_other && other.issuer == signer.issuer && other.sigstore == signer.sigstore
        };
        if let Some(other) = root.identities().find(is_same) {
            return Err(known_as(&other.name, "identity"));
        }
        signer.on(terms, root)
    }

    fn added(&self, name: &str, workspace: &Workspace) -> Result<RootIdentity, Failure> {
        let (Some(identity), Some(Provider(issuer))) = (&self.identity, &self.identity_provider)
        else {
            let message = format!("`{name}` would lack an identity, or who vouches for it");
            let way = "give both: `--identity WHO --identity-provider URL`";
            return Err(Failure::error(Code::Usage, message, way));
        };
        let (valid_from, valid_until) = a_year_from(workspace.now);
        Ok(RootIdentity {
            name: name.to_owned(),
            identity: identity.clone(),
            issuer: issuer.clone(),
            sigstore: SigstoreRoot::production(),
            roles: Vec::new(),
            speaks_for: Vec::new(),
            valid_from,
            valid_until,
        })
    }
}

/// Certificates are made out to addresses and URIs: what is neither is nobody's.
fn checked_identity(identity: &str) -> Result<String, Failure> {
    if identity.contains('*') {
        let message =
            format!("`{identity}` looks like a pattern, and an identity is compared to the letter");
        let way = "add each by a name and an identity of its own, as the certificate has it";
        return Err(Failure::error(Code::Usage, message, way));
    }
    let is_one = identity.contains(['@', ':']) && !identity.contains(char::is_whitespace);
    if is_one {
        return Ok(identity.to_owned());
    }
    let message = format!("`{identity}` is neither an e-mail address nor a URI");
    let way = "write the identity as the certificate has it: `alice@example.com`, or `https://github.com/…` of a workflow";
    Err(Failure::error(Code::Usage, message, way))
}

/// What is no URL is the word of a provider that is not known here. Who vouches over a line that anybody can write on vouches for
/// nobody; on this machine it is a test.
fn checked_issuer(Provider(issuer): &Provider) -> Result<String, Failure> {
    let host = issuer.strip_prefix("https://");
    let host = host.or_else(|| issuer.strip_prefix("http://").filter(|host| is_here(host)));
    let is_url = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
    if host.is_some_and(is_url) {
        return Ok(issuer.clone());
    }
    let message = format!("`{issuer}` is no identity provider");
    let way = "give its URL, `https://…`, or `github`, `google` or `microsoft`";
    Err(Failure::error(Code::Usage, message, way))
}

/// Whether a URL's host is this machine.
fn is_here(host: &str) -> bool {
    let authority = host.split(['/', '?', '#']).next().unwrap_or_default();
    let name = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => authority.split(':').next(),
    };
    name.is_some_and(|name| ["localhost", "127.0.0.1", "::1"].contains(&name))
}

/// One of those that are built in, or the one in a file.
fn sigstore(path: &Path) -> Result<SigstoreRoot, Failure> {
    match path.to_str() {
        Some("production") => Ok(SigstoreRoot::production()),
        Some("staging") => Ok(SigstoreRoot::staging()),
        _ => read_sigstore(path),
    }
}
