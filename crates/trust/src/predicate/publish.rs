//! `https://slsa.dev/publish/v0.1` of slsa-policy: a package may be published in an environment.

use decode::json::Raw;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// The property that holds the SLSA Build level.
pub const BUILD_LEVEL: &str = "slsa.dev/build/level";

/// A package was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publish {
    /// When.
    pub creation_time: Time,
    /// Which package, and where.
    pub package: PackageDescriptor,
    /// What is known of it.
    pub properties: Properties,
}

/// What slsa-policy knows of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDescriptor {
    /// The repository's path.
    pub name: String,
    /// The registry's host.
    pub registry: String,
    /// The environment, if the policy has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// The properties that we read: others may stand beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// The SLSA Build level, 0 to 4.
    #[serde(rename = "slsa.dev/build/level")]
    pub build_level: u8,
}

impl Publish {
    /// A publication at this level.
    #[must_use]
    pub const fn new(creation_time: Time, package: PackageDescriptor, build_level: u8) -> Self {
        Self {
            creation_time,
            package,
            properties: Properties { build_level },
        }
    }

    /// The SLSA Build level it vouches for.
    #[must_use]
    pub const fn build_level(&self) -> u8 {
        self.properties.build_level
    }
}

impl Predicate for Publish {
    const TYPE: &'static str = "https://slsa.dev/publish/v0.1";
    const ROLE: Role = Role::Publish;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        let publish: Self = read_as(predicate)?;
        if publish.build_level() > 4 {
            return Err(Error::StatementShape(format!(
                "`{BUILD_LEVEL}` is {}, and 4 is the highest",
                publish.build_level()
            )));
        }
        Ok(publish)
    }
}
