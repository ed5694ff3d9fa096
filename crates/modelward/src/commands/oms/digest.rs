//! `model_signing digest MODEL_PATH`

use digest::Hasher;
use serde_json::json;

use super::measure::{self, LeftOut};
use super::refused::Refused;
use super::sign::check_names;
use super::words::{DigestWords, Peer};
use crate::lines::harmless_json;
use crate::model::default_ignored;

/// The digest that a signature of this model would have for its subject.
pub(super) fn run(words: &DigestWords) -> Result<String, Refused> {
    let model = words.model.path();
    let links = words.model.allow_symlinks;
    let links = links
        .then(|| measure::links_folder(&words.model))
        .transpose()?;
    let mut ignored = measure::ignored(&words.model)?;
    ignored.extend(
        words
            .model
            .ignores_git()
            .then(default_ignored)
            .unwrap_or_default(),
    );
    let left_out = LeftOut::of(ignored);
    let method = words.hash.method();
    let measured = measure::measure(&model, &left_out, links.as_deref(), method)?;
    check_names(&measured, &model, method)?;
    let mut resources: Vec<_> = measured.resources.iter().collect();
    if words.compat == Some(Peer::Python) {
        // By the parts of the path; pieces by where they begin.
        resources.sort_by_cached_key(|(name, _)| match method.shard_size {
            None => (parts(name), 0),
            Some(_) => {
                let mut fields = name.rsplitn(3, ':');
                let start = fields.nth(1).and_then(|start| start.parse::<u64>().ok());
                (
                    parts(fields.next().unwrap_or(name)),
                    start.unwrap_or_default(),
                )
            }
        });
    }
    let mut root = Hasher::new();
    for (_, measured) in &resources {
        root.update(measured.digest().raw());
    }
    let root = root.finish();
    if !words.resources {
        return Ok(format!("sha256:{}", root.hex()));
    }
    let resource = |(name, measured): &(&str, &digest::MeasuredResource)| {
        let digest = measured.digest();
        json!({"name": name, "algorithm": digest.algorithm().as_str(), "digest": digest.hex()})
    };
    let resources: Vec<_> = resources.iter().map(resource).collect();
    let name = measure::name(&model)?;
    let list = json!({"name": name, "digest": root.hex(), "resources": resources});
    Ok(harmless_json(&list.to_string()))
}

fn parts(name: &str) -> Vec<String> {
    name.split('/').map(ToOwned::to_owned).collect()
}
