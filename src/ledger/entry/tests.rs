//! Golden octets of one entry of each type, and the round trip of any.

use proptest::prelude::*;

use super::*;

/// Made from the format by another program, in Python.
const GOLDEN: &str = include_str!("../golden/entries.txt");

const ORIGIN: &str = "ledger.example/department-sm2-g1";

#[test]
fn one_entry_of_each_type_has_its_golden_octets() {
    let golden: Vec<(&str, &str)> = GOLDEN.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(golden.len(), EventType::KNOWN.len() + 1);
    for ((event_type, name), (golden_name, octets)) in EventType::KNOWN.iter().zip(&golden) {
        assert_eq!(name, golden_name);
        let entry = example(*event_type);
        assert_eq!(hex::encode(entry.encode()), *octets, "{name}");
        assert_eq!(Entry::decode(&hex::decode(octets).unwrap()), Ok(entry), "{name}");
    }
    let (_, endorsed) = golden[EventType::KNOWN.len()];
    let endorsement = Endorsement { key_id: [8; 32], algorithm: 0x0708, signature: vec![9; 70] };
    let entry = example(EventType::ISSUE).with_endorsements(vec![endorsement.clone(), endorsement]).unwrap();
    assert_eq!(hex::encode(entry.encode()), endorsed);
    assert_eq!(entry.to_be_endorsed(), example(EventType::ISSUE).encode());
}

#[test]
fn the_body_of_an_issue_is_the_next_midnight() {
    let day = 86_400;
    for (not_after, rounded) in [(0, 0), (1, day), (day, day), (day + 1, 2 * day), (u64::MAX, u64::MAX / day * day)] {
        assert_eq!(Entry::issue(&event(), Digests::default(), not_after).not_after(), Ok(rounded));
    }
    let mut entry = example(EventType::ISSUE);
    entry.body = 5_u64.to_be_bytes().to_vec();
    assert_eq!(entry.not_after(), Err(EntryError::Body));
    assert_eq!(example(EventType::HOLD).not_after(), Err(EntryError::Body));
}

#[test]
fn typed_bodies_read_back() {
    assert_eq!(example(EventType::REVOKE).invalid_since(), Ok(Some(1_794_000_000)));
    assert_eq!(Entry::revoke(&event(), Digests::default(), State::Hold, 0, None).invalid_since(), Ok(None));
    assert_eq!(example(EventType::MAP_HEAD).to_map_head(), Ok(head()));
    let mut short = example(EventType::MAP_HEAD);
    short.body.pop();
    assert_eq!(short.to_map_head(), Err(EntryError::Body));
    let mut deep = example(EventType::MAP_HEAD);
    deep.body[8] = 25;
    assert_eq!(deep.to_map_head(), Err(EntryError::Body));
}

#[test]
fn an_entry_cut_short_or_with_something_behind_it_is_refused() {
    let octets = example(EventType::ISSUE).encode();
    for length in 0..octets.len() {
        assert_eq!(Entry::decode(&octets[..length]), Err(EntryError::Malformed), "{length}");
    }
    assert_eq!(Entry::decode(&[&octets[..], &[0]].concat()), Err(EntryError::Malformed));
    for (position, octet) in [(0, 2), (74, 4), (75, 255)] {
        let mut altered = octets.clone();
        altered[position] = octet;
        assert_eq!(Entry::decode(&altered), Err(EntryError::Malformed), "{position}");
    }
}

#[test]
fn an_unknown_type_is_kept_as_it_is() {
    let mut octets = example(EventType::AUDIT).encode();
    octets[1] = 34;
    let entry = Entry::decode(&octets).unwrap();
    assert_eq!((entry.event_type, entry.event_type.name()), (EventType(34), None));
    assert_eq!(entry.encode(), octets);
}

#[test]
fn an_entry_never_outgrows_its_bundle() {
    let notice = |length| Entry::notice(&event(), EventType::AUDIT, Digests::default(), vec![0; length]);
    assert_eq!(notice(32_769), Err(EntryError::BodyTooLong(32_769)));
    let endorsement = |length| Endorsement { key_id: [0; 32], algorithm: 0, signature: vec![0; length] };
    let largest = notice(32_768).unwrap();
    for (endorsements, fits) in [(vec![endorsement(5000); 6], true), (vec![endorsement(5000); 7], false)] {
        assert_eq!(largest.clone().with_endorsements(endorsements).is_ok(), fits);
    }
    // Each within its own limit, but too long together.
    let mut nearly = vec![endorsement(5000); 6];
    nearly.push(endorsement(32_768 - 6 * 5036 - 36));
    assert!(example(EventType::ISSUE).with_endorsements(nearly.clone()).is_ok());
    assert_eq!(largest.with_endorsements(nearly), Err(EntryError::Endorsements));
    for length in [0, 5001] {
        assert!(example(EventType::ISSUE).with_endorsements(vec![endorsement(length)]).is_err());
    }
}

#[test]
fn an_event_id_differs_in_log_type_certificate_and_version() {
    let key = StatusKey::of_tbs(b"tbs");
    let base = event_id("log", EventType::ISSUE, &key, 1);
    assert_ne!(base, event_id("log2", EventType::ISSUE, &key, 1));
    assert_ne!(base, event_id("log", EventType::HOLD, &key, 1));
    assert_ne!(base, event_id("log", EventType::ISSUE, &StatusKey::NONE, 1));
    assert_ne!(base, event_id("log", EventType::ISSUE, &key, 2));
}

