//! Signing keylessly: with which token, and at which Sigstore.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use host::sigstore::{Asker, IdentityToken, Login, Redirect, Services, ServicesError, TokenError};
use trust::{Bundle, Code, SigstoreRoot};
use zeroize::Zeroizing;

use crate::answer::Failure;
use crate::believed::{
    TRUST_CONFIG_SIZE_BYTES_MAX, parse_sigstore, public_sigstore, read_sigstore,
};
use crate::lines::harmless;
use crate::model::unreadable;

const TOKEN_SIZE_BYTES_MAX: u64 = 64 * 1024;
const CODE_SIZE_BYTES_MAX: u64 = 4096;
/// To find a telephone for the second factor, and no longer.
const SIGN_IN_TIMEOUT: Duration = Duration::from_mins(5);

/// A signature without a key to keep.
#[derive(Debug, clap::Args)]
pub(crate) struct Keyless {
    /// Sign at Sigstore as whom an identity token names, with a key of one use and without a store: the signature and the
    /// identity are entered in a public log, for ever
    #[arg(long, group = "held", conflicts_with = "key")]
    keyless: bool,
    /// The identity token, in a file; by default that of the place where this runs: `SIGSTORE_ID_TOKEN`, or that of GitHub
    /// Actions, Google Cloud, Buildkite, GitLab or CircleCI
    #[arg(long, value_name = "FILE", requires = "keyless")]
    identity_token: Option<PathBuf>,
    /// Sign in: with the `browser` of this machine, which comes back by itself, or with one anywhere that shows a `code` to
    /// type; by default whichever fits. So it is too where nothing gives a token and somebody sits at a terminal
    #[arg(
        long,
        value_name = "WAY",
        num_args = 0..=1,
        require_equals = true,
        hide_possible_values = true,
        requires = "keyless",
        conflicts_with = "identity_token"
    )]
    sign_in: Option<Option<SignIn>>,
    /// The Sigstore to sign at, as `ClientTrustConfig` in JSON; the public one by default
    #[arg(long, value_name = "FILE", requires = "keyless")]
    trust_config: Option<PathBuf>,
}

/// How somebody signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SignIn {
    /// With this machine's browser, which comes back to this program.
    Browser,
    /// With any browser, which shows a code.
    Code,
}

impl SignIn {
    /// The browser's way if one can be opened here.
    fn that_fits() -> Self {
        match has_browser() {
            true => Self::Browser,
            false => Self::Code,
        }
    }
}

/// Whether somebody sits at this terminal and looks at a screen of this machine. A program that starts this one may read what
/// is said on standard error, and pass it on.
pub(crate) fn has_browser() -> bool {
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    has_screen && (io::stderr().is_terminal() || io::stdin().is_terminal())
}

impl Keyless {
    /// Whether it is asked for.
    pub(crate) const fn is_named(&self) -> bool {
        self.keyless
    }

    /// Signs a statement's bytes.
    pub(crate) fn seal(&self, statement: Vec<u8>) -> Result<Bundle, Failure> {
        let token = match &self.identity_token {
            Some(path) => TokenFrom::Given(read_token(path)?),
            None => match self.sign_in {
                Some(way) => TokenFrom::Person(way.unwrap_or_else(SignIn::that_fits)),
                None => TokenFrom::Place,
            },
        };
        let asker = Asker::default();
        let instance = Instance::of(self.trust_config.as_deref());
        seal(statement, token, asker, instance)
    }
}

/// Where an identity token comes from.
pub(crate) enum TokenFrom {
    /// It was given.
    Given(Zeroizing<String>),
    /// The place where this runs has one; else whoever sits here signs in.
    Place,
    /// Whoever sits here signs in.
    Person(SignIn),
}

/// A Sigstore to sign at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instance<'a> {
    /// The public one.
    Public,
    /// The public one's staging instance, for tests.
    Staging,
    /// That of a configuration's file.
    Configured(&'a Path),
    /// That of two files.
    Parts {
        /// Where it is signed: a `SigningConfig`.
        signing: &'a Path,
        /// By what the signature is believed: a `TrustedRoot`.
        root: &'a Path,
    },
}

impl<'a> Instance<'a> {
    /// That of a file; else the public one.
    fn of(config: Option<&'a Path>) -> Self {
        config.map_or(Self::Public, Self::Configured)
    }
}

