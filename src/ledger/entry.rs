//! The leaf of the log: `LedgerEntry` version 1, in the presentation language of TLS (RFC 8446 §3).
//!
//! A leaf says that something happened to a certificate, on whose decision and under which policy, as digests only:
//! no personal data, and never the signed certificate, because the leaf is committed before the signature exists.

use std::{collections::BTreeSet, fmt};

use super::{
    Depth,
    merkle::Hash,
    record::Counts,
    wire::{Reader, push_vector},
};
use crate::crypto::digest::{sha256, sha256_concat};

const VERSION: u8 = 1;
/// Limit of a body and of the list of endorsements (`<0..2^15>`).
const MAX_VECTOR: usize = 1 << 15;
/// The most statements that one entry names.
pub const MAX_STATEMENTS: usize = MAX_VECTOR / 32;
/// Limit of the whole entry: an entry bundle gives its length two octets.
const MAX_ENTRY: usize = u16::MAX as usize;
const MAX_SIGNATURE: usize = 5000;
const DAY: u64 = 86_400;
/// CRLReason certificateHold (RFC 5280 §5.3.1).
pub(super) const CERTIFICATE_HOLD: u8 = 6;

/// Why octets are not an entry, or an entry cannot hold what was given to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("not a ledger entry of version 1")]
    Malformed,
    #[error("the body does not fit the type of the entry")]
    Body,
    #[error("a body of {0} octets is too long")]
    BodyTooLong(usize),
    #[error("an endorsement without signature, with too long a one, or more of them than an entry holds")]
    Endorsements,
}

/// What happened. A reader hashes an entry whose type it does not know, and skips it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(pub u8);

impl EventType {
    pub const ISSUE: Self = Self(1);
    pub const HOLD: Self = Self(3);
    pub const RESUME: Self = Self(4);
    pub const REVOKE: Self = Self(5);
    /// The certificate's time is over and it leaves the status map.
    pub const EXPIRE: Self = Self(6);
    pub const CA_EVENT: Self = Self(7);
    pub const CRL_PUBLISHED: Self = Self(8);
    pub const POLICY: Self = Self(9);
    /// The salt and the personal data behind an entry were destroyed.
    pub const ERASE: Self = Self(10);
    pub const MAP_HEAD: Self = Self(11);
    pub const AUDIT: Self = Self(12);
    pub const ROLE: Self = Self(13);
    /// The checkpoint of another log, so that events order across logs.
    pub const OTHER_HEAD: Self = Self(14);
    /// A time-stamp token was given out.
    pub const TIME_STAMP: Self = Self(15);
    /// Statements were recorded that no other leaf names yet.
    pub const STATEMENTS: Self = Self(16);

    /// The registry. Reserved for later, and so unknown today: 32 record, 33 grant, 34 use, 35 score, 36 alarm.
    pub const KNOWN: &[(Self, &str)] = &[
        (Self::ISSUE, "issue"),
        (Self::HOLD, "hold"),
        (Self::RESUME, "resume"),
        (Self::REVOKE, "revoke"),
        (Self::EXPIRE, "expire"),
        (Self::CA_EVENT, "ca-event"),
        (Self::CRL_PUBLISHED, "crl-published"),
        (Self::POLICY, "policy"),
        (Self::ERASE, "erase"),
        (Self::MAP_HEAD, "map-head"),
        (Self::AUDIT, "audit"),
        (Self::ROLE, "role"),
        (Self::OTHER_HEAD, "other-head"),
        (Self::TIME_STAMP, "time-stamp"),
        (Self::STATEMENTS, "statements"),
    ];

    /// `None` for a type that is not known here.
    pub fn name(self) -> Option<&'static str> {
        Self::KNOWN.iter().find(|(known, _)| *known == self).map(|(_, name)| *name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "type-{}", self.0),
        }
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EventType({self})")
    }
}

/// The status of a certificate. Absent: never issued, or expired and taken off the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Absent = 0,
    Good = 1,
    Hold = 2,
    Revoked = 3,
}

impl State {
    pub fn from_octet(octet: u8) -> Option<Self> {
        [Self::Absent, Self::Good, Self::Hold, Self::Revoked].into_iter().find(|state| *state as u8 == octet)
    }
}

/// The identity of a certificate in the log and in the map. Made from the TBSCertificate, so that it binds subject and key:
/// a forger who copies the serial number of a good certificate does not inherit its status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusKey(Hash);

impl StatusKey {
    /// The key of entries that are not about a certificate.
    pub const NONE: Self = Self([0; 32]);

