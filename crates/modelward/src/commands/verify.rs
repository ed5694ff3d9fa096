//! `modelward verify MODEL|MODEL.sig`

use std::path::{Path, PathBuf};

use serde_json::json;
use trust::predicate::ModelSignature;
use trust::{Artifact, Denied, KeyId, Kind, Role, Statement, TrustRoot, Verified};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::commands::key::read_public;
use crate::model::{Model, SIGNATURE_ENDING, left_out_line, signature_path, unreadable};
use crate::ui::Ui;
use crate::workspace::Workspace;

const SIGNATURE_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Verify that a model has exactly the files that were signed
///
/// What the signature leaves out is not looked at and may be anything: as a rule `.git`, `.gitattributes`, `.github` and
/// `.gitignore` at the model's root. What of it is there is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward verify out/digits")]
pub(crate) struct Args {
    /// The model, or its signature `MODEL.sig`
    model: PathBuf,
    /// The signature; `MODEL.sig` by default
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Believe this public key (PEM) and no other, without a store
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let (model, signature) = paths(args)?;
    let workspace = match &args.public_key {
        Some(_) => None,
        None => Some(Workspace::open(common)?),
    };
    let (root, now) = match (&args.public_key, &workspace) {
        (None, Some(workspace)) => (workspace.root.clone(), workspace.now),
        (key, _) => (only(key.as_deref())?, host::clock::now()?),
    };
    let bundle = host::whole_file::read(&signature, SIGNATURE_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(&signature, &e))?;
    let verified = trust::verify::<ModelSignature>(&bundle, &root, now)?;
    let ignored = ignored(&verified, &model, &signature);
    let measured = Model::measure(&model, Kind::Model, &ignored, ui)?;
    let artifact =
        trust::verify_tree(&verified, &measured.listing, measured.form).map_err(|differences| {
            let reasons = differences.iter().map(trust::Difference::reason).collect();
            Denied::from_reasons(reasons).map_or_else(
                || {
                    Failure::error(
                        trust::Code::Internal,
                        "the model differs in nothing and is not the same",
                        "",
                    )
                },
                Failure::from,
            )
        })?;
    let proof = artifact.proof();
    if let Some(workspace) = &workspace {
        not_recalled(artifact.value(), proof.key, workspace)?;
    }
    let inside = signature.strip_prefix(&model).ok();
    let beside: Vec<String> = ignored
        .into_iter()
        .filter(|path| Some(Path::new(path)) != inside)
        .collect();
    let left_out = measured.left_out(&beside);
    let text = format!(
        "verified: {} files of `{}` are as `{}` ({}) signed them{}",
        measured.listing.len(),
        measured.name,
        proof.key_name,
        proof.key.short(),
        left_out_line(&left_out)
    );
    let data = json!({"model": artifact.value().digest().to_string(), "files": measured.listing.len(),
                      "ignored": left_out,
                      "key": proof.key.to_string(), "keyName": proof.key_name, "root": proof.root.to_string()});
    Ok(Answer::new(text, data))
}

/// A root that believes the key of this file and no other.
fn only(public_key: Option<&Path>) -> Result<TrustRoot, Failure> {
    match public_key {
        Some(path) => Ok(TrustRoot::of_key(read_public(path)?, Role::Sign)),
        None => Err(Failure::error(
            trust::Code::Internal,
            "no key and no store",
            "",
        )),
    }
}

/// Where there is a store, its log may know more than the signature says.
fn not_recalled(model: &Artifact, key: KeyId, workspace: &Workspace) -> Result<(), Failure> {
    let ledger = workspace.ledger()?;
    let mut reasons = chain::recall::recalled(&ledger, model)?;
    for reason in chain::recall::recalled_key(&ledger, key)? {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Denied::from_reasons(reasons).map_or(Ok(()), |denied| Err(denied.into()))
}

/// The model and its signature, whichever of the two was named.
fn paths(args: &Args) -> Result<(PathBuf, PathBuf), Failure> {
    let named = args
        .model
        .to_str()
        .and_then(|name| name.strip_suffix(SIGNATURE_ENDING))
        .map(PathBuf::from);
    match (named, &args.signature) {
        (Some(model), None) if model.exists() => Ok((model, args.model.clone())),
        (_, Some(signature)) => Ok((args.model.clone(), signature.clone())),
        (_, None) => Ok((args.model.clone(), signature_path(&args.model)?)),
    }
}

/// What was left out when it was signed, which the signature covers, and the signature itself.
fn ignored(
    verified: &Verified<Statement<ModelSignature>>,
    model: &Path,
    signature: &Path,
) -> Vec<String> {
    let mut ignored = verified.value().predicate.ignored().to_vec();
    let inside = signature
        .strip_prefix(model)
        .ok()
        .and_then(|path| path.to_str());
    ignored.extend(inside.map(ToOwned::to_owned));
    ignored
}
