//! The words as they were typed, made into the words that are parsed: `_` or `-`, the method that is meant where none is
//! named, and flags from JSON.

use std::ffi::OsString;
use std::io::Read;

use decode::json::{self, Limits, Value};

use super::refused::{Refused, file_error};

/// Words that take one of the methods.
const VERBS: [&str; 3] = ["sign", "verify", "hand-over"];
const METHODS: [&str; 5] = [
    "sigstore",
    "key",
    "certificate",
    "pkcs11-key",
    "pkcs11-certificate",
];
/// Options before a verb whose value is a word of its own.
const WITH_VALUE: [&str; 6] = [
    "--log-level",
    "--log-format",
    "--output-file",
    "--timeout",
    "-t",
    "--json",
];
const JSON_SIZE_BYTES_MAX: u64 = 4 << 20;

/// Spells the words as the parser knows them.
pub(super) fn spelled(typed: impl Iterator<Item = OsString>) -> Result<Vec<OsString>, Refused> {
    let mut ours = true;
    let words = typed.map(|word| {
        ours &= word != "--";
        if ours { hyphenated(word) } else { word }
    });
    let mut words: Vec<OsString> = words.collect();
    let objects = take_objects(&mut words)?;
    name_method(&mut words);
    for object in &objects {
        insert_flags(&mut words, object)?;
    }
    Ok(words)
}

/// A flag's name with hyphens; its value as it is.
fn hyphenated(word: OsString) -> OsString {
    match word.to_str() {
        Some(text) if text.starts_with("--") => {
            let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
            format!("{}{value}", name.replace('_', "-")).into()
        }
        Some("pkcs11_key") => "pkcs11-key".into(),
        Some("pkcs11_certificate") => "pkcs11-certificate".into(),
        _ => word,
    }
}

