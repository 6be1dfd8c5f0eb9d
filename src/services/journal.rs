//! The journal: the one writer of everything that the ledger records.
//!
//! Requests that arrive while a commit is under way share the next one: rows, leaves, tiles and the log's head go into one
//! transaction, so a leaf without its row, or a row without its leaf, cannot be. A lonely request does not wait for others.
//! A statement that nothing rests on yet is named by a leaf of the operations log in the same transaction: from then on nobody can
//! move it in time.
//! Only after the commit is a checkpoint signed, and only then does anybody learn that their request was done.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    callers::check_good,
    crash,
    error::Error,
    logs::{Growth, Logs, OPERATIONS, SignedCheckpoint, sign},
    revoke::digest,
    rows::{self, Row},
};
use crate::{
    ledger::{Entry, StatusKey, entry::MAX_STATEMENTS},
    store::{self, Db},
    world::{Clock, millis, seconds},
};

/// The most requests that share a transaction.
const BATCH: usize = 1000;

/// What is committed together or not at all.
pub struct Commit {
    pub kind: Kind,
    /// In an order that the database's foreign keys accept.
    pub rows: Vec<Row>,
    /// New leaves, each with the name of its log. Rows refer to them by their position in this list.
    pub entries: Vec<(String, Entry)>,
}

/// What a commit is for: names its crash points, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Promise,
    Complete,
    Revoke,
    Crl,
    Other,
}

impl Kind {
    fn before_commit(self) -> &'static str {
        match self {
            Self::Promise => "promise-before-commit",
            Self::Complete => "complete-before-commit",
            Self::Revoke => "revoke-before-commit",
            Self::Crl => "crl-before-commit",
            Self::Other => "record-before-commit",
        }
    }

    fn after_commit(self) -> &'static str {
        match self {
            Self::Promise => "promise-committed",
            Self::Complete => "complete-committed",
            Self::Revoke => "revoke-committed",
            Self::Crl => "crl-committed",
            Self::Other => "record-committed",
        }
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub log: String,
    pub index: u64,
}

type Answer = Result<Vec<Position>, Error>;
type Reply = oneshot::Sender<Answer>;

/// The way to the writer. Cloning it is cheap; when the last clone is gone the writer ends.
#[derive(Clone)]
pub struct Journal {
    sender: mpsc::Sender<Request>,
}

/// What the writer is asked for.
enum Request {
    Commit(Commit, Reply),
    /// To sign the newest head of this log again, as of now.
    Vouch(String, oneshot::Sender<Result<(), Error>>),
}

impl Journal {
    /// Starts the writer. `queue` commits may wait; one more is refused with `Busy`.
    pub fn start(db: Db, logs: Arc<Logs>, heads: Heads, clock: Arc<dyn Clock>, queue: usize) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(queue);
        let writer = Writer { db, logs, heads, clock, unsaved: Vec::new(), unsigned: BTreeSet::new() };
        (Self { sender }, tokio::spawn(writer.run(receiver)))
    }

    /// Commits durably, signs the checkpoints that cover the entries, and answers where the entries stand.
    ///
    /// Errors: `Busy` when the queue is full, `CallerNotGood` when a signer's certificate has ended, `Ledger` when an entry is not
    /// possible, `Store` with the row that was refused.
    /// In each case nothing was changed.
    pub async fn commit(&self, commit: Commit) -> Result<Vec<Position>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Commit(commit, reply))?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Signs a log's newest head again, so that its checkpoint speaks as of now. Only the writer can say that nothing is on its way
    /// into the log.
    pub async fn vouch(&self, log: &str) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Vouch(log.to_owned(), reply))?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    fn send(&self, request: Request) -> Result<(), Error> {
        self.sender.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Stopping,
        })
    }
}

