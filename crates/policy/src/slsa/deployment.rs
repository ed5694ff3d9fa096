//! The deployment policy: for whom may this package be deployed, by where it was published?
//!
//! In: the organisation's publishers, the projects' service accounts and packages, a digest, its publications.
//! Must hold: a publisher that the organisation trusts so far published this package at the policy's level for the
//! policy's environment. Out: the service account as a scope, and the publication that shows it.

use std::collections::BTreeMap;

use digest::Digest;
use trust::predicate::{GOOGLE_SERVICE_ACCOUNT, Publish};
use trust::{Code, Reason, Statement, Verdict, Verified};

use super::{ORGANISATION, PackageName, check_format, environments, read, twice};
use crate::PolicyError;
use crate::fields::{Fields, nearest};
use crate::verdict;

const IDS_SHOWN_MAX: usize = 8;

/// An organisation's deployment policy with those of its projects.
#[derive(Debug, Clone)]
pub struct DeploymentPolicies {
    publishers: Vec<Publisher>,
    /// By the policy's id, the name of its file.
    projects: BTreeMap<String, Project>,
}

#[derive(Debug, Clone)]
struct Publisher {
    id: String,
    level_max: u8,
}

#[derive(Debug, Clone)]
struct Project {
    service_account: String,
    level: u8,
    packages: Vec<Package>,
}

#[derive(Debug, Clone)]
struct Package {
    name: PackageName,
    environments: Vec<String>,
}

/// A package may be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentResult {
    /// For whom: the scopes of the deployment statement.
    pub scopes: BTreeMap<String, String>,
    /// The environment that it was published for, if the policy has any.
    pub environment: Option<String>,
    /// The environments that the policy has for the package.
    pub environments: Vec<String>,
    /// The SLSA Build level that it was published with.
    pub level: u8,
    /// The publication that shows it, by its bundle.
    pub evidence: Digest,
}

impl DeploymentPolicies {
    /// Reads the organisation's file and the projects', each with its id.
    ///
    /// # Errors
    /// A file is not JSON, has a key that is unknown or stands twice, breaks a rule of the format, or protects a service
    /// account that another one protects.
    pub fn parse(organisation: &[u8], projects: &[(String, Vec<u8>)]) -> Result<Self, PolicyError> {
        let publishers = read_organisation(organisation)?;
        let level_max = publishers.iter().map(|publisher| publisher.level_max).max();
        let mut read_projects: BTreeMap<String, Project> = BTreeMap::new();
        for (id, bytes) in projects {
            let project = read_project(id, bytes, level_max.unwrap_or(0))?;
            // Accounts that differ by nothing but the case of letters are one account to those who run them.
            let is_same = |other: &Project| {
                other
                    .service_account
                    .eq_ignore_ascii_case(&project.service_account)
            };
            if let Some((earlier, _)) = read_projects.iter().find(|(_, other)| is_same(other)) {
                return Err(twice(
                    id,
                    "the service account",
                    &project.service_account,
                    earlier,
                ));
            }
            if read_projects.insert(id.clone(), project).is_some() {
                return Err(twice(id, "the policy", id, id));
            }
        }
        Ok(Self {
            publishers,
            projects: read_projects,
        })
    }

    /// Says for whom this package may be deployed by this policy.
    #[must_use]
    pub fn evaluate(
        &self,
        policy_id: &str,
        package: &str,
        subject: Digest,
        publications: &[&Verified<Statement<Publish>>],
    ) -> Verdict<DeploymentResult> {
        let Some(project) = self.projects.get(policy_id) else {
            return verdict::denied(self.policy_unknown(policy_id));
        };
        let Some(named) = project
            .packages
            .iter()
            .find(|known| known.name.to_string() == package)
        else {
            return verdict::denied(project.package_unknown(policy_id, package));
        };
        let about: Vec<_> = publications
            .iter()
            .copied()
            .filter(|stated| stated.value().is_about(subject))
            .collect();
        let found = verdict::first_allowed(
            &about,
            |stated| self.check_publication(project, named, stated),
            || publish_missing(named, subject),
        );
        verdict::settled(found.map(|stated| project.result(named, stated)))
    }

    /// All that speaks against a publication.
    fn check_publication(
        &self,
        project: &Project,
        package: &Package,
        stated: &Verified<Statement<Publish>>,
    ) -> Vec<Reason> {
        let publish = &stated.value().predicate;
        // (1) It is of this package. Stops: one package's approval used for another.
        if !package.name.is(&publish.package) {
            return vec![other_package(package, publish)];
        }
        let mut reasons = Vec::new();
        // (2) It was made before it was read. Stops: a statement that outlives every limit on its age.
        if verdict::is_future(publish.creation_time, stated.proof().at) {
            reasons.push(from_the_future(publish));
        }
        // (3) A publisher made it whom the organisation trusts so far. Stops: a publisher who claims more than it may.
        reasons.extend(self.check_publisher(project, stated));
        // (4) The build had the level. Stops: a laptop's build where a service's is asked for.
        if publish.build_level() < project.level {
            reasons.push(level_too_low(project, publish));
        }
        // (5) It was for the policy's environment, or for none where the policy has none. Stops: staging for prod.
        reasons.extend(package.check_environment(publish));
        reasons
    }

