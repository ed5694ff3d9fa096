//! The tree of RFC 6962, section 2.1: roots, inclusion and consistency proofs.
//!
//! Proofs are made top-down over complete subtrees ([`Node`]) and checked bottom-up over the proof's hashes alone, by
//! the algorithms of RFC 9162; the two share nothing but the hash of a pair.

use digest::{Digest, Hasher};

/// What a log commits to: how many entries, and the hash over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

/// Checks that a leaf stands at `index` in the tree of `head`.
///
/// # Errors
/// It is not proved: [`ProofError`] says how far the proof got.
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    head: Head,
    proof: &[Digest],
) -> Result<(), ProofError> {
    let last = head.size.checked_sub(1).filter(|last| index <= *last);
    let last = last.ok_or(ProofError::OutOfRange {
        index,
        size: head.size,
    })?;
    let mut climb = Climb::new(index, last);
    let mut hash = leaf;
    for sibling in proof {
        hash = match climb.step()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    climb.finish()?;
    equal(hash, head.root)
}

/// Checks that the tree of `newer` is the tree of `older` with entries added at its end, and nothing else.
///
/// # Errors
/// It is not proved: [`ProofError`] says how far the proof got.
pub fn verify_consistency(older: Head, newer: Head, proof: &[Digest]) -> Result<(), ProofError> {
    if older.size > newer.size {
        return Err(ProofError::Shrunk {
            from: older.size,
            to: newer.size,
        });
    }
    if older.size == 0 {
        equal(older.root, Digest::of(b""))?;
    }
    if older.size == newer.size {
        equal(older.root, newer.root)?;
    }
    if older.size == 0 || older.size == newer.size {
        return proof.is_empty().then_some(()).ok_or(ProofError::Length);
    }
    let (first, rest) = if older.size.is_power_of_two() {
        (older.root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::Length)?;
        (*first, rest)
    };
    let mut climb = Climb::new(older.size - 1, newer.size - 1);
    climb.skip_right_turns();
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        match climb.step()? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    climb.finish()?;
    equal(old_hash, older.root)?;
    equal(new_hash, newer.root)
}

/// The inclusion proof of the entry at `index` in the tree of `size` entries, its nodes' hashes found by `find`.
///
/// # Errors
/// There is no such entry, or `find` fails.
pub fn inclusion<E: From<ProofError>>(
    index: u64,
    size: u64,
    find: &mut dyn FnMut(Node) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    if index >= size {
        return Err(ProofError::OutOfRange { index, size }.into());
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(middle, end, find)?);
            end = middle;
        } else {
            path.push(range(start, middle, find)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof from the tree of `from` entries to that of `size`, its nodes' hashes found by `find`.
///
/// # Errors
/// `from` is more than `size`, or `find` fails.
pub fn consistency<E: From<ProofError>>(
    from: u64,
    size: u64,
    find: &mut dyn FnMut(Node) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    if from > size {
        return Err(ProofError::Shrunk { from, to: size }.into());
    }
    let mut path = Vec::new();
    if from == 0 {
        return Ok(path);
    }
    let (mut start, mut end) = (0, size);
    while end != from {
        let middle = start + split(end - start);
        if from <= middle {
            path.push(range(middle, end, find)?);
            end = middle;
        } else {
            path.push(range(start, middle, find)?);
            start = middle;
        }
    }
    // A left subtree that is the whole older tree is known to who checks: only its root can stand there.
    if start > 0 {
        path.push(range(start, end, find)?);
    }
    path.reverse();
    Ok(path)
}

/// The root of the tree of `size` entries, its nodes' hashes found by `find`.
///
/// # Errors
/// `find` fails.
pub fn root_from_nodes<E>(
    size: u64,
    find: &mut dyn FnMut(Node) -> Result<Digest, E>,
) -> Result<Digest, E> {
    if size == 0 {
        return Ok(Digest::of(b""));
    }
    range(0, size, find)
}

/// The root of the tree over these leaf hashes.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The hash of an entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// The hash of two neighbours.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[1]);
    hasher.update(left.raw());
    hasher.update(right.raw());
    hasher.finish()
}

/// A complete subtree: the `index`-th of the 2^`level` leaves each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The subtree's height; a leaf's is 0.
    pub level: u32,
    /// Which of the subtrees of this height, from the left.
    pub index: u64,
}

/// A tree that only grows, as the roots of its complete subtrees: a handful of hashes whatever its size.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// Adds a leaf hash at the end.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            // The number of peaks is the number of ones in `size`, so one is there.
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        let from_the_right = self.peaks.iter().rev().copied();
        from_the_right
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Digest::of(b""))
    }
}

