//! What was said, also by keys that are not believed any more: an audit forgets nothing, and tells which is which.

use std::collections::BTreeSet;

use digest::Digest;
use trust::{Error, Predicate, Statement, Verified};

use crate::ledger::{Ledger, Logged, Statements};

/// One statement of the log.
pub(super) struct Said<P> {
    words: Words<P>,
    /// Who signed it, or is said to have.
    pub(super) by: String,
    /// Its line.
    pub(super) index: Option<u64>,
    pub(super) bundle: Digest,
    /// Why it is not believed, if it is not.
    pub(super) doubt: Option<String>,
}

enum Words<P> {
    Believed(Box<Verified<Statement<P>>>),
    Claimed(Statement<P>),
}

impl<P> Said<P> {
    pub(super) fn statement(&self) -> &Statement<P> {
        match &self.words {
            Words::Believed(verified) => verified.value(),
            Words::Claimed(statement) => statement,
        }
    }

    fn believed(logged: Logged<P>) -> Self {
        let proof = logged.statement.proof();
        Self {
            by: proof.key_name.clone(),
            index: logged.index,
            bundle: proof.bundle,
            doubt: None,
            words: Words::Believed(Box::new(logged.statement)),
        }
    }
}

/// All statements of one type, those that are believed first.
pub(super) fn all<P: Predicate>(ledger: &Ledger<'_>) -> Vec<Said<P>> {
    told(ledger, ledger.all())
}

/// The statements of one type about any of these, those that are believed first.
pub(super) fn about<P: Predicate>(
    ledger: &Ledger<'_>,
    subjects: &BTreeSet<Digest>,
) -> Vec<Said<P>> {
    let mut found = told(ledger, ledger.about(subjects));
    found.retain(|said: &Said<P>| {
        let mut stated = said.statement().subjects.iter();
        stated.any(|subject| subjects.contains(&subject.digest))
    });
    found
}

/// The last of these, and of those that are believed if there is one.
pub(super) fn last<'a, P>(found: impl Iterator<Item = &'a Said<P>>) -> Option<&'a Said<P>> {
    found.max_by_key(|said| (said.doubt.is_none(), said.index))
}

fn told<P: Predicate>(ledger: &Ledger<'_>, found: Statements<P>) -> Vec<Said<P>> {
    let refused = found.refused.into_iter();
    let claimed = refused.filter_map(|(bundle, cause)| claimed(ledger, bundle, &cause));
    let believed = found.believed.into_iter().map(Said::believed);
    believed.chain(claimed).collect()
}

/// What somebody said whose key is not believed now. A statement that can't be read, or that its key did not sign, is none.
fn claimed<P: Predicate>(ledger: &Ledger<'_>, bundle: Digest, cause: &Error) -> Option<Said<P>> {
    let by = match cause {
        Error::KeyExpired { key_name, .. }
        | Error::KeyNotYetValid { key_name, .. }
        | Error::KeyRole { key_name, .. }
        | Error::Speaker { key_name, .. } => key_name.clone(),
        Error::KeyUnknown { key } => key.map_or("an unknown key".to_owned(), |id| id.to_string()),
        _ => return None,
    };
    let (index, statement) = ledger.claimed(bundle)?;
    Some(Said {
        words: Words::Claimed(statement),
        by,
        index: Some(index),
        bundle,
        doubt: Some(cause.to_string()),
    })
}
