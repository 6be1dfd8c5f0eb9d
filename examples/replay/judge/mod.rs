//! Goes through the decisions in the order of the ledger and says of each what is wrong with it.
//!
//! Everything is text and numbers as the files have them: identifiers and digests are hexadecimal, and a decision is the JSON
//! that its digest is of. `Replay::decision` is the whole of it: the leaves, the statements, the rules, the number of people,
//! and what it rests on. Each file beside this one answers one of these questions.

mod caps;
mod departments;
mod history;
mod leaves;
mod people;
mod policy;
mod statements;
mod things;

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
    policy::{Payload, Timestamp},
    x509::Certificate,
};
use serde_json::{Value, json};

use history::{Bundle, History, Logs, MINUTE, Moment};
use policy::{Held, Version};
use things::Kind;

/// Versions of the policy that were read before, by digest.
pub type Versions = HashMap<String, Option<Rc<Version>>>;

/// A draft can be signed for thirty minutes, and clocks may be five minutes apart (seconds).
const DRAFT: u64 = 30 * 60;
const SKEW: u64 = 5 * 60;

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
    /// What became of each certificate, and by which decision.
    states: HashMap<String, History<(State, String)>>,
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
    /// Certificates that were followed by another.
    renewed: BTreeSet<String>,
    /// By enrolment, the decisions that approved it; and the act of each statement that decided alone.
    approvals: HashMap<String, Vec<String>>,
    alone: HashMap<String, String>,
    /// When the approval of an enrolment was taken away.
    taken: HashMap<String, Vec<Timestamp>>,
    /// By statement, the first leaf that names it, or a decision which rests on it.
    recorded: HashMap<String, Moment>,
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
    /// The first leaf that names it, or a decision which rests on it.
    at: Moment,
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
            let rests_on = self.decisions.get(&decision).and_then(Option::as_ref).map(|whole| texts(whole, "statements"));
            for statement in rests_on.into_iter().flatten().chain(self.logs.recorded(at, entry)) {
                self.so_far.recorded.entry(statement).or_insert_with(|| at.clone());
            }
            match entry.event_type {
                EventType::ISSUE | EventType::HOLD | EventType::RESUME | EventType::REVOKE => {
                    let Some(id) = self.so_far.of_key.get(&entry.status_key) else { continue };
                    if entry.event_type == EventType::ISSUE {
                        self.so_far.issued_on.insert(id.clone(), decision.clone());
                    }
                    self.so_far.states.entry(id.clone()).or_default().add(at, (entry.new_state, decision));
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
        for (at, entry) in &self.logs.leaves {
            for statement in self.logs.recorded(at, entry).into_iter().filter(|statement| !self.statements.contains_key(statement)) {
                let (log, index) = at.leaf.clone().unzip();
                let what = "the log has it, the files have not".to_owned();
                self.so_far.found.push(Violation {
                    log,
                    index,
                    decision: None,
                    statement: Some(statement),
                    code: "statement-missing",
                    what,
                });
            }
        }
        self.reorganized();
        let mut cases: BTreeMap<String, Case> = BTreeMap::new();
        for (at, entry) in std::mem::take(&mut self.logs.leaves) {
            let hash = hex::encode(entry.digests.decision);
            if entry.digests.decision != [0; 32] {
                let case = cases.entry(hash.clone()).or_insert_with(|| Case { hash, at: at.clone(), leaves: Vec::new() });
                case.leaves.push((at, entry));
            } else if !matches!(
                entry.event_type,
                EventType::MAP_HEAD | EventType::TIME_STAMP | EventType::CA_EVENT | EventType::CRL_PUBLISHED | EventType::STATEMENTS
            ) {
                self.add(&at, None, None, ("decision-missing", "it names none".to_owned()));
            }
        }
        for (hash, decision) in self.decisions.iter().filter_map(|(hash, decision)| Some((hash, decision.as_ref()?))) {
            let own = seconds(&text(&decision["decision"], "at"));
            let rests_on = texts(decision, "statements");
            let recorded = rests_on.iter().filter_map(|statement| Some(self.so_far.recorded.get(statement)?.time));
            let at = Moment { time: recorded.max().unwrap_or(own).max(own), leaf: None };
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
        self.granted_where_nobody_works(case, &act);
        self.reasons(case, &act, timely.iter().rfind(|one| one.part == Part::Decides));
        if ["approve", "prove"].contains(&act.as_str()) && !self.might_ask(case, &thing.record) {
            let what = "whoever asked for it might not ask".to_owned();
            self.add(&case.at, Some(&case.hash), None, ("not-permitted", what));
        }
        let people = self.people(case, &act, &thing, decision, &version, &timely);
        if self.so_far.found.len() == before {
            if !self.is_enough(case, &act, &thing, &version, &timely, &people) {
                let what = format!("{} people are not enough", people.len());
                self.add(&case.at, Some(&case.hash), None, ("quorum-missed", what));
            }
            if !self.is_founded(case, &act, &about, &thing, &version, &timely) {
                self.add(&case.at, Some(&case.hash), None, ("unfounded", "what it rests on was not decided".to_owned()));
            }
            if act == "renew"
                && let Err(what) = self.renews(case, &thing.record, &version)
            {
                self.add(&case.at, Some(&case.hash), None, ("not-renewable", what.to_owned()));
            }
        }
    }

    fn version(&mut self, digest: &str) -> Option<Rc<Version>> {
        let text = self.policies.get(digest)?;
        self.versions.entry(digest.to_owned()).or_insert_with(|| Version::parse(text).ok().map(Rc::new)).clone()
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
