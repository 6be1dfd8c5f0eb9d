//! Goes through the decisions in the order of the ledger and says of each what is wrong with it.
//!
//! Everything is text and numbers as the files have them: identifiers and digests are hexadecimal, and a decision is the JSON
//! that its digest is of. `Replay::decision` is the whole of it: the leaves, the statements, the rules, the number of people,
//! and what it rests on.

mod history;
mod policy;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use anyhow::Context;
use base64::prelude::*;
use const_oid::db::rfc4519::SERIAL_NUMBER;
use hufu::{
    crypto::digest::{sha256, sha256_concat},
    ledger::{Entry, EventType, State, StatusKey},
    policy::{Payload, SignerReference, Statement, Timestamp},
    x509::Certificate,
};
use serde_json::{Value, json};

use history::{Bundle, History, Logs, MINUTE, Moment};
use policy::{Actor, Facts, Held, Quorum, Version, department_link, link, path, person};

/// Versions of the policy that were read before, by digest.
pub type Versions = HashMap<String, Option<Rc<Version>>>;

/// A draft can be signed for thirty minutes, and clocks may be five minutes apart (seconds).
const DRAFT: u64 = 30 * 60;
const SKEW: u64 = 5 * 60;

/// RFC 5280 §5.3.1.
static REASONS: [(&str, u8); 8] = [
    ("unspecified", 0),
    ("keyCompromise", 1),
    ("cACompromise", 2),
    ("affiliationChanged", 3),
    ("superseded", 4),
    ("cessationOfOperation", 5),
    ("privilegeWithdrawn", 9),
    ("aACompromise", 10),
];

/// What takes two people, of whom the first waits.
static OF_TWO: [&str; 4] = ["uphold-contest", "dismiss-contest", "export", "erase"];

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub log: Option<String>,
    pub index: Option<u64>,
    pub decision: Option<String>,
    pub statement: Option<String>,
    pub code: &'static str,
    pub what: String,
}

impl Violation {
    pub fn json(&self) -> Value {
        let Self { log, index, decision, statement, code, what } = self;
        json!({"log": log, "index": index, "decision": decision, "statement": statement, "code": code, "what": what})
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = match (&self.log, self.index) {
            (Some(log), Some(index)) => format!("{log}/{index}"),
            (Some(log), None) => log.clone(),
            _ => "-".to_owned(),
        };
        write!(formatter, "{place} {}", self.code)?;
        for (name, digest) in [("decision", &self.decision), ("statement", &self.statement)] {
            digest.iter().try_for_each(|digest| write!(formatter, " {name} {digest}"))?;
        }
        write!(formatter, ": {}", self.what)
    }
}

/// Replays what these files and the bundle say; `read` answers the text of a file.
pub fn replay(read: impl Fn(&str) -> anyhow::Result<String>, bundle: &str, versions: &mut Versions) -> anyhow::Result<Vec<Violation>> {
    let bundle = Bundle::parse(bundle)?;
    let records = |file: &str| -> anyhow::Result<Vec<Value>> {
        let parse = |line: &str| serde_json::from_str(line).with_context(|| file.to_owned());
        read(file)?.lines().map(parse).collect()
    };
    let mut replay = Replay {
        decisions: by_digest(&records("decisions.jsonl")?, "text").into_iter().map(|(hash, text)| (hash, decision(&text))).collect(),
        statements: by_digest(&records("statements.jsonl")?, "jws"),
        policies: by_digest(&records("policies.jsonl")?, "text"),
        lists: (records("lists.jsonl")?.iter().map(|list| (text(list, "root"), List::of(list)))).collect(),
        certificates: by(records("certificates.jsonl")?, "id"),
        enrolments: by(records("enrolments.jsonl")?, "id"),
        persons: by(records("persons.jsonl")?, "id"),
        departments: by(records("departments.jsonl")?, "id"),
        changes: (by(records("department-changes.jsonl")?, "id").into_iter())
            .map(|(id, record)| (id, Reorganization::of(record)))
            .collect(),
        withdrawn: (by(records("withdrawn-changes.jsonl")?, "id").into_iter())
            .map(|(id, record)| (id, Reorganization::of(record)))
            .collect(),
        reviews: records("re-reviews.jsonl")?,
        checks: by(records("identity-checks.jsonl")?, "id"),
        contests: by(records("contests.jsonl")?, "later"),
        tokens: by(records("tokens.jsonl")?, "id"),
        grants: records("grants.jsonl")?,
        dismissals: records("dismissals.jsonl")?,
        logs: Logs::read(&records("entries.jsonl")?, &records("checkpoints.jsonl")?, &bundle),
        bundle,
        versions,
        so_far: SoFar::default(),
    };
    replay.remember();
    replay.all();
    replay.so_far.found.sort();
    Ok(replay.so_far.found)
}

struct Replay<'v> {
    /// `None` for a text that is no decision.
    decisions: BTreeMap<String, Option<Value>>,
    statements: BTreeMap<String, String>,
    policies: BTreeMap<String, String>,
    lists: BTreeMap<String, List>,
    certificates: BTreeMap<String, Value>,
    enrolments: BTreeMap<String, Value>,
    persons: BTreeMap<String, Value>,
    departments: BTreeMap<String, Value>,
    changes: BTreeMap<String, Reorganization>,
    /// Those that were taken back.
    withdrawn: BTreeMap<String, Reorganization>,
    reviews: Vec<Value>,
    checks: BTreeMap<String, Value>,
    contests: BTreeMap<String, Value>,
    tokens: BTreeMap<String, Value>,
    grants: Vec<Value>,
    dismissals: Vec<Value>,
    logs: Logs,
    bundle: Bundle,
    versions: &'v mut Versions,
    so_far: SoFar,
}

/// What follows from the files, and what happened before.
#[derive(Default)]
struct SoFar {
    /// By the status key of each certificate: its identifier.
    of_key: HashMap<StatusKey, String>,
    states: HashMap<String, History<State>>,
    /// The decision that each certificate was issued on.
    issued_on: HashMap<String, String>,
    in_force: History<String>,
    roles: HashMap<String, History<Vec<Held>>>,
    /// Where each department lies.
    places: History<BTreeMap<String, Value>>,
    /// By the index of its leaf, the change of departments.
    changed: BTreeMap<u64, String>,
    /// Each re-review: when, the decision, the certificate of the stolen key, and its record.
    reviewed: Vec<(Moment, String, String, Value)>,
    /// By the index of its leaf, the place of what it granted or ended.
    granted: HashMap<u64, usize>,
    dismissed: HashMap<u64, usize>,
    /// By the fingerprint of the certificate: its identifier, and itself.
    signers: HashMap<[u8; 32], (String, Certificate)>,
    /// By enrolment, the decisions that approved it; and the act of each statement that decided alone.
    approvals: HashMap<String, Vec<String>>,
    alone: HashMap<String, String>,
    /// When the approval of an enrolment was taken away.
    taken: HashMap<String, Vec<Timestamp>>,
    nonces: HashMap<String, String>,
    uses: HashMap<String, String>,
    roles_ever_given: BTreeSet<String>,
    people_govern: bool,
    found: Vec<Violation>,
}

/// A change of departments, with what was shown to whoever decided on it.
struct Reorganization {
    record: Value,
    shown: Value,
}

