//! What held when: the leaves of all logs in one order, and what they say of certificates, roles and the policy in force.
//!
//! Within a log the order is that of its leaves. Between logs it is that of their times, which one writer wrote and which never
//! go back in a log; whoever was let in may have been on the way for up to a minute. So what held at a leaf is what held at any
//! moment of the minute before it, and never what the leaf itself changed.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Code, Violation,
    export::{DepartmentChangeRecord, DismissalRecord, Export, GrantRecord, ReReviewRecord},
    things::{Tree as Departments, roles_of},
};
use crate::{
    ledger::{Entry, EventType, Note, State, StatusKey, Tree, merkle},
    policy::{Act, Department, RoleGrant, decision::HashedText},
    services::{logs::OPERATIONS, trust::TrustBundle},
};

/// How long a request may take from checking its caller to its leaf (seconds).
pub const IN_FLIGHT: u64 = 60;

/// A leaf, or the moment of a decision that no leaf records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position<'a> {
    pub time: u64,
    /// The log and the index in it. A decision without a leaf comes before the leaves of its second.
    pub leaf: Option<(&'a str, u64)>,
}

/// A change of something, in the log that made it.
#[derive(Debug, Clone)]
pub struct Change<'a, T> {
    pub at: Position<'a>,
    pub value: T,
}

/// What held at any moment of the minute before a position.
pub fn held<'h, 'a, T>(history: &'h [Change<'a, T>], at: &Position<'_>) -> &'h [Change<'a, T>] {
    let after = |change: &Change<'_, T>| match (change.at.leaf, at.leaf) {
        (Some((log, index)), Some((own, limit))) if log == own => index >= limit,
        _ => change.at.time > at.time,
    };
    let end = history.iter().position(after).unwrap_or(history.len());
    let settled = history[..end].iter().rposition(|change| change.at.time + IN_FLIGHT < at.time).unwrap_or(0);
    &history[settled..end]
}

/// What held in the very second of a position; in the log of the position itself, just before it.
pub fn held_there<'h, 'a, T>(history: &'h [Change<'a, T>], at: &Position<'_>) -> &'h [Change<'a, T>] {
    let held = held(history, at);
    let settled = held.iter().rposition(|change| match (change.at.leaf, at.leaf) {
        (Some((log, _)), Some((own, _))) if log == own => true,
        _ => change.at.time < at.time,
    });
    &held[settled.unwrap_or(0)..]
}

/// What became of a certificate, and by which decision.
pub struct Standing {
    pub state: State,
    pub decision: [u8; 32],
}

/// A re-review that a leaf records.
pub struct Review {
    /// The certificate of the stolen key.
    pub certificate: String,
    pub decision: [u8; 32],
    pub record: ReReviewRecord,
}

pub struct LogBook<'a> {
    pub origin: &'a str,
    /// Of each leaf.
    pub times: Vec<u64>,
}

pub struct Leaf<'a> {
    pub at: Position<'a>,
    pub entry: Entry,
}

#[derive(Default)]
pub struct Timeline<'a> {
    pub logs: BTreeMap<&'a str, LogBook<'a>>,
    /// In order.
    pub leaves: Vec<Leaf<'a>>,
    pub states: HashMap<StatusKey, Vec<Change<'a, Standing>>>,
    /// The decision that each certificate was issued on.
    pub issues: HashMap<StatusKey, [u8; 32]>,
    pub policies: Vec<Change<'a, [u8; 32]>>,
    /// By person: all that they hold from then on.
    pub roles: HashMap<&'a str, Vec<Change<'a, Vec<RoleGrant>>>>,
    /// By the index of their leaf in the operations log.
    pub grants: HashMap<u64, &'a GrantRecord>,
    pub dismissals: HashMap<u64, &'a DismissalRecord>,
    pub changes: HashMap<u64, &'a DepartmentChangeRecord>,
    /// Where departments lay; the first is before all changes.
    pub departments: Vec<Change<'a, Departments>>,
    pub reviews: Vec<Change<'a, Review>>,
}

