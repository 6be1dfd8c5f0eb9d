//! The logs: leaves, tiles, heads and checkpoints, from the entries upwards; and what the entries say, for everyone else.

use std::collections::{BTreeMap, HashMap};

use super::{Error, Findings, TrustBundle};
use crate::{
    crypto::PublicKey,
    ledger::{
        Depth, Digests, Entry, EventType, Hash, Note, NoteKey, StatusKey, StatusMap, TileId, Tree, TrustedLog, entry::event_id, merkle,
        tiles,
    },
    policy::{AuthorityName, Purpose},
    services::logs::{OPERATIONS, note_keys},
    store::{self, Connection},
};

const SPEAK_FOR_THEMSELVES: [EventType; 3] = [EventType::MAP_HEAD, EventType::TIME_STAMP, EventType::STATEMENTS];
/// How many leaves are read at once.
const PAGE: i64 = 10_000;

/// A log, read from its first entry to its last.
pub(super) struct Book {
    pub origin: String,
    pub map: StatusMap,
    /// The issue of each certificate.
    pub issues: HashMap<StatusKey, Issue>,
    /// The leaves that are about no certificate, but for those that speak for themselves.
    pub notices: Vec<Notice>,
    /// Decisions and policies that leaves name, with the first leaf that does.
    pub decisions: BTreeMap<Hash, Named>,
    /// The time of the leaf that named each statement as recorded.
    pub statements: HashMap<Hash, u64>,
    pub policies: BTreeMap<Hash, Named>,
    changes: HashMap<StatusKey, u64>,
    tree: Tree,
    tiles: BTreeMap<TileId, Vec<u8>>,
}

/// The first leaf that names something.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub index: u64,
    pub time: u64,
}

pub(super) struct Issue {
    pub index: u64,
    pub time: u64,
    pub not_after: Option<u64>,
    pub digests: Digests,
}

pub(super) struct Notice {
    pub index: u64,
    pub event_type: EventType,
    pub event_id: Hash,
    pub digests: Digests,
    pub body: Vec<u8>,
}

pub(super) async fn check(
    connection: &mut Connection,
    bundle: &TrustBundle,
    findings: &mut Findings,
) -> Result<BTreeMap<String, Book>, Error> {
    let mut books = BTreeMap::new();
    let rows = store::ledger::logs(connection).await?;
    for trusted in bundle.logs.iter().filter(|log| rows.iter().all(|row| row.name != log.name)) {
        findings.row("log", &trusted.name).add("name", "the trust bundle has this log, the table does not");
    }
    for row in &rows {
        let origin = bundle.logs.iter().find(|log| log.name == row.name).map_or(&row.origin, |log| &log.origin);
        let book = Book::read(connection, row, origin, findings).await?;
        let trusted = bundle.trusted_log(&row.name);
        check_row(row, trusted.as_ref(), findings);
        book.check_tiles(store::ledger::all_tiles(connection, &row.name).await?, &row.name, findings);
        book.check_checkpoints(store::ledger::checkpoints(connection, &row.name).await?, &row.name, trusted.as_ref(), findings);
        books.insert(row.name.clone(), book);
    }
    check_heads(store::ledger::heads(connection).await?, &books, findings);
    for (place, log) in store::ledger::strays(connection).await? {
        let table = ["ledger_leaf", "ledger_tile", "ledger_checkpoint"].into_iter().find(|table| *table == place).unwrap_or("ledger_leaf");
        findings.row(table, &log).add("log", "there is no such log");
    }
    Ok(books)
}

fn check_row(row: &store::LogRow, trusted: Option<&TrustedLog>, findings: &mut Findings) {
    let mut finding = findings.row("log", &row.name);
    let named = row.name == OPERATIONS || row.name.parse::<AuthorityName>().is_ok();
    finding.check("name", named, || "neither an authority's nor operations".to_owned());
    let Some(trusted) = trusted else { return finding.add("name", "the trust bundle has no such log") };
    finding.check("origin", row.origin == trusted.origin, || "the trust bundle has another".to_owned());
    let key = |spki: &[u8]| PublicKey::from_spki(spki).ok().filter(|key| key.spki() == spki);
    let own = match (key(&row.ed25519_spki), key(&row.sm2_spki)) {
        (Some(ed25519), Some(sm2)) => note_keys(&trusted.origin, &ed25519, &sm2).ok(),
        _ => None,
    };
    let vkey = |keys: &[NoteKey], index: usize| keys.get(index).map(NoteKey::vkey);
    for (index, column) in ["ed25519_spki", "sm2_spki"].into_iter().enumerate() {
        let same = own.as_ref().is_some_and(|own| vkey(own, index) == vkey(&trusted.keys, index));
        finding.check(column, same, || "not the key in the trust bundle, or the other key is not".to_owned());
    }
}

