//! `model_signing sign METHOD MODEL_PATH`

use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use digest::Method;
use host::keys::pkcs11::TokenKey;
use host::sigstore::Asker;
use trust::predicate::{Form, ModelSignature, Spelling, Terms};
use trust::x509::Certificate;
use trust::{Bundle, PrivateKey, Signer, Statement, TokenUri, TreePath};
use zeroize::Zeroizing;

use super::manifest;
use super::measure::{self, LeftOut, Measured};
use super::methods::{CertificateFiles, KeyFile, SignMethod, SignSigstore, SignTarget};
use super::refused::{self, Refused, file_error};
use super::voice::Voice;
use crate::holder::{read_certificates, secret, stamped};
use crate::keyless::{Instance, SignIn, TokenFrom, has_browser};
use crate::model::default_ignored;
use crate::signature_file::check_replaceable;
use crate::workspace::password;

/// Its own flags, not those of `modelward sign`.
const TOKEN_WAY: &str = "give a token that a provider made for `sigstore`, with `--identity_token`, or none: then you sign in";
const KEY_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Signs a model and writes the signature, or says why not.
pub(super) fn run(method: &SignMethod, voice: &Voice) -> Result<(), Refused> {
    let path = match method {
        SignMethod::Sigstore(words) => &words.target.signature,
        SignMethod::Key(words) => &words.target.signature,
        SignMethod::Certificate(words) => &words.target.signature,
        SignMethod::Pkcs11Key(words) => &words.target.signature,
        SignMethod::Pkcs11Certificate(words) => &words.target.signature,
    };
    check_replaceable(path)?;
    write(path, &bundle(method, voice)?)
}

/// Signs a model, or says why not.
pub(super) fn bundle(method: &SignMethod, voice: &Voice) -> Result<Bundle, Refused> {
    let (target, holder) = match method {
        SignMethod::Key(words) => (&words.target, Holder::of_file(&words.key, None, voice)?),
        SignMethod::Certificate(words) => (
            &words.target,
            Holder::of_file(&words.key, Some(&words.certificates), voice)?,
        ),
        SignMethod::Pkcs11Key(words) => (&words.target, Holder::of_token(&words.pkcs11_uri, None)?),
        SignMethod::Pkcs11Certificate(words) => (
            &words.target,
            Holder::of_token(&words.pkcs11_uri, Some(&words.certificates))?,
        ),
        SignMethod::Sigstore(words) => return keyless(words, voice),
    };
    let statement = statement(target, voice)?;
    let sealed = match &holder.certificate {
        None => trust::seal(&statement, holder.signer.as_ref()).map_err(|e| refused::key(&e))?,
        Some((leaf, issuers)) => {
            let now = host::clock::now()?;
            trust::seal_certified(&statement, holder.signer.as_ref(), leaf, issuers, now)?
        }
    };
    let Some(url) = &target.tsa_url else {
        return Ok(sealed);
    };
    // The port to Go names no authorities either.
    let stamped = stamped(sealed, url, None)?;
    voice
        .warn("the timestamp is whole and new, and nobody was named who vouches for its authority");
    Ok(stamped)
}

/// Writes a signature, whole or not at all.
pub(super) fn write(path: &Path, bundle: &Bundle) -> Result<(), Refused> {
    host::named_file::write(path, &bundle.to_bytes()).map_err(|e| file_error(path, &e))
}

/// As the reference takes its token: one that is given, or the machine's own if that is asked for, or of a sign-in.
fn keyless(words: &SignSigstore, voice: &Voice) -> Result<Bundle, Refused> {
    let instance = &words.instance;
    if words.target.tsa_url.is_some() {
        return Err(Refused::new(
            "a Sigstore has its own authority for timestamps",
            "sign without `--tsa_url`, or name it in a `--trust_config`",
        ));
    }
    let token = token_from(words)?;
    let default = Asker::default();
    let asker = Asker {
        id: words.client_id.clone().unwrap_or(default.id),
        secret: words
            .client_secret
            .clone()
            .filter(|secret| !secret.is_empty())
            .map(Zeroizing::new),
    };
    let statement = statement(&words.target, voice)?;
    let instance = match (&instance.trust_config, instance.use_staging) {
        (Some(path), _) => Instance::Configured(path),
        (None, true) => Instance::Staging,
        (None, false) => Instance::Public,
    };
    crate::keyless::seal(statement.to_bytes(), token, asker, instance).map_err(|failure| {
        let refused = Refused::from(failure);
        match refused.way.contains("--sign-in") {
            true => Refused::new(refused.text, TOKEN_WAY),
            false => refused,
        }
    })
}

fn token_from(words: &SignSigstore) -> Result<TokenFrom, Refused> {
    if let Some(token) = &words.identity_token {
        return Ok(TokenFrom::Given(Zeroizing::new(token.clone())));
    }
    if words.use_ambient_credentials {
        return Ok(TokenFrom::Place);
    }
    if has_browser() && !words.oauth_force_oob {
        return Ok(TokenFrom::Person(SignIn::Browser));
    }
    if words.oauth_force_oob || std::io::stdin().is_terminal() {
        return Ok(TokenFrom::Person(SignIn::Code));
    }
    Err(Refused::new(
        "no identity token is given, and nobody sits at a terminal to sign in",
        "give one with `--identity_token`, or `--use_ambient_credentials` where this machine has one",
    ))
}

