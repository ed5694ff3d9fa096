//! What the tests of several modules build their models from.

use std::sync::Arc;

use digest::{Listing, Sealed, measure_bytes};
use trust::predicate::Admission;
use trust::{
    Artifact, Kind, PrivateKey, Role, Signer, Statement, Subject, Time, TrustRoot, Verified,
};

use crate::model::{LoadError, Model};

/// The architecture of a small digit classifier.
pub(crate) const DIGITS: &str = include_str!("../testdata/digits.architecture.json");

/// The tensors of [`DIGITS`], and the scale of their numbers in `testdata/golden.py`.
pub(crate) const DIGITS_TENSORS: [(&str, &[usize], f32); 8] = [
    ("conv1.weight", &[32, 1, 3, 3], 0.5),
    ("conv1.bias", &[32], 0.5),
    ("conv2.weight", &[64, 32, 3, 3], 0.125),
    ("conv2.bias", &[64], 0.5),
    ("fc1.weight", &[128, 3136], 0.0625),
    ("fc1.bias", &[128], 0.5),
    ("fc2.weight", &[10, 128], 0.125),
    ("fc2.bias", &[10], 0.5),
];

/// A named tensor.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// The digit classifier's weights, and the sequence they came from.
pub(crate) fn digits(seed: u64) -> (Vec<Tensor>, Sequence) {
    let mut sequence = Sequence(seed);
    let tensors = DIGITS_TENSORS
        .iter()
        .map(|(name, shape, scale)| sequence.tensor(name, shape, *scale))
        .collect();
    (tensors, sequence)
}

/// Numbers from -1 to 1, the same as in `testdata/golden.py`.
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    pub(crate) fn take(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * scale).collect()
    }

    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize], scale: f32) -> Tensor {
        Tensor {
            name: name.to_owned(),
            dtype: "F32",
            shape: shape.to_vec(),
            values: self.take(shape.iter().product(), scale),
        }
    }

    fn next(&mut self) -> f32 {
        let state = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = state.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// A safetensors file.
pub(crate) fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut end = 0;
    let described: Vec<String> = tensors
        .iter()
        .map(|Tensor { name, dtype, shape, values }| {
            let start = end;
            end += values.len() * 4;
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#)
        })
        .collect();
    let mut header = format!("{{{}}}", described.join(","));
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    for tensor in tensors {
        file.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    file
}

/// The model of these tensors, by the way that every model goes.
pub(crate) fn model(tensors: &[Tensor], architecture: &str) -> Result<Arc<Model>, LoadError> {
    let (weights, architecture) = admitted(&safetensors(tensors), architecture);
    Model::load(&weights, &architecture).map(Arc::new)
}

/// Weights and an architecture that a gate let in together.
pub(crate) fn admitted(weights: &[u8], architecture: &str) -> (Verified<Sealed>, Verified<Sealed>) {
    let files = [
        ("weights", weights),
        ("architecture", architecture.as_bytes()),
    ];
    let listing: Listing = files
        .map(|(name, bytes)| (name.to_owned(), measure_bytes(bytes)))
        .into();
    let artifact = Artifact::from_listing(Kind::Model, &listing).unwrap();
    let key = PrivateKey::from_random(&[7; 32]).unwrap();
    let now = Time::from_unix(1);
    let admission = Statement {
        subjects: vec![Subject {
            name: "model".into(),
            digest: artifact.digest(),
        }],
        predicate: Admission {
            admitted_at: now,
            expires: Time::from_unix(2),
            environment: "test".into(),
            service_account: "test".into(),
            trust_root: "test".into(),
            evidence: vec![],
        },
    };
    let bundle = trust::seal(&admission, &key).unwrap().to_bytes();
    let root = TrustRoot::of_key(key.public_key().clone(), Role::Admit);
    let admission = trust::verify(&bundle, &root, now).unwrap();
    let [weights, architecture] = files.map(|(name, mut bytes)| {
        let sealed = Sealed::fill(&mut bytes, u64::MAX).unwrap();
        trust::verify_sealed(&admission, &artifact.manifest(), name, sealed).unwrap()
    });
    (weights, architecture)
}
