//! Judges a file of evidence by the trust bundle alone, and names each part that is not what it must be.
//!
//! What holds then: the logs of the bundle, at the checkpoints in the file, record exactly this history of the certificate; each
//! change rests on the decision and the statements in the file, made under the policy in the file; each statement was signed by a
//! certificate that was good, or by the system key where no person decides; as many different people approved as the profile
//! asks for; and whoever signed had been appointed (`offices.rs`). What became of their keys later is looked at last, since a key
//! may have been stolen already when it signed (`later.rs`). Whether somebody was dismissed in between is not in the file, nor what
//! the rules say of them: for that, `hufu ledger audit --decisions` replays the operations log.

mod later;
mod offices;

use std::collections::{BTreeMap, BTreeSet};

use const_oid::db::rfc4519;
use serde::Serialize;

use self::offices::{Named, Office};
use super::{Evidence, Exhibit, FORMAT, Signed, begun_at_the_latest, is_for_holders};
use crate::{
    crypto::digest::sha256,
    ledger::{
        Entry, EventType, Receipt, State, StatusKey, StatusProof, TrustedLog,
        entry::event_id,
        proof::{verify_receipt, verify_status_proof},
    },
    policy::{About, Act, Decision, Outcome, PolicySet, SignerReference, Statement, decision::HashedText, statement::list_root},
    services::{
        revoke::{reason_name, state_name},
        trust::{TrustBundle, log_name},
        verify::rfc3339,
    },
    validation::{Inputs, Purpose, TrustStore, report::Remark, validate},
    world::{from_millis, seconds},
    x509::Certificate,
};

/// How long a request may take from checking its caller to its leaf (seconds).
const IN_FLIGHT: u64 = 60;
/// How far the clocks of the log and of the verifier may be apart.
const CLOCK_SKEW: u64 = 300;

/// What was found, part by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    pub parts: Vec<Part>,
    /// Decisions that rest on a key that is not trusted, though every part is what it must be.
    pub distrusted: Vec<Remark>,
    /// What else a reader must know.
    pub remarks: Vec<Remark>,
    /// What happened to the certificate, as far as its history could be believed.
    pub events: Vec<Happened>,
    /// What the ledger says of the certificates of those who signed.
    pub signers: Vec<Signer>,
    /// Its subject, when it could be read.
    pub subject: Option<String>,
    /// Its status at the checkpoint, and the time of that.
    pub status: Option<(String, String)>,
}

impl Judgement {
    /// Whether every part is what it must be.
    pub fn is_genuine(&self) -> bool {
        self.parts.iter().all(|part| part.fault.is_none())
    }

    /// Whether the certificate is proven to have been decided on well, too.
    pub fn holds(&self) -> bool {
        self.is_genuine() && self.distrusted.is_empty()
    }
}

/// One part of the file. Without `fault` it is what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub part: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One change of a certificate's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happened {
    pub event: &'static str,
    pub at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Since when the key is not trusted, where the leaf says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<SignedBy>,
}

/// Who signed a statement, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    pub act: Act,
    /// When, as they say.
    pub at: String,
    /// Their subject, or the system key.
    pub signer: String,
    #[serde(rename = "as")]
    pub capacity: Capacity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capacity {
    /// Where no person decides.
    SystemKey,
    /// Of the certificate, or of the one that it follows.
    Holder,
    Officer(Office),
    /// The file does not say it, which is a fault of its own.
    Unproven,
}

/// The certificate of somebody who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signer {
    pub certificate: String,
    pub subject: String,
    pub history: Vec<Happened>,
}

/// A certificate whose history is proven.
struct Proven {
    certificate: Certificate,
    history: Vec<Entry>,
    state: State,
    as_of: u64,
}

/// A statement that was believed.
#[derive(Clone)]
struct Word {
    digest: String,
    act: Act,
    /// When its signer says that they signed, and the latest at which they can have begun to.
    at: u64,
    latest: u64,
    /// Since when the key is not trusted that a re-review is about.
    since: Option<u64>,
    /// `None`: the system key.
    signer: Option<Person>,
}

#[derive(Clone)]
struct Person {
    /// The id of the certificate.
    certificate: String,
    subject: String,
    person: String,
}