impl Reorganization {
    fn of(record: Value) -> Self {
        let shown = serde_json::from_str(record["shown"].as_str().unwrap_or_default()).unwrap_or_default();
        Self { record, shown }
    }

    /// The body of its leaf.
    fn body(&self) -> Value {
        json!({
            "change": self.record["id"],
            "decided_at": self.record["decided_at"].to_string(),
            "shown": hex::encode(sha256(text(&self.record, "shown").as_bytes())),
            "statement": self.record["statement"],
        })
    }

    fn steps(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.shown["departments"].as_array().into_iter().flatten()
    }
}

/// In what a department lies: in its successor once it was merged.
fn place(department: &Value) -> Value {
    let field = if department["successor"].is_null() { "parent" } else { "successor" };
    department[field].clone()
}

struct List {
    items: BTreeSet<String>,
    /// The root that they have.
    root: String,
}

impl List {
    fn of(record: &Value) -> Self {
        let items = texts(record, "items");
        Self { root: hex::encode(root(&items)), items: items.into_iter().collect() }
    }
}

/// One decision and where it is.
struct Case {
    hash: String,
    at: Moment,
    leaves: Vec<(Moment, Entry)>,
}

/// A statement of a decision that was found to be genuine.
struct Signed {
    digest: String,
    payload: Payload,
    /// What it does there: decide, found, or neither.
    part: Part,
    /// The identifier of the certificate; none is the system key.
    certificate: Option<String>,
    /// When that ends, in seconds.
    ends: u64,
    /// Whether it is about a list that this is in.
    is_listed: bool,
}

/// A statement as the caps count it.
struct Counted {
    at: Timestamp,
    digest: String,
    statement: Statement,
    signer: [u8; 32],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Decides,
    Founds,
    IsOverruled,
}

