//! The reference evaluator's attestations: the bytes that it makes, and what it checks of those it is given.

use std::collections::BTreeMap;

use decode::json::Value;
use serde::Serialize;

use super::go_json::{Any, filled, structure, unmarshal};
use super::{Answer, Class, DigestSet, check_digests, registry_and_repository};

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PUBLISH: &str = "https://slsa.dev/publish/v0.1";
const DEPLOYMENT: &str = "https://slsa.dev/deployment/v0.1";
const LEVEL: &str = "slsa.dev/build/level";
const SCOPE: &str = "cloud.google.com/service_account/v1";
/// Stands for the time in the attestations that it makes.
const NOW: &str = "@NOW@";

/// What a publication is expected to say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Of which digests.
    pub digests: &'a DigestSet,
    /// Of which package.
    pub package: &'a str,
    /// For which environment, if that is asked.
    pub environment: Option<&'a str>,
    /// At least at which level, if that is asked.
    pub level: Option<i64>,
}

/// Verifies the content of a publish attestation; its signature is its caller's business.
///
/// # Errors
/// The class of its error.
pub fn verify_publish(attestation: &[u8], expected: Expected<'_>) -> Answer<()> {
    let attestation: Attestation = unmarshal(attestation)?;
    let predicate: PublishPredicate = filled(&attestation.predicate.0)?;
    attestation.check_header(PUBLISH, expected.digests)?;
    let package = &predicate.package;
    if expected.package.is_empty() || package.name.is_empty() || package.registry.is_empty() {
        return Err(Class::InvalidField);
    }
    let (registry, repository) =
        registry_and_repository(expected.package).ok_or(Class::Internal)?;
    same(package.name == repository && package.registry == registry)?;
    if let Some(environment) = expected.environment {
        same(package.environment == environment)?;
    }
    let Some(level) = expected.level else {
        return Ok(());
    };
    if !(0..=4).contains(&level) {
        return Err(Class::InvalidInput);
    }
    let properties = predicate.properties.as_ref();
    match properties.and_then(|p| p.get(LEVEL)) {
        // A number of any kind, cut to a whole one, as a conversion in Go does.
        Some(Any(Value::Number(text))) => same(
            text.parse::<f64>()
                .is_ok_and(|stated| stated.trunc() >= level as f64),
        ),
        _ => Err(Class::Mismatch),
    }
}

/// Verifies the content of a deployment attestation; its signature is its caller's business.
///
/// # Errors
/// The class of its error.
pub fn verify_deployment(
    attestation: &[u8],
    digests: &DigestSet,
    scopes: Option<&BTreeMap<String, String>>,
) -> Answer<()> {
    let attestation: Attestation = unmarshal(attestation)?;
    let predicate: DeploymentPredicate = filled(&attestation.predicate.0)?;
    attestation.check_header(DEPLOYMENT, digests)?;
    // No scopes and an empty list of scopes are different things to Go's deep comparison.
    same(predicate.scopes.as_ref() == scopes)
}

pub(super) fn publish_attestation(
    digests: &DigestSet,
    package: &str,
    environment: Option<&str>,
    level: i64,
) -> Answer<String> {
    let (registry, name) = registry_and_repository(package).ok_or(Class::Internal)?;
    let package = WritePackage {
        name,
        registry,
        environment: environment.unwrap_or_default(),
    };
    let predicate = WritePublish {
        time: NOW,
        package,
        properties: BTreeMap::from([(LEVEL, level)]),
    };
    Ok(write(PUBLISH, digests, &predicate))
}

pub(super) fn deployment_attestation(digests: &DigestSet, account: &str) -> Answer<String> {
    let predicate = WriteDeployment {
        time: NOW,
        scopes: BTreeMap::from([(SCOPE, account)]),
    };
    Ok(write(DEPLOYMENT, digests, &predicate))
}

fn write<P: Serialize>(predicate_type: &str, digests: &DigestSet, predicate: &P) -> String {
    let statement = WriteStatement {
        type_: STATEMENT,
        predicate_type,
        subject: [WriteSubject { digest: digests }],
        predicate,
    };
    // Maps of strings and numbers always serialise. Go escapes what HTML would read; these stand in strings only.
    serde_json::to_string(&statement)
        .unwrap_or_default()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

const fn same(is_same: bool) -> Answer<()> {
    if is_same {
        Ok(())
    } else {
        Err(Class::Mismatch)
    }
}

impl Attestation {
    /// It looks at the first subject alone.
    fn check_header(&self, predicate_type: &str, digests: &DigestSet) -> Answer<()> {
        same(self.type_ == STATEMENT && self.predicate_type == predicate_type)?;
        let subject = self.subject.first().ok_or(Class::InvalidField)?;
        let stated = subject.digest.clone().unwrap_or_default();
        check_digests(&stated)?;
        check_digests(digests)?;
        same(
            digests
                .iter()
                .all(|(name, value)| stated.get(name) == Some(value)),
        )
    }
}

structure!(Attestation {
    type_ "_type": String,
    predicate_type "predicateType": String,
    subject "subject": Vec<Subject>,
    predicate "predicate": Any,
});
structure!(Subject { digest "digest": Option<DigestSet> });
structure!(PublishPredicate {
    creation_time "creationTime": String,
    package "package": Package,
    properties "properties": Option<BTreeMap<String, Any>>,
});
structure!(DeploymentPredicate {
    creation_time "creationTime": String,
    scopes "scopes": Option<BTreeMap<String, String>>,
});
structure!(Package {
    name "name": String,
    registry "registry": String,
    environment "environment": String,
});

#[derive(Serialize)]
struct WriteStatement<'a, P> {
    #[serde(rename = "_type")]
    type_: &'a str,
    #[serde(rename = "predicateType")]
    predicate_type: &'a str,
    subject: [WriteSubject<'a>; 1],
    predicate: &'a P,
}

#[derive(Serialize)]
struct WriteSubject<'a> {
    digest: &'a DigestSet,
}

#[derive(Serialize)]
struct WritePublish<'a> {
    #[serde(rename = "creationTime")]
    time: &'a str,
    package: WritePackage<'a>,
    properties: BTreeMap<&'a str, i64>,
}

#[derive(Serialize)]
struct WritePackage<'a> {
    name: &'a str,
    registry: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    environment: &'a str,
}

#[derive(Serialize)]
struct WriteDeployment<'a> {
    #[serde(rename = "creationTime")]
    time: &'a str,
    scopes: BTreeMap<&'a str, &'a str>,
}
