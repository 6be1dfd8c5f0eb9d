//! Merkle tree hashes and the verification of proofs (RFC 6962 §2.1, RFC 9162 §2.1.3 and §2.1.4), over SHA-256.
//!
//! Proofs are made in `tiles.rs`; this file needs no tree.

use crate::crypto::digest::{sha256, sha256_concat};

/// A SHA-256 hash: a node of a tree, or a digest in an entry.
pub type Hash = [u8; 32];

/// Why a proof does not show what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the leaf {index} is not in a tree of {size} leaves")]
    BeyondTree { index: u64, size: u64 },
    #[error("a tree of {old} leaves has no later state of {new} leaves that a proof could show")]
    Sizes { old: u64, new: u64 },
    #[error("the proof is too short or too long for the tree")]
    Length,
    #[error("the proof leads to another root")]
    Root,
}

/// The hash of one entry of the log.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256_concat(&[&[0x00], entry])
}

/// The hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256_concat(&[&[0x01], left, right])
}

/// The root of the tree without leaves.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// Shows that the tree of `size` leaves under `root` holds `leaf` at `index` (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::BeyondTree { index, size });
    }
    let mut position = Position { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in path {
        hash = match position.climb()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    if position.last != 0 {
        return Err(ProofError::Length);
    }
    same_root(&hash, root)
}

/// Shows that the tree of `new_size` leaves only adds to the tree of `old_size` leaves (RFC 9162 §2.1.4.2).
///
/// Nothing can be shown about growth from the empty tree, so an `old_size` of 0 is an error.
pub fn verify_consistency(old_size: u64, new_size: u64, old_root: &Hash, new_root: &Hash, path: &[Hash]) -> Result<(), ProofError> {
    if old_size == 0 || old_size > new_size {
        return Err(ProofError::Sizes { old: old_size, new: new_size });
    }
    if old_size == new_size {
        return if path.is_empty() { same_root(old_root, new_root) } else { Err(ProofError::Length) };
    }

    // A complete old tree is itself a node of the new one, and the proof does not repeat its root.
    let (start, siblings) = match (old_size.is_power_of_two(), path.split_first()) {
        (_, None) => return Err(ProofError::Length),
        (true, Some(_)) => (old_root, path),
        (false, Some((first, rest))) => (first, rest),
    };
    let mut position = Position { node: old_size - 1, last: new_size - 1 };
    position.skip_right_children();

    let (mut old, mut new) = (*start, *start);
    for sibling in siblings {
        match position.climb()? {
            Side::Left => {
                old = node_hash(sibling, &old);
                new = node_hash(sibling, &new);
            }
            Side::Right => new = node_hash(&new, sibling),
        }
    }
    if position.last != 0 {
        return Err(ProofError::Length);
    }
    same_root(&old, old_root)?;
    same_root(&new, new_root)
}

/// The root of a perfect tree over `hashes`, of which there are 2^k.
pub(super) fn perfect_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}

fn same_root(found: &Hash, expected: &Hash) -> Result<(), ProofError> {
    if found == expected { Ok(()) } else { Err(ProofError::Root) }
}

/// On which side of the path its next sibling stands.
enum Side {
    Left,
    Right,
}

/// A node of the path, and the last node of its level.
struct Position {
    node: u64,
    last: u64,
}

impl Position {
    /// Goes up to the parent that the next sibling makes.
    fn climb(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::Length);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of its level has no sibling until it is a right child.
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Ok(side)
    }

    fn skip_right_children(&mut self) {
        while self.node & 1 == 1 {
            self.up();
        }
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::ledger::{testing, text};

    #[test]
    fn the_constants_of_rfc_6962_come_out() {
        assert_eq!(hex::encode(empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex::encode(leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    #[test]
    fn the_inclusion_vectors_are_judged_as_published() {
        for case in cases("merkle/inclusion.json") {
            let accepted = (|| {
                let leaf = hash(&case["leafHash"])?;
                let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
                verify_inclusion(&leaf, index, size, &path(&case["proof"])?, &hash(&case["root"])?).ok()
            })();
            assert_eq!(accepted.is_none(), case["wantErr"].as_bool().unwrap(), "{}", case["id"]);
        }
    }

    #[test]
    fn the_consistency_vectors_are_judged_as_published() {
        for case in cases("merkle/consistency.json") {
            let accepted = (|| {
                let (old, new) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
                verify_consistency(old, new, &hash(&case["root1"])?, &hash(&case["root2"])?, &path(&case["proof"])?).ok()
            })();
            assert_eq!(accepted.is_none(), case["wantErr"].as_bool().unwrap(), "{}", case["id"]);
        }
    }

    #[test]
    fn sizes_near_the_end_of_their_range_are_answered_and_not_overflown() {
        let some = leaf_hash(b"x");
        assert_eq!(verify_inclusion(&some, u64::MAX - 1, u64::MAX, &[], &some), Err(ProofError::Length));
        assert!(verify_inclusion(&some, u64::MAX - 1, u64::MAX, &[some; 65], &some).is_err());
        assert!(verify_consistency(u64::MAX - 1, u64::MAX, &some, &some, &[some; 64]).is_err());
        assert!(verify_consistency(1 << 63, u64::MAX, &some, &some, &[some; 70]).is_err());
    }

    fn cases(file: &str) -> Vec<Value> {
        testing::vector(file).map_or_else(Vec::new, |bytes| serde_json::from_slice(&bytes).unwrap())
    }

    fn hash(value: &Value) -> Option<Hash> {
        text::decode_hash(value.as_str()?)
    }

    fn path(value: &Value) -> Option<Vec<Hash>> {
        value.as_array().map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
    }
}
