//! All that a step can read, by digest, as its provenance lists it.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;

use digest::Digest;
use host::root::RootTree;
use host::source::Source;
use serde_json::json;
use trust::artifact::{ArtifactError, FileEntry};
use trust::predicate::{ROOT_FILES, ResourceDescriptor};
use trust::{Artifact, Code, Kind, TreePath};

use super::root::placement;
use super::{Args, Given};
use crate::answer::Failure;
use crate::faults::at;
use crate::model::unreadable;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// The inputs and their files, the step's root and the list of what stands in it, and what of that the store knows or was
/// included by name.
pub(super) fn inside(
    args: &Args,
    inputs: &[Given],
    root: &RootTree,
    list: &Artifact,
    workspace: &Workspace,
) -> Result<Vec<ResourceDescriptor>, Failure> {
    let mut dependencies: Vec<_> = inputs.iter().flat_map(of_input).collect();
    dependencies.push(of_root(root));
    dependencies.push(ResourceDescriptor::new(
        "step root files",
        ROOT_FILES,
        list.digest(),
    ));
    let files = list.files().iter();
    let in_root: BTreeMap<Digest, &str> = files.map(|(path, file)| (file.digest, path)).collect();
    let mut included = included(args, &in_root)?;
    included.extend(known_in(&in_root, workspace)?);
    dependencies.extend(included.into_values());
    Ok(dependencies)
}

/// What stands in a step's root, as an artifact: every file by its path and digest.
pub(super) fn list(root: &RootTree) -> Result<Artifact, Failure> {
    let failed = |e: &ArtifactError| {
        let hint = "give the step a smaller root: what it needs, and no more";
        Failure::from_error(Code::TooLarge, e, hint)
    };
    let mut files = BTreeMap::new();
    for (digest, path) in root.manifest()?.lines().filter_map(file_line) {
        let file = root.path().join(path);
        let size_bytes = file.symlink_metadata().map_err(at(&file))?.len();
        let path = TreePath::new(path).map_err(|e| failed(&e))?;
        files.insert(path, FileEntry { digest, size_bytes });
    }
    chain::step_root::list(files).map_err(|e| failed(&e))
}

fn of_input(Given { name, artifact, .. }: &Given) -> Vec<ResourceDescriptor> {
    let uri = match artifact.kind() {
        Kind::Model => format!("modelward:model/{name}"),
        Kind::DataSet | Kind::StepRoot => format!("modelward:dataset/{name}"),
    };
    let whole = ResourceDescriptor::new(name, &uri, artifact.digest());
    let file = |(path, file): (&str, &FileEntry)| {
        let (name, uri) = (format!("{name}/{path}"), format!("{uri}#{path}"));
        ResourceDescriptor::new(&name, &uri, file.digest)
    };
    let files = artifact.files().iter().map(file);
    std::iter::once(whole).chain(files).collect()
}

/// The program, by the name that was typed: which file that is, where links led, is annotated.
pub(super) fn program(args: &Args, inside: &Path, list: &Artifact) -> Option<ResourceDescriptor> {
    let name = file_name(args.command.first()?);
    let path = TreePath::new(inside.to_str()?).ok()?;
    let uri = format!("modelward:program/{name}");
    let mut descriptor =
        ResourceDescriptor::new(name, &uri, list.files().get(path.as_str())?.digest);
    descriptor
        .annotations
        .insert("path".to_owned(), json!(format!("/{path}")));
    Some(descriptor)
}

