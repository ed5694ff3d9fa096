//! `modelward key rotate NAME`

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use trust::{Code, RootKey, Signer};

use super::{
    CLOCK_SLACK_SECONDS, New, Password, YEAR_SECONDS, described, no_key, private_key, save,
};
use crate::answer::{Answer, Failure};
use crate::faults::at;
use crate::root_change::RootChange;
use crate::workspace::{Workspace, keys_folder};

const DAY_SECONDS: i64 = 24 * 3600;
/// Where the private keys are that sign no more.
const RETIRED: &str = "retired";

/// The new key has the roles and names of the old one. What the old one signed goes on being believed until its time is over;
/// it signs nothing more here: its file goes to `keys/retired`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward key rotate signer")]
pub(super) struct Args {
    /// The key to take the place of
    name: String,
    /// What to call the new one; without it the old name and the next number, as `signer-2`
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// For how many days the old key is believed, if it was to be for so long
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(0..=3660))]
    overlap: u16,
    /// Encrypt the new key; the password comes as with `key new`
    #[arg(long)]
    pub(super) encrypt: bool,
}

/// The key to take the place of, if that can be.
pub(super) fn old_key(args: &Args, workspace: &Workspace) -> Result<RootKey, Failure> {
    let mut keys = workspace.root.keys();
    let old = keys.find(|key| key.name == args.name);
    let old = old.ok_or_else(|| no_key(&args.name))?.clone();
    if !workspace.keys.has(&old.name) {
        let message = format!("the private key `{}` is not here", old.name);
        let way = "rotate it where it signs, and take the new public key: `modelward key set NAME --public-key FILE`";
        return Err(Failure::error(Code::KeyMissing, message, way));
    }
    if old.valid_until <= workspace.now {
        let message = format!("the key `{}` ended at {}", old.name, old.valid_until);
        let way = "make a new one: `modelward key new NAME`";
        return Err(Failure::error(Code::Usage, message, way));
    }
    Ok(old)
}

pub(super) fn rotate(
    args: &Args,
    password: &Password,
    workspace: &Workspace,
    change: &mut RootChange,
) -> Result<Answer, Failure> {
    let old = old_key(args, workspace)?;
    let name = args
        .to
        .clone()
        .unwrap_or_else(|| next_name(&old.name, workspace, change));
    if workspace.root.keys().any(|key| key.name == name) {
        let message = format!("the trust root has a key `{name}` already");
        return Err(Failure::error(
            Code::KeyExists,
            message,
            "choose another name with `--to`",
        ));
    }
    let new = New {
        name: name.clone(),
        roles: old.roles.clone(),
        speaks_for: old.speaks_for.clone(),
        encrypt: args.encrypt,
    };
    let (key, how) = private_key(&new, password, &workspace.keys, change)?;
    let added = RootKey {
        name,
        public_key: key.public_key().clone(),
        valid_from: workspace.now.plus_seconds(-CLOCK_SLACK_SECONDS),
        valid_until: workspace.now.plus_seconds(YEAR_SECONDS),
        ..old.clone()
    };
    let end = workspace
        .now
        .plus_seconds(i64::from(args.overlap) * DAY_SECONDS);
    let ending = RootKey {
        valid_until: old.valid_until.min(end),
        ..old.clone()
    };
    // One file, written whole: no moment has neither key, and none has the new one without the old one's end.
    let root = workspace.root.clone().with_key(ending.clone());
    save(workspace, &root.with_key(added.clone()))?;
    let retired = retire(&old, workspace)?;
    let text = format!(
        "{how} `{}` ({}) in the place of `{}`, which is believed until {} and signs no more: its file is now {}",
        added.name,
        added.public_key.id().short(),
        old.name,
        ending.valid_until,
        retired.display()
    );
    let data = json!({"new": described(&added, &workspace.keys), "old": described(&ending, &workspace.keys), "retired": retired});
    Ok(Answer::new(text, data))
}

/// `signer` → `signer-2` → `signer-3`: the first that neither the root nor a file has, but for one that was begun and not
/// finished.
fn next_name(name: &str, workspace: &Workspace, change: &RootChange) -> String {
    let number = name
        .rsplit_once('-')
        .and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    let (stem, number) = number.unwrap_or((name, 1));
    let is_free = |name: &String| {
        let is_unused = change.was_begun(name) || !workspace.keys.has(name);
        is_unused && workspace.root.keys().all(|key| key.name != *name)
    };
    let names = (number.saturating_add(1)..=u32::MAX).map(|number| format!("{stem}-{number}"));
    let mut names = names.take(10_000);
    names
        .find(is_free)
        .unwrap_or_else(|| format!("{stem}-next"))
}

/// Takes the old key's file out of those that sign. It is kept: a key is gone soon enough.
fn retire(old: &RootKey, workspace: &Workspace) -> Result<PathBuf, Failure> {
    let keys = keys_folder(&workspace.store);
    let folder = keys.join(RETIRED);
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let id: String = old.public_key.id().hex().chars().take(16).collect();
    let retired = folder.join(format!("{}-{id}.key.pem", old.name));
    fs::rename(keys.join(format!("{}.key.pem", old.name)), &retired)
        .and_then(|()| fs::File::open(&keys)?.sync_all())
        .map_err(at(&keys))?;
    Ok(retired)
}