/// A key that signs, and the certificate it may have.
struct Holder {
    signer: Box<dyn Signer>,
    certificate: Option<(Certificate, Vec<Certificate>)>,
}

impl Holder {
    /// A key in a file.
    fn of_file(
        words: &KeyFile,
        certificates: Option<&CertificateFiles>,
        voice: &Voice,
    ) -> Result<Self, Refused> {
        let signer = Box::new(private_key(words, voice)?);
        let certificate = certificates.map(certificate).transpose()?;
        Ok(Self {
            signer,
            certificate,
        })
    }

    fn of_token(uri: &str, certificates: Option<&CertificateFiles>) -> Result<Self, Refused> {
        let uri = TokenUri::parse(uri)
            .map_err(|e| Refused::new(e.to_string(), "write it as RFC 7512 says"))?;
        let key = TokenKey::open(&uri, &|| secret("MODELWARD_PIN", "PIN of the token: "));
        let key = key.map_err(crate::answer::Failure::from)?;
        let certificate = certificates.map(certificate).transpose()?;
        Ok(Self {
            signer: Box::new(key),
            certificate,
        })
    }
}

fn certificate(files: &CertificateFiles) -> Result<(Certificate, Vec<Certificate>), Refused> {
    let mut all = certificates(&files.signing_certificate)?.into_iter();
    let leaf = all.next().ok_or_else(|| {
        let path = files.signing_certificate.display();
        Refused::new(format!("there is no certificate in `{path}`"), "")
    })?;
    let mut issuers: Vec<_> = all.collect();
    for file in &files.certificate_chain {
        issuers.extend(certificates(file)?);
    }
    Ok((leaf, issuers))
}

fn certificates(path: &PathBuf) -> Result<Vec<Certificate>, Refused> {
    std::fs::metadata(path).map_err(|e| file_error(path, &e))?;
    Ok(read_certificates(path)?)
}

fn private_key(words: &KeyFile, voice: &Voice) -> Result<PrivateKey, Refused> {
    let path = &words.private_key;
    let bytes = host::named_file::read(path, KEY_SIZE_BYTES_MAX).map(Zeroizing::new);
    let bytes = bytes.map_err(|e| file_error(path, &e))?;
    let mode = std::fs::metadata(path).map(|file| file.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        let path = path.display();
        voice.warn(&format!(
            "others on this machine may use the private key: `chmod 600 {path}`"
        ));
    }
    if words.password.is_some() {
        voice.warn(
            "others on this machine see a password on the command line: rather set `MODELWARD_PASSWORD`, or \
             `MODELWARD_PASSWORD_FILE` to a file that has it",
        );
    }
    let pem = std::str::from_utf8(&bytes).unwrap_or_default();
    let password = match &words.password {
        Some(password) => Some(Zeroizing::new(password.clone())),
        None if trust::looks_encrypted(pem) => password()?,
        None => None,
    };
    PrivateKey::from_pem(pem, password.as_ref().map(|password| password.as_str()))
        .map_err(|e| refused::key(&e))
}

fn statement(target: &SignTarget, voice: &Voice) -> Result<Statement<ModelSignature>, Refused> {
    let words = &target.model;
    let model = words.path();
    if let Some(artifact) = manifest::named(&model)? {
        return manifest::statement(words, &artifact, voice);
    }
    manifest::hint(&model, voice);
    let links = words.allow_symlinks;
    let links = links.then(|| measure::links_folder(words)).transpose()?;
    let form = measure::form(&model, words.allow_symlinks)?;
    let mut ignored = measure::ignored(words)?;
    if form == Form::Folder {
        ignored.extend(
            words
                .ignores_git()
                .then(default_ignored)
                .unwrap_or_default(),
        );
        ignored = measure::with_signature(ignored, &model, &target.signature);
    }
    let left_out = LeftOut::of(ignored.clone());
    let method = target.hash.method();
    let measured = measure::measure(&model, &left_out, links.as_deref(), method)?;
    crate::commands::sign::all_have_pieces(&measured.empty)?;
    check_names(&measured, &model, method)?;
    if target.hash.hash_algorithm.is_some() || target.hash.shard_size.is_some() {
        voice.debug("the reference's command line verifies whole files by SHA-256 only");
    }
    if target.hash.shard_size.is_some() {
        voice.warn(crate::commands::sign::PEERS_PIECES);
    }
    let resources = measured.resources.iter();
    let resources = resources.map(|(name, measured)| (name, measured.digest()));
    let terms = Terms {
        method,
        follows_links: words.allow_symlinks,
        ignored,
        spelling: Spelling::Interoperable,
    };
    let name = measure::name(&model)?;
    let statement = ModelSignature::of_resources(&name, resources, form, terms);
    crate::commands::sign::check_statement(&statement)?;
    Ok(statement)
}

/// What no verifier reads is not signed: nothing at all, and names that are unfit.
pub(super) fn check_names(
    measured: &Measured,
    model: &Path,
    method: Method,
) -> Result<(), Refused> {
    if measured.resources.is_empty() {
        let text = format!(
            "there is no file to hash in the model `{}`",
            model.display()
        );
        let way = "is it the right folder, and is not all of it ignored?";
        return Err(Refused::new(text, way));
    }
    for name in measured.resources.keys() {
        let path = measure::file_of(name, method);
        TreePath::new(path).map_err(|e| {
            let text = format!("the name `{}` is not fit: {e}", path.escape_debug());
            Refused::new(text, "rename the file")
        })?;
    }
    Ok(())
}
