//! Signing keylessly: with which token, and at which Sigstore.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use host::sigstore::{IdentityToken, Login, Services, TokenError};
use trust::predicate::ModelSignature;
use trust::{Bundle, Code, SigstoreRoot, Statement};
use zeroize::Zeroizing;

use crate::answer::Failure;
use crate::believed::{TRUST_CONFIG_SIZE_BYTES_MAX, read_sigstore};
use crate::model::unreadable;

const TOKEN_SIZE_BYTES_MAX: u64 = 64 * 1024;
const CODE_SIZE_BYTES_MAX: u64 = 4096;

/// A signature without a key to keep.
#[derive(Debug, clap::Args)]
pub(crate) struct Keyless {
    /// Sign at Sigstore as whom an identity token names, with a key of one use and without a store: the signature and the
    /// identity are entered in a public log, for ever
    #[arg(long, group = "held", conflicts_with = "key")]
    keyless: bool,
    /// The identity token, in a file; by default that of the place where this runs: `SIGSTORE_ID_TOKEN`, or GitHub's for a job
    #[arg(long, value_name = "FILE", requires = "keyless")]
    identity_token: Option<PathBuf>,
    /// Sign in with a browser, here or elsewhere, and type the code that it shows; so it is too where nothing gives a token and
    /// somebody sits at a terminal
    #[arg(long, requires = "keyless", conflicts_with = "identity_token")]
    sign_in: bool,
    /// The Sigstore to sign at, as `ClientTrustConfig` in JSON; the public one by default
    #[arg(long, value_name = "FILE", requires = "keyless")]
    trust_config: Option<PathBuf>,
}

impl Keyless {
    /// Whether it is asked for.
    pub(crate) const fn is_named(&self) -> bool {
        self.keyless
    }

    /// Signs a model's statement.
    pub(crate) fn seal(&self, statement: &Statement<ModelSignature>) -> Result<Bundle, Failure> {
        let token = match &self.identity_token {
            Some(path) => TokenFrom::Given(read_token(path)?),
            None if self.sign_in => TokenFrom::Person,
            None => TokenFrom::Place,
        };
        seal(statement, token, self.trust_config.as_deref())
    }
}

/// Where an identity token comes from.
pub(crate) enum TokenFrom {
    /// It was given.
    Given(Zeroizing<String>),
    /// The place where this runs has one; else whoever sits here signs in.
    Place,
    /// Whoever sits here signs in.
    Person,
}

/// Signs a model's statement as whom a token names, at the Sigstore of this
/// configuration, or the public one.
pub(crate) fn seal(
    statement: &Statement<ModelSignature>,
    token: TokenFrom,
    trust_config: Option<&Path>,
) -> Result<Bundle, Failure> {
    let now = host::clock::now()?;
    let (root, services) = match trust_config {
        None => (SigstoreRoot::production(), Services::production()),
        Some(path) => {
            let bytes = host::whole_file::read(path, TRUST_CONFIG_SIZE_BYTES_MAX)
                .map_err(|e| unreadable(path, &e))?;
            let services = Services::parse(&bytes, now).map_err(|e| {
                let way = "give a `ClientTrustConfig` of Sigstore's, in JSON";
                Failure::from_error(Code::RootInvalid, &e, way)
            })?;
            (read_sigstore(path)?, services)
        }
    };
    let token = match token {
        TokenFrom::Given(token) => IdentityToken::parse(&token, now),
        TokenFrom::Person => sign_in(&services),
        TokenFrom::Place => match IdentityToken::ambient(now) {
            Err(TokenError::Missing) if io::stdin().is_terminal() => sign_in(&services),
            token => token,
        },
    };
    let token = token.map_err(|e| {
        let way = "give a token that a provider made for `sigstore`, with `--identity-token`; in a job of GitHub Actions, `permissions: id-token: write`";
        Failure::from_error(e.code(), &e, way)
    })?;
    let signed = host::sigstore::sign(statement, &token, &services, root).map_err(|e| {
        let way = match e.code() {
            Code::Network => "try again, or give another Sigstore with `--trust-config`",
            _ => "give the root of the Sigstore that signed, with `--trust-config`",
        };
        Failure::from_error(e.code(), &e, way)
    })?;
    Ok(signed.bundle)
}

/// Lets whoever sits here sign in.
#[expect(
    clippy::print_stderr,
    reason = "a question to a person, which `--quiet` must not swallow"
)]
fn sign_in(services: &Services) -> Result<IdentityToken, TokenError> {
    let login = Login::begin(services)?;
    eprintln!(
        "sign in at this address, and type the code that it shows:\n\n  {}\n",
        login.url()
    );
    let mut code = String::new();
    let read = io::stdin()
        .lock()
        .take(CODE_SIZE_BYTES_MAX)
        .read_line(&mut code);
    if read.is_err() || code.trim().is_empty() {
        return Err(TokenError::Missing);
    }
    // It may have taken minutes.
    let now = host::clock::now().map_err(TokenError::Clock)?;
    login.finish(&code, now)
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes =
        host::whole_file::read(path, TOKEN_SIZE_BYTES_MAX).map_err(|e| unreadable(path, &e))?;
    // What is no text is no token, and is refused as one that can't be read.
    Ok(Zeroizing::new(String::from_utf8(bytes).unwrap_or_default()))
}