    /// From the DER of a TBSCertificate.
    pub fn of_tbs(tbs: &[u8]) -> Self {
        Self::from_tbs_digest(&sha256(tbs))
    }

    pub fn from_tbs_digest(digest: &Hash) -> Self {
        Self(sha256_concat(&[b"hufu/status-key/v1\0", digest]))
    }

    /// A key that was stored or received.
    pub fn from_bytes(key: Hash) -> Self {
        Self(key)
    }

    pub fn as_bytes(&self) -> &Hash {
        &self.0
    }
}

impl fmt::Display for StatusKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for StatusKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StatusKey({self})")
    }
}

/// Names an event once and for all, so that a retry cannot log it twice. `version` counts the changes of the certificate's row.
pub fn event_id(origin: &str, event_type: EventType, status_key: &StatusKey, version: u64) -> Hash {
    let parts: [&[u8]; 6] = [b"hufu/event/v1\0", origin.as_bytes(), &[0], &[event_type.0], &status_key.0, &version.to_be_bytes()];
    sha256_concat(&parts)
}

/// What every constructor of an entry needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The log.
    pub origin: &'a str,
    pub status_key: StatusKey,
    /// The number of the change of this certificate (or of this type, for events without a certificate).
    pub version: u64,
    /// Seconds since 1970.
    pub time: u64,
}

/// What lies behind an event and is kept off the log. Zero where there is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digests {
    /// Salted commitment to the subject: HMAC-SHA256 under a salt that can be destroyed.
    pub subject: Hash,
    /// Of the canonical list of the signed statements and of the policy decision that led here.
    pub decision: Hash,
    /// Of the policy version that was in force.
    pub policy: Hash,
    /// Of the sealed payload.
    pub payload: Hash,
}

/// One leaf. Always encodable: body and endorsements are within their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub event_type: EventType,
    /// Seconds since 1970.
    pub time: u64,
    pub event_id: Hash,
    pub status_key: StatusKey,
    pub prev_state: State,
    pub new_state: State,
    /// CRLReason (RFC 5280 §5.3.1).
    pub reason: u8,
    pub digests: Digests,
    body: Vec<u8>,
    endorsements: Vec<Endorsement>,
}

impl Entry {
    /// A certificate is promised. `not_after` (seconds) is rounded up to the day: mirrors need it to police `expire`.
    pub fn issue(event: &Event, digests: Digests, not_after: u64) -> Self {
        let not_after = not_after.checked_next_multiple_of(DAY).unwrap_or(u64::MAX / DAY * DAY);
        let body = not_after.to_be_bytes().to_vec();
        Self { body, ..Self::change(event, EventType::ISSUE, digests, State::Absent, State::Good) }
    }

    /// A certificate is suspended; the reason is certificateHold.
    pub fn hold(event: &Event, digests: Digests) -> Self {
        Self { reason: CERTIFICATE_HOLD, ..Self::change(event, EventType::HOLD, digests, State::Good, State::Hold) }
    }

    /// A suspended certificate is good again.
    pub fn resume(event: &Event, digests: Digests) -> Self {
        Self::change(event, EventType::RESUME, digests, State::Hold, State::Good)
    }

    /// A certificate is revoked for good. `reason` is a CRLReason other than 6 to 8. `since`: from when on the key is
    /// not trusted (invalidityDate), in seconds.
    pub fn revoke(event: &Event, digests: Digests, prev_state: State, reason: u8, since: Option<u64>) -> Self {
        let body = since.unwrap_or(0).to_be_bytes().to_vec();
        Self { reason, body, ..Self::change(event, EventType::REVOKE, digests, prev_state, State::Revoked) }
    }

    /// A certificate whose `not_after` has passed leaves the map.
    pub fn expire(event: &Event, prev_state: State) -> Self {
        Self::change(event, EventType::EXPIRE, Digests::default(), prev_state, State::Absent)
    }

    /// The last leaf of a batch: the state of the map over all leaves before it. Its index is `head.covers_size`.
    pub fn map_head(origin: &str, time: u64, head: &MapHead) -> Self {
        let event = Event { origin, status_key: StatusKey::NONE, version: head.covers_size, time };
        let unchanged = State::Absent;
        Self { body: head.encode(), ..Self::change(&event, EventType::MAP_HEAD, Digests::default(), unchanged, unchanged) }
    }

