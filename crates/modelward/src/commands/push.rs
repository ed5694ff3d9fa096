//! `modelward push MODEL oci://HOST/NAME:TAG`

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use digest::Digest;
use host::oci::{Lot, ReadError, Registry};
use serde_json::json;
use trust::oci::{Attestations, Descriptor, Manifest, Reference, Referrer, Repository, Version};
use trust::{Artifact, Bundle, Code, Kind};

use super::verify::read_signature;
use crate::answer::{Answer, Failure};
use crate::artifact::{predicate_type, referrer, repository};
use crate::cli::Common;
use crate::lines::{Lines, counted};
use crate::model::{Model, default_ignored};
use crate::release::NO_PART;
use crate::ui::Ui;
use crate::workspace::Workspace;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A statement over a hundred thousand files is a quarter of that.
const BUNDLE_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Push a model to a registry, and all that the store says of it
///
/// What is pushed is the manifest that all statements about the model name, with each file as a blob: the digest in the registry
/// is the model's. Credentials are Docker's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward push out/digits oci://registry.example/team/digits:v1")]
pub(crate) struct Args {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// Where it goes: `oci://HOST/NAME:TAG`
    to: String,
    /// Push this signature, too; may be given several times
    #[arg(long = "signature", value_name = "FILE")]
    signatures: Vec<PathBuf>,
    /// Push nothing that the store says of the model
    #[arg(long)]
    no_statements: bool,
    /// Push statements to this repository, `oci://HOST/NAME`, where the model's own is not yours to write in
    #[arg(long, value_name = "REPOSITORY")]
    statements_to: Option<String>,
    /// Push statements as cosign's older manifest of attestations, too: the tag `sha256-….att`
    #[arg(long)]
    att: bool,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let (target, version) = target(&args.to)?;
    let elsewhere = args.statements_to.as_deref().map(repository).transpose()?;
    let workspace = Workspace::open_if_there(common)?;
    let model = Pushed::of(&args.model, workspace.as_ref(), ui)?;
    let manifest = model.artifact.manifest();
    let digest = check(&manifest, &version)?;
    let mut bundles = model.signatures(&args.signatures)?;
    if let Some(workspace) = workspace.as_ref().filter(|_| !args.no_statements) {
        bundles.extend(said(workspace, &model.artifact)?);
    }
    let registry = Registry::open_to_push(&target)?;
    let sent = push_files(&registry, &model, ui)?;
    let tag = match &version {
        Version::Tag(tag) => Some(tag.as_str()),
        Version::Digest(_) => None,
    };
    registry.push_manifest(&manifest, MANIFEST, tag)?;
    let to = match &elsewhere {
        Some(repository) => &Registry::open_to_push(repository)?,
        None => &registry,
    };
    let subject = Descriptor::of(MANIFEST, &manifest);
    let pushed = push_statements(to, &subject, bundles, args.att)?;
    let artifact = Reference::Registry(target, Version::Digest(digest)).to_string();
    let beside = elsewhere.map(|it| format!("oci://{}/{}", it.host, it.name));
    let files = model.artifact.files().len();
    let mut text = Lines::from([
        format!(
            "pushed {} of `{}`: {sent} sent, the others were there",
            counted(files, "file"),
            model.name
        ),
        format!("artifact: {artifact}"),
        format!(
            "statements: {} {}",
            pushed.referrers,
            beside
                .as_ref()
                .map_or("that refer to it".to_owned(), |it| format!(
                    "about it, in {it}"
                ))
        ),
    ]);
    if pushed.without_layer > 0 {
        text.push(format!(
            "{} of them are not among cosign's attestations: certificates sign them",
            pushed.without_layer
        ));
    }
    text.extend(crate::model::left_out_line(&model.left_out, NO_PART));
    let data = json!({"artifact": artifact, "model": digest.to_string(), "files": files, "sent": sent,
                      "statements": pushed.referrers, "attestations": pushed.layers, "statementsTo": beside, "ignored": model.left_out});
    Ok(Answer::new(text, data))
}

/// A model on its way.
pub(super) struct Pushed {
    name: String,
    pub(super) artifact: Artifact,
    /// Where each file is, by its digest.
    pub(super) paths: BTreeMap<Digest, PathBuf>,
    left_out: Vec<String>,
}

impl Pushed {
    pub(super) fn of(word: &str, workspace: Option<&Workspace>, ui: &Ui) -> Result<Self, Failure> {
        if let Ok(digest) = word.parse::<Digest>() {
            let workspace = workspace.ok_or_else(|| {
                let way = "name the model's folder or file, or the store: `--store DIR`";
                Failure::error(
                    Code::StoreMissing,
                    "there is no store here that has the model",
                    way,
                )
            })?;
            let artifact = workspace.artifact(digest)?;
            let files = artifact.files().values();
            let paths = files.map(|file| (file.digest, workspace.store.blob_path(file.digest)));
            return Ok(Self {
                name: digest.short(),
                paths: paths.collect(),
                artifact,
                left_out: Vec::new(),
            });
        }
        let model = Model::measure(Path::new(word), Kind::Model, &default_ignored(), ui)?;
        let files = model.artifact.files().iter();
        let paths = files.map(|(path, file)| (file.digest, model.file(path)));
        Ok(Self {
            paths: paths.collect(),
            left_out: crate::model::left_out(Path::new(word), &default_ignored()),
            name: model.name,
            artifact: model.artifact,
        })
    }

