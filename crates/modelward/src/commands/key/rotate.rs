//! `modelward key rotate NAME`

use serde_json::json;
use trust::{Code, RootKey, Signer};

use super::new::{Making, is_free};
use super::{CLOCK_SLACK_SECONDS, Password, YEAR_SECONDS, described, no_key, save};
use crate::answer::{Answer, Failure};
use crate::root_change::{self, RootChange};
use crate::workspace::{Workspace, keys_folder};

const DAY_SECONDS: i64 = 24 * 3600;

/// The new key has the roles and names of the old one. What the old one signed goes on being believed until its time is over;
/// it signs nothing more here: its file goes to `keys/retired`. If the command is stopped on the way, the next one finishes
/// it, and the same command again does no harm.
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
    /// Encrypt the new key even if the old one is not; the password comes as with `key new`
    #[arg(long)]
    pub(super) encrypt: bool,
}

/// Refuses what can't be rotated before anybody is asked for a password.
pub(super) fn check(args: &Args, workspace: &Workspace) -> Result<(), Failure> {
    if root_change::is_being_replaced(&keys_folder(&workspace.store), &args.name) {
        return Ok(());
    }
    old_key(args, workspace).map(|_| ())
}

/// Whether the old key has a password: then the new one gets one too.
pub(super) fn is_encrypted(args: &Args, workspace: &Workspace) -> bool {
    let mut keys = workspace.root.keys();
    let old = keys.find(|key| key.name == args.name);
    let pem = workspace.keys.read_pem(&args.name).or_else(|missing| {
        // An interrupted command may have put it away.
        let retired = old.map(|old| root_change::retired(&keys_folder(&workspace.store), old));
        retired.map_or(Err(missing), |path| host::keys::read_private(&path))
    });
    pem.is_ok_and(|pem| trust::looks_encrypted(&pem))
}

/// The key to take the place of, if that can be.
fn old_key(args: &Args, workspace: &Workspace) -> Result<RootKey, Failure> {
    let mut keys = workspace.root.keys();
    let old = keys.find(|key| key.name == args.name);
    let old = old.ok_or_else(|| not_a_key(&args.name, workspace))?.clone();
    if !workspace.keys.has(&old.name) {
        return Err(not_here(&old, workspace));
    }
    if old.valid_until <= workspace.now {
        let message = format!("the key `{}` ended at {}", old.name, old.valid_until);
        let way = "make a new one: `modelward key new NAME`";
        return Err(Failure::error(Code::Usage, message, way));
    }
    Ok(old)
}

fn not_a_key(name: &str, workspace: &Workspace) -> Failure {
    if !workspace.root.has_name(name) {
        return no_key(name);
    }
    let message =
        format!("`{name}` has no key in the trust root, but a certificate or an identity");
    let way = "there is nothing to rotate: say with `modelward key set` whom to believe instead, if that has changed";
    Failure::error(Code::KeyMissing, message, way)
}

fn not_here(old: &RootKey, workspace: &Workspace) -> Failure {
    let (message, way) = if root_change::retired(&keys_folder(&workspace.store), old).exists() {
        (
            format!(
                "the key `{}` was rotated already, and signs no more",
                old.name
            ),
            "`modelward key list` shows which key signs now",
        )
    } else {
        (
            format!("the private key `{}` is not here", old.name),
            "rotate it where it signs, and take the new public key: `modelward key set NAME --public-key FILE`",
        )
    };
    Failure::error(Code::KeyMissing, message, way)
}

pub(super) fn rotate(
    args: &Args,
    password: &Password,
    workspace: &Workspace,
    change: &mut RootChange,
) -> Result<Answer, Failure> {
    if let Some(done) = finished(args, workspace, change) {
        return Ok(done);
    }
    let old = old_key(args, workspace)?;
    let name = name(args, &old, workspace, change);
    is_free(&name, workspace)?;
    let making = Making {
        name: &name,
        encrypt: args.encrypt,
        in_place_of: Some(&old.name),
    };
    let (key, how) = making.private_key(password, &workspace.keys, change)?;
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
        ..old
    };
    // One file, written whole: no moment has neither key, and none has the new one without the old one's end.
    let root = workspace.root.clone().with_key(ending.clone());
    let root = root.with_key(added.clone());
    save(workspace, &root)?;
    change.settle(&root)?;
    Ok(answer(how, &added, &ending, workspace))
}

/// What an earlier command began that was stopped when the root knew the new key: its last step was taken just now.
fn finished(args: &Args, workspace: &Workspace, change: &RootChange) -> Option<Answer> {
    let successor = change.successor(&args.name)?;
    if args.to.as_deref().is_some_and(|to| to != successor) {
        return None;
    }
    let called = |name: &str| workspace.root.keys().find(|key| key.name == name);
    let how = "finished what an interrupted command began: the key";
    Some(answer(
        how,
        called(successor)?,
        called(&args.name)?,
        workspace,
    ))
}

fn answer(how: &str, new: &RootKey, old: &RootKey, workspace: &Workspace) -> Answer {
    let retired = root_change::retired(&keys_folder(&workspace.store), old);
    let text = format!(
        "{how} `{}` ({}) in the place of `{}` ({}), which is believed until {} and signs no more: its file is now {}",
        new.name,
        new.public_key.id().short(),
        old.name,
        old.public_key.id().short(),
        old.valid_until,
        retired.display()
    );
    let data = json!({"new": described(new, &workspace.keys), "old": described(old, &workspace.keys), "retired": retired});
    Answer::new(text, data)
}

/// What was asked for; else what was begun and not finished; else `signer` → `signer-2` → `signer-3`, the first that is free.
fn name(args: &Args, old: &RootKey, workspace: &Workspace, change: &RootChange) -> String {
    if let Some(name) = &args.to {
        return name.clone();
    }
    let can_be = |name: &String| {
        let making = Making {
            name,
            encrypt: args.encrypt,
            in_place_of: None,
        };
        making.can_be(&workspace.keys, change) && !workspace.root.has_name(name)
    };
    let begun = change.begun_in_place_of(&old.name).map(ToOwned::to_owned);
    let number = old
        .name
        .rsplit_once('-')
        .and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    let (stem, number) = number.unwrap_or((&old.name, 1));
    let names = (number.saturating_add(1)..=u32::MAX).map(|number| format!("{stem}-{number}"));
    let mut names = begun.into_iter().chain(names.take(10_000));
    names.find(can_be).unwrap_or_else(|| format!("{stem}-next"))
}