/// The command's arguments that are files of an input or of the step's root, such as the script that a shell runs: the
/// program alone would not say what was done.
pub(super) fn arguments(
    command: &[String],
    inputs: &[Given],
    root: &RootTree,
    list: &Artifact,
) -> Vec<ResourceDescriptor> {
    let in_inputs = |argument: &str| {
        let (inside, path) = argument.strip_prefix("/in/")?.split_once('/')?;
        let given = inputs.iter().find(|given| given.inside == inside)?;
        let file = given.artifact.files().get(path)?;
        Some(file.digest)
    };
    let in_tree = |argument: &str| {
        let path = root.resolve(Path::new(argument))?;
        Some(list.files().get(path.to_str()?)?.digest)
    };
    let descriptor = |argument: &String| {
        let digest = in_inputs(argument).or_else(|| in_tree(argument))?;
        let uri = format!("modelward:argument{argument}");
        Some((
            argument.clone(),
            ResourceDescriptor::new(argument, &uri, digest),
        ))
    };
    let files: BTreeMap<_, _> = command.iter().skip(1).filter_map(descriptor).collect();
    files.into_values().collect()
}

/// Whether a tree that was given can be made again nobody here knows, so nothing is said of it.
fn of_root(root: &RootTree) -> ResourceDescriptor {
    let mut descriptor = ResourceDescriptor::new("step root", "modelward:root", root.digest());
    let annotations = &mut descriptor.annotations;
    annotations.insert("kind".to_owned(), json!(root.kind().as_str()));
    if root.kind() == host::root::Kind::HostClosure {
        annotations.insert("reproducible".to_owned(), json!(false));
    }
    descriptor
}

/// The files that were included by name. What came in with a folder stands in the list alone.
fn included(
    args: &Args,
    in_root: &BTreeMap<Digest, &str>,
) -> Result<BTreeMap<Digest, ResourceDescriptor>, Failure> {
    let mut included = BTreeMap::new();
    for (from, _) in args.included.iter().map(|word| placement(word)) {
        let from = std::fs::canonicalize(&from).map_err(|e| unreadable(&from, &e))?;
        if !from.is_file() {
            continue;
        }
        let digest = digest::measure_file(&from)?.digest();
        if let Some(path) = in_root.get(&digest) {
            let uri = format!("modelward:included#{path}");
            included.insert(digest, ResourceDescriptor::new(path, &uri, digest));
        }
    }
    Ok(included)
}

/// What the store knows and the step's root holds too, such as weights that were included: what is made with them
/// descends from them, whichever way they came in.
fn known_in(
    in_root: &BTreeMap<Digest, &str>,
    workspace: &Workspace,
) -> Result<BTreeMap<Digest, ResourceDescriptor>, Failure> {
    let mut known = BTreeMap::new();
    for artifact in workspace.artifacts()? {
        let whole = artifact.digest().short();
        for (path, file) in artifact.files() {
            if let Some(inside) = in_root.get(&file.digest) {
                let uri = format!("modelward:included/{whole}#{path}");
                let descriptor = ResourceDescriptor::new(inside, &uri, file.digest);
                known.insert(file.digest, descriptor);
            }
        }
    }
    Ok(known)
}

/// The digest and path of a root manifest's line about a file: `sha256 mode path`.
fn file_line(line: &str) -> Option<(Digest, &str)> {
    let (digest, rest) = line.split_once(' ')?;
    let (_mode, path) = rest.split_once(' ')?;
    Some((Digest::from_hex(digest).ok()?, path))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Where the person says that the source is, without what may be secret in it.
pub(super) fn named_source(args: &Args, ui: &Ui) -> Option<String> {
    let given = args.source.as_deref()?;
    let named = host::source::without_secrets(given);
    if named != given {
        ui.warn(&format!(
            "provenance is for all to read: of `--source` it names `{named}` alone"
        ));
    }
    Some(named)
}

/// The state of the repository that the program was built from. Its URI is what the repository says; `--source` is what
/// the person says, and stands apart.
pub(super) fn source(args: &Args, ui: &Ui) -> Option<Source> {
    let here = Path::new(".");
    let folder = args.source_folder.as_deref().unwrap_or(here);
    host::source::git(folder).unwrap_or_else(|error| {
        let cause = error.source().map(|cause| format!(": {cause}"));
        let cause = cause.unwrap_or_default();
        ui.warn(&format!("provenance names no commit: {error}{cause}"));
        None
    })
}
