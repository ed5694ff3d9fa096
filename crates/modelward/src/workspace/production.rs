//! What a trust root means by `production`.

use trust::{Proof, RootIdentity};

use super::Workspace;
use crate::answer::Failure;
use crate::believed::{public_sigstore, refreshed_note};
use crate::ui::Ui;

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

    /// Says by which Sigstore's root a signer was believed, where it is not the one that is built in.
    pub(crate) fn tell_of_root(&self, signer: &Proof, ui: &Ui) {
        let is_theirs = |known: &RootIdentity| known.name == signer.key_name;
        let is_of_production = |known: &RootIdentity| is_theirs(known) && known.is_of_production();
        let since = self
            .refreshed
            .filter(|_| self.root.identities().any(is_of_production));
        since
            .into_iter()
            .for_each(|since| ui.note(refreshed_note(since, self.now)));
    }
}
