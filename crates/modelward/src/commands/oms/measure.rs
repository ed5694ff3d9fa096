//! What of a model is hashed: its files without those that are left out, through links or not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use digest::{Links, Method, Resources, Walk};
use trust::predicate::Form;

use super::refused::{Refused, link, not_a_file};
use super::words::ModelWords;
use crate::inside::{below, inside, real, root};
use crate::model::EmptyFiles;

/// A model on disk.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) form: Form,
    pub(super) resources: Resources,
    /// Where pieces were measured, the files that have none, since they are empty.
    pub(super) empty: Vec<String>,
}

/// What of a model is not looked at.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Paths in the model, each with all below it.
    pub(super) paths: Vec<String>,
    /// Where there are some, all others than these are left out too, and remembered.
    pub(super) others_than: Option<BTreeSet<String>>,
    /// What was left out for that.
    pub(super) unsigned: Mutex<BTreeSet<String>>,
}

impl LeftOut {
    pub(super) fn of(paths: Vec<String>) -> Self {
        Self {
            paths,
            ..Self::default()
        }
    }

    /// Whether a path is left out.
    pub(super) fn has(&self, path: &str) -> bool {
        if self.paths.iter().any(|left_out| left_out == path) {
            return true;
        }
        let Some(wanted) = &self.others_than else {
            return false;
        };
        let below = format!("{path}/");
        let leads_there = || {
            let next = wanted.range(below.clone()..).next();
            next.is_some_and(|name| name.starts_with(&below))
        };
        if wanted.contains(path) || leads_there() {
            return false;
        }
        if let Ok(mut unsigned) = self.unsigned.lock() {
            unsigned.insert(path.to_owned());
        }
        true
    }
}

/// Whether the model is a folder or a file; a link to either only if links are followed.
pub(super) fn form(model: &Path, follows_links: bool) -> Result<Form, Refused> {
    let unfit = |e: std::io::Error| not_a_file(model, &e.to_string());
    let itself = std::fs::symlink_metadata(model).map_err(unfit)?;
    if itself.is_symlink() && !follows_links {
        return Err(link(model));
    }
    let metadata = std::fs::metadata(model).map_err(unfit)?;
    match (metadata.is_dir(), metadata.is_file()) {
        (true, _) => Ok(Form::Folder),
        (_, true) => Ok(Form::SingleFile),
        _ => Err(not_a_file(model, "")),
    }
}

/// Measures a model. Links lead into `links`, if they are followed.
pub(super) fn measure(
    model: &Path,
    left_out: &LeftOut,
    links: Option<&Path>,
    method: Method,
) -> Result<Measured, Refused> {
    let form = form(model, links.is_some())?;
    let model = match links {
        // The folder itself, not the link to it.
        Some(_) => model
            .canonicalize()
            .map_err(|e| not_a_file(model, &e.to_string()))?,
        None => model.to_owned(),
    };
    let empty = EmptyFiles::of(&model, links.is_some(), method);
    let walk = Walk {
        ignore: &|name| form == Form::Folder && (left_out.has(name) || empty.passes(name)),
        links: links.map_or(Links::Refuse, Links::Inside),
    };
    let resources = digest::list_resources(&model, &walk, method, &|_| {})?;
    Ok(Measured {
        form,
        resources,
        empty: empty.into_names(),
    })
}

/// The file that a resource is, or is a piece of.
pub(super) fn file_of(name: &str, method: Method) -> &str {
    match method.shard_size {
        None => name,
        Some(_) => name.rsplitn(3, ':').nth(2).unwrap_or(name),
    }
}

/// The model's name in a signature.
pub(super) fn name(model: &Path) -> Result<String, Refused> {
    Ok(crate::model::name_of(model)?)
}

/// Where links may lead: what was named, or the repository of a Hugging Face cache, or the model.
pub(super) fn links_folder(words: &ModelWords) -> Result<PathBuf, Refused> {
    if let Some(folder) = &words.links_inside {
        return Ok(folder.clone());
    }
    let model = words.path();
    let model = model
        .canonicalize()
        .map_err(|e| not_a_file(&model, &e.to_string()))?;
    // `models--OWNER--NAME/snapshots/REVISION`, whose files are links into `models--OWNER--NAME/blobs`.
    let snapshots = model
        .parent()
        .filter(|folder| folder.ends_with("snapshots"));
    let repository = snapshots.and_then(Path::parent);
    let repository = repository.filter(|folder| folder.join("blobs").is_dir());
    Ok(repository.map_or(model.clone(), Path::to_path_buf))
}

