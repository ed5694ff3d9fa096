//! `modelward key new NAME`

use host::keys::{KeyFileError, KeyFolder};
use trust::{Code, PrivateKey, Role, RootKey, Signer};

use super::{CLOCK_SLACK_SECONDS, Password, YEAR_SECONDS, described, once, save};
use crate::answer::{Answer, Failure};
use crate::root_change::RootChange;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward key new laptop")]
pub(super) struct Args {
    /// What to call it
    pub(super) name: String,
    /// What it may say (dataset, build, scan, sign, publish, deploy, admit, serve, recall, approve, break-glass); all without it
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<Role>,
    /// A name it may speak for: a builder's, publisher's or deployer's identity
    #[arg(long, value_name = "NAME")]
    pub(super) speaks_for: Vec<String>,
    /// Encrypt it; the password comes from MODELWARD_PASSWORD, MODELWARD_PASSWORD_FILE or the prompt. Without this, neither
    /// variable may be set
    #[arg(long)]
    pub(super) encrypt: bool,
}

pub(super) fn create(
    args: &Args,
    password: &Password,
    workspace: &Workspace,
    change: &mut RootChange,
) -> Result<Answer, Failure> {
    is_free(&args.name, workspace)?;
    let making = Making {
        name: &args.name,
        encrypt: args.encrypt,
        in_place_of: None,
    };
    let (key, how) = making.private_key(password, &workspace.keys, change)?;
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

/// Refuses a name that the trust root has for somebody.
pub(super) fn is_free(name: &str, workspace: &Workspace) -> Result<(), Failure> {
    let root = &workspace.root;
    if !root.has_name(name) {
        return Ok(());
    }
    let message = match root.keys().any(|key| key.name == name) {
        true => format!("the trust root has a key `{name}` already"),
        false => format!("the trust root calls somebody else `{name}` already"),
    };
    let hint = "choose another name";
    Err(Failure::error(Code::KeyExists, message, hint))
}

/// A private key that is to be.
pub(super) struct Making<'a> {
    pub(super) name: &'a str,
    pub(super) encrypt: bool,
    /// The key whose place it takes.
    pub(super) in_place_of: Option<&'a str>,
}

impl Making<'_> {
    /// Whether the name is free, or an earlier command began to make just this key and was stopped before the root knew it.
    pub(super) fn can_be(&self, keys: &KeyFolder, change: &RootChange) -> bool {
        match keys.read_pem(self.name) {
            Ok(pem) => change.was_begun(self.name) && trust::looks_encrypted(&pem) == self.encrypt,
            Err(error) => matches!(error, KeyFileError::Missing { .. }),
        }
    }

    /// The key's file, and what was done: made, or taken up where an earlier command was stopped.
    pub(super) fn private_key(
        &self,
        password: &Password,
        keys: &KeyFolder,
        change: &mut RootChange,
    ) -> Result<(PrivateKey, &'static str), Failure> {
        if self.can_be(keys, change) {
            let is_there = keys.has(self.name);
            change.begin_key(self.name, self.in_place_of)?;
            if is_there {
                let key = keys.load(self.name, &|| password.clone())?;
                return Ok((key, "finished what an interrupted command began: the key"));
            }
        }
        let password = password.as_ref().map(|password| password.as_str());
        let key = keys.create(self.name, password).map_err(orphaned)?;
        Ok((key, "made the key"))
    }
}

/// A key's file that the trust root does not know, and that no interrupted command began. It is not taken up again: it may
/// be one that was removed for a reason.
fn orphaned(error: KeyFileError) -> Failure {
    let KeyFileError::Exists { .. } = &error else {
        return error.into();
    };
    let way = "the trust root does not know it: it is of a key that was removed, or of a `key new` that was interrupted and had \
               another `--encrypt`. Choose another name, or move the file away and try again";
    Failure::from_error(error.code(), &error, way)
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
