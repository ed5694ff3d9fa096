//! Who signs a statement: a key in a file, or whom an identity token names.

use std::path::{Path, PathBuf};

use clap::ArgAction;
use clap::builder::BoolishValueParser;
use host::sigstore::Asker;
use trust::{Bundle, Code, Signer as _};
use zeroize::Zeroizing;

use crate::answer::Failure;
use crate::holder::read_private_key;
use crate::keyless::{Instance, TokenFrom, read_token, seal};
use crate::signature_file::check_target;
use crate::ui::Ui;

/// cosign's words for it.
#[derive(Debug, clap::Args)]
pub(super) struct SigningWords {
    /// Sign with this private key: cosign's, or PEM in any form that OpenSSL writes. Its password comes from COSIGN_PASSWORD,
    /// MODELWARD_PASSWORD, MODELWARD_PASSWORD_FILE or the prompt. Without it, it is signed keylessly: at Sigstore, as whom an
    /// identity token names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["identity_token", "signing_config", "trusted_root"])]
    key: Option<PathBuf>,
    /// The identity token, or a file that has it, which others on this machine do not see; by default that of the place where this
    /// runs
    #[arg(long, value_name = "TOKEN|FILE")]
    identity_token: Option<String>,
    /// Where it is signed: a `SigningConfig` in JSON; with `--trusted-root`
    #[arg(long, value_name = "FILE", requires = "trusted_root")]
    signing_config: Option<PathBuf>,
    /// By what the signature is believed that was made there: a `TrustedRoot` in JSON
    #[arg(long, value_name = "FILE", requires = "signing_config")]
    trusted_root: Option<PathBuf>,
    /// With `--key` taken for cosign's sake, as long as it says no: what a key signs is entered in no log
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
        action = ArgAction::Set, value_name = "BOOL", value_parser = BoolishValueParser::new())]
    tlog_upload: Option<bool>,
    /// As `--tlog-upload`
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
        action = ArgAction::Set, value_name = "BOOL", value_parser = BoolishValueParser::new())]
    use_signing_config: Option<bool>,
    /// Taken for cosign's sake: nothing is asked, but for a password
    #[arg(long, short, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
        action = ArgAction::Set, value_name = "BOOL", value_parser = BoolishValueParser::new())]
    yes: Option<bool>,
}

impl SigningWords {
    /// Refuses words that ask for something else than is done.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let [log, config] = [self.tlog_upload, self.use_signing_config];
        if self.key.is_some() && (log == Some(true) || config == Some(true)) {
            let message = "what a key signs is entered in no log here";
            let way = "leave out `--tlog-upload` and `--use-signing-config`, or sign keylessly, which a log has";
            return Err(Failure::error(Code::Usage, message, way));
        }
        if self.key.is_none() && (log == Some(false) || config == Some(false)) {
            let message = "a keyless signature that no log has proves nothing once its certificate is over, which is after minutes";
            let way = "leave out `--tlog-upload=false` and `--use-signing-config=false`, or sign with `--key`";
            return Err(Failure::error(Code::Usage, message, way));
        }
        Ok(())
    }

    /// Signs a statement's bytes.
    pub(super) fn seal(&self, statement: Vec<u8>, ui: &Ui) -> Result<Bundle, Failure> {
        if let Some(path) = &self.key {
            let sealed = read_private_key(path)?.seal(statement);
            let sealed = sealed.map_err(|e| Failure::from_error(Code::KeyInvalid, &e, ""))?;
            ui.note("no log has this signature: who verifies says `--insecure-ignore-tlog`");
            return Ok(sealed);
        }
        let token = match self.identity_token.as_deref() {
            None => TokenFrom::Place,
            Some(word) if Path::new(word).is_file() => TokenFrom::Given(read_token(word.as_ref())?),
            Some(word) => TokenFrom::Given(Zeroizing::new(word.to_owned())),
        };
        let named = self
            .signing_config
            .as_deref()
            .zip(self.trusted_root.as_deref());
        let instance = named.map_or(Instance::Public, |(signing, root)| Instance::Parts {
            signing,
            root,
        });
        seal(statement, token, Asker::default(), instance)
    }
}

/// Whether a bundle can go there, found out before anything is signed.
pub(super) fn check_place(bundle: &Path) -> Result<(), Failure> {
    check_target(bundle)
}

/// Writes a bundle, whole or not at all.
pub(super) fn write(path: &Path, bundle: &Bundle, ui: &Ui) -> Result<(), Failure> {
    let written = host::whole_file::write(path, &bundle.to_bytes());
    written.map_err(|e| crate::model::unreadable(path, &e))?;
    ui.note(format!("Wrote bundle to file {}", path.display()));
    Ok(())
}
