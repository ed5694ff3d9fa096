//! The step's root: a tree that was given, or the program with its loader and libraries; the store keeps either.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use digest::Digest;
use host::root::{Kind, RootTree, Taken};
use trust::Code;

use super::Args;
use crate::answer::Failure;
use crate::faults::at;
use crate::step_lines::harmless;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// What `--root` names.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    /// A tree of somebody's.
    Folder(PathBuf),
    /// A root of the store.
    Kept(Digest),
}

/// Tells a digest from a folder; a folder of such a name is `./sha256:…`.
pub(super) fn choice() -> impl TypedValueParser<Value = Choice> {
    OsStringValueParser::new().try_map(|word: OsString| match word.to_str() {
        Some(word) if word.starts_with("sha256:") => word.parse().map(Choice::Kept),
        _ => Ok(Choice::Folder(word.into())),
    })
}

/// The root, from the store, and the command as it is in there.
pub(super) fn root(
    args: &Args,
    workspace: &Workspace,
    staging: &Path,
    ui: &Ui,
) -> Result<(RootTree, Vec<String>), Failure> {
    let roots = workspace.store.roots();
    let made = staging.join("root");
    match &args.root {
        Some(Choice::Folder(tree)) => {
            no_store_in_root(tree, workspace)?;
            let Taken {
                root,
                copied_size_bytes,
            } = roots.take(tree, &made)?;
            if let Some(size_bytes) = copied_size_bytes {
                ui.note(copied(tree, size_bytes, &root));
            }
            Ok((root, args.command.clone()))
        }
        Some(Choice::Kept(digest)) => Ok((roots.open(*digest)?, args.command.clone())),
        None => {
            let command = closure(args, workspace, &made)?;
            Ok((roots.keep(&made, Kind::HostClosure)?, command))
        }
    }
}

fn copied(tree: &Path, size_bytes: u64, root: &RootTree) -> String {
    format!(
        "the store took a copy of `{}`, {} MiB; `--root {}` names it from now on",
        harmless(&tree.display().to_string()),
        size_bytes.div_ceil(1 << 20),
        root.digest()
    )
}

/// Copies the program and what else was named into `made`.
fn closure(args: &Args, workspace: &Workspace, made: &Path) -> Result<Vec<String>, Failure> {
    let program = program(args)?;
    let (same, moved): (Vec<_>, Vec<_>) = args
        .included
        .iter()
        .map(|word| placement(word))
        .partition(|(from, to)| from == to);
    let same: Vec<PathBuf> = same
        .into_iter()
        .map(|(from, _)| std::path::absolute(&from).map_err(at(&from)))
        .collect::<Result<_, _>>()?;
    for from in same.iter().chain(moved.iter().map(|(from, _)| from)) {
        no_store(from, workspace)?;
    }
    let closure = host::root::closure(std::slice::from_ref(&program), &same, made)?;
    for (from, to) in moved {
        host::root::place(made, &from, &to)?;
    }
    let mut command = args.command.clone();
    if let (Some(first), Some(inside)) = (command.first_mut(), closure.programs.first()) {
        *first = inside.display().to_string();
    }
    Ok(command)
}

/// A step must not see the store: its keys are there.
fn no_store(included: &Path, workspace: &Workspace) -> Result<(), Failure> {
    let overlap = Overlap::of(included, workspace);
    if overlap.is_in_store || overlap.has_store {
        let message = format!(
            "`{}` holds the store, and with it the keys",
            overlap.path.display()
        );
        return Err(Failure::error(
            Code::Usage,
            message,
            "include the files that the step needs, and no folder above the store",
        ));
    }
    Ok(())
}

fn no_store_in_root(tree: &Path, workspace: &Workspace) -> Result<(), Failure> {
    let overlap = Overlap::of(tree, workspace);
    let shown = overlap.path.display();
    if overlap.has_store {
        return Err(Failure::error(
            Code::Usage,
            format!("the root `{shown}` holds the store, and with it the keys"),
            "give a tree that was made for the step, or have one made: without `--root` it is the program with its libraries",
        ));
    }
    if overlap.is_in_store {
        return Err(Failure::error(
            Code::Usage,
            format!("the root `{shown}` is a part of the store"),
            "a root that the store keeps is named by its digest: `--root sha256:DIGEST`",
        ));
    }
    Ok(())
}

/// How a path lies to the store.
struct Overlap {
    path: PathBuf,
    is_in_store: bool,
    has_store: bool,
}

impl Overlap {
    fn of(path: &Path, workspace: &Workspace) -> Self {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (path, store) = (real(path), real(workspace.store.path()));
        Self {
            is_in_store: path.starts_with(&store) && path != store,
            has_store: store.starts_with(&path),
            path,
        }
    }
}

/// Where something is on this host, and where the step sees it.
pub(super) fn placement(word: &str) -> (PathBuf, PathBuf) {
    match word.split_once('=') {
        Some((from, to)) => (PathBuf::from(from), PathBuf::from(to)),
        None => (PathBuf::from(word), PathBuf::from(word)),
    }
}

/// The program on this host: a path, or a name that is looked for in `PATH`.
fn program(args: &Args) -> Result<PathBuf, Failure> {
    let name = args.command.first().map(String::as_str).unwrap_or_default();
    let path = PathBuf::from(name);
    if name.contains('/') {
        return std::fs::canonicalize(&path).map_err(|e| crate::model::unreadable(&path, &e));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .and_then(|path| std::fs::canonicalize(path).ok());
    found.ok_or_else(|| no_program(name, "give its path"))
}

/// The program's file in the root, where links have led: a command whose program nobody can name is not run.
pub(super) fn program_in(
    root: &RootTree,
    command: &[String],
    environment: &BTreeMap<String, String>,
) -> Result<PathBuf, Failure> {
    let name = command.first().map(String::as_str).unwrap_or_default();
    let search = environment.get("PATH").map_or("", String::as_str);
    root.program(name, search).ok_or_else(|| {
        no_program(
            name,
            "it must be a file of the root: give its path in there, such as `/usr/bin/python3`",
        )
    })
}

fn no_program(name: &str, way: &str) -> Failure {
    let message = format!("there is no program `{}`", harmless(name));
    Failure::error(Code::NotFound, message, way)
}
