//! A policy's objects, read strictly: every key known, every value of its type, and the place of what is not.

use std::collections::{BTreeMap, BTreeSet};

use decode::json::Value;

use crate::PolicyError;

/// The longest text in a policy: no identity, name or URI that people write is longer.
const TEXT_SIZE_BYTES_MAX: usize = 2048;
const LIST_MAX: usize = 10_000;
const LIKENESS_MIN: f64 = 0.75;

/// One object of a policy, all of whose keys are known.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    file: &'a str,
    place: String,
    value: &'a Value,
}

impl<'a> Fields<'a> {
    /// The whole document.
    pub(crate) fn of_document(
        file: &'a str,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, PolicyError> {
        Self::read(file, String::new(), value, known)
    }

    fn read(
        file: &'a str,
        place: String,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, PolicyError> {
        let fields = Self { file, place, value };
        let members = value
            .as_object()
            .ok_or_else(|| fields.refused_here("an object is expected"))?;
        for (key, _) in members {
            if !known.contains(&key.as_str()) {
                return Err(PolicyError::UnknownKey {
                    file: file.to_owned(),
                    place: fields.name(),
                    key: key.chars().take(80).collect(),
                    nearest: nearest(key, known.iter().copied()).map(str::to_owned),
                });
            }
        }
        Ok(fields)
    }

    pub(crate) fn optional(&self, key: &str) -> Option<&'a Value> {
        self.value.member(key)
    }

    pub(crate) fn required(&self, key: &str) -> Result<&'a Value, PolicyError> {
        self.optional(key).ok_or_else(|| PolicyError::MissingKey {
            file: self.file.to_owned(),
            place: self.name(),
            key: key.to_owned(),
        })
    }

    pub(crate) fn object(&self, key: &str, known: &[&str]) -> Result<Self, PolicyError> {
        Self::read(self.file, self.at(key), self.required(key)?, known)
    }

    /// The objects of a list, which has at least one.
    pub(crate) fn objects(&self, key: &str, known: &[&str]) -> Result<Vec<Self>, PolicyError> {
        let items = self.list(key)?.iter().enumerate();
        let read = |(i, item)| Self::read(self.file, format!("{}[{i}]", self.at(key)), item, known);
        items.map(read).collect()
    }

    /// A text without surrounding space or control characters, not empty.
    pub(crate) fn text(&self, key: &str) -> Result<&'a str, PolicyError> {
        let refused = |rule: &str| Err(self.refused(key, rule));
        let Some(text) = self.required(key)?.as_str() else {
            return refused("a text is expected");
        };
        text_rule(text).map_or(Ok(text), refused)
    }

    /// A text of visible ASCII characters alone: what is compared letter by letter must not look like another.
    pub(crate) fn identity(&self, key: &str) -> Result<&'a str, PolicyError> {
        let text = self.text(key)?;
        if text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(text)
        } else {
            Err(self.refused(key, "it is compared letter by letter: visible ASCII alone"))
        }
    }

    /// Different texts, at least one.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, PolicyError> {
        let mut seen = BTreeSet::new();
        let mut texts = Vec::new();
        for item in self.list(key)? {
            let Some(text) = item.as_str() else {
                return Err(self.refused(key, "texts are expected"));
            };
            if let Some(rule) = text_rule(text) {
                return Err(self.refused(key, rule));
            }
            if !seen.insert(text) {
                return Err(self.refused(key, "a text stands twice in it"));
            }
            texts.push(text.to_owned());
        }
        Ok(texts)
    }

    /// As [`Self::texts`]; none where the key is not there.
    pub(crate) fn texts_if_any(&self, key: &str) -> Result<Vec<String>, PolicyError> {
        self.optional(key)
            .map_or(Ok(Vec::new()), |_| self.texts(key))
    }

    /// Texts by names that the format does not fix, each of which `rule` allows.
    pub(crate) fn named_texts(
        &self,
        key: &str,
        rule: impl Fn(&str, &str) -> Option<String>,
    ) -> Result<BTreeMap<String, String>, PolicyError> {
        let members = self.required(key)?.as_object();
        let members = members.ok_or_else(|| self.refused(key, "a table is expected"))?;
        if members.is_empty() || members.len() > LIST_MAX {
            return Err(self.refused(key, "it names nothing, or too much"));
        }
        let mut texts = BTreeMap::new();
        for (name, value) in members {
            let text = value
                .as_str()
                .ok_or_else(|| self.refused(key, "texts are expected"))?;
            let broken = text_rule(text)
                .map(str::to_owned)
                .or_else(|| rule(name, text));
            if let Some(broken) = broken {
                return Err(self.refused(key, &broken));
            }
            texts.insert(name.clone(), text.to_owned());
        }
        Ok(texts)
    }

    /// A number with or without a point, neither infinite nor none.
    pub(crate) fn decimal(&self, key: &str) -> Result<Option<f64>, PolicyError> {
        let Some(value) = self.optional(key) else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite());
        number
            .map(Some)
            .ok_or_else(|| self.refused(key, "a number is expected"))
    }

    /// A whole number, written without point or exponent.
    pub(crate) fn number(&self, key: &str, max: u64) -> Result<u64, PolicyError> {
        let number = self.required(key)?.as_u64().filter(|number| *number <= max);
        number.ok_or_else(|| self.refused(key, &format!("a whole number from 0 to {max}")))
    }

    /// A SLSA Build level.
    pub(crate) fn level(&self, key: &str) -> Result<u8, PolicyError> {
        self.number(key, 4)
            .map(|level| u8::try_from(level).unwrap_or(0))
    }

    /// The error that this key's value breaks a rule.
    pub(crate) fn refused(&self, key: &str, rule: &str) -> PolicyError {
        PolicyError::Value {
            file: self.file.to_owned(),
            place: format!("`{}`", self.at(key)),
            rule: rule.to_owned(),
        }
    }

    fn refused_here(&self, rule: &str) -> PolicyError {
        PolicyError::Value {
            file: self.file.to_owned(),
            place: self.name(),
            rule: rule.to_owned(),
        }
    }

    fn list(&self, key: &str) -> Result<&'a [Value], PolicyError> {
        match self.required(key)?.as_array() {
            Some([]) => Err(self.refused(key, "at least one is expected")),
            Some(items) if items.len() > LIST_MAX => Err(self.refused(key, "too many")),
            Some(items) => Ok(items),
            None => Err(self.refused(key, "a list is expected")),
        }
    }

    fn at(&self, key: &str) -> String {
        if self.place.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.place)
        }
    }

    fn name(&self) -> String {
        if self.place.is_empty() {
            "the document".to_owned()
        } else {
            format!("`{}`", self.place)
        }
    }
}

/// The one of these words that is most like this one, if any is at all.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .map(|known| (strsim::jaro_winkler(&word, &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn text_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("a text that is not empty is expected")
    } else if text.len() > TEXT_SIZE_BYTES_MAX {
        Some("the text is too long")
    } else if text.trim() != text {
        Some("there is space around the text")
    } else if text.chars().any(char::is_control) {
        Some("there is a control character in the text")
    } else {
        None
    }
}
