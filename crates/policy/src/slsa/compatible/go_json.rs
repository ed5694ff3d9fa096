//! JSON as Go's `encoding/json` fills structures: unknown keys read past, keys matched in any case, later ones over
//! earlier ones, `null` as nothing said.

use std::collections::BTreeMap;

use decode::json::Value;

use super::{Answer, Class};

/// Something that a document is filled into, possibly more than once.
pub(super) trait Fill: Default {
    fn fill(&mut self, value: &Value) -> Answer<()>;
}

/// Reads a document into a structure.
pub(super) fn unmarshal<T: Fill>(bytes: &[u8]) -> Answer<T> {
    // Unlike our own reader, this one keeps keys that stand twice.
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Class::Other)?;
    filled(&value)
}

/// A new structure filled with a value.
pub(super) fn filled<T: Fill>(value: &Value) -> Answer<T> {
    let mut out = T::default();
    out.fill(value)?;
    Ok(out)
}

/// A structure with the JSON key of each of its fields.
macro_rules! structure {
    ($name:ident { $($field:ident $key:literal: $type:ty),* $(,)? }) => {
        #[derive(Debug, Default)]
        struct $name { $($field: $type),* }

        impl $crate::slsa::compatible::go_json::Fill for $name {
            fn fill(
                &mut self,
                value: &decode::json::Value,
            ) -> $crate::slsa::compatible::Answer<()> {
                use $crate::slsa::compatible::go_json::{Fill, fill_object};
                fill_object(value, &[$($key),*], |key, value| match key {
                    $($key => Fill::fill(&mut self.$field, value),)*
                    _ => Ok(()),
                })
            }
        }
    };
}
pub(super) use structure;

/// Fills a structure: `field` gives the place of a known key.
pub(super) fn fill_object(
    value: &Value,
    known: &[&'static str],
    mut field: impl FnMut(&'static str, &Value) -> Answer<()>,
) -> Answer<()> {
    match value {
        Value::Null => Ok(()),
        Value::Object(members) => {
            for (key, value) in members {
                let exact = known.iter().find(|known| *known == key);
                let folded = || known.iter().find(|known| folded(known) == folded(key));
                if let Some(name) = exact.or_else(folded) {
                    field(name, value)?;
                }
            }
            Ok(())
        }
        _ => Err(Class::Other),
    }
}

/// Go folds two letters beside ASCII's onto ASCII: the long s and the Kelvin sign.
fn folded(key: &str) -> String {
    key.chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ſ' { 's' } else { c })
        .collect()
}

impl Fill for String {
    fn fill(&mut self, value: &Value) -> Answer<()> {
        match value {
            Value::Null => {}
            Value::String(text) => self.clone_from(text),
            _ => return Err(Class::Other),
        }
        Ok(())
    }
}

impl Fill for i64 {
    fn fill(&mut self, value: &Value) -> Answer<()> {
        match value {
            Value::Null => {}
            Value::Number(text) => *self = text.parse().map_err(|_| Class::Other)?,
            _ => return Err(Class::Other),
        }
        Ok(())
    }
}

/// A pointer or a map: `null` empties it.
impl<T: Fill> Fill for Option<T> {
    fn fill(&mut self, value: &Value) -> Answer<()> {
        if *value == Value::Null {
            *self = None;
            return Ok(());
        }
        self.get_or_insert_default().fill(value)
    }
}

/// A slice: a second one is filled over the first.
impl<T: Fill> Fill for Vec<T> {
    fn fill(&mut self, value: &Value) -> Answer<()> {
        match value {
            Value::Null => self.clear(),
            Value::Array(items) => {
                self.resize_with(items.len(), T::default);
                for (place, item) in self.iter_mut().zip(items) {
                    place.fill(item)?;
                }
            }
            _ => return Err(Class::Other),
        }
        Ok(())
    }
}

/// A map's values are new each time.
impl<T: Fill> Fill for BTreeMap<String, T> {
    fn fill(&mut self, value: &Value) -> Answer<()> {
        let members = value.as_object().ok_or(Class::Other)?;
        for (key, value) in members {
            let mut item = T::default();
            item.fill(value)?;
            self.insert(key.clone(), item);
        }
        Ok(())
    }
}

/// Anything at all.
#[derive(Debug, Clone)]
pub(super) struct Any(pub(super) Value);

impl Default for Any {
    fn default() -> Self {
        Self(Value::Null)
    }
}

impl Fill for Any {
    fn fill(&mut self, value: &Value) -> Answer<()> {
        self.0 = value.clone();
        Ok(())
    }
}
