//! What a model is made of, as CycloneDX or SPDX lists it. The document stays as it was written; what a policy asks of it
//! is read from it.

use decode::json::Raw;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// `https://cyclonedx.org/bom`: a CycloneDX document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CycloneDx(Value);

/// `https://spdx.dev/Document`: an SPDX 2 document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spdx(Value);

impl CycloneDx {
    /// The licences of what the document is about: SPDX names or expressions, or their own names.
    #[must_use]
    pub fn licences(&self) -> Vec<&str> {
        let stated = self.0.pointer("/metadata/component/licenses");
        let entries = stated.and_then(Value::as_array);
        entries.into_iter().flatten().filter_map(licence).collect()
    }

    /// When it was made, if it says so.
    #[must_use]
    pub fn made_at(&self) -> Option<Time> {
        time(self.0.pointer("/metadata/timestamp"))
    }
}

impl Spdx {
    /// The licences of what the document describes, as they were declared.
    #[must_use]
    pub fn licences(&self) -> Vec<&str> {
        let list = |name: &str| self.0.get(name).and_then(Value::as_array);
        let described = list("documentDescribes").into_iter().flatten();
        let described: Vec<&str> = described.filter_map(Value::as_str).collect();
        let related = list("relationships").into_iter().flatten();
        let related =
            related.filter(|relation| text(relation, "relationshipType") == Some("DESCRIBES"));
        let related: Vec<&str> = related
            .filter_map(|relation| text(relation, "relatedSpdxElement"))
            .collect();
        let is_described = |package: &&Value| {
            text(package, "SPDXID")
                .is_some_and(|id| described.contains(&id) || related.contains(&id))
        };
        let packages = list("packages").into_iter().flatten();
        packages
            .filter(is_described)
            .filter_map(|package| text(package, "licenseDeclared"))
            .collect()
    }

    /// When it was made, if it says so.
    #[must_use]
    pub fn made_at(&self) -> Option<Time> {
        time(self.0.pointer("/creationInfo/created"))
    }
}

impl Predicate for CycloneDx {
    const TYPE: &'static str = "https://cyclonedx.org/bom";
    // Who looks into a model says what it found.
    const ROLE: Role = Role::Scan;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        let document: Value = read_as(predicate)?;
        match text(&document, "bomFormat") {
            Some("CycloneDX") if text(&document, "specVersion").is_some() => Ok(Self(document)),
            _ => Err(no_document("CycloneDX")),
        }
    }
}

impl Predicate for Spdx {
    const TYPE: &'static str = "https://spdx.dev/Document";
    const ROLE: Role = Role::Scan;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        let document: Value = read_as(predicate)?;
        match text(&document, "spdxVersion") {
            Some(version) if version.starts_with("SPDX-2.") => Ok(Self(document)),
            _ => Err(no_document("SPDX 2")),
        }
    }
}

fn no_document(format: &str) -> Error {
    Error::StatementShape(format!("what it says is no {format} document"))
}

/// CycloneDX writes a licence as an expression, or by its SPDX name, or by a name of its own.
fn licence(entry: &Value) -> Option<&str> {
    let places = ["/expression", "/license/id", "/license/name"];
    let mut stated = places.iter().filter_map(|place| entry.pointer(place));
    stated.next()?.as_str()
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn time(stated: Option<&Value>) -> Option<Time> {
    stated?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<P: Predicate>(document: &Value) -> Result<P, Error> {
        let bytes = document.to_string();
        let limits = decode::json::Limits::LARGE;
        P::read(decode::json::checked(bytes.as_bytes(), limits).unwrap())
    }

    #[test]
    fn licences_are_those_of_what_the_document_is_about() {
        let component = |licences: Value| {
            json!({"bomFormat": "CycloneDX", "specVersion": "1.6",
            "metadata": {"timestamp": "2026-11-01T00:00:00Z", "component": {"licenses": licences}},
            "components": [{"licenses": [{"license": {"id": "GPL-3.0-only"}}]}]})
        };
        let stated = json!([{"license": {"id": "MIT"}}, {"expression": "MIT OR Apache-2.0"}, {"license": {"name": "ours"}}]);
        let bom: CycloneDx = read(&component(stated)).unwrap();
        assert_eq!(bom.licences(), ["MIT", "MIT OR Apache-2.0", "ours"]);
        assert_eq!(bom.made_at().unwrap().to_string(), "2026-11-01T00:00:00Z");
        assert!(
            read::<CycloneDx>(&component(json!(3)))
                .unwrap()
                .licences()
                .is_empty()
        );
        assert!(read::<CycloneDx>(&json!({"bomFormat": "CycloneDX"})).is_err());
        let packages = json!([{"SPDXID": "a", "licenseDeclared": "MIT"}, {"SPDXID": "b", "licenseDeclared": "GPL-3.0-only"},
                              {"SPDXID": "c", "licenseDeclared": "Apache-2.0"}]);
        let relations = json!([{"relationshipType": "DESCRIBES", "relatedSpdxElement": "c"},
                               {"relationshipType": "CONTAINS", "relatedSpdxElement": "b"}]);
        let document = json!({"spdxVersion": "SPDX-2.3", "documentDescribes": ["a"], "packages": packages,
                              "relationships": relations, "creationInfo": {"created": "never"}});
        let spdx: Spdx = read(&document).unwrap();
        assert_eq!(
            (spdx.licences(), spdx.made_at()),
            (vec!["MIT", "Apache-2.0"], None)
        );
        assert!(read::<Spdx>(&json!({"spdxVersion": "SPDX-3.0"})).is_err());
    }
}
