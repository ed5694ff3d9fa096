//! What a trust root means by `production`.

use trust::RootIdentity;

use super::Workspace;
use crate::answer::Failure;
use crate::believed::{public_sigstore, refreshed_note};

impl Workspace {
    /// Where the trust root says `production`, the newest root of the public Sigstore is meant that this user has.
    pub(super) fn renew_production(&mut self) -> Result<(), Failure> {
        if !self.root.identities().any(RootIdentity::is_of_production) {
            return Ok(());
        }
        let used = public_sigstore(self.now, &|_| ())?;
        if used.is_refreshed {
            self.root = self.root.clone().with_production(&used.root);
            self.refreshed = Some(used.since);
        }
        Ok(())
    }

    /// What is to be said of the root by which this signer is believed.
    pub(crate) fn refreshed_note(&self, signer: &str) -> Option<String> {
        let mut identities = self.root.identities();
        let is_of_production =
            |known: &RootIdentity| known.name == signer && known.is_of_production();
        let since = self.refreshed.filter(|_| identities.any(is_of_production));
        since.map(|since| refreshed_note(since, self.now))
    }
}
