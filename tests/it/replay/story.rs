//! A history that can be changed and signed anew: what a real installation lived through, as steps in their order, with keys of
//! the test's own for everybody who signs. So a violation is planted as whoever holds the keys would plant it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use der::pem::LineEnding;
use hufu::{
    crypto::{Algorithm, PrivateKey, algorithms, digest::sha256},
    ledger::{Checkpoint, Entry, EventType, Note, NoteKey, StatusKey, Tree, merkle::leaf_hash},
    policy::{
        Act, Header, Payload, SignerReference, Statement, Timestamp, assemble,
        decision::{Decision, HashedText, hashed_text},
        jws::canonical,
        signing_input,
    },
    services::{
        replay::export::{CertificateRecord, CheckpointRecord, DecisionRecord, EntryRecord, Export, GrantRecord, StatementRecord},
        trust::TrustBundle,
    },
    store::Db,
    world::from_millis,
};
use serde_json::{Value, json};
use time::Duration;

/// In seconds.
pub const DAY: u64 = 86_400;

/// A small source of chance, the same for the same seed (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len() as u64) as usize) }
    }

    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// Whose key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signer {
    System,
    /// Whose certificate has this fingerprint.
    Person([u8; 32]),
}

/// What becomes of the text of a statement after it was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    Signature,
    Form,
}

/// A statement to be signed.
#[derive(Debug, Clone)]
pub struct Word {
    pub payload: Payload,
    pub signer: Signer,
    /// Whose key is used; usually the signer's.
    pub key: Signer,
    pub spoilt: Option<Spoilt>,
    /// How long after its step it says that it was signed (seconds).
    pub shift: i64,
    /// The size that it knew, when it is not the one before its step.
    pub size: Option<u64>,
}

/// One decision with its leaves, or leaves alone.
#[derive(Debug, Clone)]
pub struct Step {
    pub decision: Decision,
    /// Places in the words of the story.
    pub words: Vec<usize>,
    pub leaves: Vec<(String, Entry)>,
    /// After the step before it (seconds).
    pub pause: u64,
}

#[derive(Clone)]
pub struct Story {
    pub steps: Vec<Step>,
    pub words: Vec<Word>,
    /// The records that are not made from the steps.
    pub rest: Export,
    pub begins: u64,
    pub cast: Arc<Cast>,
    /// Those who sign what they may not, by what they are there.
    pub who: HashMap<&'static str, Signer>,
}

/// The keys, and the bundle that vouches for them.
pub struct Cast {
    pub bundle: TrustBundle,
    system: Box<dyn PrivateKey>,
    people: HashMap<[u8; 32], Box<dyn PrivateKey>>,
    logs: BTreeMap<String, [Box<dyn PrivateKey>; 2]>,
    origins: BTreeMap<String, String>,
}

fn key(algorithm: &'static dyn Algorithm) -> Box<dyn PrivateKey> {
    algorithm.load(&algorithm.generate().unwrap()).unwrap()
}

impl Cast {
    /// These people, and new keys for the system and the logs.
    pub fn of(mut bundle: TrustBundle, people: HashMap<[u8; 32], Box<dyn PrivateKey>>) -> Self {
        let system = key(&algorithms::P256);
        bundle.system_key = Some(der::pem::encode_string("PUBLIC KEY", LineEnding::LF, system.public_key().spki()).unwrap());
        let mut logs = BTreeMap::new();
        for log in &mut bundle.logs {
            let keys = [key(&algorithms::Ed25519), key(&algorithms::Sm2)];
            log.keys = note_keys(&log.origin, &keys).iter().map(NoteKey::vkey).collect();
            logs.insert(log.name.clone(), keys);
        }
        let origins = bundle.logs.iter().map(|log| (log.origin.clone(), log.name.clone())).collect();
        Self { bundle, system, people, logs, origins }
    }

    fn key_of(&self, signer: Signer) -> &dyn PrivateKey {
        match signer {
            Signer::System => &*self.system,
            Signer::Person(fingerprint) => &*self.people[&fingerprint],
        }
    }

    /// Whether their keys are of one algorithm.
    pub fn same_family(&self, one: Signer, other: Signer) -> bool {
        let name = |signer| self.key_of(signer).public_key().algorithm().name();
        name(one) == name(other)
    }

