//! `modelward attest-blob --predicate FILE --type TYPE --bundle OUT BLOB`

use std::path::PathBuf;

use digest::Digest;
use serde_json::json;

use super::predicate::PredicateWords;
use super::signing::{SigningWords, check_place, write};
use super::{Everywhere, NamedDigest};
use crate::answer::{Answer, Failure};
use crate::model::name_of;
use crate::ui::Ui;

/// Sign what a predicate's file says about a file, in cosign's words
///
/// As `cosign attest-blob` does: an in-toto statement (version 0.1) about the file's SHA-256, sealed in a Sigstore bundle that either
/// program verifies. The predicate stands in it as it was written, where cosign drops what it does not know.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward attest-blob --predicate predicate.json --type slsaprovenance1 --key cosign.key --bundle model.att.json model.safetensors"
)]
pub(crate) struct Args {
    /// The file
    #[arg(value_name = "BLOB")]
    blob: PathBuf,
    #[command(flatten)]
    predicate: PredicateWords,
    /// The file's SHA-256 in hexadecimal, where it lies elsewhere: then it is not read, and named as `BLOB` says
    #[arg(long, value_name = "HEX", value_parser = Digest::from_hex)]
    hash: Option<Digest>,
    /// Where the bundle goes
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    #[command(flatten)]
    signing: SigningWords,
    #[command(flatten)]
    everywhere: Everywhere,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    args.signing.check()?;
    check_place(&args.bundle)?;
    let digest = match args.hash {
        Some(hash) => hash,
        None => {
            ui.note(format!("Using payload from: {}", args.blob.display()));
            let measured = digest::measure_file(&args.blob);
            measured?.digest()
        }
    };
    let name = name_of(&args.blob)?;
    let now = host::clock::now()?;
    let payload = args
        .predicate
        .payload(&name, &NamedDigest::sha256(digest), now)?;
    ui.note(format!("Using payload from: {}", payload.from));
    let bundle = args.signing.seal(payload.bytes, ui)?;
    write(&args.bundle, &bundle, ui)?;
    let data = json!({"blob": name, "digest": digest.to_string(), "predicateType": payload.said.predicate_type,
                      "bundle": args.bundle});
    Ok(Answer::new(Vec::new(), data))
}