/// Signs a statement's bytes as whom a token names.
pub(crate) fn seal(
    statement: Vec<u8>,
    token: TokenFrom,
    asker: Asker,
    instance: Instance<'_>,
) -> Result<Bundle, Failure> {
    let now = host::clock::now()?;
    let (root, services) = match instance {
        // What came of it is verified, so that an old root refuses what it does not know.
        Instance::Public => {
            let used = public_sigstore(now, &|_| ())?;
            (used.root, used.services.map_err(|e| nowhere_to_sign(&e))?)
        }
        Instance::Staging => (SigstoreRoot::staging(), Services::staging()),
        Instance::Configured(path) => {
            let bytes = host::named_file::read(path, TRUST_CONFIG_SIZE_BYTES_MAX)
                .map_err(|e| unreadable(path, &e))?;
            let services = Services::parse(&bytes, now).map_err(|e| {
                let way = "give a `ClientTrustConfig` of Sigstore's, in JSON";
                Failure::from_error(Code::RootInvalid, &e, way)
            })?;
            (parse_sigstore(&bytes)?, services)
        }
        Instance::Parts { signing, root } => {
            let bytes = host::named_file::read(signing, TRUST_CONFIG_SIZE_BYTES_MAX)
                .map_err(|e| unreadable(signing, &e))?;
            let services = Services::parse_signing(&bytes, now).map_err(|e| {
                let way = "give a `SigningConfig` of Sigstore's, in JSON";
                Failure::from_error(Code::RootInvalid, &e, way)
            })?;
            (read_sigstore(root)?, services)
        }
    };
    let token = match token {
        TokenFrom::Given(token) => IdentityToken::made_for(&token, &asker.id, now),
        TokenFrom::Person(way) => sign_in(&services, asker, way),
        TokenFrom::Place => match IdentityToken::ambient(now) {
            Err(TokenError::Missing) if io::stdin().is_terminal() => {
                sign_in(&services, asker, SignIn::that_fits())
            }
            token => token,
        },
    };
    let token = token.map_err(|e| {
        let way = "give a token that a provider made for `sigstore`, with `--identity-token`, or `--sign-in`";
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

/// What the public Sigstore says now of where to sign is not known here.
fn nowhere_to_sign(error: &ServicesError) -> Failure {
    let way = "run `modelward keyless refresh`, update Modelward, or say where to sign with `--trust-config`";
    Failure::from_error(Code::RootInvalid, error, way)
}

/// Lets whoever sits here sign in.
#[expect(
    clippy::print_stderr,
    reason = "a question to a person, which `--quiet` must not swallow"
)]
fn sign_in(services: &Services, asker: Asker, way: SignIn) -> Result<IdentityToken, TokenError> {
    let redirect = match way {
        SignIn::Browser => Some(Redirect::listen()?),
        SignIn::Code => None,
    };
    let mut login = Login::begin(services, asker, redirect)?;
    let how = match way {
        SignIn::Browser => "sign in with a browser of this machine, at this address",
        SignIn::Code => "sign in at this address, and type the code that it shows",
    };
    // The address names what a trust configuration says.
    eprintln!("{how}:\n\n  {}\n", harmless(login.url(), &[]));
    if way == SignIn::Browser && has_browser() {
        open_browser(login.url());
    }
    let code = match login.code(SIGN_IN_TIMEOUT)? {
        Some(code) => code,
        None => typed_code()?,
    };
    // It may have taken minutes.
    let now = host::clock::now().map_err(TokenError::Clock)?;
    login.finish(&code, now)
}

/// Opens an address. Where that does nothing, it is printed too.
fn open_browser(url: &str) {
    let mut opener = Command::new("xdg-open");
    opener.arg(url).process_group(0);
    opener.stdin(Stdio::null()).stdout(Stdio::null());
    if let Ok(mut child) = opener.stderr(Stdio::null()).spawn() {
        thread::spawn(move || child.wait());
    }
}

fn typed_code() -> Result<Zeroizing<String>, TokenError> {
    let mut code = Zeroizing::new(String::new());
    let mut line = io::stdin().lock().take(CODE_SIZE_BYTES_MAX);
    if line.read_line(&mut code).is_err() || code.trim().is_empty() {
        return Err(TokenError::Missing);
    }
    Ok(code)
}

pub(crate) fn read_token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes =
        host::named_file::read(path, TOKEN_SIZE_BYTES_MAX).map_err(|e| unreadable(path, &e))?;
    // What is no text is no token, and is refused as one that can't be read.
    Ok(Zeroizing::new(String::from_utf8(bytes).unwrap_or_default()))
}