/// A change of the certificate with what it rests on.
struct Change<'a> {
    leaf: &'a Entry,
    decision: Option<Decision>,
    words: Vec<Word>,
}

/// Judges every part of the file; `now` is the verifier's clock, in seconds.
pub fn judge(bundle: &TrustBundle, evidence: &Evidence, now: u64) -> Judgement {
    let mut judge = Judge {
        bundle,
        evidence,
        now,
        parts: Vec::new(),
        used: BTreeSet::new(),
        proven: BTreeMap::new(),
        offices: BTreeMap::new(),
        names: Vec::new(),
        distrusted_by: BTreeMap::new(),
    };
    judge.part(
        "format".to_owned(),
        match evidence.format == FORMAT {
            true => Ok(()),
            false => Err(format!("not {FORMAT}")),
        },
    );
    judge.checkpoints();
    judge.exhibits();
    judge.definitions();
    judge.appointments();
    judge.revocations();
    let history = judge.proven.get(&evidence.about).map(|proven| proven.history.clone()).unwrap_or_default();
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for (leaf, number) in history.iter().zip(1..) {
        let (change, happened) = judge.change(number, leaf);
        changes.push(change);
        events.push(happened);
    }
    // Where the certificate itself is not proven, nothing can rest on anything.
    if judge.proven.contains_key(&evidence.about) {
        judge.unused();
    }
    let (distrusted, remarks) = judge.later(&changes);
    let signers = judge.signers();
    let about = judge.proven.get(&evidence.about);
    Judgement {
        subject: about.map(|proven| proven.certificate.subject_text()),
        status: about.map(|proven| (status(proven.state).to_owned(), time(proven.as_of))),
        parts: judge.parts,
        distrusted,
        remarks,
        events,
        signers,
    }
}

