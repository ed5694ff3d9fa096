//! A model of which some digests may be taken from a cache: what comes out is believed, not measured.

use std::path::Path;

use digest::{ByName, Method, ResourceDigest};
use host::cache::{self, Cache, CacheError};
use trust::artifact::FileEntry;
use trust::predicate::Form;
use trust::{Artifact, Code, Kind};

use crate::answer::Failure;
use crate::model::{EmptyFiles, Resources, name_of, unreadable};
use crate::ui::Ui;

/// A model on disk, of which some files were not read.
#[derive(Debug)]
pub(crate) struct Remembered {
    /// Its last name.
    pub(crate) name: String,
    /// Whether it is one file.
    pub(crate) form: Form,
    /// How many files it has; as with [`Resources::files`].
    pub(crate) files: usize,
    /// How many of them were not read.
    pub(crate) from_cache: usize,
    /// As [`Resources::empty`].
    pub(crate) empty: Vec<String>,
    resources: ByName<(ResourceDigest, u64)>,
}

impl Remembered {
    /// Measures the file or folder at `path`, but for files that the cache in `folder` knows. A cache that can't be used is
    /// told, and everything is measured.
    pub(crate) fn measure(
        path: &Path,
        ignored: &[String],
        folder: &Path,
        method: Method,
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let mut cache = match Cache::open(folder) {
            Ok(cache) => cache,
            Err(error) => {
                warn(&error, ui);
                return Self::without_cache(path, ignored, method, ui);
            }
        };
        if cache.was_damaged() {
            let file = folder.join(cache::FILE_NAME);
            let text = "is damaged: nothing is taken from it, and it is written anew";
            ui.warn(&format!("the cache `{}` {text}", file.display()));
        }
        let is_folder = std::fs::metadata(path)
            .map_err(|e| unreadable(path, &e))?
            .is_dir();
        let empty = EmptyFiles::of(path, false, method);
        let ignore = |name: &str| {
            is_folder && (ignored.iter().any(|ignored| ignored == name) || empty.passes(name))
        };
        let bar = ui.bytes_bar("hashing", None);
        let measured = cache.measure(path, &ignore, method, &|size| bar.inc(size))?;
        bar.finish_and_clear();
        if let Err(error) = cache.save() {
            warn(&error, ui);
        }
        let form = match is_folder {
            true => Form::Folder,
            false => Form::SingleFile,
        };
        Ok(Self {
            name: name_of(path)?,
            form,
            files: measured.files,
            from_cache: measured.from_cache,
            resources: measured.resources,
            empty: empty.into_names(),
        })
    }

    fn without_cache(
        path: &Path,
        ignored: &[String],
        method: Method,
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let measured = Resources::measure(path, ignored, None, method, ui)?;
        Ok(Self {
            files: measured.files(method),
            from_cache: 0,
            resources: measured.resources.map(|m| (m.digest(), m.size_bytes())),
            name: measured.name,
            form: measured.form,
            empty: measured.empty,
        })
    }

    /// Its files or pieces by their names.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, ResourceDigest)> {
        let resources = self.resources.iter();
        resources.map(|(name, (digest, _))| (name, *digest))
    }

    /// The artifact that its files are, if they were hashed whole and by SHA-256.
    pub(crate) fn artifact(&self) -> Result<Artifact, Failure> {
        let files = self.resources.iter();
        let files = files.filter_map(|(name, &(digest, size_bytes))| {
            let digest = digest.sha256()?;
            Some((name, FileEntry { digest, size_bytes }))
        });
        Artifact::new(Kind::Model, files.collect())
            .map_err(|e| Failure::from_error(Code::ModelInvalid, &e, "is this the model?"))
    }
}

/// A line for a person about files that were not read; nothing if all were.
pub(crate) fn from_cache_line(from_cache: usize) -> Option<String> {
    match from_cache {
        0 => None,
        count => Some(format!(
            "{count} of them were taken from the cache, and not read"
        )),
    }
}

fn warn(error: &CacheError, ui: &Ui) {
    ui.warn(&format!("the cache is not used: {error}"));
}
