//! What is pushed beside an artifact: the manifest of a bundle that refers to it, the list of such manifests where a registry
//! keeps none (image-spec 1.1), and cosign's older manifest of attestations. Whatever others wrote into a list stays in it.

use std::collections::{BTreeMap, BTreeSet};

use decode::json::{self, Limits};
use digest::Digest;
use serde_json::{Map, Value, json};

use super::manifest::EMPTY_CONFIG;
use super::{Descriptor, Index, Manifest, OciError};
use crate::bundle::{Bundle, Material};
use crate::compact;

/// What we write, whatever we read.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A bundle on its way to an artifact, as cosign 3 and GitHub push theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The manifest, which names the bundle as its only layer and the artifact as its subject.
    pub manifest: Vec<u8>,
    predicate_type: String,
}

impl Referrer {
    /// The manifest of a bundle about a subject. The same bundle always has the same one: who pushes twice pushes once.
    #[must_use]
    pub fn of(subject: &Descriptor, bundle: &[u8], predicate_type: &str) -> Self {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": BUNDLE_TYPE,
            "config": written(&Descriptor::of(EMPTY_TYPE, EMPTY_CONFIG)),
            "layers": [written(&Descriptor::of(BUNDLE_TYPE, bundle))],
            "subject": written(subject),
            "annotations": noted(predicate_type),
        });
        Self {
            manifest: manifest.to_string().into_bytes(),
            predicate_type: predicate_type.to_owned(),
        }
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// The blob that stands for its config.
    #[must_use]
    pub const fn config() -> &'static [u8] {
        EMPTY_CONFIG
    }

    fn listed(&self) -> Value {
        let mut listed = written(&Descriptor::of(MANIFEST_TYPE, &self.manifest));
        listed["artifactType"] = json!(BUNDLE_TYPE);
        listed["annotations"] = noted(&self.predicate_type);
        listed
    }
}

/// The list of what refers to an artifact, under the tag `sha256-…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrerList {
    members: Map<String, Value>,
    listed: BTreeSet<Digest>,
}

impl ReferrerList {
    /// Reads the list that is there; without one it is empty.
    ///
    /// # Errors
    /// It is no list that can be read in one way.
    pub fn read(bytes: Option<&[u8]>) -> Result<Self, OciError> {
        let empty =
            json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": []}).to_string();
        let bytes = bytes.unwrap_or(empty.as_bytes());
        let index = Index::parse(bytes)?;
        Ok(Self {
            members: members(bytes)?,
            listed: index.manifests.iter().map(|it| it.digest).collect(),
        })
    }

    /// Whether it names all of these.
    #[must_use]
    pub fn names_all(&self, referrers: &[Referrer]) -> bool {
        let mut referrers = referrers.iter();
        referrers.all(|referrer| self.listed.contains(&referrer.digest()))
    }

    /// The list with these in it, after what was there.
    ///
    /// # Errors
    /// It would be longer than a registry takes.
    pub fn with(mut self, referrers: &[Referrer]) -> Result<Vec<u8>, OciError> {
        let new = referrers.iter();
        let new = new.filter(|referrer| self.listed.insert(referrer.digest()));
        let new: Vec<Value> = new.map(Referrer::listed).collect();
        append(&mut self.members, "manifests", new);
        fitting(self.members)
    }
}

/// cosign's attestations of an artifact before bundles: layers of one manifest under the tag `sha256-….att`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestations {
    members: Map<String, Value>,
    layers: Vec<Digest>,
}

