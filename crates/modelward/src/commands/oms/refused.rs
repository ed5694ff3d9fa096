//! Why it is no, in the reference's words where scripts look for them, and what to do.

use std::io;
use std::path::Path;

use digest::{ReadError, WalkError};
use trust::predicate::ModelSignature;
use trust::sigstore::SigstoreError;
use trust::x509::ChainError;
use trust::{Difference, Error, KeyError, PAYLOAD_TYPE, Predicate, SealError};

use crate::answer::Failure;

/// A no, or a failure: the face makes no difference between them, as the reference doesn't.
#[derive(Debug)]
pub(super) struct Refused {
    /// What follows `failed with error: `.
    pub(super) text: String,
    /// What to do, on a line of its own.
    pub(super) way: String,
}

impl Refused {
    pub(super) fn new(text: impl Into<String>, way: impl Into<String>) -> Self {
        let (text, way) = (text.into(), way.into());
        Self { text, way }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(denied) => {
                let messages: Vec<_> = denied.reasons().map(|r| r.message.as_str()).collect();
                let ways = denied.reasons().map(|r| r.way.clone());
                Self::new(messages.join("; "), ways.take(1).collect::<String>())
            }
            Failure::Error(problem) => {
                let parts = std::iter::once(problem.message).chain(problem.causes);
                Self::new(parts.collect::<Vec<_>>().join(": "), problem.hint)
            }
        }
    }
}

impl From<host::clock::ClockError> for Refused {
    fn from(error: host::clock::ClockError) -> Self {
        Failure::from(error).into()
    }
}

