//! `modelward sign MODEL`

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use digest::{Algorithm, Method};
use serde_json::json;
use trust::predicate::{Form, ModelSignature, Spelling, Terms};
use trust::{Bundle, Code, Kind, Role, Statement};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::holder::HeldKey;
use crate::inside::left_out_by;
use crate::interruption::Work;
use crate::lines::{Lines, counted};
use crate::model::{
    Model, Resources, default_ignored, left_out_line, no_twins, signature_path, unwritable,
};
use crate::remembered::{Remembered, from_cache_line};
use crate::signature_file::check_target;
use crate::ui::Ui;
use crate::workspace::Workspace;

mod manifest;

/// Sign a model, a folder or a single file, as OpenSSF model signing does
///
/// Without `--private-key`, `--token`, `--plugin` or `--keyless` a key of the store signs, and the signature is recorded there: that is
/// what the other stages ask for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward sign out/digits")]
pub(crate) struct Args {
    /// The model; or the manifest of an OCI artifact, whose blobs are not read: `oci-manifest://FILE`,
    /// `oci-layout://FOLDER:TAG` or `oci://HOST/NAME@DIGEST`
    model: PathBuf,
    /// Where the signature goes; `MODEL.sig` by default
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Push the signature of an artifact in a registry so that it refers to it
    #[arg(long)]
    attach: bool,
    /// A key of the store, by its name
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    held: HeldKey,
    /// Leave out this path, from here or in the model, and all below it; `.git`, `.gitattributes`, `.github` and `.gitignore`
    /// at the model's root always are, as the standard's own tool does
    #[arg(long = "ignore", value_name = "PATH")]
    ignored: Vec<PathBuf>,
    #[command(flatten)]
    odd: Odd,
}

/// How a model is signed otherwise than whole and by SHA-256. The other stages of the chain don't take such signatures.
#[derive(Debug, clap::Args)]
struct Odd {
    /// Hash by `blake2b` or `blake3` rather than `sha256`; the reference's command line verifies neither
    #[arg(long, value_name = "NAME", value_parser = algorithm, requires = "held", default_value = "sha256")]
    hash: Algorithm,
    /// Sign pieces of so many bytes rather than whole files, so that one large file is hashed on all cores
    #[arg(long, value_name = "BYTES", requires = "held")]
    shard_size: Option<NonZeroU64>,
    /// Follow symbolic links that lead to files inside this folder; the model itself if none is named
    #[arg(long, value_name = "FOLDER", requires = "held", num_args = 0..=1)]
    follow_links: Option<Option<PathBuf>>,
    /// Write the name of a single file and the algorithm of a piece as the specification has it; the reference verifies
    /// neither
    #[arg(long, requires = "held")]
    strict_spec: bool,
    /// Don't read files again that are, as the system says, as they were when they were read last: their digests are kept
    /// in this folder, which only you may be able to write
    #[arg(
        long,
        value_name = "DIR",
        requires = "held",
        conflicts_with = "follow_links"
    )]
    cache: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    if let Some(reference) = crate::artifact::reference(&args.model)? {
        return manifest::sign(args, reference);
    }
    if args.attach {
        let way =
            "push the model first: `modelward push MODEL oci://HOST/NAME:TAG --signature FILE`";
        return Err(Failure::error(
            Code::Usage,
            "only an artifact in a registry can have a signature attached",
            way,
        ));
    }
    let target = args
        .signature
        .clone()
        .map_or_else(|| signature_path(&args.model), Ok)?;
    check_target(&target)?;
    if args.odd.shard_size.is_some() && !args.odd.strict_spec {
        ui.warn(PEERS_PIECES);
    }
    let beside = [
        default_ignored(),
        left_out_by(&args.ignored, &args.model, ui)?,
    ]
    .concat();
    let ignored = with_signature(beside.clone(), &args.model, &target);
    let signed = match args.held.is_named() {
        true => by_held(args, &ignored, ui)?,
        false => by_store(args, &ignored, common, ui)?,
    };
    let _work = Work::begin();
    host::named_file::write_by(&target, &|out| signed.bundle.write(out))
        .map_err(|e| unwritable(&target, &e))?;
    let left_out = crate::model::left_out(&args.model, &beside);
    let mut text = Lines::from(format!(
        "signed {} of `{}` ({}): {}",
        signed.what,
        signed.name,
        signed.digest,
        target.display()
    ));
    text.extend(from_cache_line(signed.from_cache));
    text.extend(left_out_line(&left_out, "covered by no signature"));
    text.extend(signed.said.iter().map(ToString::to_string));
    let data = json!({"model": signed.digest, "files": signed.files, "cached": signed.from_cache, "ignored": left_out, "signature": target.display().to_string(),
                      "statement": signed.said.map(|said| said.data())});
    Ok(Answer::new(text, data))
}

