//! `modelward sign MODEL`

use std::path::{Path, PathBuf};

use serde_json::json;
use trust::{Code, Kind, PrivateKey, Role, Signer};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model::{Model, default_ignored, left_out_line, signature_path, unreadable};
use crate::ui::Ui;
use crate::workspace::{Workspace, password};

/// Sign a model, a folder or a single file, as OpenSSF model signing does
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward sign out/digits")]
pub(crate) struct Args {
    /// The model
    model: PathBuf,
    /// Where the signature goes; `MODEL.sig` by default
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// A key of the store, by its name
    #[arg(long, value_name = "NAME", conflicts_with = "private_key")]
    key: Option<String>,
    /// A private key's file (PKCS#8 PEM), without a store
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// Leave out this path in the model, and all below it; `.git`, `.gitattributes`, `.github` and `.gitignore` at its root
    /// always are, as the standard's own tool does
    #[arg(long = "ignore", value_name = "PATH")]
    ignored: Vec<String>,
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let target = args
        .signature
        .map_or_else(|| signature_path(&args.model), Ok)?;
    check_target(&target)?;
    let ignored = [default_ignored(), args.ignored].concat();
    let beside = ignored.clone();
    let ignored = with_signature(ignored, &args.model, &target);
    let model = Model::measure(&args.model, Kind::Model, &ignored, ui)?;
    let kept = if model.path.is_dir() {
        ignored
    } else {
        Vec::new()
    };
    let statement = chain::sign::statement(&model.name, &model.artifact, model.form, kept);
    let (bundle, said) = match &args.private_key {
        Some(path) => (seal(&statement, &load(path)?)?, None),
        None => {
            let workspace = Workspace::open(common)?;
            let bundle = seal(
                &statement,
                &workspace.signer(Role::Sign, args.key.as_deref())?,
            )?;
            workspace.keep(&model.name, Kind::Model, &model.sources(), ui)?;
            let said = workspace.record::<trust::predicate::ModelSignature>(&bundle)?;
            (bundle, Some(said))
        }
    };
    host::whole_file::write(&target, &bundle.to_bytes()).map_err(|e| unreadable(&target, &e))?;
    let mut text = format!(
        "signed {} files of `{}` ({}): {}",
        model.listing.len(),
        model.name,
        model.artifact.digest(),
        target.display()
    );
    let left_out = model.left_out(&beside);
    text += &left_out_line(&left_out);
    if let Some(said) = &said {
        text = format!("{text}\n{said}");
    }
    let data = json!({"model": model.artifact.digest().to_string(), "files": model.listing.len(),
                      "ignored": left_out, "signature": target, "statement": said.map(|said| said.data())});
    Ok(Answer::new(text, data))
}

/// Found out now: once the statement is in the log, it stays there.
fn check_target(target: &Path) -> Result<(), Failure> {
    if target.is_dir() {
        let message = format!(
            "`{}` is a folder, and the signature is a file",
            target.display()
        );
        let hint = "name another file with `--signature FILE`, or move the folder away";
        return Err(Failure::error(Code::Io, message, hint));
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK)
        .map_err(|e| unreadable(folder, &e.into()))
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

fn seal(
    statement: &trust::Statement<trust::predicate::ModelSignature>,
    key: &dyn Signer,
) -> Result<trust::Bundle, Failure> {
    trust::seal(statement, key).map_err(|e| Failure::from_error(Code::KeyInvalid, &e, ""))
}

fn load(path: &Path) -> Result<PrivateKey, Failure> {
    let pem = host::keys::read_private(path)?;
    let password = if trust::looks_encrypted(&pem) {
        password()?
    } else {
        None
    };
    PrivateKey::from_pem(&pem, password.as_ref().map(|password| password.as_str())).map_err(|e| {
        let cause = host::keys::KeyFileError::Key {
            path: path.to_owned(),
            cause: e,
        };
        Failure::from(cause)
    })
}
