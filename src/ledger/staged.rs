//! Changes to a status map that are not committed yet: they go with the database transaction, or vanish with it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    bucket_tree::Overlay,
    entry::{Entry, EventType, MapHead, StatusKey},
    merkle::leaf_hash,
    record::{Counts, Record},
    status_map::{Change, History, StatusMap},
    transition::{Standing, TransitionError, judge},
};

/// What a batch of entries does to a map. It is told the map again at each step and must be committed to the same one,
/// unchanged in between; dropping it undoes the batch.
#[derive(Debug, Clone)]
pub struct Staged {
    pub(super) commits: u64,
    pub(super) counts: Counts,
    pub(super) next: u64,
    /// What is added to each certificate's history.
    pub(super) additions: BTreeMap<StatusKey, History>,
    pub(super) overlay: Overlay,
    unhashed: BTreeSet<u32>,
}

impl Staged {
    pub(super) fn new(commits: u64, counts: Counts, next: u64) -> Self {
        Self { commits, counts, next, additions: BTreeMap::new(), overlay: Overlay::new(), unhashed: BTreeSet::new() }
    }

    /// Adds the entry that will be leaf `index`. A refused entry leaves everything as it was, so the batch can go on without it.
    pub fn apply(&mut self, map: &StatusMap, entry: &Entry, index: u64) -> Result<(), TransitionError> {
        if index < self.next {
            return Err(TransitionError::OutOfOrder { index, next: self.next });
        }
        self.check(map, entry)?;
        if entry.event_type == EventType::MAP_HEAD {
            let head = entry.to_map_head()?;
            if (head.covers_size, head.depth) != (index, map.depth()) {
                return Err(TransitionError::MapHead);
            }
        }
        if let Some(step) = judge(self.standing(map, &entry.status_key), entry)? {
            let change = Change { index, time: entry.time, state: step.state, reason: entry.reason, invalid_since: step.invalid_since };
            self.add(map, entry.status_key, change, step.not_after);
        }
        self.next = index + 1;
        Ok(())
    }

    /// Whether the entry could come next.
    pub fn check(&self, map: &StatusMap, entry: &Entry) -> Result<(), TransitionError> {
        judge(self.standing(map, &entry.status_key), entry).map(drop)
    }

    /// The status of a certificate after the batch so far.
    pub fn status(&self, map: &StatusMap, key: &StatusKey) -> Option<Record> {
        let added = self.additions.get(key).and_then(|history| history.changes.last());
        added.map_or_else(|| map.status(key), |change| change.record(key))
    }

    /// The map's state after the batch so far, for the leaf at index `covers_size` that ends it.
    pub fn map_head(&mut self, map: &StatusMap, covers_size: u64) -> MapHead {
        self.hash(map);
        MapHead { covers_size, depth: map.depth(), root: map.tree().root(&self.overlay), counts: self.counts }
    }

    /// Brings the hashes up to date.
    pub(super) fn hash(&mut self, map: &StatusMap) {
        let unhashed = std::mem::take(&mut self.unhashed);
        let leaves = unhashed.into_iter().map(|bucket| (bucket, leaf_hash(&self.bucket(map, bucket)))).collect();
        map.tree().lay_over(&mut self.overlay, leaves);
    }

    pub(super) fn add(&mut self, map: &StatusMap, key: StatusKey, change: Change, not_after: Option<u64>) {
        let before = self.standing(map, &key).state;
        if let Some(count) = self.counts.of(before) {
            *count -= 1;
        }
        if let Some(count) = self.counts.of(change.state) {
            *count += 1;
        }
        self.unhashed.insert(map.depth().bucket_of(&key));
        let history = self.additions.entry(key).or_default();
        history.not_after = not_after.or(history.not_after);
        history.changes.push(change);
    }

    fn standing(&self, map: &StatusMap, key: &StatusKey) -> Standing {
        let before = map.standing(key);
        self.additions.get(key).map_or(before, |history| Standing {
            state: history.changes.last().map_or(before.state, |change| change.state),
            not_after: history.not_after.or(before.not_after),
        })
    }

    fn bucket(&self, map: &StatusMap, bucket: u32) -> Vec<u8> {
        let depth = map.depth();
        let added = self.additions.range(depth.first_key(bucket)..).map(|(key, _)| key);
        let keys: BTreeSet<&StatusKey> = map.keys_of(bucket).chain(added.take_while(|key| depth.bucket_of(key) == bucket)).collect();
        keys.into_iter().filter_map(|key| self.status(map, key)).flat_map(|record| record.encode()).collect()
    }
}
