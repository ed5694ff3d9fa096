//! Values as a person reads them: short, and with nothing in them that a terminal would obey.

use super::value::{Kind, Value};

/// How long a shown value may be, in characters.
const SHOWN_MAX: usize = 160;
/// How many items of a tuple or a list are shown.
const ITEMS_SHOWN: usize = 6;
/// How deep tuples are shown.
const DEPTH_SHOWN: u8 = 4;

/// A call as Python writes it.
pub(super) fn call(callee: &Value, arguments: &Value) -> String {
    let arguments = match arguments.as_tuple() {
        Some(items) => list(items, DEPTH_SHOWN),
        None => format!("*{}", render(arguments)),
    };
    short(format!("`{}({arguments})`", render(callee)))
}

/// A value as Python writes it, shortened.
pub(super) fn render(value: &Value) -> String {
    short(shown(value, DEPTH_SHOWN))
}

fn shown(value: &Value, depth: u8) -> String {
    match value {
        Value::None => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Int(number) => number.to_string(),
        Value::Number | Value::TorchMagic => "<number>".into(),
        Value::Text(text) => {
            let start: String = text.value.chars().take(SHOWN_MAX).collect();
            format!("{start:?}")
        }
        Value::Bytes(bytes) => format!("<{} bytes>", bytes.value.len()),
        Value::Data => "<data>".into(),
        Value::Mixed => "<something computed>".into(),
        Value::Tuple(_) if depth == 0 => "(...)".into(),
        Value::Tuple(tuple) => format!("({})", list(&tuple.items, depth - 1)),
        Value::Container(container) => match container.kind {
            Kind::List => format!("[{}]", list(&container.items.borrow(), depth.min(1))),
            Kind::Dict => "{...}".into(),
            Kind::Set => "{set}".into(),
        },
        Value::Global(global) => global.path.escape_default().to_string(),
        Value::Made(made) => match &made.by {
            Some(by) => format!("{}(...)", by.path.escape_default()),
            None => "<something computed>".into(),
        },
        Value::Storage(_) => "<storage>".into(),
        Value::Extension => "<extension>".into(),
    }
}

fn list(items: &[Value], depth: u8) -> String {
    let mut parts: Vec<_> = items
        .iter()
        .take(ITEMS_SHOWN)
        .map(|item| shown(item, depth))
        .collect();
    if items.len() > ITEMS_SHOWN {
        parts.push("...".into());
    }
    parts.join(", ")
}

fn short(text: String) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