impl Attestations {
    /// Reads the manifest that is there; without one it is empty.
    ///
    /// # Errors
    /// It is no manifest that can be read in one way.
    pub fn read(bytes: Option<&[u8]>) -> Result<Self, OciError> {
        let Some(bytes) = bytes else {
            let empty = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "layers": []});
            let members = empty.as_object().cloned().unwrap_or_default();
            return Ok(Self {
                members,
                layers: Vec::new(),
            });
        };
        let manifest = Manifest::parse(bytes)?;
        Ok(Self {
            members: members(bytes)?,
            layers: manifest.layers().iter().map(|it| it.digest).collect(),
        })
    }

    /// The layer that a bundle is there: its envelope, as it was signed. A certificate's and a log's word are not told by
    /// it: none for a bundle that has them, since its signature means nothing without.
    #[must_use]
    pub fn envelope(bundle: &Bundle) -> Option<Vec<u8>> {
        let is_by_key = matches!(bundle.material(), Material::Key { .. });
        is_by_key.then(|| compact::to_vec(&bundle.envelope().to_wire()))
    }

    /// The bundle that such a layer is. None for one with a certificate or a log's word beside it: that takes more than the
    /// layer to check.
    #[must_use]
    pub fn bundle(
        media_type: &str,
        annotations: &BTreeMap<String, String>,
        layer: &[u8],
    ) -> Option<Vec<u8>> {
        let is_bare = |(name, value): (&String, &String)| {
            value.is_empty() || !name.starts_with("dev.sigstore.cosign/")
        };
        if media_type != ENVELOPE_TYPE || !annotations.iter().all(is_bare) {
            return None;
        }
        let text = std::str::from_utf8(layer).ok()?;
        json::checked(layer, Limits::LARGE).ok()?;
        let bundle = format!(
            r#"{{"mediaType":"{BUNDLE_TYPE}","verificationMaterial":{{"publicKey":{{"hint":""}}}},"dsseEnvelope":{text}}}"#
        );
        Some(bundle.into_bytes())
    }

    /// Whether all of these layers are there.
    #[must_use]
    pub fn have_all(&self, layers: &[(Vec<u8>, String)]) -> bool {
        let mut layers = layers.iter();
        layers.all(|(layer, _)| self.layers.contains(&Digest::of(layer)))
    }

    /// The manifest with these layers in it, each with its statement's type, and its config.
    ///
    /// # Errors
    /// It would be longer than a registry takes.
    pub fn with(mut self, layers: &[(Vec<u8>, String)]) -> Result<(Vec<u8>, Vec<u8>), OciError> {
        let mut new = Vec::new();
        for (layer, predicate_type) in layers {
            let descriptor = Descriptor::of(ENVELOPE_TYPE, layer);
            if self.layers.contains(&descriptor.digest) {
                continue;
            }
            self.layers.push(descriptor.digest);
            let mut layer = written(&descriptor);
            layer["annotations"] = json!({SIGNATURE: "", "predicateType": predicate_type});
            new.push(layer);
        }
        append(&mut self.members, "layers", new);
        let diff_ids: Vec<String> = self.layers.iter().map(ToString::to_string).collect();
        let config = json!({"architecture": "", "os": "", "config": {}, "created": "0001-01-01T00:00:00Z",
                            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string().into_bytes();
        let described = written(&Descriptor::of(CONFIG_TYPE, &config));
        self.members.insert("config".to_owned(), described);
        Ok((fitting(self.members)?, config))
    }
}

/// The members of an object that was found to be one, and to have one reading.
fn members(bytes: &[u8]) -> Result<Map<String, Value>, OciError> {
    let shape = |e: serde_json::Error| OciError::Json(json::Error::Shape(e.to_string()));
    let limits = Limits {
        size_bytes_max: Manifest::SIZE_BYTES_MAX,
        depth_max: 16,
    };
    json::value(bytes, limits).map_err(OciError::Json)?;
    serde_json::from_slice(bytes).map_err(shape)
}

fn append(members: &mut Map<String, Value>, name: &str, new: Vec<Value>) {
    if let Some(Value::Array(list)) = members.get_mut(name) {
        list.extend(new);
    }
}

fn fitting(members: Map<String, Value>) -> Result<Vec<u8>, OciError> {
    let bytes = Value::Object(members).to_string().into_bytes();
    let size_bytes = bytes.len();
    match size_bytes <= Manifest::SIZE_BYTES_MAX {
        true => Ok(bytes),
        false => Err(OciError::Full { size_bytes }),
    }
}

fn written(descriptor: &Descriptor) -> Value {
    json!({"mediaType": descriptor.media_type, "digest": descriptor.digest.to_string(), "size": descriptor.size_bytes})
}

fn noted(predicate_type: &str) -> Value {
    json!({"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate_type})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn referrer(bundle: &[u8]) -> Referrer {
        Referrer::of(
            &Descriptor::of(MANIFEST_TYPE, b"subject"),
            bundle,
            "https://example.com/p/v1",
        )
    }

    #[test]
    fn a_referrer_is_read_as_a_bundle_about_its_subject() {
        let written = referrer(b"bundle");
        let read = Manifest::parse(&written.manifest).unwrap();
        assert_eq!(read.subject(), Some(Digest::of(b"subject")));
        assert_eq!(read.bundle().unwrap().digest, Digest::of(b"bundle"));
        assert_eq!(written, referrer(b"bundle"));
        assert_ne!(written.digest(), referrer(b"other").digest());
    }

    /// Another client's entry, with what we know nothing of, is as it was.
    #[test]
    fn a_list_keeps_what_others_wrote() {
        let theirs = r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha512:00","size":7,"data":"e30=","annotations":{"a":"b"}}"#;
        let list =
            format!(r#"{{"schemaVersion":2,"manifests":[{theirs}],"annotations":{{"x":"y"}}}}"#);
        let ours = [referrer(b"one"), referrer(b"two"), referrer(b"one")];
        let read = ReferrerList::read(Some(list.as_bytes())).unwrap();
        assert!(!read.names_all(&ours));
        let with = read.with(&ours).unwrap();
        let value: Value = serde_json::from_slice(&with).unwrap();
        assert_eq!(
            value["manifests"][0],
            serde_json::from_str::<Value>(theirs).unwrap()
        );
        assert_eq!(value["annotations"]["x"], "y");
        let read = ReferrerList::read(Some(&with)).unwrap();
        assert!(read.names_all(&ours) && !read.names_all(&[referrer(b"three")]));
        assert_eq!(value["manifests"].as_array().unwrap().len(), 3, "each once");
        assert_eq!(read.with(&ours).unwrap(), with);
        let listed = &Index::parse(&with).unwrap().manifests[0];
        assert!(listed.says_bundle());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_added_to() {
        for list in [
            "",
            "[]",
            r#"{"schemaVersion":2}"#,
            r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
            r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#,
        ] {
            assert!(ReferrerList::read(Some(list.as_bytes())).is_err(), "{list}");
            assert!(Attestations::read(Some(list.as_bytes())).is_err(), "{list}");
        }
        let long = format!(
            r#"{{"schemaVersion":2,"manifests":[],"x":"{}"}}"#,
            "y".repeat(Manifest::SIZE_BYTES_MAX - 200)
        );
        let full = ReferrerList::read(Some(long.as_bytes()))
            .unwrap()
            .with(&[referrer(b"one")]);
        assert!(matches!(full, Err(OciError::Full { .. })));
    }

    #[test]
    fn attestations_are_added_and_their_config_follows() {
        let layer = |text: &str| {
            (
                text.as_bytes().to_vec(),
                "https://example.com/p/v1".to_owned(),
            )
        };
        let (first, config) = Attestations::read(None)
            .unwrap()
            .with(&[layer("a")])
            .unwrap();
        let read = Manifest::parse(&first).unwrap();
        assert_eq!(read.config().digest, Digest::of(&config));
        let again = Attestations::read(Some(&first)).unwrap();
        assert!(again.have_all(&[layer("a")]) && !again.have_all(&[layer("a"), layer("b")]));
        let (second, config) = again.with(&[layer("a"), layer("b")]).unwrap();
        let read = Manifest::parse(&second).unwrap();
        assert_eq!(read.layers().len(), 2);
        assert_eq!(
            read.layers()[1].annotations["predicateType"],
            "https://example.com/p/v1"
        );
        assert_eq!(read.config().digest, Digest::of(&config));
    }
}
