//! Judges each decision where it stands: its leaves, the version of the policy, its statements one by one, and whether as many
//! people signed as it takes.
//!
//! Of a statement the first thing that is wrong is told, and it counts for nothing then. Whether there were enough people is
//! asked only where every statement counts, so that one fault is told once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use const_oid::db::rfc4519;

use super::{
    Code, Policies, Violation,
    export::{CertificateRecord, EnrolmentRecord, Export, ReReviewRecord},
    things::{Deed, Thing, Things, roles_of},
    timeline::{Change, IN_FLIGHT, Position, Review, Timeline, held, held_there},
};
use crate::{
    crypto::{PublicKey, digest::sha256},
    ledger::{EventType, State, StatusKey},
    policy::{
        About, Act, Actor, Assurance, Decision, Outcome, PersonId, PolicySet, Quorum, Role, SignerReference, Statement, Timestamp, cap,
        decision::HashedText,
        profile::Requester,
        statement::{list_root, seen},
    },
    services::{
        citizens::resume::{BY_CODE, BY_PROOF},
        enrol::OFFICER,
        revoke::REASONS,
        statements::{CLOCK_SKEW, NONCE_LIFE},
        trust::TrustBundle,
    },
    world::seconds,
    x509::Certificate,
};

/// Acts of two people, whose first statement is a decision that waits for the second.
static PAIRS: &[Act] = &[Act::UpholdContest, Act::DismissContest, Act::Export, Act::Erase];

/// Acts that no leaf records: what ends a request, what waits, and what changes nothing.
static WITHOUT_LEAF: &[Act] = &[
    Act::Approve,
    Act::Reject,
    Act::Withdraw,
    Act::Expire,
    Act::CheckIdentity,
    Act::UpholdContest,
    Act::DismissContest,
    Act::Export,
    Act::Erase,
];

pub struct Judge<'a> {
    export: &'a Export,
    policies: &'a mut Policies,
    system_key: Option<PublicKey>,
    texts: HashMap<[u8; 32], &'a str>,
    decisions: HashMap<[u8; 32], HashedText>,
    statements: HashMap<String, &'a str>,
    lists: HashMap<&'a str, List<'a>>,
    /// The texts of versions of the policy by digest.
    versions: HashMap<[u8; 32], &'a str>,
    /// What was approved, by what; and the act of each statement that decided alone.
    approvals: HashMap<About, Vec<[u8; 32]>>,
    alone: HashMap<String, Act>,
    /// When the approval of an enrolment was taken away.
    taken: HashMap<About, Vec<Timestamp>>,
    /// By the SHA-256 of their DER.
    signers: HashMap<[u8; 32], Signer<'a>>,
    timeline: Timeline<'a>,
    things: Things<'a>,
    violations: Vec<Violation>,
    /// The statement that each nonce was used by, and the decision that each statement was used for.
    nonces: HashMap<String, String>,
    used: HashMap<(String, Use), [u8; 32]>,
    /// Roles that anybody was given so far, and whether people have put a policy in force.
    given: HashSet<Role>,
    governed: bool,
}

/// What a statement can be used for once.
#[derive(PartialEq, Eq, Hash)]
enum Use {
    Decides(About),
    Founds(About),
}

/// What a statement over many things is about.
struct List<'a> {
    items: HashSet<&'a str>,
    /// Whether these have that root.
    is_whole: bool,
    department: Option<&'a str>,
}

struct Signer<'a> {
    record: &'a CertificateRecord,
    certificate: Certificate,
    key: StatusKey,
}

/// A decision with all that it is in the ledger.
struct Case<'a> {
    hash: [u8; 32],
    at: Position<'a>,
    /// By their place in the timeline.
    leaves: Vec<usize>,
}

/// What a statement is to a decision.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Decides,
    /// The decision rests on it, and it was decided by itself.
    Founds,
    /// The approval of a request that ended otherwise.
    Overruled,
}

/// A statement as it is counted by the caps.
struct Signed {
    digest: String,
    statement: Statement,
    signer: [u8; 32],
}

struct Word<'a> {
    digest: String,
    statement: Statement,
    part: Part,
    /// The root of the list that it is about, when it is about one.
    list: Option<&'a str>,
    /// The certificate that signed; `None`: the system key.
    signer: Option<[u8; 32]>,
}

type Fault = (Code, String);

impl<'a> Judge<'a> {
    pub fn new(export: &'a Export, bundle: &'a TrustBundle, policies: &'a mut Policies) -> Self {
        let digest = |text: &str| sha256(text.as_bytes());
        let texts: HashMap<[u8; 32], &str> = export.decisions.iter().map(|record| (digest(&record.text), record.text.as_str())).collect();
        let decisions: HashMap<[u8; 32], HashedText> =
            texts.iter().filter_map(|(hash, text)| Some((*hash, HashedText::parse(text)?))).collect();
        let mut approvals: HashMap<About, Vec<[u8; 32]>> = HashMap::new();
        let mut alone: HashMap<String, Act> = HashMap::new();
        let mut taken: HashMap<About, Vec<Timestamp>> = HashMap::new();
        for (hash, found) in &decisions {
            match found.decision.act {
                Act::Approve => approvals.entry(found.decision.about).or_default().push(*hash),
                Act::ReReview => taken.entry(found.decision.about).or_default().push(found.decision.at),
                _ => {}
            }
            if let [only] = &found.statements[..] {
                alone.insert(only.clone(), found.decision.act);
            }
        }
        let things = Things::of(export);
        let mut violations = Vec::new();
        let timeline = Timeline::read(export, bundle, &decisions, &mut violations);
        Self {
            export,
            policies,
            system_key: bundle.system_key(),
            texts,
            decisions,
            statements: export.statements.iter().map(|record| (hex::encode(digest(&record.jws)), record.jws.as_str())).collect(),
            lists: export.lists.iter().map(|record| (record.root.as_str(), List::of(&record.root, &record.items, &things))).collect(),
            versions: export.policies.iter().map(|record| (digest(&record.text), record.text.as_str())).collect(),
            approvals,
            alone,
            taken,
            signers: signers(export, bundle),
            timeline,
            things,
            violations,
            nonces: HashMap::new(),
            used: HashMap::new(),
            given: HashSet::new(),
            governed: false,
        }
    }