    fn sign(&self, word: &Word, payload: &Payload) -> String {
        let named = self.key_of(word.signer).public_key();
        let signer = match word.signer {
            Signer::System => SignerReference::key(named),
            Signer::Person(fingerprint) => SignerReference::Certificate(fingerprint),
        };
        let input = signing_input(&Header { algorithm: named.algorithm(), signer }, payload);
        let key = self.key_of(word.key);
        let signed = assemble(&input, key.public_key().algorithm(), &key.sign(input.as_bytes()).unwrap()).unwrap();
        match word.spoilt {
            None => signed,
            Some(Spoilt::Form) => format!("{signed}=="),
            Some(Spoilt::Signature) => {
                let (input, signature) = signed.rsplit_once('.').unwrap();
                let (first, rest) = signature.split_at(1);
                format!("{input}.{}{rest}", if first == "A" { "B" } else { "A" })
            }
        }
    }

    fn checkpoint(&self, log: &str, entries: &[Vec<u8>], time: u64) -> CheckpointRecord {
        let origin = &self.bundle.logs.iter().find(|found| found.name == log).unwrap().origin;
        let mut tree = Tree::new();
        entries.iter().for_each(|entry| tree.append(leaf_hash(entry)));
        let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root() };
        let keys = &self.logs[log];
        let mut lines = Vec::new();
        for (note_key, key) in note_keys(origin, keys).iter().zip(keys) {
            let signature = key.sign(&note_key.signed_message(&checkpoint, time).unwrap()).unwrap();
            lines.push(note_key.signature_line(&signature, time).unwrap());
        }
        CheckpointRecord { log: log.to_owned(), note: Note::assemble(&checkpoint.text(), &lines).unwrap().to_string() }
    }
}

fn note_keys(origin: &str, [ed25519, sm2]: &[Box<dyn PrivateKey>; 2]) -> [NoteKey; 2] {
    [NoteKey::ed25519(origin, ed25519.public_key()).unwrap(), NoteKey::sm2_subtree(origin, sm2.public_key()).unwrap()]
}

impl Story {
    /// What a database holds, in the order in which it was recorded.
    pub async fn read(db: &Db, cast: Cast) -> Self {
        let mut rest = Export::gather(db).await.unwrap();
        let mut rows = hufu::store::statements::decisions(&mut db.read().await.unwrap()).await.unwrap();
        rows.sort_by_key(|row| row.recorded_at);
        let mut words = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for record in std::mem::take(&mut rest.statements) {
            let statement = Statement::parse(&record.jws).unwrap();
            let signer = match statement.signer() {
                SignerReference::Key(_) => Signer::System,
                SignerReference::Certificate(fingerprint) => Signer::Person(fingerprint),
            };
            places.insert(hex::encode(statement.digest()), words.len());
            words.push(Word { payload: statement.payload().clone(), signer, key: signer, spoilt: None, shift: 0, size: None });
        }
        let mut leaves: HashMap<[u8; 32], Vec<(String, Entry)>> = HashMap::new();
        for record in std::mem::take(&mut rest.entries) {
            let entry = Entry::decode(&STANDARD.decode(&record.entry).unwrap()).unwrap();
            leaves.entry(entry.digests.decision).or_default().push((record.log, entry));
        }
        let mut steps = Vec::new();
        let mut before = rows.first().map_or(0, |row| row.recorded_at);
        for row in rows {
            let found = HashedText::parse(&row.canonical).unwrap();
            let words = found.statements.iter().map(|digest| places[digest]).collect();
            let leaves = leaves.remove(&row.digest[..]).unwrap_or_default();
            let pause = (row.recorded_at - before).unsigned_abs() / 1000;
            before = row.recorded_at;
            steps.push(Step { decision: found.decision, words, leaves, pause });
        }
        // Records are found again by the place of their statement, whatever it is signed with.
        for statement in statements_of(&mut rest) {
            *statement = places[statement].to_string();
        }
        rest.decisions.clear();
        rest.checkpoints.clear();
        let begins = steps.first().map_or(0, |step: &Step| step.decision.at.instant().unix_timestamp().unsigned_abs());
        Self { steps, words, rest, begins, cast: Arc::new(cast), who: HashMap::new() }
    }

    /// The same with longer pauses, and without some of what nothing rests on.
    pub fn vary(&mut self, chance: &mut Chance) {
        let loose = [Act::Suspend, Act::Resume, Act::Revoke, Act::Reject, Act::Withdraw, Act::GrantToken, Act::RevokeToken, Act::Dismiss];
        let mut kept = Vec::new();
        for mut step in std::mem::take(&mut self.steps) {
            step.pause += 120 + chance.below(900);
            if !(loose.contains(&step.decision.act) && chance.once_in(4)) {
                kept.push(step);
            }
        }
        self.steps = kept;
        // Sometimes a day passes, but not between what is revoked by one list.
        let mut words = BTreeSet::new();
        let begins: Vec<usize> = (0..self.steps.len())
            .filter(|place| {
                let step = &self.steps[*place];
                let known = step.words.iter().filter(|word| !words.insert(**word)).count();
                known == 0 || step.decision.act != Act::Revoke
            })
            .collect();
        if chance.once_in(3)
            && let Some(place) = chance.pick(&begins)
        {
            self.steps[*place].pause += DAY;
        }
        // A dismissal that did not happen has no record.
        let used: Vec<String> = self.steps.iter().flat_map(|step| &step.words).map(ToString::to_string).collect();
        self.rest.dismissals.retain(|record| used.contains(&record.statement));
    }

