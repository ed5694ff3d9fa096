//! Recalls: what descends from something bad is bad.

use std::collections::BTreeSet;

use digest::Digest;
use trust::predicate::{Recall, RecallKind};
use trust::{Code, KeyId, Reason, Statement, Verified};

/// All that an artifact is and was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestry {
    /// Itself, its files, and what it was made from, all the way back.
    pub digests: BTreeSet<Digest>,
    /// The builders of it and of what it was made from.
    pub builders: BTreeSet<String>,
    /// The keys that said anything of these.
    pub keys: BTreeSet<KeyId>,
}

/// Why an artifact is recalled: a reason for each recall that names something it is or was made from.
#[must_use]
pub fn reasons(recalls: &[&Verified<Statement<Recall>>], ancestry: &Ancestry) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    for recall in recalls.iter().map(|stated| &stated.value().predicate) {
        if !ancestry.descends_from(recall) {
            continue;
        }
        let reason = recalled(recall);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

impl Ancestry {
    /// Whether a recall names anything in it. What a digest is called, a data set or a model, doesn't matter.
    #[must_use]
    pub fn descends_from(&self, recall: &Recall) -> bool {
        let digest = digest_of(&recall.target);
        match recall.kind {
            RecallKind::Dataset | RecallKind::Model => {
                digest.is_some_and(|digest| self.digests.contains(&digest))
            }
            RecallKind::Builder => self.builders.contains(&recall.target),
            RecallKind::Key => digest.is_some_and(|digest| self.keys.contains(&digest)),
        }
    }
}

/// A digest with `sha256:` before it, or as trust roots show keys, without.
fn digest_of(target: &str) -> Option<Digest> {
    target
        .parse()
        .ok()
        .or_else(|| Digest::from_hex(target).ok())
}

fn recalled(recall: &Recall) -> Reason {
    let what = match recall.kind {
        RecallKind::Dataset => "data set",
        RecallKind::Builder => "builder",
        RecallKind::Key => "key",
        RecallKind::Model => "model",
    };
    Reason::new(
        Code::Recalled,
        format!(
            "the {what} `{}` was recalled at {}: {}",
            recall.target, recall.recalled_at, recall.reason
        ),
        format!("make it again without this {what}"),
    )
}
