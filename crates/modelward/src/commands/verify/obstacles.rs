//! What stands in a model's folder and can't be hashed, told among all other differences.

use std::collections::BTreeMap;
use std::fs::{File, FileType};
use std::os::unix::fs::FileTypeExt;
use std::sync::{Mutex, PoisonError};

use trust::{Code, Denied, Difference, Reason};

use super::Asked;
use crate::answer::Failure;
use crate::model::Resources;
use crate::ui::Ui;

/// What the failure to measure a model comes to: a no, if what can be hashed differs from what was signed; else itself, for
/// then nobody can tell.
pub(super) fn told(asked: &Asked, failure: Failure) -> Failure {
    if matches!(failure, Failure::Denied(_)) {
        return failure;
    }
    reasons(asked)
        .and_then(Denied::from_reasons)
        .map_or(failure, Failure::from)
}

/// All differences with what can't be hashed among them; none if that is all there is, or the rest can't be hashed either.
fn reasons(asked: &Asked) -> Option<Vec<Reason>> {
    let signed = &asked.verified.value().predicate;
    let found = Mutex::new(BTreeMap::new());
    let is_passed_over = |name: &str| {
        if asked.ignored.iter().any(|ignored| ignored == name) {
            return true;
        }
        let Some(what) = obstacle(asked, name) else {
            return false;
        };
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(name.to_owned(), what);
        true
    };
    let (links, method) = (asked.links.as_deref(), signed.method());
    let measured =
        Resources::measure_but(&asked.model, &is_passed_over, links, method, &Ui::plain());
    let measured = measured.ok()?;
    let resources = measured.resources.iter();
    let resources = resources.map(|(name, m)| (name, m.digest()));
    let mut differences = trust::differences(signed, method, resources, measured.form);
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What stands behind one of these may be there or not.
    let is_behind = |path: &str| {
        let file = signed.file_of(path);
        let leads_there = |name: &String| {
            let rest = file.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        found.keys().any(leads_there)
    };
    differences.retain(|difference| match difference {
        Difference::Missing { path } => !is_behind(path),
        _ => true,
    });
    if differences.is_empty() {
        return None;
    }
    let files = signed.signed_files();
    let mut reasons: Vec<Reason> = differences.iter().map(Difference::reason).collect();
    reasons.extend(
        found
            .iter()
            .map(|(name, what)| match files.contains(name.as_str()) {
                true => Reason::new(
                    Code::FileMissing,
                    format!("`{name}` was signed, and in its place stands {what}"),
                    "get the file again from where it was signed",
                ),
                false => Reason::new(
                    Code::FileExtra,
                    format!("`{name}` is {what}, and was not signed"),
                    "delete it: a model is plain files in plain folders",
                ),
            }),
    );
    Some(reasons)
}

/// What stands at a name, if it can't be hashed.
fn obstacle(asked: &Asked, name: &str) -> Option<String> {
    let path = asked.model.join(name);
    let metadata = match asked.links {
        Some(_) => path.metadata(),
        None => path.symlink_metadata(),
    };
    let kind = match metadata {
        Ok(metadata) => metadata.file_type(),
        Err(cause) => return Some(format!("what can't be read ({cause})")),
    };
    let opened = match (kind.is_dir(), kind.is_file()) {
        (true, _) => std::fs::read_dir(&path).map(drop),
        (_, true) => File::open(&path).map(drop),
        _ => return Some(called(kind).to_owned()),
    };
    let what = if kind.is_dir() { "a folder" } else { "a file" };
    opened
        .err()
        .map(|cause| format!("{what} that can't be read ({cause})"))
}

fn called(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
