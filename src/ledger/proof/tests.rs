//! An honest log whose proofs hold, and one that lies in every way it can while its keys sign.

use super::*;
use crate::{
    crypto::{PrivateKey, algorithms::Sm2},
    ledger::{
        entry::{Digests, Event},
        testing, tiles,
        tree::Tree,
    },
};

const ORIGIN: &str = "ledger.example/department-sm2-g1";
const NOW: u64 = 1_795_000_000;
const MAX_AGE: u64 = 3600;
const NOT_AFTER: u64 = NOW + 86_400 * 365;

#[test]
fn a_status_proof_tells_good_held_revoked_and_never_issued() {
    let world = World::new();
    let (log, batch) = (world.log(), world.honest());
    let expected = [
        (1, ProvenStatus { state: State::Good, reason: 0, since: NOW - 50, as_of: NOW }),
        (2, ProvenStatus { state: State::Hold, reason: 6, since: NOW - 40, as_of: NOW }),
        (3, ProvenStatus { state: State::Revoked, reason: 1, since: NOW - 40, as_of: NOW }),
        (4, ProvenStatus { state: State::Absent, reason: 0, since: 0, as_of: NOW }),
    ];
    for (number, status) in expected {
        let proof = StatusProof::new(&batch.map, key(number), batch.head_receipt());
        let text = proof.to_string();
        assert_eq!(StatusProof::parse(&text), Ok(proof));
        assert_eq!(verify_status_proof(&StatusProof::parse(&text).unwrap(), &tbs_digest(number), &log, NOW, MAX_AGE), Ok(status));
    }
}

#[test]
fn a_receipt_shows_that_the_certificate_was_promised() {
    let world = World::new();
    let (log, batch) = (world.log(), world.honest());
    let receipt = Receipt::parse(&batch.receipt(1).to_string()).unwrap();
    let (entry, trusted) = verify_issue_receipt(&receipt, &tbs_digest(2), &log).unwrap();
    assert_eq!((entry.not_after(), trusted.checkpoint.size, trusted.vouched_at), (Ok(NOT_AFTER.next_multiple_of(86_400)), 6, Some(NOW)));

    assert_eq!(verify_issue_receipt(&receipt, &tbs_digest(1), &log), Err(VerifyError::OtherCertificate));
    assert_eq!(verify_issue_receipt(&batch.receipt(3), &tbs_digest(2), &log), Err(VerifyError::OtherCertificate));
    assert_eq!(verify_receipt(&receipt, b"another entry", &log), Err(VerifyError::Inclusion(ProofError::Root)));
    let moved = Receipt { index: 0, ..receipt };
    assert_eq!(verify_issue_receipt(&moved, &tbs_digest(2), &log), Err(VerifyError::Inclusion(ProofError::Root)));
}

#[test]
fn a_forged_certificate_that_reuses_a_good_serial_is_not_issued() {
    // The forger has the CA's key, not its log: subject and key differ, so the TBS digest does.
    let world = World::new();
    let batch = world.honest();
    let forged = crate::crypto::digest::sha256(b"tbs of another subject with the serial of 1");
    let replayed = StatusProof::new(&batch.map, key(1), batch.head_receipt());
    assert_eq!(verify_status_proof(&replayed, &forged, &world.log(), NOW, MAX_AGE), Err(VerifyError::OtherCertificate));
    let asked = StatusProof::new(&batch.map, StatusKey::from_tbs_digest(&forged), batch.head_receipt());
    let status = verify_status_proof(&asked, &forged, &world.log(), NOW, MAX_AGE).unwrap();
    assert_eq!(status.state, State::Absent);
}

#[test]
fn a_map_head_that_is_not_the_last_leaf_is_refused() {
    let world = World::new();
    let mut batch = world.honest();
    let stale = StatusProof::new(&batch.map, key(1), batch.head_receipt());
    let old_index = stale.head.index;
    batch.push(Entry::revoke(&event(1, NOW, 9), Digests::default(), State::Good, 1, None));
    batch.seal(&world, NOW);

    // A true proof of the old map, under a fresh checkpoint that holds the old head, but not as its last leaf.
    let replayed = StatusProof { head: batch.receipt(old_index), ..stale };
    assert_eq!(verify_status_proof(&replayed, &tbs_digest(1), &world.log(), NOW, MAX_AGE), Err(VerifyError::NotLast));
    let fresh = StatusProof::new(&batch.map, key(1), batch.head_receipt());
    assert_eq!(verify_status_proof(&fresh, &tbs_digest(1), &world.log(), NOW, MAX_AGE).unwrap().state, State::Revoked);
    // The old bucket under the new head.
    let mixed = StatusProof { head: batch.head_receipt(), ..replayed };
    assert_eq!(verify_status_proof(&mixed, &tbs_digest(1), &world.log(), NOW, MAX_AGE), Err(VerifyError::Map(ProofError::Root)));
}

