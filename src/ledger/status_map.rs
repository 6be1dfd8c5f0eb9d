//! The status map: what the leaves of a log say about each certificate, now and at any time before.
//!
//! It is a pure function of the leaves. Its root over all leaves before it is the last leaf of every checkpoint (`MapHead`),
//! so whoever verifies a checkpoint can be shown that a certificate is good, on hold, revoked, or was never issued.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    bucket_tree::{BucketTree, Overlay},
    entry::{Entry, MapHead, State, StatusKey},
    merkle::Hash,
    record::{Counts, Depth, Record},
    staged::Staged,
    transition::{Standing, TransitionError},
};

/// One change of a certificate's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The leaf that made it.
    pub index: u64,
    /// The leaf's time, in seconds.
    pub time: u64,
    pub state: State,
    /// CRLReason (RFC 5280 §5.3.1).
    pub reason: u8,
    /// For a revocation: from when on the key is not trusted (invalidityDate), in seconds, if anybody knows.
    pub invalid_since: Option<u64>,
}

impl Change {
    pub(super) fn record(&self, key: &StatusKey) -> Option<Record> {
        let record = Record { key: *key, state: self.state, reason: self.reason, since: self.time };
        (self.state != State::Absent).then_some(record)
    }
}

/// All that happened to one certificate; what was issued is never forgotten here.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub not_after: Option<u64>,
    pub changes: Vec<Change>,
}

/// The map over the leaves so far, with the history of each certificate.
#[derive(Debug, Clone)]
pub struct StatusMap {
    depth: Depth,
    histories: BTreeMap<StatusKey, History>,
    held_or_revoked: BTreeSet<StatusKey>,
    counts: Counts,
    next: u64,
    tree: BucketTree,
    commits: u64,
}

impl StatusMap {
    pub fn new(depth: Depth) -> Self {
        let tree = BucketTree::new(depth);
        let (histories, held_or_revoked) = Default::default();
        Self { depth, histories, held_or_revoked, counts: Counts::default(), next: 0, tree, commits: 0 }
    }

    /// Starts a batch. Nothing changes here before `commit`.
    pub fn stage(&self) -> Staged {
        Staged::new(self.commits, self.counts, self.next)
    }

    /// Makes a batch part of the map: to be called once its leaves are durable.
    ///
    /// Errors: `Stale` when another batch was committed since this one was staged; it must be staged anew.
    pub fn commit(&mut self, staged: Staged) -> Result<(), TransitionError> {
        if staged.commits != self.commits {
            return Err(TransitionError::Stale);
        }
        self.absorb(staged);
        Ok(())
    }

    /// Stages and commits one entry, the leaf `index`. For many at once, `stage` hashes each bucket once instead of each time.
    pub fn apply(&mut self, entry: &Entry, index: u64) -> Result<(), TransitionError> {
        let mut staged = self.stage();
        staged.apply(self, entry, index)?;
        self.absorb(staged);
        Ok(())
    }

    /// Whether the entry could come next.
    pub fn check(&self, entry: &Entry) -> Result<(), TransitionError> {
        self.stage().check(self, entry)
    }

    fn absorb(&mut self, mut staged: Staged) {
        staged.hash(self);
        self.tree.commit(staged.overlay);
        for (key, added) in staged.additions {
            match added.changes.last().map(|change| change.state) {
                Some(State::Hold | State::Revoked) => self.held_or_revoked.insert(key),
                _ => self.held_or_revoked.remove(&key),
            };
            let history = self.histories.entry(key).or_default();
            history.not_after = added.not_after.or(history.not_after);
            history.changes.extend(added.changes);
        }
        self.counts = staged.counts;
        self.next = staged.next;
        self.commits += 1;
    }

    pub fn depth(&self) -> Depth {
        self.depth
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// One more than the index of the last leaf that was applied.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    pub fn root(&self) -> Hash {
        self.tree.root(&Overlay::new())
    }

    /// The head for the leaf at index `covers_size`.
    pub fn map_head(&self, covers_size: u64) -> MapHead {
        MapHead { covers_size, depth: self.depth, root: self.root(), counts: self.counts }
    }

    /// Whether a head that stands in the log is the one that the leaves before it make. Mirrors and audits ask this before they
    /// apply the head.
    pub fn check_map_head(&self, head: &MapHead) -> Result<(), TransitionError> {
        if *head == self.map_head(head.covers_size) { Ok(()) } else { Err(TransitionError::MapHead) }
    }

    /// The status now; `None` for what was never issued, or has expired and left the map.
    pub fn status(&self, key: &StatusKey) -> Option<Record> {
        self.history(key).last()?.record(key)
    }

    /// All changes of a certificate in the order of the log; empty if it was never issued.
    pub fn history(&self, key: &StatusKey) -> &[Change] {
        self.histories.get(key).map_or(&[], |history| &history.changes)
    }

    /// The end of validity, rounded up to the day; `None` if it was never issued.
    pub fn not_after(&self, key: &StatusKey) -> Option<u64> {
        self.histories.get(key)?.not_after
    }

    /// The change that made the status at a time (seconds); `None` if nothing was issued by then.
    pub fn status_at_time(&self, key: &StatusKey, seconds: u64) -> Option<&Change> {
        self.history(key).iter().rfind(|change| change.time <= seconds)
    }

    /// The change that made the status when the log had `size` leaves; `None` if nothing was issued by then.
    pub fn status_at_size(&self, key: &StatusKey, size: u64) -> Option<&Change> {
        self.history(key).iter().rfind(|change| change.index < size)
    }

    /// What a CRL lists, in the order of the keys.
    pub fn held_or_revoked(&self) -> impl Iterator<Item = Record> {
        self.held_or_revoked.iter().filter_map(|key| self.status(key))
    }

    /// The records of a bucket, one after the other.
    pub fn bucket(&self, bucket: u32) -> Vec<u8> {
        self.keys_of(bucket).filter_map(|key| self.status(key)).flat_map(|record| record.encode()).collect()
    }

    /// The hashes that lead from a bucket to the root, bucket first.
    pub fn siblings(&self, bucket: u32) -> Vec<Hash> {
        self.tree.siblings(bucket)
    }

    /// The map as it was when the log had `size` leaves. Built anew: tens of milliseconds for a million certificates.
    pub fn at_size(&self, size: u64) -> Self {
        let mut past = Self::new(self.depth);
        let mut staged = past.stage();
        for (key, history) in &self.histories {
            for change in history.changes.iter().take_while(|change| change.index < size) {
                staged.add(&past, *key, *change, history.not_after);
            }
        }
        staged.next = self.next.min(size);
        past.absorb(staged);
        past
    }

    pub(super) fn standing(&self, key: &StatusKey) -> Standing {
        let state = self.history(key).last().map_or(State::Absent, |change| change.state);
        Standing { state, not_after: self.not_after(key) }
    }

    pub(super) fn keys_of(&self, bucket: u32) -> impl Iterator<Item = &StatusKey> {
        let from = self.histories.range(self.depth.first_key(bucket)..).map(|(key, _)| key);
        from.take_while(move |key| self.depth.bucket_of(key) == bucket)
    }

    pub(super) fn tree(&self) -> &BucketTree {
        &self.tree
    }
}

#[cfg(test)]
mod tests;