/// The position of the first word that is no option.
fn verb(words: &[OsString]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.to_str() {
            Some(option) if WITH_VALUE.contains(&option) => at += 2,
            Some(option) if option.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
    None
}

/// Without a method, all that follows the verb is `sigstore`'s.
fn name_method(words: &mut Vec<OsString>) {
    let is_verb = |at: &usize| VERBS.iter().any(|verb| words[*at] == *verb);
    let Some(verb) = verb(words).filter(is_verb) else {
        return;
    };
    let needs_one = words.get(verb + 1).is_some_and(|next| {
        let is_help = *next == "-h" || *next == "--help";
        !is_help && !METHODS.iter().any(|method| *next == *method)
    });
    if needs_one {
        words.insert(verb + 1, "sigstore".into());
    }
}

/// Takes `--json OBJECT|FILE|-` out, each as its members.
fn take_objects(words: &mut Vec<OsString>) -> Result<Vec<Vec<(String, Value)>>, Refused> {
    let mut objects = Vec::new();
    let mut has_read_input = false;
    let mut at = 0;
    while at < words.len() && words[at] != "--" {
        let text = words[at].to_str().unwrap_or_default().to_owned();
        let given = if text == "--json" {
            words.remove(at);
            let missing = || Refused::new("Option '--json' requires an argument.", "");
            let value = (at < words.len()).then(|| words.remove(at));
            value.ok_or_else(missing)?
        } else if let Some(value) = text.strip_prefix("--json=") {
            words.remove(at);
            value.into()
        } else {
            at += 1;
            continue;
        };
        let bytes = bytes_of(&given, &mut has_read_input)?;
        let unfit = |why: String| Refused::new(format!("--json: {why}"), "give one JSON object");
        let value = json::value(&bytes, Limits::LARGE).map_err(|e| unfit(e.to_string()))?;
        match value {
            Value::Object(members) => objects.push(members),
            _ => return Err(unfit("must be a JSON object".to_owned())),
        }
    }
    Ok(objects)
}

fn bytes_of(given: &OsString, has_read_input: &mut bool) -> Result<Vec<u8>, Refused> {
    let text = given.to_str().unwrap_or_default().trim();
    if text.starts_with('{') {
        return Ok(text.as_bytes().to_vec());
    }
    if text == "-" {
        if std::mem::replace(has_read_input, true) {
            return Err(Refused::new("only one --json - can read stdin", ""));
        }
        let mut bytes = Vec::new();
        let input = std::io::stdin().lock();
        let read = input.take(JSON_SIZE_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|e| file_error("-".as_ref(), &e))?;
        return Ok(bytes);
    }
    let path = given.as_ref();
    host::named_file::read(path, JSON_SIZE_BYTES_MAX).map_err(|e| file_error(path, &e))
}

/// Adds each member as a flag, unless the same flag was typed: what was typed counts.
fn insert_flags(words: &mut Vec<OsString>, members: &[(String, Value)]) -> Result<(), Refused> {
    let mut flags = Vec::new();
    let mut seen = Vec::new();
    for (name, value) in members {
        let flag = format!("--{}", name.replace('_', "-"));
        if seen.contains(&flag) {
            let text = format!("--json: two keys are `{flag}`");
            return Err(Refused::new(text, "name it once"));
        }
        let is_typed = |word: &OsString| {
            let text = word.to_str().unwrap_or_default();
            let rest = text.strip_prefix(&flag);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
                || text.strip_prefix("--no-") == flag.strip_prefix("--")
        };
        if !words.iter().any(is_typed) {
            for text in texts(name, value)? {
                flags.push(format!("{flag}={text}").into());
            }
        }
        seen.push(flag);
    }
    let end = words.iter().position(|word| word == "--");
    words.splice(
        end.unwrap_or(words.len())..end.unwrap_or(words.len()),
        flags,
    );
    Ok(())
}

/// A value as it is typed; more than one for a list.
fn texts(name: &str, value: &Value) -> Result<Vec<String>, Refused> {
    Ok(match value {
        Value::String(text) => vec![text.clone()],
        Value::Bool(yes) => vec![yes.to_string()],
        Value::Number(number) => vec![number.to_string()],
        Value::Null => vec![],
        Value::Array(values) => {
            let mut all = Vec::new();
            for value in values {
                all.extend(texts(name, value)?);
            }
            all
        }
        Value::Object(_) => {
            let text = format!("--json: `{name}` is an object, and no flag takes one");
            return Err(Refused::new(
                text,
                "give a string, a number, a list or a yes or no",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, wanted: &str) {
        let words = typed.split_whitespace().map(OsString::from);
        let spelled = spelled(words).unwrap();
        let spelled: Vec<_> = spelled.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(spelled.join(" "), wanted, "{typed}");
    }

    #[test]
    fn words_are_spelled_both_ways() {
        check(
            "sign key m_1 --private_key a_b",
            "sign key m_1 --private-key a_b",
        );
        check("verify key --public_key=a_b", "verify key --public-key=a_b");
        check("sign pkcs11_key", "sign pkcs11-key");
        check("verify key -- --a_b", "verify key -- --a_b");
    }

    #[test]
    fn without_a_method_sigstore_is_meant() {
        check("sign m", "sign sigstore m");
        check(
            "--log_level debug verify --identity x m",
            "--log-level debug verify sigstore --identity x m",
        );
        check("sign --help", "sign --help");
        check("sign", "sign");
        check("digest m", "digest m");
        check("sign certificate m", "sign certificate m");
    }

    #[test]
    fn flags_come_from_json_and_what_is_typed_counts() {
        check(
            r#"sign key --private-key a --json {"private_key":"b","model":"m","allow_symlinks":true,"ignore-paths":["x","y"]}"#,
            "sign key --private-key a --model=m --allow-symlinks=true --ignore-paths=x --ignore-paths=y",
        );
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"a_b":1,"a-b":2}"#,
            r#"{"a":{}}"#,
            "[]",
            "{",
            "nowhere.json",
        ] {
            let words = ["sign", "key", "--json", bad].map(OsString::from);
            assert!(spelled(words.into_iter()).is_err(), "{bad}");
        }
    }
}