type Fault = (&'static str, String);

fn fault<T>(code: &'static str, what: impl Into<String>) -> Result<T, Fault> {
    Err((code, what.into()))
}

impl<'v> Replay<'v> {
    fn add(&mut self, at: &Moment, decision: Option<&str>, statement: Option<&str>, (code, what): Fault) {
        let (log, index) = at.leaf.clone().map_or((None, None), |(log, index)| (Some(log), Some(index)));
        self.so_far.found.push(Violation {
            log,
            index,
            decision: decision.map(str::to_owned),
            statement: statement.map(str::to_owned),
            code,
            what,
        });
    }

    /// Reads certificates and leaves: who can have signed, and what held when.
    fn remember(&mut self) {
        for (hash, whole) in self.decisions.iter().filter_map(|(hash, whole)| Some((hash, whole.as_ref()?))) {
            let act = text(&whole["decision"], "act");
            if let [only] = &texts(whole, "statements")[..] {
                self.so_far.alone.insert(only.clone(), act.clone());
            }
            if act == "re-review" {
                let own = self.so_far.taken.entry(text(&whole["decision"], "about")).or_default();
                own.extend(text(&whole["decision"], "at").parse::<Timestamp>());
            }
            if act == "approve" {
                self.so_far.approvals.entry(text(&whole["decision"], "about")).or_default().push(hash.clone());
            }
        }
        for (id, record) in &self.certificates {
            let Some(digest) = octets32(id) else { continue };
            self.so_far.of_key.insert(StatusKey::from_tbs_digest(&digest), id.clone());
            let der = record["der"].as_str().and_then(|der| BASE64_STANDARD.decode(der).ok());
            let Some(certificate) = der.and_then(|der| Certificate::parse(&der).ok()) else { continue };
            let issued =
                self.bundle.authorities.iter().any(|authority| {
                    authority.subject_der() == certificate.issuer_der() && certificate.verify_signature(authority).is_ok()
                });
            let person = certificate.subject().find(SERIAL_NUMBER);
            if issued && sha256(certificate.tbs()) == digest && person.is_none_or(|person| record["person"] == person) {
                self.so_far.signers.insert(certificate.fingerprint(), (id.clone(), certificate));
            }
        }
        self.remember_places();
        for (at, entry) in &self.logs.leaves {
            let decision = hex::encode(entry.digests.decision);
            match entry.event_type {
                EventType::ISSUE | EventType::HOLD | EventType::RESUME | EventType::REVOKE => {
                    let Some(id) = self.so_far.of_key.get(&entry.status_key) else { continue };
                    if entry.event_type == EventType::ISSUE {
                        self.so_far.issued_on.insert(id.clone(), decision);
                    }
                    self.so_far.states.entry(id.clone()).or_default().add(at, entry.new_state);
                }
                EventType::POLICY if entry.body().len() == 32 => self.so_far.in_force.add(at, hex::encode(entry.body())),
                EventType::ROLE => {
                    let (Some((log, index)), Some(Some(decision))) = (&at.leaf, self.decisions.get(&decision)) else { continue };
                    let names = |record: &Value| texts(decision, "statements").contains(&text(record, "statement"));
                    let is_bound = |record: &&Value, body: Value| names(record) && sha256(&canonical(&body)) == entry.body();
                    if log != "operations" {
                        continue;
                    }
                    let act = text(&decision["decision"], "act");
                    if let Some(place) = self.grants.iter().position(|record| act == "grant" && is_bound(&record, grant_body(record))) {
                        self.so_far.granted.insert(*index, place);
                        let roles = roles(&self.grants[place]);
                        let history = self.so_far.roles.entry(text(&self.grants[place]["grants"][0], "person")).or_default();
                        let before = history.last().cloned().unwrap_or_default();
                        history.add(at, [before, roles].concat());
                    }
                    let ended = |record: &Value| json!({"person": record["person"], "withdrawn_at": record["withdrawn_at"].to_string()});
                    if let Some(place) = self
                        .dismissals
                        .iter()
                        .position(|record| ["dismiss", "re-review"].contains(&act.as_str()) && is_bound(&record, ended(record)))
                    {
                        self.so_far.dismissed.insert(*index, place);
                        self.so_far.roles.entry(text(&self.dismissals[place], "person")).or_default().add(at, Vec::new());
                    }
                }
                EventType::CA_EVENT => {
                    let (Some((log, index)), Some(Some(whole))) = (&at.leaf, self.decisions.get(&decision)) else { continue };
                    if log != "operations" {
                        continue;
                    }
                    if let Some(change) = self.so_far.changed.get(index).map(|id| &self.changes[id]) {
                        let mut places = self.so_far.places.last().cloned().unwrap_or_default();
                        places.extend(change.steps().map(|step| (text(step, "department"), place(&step["after"]))));
                        self.so_far.places.add(at, places);
                        if change.shown["act"] == "merge-department" {
                            let merged = change.shown["department"].as_str();
                            for history in self.so_far.roles.values_mut() {
                                let before = history.last().cloned().unwrap_or_default();
                                let left: Vec<Held> = before.iter().filter(|(_, of)| of.as_deref() != merged).cloned().collect();
                                if left != before {
                                    history.add(at, left);
                                }
                            }
                        }
                    }
                    if whole["decision"]["act"] == "re-review" {
                        let names = texts(whole, "statements");
                        let recorded = self.reviews.iter().filter(|record| names.contains(&text(record, "statement"))).cloned();
                        let empty = names.iter().map(|statement| json!({"statement": statement, "items": []}));
                        let mut candidates = recorded.chain(empty);
                        if let Some(record) = candidates.find(|record| sha256(&canonical(&review_body(record))) == entry.body()) {
                            self.so_far.reviewed.push((at.clone(), decision, text(&whole["decision"], "about"), record));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Which leaf did which change, and where departments lay before the first of them: those of today, with every change undone.
    fn remember_places(&mut self) {
        for (at, entry) in self.logs.leaves.iter().filter(|(_, entry)| entry.event_type == EventType::CA_EVENT) {
            let Some((_, index)) = at.leaf.as_ref().filter(|(log, _)| log == "operations") else { continue };
            let Some(Some(whole)) = self.decisions.get(&hex::encode(entry.digests.decision)) else { continue };
            let decision = &whole["decision"];
            let Some(change) = self.changes.get(&text(decision, "about")) else { continue };
            let is_it = texts(whole, "statements").contains(&text(&change.record, "statement"))
                && change.shown["act"] == decision["act"]
                && change.shown["change"] == change.record["id"]
                && sha256(&canonical(&change.body())) == entry.body();
            if is_it {
                self.so_far.changed.insert(*index, text(decision, "about"));
            }
        }
        let mut places: BTreeMap<String, Value> =
            self.departments.iter().map(|(id, record)| (id.clone(), record["parent"].clone())).collect();
        for step in self.so_far.changed.values().rev().flat_map(|id| self.changes[id].steps()) {
            match &step["before"] {
                Value::Null => drop(places.remove(&text(step, "department"))),
                before => drop(places.insert(text(step, "department"), place(before))),
            }
        }
        self.so_far.places.add(&Moment { time: 0, leaf: None }, places);
    }

    fn all(&mut self) {
        for (log, what) in std::mem::take(&mut self.logs.untrusted) {
            self.so_far.found.push(Violation { log: Some(log), index: None, decision: None, statement: None, code: "log-untrusted", what });
        }
        let mut cases: BTreeMap<String, Case> = BTreeMap::new();
        for (at, entry) in std::mem::take(&mut self.logs.leaves) {
            let hash = hex::encode(entry.digests.decision);
            if entry.digests.decision != [0; 32] {
                let case = cases.entry(hash.clone()).or_insert_with(|| Case { hash, at: at.clone(), leaves: Vec::new() });
                case.leaves.push((at, entry));
            } else if !matches!(
                entry.event_type,
                EventType::MAP_HEAD | EventType::TIME_STAMP | EventType::CA_EVENT | EventType::CRL_PUBLISHED
            ) {
                self.add(&at, None, None, ("decision-missing", "it names none".to_owned()));
            }
        }
        for (hash, decision) in self.decisions.iter().filter_map(|(hash, decision)| Some((hash, decision.as_ref()?))) {
            let at = Moment { time: seconds(&text(&decision["decision"], "at")), leaf: None };
            cases.entry(hash.clone()).or_insert_with(|| Case { hash: hash.clone(), at, leaves: Vec::new() });
        }
        let mut cases: Vec<Case> = cases.into_values().collect();
        cases.sort_by(|one, other| (&one.at, &one.hash).cmp(&(&other.at, &other.hash)));
        for case in &cases {
            self.decision(case);
        }
        self.loose();
        self.capped();
    }

    /// Records that no leaf is the digest of.
    fn loose(&mut self) {
        let bound: BTreeSet<String> = (self.so_far.granted.values().map(|place| text(&self.grants[*place], "statement")))
            .chain(self.so_far.dismissed.values().map(|place| text(&self.dismissals[*place], "statement")))
            .chain(self.so_far.changed.values().map(|id| text(&self.changes[id].record, "statement")))
            .chain(self.so_far.reviewed.iter().map(|(_, _, _, record)| text(record, "statement")))
            .collect();
        let roles = self.grants.iter().chain(&self.dismissals).map(|record| ("grant-unbound", record));
        let changes = self.changes.values().map(|change| ("change-unbound", &change.record));
        let reviews = self.reviews.iter().map(|record| ("review-unbound", record));
        for (code, record) in roles.chain(changes).chain(reviews).filter(|(_, record)| !bound.contains(&text(record, "statement"))) {
            let statement = Some(text(record, "statement"));
            let what = "no leaf is the digest of this record".to_owned();
            self.so_far.found.push(Violation { log: None, index: None, decision: None, statement, code, what });
        }
    }

    /// What somebody signed beyond a cap, by the times that they signed. A statement may be recorded as late as its draft and two
    /// clocks allow: the day is shorter by that.
    fn capped(&mut self) {
        let mut by_person: BTreeMap<(String, String), Vec<Counted>> = BTreeMap::new();
        for (digest, jws) in &self.statements {
            let Ok(statement) = Statement::parse(jws) else { continue };
            let SignerReference::Certificate(fingerprint) = statement.signer() else { continue };
            let Some((id, _)) = self.so_far.signers.get(&fingerprint) else { continue };
            let key = (text(&self.certificates[id], "person"), statement.payload().act.to_string());
            let one = Counted { at: statement.payload().at, digest: digest.clone(), statement, signer: fingerprint };
            by_person.entry(key).or_default().push(one);
        }
        for ((_, act), mut signed) in by_person {
            signed.sort_by(|one, other| (one.at, &one.digest).cmp(&(other.at, &other.digest)));
            if self.beyond(&act, &signed).is_empty() {
                continue;
            }
            let signers = &self.so_far.signers;
            signed.retain(|one| signers[&one.signer].1.public_key().is_ok_and(|key| one.statement.verify(key).is_ok()));
            for digest in self.beyond(&act, &signed) {
                let what = format!("too much was signed to {act} within a day");
                self.so_far.found.push(Violation {
                    log: None,
                    index: None,
                    decision: None,
                    statement: Some(digest),
                    code: "daily-cap",
                    what,
                });
            }
        }
    }

    fn beyond(&mut self, act: &str, signed: &[Counted]) -> Vec<String> {
        let day = time::Duration::days(1) - time::Duration::seconds((DRAFT + 2 * SKEW) as i64);
        let items =
            |statement: &Statement| self.lists.get(&statement.payload().about.to_string()).map_or(1, |list| list.items.len() as u64);
        let items: Vec<u64> = signed.iter().map(|one| items(&one.statement)).collect();
        let mut beyond = Vec::new();
        for (place, one) in signed.iter().enumerate() {
            let version = self.version(&one.statement.payload().policy.to_string());
            let Some(cap) = version.and_then(|version| version.cap(act)) else { continue };
            let today: Vec<usize> = (0..=place).filter(|earlier| signed[*earlier].at.instant() > one.at.instant() - day).collect();
            let things: u64 = today.iter().map(|earlier| items[*earlier]).sum();
            if today.len() as u64 > cap.statements || cap.items.is_some_and(|most| things > most) {
                beyond.push(one.digest.clone());
            }
        }
        beyond
    }

    /// Judges one decision.
    fn decision(&mut self, case: &Case) {
        let before = self.so_far.found.len();
        let Some(Some(whole)) = self.decisions.get(&case.hash).cloned() else {
            return self.add(&case.at, Some(&case.hash), None, ("decision-missing", "there is no such text of a decision".to_owned()));
        };
        let decision = &whole["decision"];
        let (act, about) = (text(decision, "act"), text(decision, "about"));
        let Some(thing) = self.thing(&act, &about) else {
            let what = format!("there is nothing that {act} could be done to");
            return self.add(&case.at, Some(&case.hash), None, ("decision-misfit", what));
        };
        let names = texts(&whole, "statements");
        let refused = decision["outcome"] != "allowed";
        let other_profile =
            thing.kind == Kind::Enrolment && !decision["profile"].is_null() && decision["profile"] != thing.record["profile"];
        let needs_no_leaf = ["approve", "reject", "withdraw", "expire", "check-identity", "uphold-contest", "dismiss-contest", "export"]
            .contains(&act.as_str())
            || (act == "erase" && names.len() < 2)
            || (["revoke", "merge-department", "re-review"].contains(&act.as_str()) && thing.kind == Kind::Enrolment)
            // A proposal that was taken back.
            || (act == "dismiss" && self.changes(case, &act, &about).0.is_empty());
        if refused || other_profile || (case.leaves.is_empty() && !needs_no_leaf) {
            self.add(
                &case.at,
                Some(&case.hash),
                None,
                ("decision-misfit", "it is refused, of another profile, or without its leaf".to_owned()),
            );
        }
        self.leaves(case, decision, &thing);

        let mut signed: Vec<Signed> = Vec::new();
        for digest in &names {
            match self.genuine(digest, &act, &about, &thing) {
                Ok(one) => signed.push(one),
                Err(fault) => self.add(&case.at, Some(&case.hash), Some(digest), fault),
            }
        }
        signed.sort_by_cached_key(|one| (one.payload.at, one.digest.clone()));
        let newest = signed.iter().rfind(|one| one.part == Part::Decides).map(|one| one.payload.clone());
        let mut timely = Vec::new();
        for one in signed {
            match self.timely(case, decision, names.len(), &one, newest.as_ref()) {
                Ok(()) => timely.push(one),
                Err(fault) => self.add(&case.at, Some(&case.hash), Some(&one.digest), fault),
            }
        }
        let Some(version) = self.version(&text(decision, "policy")) else {
            return self.add(&case.at, Some(&case.hash), None, ("policy-unknown", "there is no such text of a policy".to_owned()));
        };
        let by_itself =
            act == "activate-policy" && decision["about"] == decision["policy"] && timely.iter().all(|one| one.certificate.is_none());
        if !by_itself && !self.so_far.in_force.around(&case.at).iter().any(|digest| decision["policy"] == **digest) {
            self.add(&case.at, Some(&case.hash), None, ("policy-not-in-force", "its policy was not in force".to_owned()));
        }
        self.reasons(case, &act, timely.iter().rfind(|one| one.part == Part::Decides));
        let people = self.people(case, &act, &thing, decision, &version, &timely);
        if self.so_far.found.len() == before {
            if !self.is_enough(case, &act, &thing, &version, &timely, &people) {
                let what = format!("{} people are not enough", people.len());
                self.add(&case.at, Some(&case.hash), None, ("quorum-missed", what));
            }
            if !self.is_founded(case, &act, &about, &thing, &version, &timely) {
                self.add(&case.at, Some(&case.hash), None, ("unfounded", "what it rests on was not decided".to_owned()));
            }
        }
    }

    fn version(&mut self, digest: &str) -> Option<Rc<Version>> {
        let text = self.policies.get(digest)?;
        self.versions.entry(digest.to_owned()).or_insert_with(|| Version::parse(text).ok().map(Rc::new)).clone()
    }
}

// What a decision is about.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Enrolment,
    AuthorityKey,
    Certificate,
    Person,
    Installation,
    Departments,
    Token,
    Check,
    Contest,
}

#[derive(Debug, Clone)]
struct Thing {
    kind: Kind,
    record: Value,
}

impl Replay<'_> {
    fn thing(&self, act: &str, about: &str) -> Option<Thing> {
        let is_digest = about.len() == 64;
        let (kind, table) = match act {
            "withdraw" if self.withdrawn.contains_key(about) => {
                return Some(Thing { kind: Kind::Departments, record: self.withdrawn[about].shown.clone() });
            }
            "approve" | "reject" | "withdraw" | "expire" | "claim" | "prove" | "renew" => (Kind::Enrolment, &self.enrolments),
            "issue" | "revoke" if !is_digest => (Kind::Enrolment, &self.enrolments),
            "issue" => return Some(Thing { kind: Kind::AuthorityKey, record: Value::Null }),
            "revoke" | "suspend" | "resume" | "complete" => (Kind::Certificate, &self.certificates),
            "grant" | "dismiss" | "export" | "erase" => (Kind::Person, &self.persons),
            "re-review" if is_digest => (Kind::Certificate, &self.certificates),
            "re-review" => (Kind::Enrolment, &self.enrolments),
            "define-department" | "change-department" | "merge-department" if self.changes.contains_key(about) => {
                return Some(Thing { kind: Kind::Departments, record: self.changes[about].shown.clone() });
            }
            "merge-department" => (Kind::Enrolment, &self.enrolments),
            "activate-policy" => return Some(Thing { kind: Kind::Installation, record: Value::Null }),
            "grant-token" | "revoke-token" => (Kind::Token, &self.tokens),
            "check-identity" | "confirm-identity" | "withdraw-identity" => (Kind::Check, &self.checks),
            "uphold-contest" | "dismiss-contest" => {
                let contest = self.contests.get(about)?;
                let enrolment = |field: &str| self.enrolments.get(&text(contest, field)).cloned();
                let record = json!({"later": enrolment("later")?, "earlier": enrolment("earlier")?});
                return Some(Thing { kind: Kind::Contest, record });
            }
            _ => return None,
        };
        table.get(about).map(|record| Thing { kind, record: record.clone() })
    }

    /// A department and those above it, where they lie so.
    fn departments_from(places: &BTreeMap<String, Value>, department: &Value) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut next = department.as_str().map(str::to_owned);
        while let Some(id) = next.take().filter(|_| found.len() < 64) {
            next = places.get(&id).and_then(Value::as_str).map(str::to_owned);
            found.push(id);
        }
        found
    }

    /// What the rules are told, one after the other; `before` are those who signed the same.
    fn facts(
        &self,
        case: &Case,
        act: &str,
        thing: &Thing,
        version: &Version,
        places: &BTreeMap<String, Value>,
        before: &[String],
    ) -> Result<Vec<Facts>, String> {
        let record = &thing.record;
        let people = |ids: &[String]| ids.iter().map(|id| link("Person", id)).collect::<Vec<_>>();
        let in_department = |kind: &str, department: &Value, mut attributes: Value, mut more: Vec<Value>| {
            attributes["department"] = department_link(department.as_str());
            more.extend(path(&Self::departments_from(places, department)));
            Facts::of(kind, attributes, more)
        };
        let held_by = |record: &Value, holder: &str| {
            in_department("Certificate", &record["department"], json!({"holder": link("Person", holder)}), Vec::new())
        };
        let certificate = |record: &Value| held_by(record, &text(record, "person"));
        let questioned = self.questioned(case, &text(record, "id"));
        let case_of = |department: &Value, concerns: Vec<String>| {
            in_department("CitizenCase", department, json!({"concerns": people(&concerns), "decided_by": people(before)}), Vec::new())
        };
        Ok(match (thing.kind, act) {
            // To resume it is asked of whoever's stolen key it rested on, too.
            (Kind::Certificate, "resume") => {
                [text(record, "person")].iter().chain(&questioned).map(|holder| held_by(record, holder)).collect()
            }
            (Kind::Departments, _) => {
                let step = &record["departments"][0];
                let from = if step["before"].is_null() { &step["after"]["parent"] } else { &step["before"]["parent"] };
                let to = place(&step["after"]);
                let attributes = json!({"from": department_link(from.as_str()), "to": department_link(to.as_str())});
                let paths = [from, &to].map(|one| path(&Self::departments_from(places, one)));
                vec![Facts::of("DepartmentChange", attributes, paths.concat())]
            }
            (Kind::Enrolment, "revoke") | (Kind::Certificate, _) => vec![certificate(record)],
            (Kind::Enrolment, "renew") => {
                vec![certificate(self.certificates.get(&text(record, "replaces")).ok_or("it follows no certificate")?)]
            }
            (Kind::Enrolment, _) => {
                let name = text(record, "profile");
                let profile = version.profile_entity(&name).ok_or("the policy has no such profile")?;
                let attributes = json!({
                    "profile": link("Profile", &name),
                    "submitted_by": link("Person", &text(record, "submitted_by")),
                    "subject": link("Person", &text(record, "person")),
                    "approved_by": people(&[before, &questioned].concat()),
                });
                vec![in_department("Enrolment", &record["department"], attributes, vec![profile])]
            }
            (Kind::Person, "grant" | "dismiss") => {
                let id = text(record, "id");
                let (mut held, changes) = self.changes(case, act, &id);
                let mut facts = Vec::new();
                for (role, department) in changes {
                    let of = Actor { person: id.clone(), roles: held.clone() };
                    let attributes = json!({"of": link("Person", &id), "role": link("Role", &role)});
                    facts.push(in_department("Appointment", &json!(department), attributes, vec![person(&of)]));
                    if act == "grant" {
                        held.push((role, department));
                    }
                }
                facts
            }
            (Kind::Person, _) => vec![case_of(&record["department"], vec![text(record, "id")])],
            (Kind::Contest, _) => {
                let (later, earlier) = (&record["later"], &record["earlier"]);
                let concerns = [later, earlier].map(|one| [text(one, "person"), text(one, "submitted_by")]).concat();
                vec![case_of(&later["department"], concerns)]
            }
            (Kind::Token, _) => vec![in_department("Record", &record["department"], json!({}), Vec::new())],
            (Kind::Check, _) => {
                let attributes = json!({"recorded_by": link("Person", &text(record, "recorded_by"))});
                vec![in_department("IdentityCheck", &record["department"], attributes, Vec::new())]
            }
            (Kind::Installation | Kind::AuthorityKey, _) => vec![Facts::installation()],
        })
    }

    /// Whose stolen keys this rested on, for all of the minute before.
    fn questioned(&self, case: &Case, item: &str) -> Vec<String> {
        let put = |(at, _, _, record): &&(Moment, String, String, Value)| {
            at.time + MINUTE < case.at.time && record["items"].as_array().into_iter().flatten().any(|one| one["item"] == item)
        };
        let holder = |(_, _, certificate, _): &(Moment, String, String, Value)| Some(text(self.certificates.get(certificate)?, "person"));
        self.so_far.reviewed.iter().filter(put).filter_map(holder).collect()
    }

    /// The roles that somebody held before a leaf, and those that it gives or ends.
    fn changes(&self, case: &Case, act: &str, id: &str) -> (Vec<Held>, Vec<Held>) {
        let held = self.so_far.roles.get(id).and_then(|history| history.before(&case.at)).cloned().unwrap_or_default();
        let changes = match (act, &case.at.leaf) {
            ("grant", Some((_, index))) => self.so_far.granted.get(index).map(|place| roles(&self.grants[*place])).unwrap_or_default(),
            ("dismiss", Some(_)) => held.clone(),
            _ => Vec::new(),
        };
        (held, changes)
    }

    // The leaves.

    fn leaves(&mut self, case: &Case, decision: &Value, thing: &Thing) {
        let mut seen: BTreeMap<(u8, [u8; 32], &[u8]), usize> = BTreeMap::new();
        let most = if thing.kind == Kind::Enrolment { thing.record["requests"].as_u64().unwrap_or(0) } else { 1 };
        let mut issued = 0;
        for (at, entry) in &case.leaves {
            // A re-review has a leaf for each thing that it ends.
            let body = if decision["act"] == "re-review" { entry.body() } else { &[] };
            let times = seen.entry((entry.event_type.0, *entry.status_key.as_bytes(), body)).or_default();
            *times += 1;
            issued += u64::from(entry.event_type == EventType::ISSUE);
            let again = *times > 1 || (entry.event_type == EventType::ISSUE && issued > most);
            if let Err(fault) = self.records(at, entry, decision, thing) {
                self.add(at, Some(&case.hash), None, fault);
            }
            if decision["policy"] != hex::encode(entry.digests.policy) {
                self.add(at, Some(&case.hash), None, ("decision-misfit", "the leaf was made under another policy".to_owned()));
            }
            if again {
                self.add(at, Some(&case.hash), None, ("decision-overused", "it was carried out before".to_owned()));
            }
        }
    }

    /// Whether a leaf records this decision.
    fn records(&self, at: &Moment, entry: &Entry, decision: &Value, thing: &Thing) -> Result<(), Fault> {
        let certificate = self.so_far.of_key.get(&entry.status_key).and_then(|id| self.certificates.get(id)).unwrap_or(&Value::Null);
        let act = text(decision, "act");
        let record = &thing.record;
        let is_this = !certificate.is_null() && certificate["id"] == record["id"];
        let is_of = |person: &Value| !certificate.is_null() && certificate["person"] == *person;
        let fits = match (entry.event_type, thing.kind, act.as_str()) {
            (EventType::ISSUE, Kind::Enrolment, "approve" | "claim" | "issue" | "prove" | "renew") => {
                certificate["enrolment"] == record["id"]
                    && ["person", "profile", "department"].iter().all(|field| certificate[field] == record[field])
                    && decision["profile"] == record["profile"]
            }
            (EventType::ISSUE, Kind::AuthorityKey, "issue") => !certificate.is_null() && certificate["enrolment"].is_null(),
            (EventType::REVOKE, Kind::Certificate, "re-review") => is_this,
            (EventType::HOLD, Kind::Certificate, "re-review") => self.put_to(decision_hash(entry), "certificate", &text(certificate, "id")),
            (EventType::ROLE, Kind::Certificate, "re-review") => {
                let place = at.leaf.as_ref().and_then(|(_, index)| self.so_far.dismissed.get(index));
                place.is_some_and(|place| self.put_to(decision_hash(entry), "roles", &text(&self.dismissals[*place], "person")))
            }
            (EventType::CA_EVENT, Kind::Certificate, "re-review") => {
                let hash = decision_hash(entry);
                let Some((_, _, _, record)) = self.so_far.reviewed.iter().find(|(_, own, ..)| *own == hash) else {
                    return fault("review-unbound", "the leaf is the digest of no re-review that is recorded");
                };
                let ends = |one: &Value| one["kind"] == "token" || one["kind"] == "identity-check";
                sha256(&canonical(&review_body(record))) == entry.body() || record["items"].as_array().into_iter().flatten().any(ends)
            }
            (EventType::CA_EVENT, Kind::Departments, _) => match at.leaf.as_ref().and_then(|(_, index)| self.so_far.changed.get(index)) {
                None => return fault("change-unbound", "the leaf is the digest of no change that is recorded"),
                Some(change) => decision["about"] == **change,
            },
            (EventType::HOLD, Kind::Certificate, "suspend")
            | (EventType::RESUME, Kind::Certificate, "resume")
            | (EventType::REVOKE, Kind::Certificate, "revoke" | "complete") => is_this,
            (EventType::REVOKE, Kind::Contest, "uphold-contest") => is_of(&record["earlier"]["person"]),
            (EventType::REVOKE, Kind::Person, "erase") => is_of(&record["id"]),
            (EventType::ERASE, Kind::Person, "erase") => true,
            (EventType::ROLE, Kind::Person, "grant" | "dismiss") => {
                let index = at.leaf.as_ref().map_or(0, |(_, index)| *index);
                let own = |one: &Value| one["person"] == record["id"];
                let granted =
                    self.so_far.granted.get(&index).map(|place| self.grants[*place]["grants"].as_array().into_iter().flatten().all(own));
                match granted.or(self.so_far.dismissed.get(&index).map(|place| own(&self.dismissals[*place]))) {
                    None => return fault("grant-unbound", "the leaf is the digest of no roles that are recorded"),
                    Some(own) => own,
                }
            }
            (EventType::POLICY, Kind::Installation, "activate-policy") => decision["about"] == hex::encode(entry.body()),
            (EventType::CA_EVENT, Kind::Token, _) | (EventType::CA_EVENT, Kind::Check, "confirm-identity" | "withdraw-identity") => true,
            _ => false,
        };
        if fits { Ok(()) } else { fault("decision-misfit", format!("the leaf records no {act} of this")) }
    }

    fn put_to(&self, decision: String, kind: &str, item: &str) -> bool {
        let is_it = |one: &Value| one["kind"] == kind && one["item"] == item;
        let own = self.so_far.reviewed.iter().filter(|(_, hash, ..)| *hash == decision);
        own.flat_map(|(_, _, _, record)| record["items"].as_array().into_iter().flatten()).any(is_it)
    }

    /// A revocation has the reason and the time that were signed.
    fn reasons(&mut self, case: &Case, act: &str, signed: Option<&Signed>) {
        for (at, entry) in case.leaves.iter().filter(|(_, entry)| entry.event_type == EventType::REVOKE) {
            let since = entry.invalid_since().ok().flatten();
            let fits = match (act, signed) {
                ("uphold-contest", _) => entry.reason == 9,
                ("erase" | "complete", _) => entry.reason == 5 && since.is_none(),
                ("re-review", Some(signed)) => entry.reason == 1 && since == signed.payload.since.map(|since| seconds(&since.to_string())),
                (_, Some(signed)) => {
                    let name = signed.payload.reason.as_ref().map_or("unspecified".to_owned(), ToString::to_string);
                    let number = REASONS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
                    number == Some(entry.reason) && since == signed.payload.since.map(|since| seconds(&since.to_string()))
                }
                (_, None) => true,
            };
            if !fits {
                self.add(at, Some(&case.hash), None, ("decision-misfit", "the leaf has another reason or time than was signed".to_owned()));
            }
        }
    }

    // The statements.

    /// What a statement is, wherever it is used: its signature, its signer, and that it speaks of this.
    fn genuine(&self, digest: &str, act: &str, about: &str, thing: &Thing) -> Result<Signed, Fault> {
        let Some(jws) = self.statements.get(digest) else { return fault("statement-missing", "there is no such statement") };
        let statement = Statement::parse(jws).map_err(|error| ("statement-malformed", error.to_string()))?;
        let (verified, certificate, ends) = match statement.signer() {
            SignerReference::Key(_) => (self.bundle.system_key.as_ref().is_some_and(|key| statement.verify(key).is_ok()), None, 0),
            SignerReference::Certificate(fingerprint) => {
                let Some((id, certificate)) = self.so_far.signers.get(&fingerprint) else {
                    return fault("signer-unknown", "no certificate of this CA and of this person signed it");
                };
                let verified = certificate.public_key().is_ok_and(|key| statement.verify(key).is_ok());
                (verified, Some(id.clone()), certificate.not_after().unix_timestamp())
            }
        };
        if !verified {
            return fault("statement-signature", "its signature does not verify");
        }
        let payload = statement.payload().clone();
        let (own, target) = (payload.act.to_string(), payload.about.to_string());
        let listed = self.lists.get(&target).filter(|list| target != about && list.items.contains(about));
        let speaks_of_this = target == about || listed.is_some();
        let record = &thing.record;
        let part = match (own.as_str(), act) {
            ("merge-department", "merge-department") if thing.kind == Kind::Enrolment => {
                let change = self.changes.get(&target);
                change.is_some_and(|change| change.shown["department"] == record["department"]).then_some(Part::Founds)
            }
            ("re-review", "re-review") if thing.kind == Kind::Enrolment => Some(Part::Founds),
            ("renew", "renew") => (record["replaces"].as_str().unwrap_or(about) == target).then_some(Part::Decides),
            (own, act) if own == act => speaks_of_this.then_some(Part::Decides),
            ("approve", "claim") => speaks_of_this.then_some(Part::Founds),
            ("grant", "claim") => (record["person"] == target).then_some(Part::Founds),
            ("check-identity" | "confirm-identity", "prove" | "resume") => Some(Part::Founds),
            ("approve", "reject" | "withdraw" | "expire") => speaks_of_this.then_some(Part::IsOverruled),
            _ => None,
        };
        let Some(part) = part else { return fault("statement-misfit", format!("{own} about {target} is something else")) };
        if thing.kind == Kind::Departments {
            let shown = sha256_concat(&[&[0; 32], &canonical(record)]);
            if payload.seen.to_string() != hex::encode(shown) {
                return fault("statement-misfit", "it was shown another change");
            }
        }
        if listed.is_some_and(|list| list.root != target) {
            return fault("list-mismatch", "its list has another root");
        }
        let ends = ends.unsigned_abs();
        Ok(Signed { digest: digest.to_owned(), payload, part, certificate, ends, is_listed: listed.is_some() })
    }

    /// What a statement is where it is used: once, under the policy of the decision, by a good certificate, at its time.
    fn timely(&mut self, case: &Case, decision: &Value, names: usize, one: &Signed, newest: Option<&Payload>) -> Result<(), Fault> {
        let payload = &one.payload;
        let (act, about) = (text(decision, "act"), text(decision, "about"));
        let nonce = self.so_far.nonces.insert(payload.nonce.to_string(), one.digest.clone());
        if nonce.is_some_and(|earlier| earlier != one.digest) {
            return fault("nonce-reused", "another statement has its nonce");
        }
        if one.part == Part::IsOverruled {
            return Ok(());
        }
        let of_two = OF_TWO.contains(&act.as_str());
        let use_of_it = match (one.part, one.is_listed) {
            (Part::Decides, _) => format!("{} decides {about}", one.digest),
            (_, true) => format!("{} founds {about}", one.digest),
            _ if payload.act.to_string() == act => format!("{} founds {about}", one.digest),
            (_, false) => format!("{} founds {}", one.digest, payload.about),
        };
        if !(of_two && case.leaves.is_empty() && names == 1) {
            let earlier = self.so_far.uses.insert(use_of_it, case.hash.clone());
            if earlier.is_some_and(|earlier| earlier != case.hash) {
                return fault("statement-replayed", "it was used before");
            }
        }
        if one.part == Part::Founds {
            return Ok(());
        }
        if decision["policy"] != payload.policy.to_string() {
            return fault("policy-not-in-force", "it was signed under another policy");
        }
        let claimed = seconds(&payload.at.to_string());
        if claimed > case.at.time + SKEW + MINUTE {
            return fault("statement-time", "it claims to be younger than its leaf");
        }
        self.position(case, payload, claimed)?;
        let last = newest.map_or(claimed, |newest| seconds(&newest.at.to_string()));
        if act != "approve" && case.at.time > last + DRAFT + SKEW + MINUTE {
            return fault("statement-time", "it claims to be much older than its leaf");
        }
        let reason = |payload: &Payload| if act == "re-review" { None } else { payload.reason.clone() };
        let said = |payload: &Payload| (payload.seen, reason(payload), payload.since);
        if (of_two || act == "revoke" || act == "re-review") && newest.is_some_and(|newest| said(newest) != said(payload)) {
            return fault("statement-misfit", "those who signed did not say the same");
        }
        let Some(id) = &one.certificate else { return Ok(()) };
        // What one person decides at once needs a certificate that is good at that very place.
        let at_once = case.at.leaf.is_some() && act != "approve" && names == 1;
        let states = self.so_far.states.get(id);
        let held = states.map(|states| if at_once { states.there(&case.at) } else { states.around(&case.at) }).unwrap_or_default();
        let good = held.contains(&&State::Good);
        if !good || one.ends + MINUTE < case.at.time {
            return fault("signer-not-good", "the certificate was suspended, revoked or over");
        }
        Ok(())
    }

    /// What its signer knew of the ledger was there, and was the newest when it was drafted.
    fn position(&self, case: &Case, payload: &Payload, claimed: u64) -> Result<(), Fault> {
        let unknown = || ("log-position-unknown", format!("{} leaves of {} were not there", payload.log.size, payload.log.origin));
        let (log, (_, times)) = self.logs.times.iter().find(|(_, (origin, _))| *origin == payload.log.origin).ok_or_else(unknown)?;
        let size = payload.log.size as usize;
        let later = case.at.leaf.as_ref().is_some_and(|(own, index)| own == log && payload.log.size > *index);
        if size > times.len() || later || (size > 0 && times[size - 1] > case.at.time + MINUTE) {
            return Err(unknown());
        }
        if size > 0 && times[size - 1] > claimed + SKEW {
            return fault("statement-time", "it claims to be older than what its signer knew");
        }
        if size < times.len() && times[size] + DRAFT + 2 * SKEW < claimed {
            return fault("log-position-stale", "its signer knew only an old state of the ledger");
        }
        Ok(())
    }

    // Who decided.

    /// Those who decided and might; what was not permitted is told.
    fn people(&mut self, case: &Case, act: &str, thing: &Thing, decision: &Value, version: &Version, signed: &[Signed]) -> Vec<Actor> {
        let mut people: Vec<Actor> = Vec::new();
        for one in signed.iter().filter(|one| one.part == Part::Decides) {
            let outcome = match &one.certificate {
                None => self.may_system(case, act, thing, decision, version, &one.payload).map(|()| None),
                Some(certificate) => self.may_person(case, act, thing, version, certificate, &people).map(Some),
            };
            match outcome {
                Ok(actor) => people.extend(actor),
                Err(what) => self.add(&case.at, Some(&case.hash), Some(&one.digest), ("not-permitted", what)),
            }
        }
        if act == "grant" && thing.kind == Kind::Person {
            let given = self.changes(case, act, &text(&thing.record, "id")).1;
            self.so_far.roles_ever_given.extend(given.into_iter().map(|(role, _)| role));
        }
        let by_people = signed.iter().any(|one| one.part == Part::Decides && one.certificate.is_some());
        self.so_far.people_govern |= act == "activate-policy" && by_people;
        people
    }

    fn may_person(
        &self,
        case: &Case,
        act: &str,
        thing: &Thing,
        version: &Version,
        certificate: &str,
        people: &[Actor],
    ) -> Result<Actor, String> {
        let person = text(&self.certificates[certificate], "person");
        // Only an officer's certificate carries roles, and what it was issued as says the decision of its issue.
        let issue = self.so_far.issued_on.get(certificate).and_then(|hash| self.decisions.get(hash)?.as_ref());
        let is_officer = issue.is_some_and(|issue| issue["decision"]["profile"] == "officer");
        let mut ways: Vec<Vec<Held>> = match self.so_far.roles.get(&person) {
            Some(history) if is_officer => history.around(&case.at).into_iter().cloned().collect(),
            _ => Vec::new(),
        };
        if ways.is_empty() {
            ways.push(Vec::new());
        }
        let before: Vec<String> = people.iter().map(|actor| actor.person.clone()).collect();
        let mut refusal = Err("nobody may".to_owned());
        for places in self.so_far.places.around(&case.at) {
            let facts = self.facts(case, act, thing, version, places, &before)?;
            for roles in &ways {
                let actor = Actor { person: person.clone(), roles: roles.clone() };
                match facts.iter().try_for_each(|facts| version.permits(&actor, act, facts)) {
                    Ok(()) => return Ok(actor),
                    Err(what) => refusal = Err(what),
                }
            }
        }
        refusal
    }

    /// The system key signs what no person decides, and nothing else.
    fn may_system(
        &self,
        case: &Case,
        act: &str,
        thing: &Thing,
        decision: &Value,
        version: &Version,
        payload: &Payload,
    ) -> Result<(), String> {
        let reason = payload.reason.as_ref().map(ToString::to_string).unwrap_or_default();
        let may = match (act, thing.kind) {
            ("issue", Kind::AuthorityKey) | ("complete" | "claim" | "prove" | "expire", _) => true,
            ("issue", Kind::Enrolment) => {
                let profile = decision["profile"].as_str().and_then(|name| version.profile(name));
                let itself = profile.is_some_and(|profile| profile.requested_by.iter().any(|who| who == "system"));
                itself && thing.record["submitted_by"] == thing.record["person"]
            }
            ("suspend", _) => reason == "suspension-code",
            ("resume", _) => reason == "identity-proved",
            ("revoke", Kind::Certificate) => reason == "superseded",
            ("grant", Kind::Person) => {
                let given = self.changes(case, act, &text(&thing.record, "id")).1;
                let first =
                    |role: &String| ["administrator", "auditor"].contains(&role.as_str()) && !self.so_far.roles_ever_given.contains(role);
                given.iter().all(|(role, _)| first(role))
            }
            ("activate-policy", _) => !self.so_far.people_govern,
            _ => false,
        };
        if may { Ok(()) } else { Err(format!("the system key does not {act}")) }
    }

    fn is_enough(&self, case: &Case, act: &str, thing: &Thing, version: &Version, signed: &[Signed], people: &[Actor]) -> bool {
        let deciding: Vec<&Signed> = signed.iter().filter(|one| one.part == Part::Decides).collect();
        let follows = thing.kind == Kind::Enrolment && ["merge-department", "re-review"].contains(&act);
        if follows || deciding.iter().any(|one| one.certificate.is_none()) {
            return true;
        }
        let about = deciding.iter().find(|one| one.is_listed).map(|one| one.payload.about.to_string());
        let list = about.and_then(|about| self.lists.get(&about)).map(|list| &list.items).filter(|items| items.len() > 1);
        let department = |record: &Value| record["department"].as_str().map(str::to_owned);
        let first_of_two = case.leaves.is_empty() && people.len() == 1;
        let (quorum, of) = match (act, list) {
            ("approve", _) => {
                let profile = version.profile(&text(&thing.record, "profile"));
                (profile.map_or(Quorum::of(1), |profile| profile.quorum()), department(&thing.record))
            }
            ("grant", _) => (version.quorum(act), department(&thing.record)),
            ("activate-policy", _) => (version.quorum(act), None),
            ("re-review", _) => (version.quorum(act), department(&thing.record)),
            _ if thing.kind == Kind::Departments && act != "withdraw" => (version.quorum(act), department(&thing.record)),
            ("revoke", Some(items)) => {
                let record = |id: &String| self.certificates.get(id).or_else(|| self.enrolments.get(id)).and_then(department);
                let of: BTreeSet<Option<String>> = items.iter().map(record).collect();
                (version.quorum(act), if of.len() == 1 { of.into_iter().next().flatten() } else { None })
            }
            ("erase", _) if people.len() == 1 && thing.record["id"] == people[0].person => (Quorum::of(1), None),
            (act, _) if OF_TWO.contains(&act) && !first_of_two => (Quorum::of(2), None),
            _ => (Quorum::of(1), None),
        };
        quorum.is_met(people, of.as_deref())
    }

    /// What the system key decided because people had decided something else.
    fn is_founded(&self, case: &Case, act: &str, about: &str, thing: &Thing, version: &Version, signed: &[Signed]) -> bool {
        let founding: Vec<&Signed> = signed.iter().filter(|one| one.part == Part::Founds).collect();
        let of_act = |act: &str| founding.iter().filter(|one| one.payload.act.to_string() == act).count();
        let checked = |check: Option<String>| match check {
            None => founding.is_empty(),
            Some(check) => {
                let alone = |one: &&Signed, act: &str| {
                    let decided = self.so_far.alone.get(&one.digest).is_some_and(|own| own == act);
                    one.payload.act.to_string() == act && one.payload.about.to_string() == check && decided
                };
                founding.len() == 2 && ["check-identity", "confirm-identity"].iter().all(|act| founding.iter().any(|one| alone(one, act)))
            }
        };
        match (act, thing.kind) {
            ("claim", _) if of_act("grant") == 1 && founding.len() == 1 => {
                self.so_far.granted.values().any(|place| self.grants[*place]["statement"] == founding[0].digest)
            }
            ("claim", _) if of_act("approve") == founding.len() && !founding.is_empty() => {
                let names: BTreeSet<String> = founding.iter().map(|one| one.digest.clone()).collect();
                self.so_far.approvals.get(about).into_iter().flatten().filter_map(|hash| self.decisions[hash].as_ref()).any(|whole| {
                    let own = &whole["decision"];
                    let at = text(own, "at");
                    let since = |taken: &Timestamp| at.parse::<Timestamp>().is_ok_and(|at| *taken > at);
                    let taken_away = self.so_far.taken.get(about).into_iter().flatten().any(since);
                    texts(whole, "statements").into_iter().collect::<BTreeSet<_>>() == names && seconds(&at) <= case.at.time && !taken_away
                })
            }
            ("claim", _) => false,
            ("merge-department", Kind::Enrolment) => {
                let names =
                    self.decisions.get(&case.hash).and_then(Option::as_ref).map(|whole| texts(whole, "statements")).unwrap_or_default();
                self.so_far.changed.values().any(|id| names.contains(&text(&self.changes[id].record, "statement")))
            }
            ("re-review", Kind::Enrolment) => {
                let names = |hash: &String| self.decisions.get(hash).and_then(Option::as_ref).map(|whole| texts(whole, "statements"));
                let mut own = self.so_far.reviewed.iter().filter(|(_, hash, ..)| names(hash) == names(&case.hash));
                own.any(|(_, hash, ..)| self.put_to(hash.clone(), "enrolment", about))
            }
            ("prove", _) => {
                let profile = version.profile(&text(&thing.record, "profile"));
                let level = thing.record["assurance"].as_str().unwrap_or_default();
                profile.is_some_and(|profile| profile.is_decided_by(level))
                    && checked(thing.record["identity_check"].as_str().map(str::to_owned))
            }
            ("resume", _) => checked(founding.first().map(|one| one.payload.about.to_string())),
            _ => true,
        }
    }
}

// What the files say.

/// The text with its statements, if it is the canonical form of a decision.
fn decision(text: &str) -> Option<Value> {
    let whole: Value = serde_json::from_str(text).ok()?;
    let fields = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut known = fields(&whole["decision"]);
    known.retain(|field| field != "profile");
    let has = fields(&whole) == ["decision", "statements"] && known == ["about", "act", "at", "outcome", "policy"];
    (has && canonical(&whole) == text.as_bytes()).then_some(whole)
}

fn decision_hash(entry: &Entry) -> String {
    hex::encode(entry.digests.decision)
}

/// The body of the leaf of a re-review.
fn review_body(record: &Value) -> Value {
    let mut items: Vec<[String; 2]> =
        record["items"].as_array().into_iter().flatten().map(|one| [text(one, "item"), text(one, "kind")]).collect();
    items.sort();
    json!({"items": items, "re_review": record["statement"]})
}

/// The body of a leaf that grants these roles.
fn grant_body(record: &Value) -> Value {
    let statement = text(record, "statement");
    let list = |field: &str, one: &dyn Fn(&Value) -> Value| {
        let mut list: Vec<Value> = record[field].as_array().into_iter().flatten().map(one).collect();
        list.sort_by_cached_key(Value::to_string);
        list
    };
    let grant = |one: &Value| json!([one["id"], one["person"], one["department"], one["role"], one["granted_at"].to_string(), statement]);
    let claim = |one: &Value| json!([one["code_hash"], one["person"], one["profile"], one["department"], one["expires_at"].to_string()]);
    json!({"claims": list("claims", &claim), "grants": list("grants", &grant)})
}

fn roles(record: &Value) -> Vec<Held> {
    let role = |one: &Value| (text(one, "role"), one["department"].as_str().map(str::to_owned));
    record["grants"].as_array().into_iter().flatten().map(role).collect()
}

/// RFC 6962 §2.1, over the texts of the items.
fn root(items: &[String]) -> [u8; 32] {
    match items {
        [] => sha256(&[]),
        [one] => sha256_concat(&[&[0], one.as_bytes()]),
        _ => {
            let mut left = 1;
            while left * 2 < items.len() {
                left *= 2;
            }
            sha256_concat(&[&[1], &root(&items[..left]), &root(&items[left..])])
        }
    }
}

fn canonical(value: &Value) -> Vec<u8> {
    // A JSON value has a canonical form.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

fn by(records: Vec<Value>, field: &str) -> BTreeMap<String, Value> {
    records.into_iter().map(|record| (text(&record, field), record)).collect()
}

fn by_digest(records: &[Value], field: &str) -> BTreeMap<String, String> {
    records.iter().map(|record| text(record, field)).map(|text| (hex::encode(sha256(text.as_bytes())), text)).collect()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    value[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn octets32(hexadecimal: &str) -> Option<[u8; 32]> {
    hex::decode(hexadecimal).ok()?.try_into().ok()
}

/// Seconds since 1970 of a time such as `2030-01-01T00:00:00Z`; 0 for what is none.
fn seconds(text: &str) -> u64 {
    let parsed = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    parsed.map_or(0, |time| time.unix_timestamp().unsigned_abs())
}
