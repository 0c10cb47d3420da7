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

/// The consistency proof (RFC 9162, section 2.1.4.1) between the first `old` of these leaves and all
/// of them; empty if there is nothing to prove.
pub(crate) fn consistency(leaves: &[Digest], old: usize) -> Vec<Digest> {
    match old {
        0 => Vec::new(),
        old => subproof(leaves, old, true),
    }
}

/// `SUBPROOF(m, D[n], b)`; `known`: the verifier has the root of the first `old` leaves.
fn subproof(leaves: &[Digest], old: usize, known: bool) -> Vec<Digest> {
    if old >= leaves.len() {
        return if known {
            Vec::new()
        } else {
            vec![root_of(leaves)]
        };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut proof, other) = match old.checked_sub(left.len()) {
        None | Some(0) => (subproof(left, old, known), right),
        Some(old) => (subproof(right, old, false), left),
    };
    proof.push(root_of(other));
    proof
}

fn root_of(leaves: &[Digest]) -> Digest {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

/// Whether a log of `new` leaves with one root grew out of one of `old` leaves with the other (RFC
/// 9162, section 2.1.4.2). Every log grew out of the empty one.
pub(crate) fn is_consistent(
    (old, old_root): (u64, Digest),
    (new, new_root): (u64, Digest),
    proof: &[Digest],
) -> bool {
    if old == 0 || old >= new {
        return proof.is_empty() && (old == 0 || (old, old_root) == (new, new_root));
    }
    // The first node of both paths is the old root itself where that is a perfect subtree.
    let itself = old.is_power_of_two().then_some(old_root);
    let mut path = itself.into_iter().chain(proof.iter().copied());
    let Some(first) = path.next() else {
        return false;
    };
    let perfect = (old - 1).trailing_ones();
    let (mut at, mut last) = ((old - 1) >> perfect, (new - 1) >> perfect);
    let (mut from, mut to) = (first, first);
    for node in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            (from, to) = (parent(&node, &from), parent(&node, &to));
            // Up to where a left neighbour is.
            let up = at.trailing_zeros().min(u64::BITS - 1);
            (at, last) = (at >> up, last >> up);
        } else {
            to = parent(&to, &node);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && (from, to) == (old_root, new_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the test data of Certificate Transparency, over the leaves of `rfc6962.txt`.
    #[test]
    fn the_consistency_proofs_are_those_of_the_published_test_data() {
        let vectors = include_str!("../../tests/vectors/seal/rfc6962.txt");
        let lines = vectors.lines().filter(|line| !line.starts_with('#'));
        let entry = |line: &str| hex::decode(line.split(' ').nth(2).unwrap_or("")).unwrap();
        let leaves: Vec<Digest> = lines.skip(1).map(|line| leaf_hash(&entry(line))).collect();
        for (old, new, begins) in [
            (1, 8, ["96a296d2", "5f083f0a", "6b47aaf2"].as_slice()),
            (6, 8, &["0ebc5d34", "ca854ea1", "d37ee418"]),
            (2, 5, &["5f083f0a", "bc1a0643"]),
            (8, 8, &[]),
            (0, 8, &[]),
        ] {
            let proof = consistency(&leaves[..new], old);
            let found: Vec<String> = proof
                .iter()
                .map(|d| d.to_string()[..8].to_owned())
                .collect();
            assert_eq!(found, begins, "{old} to {new}");
        }
    }

    #[test]
    fn a_log_is_consistent_with_what_it_was_and_with_nothing_else() {
        let leaves: Vec<Digest> = (0..40_u16).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let at = |size: usize| (size as u64, defined_root(&leaves[..size]));
        let other = leaf_hash(b"other");
        for new in 0..=leaves.len() {
            for old in 0..=new {
                let proof = consistency(&leaves[..new], old);
                assert!(is_consistent(at(old), at(new), &proof), "{old} to {new}");
                let longer = [&proof[..], &[other]].concat();
                assert!(!is_consistent(at(old), at(new), &longer), "{old} to {new}");
                if old == 0 {
                    continue;
                }
                let forked = (old as u64, other);
                assert!(!is_consistent(forked, at(new), &proof), "{old} to {new}");
                let forked = (new as u64, other);
                assert!(!is_consistent(at(old), forked, &proof), "{old} to {new}");
                for changed in 0..proof.len() {
                    let mut proof = proof.clone();
                    proof[changed] = other;
                    assert!(!is_consistent(at(old), at(new), &proof), "{old} to {new}");
                    proof.remove(changed);
                    assert!(!is_consistent(at(old), at(new), &proof), "{old} to {new}");
                }
                if old < new {
                    assert!(!is_consistent(at(new), at(old), &proof), "{new} to {old}");
                }
            }
        }
    }

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
