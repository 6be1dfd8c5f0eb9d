//! The log's tree while it grows: in memory are only the rightmost, partial tiles, one a level.

use super::{
    merkle::{Hash, empty_root, node_hash, perfect_root},
    tiles::{LEVELS, TILE_WIDTH, TileError, TileId, tiles_before, width_at},
};

/// An append-only tree. A clone costs a few kilobytes: keep one to go back to when a transaction fails.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    rows: Vec<Row>,
    completed: Vec<(TileId, Vec<u8>)>,
}

/// The partial tile of one level: fewer than 256 hashes.
#[derive(Debug, Clone, Default)]
struct Row {
    hashes: Vec<Hash>,
    changed: bool,
}

impl Tree {
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree as it was at `size`, from its stored tiles; longer rows are cut to what stood there then.
    ///
    /// Only the partial tiles are read, so the caller compares `root()` with the root it recorded for that size.
    pub fn resume(size: u64, mut fetch: impl FnMut(TileId) -> Option<Vec<u8>>) -> Result<Self, TileError> {
        let mut rows = Vec::new();
        for level in (0..LEVELS).take_while(|level| size >> (8 * level) != 0) {
            rows.push(Row { hashes: partial_row(level, size, &mut fetch)?, changed: false });
        }
        Ok(Self { size, rows, completed: Vec::new() })
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf at index `size()`.
    pub fn append(&mut self, leaf: Hash) {
        let (mut hash, mut index) = (leaf, self.size);
        for level in 0..LEVELS {
            if self.rows.len() == usize::from(level) {
                self.rows.push(Row::default());
            }
            let row = &mut self.rows[usize::from(level)];
            row.hashes.push(hash);
            row.changed = true;
            if row.hashes.len() < TILE_WIDTH {
                break;
            }
            // The full tile never changes again; its root is the next hash of the level above.
            hash = perfect_root(&row.hashes);
            index /= TILE_WIDTH as u64;
            self.completed.push((TileId { level, n: index }, row.hashes.concat()));
            *row = Row::default();
        }
        self.size += 1;
    }

    /// The root over all leaves (RFC 6962 §2.1).
    pub fn root(&self) -> Hash {
        // From the smallest perfect subtree on the right to the largest on the left.
        let subtrees = self.rows.iter().flat_map(|row| perfect_subtrees_from_the_right(&row.hashes));
        subtrees.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// The tiles that changed since the last call, each with all its hashes, to be stored in place of what was there.
    pub fn take_changed(&mut self) -> Vec<(TileId, Vec<u8>)> {
        let mut changed = std::mem::take(&mut self.completed);
        for (level, row) in (0..).zip(&mut self.rows).filter(|(_, row)| row.changed) {
            changed.push((TileId { level, n: tiles_before(self.size, level) }, row.hashes.concat()));
            row.changed = false;
        }
        changed
    }
}

fn partial_row(level: u8, size: u64, fetch: &mut impl FnMut(TileId) -> Option<Vec<u8>>) -> Result<Vec<Hash>, TileError> {
    let width = width_at(size, level);
    if width == 0 {
        return Ok(Vec::new());
    }
    let id = TileId { level, n: tiles_before(size, level) };
    let tile = fetch(id).ok_or(TileError::Missing(id))?;
    let (hashes, _) = tile.as_chunks::<32>();
    hashes.get(..width).map(<[Hash]>::to_vec).ok_or(TileError::Missing(id))
}

fn perfect_subtrees_from_the_right(hashes: &[Hash]) -> impl Iterator<Item = Hash> {
    let mut rest = hashes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (left, subtree) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
        rest = left;
        Some(perfect_root(subtree))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::ledger::{
        merkle::leaf_hash,
        testing,
        tiles::{TileRequest, encode_bundle, root_at},
    };

    const LEAVES: [&str; 15] =
        ["one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf", "threeten", "fourten", "fivten"];

    #[test]
    fn the_published_log_comes_out_tile_by_tile() {
        let mut tree = Tree::new();
        for width in 1..=LEAVES.len() {
            tree.append(leaf_hash(LEAVES[width - 1].as_bytes()));
            let changed = tree.take_changed();
            let request = TileRequest::parse(&format!("tile/0/000.p/{width}")).unwrap();
            let Some(published) = testing::vector(&format!("tlog/testdata-log/{request}")) else { return };
            assert_eq!(changed, [(TileId { level: 0, n: 0 }, published)]);

            let bundle = encode_bundle(LEAVES[..width].iter().map(|leaf| leaf.as_bytes())).unwrap();
            assert_eq!(Some(bundle), testing::vector(&format!("tlog/testdata-log/tile/entries/000.p/{width}")));
        }
    }

    #[test]
    fn seventy_thousand_leaves_have_the_tiles_of_the_specification() {
        let (tree, tiles) = grow(70_000);
        let widths = |level| {
            let mut widths: Vec<_> = tiles.iter().filter(|(id, _)| id.level == level).map(|(id, tile)| (id.n, tile.len() / 32)).collect();
            widths.sort_unstable();
            widths
        };
        assert_eq!(widths(0).len(), 274);
        assert!(widths(0)[..273].iter().all(|(_, width)| *width == 256));
        assert_eq!(widths(0)[273], (273, 112));
        assert_eq!(widths(1), [(0, 256), (1, 17)]);
        assert_eq!(widths(2), [(0, 1)]);
        assert_eq!(root_at(70_000, &|id| tiles.get(&id)), Ok(tree.root()));
    }

    #[test]
    fn a_full_tile_alone_is_followed_by_one_hash_above() {
        let (mut tree, tiles) = grow(256);
        assert_eq!(tiles[&TileId { level: 0, n: 0 }].len(), 8192);
        assert_eq!(tiles[&TileId { level: 1, n: 0 }].len(), 32);
        assert_eq!(tiles.len(), 2);
        assert_eq!(tree.take_changed(), []);
    }

    #[test]
    fn a_tree_resumes_at_any_earlier_size_from_later_tiles() {
        let (_, tiles) = grow(1_100);
        let mut tree = Tree::new();
        for size in 0..1_100_u64 {
            let mut resumed = Tree::resume(size, |id| tiles.get(&id).cloned()).unwrap();
            assert_eq!((resumed.size(), resumed.root()), (size, tree.root()));
            tree.append(leaf_hash(&size.to_be_bytes()));
            resumed.append(leaf_hash(&size.to_be_bytes()));
            assert_eq!(resumed.root(), tree.root(), "{size}");
            assert_eq!(resumed.take_changed(), tree.take_changed(), "{size}");
        }
    }

    #[test]
    fn a_missing_or_short_tile_is_named() {
        let id = TileId { level: 0, n: 1 };
        assert_eq!(Tree::resume(300, |_| None).unwrap_err(), TileError::Missing(id));
        assert_eq!(Tree::resume(300, |_| Some(vec![0; 32 * 43])).unwrap_err(), TileError::Missing(id));
    }

    fn grow(size: u64) -> (Tree, HashMap<TileId, Vec<u8>>) {
        let (mut tree, mut tiles) = (Tree::new(), HashMap::new());
        for index in 0..size {
            tree.append(leaf_hash(&index.to_be_bytes()));
            if index % 97 == 0 {
                tiles.extend(tree.take_changed());
            }
        }
        tiles.extend(tree.take_changed());
        (tree, tiles)
    }
}