/// The hash over the leaves `start..end`; `start` is a multiple of the largest power of two in their number.
fn range<E>(
    start: u64,
    end: u64,
    find: &mut dyn FnMut(Node) -> Result<Digest, E>,
) -> Result<Digest, E> {
    let len = end - start;
    if len.is_power_of_two() {
        let level = len.trailing_zeros();
        return find(Node {
            level,
            index: start >> level,
        });
    }
    let middle = start + split(len);
    let left = range(start, middle, find)?;
    let right = range(middle, end, find)?;
    Ok(node_hash(&left, &right))
}

/// The largest power of two below `len`, which is at least 2.
const fn split(len: u64) -> u64 {
    1 << (u64::BITS - 1 - (len - 1).leading_zeros())
}

/// The way from a leaf to the root: `at` is where we are in our row, `last` where the row ends.
struct Climb {
    at: u64,
    last: u64,
}

/// On which side the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

impl Climb {
    const fn new(at: u64, last: u64) -> Self {
        Self { at, last }
    }

    /// One row up, to a row in which we have a sibling.
    fn step(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::Length);
        }
        let side = if self.at & 1 == 1 || self.at == self.last {
            while self.at & 1 == 0 && self.at != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Ok(side)
    }

    const fn skip_right_turns(&mut self) {
        while self.at & 1 == 1 {
            self.up();
        }
    }

    const fn up(&mut self) {
        self.at >>= 1;
        self.last >>= 1;
    }

    const fn finish(&self) -> Result<(), ProofError> {
        if self.last == 0 {
            Ok(())
        } else {
            Err(ProofError::Length)
        }
    }
}