/// Of what is written so that others verify it.
pub(super) const PEERS_PIECES: &str = "the algorithm of each piece is written as released tools verify it, and not as the specification has it";

/// What came of it.
struct Signed {
    bundle: Bundle,
    name: String,
    /// The model's digest, or the digest that stands for it in the signature.
    digest: String,
    files: usize,
    /// How many of them were not read.
    from_cache: usize,
    what: String,
    said: Option<crate::workspace::Said>,
}

fn by_store(args: &Args, ignored: &[String], common: &Common, ui: &Ui) -> Result<Signed, Failure> {
    let workspace = Workspace::open(common).map_err(|failure| match failure {
        Failure::Error(problem) if problem.code == Code::StoreMissing => {
            let way = "name the key: `--private-key FILE`, `--token URI`, `--plugin PROGRAM` or `--keyless`; or make a store: `modelward store init`";
            Failure::error(problem.code, problem.message, way)
        }
        other => other,
    })?;
    let signer = workspace.signer(Role::Sign, args.key.as_deref())?;
    let model = Model::measure(&args.model, Kind::Model, ignored, ui)?;
    let path_of = |path: &str| model.file(path);
    workspace.keep(&model.name, &model.artifact, &path_of, ui)?;
    let ignored = left_out_of(model.form, ignored);
    let statement = chain::sign::statement(&model.name, &model.artifact, model.form, ignored);
    check_statement(&statement)?;
    let (digest, files) = (model.artifact.digest(), model.artifact.files().len());
    let name = model.name;
    // Of many files each of these is long, and each goes as soon as it is not needed.
    drop(model.artifact);
    let bundle = trust::seal(&statement, &signer)
        .map_err(|e| Failure::from_error(Code::KeyInvalid, &e, ""))?;
    drop(statement);
    let said = workspace.record::<ModelSignature>(&bundle)?;
    Ok(Signed {
        bundle,
        digest: digest.to_string(),
        files,
        from_cache: 0,
        what: counted(files, "file"),
        name,
        said: Some(said),
    })
}

fn by_held(args: &Args, ignored: &[String], ui: &Ui) -> Result<Signed, Failure> {
    let terms = args.odd.terms(ignored);
    if let Some(folder) = &args.odd.cache {
        return by_held_from_cache(args, folder, &terms, ui);
    }
    if terms.method == Method::WHOLE_SHA256 && !terms.follows_links {
        let Model {
            name,
            form,
            artifact,
            ..
        } = Model::measure(&args.model, Kind::Model, ignored, ui)?;
        let files = artifact.files().iter();
        let files = files.map(|(path, file)| (path, file.digest.into()));
        let statement = statement(&name, files, form, &terms);
        check_statement(&statement)?;
        let (digest, files) = (artifact.digest(), artifact.files().len());
        drop(artifact);
        return Ok(Signed {
            bundle: args.held.seal(&statement)?,
            digest: digest.to_string(),
            files,
            from_cache: 0,
            what: counted(files, "file"),
            name,
            said: None,
        });
    }
    let links = args.odd.links(&args.model);
    let model = Resources::measure(&args.model, ignored, links, terms.method, ui)?;
    let method = terms.method;
    all_have_pieces(&model.empty)?;
    let resources = model.resources.iter();
    let resources = resources.map(|(name, measured)| (name, measured.digest()));
    let statement = statement(&model.name, resources, model.form, &terms);
    check_statement(&statement)?;
    Ok(Signed {
        bundle: args.held.seal(&statement)?,
        digest: statement.predicate.root().to_string(),
        files: model.files(method),
        from_cache: 0,
        what: format!("{}, {method}", counted(model.files(method), "file")),
        name: model.name,
        said: None,
    })
}