impl Book {
    async fn read(connection: &mut Connection, row: &store::LogRow, origin: &str, findings: &mut Findings) -> Result<Self, Error> {
        let mut page = store::ledger::leaves_after(connection, &row.name, i64::MIN, PAGE).await?;
        let claimed = u8::try_from(row.map_depth).ok().and_then(Depth::new);
        let depth = page.iter().find_map(|leaf| Some(Entry::decode(&leaf.entry).ok()?.to_map_head().ok()?.depth));
        let depth = depth.or(claimed).unwrap_or(Depth::DEFAULT);
        findings.row("log", &row.name).check("map_depth", claimed == Some(depth), || format!("the map heads say {}", depth.get()));
        let mut book = Self {
            origin: origin.to_owned(),
            map: StatusMap::new(depth),
            issues: HashMap::new(),
            notices: Vec::new(),
            decisions: BTreeMap::new(),
            statements: HashMap::new(),
            policies: BTreeMap::new(),
            changes: HashMap::new(),
            tree: Tree::new(),
            tiles: BTreeMap::new(),
        };
        while let Some(last) = page.last() {
            let after = last.idx;
            book.add(&page, &row.name, findings);
            page = store::ledger::leaves_after(connection, &row.name, after, PAGE).await?;
        }
        Ok(book)
    }

    /// Adds a page of leaves. An entry that must not stand there is named and changes no status.
    fn add(&mut self, page: &[store::LeafRow], log: &str, findings: &mut Findings) {
        let mut staged = self.map.stage();
        for leaf in page {
            let index = self.tree.size();
            let mut row = findings.row("ledger_leaf", format!("{log}/{}", leaf.idx));
            row.check("idx", leaf.idx == index as i64, || format!("leaf {index} is missing before it"));
            let hash = merkle::leaf_hash(&leaf.entry);
            row.check("leaf_hash", leaf.leaf_hash == hash, || "not the hash of the entry".to_owned());
            self.tree.append(hash);
            let entry = match Entry::decode(&leaf.entry) {
                Ok(entry) => entry,
                Err(error) => {
                    row.add("entry", error.to_string());
                    continue;
                }
            };
            row.check("event_id", leaf.event_id == entry.event_id, || "not the one in the entry".to_owned());
            let head = entry.to_map_head();
            if let Ok(head) = &head {
                let right = *head == staged.map_head(&self.map, index);
                row.check("entry", right, || "the map head is not the map of the leaves before it".to_owned());
            }
            if let Err(error) = staged.apply(&self.map, &entry, index) {
                row.add("entry", error.to_string());
                continue;
            }
            let version = match (&head, entry.status_key == StatusKey::NONE) {
                (Ok(head), _) => Some(head.covers_size),
                // The version of a certificate counts its changes from 1, its issue.
                (Err(_), false) => Some(*self.changes.entry(entry.status_key).and_modify(|count| *count += 1).or_insert(1)),
                (Err(_), true) => None,
            };
            let identity = version.map(|version| event_id(&self.origin, entry.event_type, &entry.status_key, version));
            row.check("event_id", identity.is_none_or(|identity| identity == entry.event_id), || {
                "not the identity of this event in this log".to_owned()
            });
            if entry.event_type == EventType::TIME_STAMP {
                let stamps = log.parse::<AuthorityName>().is_ok_and(|name| name.purpose() != Purpose::Root);
                row.check("entry", stamps && entry.token(&self.origin).is_ok(), || "not the record of a token of this log".to_owned());
            }
            if entry.event_type == EventType::STATEMENTS {
                match entry.recorded_statements(&self.origin).ok().filter(|_| log == OPERATIONS) {
                    Some(recorded) => self.statements.extend(recorded.into_iter().map(|digest| (digest, entry.time))),
                    None => row.add("entry", "not the record of statements"),
                }
            }
            self.note(entry, index);
        }
        // The batch was staged on this very map.
        let _ = self.map.commit(staged);
        self.tiles.extend(self.tree.take_changed());
    }

