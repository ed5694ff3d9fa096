//! What the reference implementation of OpenSSF model signing measured, we measure too.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use digest::{Algorithm, Links, Method, Walk, list_resources};
use serde_json::Value;

fn listed(root: &Path, ignored: &[&str], method: Method) -> BTreeMap<String, String> {
    let walk = Walk {
        ignore: &|name| ignored.contains(&name),
        links: Links::Refuse,
    };
    let resources = list_resources(root, &walk, method, &|_| ()).unwrap();
    let hex = resources
        .iter()
        .map(|(name, d)| (name.to_owned(), d.digest().hex()));
    hex.collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(name, hex)| ((*name).to_owned(), (*hex).to_owned()));
    owned.collect()
}

/// The names and digests that `model_signing` 1.1.1 signs for this model.
#[test]
fn a_small_model_without_any_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("tokenizer")).unwrap();
    std::fs::write(root.join("config.json"), "{\"hidden_size\": 8}\n").unwrap();
    std::fs::write(root.join("weights.bin"), "WEIGHTS-0001").unwrap();
    std::fs::write(root.join("tokenizer/vocab.txt"), "a b c\n").unwrap();
    let mut expected = pairs(&[
        (
            "config.json",
            "6102b7b977af452ba2973005c4d51e7c9cf9b788557fcf7dab3585b98cda16fe",
        ),
        (
            "tokenizer/vocab.txt",
            "1a25953465ab671d54b30108a9951b5500fa40994098ef9463853004da7933e1",
        ),
        (
            "weights.bin",
            "18d1482a2fd98564431c3caaf25353f2da146e5abd45638a1121fabe7cd85200",
        ),
    ]);
    assert_eq!(listed(root, &[], Method::WHOLE_SHA256), expected);
    std::fs::write(root.join("weights.bin"), "WEIGHTS-0002").unwrap();
    let changed = listed(root, &[], Method::WHOLE_SHA256);
    assert_ne!(changed, expected);
    expected.remove("weights.bin");
    assert!(expected.iter().all(|(name, hex)| changed[name] == *hex));
}

#[test]
fn each_model_of_the_reference_by_each_of_its_methods() {
    let Some(vectors) = std::env::var_os("MODELWARD_VECTORS") else {
        let _ = writeln!(std::io::stderr(), "not run: MODELWARD_VECTORS is not set");
        return;
    };
    let folder = PathBuf::from(vectors).join("oms/generated");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let mut methods = std::collections::BTreeSet::new();
    for case in read("CASES.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        // Links don't survive in an archive of data, and an empty model has nothing to measure.
        if name.contains("symlink") || name.contains("empty") {
            continue;
        }
        let bundle = read(case["bundle"].as_str().unwrap());
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        let payload = BASE64.decode(payload.as_bytes()).unwrap();
        let statement: Value = serde_json::from_slice(&payload).unwrap();
        let predicate = &statement["predicate"];
        let signed = &predicate["serialization"];
        let algorithm = Algorithm::from_word(signed["hash_type"].as_str().unwrap()).unwrap();
        let shard_size = signed["shard_size"].as_f64().map(|size| size as u64);
        let method = Method {
            algorithm,
            shard_size: shard_size.and_then(NonZeroU64::new),
        };
        let ignored: Vec<&str> = strings(&signed["ignore_paths"]);
        let expected: BTreeMap<String, String> = predicate["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| {
                let text = |key: &str| resource[key].as_str().unwrap().to_owned();
                // Of a single file the reference has no name.
                let file = if text("name") == "." {
                    "single.bin".to_owned()
                } else {
                    text("name")
                };
                (file, text("digest"))
            })
            .collect();
        let model = folder.join(case["model"].as_str().unwrap());
        assert_eq!(listed(&model, &ignored, method), expected, "{name}");
        methods.insert((algorithm, shard_size.is_some()));
    }
    assert!(methods.contains(&(Algorithm::Blake3, false)), "{methods:?}");
    assert!(methods.contains(&(Algorithm::Blake2b, true)), "{methods:?}");
    assert!(methods.contains(&(Algorithm::Sha256, true)), "{methods:?}");
}

fn strings(values: &Value) -> Vec<&str> {
    let values = values.as_array().unwrap();
    values.iter().map(|value| value.as_str().unwrap()).collect()
}
