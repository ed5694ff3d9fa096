//! `[data]`: every data set that its build read was added under a dependency policy that the policy takes.

use digest::Digest;
use trust::predicate::{Dataset, Provenance, ResourceDescriptor};
use trust::{Code, Reason, Statement, Verified};

use super::Requirement;
use super::asked::{Age, Asked, By, in_order, one_of};
use super::decision::{Finding, Said};
use super::read::{Entry, age, by, digests};
use crate::PolicyError;

pub(super) const KEYS: &[&str] = &["by", "purposes", "licences", "policies", "max_age_days"];
const WAY: &str = "add it under such a policy: `modelward dataset add NAME --policy FILE`";

#[derive(Debug)]
struct Data {
    by: By,
    purposes: Vec<String>,
    licences: Vec<String>,
    policies: Vec<Digest>,
    age: Age,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let fields = entry.object(KEYS)?;
    Ok(Box::new(Data {
        by: by(&fields)?,
        purposes: fields.texts_if_any("purposes")?,
        licences: fields.texts_if_any("licences")?,
        policies: digests(&fields, "policies")?,
        age: age(&fields)?,
    }))
}

impl Requirement for Data {
    fn word(&self) -> &'static str {
        "data"
    }

    fn asks(&self) -> Vec<String> {
        let policies: Vec<String> = self.policies.iter().map(ToString::to_string).collect();
        let if_any = |words: &str, of: &[String]| {
            (!of.is_empty()).then(|| format!("{words} `{}`", of.join("`, `")))
        };
        [
            Some("every data set of its build added under a dependency policy".to_owned()),
            self.by.ask(),
            if_any("that allows it for", &self.purposes),
            if_any("with a licence of", &self.licences),
            if_any("which is", &policies),
            self.age.ask(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let judge = |build: &Verified<Statement<Provenance>>| {
            let mut said = vec![Said::of(build)];
            let mut reasons = Vec::new();
            let mut data = build.value().predicate.datasets().peekable();
            if data.peek().is_none() {
                let message =
                    "its provenance names no data set, so that none can be looked at".to_owned();
                reasons.push(Reason::new(
                    Code::DataNotAllowed,
                    message,
                    "build it from data sets: `modelward train --input NAME`",
                ));
            }
            for descriptor in data {
                match self.allowed(descriptor, asked) {
                    Ok(added) => said.push(added),
                    Err(against) => reasons.extend(against),
                }
            }
            if reasons.is_empty() {
                Ok(said)
            } else {
                Err(reasons)
            }
        };
        let found = one_of(&asked.builds, judge, || {
            no_build(Code::DataNotAllowed, "data")
        });
        (self as &dyn Requirement).found(found)
    }
}

impl Data {
    /// The statement by which a data set may be used; else what speaks against the one that is nearest.
    fn allowed(
        &self,
        descriptor: &ResourceDescriptor,
        asked: &Asked<'_>,
    ) -> Result<Said, Vec<Reason>> {
        let whole = descriptor.sha256();
        // The first subject is the whole: a file of one data set may be the manifest of another.
        let is_it = |added: &&Verified<Statement<Dataset>>| {
            let first = added.value().subjects.first();
            whole.is_some() && first.map(|subject| subject.digest) == whole
        };
        let added = in_order(asked.evidence.datasets.iter().copied().filter(is_it));
        let tried = added
            .iter()
            .map(|added| (Said::of(added), self.against(added, asked)));
        let nearest = tried.min_by_key(|(_, against)| against.len());
        match nearest {
            Some((said, against)) if against.is_empty() => Ok(said),
            Some((_, against)) => Err(against),
            None => {
                let message = format!("no policy allowed the data set `{}`", descriptor.name);
                Err(vec![Reason::new(Code::DataNotAllowed, message, WAY)])
            }
        }
    }

    fn against(&self, added: &Verified<Statement<Dataset>>, asked: &Asked<'_>) -> Vec<Reason> {
        let said = &added.value().predicate;
        let what = format!("data set `{}`", said.name);
        let by = self
            .by
            .against(Code::DataNotAllowed, &what, &added.proof().key_name, WAY);
        let age = self.age.against(&what, Some(said.added_at), asked.now, WAY);
        let mut reasons: Vec<Reason> = by.into_iter().chain(age).collect();
        let lacking: Vec<&str> = self
            .purposes
            .iter()
            .filter(|purpose| !said.purposes.contains(purpose))
            .map(String::as_str)
            .collect();
        if !lacking.is_empty() {
            let message = format!(
                "the {what} is allowed for `{}`, not for `{}`",
                said.purposes.join("`, `"),
                lacking.join("`, `")
            );
            reasons.push(Reason::new(
                Code::PurposeNotAllowed,
                message,
                "use data that is allowed for it, or ask its owner",
            ));
        }
        if !self.licences.is_empty() && !self.licences.contains(&said.licence) {
            let message = format!(
                "the {what} has the licence `{}`, and `{}` are allowed",
                said.licence,
                self.licences.join("`, `")
            );
            reasons.push(Reason::new(
                Code::LicenceNotAllowed,
                message,
                "use data with an allowed licence",
            ));
        }
        let is_known = said
            .policy
            .parse()
            .is_ok_and(|policy| self.policies.contains(&policy));
        if !self.policies.is_empty() && !is_known {
            let message = format!(
                "the {what} was added under the policy {}, which this one does not name",
                said.policy
            );
            reasons.push(Reason::new(Code::DataNotAllowed, message, WAY));
        }
        reasons
    }
}

/// That there is no build that could be asked.
pub(super) fn no_build(code: Code, what: &str) -> Reason {
    let message = format!(
        "no build of it is known that could tell of its {what}, or none that `[build]` lets pass"
    );
    Reason::new(
        code,
        message,
        "make it with `modelward train`, as `[build]` asks",
    )
}
