//! The stage `recall`: something is bad, and so is all that descends from it.
//!
//! In: what is recalled, and why. Must hold: the name is one that the log can be searched for. Out: a recall.
//! Denies: nothing. Logs: the recall, which every later gate reads.

use trust::predicate::{Recall, RecallKind};
use trust::{Statement, Subject, Time};

/// The statement that recalls a target: a digest `sha256:…`, a builder's id, or a key's id.
#[must_use]
pub fn statement(kind: RecallKind, target: &str, reason: &str, now: Time) -> Statement<Recall> {
    let predicate = Recall {
        kind,
        target: target.to_owned(),
        reason: reason.to_owned(),
        recalled_at: now,
    };
    let subject = Subject {
        name: target.to_owned(),
        digest: predicate.subject(),
    };
    Statement {
        subjects: vec![subject],
        predicate,
    }
}
