//! Whom to believe, in cosign's words, and believing.

use std::path::PathBuf;

use clap::ArgAction;
use clap::builder::BoolishValueParser;
use serde_json::{Value, json};
use trust::sigstore::SigstoreError;
use trust::{
    AnyStatement, Bundle, Code, How, KeyWitnesses, Proof, PublicKey, Role, SigstoreRoot, Time,
    TrustRoot, Verified, verify_any,
};

use super::identity::{Expected, IdentityWords};
use crate::answer::Failure;
use crate::believed::{public_sigstore, read_sigstore};
use crate::commands::key::read_public;
use crate::commands::verify::identity;
use crate::ui::Ui;

/// cosign's words for it.
#[derive(Debug, clap::Args)]
pub(super) struct BelievingWords {
    /// Believe this public key (PEM) and no other
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    identity: IdentityWords,
    /// The Sigstore to believe, as `TrustedRoot` or `ClientTrustConfig` in JSON; the public one by default
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// Believe the key though no log has its signature. Not for keyless signatures, which prove nothing without
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = BoolishValueParser::new())]
    insecure_ignore_tlog: bool,
    /// Taken for cosign's sake, as long as it says no: a certificate is held against its log
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, hide_short_help = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = BoolishValueParser::new())]
    insecure_ignore_sct: bool,
    /// Taken for cosign's sake, as long as it says yes: it is always checked what a statement is about
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
        hide_default_value = true, hide_possible_values = true, hide_short_help = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = BoolishValueParser::new())]
    check_claims: bool,
    /// Taken for cosign's sake: timestamps that are there are always checked where a Sigstore is believed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, hide_short_help = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = BoolishValueParser::new())]
    use_signed_timestamps: bool,
    /// Taken for cosign's sake: it is done one after the other
    #[arg(long, value_name = "COUNT", hide_short_help = true)]
    max_workers: Option<u32>,
}

/// Who is believed, and since when.
#[derive(Debug)]
pub(super) struct Believed {
    whom: Whom,
    now: Time,
}

#[derive(Debug)]
enum Whom {
    /// A key; and the Sigstore whose log must have its signature, unless that was waived.
    Key(Box<PublicKey>, Option<Box<SigstoreRoot>>),
    /// Somebody of a Sigstore's.
    Identity(Expected, Box<SigstoreRoot>),
}

impl BelievingWords {
    pub(super) fn believed(&self, ui: &Ui) -> Result<Believed, Failure> {
        self.check()?;
        let now = host::clock::now()?;
        let whom = match &self.key {
            Some(path) => {
                let key = Box::new(read_public(path)?);
                let sigstore = match self.insecure_ignore_tlog {
                    true => None,
                    false => Some(Box::new(self.sigstore(now, ui)?)),
                };
                Whom::Key(key, sigstore)
            }
            None => {
                let expected = self.identity.expected()?;
                Whom::Identity(expected, Box::new(self.sigstore(now, ui)?))
            }
        };
        if self.insecure_ignore_tlog {
            ui.warn("no log is asked for: whether others can see this signature is not known");
        }
        Ok(Believed { whom, now })
    }

    /// What cosign lets be left out, and is not left out here.
    fn check(&self) -> Result<(), Failure> {
        let usage = |message, way| Err(Failure::error(Code::Usage, message, way));
        if self.key.is_some() && self.identity.is_named() {
            let way = "name one of them: `--key`, or `--certificate-identity` with `--certificate-oidc-issuer`";
            return usage("a key and an identity are two different signers", way);
        }
        if self.key.is_none() && self.insecure_ignore_tlog {
            let message = "a keyless signature that no log has proves nothing: its certificate was over after minutes";
            return usage(message, "leave out `--insecure-ignore-tlog`");
        }
        if self.insecure_ignore_sct {
            let message = "a certificate that its authority did not log may be one that nobody should have got";
            return usage(message, "leave out `--insecure-ignore-sct`");
        }
        if !self.check_claims {
            let message = "a statement that is about something else says nothing about this";
            return usage(
                message,
                "leave out `--check-claims=false`; `modelward inspect` shows what a bundle says",
            );
        }
        Ok(())
    }

    fn sigstore(&self, now: Time, ui: &Ui) -> Result<SigstoreRoot, Failure> {
        match &self.trusted_root {
            Some(path) => read_sigstore(path),
            None => Ok(public_sigstore(now, &|warning| ui.warn(warning))?.root),
        }
    }
}

impl Believed {
    /// What a bundle says, if it is believed.
    pub(super) fn believe(&self, bundle: &Bundle) -> Result<Verified<AnyStatement>, Failure> {
        let root = match &self.whom {
            Whom::Key(key, sigstore) => {
                let witnesses = KeyWitnesses {
                    timestamp_anchors: Vec::new(),
                    sigstore: sigstore.as_deref().cloned(),
                };
                TrustRoot::of_key((**key).clone(), Role::Sign).with_key_witnesses(witnesses)
            }
            Whom::Identity(expected, sigstore) => {
                let (identity, issuer) = expected.of(bundle)?;
                TrustRoot::of_identity(identity, issuer, (**sigstore).clone(), Role::Sign)
            }
        };
        verify_any(bundle, &root, Role::Sign, self.now).map_err(|error| self.refused(error))
    }

    /// A key's signature needs no log, if somebody says so.
    fn refused(&self, error: trust::Error) -> Failure {
        match (&self.whom, &error) {
            (Whom::Key(..), trust::Error::Sigstore(SigstoreError::NotLogged)) => {
                let message = "no log has this signature of the key";
                let way = "sign so that one has it; or, if the key alone is enough, say `--insecure-ignore-tlog`";
                Failure::error(error.code(), message, way)
            }
            _ => error.into(),
        }
    }

    /// What was checked of each that is believed, as cosign lists it; only what is true of all.
    pub(super) fn checks(&self) -> Vec<&'static str> {
        let claims = "  - The cosign claims were validated";
        let log = "  - Existence of the claims in the transparency log was verified offline";
        let key = "  - The signatures were verified against the specified public key";
        let certificate = "  - The code-signing certificate was verified using trusted certificate authority certificates";
        match &self.whom {
            Whom::Key(_, None) => vec![claims, key],
            Whom::Key(_, Some(_)) => vec![claims, log, key],
            Whom::Identity(..) => vec![claims, log, certificate],
        }
    }
}

/// Who signed, as cosign says it of a certificate.
pub(super) fn certificate_lines(proof: &Proof) -> Vec<String> {
    match &proof.how {
        How::Keyless {
            identity, issuer, ..
        } => vec![
            format!("Certificate subject: {identity}"),
            format!("Certificate issuer URL: {issuer}"),
        ],
        How::Key { .. } | How::Certificate { .. } => Vec::new(),
    }
}

/// What is known of a statement, for a program.
pub(super) fn described(statement: &Verified<AnyStatement>) -> Value {
    let (said, proof) = (statement.value(), statement.proof());
    let subject =
        |subject: &trust::AnySubject| json!({"name": subject.name, "digest": subject.digest});
    json!({"predicateType": said.predicate_type, "subjects": said.subjects.iter().map(subject).collect::<Vec<_>>(),
           "bundle": proof.bundle.to_string(), "key": proof.key.to_string(), "identity": identity(&proof.how)})
}
