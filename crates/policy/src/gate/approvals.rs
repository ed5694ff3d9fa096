//! `[approvals]`: enough people who may approve it did, and none of them built it or asked for it.

use trust::predicate::{Approval, ApprovalRequest, Provenance};
use trust::{Code, Proof, Reason, Statement, Verified};

use super::Requirement;
use super::asked::{Age, Asked, By, one_of, people};
use super::data::no_build;
use super::decision::{Finding, Said, Tried};
use super::read::{Entry, age, by, threshold};
use crate::PolicyError;

pub(super) const KEYS: &[&str] = &["by", "threshold", "max_age_days"];
const WAY: &str =
    "ask for it: `modelward approve request MODEL`; then others say `modelward approve grant ID`";

type Stated<P> = Verified<Statement<P>>;

#[derive(Debug)]
struct Approvals {
    by: By,
    threshold: usize,
    age: Age,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let fields = entry.object(KEYS)?;
    let by = by(&fields)?;
    let threshold = threshold(&fields, &by)?;
    Ok(Box::new(Approvals {
        by,
        threshold,
        age: age(&fields)?,
    }))
}

impl Requirement for Approvals {
    fn word(&self) -> &'static str {
        "approvals"
    }

    fn asks(&self) -> Vec<String> {
        let approved = format!(
            "approvals by {} who neither built it nor asked for it",
            counted(self.threshold)
        );
        [Some(approved), self.by.ask(), self.age.ask()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Who is its author a build says. For one of them there must be enough approvals by others: so a second build, by
    /// whomever, can take no approval away.
    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let approvals = asked.about(asked.evidence.approvals);
        let requests = asked.about(asked.evidence.requests);
        let of_build = |build: &Stated<Provenance>| -> Vec<Tried> {
            let tried = |approval: &&Stated<Approval>| Tried {
                said: Said::of(approval),
                against: self.against(approval, &requests, build.proof(), asked),
            };
            approvals.iter().map(tried).collect()
        };
        let judge = |build: &Stated<Provenance>| self.judge(&of_build(build));
        let (outcome, _) = one_of(&asked.builds, judge, || {
            no_build(Code::ApprovalMissing, "author")
        });
        let tried = asked.builds.iter().map(|build| of_build(build));
        let tried = tried
            .max_by_key(|tried| people(tried).len())
            .unwrap_or_default();
        (self as &dyn Requirement).found((outcome, tried))
    }
}

impl Approvals {
    fn judge(&self, tried: &[Tried]) -> Result<Vec<Said>, Vec<Reason>> {
        let people = people(tried);
        if people.len() >= self.threshold {
            return Ok(people.into_iter().take(self.threshold).collect());
        }
        let message = format!(
            "{} of {} approved it",
            people.len(),
            counted(self.threshold)
        );
        let missing = Reason::new(Code::ApprovalMissing, message, WAY);
        let against = tried.iter().flat_map(|tried| tried.against.clone());
        Err(std::iter::once(missing).chain(against).collect())
    }

    fn against(
        &self,
        approval: &Stated<Approval>,
        requests: &[&Stated<ApprovalRequest>],
        builder: &Proof,
        asked: &Asked<'_>,
    ) -> Vec<Reason> {
        let (said, by) = (&approval.value().predicate, approval.proof());
        let name = &by.key_name;
        let refused = |message: String| Reason::new(Code::ApprovalMissing, message, WAY);
        let who = self
            .by
            .against(Code::ApprovalMissing, "approval", name, WAY);
        let age = self
            .age
            .against("approval", Some(said.approved_at), asked.now, WAY);
        let mut reasons: Vec<Reason> = who.into_iter().chain(age).collect();
        if is_same(by, builder) {
            reasons.push(refused(format!("`{name}` approved what `{name}` built")));
        }
        match requests
            .iter()
            .find(|request| request.proof().bundle == said.request)
        {
            None => reasons.push(refused(format!(
                "the approval by `{name}` answers no request that is known here"
            ))),
            Some(request) if is_same(by, request.proof()) => {
                reasons.push(refused(format!(
                    "`{name}` approved what `{name}` asked for"
                )));
            }
            Some(_) => {}
        }
        reasons
    }
}

/// One person may be known by a key and by a certificate over it.
fn is_same(one: &Proof, other: &Proof) -> bool {
    one.key_name == other.key_name || one.key == other.key
}

fn counted(people: usize) -> String {
    match people {
        1 => "one person".to_owned(),
        several => format!("{several} people"),
    }
}