/// As [`by_held`], but for files that the cache knows.
fn by_held_from_cache(
    args: &Args,
    folder: &Path,
    terms: &Terms,
    ui: &Ui,
) -> Result<Signed, Failure> {
    let method = terms.method;
    let model = Remembered::measure(&args.model, &terms.ignored, folder, method, ui)?;
    all_have_pieces(&model.empty)?;
    let (digest, how) = match method == Method::WHOLE_SHA256 {
        true => (Some(model.artifact()?.digest()), String::new()),
        false => (None, format!(", {method}")),
    };
    let statement = statement(&model.name, model.resources(), model.form, terms);
    check_statement(&statement)?;
    let digest = digest.unwrap_or_else(|| statement.predicate.root());
    Ok(Signed {
        bundle: args.held.seal(&statement)?,
        digest: digest.to_string(),
        files: model.files,
        from_cache: model.from_cache,
        what: format!("{}{how}", counted(model.files, "file")),
        name: model.name,
        said: None,
    })
}

/// What would be another model elsewhere is not signed.
pub(super) fn check_statement(statement: &Statement<ModelSignature>) -> Result<(), Failure> {
    let signed = &statement.predicate;
    no_twins(signed.resources().map(|(name, _)| signed.file_of(name)))
}

/// An empty file has no piece: a signature of pieces would leave it out, and say nothing of it.
pub(super) fn all_have_pieces(empty: &[String]) -> Result<(), Failure> {
    let Some(first) = empty.first() else {
        return Ok(());
    };
    let and_more = match empty.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Err(Failure::error(
        Code::ModelInvalid,
        format!("`{first}`{and_more} is empty, and has no piece that could be signed"),
        "sign whole files, without `--shard-size`; or leave it out with `--ignore`",
    ))
}

fn statement<'a>(
    name: &str,
    resources: impl Iterator<Item = (&'a str, digest::ResourceDigest)>,
    form: Form,
    terms: &Terms,
) -> Statement<ModelSignature> {
    let ignored = left_out_of(form, &terms.ignored);
    ModelSignature::of_resources(name, resources, form, Terms { ignored, ..*terms })
}

/// Only a folder has something to leave out.
fn left_out_of(form: Form, ignored: &[String]) -> Vec<String> {
    match form {
        Form::Folder => ignored.to_vec(),
        Form::SingleFile => Vec::new(),
    }
}

impl Odd {
    fn terms(&self, ignored: &[String]) -> Terms {
        Terms {
            method: Method {
                algorithm: self.hash,
                shard_size: self.shard_size,
            },
            follows_links: self.follow_links.is_some(),
            ignored: ignored.to_vec(),
            spelling: match self.strict_spec {
                true => Spelling::Specification,
                false => Spelling::Interoperable,
            },
        }
    }

    /// Whether it is as all verifiers take it, and everything is read.
    const fn is_usual(&self) -> bool {
        matches!(self.hash, Algorithm::Sha256)
            && self.shard_size.is_none()
            && self.follow_links.is_none()
            && !self.strict_spec
            && self.cache.is_none()
    }

    /// The folder inside which links are followed, if they are.
    fn links<'a>(&'a self, model: &'a Path) -> Option<&'a Path> {
        let folder = self.follow_links.as_ref()?;
        Some(folder.as_deref().unwrap_or(model))
    }
}

pub(super) fn algorithm(word: &str) -> Result<Algorithm, String> {
    Algorithm::from_word(word).ok_or_else(|| {
        let words = Algorithm::ALL.map(Algorithm::as_str).join(", ");
        format!("the hash functions are {words}")
    })
}

/// A signature that lies inside the model is not part of it.
fn with_signature(mut ignored: Vec<String>, model: &Path, signature: &Path) -> Vec<String> {
    let inside = signature
        .strip_prefix(model)
        .ok()
        .and_then(|path| path.to_str());
    ignored.extend(
        inside
            .filter(|path| !path.is_empty())
            .map(ToOwned::to_owned),
    );
    ignored.sort();
    ignored.dedup();
    ignored
}