impl<'a> Timeline<'a> {
    /// Reads the logs up to the first entry that is none, and names each that its newest checkpoint does not vouch for.
    pub fn read(
        export: &'a Export,
        bundle: &'a TrustBundle,
        decisions: &HashMap<[u8; 32], HashedText>,
        violations: &mut Vec<Violation>,
    ) -> Self {
        let mut timeline = Self::default();
        let mut trees: BTreeMap<&str, Vec<[u8; 32]>> = BTreeMap::new();
        for record in &export.entries {
            let Some(log) = bundle.logs.iter().find(|log| log.name == record.log) else { continue };
            let book = timeline.logs.entry(&record.log).or_insert_with(|| LogBook { origin: &log.origin, times: Vec::new() });
            let hashes = trees.entry(&record.log).or_default();
            if hashes.len() > book.times.len() {
                continue;
            }
            let octets = STANDARD.decode(&record.entry).unwrap_or_default();
            hashes.push(merkle::leaf_hash(&octets));
            // An entry that cannot be read ends the log: its checkpoint is then over something else.
            let Ok(entry) = Entry::decode(&octets) else { continue };
            let at = Position { time: entry.time, leaf: Some((&record.log, book.times.len() as u64)) };
            book.times.push(entry.time);
            timeline.leaves.push(Leaf { at, entry });
        }
        for log in &bundle.logs {
            if let Err(what) = check_log(export, bundle, &log.name, trees.get(log.name.as_str()).map_or(&[][..], Vec::as_slice)) {
                violations.push(Violation {
                    log: Some(log.name.clone()),
                    index: None,
                    decision: None,
                    statement: None,
                    code: Code::LogUntrusted,
                    what,
                });
            }
        }
        timeline.leaves.sort_by_key(|leaf| leaf.at);
        timeline.remember(export, decisions);
        timeline
    }

    fn remember(&mut self, export: &'a Export, decisions: &HashMap<[u8; 32], HashedText>) {
        let leaves = std::mem::take(&mut self.leaves);
        for Leaf { at, entry } in leaves.iter().filter(|leaf| leaf.entry.event_type == EventType::CA_EVENT) {
            let (Some((OPERATIONS, index)), Some(found)) = (at.leaf, decisions.get(&entry.digests.decision)) else { continue };
            if let Some(record) = change_of(export, found, entry.body()) {
                self.changes.insert(index, record);
            }
        }
        self.departments.push(Change { at: Position { time: 0, leaf: None }, value: self.before_changes(export) });
        for leaf in &leaves {
            let (at, entry) = (leaf.at, &leaf.entry);
            match entry.event_type {
                EventType::ISSUE | EventType::HOLD | EventType::RESUME | EventType::REVOKE => {
                    if entry.event_type == EventType::ISSUE {
                        self.issues.insert(entry.status_key, entry.digests.decision);
                    }
                    let standing = Standing { state: entry.new_state, decision: entry.digests.decision };
                    self.states.entry(entry.status_key).or_default().push(Change { at, value: standing });
                }
                EventType::POLICY => {
                    let digest = <[u8; 32]>::try_from(entry.body());
                    self.policies.extend(digest.map(|value| Change { at, value }));
                }
                EventType::ROLE => {
                    let Some(found) = decisions.get(&entry.digests.decision) else { continue };
                    let Some((OPERATIONS, index)) = at.leaf else { continue };
                    let named = |statement: &String| found.statements.contains(statement);
                    if found.decision.act == Act::Grant
                        && let Some(record) = export
                            .grants
                            .iter()
                            .find(|record| named(&record.statement) && record.commitment().is_some_and(|body| body == entry.body()))
                    {
                        self.grants.insert(index, record);
                    }
                    // A re-review ends roles as well.
                    if matches!(found.decision.act, Act::Dismiss | Act::ReReview)
                        && let Some(record) =
                            export.dismissals.iter().find(|record| named(&record.statement) && record.commitment() == entry.body())
                    {
                        self.dismissals.insert(index, record);
                    }
                    self.change_roles(at, index);
                }
                EventType::CA_EVENT => {
                    let (Some((OPERATIONS, index)), Some(found)) = (at.leaf, decisions.get(&entry.digests.decision)) else { continue };
                    self.reorganize(at, index);
                    if let Some(record) = review_of(export, found, entry.body()) {
                        let review = Review { certificate: found.decision.about.to_string(), decision: entry.digests.decision, record };
                        self.reviews.push(Change { at, value: review });
                    }
                }
                _ => {}
            }
        }
        self.leaves = leaves;
    }

    /// The departments as they lay before the first change: those of today, and each change undone.
    fn before_changes(&self, export: &Export) -> Departments {
        let mut departments: Departments = export.departments.iter().map(|record| (record.id.clone(), record.parent.clone())).collect();
        let mut changes: Vec<_> = self.changes.iter().collect();
        changes.sort_by_key(|(index, _)| **index);
        let steps = changes.iter().rev().filter_map(|(_, record)| record.change()).flat_map(|change| change.departments);
        for step in steps {
            let id = step.department.to_string();
            match &step.before {
                Some(before) => departments.insert(id, place(before)),
                None => departments.remove(&id),
            };
        }
        departments
    }

