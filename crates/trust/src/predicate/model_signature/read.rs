//! Reading the predicate: as the specification says it, and as released implementations wrote it.

use std::borrow::Cow;
use std::num::NonZeroU64;

use decode::json::{Raw, Value};
use digest::{Algorithm, Method, ResourceDigest};

use super::name::{Name, SINGLE_FILE};
use super::{ModelSignature, Resources, Spelling};
use crate::Error;

pub(super) const WHOLE: &str = "files";
pub(super) const SHARDS: &str = "shards";
/// The largest number that every JSON reader keeps exact.
const SHARD_SIZE_MAX: u64 = 1 << 53;

/// Some ten thousand paths to leave out.
const SERIALIZATION_SIZE_BYTES_MAX: usize = 1 << 20;

/// Whether this is version 1 with a later minor number than ours.
pub(super) fn is_later_minor(predicate_type: &str) -> bool {
    let minor = predicate_type.strip_prefix("https://model_signing/signature/v1.");
    minor.is_some_and(|minor| {
        let is_number = !minor.is_empty() && minor.bytes().all(|digit| digit.is_ascii_digit());
        is_number && !minor.starts_with('0') && minor.len() <= 4
    })
}

/// Reads a predicate. `is_strict` refuses what version 1.0 does not have.
pub(super) fn predicate(value: Raw<'_>, is_strict: bool) -> Result<ModelSignature, Error> {
    if is_strict {
        let names: Option<Vec<_>> = value
            .members()
            .map(|members| members.map(|m| m.0).collect());
        known(
            names.as_deref(),
            "the predicate",
            &["serialization", "resources"],
        )?;
    }
    let how = part(value, "serialization")?;
    if how.text().len() > SERIALIZATION_SIZE_BYTES_MAX {
        return refused("its `serialization` is longer than 1 MiB");
    }
    let how = &how.value();
    if is_strict {
        let names: Option<Vec<_>> = how.as_object().map(|members| {
            let names = members.iter().map(|(name, _)| Cow::Borrowed(name.as_str()));
            names.collect()
        });
        known(
            names.as_deref(),
            "`serialization`",
            &[
                "method",
                "hash_type",
                "shard_size",
                "allow_symlinks",
                "ignore_paths",
            ],
        )?;
    }
    let method = method(how)?;
    let follows_links = match member(how, "allow_symlinks")? {
        Value::Bool(follows) => *follows,
        _ => return refused("`allow_symlinks` is neither true nor false"),
    };
    let ignored = match how.member("ignore_paths") {
        None => Vec::new(),
        Some(paths) => strings(paths)?,
    };
    let listed = part(value, "resources")?.items();
    let listed = listed.ok_or_else(|| shape("`resources` is no list"))?;
    let (resources, spelling) = resources(listed, method)?;
    Ok(ModelSignature {
        method,
        follows_links,
        ignored,
        resources,
        spelling,
        is_first_release: false,
    })
}

fn method(how: &Value) -> Result<Method, Error> {
    let algorithm = text(how, "hash_type")?;
    let Some(algorithm) = Algorithm::from_word(algorithm) else {
        return refused(format!(
            "it is by `{algorithm}`; sha256, blake2b and blake3 are read"
        ));
    };
    let shard_size = match (text(how, "method")?, how.member("shard_size")) {
        (WHOLE, None) => None,
        (WHOLE, Some(_)) => return refused("it has a `shard_size` and signs whole files"),
        (SHARDS, Some(size)) => Some(shard_size(size)?),
        (SHARDS, None) => return refused("it signs pieces and does not say of which size"),
        (other, _) => {
            return refused(format!(
                "it is signed by the method `{other}`; files and shards are read"
            ));
        }
    };
    Ok(Method {
        algorithm,
        shard_size,
    })
}

/// A whole number, which the reference writes with a decimal point.
fn shard_size(value: &Value) -> Result<NonZeroU64, Error> {
    let refused = || shape("`shard_size` is not a whole number from 1 to 2^53");
    let Value::Number(number) = value else {
        return Err(refused());
    };
    let whole = match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return Err(refused()),
        None => number,
    };
    let size = whole.parse().ok().filter(|size| *size <= SHARD_SIZE_MAX);
    size.and_then(NonZeroU64::new).ok_or_else(refused)
}

