//! What held when: the leaves of all logs in one order, and what they say of certificates, roles and the policy in force.
//!
//! Within a log the order is that of its leaves. Between logs it is that of their times, which one writer wrote and which never
//! go back in a log; whoever was let in may have been on the way for up to a minute. So what held at a leaf is what held at any
//! moment of the minute before it, and never what the leaf itself changed.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Code, Violation,
    export::{DismissalRecord, Export, GrantRecord},
    things::roles_of,
};
use crate::{
    ledger::{Entry, EventType, Note, State, StatusKey, Tree, merkle},
    policy::{Act, RoleGrant, decision::HashedText},
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
    pub states: HashMap<StatusKey, Vec<Change<'a, State>>>,
    /// The decision that each certificate was issued on.
    pub issues: HashMap<StatusKey, [u8; 32]>,
    pub policies: Vec<Change<'a, [u8; 32]>>,
    /// By person: all that they hold from then on.
    pub roles: HashMap<&'a str, Vec<Change<'a, Vec<RoleGrant>>>>,
    /// By the index of their leaf in the operations log.
    pub grants: HashMap<u64, &'a GrantRecord>,
    pub dismissals: HashMap<u64, &'a DismissalRecord>,
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
        for leaf in &leaves {
            let (at, entry) = (leaf.at, &leaf.entry);
            match entry.event_type {
                EventType::ISSUE | EventType::HOLD | EventType::RESUME | EventType::REVOKE => {
                    if entry.event_type == EventType::ISSUE {
                        self.issues.insert(entry.status_key, entry.digests.decision);
                    }
                    self.states.entry(entry.status_key).or_default().push(Change { at, value: entry.new_state });
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
                    if found.decision.act == Act::Dismiss
                        && let Some(record) =
                            export.dismissals.iter().find(|record| named(&record.statement) && record.commitment() == entry.body())
                    {
                        self.dismissals.insert(index, record);
                    }
                    self.change_roles(at, index);
                }
                _ => {}
            }
        }
        self.leaves = leaves;
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

    /// What somebody held just before a leaf of the operations log.
    pub fn roles_before(&self, person: &str, at: &Position<'_>) -> Vec<RoleGrant> {
        let history = self.roles.get(person).map(Vec::as_slice).unwrap_or_default();
        history.iter().rfind(|change| change.at < *at).map(|change| change.value.clone()).unwrap_or_default()
    }
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
