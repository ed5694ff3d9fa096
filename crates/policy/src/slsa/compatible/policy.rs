//! The reference evaluator's policies: what it validates, and what it evaluates.

use std::collections::BTreeMap;

use super::attestation::{deployment_attestation, publish_attestation};
use super::go_json::{structure, unmarshal};
use super::{Answer, Class, DigestSet, check_digests, registry_and_repository};

const LEVELS: std::ops::RangeInclusive<i64> = 0..=4;

/// The publish policies that the reference evaluator accepts.
#[derive(Debug)]
pub struct PublishPolicy {
    builders: Vec<Builder>,
    projects: BTreeMap<String, PublishProject>,
}

impl PublishPolicy {
    /// Validates the files.
    ///
    /// # Errors
    /// The class of its error.
    pub fn validate(organisation: &[u8], projects: &[(String, Vec<u8>)]) -> Answer<Self> {
        let organisation: PublishOrganisation = unmarshal(organisation)?;
        check(organisation.format == 1)?;
        let builders = organisation.roots.build;
        check(!builders.is_empty())?;
        for (i, builder) in builders.iter().enumerate() {
            let earlier = builders.iter().take(i);
            check(!builder.id.is_empty() && !builder.name.is_empty())?;
            check(
                earlier
                    .clone()
                    .all(|b| b.id != builder.id && b.name != builder.name),
            )?;
            check(
                builder
                    .slsa_level
                    .is_some_and(|level| LEVELS.contains(&level)),
            )?;
        }
        let mut accepted = BTreeMap::new();
        for (_, bytes) in projects {
            let project: PublishProject = unmarshal(bytes)?;
            check(project.format == 1)?;
            project.package.validate()?;
            check(
                builders
                    .iter()
                    .any(|b| b.name == project.build.require_slsa_builder),
            )?;
            check(!project.build.repository.uri.is_empty())?;
            check(
                accepted
                    .insert(project.package.name.clone(), project)
                    .is_none(),
            )?;
        }
        Ok(Self {
            builders,
            projects: accepted,
        })
    }

    /// Evaluates: `verify` is the evaluator's verifier of provenance, asked with the builder's id and the source's URI.
    ///
    /// # Errors
    /// The class of its error.
    pub fn evaluate(
        &self,
        digests: &DigestSet,
        package: &str,
        environment: Option<&str>,
        verify: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Answer<String> {
        if package.is_empty() {
            return Err(Class::InvalidInput);
        }
        let project = self.projects.get(package).ok_or(Class::NotFound)?;
        let known = &project.package.environment.any_of;
        match environment {
            None | Some("") if !known.is_empty() => return Err(Class::InvalidInput),
            Some(_) if known.is_empty() => return Err(Class::InvalidInput),
            Some(asked) if !known.iter().any(|known| known == asked) => {
                return Err(Class::NotFound);
            }
            _ => {}
        }
        check_digests(digests)?;
        let required = &project.build.require_slsa_builder;
        let builder = self.builders.iter().find(|b| b.name == *required);
        let builder = builder.ok_or(Class::Mismatch)?;
        if !verify(&builder.id, &project.build.repository.uri) {
            return Err(Class::Verification);
        }
        let level = builder.slsa_level.unwrap_or_default();
        publish_attestation(digests, package, environment, level)
    }
}

/// The deployment policies that the reference evaluator accepts.
#[derive(Debug)]
pub struct DeploymentPolicy {
    publishers: Vec<Publisher>,
    projects: BTreeMap<String, DeploymentProject>,
}

/// What the reference evaluator asks its verifier of publications.
#[derive(Debug, Clone, Copy)]
pub struct PublicationQuery<'a> {
    /// Who should have published.
    pub publisher_id: &'a str,
    /// At least at which level.
    pub level: i64,
    /// For one of which environments.
    pub environments: &'a [String],
}

