//! The map against a naive one that is written down from the format each time.

use proptest::prelude::*;

use super::*;
use crate::ledger::{
    entry::{Digests, Event, EventType},
    merkle::{leaf_hash, perfect_root, verify_inclusion},
    record::parse_bucket,
};

const NOT_AFTER: u64 = 86_400 * 365;

#[test]
fn an_empty_map_of_any_depth_has_the_root_of_empty_buckets() {
    for depth in [1, 4, 12] {
        let map = StatusMap::new(Depth::new(depth).unwrap());
        assert_eq!(map.root(), perfect_root(&vec![leaf_hash(b""); 1 << depth]));
    }
    assert_eq!(StatusMap::new(Depth::new(24).unwrap()).siblings(5).len(), 24);
}

#[test]
fn a_certificate_is_followed_through_its_life() {
    let mut map = StatusMap::new(Depth::DEFAULT);
    let key = key(1);
    let life =
        [issue(key, 100), hold(key, 110), resume(key, 120), revoke(key, 130, State::Good), expire(key, NOT_AFTER + 1, State::Revoked)];
    let expected = [(State::Good, 0), (State::Hold, 6), (State::Good, 0), (State::Revoked, 1)];
    for (index, entry) in (0..).zip(&life) {
        map.apply(entry, index).unwrap();
        let record = map.status(&key).map(|record| (record.state, record.reason, record.since));
        assert_eq!(record, expected.get(index as usize).map(|(state, reason)| (*state, *reason, entry.time)));
    }
    assert_eq!((map.counts(), map.root()), (Counts::default(), StatusMap::new(Depth::DEFAULT).root()));
    assert_eq!((map.history(&key).len(), map.not_after(&key)), (5, Some(NOT_AFTER)));
    assert_eq!(map.history(&key)[3].invalid_since, Some(125));

    let at_time = |time| map.status_at_time(&key, time).map(|change| change.state);
    assert_eq!(
        [99, 100, 119, 129, 130].map(at_time),
        [None, Some(State::Good), Some(State::Hold), Some(State::Good), Some(State::Revoked)]
    );
    let at_size = |size| map.status_at_size(&key, size).map(|change| change.state);
    assert_eq!([0, 1, 2, 4, 9].map(at_size), [None, Some(State::Good), Some(State::Hold), Some(State::Revoked), Some(State::Absent)]);
    assert_eq!(map.check(&issue(key, 200)), Err(TransitionError::IssuedBefore));
}

#[test]
fn a_batch_shows_its_head_before_it_is_committed_and_leaves_no_trace_when_dropped() {
    let mut map = StatusMap::new(Depth::DEFAULT);
    map.apply(&issue(key(1), 100), 0).unwrap();
    let before = (map.root(), map.counts(), map.next_index());

    let mut staged = map.stage();
    staged.apply(&map, &issue(key(2), 101), 1).unwrap();
    staged.apply(&map, &revoke(key(2), 101, State::Good), 2).unwrap();
    assert_eq!(
        staged.apply(&map, &hold(key(2), 101), 3),
        Err(TransitionError::NotPossible { event: EventType::HOLD, state: State::Revoked })
    );
    staged.apply(&map, &hold(key(1), 102), 3).unwrap();
    let head = staged.map_head(&map, 4);
    assert_eq!(head.counts, Counts { good: 0, hold: 1, revoked: 1 });
    assert_eq!(staged.status(&map, &key(1)).unwrap().state, State::Hold);
    assert_eq!((map.root(), map.counts(), map.next_index()), before);

    let dropped = staged.clone();
    map.commit(staged).unwrap();
    assert_eq!(map.map_head(4), head);
    assert_eq!(map.held_or_revoked().count(), 2);
    assert_eq!(map.commit(dropped), Err(TransitionError::Stale));
    assert_eq!(map.map_head(4), head);
}

#[test]
fn leaves_come_in_order_and_a_wrong_map_head_is_noticed() {
    let mut map = StatusMap::new(Depth::DEFAULT);
    map.apply(&issue(key(1), 100), 7).unwrap();
    assert_eq!(map.apply(&issue(key(2), 100), 7), Err(TransitionError::OutOfOrder { index: 7, next: 8 }));

    let head = map.map_head(8);
    assert_eq!(map.check_map_head(&head), Ok(()));
    let wrong = [
        MapHead { root: [0; 32], ..head },
        MapHead { counts: Counts { good: 2, ..head.counts }, ..head },
        MapHead { depth: Depth::new(12).unwrap(), ..head },
    ];
    for head in wrong {
        assert_eq!(map.check_map_head(&head), Err(TransitionError::MapHead));
    }
    assert_eq!(map.apply(&Entry::map_head("log", 100, &map.map_head(9)), 8), Err(TransitionError::MapHead));
    map.apply(&Entry::map_head("log", 100, &head), 8).unwrap();
    assert_eq!(map.next_index(), 9);
}