fn equal(got: Digest, root: Digest) -> Result<(), ProofError> {
    if got == root {
        Ok(())
    } else {
        Err(ProofError::OtherRoot { got, want: root })
    }
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The log has no such entry.
    #[error("there is no entry {index} in a log of {size}")]
    OutOfRange {
        /// The entry.
        index: u64,
        /// The log's size.
        size: u64,
    },
    /// The newer tree is the smaller one.
    #[error("a log of {from} entries can't have become one of {to}")]
    Shrunk {
        /// The older size.
        from: u64,
        /// The newer size.
        to: u64,
    },
    /// Too few or too many hashes for the tree's shape.
    #[error("the proof has the wrong number of hashes for this place in the tree")]
    Length,
    /// The hashes lead elsewhere.
    #[error("the proof leads to root {got}, and the checkpoint has {want}")]
    OtherRoot {
        /// Where they lead.
        got: Digest,
        /// What the checkpoint says.
        want: Digest,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's definition, word for word: the oracle for everything else.
    fn mth(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&mth(left), &mth(right))
            }
        }
    }

    fn leaves(size: usize) -> Vec<Digest> {
        (0..size)
            .map(|i| leaf_hash(format!("entry {i}").as_bytes()))
            .collect()
    }

    fn find(leaves: &[Digest]) -> impl FnMut(Node) -> Result<Digest, ProofError> {
        move |node| {
            let start = (node.index << node.level) as usize;
            Ok(mth(&leaves[start..start + (1 << node.level)]))
        }
    }

    fn head(leaves: &[Digest]) -> Head {
        Head {
            size: leaves.len() as u64,
            root: mth(leaves),
        }
    }

    /// Every proof with one hash less, one more, one changed, or two exchanged.
    fn mutations(proof: &[Digest]) -> Vec<Vec<Digest>> {
        let mut all = vec![[proof, &[Digest::of(b"more")]].concat()];
        for i in 0..proof.len() {
            let (before, after) = (&proof[..i], &proof[i + 1..]);
            all.push([before, after].concat());
            all.push([before, &[Digest::of(b"other")], after].concat());
            if i > 0 && proof[i] != proof[i - 1] {
                let mut swapped = proof.to_vec();
                swapped.swap(i, i - 1);
                all.push(swapped);
            }
        }
        all
    }

    #[test]
    fn known_roots() {
        // The eight entries and roots that Certificate Transparency implementations share.
        let entries = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves: Vec<Digest> = entries
            .iter()
            .map(|hex| leaf_hash(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()))
            .collect();
        for (size, expected) in roots.iter().enumerate() {
            assert_eq!(root(&leaves[..size]).hex(), *expected, "{size}");
        }
    }

    #[test]
    fn roots_agree_with_the_definition() {
        let all = leaves(301);
        let mut frontier = Frontier::default();
        for size in 0..=300 {
            assert_eq!(frontier.root(), mth(&all[..size]), "{size}");
            let from_nodes = root_from_nodes(size as u64, &mut find(&all[..size]));
            assert_eq!(from_nodes, Ok(mth(&all[..size])), "{size}");
            frontier.push(all[size]);
        }
        assert_eq!(frontier.size(), 301);
    }

    #[test]
    fn every_inclusion_up_to_70_and_none_of_its_mutations() {
        let all = leaves(71);
        for size in 1..=70 {
            let head = head(&all[..size]);
            for index in 0..size as u64 {
                let proof = inclusion(index, head.size, &mut find(&all[..size])).unwrap();
                let leaf = all[index as usize];
                assert_eq!(verify_inclusion(leaf, index, head, &proof), Ok(()));
                for bad in mutations(&proof) {
                    assert!(verify_inclusion(leaf, index, head, &bad).is_err());
                }
                assert!(verify_inclusion(all[70], index, head, &proof).is_err());
                for other in (0..=head.size).filter(|other| *other != index) {
                    assert!(verify_inclusion(leaf, other, head, &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn the_wrong_size_is_refused_where_the_shape_differs() {
        let all = leaves(8);
        let head8 = head(&all);
        let proof = inclusion(3, 8, &mut find(&all)).unwrap();
        for size in [0, 1, 3, 4, 9, 16, u64::MAX] {
            let head = Head { size, ..head8 };
            assert!(verify_inclusion(all[3], 3, head, &proof).is_err(), "{size}");
        }
    }

    #[test]
    fn every_consistency_up_to_70_and_none_of_its_mutations() {
        let all = leaves(70);
        for size in 0..=70 {
            let newer = head(&all[..size]);
            for from in 0..=size {
                let older = head(&all[..from]);
                let proof = consistency(from as u64, newer.size, &mut find(&all[..size])).unwrap();
                assert_eq!(verify_consistency(older, newer, &proof), Ok(()));
                for bad in mutations(&proof) {
                    assert!(verify_consistency(older, newer, &bad).is_err());
                }
                let other = Digest::of(b"other root");
                let older_other = Head {
                    root: other,
                    ..older
                };
                assert!(verify_consistency(older_other, newer, &proof).is_err());
                let newer_other = Head {
                    root: other,
                    ..newer
                };
                // Nothing is claimed about what follows an empty log.
                assert_eq!(
                    verify_consistency(older, newer_other, &proof).is_ok(),
                    from == 0 && size > 0
                );
                if from < size {
                    assert!(verify_consistency(newer, older, &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn proofs_that_can_not_be_made() {
        let all = leaves(4);
        assert!(inclusion(4, 4, &mut find(&all)).is_err());
        assert!(inclusion(0, 0, &mut find(&all)).is_err());
        assert!(consistency(5, 4, &mut find(&all)).is_err());
    }
}
