//! Recalls: what descends from something bad is bad.

use std::collections::BTreeMap;

use digest::Digest;
use trust::predicate::{Recall, RecallKind};
use trust::{Code, KeyId, Reason, Statement, Verified};

/// All that an artifact is and was made from, each with how it belongs to it: a clause for people, such as "it is a file of
/// the data set `mnist`".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestry {
    /// Itself, its files, and what it was made from, all the way back.
    pub digests: BTreeMap<Digest, String>,
    /// The builders of it and of what it was made from.
    pub builders: BTreeMap<String, String>,
    /// The keys that said anything of these.
    pub keys: BTreeMap<KeyId, String>,
}

/// Why an artifact is recalled: a reason for each recall that names something it is or was made from.
#[must_use]
pub fn reasons(recalls: &[&Verified<Statement<Recall>>], ancestry: &Ancestry) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    for recall in recalls.iter().map(|stated| &stated.value().predicate) {
        let Some(path) = ancestry.path_from(recall) else {
            continue;
        };
        let reason = recalled(recall, path);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

impl Ancestry {
    /// How what a recall names belongs to it, if it does. What a digest is called, a data set or a model, doesn't matter.
    #[must_use]
    pub fn path_from(&self, recall: &Recall) -> Option<&str> {
        let path = match recall.kind {
            RecallKind::Dataset | RecallKind::Model => {
                self.digests.get(&digest_of(&recall.target)?)
            }
            RecallKind::Builder => self.builders.get(&recall.target),
            RecallKind::Key => self.keys.get(&digest_of(&recall.target)?),
        };
        path.map(String::as_str)
    }
}

/// The digest that a recall names: with `sha256:` before it, or as trust roots show keys, without.
#[must_use]
pub fn digest_of(target: &str) -> Option<Digest> {
    target
        .parse()
        .ok()
        .or_else(|| Digest::from_hex(target).ok())
}

fn recalled(recall: &Recall, path: &str) -> Reason {
    let what = match recall.kind {
        RecallKind::Dataset => "data set",
        RecallKind::Builder => "builder",
        RecallKind::Key => "key",
        RecallKind::Model => "model",
    };
    Reason::new(
        Code::Recalled,
        format!(
            "the {what} `{}` was recalled at {}: {} ({path})",
            recall.target, recall.recalled_at, recall.reason
        ),
        way(recall.kind, what),
    )
}

/// Who signed for the same files as well makes no difference: a recall of a key is for good.
fn way(kind: RecallKind, what: &str) -> String {
    match kind {
        RecallKind::Key => "make it again without anything that this key signed for: the same files stay recalled, also \
                            when another key signs for them"
            .to_owned(),
        _ => format!("make it again without this {what}"),
    }
}
