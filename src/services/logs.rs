//! The logs in memory: the edge of each tree, its status map and its newest signed checkpoint.
//!
//! Built at start from the committed leaves alone and checked against the tree, so that a row changed elsewhere never
//! becomes a status. The journal alone changes it; everybody else reads.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::error::Error;
use crate::{
    crypto::{PublicKey, keys::SigningKey},
    ledger::{self, Change, Checkpoint, Depth, Entry, EventType, Hash, Note, NoteKey, Record, Staged, StatusKey, StatusMap, Tree, merkle},
    store::{self, Db},
};

/// The log of grants, policy versions and other acts that are not about one authority's certificates.
pub const OPERATIONS: &str = "operations";

/// The depth of new status maps: 65,536 buckets.
pub const MAP_DEPTH: u8 = 16;

/// How many leaves are read at once when a log is opened.
const PAGE: u64 = 10_000;

/// One log: its name, its keys, and what is committed.
pub struct Log {
    pub origin: String,
    pub keys: LogKeys,
    pub tree: Tree,
    pub map: StatusMap,
    /// The time of the newest leaf or checkpoint, in seconds: a checkpoint's time never goes back.
    pub time: u64,
    pub fence: i64,
    pub checkpoint: Option<SignedCheckpoint>,
}

/// The two keys that sign a log's checkpoints.
#[derive(Clone)]
pub struct LogKeys {
    pub ed25519: Arc<dyn SigningKey>,
    pub sm2: Arc<dyn SigningKey>,
}

/// A checkpoint with the log's own signatures.
#[derive(Debug, Clone)]
pub struct SignedCheckpoint {
    pub checkpoint: Checkpoint,
    /// As of when it speaks, in seconds.
    pub time: u64,
    pub note: Arc<str>,
}

impl Log {
    /// The public half of the log's keys, as verifiers need them.
    pub fn note_keys(&self) -> Result<[NoteKey; 2], Error> {
        note_keys(&self.origin, self.keys.ed25519.public_key(), self.keys.sm2.public_key())
    }
}

pub fn note_keys(origin: &str, ed25519: &PublicKey, sm2: &PublicKey) -> Result<[NoteKey; 2], Error> {
    let key = |result: Result<NoteKey, ledger::NoteError>| result.map_err(|error| Error::Corrupt(format!("log key of {origin}: {error}")));
    Ok([key(NoteKey::ed25519(origin, ed25519))?, key(NoteKey::sm2_subtree(origin, sm2))?])
}

/// Every log of this installation.
pub struct Logs(RwLock<BTreeMap<String, Log>>);

/// What the map says of a certificate.
#[derive(Debug, Clone)]
pub struct Status {
    pub log: String,
    pub origin: String,
    /// The size of the log that the answer is about.
    pub size: u64,
    pub changes: Vec<Change>,
}

impl Logs {
    pub fn new(logs: BTreeMap<String, Log>) -> Self {
        Self(RwLock::new(logs))
    }

