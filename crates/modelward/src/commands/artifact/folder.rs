//! Repositories in a folder: `LOCATION/REPOSITORY/PACKAGE/VERSION/FILE`, with the manifest of a version's files among them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use digest::Digest;
use trust::{Artifact, Code};

use super::super::push::Pushed;
use super::Named;
use crate::answer::Failure;
use crate::faults::at;
use crate::staging::Staging;

/// What says which files a version has.
pub(super) const MANIFEST: &str = ".manifest.json";
const MANIFEST_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Makes a repository.
pub(super) fn create(location: &str, repository: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(location).join(repository);
    fs::create_dir_all(location).map_err(at(location))?;
    match fs::create_dir(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let message =
                format!("ALREADY_EXISTS: there is a repository `{repository}` in `{location}`");
            Err(Failure::error(
                Code::AlreadyExists,
                message,
                "use it, or choose another name",
            ))
        }
        made => made.map_err(at(&path)).map(|()| path),
    }
}

/// Puts a version in: all of its files or none, and in place of nothing.
pub(super) fn upload(named: &Named, model: &Pushed) -> Result<(), Failure> {
    let package = package(named)?;
    fs::create_dir_all(&package).map_err(at(&package))?;
    let staging = Staging::beside(&package).map_err(at(&package))?;
    let made = staging.path().join("made");
    for (path, file) in model.artifact.files() {
        let source = model.paths.get(&file.digest).cloned().unwrap_or_default();
        copy(&source, &made.join(path), file.digest)?;
    }
    let manifest = made.join(MANIFEST);
    let written = File::create_new(&manifest).and_then(|mut file| {
        file.write_all(&model.artifact.manifest())?;
        file.sync_all()
    });
    written.map_err(at(&manifest))?;
    let version = package.join(&named.package_version);
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    let cwd = rustix::fs::CWD;
    match rustix::fs::renameat_with(cwd, &made, cwd, &version, flags) {
        Err(rustix::io::Errno::EXIST) => Err(named.exists()),
        renamed => renamed.map_err(|e| at(&version)(e.into())),
    }
}

/// Takes a version's files out, each held against its manifest.
pub(super) fn download(named: &Named, to: &Path) -> Result<(Digest, usize), Failure> {
    let version = package(named)?.join(&named.package_version);
    let manifest = version.join(MANIFEST);
    if !manifest.exists() {
        let message = format!(
            "there is no version `{}` of package `{}` in repository `{}`",
            named.package_version, named.package, named.repository
        );
        return Err(Failure::error(
            Code::NotFound,
            message,
            "is it spelled right?",
        ));
    }
    let bytes = host::whole_file::read(&manifest, MANIFEST_SIZE_BYTES_MAX);
    let bytes = bytes.map_err(at(&manifest))?;
    let artifact = Artifact::from_manifest(&bytes).map_err(|e| {
        let way = "the repository is damaged: upload the version to another one";
        Failure::from_error(Code::ManifestInvalid, &e, way)
    })?;
    super::pull::check_free(to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(at(parent))?;
    let staging = Staging::beside(parent).map_err(at(parent))?;
    let made = staging.path().join("made");
    for (path, file) in artifact.files() {
        let source = version.join(path);
        copy(&source, &made.join(path), file.digest)?;
    }
    fs::rename(&made, to).map_err(at(to))?;
    Ok((artifact.digest(), artifact.files().len()))
}

fn package(named: &Named) -> Result<PathBuf, Failure> {
    let repository = Path::new(&named.location).join(&named.repository);
    if repository.is_dir() {
        return Ok(repository.join(&named.package));
    }
    let message = format!(
        "there is no repository `{}` in `{}`",
        named.repository, named.location
    );
    let way = "make it: `modelward artifact repo create NAME --location FOLDER`";
    Err(Failure::error(Code::NotFound, message, way))
}

/// Copies a file that must have this digest.
fn copy(from: &Path, to: &Path, want: Digest) -> Result<(), Failure> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(at(folder))?;
    let mut file = File::create_new(to).map_err(at(to))?;
    let measured = digest::measure_copy(from, &mut file);
    let measured = measured.map_err(|e| Failure::from_error(Code::Io, &e, "can it be read?"))?;
    file.sync_all().map_err(at(to))?;
    if measured.digest() == want {
        return Ok(());
    }
    let message = format!(
        "`{}` is not what it was: {} instead of {want}",
        from.display(),
        measured.digest()
    );
    Err(Failure::error(
        Code::DigestMismatch,
        message,
        "find out who changed it",
    ))
}
