//! The publish policy: may this package be published in this environment, by how it was built?
//!
//! In: the organisation's builders, the projects' packages, a digest, what was said of how it was built.
//! Must hold: the policy's builder built it from the policy's source, and can reach the level that the organisation
//! gives it. Out: the level, and the provenance that shows it.

use std::collections::BTreeMap;

use digest::Digest;
use trust::predicate::{Isolation, PackageDescriptor, Provenance};
use trust::{Artifact, Code, Reason, Statement, Verdict, Verified};

use super::{ORGANISATION, PackageName, Source, check_format, environments, read, twice};
use crate::PolicyError;
use crate::fields::{Fields, nearest};
use crate::verdict;

/// What an individual's machine can reach: SLSA Build L2 asks for a hosted builder.
const WORKSTATION_LEVEL: u8 = 1;
/// Where one user is both the step and what watches it, nothing above L1 can be claimed.
const SAME_USER_LEVEL: u8 = 1;
const LEVEL_MAX: u8 = 4;

/// An organisation's publish policy with those of its projects.
#[derive(Debug, Clone)]
pub struct PublishPolicies {
    builders: Vec<Builder>,
    /// By the package's name as it is written.
    projects: BTreeMap<String, Project>,
}

#[derive(Debug, Clone)]
struct Builder {
    id: String,
    name: String,
    level: u8,
}

#[derive(Debug, Clone)]
struct Project {
    file: String,
    package: PackageName,
    environments: Vec<String>,
    builder: Builder,
    source: Source,
}

/// A package may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishResult {
    /// The SLSA Build level that the organisation gives the builder.
    pub level: u8,
    /// The builder.
    pub builder_id: String,
    /// The package and its environment.
    pub package: PackageDescriptor,
    /// The environment, if the policy has any.
    pub environment: Option<String>,
    /// The provenance that shows it, by its bundle.
    pub evidence: Digest,
}

impl PublishPolicies {
    /// Reads the organisation's file and the projects', each with the name that errors call it by.
    ///
    /// # Errors
    /// A file is not JSON, has a key that is unknown or stands twice, breaks a rule of the format, or says again what
    /// another one said.
    pub fn parse(organisation: &[u8], projects: &[(String, Vec<u8>)]) -> Result<Self, PolicyError> {
        let builders = read_organisation(organisation)?;
        let mut read_projects: BTreeMap<String, Project> = BTreeMap::new();
        for (file, bytes) in projects {
            let project = read_project(file, bytes, &builders)?;
            let name = project.package.to_string();
            if let Some(earlier) = read_projects.get(&name) {
                return Err(twice(file, "the package", &name, &earlier.file));
            }
            read_projects.insert(name, project);
        }
        Ok(Self {
            builders,
            projects: read_projects,
        })
    }

    /// Says whether this package may be published in this environment.
    #[must_use]
    pub fn evaluate(
        &self,
        package: &str,
        environment: Option<&str>,
        subject: &Artifact,
        provenance: &[&Verified<Statement<Provenance>>],
    ) -> Verdict<PublishResult> {
        let Some(project) = self.projects.get(package) else {
            return verdict::denied(self.unknown(package));
        };
        let about: Vec<_> = provenance
            .iter()
            .copied()
            .filter(|stated| stated.value().covers(subject))
            .collect();
        let found = verdict::first_allowed(
            &about,
            |stated| self.check_provenance(project, &stated.value().predicate),
            || provenance_missing(subject.digest()),
        );
        let result = found.map(|stated| project.result(environment, stated.proof().bundle));
        let reasons = project.check_environment(environment);
        verdict::settled(verdict::found_unless(reasons.into_iter().collect(), result))
    }