#[test]
fn a_bucket_and_its_siblings_lead_to_the_root() {
    let mut map = StatusMap::new(Depth::new(4).unwrap());
    for number in 0..200 {
        map.apply(&issue(key(number), 100), number).unwrap();
    }
    for bucket in 0..16 {
        let octets = map.bucket(bucket);
        assert!(parse_bucket(&octets, bucket, map.depth()).unwrap().len() > 2);
        verify_inclusion(&leaf_hash(&octets), bucket.into(), 16, &map.siblings(bucket), &map.root()).unwrap();
    }
}

proptest! {
    #[test]
    fn any_sequence_of_events_makes_the_map_of_the_format(
        events in proptest::collection::vec((0_u64..12, 0_u8..5), 1..60),
        cut in 0_usize..60,
    ) {
        let mut map = StatusMap::new(Depth::new(3).unwrap());
        let mut batched = map.clone();
        let mut accepted = Vec::new();
        let mut staged = batched.stage();
        for (number, kind) in events {
            let key = key(number);
            let state = map.status(&key).map_or(State::Absent, |record| record.state);
            let entry = match kind {
                0 => issue(key, 100),
                1 => hold(key, 101),
                2 => resume(key, 102),
                3 => revoke(key, 103, state),
                _ => expire(key, NOT_AFTER + 1, state),
            };
            let index = accepted.len() as u64;
            let one = map.apply(&entry, index);
            prop_assert_eq!(staged.apply(&batched, &entry, index), one);
            if one.is_ok() {
                accepted.push(entry);
            }
        }
        batched.commit(staged).unwrap();
        prop_assert_eq!(batched.map_head(0), map.map_head(0));
        prop_assert_eq!(map.root(), naive_root(&accepted, 3));

        let cut = cut.min(accepted.len());
        let past = map.at_size(cut as u64);
        prop_assert_eq!(past.root(), naive_root(&accepted[..cut], 3));
        prop_assert_eq!(past.held_or_revoked().count() as u64, past.counts().hold + past.counts().revoked);
    }
}

/// The root of the map, written down from the format without any of the map's own parts.
fn naive_root(entries: &[Entry], depth: u8) -> Hash {
    let mut records = BTreeMap::new();
    for entry in entries {
        let mut record = entry.status_key.as_bytes().to_vec();
        record.extend([entry.new_state as u8, entry.reason, 0, 0, 0, 0, 0, 0]);
        record.extend(entry.time.to_be_bytes());
        records.insert(entry.status_key, record);
        if entry.new_state == State::Absent {
            records.remove(&entry.status_key);
        }
    }
    let mut buckets = vec![Vec::new(); 1 << depth];
    for (key, record) in records {
        buckets[usize::from(key.as_bytes()[0] >> (8 - depth))].extend(record);
    }
    perfect_root(&buckets.iter().map(|bucket| leaf_hash(bucket)).collect::<Vec<_>>())
}

fn key(number: u64) -> StatusKey {
    StatusKey::of_tbs(&number.to_be_bytes())
}

fn event(status_key: StatusKey, time: u64) -> Event<'static> {
    Event { origin: "log", status_key, version: 0, time }
}

fn issue(key: StatusKey, time: u64) -> Entry {
    Entry::issue(&event(key, time), Digests::default(), NOT_AFTER)
}

fn hold(key: StatusKey, time: u64) -> Entry {
    Entry::hold(&event(key, time), Digests::default())
}

fn resume(key: StatusKey, time: u64) -> Entry {
    Entry::resume(&event(key, time), Digests::default())
}

fn revoke(key: StatusKey, time: u64, from: State) -> Entry {
    Entry::revoke(&event(key, time), Digests::default(), from, 1, Some(time - 5))
}

fn expire(key: StatusKey, time: u64, from: State) -> Entry {
    Entry::expire(&event(key, time), from)
}
