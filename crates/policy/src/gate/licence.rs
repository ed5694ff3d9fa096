//! `[licence]`: the model's own licence is an allowed one, as a list of what it is made of states it.

use trust::{Code, Reason};

use super::Requirement;
use super::asked::{Asked, By};
use super::decision::Finding;
use super::read::{Entry, by};
use super::sbom::either;
use crate::PolicyError;

pub(super) const KEYS: &[&str] = &["allowed", "by"];
const WAY: &str =
    "state it in a CycloneDX or SPDX document, if it is so: `modelward sbom MODEL DOCUMENT`";

#[derive(Debug)]
struct Licence {
    allowed: Vec<String>,
    by: By,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let fields = entry.object(KEYS)?;
    Ok(Box::new(Licence {
        allowed: fields.texts("allowed")?,
        by: by(&fields)?,
    }))
}

impl Requirement for Licence {
    fn word(&self) -> &'static str {
        "licence"
    }

    fn asks(&self) -> Vec<String> {
        let allowed = format!(
            "its licence stated, and one of `{}`",
            self.allowed.join("`, `")
        );
        [Some(allowed), self.by.ask()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let missing = || {
            let message = format!(
                "nobody states the licence of the model {}",
                asked.subject.digest()
            );
            Reason::new(Code::LicenceNotAllowed, message, WAY)
        };
        let found = either(
            asked,
            |stated| {
                self.against(
                    &stated.value().predicate.licences(),
                    &stated.proof().key_name,
                )
            },
            |stated| {
                self.against(
                    &stated.value().predicate.licences(),
                    &stated.proof().key_name,
                )
            },
            missing,
        );
        (self as &dyn Requirement).found(found)
    }
}

impl Licence {
    /// An expression is taken as a whole, and not apart.
    fn against(&self, stated: &[&str], by: &str) -> Vec<Reason> {
        let who = self.by.against(Code::LicenceNotAllowed, "licence", by, WAY);
        let mut reasons: Vec<Reason> = who.into_iter().collect();
        if stated.is_empty() {
            let message =
                "the list of what it is made of states no licence of the model".to_owned();
            reasons.push(Reason::new(Code::LicenceNotAllowed, message, WAY));
        }
        let is_other = |licence: &&&str| !self.allowed.iter().any(|allowed| allowed == **licence);
        reasons.extend(stated.iter().filter(is_other).map(|licence| {
            let message = format!(
                "it has the licence `{licence}`, and `{}` are allowed",
                self.allowed.join("`, `")
            );
            Reason::new(
                Code::LicenceNotAllowed,
                message,
                "use a model with an allowed licence",
            )
        }));
        reasons
    }
}