impl DeploymentPolicy {
    /// Validates the files.
    ///
    /// # Errors
    /// The class of its error.
    pub fn validate(organisation: &[u8], projects: &[(String, Vec<u8>)]) -> Answer<Self> {
        let organisation: DeploymentOrganisation = unmarshal(organisation)?;
        check(organisation.format == 1)?;
        let publishers = organisation.roots.publish;
        check(!publishers.is_empty())?;
        for (i, publisher) in publishers.iter().enumerate() {
            check(!publisher.id.is_empty())?;
            check(publishers.iter().take(i).all(|p| p.id != publisher.id))?;
            check(
                publisher
                    .build
                    .max_slsa_level
                    .is_some_and(|level| LEVELS.contains(&level)),
            )?;
        }
        let level_max = publishers
            .iter()
            .filter_map(|p| p.build.max_slsa_level)
            .max();
        let mut accepted: BTreeMap<String, DeploymentProject> = BTreeMap::new();
        for (id, bytes) in projects {
            let project: DeploymentProject = unmarshal(bytes)?;
            project.validate(level_max.unwrap_or(-1))?;
            let account = &project.protection.google_service_account;
            check(!accepted.contains_key(id))?;
            check(
                accepted
                    .values()
                    .all(|p| p.protection.google_service_account != *account),
            )?;
            accepted.insert(id.clone(), project);
        }
        Ok(Self {
            publishers,
            projects: accepted,
        })
    }

    /// Evaluates: `verify` is the evaluator's verifier of publications, which answers with the environment that it
    /// verified, or refuses with `None`.
    ///
    /// # Errors
    /// The class of its error.
    pub fn evaluate(
        &self,
        digests: &DigestSet,
        package: &str,
        policy_id: &str,
        verify: &mut dyn FnMut(PublicationQuery<'_>) -> Option<Option<String>>,
    ) -> Answer<String> {
        if package.is_empty() || policy_id.is_empty() {
            return Err(Class::InvalidInput);
        }
        check_digests(digests)?;
        let project = self.projects.get(policy_id).ok_or(Class::NotFound)?;
        let named = project.packages.iter().find(|p| p.name == package);
        let environments = &named.ok_or(Class::NotFound)?.environment.any_of;
        let level = project.build.require_slsa_level.unwrap_or_default();
        for publisher in &self.publishers {
            if publisher.build.max_slsa_level.unwrap_or_default() < level {
                continue;
            }
            let query = PublicationQuery {
                publisher_id: &publisher.id,
                level,
                environments,
            };
            let Some(verified) = verify(query) else {
                continue;
            };
            let fits = match &verified {
                Some(environment) => environments.contains(environment) && !environment.is_empty(),
                None => environments.is_empty(),
            };
            if !fits {
                return Err(Class::Internal);
            }
            return deployment_attestation(digests, &project.protection.google_service_account);
        }
        Err(Class::Verification)
    }
}

impl DeploymentProject {
    fn validate(&self, level_max: i64) -> Answer<()> {
        check(self.format == 1)?;
        check(!self.protection.google_service_account.is_empty())?;
        check(!self.packages.is_empty())?;
        for (i, package) in self.packages.iter().enumerate() {
            package.validate()?;
            check(self.packages.iter().take(i).all(|p| p.name != package.name))?;
        }
        let level = self.build.require_slsa_level.ok_or(Class::InvalidField)?;
        check(LEVELS.contains(&level) && level <= level_max)
    }
}

impl Package {
    fn validate(&self) -> Answer<()> {
        check(registry_and_repository(&self.name).is_some())?;
        check(
            self.environment
                .any_of
                .iter()
                .all(|value| !value.is_empty()),
        )
    }
}

const fn check(holds: bool) -> Answer<()> {
    if holds {
        Ok(())
    } else {
        Err(Class::InvalidField)
    }
}

structure!(PublishOrganisation {
    format "format": i64,
    roots "roots": BuildRoots
});
structure!(BuildRoots { build "build": Vec<Builder> });
structure!(Builder { id "id": String, name "name": String, slsa_level "slsa_level": Option<i64> });
structure!(PublishProject {
    format "format": i64,
    package "package": Package,
    build "build": BuildRequirements
});
structure!(Package {
    name "name": String,
    environment "environment": Environment
});
structure!(Environment { any_of "any_of": Vec<String> });
structure!(BuildRequirements {
    require_slsa_builder "require_slsa_builder": String,
    repository "repository": Repository
});
structure!(Repository { uri "uri": String });
structure!(DeploymentOrganisation {
    format "format": i64,
    roots "roots": PublishRoots
});
structure!(PublishRoots { publish "publish": Vec<Publisher> });
structure!(Publisher {
    id "id": String,
    build "build": PublisherBuild
});
structure!(PublisherBuild { max_slsa_level "max_slsa_level": Option<i64> });
structure!(DeploymentProject {
    format "format": i64,
    protection "protection": Protection,
    packages "packages": Vec<Package>,
    build "build": LevelRequirement,
});
structure!(Protection {
    google_service_account "google_service_account": String
});
structure!(LevelRequirement { require_slsa_level "require_slsa_level": Option<i64> });