    fn check_publisher(
        &self,
        project: &Project,
        stated: &Verified<Statement<Publish>>,
    ) -> Option<Reason> {
        let names = &stated.proof().speaks_for;
        let known = self
            .publishers
            .iter()
            .filter(|known| names.contains(&known.id));
        let Some(publisher) = known.max_by_key(|known| known.level_max) else {
            return Some(publisher_mismatch(names, &stated.proof().key_name));
        };
        let claimed = stated.value().predicate.build_level();
        let wanted = claimed.max(project.level);
        (publisher.level_max < wanted).then(|| {
            Reason::new(
                Code::PublisherMismatch,
                format!(
                    "`{}` may vouch for SLSA Build L{} at most: it claims L{claimed}, and the policy asks for L{}",
                    publisher.id, publisher.level_max, project.level
                ),
                format!(
                    "publish it with a publisher that may vouch for L{wanted}, or raise its `max_slsa_level` in `{ORGANISATION}`"
                ),
            )
        })
    }

    fn policy_unknown(&self, policy_id: &str) -> Reason {
        let ids = || self.projects.keys().map(String::as_str);
        if policy_id == ORGANISATION {
            let message = format!(
                "`{ORGANISATION}` is the organisation's policy, which binds every project and deploys nothing itself"
            );
            return Reason::new(Code::PackageUnknown, message, one_of(ids()));
        }
        // By its name alone, whatever folders somebody wrote before it.
        let last = policy_id.rsplit('/').next().unwrap_or(policy_id);
        let nearest = nearest(policy_id, ids()).or_else(|| nearest(last, ids()));
        Reason::new(
            Code::PackageUnknown,
            format!("the folder of deployment policies has no `{policy_id}`"),
            nearest.map_or_else(|| one_of(ids()), |known| format!("did you mean `{known}`?")),
        )
    }
}

/// The policies that can be named.
fn one_of<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut shown: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
    let more = shown.len() > IDS_SHOWN_MAX;
    shown.truncate(IDS_SHOWN_MAX);
    match shown.as_slice() {
        [] => "write a project's policy into the folder, beside `org.json`".to_owned(),
        shown => format!(
            "name a project's by its path in the folder: {}{}",
            shown.join(", "),
            if more { ", …" } else { "" }
        ),
    }
}

impl Project {
    fn result(&self, package: &Package, stated: &Verified<Statement<Publish>>) -> DeploymentResult {
        let publish = &stated.value().predicate;
        let scope = (
            GOOGLE_SERVICE_ACCOUNT.to_owned(),
            self.service_account.clone(),
        );
        DeploymentResult {
            scopes: BTreeMap::from([scope]),
            environment: publish.package.environment.clone(),
            environments: package.environments.clone(),
            level: publish.build_level(),
            evidence: stated.proof().bundle,
        }
    }

    fn package_unknown(&self, policy_id: &str, package: &str) -> Reason {
        let names: Vec<_> = self
            .packages
            .iter()
            .map(|known| known.name.to_string())
            .collect();
        let way = nearest(package, names.iter().map(String::as_str)).map_or_else(
            || format!("add {{\"name\": \"{package}\"}} to `packages` in `{policy_id}`"),
            |known| format!("did you mean `{known}`?"),
        );
        let message = format!(
            "the deployment policy `{policy_id}` does not speak of the package `{package}`"
        );
        Reason::new(Code::PackageUnknown, message, way)
    }
}

impl Package {
    fn check_environment(&self, publish: &Publish) -> Option<Reason> {
        let known = self.environments.join("`, `");
        let (message, way) = match (
            publish.package.environment.as_deref(),
            self.environments.first(),
        ) {
            (None, None) => return None,
            (Some(stated), Some(_)) if self.environments.iter().any(|known| known == stated) => {
                return None;
            }
            (Some(stated), None) => (
                format!(
                    "`{}` was published for `{stated}`, and the policy has no environment",
                    self.name
                ),
                format!(
                    "add {{\"environment\": {{\"any_of\": [\"{stated}\"]}}}} to the package in the policy"
                ),
            ),
            (stated, Some(first)) => {
                let stated =
                    stated.map_or("no environment".to_owned(), |stated| format!("`{stated}`"));
                (
                    format!(
                        "`{}` was published for {stated}, and the policy asks for `{known}`",
                        self.name
                    ),
                    format!(
                        "publish it for `{first}`: `modelward publish … --environment {first}`"
                    ),
                )
            }
        };
        Some(Reason::new(Code::EnvironmentMismatch, message, way))
    }
}

