//! `modelward verify-blob-attestation --bundle FILE --key FILE BLOB`

use std::path::PathBuf;

use serde_json::json;
use trust::{Bundle, Code};

use super::believing::{BelievingWords, certificate_lines, described};
use super::predicate::{PredicateType, predicate_type};
use super::{Everywhere, NamedDigest, fits};
use crate::answer::{Answer, Failure};
use crate::commands::verify::read_signature;
use crate::ui::Ui;

/// Verify what somebody signed about a file, in cosign's words
///
/// As `cosign verify-blob-attestation` does, from files alone: the bundle's signature is the expected signer's, one of its
/// statement's subjects is the file, and it is of the type that is asked for. `Verified OK` stands on standard error then, as with
/// cosign.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward verify-blob-attestation --bundle model.att.json --key cosign.pub --insecure-ignore-tlog --type slsaprovenance1 model.safetensors"
)]
pub(crate) struct Args {
    /// The file
    #[arg(
        value_name = "BLOB",
        required_unless_present = "digest",
        conflicts_with = "digest"
    )]
    blob: Option<PathBuf>,
    /// The bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The file's digest in hexadecimal, in its place; with `--digestAlg`
    #[arg(long, value_name = "HEX", value_parser = hex, requires = "digest_alg")]
    digest: Option<String>,
    /// Which one: sha256, sha384 or sha512
    #[arg(long = "digestAlg", value_name = "ALGORITHM", value_parser = ["sha256", "sha384", "sha512"], requires = "digest")]
    digest_alg: Option<String>,
    /// Of which type it must be: slsaprovenance, slsaprovenance02, slsaprovenance1, link, spdx, spdxjson, cyclonedx, vuln, openvex,
    /// custom, or a URI
    #[arg(long = "type", value_name = "TYPE", default_value = "custom", value_parser = predicate_type)]
    kind: PredicateType,
    #[command(flatten)]
    believing: BelievingWords,
    #[command(flatten)]
    everywhere: Everywhere,
}

/// An empty digest is nobody's.
fn hex(text: &str) -> Result<String, &'static str> {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match !text.is_empty() && text.chars().all(is_hex) {
        true => Ok(text.to_owned()),
        false => Err("it is no digest in small hexadecimal digits"),
    }
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let believed = args.believing.believed(ui)?;
    let bundle = Bundle::parse(&read_signature(&args.bundle)?)?;
    let digest = match (&args.blob, &args.digest, &args.digest_alg) {
        (Some(blob), ..) => NamedDigest::sha256(digest::measure_file(blob)?.digest()),
        (None, Some(hex), Some(algorithm)) => NamedDigest {
            algorithm: algorithm.clone(),
            hex: hex.clone(),
        },
        _ => {
            let message = "must provide path to blob or digest and digestAlg";
            return Err(Failure::error(Code::Usage, message, "name the file"));
        }
    };
    let verified = believed.believe(&bundle)?;
    fits(&verified, &digest, &args.kind)?;
    let mut lines = certificate_lines(verified.proof());
    lines.push("Verified OK".to_owned());
    ui.note(lines);
    Ok(Answer::new(
        Vec::new(),
        json!({"statement": described(&verified)}),
    ))
}
