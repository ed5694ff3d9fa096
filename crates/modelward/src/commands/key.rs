//! `modelward key new|list|show|set|rotate`

use host::keys::KeyFolder;
use serde_json::json;
use trust::{Code, PublicKey, RootKey, TrustRoot};
use zeroize::Zeroizing;

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model::unreadable;
use crate::root_change::RootChange;
use crate::ui::Ui;
use crate::workspace::{Workspace, keys_folder, password, password_variable, root_path};

mod list;
mod new;
mod rotate;
mod set;
mod show;

const YEAR_SECONDS: i64 = 366 * 24 * 3600;
const CLOCK_SLACK_SECONDS: i64 = 300;

/// Make keys, and say in the trust root what each may say; and who is known by a certificate or an identity
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key, and let the trust root believe it
    New(new::Args),
    /// List whom the trust root believes: keys, holders of certificates and identities
    #[command(after_help = "Example: modelward key list")]
    List,
    Show(show::Args),
    /// Change what the trust root believes of somebody, or add somebody, by a key, a certificate or an identity (Sigstore);
    /// or change how long the root holds
    Set(Box<set::Args>),
    /// Make a key that takes the place of another, which goes on being believed for a while
    Rotate(rotate::Args),
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    match args.action {
        Action::New(new) => {
            new::is_free(&new.name, &Workspace::open(common)?)?;
            let password = key_password(new.encrypt)?;
            changing(common, |workspace, change| {
                new::create(&new, &password, workspace, change)
            })
        }
        Action::List => Ok(list::list(&Workspace::open(common)?)),
        Action::Show(args) => show::run(&args, common),
        Action::Set(set) => changing(common, |workspace, _| set::change(&set, workspace, ui)),
        Action::Rotate(mut args) => {
            let workspace = Workspace::open_as_left(common)?;
            rotate::check(&args, &workspace)?;
            args.encrypt |= rotate::is_encrypted(&args, &workspace);
            drop(workspace);
            let password = key_password(args.encrypt)?;
            changing(common, |workspace, change| {
                rotate::rotate(&args, &password, workspace, change)
            })
        }
    }
}

/// Changes the root while nobody else does. Whatever a person is asked is asked before: others wait meanwhile.
fn changing(
    common: &Common,
    act: impl FnOnce(&Workspace, &mut RootChange) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    let mut change = RootChange::begin(&keys_folder(&Workspace::open_as_left(common)?.store))?;
    // What another changed while this one waited is not lost.
    let workspace = Workspace::open_as_left(common)?;
    change.settle(&workspace.root)?;
    let answer = act(&workspace, &mut change)?;
    change.settle(&Workspace::open_as_left(common)?.root)?;
    Ok(answer)
}

/// What a new key is encrypted with, if it is.
type Password = Option<Zeroizing<String>>;

/// A password that lies ready is meant: a key without one would be a surprise.
fn key_password(encrypt: bool) -> Result<Password, Failure> {
    if encrypt {
        let password = password()?.filter(|password| !password.is_empty());
        return Ok(Some(password.ok_or_else(no_password)?));
    }
    match password_variable() {
        None => Ok(None),
        Some(variable) => Err(Failure::error(
            Code::Usage,
            format!("{variable} is set, and without `--encrypt` the key would have no password"),
            "pass `--encrypt`, or unset the variable",
        )),
    }
}

/// What was typed twice is meant once.
fn once<T: PartialEq + Clone>(typed: &[T]) -> Vec<T> {
    let mut once = Vec::new();
    for one in typed {
        if !once.contains(one) {
            once.push(one.clone());
        }
    }
    once
}

/// A public key is some hundred bytes.
const PUBLIC_KEY_SIZE_BYTES_MAX: u64 = 64 * 1024;

/// Reads a public key's file.
pub(crate) fn read_public(path: &std::path::Path) -> Result<PublicKey, Failure> {
    let text = host::named_file::read_text(path, PUBLIC_KEY_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(path, &e))?;
    PublicKey::from_pem(&text).map_err(|e| {
        Failure::from_error(
            Code::KeyInvalid,
            &e,
            "`openssl ec -in KEY -pubout` writes the form that is read",
        )
    })
}

/// What is written is read again first: a root that can't be read would answer nothing any more.
fn save(workspace: &Workspace, root: &TrustRoot) -> Result<(), Failure> {
    TrustRoot::parse(root.to_toml().as_bytes()).map_err(|e| {
        let way = "nothing was changed; remove somebody first: `modelward key set NAME --remove`";
        Failure::from_error(Code::RootInvalid, &e, way)
    })?;
    Ok(host::trust_root::write(&root_path(&workspace.store), root)?)
}

fn described(key: &RootKey, keys: &KeyFolder) -> serde_json::Value {
    json!({
        "name": key.name,
        "id": key.public_key.id().to_string(),
        "publicKey": key.public_key.pem(),
        "roles": key.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "speaksFor": key.speaks_for,
        "validFrom": key.valid_from.to_string(),
        "validUntil": key.valid_until.to_string(),
        "private": keys.has(&key.name),
    })
}

fn no_key(name: &str) -> Failure {
    Failure::error(
        Code::KeyMissing,
        format!("the trust root has no key `{name}`"),
        "`modelward key list` shows its keys",
    )
}

fn no_password() -> Failure {
    Failure::error(
        Code::PasswordMissing,
        "no password to encrypt the key with",
        "set MODELWARD_PASSWORD_FILE",
    )
}
