//! `modelward verify MODEL|MODEL.sig`

use std::path::{Path, PathBuf};

use digest::Method;
use serde_json::json;
use trust::predicate::ModelSignature;
use trust::{Artifact, Denied, Difference, How, KeyId, Kind, Proof, Statement, Verified};

use crate::answer::{Answer, Failure};
use crate::believed::Believed;
use crate::cli::Common;
use crate::model::{
    Model, Resources, SIGNATURE_ENDING, default_ignored, left_out, left_out_line, signature_path,
    unreadable,
};
use crate::ui::Ui;
use crate::workspace::Workspace;

const SIGNATURE_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Verify that a model has exactly the files that were signed
///
/// The signature says how the files were hashed, whether links were followed and what was left out; that is what is
/// done here. What it leaves out is not looked at and may be anything: as a rule `.git`, `.gitattributes`, `.github` and
/// `.gitignore` at the model's root. What of it is there is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward verify out/digits")]
pub(crate) struct Args {
    /// The model, or its signature `MODEL.sig`
    model: PathBuf,
    /// The signature; `MODEL.sig` by default
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    #[command(flatten)]
    believed: Believed,
    /// Where links of a model that was signed through links may lead; the model itself by default
    #[arg(long, value_name = "FOLDER")]
    links_inside: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let (model, signature) = paths(args)?;
    let now = host::clock::now()?;
    let (root, now, workspace) = match args.believed.root(now, ui)? {
        Some(root) => (root, now, None),
        None => {
            let workspace = Workspace::open(common)?;
            (workspace.root.clone(), workspace.now, Some(workspace))
        }
    };
    let bundle = host::whole_file::read(&signature, SIGNATURE_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(&signature, &e))?;
    let verified = trust::verify::<ModelSignature>(&bundle, &root, now)?;
    let signed = &verified.value().predicate;
    let beside = left_out_when_signed(signed);
    let ignored = with_signature(beside.clone(), &model, &signature);
    let links = signed.follows_links();
    let links = links.then(|| args.links_inside.as_deref().unwrap_or(&model));
    let (digest, files) = if signed.method() == Method::WHOLE_SHA256 {
        let measured = Model::measure_through(&model, Kind::Model, &ignored, links, ui)?;
        let artifact = trust::verify_tree(&verified, &measured.listing, measured.form)
            .map_err(|differences| different(&differences))?;
        if let Some(workspace) = &workspace {
            not_recalled(artifact.value(), verified.proof().key, workspace)?;
        }
        (artifact.value().digest(), measured.listing.len())
    } else {
        let measured = Resources::measure(&model, &ignored, links, signed.method(), ui)?;
        let files = measured.files(signed.method());
        trust::verify_resources(
            &verified,
            signed.method(),
            measured.resources,
            measured.form,
        )
        .map_err(|differences| different(&differences))?;
        if let Some(workspace) = &workspace {
            let measured = Model::measure_through(&model, Kind::Model, &ignored, links, ui)?;
            not_recalled(&measured.artifact, verified.proof().key, workspace)?;
        }
        (signed.root(), files)
    };
    let inside = signature.strip_prefix(&model).ok();
    let beside = beside.into_iter();
    let beside: Vec<String> = beside
        .filter(|path| Some(Path::new(path)) != inside)
        .collect();
    let left_out = left_out(&model, &beside);
    Ok(answer(&verified, &digest.to_string(), files, &left_out))
}

fn answer(
    verified: &Verified<Statement<ModelSignature>>,
    digest: &str,
    files: usize,
    left_out: &[String],
) -> Answer {
    let (proof, statement) = (verified.proof(), verified.value());
    let signed = &statement.predicate;
    let name = statement
        .subjects
        .first()
        .map_or("", |subject| &subject.name);
    let method = match signed.method() {
        Method::WHOLE_SHA256 => String::new(),
        method => format!(", {method},"),
    };
    let text = format!(
        "verified: {files} files of `{name}` are{method} as {} signed them{}{}",
        who(proof),
        if signed.follows_links() {
            "\nlinks were followed, as when it was signed"
        } else {
            ""
        },
        left_out_line(left_out)
    );
    let certificate = match &proof.how {
        How::Key | How::Keyless { .. } => serde_json::Value::Null,
        How::Certificate {
            subject,
            fingerprint,
            identity,
            stamped,
        } => {
            json!({"subject": subject, "fingerprint": fingerprint.to_string(), "identity": identity,
                    "stamped": stamped.map(|time| time.to_string())})
        }
    };
    let identity = match &proof.how {
        How::Keyless {
            identity,
            issuer,
            logged_at,
        } => json!({"who": identity, "provider": issuer, "loggedAt": logged_at.to_string()}),
        How::Key | How::Certificate { .. } => serde_json::Value::Null,
    };
    let data = json!({"model": digest, "files": files, "ignored": left_out, "method": signed.method().to_string(),
                      "key": proof.key.to_string(), "keyName": proof.key_name, "certificate": certificate, "identity": identity,
                      "root": proof.root.to_string()});
    Answer::new(text, data)
}

/// Who signed, for a person.
fn who(proof: &Proof) -> String {
    match &proof.how {
        How::Key => format!("`{}` ({})", proof.key_name, proof.key.short()),
        How::Certificate {
            subject, stamped, ..
        } => {
            let stamped = stamped.map_or(String::new(), |time| format!(", stamped {time}"));
            format!("`{}` (certificate of `{subject}`{stamped})", proof.key_name)
        }
        How::Keyless {
            issuer, logged_at, ..
        } => {
            format!(
                "`{}` (by word of {issuer}, logged {logged_at})",
                proof.key_name
            )
        }
    }
}

fn different(differences: &[Difference]) -> Failure {
    let reasons = differences.iter().map(Difference::reason).collect();
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

/// What was left out when it was signed. Releases of the reference before 1.1 left git's files out and did not say so;
/// where they were signed after all, they are not left out.
pub(crate) fn left_out_when_signed(signed: &ModelSignature) -> Vec<String> {
    if !signed.ignored().is_empty() {
        return signed.ignored().to_vec();
    }
    let is_signed = |ignored: &String| {
        let is_below = |name: &str| {
            let rest = name.strip_prefix(ignored.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
        };
        signed.resources().any(|(name, _)| is_below(name))
    };
    let mut ignored = default_ignored();
    ignored.retain(|path| !is_signed(path));
    ignored
}

/// A signature that lies inside the model is not part of it.
fn with_signature(mut ignored: Vec<String>, model: &Path, signature: &Path) -> Vec<String> {
    let inside = signature
        .strip_prefix(model)
        .ok()
        .and_then(|path| path.to_str());
    ignored.extend(inside.map(ToOwned::to_owned));
    ignored
}
