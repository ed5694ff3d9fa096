//! Somebody who is known by a key.

use std::path::PathBuf;

use trust::{PublicKey, RootKey, TrustRoot};

use super::{Known, Terms, a_year_from, known_as, nobody};
use crate::answer::Failure;
use crate::commands::key::read_public;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(super) struct KnownKey {
    /// Their public key, in PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "name",
        conflicts_with_all = ["certificate_chain", "certificate_identity", "timestamp_chain", "identity", "identity_provider", "trust_config", "remove"],
        help_heading = "By a key"
    )]
    public_key: Option<PathBuf>,
}

impl KnownKey {
    pub(super) const fn is_given(&self) -> bool {
        self.public_key.is_some()
    }

    pub(super) fn changed(
        &self,
        name: &str,
        terms: &Terms,
        workspace: &Workspace,
    ) -> Result<TrustRoot, Failure> {
        let root = &workspace.root;
        let known = root.keys().find(|key| key.name == name).cloned();
        let given = self.public_key.as_deref().map(read_public).transpose()?;
        let key = match (given, known) {
            (Some(public_key), Some(known)) => RootKey {
                public_key,
                ..known
            },
            (Some(public_key), None) => new(name, public_key, workspace),
            (None, known) => known.ok_or_else(|| nobody(name))?,
        };
        if let Some(other) = root.key(key.public_key.id())
            && other.name != name
        {
            return Err(known_as(&other.name, "key"));
        }
        key.on(terms, root)
    }
}

fn new(name: &str, public_key: PublicKey, workspace: &Workspace) -> RootKey {
    let (valid_from, valid_until) = a_year_from(workspace.now);
    RootKey {
        name: name.to_owned(),
        public_key,
        roles: Vec::new(),
        speaks_for: Vec::new(),
        valid_from,
        valid_until,
    }
}
