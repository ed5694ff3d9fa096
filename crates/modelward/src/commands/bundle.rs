//! `modelward bundle convert OLD --to FILE`

use std::path::PathBuf;

use serde_json::json;
use trust::predicate::ModelSignature;
use trust::{Bundle, Code, Opaque, Predicate, Statement};

use super::verify::read_signature;
use crate::answer::{Answer, Failure};
use crate::model::unwritable;
use crate::signature_file::check_replaceable;

/// Write signatures of earlier releases anew
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write an old signature in the form that today's tools read
    Convert(Convert),
}

/// What was signed and the signatures stay as they are, byte for byte; nobody checks them here.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward bundle convert old/model.sig --to model.sig\n\n\
                  A signature of release 0.2 covers other bytes than later ones do: sign the model again."
)]
struct Convert {
    /// The old signature
    old: PathBuf,
    /// Where the new one goes
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<Answer, Failure> {
    let Action::Convert(args) = args.action;
    let received = read_signature(&args.old)?;
    let bundle = Bundle::parse(&received)?;
    let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload())?;
    let signed = ModelSignature::of_statement(statement)?.predicate;
    if signed.is_first_release() {
        let what = "it is by release 0.2, whose signatures cover other bytes than later ones do";
        return Err(cannot(what));
    }
    let written = bundle.to_newest().map_err(cannot)?;
    check_replaceable(&args.to)?;
    host::named_file::write(&args.to, &written).map_err(|e| unwritable(&args.to, &e))?;
    let remaining = remaining(&signed);
    let is_changed = written != received;
    let said = match is_changed {
        true => "converted: what was signed and the signature are as they were",
        false => "it was in today's form, and is copied as it was",
    };
    let mut lines = vec![said.to_owned()];
    lines.extend(remaining.iter().map(|what| format!("as before: {what}")));
    let data = json!({"signature": args.to.display().to_string(), "changed": is_changed, "remaining": remaining, "verified": false});
    Ok(Answer::new(lines, data))
}

/// What other tools may stumble over and only a new signature changes.
fn remaining(signed: &ModelSignature) -> Vec<&'static str> {
    let order = "its files are in the order of the Python reference, which the Go tools refuse";
    let pieces = "it signs pieces, which the Python reference's command line does not verify";
    let hash = "it is not by SHA-256, which the Python reference's command line does not verify";
    let method = signed.method();
    [
        (!signed.is_in_order(), order),
        (method.shard_size.is_some(), pieces),
        (method.algorithm != digest::Algorithm::Sha256, hash),
    ]
    .into_iter()
    .filter_map(|(holds, what)| holds.then_some(what))
    .collect()
}

fn cannot(what: &str) -> Failure {
    let message = format!("the signature can't be converted: {what}");
    let way = "verify the model with it, and sign it again: `modelward sign`";
    Failure::error(Code::SignatureMethod, message, way)
}
