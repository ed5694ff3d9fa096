//! What can be said about a digest, one file each. Standard predicates where one fits; ours under `https://modelward.dev/`.

use decode::json::Raw;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Opaque, Role, Statement, Subject};

mod admission;
mod approval;
mod dataset;
mod deployment;
mod model_signature;
mod provenance;
mod publish;
mod recall;
mod sbom;
mod scan;
mod serving;

pub use admission::Admission;
pub use approval::{Approval, ApprovalRequest, Exception};
pub use dataset::Dataset;
pub use deployment::{Deployment, GOOGLE_SERVICE_ACCOUNT};
pub(crate) use model_signature::first_release::TYPE as FIRST_RELEASE_TYPE;
pub use model_signature::{Form, ModelSignature, Span, Spelling, Terms};
pub use provenance::{
    BuildDefinition, BuilderRef, CLAIM, DATASET, Isolation, Provenance, ROOT_FILES,
    ResourceDescriptor, RunDetails, RunMetadata, SOURCE_PARAMETER,
};
pub use publish::{BUILD_LEVEL, PackageDescriptor, Properties, Publish};
pub use recall::{Recall, RecallKind};
pub use sbom::{CycloneDx, Spdx};
pub use scan::{ScanReport, ScanVerdict, ScannedFile, ScannedFiles};
pub use serving::Serving;

/// Something that can be said about a digest.
pub trait Predicate: Serialize + Sized {
    /// The type URI that is signed along.
    const TYPE: &'static str;
    /// The role that a key must have to say it.
    const ROLE: Role;

    /// Reads the predicate.
    ///
    /// # Errors
    /// The value has not the shape of this type.
    fn read(predicate: Raw<'_>) -> Result<Self, Error>;

    /// Reads a whole statement as one that says this.
    ///
    /// # Errors
    /// It says something else, has not the shape of this type, or contradicts its subjects.
    fn of_statement(statement: Statement<Opaque<'_>>) -> Result<Statement<Self>, Error> {
        if statement.predicate.predicate_type != Self::TYPE {
            return Err(Error::PredicateType {
                want: Self::TYPE,
                got: statement.predicate.predicate_type,
            });
        }
        let predicate = Self::read(statement.predicate.predicate)?;
        predicate.fits(&statement.subjects)?;
        Ok(Statement {
            subjects: statement.subjects,
            predicate,
        })
    }

    /// Says whether what is said fits what it is said about.
    ///
    /// # Errors
    /// It contradicts the subjects.
    fn fits(&self, _subjects: &[Subject]) -> Result<(), Error> {
        Ok(())
    }

    /// The name that the statement claims to be by, if it claims one: the key must be allowed to speak for it.
    fn speaker(&self) -> Option<&str> {
        None
    }
}

/// Reads a predicate whose shape is its type.
fn read_as<T: DeserializeOwned>(predicate: Raw<'_>) -> Result<T, Error> {
    predicate.read().map_err(Error::StatementJson)
}