    /// An event that changes no certificate's status: a CRL, a policy, a role, another log's head.
    pub fn notice(event: &Event, event_type: EventType, digests: Digests, body: Vec<u8>) -> Result<Self, EntryError> {
        if body.len() > MAX_VECTOR {
            return Err(EntryError::BodyTooLong(body.len()));
        }
        Ok(Self { body, ..Self::change(event, event_type, digests, State::Absent, State::Absent) })
    }

    /// A time-stamp token is given out; `token` is SHA-256 of its DER.
    pub fn time_stamp(origin: &str, time: u64, digests: Digests, token: &Hash) -> Self {
        let event = Event { origin, status_key: StatusKey::NONE, version: version_of(token), time };
        let unchanged = State::Absent;
        Self { body: token.to_vec(), ..Self::change(&event, EventType::TIME_STAMP, digests, unchanged, unchanged) }
    }

    /// Statements are recorded that wait for others, or for a key: their digests, of which there are one to `MAX_STATEMENTS`.
    pub fn statements(origin: &str, time: u64, digests: BTreeSet<Hash>) -> Result<Self, EntryError> {
        let body: Vec<u8> = digests.into_iter().flatten().collect();
        if body.is_empty() {
            return Err(EntryError::Body);
        }
        let event = Event { origin, status_key: StatusKey::NONE, version: version_of(&sha256(&body)), time };
        Self::notice(&event, EventType::STATEMENTS, Digests::default(), body)
    }

    fn change(event: &Event, event_type: EventType, digests: Digests, prev_state: State, new_state: State) -> Self {
        Self {
            event_type,
            time: event.time,
            event_id: event_id(event.origin, event_type, &event.status_key, event.version),
            status_key: event.status_key,
            prev_state,
            new_state,
            reason: 0,
            digests,
            body: Vec::new(),
            endorsements: Vec::new(),
        }
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub fn endorsements(&self) -> &[Endorsement] {
        &self.endorsements
    }

    /// The end of validity, rounded up to the day, in the body of an `issue`.
    pub fn not_after(&self) -> Result<u64, EntryError> {
        let seconds = self.body_of(EventType::ISSUE)?.try_into().map(u64::from_be_bytes).map_err(|_| EntryError::Body)?;
        if seconds % DAY == 0 { Ok(seconds) } else { Err(EntryError::Body) }
    }

    /// From when on the key is not trusted, in the body of a `revoke`; `None` when nobody knows.
    pub fn invalid_since(&self) -> Result<Option<u64>, EntryError> {
        let seconds = self.body_of(EventType::REVOKE)?.try_into().map(u64::from_be_bytes).map_err(|_| EntryError::Body)?;
        Ok((seconds != 0).then_some(seconds))
    }

    /// The body of a `map-head`.
    pub fn to_map_head(&self) -> Result<MapHead, EntryError> {
        MapHead::decode(self.body_of(EventType::MAP_HEAD)?).ok_or(EntryError::Body)
    }

    /// The hash of the token in the body of a `time-stamp` of the log with that origin, which must be what names the event too.
    pub fn token(&self, origin: &str) -> Result<Hash, EntryError> {
        let token: Hash = self.body_of(EventType::TIME_STAMP)?.try_into().map_err(|_| EntryError::Body)?;
        let named = event_id(origin, EventType::TIME_STAMP, &StatusKey::NONE, version_of(&token));
        if self.event_id == named { Ok(token) } else { Err(EntryError::Body) }
    }

    /// The digests in the body of a `statements` of the log with that origin, ascending, which must be what names the event too.
    pub fn recorded_statements(&self, origin: &str) -> Result<Vec<Hash>, EntryError> {
        let (digests, rest) = self.body_of(EventType::STATEMENTS)?.as_chunks::<32>();
        let named = event_id(origin, EventType::STATEMENTS, &StatusKey::NONE, version_of(&sha256(&self.body)));
        let whole = rest.is_empty() && !digests.is_empty() && digests.is_sorted_by(|one, next| one < next);
        if whole && self.event_id == named { Ok(digests.to_vec()) } else { Err(EntryError::Body) }
    }

    fn body_of(&self, event_type: EventType) -> Result<&[u8], EntryError> {
        if self.event_type == event_type { Ok(&self.body) } else { Err(EntryError::Body) }
    }

    /// The octets whose hash is the leaf.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(&self.endorsements)
    }

    /// The octets that an endorsement signs: the entry without endorsements.
    pub fn to_be_endorsed(&self) -> Vec<u8> {
        self.encode_with(&[])
    }

