//! The safetensors format, as far as it takes to write one model.
//!
//! Eight bytes of header length, a JSON header padded with spaces to eight bytes, then the values
//! of every tensor, little-endian, one after the other. Names are sorted and there is no metadata,
//! so equal weights give equal bytes.

use std::{collections::BTreeMap, fmt::Write as _};

/// Numbers in rows, as a model file holds them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// Writes the tensors as one file of 32-bit floats, in the order of their names.
///
/// The names are this program's own: letters, digits and dots, which JSON takes unescaped.
pub(crate) fn to_bytes(tensors: &BTreeMap<&'static str, Tensor>) -> Vec<u8> {
    let mut header = header(tensors);
    header.extend(std::iter::repeat_n(
        ' ',
        header.len().next_multiple_of(8) - header.len(),
    ));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    for tensor in tensors.values() {
        bytes.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes
}

fn header(tensors: &BTreeMap<&'static str, Tensor>) -> String {
    let mut entries = Vec::new();
    let mut start = 0;
    for (name, Tensor { shape, values }) in tensors {
        let end = start + values.len() * size_of::<f32>();
        let mut entry = String::new();
        // `{shape:?}` of a vector of numbers is JSON. Writing to a string cannot fail.
        let _ = write!(
            entry,
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        );
        entries.push(entry);
        start = end;
    }
    format!("{{{}}}", entries.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn writes_sorted_names_shapes_and_values() {
        let tensors = BTreeMap::from([
            ("b.weight", tensor(&[2, 1], &[1.0, -2.5])),
            ("a.bias", tensor(&[1], &[0.5])),
        ]);
        let bytes = to_bytes(&tensors);
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        assert_eq!(length % 8, 0);
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let want = serde_json::json!({
            "a.bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "b.weight": {"dtype": "F32", "shape": [2, 1], "data_offsets": [4, 12]},
        });
        assert_eq!(header, want);
        let values: Vec<u8> = [0.5f32, 1.0, -2.5]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(bytes[8 + length..], values);
    }

    #[test]
    fn differs_when_a_value_differs() {
        let bytes = |value| to_bytes(&BTreeMap::from([("a", tensor(&[1], &[value]))]));
        assert_eq!(bytes(1.0), bytes(1.0));
        assert_ne!(bytes(1.0), bytes(1.000_000_1));
    }
}
