//! Records and buckets of the status map: the octets that its leaves are made of.

use super::{
    entry::{State, StatusKey},
    wire::Reader,
};

/// Octets of a record: key, state, reason, six zeros, time.
pub const RECORD_SIZE: usize = 48;

/// How many certificates are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub good: u64,
    pub hold: u64,
    pub revoked: u64,
}

impl Counts {
    pub(super) fn of(&mut self, state: State) -> Option<&mut u64> {
        match state {
            State::Absent => None,
            State::Good => Some(&mut self.good),
            State::Hold => Some(&mut self.hold),
            State::Revoked => Some(&mut self.revoked),
        }
    }
}

/// The map has 2^depth buckets; fixed when the log is made. From 1 to 24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth(u8);

impl Depth {
    /// 65,536 buckets: about 15 certificates in each of a log of a million.
    pub const DEFAULT: Self = Self(16);

    pub fn new(depth: u8) -> Option<Self> {
        (1..=24).contains(&depth).then_some(Self(depth))
    }

    pub fn get(self) -> u8 {
        self.0
    }

    pub fn buckets(self) -> u32 {
        1 << self.0
    }

    /// The bucket of a key: its first `depth` bits.
    pub fn bucket_of(self, key: &StatusKey) -> u32 {
        let [a, b, c, d, ..] = *key.as_bytes();
        u32::from_be_bytes([a, b, c, d]) >> (32 - u32::from(self.0))
    }

    /// The smallest key of a bucket.
    pub(super) fn first_key(self, bucket: u32) -> StatusKey {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&(bucket << (32 - u32::from(self.0))).to_be_bytes());
        StatusKey::from_bytes(key)
    }
}

/// The status of one certificate in the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub key: StatusKey,
    /// Never absent.
    pub state: State,
    /// CRLReason of the last change.
    pub reason: u8,
    /// The time of the last change, in seconds: that of its leaf.
    pub since: u64,
}

impl Record {
    pub fn encode(&self) -> [u8; RECORD_SIZE] {
        let mut octets = [0; RECORD_SIZE];
        octets[..32].copy_from_slice(self.key.as_bytes());
        octets[32..34].copy_from_slice(&[self.state as u8, self.reason]);
        octets[40..].copy_from_slice(&self.since.to_be_bytes());
        octets
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(octets);
        let key = StatusKey::from_bytes(reader.array()?);
        let state = State::from_octet(reader.u8()?).filter(|state| *state != State::Absent)?;
        let reason = reader.u8()?;
        if reader.array()? != [0; 6] {
            return None;
        }
        let since = reader.u64()?;
        reader.finish(Self { key, state, reason, since })
    }
}

/// The records of a bucket; `None` unless they are well-formed, strictly ascending, and all belong to it.
///
/// A second record of one key, or one that stands where nobody looks for it, would let a log say two things about a certificate.
pub fn parse_bucket(octets: &[u8], bucket: u32, depth: Depth) -> Option<Vec<Record>> {
    let (chunks, rest) = octets.as_chunks::<RECORD_SIZE>();
    let records = chunks.iter().map(|chunk| Record::decode(chunk)).collect::<Option<Vec<_>>>()?;
    let ascending = records.is_sorted_by(|left, right| left.key < right.key);
    let own = records.iter().all(|record| depth.bucket_of(&record.key) == bucket);
    (rest.is_empty() && ascending && own).then_some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_octets_of_the_format() {
        let record = Record { key: StatusKey::from_bytes([0xab; 32]), state: State::Revoked, reason: 1, since: 1_795_000_000 };
        let expected = format!("{}0301000000000000{:016x}", "ab".repeat(32), 1_795_000_000);
        assert_eq!(hex::encode(record.encode()), expected);
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }

    #[test]
    fn the_bucket_of_a_key_is_its_first_bits() {
        let key = StatusKey::from_bytes([0xa5; 32]);
        for (depth, bucket) in [(1, 1), (4, 0xa), (12, 0xa5a), (16, 0xa5a5), (24, 0x00a5_a5a5)] {
            let depth = Depth::new(depth).unwrap();
            assert_eq!(depth.bucket_of(&key), bucket);
            assert_eq!(depth.bucket_of(&depth.first_key(bucket)), bucket);
            assert!(depth.first_key(bucket) <= key);
        }
        assert_eq!((Depth::new(0), Depth::new(25)), (None, None));
    }

    #[test]
    fn a_bucket_that_is_not_in_order_is_refused() {
        let depth = Depth::new(4).unwrap();
        let record = |octet: u8| Record { key: StatusKey::from_bytes([octet; 32]), state: State::Good, reason: 0, since: 1 }.encode();
        let bucket = |records: &[[u8; RECORD_SIZE]]| parse_bucket(&records.concat(), 0xa, depth);
        assert_eq!(bucket(&[]).unwrap().len(), 0);
        assert_eq!(bucket(&[record(0xa1), record(0xa2)]).unwrap().len(), 2);
        assert_eq!(bucket(&[record(0xa2), record(0xa1)]), None);
        assert_eq!(bucket(&[record(0xa1), record(0xa1)]), None);
        assert_eq!(bucket(&[record(0xb1)]), None);
        assert_eq!(parse_bucket(&record(0xa1)[..47], 0xa, depth), None);
        for (position, octet) in [(32, 0), (32, 4), (34, 1), (39, 1)] {
            let mut altered = record(0xa1);
            altered[position] = octet;
            assert_eq!(bucket(&[altered]), None, "{position}");
        }
    }
}