    fn encode_with(&self, endorsements: &[Endorsement]) -> Vec<u8> {
        let Digests { subject, decision, policy, payload } = &self.digests;
        let mut octets = vec![VERSION, self.event_type.0];
        octets.extend(self.time.to_be_bytes());
        octets.extend(self.event_id);
        octets.extend(self.status_key.0);
        octets.extend([self.prev_state as u8, self.new_state as u8, self.reason]);
        octets.extend([subject, decision, policy, payload].into_iter().flatten());
        push_vector(&mut octets, &self.body);
        push_vector(&mut octets, &encode_endorsements(endorsements));
        octets
    }

    /// Reads exactly what `encode` writes; an unknown type is kept, other states than the four are not.
    pub fn decode(octets: &[u8]) -> Result<Self, EntryError> {
        if octets.len() > MAX_ENTRY {
            return Err(EntryError::Malformed);
        }
        Self::read(Reader::new(octets)).ok_or(EntryError::Malformed)
    }

    fn read(mut reader: Reader<'_>) -> Option<Self> {
        if reader.u8()? != VERSION {
            return None;
        }
        let entry = Self {
            event_type: EventType(reader.u8()?),
            time: reader.u64()?,
            event_id: reader.array()?,
            status_key: StatusKey(reader.array()?),
            prev_state: State::from_octet(reader.u8()?)?,
            new_state: State::from_octet(reader.u8()?)?,
            reason: reader.u8()?,
            digests: Digests { subject: reader.array()?, decision: reader.array()?, policy: reader.array()?, payload: reader.array()? },
            body: reader.vector().filter(|body| body.len() <= MAX_VECTOR)?.to_vec(),
            endorsements: decode_endorsements(reader.vector()?)?,
        };
        reader.finish(entry)
    }

    /// The same entry with these endorsements in place of those it had.
    pub fn with_endorsements(self, endorsements: Vec<Endorsement>) -> Result<Self, EntryError> {
        let list = encode_endorsements(&endorsements);
        let each_fits = endorsements.iter().all(|endorsement| (1..=MAX_SIGNATURE).contains(&endorsement.signature.len()));
        if !each_fits || list.len() > MAX_VECTOR || self.to_be_endorsed().len() + list.len() > MAX_ENTRY {
            return Err(EntryError::Endorsements);
        }
        Ok(Self { endorsements, ..self })
    }
}

/// The number of an event that has none of its own: the start of the digest of what it is about.
pub fn version_of(digest: &Hash) -> u64 {
    let mut octets = [0; 8];
    octets.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(octets)
}

/// A mirror's signature over an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// SHA-256 of the signer's SubjectPublicKeyInfo.
    pub key_id: Hash,
    /// TLS SignatureScheme.
    pub algorithm: u16,
    pub signature: Vec<u8>,
}

fn encode_endorsements(endorsements: &[Endorsement]) -> Vec<u8> {
    let mut list = Vec::new();
    for endorsement in endorsements {
        list.extend(endorsement.key_id);
        list.extend(endorsement.algorithm.to_be_bytes());
        push_vector(&mut list, &endorsement.signature);
    }
    list
}

fn decode_endorsements(list: &[u8]) -> Option<Vec<Endorsement>> {
    let mut reader = Reader::new((list.len() <= MAX_VECTOR).then_some(list)?);
    let mut endorsements = Vec::new();
    while !reader.is_empty() {
        let (key_id, algorithm, signature) = (reader.array()?, reader.u16()?, reader.vector()?.to_vec());
        if !(1..=MAX_SIGNATURE).contains(&signature.len()) {
            return None;
        }
        endorsements.push(Endorsement { key_id, algorithm, signature });
    }
    Some(endorsements)
}

/// The state of the status map over the leaves `0..covers_size`. It stands at index `covers_size`, and a checkpoint ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapHead {
    pub covers_size: u64,
    pub depth: Depth,
    /// Over the 2^depth buckets.
    pub root: Hash,
    pub counts: Counts,
}

impl MapHead {
    fn encode(&self) -> Vec<u8> {
        let Counts { good, hold, revoked } = self.counts;
        let mut body = self.covers_size.to_be_bytes().to_vec();
        body.push(self.depth.get());
        body.extend(self.root);
        body.extend([good, hold, revoked].into_iter().flat_map(u64::to_be_bytes));
        body
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (covers_size, depth, root) = (reader.u64()?, Depth::new(reader.u8()?)?, reader.array()?);
        let counts = Counts { good: reader.u64()?, hold: reader.u64()?, revoked: reader.u64()? };
        reader.finish(Self { covers_size, depth, root, counts })
    }
}

#[cfg(test)]
mod tests;
