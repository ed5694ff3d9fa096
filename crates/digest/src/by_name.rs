//! Things by their names: there may be a hundred thousand, and in memory a name costs little more than its bytes.

use std::fmt;
use std::ops::Index;

/// Names one behind the other, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    text: String,
    /// Where each name ends, which is where the next one begins. A path is at most 4 KiB long, and of a million of them, which
    /// is more than are ever listed, this says so still.
    ends: Vec<u32>,
}

impl Names {
    /// Adds one.
    pub fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The one that was added after so many others; empty where there is none.
    #[must_use]
    pub fn get(&self, at: usize) -> &str {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let start = at.checked_sub(1).map_or(0, end);
        self.text.get(start..end(at)).unwrap_or_default()
    }
}

/// A map from names to what they name, in code-point order of the names.
#[derive(Clone)]
pub struct ByName<T> {
    names: Names,
    /// In the order of `names`.
    values: Vec<T>,
    /// Places in `names`, in the order of what stands there.
    order: Vec<u32>,
}

impl<T> ByName<T> {
    /// One that is empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of names and as many values. Of two with the same name the last one stays.
    pub(crate) fn of(names: Names, values: Vec<T>) -> Self {
        let mut order: Vec<u32> = (0..).take(names.len().min(values.len())).collect();
        let name = |at: &u32| names.get(*at as usize);
        if !order.is_sorted_by(|a, b| name(a) < name(b)) {
            order.sort_unstable_by(|a, b| (name(a), b).cmp(&(name(b), a)));
            order.dedup_by(|later, first| name(later) == name(first));
        }
        Self {
            names,
            values,
            order,
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// What this name names.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        let found = self.find(name).ok()?;
        self.values.get(*self.order.get(found)? as usize)
    }

    /// Whether this names something.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Gives a name to something, in place of what it may have named before.
    pub fn insert(&mut self, name: &str, value: T) {
        let at = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        match self.find(name) {
            Ok(found) => self.order[found] = at,
            Err(place) => self.order.insert(place, at),
        }
        self.names.push(name);
        self.values.push(value);
    }

    /// Takes away what is not called so.
    pub fn retain(&mut self, mut is_called_so: impl FnMut(&str) -> bool) {
        let Self { names, order, .. } = self;
        order.retain(|at| is_called_so(names.get(*at as usize)));
    }

    /// All, in the order of their names.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter {
            of: self,
            order: self.order.iter(),
        }
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// What is named, in the order of the names.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, value)| value)
    }

    /// The same names, of what is made of each value. Nothing is copied.
    #[must_use]
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> ByName<U> {
        ByName {
            names: self.names,
            values: self.values.into_iter().map(make).collect(),
            order: self.order,
        }
    }

    /// Where in the order a name is, or would be.
    fn find(&self, name: &str) -> Result<usize, usize> {
        let there = |at: &u32| self.names.get(*at as usize).cmp(name);
        self.order.binary_search_by(there)
    }
}

/// All of a [`ByName`], in the order of the names.
#[derive(Debug)]
pub struct Iter<'a, T> {
    of: &'a ByName<T>,
    order: std::slice::Iter<'a, u32>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = (&'a str, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        let at = *self.order.next()? as usize;
        Some((self.of.names.get(at), self.of.values.get(at)?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.order.size_hint()
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<'a, T> IntoIterator for &'a ByName<T> {
    type Item = (&'a str, &'a T);
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<N: AsRef<str>, T> FromIterator<(N, T)> for ByName<T> {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(named: I) -> Self {
        let (mut names, mut values) = (Names::default(), Vec::new());
        for (name, value) in named {
            names.push(name.as_ref());
            values.push(value);
        }
        Self::of(names, values)
    }
}

impl<N: AsRef<str>, T, const COUNT: usize> From<[(N, T); COUNT]> for ByName<T> {
    fn from(named: [(N, T); COUNT]) -> Self {
        named.into_iter().collect()
    }
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self::of(Names::default(), Vec::new())
    }
}

impl<T> Index<&str> for ByName<T> {
    type Output = T;

    /// As a map's: of what must be there.
    fn index(&self, name: &str) -> &T {
        let found = self.get(name);
        found.unwrap_or_else(|| panic!("nothing is called `{name}`"))
    }
}

impl<T: PartialEq> PartialEq for ByName<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: Eq> Eq for ByName<T> {}

impl<T: fmt::Debug> fmt::Debug for ByName<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::ByName;

    #[test]
    fn is_what_an_ordered_map_is() {
        let named = ["b/c", "b-d", "", "a", "b/c", "é", "a"]
            .into_iter()
            .zip(0..);
        let (mut ours, mut theirs): (ByName<_>, BTreeMap<_, _>) =
            (named.clone().collect(), named.collect());
        for step in 0..4 {
            assert!(ours.iter().eq(theirs.iter().map(|(name, at)| (*name, at))));
            assert_eq!((ours.len(), ours.is_empty()), (theirs.len(), false));
            for name in ["a", "b-d", "b", "é", "~", ""] {
                assert_eq!(ours.get(name), theirs.get(name), "{step} {name}");
                assert_eq!(ours.contains_key(name), theirs.contains_key(name));
            }
            let (added, gone) = [("a", "b-d"), ("b", "x"), ("~", "é"), ("", "a")][step];
            ours.insert(added, 10 + step);
            theirs.insert(added, 10 + step);
            ours.retain(|name| name != gone);
            theirs.remove(gone);
        }
        let doubled = theirs.iter().map(|(name, at)| (*name, 2 * at));
        assert!(ours.clone().map(|at| 2 * at) == doubled.clone().collect());
        assert!(ours != doubled.collect());
    }
}
