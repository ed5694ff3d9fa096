//! Which file of a model a path on the command line means.

use std::path::{Component, Path, PathBuf};

use trust::{Code, TreePath};

use crate::answer::Failure;
use crate::ui::Ui;

/// The paths that a person says to leave out, as they stand in a signature.
///
/// # Errors
/// One lies outside the model, or is a pattern: the standard knows names only.
pub(crate) fn left_out_by(
    words: &[PathBuf],
    model: &Path,
    ui: &Ui,
) -> Result<Vec<String>, Failure> {
    if let Some(word) = words.first().filter(|_| model.is_file()) {
        return Err(outside(word, model));
    }
    let mut left_out = Vec::new();
    for word in words {
        let name = inside(model, word).ok_or_else(|| outside(word, model))?;
        if model.join(&name).symlink_metadata().is_err() {
            if name.contains(['*', '?', '[']) {
                return Err(pattern(word));
            }
            ui.warn(&format!(
                "`{name}` is left out, and there is nothing of that name in the model"
            ));
        }
        left_out.push(name);
    }
    Ok(left_out)
}

fn outside(path: &Path, model: &Path) -> Failure {
    let (path, model) = (path.display(), model.display());
    Failure::error(
        Code::Usage,
        format!("`{path}`, to be left out, is not in the model `{model}`"),
        "name it from here, from the model's folder, or absolutely; or leave it away, since it is not signed anyway",
    )
}

fn pattern(path: &Path) -> Failure {
    Failure::error(
        Code::Usage,
        format!(
            "`{}` is a pattern, and what is left out is named",
            path.display()
        ),
        "name each file or folder with an `--ignore` of its own; a folder is left out with all below it",
    )
}

/// The name in a model of a path that is absolute, or begins here or in the model; none if it lies elsewhere.
pub(crate) fn inside(model: &Path, path: &Path) -> Option<String> {
    let root = root(model);
    if let Some(inside) = below(&root, &real(path)) {
        return Some(inside);
    }
    let is_elsewhere = path.symlink_metadata().is_ok();
    let in_model = model.join(path);
    if path.is_absolute() || (is_elsewhere && in_model.symlink_metadata().is_err()) {
        return None;
    }
    below(&root, &real(&in_model))
}

/// The model's folder, whatever it was reached through.
pub(crate) fn root(model: &Path) -> PathBuf {
    model.canonicalize().unwrap_or_else(|_| real(model))
}

/// The name of `path` in `root`, if it is in it.
pub(crate) fn below(root: &Path, path: &Path) -> Option<String> {
    let rest = path.strip_prefix(root).ok()?.to_str()?;
    TreePath::new(rest).ok().map(|_| rest.to_owned())
}

/// An absolute path without links, `.` and `..`, but for its last name, which may be a link or not be there.
pub(crate) fn real(path: &Path) -> PathBuf {
    let Ok(path) = std::path::absolute(path) else {
        return path.to_owned();
    };
    let mut real = PathBuf::new();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            part => real.push(part),
        }
        if parts.peek().is_some()
            && let Ok(resolved) = real.canonicalize()
        {
            real = resolved;
        }
    }
    real
}
