//! What a requirement is asked about, and the ways in which it looks for what satisfies it.

use std::collections::BTreeMap;

use trust::predicate::Provenance;
use trust::{Artifact, Code, Predicate, Reason, Statement, Time, Verified};

use super::decision::{Finding, Outcome, Said, Tried};
use super::{Evidence, Requirement};
use crate::verdict::is_future;

const DAY_SECONDS: i64 = 86_400;

/// A model, and what was said of it.
pub(super) struct Asked<'a> {
    pub(super) subject: &'a Artifact,
    pub(super) evidence: &'a Evidence<'a>,
    /// The builds of it that no requirement has anything against.
    pub(super) builds: Vec<&'a Verified<Statement<Provenance>>>,
    pub(super) now: Time,
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        subject: &'a Artifact,
        evidence: &'a Evidence<'a>,
        requirements: &[Box<dyn Requirement>],
        now: Time,
    ) -> Self {
        let mut builds = all_builds(subject, evidence);
        builds.retain(|build| {
            let mut against = requirements.iter().map(|r| r.against_build(build, now));
            against.all(|reasons| reasons.is_empty())
        });
        Self {
            subject,
            evidence,
            builds,
            now,
        }
    }

    /// All builds of it.
    pub(super) fn all_builds(&self) -> Vec<&'a Verified<Statement<Provenance>>> {
        all_builds(self.subject, self.evidence)
    }

    /// Of these statements those about the model, by its own digest.
    pub(super) fn about<P: Predicate>(
        &self,
        stated: &[&'a Verified<Statement<P>>],
    ) -> Vec<&'a Verified<Statement<P>>> {
        let digest = self.subject.digest();
        in_order(
            stated
                .iter()
                .copied()
                .filter(|stated| stated.value().is_about(digest)),
        )
    }
}

fn all_builds<'a>(
    subject: &Artifact,
    evidence: &Evidence<'a>,
) -> Vec<&'a Verified<Statement<Provenance>>> {
    let builds = evidence.provenance.iter().copied();
    in_order(builds.filter(|build| build.value().covers(subject)))
}

/// Each once, in the order of their digests: in which order they came says nothing.
pub(super) fn in_order<'a, P>(
    stated: impl Iterator<Item = &'a Verified<Statement<P>>>,
) -> Vec<&'a Verified<Statement<P>>> {
    let by_bundle = stated.map(|stated| (stated.proof().bundle, stated));
    by_bundle
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect()
}

/// What is found when every candidate is judged, and one that satisfies is enough.
pub(super) fn one_of<P>(
    candidates: &[&Verified<Statement<P>>],
    judge: impl Fn(&Verified<Statement<P>>) -> Result<Vec<Said>, Vec<Reason>>,
    missing: impl FnOnce() -> Reason,
) -> (Outcome, Vec<Tried>) {
    let mut met = None;
    let mut tried: Vec<Tried> = Vec::new();
    for candidate in candidates {
        let said = Said::of(candidate);
        let against = match judge(candidate) {
            Ok(by) => {
                met.get_or_insert(by);
                Vec::new()
            }
            Err(against) => against,
        };
        tried.push(Tried { said, against });
    }
    let nearest = tried
        .iter()
        .map(|tried| &tried.against)
        .min_by_key(|against| against.len());
    let outcome = match (met, nearest) {
        (Some(by), _) => Outcome::Met(by),
        (None, Some(against)) => Outcome::Unmet(against.clone()),
        (None, None) => Outcome::Unmet(vec![missing()]),
    };
    (outcome, tried)
}

/// As [`one_of`], where a candidate satisfies by itself if nothing speaks against it.
pub(super) fn fit<P>(
    candidates: &[&Verified<Statement<P>>],
    against: impl Fn(&Verified<Statement<P>>) -> Vec<Reason>,
    missing: impl FnOnce() -> Reason,
) -> (Outcome, Vec<Tried>) {
    let judge = |stated: &Verified<Statement<P>>| match against(stated) {
        reasons if reasons.is_empty() => Ok(vec![Said::of(stated)]),
        reasons => Err(reasons),
    };
    one_of(candidates, judge, missing)
}

/// One statement of each of several people, if nothing speaks against it.
pub(super) fn people(tried: &[Tried]) -> Vec<Said> {
    let fit = tried.iter().filter(|tried| tried.against.is_empty());
    let mut people: BTreeMap<&str, &Said> = BTreeMap::new();
    for Tried { said, .. } in fit {
        people.entry(&said.by).or_insert(said);
    }
    people.into_values().cloned().collect()
}

impl dyn Requirement {
    /// What was found for it.
    pub(super) fn found(&self, (outcome, tried): (Outcome, Vec<Tried>)) -> Finding {
        Finding {
            requirement: self.word(),
            asks: self.asks(),
            outcome,
            tried,
        }
    }
}

/// How old a statement may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Age {
    pub(super) days_max: Option<u32>,
}

impl Age {
    /// What speaks against a statement of this time. One that says no time is refused where an age is asked for.
    pub(super) fn against(
        self,
        what: &str,
        stated: Option<Time>,
        now: Time,
        way: &str,
    ) -> Option<Reason> {
        let too_old =
            |time: Time, days: u32| now > time.plus_seconds(i64::from(days) * DAY_SECONDS);
        let message = match (stated, self.days_max) {
            (Some(time), _) if is_future(time, now) => {
                format!("the {what} is dated {time}, which has not come")
            }
            (Some(time), Some(days)) if too_old(time, days) => {
                format!("the {what} is of {time}, older than {days} days")
            }
            (None, Some(days)) => {
                format!(
                    "nothing that is believed says when the {what} was made, and it may be {days} days old"
                )
            }
            _ => return None,
        };
        Some(Reason::new(Code::StatementTime, message, way))
    }

    pub(super) fn ask(self) -> Option<String> {
        self.days_max
            .map(|days| format!("no older than {days} days"))
    }
}

/// Whose statements count: these names of the trust root, or everyone whom it lets say this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct By(pub(super) Vec<String>);

impl By {
    pub(super) fn against(&self, code: Code, what: &str, by: &str, way: &str) -> Option<Reason> {
        if self.0.is_empty() || self.0.iter().any(|name| name == by) {
            return None;
        }
        let message = format!(
            "the {what} is by `{by}`, and counts by `{}`",
            self.0.join("`, `")
        );
        Some(Reason::new(code, message, way))
    }

    pub(super) fn ask(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| format!("by `{}`", self.0.join("`, `")))
    }
}