    /// Signs everything: statements, leaves and checkpoints, from the first step to the last.
    pub fn sign(&self) -> Export {
        let mut export = self.rest.clone();
        let mut digests: HashMap<usize, String> = HashMap::new();
        let mut logs: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let mut now = self.begins;
        let mut asked: HashMap<String, u64> = HashMap::new();
        for step in &self.steps {
            now += step.pause;
            let mut fresh = BTreeSet::new();
            // Whatever is decided about was asked for just before.
            asked.entry(step.decision.about.to_string()).or_insert(now - 1);
            for place in &step.words {
                if !digests.contains_key(place) {
                    let jws = self.word(&self.words[*place], now, &logs);
                    fresh.insert(sha256(jws.as_bytes()));
                    digests.insert(*place, hex::encode(sha256(jws.as_bytes())));
                    export.statements.push(StatementRecord { jws });
                }
            }
            // What no leaf of its own decision names is recorded by a leaf for itself.
            if step.leaves.is_empty() && !fresh.is_empty() {
                let (origin, _) = self.cast.origins.iter().find(|(_, log)| *log == "operations").unwrap();
                let entry = Entry::statements(origin, now, fresh).unwrap();
                logs.entry("operations".to_owned()).or_default().push(entry.encode());
            }
            let statements: Vec<[u8; 32]> =
                step.words.iter().map(|place| hex::decode(&digests[place]).unwrap().try_into().unwrap()).collect();
            let decision = Decision { at: timestamp(now), ..step.decision.clone() };
            let text = hashed_text(&statements, &decision.value());
            let hash = sha256(text.as_bytes());
            export.decisions.push(DecisionRecord { text });
            for (log, entry) in &step.leaves {
                let mut entry = entry.clone();
                (entry.time, entry.digests.decision) = (now, hash);
                if entry.event_type == EventType::ROLE {
                    entry = self.role_leaf(step, &entry, &digests);
                }
                if let (EventType::CA_EVENT, Some(body)) = (entry.event_type, self.event_body(step, &entry, &digests)) {
                    entry = with_body(&entry, body);
                }
                logs.entry(log.clone()).or_default().push(entry.encode());
            }
        }
        for statement in statements_of(&mut export) {
            if let Some(digest) = digests.get(&statement.parse().unwrap()) {
                *statement = digest.clone();
            }
        }
        for record in &mut export.enrolments {
            if let Some(at) = asked.get(&record.id) {
                record.submitted_at = *at as i64 * 1000;
            }
        }
        for (log, entries) in &logs {
            export.entries.extend(entries.iter().map(|entry| EntryRecord { log: log.clone(), entry: STANDARD.encode(entry) }));
            export.checkpoints.push(self.cast.checkpoint(log, entries, now));
        }
        export
    }

    /// How many leaves the operations log has before a step.
    pub fn operations_before(&self, step: usize) -> u64 {
        let mut used = BTreeSet::new();
        let of_step = |step: &Step| {
            let fresh = step.words.iter().filter(|word| used.insert(**word)).count();
            let own = step.leaves.iter().filter(|(log, _)| log == "operations").count();
            own + usize::from(step.leaves.is_empty() && fresh > 0)
        };
        self.steps[..step].iter().map(of_step).sum::<usize>() as u64
    }

    fn word(&self, word: &Word, now: u64, logs: &BTreeMap<String, Vec<Vec<u8>>>) -> String {
        let mut payload = word.payload.clone();
        payload.at = timestamp(now.saturating_add_signed(word.shift));
        let log = self.cast.origins.get(&payload.log.origin);
        let size = log.and_then(|log| logs.get(log)).map_or(0, |entries| entries.len() as u64);
        payload.log.size = word.size.unwrap_or(size);
        self.cast.sign(word, &payload)
    }

