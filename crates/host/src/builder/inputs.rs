//! Inputs: copied while they are hashed, so that the step sees the bytes that were verified.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use digest::{Digest, WalkError};

use super::error::Error;
use super::step::{Expected, Input};

/// Copies every input into `folder`, under its name, and compares it with what it must be.
pub(super) fn copy(inputs: &[Input], folder: &Path) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for input in inputs {
        if !is_component(&input.name) || !names.insert(&input.name) {
            return Err(Error::BadStep {
                why: format!("`{}` is no name for an input, or stands twice", input.name),
            });
        }
        let target = folder.join(&input.name);
        match &input.expected {
            Expected::File(want) => copy_file(input, &input.source, &target, &input.name, want)?,
            Expected::Folder(files) => copy_folder(input, &target, files)?,
        }
    }
    Ok(())
}

fn copy_folder(
    input: &Input,
    target: &Path,
    files: &BTreeMap<String, Digest>,
) -> Result<(), Error> {
    fs::create_dir(target).map_err(folder_error(target))?;
    for (path, want) in files {
        if !path.split('/').all(is_component) {
            return Err(Error::BadStep {
                why: format!("`{path}` is no path for a file of input `{}`", input.name),
            });
        }
        let file = target.join(path);
        let above = file.parent().unwrap_or(target);
        fs::create_dir_all(above).map_err(folder_error(above))?;
        let shown = format!("{}/{path}", input.name);
        copy_file(input, &input.source.join(path), &file, &shown, want)?;
    }
    refuse_more(input, files)
}

/// A file that nobody listed would not reach the step; still, the folder is not the one that was verified.
fn refuse_more(input: &Input, files: &BTreeMap<String, Digest>) -> Result<(), Error> {
    let more = std::sync::Mutex::new(None);
    let known = |path: &str| {
        let listed = files.contains_key(path)
            || files
                .range(format!("{path}/")..)
                .next()
                .is_some_and(|(file, _)| file.starts_with(&format!("{path}/")));
        if !listed && let Ok(mut more) = more.lock() {
            more.get_or_insert_with(|| path.to_owned());
        }
        !listed || files.contains_key(path)
    };
    digest::list(&input.source, &known, &|_| ()).map_err(input_error(input))?;
    match more.into_inner().unwrap_or_default() {
        None => Ok(()),
        Some(path) => Err(Error::InputMismatch {
            got: digest::measure_file(&input.source.join(&path))
                .ok()
                .map(|m| m.digest()),
            path: format!("{}/{path}", input.name),
            want: None,
        }),
    }
}

fn copy_file(
    input: &Input,
    source: &Path,
    target: &Path,
    shown: &str,
    want: &Digest,
) -> Result<(), Error> {
    let mode = if input.executable { 0o555 } else { 0o444 };
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(target)
        .map_err(folder_error(target))?;
    let got = match digest::measure_copy(source, &mut copy) {
        Err(digest::ReadError::Io { cause, .. })
            if cause.kind() == std::io::ErrorKind::NotFound =>
        {
            None
        }
        measured => Some(
            measured
                .map_err(|e| input_error(input)(WalkError::Read(e)))?
                .digest(),
        ),
    };
    if got == Some(*want) {
        Ok(())
    } else {
        Err(Error::InputMismatch {
            path: shown.to_owned(),
            want: Some(*want),
            got,
        })
    }
}

fn input_error(input: &Input) -> impl FnOnce(WalkError) -> Error + '_ {
    |cause| Error::Input {
        name: input.name.clone(),
        cause: Box::new(cause),
    }
}

fn folder_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    |cause| Error::RunFolder {
        path: path.to_owned(),
        cause,
    }
}

pub(super) fn is_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_input(source: &Path, files: &[(&str, &[u8])]) -> Input {
        Input {
            name: "data".into(),
            source: source.to_owned(),
            expected: Expected::Folder(
                files
                    .iter()
                    .map(|(path, bytes)| ((*path).to_owned(), Digest::of(bytes)))
                    .collect(),
            ),
            executable: false,
        }
    }

    #[test]
    fn takes_exactly_what_was_verified() {
        let source = tempfile::tempdir().unwrap();
        fs::create_dir(source.path().join("b")).unwrap();
        fs::write(source.path().join("a"), "1").unwrap();
        fs::write(source.path().join("b/c"), "2").unwrap();
        let run = |files: &[(&str, &[u8])]| {
            let target = tempfile::tempdir().unwrap();
            copy(&[folder_input(source.path(), files)], target.path())
                .map(|()| fs::read(target.path().join("data/b/c")).unwrap())
        };
        assert_eq!(run(&[("a", b"1"), ("b/c", b"2")]).unwrap(), b"2");
        for (files, path) in [
            (&[("a", &b"1"[..]), ("b/c", b"3")][..], "data/b/c"),
            (&[("a", b"1")], "data/b"),
            (&[("b/c", b"2")], "data/a"),
            (&[("a", b"1"), ("b/c", b"2"), ("d", b"4")], "data/d"),
        ] {
            let refused = run(files).unwrap_err();
            assert!(
                matches!(&refused, Error::InputMismatch { path: p, .. } if p == path),
                "{refused:?}"
            );
        }
        assert!(matches!(run(&[("../a", b"1")]), Err(Error::BadStep { .. })));
    }
}