struct Judge<'a> {
    bundle: &'a TrustBundle,
    evidence: &'a Evidence,
    now: u64,
    parts: Vec<Part>,
    /// What something else in the file rests on.
    used: BTreeSet<String>,
    proven: BTreeMap<String, Proven>,
    /// By the statement that completed it.
    offices: BTreeMap<String, offices::Held>,
    /// What departments were called.
    names: Vec<Named>,
    /// By the id of a signer's certificate: who signed since when its key is not trusted.
    distrusted_by: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Judge<'a> {
    fn part(&mut self, part: String, outcome: Result<(), String>) {
        let part = Part { part, fault: outcome.err() };
        // What several changes rest on is looked at for each, and told once.
        if !self.parts.contains(&part) {
            self.parts.push(part);
        }
    }

    /// Each checkpoint is signed by all keys of its log. That receipts and status proofs are under it, they are asked themselves.
    fn checkpoints(&mut self) {
        for (log, note) in &self.evidence.checkpoints {
            let outcome = trusted(self.bundle, log).and_then(|trusted| {
                let note = crate::ledger::Note::parse(note).map_err(|error| error.to_string())?;
                trusted.verify(&note).map(drop).map_err(|error| error.to_string())
            });
            self.part(format!("checkpoint {log}"), outcome);
        }
    }

    fn exhibits(&mut self) {
        let missing = (!self.evidence.certificates.contains_key(&self.evidence.about)).then(|| "not in the file".to_owned());
        if let Some(missing) = missing {
            self.part(format!("certificate {}", self.evidence.about), Err(missing));
        }
        for (id, exhibit) in &self.evidence.certificates {
            match self.exhibit(id, exhibit) {
                Ok(proven) => {
                    self.part(format!("certificate {id}"), Ok(()));
                    self.proven.insert(id.clone(), proven);
                }
                Err((part, fault)) => self.part(format!("{part} {id}"), Err(fault)),
            }
        }
    }

    /// Its chain, each change of its status in the log of its authority, none left out, and what became of it.
    fn exhibit(&mut self, id: &str, exhibit: &Exhibit) -> Result<Proven, (&'static str, String)> {
        let of_certificate = |fault: &str| ("certificate", fault.to_owned());
        let certificate = one_certificate(&exhibit.pem).map_err(|fault| of_certificate(&fault))?;
        if certificate.id().to_string() != id {
            return Err(of_certificate("its TBS digest is another"));
        }
        let name = log_name(&certificate).ok_or_else(|| of_certificate("names no log"))?;
        let log = trusted(self.bundle, &name).map_err(|fault| of_certificate(&fault))?;
        let note = self.evidence.checkpoints.get(&name).ok_or_else(|| ("checkpoint", format!("{name} is not in the file")))?;
        self.used.insert(format!("checkpoint {name}"));

        let history = history(&certificate, &exhibit.history, &log, note).map_err(|fault| ("history", fault))?;
        let digest = certificate.id().0;
        let proof = StatusProof::parse(&exhibit.status_proof).map_err(|error| ("status-proof", error.to_string()))?;
        let status = verify_status_proof(&proof, &digest, &log, self.now.saturating_add(CLOCK_SKEW), u64::MAX)
            .map_err(|error| ("status-proof", error.to_string()))?;
        if proof.head.checkpoint.to_string() != *note {
            return Err(("status-proof", "under another checkpoint".to_owned()));
        }
        // `history` never answers an empty list.
        let last = history.last().map(|entry| (entry.new_state, entry.time));
        if last != Some((status.state, status.since)) {
            return Err(("history", "the status proof knows a later change".to_owned()));
        }
        self.chain(&certificate, history[0].time).map_err(|fault| ("certificate", fault))?;
        Ok(Proven { certificate, history, state: status.state, as_of: status.as_of })
    }

    /// To a root of the bundle, at the time of its issue.
    fn chain(&self, certificate: &Certificate, issued: u64) -> Result<(), String> {
        let unreadable = |error: crate::x509::Error| format!("the trust bundle: {error}");
        let (authorities, roots) = (self.bundle.authorities().map_err(unreadable)?, self.bundle.roots().map_err(unreadable)?);
        let inputs = Inputs::new(instant(issued), Purpose::Any);
        validate(certificate, &authorities, &TrustStore::of_roots(&roots), &inputs).map(drop).map_err(|error| error.to_string())
    }

    /// One change of the certificate: its decision, the policy behind it, and who signed as what.
    fn change<'e>(&mut self, number: u64, leaf: &'e Entry) -> (Change<'e>, Happened) {
        let (decision, words) = self.decided(&format!("change {number}"), leaf);
        let words: Vec<Word> = words.into_iter().flat_map(|word| self.behind(word)).collect();
        let signed_by = words.iter().map(|word| self.signed_by(word)).collect();
        (Change { leaf, decision, words }, Happened { signed_by, ..happened(leaf) })
    }

    /// An officer's certificate rests on the statement that completed their appointment, and so on all that the appointment does.
    fn behind(&mut self, word: Word) -> Vec<Word> {
        if word.act != Act::Grant {
            return vec![word];
        }
        let appointment = self.offices.get(&word.digest).map(|held| held.words.clone()).ok_or("not in the file".to_owned());
        self.used.insert(format!("appointment {}", word.digest));
        self.part(format!("appointment {}", word.digest), appointment.as_ref().map(drop).map_err(Clone::clone));
        appointment.unwrap_or_else(|_| vec![word])
    }

    fn signed_by(&mut self, word: &Word) -> SignedBy {
        let (signer, capacity) = match &word.signer {
            None => ("the system key".to_owned(), Capacity::SystemKey),
            Some(person) => (person.subject.clone(), self.capacity(word, person)),
        };
        SignedBy { act: word.act, at: time(word.at), signer, capacity }
    }

    fn capacity(&mut self, word: &Word, signer: &Person) -> Capacity {
        let about = self.proven.get(&self.evidence.about);
        let holder = about.and_then(|proven| person(&proven.certificate));
        if holder.as_ref() == Some(&signer.person) && is_for_holders(word.act) {
            return Capacity::Holder;
        }
        let office = self.office(&signer.person, word.latest);
        self.part(format!("office behind statement {}", word.digest), office.as_ref().map(drop).map_err(Clone::clone));
        office.map_or(Capacity::Unproven, Capacity::Officer)
    }

    /// The decision behind a leaf, and the statements on which it rests, as far as they are believed.
    fn decided(&mut self, what: &str, leaf: &Entry) -> (Option<Decision>, Vec<Word>) {
        let hash = hex::encode(leaf.digests.decision);
        match self.decision(&hash, leaf) {
            Ok(HashedText { decision, statements }) => {
                self.part(format!("decision {hash}"), Ok(()));
                let words = self.statements(&statements, &decision, leaf);
                let outcome = self.policy(&decision, &words);
                self.part(format!("policy {}", decision.policy), outcome);
                (Some(decision), words)
            }
            Err(fault) => {
                self.part(format!("decision {hash} of {what}"), Err(fault));
                (None, Vec::new())
            }
        }
    }

    fn decision(&mut self, hash: &str, entry: &Entry) -> Result<HashedText, String> {
        self.used.insert(format!("decision {hash}"));
        let text = self.evidence.decisions.get(hash).ok_or("not in the file")?;
        if hex::encode(sha256(text.as_bytes())) != hash {
            return Err("not the text that the leaf names".to_owned());
        }
        let hashed = HashedText::parse(text).ok_or("not the text of a decision")?;
        let Decision { act, about, outcome, policy, .. } = &hashed.decision;
        let certificate = matches!(about, About::Digest(digest) if StatusKey::from_tbs_digest(digest) == entry.status_key);
        let fits = match entry.event_type {
            EventType::ISSUE => matches!(act, Act::Approve | Act::Claim | Act::Issue | Act::Prove | Act::Renew),
            // A re-review is about the certificate that was stolen, and suspends what rests on it.
            EventType::HOLD => (*act == Act::Suspend && certificate) || *act == Act::ReReview,
            EventType::RESUME => *act == Act::Resume && certificate,
            EventType::REVOKE => {
                (matches!(act, Act::Revoke | Act::Complete | Act::ReReview) && certificate)
                    || matches!(act, Act::UpholdContest | Act::Erase)
            }
            EventType::ROLE => *act == Act::Grant,
            _ => false,
        };
        match (fits, *outcome == Outcome::Allowed, policy.0 == entry.digests.policy) {
            (true, true, true) => Ok(hashed),
            (false, ..) => Err(format!("{act} about {about} is no such change")),
            (_, false, _) => Err("it refused".to_owned()),
            (_, _, false) => Err("made under another policy than the leaf says".to_owned()),
        }
    }

    /// Each statement that the decision names.
    fn statements(&mut self, digests: &[String], decision: &Decision, leaf: &Entry) -> Vec<Word> {
        let mut words = Vec::new();
        for digest in digests {
            self.used.insert(format!("statement {digest}"));
            let outcome = match self.evidence.statements.get(digest) {
                Some(signed) => self.statement(digest, signed, decision, leaf),
                None => Err("not in the file".to_owned()),
            };
            self.part(format!("statement {digest}"), outcome.as_ref().map(drop).map_err(Clone::clone));
            words.extend(outcome);
        }
        words
    }

    fn statement(&mut self, digest: &str, signed: &Signed, decision: &Decision, entry: &Entry) -> Result<Word, String> {
        if hex::encode(sha256(signed.jws.as_bytes())) != digest {
            return Err("its digest is another".to_owned());
        }
        let statement = Statement::parse(&signed.jws).map_err(|error| error.to_string())?;
        let payload = statement.payload();
        let decides = payload.act == decision.act;
        let rests = match decision.act {
            Act::Claim => matches!(payload.act, Act::Grant | Act::Approve),
            // It is about the certificate that is followed, which is another.
            Act::Renew => payload.act == Act::Renew,
            Act::Prove | Act::Resume => matches!(payload.act, Act::CheckIdentity | Act::ConfirmIdentity),
            _ => false,
        };
        let fits = rests || (decides && is_about(payload.about, signed.list.as_deref(), decision.about)?);
        if !fits {
            return Err(format!("{} about {} is not what was decided", payload.act, payload.about));
        }
        if decides && payload.policy != decision.policy {
            return Err("made under another policy".to_owned());
        }
        let word = |signer: Option<Person>| Word {
            digest: digest.to_owned(),
            act: payload.act,
            at: seconds(payload.at.instant()),
            latest: begun_at_the_latest(payload, entry),
            since: payload.since.map(|since| seconds(since.instant())),
            signer,
        };
        let fingerprint = match statement.signer() {
            SignerReference::Key(_) => {
                let key = self.bundle.system_key().ok_or("the trust bundle has no system key")?;
                statement.verify(&key).map_err(|error| error.to_string())?;
                return match system_may(payload.act, payload.reason.as_ref().map(|reason| reason.as_str())) {
                    true => Ok(word(None)),
                    false => Err(format!("the system key does not {}", payload.act)),
                };
            }
            SignerReference::Certificate(fingerprint) => fingerprint,
        };
        let signer = self.proven.iter().find(|(_, proven)| sha256(proven.certificate.der()) == fingerprint);
        let (id, signer) = signer.ok_or("the certificate of its signer is not proven")?;
        self.used.insert(format!("certificate {id}"));
        let key = signer.certificate.public_key().map_err(|error| error.to_string())?;
        statement.verify(key).map_err(|error| error.to_string())?;
        // What only is rested on may be older than the leaf, and is judged by the time that it says.
        let at = if decides { entry.time } else { seconds(payload.at.instant()).min(entry.time) };
        if !was_good(&signer.history, at) {
            return Err("its signer's certificate was not good then".to_owned());
        }
        let subject = signer.certificate.subject_text();
        let person = person(&signer.certificate).ok_or("its signer's certificate names no person")?;
        Ok(word(Some(Person { certificate: id.clone(), subject, person })))
    }

    /// The text of the policy, and that as many people decided as it asks for.
    fn policy(&mut self, decision: &Decision, words: &[Word]) -> Result<(), String> {
        self.used.insert(format!("policy {}", decision.policy));
        let text = self.evidence.policies.get(&decision.policy.to_string()).ok_or("not in the file")?;
        if sha256(text.as_bytes()) != decision.policy.0 {
            return Err("not the text that was in force".to_owned());
        }
        let set = PolicySet::from_canonical_text(text).map_err(|error| error.to_string())?;
        let (what, wanted) = match (decision.act, &decision.profile) {
            (Act::Approve, Some(name)) => {
                (format!("the profile {name}"), set.profile(name).ok_or("it has no such profile")?.approvals().count)
            }
            // The first start appoints by the system key.
            (Act::Grant, _) if words.iter().any(|word| word.signer.is_some()) => ("it".to_owned(), set.quorum(Act::Grant).people),
            (Act::ReReview, _) => ("it".to_owned(), set.quorum(Act::ReReview).people),
            _ => return Ok(()),
        };
        let deciding = words.iter().filter(|word| word.act == decision.act).filter_map(|word| word.signer.as_ref());
        let people = deciding.map(|signer| &signer.person).collect::<BTreeSet<_>>().len();
        match people >= wanted {
            true => Ok(()),
            false => Err(format!("{what} asks for {wanted} people to {}, and {people} signed", decision.act)),
        }
    }

    /// Nothing is in the file that nothing rests on: it would be taken for proven.
    fn unused(&mut self) {
        let evidence: &'a Evidence = self.evidence;
        self.used.insert(format!("certificate {}", evidence.about));
        let names = (evidence.certificates.keys().map(|id| format!("certificate {id}")))
            .chain(evidence.decisions.keys().map(|hash| format!("decision {hash}")))
            .chain(evidence.statements.keys().map(|digest| format!("statement {digest}")))
            .chain(evidence.appointments.keys().map(|digest| format!("appointment {digest}")))
            .chain(evidence.departments.keys().map(|change| format!("department {change}")))
            .chain(evidence.policies.keys().map(|digest| format!("policy {digest}")))
            .chain(evidence.checkpoints.keys().map(|log| format!("checkpoint {log}")));
        for name in names {
            if !self.used.contains(&name) {
                self.part(name, Err("nothing in the file rests on it".to_owned()));
            }
        }
    }
}