    pub fn judge(mut self) -> Vec<Violation> {
        for case in self.cases() {
            self.case(&case);
        }
        self.unbound();
        self.caps();
        self.violations.sort();
        self.violations
    }

    /// Every decision: where the first leaf stands that names it, or when it says itself that it was made.
    fn cases(&mut self) -> Vec<Case<'a>> {
        let mut cases: BTreeMap<[u8; 32], Case<'a>> = BTreeMap::new();
        let mut nameless = Vec::new();
        for (place, leaf) in self.timeline.leaves.iter().enumerate() {
            let hash = leaf.entry.digests.decision;
            if hash == [0; 32] {
                let decided = [
                    EventType::ISSUE,
                    EventType::HOLD,
                    EventType::RESUME,
                    EventType::REVOKE,
                    EventType::ROLE,
                    EventType::POLICY,
                    EventType::ERASE,
                ];
                nameless.extend(decided.contains(&leaf.entry.event_type).then_some(leaf.at));
                continue;
            }
            cases.entry(hash).or_insert_with(|| Case { hash, at: leaf.at, leaves: Vec::new() }).leaves.push(place);
        }
        for (hash, found) in &self.decisions {
            let time = seconds(found.decision.at.instant());
            cases.entry(*hash).or_insert_with(|| Case { hash: *hash, at: Position { time, leaf: None }, leaves: Vec::new() });
        }
        for at in nameless {
            self.violations.push(violation(&at, None, None, (Code::DecisionMissing, "it names none".to_owned())));
        }
        let mut cases: Vec<Case<'a>> = cases.into_values().collect();
        cases.sort_by_key(|case| (case.at, case.hash));
        cases
    }

    fn case(&mut self, case: &Case<'a>) {
        let before = self.violations.len();
        let Some(found) = self.decisions.get(&case.hash).cloned() else {
            let what = if self.texts.contains_key(&case.hash) { "its text is no decision" } else { "there is no text with this digest" };
            return self.add(case, None, (Code::DecisionMissing, what.to_owned()));
        };
        let decision = &found.decision;
        let Some(thing) = self.things.find(decision.act, &decision.about) else {
            return self.add(case, None, (Code::DecisionMisfit, format!("there is nothing that {} could be done to", decision.act)));
        };
        if let Err(fault) = self.fits(case, decision, thing, found.statements.len()) {
            self.add(case, None, fault);
        }
        self.leaves(case, decision, thing);

        let words = self.words(case, &found, thing);
        let Some(set) = self.policy(&decision.policy.0) else {
            return self.add(case, None, (Code::PolicyUnknown, format!("there is no text of the policy {}", decision.policy)));
        };
        if !self.in_force(case, decision, &words) {
            self.add(case, None, (Code::PolicyNotInForce, format!("{} was not in force", decision.policy)));
        }
        self.revocations(case, decision, &words);
        let people = self.permitted(case, decision, thing, &set, &words);
        if self.violations.len() > before {
            return;
        }
        if let Err(fault) = self.enough(case, decision, thing, &set, &words, &people) {
            self.add(case, None, fault);
        }
        if let Err(fault) = self.founded(case, decision, thing, &set, &words) {
            self.add(case, None, fault);
        }
    }

    fn add(&mut self, case: &Case<'a>, statement: Option<&str>, fault: Fault) {
        self.violations.push(violation(&case.at, Some(&case.hash), statement, fault));
    }

    fn policy(&mut self, digest: &[u8; 32]) -> Option<Arc<PolicySet>> {
        let text = self.versions.get(digest)?;
        let read = || PolicySet::from_canonical_text(text).ok().map(Arc::new);
        self.policies.entry(*digest).or_insert_with(read).clone()
    }

    // The leaves.

    /// Each leaf records what was decided, under the same policy, and none does it twice.
    fn leaves(&mut self, case: &Case<'a>, decision: &Decision, thing: Thing<'a>) {
        let mut seen: HashMap<(EventType, StatusKey, &[u8]), usize> = HashMap::new();
        let mut issued = 0;
        for place in &case.leaves {
            let leaf = &self.timeline.leaves[*place];
            let (at, entry) = (leaf.at, &leaf.entry);
            issued += usize::from(entry.event_type == EventType::ISSUE);
            // A re-review ends several roles and tokens, each by a leaf with a body of its own.
            let body = if decision.act == Act::ReReview { entry.body() } else { &[] };
            let again = seen.entry((entry.event_type, entry.status_key, body)).or_default();
            *again += 1;
            let most = match thing {
                Thing::Enrolment(record) => record.requests,
                _ => 1,
            };
            let mut faults = Vec::new();
            faults.extend(self.leaf_fits(&at, entry, decision, thing).err());
            if entry.digests.policy != decision.policy.0 {
                faults.push((Code::DecisionMisfit, "the leaf was made under another policy".to_owned()));
            }
            if *again > 1 || (entry.event_type == EventType::ISSUE && issued > most) {
                faults.push((Code::DecisionOverused, "an earlier leaf has done this already".to_owned()));
            }
            self.violations.extend(faults.into_iter().map(|fault| violation(&at, Some(&case.hash), None, fault)));
        }
    }

    fn leaf_fits(&self, at: &Position<'a>, entry: &crate::ledger::Entry, decision: &Decision, thing: Thing<'a>) -> Result<(), Fault> {
        let certificate = self.things.certificate_of(&entry.status_key);
        let same = |record: &CertificateRecord| certificate.is_some_and(|found| found.id == record.id);
        let holds = |person: &str| certificate.is_some_and(|found| found.person == person);
        let body = entry.body();
        let act = decision.act;
        let fits = match (entry.event_type, thing) {
            (EventType::ISSUE, Thing::Enrolment(record)) => {
                matches!(act, Act::Approve | Act::Claim | Act::Issue | Act::Prove | Act::Renew)
                    && certificate.is_some_and(|found| is_of(found, record))
                    && decision.profile.as_ref().is_some_and(|profile| profile.as_str() == record.profile)
            }
            (EventType::ISSUE, Thing::Authority) => certificate.is_some_and(|found| found.enrolment.is_none()),
            (EventType::HOLD, Thing::Certificate(record)) if act == Act::Suspend => same(record),
            (EventType::RESUME, Thing::Certificate(record)) => act == Act::Resume && same(record),
            (EventType::REVOKE, Thing::Certificate(record)) => matches!(act, Act::Revoke | Act::Complete | Act::ReReview) && same(record),
            (EventType::REVOKE, Thing::Contest { earlier, .. }) => act == Act::UpholdContest && holds(&earlier.person),
            (EventType::REVOKE, Thing::Person(record)) => act == Act::Erase && holds(&record.id),
            (EventType::ERASE, Thing::Person(_)) => act == Act::Erase,
            (EventType::HOLD, Thing::Certificate(_)) if act == Act::ReReview => {
                certificate.is_some_and(|found| self.put_to(&entry.digests.decision, "certificate", &found.id))
            }
            (EventType::ROLE, Thing::Certificate(_)) if act == Act::ReReview => {
                let index = at.leaf.map_or(0, |(_, index)| index);
                let found = self.timeline.dismissals.get(&index);
                found.is_some_and(|found| self.put_to(&entry.digests.decision, "roles", &found.person))
            }
            // The re-review itself, and what ends a token or a check.
            (EventType::CA_EVENT, Thing::Certificate(_)) if act == Act::ReReview => {
                let Some(review) = self.review(&entry.digests.decision) else {
                    return Err((Code::ReviewUnbound, "no leaf is the digest of what was put to this re-review".to_owned()));
                };
                review.commitment().is_some_and(|own| own == body)
                    || review.items.iter().any(|item| ["token", "identity-check"].contains(&item.kind.as_str()))
            }
            (EventType::CA_EVENT, Thing::Departments(record)) => {
                let index = at.leaf.map_or(0, |(_, index)| index);
                match self.timeline.changes.get(&index) {
                    Some(found) => found.id == record.id,
                    None => return Err((Code::ChangeUnbound, "no change that is recorded is what the leaf is the digest of".to_owned())),
                }
            }
            (EventType::ROLE, Thing::Person(record)) => {
                let index = at.leaf.map_or(0, |(_, index)| index);
                let grant = self.timeline.grants.get(&index).map(|found| found.grants.iter().all(|role| role.person == record.id));
                let dismissal = self.timeline.dismissals.get(&index).map(|found| found.person == record.id);
                match (act, grant.or(dismissal)) {
                    (Act::Grant | Act::Dismiss, None) => {
                        return Err((Code::GrantUnbound, "no record is what the leaf is the digest of".to_owned()));
                    }
                    (Act::Grant | Act::Dismiss, Some(own)) => own,
                    _ => false,
                }
            }
            (EventType::POLICY, Thing::Installation) => act == Act::ActivatePolicy && hex::encode(body) == decision.about.to_string(),
            (EventType::CA_EVENT, Thing::Token(_) | Thing::IdentityCheck(_)) => act != Act::CheckIdentity,
            _ => false,
        };
        if fits { Ok(()) } else { Err((Code::DecisionMisfit, format!("{act} about {} is not what the leaf records", decision.about))) }
    }

    /// What a decision put to re-review, by its leaf.
    fn review(&self, decision: &[u8; 32]) -> Option<&ReReviewRecord> {
        self.timeline.reviews.iter().find(|review| review.value.decision == *decision).map(|review| &review.value.record)
    }

    fn put_to(&self, decision: &[u8; 32], kind: &str, item: &str) -> bool {
        self.review(decision).is_some_and(|review| review.has(kind, item))
    }

    /// What a decision says of itself: it allows, it has the profile of its enrolment, and a leaf unless it is one that has none.
    fn fits(&self, case: &Case<'_>, decision: &Decision, thing: Thing<'_>, statements: usize) -> Result<(), Fault> {
        let misfit = |what: &str| Err((Code::DecisionMisfit, what.to_owned()));
        if decision.outcome != Outcome::Allowed {
            return misfit("it refused");
        }
        if let (Thing::Enrolment(record), Some(profile)) = (thing, &decision.profile)
            && record.profile != profile.as_str()
        {
            return misfit("it has another profile than its enrolment");
        }
        let ended = matches!((decision.act, thing), (Act::Revoke | Act::MergeDepartment | Act::ReReview, Thing::Enrolment(_)));
        // A proposal that is taken back granted nothing.
        let taken_back = match (decision.act, thing) {
            (Act::Dismiss, Thing::Person(record)) => self.timeline.roles_before(&record.id, &case.at).is_empty(),
            _ => false,
        };
        let whole = matches!(decision.act, Act::Erase) && statements > 1;
        if case.leaves.is_empty() && (whole || !(WITHOUT_LEAF.contains(&decision.act) || ended || taken_back)) {
            return misfit("no leaf records it");
        }
        Ok(())
    }

    /// A leaf that revokes says what was signed: the reason, and since when the key is not trusted.
    fn revocations(&mut self, case: &Case<'a>, decision: &Decision, words: &[Word<'a>]) {
        let signed = words.iter().rfind(|word| word.part == Part::Decides).map(|word| word.statement.payload());
        for place in &case.leaves {
            let leaf = &self.timeline.leaves[*place];
            if leaf.entry.event_type != EventType::REVOKE {
                continue;
            }
            let (reason, since) = (leaf.entry.reason, leaf.entry.invalid_since().ok().flatten());
            let fits = match (decision.act, signed) {
                (Act::UpholdContest, _) => reason == 9,
                (Act::Erase | Act::Complete, _) => reason == 5 && since.is_none(),
                (Act::ReReview, Some(payload)) => reason == 1 && since == payload.since.map(|since| seconds(since.instant())),
                (_, Some(payload)) => {
                    let name = payload.reason.as_ref().map_or("unspecified", |reason| reason.as_str());
                    REASONS.contains(&(name, reason)) && since == payload.since.map(|since| seconds(since.instant()))
                }
                // Nothing was signed that counts, which is told elsewhere.
                (_, None) => true,
            };
            if !fits {
                let fault = (Code::DecisionMisfit, "the leaf has another reason, or another time since when".to_owned());
                self.violations.push(violation(&leaf.at, Some(&case.hash), None, fault));
            }
        }
    }

    // The statements.

    /// Those that are genuine, in the order in which they say that they were signed; what is wrong with the others is told.
    fn words(&mut self, case: &Case<'a>, found: &HashedText, thing: Thing<'a>) -> Vec<Word<'a>> {
        let mut words: Vec<Word<'a>> = Vec::new();
        for digest in &found.statements {
            match self.word(digest, &found.decision, thing) {
                Ok(word) => words.push(word),
                Err(fault) => self.add(case, Some(digest), fault),
            }
        }
        words.sort_by_cached_key(|word| (word.statement.payload().at, word.digest.clone()));
        let newest = words.iter().rfind(|word| word.part == Part::Decides).map(|word| word.statement.payload().clone());
        words.retain(|word| match self.timely(case, &found.decision, word, newest.as_ref()) {
            Ok(()) => true,
            Err(fault) => {
                self.violations.push(violation(&case.at, Some(&case.hash), Some(&word.digest), fault));
                false
            }
        });
        words
    }

    /// What is wrong with a statement wherever it stands.
    fn word(&self, digest: &str, decision: &Decision, thing: Thing<'a>) -> Result<Word<'a>, Fault> {
        let fault = |code, what: &str| Err((code, what.to_owned()));
        let Some(jws) = self.statements.get(digest) else { return fault(Code::StatementMissing, "there is no statement with this digest") };
        let statement = Statement::parse(jws).map_err(|error| (Code::StatementMalformed, error.to_string()))?;
        let signer = match statement.signer() {
            SignerReference::Key(_) => {
                let genuine = self.system_key.as_ref().is_some_and(|key| statement.verify(key).is_ok());
                if !genuine {
                    return fault(Code::StatementSignature, "not signed with the system key");
                }
                None
            }
            SignerReference::Certificate(fingerprint) => {
                let Some(signer) = self.signers.get(&fingerprint) else {
                    return fault(Code::SignerUnknown, "its signer's certificate is none that this CA issued to that person");
                };
                if signer.certificate.public_key().is_ok_and(|key| statement.verify(key).is_err()) {
                    return fault(Code::StatementSignature, "it does not verify with the key of its signer's certificate");
                }
                Some(fingerprint)
            }
        };
        let payload = statement.payload();
        let listed = self.lists.get_key_value(payload.about.to_string().as_str());
        let mut list = None;
        let is_about = |about: &About, list: &mut Option<&'a str>| {
            let found = listed.filter(|(_, found)| payload.about != *about && found.items.contains(about.to_string().as_str()));
            *list = found.map(|(root, _)| *root);
            payload.about == *about || found.is_some()
        };
        let about_enrolment = |record: &EnrolmentRecord, person: bool| {
            let text = if person { &record.person } else { record.replaces.as_ref().unwrap_or(&record.id) };
            payload.about.to_string() == *text
        };
        let merged = |record: &EnrolmentRecord| {
            let change = self.things.change(&payload.about.to_string()).and_then(|found| found.change());
            change.is_some_and(|change| record.department == Some(change.department.to_string()))
        };
        let part = match (payload.act, decision.act, thing) {
            (Act::MergeDepartment, Act::MergeDepartment, Thing::Enrolment(record)) => merged(record).then_some(Part::Founds),
            (Act::ReReview, Act::ReReview, Thing::Enrolment(_)) => Some(Part::Founds),
            (Act::Renew, Act::Renew, Thing::Enrolment(record)) if about_enrolment(record, false) => Some(Part::Decides),
            (own, act, _) if own == act && act != Act::Renew && is_about(&decision.about, &mut list) => Some(Part::Decides),
            (Act::Approve, Act::Claim, _) if is_about(&decision.about, &mut list) => Some(Part::Founds),
            (Act::Grant, Act::Claim, Thing::Enrolment(record)) if about_enrolment(record, true) => Some(Part::Founds),
            (Act::CheckIdentity | Act::ConfirmIdentity, Act::Prove | Act::Resume, _) => Some(Part::Founds),
            (Act::Approve, Act::Reject | Act::Withdraw | Act::Expire, _) if is_about(&decision.about, &mut list) => Some(Part::Overruled),
            _ => None,
        };
        let Some(part) = part else {
            return Err((Code::StatementMisfit, format!("{} about {} is not what was decided", payload.act, payload.about)));
        };
        let shown = match thing {
            Thing::Departments(record) => Some(&record.shown),
            Thing::WithdrawnChange(record) => Some(&record.shown),
            _ => None,
        };
        if shown.is_some_and(|shown| !serde_json::from_str(shown).is_ok_and(|shown| seen(&[0; 32], &shown) == payload.seen)) {
            return fault(Code::StatementMisfit, "whoever signed was shown another change");
        }
        if list.is_some_and(|root| !self.lists[root].is_whole) {
            return fault(Code::ListMismatch, "its list has another root");
        }
        Ok(Word { digest: digest.to_owned(), part, list, signer, statement })
    }

    /// What is wrong with a statement where it decides.
    fn timely(
        &mut self,
        case: &Case<'a>,
        decision: &Decision,
        word: &Word<'a>,
        newest: Option<&crate::policy::Payload>,
    ) -> Result<(), Fault> {
        let fault = |code, what: &str| Err((code, what.to_owned()));
        let payload = word.statement.payload();
        if let Some(other) = self.nonces.insert(payload.nonce.to_string(), word.digest.clone()).filter(|other| *other != word.digest) {
            return Err((Code::NonceReused, format!("statement {other} used it before")));
        }
        if word.part == Part::Overruled {
            return Ok(());
        }
        // The first of two waits; it is used by the decision that both make.
        let waits = PAIRS.contains(&decision.act) && case.leaves.is_empty() && self.decisions[&case.hash].statements.len() == 1;
        let once = match word.part {
            Part::Decides => Use::Decides(decision.about),
            // One of a list founds what is decided about that one; a merger and a re-review found what is decided about each request.
            _ if word.list.is_some() || payload.act == decision.act => Use::Founds(decision.about),
            _ => Use::Founds(payload.about),
        };
        if !waits && self.used.insert((word.digest.clone(), once), case.hash).is_some_and(|other| other != case.hash) {
            return fault(Code::StatementReplayed, "an earlier decision has used it");
        }
        if word.part == Part::Founds {
            return Ok(());
        }
        if payload.policy != decision.policy {
            return fault(Code::PolicyNotInForce, "signed under another policy than it was decided under");
        }
        let claimed = seconds(payload.at.instant());
        let newest_at = newest.map_or(claimed, |newest| seconds(newest.at.instant()));
        let skew = CLOCK_SKEW.whole_seconds().unsigned_abs();
        let another_time = || fault(Code::StatementTime, "it says that it was signed at another time than the ledger shows");
        if claimed > case.at.time + skew + IN_FLIGHT {
            return another_time();
        }
        self.position(case, payload)?;
        // An approval may wait for the others; what else is decided, is decided when the last of them signs.
        let late = decision.act != Act::Approve && newest_at + NONCE_LIFE.whole_seconds().unsigned_abs() + skew + IN_FLIGHT < case.at.time;
        if late {
            return another_time();
        }
        let together = PAIRS.contains(&decision.act) || matches!(decision.act, Act::Revoke | Act::ReReview);
        let same = |newest: &crate::policy::Payload| {
            let own_reason = decision.act == Act::ReReview || newest.reason == payload.reason;
            own_reason && (newest.seen, newest.since) == (payload.seen, payload.since)
        };
        if together && !newest.is_none_or(same) {
            return fault(Code::StatementMisfit, "it says something else than the other of the same decision");
        }
        if let Some(fingerprint) = &word.signer {
            let signer = &self.signers[fingerprint];
            let history = self.timeline.states.get(&signer.key).map(Vec::as_slice).unwrap_or_default();
            // What one person decides is recorded where their certificate is good at that very place; an earlier word of several, and
            // the approval that is settled later, were looked at on the way.
            let at_once = case.at.leaf.is_some() && decision.act != Act::Approve && self.decisions[&case.hash].statements.len() == 1;
            let held = if at_once { held_there(history, &case.at) } else { held(history, &case.at) };
            let good = held.iter().any(|change| change.value == State::Good);
            if !good || seconds(signer.certificate.not_after()) + IN_FLIGHT < case.at.time {
                return fault(Code::SignerNotGood, "its signer's certificate was not good then");
            }
        }
        Ok(())
    }

    /// The state of the ledger that the signer says they knew was there, and was the newest not long before.
    fn position(&self, case: &Case<'a>, payload: &crate::policy::Payload) -> Result<(), Fault> {
        let unknown = || (Code::LogPositionUnknown, format!("{} of {} leaves was not there then", payload.log.origin, payload.log.size));
        let (name, book) = self.timeline.logs.iter().find(|(_, book)| book.origin == payload.log.origin).ok_or_else(unknown)?;
        let size = usize::try_from(payload.log.size).ok().filter(|size| *size <= book.times.len()).ok_or_else(unknown)?;
        let own = case.at.leaf.filter(|(log, _)| log == name);
        let known = size.checked_sub(1).map(|last| book.times[last]);
        if own.is_some_and(|(_, index)| payload.log.size > index) || known.is_some_and(|time| time > case.at.time + IN_FLIGHT) {
            return Err(unknown());
        }
        let (claimed, skew) = (seconds(payload.at.instant()), CLOCK_SKEW.whole_seconds().unsigned_abs());
        if known.is_some_and(|time| time > claimed + skew) {
            return Err((Code::StatementTime, "it says that it was signed before the state of the ledger that it knew".to_owned()));
        }
        let life = NONCE_LIFE.whole_seconds().unsigned_abs() + 2 * skew;
        if book.times.get(size).is_some_and(|next| next + life < claimed) {
            return Err((Code::LogPositionStale, format!("leaf {size} of {name} was there long before it was signed")));
        }
        Ok(())
    }

    // The rules.

    fn in_force(&self, case: &Case<'a>, decision: &Decision, words: &[Word<'a>]) -> bool {
        let in_force = held(&self.timeline.policies, &case.at).iter().any(|change| change.value == decision.policy.0);
        // The system key puts the first versions in force under themselves.
        let by_itself = decision.act == Act::ActivatePolicy
            && decision.about == About::Digest(decision.policy.0)
            && words.iter().all(|word| word.signer.is_none());
        in_force || by_itself
    }

    /// Those who decided and might, each with the roles that they did it by. What the rules refuse is told.
    fn permitted(&mut self, case: &Case<'a>, decision: &Decision, thing: Thing<'a>, set: &PolicySet, words: &[Word<'a>]) -> Vec<Actor> {
        let deed = self.deed(case, decision, thing);
        let mut people: Vec<Actor> = Vec::new();
        let mut by_people = false;
        for word in words.iter().filter(|word| word.part == Part::Decides) {
            let outcome = match &word.signer {
                None => self.system_may(decision, &deed, set, word).map(|()| None),
                Some(fingerprint) => {
                    by_people = true;
                    let before: Vec<PersonId> = people.iter().map(|actor| actor.person).collect();
                    self.person_may(case, &deed, set, fingerprint, &before).map(Some)
                }
            };
            match outcome {
                Ok(actor) => people.extend(actor),
                Err(what) => self.add(case, Some(&word.digest), (Code::NotPermitted, what)),
            }
        }
        self.given.extend(deed.changes.iter().map(|grant| grant.role));
        self.governed |= by_people && decision.act == Act::ActivatePolicy;
        people
    }

    fn deed(&self, case: &Case<'a>, decision: &Decision, thing: Thing<'a>) -> Deed<'a> {
        let (mut changes, mut roles) = (Vec::new(), Vec::new());
        if let (Thing::Person(record), Some((_, index))) = (thing, case.at.leaf) {
            roles = self.timeline.roles_before(&record.id, &case.at);
            changes = match decision.act {
                Act::Grant => self.timeline.grants.get(&index).map(|record| roles_of(record)).unwrap_or_default(),
                Act::Dismiss => roles.clone(),
                _ => Vec::new(),
            };
        }
        Deed { act: decision.act, thing, changes, roles, questioned: self.questioned(case, decision) }
    }

    /// Whose stolen keys this rested on: the re-reviews that it was put to, for all of the minute before.
    fn questioned(&self, case: &Case<'a>, decision: &Decision) -> Vec<PersonId> {
        let about = decision.about.to_string();
        let put = |review: &&Change<'a, Review>| {
            review.at.time + IN_FLIGHT < case.at.time && review.value.record.items.iter().any(|one| one.item == about)
        };
        let holder = |review: &Change<'a, Review>| self.things.certificate(&review.value.certificate)?.person.parse().ok();
        self.timeline.reviews.iter().filter(put).filter_map(holder).collect()
    }

    fn person_may(
        &self,
        case: &Case<'a>,
        deed: &Deed<'a>,
        set: &PolicySet,
        fingerprint: &[u8; 32],
        before: &[PersonId],
    ) -> Result<Actor, String> {
        let signer = &self.signers[fingerprint];
        let person: PersonId = signer.record.person.parse().map_err(|error: crate::policy::IdentityError| error.to_string())?;
        // Roles are exercised with an officer's certificate alone.
        let issued = self.timeline.issues.get(&signer.key).and_then(|hash| self.decisions.get(hash));
        let officer = issued.and_then(|found| found.decision.profile.as_ref()).is_some_and(|profile| profile.as_str() == OFFICER);
        let history = self.timeline.roles.get(signer.record.person.as_str()).map(Vec::as_slice).unwrap_or_default();
        let mut candidates: Vec<Actor> = match officer {
            true => held(history, &case.at).iter().rev().map(|change| Actor { person, roles: change.value.clone() }).collect(),
            false => Vec::new(),
        };
        if candidates.is_empty() {
            candidates.push(Actor { person, roles: Vec::new() });
        }
        let mut refused = String::new();
        for actor in candidates {
            for tree in held(&self.timeline.departments, &case.at).iter().rev() {
                match self.things.decide(set, &actor, deed, &tree.value, before) {
                    Ok(()) => return Ok(actor),
                    Err(what) if refused.is_empty() => refused = what,
                    Err(_) => {}
                }
            }
        }
        Err(refused)
    }

    /// What no person decides (docs/formats.md, statement v1).
    fn system_may(&self, decision: &Decision, deed: &Deed<'a>, set: &PolicySet, word: &Word<'a>) -> Result<(), String> {
        let reason = word.statement.payload().reason.as_ref().map(|reason| reason.as_str());
        let profile = decision.profile.as_ref().and_then(|name| set.profile(name));
        let may = match (decision.act, deed.thing) {
            (Act::Issue, Thing::Authority) => true,
            (Act::Issue, Thing::Enrolment(record)) => {
                record.submitted_by == record.person && profile.is_some_and(|profile| profile.requesters().contains(&Requester::System))
            }
            (Act::Complete | Act::Claim | Act::Prove | Act::Expire, _) => true,
            (Act::Suspend, _) => reason == Some(BY_CODE),
            (Act::Resume, _) => reason == Some(BY_PROOF),
            (Act::Revoke, Thing::Certificate(_)) => reason == Some("superseded"),
            // The first start: the first administrator and the first auditor, and the files that the installation begins with.
            (Act::Grant, _) => deed
                .changes
                .iter()
                .all(|grant| matches!(grant.role, Role::Administrator | Role::Auditor) && !self.given.contains(&grant.role)),
            (Act::ActivatePolicy, _) => !self.governed,
            _ => false,
        };
        if may { Ok(()) } else { Err(format!("the system key does not {} this", decision.act)) }
    }

    fn enough(
        &self,
        case: &Case<'a>,
        decision: &Decision,
        thing: Thing<'a>,
        set: &PolicySet,
        words: &[Word<'a>],
        people: &[Actor],
    ) -> Result<(), Fault> {
        let deciding = || words.iter().filter(|word| word.part == Part::Decides);
        // What ends with a department or loses its approval rests on what was decided by itself.
        let follows = matches!((decision.act, thing), (Act::MergeDepartment | Act::ReReview, Thing::Enrolment(_)));
        if follows || deciding().any(|word| word.signer.is_none()) {
            return Ok(());
        }
        let list = deciding().find_map(|word| word.list).map(|root| &self.lists[root]).filter(|list| list.items.len() > 1);
        let (mut quorum, department) = self.deed(case, decision, thing).quorum(set, list.map(|list| list.department));
        let alone = match (decision.act, thing, people) {
            (Act::Erase, Thing::Person(record), [one]) => one.person.to_string() == record.id || case.leaves.is_empty(),
            (act, _, [_]) => PAIRS.contains(&act) && case.leaves.is_empty(),
            _ => false,
        };
        if alone {
            quorum = Quorum::ONE;
        }
        match quorum.missing(people, department) {
            None => Ok(()),
            Some(missing) => Err((Code::QuorumMissed, format!("{} people signed, and there lack {missing:?}", people.len()))),
        }
    }

    /// What a decision of the system key rests on was decided by people before.
    fn founded(&self, case: &Case<'a>, decision: &Decision, thing: Thing<'a>, set: &PolicySet, words: &[Word<'a>]) -> Result<(), Fault> {
        let founding: Vec<&Word<'_>> = words.iter().filter(|word| word.part == Part::Founds).collect();
        let all = |act: Act| !founding.is_empty() && founding.iter().all(|word| word.statement.payload().act == act);
        let founded = match (decision.act, thing) {
            (Act::Claim, Thing::Enrolment(_)) if all(Act::Grant) => {
                let granted = self.timeline.grants.values().any(|record| record.statement == founding[0].digest);
                granted && founding.len() == 1
            }
            (Act::Claim, Thing::Enrolment(_)) if all(Act::Approve) => {
                let mut digests: Vec<&String> = founding.iter().map(|word| &word.digest).collect();
                digests.sort();
                let taken = self.taken.get(&decision.about).map(Vec::as_slice).unwrap_or_default();
                self.approvals.get(&decision.about).into_iter().flatten().any(|hash| {
                    let (found, at) = (&self.decisions[hash], self.decisions[hash].decision.at);
                    let stands = taken.iter().all(|taken| *taken <= at);
                    found.statements.iter().eq(digests.iter().copied()) && seconds(at.instant()) <= case.at.time && stands
                })
            }
            (Act::MergeDepartment | Act::ReReview, Thing::Enrolment(record)) => {
                self.ended(decision, &self.decisions[&case.hash], &record.id)
            }
            (Act::Claim, _) => false,
            (Act::Prove, Thing::Enrolment(record)) => {
                let rules = set.profile(&record.profile.parse().map_err(|_| unfounded())?).and_then(|profile| profile.proofing());
                let level = record.assurance.as_deref().and_then(|level| level.parse::<Assurance>().ok());
                let decides = rules.zip(level).is_some_and(|(rules, level)| rules.decides(level));
                decides && self.checked(&founding, record.identity_check.as_deref())
            }
            (Act::Resume, Thing::Certificate(_)) => {
                let check = founding.first().map(|word| word.statement.payload().about.to_string());
                self.checked(&founding, check.as_deref())
            }
            _ => true,
        };
        if founded { Ok(()) } else { Err(unfounded()) }
    }

    /// A request ends with its department, or loses its approval: by a decision on the same statements, which its leaf records.
    fn ended(&self, decision: &Decision, own: &HashedText, enrolment: &str) -> bool {
        match decision.act {
            Act::MergeDepartment => self.timeline.changes.values().any(|record| own.statements.contains(&record.statement)),
            _ => self.timeline.reviews.iter().any(|review| {
                let whole = self.decisions.get(&review.value.decision).is_some_and(|found| found.statements == own.statements);
                whole && review.value.record.has("enrolment", enrolment)
            }),
        }
    }

    /// The two statements of an identity check, each decided by itself, and nothing else; none where there was no check.
    fn checked(&self, founding: &[&Word<'_>], check: Option<&str>) -> bool {
        let Some(check) = check else { return founding.is_empty() };
        let signed = |act: Act| {
            founding.iter().any(|word| {
                let payload = word.statement.payload();
                payload.act == act && payload.about.to_string() == check && self.alone.get(&word.digest) == Some(&act)
            })
        };
        founding.len() == 2 && signed(Act::CheckIdentity) && signed(Act::ConfirmIdentity)
    }

    /// Records of roles, of changes of departments and of re-reviews that no leaf binds.
    fn unbound(&mut self) {
        let (export, timeline) = (self.export, &self.timeline);
        let granted = timeline.grants.values().map(|record| &record.statement);
        let dismissed = timeline.dismissals.values().map(|record| &record.statement);
        let changed = timeline.changes.values().map(|record| &record.statement);
        let reviewed = timeline.reviews.iter().map(|review| &review.value.record.statement);
        let bound: HashSet<&String> = granted.chain(dismissed).chain(changed).chain(reviewed).collect();

        let grants = export.grants.iter().map(|record| (Code::GrantUnbound, &record.statement));
        let dismissals = export.dismissals.iter().map(|record| (Code::GrantUnbound, &record.statement));
        let changes = export.department_changes.iter().map(|record| (Code::ChangeUnbound, &record.statement));
        let reviews = export.re_reviews.iter().map(|record| (Code::ReviewUnbound, &record.statement));
        let recorded = grants.chain(dismissals).chain(changes).chain(reviews);
        let unbound = recorded.filter(|(_, statement)| !bound.contains(statement)).map(|(code, statement)| Violation {
            log: None,
            index: None,
            decision: None,
            statement: Some(statement.clone()),
            code,
            what: "no leaf is the digest of what is recorded for this statement".to_owned(),
        });
        self.violations.extend(unbound);
    }

    /// Statements beyond the cap of their version. They are counted by the time that their signer signed: nobody signed for the
    /// time at which the service recorded them. That may have been so much later, and the day is so much shorter here.
    fn caps(&mut self) {
        let mut signed: BTreeMap<(String, &str), Vec<Signed>> = BTreeMap::new();
        for (digest, jws) in &self.statements {
            let Ok(statement) = Statement::parse(jws) else { continue };
            let SignerReference::Certificate(fingerprint) = statement.signer() else { continue };
            let Some(signer) = self.signers.get(&fingerprint) else { continue };
            let own = signed.entry((signer.record.person.clone(), statement.payload().act.as_str())).or_default();
            own.push(Signed { digest: digest.clone(), statement, signer: fingerprint });
        }
        for mut own in signed.into_values() {
            own.sort_by_cached_key(|one| (one.statement.payload().at, one.digest.clone()));
            if self.beyond_caps(&own).is_empty() {
                continue;
            }
            // Only what they really signed is held against anybody.
            own.retain(|one| self.signers[&one.signer].certificate.public_key().is_ok_and(|key| one.statement.verify(key).is_ok()));
            let beyond = self.beyond_caps(&own);
            self.violations.extend(beyond);
        }
    }

    /// Which of somebody's statements of one act, in their order, are beyond its cap.
    fn beyond_caps(&mut self, signed: &[Signed]) -> Vec<Violation> {
        let day = cap::WINDOW - NONCE_LIFE - 2 * CLOCK_SKEW;
        let count = |one: &Signed| {
            let list = self.lists.get(one.statement.payload().about.to_string().as_str());
            cap::Signed { at: one.statement.payload().at.instant(), items: list.map_or(1, |list| list.items.len() as u64) }
        };
        let counted: Vec<cap::Signed> = signed.iter().map(count).collect();
        let mut beyond = Vec::new();
        for (place, one) in signed.iter().enumerate() {
            let payload = one.statement.payload();
            let Some(cap) = self.policy(&payload.policy.0).and_then(|set| set.cap(payload.act)) else { continue };
            let from = counted.partition_point(|earlier| earlier.at <= counted[place].at - day);
            if let Err(reached) = cap.check(&counted[from..=place]) {
                beyond.push(Violation {
                    log: None,
                    index: None,
                    decision: None,
                    statement: Some(one.digest.clone()),
                    code: Code::DailyCap,
                    what: format!("{} within a day: the cap is {} {}", payload.act, reached.most, reached.of),
                });
            }
        }
        beyond
    }
}

impl<'a> List<'a> {
    fn of(root: &str, items: &'a [String], things: &Things<'a>) -> Self {
        let about: Option<Vec<About>> = items.iter().map(|item| item.parse().ok()).collect();
        Self {
            items: items.iter().map(String::as_str).collect(),
            is_whole: about.is_some_and(|about| list_root(&about).to_string() == root),
            department: things.common_department(items),
        }
    }
}

fn unfounded() -> Fault {
    (Code::Unfounded, "what it rests on was not decided by itself".to_owned())
}

fn violation(at: &Position<'_>, decision: Option<&[u8; 32]>, statement: Option<&str>, (code, what): Fault) -> Violation {
    Violation {
        log: at.leaf.map(|(log, _)| log.to_owned()),
        index: at.leaf.map(|(_, index)| index),
        decision: decision.map(hex::encode),
        statement: statement.map(str::to_owned),
        code,
        what,
    }
}

fn is_of(certificate: &CertificateRecord, enrolment: &EnrolmentRecord) -> bool {
    certificate.enrolment.as_ref() == Some(&enrolment.id)
        && (&certificate.person, &certificate.profile, &certificate.department)
            == (&enrolment.person, &enrolment.profile, &enrolment.department)
}

/// The certificates of those who signed: each issued by an authority of the bundle, and naming the person whom its record has.
fn signers<'a>(export: &'a Export, bundle: &TrustBundle) -> HashMap<[u8; 32], Signer<'a>> {
    // A bundle whose certificates cannot be read vouches for nobody.
    let authorities = bundle.authorities().unwrap_or_default();
    let signer = |record: &'a CertificateRecord| {
        let certificate = Certificate::parse(&STANDARD.decode(record.der.as_ref()?).ok()?).ok()?;
        let ours = authorities
            .iter()
            .any(|authority| authority.subject_der() == certificate.issuer_der() && certificate.verify_signature(authority).is_ok());
        let named = certificate.subject().find(rfc4519::SERIAL_NUMBER).is_none_or(|person| person == record.person);
        let own = certificate.id().to_string() == record.id;
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        (ours && named && own).then(|| (certificate.fingerprint(), Signer { record, certificate, key }))
    };
    export.certificates.iter().filter_map(signer).collect()
}