    pub fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Log>> {
        // Nobody panics while holding the lock: the journal prepares everything before it takes it.
        self.0.read().expect("the logs are not poisoned")
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Log>> {
        self.0.write().expect("the logs are not poisoned")
    }

    pub fn add(&self, name: &str, log: Log) {
        self.write().insert(name.to_owned(), log);
    }

    /// What the log says of a certificate; `None` when it was never issued there.
    pub fn status(&self, log: &str, key: &StatusKey) -> Option<Status> {
        let logs = self.read();
        let found = logs.get(log)?;
        let changes = found.map.history(key);
        (!changes.is_empty()).then(|| Status {
            log: log.to_owned(),
            origin: found.origin.clone(),
            size: found.tree.size(),
            changes: changes.to_vec(),
        })
    }

    /// The record of a certificate now, from whichever log issued it.
    pub fn find(&self, key: &StatusKey) -> Option<Record> {
        self.read().values().find_map(|log| log.map.status(key))
    }

    /// What a CRL lists: the certificates of a log that are suspended or revoked, with the change that made them so.
    pub fn held_or_revoked(&self, log: &str) -> Vec<(StatusKey, Change)> {
        let logs = self.read();
        let Some(found) = logs.get(log) else { return Vec::new() };
        let last = |record: Record| found.map.history(&record.key).last().map(|change| (record.key, *change));
        found.map.held_or_revoked().filter_map(last).collect()
    }

    /// The log of that origin, if it has had that size.
    pub fn with_size(&self, origin: &str, size: u64) -> Option<String> {
        let logs = self.read();
        logs.iter().find(|(_, log)| log.origin == origin && size <= log.tree.size()).map(|(name, _)| name.clone())
    }

    pub fn checkpoint(&self, log: &str) -> Option<SignedCheckpoint> {
        self.read().get(log)?.checkpoint.clone()
    }
}

/// Reads every leaf of a log, rebuilds tree and map, and compares them with what the log committed to.
///
/// Errors: `Corrupt`, with the first leaf or head that is not what it must be.
pub async fn open(db: &Db, row: &store::LogRow, keys: LogKeys) -> Result<Log, Error> {
    let corrupt = |why: String| Error::Corrupt(format!("log {}: {why}", row.name));
    let depth = Depth::new(row.map_depth as u8).ok_or_else(|| corrupt("the depth of its map is impossible".to_owned()))?;
    let mut log =
        Log { origin: row.origin.clone(), keys, tree: Tree::new(), map: StatusMap::new(depth), time: 0, fence: 0, checkpoint: None };
    let head = {
        let mut connection = db.read().await?;
        store::ledger::find_head(&mut connection, &row.name).await?
    };
    let Some(head) = head else { return Ok(log) };
    log.fence = head.fence;
    let size = head.size as u64;
    while log.tree.size() < size {
        let from = log.tree.size();
        let leaves = {
            let mut connection = db.read().await?;
            store::ledger::leaves(&mut connection, &row.name, from as i64, size.min(from + PAGE) as i64).await?
        };
        if leaves.is_empty() {
            return Err(corrupt(format!("leaf {from} is missing")));
        }
        replay(&mut log, &leaves.iter().map(|leaf| leaf.entry.as_slice()).collect::<Vec<_>>()).map_err(corrupt)?;
    }
    if log.tree.root() != Hash::try_from(head.root.as_slice()).unwrap_or_default() {
        return Err(corrupt("its leaves do not make the root of its head".to_owned()));
    }
    log.tree.take_changed();
    Ok(log)
}

/// Appends entries that are durable already. Every map head on the way must be the one that the leaves before it make.
fn replay(log: &mut Log, entries: &[&[u8]]) -> Result<(), String> {
    let mut staged = log.map.stage();
    for octets in entries {
        let index = log.tree.size();
        let entry = Entry::decode(octets).map_err(|error| format!("leaf {index}: {error}"))?;
        if entry.event_type == EventType::MAP_HEAD && entry.to_map_head().ok() != Some(staged.map_head(&log.map, index)) {
            return Err(format!("leaf {index}: the map head is not the map of the leaves before it"));
        }
        staged.apply(&log.map, &entry, index).map_err(|error| format!("leaf {index}: {error}"))?;
        log.time = log.time.max(entry.time);
        log.tree.append(merkle::leaf_hash(octets));
    }
    log.map.commit(staged).map_err(|error| error.to_string())
}

/// What a batch adds to one log.
pub struct Growth {
    pub staged: Staged,
    pub tree: Tree,
    pub entries: Vec<Vec<u8>>,
    pub event_ids: Vec<Hash>,
    pub first: u64,
    pub time: u64,
}

impl Growth {
    pub fn begin(log: &Log, now: u64) -> Self {
        Self {
            staged: log.map.stage(),
            tree: log.tree.clone(),
            entries: Vec::new(),
            event_ids: Vec::new(),
            first: log.tree.size(),
            time: now.max(log.time),
        }
    }

    /// Adds an entry and answers its index; a refused entry leaves everything as it was.
    pub fn push(&mut self, log: &Log, entry: &Entry) -> Result<u64, Error> {
        let index = self.tree.size();
        // Time in a log never goes back, whatever the machine's clock does; an event's identity does not depend on it.
        self.time = self.time.max(entry.time);
        let mut entry = entry.clone();
        entry.time = self.time;
        self.staged.apply(&log.map, &entry, index).map_err(|error| Error::Ledger(error.to_string()))?;
        let octets = entry.encode();
        self.tree.append(merkle::leaf_hash(&octets));
        self.entries.push(octets);
        self.event_ids.push(entry.event_id);
        Ok(index)
    }

    /// Ends the batch with the map's head, so that the checkpoint after it speaks for every certificate.
    pub fn finish(&mut self, log: &Log) -> Result<Hash, Error> {
        let head = self.staged.map_head(&log.map, self.tree.size());
        self.push(log, &Entry::map_head(&log.origin, self.time, &head))?;
        Ok(head.root)
    }
}

/// Signs a checkpoint with both keys of its log.
pub async fn sign(origin: &str, keys: &LogKeys, size: u64, root: Hash, now: u64) -> Result<SignedCheckpoint, Error> {
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
    let mut lines = Vec::new();
    let note_keys = note_keys(origin, keys.ed25519.public_key(), keys.sm2.public_key())?;
    for (note_key, key) in note_keys.iter().zip([&keys.ed25519, &keys.sm2]) {
        let wrong = |error: ledger::NoteError| Error::Corrupt(format!("checkpoint of {origin}: {error}"));
        let message = note_key.signed_message(&checkpoint, now).map_err(wrong)?;
        let signature = key.sign(message).await.map_err(Error::Key)?;
        lines.push(note_key.signature_line(&signature, now).map_err(wrong)?);
    }
    let note = Note::assemble(&checkpoint.text(), &lines).map_err(|error| Error::Corrupt(format!("checkpoint of {origin}: {error}")))?;
    Ok(SignedCheckpoint { checkpoint, time: now, note: note.to_string().into() })
}
