//! Strict JSON and safetensors.

use std::collections::BTreeSet;

use decode::json::{self, Limits, Value};
use decode::safetensors;
use serde::de::IgnoredAny;

use super::texts;
use crate::files;

/// What is accepted keeps its limits, survives being written, and means to the common reader what it means to ours.
pub(super) fn json(bytes: &[u8]) {
    let Ok(value) = json::value(bytes, Limits::SMALL) else {
        return;
    };
    assert!(depth(&value) <= Limits::SMALL.depth_max);
    assert_eq!(
        json::value(written(&value).as_bytes(), Limits::SMALL).as_ref(),
        Ok(&value)
    );
    serde_json::from_slice::<IgnoredAny>(bytes).expect("we accept no more than others do");
    if let Ok(ours) = json::from_slice::<serde_json::Value>(bytes, Limits::SMALL) {
        let theirs: serde_json::Value =
            serde_json::from_slice(bytes).expect("numbers in range are read by others too");
        assert!(is_same(&ours, &theirs), "{ours} is not {theirs}");
    }
}

pub(super) fn json_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"a":[1,-2.5e3,true,false,null],"b":{"c":"\u00e9\ud83d\ude00\n\"\\\/"},"":[]}"#,
        r#"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"#,
        r#"{"a":1,"a":1}"#,
        " [18446744073709551615,-9223372036854775808,1e308,-0,0.0] ",
        r#"{"k0":0,"k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9,"ka":0,"kb":1,"kc":2,"kd":3,"ke":4,"kf":5,"kg":6,"kh":7}"#,
        "\"\\ud800\"",
        "{} {}",
    ])
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        _ => 0,
    }
}

fn written(value: &Value) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) => text.clone(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(written).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let member =
                |(key, value): &(String, Value)| format!("{}:{}", quoted(key), written(value));
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// Equal but for the last digit of a float: the common reader rounds it faster than right.
fn is_same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-14,
            _ => false,
        },
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Object(a), Object(b)) => {
            let is_member = |(key, a)| b.get(key).is_some_and(|b| is_same(a, b));
            a.len() == b.len() && a.iter().all(is_member)
        }
        _ => a == b,
    }
}

/// The file as it is, and with the length of its header put right: few changes leave that right.
pub(super) fn safetensors(bytes: &[u8]) {
    read_safetensors(bytes);
    if let Some((_, rest)) = bytes.split_first_chunk::<8>() {
        let end = rest.iter().rposition(|byte| *byte == b'}');
        let (header, data) = rest.split_at(end.map_or(0, |end| end + 1));
        let length = header.len() as u64;
        read_safetensors(&[&length.to_le_bytes(), header, data].concat());
    }
}

/// What is accepted is read to the last byte, and to no other byte.
fn read_safetensors(bytes: &[u8]) {
    let Ok(layout) = safetensors::read(bytes) else {
        return;
    };
    let header = &layout.header;
    let mut names = BTreeSet::new();
    let mut at = header.data_start;
    for (info, data) in layout.tensors() {
        assert!(names.insert(&info.name), "no name stands twice");
        let elements: u64 = info.shape.iter().product();
        assert_eq!(elements * info.dtype.size_bytes(), data.len() as u64);
        at += data.len() as u64;
    }
    assert_eq!(names.len(), header.tensors.len());
    assert_eq!(at, bytes.len() as u64, "each byte is in one tensor");
    let (prefix, _) = bytes.split_at(usize::try_from(header.data_start).unwrap_or(usize::MAX));
    assert_eq!(
        safetensors::read_header(prefix, at).as_ref(),
        Ok(header),
        "the header alone says the same"
    );
    assert!(safetensors::read(&bytes[..bytes.len() - 1]).is_err());
    assert!(safetensors::read(&[bytes, &[0]].concat()).is_err());
}

pub(super) fn safetensors_seeds() -> Vec<Vec<u8>> {
    let two = r#"{"__metadata__":{"by":"us"},"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;
    let empty = r#"{"e":{"dtype":"F64","shape":[0,7],"data_offsets":[0,0]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#;
    let overlapping = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#;
    vec![
        files::safetensors(two, &[0, 0, 128, 63, 1, 2, 3]),
        files::safetensors(empty, &[0]),
        files::safetensors("{}  ", &[]),
        files::safetensors(overlapping, &[0; 6]),
    ]
}
