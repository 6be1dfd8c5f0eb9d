//! Two other implementations judge paths, roots and proofs: `tlog_tiles` and `ct-merkle`.

use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sm3::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update, consts::U32};
use tlog_tiles::{HashReader, check_record, check_tree, prove_record, prove_tree, stored_hashes, tree_hash};

use super::*;
use crate::ledger::{
    merkle::{ProofError, leaf_hash, verify_consistency, verify_inclusion},
    tree::Tree,
};

const SIZE: u64 = 70;

#[test]
fn every_proof_up_to_seventy_leaves_is_that_of_both_other_implementations() {
    let world = World::grow(SIZE);
    for size in 1..=SIZE {
        let root = root_at(size, &world.tile()).unwrap();
        assert_eq!(root, world.roots[size as usize]);
        assert_eq!(root, tree_hash(size, &world.stored).unwrap().0);
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        (0..size).for_each(|index| other.push(entry(index)));
        assert_eq!(root, other.root().as_bytes().as_slice());

        for index in 0..size {
            let proof = inclusion_proof(index, size, &world.only(inclusion_tiles(index, size).unwrap())).unwrap();
            assert_eq!(proof, plain(&prove_record(size, index, &world.stored).unwrap()));
            assert_eq!(proof.concat(), other.prove_inclusion(index as usize).as_bytes());
            check_record(&foreign(&proof), size, tlog_tiles::Hash(root), index, tlog_tiles::Hash(leaf_hash(&entry(index)))).unwrap();
            verify_inclusion(&leaf_hash(&entry(index)), index, size, &proof, &root).unwrap();
        }
        for old in 1..=size {
            let proof = consistency_proof(old, size, &world.only(consistency_tiles(old, size).unwrap())).unwrap();
            assert_eq!(proof, plain(&prove_tree(size, old, &world.stored).unwrap()));
            assert_eq!(proof.concat(), other.prove_consistency((size - old) as usize).as_bytes());
            let old_root = world.roots[old as usize];
            check_tree(&foreign(&proof), size, tlog_tiles::Hash(root), old, tlog_tiles::Hash(old_root)).unwrap();
            verify_consistency(old, size, &old_root, &root, &proof).unwrap();
        }
    }
}

#[test]
fn a_proof_that_was_altered_shows_nothing() {
    let world = World::grow(SIZE);
    let root = world.roots[SIZE as usize];
    for index in 0..SIZE {
        let proof = inclusion_proof(index, SIZE, &world.tile()).unwrap();
        let leaf = leaf_hash(&entry(index));
        for position in 0..proof.len() {
            let mut altered = proof.clone();
            altered[position][31] ^= 1;
            assert_eq!(verify_inclusion(&leaf, index, SIZE, &altered, &root), Err(ProofError::Root));
        }
        assert!(verify_inclusion(&leaf, index, SIZE, &proof[1..], &root).is_err());
        assert!(verify_inclusion(&leaf, index ^ 1, SIZE, &proof, &root).is_err());
        assert!(verify_inclusion(&leaf, index, SIZE, &[proof.clone(), vec![root]].concat(), &root).is_err());
        assert!(verify_inclusion(&leaf, index + SIZE, SIZE, &proof, &root).is_err());
    }
}

#[test]
fn what_lies_beyond_the_tree_has_no_proof() {
    assert_eq!(inclusion_tiles(5, 5), Err(TileError::OutOfRange { from: 5, size: 5 }));
    assert_eq!(consistency_tiles(0, 5), Err(TileError::OutOfRange { from: 0, size: 5 }));
    assert_eq!(consistency_tiles(6, 5), Err(TileError::OutOfRange { from: 6, size: 5 }));
    assert_eq!(root_at(0, &|_| None::<Vec<u8>>), Ok(empty_root()));
    assert!(inclusion_tiles(u64::MAX - 1, u64::MAX).unwrap().len() < 64);
    assert!(consistency_tiles(u64::MAX - 1, u64::MAX).unwrap().len() < 64);
    assert_eq!(inclusion_proof(0, 2, &|_| Some(vec![0; 32])), Err(TileError::Missing(TileId { level: 0, n: 0 })));
}

#[test]
fn paths_are_those_of_the_specification() {
    let cases = [
        ("tile/0/x001/x234/067", TileTarget::Hashes(TileId { level: 0, n: 1_234_067 }), 256),
        ("tile/1/005", TileTarget::Hashes(TileId { level: 1, n: 5 }), 256),
        ("tile/0/273.p/112", TileTarget::Hashes(TileId { level: 0, n: 273 }), 112),
        ("tile/63/000.p/1", TileTarget::Hashes(TileId { level: 63, n: 0 }), 1),
        ("tile/entries/x001/000.p/255", TileTarget::Entries(1000), 255),
    ];
    for (path, target, width) in cases {
        assert_eq!(TileRequest::parse(path), Some(TileRequest { target, width }), "{path}");
    }
}

