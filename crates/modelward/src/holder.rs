//! Who holds the key that signs a model, where it is not a key of the store: a file, a token, or a program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use host::keys::exec::{Plugin, PluginKey};
use host::keys::pkcs11::TokenKey;
use trust::predicate::ModelSignature;
use trust::x509::Certificate;
use trust::{Bundle, Code, PrivateKey, SealError, Signer, Statement, TokenUri};
use zeroize::Zeroizing;

use crate::answer::Failure;
use crate::believed::certificates;
use crate::keyless::Keyless;
use crate::model::unreadable;
use crate::workspace::password;

/// Certificates of a chain are some kilobytes together.
const CHAIN_SIZE_BYTES_MAX: u64 = 4 << 20;

/// A key that is not the store's, and the certificate it may have.
#[derive(Debug, clap::Args)]
pub(crate) struct HeldKey {
    #[command(flatten)]
    holder: Holder,
    /// The certificate of the key (PEM): the signature then says who signed, and not only which key
    #[arg(
        long,
        value_name = "FILE",
        requires = "held",
        conflicts_with = "keyless"
    )]
    certificate: Option<PathBuf>,
    /// Certificates that lead from that one to an authority (PEM, one or several in a file)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_chain: Vec<PathBuf>,
    /// Have the signature stamped by the authority at this address (RFC 3161), so that it outlives its certificate
    #[arg(
        long,
        value_name = "URL",
        requires_all = ["held", "timestamp_chain"],
        conflicts_with = "keyless"
    )]
    tsa_url: Option<String>,
    /// Authorities (PEM) of whom one must vouch for the timestamp, or nothing is signed
    #[arg(long, value_name = "FILE", requires = "tsa_url")]
    timestamp_chain: Vec<PathBuf>,
    #[command(flatten)]
    keyless: Keyless,
}

impl HeldKey {
    /// Whether one was named.
    pub(crate) const fn is_named(&self) -> bool {
        self.holder.is_named() || self.keyless.is_named()
    }

    /// Signs a model's statement with it.
    pub(crate) fn seal(&self, statement: &Statement<ModelSignature>) -> Result<Bundle, Failure> {
        if self.keyless.is_named() {
            return self.keyless.seal(statement.to_bytes());
        }
        let sealed = self.seal_by_key(statement)?;
        let Some(url) = &self.tsa_url else {
            return Ok(sealed);
        };
        let anchors = certificates(&self.timestamp_chain)?;
        stamped(sealed, url, Some(&anchors))
    }

    fn seal_by_key(&self, statement: &Statement<ModelSignature>) -> Result<Bundle, Failure> {
        let key = self.holder.open()?;
        let Some(certificate) = &self.certificate else {
            return trust::seal(statement, key.as_ref())
                .map_err(|e| Failure::from_error(Code::KeyInvalid, &e, ""));
        };
        let mut chain = read_certificates(certificate)?.into_iter();
        let leaf = chain.next().ok_or_else(|| {
            Failure::error(Code::Internal, "a file of certificates without one", "")
        })?;
        let mut issuers: Vec<Certificate> = chain.collect();
        for file in &self.certificate_chain {
            issuers.extend(read_certificates(file)?);
        }
        let now = host::clock::now()?;
        trust::seal_certified(statement, key.as_ref(), &leaf, &issuers, now).map_err(|e| {
            let way = match &e {
                SealError::OtherKey => "name the certificate and the key that belong together",
                SealError::Certificate(_) => "have the key certified again, for signing",
                SealError::Key(_) => "",
            };
            Failure::from_error(Code::KeyInvalid, &e, way)
        })
    }
}