    /// All that speaks against a project's artifact having been built so.
    fn check_provenance(&self, project: &Project, provenance: &Provenance) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let required = &project.builder;
        let builder_id = provenance.run_details.builder.id.as_str();
        // (1) The policy's builder built it. Stops: a build on a machine that nobody vouches for.
        if builder_id != required.id {
            reasons.push(builder_mismatch(project, builder_id));
        }
        // (2) The build can have the level that the policy's builder stands for. Stops: a laptop that passes for a service.
        let reachable = self.reachable_level(provenance);
        if reachable < required.level {
            reasons.push(level_too_low(required, builder_id, reachable));
        }
        // (3) It was built from the policy's source. Stops: a fork built by the right builder.
        let source = provenance.source();
        if source.map(Source::of).as_ref() != Some(&project.source) {
            reasons.push(source_mismatch(project, source));
        }
        reasons
    }

    /// The highest SLSA Build level that a build can have: what the organisation gives its builder, if it knows it, and
    /// no more than how it was isolated and where it ran allow.
    fn reachable_level(&self, provenance: &Provenance) -> u8 {
        let id = provenance.run_details.builder.id.as_str();
        let given = self.builders.iter().find(|builder| builder.id == id);
        given
            .map_or(LEVEL_MAX, |builder| builder.level)
            .min(isolation_level(provenance))
            .min(place_level(id))
    }

    fn unknown(&self, package: &str) -> Reason {
        let nearest = nearest(package, self.projects.keys().map(String::as_str));
        let way = nearest.map_or_else(
            || format!("add a publish policy with `\"package\": {{\"name\": \"{package}\"}}`"),
            |known| format!("did you mean `{known}`?"),
        );
        let message = format!("no publish policy speaks of the package `{package}`");
        Reason::new(Code::PackageUnknown, message, way)
    }
}

impl Project {
    fn check_environment(&self, environment: Option<&str>) -> Option<Reason> {
        let package = &self.package;
        let known = self.environments.join("`, `");
        let (message, way) = match environment {
            None if self.environments.is_empty() => return None,
            Some(asked) if self.environments.iter().any(|known| known == asked) => return None,
            None => (
                format!(
                    "the policy allows `{package}` in `{known}`, and no environment was asked for"
                ),
                format!("ask for one: `--environment {}`", self.environments[0]),
            ),
            Some(asked) if self.environments.is_empty() => (
                format!(
                    "the policy of `{package}` has no environments, and `{asked}` was asked for"
                ),
                "leave out `--environment`, or add `environment` to the policy".to_owned(),
            ),
            Some(asked) => (
                format!("the policy allows `{package}` in `{known}`, not in `{asked}`"),
                format!(
                    "publish it for one of these, or add `{asked}` to `any_of` in `{}`",
                    self.file
                ),
            ),
        };
        Some(Reason::new(Code::EnvironmentMismatch, message, way))
    }

    fn result(&self, environment: Option<&str>, evidence: Digest) -> PublishResult {
        PublishResult {
            level: self.builder.level,
            builder_id: self.builder.id.clone(),
            package: self.package.descriptor(environment),
            environment: environment.map(str::to_owned),
            evidence,
        }
    }
}

/// A builder of ours says how far it kept the step apart; a word that we don't know counts as not at all.
pub(crate) fn isolation_level(provenance: &Provenance) -> u8 {
    let is_stated = provenance
        .build_definition
        .internal_parameters
        .contains_key("isolation");
    match provenance.isolation() {
        Some(Isolation::SameUser) => SAME_USER_LEVEL,
        None if is_stated => SAME_USER_LEVEL,
        Some(Isolation::MappedUsers | Isolation::SeparateUsers) | None => LEVEL_MAX,
    }
}

/// A builder of ours says in its id where it runs.
pub(crate) fn place_level(builder_id: &str) -> u8 {
    if builder_id.contains("/workstation") {
        WORKSTATION_LEVEL
    } else {
        LEVEL_MAX
    }
}

fn provenance_missing(subject: Digest) -> Reason {
    Reason::new(
        Code::ProvenanceMissing,
        format!("no provenance is about {subject}"),
        "build it with `modelward train`, which says how it was made",
    )
}

