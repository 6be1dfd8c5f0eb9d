//! What is handed to those who verify offline: a receipt (an entry is in the log) and a status proof (a certificate is good,
//! on hold, revoked, or was never issued, as of a time).
//!
//! A receipt is a C2SP tlog-proof; a status proof is `hufu/status-proof@v1` with a receipt of the map head behind it.

use std::fmt;

use super::{
    checkpoint::Checkpoint,
    entry::{Entry, EntryError, EventType, MapHead, State, StatusKey},
    merkle::{Hash, ProofError, leaf_hash, verify_inclusion},
    note::{Note, NoteError, NoteKey, Vouched},
    record::{Depth, parse_bucket},
    status_map::StatusMap,
    text,
};
use crate::world::rfc3339_seconds;

const RECEIPT_HEADER: &str = "c2sp.org/tlog-proof@v1";
const STATUS_HEADER: &str = "hufu/status-proof@v1";
/// No tree is higher.
const MAX_PATH: usize = 64;

/// Why a proof was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("not a well-formed {0}")]
    Malformed(&'static str),
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
    #[error("the checkpoint is of the log {0}")]
    OtherLog(String),
    #[error("the trusted key {0} did not sign the checkpoint")]
    NotSignedBy(String),
    #[error("the entry: {0}")]
    Entry(#[from] EntryError),
    #[error("the entry in the log: {0}")]
    Inclusion(ProofError),
    #[error("the proof is about another certificate")]
    OtherCertificate,
    #[error("the proof is about another token")]
    OtherToken,
    #[error("the bucket is not a sorted list of records of its own")]
    Bucket,
    #[error("the bucket in the map: {0}")]
    Map(ProofError),
    #[error("the map head is not the last leaf of the checkpoint")]
    NotLast,
    #[error("the proof speaks as of {}, which is too long ago", rfc3339_seconds(*as_of))]
    Stale { as_of: u64 },
    #[error("the proof speaks as of {}, which is still to come", rfc3339_seconds(*as_of))]
    Future { as_of: u64 },
}

/// The log that a verifier trusts. All of its keys must have signed: this is the quorum of a log without witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedLog {
    pub origin: String,
    pub keys: Vec<NoteKey>,
}

/// A checkpoint that its quorum signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedCheckpoint {
    pub checkpoint: Checkpoint,
    /// The latest time at which the whole quorum vouched (seconds); `None` when no trusted key gives a time.
    pub vouched_at: Option<u64>,
}

impl TrustedLog {
    /// Checks signatures and origin of a checkpoint.
    pub fn verify(&self, note: &Note) -> Result<TrustedCheckpoint, VerifyError> {
        if self.keys.is_empty() {
            return Err(NoteError::Unsigned.into());
        }
        let mut times = Vec::new();
        for key in &self.keys {
            match key.verify(note)?.ok_or_else(|| VerifyError::NotSignedBy(key.name().to_owned()))? {
                Vouched::At(time) => times.push(time),
                Vouched::Untimed => {}
            }
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != self.origin {
            return Err(VerifyError::OtherLog(checkpoint.origin));
        }
        Ok(TrustedCheckpoint { checkpoint, vouched_at: times.into_iter().min() })
    }
}

/// That an entry stands in a log (C2SP tlog-proof). Its text is what is stored and handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The entry itself in our receipts; nothing vouches for it but the inclusion proof.
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    pub path: Vec<Hash>,
    pub checkpoint: Note,
}

impl Receipt {
    /// Reads exactly what `to_string` writes; what it says is to be verified.
    pub fn parse(receipt: &str) -> Result<Self, VerifyError> {
        Self::read(receipt).ok_or(VerifyError::Malformed("receipt"))?
    }

    fn read(receipt: &str) -> Option<Result<Self, VerifyError>> {
        let (header, note) = receipt.split_once("\n\n")?;
        let mut lines = header.split('\n').peekable();
        if lines.next() != Some(RECEIPT_HEADER) {
            return None;
        }
        let extra = match lines.peek()?.strip_prefix("extra ") {
            Some(extra) => {
                lines.next();
                Some(text::decode(extra).filter(|extra| !extra.is_empty())?)
            }
            None => None,
        };
        let index = text::parse_decimal(lines.next()?.strip_prefix("index ")?)?;
        let path = lines.map(text::decode_hash).collect::<Option<Vec<_>>>().filter(|path| path.len() <= MAX_PATH)?;
        Some(Note::parse(note).map(|checkpoint| Self { extra, index, path, checkpoint }).map_err(VerifyError::from))
    }

