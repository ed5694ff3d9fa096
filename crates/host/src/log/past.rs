//! The heads a log signed in the past, held against it as it grows again entry by entry.

use trust::log::{Checkpoint, Frontier, Head, LogKey};

use super::{LogError, empty};

/// Where we are in the list of signed heads.
pub(super) struct Past<'a, I> {
    records: I,
    key: &'a LogKey,
    pub(super) next: Option<Head>,
    pub(super) last: Head,
}

impl<'a, I: Iterator<Item = Result<String, LogError>>> Past<'a, I> {
    pub(super) fn new(records: I, key: &'a LogKey) -> Result<Self, LogError> {
        let mut past = Self {
            records,
            key,
            next: None,
            last: empty(),
        };
        past.advance()?;
        Ok(past)
    }

    /// Reads on to the next head that was signed.
    fn advance(&mut self) -> Result<(), LogError> {
        self.next = None;
        if let Some(note) = self.records.next() {
            let opened = Checkpoint::open(&note?, self.key);
            let head = opened
                .map_err(|cause| LogError::Checkpoint { cause })?
                .head();
            if head.size <= self.last.size {
                return Err(LogError::History);
            }
            self.next = Some(head);
        }
        Ok(())
    }

    pub(super) fn check(&mut self, frontier: &Frontier) -> Result<(), LogError> {
        let Some(next) = self.next.filter(|next| next.size == frontier.size()) else {
            return Ok(());
        };
        if next.root != frontier.root() {
            return Err(LogError::Rewritten { size: next.size });
        }
        self.last = next;
        self.advance()
    }
}