#[test]
fn a_head_that_repeats_an_older_map_names_another_size_and_is_refused() {
    let world = World::new();
    let mut batch = world.honest();
    let old = StatusProof::new(&batch.map, key(1), batch.head_receipt());
    let old_head = old.head.entry().unwrap();
    batch.entries.push(Entry::revoke(&event(1, NOW, 9), Digests::default(), State::Good, 1, None));
    batch.entries.push(old_head);
    batch.sign(&world, NOW);
    let lying = StatusProof { head: batch.head_receipt(), ..old };
    assert_eq!(verify_status_proof(&lying, &tbs_digest(1), &world.log(), NOW, MAX_AGE), Err(VerifyError::NotLast));
}

#[test]
fn a_bucket_that_was_tampered_with_is_refused() {
    let world = World::new();
    let batch = world.honest();
    let proof = StatusProof::new(&batch.map, key(3), batch.head_receipt());
    let records: Vec<&[u8]> = proof.bucket.chunks(48).collect();
    assert_eq!(records.len(), 2);
    let own = records.iter().position(|record| record[..32] == *key(3).as_bytes()).unwrap();
    let without_own = [&records[..own], &records[own + 1..]].concat().concat();
    let mut reversed = records.clone();
    reversed.reverse();
    let altered = |octet: usize, value| {
        let mut bucket = proof.bucket.clone();
        bucket[own * 48 + octet] = value;
        bucket
    };

    let cases = [
        ("dropped key", without_own, VerifyError::Map(ProofError::Root)),
        ("reordered", reversed.concat(), VerifyError::Bucket),
        ("duplicate key", [&[records[own]], &records[..]].concat().concat(), VerifyError::Bucket),
        ("nothing", Vec::new(), VerifyError::Map(ProofError::Root)),
        ("half a record", proof.bucket[..proof.bucket.len() - 1].to_vec(), VerifyError::Bucket),
        ("good again", altered(32, State::Good as u8), VerifyError::Map(ProofError::Root)),
        ("revoked later", altered(47, 0), VerifyError::Map(ProofError::Root)),
        ("something in the padding", altered(39, 1), VerifyError::Bucket),
    ];
    for (name, bucket, expected) in cases {
        let lying = StatusProof { bucket, ..proof.clone() };
        assert_eq!(verify_status_proof(&lying, &tbs_digest(3), &world.log(), NOW, MAX_AGE), Err(expected), "{name}");
    }
}

#[test]
fn even_a_map_root_over_a_bucket_that_says_two_things_is_refused() {
    // The CA itself hashes a bucket with the same key twice, so that it can show "good" to one and "revoked" to another.
    let world = World::new();
    let mut batch = world.honest();
    let honest = StatusProof::new(&batch.map, key(1), batch.head_receipt());
    let bucket = [&honest.bucket[..48], &honest.bucket[..]].concat();
    let index = honest.depth.bucket_of(&key(1));
    let (leaf, sibling) = (leaf_hash(&bucket), honest.siblings[0]);
    let root = match index {
        0 => crate::ledger::merkle::node_hash(&leaf, &sibling),
        _ => crate::ledger::merkle::node_hash(&sibling, &leaf),
    };
    batch.entries.pop();
    let head = MapHead { root, ..batch.map.map_head(batch.entries.len() as u64) };
    batch.entries.push(Entry::map_head(ORIGIN, NOW, &head));
    batch.sign(&world, NOW);
    let lying = StatusProof { bucket, head: batch.head_receipt(), ..honest };
    assert_eq!(verify_status_proof(&lying, &tbs_digest(1), &world.log(), NOW, MAX_AGE), Err(VerifyError::Bucket));
}

