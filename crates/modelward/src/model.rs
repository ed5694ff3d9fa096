//! A model as it is given on the command line: a file, a folder, or a digest of one in the store.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use digest::{Digest, Links, Listing, Method, Walk, WalkError};
use trust::predicate::Form;
use trust::{Artifact, Code, Kind, TreePath};
use unicode_normalization::UnicodeNormalization;

use crate::answer::Failure;
use crate::faults::{disk_way, io_code};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// What the signature of a model is called: the model's name and this.
pub(crate) const SIGNATURE_ENDING: &str = ".sig";

/// A model on disk, measured.
#[derive(Debug)]
pub(crate) struct Model {
    /// Its last name.
    pub(crate) name: String,
    /// Its folder or file.
    pub(crate) path: PathBuf,
    /// Whether it is one file.
    pub(crate) form: Form,
    /// The artifact that they are.
    pub(crate) artifact: Artifact,
}

impl Model {
    /// Measures the file or folder at `path`, without the paths in `ignored` and what is below them. Links are errors.
    pub(crate) fn measure(
        path: &Path,
        kind: Kind,
        ignored: &[String],
        ui: &Ui,
    ) -> Result<Self, Failure> {
        Self::measure_through(path, kind, ignored, None, ui)
    }

    /// As [`Self::measure`], following links that lead to files inside the folder `links`, if one is named.
    pub(crate) fn measure_through(
        path: &Path,
        kind: Kind,
        ignored: &[String],
        links: Option<&Path>,
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let measured = list(path, ignored, links, ui)?;
        let artifact = Artifact::of_listing(kind, measured.found).map_err(|e| {
            Failure::from_error(
                Code::ModelInvalid,
                &e,
                format!("is `{}` the model?", path.display()),
            )
        })?;
        Ok(Self {
            name: measured.name,
            path: path.to_owned(),
            form: measured.form,
            artifact,
        })
    }

    /// Where a file of the model is on disk.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        if self.form == Form::SingleFile {
            self.path.clone()
        } else {
            self.path.join(name)
        }
    }
}

/// A model on disk, measured as a signature says.
#[derive(Debug)]
pub(crate) struct Resources {
    /// Its last name.
    pub(crate) name: String,
    /// Whether it is one file.
    pub(crate) form: Form,
    /// Its files or the pieces of them, by their names.
    pub(crate) resources: digest::Resources,
    /// Where pieces were measured, the files that have none, since they are empty.
    pub(crate) empty: Vec<String>,
}

impl Resources {
    /// Measures the file or folder at `path` by a method, without the paths in `ignored` and what is below them. Links are
    /// errors, but for those that lead to files inside the folder `links`.
    pub(crate) fn measure(
        path: &Path,
        ignored: &[String],
        links: Option<&Path>,
        method: Method,
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let is_ignored = |name: &str| ignored.iter().any(|ignored| ignored == name);
        Self::measure_but(path, &is_ignored, links, method, ui)
    }

    /// As [`Self::measure`], without the paths of which `ignore` says so.
    pub(crate) fn measure_but(
        path: &Path,
        ignore: &(dyn Fn(&str) -> bool + Sync),
        links: Option<&Path>,
        method: Method,
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let empty = EmptyFiles::of(path, links.is_some(), method);
        let ignore = |name: &str| ignore(name) || empty.passes(name);
        let measured = measure_by(path, &ignore, links, ui, |path, walk, progress| {
            digest::list_resources(path, walk, method, progress)
        })?;
        Ok(Self {
            name: measured.name,
            form: measured.form,
            resources: measured.found,
            empty: empty.into_names(),
        })
    }

    /// How many files there are: an empty one has no piece, and is not counted where pieces are.
    pub(crate) fn files(&self, method: Method) -> usize {
        let file = |name| match method.shard_size {
            None => name,
            Some(_) => str::rsplitn(name, 3, ':').nth(2).unwrap_or(name),
        };
        self.resources
            .keys()
            .map(file)
            .collect::<BTreeSet<_>>()
            .len()
    }
}

