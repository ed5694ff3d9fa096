//! Names and digests one behind the other: there may be a hundred thousand, and in memory each costs little more than its
//! bytes.

use digest::{Algorithm, Names, ResourceDigest};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resources {
    algorithm: Algorithm,
    names: Names,
    digests: Vec<u8>,
}

impl Resources {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            names: Names::default(),
            digests: Vec::new(),
        }
    }

    /// Adds one; nothing is added, and `None` returned, where the digest is another algorithm's.
    pub(super) fn push(&mut self, name: &str, digest: &ResourceDigest) -> Option<()> {
        if digest.algorithm() != self.algorithm {
            return None;
        }
        self.names.push(name);
        self.digests.extend_from_slice(digest.raw());
        Some(())
    }

    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, at: usize) -> &str {
        self.names.get(at)
    }

    fn raw(&self, at: usize) -> &[u8] {
        let size = self.algorithm.size_bytes();
        self.digests
            .get(at * size..(at + 1) * size)
            .unwrap_or_default()
    }

    /// In the order in which they were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, ResourceDigest)> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    fn get(&self, at: usize) -> Option<(&str, ResourceDigest)> {
        let digest = ResourceDigest::from_raw(self.algorithm, self.raw(at))?;
        Some((self.name(at), digest))
    }

    /// In the order of their names.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&str, ResourceDigest)> {
        let mut order: Vec<u32> = (0..).take(self.len()).collect();
        let name = |at: &u32| self.name(*at as usize);
        if !order.is_sorted_by_key(name) {
            order.sort_by(|a, b| name(a).cmp(name(b)));
        }
        order.into_iter().filter_map(|at| self.get(at as usize))
    }

    /// The same, in the order of their names.
    pub(super) fn sorted(self) -> Self {
        if (1..self.len()).all(|at| self.name(at - 1) < self.name(at)) {
            return self;
        }
        let mut sorted = Self::new(self.algorithm);
        for (name, digest) in self.by_name() {
            // Of the same algorithm.
            let _ = sorted.push(name, &digest);
        }
        sorted
    }
}