#[test]
fn what_is_of_another_log_or_lacks_a_trusted_signature_is_refused() {
    let (world, other) = (World::new(), World::new());
    let batch = world.honest();
    let proof = StatusProof::new(&batch.map, key(1), batch.head_receipt());
    let verify = |log: &TrustedLog| verify_status_proof(&proof, &tbs_digest(1), log, NOW, MAX_AGE).map(|status| status.state);

    let renamed = TrustedLog { origin: "ledger.example/citizen-sm2-g1".into(), ..world.log() };
    assert_eq!(verify(&renamed), Err(VerifyError::OtherLog(ORIGIN.into())));
    // The other world has the same names and other SM2 keys.
    assert_eq!(verify(&other.log()), Err(VerifyError::NotSignedBy(ORIGIN.into())));
    assert_eq!(verify(&TrustedLog { keys: Vec::new(), ..world.log() }), Err(VerifyError::Note(NoteError::Unsigned)));
    let ed25519_only = TrustedLog { keys: world.log().keys[..1].to_vec(), ..world.log() };
    assert_eq!(verify(&ed25519_only), Ok(State::Good));

    let without_sm2 = batch.checkpoint.to_string().lines().take(5).map(|line| format!("{line}\n")).collect::<String>();
    let head = Receipt { checkpoint: Note::parse(&without_sm2).unwrap(), ..batch.head_receipt() };
    let proof = StatusProof { head, ..proof.clone() };
    let result = verify_status_proof(&proof, &tbs_digest(1), &world.log(), NOW, MAX_AGE);
    assert_eq!(result, Err(VerifyError::NotSignedBy(ORIGIN.into())));
}

#[test]
fn old_news_and_news_from_the_future_are_refused() {
    let world = World::new();
    let batch = world.honest();
    let proof = StatusProof::new(&batch.map, key(1), batch.head_receipt());
    let at = |now| verify_status_proof(&proof, &tbs_digest(1), &world.log(), now, MAX_AGE).map(|status| status.as_of);
    // The head is of NOW - 10, the signature of NOW.
    assert_eq!(at(NOW + MAX_AGE - 10), Ok(NOW));
    assert_eq!(at(NOW + MAX_AGE - 9), Err(VerifyError::Stale { as_of: NOW - 10 }));
    assert_eq!(at(NOW - 1), Err(VerifyError::Future { as_of: NOW }));
    assert_eq!(at(NOW - 11), Err(VerifyError::Future { as_of: NOW - 10 }));

    let ed25519_only = TrustedLog { keys: world.log().keys[..1].to_vec(), ..world.log() };
    let untimed = verify_status_proof(&proof, &tbs_digest(1), &ed25519_only, NOW, MAX_AGE).unwrap();
    assert_eq!(untimed.as_of, NOW - 10);
}

#[test]
fn texts_that_are_not_exactly_a_proof_are_refused() {
    let world = World::new();
    let batch = world.honest();
    let proof = StatusProof::new(&batch.map, key(1), batch.head_receipt()).to_string();
    let changes = [
        ("hufu/status-proof@v1", "hufu/status-proof@v2"),
        ("key ", "key  "),
        ("depth 1\n", "depth 01\n"),
        ("depth 1\n", "depth 2\n"),
        ("depth 1\n", "depth 0\n"),
        ("bucket ", "bucket -"),
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 5", "index 05"),
        ("extra ", "extra -"),
        ("\nextra ", "\nextra \nextra "),
        ("index 5\n", ""),
        ("\n\nc2sp", "\nc2sp"),
        ("\n\nledger", "\nledger"),
    ];
    for (from, to) in changes {
        let altered = proof.replacen(from, to, 1);
        assert_ne!(altered, proof, "{from:?}");
        assert!(matches!(StatusProof::parse(&altered), Err(VerifyError::Malformed(_))), "{from:?} → {to:?}");
    }
    // Only a whole signature can be cut off unnoticed, and then `verify_status_proof` misses it.
    let prefixes = (0..proof.len()).filter(|length| proof.get(..*length).is_some_and(|prefix| StatusProof::parse(prefix).is_ok()));
    assert_eq!(prefixes.collect::<Vec<_>>(), [proof.rfind('\u{2014}').unwrap()]);
    assert!(StatusProof::parse(&format!("{proof}\n")).is_err());
}