fn publish_missing(package: &Package, subject: Digest) -> Reason {
    let environment = package.environments.first();
    let way = environment.map_or_else(
        || "publish it with `modelward publish`".to_owned(),
        |environment| format!("publish it: `modelward publish … --environment {environment}`"),
    );
    let message = format!("{subject} was not published as `{}`", package.name);
    Reason::new(Code::PublishMissing, message, way)
}

fn other_package(package: &Package, publish: &Publish) -> Reason {
    Reason::new(
        Code::PublishMissing,
        format!(
            "it was published as `{}/{}`, not as `{}`",
            publish.package.registry, publish.package.name, package.name
        ),
        format!("publish it as `{}` with `modelward publish`", package.name),
    )
}

fn from_the_future(publish: &Publish) -> Reason {
    Reason::new(
        Code::PublishMissing,
        format!(
            "the publication is dated {}, which has not come",
            publish.creation_time
        ),
        "check the clocks of the publisher and of this machine, and publish it again",
    )
}

fn publisher_mismatch(names: &[String], key_name: &str) -> Reason {
    let (names, first) = match names {
        [] => ("no name".to_owned(), "ID"),
        [first, ..] => (format!("`{}`", names.join("`, `")), first.as_str()),
    };
    Reason::new(
        Code::PublisherMismatch,
        format!(
            "the key `{key_name}` published it, which speaks for {names}, and the organisation trusts none of that to publish"
        ),
        format!(
            "if you trust this publisher, add it to `roots.publish` in `{ORGANISATION}`: \
             {{\"id\": \"{first}\", \"build\": {{\"max_slsa_level\": 1}}}}"
        ),
    )
}

fn level_too_low(project: &Project, publish: &Publish) -> Reason {
    Reason::new(
        Code::LevelTooLow,
        format!(
            "it was published at SLSA Build L{}, and the policy asks for L{}",
            publish.build_level(),
            project.level
        ),
        format!(
            "build and publish it with a builder of L{}, or lower `build.require_slsa_level`",
            project.level
        ),
    )
}

fn read_organisation(bytes: &[u8]) -> Result<Vec<Publisher>, PolicyError> {
    let value = read(ORGANISATION, bytes)?;
    let document = Fields::of_document(ORGANISATION, &value, &["format", "roots"])?;
    check_format(&document)?;
    let mut publishers: Vec<Publisher> = Vec::new();
    for root in document
        .object("roots", &["publish"])?
        .objects("publish", &["id", "build"])?
    {
        let id = root.identity("id")?.to_owned();
        if !names_its_ref(&id) {
            return Err(root.refused(
                "id",
                "a workflow's id ends in its ref, as `@refs/heads/main`",
            ));
        }
        if publishers.iter().any(|earlier| earlier.id == id) {
            return Err(twice(ORGANISATION, "the publisher's id", &id, ORGANISATION));
        }
        let level_max = root
            .object("build", &["max_slsa_level"])?
            .level("max_slsa_level")?;
        publishers.push(Publisher { id, level_max });
    }
    Ok(publishers)
}

/// A workflow without a ref is one on any branch, which anyone who may push can write.
fn names_its_ref(id: &str) -> bool {
    !id.contains("/.github/workflows/")
        || id
            .rsplit_once('@')
            .is_some_and(|(_, reference)| reference.starts_with("refs/"))
}

fn read_project(file: &str, bytes: &[u8], level_max: u8) -> Result<Project, PolicyError> {
    let value = read(file, bytes)?;
    let known = ["format", "protection", "build", "packages"];
    let document = Fields::of_document(file, &value, &known)?;
    check_format(&document)?;
    let protection = document.object("protection", &["google_service_account"])?;
    let build = document.object("build", &["require_slsa_level"])?;
    let level = build.level("require_slsa_level")?;
    if level > level_max {
        let rule = format!("no publisher of `{ORGANISATION}` may vouch for more than {level_max}");
        return Err(build.refused("require_slsa_level", &rule));
    }
    let mut packages: Vec<Package> = Vec::new();
    for package in document.objects("packages", &["name", "environment"])? {
        let name = PackageName::parse(package.text("name")?)
            .map_err(|rule| package.refused("name", rule))?;
        if packages.iter().any(|earlier| earlier.name == name) {
            return Err(twice(file, "the package", &name.to_string(), file));
        }
        let environments = environments(&package)?;
        packages.push(Package { name, environments });
    }
    Ok(Project {
        service_account: protection.identity("google_service_account")?.to_owned(),
        level,
        packages,
    })
}
