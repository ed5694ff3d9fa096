//! `modelward sbom MODEL DOCUMENT`

use std::path::PathBuf;

use decode::json::{self, Limits, Raw};
use serde_json::json;
use trust::predicate::{CycloneDx, Spdx};
use trust::{Artifact, Code, Predicate, Statement, Subject};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::Lines;
use crate::model::{self, unreadable};
use crate::release::SigningKey;
use crate::ui::Ui;
use crate::workspace::{Said, Workspace};

const DOCUMENT_SIZE_BYTES_MAX: u64 = 16 << 20;

/// State what a model is made of, by a CycloneDX or SPDX document that some other tool made
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward sbom out/digits digits.cdx.json")]
pub(crate) struct Args {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// The document: CycloneDX, or SPDX 2, as JSON
    document: PathBuf,
    #[command(flatten)]
    key: SigningKey,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let bytes = host::whole_file::read(&args.document, DOCUMENT_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(&args.document, &e))?;
    let document = json::checked(&bytes, Limits::LARGE).map_err(|e| {
        let name = args.document.display().to_string();
        Failure::from_error(
            Code::JsonInvalid,
            &e,
            format!("is `{name}` the document, as JSON?"),
        )
    })?;
    let artifact = model::artifact(&args.model, &workspace, ui)?.1;
    let is_spdx = document.member("spdxVersion").is_some();
    let (format, licences, said) = if is_spdx {
        let spdx: Spdx = read(document)?;
        (
            "spdx",
            owned(&spdx.licences()),
            say(spdx, args, &artifact, &workspace)?,
        )
    } else {
        let cyclonedx: CycloneDx = read(document)?;
        (
            "cyclonedx",
            owned(&cyclonedx.licences()),
            say(cyclonedx, args, &artifact, &workspace)?,
        )
    };
    let stated = if licences.is_empty() {
        "no licence".to_owned()
    } else {
        format!("`{}`", licences.join("`, `"))
    };
    let text = Lines::from([
        format!(
            "stated what {} is made of, as {format}, with {stated} of its own",
            artifact.digest()
        ),
        said.to_string(),
    ]);
    let data = json!({"model": artifact.digest().to_string(), "format": format, "licences": licences, "statement": said.data()});
    Ok(Answer::new(text, data))
}

fn read<P: Predicate>(document: Raw<'_>) -> Result<P, Failure> {
    P::read(document).map_err(|e| {
        Failure::from_error(
            e.code(),
            &e,
            "a CycloneDX document, or one of SPDX 2, is taken",
        )
    })
}

fn owned(licences: &[&str]) -> Vec<String> {
    licences.iter().map(ToString::to_string).collect()
}

fn say<P: Predicate>(
    document: P,
    args: &Args,
    artifact: &Artifact,
    workspace: &Workspace,
) -> Result<Said, Failure> {
    let subject = Subject {
        name: args.model.clone(),
        digest: artifact.digest(),
    };
    let statement = Statement {
        subjects: vec![subject],
        predicate: document,
    };
    args.key.say(&statement, workspace)
}
