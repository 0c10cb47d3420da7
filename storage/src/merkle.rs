//! The Merkle tree hash of RFC 6962 and RFC 9162, section 2.1, for a log that only grows.

use crate::digest::{Digest, Hasher};

/// The hash of a leaf: SHA-256 of a zero byte and the entry (RFC 9162, section 2.1.1).
pub(crate) fn leaf_hash(entry: &[u8]) -> Digest {
    hash_of(&[&[0x00], entry])
}

/// The hash of an inner node. Its first byte keeps a node from being passed off as a leaf.
fn parent(left: &Digest, right: &Digest) -> Digest {
    hash_of(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

fn hash_of(parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// A tree as far as it is needed to grow: the roots of the perfect subtrees of its leaves, one for
/// each one-bit of its size. A log of a million leaves takes 20 digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    size: u64,
    /// The largest subtree first, which is also the order of the leaves.
    peaks: Vec<Digest>,
}

impl Tree {
    /// How many leaves it has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub(crate) fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        // As in adding one to a binary number: each one-bit at the end is a subtree that the new
        // node completes to the next larger one.
        let kept = self.peaks.len() - self.size.trailing_ones() as usize;
        for left in self.peaks.drain(kept..).rev() {
            node = parent(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root; of an empty tree, the hash of nothing.
    pub(crate) fn root(&self) -> Digest {
        let mut smallest_first = self.peaks.iter().rev();
        match smallest_first.next() {
            Some(last) => smallest_first.fold(*last, |right, left| parent(left, &right)),
            None => Digest::of(b""),
        }
    }

    /// The inclusion proof (RFC 9162, section 2.1.3) of the leaf that is pushed next: it depends on
    /// the leaves before it alone, so that the leaf itself may contain it.
    pub(crate) fn inclusion_of_next(&self) -> Vec<Digest> {
        self.peaks.iter().rev().copied().collect()
    }
}

/// The root of the tree whose last leaf, number `index` from 0, has this hash and inclusion proof;
/// nothing if a proof of that leaf has another length.
pub(crate) fn root_with_last(index: u64, leaf: Digest, inclusion: &[Digest]) -> Option<Digest> {
    let fits = inclusion.len() as u64 == u64::from(index.count_ones());
    fits.then(|| {
        let up = |right, left| parent(left, &right);
        inclusion.iter().fold(leaf, up)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MTH(D[n]) as RFC 9162, section 2.1.1, defines it.
    fn defined_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [only] => *only,
            more => {
                let split = more.len().next_power_of_two() / 2;
                parent(&defined_root(&more[..split]), &defined_root(&more[split..]))
            }
        }
    }

    #[test]
    fn the_roots_are_those_of_the_published_test_data() {
        let vectors = include_str!("../../tests/vectors/seal/rfc6962.txt");
        let mut tree = Tree::default();
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let (size, root) = (words.next().unwrap(), words.next().unwrap());
            if size != "0" {
                tree.push(leaf_hash(&hex::decode(words.next().unwrap_or("")).unwrap()));
            }
            assert_eq!(
                (tree.size().to_string(), tree.root().to_string()),
                (size.into(), root.into())
            );
        }
        assert_eq!(tree.size(), 8);
    }

    #[test]
    fn the_roots_are_those_of_the_definition_at_every_size() {
        let mut tree = Tree::default();
        let mut leaves = Vec::new();
        for n in 0..300_u16 {
            assert_eq!(
                (tree.size(), tree.root()),
                (u64::from(n), defined_root(&leaves))
            );
            let leaf = leaf_hash(&n.to_be_bytes());
            let inclusion = tree.inclusion_of_next();
            tree.push(leaf);
            leaves.push(leaf);
            let proven = root_with_last(u64::from(n), leaf, &inclusion);
            assert_eq!(proven, Some(tree.root()));
            let other = root_with_last(u64::from(n), leaf_hash(b"other"), &inclusion);
            assert_ne!(other, Some(tree.root()));
            let longer = [&inclusion[..], &[leaf]].concat();
            assert_eq!(root_with_last(u64::from(n), leaf, &longer), None);
        }
    }
}