fn builder_mismatch(project: &Project, builder_id: &str) -> Reason {
    let required = &project.builder;
    let message = format!(
        "`{builder_id}` built it, and the policy of `{}` asks for `{}` (`{}`)",
        project.package, required.name, required.id
    );
    let level = place_level(builder_id).min(required.level);
    let way = format!(
        "build it there; or, if you trust this builder, add it to `roots.build` in `{ORGANISATION}`: \
         {{\"id\": \"{builder_id}\", \"name\": \"NAME\", \"slsa_level\": {level}}}, and name it in \
         `build.require_slsa_builder` of `{}`",
        project.file
    );
    Reason::new(Code::BuilderMismatch, message, way)
}

fn level_too_low(required: &Builder, builder_id: &str, reachable: u8) -> Reason {
    let message = format!(
        "a build by `{builder_id}` as this one reaches SLSA Build L{reachable}, and `{}` stands for L{}",
        required.name, required.level
    );
    let way = if builder_id == required.id {
        format!(
            "set its `slsa_level` to {reachable} in `{ORGANISATION}`, or build on a service that keeps the step apart"
        )
    } else {
        format!("build it with `{}`", required.id)
    };
    Reason::new(Code::LevelTooLow, message, way)
}

fn source_mismatch(project: &Project, source: Option<&str>) -> Reason {
    let message = match source {
        Some(source) => format!(
            "it was built from `{source}`, and the policy asks for `{}`",
            project.source
        ),
        None => format!(
            "the provenance names no source, and the policy asks for `{}`",
            project.source
        ),
    };
    let way = format!(
        "build it from `{}`, or correct `build.repository.uri` in `{}`",
        project.source, project.file
    );
    Reason::new(Code::SourceMismatch, message, way)
}

fn read_organisation(bytes: &[u8]) -> Result<Vec<Builder>, PolicyError> {
    let value = read(ORGANISATION, bytes)?;
    let document = Fields::of_document(ORGANISATION, &value, &["format", "roots"])?;
    check_format(&document)?;
    let mut builders: Vec<Builder> = Vec::new();
    for root in document
        .object("roots", &["build"])?
        .objects("build", &["id", "name", "slsa_level"])?
    {
        let builder = Builder {
            id: root.identity("id")?.to_owned(),
            name: root.text("name")?.to_owned(),
            level: root.level("slsa_level")?,
        };
        if builders.iter().any(|earlier| earlier.id == builder.id) {
            return Err(twice(
                ORGANISATION,
                "the builder's id",
                &builder.id,
                ORGANISATION,
            ));
        }
        if builders.iter().any(|earlier| earlier.name == builder.name) {
            return Err(twice(
                ORGANISATION,
                "the builder's name",
                &builder.name,
                ORGANISATION,
            ));
        }
        builders.push(builder);
    }
    Ok(builders)
}

fn read_project(file: &str, bytes: &[u8], builders: &[Builder]) -> Result<Project, PolicyError> {
    let value = read(file, bytes)?;
    let document = Fields::of_document(file, &value, &["format", "package", "build"])?;
    check_format(&document)?;
    let package = document.object("package", &["name", "environment"])?;
    let build = document.object("build", &["require_slsa_builder", "repository"])?;
    let name =
        PackageName::parse(package.text("name")?).map_err(|rule| package.refused("name", rule))?;
    let builder = build.text("require_slsa_builder")?;
    let builder = builders
        .iter()
        .find(|known| known.name == builder)
        .ok_or_else(|| {
            let names: Vec<_> = builders.iter().map(|known| known.name.as_str()).collect();
            let rule = format!(
                "`{builder}` is no builder of `{ORGANISATION}`, which has `{}`",
                names.join("`, `")
            );
            build.refused("require_slsa_builder", &rule)
        })?;
    let repository = build.object("repository", &["uri"])?;
    let uri = repository.identity("uri")?;
    let source = Source::of(uri);
    if uri.contains('@') || !source.is_whole() {
        return Err(repository.refused(
            "uri",
            "a repository without a ref, as `github.com/owner/name`",
        ));
    }
    Ok(Project {
        file: file.to_owned(),
        package: name,
        environments: environments(&package)?,
        builder: builder.clone(),
        source,
    })
}
