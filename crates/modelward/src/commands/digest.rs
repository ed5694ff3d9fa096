//! `modelward digest MODEL`

use std::num::NonZeroU64;
use std::path::PathBuf;

use digest::{Algorithm, ByName, Digest, Hasher, Method, ResourceDigest};
use serde_json::json;
use trust::Kind;

use super::sign::algorithm;
use crate::answer::{Answer, Failure};
use crate::lines::Lines;
use crate::model::{self, Model, default_ignored, left_out, left_out_line};
use crate::ui::Ui;

/// Print the digest of a model that its signature would have
///
/// It is over the digests of the files in the specification's order, by SHA-256 whatever hashes the files. What it is said
/// of is not signed by anybody.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward digest out/digits")]
pub(crate) struct Args {
    /// The model
    model: PathBuf,
    /// Leave out this path in the model, and all below it; git's files at its root always are, as with `sign`
    #[arg(long = "ignore", value_name = "PATH")]
    ignored: Vec<String>,
    /// Hash by `blake2b` or `blake3` rather than `sha256`
    #[arg(long, value_name = "NAME", value_parser = algorithm, default_value = "sha256")]
    hash: Algorithm,
    /// Hash pieces of so many bytes rather than whole files
    #[arg(long, value_name = "BYTES")]
    shard_size: Option<NonZeroU64>,
    /// Print the digest in the order of the Python reference as well, which sorts by folders first
    #[arg(long)]
    python_order: bool,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let beside = [default_ignored(), args.ignored.clone()].concat();
    let method = Method {
        algorithm: args.hash,
        shard_size: args.shard_size,
    };
    let (resources, manifest): (Listed, _) = match method == Method::WHOLE_SHA256 {
        true => {
            let model = Model::measure(&args.model, Kind::Model, &beside, ui)?;
            let manifest = model.artifact.digest();
            let files = model.artifact.into_files();
            (files.map(|file| file.digest.into()), Some(manifest))
        }
        false => {
            let measured = model::Resources::measure(&args.model, &beside, None, method, ui)?;
            let resources = measured.resources;
            (resources.map(|measured| measured.digest()), None)
        }
    };
    let ours = root(resources.iter());
    let theirs = root(in_python_order(&resources, method).into_iter());
    let left_out = left_out(&args.model, &beside);
    let mut text = Lines::from(ours.to_string());
    if let Some(manifest) = manifest {
        text.push(format!("in a store it is called {manifest}"));
    }
    if args.python_order {
        text.push(match theirs == ours {
            true => "in the order of the Python reference it is the same".to_owned(),
            false => format!("in the order of the Python reference it is {theirs}"),
        });
    }
    text.extend(left_out_line(&left_out, "covered by no signature"));
    let data = json!({"digest": ours.to_string(), "model": manifest.map(|digest| digest.to_string()),
                      "pythonOrder": theirs.to_string(), "resources": resources.len(), "ignored": left_out,
                      "method": method.to_string()});
    Ok(Answer::new(text, data))
}

type Listed = ByName<ResourceDigest>;

/// The digest over digests in an order.
fn root<'a>(listed: impl Iterator<Item = (&'a str, &'a ResourceDigest)>) -> Digest {
    let mut hasher = Hasher::new();
    for (_, digest) in listed {
        hasher.update(digest.raw());
    }
    hasher.finish()
}

/// As Python compares paths: name by name from the root; and pieces of a file by where they begin.
fn in_python_order(listed: &Listed, method: Method) -> Vec<(&str, &ResourceDigest)> {
    let mut listed: Vec<_> = listed.iter().collect();
    listed.sort_by(|(a, _), (b, _)| {
        let ((a, a_start), (b, b_start)) = (place(a, method), place(b, method));
        let paths = a.split('/').cmp(b.split('/'));
        paths.then(a_start.cmp(&b_start))
    });
    listed
}

/// The file that a resource is of, and where in it the resource begins.
fn place(name: &str, method: Method) -> (&str, u64) {
    let mut parts = name.rsplitn(3, ':');
    match (method.shard_size, parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(_), Some(start), Some(path)) => (path, start.parse().unwrap_or(0)),
        _ => (name, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(names: &[&str], method: Method) -> Vec<String> {
        let digest = ResourceDigest::from(Digest::of(b""));
        let names: Listed = names.iter().map(|name| (name, digest)).collect();
        let ordered = in_python_order(&names, method).into_iter();
        ordered.map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn python_sorts_by_folders_and_pieces_by_number() {
        assert_eq!(
            ordered(&["a-b/c", "a.txt", "a/b", "a b"], Method::WHOLE_SHA256),
            ["a/b", "a b", "a-b/c", "a.txt"]
        );
        let pieces = Method {
            algorithm: Algorithm::Sha256,
            shard_size: NonZeroU64::new(200),
        };
        assert_eq!(
            ordered(&["f:0:200", "f:1000:1100", "f:200:400", "f/g:0:5"], pieces),
            ["f:0:200", "f:200:400", "f:1000:1100", "f/g:0:5"]
        );
    }
}
