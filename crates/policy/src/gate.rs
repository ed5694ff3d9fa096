//! The gate's own policy, format 2: one file that says what must have been said of a model before it is let in.
//!
//! In: a policy, a model as its files, all that was said of it, where it is to run, and the time. Must hold: every
//! requirement of the file. Out: the decision as a tree, with the statement that satisfied each requirement, or why each
//! candidate did not and the way to yes; [`Decision::verdict`] is read off the tree.
//!
//! Of each kind every statement is tried, and one that satisfies is enough. So nobody closes the gate by adding a
//! statement, and nobody opens it by taking one away: what forbids, a recall and a scan that found harm, is asked beside
//! this, by [`crate::recall`] and [`crate::admission`], whatever a policy says.
//!
//! The file is trusted: whoever can change it chooses what is let in, as far as the five requirements of
//! [`crate::admission`] allow, which it can't take away.

mod approvals;
mod asked;
mod build;
mod cases;
mod data;
mod decision;
mod exception;
mod expression;
mod licence;
mod metrics;
mod place;
mod read;
mod sbom;
mod scan;
mod signature;

use digest::Digest;
use trust::predicate::{
    Approval, ApprovalRequest, CycloneDx, Dataset, Exception, ModelSignature, Provenance,
    ScanReport, Spdx,
};
use trust::{Artifact, Statement, Time, Verified};

use crate::PolicyError;
use asked::Asked;
pub use cases::{Cases, Ran};
pub use decision::{Decision, Excepted, Finding, Outcome, Passed, Said, Tried};
pub use exception::EXCEPTION_SECONDS_MAX;
pub use place::{Mode, Place, SCOPE_TYPES, Scope, scope_rule};
pub use read::keys;

/// A policy of format 2.
#[derive(Debug)]
pub struct Policy {
    name: String,
    digest: Digest,
    mode: Mode,
    scopes: Vec<Scope>,
    requirements: Vec<Box<dyn Requirement>>,
}

/// What was said of a model. The caller knows each of these to stand in the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// Who signed it.
    pub signatures: &'a [&'a Verified<Statement<ModelSignature>>],
    /// How it was made.
    pub provenance: &'a [&'a Verified<Statement<Provenance>>],
    /// What scans found in it.
    pub scans: &'a [&'a Verified<Statement<ScanReport>>],
    /// Under which policies data was added that it was made from.
    pub datasets: &'a [&'a Verified<Statement<Dataset>>],
    /// What it is made of, as CycloneDX lists it.
    pub cyclonedx: &'a [&'a Verified<Statement<CycloneDx>>],
    /// What it is made of, as SPDX lists it.
    pub spdx: &'a [&'a Verified<Statement<Spdx>>],
    /// Who asked for its review.
    pub requests: &'a [&'a Verified<Statement<ApprovalRequest>>],
    /// Who approved it.
    pub approvals: &'a [&'a Verified<Statement<Approval>>],
    /// What it may pass for a while.
    pub exceptions: &'a [&'a Verified<Statement<Exception>>],
}

/// One kind of requirement.
trait Requirement: std::fmt::Debug + Send + Sync {
    /// Its word, which is its key in the file.
    fn word(&self) -> &'static str;

    /// What it asks for: each rule as a clause.
    fn asks(&self) -> Vec<String>;

    /// Looks for what satisfies it.
    fn decide(&self, asked: &Asked<'_>) -> Finding;

    /// What it has against a build: what others ask of a build, they ask of one that this lets pass.
    fn against_build(
        &self,
        _build: &Verified<Statement<Provenance>>,
        _now: Time,
    ) -> Vec<trust::Reason> {
        Vec::new()
    }
}

impl Policy {
    /// Reads a policy, by the name that errors call it by.
    ///
    /// # Errors
    /// It is not TOML, has a key that is unknown or stands twice, breaks a rule of the format, or requires nothing.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, PolicyError> {
        read::policy(file, bytes)
    }

    /// What it calls itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of its file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Where it speaks, the first that fits counting; everywhere if there are none.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// How strict it is where no scope says otherwise.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Each requirement's word with what it asks for.
    #[must_use]
    pub fn asks(&self) -> Vec<(&'static str, Vec<String>)> {
        let asks = |requirement: &dyn Requirement| (requirement.word(), requirement.asks());
        self.each().map(asks).collect()
    }

    /// Says whether a model is allowed somewhere now, and why.
    #[must_use]
    pub fn evaluate(
        &self,
        subject: &Artifact,
        evidence: &Evidence<'_>,
        place: &Place,
        now: Time,
    ) -> Decision {
        let asked = Asked::new(subject, evidence, &self.requirements, now);
        let (mode, outside) = self.mode_at(place);
        let decided = |requirement: &dyn Requirement| {
            let mut finding = requirement.decide(&asked);
            exception::apply(
                &mut finding,
                self.digest,
                &asked,
                evidence.exceptions,
                place,
            );
            finding
        };
        let findings = outside.into_iter().chain(self.each().map(decided));
        Decision {
            policy: self.digest,
            name: self.name.clone(),
            mode,
            place: place.clone(),
            findings: findings.collect(),
        }
    }

    fn each(&self) -> impl Iterator<Item = &dyn Requirement> {
        self.requirements.iter().map(AsRef::as_ref)
    }

    /// How strict it is here; and if it does not speak of this place, that.
    fn mode_at(&self, place: &Place) -> (Mode, Option<Finding>) {
        match self.scopes.iter().find(|scope| scope.fits(place)) {
            Some(scope) => (scope.mode, None),
            None if self.scopes.is_empty() => (self.mode, None),
            None => (Mode::Enforce, Some(place::outside(&self.scopes, place))),
        }
    }
}
