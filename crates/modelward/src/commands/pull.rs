//! `modelward pull oci://HOST/NAME:TAG --to FOLDER`

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use digest::Digest;
use host::oci::{Registry, Source};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use trust::oci::{Descriptor, Manifest, Reference, Repository, Version};
use trust::{Code, TreePath};

use crate::answer::{Answer, Failure};
use crate::faults::at;
use crate::interruption::Work;
use crate::lines::{Lines, counted};
use crate::ui::Ui;

/// Unfinished files lie beside the folder that they are for, under this and the beginning of the manifest's digest.
const UNFINISHED: &str = ".pulling-";

/// Pull a model from a registry, each file as its manifest names it
///
/// A pull that was broken off is gone on with by the same command. Nobody is asked who signed the model: verify it, before or after.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward pull oci://registry.example/team/digits@sha256:4bf5… --to digits"
)]
pub(crate) struct Args {
    /// The artifact: `oci://HOST/NAME@DIGEST`, or `oci://HOST/NAME:TAG` for what has the tag now
    from: PathBuf,
    /// The folder that it becomes, which must be new or empty
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let Some(Reference::Registry(repository, version)) = crate::artifact::reference(&args.from)?
    else {
        let message = format!("`{}` is no artifact in a registry", args.from.display());
        let way = "such as `oci://registry.example/team/digits@sha256:…`";
        return Err(Failure::error(Code::Usage, message, way));
    };
    let pulled = into_folder(&repository, &version, &args.to, ui)?;
    let artifact = Reference::Registry(repository, Version::Digest(pulled.digest)).to_string();
    let size_bytes = pulled.size_bytes;
    let text = Lines::from([
        format!(
            "pulled {} ({size_bytes} bytes): {}",
            counted(pulled.files, "file"),
            args.to.display()
        ),
        format!("artifact: {artifact}"),
        format!(
            "each file is as the manifest names it; who signed it, `modelward verify {artifact}` tells"
        ),
    ]);
    let data = json!({"artifact": artifact, "manifest": pulled.digest.to_string(), "files": pulled.files, "bytes": size_bytes, "folder": args.to.display().to_string()});
    Ok(Answer::new(text, data))
}

/// What was pulled.
pub(super) struct Pulled {
    pub(super) digest: Digest,
    pub(super) files: usize,
    size_bytes: u64,
}

/// Makes a folder of the files of an artifact.
pub(super) fn into_folder(
    repository: &Repository,
    version: &Version,
    to: &Path,
    ui: &Ui,
) -> Result<Pulled, Failure> {
    check_free(to)?;
    let registry = Registry::open_to_pull(repository)?;
    let bytes = registry.manifest(version)?;
    let digest = Digest::of(&bytes);
    let manifest = Manifest::parse(&bytes)?;
    let files = manifest.files()?;
    let unfinished = Unfinished::open(to, digest)?;
    fetch(&registry, &files, &unfinished, ui)?;
    let _work = Work::begin();
    unfinished.become_folder(&files, to)?;
    let sizes = files.values().map(|file| file.size_bytes);
    Ok(Pulled {
        digest,
        files: files.len(),
        size_bytes: sizes.fold(0, u64::saturating_add),
    })
}

/// Fetches each blob once, whatever files it is.
fn fetch(
    registry: &Registry,
    files: &BTreeMap<TreePath, &Descriptor>,
    unfinished: &Unfinished,
    ui: &Ui,
) -> Result<(), Failure> {
    let blobs: BTreeMap<Digest, &Descriptor> =
        files.values().map(|file| (file.digest, *file)).collect();
    let mut blobs: Vec<(Descriptor, PathBuf)> = blobs
        .into_values()
        .map(|blob| (blob.clone(), unfinished.blob(blob.digest)))
        .collect();
    blobs.sort_by_key(|(blob, _)| std::cmp::Reverse(blob.size_bytes));
    let sizes = blobs.iter().map(|(blob, _)| blob.size_bytes);
    let bar = ui.bytes_bar("pulling", sizes.fold(0, u64::saturating_add));
    host::oci::pull(registry, &blobs, &|size_bytes| bar.inc(size_bytes))?;
    bar.finish_and_clear();
    Ok(())
}

pub(super) fn check_free(folder: &Path) -> Result<(), Failure> {
    let is_free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    };
    if is_free {
        return Ok(());
    }
    Err(Failure::error(
        Code::Io,
        format!("`{}` is there, and is no empty folder", folder.display()),
        "choose a new folder with `--to`, or move away what is in it",
    ))
}

/// The folder in which files become whole; it stays when the pull is broken off.
struct Unfinished {
    folder: PathBuf,
    _lock: File,
}

impl Unfinished {
    fn open(to: &Path, digest: Digest) -> Result<Self, Failure> {
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let folder = parent.join(format!("{UNFINISHED}{}", digest.short()));
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let lock = File::open(&folder).map_err(at(&folder))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let message = format!("somebody else pulls into `{}`", folder.display());
            Failure::error(Code::Io, message, "wait until that is done")
        })?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// All files or none, under their names.
    fn become_folder(
        self,
        files: &BTreeMap<TreePath, &Descriptor>,
        to: &Path,
    ) -> Result<(), Failure> {
        let made = self.folder.join("made");
        if made.exists() {
            fs::remove_dir_all(&made).map_err(at(&made))?;
        }
        let mut linked = BTreeSet::new();
        for (path, file) in files {
            let target = made.join(path.as_str());
            let parent = target.parent().unwrap_or(&made);
            fs::create_dir_all(parent).map_err(at(to))?;
            let blob = self.blob(file.digest);
            // Two files of the same bytes are two files.
            if !linked.insert(file.digest) || fs::hard_link(&blob, &target).is_err() {
                fs::copy(&blob, &target).map_err(at(to))?;
            }
        }
        fs::rename(&made, to).map_err(at(to))?;
        fs::remove_dir_all(&self.folder).map_err(at(&self.folder))
    }
}
