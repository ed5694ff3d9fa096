//! slsa-policy, format 1: an organisation's file says whom it trusts, a project's file what it asks for.
//!
//! Read strictly: what the reference evaluator reads past (a misspelt key, a second one, a level of five) is refused
//! here. What that evaluator would say instead is [`compatible`], which has its own type of answer.

pub mod compatible;
pub mod deployment;
mod package;
pub mod publish;
mod source;

pub use deployment::{DeploymentPolicies, DeploymentResult};
pub use package::PackageName;
pub use publish::{PublishPolicies, PublishResult};
pub use source::Source;

use decode::json::{self, Limits, Value};

use crate::PolicyError;
use crate::fields::Fields;

/// The name of the organisation's file in errors.
const ORGANISATION: &str = "org.json";

/// The JSON of a policy file.
fn read(file: &str, bytes: &[u8]) -> Result<Value, PolicyError> {
    json::value(bytes, Limits::SMALL).map_err(|cause| PolicyError::Json {
        file: file.to_owned(),
        cause,
    })
}

fn check_format(document: &Fields<'_>) -> Result<(), PolicyError> {
    match document.required("format")?.as_u64() {
        Some(1) => Ok(()),
        _ => Err(document.refused("format", "1 is the only format")),
    }
}

/// The environments of a package: none at all, or at least one.
fn environments(package: &Fields<'_>) -> Result<Vec<String>, PolicyError> {
    match package.optional("environment") {
        None => Ok(Vec::new()),
        Some(_) => package.object("environment", &["any_of"])?.texts("any_of"),
    }
}

fn twice(file: &str, place: &str, value: &str, earlier: &str) -> PolicyError {
    PolicyError::Twice {
        file: file.to_owned(),
        place: place.to_owned(),
        value: value.to_owned(),
        earlier: earlier.to_owned(),
    }
}
