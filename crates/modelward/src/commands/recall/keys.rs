//! Which key a person means: one of the trust root, or one that it has forgotten and that the log still names.

use std::collections::BTreeSet;

use trust::predicate::Recall;
use trust::{Code, Error, KeyId};

use crate::answer::Failure;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Fewer digits are too easily those of another key.
const DIGITS_MIN: usize = 8;

/// The key of this name, or the only one whose id begins like this.
pub(super) fn id_of(target: &str, workspace: &Workspace, ui: &Ui) -> Result<KeyId, Failure> {
    let forgotten = forgotten(workspace)?;
    let mut known = workspace.root.keys();
    if let Some(named) = known.find(|key| key.name == target) {
        let id = named.public_key.id();
        if !forgotten.is_empty() {
            ui.warn(&format!(
                "`{target}` is the key {} now, which is recalled; a key that had the name before is recalled by its id. \
                 The log has statements by keys that the trust root does not know: {}",
                id.short(),
                list(&forgotten)
            ));
        }
        return Ok(id);
    }
    let of_root = workspace.root.keys().map(|key| key.public_key.id());
    let all = of_root.chain(forgotten.iter().copied());
    let fits = |id: &KeyId| digits(target).is_some_and(|digits| id.hex().starts_with(digits));
    let fitting: BTreeSet<KeyId> = all.filter(fits).collect();
    match fitting.first() {
        Some(only) if fitting.len() == 1 => Ok(*only),
        Some(_) => Err(Failure::error(
            Code::Usage,
            format!("the ids of several keys begin with `{target}`"),
            format!("give more digits: {}", whole(&fitting)),
        )),
        None => Err(unknown(target, &forgotten)),
    }
}

/// The keys that statements in the log name as theirs and that the root does not know.
fn forgotten(workspace: &Workspace) -> Result<BTreeSet<KeyId>, Failure> {
    let ledger = workspace.ledger()?;
    let bundles = ledger.entries().iter();
    let bundles = bundles.filter_map(|entry| workspace.bundle(entry.bundle()));
    // Who signed is looked at before what was said: whatever the statement, an unknown key is told.
    let signer = |bytes: Vec<u8>| {
        let read = trust::verify_to_forbid::<Recall>(&bytes, &workspace.root, workspace.now);
        match read {
            Err(Error::KeyUnknown { key }) => key,
            _ => None,
        }
    };
    Ok(bundles.filter_map(signer).collect())
}

/// The first digits of an id, as it is written whole or cut short.
fn digits(target: &str) -> Option<&str> {
    let digits = target.strip_prefix("sha256:").unwrap_or(target);
    let digits = digits.trim_end_matches('…');
    (digits.len() >= DIGITS_MIN).then_some(digits)
}

fn unknown(target: &str, forgotten: &BTreeSet<KeyId>) -> Failure {
    let way = if forgotten.is_empty() {
        "give its id, `sha256:…`, whole or its first 8 digits; `modelward key list` shows those of the trust root".to_owned()
    } else {
        format!(
            "give its id, whole or its first 8 digits; the log has statements by these, which the trust root does not know: {}",
            list(forgotten)
        )
    };
    let message = format!("there is no key `{target}` here");
    Failure::error(Code::NotFound, message, way)
}

fn list(keys: &BTreeSet<KeyId>) -> String {
    let ids: Vec<String> = keys.iter().map(KeyId::short).collect();
    ids.join(", ")
}

/// Where a few digits were too few.
fn whole(keys: &BTreeSet<KeyId>) -> String {
    let ids: Vec<String> = keys.iter().map(ToString::to_string).collect();
    ids.join(", ")
}
