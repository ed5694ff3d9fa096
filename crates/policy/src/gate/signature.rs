//! `[signature]`: enough people signed exactly these files (OpenSSF model signing).

use trust::predicate::ModelSignature;
use trust::{Code, Difference, How, Proof, Reason, Statement, Time, Verified};

use super::Requirement;
use super::asked::{Age, Asked, By, fit, in_order, people};
use super::decision::{Finding, Outcome};
use super::read::{Entry, age, by, threshold};
use crate::PolicyError;
use crate::admission::{differences, shares_a_file};

pub(super) const KEYS: &[&str] = &["by", "threshold", "max_age_days"];

#[derive(Debug)]
struct Signature {
    by: By,
    threshold: usize,
    age: Age,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let fields = entry.object(KEYS)?;
    let by = by(&fields)?;
    let threshold = threshold(&fields, &by)?;
    let age = age(&fields)?;
    Ok(Box::new(Signature { by, threshold, age }))
}

impl Requirement for Signature {
    fn word(&self) -> &'static str {
        "signature"
    }

    fn asks(&self) -> Vec<String> {
        let signed = match self.threshold {
            1 => "a signature over exactly its files".to_owned(),
            several => format!("signatures over exactly its files by {several} of the trust root"),
        };
        [Some(signed), self.by.ask(), self.age.ask()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let signatures = asked.evidence.signatures.iter().copied();
        // Whoever signed something else says nothing of this.
        let of_this = in_order(
            signatures.filter(|stated| shares_a_file(asked.subject, &stated.value().predicate)),
        );
        let against = |stated: &Verified<Statement<ModelSignature>>| self.against(stated, asked);
        let (outcome, tried) = fit(&of_this, against, || self.missing(0));
        let signers = people(&tried);
        let outcome = match outcome {
            Outcome::Met(_) if signers.len() >= self.threshold => {
                Outcome::Met(signers.into_iter().take(self.threshold).collect())
            }
            Outcome::Met(_) => Outcome::Unmet(vec![self.missing(signers.len())]),
            unmet => unmet,
        };
        (self as &dyn Requirement).found((outcome, tried))
    }
}

impl Signature {
    fn against(
        &self,
        stated: &Verified<Statement<ModelSignature>>,
        asked: &Asked<'_>,
    ) -> Vec<Reason> {
        let proof = stated.proof();
        let by = self
            .by
            .against(Code::SignatureMissing, "signature", &proof.key_name, WAY);
        let age = self.age.against(
            "signature",
            signed_at(proof),
            asked.now,
            "sign it again, with a timestamp: `modelward sign`",
        );
        let differences = differences(asked.subject, &stated.value().predicate);
        let differences = differences.iter().map(Difference::reason);
        by.into_iter().chain(age).chain(differences).collect()
    }

    fn missing(&self, signers: usize) -> Reason {
        let of = match self.by.0.as_slice() {
            [] => String::new(),
            names => format!(" of `{}`", names.join("`, `")),
        };
        let message = format!(
            "{signers}{of} signed the model, and {} must",
            self.threshold
        );
        Reason::new(Code::SignatureMissing, message, WAY)
    }
}

const WAY: &str = "have it signed by those who count: `modelward sign MODEL --key NAME`";

/// When it was signed, by word of somebody who is believed: a signature itself says nothing of it.
const fn signed_at(proof: &Proof) -> Option<Time> {
    match &proof.how {
        How::Key {
            stamped: Some(time),
            ..
        }
        | How::Key {
            logged_at: Some(time),
            ..
        }
        | How::Certificate {
            stamped: Some(time),
            ..
        }
        | How::Keyless {
            logged_at: time, ..
        } => Some(*time),
        How::Key { .. } | How::Certificate { .. } => None,
    }
}
