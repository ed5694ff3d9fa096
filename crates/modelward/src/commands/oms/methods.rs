//! The methods of signing and verifying, and what each takes.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};
use trust::x509::Identity;

use super::words::{HashWords, ModelWords};
use crate::believed::Provider;

#[derive(Debug, Subcommand)]
pub(super) enum SignMethod {
    /// Sign with Sigstore, keylessly (the default)
    Sigstore(Box<SignSigstore>),
    /// Sign with a private key
    Key(Box<SignKey>),
    /// Sign with a private key that has a certificate
    Certificate(Box<SignCertificate>),
    /// Sign with a key on a token
    Pkcs11Key(Box<SignToken>),
    /// Sign with a key on a token that has a certificate
    Pkcs11Certificate(Box<SignTokenCertificate>),
}

#[derive(Debug, Subcommand)]
pub(super) enum VerifyMethod {
    /// Verify a signature made with Sigstore, keylessly (the default)
    Sigstore(Box<VerifySigstore>),
    /// Verify with a public key
    Key(Box<VerifyKey>),
    /// Verify with the certificates of authorities
    Certificate(Box<VerifyCertificate>),
}

/// What is signed, and where the signature goes.
#[derive(Debug, Clone, Args)]
pub(super) struct SignTarget {
    #[command(flatten)]
    pub(super) model: ModelWords,
    /// Where the signature goes: in this folder, not beside the model
    #[arg(long, value_name = "SIGNATURE_PATH", default_value = "model.sig")]
    pub(super) signature: PathBuf,
    #[command(flatten)]
    pub(super) hash: HashWords,
    /// Have the signature stamped by the authority at this address (RFC 3161), as the port to Go can
    #[arg(long, value_name = "URL")]
    pub(super) tsa_url: Option<String>,
}

/// What is verified.
#[derive(Debug, Clone, Args)]
pub(super) struct VerifyTarget {
    #[command(flatten)]
    pub(super) model: ModelWords,
    /// The signature
    #[arg(long, value_name = "SIGNATURE_PATH")]
    pub(super) signature: PathBuf,
    /// Say yes though there are files that nobody signed; they are named
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new(), overrides_with = "no_ignore_unsigned_files")]
    ignore_unsigned_files: bool,
    /// Say no if there are (the default)
    #[arg(long, overrides_with = "ignore_unsigned_files")]
    no_ignore_unsigned_files: bool,
}

impl VerifyTarget {
    pub(super) const fn new(model: ModelWords, signature: PathBuf, ignores_unsigned: bool) -> Self {
        Self {
            model,
            signature,
            ignore_unsigned_files: ignores_unsigned,
            no_ignore_unsigned_files: false,
        }
    }

    /// Whether files that nobody signed are let through.
    pub(super) const fn ignores_unsigned(&self) -> bool {
        self.ignore_unsigned_files && !self.no_ignore_unsigned_files
    }
}

#[derive(Debug, Args)]
pub(super) struct SignSigstore {
    #[command(flatten)]
    pub(super) target: SignTarget,
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Use the credentials of the machine that this runs on
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) use_ambient_credentials: bool,
    /// Use this token, rather than asking for one
    #[arg(long, value_name = "TOKEN")]
    pub(super) identity_token: Option<String>,
    /// Print an address to open elsewhere, rather than starting a browser
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) oauth_force_oob: bool,
    /// Who asks for the token
    #[arg(long, value_name = "ID")]
    pub(super) client_id: Option<String>,
    /// And its secret
    #[arg(long, value_name = "SECRET")]
    pub(super) client_secret: Option<String>,
}

/// Which Sigstore.
#[derive(Debug, Clone, Args)]
pub(super) struct Instance {
    /// Use Sigstore's staging instance
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) use_staging: bool,
    /// Use the instance of this client trust configuration
    #[arg(long, value_name = "TRUST_CONFIG_PATH")]
    pub(super) trust_config: Option<PathBuf>,
}

/// A private key in a file.
#[derive(Debug, Args)]
pub(super) struct KeyFile {
    /// The private key (PEM)
    #[arg(long, value_name = "PRIVATE_KEY")]
    pub(super) private_key: PathBuf,
    /// Its password. Others on this machine see it: rather set `MODELWARD_PASSWORD` or `MODELWARD_PASSWORD_FILE`
    #[arg(long, value_name = "PASSWORD", hide_possible_values = true)]
    pub(super) password: Option<String>,
}

/// A key's certificate.
#[derive(Debug, Args)]
pub(super) struct CertificateFiles {
    /// The certificate of the key (PEM)
    #[arg(long, value_name = "CERTIFICATE_PATH")]
    pub(super) signing_certificate: PathBuf,
    /// Certificates that lead from it to an authority (PEM, one or several in a file)
    #[arg(long, value_name = "CERTIFICATE_PATH")]
    pub(super) certificate_chain: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SignKey {
    #[command(flatten)]
    pub(super) target: SignTarget,
    #[command(flatten)]
    pub(super) key: KeyFile,
}

#[derive(Debug, Args)]
pub(super) struct SignCertificate {
    #[command(flatten)]
    pub(super) target: SignTarget,
    #[command(flatten)]
    pub(super) key: KeyFile,
    #[command(flatten)]
    pub(super) certificates: CertificateFiles,
}

#[derive(Debug, Args)]
pub(super) struct SignToken {
    #[command(flatten)]
    pub(super) target: SignTarget,
    /// The key: `pkcs11:token=…;object=…?module-path=…` (RFC 7512)
    #[arg(long, value_name = "PKCS11_URI")]
    pub(super) pkcs11_uri: String,
}

#[derive(Debug, Args)]
pub(super) struct SignTokenCertificate {
    #[command(flatten)]
    pub(super) target: SignTarget,
    /// The key: `pkcs11:token=…;object=…?module-path=…` (RFC 7512)
    #[arg(long, value_name = "PKCS11_URI")]
    pub(super) pkcs11_uri: String,
    #[command(flatten)]
    pub(super) certificates: CertificateFiles,
}

#[derive(Debug, Args)]
pub(super) struct VerifySigstore {
    #[command(flatten)]
    pub(super) target: VerifyTarget,
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Who must have signed
    #[arg(long, value_name = "IDENTITY")]
    pub(super) identity: String,
    /// Who must have vouched for that: the provider's URL, or `github`, `google` or `microsoft`
    #[arg(long, value_name = "IDENTITY_PROVIDER")]
    pub(super) identity_provider: Provider,
}

#[derive(Debug, Args)]
pub(super) struct VerifyKey {
    #[command(flatten)]
    pub(super) target: VerifyTarget,
    /// The public key (PEM)
    #[arg(long, value_name = "PUBLIC_KEY")]
    pub(super) public_key: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct VerifyCertificate {
    #[command(flatten)]
    pub(super) target: VerifyTarget,
    /// The authorities that are believed (PEM, one or several in a file)
    #[arg(long, value_name = "CERTIFICATE_PATH")]
    pub(super) certificate_chain: Vec<PathBuf>,
    /// Tell the SHA-256 fingerprint of each certificate
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) log_fingerprints: bool,
    /// To whom the certificate must be made out: `subject:CN=…`, `email:…`, `uri:…`, `dns:…` or `sha256:` and its
    /// fingerprint. The reference can't ask this; without it, whom the authorities certified is let through
    #[arg(long, value_name = "WHO")]
    pub(super) certificate_identity: Option<Identity>,
    /// The authorities whose timestamps are believed (PEM), so that a signature outlives its certificate
    #[arg(long, value_name = "CERTIFICATE_PATH")]
    pub(super) timestamp_chain: Vec<PathBuf>,
}