/// What the system said of a file, as Python says it.
pub(super) fn file_error(path: &Path, error: &io::Error) -> Refused {
    // What was typed is told, as Python tells it, and not the folder that is missing.
    let error = match host::named_file::is_without_folder(error) {
        true => &io::Error::from_raw_os_error(2),
        false => error,
    };
    let said = error.to_string();
    let said = said.split(" (os error").next().unwrap_or_default();
    let number = error.raw_os_error();
    let number = number.map_or_else(String::new, |number| format!("[Errno {number}] "));
    Refused::new(format!("{number}{said}: '{}'", path.display()), "")
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let text = match &error {
            Error::KeyUnknown { key: Some(_) } => {
                "Key mismatch: The public key hash in the signature's verification material does not match the \
                 provided public key. "
                    .to_owned()
            }
            Error::KeyUnknown { key: None } => {
                "the signature was not made by the provided public key over this payload".to_owned()
            }
            Error::BundleMediaType { got } => format!(
                "Invalid sigstore bundle, got media type {got} but expected \
                 application/vnd.dev.sigstore.bundle.v0.3+json"
            ),
            Error::PayloadType { got } => {
                format!("Expected DSSE payload {PAYLOAD_TYPE}, but got {got}")
            }
            Error::PredicateType { got, .. } => format!(
                "Predicate type mismatch, expected {}, got {got}",
                ModelSignature::TYPE
            ),
            Error::StatementShape(said) => statement(said),
            Error::Chain(cause) => chain(cause),
            Error::Sigstore(SigstoreError::Identity { wanted, found }) => format!(
                "Certificate's SANs do not match {wanted}; actual SANs: {{'{}'}}",
                found.join("', '")
            ),
            Error::Sigstore(SigstoreError::Provider { wanted, found }) => format!(
                "Certificate's OIDCIssuer does not match (got '{}', expected '{wanted}')",
                found.as_deref().unwrap_or_default()
            ),
            error => told(error),
        };
        let way = match &error {
            Error::KeyUnknown { .. } => "give the public key of whoever signed, if you trust them",
            error => error.way(),
        };
        Self::new(text, way)
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// In the reference's sentences, where it has one for it.
fn statement(said: &str) -> String {
    let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    if said.starts_with("its `_type` is") {
        let got = quoted.get(1).unwrap_or(&"");
        return format!("Expected in-toto https://in-toto.io/Statement/v1 payload, but got {got}");
    }
    if said.starts_with("it names no subject") || said.starts_with("it names more than one model") {
        let names: Vec<String> = quoted.iter().map(|name| format!("'{name}'")).collect();
        return format!("Expected only one subject, got [{}]", names.join(", "));
    }
    let digests = said.strip_prefix("its root digest is sha256:");
    if let Some((root, files)) =
        digests.and_then(|both| both.split_once(", and its files make sha256:"))
    {
        return format!(
            "Manifest is inconsistent. Root digest is {root}, but the included resources hash to {files}"
        );
    }
    format!("the statement can't be read: {said}")
}

/// The reference passes on what OpenSSL says.
fn chain(error: &ChainError) -> String {
    let theirs = match error {
        ChainError::IssuerMissing { .. } => "unable to get local issuer certificate",
        ChainError::Expired { .. } => "certificate has expired",
        ChainError::NotYetValid { .. } => "certificate is not yet valid",
        ChainError::Signature { .. } => "certificate signature failure",
        ChainError::Leaf { .. } => "Signing certificate cannot be used for signing",
        ChainError::Issuer { .. } => "invalid CA certificate",
        _ => "the certificate chain is not believed",
    };
    format!("{theirs}: {error}")
}

impl From<SealError> for Refused {
    fn from(error: SealError) -> Self {
        match &error {
            SealError::OtherKey => Self::new(
                "The public key from the certificate does not match the public key paired with the private key",
                "name the certificate and the key that belong together",
            ),
            SealError::Certificate(cause) => {
                Self::new(chain(cause), "have the key certified again, for signing")
            }
            SealError::Key(cause) => key(cause),
        }
    }
}

/// A key that is not fit.
pub(super) fn key(error: &KeyError) -> Refused {
    let text = match error {
        KeyError::RsaSigns | KeyError::Ed25519 | KeyError::UnknownKind { .. } => {
            format!("Only elliptic curve keys are supported: {error}")
        }
        KeyError::UnknownCurve { curve } => {
            format!("Unsupported key for curve '{curve}': {error}")
        }
        error => told(error),
    };
    let way = match error {
        KeyError::PasswordMissing => {
            "set `MODELWARD_PASSWORD`, or `MODELWARD_PASSWORD_FILE` to a file that has it"
        }
        KeyError::NotAPrivateKey => "`openssl ecparam -name prime256v1 -genkey -noout` makes one",
        KeyError::NotAPublicKey => "`openssl ec -in KEY -pubout` writes one",
        _ => "",
    };
    Refused::new(text, way)
}

impl From<WalkError> for Refused {
    fn from(error: WalkError) -> Self {
        match &error {
            WalkError::Read(ReadError::Link { path }) => link(path),
            WalkError::Read(ReadError::Outside { path }) => Self::new(
                format!("Cannot use '{}': {}", path.display(), told(&error)),
                "make the link relative; and if it shall lead out of the model, name the folder that links may lead into: `--links_inside FOLDER`",
            ),
            WalkError::Read(ReadError::NotAFile { path } | ReadError::Io { path, .. }) => {
                not_a_file(path, &told(&error))
            }
            error => Self::new(told(error), "a model is plain files in plain folders"),
        }
    }
}

/// A link that is not followed.
pub(super) fn link(path: &Path) -> Refused {
    Refused::new(
        format!(
            "Cannot use '{}' because it is a symlink. This behavior can be changed with `allow_symlinks`.",
            path.display()
        ),
        "sign with `--allow_symlinks`, and verifying follows them too; or put the file in the link's place",
    )
}

/// Neither a file nor a folder, or not to be read.
pub(super) fn not_a_file(path: &Path, why: &str) -> Refused {
    Refused::new(
        format!(
            "Cannot use '{}' as file or directory. It could be a special file, it could be missing, or there might be \
             a permission issue.",
            path.display()
        ),
        why,
    )
}

/// All that is not as it was signed, as the reference lists it; its digests are bytes as Python prints them, ours hex.
pub(super) fn mismatch(model: &str, differences: &[Difference]) -> Refused {
    let names = |of: &dyn Fn(&Difference) -> bool| {
        let names = differences.iter().filter(|difference| of(difference));
        names.map(Difference::path).collect::<Vec<_>>().join(", ")
    };
    let extra = names(&|d| matches!(d, Difference::Extra { .. }));
    let missing = names(&|d| matches!(d, Difference::Missing { .. }));
    let mut said = Vec::new();
    if !extra.is_empty() {
        said.push(format!("Extra files found in model '{model}': {extra}"));
    }
    if !missing.is_empty() {
        said.push(format!("Missing files in model '{model}': {missing}"));
    }
    let mut way = None;
    for difference in differences {
        if let Difference::Changed { path, want, got } = difference {
            said.push(format!(
                "Hash mismatch for '{path}': Expected '{want}', Actual '{got}'"
            ));
        }
        way = way.or_else(|| Some(difference.reason().way));
    }
    // As Python prints a list of strings, with what a line can't hold escaped.
    let said: Vec<String> = said
        .iter()
        .map(|text| format!("\"{}\"", text.escape_debug()))
        .collect();
    let said: Vec<String> = said
        .into_iter()
        .map(|text| text.replace("\\'", "'"))
        .collect();
    Refused::new(
        format!("Signature mismatch: [{}]", said.join(", ")),
        way.unwrap_or_default(),
    )
}
