//! Tiles (C2SP tlog-tiles): their addresses, the bundles of entries beside them, and the proofs that are read out of them.
//!
//! Every stored hash is immutable, so an earlier partial tile is a prefix of today's row and one row a tile is all that is kept.

use std::{collections::BTreeSet, fmt, ops::Range};

use super::{
    merkle::{Hash, empty_root, node_hash, perfect_root},
    text,
};

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: usize = 256;
/// A tree of 2^64 leaves has no tile above level 7.
pub(super) const LEVELS: u8 = 8;

/// Why tiles did not give what was asked of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    #[error("no proof leads from {from} into a tree of {size} leaves")]
    OutOfRange { from: u64, size: u64 },
    #[error("the tile {} is missing or too short", .0.path(TILE_WIDTH))]
    Missing(TileId),
    #[error("the entry bundle is malformed")]
    Bundle,
    #[error("an entry of {0} octets does not fit into a bundle")]
    EntryTooLong(usize),
}

/// The address of a tile: its level, and its number within the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    pub level: u8,
    pub n: u64,
}

impl TileId {
    /// `tile/<L>/<N>[.p/<W>]`; the width of a full tile is not written.
    pub fn path(self, width: usize) -> String {
        format!("tile/{}/{}{}", self.level, number_path(self.n), width_suffix(width))
    }
}

/// What a request path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileTarget {
    Hashes(TileId),
    /// The bundle of this number.
    Entries(u64),
}

/// A tile or entry bundle in a certain width: 1 to 255 for a partial one, 256 for a full one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileRequest {
    pub target: TileTarget,
    pub width: usize,
}

impl TileRequest {
    /// Reads `tile/…`, the part of the path behind the log's prefix. A tile has one path; all others are `None`.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, text::parse_decimal(width)? as usize),
            None => (rest, TILE_WIDTH),
        };
        let n = parse_number(number)?;
        let target = match kind {
            "entries" => TileTarget::Entries(n),
            level => TileTarget::Hashes(TileId { level: level.parse().ok().filter(|level| *level < 64)?, n }),
        };
        let request = Self { target, width };
        ((1..=TILE_WIDTH).contains(&width) && request.to_string() == path).then_some(request)
    }

    /// Whether a log of `size` leaves has it, so that it may be served.
    pub fn exists_at(&self, size: u64) -> bool {
        let (level, n) = match self.target {
            TileTarget::Hashes(id) => (id.level, id.n),
            TileTarget::Entries(n) => (0, n),
        };
        let end = n.checked_mul(TILE_WIDTH as u64).and_then(|start| start.checked_add(self.width as u64));
        end.is_some_and(|end| end <= hashes_at(size, level))
    }
}

impl fmt::Display for TileRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            TileTarget::Hashes(id) => formatter.write_str(&id.path(self.width)),
            TileTarget::Entries(n) => write!(formatter, "tile/entries/{}{}", number_path(n), width_suffix(self.width)),
        }
    }
}

/// The tiles that an inclusion proof of leaf `index` in the tree of `size` leaves is read from.
pub fn inclusion_tiles(index: u64, size: u64) -> Result<Vec<TileId>, TileError> {
    Ok(tiles_of(&inclusion_ranges(index, size)?))
}

/// The siblings on the way from leaf `index` to the root, leaf first (RFC 6962 §2.1.1).
pub fn inclusion_proof<B: AsRef<[u8]>>(index: u64, size: u64, tile: &impl Fn(TileId) -> Option<B>) -> Result<Vec<Hash>, TileError> {
    inclusion_ranges(index, size)?.into_iter().map(|range| range_hash(range, tile)).collect()
}

/// The tiles that a consistency proof between two sizes is read from.
pub fn consistency_tiles(old: u64, new: u64) -> Result<Vec<TileId>, TileError> {
    Ok(tiles_of(&consistency_ranges(old, new)?))
}

/// Shows that the tree of `new` leaves only adds to that of `old` leaves (RFC 6962 §2.1.2).
pub fn consistency_proof<B: AsRef<[u8]>>(old: u64, new: u64, tile: &impl Fn(TileId) -> Option<B>) -> Result<Vec<Hash>, TileError> {
    consistency_ranges(old, new)?.into_iter().map(|range| range_hash(range, tile)).collect()
}

/// The tiles that the root at `size` is read from.
pub fn root_tiles(size: u64) -> Vec<TileId> {
    tiles_of(std::slice::from_ref(&(0..size)))
}

/// The root of the tree of `size` leaves, now or in the past.
pub fn root_at<B: AsRef<[u8]>>(size: u64, tile: &impl Fn(TileId) -> Option<B>) -> Result<Hash, TileError> {
    if size == 0 { Ok(empty_root()) } else { range_hash(0..size, tile) }
}

/// An entry bundle: each entry behind two octets of its length.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong(entry.len()))?;
        bundle.extend(length.to_be_bytes());
        bundle.extend(entry);
    }
    Ok(bundle)
}

