//! Checked text to types that derive `Deserialize`, without a [`Value`] between.

use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::parse::{Checked, Reader, Scalar};
use super::{Error, Raw, Value};

/// By this name a type asks for a value as it was written.
const AS_WRITTEN: &str = "modelward: a value as it was written";

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'{') => self.parts(|parts| visitor.visit_map(parts)),
            Some(b'[') => self.parts(|parts| visitor.visit_seq(parts)),
            _ => match self.scalar()? {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Number(text) => number(text, visitor),
                Scalar::String(text) => match text {
                    std::borrow::Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                    std::borrow::Cow::Owned(text) => visitor.visit_string(text),
                },
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek() == Some(b'n') {
            self.scalar()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == AS_WRITTEN {
            visitor.visit_borrowed_str(self.as_written()?)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Our formats name variants by a string alone.
        if self.peek() == Some(b'"') {
            visitor.visit_enum(self.string()?.into_deserializer())
        } else {
            Err(de::Error::custom("a name in quotes was expected"))
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.node::<Checked>()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

impl<'de> Reader<'de> {
    /// Lets `visit` take the parts of an array or object, which must be all of them.
    fn parts<T>(
        &mut self,
        visit: impl FnOnce(&mut Parts<'_, 'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.open()?;
        let mut parts = Parts {
            reader: self,
            is_first: true,
            is_over: false,
        };
        let value = visit(&mut parts)?;
        match parts.is_over || parts.reader.closes() {
            true => Ok(value),
            false => Err(de::Error::custom("it has more parts than expected")),
        }
    }
}

/// The parts of an array or object, one after the other.
struct Parts<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_first: bool,
    is_over: bool,
}

impl<'de> SeqAccess<'de> for Parts<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.is_over = self.is_over || !self.reader.next_item(self.is_first)?;
        self.is_first = false;
        if self.is_over {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let key = self.reader.next_key(self.is_first)?;
        self.is_first = false;
        self.is_over = key.is_none();
        key.map(|key| seed.deserialize(key.into_deserializer()))
            .transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }
}

/// An integer stays one; what was written with a point or an exponent is a float.
fn number<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, Error> {
    if let Ok(value) = text.parse::<u64>() {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = text.parse::<i64>() {
        return visitor.visit_i64(value);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => visitor.visit_f64(value),
        _ => Err(de::Error::custom(format!(
            "the number {text} is out of range"
        ))),
    }
}

/// So that a type can keep a part of a document as it was written. Only documents that this room reads have such parts.
impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(AS_WRITTEN, AsWritten)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(AS_WRITTEN, AnyValue)
    }
}

struct AsWritten;

impl<'de> Visitor<'de> for AsWritten {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Raw<'de>, E> {
        Ok(Raw(text))
    }
}

/// A value of a document of this room, as it was written; or whatever another reader, which may be laxer, comes by.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value, E> {
        Ok(Raw(text).value())
    }

    fn visit_newtype_struct<D: de::Deserializer<'de>>(self, other: D) -> Result<Value, D::Error> {
        other.deserialize_any(Foreign)
    }
}

struct Foreign;

impl<'de> Visitor<'de> for Foreign {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(member) = members.next_entry()? {
            out.push(member);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use crate::json::{Limits, Raw, Value, from_slice};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Policy {
        format: u32,
        #[serde(default)]
        ratio: Option<f64>,
        names: Vec<String>,
        levels: BTreeMap<String, u8>,
    }

    fn read(text: &str) -> Result<Policy, String> {
        from_slice(text.as_bytes(), Limits::SMALL).map_err(|e| e.to_string())
    }

    #[test]
    fn reads_types() {
        let policy = read(r#"{"format":1,"ratio":0.5,"names":["a"],"levels":{"x":3}}"#).unwrap();
        assert_eq!(
            (policy.format, policy.ratio, policy.levels["x"]),
            (1, Some(0.5), 3)
        );
    }

    #[test]
    fn refuses_other_shapes() {
        for (text, says) in [
            (
                r#"{"format":"1","names":[],"levels":{}}"#,
                "invalid type: string",
            ),
            (
                r#"{"format":1.0,"names":[],"levels":{}}"#,
                "invalid type: floating point",
            ),
            (
                r#"{"format":1,"names":[],"levels":{"x":300}}"#,
                "invalid value",
            ),
            (
                r#"{"format":1,"names":[],"levels":{},"nmaes":1}"#,
                "unknown field `nmaes`",
            ),
            (r#"{"format":1,"levels":{}}"#, "missing field `names`"),
            (r#"{"format":-1,"names":[],"levels":{}}"#, "invalid value"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn keeps_parts_as_they_were_written() {
        #[derive(Deserialize)]
        struct Kept<'a> {
            #[serde(borrow)]
            raw: Raw<'a>,
            value: Value,
            text: std::borrow::Cow<'a, str>,
            #[serde(default, borrow)]
            no_more: Option<Raw<'a>>,
        }
        let text = r#" {"more": [ {} , 1e0 ],"raw": { "a" : [1.0, "\u0061"] } ,"value":[1e0, 1],"text":"\n"} "#;
        let kept: Kept<'_> = from_slice(text.as_bytes(), Limits::SMALL).unwrap();
        assert_eq!(kept.raw.text(), r#"{ "a" : [1.0, "\u0061"] }"#);
        assert_eq!(
            kept.value,
            Value::Array(vec![Value::Number("1e0".into()), Value::Number("1".into())])
        );
        assert_eq!((&*kept.text, kept.no_more), ("\n", None));
        let items: Vec<_> = kept.raw.member("a").unwrap().items().unwrap().collect();
        assert_eq!(items[0].text(), "1.0");
        assert_eq!(items[1].as_str().as_deref(), Some("a"));
        assert_eq!(items[1].chars().unwrap().collect::<String>(), "a");
        let keys: Vec<_> = kept.raw.members().unwrap().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a"]);
        assert!(kept.raw.items().is_none() && items[0].members().is_none());
        assert!(kept.raw.member("b").is_none() && kept.raw.as_str().is_none());
    }

    #[test]
    fn refuses_fewer_and_more_parts_than_a_type_has() {
        let read = |text: &str| from_slice::<(u8, u8)>(text.as_bytes(), Limits::SMALL);
        assert_eq!(read("[1, 2]"), Ok((1, 2)));
        assert!(read("[1]").is_err() && read("[1,2,3]").is_err() && read("[]").is_err());
    }
}
