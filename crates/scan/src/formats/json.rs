//! JSON: configurations and architectures. Harmless unless they name code or hold a template.

use std::io;

use decode::json::{Limits, Value, value};

use crate::formats::text;
use crate::input::Input;
use crate::report::Findings;
use crate::rules::Id;

/// Keys by which loaders fetch or run code, whatever the value.
const CODE_KEYS: &[&str] = &[
    "auto_map",
    "auto_mapping",
    "custom_generate",
    "custom_pipeline",
    "custom_pipelines",
    "loader_module",
    "_target_",
    "__lambda__",
    "chat_template",
    "default_chat_template",
];

/// Whether a file begins as JSON that holds others.
pub(crate) fn is_likely(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    matches!(head.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Reads one document whole, if it is small and strict.
pub(crate) fn scan(input: &mut Input<'_>, findings: &mut Findings) -> io::Result<()> {
    let limits = Limits::SMALL;
    if input.size() > limits.size_bytes_max as u64 {
        findings.not_read("the JSON is longer than 1 MiB");
        return Ok(());
    }
    match value(&input.bytes_at(0, limits.size_bytes_max)?, limits) {
        Ok(document) => judge(&document, findings),
        Err(error) => findings.not_read(format!("not strict JSON: {error}")),
    }
    Ok(())
}

/// The depth of the document is limited by its reader.
fn judge(value: &Value, findings: &mut Findings) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                judge_member(key, value, findings);
                judge(value, findings);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| judge(item, findings)),
        Value::String(text) => text::judge_template(text, findings),
        _ => {}
    }
}

fn judge_member(key: &str, value: &Value, findings: &mut Findings) {
    let trusts = key == "trust_remote_code" && *value == Value::Bool(true);
    let lambda =
        key == "class_name" && matches!(value.as_str(), Some("Lambda" | "TorchModuleWrapper"));
    let keras = key == "module" && matches!(value.as_str(), Some(module) if !is_keras(module));
    if trusts || lambda || keras || CODE_KEYS.contains(&key) {
        let what = format!("`{}` names code or a template", key.escape_debug());
        findings.add(Id::Configured, 0, what);
    }
}

fn is_keras(module: &str) -> bool {
    module == "builtins" || module == "keras" || module.starts_with("keras.")
}
