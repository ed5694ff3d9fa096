//! `modelward attest --predicate FILE --type TYPE --no-upload --bundle OUT IMAGE`

use std::path::PathBuf;

use clap::ArgAction;
use clap::builder::BoolishValueParser;
use serde_json::json;
use trust::Code;

use super::predicate::PredicateWords;
use super::signing::{SigningWords, check_place, write};
use super::verify_attestation::Image;
use super::{Everywhere, NamedDigest};
use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// Sign what a predicate's file says about an OCI image, in cosign's words
///
/// As `cosign attest --no-upload --bundle` does: a statement about the digest of the image's manifest, in a bundle's file. The image
/// is in a registry or an image layout, and nothing of it is read but its manifest.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward attest --predicate predicate.json --type slsaprovenance1 --key cosign.key --no-upload --bundle image.att.json registry.example.com/model@sha256:DIGEST"
)]
pub(crate) struct Args {
    /// The image: `HOST/NAME@sha256:…`, `HOST/NAME:TAG` or `oci-layout://FOLDER`
    #[arg(value_name = "IMAGE")]
    image: String,
    #[command(flatten)]
    predicate: PredicateWords,
    /// Where the bundle goes
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Attach nothing to the image, which is all that is done
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = BoolishValueParser::new())]
    no_upload: bool,
    #[command(flatten)]
    signing: SigningWords,
    #[command(flatten)]
    everywhere: Everywhere,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    args.signing.check()?;
    if !args.no_upload {
        let message = "a statement is written to a file, and not attached to the image";
        let way = "say so with `--no-upload`, and attach the file: `oras attach --artifact-type application/vnd.dev.sigstore.bundle.v0.3+json`";
        return Err(Failure::error(Code::Usage, message, way));
    }
    check_place(&args.bundle)?;
    let image = Image::read(&args.image)?;
    let digest = image.artifact.digest;
    let now = host::clock::now()?;
    let payload = args
        .predicate
        .payload(&image.name, &NamedDigest::sha256(digest), now)?;
    ui.note(format!("Using payload from: {}", payload.from));
    let bundle = args.signing.seal(payload.bytes, ui)?;
    write(&args.bundle, &bundle, ui)?;
    let data = json!({"image": image.artifact.reference.to_string(), "digest": digest.to_string(),
                      "predicateType": payload.said.predicate_type, "bundle": args.bundle});
    Ok(Answer::new(Vec::new(), data))
}