/// Deterministic: Ed25519 alone signs. Made from the format by another program, in Python.
#[test]
fn a_status_proof_has_the_text_of_the_golden_file() {
    let ed25519 = testing::ed25519(&[7; 32]);
    let world = World { keys: vec![(NoteKey::ed25519(ORIGIN, ed25519.public_key()).unwrap(), ed25519)] };
    let batch = world.honest();
    let proof = StatusProof::new(&batch.map, key(3), batch.head_receipt());
    assert_eq!(proof.to_string(), include_str!("../golden/status-proof.txt"));
    let status = verify_status_proof(&proof, &tbs_digest(3), &world.log(), NOW, MAX_AGE).unwrap();
    assert_eq!(status.state, State::Revoked);
}

/// The keys of a log.
struct World {
    keys: Vec<(NoteKey, Box<dyn PrivateKey>)>,
}

impl World {
    fn new() -> Self {
        let (ed25519, sm2) = (testing::ed25519(&[7; 32]), testing::generate(&Sm2));
        let names = (NoteKey::ed25519(ORIGIN, ed25519.public_key()), NoteKey::sm2_subtree(ORIGIN, sm2.public_key()));
        Self { keys: vec![(names.0.unwrap(), ed25519), (names.1.unwrap(), sm2)] }
    }

    fn log(&self) -> TrustedLog {
        TrustedLog { origin: ORIGIN.into(), keys: self.keys.iter().map(|(key, _)| key.clone()).collect() }
    }

    /// 1 is good, 2 on hold, 3 revoked; 4 was never issued.
    fn honest(&self) -> Batch {
        let checkpoint = Note::parse("x\n\n\u{2014} x AAAAAAA=\n").unwrap();
        let mut batch = Batch { map: StatusMap::new(Depth::new(1).unwrap()), entries: Vec::new(), checkpoint };
        for number in 1..=3 {
            batch.push(Entry::issue(&event(number, NOW - 50, 0), Digests::default(), NOT_AFTER));
        }
        batch.push(Entry::hold(&event(2, NOW - 40, 1), Digests::default()));
        batch.push(Entry::revoke(&event(3, NOW - 40, 1), Digests::default(), State::Good, 1, Some(NOW - 45)));
        batch.seal(self, NOW - 10);
        batch
    }

    fn sign(&self, checkpoint: &Checkpoint, time: u64) -> Note {
        let line = |(key, private): &(NoteKey, Box<dyn PrivateKey>)| {
            key.signature_line(&private.sign(&key.signed_message(checkpoint, time).unwrap()).unwrap(), time).unwrap()
        };
        Note::assemble(&checkpoint.text(), &self.keys.iter().map(line).collect::<Vec<_>>()).unwrap()
    }
}

/// A log with its newest checkpoint.
struct Batch {
    map: StatusMap,
    entries: Vec<Entry>,
    checkpoint: Note,
}

impl Batch {
    fn push(&mut self, entry: Entry) {
        self.map.apply(&entry, self.entries.len() as u64).unwrap();
        self.entries.push(entry);
    }

    fn seal(&mut self, world: &World, time: u64) {
        let head = self.map.map_head(self.entries.len() as u64);
        self.push(Entry::map_head(ORIGIN, time, &head));
        self.sign(world, NOW);
    }

    fn sign(&mut self, world: &World, time: u64) {
        let (tree, _) = self.tree();
        self.checkpoint = world.sign(&Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() }, time);
    }

    fn tree(&self) -> (Tree, Vec<u8>) {
        let mut tree = Tree::new();
        self.entries.iter().for_each(|entry| tree.append(leaf_hash(&entry.encode())));
        let tile = tree.take_changed().swap_remove(0).1;
        (tree, tile)
    }

    fn receipt(&self, index: u64) -> Receipt {
        let (tree, tile) = self.tree();
        Receipt {
            extra: Some(self.entries[index as usize].encode()),
            index,
            path: tiles::inclusion_proof(index, tree.size(), &|_| Some(&tile)).unwrap(),
            checkpoint: self.checkpoint.clone(),
        }
    }

    fn head_receipt(&self) -> Receipt {
        self.receipt(self.entries.len() as u64 - 1)
    }
}

fn tbs_digest(number: u8) -> Hash {
    crate::crypto::digest::sha256(&[number])
}

fn key(number: u8) -> StatusKey {
    StatusKey::of_tbs(&[number])
}

fn event(number: u8, time: u64, version: u64) -> Event<'static> {
    Event { origin: ORIGIN, status_key: key(number), version, time }
}