    /// The entry that travels with the receipt.
    pub fn entry(&self) -> Result<Entry, VerifyError> {
        Ok(Entry::decode(self.extra.as_deref().ok_or(VerifyError::Malformed("receipt: no entry in it"))?)?)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{RECEIPT_HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", text::encode(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(formatter, "{}", text::encode(hash)))?;
        write!(formatter, "\n{}", self.checkpoint)
    }
}

/// Shows that these octets are an entry of the log at the receipt's index.
pub fn verify_receipt(receipt: &Receipt, entry: &[u8], log: &TrustedLog) -> Result<TrustedCheckpoint, VerifyError> {
    let trusted = log.verify(&receipt.checkpoint)?;
    let Checkpoint { size, root, .. } = &trusted.checkpoint;
    verify_inclusion(&leaf_hash(entry), receipt.index, *size, &receipt.path, root).map_err(VerifyError::Inclusion)?;
    Ok(trusted)
}

/// Shows that the log promised the certificate with this TBS digest, and returns the entry that says so.
pub fn verify_issue_receipt(receipt: &Receipt, tbs_digest: &Hash, log: &TrustedLog) -> Result<(Entry, TrustedCheckpoint), VerifyError> {
    verify_change_receipt(receipt, EventType::ISSUE, tbs_digest, log)
}

/// Shows that the log revoked this certificate, and returns the entry that says so.
pub fn verify_revocation_receipt(receipt: &Receipt, tbs_digest: &Hash, log: &TrustedLog) -> Result<Entry, VerifyError> {
    verify_change_receipt(receipt, EventType::REVOKE, tbs_digest, log).map(|(entry, _)| entry)
}

fn verify_change_receipt(
    receipt: &Receipt,
    change: EventType,
    tbs_digest: &Hash,
    log: &TrustedLog,
) -> Result<(Entry, TrustedCheckpoint), VerifyError> {
    let entry = receipt.entry()?;
    if entry.event_type != change || entry.status_key != StatusKey::from_tbs_digest(tbs_digest) {
        return Err(VerifyError::OtherCertificate);
    }
    // `encode` gives the octets that were decoded, and no others decode to this entry.
    let trusted = verify_receipt(receipt, &entry.encode(), log)?;
    Ok((entry, trusted))
}

/// Shows that the log recorded the time-stamp token with this SHA-256, and returns the entry that says so.
pub fn verify_token_receipt(receipt: &Receipt, token: &Hash, log: &TrustedLog) -> Result<(Entry, TrustedCheckpoint), VerifyError> {
    let entry = receipt.entry()?;
    if entry.token(&log.origin) != Ok(*token) {
        return Err(VerifyError::OtherToken);
    }
    let trusted = verify_receipt(receipt, &entry.encode(), log)?;
    Ok((entry, trusted))
}

/// The bucket of a certificate with the way to the map's root, and the receipt of the map head that names that root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusProof {
    pub key: StatusKey,
    pub depth: Depth,
    /// The records of the key's bucket, one after the other.
    pub bucket: Vec<u8>,
    pub siblings: Vec<Hash>,
    /// With the map head as its entry.
    pub head: Receipt,
}

/// What a status proof shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenStatus {
    /// Absent: not issued by this log's authority, or expired and taken off the map.
    pub state: State,
    /// CRLReason of the last change; 0 if absent.
    pub reason: u8,
    /// When the status last changed, in seconds; 0 if absent.
    pub since: u64,
    /// The time at which all this was so, in seconds.
    pub as_of: u64,
}

impl StatusProof {
    /// The proof for a key from the map that `head` is the head of.
    pub fn new(map: &StatusMap, key: StatusKey, head: Receipt) -> Self {
        let bucket = map.depth().bucket_of(&key);
        Self { key, depth: map.depth(), bucket: map.bucket(bucket), siblings: map.siblings(bucket), head }
    }