/// The empty files that a walk comes by, where pieces are measured: they have none, and a signature of pieces says nothing
/// of them, whatever their names are.
pub(crate) struct EmptyFiles<'a> {
    root: &'a Path,
    follows_links: bool,
    is_wanted: bool,
    names: Mutex<BTreeSet<String>>,
}

impl<'a> EmptyFiles<'a> {
    pub(crate) fn of(root: &'a Path, follows_links: bool, method: Method) -> Self {
        let empty = Self {
            root,
            follows_links,
            is_wanted: method.shard_size.is_some(),
            names: Mutex::default(),
        };
        // A single file is not asked about: it is looked up here.
        if root.is_file()
            && let Some(name) = root.file_name().and_then(|name| name.to_str())
        {
            empty.note(name, root);
        }
        empty
    }

    /// Notes the file, if it is an empty one; never is it left out for that.
    pub(crate) fn passes(&self, name: &str) -> bool {
        self.note(name, &self.root.join(name));
        false
    }

    /// In the order of their names.
    pub(crate) fn into_names(self) -> Vec<String> {
        let names = self.names.into_inner();
        let names = names.unwrap_or_else(PoisonError::into_inner);
        names.into_iter().collect()
    }

    fn note(&self, name: &str, path: &Path) {
        if !self.is_wanted {
            return;
        }
        let metadata = match self.follows_links {
            true => path.metadata(),
            false => path.symlink_metadata(),
        };
        if metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.insert(name.to_owned());
        }
    }
}

/// What was found of a model on disk.
pub(crate) struct Found<F> {
    name: String,
    pub(crate) form: Form,
    pub(crate) found: F,
}

/// As [`Model::measure_through`], file by file, as they were measured.
pub(crate) fn list(
    path: &Path,
    ignored: &[String],
    links: Option<&Path>,
    ui: &Ui,
) -> Result<Found<Listing>, Failure> {
    let is_ignored = |name: &str| ignored.iter().any(|ignored| ignored == name);
    measure_by(path, &is_ignored, links, ui, digest::list_walked)
}