#[test]
fn a_token_is_named_by_its_hash_in_its_log_alone() {
    let entry = Entry::time_stamp(ORIGIN, 1_795_000_000, Digests::default(), &[7; 32]);
    assert_eq!(entry.token(ORIGIN), Ok([7; 32]));
    assert_eq!(entry.token("other"), Err(EntryError::Body));
    for (wrong, body) in [(EventType::TIME_STAMP, vec![8; 32]), (EventType::TIME_STAMP, vec![7; 31]), (EventType::AUDIT, vec![7; 32])] {
        assert!(Entry { event_type: wrong, body, ..entry.clone() }.token(ORIGIN).is_err());
    }
}

#[test]
fn recorded_statements_are_named_in_order_in_their_log_alone() {
    let entry = Entry::statements(ORIGIN, 1_795_000_000, BTreeSet::from([[9; 32], [7; 32]])).unwrap();
    assert_eq!(entry.recorded_statements(ORIGIN), Ok(vec![[7; 32], [9; 32]]));
    assert_eq!(entry.recorded_statements("other"), Err(EntryError::Body));
    let named = |body: Vec<u8>| {
        let event = Event { origin: ORIGIN, status_key: StatusKey::NONE, version: version_of(&sha256(&body)), time: 0 };
        Entry::notice(&event, EventType::STATEMENTS, Digests::default(), body).unwrap().recorded_statements(ORIGIN)
    };
    assert_eq!(named([[7; 32], [9; 32]].concat()), Ok(vec![[7; 32], [9; 32]]));
    for wrong in [vec![], vec![7; 31], [[9; 32], [7; 32]].concat(), [[7; 32], [7; 32]].concat()] {
        assert_eq!(named(wrong), Err(EntryError::Body));
    }
    let most = |count: usize| Entry::statements(ORIGIN, 0, (0..count).map(|one| sha256(&one.to_be_bytes())).collect());
    assert!(most(MAX_STATEMENTS).is_ok() && most(MAX_STATEMENTS + 1).is_err() && most(0).is_err());
}

proptest! {
    #[test]
    fn every_entry_reads_back(entry in any_entry()) {
        prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }

    #[test]
    fn what_decodes_is_what_encodes(entry in any_entry(), position in any::<proptest::sample::Index>(), octet: u8) {
        let mut octets = entry.encode();
        let position = position.index(octets.len());
        octets[position] = octet;
        if let Ok(decoded) = Entry::decode(&octets) {
            prop_assert_eq!(decoded.encode(), octets);
        }
    }

    #[test]
    fn decoding_any_octets_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(entry) = Entry::decode(&octets) {
            prop_assert_eq!(entry.encode(), octets);
        }
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let endorsement = (any::<[u8; 32]>(), any::<u16>(), proptest::collection::vec(any::<u8>(), 1..100));
    let endorsements = proptest::collection::vec(
        endorsement.prop_map(|(key_id, algorithm, signature)| Endorsement { key_id, algorithm, signature }),
        0..4,
    );
    let header = (any::<[u8; 2]>(), any::<u64>(), any::<[[u8; 32]; 6]>(), (0_u8..4, 0_u8..4));
    (header, proptest::collection::vec(any::<u8>(), 0..300), endorsements).prop_map(|(header, body, endorsements)| {
        let ([event_type, reason], time, [event_id, key, subject, decision, policy, payload], (prev, new)) = header;
        Entry {
            event_type: EventType(event_type),
            time,
            event_id,
            status_key: StatusKey(key),
            prev_state: State::from_octet(prev).unwrap(),
            new_state: State::from_octet(new).unwrap(),
            reason,
            digests: Digests { subject, decision, policy, payload },
            body,
            endorsements,
        }
    })
}

fn example(event_type: EventType) -> Entry {
    let digests = Digests { subject: [1; 32], decision: [2; 32], policy: [3; 32], payload: [4; 32] };
    match event_type {
        EventType::ISSUE => Entry::issue(&event(), digests, 1_830_000_001),
        EventType::HOLD => Entry::hold(&event(), digests),
        EventType::RESUME => Entry::resume(&event(), digests),
        EventType::REVOKE => Entry::revoke(&event(), digests, State::Hold, 1, Some(1_794_000_000)),
        EventType::EXPIRE => Entry::expire(&event(), State::Revoked),
        EventType::MAP_HEAD => Entry::map_head(ORIGIN, 1_795_000_000, &head()),
        other => Entry::notice(&event(), other, digests, b"body".to_vec()).unwrap(),
    }
}

fn event() -> Event<'static> {
    Event { origin: ORIGIN, status_key: StatusKey::of_tbs(b"tbs"), version: 7, time: 1_795_000_000 }
}

fn head() -> MapHead {
    let counts = Counts { good: 1_000_000, hold: 2, revoked: 300 };
    MapHead { covers_size: 70_000, depth: Depth::DEFAULT, root: [5; 32], counts }
}
