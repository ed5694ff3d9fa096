//! `[build]`: a builder that the policy knows built it, at the level that is asked for, from the source that is asked for.

use trust::predicate::Provenance;
use trust::{Code, Reason, Statement, Time, Verified};

use super::Requirement;
use super::asked::{Age, Asked, fit};
use super::decision::Finding;
use super::read::{Entry, age};
use crate::PolicyError;
use crate::slsa::Source;
use crate::slsa::publish::{isolation_level, place_level};

pub(super) const KEYS: &[&str] = &["builder", "level", "sources", "refs", "max_age_days"];
pub(super) const BUILDER_KEYS: &[&str] = &["id", "level"];

#[derive(Debug)]
struct Build {
    builders: Vec<Builder>,
    level: u8,
    sources: Vec<Source>,
    refs: Vec<String>,
    age: Age,
}

/// Whom the policy knows, and up to which level it believes them.
#[derive(Debug)]
struct Builder {
    id: String,
    level: u8,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let fields = entry.object(KEYS)?;
    let mut builders: Vec<Builder> = Vec::new();
    if fields.optional("builder").is_some() {
        for builder in fields.objects("builder", BUILDER_KEYS)? {
            let id = builder.identity("id")?.to_owned();
            if builders.iter().any(|earlier| earlier.id == id) {
                return Err(builder.refused("id", "this builder stands in it already"));
            }
            builders.push(Builder {
                id,
                level: builder.level("level")?,
            });
        }
    }
    let level = fields
        .optional("level")
        .map_or(Ok(0), |_| fields.level("level"))?;
    if level > 0 && builders.is_empty() {
        return Err(fields.refused(
            "level",
            "a level is a builder's: name those that have it as `[[build.builder]]`",
        ));
    }
    if builders.iter().all(|builder| builder.level < level) && !builders.is_empty() {
        return Err(fields.refused("level", "no builder of the policy has it"));
    }
    let mut sources = Vec::new();
    for uri in fields.texts_if_any("sources")? {
        let source = Source::of(&uri);
        if uri.contains('@') || !source.is_whole() {
            return Err(fields.refused(
                "sources",
                "repositories without a ref, as `github.com/owner/name`",
            ));
        }
        sources.push(source);
    }
    let refs = fields.texts_if_any("refs")?;
    let is_ref = |rule: &String| {
        rule.starts_with("refs/")
            && !rule.trim_end_matches('*').contains('*')
            && !rule.ends_with("**")
    };
    if !refs.iter().all(is_ref) {
        return Err(fields.refused(
            "refs",
            "full names, as `refs/heads/main` or `refs/tags/v*`, with `*` at the end alone",
        ));
    }
    Ok(Box::new(Build {
        builders,
        level,
        sources,
        refs,
        age: age(&fields)?,
    }))
}

impl Requirement for Build {
    fn word(&self) -> &'static str {
        "build"
    }

    fn asks(&self) -> Vec<String> {
        let builder = |builder: &Builder| format!("`{}` (L{} at most)", builder.id, builder.level);
        let builders: Vec<String> = self.builders.iter().map(builder).collect();
        let sources: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        let if_any = |words: &str, of: &[String]| {
            (!of.is_empty()).then(|| format!("{words} {}", of.join(" or ")))
        };
        [
            Some("provenance of it, or of all its files".to_owned()),
            if_any("built by", &builders),
            (self.level > 0).then(|| format!("at SLSA Build L{} or above", self.level)),
            if_any("from", &sources),
            if_any("at", &self.refs),
            self.age.ask(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let missing = || {
            let message = format!(
                "no provenance is about the model {} or all of its files",
                asked.subject.digest()
            );
            Reason::new(
                Code::ProvenanceMissing,
                message,
                "make it with `modelward train`, which says how it was made",
            )
        };
        let against =
            |stated: &Verified<Statement<Provenance>>| self.against_build(stated, asked.now);
        (self as &dyn Requirement).found(fit(&asked.all_builds(), against, missing))
    }

    fn against_build(&self, build: &Verified<Statement<Provenance>>, now: Time) -> Vec<Reason> {
        let provenance = &build.value().predicate;
        let metadata = &provenance.run_details.metadata;
        let built_at = metadata.finished_on.or(metadata.started_on);
        let age = self.age.against("build", built_at, now, "build it again");
        let builder = self.against_builder(provenance);
        let source = self.against_source(provenance);
        builder
            .into_iter()
            .chain(source)
            .chain(self.against_ref(provenance))
            .chain(age)
            .collect()
    }
}

impl Build {
    fn against_builder(&self, provenance: &Provenance) -> Option<Reason> {
        if self.builders.is_empty() {
            return None;
        }
        let id = provenance.run_details.builder.id.as_str();
        let known: Vec<&str> = self
            .builders
            .iter()
            .map(|builder| builder.id.as_str())
            .collect();
        let Some(builder) = self.builders.iter().find(|builder| builder.id == id) else {
            let message = format!(
                "`{id}` built it, and the policy asks for `{}`",
                known.join("`, `")
            );
            return Some(Reason::new(
                Code::BuilderMismatch,
                message,
                "build it there; or, if you trust this builder, add it as `[[build.builder]]`",
            ));
        };
        // What the policy believes it to have, and no more than how it was isolated and where it ran allow.
        let reached = builder
            .level
            .min(isolation_level(provenance))
            .min(place_level(id));
        (reached < self.level).then(|| {
            let message = format!("a build by `{id}` as this one reaches SLSA Build L{reached}, and the policy asks for L{}", self.level);
            Reason::new(Code::LevelTooLow, message, "build it with a builder that reaches the level")
        })
    }

    fn against_source(&self, provenance: &Provenance) -> Option<Reason> {
        let stated = provenance.source();
        let is_among = |uri: &str| self.sources.contains(&Source::of(uri));
        if self.sources.is_empty() || stated.is_some_and(is_among) {
            return None;
        }
        let wanted: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        let stated = stated.map_or("no source that is told".to_owned(), |uri| {
            format!("`{uri}`")
        });
        let message = format!(
            "it was built from {stated}, and the policy asks for `{}`",
            wanted.join("`, `")
        );
        Some(Reason::new(
            Code::SourceMismatch,
            message,
            format!("build it from `{}`", wanted[0]),
        ))
    }

    fn against_ref(&self, provenance: &Provenance) -> Option<Reason> {
        let stated = git_ref(provenance);
        let fits = |stated: &str| {
            self.refs.iter().any(|rule| match rule.strip_suffix('*') {
                Some(start) => stated.starts_with(start) && stated.len() > start.len(),
                None => stated == rule,
            })
        };
        if self.refs.is_empty() || stated.is_some_and(fits) {
            return None;
        }
        let stated = stated.map_or("no ref that is told".to_owned(), |stated| {
            format!("`{stated}`")
        });
        let message = format!(
            "it was built at {stated}, and the policy asks for `{}`",
            self.refs.join("`, `")
        );
        Some(Reason::new(
            Code::SourceMismatch,
            message,
            "build it at such a branch or tag, by its full name",
        ))
    }
}

/// The branch or tag that the source names, by its full name.
fn git_ref(provenance: &Provenance) -> Option<&str> {
    let (_, path) = provenance.source()?.split_once("://")?;
    let (_, path) = path.split_once('/')?;
    let (_, named) = path.split_once('@')?;
    named.starts_with("refs/").then_some(named)
}