#[test]
fn a_path_that_is_not_the_one_path_of_its_tile_is_refused() {
    let paths = [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/5",
        "tile/0/0005",
        "tile/0/x000/005",
        "tile/0/001/005",
        "tile/0/x001",
        "tile/0/x1/005",
        "tile/0/x001/x005",
        "tile/00/005",
        "tile/+1/005",
        "tile/64/005",
        "tile/256/005",
        "tile/-1/005",
        "tile/data/005",
        "tile/0/005.p/0",
        "tile/0/005.p/256",
        "tile/0/005.p/01",
        "tile/0/005.p/",
        "tile/0/005.p",
        "tile/0/005.p/1/",
        "/tile/0/005",
        "tile/0/005/",
        "tile/0//005",
        "tile/0/+05",
        "tile/0/xx01/005",
        "tile/entries/5",
        "tile/Entries/005",
        "tile/0/005.p/1.p/1",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ];
    for path in paths {
        assert_eq!(TileRequest::parse(path), None, "{path}");
    }
}

#[test]
fn only_what_the_tree_has_is_served() {
    let exists = |path: &str, size| TileRequest::parse(path).unwrap().exists_at(size);
    for (path, size) in [("tile/0/000", 256), ("tile/1/000.p/1", 256), ("tile/0/000.p/2", 2), ("tile/entries/001.p/1", 257)] {
        assert!(exists(path, size) && exists(path, size + 1), "{path} at {size}");
        assert!(!exists(path, size - 1), "{path} below {size}");
    }
    assert!(!exists("tile/8/000.p/1", u64::MAX));
    assert!(!exists("tile/0/x018/x446/x744/x073/x709/x551/615", u64::MAX));
}

#[test]
fn a_bundle_that_ends_within_an_entry_or_holds_too_many_is_refused() {
    let bundle = encode_bundle([&b"one"[..], b"", b"three"]).unwrap();
    assert_eq!(decode_bundle(&bundle).unwrap(), [&b"one"[..], b"", b"three"]);
    assert_eq!(decode_bundle(&bundle[..bundle.len() - 1]), Err(TileError::Bundle));
    assert_eq!(decode_bundle(&[bundle, vec![0]].concat()), Err(TileError::Bundle));
    assert_eq!(decode_bundle(&[0; 2 * 257]), Err(TileError::Bundle));
    assert_eq!(encode_bundle([&[0; 65_536][..]]), Err(TileError::EntryTooLong(65_536)));
}

proptest! {
    #[test]
    fn every_tile_path_reads_back_and_is_that_of_the_other_implementation(level in 0_u8..64, n: u64, width in 1_usize..=256) {
        let request = TileRequest { target: TileTarget::Hashes(TileId { level, n }), width };
        let path = request.to_string();
        prop_assert_eq!(TileRequest::parse(&path), Some(request));
        // The other one also writes the height of its tiles, here 8.
        let theirs = tlog_tiles::Tile::new(8, level, n, width as u32, false).path();
        prop_assert_eq!(path, theirs.replacen("tile/8/", "tile/", 1));
    }

    #[test]
    fn parsing_any_text_never_panics(path in "(tile/)?[0-9x/.p]{0,40}") {
        if let Some(request) = TileRequest::parse(&path) {
            prop_assert_eq!(request.to_string(), path);
        }
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn plain(proof: &[tlog_tiles::Hash]) -> Vec<Hash> {
    proof.iter().map(|hash| hash.0).collect()
}

fn foreign(proof: &[Hash]) -> Vec<tlog_tiles::Hash> {
    proof.iter().copied().map(tlog_tiles::Hash).collect()
}

/// SHA-256 behind the traits that `ct-merkle` asks for.
#[derive(Clone, Default)]
struct Sha256(Vec<u8>);

impl HashMarker for Sha256 {}

impl OutputSizeUser for Sha256 {
    type OutputSize = U32;
}

impl Update for Sha256 {
    fn update(&mut self, data: &[u8]) {
        self.0.extend(data);
    }
}

impl FixedOutput for Sha256 {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&crate::crypto::digest::sha256(&self.0));
    }
}

/// The hashes in the order in which `tlog_tiles` numbers them.
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

struct World {
    tiles: HashMap<TileId, Vec<u8>>,
    roots: Vec<Hash>,
    stored: Stored,
}

impl World {
    fn grow(size: u64) -> Self {
        let mut tree = Tree::new();
        let mut world = Self { tiles: HashMap::new(), roots: vec![tree.root()], stored: Stored(Vec::new()) };
        for index in 0..size {
            tree.append(leaf_hash(&entry(index)));
            world.tiles.extend(tree.take_changed());
            world.roots.push(tree.root());
            let hashes = stored_hashes(index, &entry(index), &world.stored).unwrap();
            world.stored.0.extend(hashes);
        }
        world
    }

    fn tile<'a>(&'a self) -> impl Fn(TileId) -> Option<&'a Vec<u8>> {
        |id| self.tiles.get(&id)
    }

    /// Only the tiles that were asked for beforehand.
    fn only<'a>(&'a self, ids: Vec<TileId>) -> impl Fn(TileId) -> Option<&'a Vec<u8>> {
        move |id| self.tiles.get(&id).filter(|_| ids.contains(&id))
    }
}