    /// Reads exactly what `to_string` writes; what it says is to be verified.
    pub fn parse(proof: &str) -> Result<Self, VerifyError> {
        Self::read(proof).ok_or(VerifyError::Malformed("status proof"))?
    }

    fn read(proof: &str) -> Option<Result<Self, VerifyError>> {
        let (header, receipt) = proof.split_once("\n\n")?;
        let mut lines = header.split('\n');
        if lines.next() != Some(STATUS_HEADER) {
            return None;
        }
        let key = StatusKey::from_bytes(text::decode_hash(lines.next()?.strip_prefix("key ")?)?);
        let depth = Depth::new(text::parse_decimal(lines.next()?.strip_prefix("depth ")?)?.try_into().ok()?)?;
        let bucket = match lines.next()?.strip_prefix("bucket ")? {
            "-" => Vec::new(),
            records => text::decode(records).filter(|records| !records.is_empty())?,
        };
        let siblings = lines.map(text::decode_hash).collect::<Option<Vec<_>>>()?;
        if siblings.len() != usize::from(depth.get()) {
            return None;
        }
        Some(Receipt::parse(receipt).map(|head| Self { key, depth, bucket, siblings, head }))
    }
}

impl fmt::Display for StatusProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = if self.bucket.is_empty() { "-".to_owned() } else { text::encode(&self.bucket) };
        writeln!(formatter, "{STATUS_HEADER}\nkey {}", text::encode(self.key.as_bytes()))?;
        writeln!(formatter, "depth {}\nbucket {bucket}", self.depth.get())?;
        self.siblings.iter().try_for_each(|hash| writeln!(formatter, "{}", text::encode(hash)))?;
        write!(formatter, "\n{}", self.head)
    }
}

/// Judges the status of the certificate with this TBS digest. `now` and `max_age` are seconds; whoever tolerates clocks that
/// differ adds the tolerance to both.
pub fn verify_status_proof(
    proof: &StatusProof,
    tbs_digest: &Hash,
    log: &TrustedLog,
    now: u64,
    max_age: u64,
) -> Result<ProvenStatus, VerifyError> {
    let key = StatusKey::from_tbs_digest(tbs_digest);
    if proof.key != key {
        return Err(VerifyError::OtherCertificate);
    }
    let bucket = proof.depth.bucket_of(&key);
    let records = parse_bucket(&proof.bucket, bucket, proof.depth).ok_or(VerifyError::Bucket)?;

    let (head, head_time, trusted) = verify_map_head(&proof.head, log)?;
    if head.depth != proof.depth {
        return Err(VerifyError::Bucket);
    }
    let buckets = proof.depth.buckets().into();
    verify_inclusion(&leaf_hash(&proof.bucket), bucket.into(), buckets, &proof.siblings, &head.root).map_err(VerifyError::Map)?;

    // An old map under fresh signatures is as stale as fresh news under old ones, so both times count.
    let as_of = trusted.vouched_at.unwrap_or(head_time);
    for time in [head_time, as_of] {
        if time > now {
            return Err(VerifyError::Future { as_of: time });
        }
        if now - time > max_age {
            return Err(VerifyError::Stale { as_of: time });
        }
    }

    let found = records.iter().find(|record| record.key == key);
    Ok(found.map_or(ProvenStatus { state: State::Absent, reason: 0, since: 0, as_of }, |record| ProvenStatus {
        state: record.state,
        reason: record.reason,
        since: record.since,
        as_of,
    }))
}

/// The map head of a receipt and its time. It must be the last leaf of the checkpoint: otherwise an old map could be shown
/// under a fresh checkpoint.
fn verify_map_head(receipt: &Receipt, log: &TrustedLog) -> Result<(MapHead, u64, TrustedCheckpoint), VerifyError> {
    let entry = receipt.entry()?;
    let head = entry.to_map_head()?;
    let trusted = verify_receipt(receipt, &entry.encode(), log)?;
    if head.covers_size != receipt.index || trusted.checkpoint.size - 1 != receipt.index {
        return Err(VerifyError::NotLast);
    }
    Ok((head, entry.time, trusted))
}

#[cfg(test)]
mod tests;