/// One after the other: they may be many.
fn resources<'a>(
    listed: impl Iterator<Item = Raw<'a>>,
    method: Method,
) -> Result<(Resources, Spelling), Error> {
    let plain = method.algorithm.as_str();
    let sharded = method
        .shard_size
        .map(|size| format!("{plain}-sharded-{size}"));
    let mut spelling = Spelling::Interoperable;
    let mut resources = Resources::new(method.algorithm);
    for value in listed {
        let (name, algorithm) = (part_text(value, "name")?, part_text(value, "algorithm")?);
        if Name::of(&name, method).is_none() {
            return refused(format!("its file `{name}` has an unfit name"));
        }
        if algorithm == plain && sharded.is_some() {
            spelling = Spelling::Specification;
        } else if algorithm != plain && Some(&*algorithm) != sharded.as_deref() {
            return refused(format!(
                "its file `{name}` is by `{algorithm}`, and all are said to be by `{plain}`"
            ));
        }
        let digest = ResourceDigest::from_hex(method.algorithm, &part_text(value, "digest")?);
        if digest
            .and_then(|digest| resources.push(&name, &digest))
            .is_none()
        {
            return refused(format!("its file `{name}` has an unfit digest"));
        }
    }
    if resources.len() == 0 {
        return refused("it signs no file");
    }
    unambiguous(&resources, method)?;
    Ok((resources, spelling))
}

/// No name stands twice, no two pieces overlap, and where one is the model itself, all are.
pub(super) fn unambiguous(resources: &Resources, method: Method) -> Result<(), Error> {
    let place = |at: u32| place(resources.name(at as usize), method);
    let as_listed = || (0..).take(resources.len());
    // As a rule they are in order, and then nothing has to be put there.
    if !as_listed().is_sorted_by(|a, b| place(*a) < place(*b)) {
        let mut in_order: Vec<u32> = as_listed().collect();
        in_order.sort_unstable_by(|a, b| place(*a).cmp(&place(*b)));
        let pairs = in_order.iter().zip(in_order.iter().skip(1));
        let mut places = pairs.map(|(before, at)| (place(*before), place(*at)));
        if let Some((Some((path, _)), _)) = places.find(|(before, at)| before == at) {
            return refused(format!("it signs the file `{path}` twice"));
        }
    }
    let places = as_listed().filter_map(place);
    let singles = places.filter(|(path, _)| *path == SINGLE_FILE).count();
    if singles != 0 && singles != resources.len() {
        return refused("it signs the model as one file and as a folder");
    }
    Ok(())
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, Error> {
    value
        .member(name)
        .ok_or_else(|| shape(&format!("`{name}` is missing")))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Error> {
    member(value, name)?
        .as_str()
        .ok_or_else(|| shape(&format!("`{name}` is no text")))
}

/// The file, and where in it the resource begins. Each name was read before.
fn place(name: &str, method: Method) -> Option<(&str, u64)> {
    let name = Name::of(name, method)?;
    Some((name.path, name.span.map_or(0, |span| span.start)))
}

fn part<'a>(value: Raw<'a>, name: &str) -> Result<Raw<'a>, Error> {
    value
        .member(name)
        .ok_or_else(|| shape(&format!("`{name}` is missing")))
}

fn part_text<'a>(value: Raw<'a>, name: &str) -> Result<Cow<'a, str>, Error> {
    part(value, name)?
        .as_str()
        .ok_or_else(|| shape(&format!("`{name}` is no text")))
}

fn strings(value: &Value) -> Result<Vec<String>, Error> {
    let items = value
        .as_array()
        .ok_or_else(|| shape("`ignore_paths` is no list"))?;
    let text = |item: &Value| item.as_str().map(ToOwned::to_owned);
    let texts: Option<Vec<String>> = items.iter().map(text).collect();
    texts.ok_or_else(|| shape("`ignore_paths` holds what is no text"))
}

/// All of the names that are there are known ones.
fn known(there: Option<&[Cow<'_, str>]>, what: &str, names: &[&str]) -> Result<(), Error> {
    let there = there.ok_or_else(|| shape(&format!("{what} is no object")))?;
    match there.iter().find(|name| !names.contains(&&***name)) {
        None => Ok(()),
        Some(name) => refused(format!("{what} has the unknown member `{name}`")),
    }
}

fn shape(why: &str) -> Error {
    Error::StatementShape(why.to_owned())
}

fn refused<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::StatementShape(why.into()))
}