    fn note(&mut self, entry: Entry, index: u64) {
        for (digest, seen) in [(entry.digests.decision, &mut self.decisions), (entry.digests.policy, &mut self.policies)] {
            if digest != [0; 32] {
                seen.entry(digest).or_insert(Named { index, time: entry.time });
            }
        }
        if entry.event_type == EventType::ISSUE {
            let issue = Issue { index, time: entry.time, not_after: entry.not_after().ok(), digests: entry.digests };
            self.issues.insert(entry.status_key, issue);
        } else if entry.status_key == StatusKey::NONE && !SPEAK_FOR_THEMSELVES.contains(&entry.event_type) {
            let Entry { event_type, event_id, digests, .. } = entry;
            self.notices.push(Notice { index, event_type, event_id, digests, body: entry.body().to_vec() });
        }
    }

    pub fn notices(&self, event_type: EventType) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(move |notice| notice.event_type == event_type)
    }

    fn root_at(&self, size: u64) -> Option<Hash> {
        if size > self.tree.size() { None } else { tiles::root_at(size, &|id| self.tiles.get(&id)).ok() }
    }

    fn check_tiles(&self, rows: Vec<store::TileRow>, log: &str, findings: &mut Findings) {
        let mut missing = self.tiles.clone();
        for tile in rows {
            let id = u8::try_from(tile.level).ok().zip(u64::try_from(tile.n).ok()).map(|(level, n)| TileId { level, n });
            let mut row = findings.row("ledger_tile", format!("{log}/{}/{}", tile.level, tile.n));
            match id.and_then(|id| missing.remove(&id)) {
                Some(hashes) => row.check("hashes", hashes == tile.hashes, || "not the hashes of the leaves".to_owned()),
                None => row.add("n", "a tree of these leaves has no such tile"),
            }
        }
        for id in missing.keys() {
            findings.row("ledger_tile", format!("{log}/{}/{}", id.level, id.n)).add("n", "missing");
        }
    }

    fn check_checkpoints(&self, rows: Vec<(i64, String)>, log: &str, trusted: Option<&TrustedLog>, findings: &mut Findings) {
        for (size, text) in rows {
            let mut row = findings.row("ledger_checkpoint", format!("{log}/{size}"));
            let Some(trusted) = trusted else { continue };
            let note = match Note::parse(&text) {
                Ok(note) => note,
                Err(error) => {
                    row.add("note", error.to_string());
                    continue;
                }
            };
            row.check("note", note.signatures().len() == trusted.keys.len() && note.to_string() == text, || {
                "signed by others than the log's keys alone".to_owned()
            });
            match trusted.verify(&note) {
                Ok(verified) => {
                    let checkpoint = verified.checkpoint;
                    row.check("size", i64::try_from(checkpoint.size) == Ok(size), || format!("the note says {}", checkpoint.size));
                    let same = self.root_at(checkpoint.size) == Some(checkpoint.root);
                    row.check("note", same, || "the leaves do not make its root: the ledger was rewritten".to_owned());
                }
                Err(error) => row.add("note", error.to_string()),
            }
        }
    }
}

fn check_heads(rows: Vec<(String, i64, Vec<u8>, Vec<u8>)>, books: &BTreeMap<String, Book>, findings: &mut Findings) {
    for name in books.keys().filter(|name| rows.iter().all(|(log, ..)| log != *name)) {
        findings.row("ledger_head", name).add("log", "missing");
    }
    for (log, size, root, map_root) in rows {
        let Some(book) = books.get(&log) else {
            findings.row("ledger_head", &log).add("log", "there is no such log");
            continue;
        };
        let leaves = book.tree.size();
        let mut row = findings.row("ledger_head", &log);
        row.check("size", u64::try_from(size) == Ok(leaves), || format!("there are {leaves} leaves"));
        row.check("root", root == book.tree.root(), || "not the root of the leaves".to_owned());
        row.check("map_root", map_root == book.map.root(), || "not the root of the map of the leaves".to_owned());
        if u64::try_from(size) != Ok(leaves) {
            let what = format!("{leaves} leaves, and a head of {size}: some are missing or too many");
            findings.row("ledger_leaf", format!("{log}/{}", size.min(leaves as i64))).add("idx", what);
        }
    }
}