/// A key that is not the store's.
#[derive(Debug, clap::Args)]
pub(crate) struct Holder {
    /// A private key's file, without a store: PEM in the usual forms of OpenSSL and cosign
    #[arg(long, value_name = "FILE", group = "held", conflicts_with = "key")]
    private_key: Option<PathBuf>,
    /// A key on a token, without a store: `pkcs11:token=…;object=…?module-path=…` (RFC 7512). The PIN comes from MODELWARD_PIN,
    /// a file that the URI names as `pin-source`, or the prompt
    #[arg(long, value_name = "URI", group = "held", conflicts_with = "key")]
    token: Option<String>,
    /// A program that signs, without a store: the absolute path of one that speaks docs/formats/signer-plugin.md
    #[arg(
        long,
        value_name = "PROGRAM",
        group = "held",
        conflicts_with = "key",
        requires = "plugin_key"
    )]
    plugin: Option<PathBuf>,
    /// What the program calls the key
    #[arg(long, value_name = "NAME", requires = "plugin")]
    plugin_key: Option<String>,
    /// A variable of the environment that the program gets, which gets no others
    #[arg(long, value_name = "NAME", requires = "plugin")]
    plugin_env: Vec<String>,
}

impl Holder {
    /// Whether one was named.
    pub(crate) const fn is_named(&self) -> bool {
        self.private_key.is_some() || self.token.is_some() || self.plugin.is_some()
    }

    /// The key, ready to sign.
    pub(crate) fn open(&self) -> Result<Box<dyn Signer>, Failure> {
        if let Some(path) = &self.private_key {
            return Ok(Box::new(read_private_key(path)?));
        }
        if let Some(uri) = &self.token {
            let uri = TokenUri::parse(uri)
                .map_err(|e| Failure::from_error(Code::Usage, &e, "see RFC 7512"))?;
            let key = TokenKey::open(&uri, &|| secret("MODELWARD_PIN", "PIN of the token: "));
            return Ok(Box::new(key?));
        }
        let (Some(program), Some(key)) = (&self.plugin, &self.plugin_key) else {
            return Err(Failure::error(Code::Internal, "no key was named", ""));
        };
        let variable = |name: &String| Some((name.into(), std::env::var_os(name)?));
        Ok(Box::new(PluginKey::open(Plugin {
            program: program.clone(),
            key: key.clone(),
            environment: self.plugin_env.iter().filter_map(variable).collect(),
            timeout: Duration::from_mins(1),
        })?))
    }
}

/// Has a signature stamped.
pub(crate) fn stamped(
    bundle: Bundle,
    url: &str,
    anchors: Option<&[Certificate]>,
) -> Result<Bundle, Failure> {
    host::sigstore::stamped(bundle, url, anchors).map_err(|e| {
        let way = match e.code() {
            Code::Network => "try again, or name another authority with `--tsa-url`",
            _ => "name the authority's own certificates with `--timestamp-chain`, or another authority",
        };
        Failure::from_error(e.code(), &e, way)
    })
}

/// Reads all certificates of a PEM file.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let bytes =
        host::named_file::read(path, CHAIN_SIZE_BYTES_MAX).map_err(|e| unreadable(path, &e))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::error(
            Code::Usage,
            format!("`{}` is not PEM", path.display()),
            "`openssl x509 -inform DER -in FILE` writes the form that is read",
        )
    })?;
    Certificate::all_from_pem(&text).map_err(|e| {
        let way = format!("is `{}` a file of certificates in PEM?", path.display());
        Failure::from_error(Code::Usage, &e, way)
    })
}

/// Opens a private key's file, asking for its password if it has one.
pub(crate) fn read_private_key(path: &Path) -> Result<PrivateKey, Failure> {
    let pem = host::keys::read_private(path)?;
    let password = if trust::looks_encrypted(&pem) {
        password()?
    } else {
        None
    };
    PrivateKey::from_pem(&pem, password.as_ref().map(|password| password.as_str())).map_err(
        |cause| {
            let path = path.to_owned();
            Failure::from(host::keys::KeyFileError::Key { path, cause })
        },
    )
}

/// A secret from the environment, or from whoever sits there. A token counts each wrong one, and so nothing is not tried.
pub(crate) fn secret(variable: &str, prompt: &str) -> Option<Zeroizing<String>> {
    let given = std::env::var(variable).ok().map(Zeroizing::new);
    if let Some(secret) = given.filter(|secret| !secret.is_empty()) {
        return Some(secret);
    }
    let is_somebody_there = std::io::IsTerminal::is_terminal(&std::io::stdin());
    let asked = is_somebody_there.then(|| rpassword::prompt_password(prompt));
    asked?.ok().map(Zeroizing::new)
}
