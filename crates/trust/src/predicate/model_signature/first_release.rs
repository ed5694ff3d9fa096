//! What the first release (0.2) signed: `https://model_signing/Digests/v0.1`, one subject for each file and nothing said
//! about them.

use decode::json::Raw;
use digest::Method;

use super::name::Name;
use super::{ModelSignature, Resources, Spelling};
use crate::statement::Opaque;
use crate::{Error, Statement};

pub(crate) const TYPE: &str = "https://model_signing/Digests/v0.1";
/// What a subject's annotation says of whole files by SHA-256.
const WHOLE_SHA256: &str = "file-sha256";

pub(super) fn read(statement: Statement<Opaque<'_>>) -> Result<Statement<ModelSignature>, Error> {
    let refused = |why: String| Err(Error::StatementShape(why));
    let annotations = &statement.predicate.subject_annotations;
    let mut resources = Resources::new(Method::WHOLE_SHA256.algorithm);
    for (subject, annotation) in statement.subjects.iter().zip(annotations) {
        let algorithm = annotation
            .and_then(|annotation| annotation.member("actual_hash_algorithm"))
            .and_then(Raw::as_str);
        if algorithm.as_deref() != Some(WHOLE_SHA256) {
            return refused(format!(
                "its file `{}` is by `{}`, and of the first release only `{WHOLE_SHA256}` is read",
                subject.name,
                algorithm.as_deref().unwrap_or("nothing that it names")
            ));
        }
        if Name::of(&subject.name, Method::WHOLE_SHA256).is_none() {
            return refused(format!("its file `{}` has an unfit name", subject.name));
        }
        // By SHA-256, as every subject's.
        let _ = resources.push(&subject.name, &subject.digest.into());
    }
    super::read::unambiguous(&resources, Method::WHOLE_SHA256)?;
    Ok(Statement {
        predicate: ModelSignature {
            method: Method::WHOLE_SHA256,
            follows_links: false,
            ignored: Vec::new(),
            resources,
            spelling: Spelling::Interoperable,
            is_first_release: true,
        },
        subjects: statement.subjects,
    })
}
