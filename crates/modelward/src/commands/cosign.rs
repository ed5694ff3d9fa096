//! cosign's words for statements, with its flags, its key files and its sentences where scripts look for them:
//! `generate-key-pair`, `attest`, `attest-blob`, `verify-attestation`, `verify-blob-attestation`.
//!
//! ```text
//! predicate file + type ─► statement ─► signing ─► bundle ─► believing (trust::verify_any) ─► about this? of this type? ─► yes
//! ```
//! What is printed beside a yes is cosign's, a no has our reasons. Where cosign lets through what nobody vouched for, it is refused.

use trust::{AnyStatement, Code, Verified};

use crate::answer::Failure;
use predicate::PredicateType;

pub(crate) mod attest;
pub(crate) mod attest_blob;
mod believing;
pub(crate) mod generate_key_pair;
mod identity;
mod predicate;
mod signing;
pub(crate) mod verify_attestation;
pub(crate) mod verify_blob_attestation;

/// What cosign takes with every command and nothing here needs.
#[derive(Debug, clap::Args)]
struct Everywhere {
    /// Taken for cosign's sake: nothing here waits but for services, and those have limits of their own
    #[arg(long, short, value_name = "DURATION", hide_short_help = true)]
    timeout: Option<String>,
    /// Taken for cosign's sake: all there is to say is said
    #[arg(long, short = 'd', hide_short_help = true)]
    verbose: bool,
}

/// A digest in hexadecimal, by its algorithm's name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedDigest {
    algorithm: String,
    hex: String,
}

impl NamedDigest {
    fn sha256(digest: digest::Digest) -> Self {
        Self {
            algorithm: "sha256".to_owned(),
            hex: digest.hex(),
        }
    }
}

/// What was signed is about this very thing, and of the type that is asked for.
fn fits(
    statement: &Verified<AnyStatement>,
    digest: &NamedDigest,
    wanted: &PredicateType,
) -> Result<(), Failure> {
    let statement = statement.value();
    if !statement.is_about(&digest.algorithm, &digest.hex) {
        let message = format!(
            "provided artifact digests do not match digests in statement: none of its {} subjects is {}:{}",
            statement.subjects.len(),
            digest.algorithm,
            digest.hex
        );
        let way = "get the statement about this very thing, or the thing that it is about";
        return Err(Failure::error(Code::SubjectMismatch, message, way));
    }
    let got = &statement.predicate_type;
    if got != wanted.uri() {
        let message = format!("invalid predicate type, expected {wanted} got {got}");
        let way = format!("ask for what it says, if that is what you need: `--type {got}`");
        return Err(Failure::error(Code::SubjectMismatch, message, way));
    }
    Ok(())
}
