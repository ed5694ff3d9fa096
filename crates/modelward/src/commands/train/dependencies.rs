//! All that a step can read, by digest, as its provenance lists it.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;

use host::root::RootTree;
use host::source::Source;
use serde_json::json;
use trust::artifact::FileEntry;
use trust::predicate::ResourceDescriptor;
use trust::{Kind, TreePath};

use super::{Args, Given, program};
use crate::answer::Failure;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// The inputs and their files, the step's root and what the store knows in it, the program, and the arguments that are
/// files.
pub(super) fn all(
    args: &Args,
    inputs: &[Given],
    root: &RootTree,
    workspace: &Workspace,
) -> Result<Vec<ResourceDescriptor>, Failure> {
    let manifest = root.manifest()?;
    let in_root: Vec<(&str, &str)> = manifest.lines().filter_map(file_line).collect();
    let mut dependencies: Vec<_> = inputs.iter().flat_map(of_input).collect();
    dependencies.push(of_root(root, args));
    dependencies.extend(known_in(&in_root, workspace)?);
    dependencies.extend(program_in(root, args)?);
    dependencies.extend(arguments(&args.command, inputs, &in_root));
    Ok(dependencies)
}

fn of_input(Given { name, artifact, .. }: &Given) -> Vec<ResourceDescriptor> {
    let uri = match artifact.kind() {
        Kind::Model => format!("modelward:model/{name}"),
        Kind::DataSet | Kind::StepRoot => format!("modelward:dataset/{name}"),
    };
    let whole = ResourceDescriptor::new(name, &uri, artifact.digest());
    let file = |(path, file): (&TreePath, &FileEntry)| {
        let (name, uri) = (format!("{name}/{path}"), format!("{uri}#{path}"));
        ResourceDescriptor::new(&name, &uri, file.digest)
    };
    let files = artifact.files().iter().map(file);
    std::iter::once(whole).chain(files).collect()
}

/// The command's arguments that are files of an input or of the step's root, such as the script that a shell runs: the
/// program alone would not say what was done.
fn arguments(
    command: &[String],
    inputs: &[Given],
    in_root: &[(&str, &str)],
) -> Vec<ResourceDescriptor> {
    let in_inputs = |argument: &str| {
        let (inside, path) = argument.strip_prefix("/in/")?.split_once('/')?;
        let given = inputs.iter().find(|given| given.inside == inside)?;
        let file = given.artifact.files().get(&TreePath::new(path).ok()?)?;
        Some(file.digest)
    };
    let in_tree = |argument: &str| {
        let path = argument.strip_prefix('/')?;
        let (hex, _) = in_root.iter().find(|(_, inside)| *inside == path)?;
        digest::Digest::from_hex(hex).ok()
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

fn of_root(root: &RootTree, args: &Args) -> ResourceDescriptor {
    let mut descriptor = ResourceDescriptor::new("step root", "modelward:root", root.digest());
    let reproducible = args.root.is_some();
    descriptor
        .annotations
        .insert("kind".to_owned(), json!(root.kind().as_str()));
    descriptor
        .annotations
        .insert("reproducible".to_owned(), json!(reproducible));
    descriptor
}

/// What the store knows and the step's root holds too, such as weights that were included: what is made with them
/// descends from them, whichever way they came in.
fn known_in(
    in_root: &[(&str, &str)],
    workspace: &Workspace,
) -> Result<Vec<ResourceDescriptor>, Failure> {
    let in_root: BTreeMap<&str, &str> = in_root.iter().copied().collect();
    let mut known = BTreeMap::new();
    for artifact in workspace.artifacts()? {
        for (path, file) in artifact.files() {
            if let Some(inside) = in_root.get(file.digest.hex().as_str()) {
                let uri = format!("modelward:included/{}#{path}", artifact.digest().short());
                known.insert(
                    file.digest,
                    ResourceDescriptor::new(inside, &uri, file.digest),
                );
            }
        }
    }
    Ok(known.into_values().collect())
}

/// The digest and path of a root manifest's line about a file: `sha256 mode path`.
fn file_line(line: &str) -> Option<(&str, &str)> {
    let (digest, rest) = line.split_once(' ')?;
    let (_mode, path) = rest.split_once(' ')?;
    (digest.len() == 64).then_some((digest, path))
}

fn program_in(root: &RootTree, args: &Args) -> Result<Option<ResourceDescriptor>, Failure> {
    let name = args.command.first().map(String::as_str).unwrap_or_default();
    if args.root.is_some() {
        // It is part of the tree, whose digest covers it; it is named apart where it has a path.
        let inside = root.path().join(name.trim_start_matches('/'));
        let measured = digest::measure_file(&inside).ok();
        return Ok(measured.map(|measured| {
            ResourceDescriptor::new(
                name,
                &format!("modelward:program/{name}"),
                measured.digest(),
            )
        }));
    }
    let measured = digest::measure_file(&program(args)?)?;
    let name = file_name(name);
    Ok(Some(ResourceDescriptor::new(
        name,
        &format!("modelward:program/{name}"),
        measured.digest(),
    )))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
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
