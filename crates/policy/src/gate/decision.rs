//! The decision as a tree, and the verdict that is read off it.

use digest::Digest;
use trust::{Denied, Reason, Statement, Time, Verdict, Verified};

use super::{Mode, Place};

/// What a policy says of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The policy's file.
    pub policy: Digest,
    /// What the policy calls itself.
    pub name: String,
    /// How strict it is in this place.
    pub mode: Mode,
    /// Where the model is to run.
    pub place: Place,
    /// What was found for each requirement, in the policy's order.
    pub findings: Vec<Finding>,
}

/// What was found for one requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its word.
    pub requirement: &'static str,
    /// What it asks for.
    pub asks: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Every statement that was tried, with what speaks against it; nothing does where it satisfies.
    pub tried: Vec<Tried>,
}

/// What came of a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// These satisfy it.
    Met(Vec<Said>),
    /// Nothing does, and an exception lets it pass.
    Excepted(Excepted),
    /// Nothing does: what speaks against the candidate that is nearest, or that there is none.
    Unmet(Vec<Reason>),
}

/// What an exception lets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excepted {
    /// The exception.
    pub by: Said,
    /// Until when it holds: what rests on it holds no longer.
    pub until: Time,
    /// Why it would not pass.
    pub reasons: Vec<Reason>,
}

/// A statement that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Which one.
    pub said: Said,
    /// What speaks against it.
    pub against: Vec<Reason>,
}

/// A statement: its bundle, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// The bundle.
    pub bundle: Digest,
    /// What the trust root calls who signed.
    pub by: String,
}

/// What follows when a policy lets a model pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Requirement and statement, of those that are satisfied.
    pub evidence: Vec<(&'static str, Digest)>,
    /// Requirement, and the exception that lets it pass.
    pub exceptions: Vec<(&'static str, Excepted)>,
    /// Requirement and reasons that did not count, since the policy does not enforce here.
    pub passed_over: Vec<(&'static str, Vec<Reason>)>,
}

impl Said {
    pub(super) fn of<P>(stated: &Verified<Statement<P>>) -> Self {
        let proof = stated.proof();
        Self {
            bundle: proof.bundle,
            by: proof.key_name.clone(),
        }
    }
}

impl Outcome {
    /// Whether nothing satisfies and nothing lets it pass.
    #[must_use]
    pub const fn is_unmet(&self) -> bool {
        matches!(self, Self::Unmet(_))
    }
}

impl Decision {
    /// Whether every requirement is satisfied or excepted, however strict the policy is here.
    #[must_use]
    pub fn is_met(&self) -> bool {
        !self
            .findings
            .iter()
            .any(|finding| finding.outcome.is_unmet())
    }

    /// What speaks against the model by this policy, each once: of every requirement the candidate that is nearest. Their
    /// ways together are the cheapest way to yes.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        for finding in &self.findings {
            if let Outcome::Unmet(against) = &finding.outcome {
                let new = against.iter().filter(|reason| !reasons.contains(reason));
                let new: Vec<Reason> = new.cloned().collect();
                reasons.extend(new);
            }
        }
        reasons
    }

    /// Yes, with what it rests on; or no, with every reason. Where the policy only warns or only looks, it is yes.
    #[must_use]
    pub fn verdict(&self) -> Verdict<Passed> {
        match Denied::from_reasons(self.reasons()) {
            Some(denied) if self.mode == Mode::Enforce => Verdict::Denied(denied),
            _ => Verdict::Allowed(self.passed()),
        }
    }

    fn passed(&self) -> Passed {
        let mut passed = Passed::default();
        for Finding {
            requirement,
            outcome,
            ..
        } in &self.findings
        {
            match outcome {
                Outcome::Met(said) => passed
                    .evidence
                    .extend(said.iter().map(|said| (*requirement, said.bundle))),
                Outcome::Excepted(excepted) => {
                    passed.exceptions.push((requirement, excepted.clone()));
                }
                Outcome::Unmet(reasons) => {
                    passed.passed_over.push((requirement, reasons.clone()));
                }
            }
        }
        passed
    }
}