/// The paths to leave out, as they stand in a signature. Each may be absolute, or begin here or in the model.
///
/// # Errors
/// One lies outside the model, where the reference drops it without a word.
pub(super) fn ignored(words: &ModelWords) -> Result<Vec<String>, Refused> {
    let model = words.path();
    // A file has nothing to leave out.
    if model.is_file() {
        return Ok(Vec::new());
    }
    let mut ignored = Vec::new();
    for path in separated(&words.ignore_paths) {
        let inside = inside(&model, &path).ok_or_else(|| outside(&path, &model))?;
        ignored.push(inside);
    }
    Ok(ignored)
}

/// A signature is no part of the model that it lies in, by whatever name it was reached.
pub(super) fn with_signature(
    mut paths: Vec<String>,
    model: &Path,
    signature: &Path,
) -> Vec<String> {
    let root = root(model);
    let names = [
        real(signature),
        signature.canonicalize().unwrap_or_default(),
    ];
    paths.extend(names.iter().filter_map(|name| below(&root, name)));
    paths.sort();
    paths.dedup();
    paths
}

/// The port to Go takes several in one, with commas between.
fn separated(paths: &[PathBuf]) -> Vec<PathBuf> {
    let split = |path: &PathBuf| match path.to_str() {
        Some(text) if text.contains(',') && path.symlink_metadata().is_err() => {
            text.split(',').map(PathBuf::from).collect()
        }
        _ => vec![path.clone()],
    };
    paths.iter().flat_map(split).collect()
}

fn outside(path: &Path, model: &Path) -> Refused {
    Refused::new(
        format!(
            "the path to ignore `{}` is not in the model `{}`",
            path.display(),
            model.display()
        ),
        "name it from here, from the model's folder, or absolutely; or leave it away, since it is not signed anyway",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(model: &Path, ignored: &[&str]) -> ModelWords {
        ModelWords::of(
            model.to_owned(),
            ignored.iter().map(PathBuf::from).collect(),
        )
    }

    #[test]
    fn ignored_paths_are_in_the_model_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m");
        std::fs::create_dir_all(model.join("sub")).unwrap();
        std::fs::write(model.join("a,b"), b"").unwrap();
        std::os::unix::fs::symlink(&model, folder.path().join("link")).unwrap();
        let absolute = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let check = |path: &str| ignored(&words(&model, &[path])).ok();
        assert_eq!(check(&absolute("m/sub")), Some(vec!["sub".into()]));
        assert_eq!(check(&absolute("m/gone")), Some(vec!["gone".into()]));
        assert_eq!(check(&absolute("link/sub")), Some(vec!["sub".into()]));
        assert_eq!(check(&absolute("m/sub/../a,b")), Some(vec!["a,b".into()]));
        assert_eq!(check("sub/x"), Some(vec!["sub/x".into()]));
        assert_eq!(check("sub,gone"), Some(vec!["sub".into(), "gone".into()]));
        for outside in [
            "..",
            "../m2",
            "/etc/passwd",
            &absolute("m2"),
            &absolute("m"),
        ] {
            assert_eq!(check(outside), None, "{outside}");
        }
    }

    #[test]
    fn what_nobody_signed_is_left_out_and_remembered() {
        let left_out = LeftOut {
            paths: vec![".git".into()],
            others_than: Some(BTreeSet::from(["a/b".into(), "c".into()])),
            unsigned: Mutex::default(),
        };
        let left: Vec<_> = [".git", "a", "a/b", "a/x", "a-b", "c", "d"]
            .into_iter()
            .filter(|path| left_out.has(path))
            .collect();
        assert_eq!(left, [".git", "a/x", "a-b", "d"]);
        let unsigned = left_out.unsigned.into_inner().unwrap();
        assert_eq!(
            unsigned.into_iter().collect::<Vec<_>>(),
            ["a-b", "a/x", "d"]
        );
    }
}
