//! `[[metric]]`: what the step that made it claims of itself is at least, or at most, so much. Nobody checked the claim: it
//! is as good as the build.

use trust::predicate::Provenance;
use trust::{Code, Reason, Statement, Verified};

use super::Requirement;
use super::asked::{Asked, fit};
use super::data::no_build;
use super::decision::Finding;
use super::read::Entry;
use crate::PolicyError;

pub(super) const KEYS: &[&str] = &["name", "at_least", "at_most"];

#[derive(Debug)]
struct Metrics(Vec<Metric>);

#[derive(Debug)]
struct Metric {
    name: String,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let mut metrics: Vec<Metric> = Vec::new();
    for fields in entry.objects(KEYS)? {
        let name = fields.text("name")?.to_owned();
        let (at_least, at_most) = (fields.decimal("at_least")?, fields.decimal("at_most")?);
        if at_least.is_none() && at_most.is_none() {
            return Err(fields.refused("name", "`at_least` or `at_most` is expected beside it"));
        }
        if at_least
            .zip(at_most)
            .is_some_and(|(least, most)| least > most)
        {
            return Err(fields.refused("at_least", "it is above `at_most`, so that nothing fits"));
        }
        if metrics.iter().any(|earlier| earlier.name == name) {
            return Err(fields.refused("name", "this metric stands in it already"));
        }
        metrics.push(Metric {
            name,
            at_least,
            at_most,
        });
    }
    Ok(Box::new(Metrics(metrics)))
}

impl Requirement for Metrics {
    fn word(&self) -> &'static str {
        "metric"
    }

    fn asks(&self) -> Vec<String> {
        let ask = |metric: &Metric| format!("a claimed `{}` of {}", metric.name, metric.bounds());
        self.0.iter().map(ask).collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let against = |build: &Verified<Statement<Provenance>>| {
            let provenance = &build.value().predicate;
            self.0
                .iter()
                .filter_map(|metric| metric.against(provenance))
                .collect()
        };
        let found = fit(&asked.builds, against, || {
            no_build(Code::MetricNotMet, "results")
        });
        (self as &dyn Requirement).found(found)
    }
}

impl Metric {
    fn bounds(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, most) => format!("at most {}", most.unwrap_or_default()),
        }
    }

    fn against(&self, provenance: &Provenance) -> Option<Reason> {
        let mut claims = provenance.claims();
        let claim = claims.find(|(name, _)| *name == self.name);
        let reason = |message: String| {
            let way = "train a better model; or let the step write it as a number into `/results`";
            Some(Reason::new(Code::MetricNotMet, message, way))
        };
        let Some((_, text)) = claim else {
            return reason(format!("its build claims no `{}`", self.name));
        };
        let number = text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        let fits = |number: f64| {
            self.at_least.is_none_or(|least| number >= least)
                && self.at_most.is_none_or(|most| number <= most)
        };
        match number {
            Some(number) if fits(number) => None,
            Some(number) => reason(format!(
                "its build claims a `{}` of {number}, and the policy asks for {}",
                self.name,
                self.bounds()
            )),
            None => reason(format!(
                "what its build claims as `{}` is no number",
                self.name
            )),
        }
    }
}