struct Writer {
    db: Db,
    logs: Arc<Logs>,
    heads: Heads,
    clock: Arc<dyn Clock>,
    /// Checkpoints that were signed and will be stored with the next transaction. Losing them costs nothing: the head that
    /// they sign is durable, and signing it again gives the same tree the same root.
    unsaved: Vec<(String, SignedCheckpoint)>,
    /// Logs that have grown beyond their newest checkpoint, because a key or the heads file did not answer.
    unsigned: BTreeSet<String>,
}

/// Whether the writer may go on.
enum Outcome {
    Served,
    HeadLost,
}

/// What one batch does to the logs it touches.
type Growths = BTreeMap<String, Growth>;

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Request>) {
        while let Some(first) = receiver.recv().await {
            let (mut batch, mut vouches) = (Vec::new(), Vec::new());
            let mut sort = |request| match request {
                Request::Commit(commit, reply) => batch.push((commit, reply)),
                Request::Vouch(log, reply) => vouches.push((log, reply)),
            };
            sort(first);
            // As many as there are, up to so many.
            (1..BATCH).map_while(|_| receiver.try_recv().ok()).for_each(sort);
            self.vouch(vouches).await;
            if let Outcome::HeadLost = self.serve(batch).await {
                tracing::error!("another writer has advanced the ledger; this one stops, and a restart reads the ledger anew");
                return;
            }
        }
        if let Err(error) = self.save_checkpoints().await {
            tracing::warn!(%error, "the newest checkpoints were not stored; they will be signed again at the next start");
        }
        // The writer is the last to go. Closing brings the write-ahead log home, so that one file is the whole database.
        self.db.close().await;
    }

    /// Commits a batch as one; if that fails, each request alone, so that one bad request fails by itself.
    async fn serve(&mut self, batch: Vec<(Commit, Reply)>) -> Outcome {
        // Whoever gave up waiting is not surprised later by what they no longer expect.
        let (commits, replies): (Vec<Commit>, Vec<Reply>) = batch.into_iter().filter(|(_, reply)| !reply.is_closed()).unzip();
        if commits.is_empty() {
            return Outcome::Served;
        }
        let answers = match self.commit(&commits).await {
            Ok(answers) => answers,
            Err(error) if commits.len() == 1 => vec![Err(error)],
            Err(Error::HeadLost(log)) => commits.iter().map(|_| Err(Error::HeadLost(log.clone()))).collect(),
            // Nobody would fare better alone, and a thousand waits in a row help nobody.
            Err(Error::Store(error)) if error.of_everyone().is_some() => {
                commits.iter().map(|_| Err(error.of_everyone().map_or(Error::Busy, Error::Store))).collect()
            }
            Err(_) => {
                let mut answers = Vec::with_capacity(commits.len());
                for commit in &commits {
                    answers.push(match self.commit(std::slice::from_ref(commit)).await {
                        Ok(mut answers) => answers.pop().unwrap_or(Err(Error::Stopping)),
                        Err(error) => Err(error),
                    });
                }
                answers
            }
        };
        let lost = answers.iter().any(|answer| matches!(answer, Err(Error::HeadLost(_))));
        answer(replies, answers);
        if lost { Outcome::HeadLost } else { Outcome::Served }
    }

    /// All of them in one transaction. A request whose entries are refused is answered so and left out.
    async fn commit(&mut self, commits: &[Commit]) -> Result<Vec<Answer>, Error> {
        let (mut growths, answers) = self.plan(commits)?;
        let accepted =
            || commits.iter().zip(&answers).filter_map(|(commit, answer)| answer.as_ref().ok().map(|positions| (commit, positions)));

        let map_roots = self.finish(&mut growths)?;
        let mut tx = self.db.begin_write().await?;
        // Heads first: whoever lost a log learns it here, before any row of theirs is looked at.
        for (log, growth) in &growths {
            self.advance_head(tx.connection(), log, growth, &map_roots[log]).await?;
        }
        rows::write(tx.connection(), accepted().map(|(commit, positions)| (commit.rows.as_slice(), positions.as_slice()))).await?;
        for (log, growth) in &mut growths {
            Self::write_growth(tx.connection(), log, growth).await?;
        }
        for (log, signed) in &self.unsaved {
            store::ledger::insert_checkpoint(tx.connection(), log, signed.checkpoint.size as i64, &signed.note).await?;
        }
        for point in accepted().map(|(commit, _)| commit.kind.before_commit()) {
            crash::point(point);
        }
        if let Err(error) = tx.commit().await {
            self.settle(&growths, error).await?;
        }
        for point in accepted().map(|(commit, _)| commit.kind.after_commit()) {
            crash::point(point);
        }

        self.unsaved.clear();
        self.publish(growths).await;
        Ok(answers)
    }

    fn plan(&self, commits: &[Commit]) -> Result<(Growths, Vec<Answer>), Error> {
        let logs = self.logs.read();
        // Time goes back in no log, whatever the clock does, nor from one to another: what is recorded in one after what another
        // says is dated so.
        let now = logs.values().map(|log| log.time).fold(seconds(self.clock.now()), u64::max);
        let mut growths = Growths::new();
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            answers.push(Self::grow(&logs, &mut growths, commit, now));
        }
        let accepted = commits.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(commit, _)| commit);
        Self::bind_statements(&logs, &mut growths, accepted.flat_map(unbound).collect(), now)?;
        Ok((growths, answers))
    }

    /// A statement that no leaf of its own commit names waits for others, or for a key. So that nobody can say later that it was
    /// signed at another time, the operations log has it at once.
    fn bind_statements(
        logs: &BTreeMap<String, super::logs::Log>,
        growths: &mut Growths,
        statements: BTreeSet<[u8; 32]>,
        now: u64,
    ) -> Result<(), Error> {
        let mut waiting = statements.into_iter().peekable();
        while waiting.peek().is_some() {
            let log = logs.get(OPERATIONS).ok_or_else(|| Error::unknown("log", OPERATIONS))?;
            let entry = Entry::statements(&log.origin, now, waiting.by_ref().take(MAX_STATEMENTS).collect())
                .map_err(|error| Error::Ledger(error.to_string()))?;
            growths.entry(OPERATIONS.to_owned()).or_insert_with(|| Growth::begin(log, now)).push(log, &entry)?;
        }
        Ok(())
    }

    /// All entries of one request, or none of them.
    fn grow(logs: &BTreeMap<String, super::logs::Log>, growths: &mut Growths, commit: &Commit, now: u64) -> Result<Vec<Position>, Error> {
        check_signers(logs, growths, commit)?;
        let mut positions = Vec::with_capacity(commit.entries.len());
        // One entry is accepted or refused as a whole; several need a way back.
        let before: HashMap<String, Option<Staging>> = match commit.entries.len() {
            0 | 1 => HashMap::new(),
            _ => {
                let logs: BTreeSet<&String> = commit.entries.iter().map(|(log, _)| log).collect();
                logs.into_iter().map(|log| (log.clone(), growths.get(log).map(Staging::of))).collect()
            }
        };
        if let Some((name, _)) = commit.entries.iter().find(|(name, _)| !logs.contains_key(name)) {
            return Err(Error::unknown("log", name));
        }
        for (name, entry) in &commit.entries {
            let log = &logs[name];
            let growth = growths.entry(name.clone()).or_insert_with(|| Growth::begin(log, now));
            match growth.push(log, entry) {
                Ok(index) => positions.push(Position { log: name.clone(), index }),
                Err(error) => {
                    for (name, staging) in before {
                        match staging {
                            Some(staging) => staging.restore(growths.get_mut(&name)),
                            None => drop(growths.remove(&name)),
                        }
                    }
                    growths.retain(|_, growth| !growth.entries.is_empty());
                    return Err(error);
                }
            }
        }
        Ok(positions)
    }

    fn finish(&self, growths: &mut Growths) -> Result<BTreeMap<String, [u8; 32]>, Error> {
        let logs = self.logs.read();
        growths.iter_mut().map(|(name, growth)| Ok((name.clone(), growth.finish(&logs[name])?))).collect()
    }

    async fn advance_head(&self, connection: &mut store::Connection, log: &str, growth: &Growth, map_root: &[u8; 32]) -> Result<(), Error> {
        let fence = self.logs.read()[log].fence;
        let head = store::HeadRow {
            size: growth.tree.size() as i64,
            root: growth.tree.root().to_vec(),
            map_root: map_root.to_vec(),
            time: millis(self.clock.now()),
            fence,
        };
        match store::ledger::advance_head(connection, log, growth.first as i64, &head).await {
            // Another writer has this log. Going on could fork the ledger.
            Err(store::Error::Conflict) => Err(Error::HeadLost(log.to_owned())),
            other => Ok(other?),
        }
    }

    async fn write_growth(connection: &mut store::Connection, log: &str, growth: &mut Growth) -> Result<(), store::Error> {
        let leaf = |(offset, (entry, event_id)): (usize, (&Vec<u8>, &[u8; 32]))| store::LeafRow {
            idx: (growth.first + offset as u64) as i64,
            event_id: event_id.to_vec(),
            leaf_hash: crate::ledger::merkle::leaf_hash(entry).to_vec(),
            entry: entry.clone(),
        };
        let leaves: Vec<store::LeafRow> = growth.entries.iter().zip(&growth.event_ids).enumerate().map(leaf).collect();
        let tile = |(id, hashes): (crate::ledger::TileId, Vec<u8>)| store::TileRow { level: i64::from(id.level), n: id.n as i64, hashes };
        let tiles: Vec<store::TileRow> = growth.tree.take_changed().into_iter().map(tile).collect();
        store::ledger::insert_leaves(connection, log, &leaves).await?;
        store::ledger::upsert_tiles(connection, log, &tiles).await
    }

    /// After a commit that was not confirmed: the database says whether it went through. If it cannot be asked, nobody may
    /// go on from here: the writer ends, and a restart reads what is true.
    async fn settle(&self, growths: &Growths, error: store::Error) -> Result<(), Error> {
        // One transaction advanced every head, so the first one speaks for all.
        if let Some((log, growth)) = growths.first_key_value() {
            let head = match self.db.read().await {
                Ok(mut connection) => store::ledger::find_head(&mut connection, log).await,
                Err(error) => Err(error),
            };
            return match head {
                Ok(Some(head)) if head.size as u64 == growth.tree.size() && head.root == growth.tree.root() => Ok(()),
                Ok(Some(head)) if head.size as u64 == growth.first => Err(error.into()),
                _ => Err(Error::HeadLost(log.clone())),
            };
        }
        // Without a leaf the rows alone say what happened, and whoever asks again finds out.
        Err(error.into())
    }

    /// After the commit: the state that others read, the heads file, the checkpoints. What is committed stays committed, so
    /// nothing here can fail the requests: a head that could not be kept outside the database gets no checkpoint yet, and
    /// the next commit makes up for it.
    async fn publish(&mut self, growths: Growths) {
        for (name, growth) in growths {
            if let Some(log) = self.logs.write().get_mut(&name) {
                // The batch was staged on this very map, and nobody else commits to it.
                log.map.commit(growth.staged).expect("a batch fits the map that it was staged on");
                log.tree = growth.tree;
                log.time = growth.time;
            }
            self.unsigned.insert(name);
        }
        if self.unsigned.is_empty() {
            return;
        }
        let heads: Vec<_> = {
            let logs = self.logs.read();
            let head = |name: &String| logs.get(name).map(|log| (name.clone(), log.tree.size(), log.tree.root()));
            self.unsigned.iter().filter_map(head).collect()
        };
        if let Err(error) = self.heads.advance(heads.into_iter()) {
            tracing::error!(%error, "the heads were not kept outside the database; no checkpoint is signed until they are");
            return;
        }
        crash::point("journal-heads-written");
        for name in self.unsigned.clone() {
            match self.sign_checkpoint(&name).await {
                Ok(()) => drop(self.unsigned.remove(&name)),
                Err(error) => tracing::error!(%error, log = name, "a checkpoint was not signed; the next commit tries again"),
            }
        }
    }

    /// One signature a log for whoever waits; none where the checkpoint is of this second. A log that has grown beyond its
    /// checkpoint is left to `publish`, which keeps its head first.
    async fn vouch(&mut self, asked: Vec<(String, oneshot::Sender<Result<(), Error>>)>) {
        for (name, reply) in asked {
            let now = seconds(self.clock.now());
            let is_old = self.logs.checkpoint(&name).is_some_and(|signed| signed.time < now);
            let vouched = if is_old && !self.unsigned.contains(&name) { self.sign_checkpoint(&name).await } else { Ok(()) };
            // Whoever asked may have gone.
            let _ = reply.send(vouched);
        }
    }

    async fn sign_checkpoint(&mut self, name: &str) -> Result<(), Error> {
        let (origin, keys, size, root, time) = {
            let logs = self.logs.read();
            let log = logs.get(name).ok_or_else(|| Error::unknown("log", name))?;
            (log.origin.clone(), log.keys.clone(), log.tree.size(), log.tree.root(), log.time)
        };
        let signed = sign(&origin, &keys, size, root, seconds(self.clock.now()).max(time)).await?;
        crash::point("journal-checkpoint-signed");
        if let Some(log) = self.logs.write().get_mut(name) {
            log.checkpoint = Some(signed.clone());
            // What comes later is not older than what the checkpoint speaks of.
            log.time = signed.time;
        }
        self.unsaved.push((name.to_owned(), signed));
        Ok(())
    }

    async fn save_checkpoints(&mut self) -> Result<(), Error> {
        let mut tx = self.db.begin_write().await?;
        for (log, signed) in self.unsaved.drain(..) {
            store::ledger::insert_checkpoint(tx.connection(), &log, signed.checkpoint.size as i64, &signed.note).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Whoever signed acts with a certificate that is good at the very place in the ledger where their act comes to stand: one that was
/// revoked or suspended since they called, or by an earlier request of this batch, does nothing any more.
fn check_signers(logs: &BTreeMap<String, super::logs::Log>, growths: &Growths, commit: &Commit) -> Result<(), Error> {
    for row in &commit.rows {
        let Row::Statement(store::StatementRow { signer_certificate: Some(certificate), .. }) = row else { continue };
        let key = StatusKey::from_tbs_digest(&digest(certificate)?);
        let found = logs.iter().find_map(|(name, log)| match growths.get(name) {
            Some(growth) => growth.staged.status(&log.map, &key),
            None => log.map.status(&key),
        });
        check_good(found.map(|record| record.state))?;
    }
    Ok(())
}

/// The statements of a commit that no decision in a leaf of it rests on.
fn unbound(commit: &Commit) -> Vec<[u8; 32]> {
    let named: HashSet<&[u8]> = commit.entries.iter().map(|(_, entry)| &entry.digests.decision[..]).collect();
    let bound: HashSet<&[u8]> = (commit.rows.iter())
        .filter_map(|row| match row {
            Row::Decision(decision, statements) if named.contains(&decision.digest[..]) => {
                Some(statements.iter().map(|digest| &digest[..]))
            }
            _ => None,
        })
        .flatten()
        .collect();
    (commit.rows.iter())
        .filter_map(|row| match row {
            Row::Statement(statement) if !bound.contains(&statement.digest[..]) => statement.digest[..].try_into().ok(),
            _ => None,
        })
        .collect()
}

/// What a growth was before a request of several entries.
struct Staging {
    staged: crate::ledger::Staged,
    tree: crate::ledger::Tree,
    entries: usize,
}

impl Staging {
    fn of(growth: &Growth) -> Self {
        Self { staged: growth.staged.clone(), tree: growth.tree.clone(), entries: growth.entries.len() }
    }

    fn restore(self, growth: Option<&mut Growth>) {
        if let Some(growth) = growth {
            growth.staged = self.staged;
            growth.tree = self.tree;
            growth.entries.truncate(self.entries);
            growth.event_ids.truncate(self.entries);
        }
    }
}

fn answer(replies: Vec<Reply>, answers: Vec<Answer>) {
    for (reply, answer) in replies.into_iter().zip(answers) {
        // Whoever asked may have gone; what was committed stays committed.
        let _ = reply.send(answer);
    }
}

/// The newest committed head of every log, in a file outside the database, so that a database restored from a backup is
/// recognised: its logs are shorter than what was published, and signing on would fork them.
pub struct Heads {
    path: std::path::PathBuf,
    heads: Mutex<BTreeMap<String, (u64, String)>>,
    is_new: bool,
}

impl Heads {
    /// Reads the file; an installation's first start has none.
    pub fn open(path: &std::path::Path) -> Result<Self, Error> {
        let corrupt = |error: &dyn std::fmt::Display| Error::Corrupt(format!("{}: {error}", path.display()));
        let (heads, is_new) = match std::fs::read(path) {
            Ok(file) => (serde_json::from_slice(&file).map_err(|error| corrupt(&error))?, false),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (BTreeMap::new(), true),
            Err(error) => return Err(corrupt(&error)),
        };
        Ok(Self { path: path.to_owned(), heads: Mutex::new(heads), is_new })
    }

    /// Whether there was no file.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The size of a log's newest published head.
    pub fn known(&self, log: &str) -> Option<u64> {
        // The lock guards a map whose entries are replaced whole; a panic cannot leave it half changed.
        self.heads.lock().expect("the heads are not poisoned").get(log).map(|(size, _)| *size)
    }

    /// Refuses a log of `size` leaves that is shorter than, or another than, what was published. `root` is the root that it
    /// had at the published size.
    pub fn check(&self, log: &str, size: u64, root: Option<[u8; 32]>) -> Result<(), Error> {
        let heads = self.heads.lock().expect("the heads are not poisoned");
        let Some((known, published)) = heads.get(log) else { return Ok(()) };
        if size < *known {
            return Err(Error::Corrupt(format!(
                "log {log} has {size} leaves, but a head of {known} was published: this database is older than what others have seen; \
                 refusing to fork the ledger"
            )));
        }
        match root {
            Some(found) if hex::encode(found) == *published => Ok(()),
            _ => Err(Error::Corrupt(format!(
                "log {log} is not the one whose head was published at {known} leaves; refusing to fork the ledger"
            ))),
        }
    }

    /// Refuses a database that lacks a log whose head was published: it is another one, or an older one.
    pub fn check_all_are_there(&self, is_there: impl Fn(&str) -> bool) -> Result<(), Error> {
        let heads = self.heads.lock().expect("the heads are not poisoned");
        match heads.iter().find(|(log, _)| !is_there(log)) {
            None => Ok(()),
            Some((log, (size, _))) => Err(Error::Corrupt(format!(
                "a head of log {log} was published at {size} leaves, but this database has no such log: it is another or an older one; \
                 refusing to fork the ledger"
            ))),
        }
    }

    /// Writes the file with new heads in it, unless it has them already. To be called before a checkpoint is signed.
    pub fn advance(&self, new: impl Iterator<Item = (String, u64, [u8; 32])>) -> Result<(), Error> {
        let mut heads = self.heads.lock().expect("the heads are not poisoned");
        let mut changed = heads.clone();
        for (log, size, root) in new {
            changed.insert(log, (size, hex::encode(root)));
        }
        if changed == *heads {
            return Ok(());
        }
        // A map of text and numbers always serialises.
        let json = serde_json::to_vec_pretty(&changed).expect("the heads serialise");
        crate::files::write(&self.path, &json).map_err(|error| Error::Corrupt(format!("{error:#}")))?;
        *heads = changed;
        Ok(())
    }
}