    /// The record of the certificate with this fingerprint, and its issue.
    pub fn certificate(&self, fingerprint: [u8; 32]) -> Option<(&CertificateRecord, &(String, Entry))> {
        let is_it = |record: &&CertificateRecord| {
            let der = record.der.as_ref().map(|der| STANDARD.decode(der).unwrap());
            der.is_some_and(|der| sha256(&der) == fingerprint)
        };
        let record = self.rest.certificates.iter().find(is_it)?;
        let key = StatusKey::from_tbs_digest(&hex::decode(&record.id).unwrap().try_into().unwrap());
        let mut leaves = self.steps.iter().flat_map(|step| &step.leaves);
        Some((record, leaves.find(|(_, entry)| entry.event_type == EventType::ISSUE && entry.status_key == key)?))
    }

    /// What the leaf of a change of departments, or of a re-review, is the digest of.
    fn event_body(&self, step: &Step, entry: &Entry, digests: &HashMap<usize, String>) -> Option<Vec<u8>> {
        let own = |statement: &String| step.words.iter().any(|place| place.to_string() == *statement);
        let digest = |statement: &String| digests[&statement.parse().unwrap()].clone();
        let change = self.rest.department_changes.iter().find(|record| own(&record.statement)).map(|record| {
            json!({
                "change": record.id,
                "decided_at": record.decided_at.to_string(),
                "shown": hex::encode(sha256(record.shown.as_bytes())),
                "statement": digest(&record.statement),
            })
        });
        let review = self.rest.re_reviews.iter().find(|record| own(&record.statement)).map(|record| {
            let mut items: Vec<[&str; 2]> = record.items.iter().map(|one| [one.item.as_str(), one.kind.as_str()]).collect();
            items.sort_unstable();
            // The other leaves of its kind end tokens and checks.
            let last = step.leaves.iter().rfind(|(_, leaf)| leaf.event_type == EventType::CA_EVENT);
            (last.is_some_and(|(_, last)| last.body() == entry.body()), json!({"items": items, "re_review": digest(&record.statement)}))
        });
        let body = change.or(review.and_then(|(is_own, body)| is_own.then_some(body)))?;
        Some(sha256(&canonical(&body)).to_vec())
    }

    /// The leaf of a grant or a dismissal: its body is the digest of the record.
    fn role_leaf(&self, step: &Step, entry: &Entry, digests: &HashMap<usize, String>) -> Entry {
        let own = |statement: &String| step.words.iter().any(|place| place.to_string() == *statement);
        let grant = self.rest.grants.iter().find(|record| own(&record.statement)).map(|record| grant_body(record, digests));
        let dismissal = self.rest.dismissals.iter().find(|record| own(&record.statement));
        let dismissal = dismissal.map(|record| json!({"person": record.person, "withdrawn_at": record.withdrawn_at.to_string()}));
        let body = grant.or(dismissal).map_or(vec![0; 32], |body| sha256(&canonical(&body)).to_vec());
        with_body(entry, body)
    }
}

/// The statements that records name.
fn statements_of(export: &mut Export) -> impl Iterator<Item = &mut String> {
    let Export { grants, dismissals, department_changes, re_reviews, .. } = export;
    (grants.iter_mut().map(|record| &mut record.statement))
        .chain(dismissals.iter_mut().map(|record| &mut record.statement))
        .chain(department_changes.iter_mut().map(|record| &mut record.statement))
        .chain(re_reviews.iter_mut().map(|record| &mut record.statement))
}

/// An entry with another body.
pub fn with_body(entry: &Entry, body: Vec<u8>) -> Entry {
    let mut octets = entry.encode();
    // The body stands before the list of endorsements, which is empty: two octets of length each.
    let end = octets.len() - 2;
    octets.splice(end - entry.body().len()..end, body);
    Entry::decode(&octets).unwrap()
}

fn grant_body(record: &GrantRecord, digests: &HashMap<usize, String>) -> Value {
    let statement = &digests[&record.statement.parse().unwrap()];
    let grant = |one: &hufu::services::replay::export::RoleRecord| {
        json!([one.id, one.person, one.department, one.role, one.granted_at.to_string(), statement])
    };
    let claim = |one: &hufu::services::replay::export::ClaimRecord| {
        json!([one.code_hash, one.person, one.profile, one.department, one.expires_at.to_string()])
    };
    let sorted = |mut list: Vec<Value>| {
        list.sort_by_cached_key(Value::to_string);
        list
    };
    json!({
        "claims": sorted(record.claims.iter().map(claim).collect()),
        "grants": sorted(record.grants.iter().map(grant).collect()),
    })
}

fn timestamp(seconds: u64) -> Timestamp {
    Timestamp::new(from_millis(0) + Duration::seconds(seconds as i64))
}
