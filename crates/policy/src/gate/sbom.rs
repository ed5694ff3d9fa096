//! `[sbom]`: somebody says what it is made of, as CycloneDX or SPDX.

use trust::predicate::{CycloneDx, Spdx};
use trust::{Code, Predicate, Reason, Statement, Time, Verified};

use super::Requirement;
use super::asked::{Age, Asked, By, fit};
use super::decision::{Finding, Outcome, Tried};
use super::read::{Entry, age, by};
use crate::PolicyError;

pub(super) const KEYS: &[&str] = &["by", "formats", "max_age_days"];
pub(super) const FORMATS: [&str; 2] = ["cyclonedx", "spdx"];
const WAY: &str =
    "make a CycloneDX or SPDX document of it, and state it: `modelward sbom MODEL DOCUMENT`";

#[derive(Debug)]
struct Sbom {
    by: By,
    formats: Vec<String>,
    age: Age,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let fields = entry.object(KEYS)?;
    let formats = fields.texts_if_any("formats")?;
    if !formats
        .iter()
        .all(|format| FORMATS.contains(&format.as_str()))
    {
        return Err(fields.refused("formats", "`cyclonedx` or `spdx`"));
    }
    Ok(Box::new(Sbom {
        by: by(&fields)?,
        formats,
        age: age(&fields)?,
    }))
}

impl Requirement for Sbom {
    fn word(&self) -> &'static str {
        "sbom"
    }

    fn asks(&self) -> Vec<String> {
        let formats = if self.formats.is_empty() {
            FORMATS.join(" or ")
        } else {
            self.formats.join(" or ")
        };
        let document = format!("a list of what it is made of, as {formats}");
        [Some(document), self.by.ask(), self.age.ask()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let found = either(
            asked,
            |stated| {
                self.against(
                    "cyclonedx",
                    stated,
                    stated.value().predicate.made_at(),
                    asked.now,
                )
            },
            |stated| {
                self.against(
                    "spdx",
                    stated,
                    stated.value().predicate.made_at(),
                    asked.now,
                )
            },
            || missing(asked),
        );
        (self as &dyn Requirement).found(found)
    }
}

impl Sbom {
    fn against<P: Predicate>(
        &self,
        format: &str,
        stated: &Verified<Statement<P>>,
        made_at: Option<Time>,
        now: Time,
    ) -> Vec<Reason> {
        let by = self
            .by
            .against(Code::SbomMissing, "list", &stated.proof().key_name, WAY);
        let age = self
            .age
            .against("list of what it is made of", made_at, now, "list it anew");
        let is_other =
            !self.formats.is_empty() && !self.formats.iter().any(|known| known == format);
        let other = is_other.then(|| {
            let message = format!(
                "the list is {format}, and the policy asks for {}",
                self.formats.join(" or ")
            );
            Reason::new(Code::SbomMissing, message, WAY)
        });
        by.into_iter().chain(age).chain(other).collect()
    }
}

pub(super) fn missing(asked: &Asked<'_>) -> Reason {
    let message = format!(
        "nobody says what the model {} is made of",
        asked.subject.digest()
    );
    Reason::new(Code::SbomMissing, message, WAY)
}

/// Looks through the documents of both formats: one of either that satisfies is enough.
pub(super) fn either(
    asked: &Asked<'_>,
    cyclonedx: impl Fn(&Verified<Statement<CycloneDx>>) -> Vec<Reason>,
    spdx: impl Fn(&Verified<Statement<Spdx>>) -> Vec<Reason>,
    missing: impl Fn() -> Reason,
) -> (Outcome, Vec<Tried>) {
    let (first, mut tried) = fit(&asked.about(asked.evidence.cyclonedx), cyclonedx, &missing);
    let of_first = tried.len();
    let (second, more) = fit(&asked.about(asked.evidence.spdx), spdx, &missing);
    tried.extend(more);
    let outcome = match (first, second) {
        (met @ Outcome::Met(_), _) | (_, met @ Outcome::Met(_)) => met,
        (first, second) if of_first == 0 => {
            drop(first);
            second
        }
        (first, _) => first,
    };
    (outcome, tried)
}