    fn signatures(&self, files: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
        let signatures = files.iter().map(|file| read_signature(file));
        signatures.collect()
    }
}

fn target(word: &str) -> Result<(Repository, Version), Failure> {
    match crate::artifact::reference(Path::new(word))? {
        Some(Reference::Registry(repository, version)) => Ok((repository, version)),
        _ => Err(Failure::error(
            Code::Usage,
            format!("`{word}` is no place in a registry"),
            "such as `oci://registry.example/team/digits:v1`",
        )),
    }
}

/// The digest of what is pushed, which must be the one that was named, if one was.
fn check(manifest: &[u8], version: &Version) -> Result<Digest, Failure> {
    let digest = Digest::of(manifest);
    if manifest.len() > Manifest::SIZE_BYTES_MAX {
        let message = format!(
            "the model's manifest has {} bytes, and no registry takes more than {}",
            manifest.len(),
            Manifest::SIZE_BYTES_MAX
        );
        let way = "put its many small files into fewer large ones";
        return Err(Failure::error(Code::TooLarge, message, way));
    }
    match version {
        Version::Digest(named) if *named != digest => Err(Failure::error(
            Code::DigestMismatch,
            format!("the model is {digest}, and not {named}"),
            "name a tag, or the digest that the model has",
        )),
        _ => Ok(digest),
    }
}

/// All that the store's log records about the model, its signing root or a file of it.
fn said(workspace: &Workspace, artifact: &Artifact) -> Result<Vec<Vec<u8>>, Failure> {
    let mut bundles = BTreeMap::new();
    for name in chain::lineage::names(artifact) {
        for recorded in workspace.store.statements_about(name)? {
            bundles.insert(recorded.log_index, recorded.bundle);
        }
    }
    let bundles = bundles.into_values();
    let bundles = bundles.map(|bundle| workspace.store.read_blob(bundle, BUNDLE_SIZE_BYTES_MAX));
    Ok(bundles.collect::<Result<_, _>>()?)
}

/// Says how many files had to be sent.
pub(super) fn push_files(registry: &Registry, model: &Pushed, ui: &Ui) -> Result<usize, Failure> {
    let bar = ui.bytes_bar("pushing", model.artifact.size_bytes());
    let files = model.artifact.files().values();
    let sizes: BTreeMap<Digest, u64> = files.map(|file| (file.digest, file.size_bytes)).collect();
    let lot = |(digest, path): (&Digest, &PathBuf)| {
        let path = path.clone();
        Lot {
            digest: *digest,
            size_bytes: sizes.get(digest).copied().unwrap_or_default(),
            open: Box::new(move || open(&path)),
        }
    };
    let mut lots: Vec<Lot<'_>> = model.paths.iter().map(lot).collect();
    let config = Referrer::config();
    lots.push(Lot {
        digest: Digest::of(config),
        size_bytes: config.len() as u64,
        open: Box::new(move || Ok(Box::new(config))),
    });
    // The longest first: it is what is waited for at the end.
    lots.sort_by_key(|lot| std::cmp::Reverse(lot.size_bytes));
    let sent = host::oci::push(registry, &lots, &|size_bytes| bar.inc(size_bytes))?;
    bar.finish_and_clear();
    Ok(sent)
}

fn open(path: &Path) -> Result<Box<dyn Read>, ReadError> {
    let opened = digest::open_file(path);
    let opened = opened.map_err(|e| ReadError::Io {
        path: path.to_owned(),
        cause: std::io::Error::other(e.to_string()),
    })?;
    Ok(Box::new(opened))
}

/// What was pushed beside a model.
#[derive(Debug, Default)]
struct Beside {
    referrers: usize,
    layers: usize,
    without_layer: usize,
}

fn push_statements(
    to: &Registry,
    subject: &Descriptor,
    bundles: Vec<Vec<u8>>,
    as_att: bool,
) -> Result<Beside, Failure> {
    let mut beside = Beside::default();
    if as_att {
        let mut layers = Vec::new();
        for bundle in &bundles {
            let bundle = Bundle::parse(bundle)?;
            match Attestations::envelope(&bundle) {
                Some(envelope) => layers.push((envelope, predicate_type(&bundle)?)),
                None => beside.without_layer += 1,
            }
        }
        to.push_attestations(subject.digest, &layers)?;
        beside.layers = layers.len();
    }
    let referrers = bundles.into_iter().map(|bundle| referrer(subject, bundle));
    let referrers: Vec<_> = referrers.collect::<Result<_, _>>()?;
    to.push_referrers(subject.digest, &referrers)?;
    beside.referrers = referrers.len();
    Ok(beside)
}
