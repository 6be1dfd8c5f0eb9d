//! Judges each decision where it stands: its leaves, the version of the policy, its statements one by one, and whether as many
//! people signed as it takes.
//!
//! Of a statement the first thing that is wrong is told, and it counts for nothing then. Whether there were enough people is
//! asked only where every statement counts, so that one fault is told once.
//!
//! `Judge::case` is the whole of it; each file beside this one answers one of its questions.

mod caps;
mod departments;
mod foundations;
mod leaves;
mod people;
mod statements;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use const_oid::db::rfc4519;

use super::{
    Code, Policies, Violation,
    export::{CertificateRecord, Export},
    things::{Thing, Things},
    timeline::{Position, Timeline},
};
use crate::{
    crypto::{PublicKey, digest::sha256},
    ledger::{EventType, StatusKey},
    policy::{About, Act, PolicySet, Role, Statement, Timestamp, decision::HashedText, statement::list_root},
    services::trust::TrustBundle,
    world::seconds,
    x509::Certificate,
};

/// Acts of two people, whose first statement is a decision that waits for the second.
static PAIRS: &[Act] = &[Act::UpholdContest, Act::DismissContest, Act::Export, Act::Erase];

pub struct Judge<'a> {
    export: &'a Export,
    policies: &'a mut Policies,
    system_key: Option<PublicKey>,
    texts: HashMap<[u8; 32], &'a str>,
    decisions: HashMap<[u8; 32], HashedText>,
    statements: HashMap<String, &'a str>,
    /// Where each statement stands: the first leaf that names it, or a decision which rests on it.
    recorded: HashMap<String, Position<'a>>,
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
    /// Which decision followed a certificate first.
    followed: HashMap<&'a str, [u8; 32]>,
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

struct Word<'a> {
    digest: String,
    statement: Statement,
    part: Part,
    /// The root of the list that it is about, when it is about one.
    list: Option<&'a str>,
    /// The certificate that signed; `None`: the system key.
    signer: Option<[u8; 32]>,
    /// Where it stands in the ledger; one that stands nowhere counts for nothing.
    at: Position<'a>,
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
            statements: export.statements.iter().map(|record| (hex::encode(digest(&record.jws)), record.jws.as_str())).collect(),
            recorded: recorded(&timeline, &decisions),
            decisions,
            lists: export.lists.iter().map(|record| (record.root.as_str(), List::of(&record.root, &record.items, &things))).collect(),
            versions: export.policies.iter().map(|record| (digest(&record.text), record.text.as_str())).collect(),
            approvals,
            alone,
            taken,
            signers: signers(export, bundle),
            followed: HashMap::new(),
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
        self.reorganizations();
        self.caps();
        self.violations.sort();
        self.violations
    }

    /// Every decision: where the first leaf stands that names it, or when it says itself that it was made, after its statements.
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
            // A clock that was set back does not put it before the statements that it rests on.
            let recorded = found.statements.iter().filter_map(|digest| Some(self.recorded.get(digest)?.time));
            let time = recorded.fold(seconds(found.decision.at.instant()), u64::max);
            cases.entry(*hash).or_insert_with(|| Case { hash: *hash, at: Position { time, leaf: None }, leaves: Vec::new() });
        }
        for leaf in &self.timeline.leaves {
            let lost = self.timeline.recorded_by(leaf).into_iter().filter(|digest| !self.statements.contains_key(digest));
            self.violations.extend(lost.map(|digest| {
                violation(&leaf.at, None, Some(&digest), (Code::StatementMissing, "it was recorded, and is not here".to_owned()))
            }));
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
        self.granted_where_nobody_works(case, decision);
        self.asked(case, decision, thing);
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
        if let (Act::Renew, Thing::Enrolment(record)) = (decision.act, thing)
            && let Err(fault) = self.renewable(case, record, &set)
        {
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
}

/// Where each statement stands: the first leaf that names it, or a decision which rests on it.
fn recorded<'a>(timeline: &Timeline<'a>, decisions: &HashMap<[u8; 32], HashedText>) -> HashMap<String, Position<'a>> {
    let mut recorded = HashMap::new();
    // The first is put in last.
    for leaf in timeline.leaves.iter().rev() {
        let decided = decisions.get(&leaf.entry.digests.decision).into_iter().flat_map(|found| found.statements.iter().cloned());
        recorded.extend(decided.chain(timeline.recorded_by(leaf)).map(|digest| (digest, leaf.at)));
    }
    recorded
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
