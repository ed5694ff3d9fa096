//! A model that anybody can check by hand: a picture has ten bands of 28 × 2 pixels, and the brightest band is the
//! digit. Its data set holds the two halves of its weights and the program that puts them together.

use std::fs;
use std::path::{Path, PathBuf};

use digest::Digest;

/// Small files whose digests the dependency policy names.
const ARCHITECTURE: &str = r#"{
  "format": "modelward-architecture/v1", "name": "bands",
  "input": {"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]},
  "output": {"name": "logits", "datatype": "FP32", "shape": [-1, 10]},
  "preprocessing": {"kind": "grey-image", "width": 28, "height": 28, "mean": 0.1307, "deviation": 0.3081},
  "layers": [{"op": "flatten"}, {"op": "linear", "weight": "w", "bias": "b"}]}"#;

const TRAIN: &str = "set -e
cat /in/bands/header /in/bands/weights > /out/model.safetensors
cat /in/bands/architecture.json > /out/architecture.json
echo 1.0 > /results/accuracy
echo trained
";

/// Writes the data set, its policy, and the policies of the digits example.
pub(crate) fn write(folder: &Path) {
    let files = [
        ("architecture.json", ARCHITECTURE.as_bytes().to_vec()),
        ("header", header()),
        ("train.sh", TRAIN.as_bytes().to_vec()),
        ("weights", weights()),
    ];
    fs::create_dir(folder.join("data")).unwrap();
    for (name, bytes) in &files {
        fs::write(folder.join("data").join(name), bytes).unwrap();
    }
    fs::write(folder.join("dependencies.toml"), policy(&files)).unwrap();
    for name in ["publish", "deployment"] {
        let from = house().join("examples/digits/policies").join(name);
        copy(&from, &folder.join(name));
    }
}

/// The folder of the whole workspace.
pub(crate) fn house() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Copies the plain files of a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A picture as the model takes it, in a request of the Open Inference Protocol: this digit's band is lit.
pub(crate) fn request(digit: usize) -> String {
    let pixel = |pixel: usize| if pixel / 56 == digit { "1" } else { "0" };
    let pixels: Vec<&str> = (0..784).map(pixel).collect();
    format!(
        r#"{{"inputs":[{{"name":"image","shape":[1,1,28,28],"datatype":"FP32","data":[{}]}}]}}"#,
        pixels.join(",")
    )
}

/// The model's weights, as the step makes them.
pub(crate) fn safetensors() -> Vec<u8> {
    [header(), weights()].concat()
}

fn header() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[10,784],"data_offsets":[0,31360]},"b":{"dtype":"F32","shape":[10],"data_offsets":[31360,31400]}}"#;
    let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes
}

fn weights() -> Vec<u8> {
    let weight = |at: usize| {
        if at % 784 / 56 == at / 784 {
            1.0_f32
        } else {
            0.0
        }
    };
    let weights = (0..7840).map(weight);
    let biases = std::iter::repeat_n(0.0_f32, 10);
    weights.chain(biases).flat_map(f32::to_le_bytes).collect()
}

fn policy(files: &[(&str, Vec<u8>)]) -> String {
    let mut policy = r#"format = "modelward-dependency-policy/v1"
allowed_licences = ["MIT"]
allowed_purposes = ["train", "evaluate"]

[[dataset]]
name = "bands"
source = "file:data"
licence = "MIT"
purposes = ["train"]
"#
    .to_owned();
    for (name, bytes) in files {
        let (digest, size_bytes) = (Digest::of(bytes), bytes.len());
        policy.push_str(&format!(
            "\n[[dataset.file]]\nname = \"{name}\"\npath = \"{name}\"\ndigest = \"{digest}\"\nsize_bytes = {size_bytes}\n"
        ));
    }
    policy
}