fn measure_by<F>(
    path: &Path,
    ignore: &(dyn Fn(&str) -> bool + Sync),
    links: Option<&Path>,
    ui: &Ui,
    measure: impl FnOnce(&Path, &Walk<'_>, &(dyn Fn(u64) + Sync)) -> Result<F, WalkError>,
) -> Result<Found<F>, Failure> {
    let name = name_of(path)?;
    let metadata = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    let form = match metadata.is_dir() {
        true => Form::Folder,
        false => Form::SingleFile,
    };
    let bar = ui.bytes_bar("hashing", size_of(path));
    let walk = Walk {
        ignore: &|name| form == Form::Folder && ignore(name),
        links: links.map_or(Links::Refuse, Links::Inside),
    };
    let found = measure(path, &walk, &|size| bar.inc(size))?;
    bar.finish_and_clear();
    Ok(Found { name, form, found })
}

/// Which of these paths are in the model's folder, and so are not part of the model.
pub(crate) fn left_out(model: &Path, ignored: &[String]) -> Vec<String> {
    let is_there = |path: &&String| {
        let path = TreePath::new(path);
        path.is_ok_and(|path| model.join(path.as_str()).symlink_metadata().is_ok())
    };
    ignored.iter().filter(is_there).cloned().collect()
}

/// The artifact that a word on the command line means: a digest of one in the store, or what is at a path.
pub(crate) fn artifact(
    word: &str,
    workspace: &Workspace,
    ui: &Ui,
) -> Result<(String, Artifact), Failure> {
    if let Ok(digest) = word.parse::<Digest>() {
        let artifact = workspace.artifact(digest)?;
        return Ok((digest.short(), artifact));
    }
    let model = Model::measure(Path::new(word), Kind::Model, &default_ignored(), ui)?;
    Ok((model.name, model.artifact))
}

/// A line for a person about what is there and was left out, and so is not what the others are; nothing if nothing was.
pub(crate) fn left_out_line(left_out: &[String], is: &str) -> Option<String> {
    match left_out {
        [] => None,
        some => Some(format!("left out, and {is}: {}", some.join(", "))),
    }
}

/// What is left out of a model's folder unless asked for.
pub(crate) fn default_ignored() -> Vec<String> {
    chain::sign::IGNORED
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The last name of a path, resolved where it is `.` or `..`.
pub(crate) fn name_of(path: &Path) -> Result<String, Failure> {
    let resolved = match path.file_name() {
        Some(_) => path.to_owned(),
        None => path.canonicalize().map_err(|e| unreadable(path, &e))?,
    };
    let name = resolved
        .file_name()
        .and_then(|name| name.to_str())
        .map(ToOwned::to_owned);
    name.ok_or_else(|| {
        Failure::error(
            Code::ModelInvalid,
            format!("`{}` has no readable name", path.display()),
            "rename it",
        )
    })
}

/// Where a model's signature is unless it is said otherwise: beside the model.
pub(crate) fn signature_path(model: &Path) -> Result<PathBuf, Failure> {
    let name = name_of(model)?;
    let folder = match model.file_name() {
        Some(_) => model.to_owned(),
        None => model.canonicalize().map_err(|e| unreadable(model, &e))?,
    };
    Ok(folder.with_file_name(format!("{name}{SIGNATURE_ENDING}")))
}

pub(crate) fn unreadable(path: &Path, cause: &std::io::Error) -> Failure {
    Failure::from_error(
        io_code(cause),
        &Unreadable {
            path: path.to_owned(),
            cause: cause.to_string(),
        },
        disk_way(cause),
    )
}

/// A file that somebody named can't be written, or its folder is not there.
pub(crate) fn unwritable(path: &Path, cause: &std::io::Error) -> Failure {
    let (code, way) = match host::named_file::is_without_folder(cause) {
        true => (Code::NotFound, "make the folder, or name another"),
        false => (io_code(cause), disk_way(cause)),
    };
    let message = format!("`{}` can't be written: {cause}", path.display());
    Failure::error(code, message, way)
}

#[derive(Debug)]
struct Unreadable {
    path: PathBuf,
    cause: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` can't be read: {}", self.path.display(), self.cause)
    }
}

impl std::error::Error for Unreadable {}

/// Refuses names, of files or folders, of which only one has room on file systems that don't tell upper from lower case, or
/// one Unicode form of a character from the other: who copies the model there has another one.
pub(crate) fn no_twins<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let hash = |name: &str| {
        let mut hasher = DefaultHasher::new();
        folded(name).hash(&mut hasher);
        hasher.finish()
    };
    // Of many names the hashes take less room.
    let mut all: Vec<(u64, &str)> = Vec::new();
    let mut last_folder = "";
    for name in names {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder != last_folder {
            let ends = folder.match_indices('/').map(|(at, _)| at);
            let folders = ends
                .chain([folder.len()])
                .filter_map(|end| folder.get(..end));
            all.extend(folders.map(|folder| (hash(folder), folder)));
            last_folder = folder;
        }
        all.push((hash(name), name));
    }
    all.sort_unstable();
    all.dedup();
    for pair in all.windows(2) {
        if let [(one_hash, one), (other_hash, other)] = pair
            && one_hash == other_hash
            && folded(one) == folded(other)
        {
            return Err(Failure::error(
                Code::ModelInvalid,
                format!(
                    "the names `{one}` and `{other}` differ only by upper and lower case, or by the form of a character"
                ),
                "rename one of them and sign again: where file systems don't tell them apart, one takes the other's place",
            ));
        }
    }
    Ok(())
}

/// A name as file systems see it that don't tell such apart.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // `ß` is `SS` in upper case, and both are `ss` then.
    let upper = name.nfd().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfc().collect()
}

/// For a progress bar only: what can't be read counts nothing here and fails later.
fn size_of(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    if metadata.is_file() {
        return metadata.len();
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| !entry.path().is_symlink())
        .map(|entry| size_of(&entry.path()))
        .sum()
}
