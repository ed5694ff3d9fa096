//! `docs/formats/output.schema.json`, and a checker of the part of JSON Schema that it uses. A keyword that the checker
//! does not know fails the test: nothing is passed over.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use decode::json::Limits;
use serde_json::Value;

use crate::bands::house;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let path = house().join("docs/formats/output.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
});

/// One line, one object, read with the strict reader.
pub(crate) fn strict(stdout: &[u8]) -> Value {
    let text = std::str::from_utf8(stdout).unwrap();
    assert!(
        text.ends_with('\n') && text.lines().count() == 1,
        "one line was expected: {text:?}"
    );
    let value = decode::json::value(text.trim_end().as_bytes(), Limits::LARGE).unwrap();
    assert!(value.as_object().is_some());
    serde_json::from_slice(stdout).unwrap()
}

/// The command and its subcommand, as the document calls them.
pub(crate) fn command_of(line: &str) -> String {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    match (first, words.next()) {
        (
            "approve" | "bundle" | "dataset" | "key" | "keyless" | "log" | "policy" | "store",
            Some(second),
        ) => {
            format!("{first}-{second}")
        }
        ("artifact", Some("repo")) => {
            format!("artifact-repo-{}", words.next().unwrap_or_default())
        }
        ("help", Some("error")) => match words.next() {
            Some(_) => "help-error".to_owned(),
            None => "help-errors".to_owned(),
        },
        // The document calls something else by the bare word.
        ("digest", _) => "digest-of-model".to_owned(),
        ("help", Some("environment")) => "help-environment".to_owned(),
        _ => first.to_owned(),
    }
}

/// Checks an answer against the form of its command, or of a no, or of no answer; says which one it was.
pub(crate) fn check(command: &str, answer: &Value) -> String {
    let forms = match answer["result"].as_str() {
        Some("allowed") => vec![command.to_owned()],
        Some(word) => vec![format!("{command}-{word}"), word.to_owned()],
        None => panic!("{command}: no result in {answer:#}"),
    };
    let mut problems = Vec::new();
    for form in forms {
        match SCHEMA["$defs"]
            .get(&form)
            .map(|schema| fits(schema, answer, "$"))
        {
            Some(Ok(())) => return form,
            Some(Err(problem)) => problems.push(format!("{form}: {problem}")),
            None => problems.push(format!("the document has no `{form}`")),
        }
    }
    panic!("{command}: {problems:#?}\n{answer:#}");
}

/// Every form of an answer.
pub(crate) fn forms() -> BTreeSet<String> {
    let forms = SCHEMA["anyOf"].as_array().unwrap().iter();
    forms
        .map(|form| form["$ref"].as_str().unwrap().replace("#/$defs/", ""))
        .collect()
}

/// The members of a form, of whichever kind.
pub(crate) fn members_of(form: &str) -> BTreeSet<String> {
    let schema = &SCHEMA["$defs"][form];
    let own = std::iter::once(schema);
    let kinds = schema["anyOf"].as_array().into_iter().flatten();
    own.chain(kinds)
        .filter_map(|schema| schema["properties"].as_object())
        .flat_map(|members| members.keys().cloned())
        .collect()
}

/// Whether a value fits a schema; if not, where and why.
pub(crate) fn fits(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let rules = schema.as_object().ok_or(format!("{at}: no schema"))?;
    for (keyword, rule) in rules {
        match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().trim_start_matches("#/$defs/");
                fits(&SCHEMA["$defs"][name], value, at)?;
            }
            "type" => of_type(rule, value, at)?,
            "const" if rule == value => {}
            "const" => return Err(format!("{at}: {value} is not {rule}")),
            "enum" if rule.as_array().unwrap().contains(value) => {}
            "enum" => return Err(format!("{at}: {value} is none of {rule}")),
            "anyOf" => {
                let tried = rule.as_array().unwrap().iter();
                let tried: Vec<_> = tried.map(|schema| fits(schema, value, at)).collect();
                if tried.iter().all(Result::is_err) {
                    return Err(format!("{at}: fits none: {tried:?}"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(rule, item, &format!("{at}[{index}]"))?;
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        return Err(format!("{at}: {name} is missing"));
                    }
                }
            }
            "properties" => members(rules, value, at)?,
            "additionalProperties" => {}
            "minLength" => {
                let least = usize::try_from(rule.as_u64().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| text.len() < least) {
                    return Err(format!("{at}: {value} is shorter than {least}"));
                }
            }
            "minItems" => {
                let least = usize::try_from(rule.as_u64().unwrap()).unwrap();
                if value.as_array().is_some_and(|items| items.len() < least) {
                    return Err(format!("{at}: {value} has fewer than {least}"));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                return Err(format!("{at}: {value} is below {rule}"));
            }
            "maximum" if value.as_f64() > rule.as_f64() => {
                return Err(format!("{at}: {value} is above {rule}"));
            }
            "minimum" | "maximum" | "description" | "title" | "$schema" => {}
            other => panic!("the checker does not know `{other}`"),
        }
    }
    if !rules.contains_key("properties") && rules.contains_key("additionalProperties") {
        members(rules, value, at)?;
    }
    Ok(())
}

fn members(rules: &serde_json::Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    for (name, member) in object {
        let place = format!("{at}.{name}");
        let known = rules.get("properties").and_then(|known| known.get(name));
        match (known, rules.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => {
                fits(schema, member, &place)?
            }
            (None, Some(Value::Bool(true))) => {}
            // Stricter than JSON Schema: what is not written down is refused.
            (None, _) => return Err(format!("{place} is not in the document")),
        }
    }
    Ok(())
}

fn of_type(rule: &Value, value: &Value, at: &str) -> Result<(), String> {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the checker does not know the type `{other}`"),
    };
    let fits = match rule {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        other => panic!("{other} is no type"),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("{at}: {value} is not of type {rule}"))
    }
}
