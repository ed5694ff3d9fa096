//! TOML's values as JSON's, so that one reader reads both.

use decode::json::Value;
use trust::toml_cause;

use crate::PolicyError;

const SIZE_BYTES_MAX: usize = 1 << 20;

/// Reads a file of at most 1 MiB.
pub(crate) fn table(file: &str, bytes: &[u8]) -> Result<Value, PolicyError> {
    let refused = |cause: String| PolicyError::Toml {
        file: file.to_owned(),
        cause,
    };
    if bytes.len() > SIZE_BYTES_MAX {
        return Err(refused("it is longer than 1 MiB".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| refused(toml_cause(text, &e)))?;
    Ok(members(table))
}

fn members(table: toml::Table) -> Value {
    Value::Object(
        table
            .into_iter()
            .map(|(key, value)| (key, converted(value)))
            .collect(),
    )
}

/// Dates have no place in a policy and become nothing.
fn converted(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(number.to_string()),
        toml::Value::Float(number) => Value::Number(format!("{number:?}")),
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(_) => Value::Null,
        toml::Value::Array(items) => Value::Array(items.into_iter().map(converted).collect()),
        toml::Value::Table(table) => members(table),
    }
}