/// The entries of a bundle, at most 256, with nothing left over.
pub fn decode_bundle(bundle: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut reader = super::wire::Reader::new(bundle);
    let mut entries = Vec::new();
    while !reader.is_empty() {
        if entries.len() == TILE_WIDTH {
            return Err(TileError::Bundle);
        }
        entries.push(reader.vector().ok_or(TileError::Bundle)?);
    }
    Ok(entries)
}

/// Full tiles of a level: also the number of its partial tile.
pub(super) fn tiles_before(size: u64, level: u8) -> u64 {
    hashes_at(size, level) / TILE_WIDTH as u64
}

/// Hashes in the partial tile of a level.
pub(super) fn width_at(size: u64, level: u8) -> usize {
    (hashes_at(size, level) % TILE_WIDTH as u64) as usize
}

fn hashes_at(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// Leaves under each sibling, from the leaf upwards. Each range is a node of the tree: it starts at a multiple of the
/// power of two that reaches its end.
fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, TileError> {
    if index >= size {
        return Err(TileError::OutOfRange { from: index, size });
    }
    let (mut node, mut ranges) = (0..size, Vec::new());
    while node.end - node.start > 1 {
        let middle = split(&node);
        if index < middle {
            ranges.push(middle..node.end);
            node.end = middle;
        } else {
            ranges.push(node.start..middle);
            node.start = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

fn consistency_ranges(old: u64, new: u64) -> Result<Vec<Range<u64>>, TileError> {
    if old == 0 || old > new {
        return Err(TileError::OutOfRange { from: old, size: new });
    }
    let (mut node, mut ranges) = (0..new, Vec::new());
    while node.end != old {
        let middle = split(&node);
        if old <= middle {
            ranges.push(middle..node.end);
            node.end = middle;
        } else {
            ranges.push(node.start..middle);
            node.start = middle;
        }
    }
    // The old tree as a whole is known to the verifier; a part of it is not.
    if node.start != 0 {
        ranges.push(node);
    }
    ranges.reverse();
    Ok(ranges)
}

/// Behind the largest power of two that is smaller than the number of leaves; there are two at least.
fn split(node: &Range<u64>) -> u64 {
    node.start + (1 << (node.end - node.start - 1).ilog2())
}

/// A complete subtree of 2^height leaves, the `index`th of its height.
struct Subtree {
    height: u32,
    index: u64,
}

impl Subtree {
    fn tile(&self) -> TileId {
        TileId { level: (self.height / 8) as u8, n: self.first_hash() / TILE_WIDTH as u64 }
    }

    /// Its first hash in the tile's level.
    fn first_hash(&self) -> u64 {
        self.index << (self.height % 8)
    }

    fn hash<B: AsRef<[u8]>>(&self, tile: &impl Fn(TileId) -> Option<B>) -> Result<Hash, TileError> {
        let id = self.tile();
        let content = tile(id).ok_or(TileError::Missing(id))?;
        let (hashes, _) = content.as_ref().as_chunks::<32>();
        let first = (self.first_hash() % TILE_WIDTH as u64) as usize;
        let own = hashes.get(first..first + (1 << (self.height % 8))).ok_or(TileError::Missing(id))?;
        Ok(perfect_root(own))
    }
}

/// The complete subtrees that make up a node, left to right.
fn subtrees(range: Range<u64>) -> impl Iterator<Item = Subtree> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let height = (range.end - start).checked_ilog2()?;
        let subtree = Subtree { height, index: start >> height };
        start += 1 << height;
        Some(subtree)
    })
}

fn range_hash<B: AsRef<[u8]>>(range: Range<u64>, tile: &impl Fn(TileId) -> Option<B>) -> Result<Hash, TileError> {
    let hashes: Vec<Hash> = subtrees(range).map(|subtree| subtree.hash(tile)).collect::<Result<_, _>>()?;
    Ok(hashes.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root))
}

fn tiles_of(ranges: &[Range<u64>]) -> Vec<TileId> {
    let tiles: BTreeSet<TileId> = ranges.iter().cloned().flat_map(subtrees).map(|subtree| subtree.tile()).collect();
    tiles.into_iter().collect()
}

/// 1234067 → `x001/x234/067`.
fn number_path(n: u64) -> String {
    let mut path = format!("{:03}", n % 1000);
    let mut rest = n / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

/// Reads more than `number_path` writes; the caller compares.
fn parse_number(path: &str) -> Option<u64> {
    path.split('/').try_fold(0_u64, |n, group| {
        let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok().filter(|group| *group < 1000)?;
        n.checked_mul(1000)?.checked_add(group)
    })
}

fn width_suffix(width: usize) -> String {
    if width == TILE_WIDTH { String::new() } else { format!(".p/{width}") }
}

#[cfg(test)]
mod tests;
