//! A real model that was really admitted, and servers of it.
//!
//! Its picture has ten bands of 28 × 2 pixels, from the top; the logit of a digit is the sum of its band.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use data_encoding::BASE64;
use digest::{Digest, Listing, Sealed, measure_bytes};
use infer::Model;
use server::inference::{Error, Hooks, Limits, PredictionRecord, Serving, serve};
use tokio::sync::oneshot;
use trust::predicate::Admission;
use trust::{Artifact, Kind, PrivateKey, Role, Signer, Statement, Subject, Time, TrustRoot};

use crate::client::{Answer, Connection};

pub(crate) const PIXELS: usize = 784;
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const MODEL_DIGEST: Digest = Digest::from_raw([1; 32]);
pub(crate) const ADMISSION: Digest = Digest::from_raw([2; 32]);

const ARCHITECTURE: &str = r#"{
  "format": "modelward-architecture/v1", "name": "bands",
  "input": {"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]},
  "output": {"name": "logits", "datatype": "FP32", "shape": [-1, 10]},
  "preprocessing": {"kind": "grey-image", "width": 28, "height": 28, "mean": 0.1307, "deviation": 0.3081},
  "layers": [{"op": "flatten"}, {"op": "linear", "weight": "w", "bias": "b"}]}"#;

/// Two tensors: which pixels belong to which digit, and no bias.
fn weights() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[10,784],"data_offsets":[0,31360]},"b":{"dtype":"F32","shape":[10],"data_offsets":[31360,31400]}}"#;
    let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    for digit in 0..10 {
        for pixel in 0..PIXELS {
            let weight = if pixel / 56 == digit { 1.0_f32 } else { 0.0 };
            file.extend(weight.to_le_bytes());
        }
    }
    file.extend([0; 40]);
    file
}

/// The model, by the only way there is: files, a signed admission, sealed bytes.
pub(crate) fn model() -> Arc<Model> {
    let weights = weights();
    let files = [
        ("architecture.json", ARCHITECTURE.as_bytes()),
        ("model.safetensors", &weights),
    ];
    let measured = files.map(|(name, bytes)| (name.to_owned(), measure_bytes(bytes)));
    let artifact = Artifact::from_listing(Kind::Model, &Listing::from(measured)).unwrap();
    let key = PrivateKey::from_random(&[9; 32]).unwrap();
    let now = Time::from_unix(100);
    let admission = Statement {
        subjects: vec![Subject {
            name: "bands".into(),
            digest: artifact.digest(),
        }],
        predicate: Admission {
            admitted_at: now,
            expires: Time::from_unix(200),
            environment: "test".into(),
            service_account: "test".into(),
            trust_root: "test".into(),
            evidence: vec![],
        },
    };
    let bundle = trust::seal(&admission, &key).unwrap().to_bytes();
    let root = TrustRoot::of_key(key.public_key().clone(), Role::Admit);
    let admission = trust::verify(&bundle, &root, now).unwrap();
    let [architecture, weights] = files.map(|(name, mut bytes)| {
        let sealed = Sealed::fill(&mut bytes, 1 << 20).unwrap();
        trust::verify_sealed(&admission, &artifact.manifest(), name, sealed).unwrap()
    });
    Arc::new(Model::load(&weights, &architecture).unwrap())
}

/// A PNG whose band of this digit is white, and the rest black.
pub(crate) fn picture(digit: u32) -> Vec<u8> {
    let level = |pixel: u32| if pixel / 56 == digit { 255 } else { 0 };
    let pixels: Vec<u8> = (0_u32..784).map(level).collect();
    let mut png = Vec::new();
    let encoder = png::Encoder::new(&mut png, 28, 28);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    drop(writer);
    png
}

pub(crate) fn classify_body(picture: &[u8]) -> Vec<u8> {
    format!(r#"{{"image": "{}"}}"#, BASE64.encode(picture)).into_bytes()
}

/// Rows whose band of each digit is 1 and the rest 0: the logit is 56.
pub(crate) fn rows(digits: &[usize]) -> Vec<f32> {
    let row = |digit: &usize| {
        let digit = *digit;
        (0..PIXELS).map(move |pixel| if pixel / 56 == digit { 1.0 } else { 0.0 })
    };
    digits.iter().flat_map(row).collect()
}

/// A v2 request of these rows in JSON, flat.
pub(crate) fn infer_body(digits: &[usize]) -> Vec<u8> {
    let (count, data) = (digits.len(), rows(digits));
    format!(
        r#"{{"inputs": [{{"name": "image", "shape": [{count}, 1, 28, 28], "datatype": "FP32", "data": {data:?}}}]}}"#
    )
    .into_bytes()
}

pub(crate) type Records = Arc<Mutex<Vec<PredictionRecord>>>;

pub(crate) fn serving() -> Serving {
    Serving {
        name: "digits".into(),
        version: "1".into(),
        model: model(),
        model_digest: MODEL_DIGEST,
        admission: ADMISSION,
        session: "s1".into(),
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        workers: NonZeroUsize::MIN,
        recall_interval: Duration::from_millis(50),
        ..Limits::default()
    }
}

/// Hooks that keep every prediction in memory and know of no recall.
pub(crate) fn hooks() -> (Hooks, Records) {
    let records = Records::default();
    let kept = Arc::clone(&records);
    let record = move |record: &PredictionRecord| {
        kept.lock().unwrap().push(record.clone());
        Ok(())
    };
    let hooks = Hooks {
        record: Box::new(record),
        recalled: Box::new(|| Ok(None)),
    };
    (hooks, records)
}

/// A server in a thread of its own. It is told to stop when it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Result<(), Error>>>,
}

impl Running {
    pub(crate) fn start(serving: Serving, hooks: Hooks, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = std::thread::spawn(move || {
            serve(listener, serving, hooks, limits, async {
                let _ = stopped.await;
            })
        });
        Self {
            address,
            stop: Some(stop),
            served: Some(served),
        }
    }

    pub(crate) fn plain() -> Self {
        Self::start(serving(), hooks().0, limits())
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.connect().ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.connect().ask("POST", path, headers, body)
    }

    pub(crate) fn classify(&self, digit: u32) -> Answer {
        self.post("/classify/v0", &[JSON], &classify_body(&picture(digit)))
    }

    pub(crate) fn infer(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.post("/v2/models/digits/infer", headers, body)
    }

    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(crate) fn join(&mut self) -> Result<(), Error> {
        self.served.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Some(served) = self.served.take() {
            let served = served.join();
            assert!(std::thread::panicking() || matches!(served, Ok(Ok(()))));
        }
    }
}

/// What an answer says of where it came from, by header.
pub(crate) fn marks(answer: &Answer) -> BTreeMap<String, String> {
    let ours = answer
        .headers
        .iter()
        .filter(|(key, _)| key.starts_with("modelward-"));
    ours.cloned().collect()
}
