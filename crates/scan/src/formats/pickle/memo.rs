//! The memo: values by number, dense where the numbers are.

use std::collections::BTreeMap;

use super::cursor::Broken;
use super::value::Value;

/// The most entries.
const ENTRIES_MAX: usize = 1 << 18;

#[derive(Default)]
pub(super) struct Memo {
    dense: Vec<Value>,
    sparse: BTreeMap<u64, Value>,
}

impl Memo {
    pub(super) fn get(&self, key: u64) -> Result<Value, Broken> {
        let dense = usize::try_from(key).ok().and_then(|at| self.dense.get(at));
        dense
            .or_else(|| self.sparse.get(&key))
            .cloned()
            .ok_or(Broken::NoMemo(key))
    }

    pub(super) fn put(&mut self, key: u64, value: Value) -> Result<(), Broken> {
        if self.len() >= ENTRIES_MAX {
            return Err(Broken::Limit("262144 memo entries"));
        }
        let at = usize::try_from(key).unwrap_or(usize::MAX);
        if let Some(entry) = self.dense.get_mut(at) {
            *entry = value;
        } else if at == self.dense.len() && !self.sparse.contains_key(&key) {
            self.dense.push(value);
        } else {
            self.sparse.insert(key, value);
        }
        Ok(())
    }

    /// What `MEMOIZE` takes as the next number: how many entries there are, not the highest and one.
    pub(super) fn len(&self) -> usize {
        self.dense.len() + self.sparse.len()
    }
}
