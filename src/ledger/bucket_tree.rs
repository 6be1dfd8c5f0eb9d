//! The hash tree over the 2^depth buckets of a status map (RFC 6962 §2.1), with changes laid over it before they are committed.

use std::collections::{BTreeMap, HashMap};

use super::{
    merkle::{Hash, leaf_hash, node_hash},
    record::Depth,
};

/// Hashes that replace those of the tree, by level (0: buckets) and index.
pub(super) type Overlay = HashMap<(u8, u32), Hash>;

/// All nodes in memory: 4 MB at depth 16, and nothing before the first change, as the nodes of an empty map are one hash a level.
#[derive(Debug, Clone)]
pub(super) struct BucketTree {
    empty: Vec<Hash>,
    levels: Vec<Vec<Hash>>,
}

impl BucketTree {
    pub(super) fn new(depth: Depth) -> Self {
        let empty: Vec<Hash> =
            std::iter::successors(Some(leaf_hash(&[])), |below| Some(node_hash(below, below))).take(usize::from(depth.get()) + 1).collect();
        Self { levels: vec![Vec::new(); empty.len()], empty }
    }

    pub(super) fn root(&self, overlay: &Overlay) -> Hash {
        self.node(overlay, self.height(), 0)
    }

    /// The siblings on the way from a bucket to the root, bucket first.
    pub(super) fn siblings(&self, bucket: u32) -> Vec<Hash> {
        (0..self.height()).map(|level| self.committed(level, (bucket >> level) ^ 1)).collect()
    }

    /// Lays the hashes of changed buckets, and all that follows from them, over the tree.
    pub(super) fn lay_over(&self, overlay: &mut Overlay, buckets: BTreeMap<u32, Hash>) {
        let mut indexes: Vec<u32> = buckets.keys().copied().collect();
        overlay.extend(buckets.into_iter().map(|(index, hash)| ((0, index), hash)));
        for level in 0..self.height() {
            indexes.iter_mut().for_each(|index| *index >>= 1);
            indexes.dedup();
            for parent in &indexes {
                let hash = node_hash(&self.node(overlay, level, 2 * parent), &self.node(overlay, level, 2 * parent + 1));
                overlay.insert((level + 1, *parent), hash);
            }
        }
    }

    pub(super) fn commit(&mut self, overlay: Overlay) {
        let height = self.height();
        for ((level, index), hash) in overlay {
            let nodes = &mut self.levels[usize::from(level)];
            if nodes.is_empty() {
                nodes.resize(1 << (height - level), self.empty[usize::from(level)]);
            }
            nodes[index as usize] = hash;
        }
    }

    fn node(&self, overlay: &Overlay, level: u8, index: u32) -> Hash {
        overlay.get(&(level, index)).copied().unwrap_or_else(|| self.committed(level, index))
    }

    fn committed(&self, level: u8, index: u32) -> Hash {
        let level = usize::from(level);
        self.levels[level].get(index as usize).copied().unwrap_or(self.empty[level])
    }

    fn height(&self) -> u8 {
        (self.empty.len() - 1) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::merkle::perfect_root;

    #[test]
    fn the_tree_is_that_of_rfc_6962_before_and_after_a_commit() {
        let depth = Depth::new(5).unwrap();
        let mut leaves = vec![leaf_hash(&[]); 32];
        let mut tree = BucketTree::new(depth);
        assert_eq!(tree.root(&Overlay::new()), perfect_root(&leaves));

        for (round, indexes) in [(1_u8, [0, 1, 30]), (2, [1, 16, 31])] {
            let mut overlay = Overlay::new();
            let changes: BTreeMap<u32, Hash> = indexes.into_iter().map(|index| (index, leaf_hash(&[round]))).collect();
            let before = tree.root(&Overlay::new());
            tree.lay_over(&mut overlay, changes);
            indexes.into_iter().for_each(|index| leaves[index as usize] = leaf_hash(&[round]));
            assert_eq!(tree.root(&overlay), perfect_root(&leaves));
            assert_eq!(tree.root(&Overlay::new()), before);
            tree.commit(overlay);
            assert_eq!(tree.root(&Overlay::new()), perfect_root(&leaves));
        }
    }
}