fn trusted(bundle: &TrustBundle, log: &str) -> Result<TrustedLog, String> {
    bundle.trusted_log(log).ok_or_else(|| format!("the trust bundle knows no log {log}"))
}

fn one_certificate(pem: &str) -> Result<Certificate, String> {
    let mut read = Certificate::parse_many(pem.as_bytes()).map_err(|error| error.to_string())?;
    match (read.len(), read.pop()) {
        (1, Some(certificate)) if certificate.to_pem() == pem => Ok(certificate),
        _ => Err("not one certificate in PEM".to_owned()),
    }
}

/// The leaves of all changes of a certificate, from its issue on: their event identities count them, so none is left out.
fn history(certificate: &Certificate, receipts: &[String], log: &TrustedLog, note: &str) -> Result<Vec<Entry>, String> {
    let key = StatusKey::from_tbs_digest(&certificate.id().0);
    let mut entries: Vec<Entry> = Vec::new();
    for (number, text) in (1..).zip(receipts) {
        let wrong = |error: &dyn std::fmt::Display| format!("change {number}: {error}");
        let receipt = Receipt::parse(text).map_err(|error| wrong(&error))?;
        let entry = receipt.entry().map_err(|error| wrong(&error))?;
        verify_receipt(&receipt, &entry.encode(), log).map_err(|error| wrong(&error))?;
        if receipt.checkpoint.to_string() != note {
            return Err(wrong(&"under another checkpoint"));
        }
        let before = entries.last().map_or(State::Absent, |entry| entry.new_state);
        let next = entry.event_id == event_id(&log.origin, entry.event_type, &key, number) && entry.prev_state == before;
        if entry.status_key != key || !next {
            return Err(wrong(&"not the next change of this certificate"));
        }
        entries.push(entry);
    }
    if entries.is_empty() { Err("it is empty".to_owned()) } else { Ok(entries) }
}

