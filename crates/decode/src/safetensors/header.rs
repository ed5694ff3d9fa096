//! The header: from bytes to tensors that are known to tile the data.

use std::ops::Range;

use super::{Dtype, Error, Header, TensorInfo, prefix_size_bytes};
use crate::json::{self, Value};

/// The header is an object of objects of arrays; deeper is not the format.
const DEPTH_MAX: usize = 8;

/// Reads the header alone, for a file that is streamed; `prefix` holds at least [`prefix_size_bytes`] bytes of it.
///
/// # Errors
/// The header breaks an invariant of the format, or its tensors would not tile the data of a file that long.
pub fn read_header(prefix: &[u8], file_size_bytes: u64) -> Result<Header, Error> {
    let data_start = prefix_size_bytes(prefix, file_size_bytes)?;
    let end = usize::try_from(data_start).unwrap_or(usize::MAX);
    let text = prefix.get(8..end).ok_or(Error::HeaderPastEnd {
        header_bytes: data_start - 8,
        file_size_bytes,
    })?;
    if text.first() != Some(&b'{') {
        return Err(Error::HeaderStart);
    }
    let limits = json::Limits {
        size_bytes_max: text.len(),
        depth_max: DEPTH_MAX,
    };
    let value = json::value(text, limits).map_err(Error::HeaderJson)?;
    let Value::Object(members) = value else {
        return Err(Error::HeaderStart);
    };
    let mut metadata = Vec::new();
    let mut tensors = Vec::new();
    for (name, value) in members {
        if name == "__metadata__" {
            metadata = texts(value)?;
        } else {
            tensors.push(tensor(name, &value)?);
        }
    }
    tensors.sort_by_key(|info| (info.bytes.start, info.bytes.end));
    check_tiling(&tensors, file_size_bytes - data_start)?;
    Ok(Header {
        tensors,
        metadata,
        data_start,
    })
}

fn texts(metadata: Value) -> Result<Vec<(String, String)>, Error> {
    let Value::Object(members) = metadata else {
        return Err(Error::Metadata);
    };
    let text = |(key, value)| match value {
        Value::String(text) => Ok((key, text)),
        _ => Err(Error::Metadata),
    };
    members.into_iter().map(text).collect()
}

fn tensor(name: String, value: &Value) -> Result<TensorInfo, Error> {
    if !is_plain_name(&name) {
        return Err(Error::Name { name });
    }
    let Some((dtype, shape, bytes)) = description(value) else {
        return Err(Error::Description { name });
    };
    let Some(dtype) = Dtype::named(dtype) else {
        let dtype = dtype.to_owned();
        return Err(Error::UnknownDtype { name, dtype });
    };
    let Some(span_bytes) = bytes.end.checked_sub(bytes.start) else {
        return Err(Error::Backwards { name });
    };
    if size_bytes(dtype, &shape) != Some(span_bytes) {
        return Err(Error::Span { name, span_bytes });
    }
    Ok(TensorInfo {
        name,
        dtype,
        shape,
        bytes,
    })
}

/// The three members that describe a tensor, if they are there and nothing else is.
fn description(value: &Value) -> Option<(&str, Vec<u64>, Range<u64>)> {
    if value.as_object()?.len() != 3 {
        return None;
    }
    let dtype = value.member("dtype")?.as_str()?;
    let shape = value.member("shape")?.as_array()?;
    let shape = shape.iter().map(Value::as_u64).collect::<Option<_>>()?;
    let [begin, end] = value.member("data_offsets")?.as_array()? else {
        return None;
    };
    Some((dtype, shape, begin.as_u64()?..end.as_u64()?))
}

fn size_bytes(dtype: Dtype, shape: &[u64]) -> Option<u64> {
    shape
        .iter()
        .try_fold(dtype.size_bytes(), |size, dim| size.checked_mul(*dim))
}

/// Names become keys and, in some tools, file names: none may leave a folder.
fn is_plain_name(name: &str) -> bool {
    let mut components = name.split(['/', '\\']);
    !name.is_empty()
        && !name.contains('\0')
        && !name.starts_with(['/', '\\'])
        && components.all(|component| component != "..")
        && name.get(1..2) != Some(":")
}

fn check_tiling(tensors: &[TensorInfo], data_bytes: u64) -> Result<(), Error> {
    let mut expected = 0;
    for info in tensors {
        if info.bytes.start != expected {
            return Err(Error::NotAdjacent {
                name: info.name.clone(),
                begin: info.bytes.start,
                expected,
            });
        }
        expected = info.bytes.end;
    }
    if expected != data_bytes {
        return Err(Error::DataLength {
            tensors_end: expected,
            data_bytes,
        });
    }
    Ok(())
}