    /// What a leaf about departments makes of them, and of the roles in one that is merged.
    fn reorganize(&mut self, at: Position<'a>, index: u64) {
        let Some(change) = self.changes.get(&index).and_then(|record| record.change()) else { return };
        let mut departments = self.departments.last().map(|change| change.value.clone()).unwrap_or_default();
        departments.extend(change.departments.iter().map(|step| (step.department.to_string(), place(&step.after))));
        self.departments.push(Change { at, value: departments });
        if change.act != Act::MergeDepartment {
            return;
        }
        for history in self.roles.values_mut() {
            let mut roles = history.last().map(|change| change.value.clone()).unwrap_or_default();
            let before = roles.len();
            roles.retain(|role| role.department != Some(change.department));
            if roles.len() < before {
                history.push(Change { at, value: roles });
            }
        }
    }

    /// What a leaf about roles makes of whoever it is about.
    fn change_roles(&mut self, at: Position<'a>, index: u64) {
        if let Some(record) = self.grants.get(&index) {
            let Some(person) = record.grants.first().map(|role| role.person.as_str()) else { return };
            let history = self.roles.entry(person).or_default();
            let mut roles = history.last().map(|change| change.value.clone()).unwrap_or_default();
            roles.extend(roles_of(record));
            history.push(Change { at, value: roles });
        }
        if let Some(record) = self.dismissals.get(&index) {
            self.roles.entry(&record.person).or_default().push(Change { at, value: Vec::new() });
        }
    }

    /// The statements that a leaf names as recorded.
    pub fn recorded_by(&self, leaf: &Leaf<'a>) -> Vec<String> {
        let Some((OPERATIONS, _)) = leaf.at.leaf else { return Vec::new() };
        let named = self.logs.get(OPERATIONS).and_then(|book| leaf.entry.recorded_statements(book.origin).ok());
        named.unwrap_or_default().iter().map(hex::encode).collect()
    }

    /// What somebody held just before a leaf of the operations log.
    pub fn roles_before(&self, person: &str, at: &Position<'_>) -> Vec<RoleGrant> {
        let history = self.roles.get(person).map(Vec::as_slice).unwrap_or_default();
        history.iter().rfind(|change| change.at < *at).map(|change| change.value.clone()).unwrap_or_default()
    }
}

fn place(department: &Department) -> Option<String> {
    department.successor.or(department.parent).map(|id| id.to_string())
}

/// The change of departments that a leaf with this body records.
fn change_of<'a>(export: &'a Export, found: &HashedText, body: &[u8]) -> Option<&'a DepartmentChangeRecord> {
    let is_it = |record: &&DepartmentChangeRecord| {
        found.statements.contains(&record.statement)
            && record.commitment().is_some_and(|commitment| commitment == body)
            && record.change().is_some_and(|change| change.act == found.decision.act && record.id == found.decision.about.to_string())
    };
    export.department_changes.iter().find(is_it)
}

/// The re-review that a leaf with this body records. One to which nothing was put has no record.
fn review_of(export: &Export, found: &HashedText, body: &[u8]) -> Option<ReReviewRecord> {
    if found.decision.act != Act::ReReview {
        return None;
    }
    let recorded = export.re_reviews.iter().filter(|record| found.statements.contains(&record.statement)).cloned();
    let empty = found.statements.iter().map(|statement| ReReviewRecord { statement: statement.clone(), items: Vec::new() });
    recorded.chain(empty).find(|record| record.commitment().is_some_and(|commitment| commitment == body))
}

/// The newest checkpoint is signed by the log's keys, and over these leaves. More may follow that it does not cover yet.
fn check_log(export: &Export, bundle: &TrustBundle, name: &str, hashes: &[[u8; 32]]) -> Result<(), String> {
    let trusted = bundle.trusted_log(name).ok_or("a key of it in the trust bundle cannot be read")?;
    let mut notes = export.checkpoints.iter().filter(|record| record.log == name);
    let Some(record) = notes.next() else {
        return if hashes.is_empty() { Ok(()) } else { Err("it has leaves and no checkpoint".to_owned()) };
    };
    let note = Note::parse(&record.note).map_err(|error| error.to_string())?;
    let checkpoint = trusted.verify(&note).map_err(|error| error.to_string())?.checkpoint;
    let size = usize::try_from(checkpoint.size).ok().filter(|size| *size <= hashes.len());
    let size = size.ok_or_else(|| format!("its checkpoint is over {} leaves, and {} are here", checkpoint.size, hashes.len()))?;
    let mut tree = Tree::new();
    hashes[..size].iter().for_each(|hash| tree.append(*hash));
    if tree.root() == checkpoint.root { Ok(()) } else { Err("its leaves are not those of its checkpoint".to_owned()) }
}
