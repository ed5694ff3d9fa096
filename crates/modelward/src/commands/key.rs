//! `modelward key new|list|set|rotate`

use host::keys::{KeyFileError, KeyFolder};
use serde_json::json;
use trust::{Code, PrivateKey, PublicKey, Role, RootKey, Signer, Time, TrustRoot};
use zeroize::Zeroizing;

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model::unreadable;
use crate::root_change::RootChange;
use crate::ui::Ui;
use crate::workspace::{Workspace, keys_folder, password, password_variable, root_path};

mod rotate;

const YEAR_SECONDS: i64 = 366 * 24 * 3600;
const CLOCK_SLACK_SECONDS: i64 = 300;

/// Make keys, and say in the trust root what each may say
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key, and let the trust root believe it
    New(New),
    /// List the trust root's keys
    #[command(after_help = "Example: modelward key list")]
    List,
    /// Change what the trust root believes of a key, or add somebody else's, or change how long the root holds
    Set(Set),
    /// Make a key that takes the place of another, which goes on being believed for a while
    Rotate(rotate::Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward key new laptop")]
struct New {
    /// What to call it
    name: String,
    /// What it may say (dataset, build, scan, sign, publish, deploy, admit, serve, recall); all without it
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<Role>,
    /// A name it may speak for: a builder's, publisher's or deployer's identity
    #[arg(long, value_name = "NAME")]
    speaks_for: Vec<String>,
    /// Encrypt it; the password comes from MODELWARD_PASSWORD, MODELWARD_PASSWORD_FILE or the prompt. Without this, neither
    /// variable may be set
    #[arg(long)]
    encrypt: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward key set laptop --role sign --role scan")]
struct Set {
    /// Which key; without it only the root's own times can be changed
    name: Option<String>,
    /// The public key of somebody else, in PEM
    #[arg(long, value_name = "FILE", requires = "name")]
    public_key: Option<std::path::PathBuf>,
    /// What it may say from now on
    #[arg(long = "role", value_name = "ROLE", requires = "name")]
    roles: Vec<Role>,
    /// The names it may speak for from now on
    #[arg(long, value_name = "NAME", requires = "name")]
    speaks_for: Vec<String>,
    /// From when it holds
    #[arg(long, value_name = "TIME", requires = "name")]
    valid_from: Option<Time>,
    /// Until when it holds
    #[arg(long, value_name = "TIME", requires = "name")]
    valid_until: Option<Time>,
    /// Believe it no longer
    #[arg(long, requires = "name", conflicts_with_all = ["public_key", "roles", "speaks_for", "valid_from", "valid_until"])]
    remove: bool,
    /// From when the trust root holds
    #[arg(long, value_name = "TIME")]
    root_valid_from: Option<Time>,
    /// Until when the trust root holds
    #[arg(long, value_name = "TIME")]
    root_expires: Option<Time>,
}

pub(crate) fn run(args: Args, common: &Common, _ui: &Ui) -> Result<Answer, Failure> {
    match args.action {
        Action::New(new) => {
            is_free(&new.name, &Workspace::open(common)?)?;
            let password = key_password(new.encrypt)?;
            changing(common, |workspace, change| {
                create(&new, &password, workspace, change)
            })
        }
        Action::List => Ok(list(&Workspace::open(common)?)),
        Action::Set(set) => changing(common, |workspace, _| change(&set, workspace)),
        Action::Rotate(args) => {
            rotate::old_key(&args, &Workspace::open(common)?)?;
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
    let mut change = RootChange::begin(&keys_folder(&Workspace::open(common)?.store))?;
    // What another changed while this one waited is not lost.
    let workspace = Workspace::open(common)?;
    change.settle(&workspace.root)?;
    let answer = act(&workspace, &mut change)?;
    change.settle(&Workspace::open(common)?.root)?;
    Ok(answer)
}

fn create(
    args: &New,
    password: &Password,
    workspace: &Workspace,
    change: &mut RootChange,
) -> Result<Answer, Failure> {
    is_free(&args.name, workspace)?;
    let (key, how) = private_key(args, password, &workspace.keys, change)?;
    let roles = if args.roles.is_empty() {
        Role::ALL.to_vec()
    } else {
        once(&args.roles)
    };
    let root_key = RootKey {
        name: args.name.clone(),
        public_key: key.public_key().clone(),
        speaks_for: if args.speaks_for.is_empty() {
            default_names(&roles)
        } else {
            once(&args.speaks_for)
        },
        roles,
        valid_from: workspace.now.plus_seconds(-CLOCK_SLACK_SECONDS),
        valid_until: workspace.now.plus_seconds(YEAR_SECONDS),
    };
    let text = format!("{how} `{}` ({})", args.name, key.public_key().id().short());
    let data = described(&root_key, &workspace.keys);
    save(workspace, &workspace.root.clone().with_key(root_key))?;
    Ok(Answer::new(text, data))
}

fn is_free(name: &str, workspace: &Workspace) -> Result<(), Failure> {
    if workspace.root.keys().all(|key| key.name != name) {
        return Ok(());
    }
    let message = format!("the trust root has a key `{name}` already");
    let hint = "choose another name";
    Err(Failure::error(Code::KeyExists, message, hint))
}

/// What a new key is encrypted with, if it is.
type Password = Option<Zeroizing<String>>;

/// The key's file, and what was done: made, or taken up where an earlier command was stopped before the root knew it.
fn private_key(
    args: &New,
    password: &Password,
    keys: &KeyFolder,
    change: &mut RootChange,
) -> Result<(PrivateKey, &'static str), Failure> {
    let there = keys.read_pem(&args.name);
    match &there {
        Ok(pem) if change.was_begun(&args.name) && trust::looks_encrypted(pem) == args.encrypt => {
            let key = keys.load(&args.name, &|| password.clone())?;
            return Ok((key, "finished what an interrupted `key new` began: the key"));
        }
        Err(KeyFileError::Missing { .. }) => change.begin_key(&args.name)?,
        _ => {}
    }
    let password = password.as_ref().map(|password| password.as_str());
    let key = keys.create(&args.name, password).map_err(orphaned)?;
    Ok((key, "made the key"))
}

/// A password that lies ready is meant: a key without one would be a surprise.
fn key_password(encrypt: bool) -> Result<Password, Failure> {
    if encrypt {
        return Ok(Some(password()?.ok_or_else(no_password)?));
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

/// A key's file that the trust root does not know, and that no interrupted `key new` began. It is not taken up again: it may
/// be one that was removed for a reason.
fn orphaned(error: KeyFileError) -> Failure {
    let KeyFileError::Exists { .. } = &error else {
        return error.into();
    };
    let way = "the trust root does not know it: it is of a key that was removed, or of a `key new` that was interrupted and had \
               another `--encrypt`. Choose another name, or move the file away and try again";
    Failure::from_error(error.code(), &error, way)
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

/// A key that builds on this machine may say that it is this machine's builder; publishers and deployers are named after
/// their role.
fn default_names(roles: &[Role]) -> Vec<String> {
    let name = |role: &Role| match role {
        Role::Build => Some(chain::train::WORKSTATION.to_owned()),
        Role::Publish => Some(chain::publish::LOCAL_PUBLISHER.to_owned()),
        _ => None,
    };
    roles.iter().filter_map(name).collect()
}

fn list(workspace: &Workspace) -> Answer {
    let line = |key: &RootKey| {
        let roles: Vec<&str> = key.roles.iter().map(|role| role.as_str()).collect();
        let private = if workspace.keys.has(&key.name) {
            "private key here"
        } else {
            "public key only"
        };
        format!(
            "{:16} {}  {}  until {}  {private}",
            key.name,
            key.public_key.id(),
            roles.join(","),
            key.valid_until
        )
    };
    let text = workspace
        .root
        .keys()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n");
    let keys: Vec<_> = workspace
        .root
        .keys()
        .map(|key| described(key, &workspace.keys))
        .collect();
    let root = &workspace.root;
    let data = json!({"keys": keys, "serial": root.serial(), "validFrom": root.valid_from().to_string(),
                      "expires": root.expires().to_string(), "root": root.digest().to_string()});
    Answer::new(text, data)
}

fn change(args: &Set, workspace: &Workspace) -> Result<Answer, Failure> {
    let mut root = workspace.root.clone();
    if let Some(name) = &args.name {
        root = if args.remove {
            removed(root, name)?
        } else {
            let key = changed(args, name, workspace)?;
            let is_new = root.keys().all(|known| *known != key);
            if is_new { root.with_key(key) } else { root }
        };
    }
    if args.root_valid_from.is_some() || args.root_expires.is_some() {
        let from = args.root_valid_from.unwrap_or(root.valid_from());
        let expires = args.root_expires.unwrap_or(root.expires());
        in_order("the trust root", from, expires)?;
        root = root.with_times(from, expires);
    }
    if root == workspace.root {
        return Err(Failure::error(
            Code::Usage,
            "there is nothing to change",
            "see `modelward help key set`",
        ));
    }
    save(workspace, &root)?;
    let mut text = format!("the trust root is now number {}", root.serial());
    let known = workspace.root.keys();
    for gone in known.filter(|key| root.key(key.public_key.id()).is_none()) {
        text.push_str(&format!(
            "\nthe key that was `{}` is {}: if it was stolen, recall it by this id",
            gone.name,
            gone.public_key.id()
        ));
    }
    Ok(Answer::new(
        text,
        json!({"serial": root.serial(), "root": root.digest().to_string()}),
    ))
}

fn removed(root: TrustRoot, name: &str) -> Result<TrustRoot, Failure> {
    if root.keys().all(|key| key.name != name) {
        return Err(no_key(name));
    }
    Ok(root.without_key(name))
}

fn changed(args: &Set, name: &str, workspace: &Workspace) -> Result<RootKey, Failure> {
    let known = workspace.root.keys().find(|key| key.name == name).cloned();
    let mut key = match (&args.public_key, known) {
        (Some(path), known) => {
            let mut key = known.unwrap_or(fresh(name, read_public(path)?, workspace.now));
            key.public_key = read_public(path)?;
            key
        }
        (None, Some(known)) => known,
        (None, None) => return Err(no_key(name)),
    };
    if !args.roles.is_empty() {
        key.roles = once(&args.roles);
    }
    if !args.speaks_for.is_empty() {
        key.speaks_for = once(&args.speaks_for);
    }
    key.valid_from = args.valid_from.unwrap_or(key.valid_from);
    key.valid_until = args.valid_until.unwrap_or(key.valid_until);
    in_order("the key", key.valid_from, key.valid_until)?;
    let id = key.public_key.id();
    if let Some(other) = workspace
        .root
        .key(id)
        .filter(|other| other.name != key.name)
    {
        let message = format!("the trust root knows this key as `{}`", other.name);
        return Err(Failure::error(
            Code::KeyExists,
            message,
            "change that one, or remove it first: `modelward key set NAME --remove`",
        ));
    }
    if key.roles.is_empty() {
        return Err(Failure::error(
            Code::Usage,
            format!("the key `{name}` would have no role"),
            "say what it may say: `--role ROLE`",
        ));
    }
    Ok(key)
}

/// What ends before it begins never holds, and nobody means that.
fn in_order(what: &str, from: Time, until: Time) -> Result<(), Failure> {
    if from < until {
        return Ok(());
    }
    let message = format!("{what} would hold from {from} until {until}, which is never");
    let hint = "give both times, the earlier first";
    Err(Failure::error(Code::Usage, message, hint))
}

fn fresh(name: &str, public_key: PublicKey, now: Time) -> RootKey {
    RootKey {
        name: name.to_owned(),
        public_key,
        roles: Vec::new(),
        speaks_for: Vec::new(),
        valid_from: now.plus_seconds(-CLOCK_SLACK_SECONDS),
        valid_until: now.plus_seconds(YEAR_SECONDS),
    }
}

/// A public key is some hundred bytes.
const PUBLIC_KEY_SIZE_BYTES_MAX: u64 = 64 * 1024;

/// Reads a public key's file.
pub(crate) fn read_public(path: &std::path::Path) -> Result<PublicKey, Failure> {
    let text = host::whole_file::read_text(path, PUBLIC_KEY_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(path, &e))?;
    PublicKey::from_pem(&text).map_err(|e| {
        Failure::from_error(
            Code::KeyInvalid,
            &e,
            "`openssl ec -in KEY -pubout` writes the form that is read",
        )
    })
}

fn save(workspace: &Workspace, root: &TrustRoot) -> Result<(), Failure> {
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