/// Whether a statement is about what was decided: by itself, or with a list that it is about the root of.
fn is_about(about: About, list: Option<&[String]>, decided: About) -> Result<bool, String> {
    let Some(list) = list else { return Ok(about == decided) };
    let items: Vec<About> = list.iter().map(|item| item.parse()).collect::<Result<_, _>>().map_err(|_| "its list holds no identifiers")?;
    if list_root(&items) != about {
        return Err("it is about another list".to_owned());
    }
    Ok(items.contains(&decided))
}

/// What no person decides (docs/formats.md, statement v1).
fn system_may(act: Act, reason: Option<&str>) -> bool {
    match act {
        // The first start grants the first administrator and auditor their roles.
        Act::Issue | Act::Complete | Act::Claim | Act::Prove | Act::Grant => true,
        Act::Suspend => reason == Some("suspension-code"),
        Act::Resume => reason == Some("identity-proved"),
        Act::Revoke => reason == Some("superseded"),
        _ => false,
    }
}

/// Good at that time, or until shortly before: whoever signed was checked before the leaf was made.
fn was_good(history: &[Entry], at: u64) -> bool {
    let settled = history.iter().rposition(|change| change.time + IN_FLIGHT < at).unwrap_or(0);
    history[settled..].iter().any(|change| change.new_state == State::Good && change.time <= at)
}

/// The person whom a certificate is of: one person may have several.
fn person(certificate: &Certificate) -> Option<String> {
    certificate.subject().find(rfc4519::SERIAL_NUMBER)
}

fn happened(leaf: &Entry) -> Happened {
    Happened {
        event: event_name(leaf.event_type),
        at: time(leaf.time),
        reason: (leaf.new_state == State::Revoked).then(|| reason_name(leaf.reason)),
        since: leaf.invalid_since().ok().flatten().map(time),
        signed_by: Vec::new(),
    }
}

fn event_name(event: EventType) -> &'static str {
    match event {
        EventType::ISSUE => "issued",
        EventType::HOLD => "suspended",
        EventType::RESUME => "resumed",
        EventType::REVOKE => "revoked",
        _ => "changed",
    }
}

fn status(state: State) -> &'static str {
    if state == State::Good { "good" } else { state_name(state) }
}

fn instant(seconds: u64) -> time::OffsetDateTime {
    from_millis(i64::try_from(seconds).unwrap_or_default().saturating_mul(1000))
}

fn time(seconds: u64) -> String {
    rfc3339(instant(seconds))
}
