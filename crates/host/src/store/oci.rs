//! The JSON of OCI (image-spec 1.1): descriptors, manifests, indexes. Private twins of the specification.

use std::collections::BTreeMap;

use decode::json;
use digest::{Digest, Measured};
use serde::{Deserialize, Serialize};

pub(super) const LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
pub(super) const EMPTY_JSON: &str = "{}";
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
pub(super) const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
const BUNDLE_PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// A manifest with many files is still a manifest.
pub(super) const MANIFEST_SIZE_BYTES_MAX: u64 = 64 << 20;

/// The blob `{}`, which stands for a config that isn't there.
pub(super) static EMPTY: std::sync::LazyLock<Descriptor> = std::sync::LazyLock::new(|| {
    Descriptor::of(EMPTY_TYPE, digest::measure_bytes(EMPTY_JSON.as_bytes()))
});

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    #[serde(with = "trust::digest_text")]
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(super) fn of(media_type: &str, measured: Measured) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: measured.digest(),
            size: measured.size_bytes(),
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// A statement in the list of those about one subject.
    pub(super) fn referrer(manifest: Measured, predicate_type: &str) -> Self {
        let descriptor = Self::of(MANIFEST_TYPE, manifest);
        Self {
            artifact_type: Some(BUNDLE_TYPE.to_owned()),
            annotations: bundle_annotations(predicate_type),
            ..descriptor
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u32,
    media_type: String,
    pub(super) artifact_type: String,
    config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// A manifest with these layers.
    fn artifact(artifact_type: &str, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            artifact_type: artifact_type.to_owned(),
            config: EMPTY.clone(),
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// A bundle about a subject. A subject that is not in the store has no size to name, and then isn't named.
    pub(super) fn bundle(
        bundle: Descriptor,
        predicate_type: &str,
        subject: Option<Descriptor>,
    ) -> Self {
        Self {
            subject,
            annotations: bundle_annotations(predicate_type),
            ..Self::artifact(BUNDLE_TYPE, vec![bundle])
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, json::Error> {
        let manifest: Self = json::from_slice(bytes, json::Limits::LARGE)?;
        if manifest.schema_version == 2 && manifest.media_type == MANIFEST_TYPE {
            Ok(manifest)
        } else {
            Err(json::Error::Shape("not an OCI image manifest".to_owned()))
        }
    }

    pub(super) fn to_json(&self) -> String {
        to_json(self)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImageIndex {
    schema_version: u32,
    media_type: String,
    pub(super) manifests: Vec<Descriptor>,
}

impl ImageIndex {
    pub(super) fn of(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX_TYPE.to_owned(),
            manifests,
        }
    }

    /// Reads an index, which has to be written exactly as [`ImageIndex::to_json`] writes it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, json::Error> {
        let index: Self = json::from_slice(bytes, json::Limits::LARGE)?;
        let canonical = Self::of(index.manifests.clone()).to_json();
        if canonical.as_bytes() == bytes {
            Ok(index)
        } else {
            Err(json::Error::Shape(
                "not an OCI image index as we write it".to_owned(),
            ))
        }
    }

    pub(super) fn to_json(&self) -> String {
        to_json(self)
    }
}

impl Default for ImageIndex {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

fn bundle_annotations(predicate_type: &str) -> BTreeMap<String, String> {
    [
        (BUNDLE_CONTENT, "dsse-envelope"),
        (BUNDLE_PREDICATE_TYPE, predicate_type),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Strings, numbers and maps with string keys always have a JSON form.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_config_is_the_one_of_the_specification() {
        assert_eq!(
            to_json(&*EMPTY),
            r#"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#
        );
    }

    #[test]
    fn reads_what_it_writes_and_no_twin_of_it() {
        let blob = digest::measure_bytes(b"x");
        let manifest = Manifest::bundle(Descriptor::of(BUNDLE_TYPE, blob), "a/b", None);
        let text = manifest.to_json();
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
        for (from, to) in [
            ("\"schemaVersion\":2", "\"schemaVersion\":1"),
            ("image.manifest", "image.index"),
            ("sha256:", "sha512:"),
            ("\"size\":1", "\"size\":-1"),
            ("\"layers\"", "\"layer\""),
            ("}", "}}"),
        ] {
            assert!(
                Manifest::parse(text.replacen(from, to, 1).as_bytes()).is_err(),
                "{from}"
            );
        }
        let index = ImageIndex::of(vec![Descriptor::referrer(blob, "p")]);
        let text = index.to_json();
        assert_eq!(ImageIndex::parse(text.as_bytes()), Ok(index));
        for (from, to) in [
            ("\"schemaVersion\":2", "\"schemaVersion\":3"),
            ("\"manifests\"", "\"manifest\""),
            (",", ", "),
            ("\"size\":1", "\"size\":1,\"x\":1"),
        ] {
            assert!(
                ImageIndex::parse(text.replacen(from, to, 1).as_bytes()).is_err(),
                "{from}"
            );
        }
    }
}
