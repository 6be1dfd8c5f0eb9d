//! Identity checks, proofs, slots, contests, notices and suspension codes against the statements, leaves and enrolments that
//! they rest on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{Error, Facts, Findings, Issued, Records};
use crate::{
    crypto::digest::sha256,
    ledger::EventType,
    policy::{Act, PolicySet, ReasonCode, Statement, decision::HashedText, jws::canonical},
    services::{
        citizens::{
            data::erasure_commitment,
            resume::{BY_CODE, BY_PROOF},
        },
        logs::OPERATIONS,
        proofing::{
            PROOF_LIFE,
            counter::{code_commitment, withdrawal_commitment},
        },
        rows::ENDED,
    },
    store::{
        self, Connection,
        citizens::{ContactNoticeRow, ContestRow, IdentityCheckRow, NewCode, ProofingRow, SlotRow, SuspensionCodeRow},
    },
};

/// Acts whose decision stands by itself: the first of two statements, or one that changes nothing.
pub(super) static STANDING_ALONE: &[Act] = &[Act::CheckIdentity, Act::UpholdContest, Act::DismissContest, Act::Export, Act::Erase];

static NOTICES: &[&str] =
    &["identity-confirmed", "second-application", "certificate-issued", "certificate-suspended", "certificate-resumed", "contest-decided"];

/// The rows about citizens.
pub(super) struct Citizens {
    checks: Vec<IdentityCheckRow>,
    proofings: Vec<ProofingRow>,
    slots: Vec<SlotRow>,
    contests: Vec<ContestRow>,
    notices: Vec<ContactNoticeRow>,
    codes: Vec<SuspensionCodeRow>,
}

impl Citizens {
    pub async fn load(connection: &mut Connection) -> Result<Self, Error> {
        Ok(Self {
            checks: store::citizens::checks(connection).await?,
            proofings: store::citizens::proofings(connection).await?,
            slots: store::citizens::slots(connection).await?,
            contests: store::citizens::all_contests(connection).await?,
            notices: store::citizens::notices(connection).await?,
            codes: store::citizens::suspension_codes(connection).await?,
        })
    }

    /// The bodies of the leaves of each code that was handed out, and of each that was taken back.
    pub fn code_commitments(&self) -> BTreeSet<[u8; 32]> {
        self.checks.iter().flat_map(|row| [commitment(row), withdrawal(row)]).flatten().collect()
    }
}

fn commitment(row: &IdentityCheckRow) -> Option<[u8; 32]> {
    let statement = row.confirmed.as_deref()?.try_into().ok()?;
    let code = NewCode {
        locator: row.locator.clone()?,
        hash: row.code_hash.as_deref()?.try_into().ok()?,
        works_from: row.works_from?,
        expires_at: row.expires_at?,
    };
    Some(code_commitment(&row.id, &statement, &code))
}

fn withdrawal(row: &IdentityCheckRow) -> Option<[u8; 32]> {
    let statement = row.withdrawn.as_deref()?.try_into().ok()?;
    Some(withdrawal_commitment(&row.id, &statement))
}

pub(super) async fn check(connection: &mut Connection, records: &Records, facts: &Facts, findings: &mut Findings) -> Result<(), Error> {
    check_codes_at_counters(records, findings);
    check_proofings(records, findings);
    check_slots(records, findings);
    check_contests(records, findings);
    check_holders(records, facts, findings);
    check_notices(records, findings);
    check_erasures(records, findings);
    check_resumptions(records, findings);
    for row in &records.citizens.codes {
        let certificate = store::certificates::find(connection, &row.certificate).await?.is_some();
        check_suspension_code(row, certificate, records, findings);
    }
    Ok(())
}

fn check_codes_at_counters(records: &Records, findings: &mut Findings) {
    let policies: Vec<PolicySet> = records.policies.values().filter_map(|row| PolicySet::from_canonical_text(&row.text).ok()).collect();
    let bodies: BTreeSet<&[u8]> = notices(records, EventType::CA_EVENT).collect();
    let used: BTreeMap<&str, &ProofingRow> =
        records.citizens.proofings.iter().filter_map(|row| Some((row.identity_check.as_deref()?, row))).collect();
    for row in &records.citizens.checks {
        records.check_person(findings, "identity_check", &row.id, "submitted_by", &row.submitted_by);
        records.check_department(findings, "identity_check", &row.id, "department", row.department.as_deref());
        let mut finding = findings.row("identity_check", &row.id);
        let name = row.profile.parse().ok();
        let known =
            name.is_some_and(|name| policies.iter().any(|set| set.profile(&name).is_some_and(|profile| profile.proofing().is_some())));
        finding.check("profile", known, || "no policy has such a profile for citizens".to_owned());
        let signer = |statement: &[u8], act: Act| {
            let found = records.statements.get(statement).filter(|found| found.act == act.as_str() && found.about == row.id);
            found.and_then(|found| found.signer_person.as_ref())
        };
        let checked = row.checked.as_ref().map(|statement| signer(statement, Act::CheckIdentity));
        let own = checked.is_none_or(|signer| signer == Some(&row.submitted_by));
        finding.check("checked", own, || "not a statement of the officer who recorded it".to_owned());
        let confirmed = row.confirmed.as_ref().map(|statement| signer(statement, Act::ConfirmIdentity));
        let other = confirmed.is_none_or(|signer| signer.is_some_and(|person| *person != row.submitted_by) && row.checked.is_some());
        finding.check("confirmed", other, || "not a statement of another officer".to_owned());
        let has_code = row.locator.is_some() || row.code_hash.is_some() || row.works_from.is_some() || row.expires_at.is_some();
        let bound = match commitment(row) {
            Some(body) => bodies.contains(&body[..]),
            None => !has_code && row.confirmed.is_none(),
        };
        finding.check("code_hash", bound, || "the ledger has no such code with these times".to_owned());
        let taken_back = row.withdrawn.as_ref().map(|statement| signer(statement, Act::WithdrawIdentity));
        let reviewed = row.withdrawn.as_ref().is_some_and(|statement| records.re_reviews.holds(statement, "identity-check", &row.id));
        let signed = reviewed || taken_back.is_none_or(|signer| signer.is_some());
        let bound = signed && withdrawal(row).is_none_or(|body| bodies.contains(&body[..]));
        finding.check("withdrawn", bound, || "no statement and leaf that take it back".to_owned());
        let proof = used.get(row.id.as_str()).map(|proof| proof.created_at);
        finding.check("used_at", row.used_at == proof, || "the proof that it gave says otherwise".to_owned());
    }
}

/// The bodies of the notices of a type.
fn notices(records: &Records, event_type: EventType) -> impl Iterator<Item = &[u8]> {
    records.books.get(OPERATIONS).into_iter().flat_map(move |book| book.notices(event_type)).map(|notice| notice.body.as_slice())
}

fn check_proofings(records: &Records, findings: &mut Findings) {
    for row in &records.citizens.proofings {
        let enrolment = row.enrolment.as_ref().map(|id| records.enrolments.iter().find(|enrolment| enrolment.id == *id));
        let check = row.identity_check.as_ref().map(|id| records.citizens.checks.iter().any(|check| check.id == *id));
        let mut finding = findings.row("proofing", &row.id);
        let parsed: Value = serde_json::from_str(&row.evidence).unwrap_or_default();
        finding.check("evidence", parsed.is_object() && canonical(&parsed) == row.evidence.as_bytes(), || "not canonical JSON".to_owned());
        let text = |name: &str| parsed.get(name).and_then(Value::as_str);
        finding.check("method", text("method") == Some(&row.method), || "the evidence has another".to_owned());
        finding.check("assurance", text("assurance") == Some(&row.assurance), || "the evidence has another".to_owned());
        finding.check("identity_check", text("identity_check") == row.identity_check.as_deref(), || "the evidence has another".to_owned());
        finding.check("identity_check", check != Some(false), || "there is no such identity check".to_owned());
        let life = row.created_at + PROOF_LIFE.whole_milliseconds() as i64;
        finding.check("expires_at", row.expires_at == life, || "not so long after it was made as a proof lives".to_owned());
        finding.check("enrolment", enrolment.is_none_or(|found| found.is_some()), || "there is no such enrolment".to_owned());
        if let Some(enrolment) = enrolment.flatten() {
            let digest = Some(sha256(row.evidence.as_bytes()).to_vec());
            let (proofing, other) = (("proofing", row.id.as_str(), "evidence", digest), enrolment.evidence_digest.clone());
            findings.compare(proofing, ("enrolment", &enrolment.id, "evidence_digest", other));
        }
    }
}

/// Each certificate was resumed by as many proofs as the system key has signed for.
fn check_resumptions(records: &Records, findings: &mut Findings) {
    let signed = |certificate: &str| statements_because(records, Act::Resume, certificate, BY_PROOF).count();
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for row in &records.citizens.proofings {
        if let Some(certificate) = &row.resumed {
            *used.entry(hex::encode(certificate)).or_default() += 1;
        }
    }
    for row in records.statements.values().filter(|row| row.act == Act::Resume.as_str()) {
        let proofs = used.get(&row.about).copied().unwrap_or(0);
        let count = signed(&row.about);
        findings.row("proofing", "?").check("resumed", proofs == count, || {
            format!("{proofs} proofs resumed certificate {}, and the system key signed for {count}", row.about)
        });
    }
    for (certificate, _) in used.iter().filter(|(certificate, _)| signed(certificate) == 0) {
        findings.row("proofing", "?").add("resumed", format!("the system key signed for no resumption of {certificate}"));
    }
}

/// Statements of the system key, of that act about a certificate, with that reason.
fn statements_because<'a>(
    records: &'a Records,
    act: Act,
    certificate: &'a str,
    reason: &'a str,
) -> impl Iterator<Item = &'a store::StatementRow> {
    let of_reason = move |row: &&store::StatementRow| {
        let statement = Statement::parse(&row.jws).ok();
        statement.is_some_and(|statement| statement.payload().reason.as_ref().map(ReasonCode::as_str) == Some(reason))
    };
    let own = move |row: &&store::StatementRow| row.signer_person.is_none() && row.act == act.as_str() && row.about == certificate;
    records.statements.values().filter(own).filter(of_reason)
}

fn check_slots(records: &Records, findings: &mut Findings) {
    for row in &records.citizens.slots {
        let id = format!("{}/{}", row.profile, hex::encode(&row.blind_index));
        let enrolment = records.enrolments.iter().find(|enrolment| enrolment.id == row.enrolment);
        let proof = proof_of(row, enrolment, records);
        let mut finding = findings.row("identity_slot", &id);
        finding.check("enrolment", enrolment.is_some(), || "there is no such enrolment".to_owned());
        let own = enrolment.is_none_or(|enrolment| enrolment.profile == row.profile);
        finding.check("profile", own, || "its enrolment has another".to_owned());
        let Some(proof) = proof else {
            finding.add("enrolment", "no proof was used for it");
            continue;
        };
        if proof.blind_index.as_ref() != Some(&row.blind_index) {
            findings.disagree(("identity_slot", &id, "blind_index"), ("proofing", &proof.id, "blind_index"));
        }
    }
}

/// The proof of the enrolment that holds the slot, or of the one that it was renewed from.
fn proof_of<'a>(row: &SlotRow, enrolment: Option<&store::EnrolmentRow>, records: &'a Records) -> Option<&'a ProofingRow> {
    let own = records.citizens.proofings.iter().find(|proof| proof.enrolment.as_ref() == Some(&row.enrolment));
    let person = enrolment.filter(|enrolment| enrolment.replaces.is_some()).map(|enrolment| &enrolment.person);
    let persons = |id: &String| records.enrolments.iter().find(|earlier| earlier.id == *id).map(|earlier| &earlier.person);
    let earlier = |proof: &&ProofingRow| person.is_some() && proof.enrolment.as_ref().and_then(persons) == person;
    own.or_else(|| records.citizens.proofings.iter().find(|proof| earlier(proof) && proof.blind_index.as_ref() == Some(&row.blind_index)))
}

/// Which enrolment is of which citizen and profile: by its own proof, or as the renewal of one that is.
fn slots_of<'a>(records: &'a Records, facts: &'a Facts) -> HashMap<&'a str, Slot<'a>> {
    let proofs = &records.citizens.proofings;
    let proven: HashMap<&str, &[u8]> =
        proofs.iter().filter_map(|proof| Some((proof.enrolment.as_deref()?, proof.blind_index.as_deref()?))).collect();
    let answered: HashMap<&str, &str> =
        facts.issued.iter().flat_map(|(enrolment, issued)| issued.iter().map(|one| (one.id.as_str(), enrolment.as_str()))).collect();
    let mut slots: HashMap<&str, Slot<'_>> = HashMap::new();
    // In the order in which they were asked for: what is renewed comes before its renewal.
    for row in &records.enrolments {
        let follows = row.replaces.as_ref().and_then(|id| answered.get(hex::encode(id).as_str()).copied());
        let own = proven.get(row.id.as_str()).map(|index| (row.profile.as_str(), *index));
        if let Some(key) = own.or_else(|| slots.get(follows?).map(|slot| slot.key)) {
            slots.insert(&row.id, Slot { key, row, proven: own.is_some(), follows });
        }
    }
    slots
}

/// An enrolment for the one certificate of a citizen.
struct Slot<'a> {
    /// Profile and blind index.
    key: (&'a str, &'a [u8]),
    row: &'a store::EnrolmentRow,
    proven: bool,
    /// The enrolment whose certificate it takes the place of.
    follows: Option<&'a str>,
}

/// The slots that there must be: whoever waits for a citizen's one certificate, or has it, holds the slot, or contests with who does.
fn check_holders(records: &Records, facts: &Facts, findings: &mut Findings) {
    let enrolments = slots_of(records, facts);
    let slots: HashMap<(&str, &[u8]), &SlotRow> =
        records.citizens.slots.iter().map(|row| ((row.profile.as_str(), row.blind_index.as_slice()), row)).collect();
    let open: HashMap<&str, &ContestRow> =
        records.citizens.contests.iter().filter(|row| row.state == "open").map(|row| (row.later.as_str(), row)).collect();
    let upheld = records.citizens.contests.iter().filter(|row| row.state == "upheld");
    let lost: BTreeSet<&str> = upheld.filter_map(|row| Some(enrolments.get(row.earlier.as_str())?.row.person.as_str())).collect();
    let name = |(profile, index): (&str, &[u8])| format!("{profile}/{}", hex::encode(index));
    for (id, one) in &enrolments {
        let slot = slots.get(&one.key);
        if let Some(contest) = open.get(id) {
            if slot.is_none_or(|slot| slot.enrolment != contest.earlier) {
                findings.disagree(("identity_slot", &name(one.key), "enrolment"), ("contest", id, "earlier"));
            }
            continue;
        }
        // Whoever lost a contest may have asked for another certificate before: it waits until it expires.
        let waits = matches!(one.row.state.as_str(), "submitted" | "approved") && !lost.contains(one.row.person.as_str());
        let issued = facts.issued.get(*id).map(Vec::as_slice).unwrap_or_default();
        let valid: Vec<&Issued> = issued.iter().filter(|one| !one.revoked).collect();
        let holder = slot.and_then(|slot| enrolments.get(slot.enrolment.as_str()));
        let own = holder.is_some_and(|holder| holder.row.person == one.row.person);
        let over = holder.is_some_and(|holder| valid.iter().all(|one| one.not_after <= holder.row.submitted_at));
        if !own && (waits || !valid.is_empty() && !over) {
            findings.row("identity_slot", name(one.key)).add("enrolment", format!("enrolment {id} must hold it"));
        }
        if !own && waits {
            findings.row("contest", *id).add("later", "missing: it waits and does not hold its slot");
        }
    }
    let mut by_key: HashMap<(&str, &[u8]), Vec<&Slot<'_>>> = HashMap::new();
    for one in enrolments.values() {
        by_key.entry(one.key).or_default().push(one);
    }
    for slot in slots.values() {
        let Some(holder) = enrolments.get(slot.enrolment.as_str()) else { continue };
        let newer = |other: &&Slot<'_>| other.proven && other.row.person == holder.row.person && other.row.seq > holder.row.seq;
        let followed = |other: &&Slot<'_>| other.follows == Some(&slot.enrolment);
        let same = |other: &&Slot<'_>| other.key == holder.key && (holder.proven && newer(other) || followed(other));
        if let Some(next) = by_key.get(&holder.key).into_iter().flatten().copied().find(same) {
            let what = format!("enrolment {} of the same person has followed", next.row.id);
            findings.row("identity_slot", name(holder.key)).add("enrolment", what);
        }
    }
    for (digest, found) in &records.decisions {
        let Some(text) = &found.parsed else { continue };
        let decides = matches!(text.decision.act, Act::UpholdContest | Act::DismissContest) && text.statements.len() == 2;
        let about = text.decision.about.to_string();
        let recorded = |row: &ContestRow| row.later == about && row.decision.as_ref() == Some(digest);
        if decides && !records.citizens.contests.iter().any(recorded) {
            findings.row("contest", about).add("decision", "missing: two officers have decided it");
        }
    }
}

fn check_contests(records: &Records, findings: &mut Findings) {
    for row in &records.citizens.contests {
        let find = |id: &str| records.enrolments.iter().find(|enrolment| enrolment.id == id);
        let mut finding = findings.row("contest", &row.later);
        match (find(&row.later), find(&row.earlier)) {
            (Some(later), Some(earlier)) => {
                let alike = later.profile == earlier.profile && later.id != earlier.id;
                finding.check("earlier", alike, || "not two enrolments of one profile".to_owned());
            }
            _ => finding.add("later", "one of the two enrolments is not there"),
        }
        let decision = row.decision.as_ref().map(|digest| records.decisions.get(digest).and_then(|found| found.parsed.as_ref()));
        let ended = find(&row.later).filter(|later| ENDED.contains(&later.state.as_str()));
        let is_of = |id: &str, person: &str| find(id).is_some_and(|enrolment| enrolment.person == person);
        let of_two = |found: &HashedText| found.decision.about.to_string() == row.later && found.statements.len() == 2;
        let state = match decision {
            None if ended.is_some() => "ended with its later enrolment",
            None => "open",
            Some(Some(found)) if found.decision.act == Act::UpholdContest && of_two(found) => "upheld",
            Some(Some(found)) if found.decision.act == Act::DismissContest && of_two(found) => "dismissed",
            Some(Some(found)) if found.decision.act == Act::Erase && is_of(&row.earlier, &found.decision.about.to_string()) => "moot",
            Some(Some(_)) if ended.is_some_and(|later| later.decision == row.decision) => "moot",
            Some(_) => "decided by nobody",
        };
        finding.check("state", row.state == state, || format!("by the decision and the enrolment it is {state}"));
    }
}

fn check_notices(records: &Records, findings: &mut Findings) {
    for row in &records.citizens.notices {
        let mut finding = findings.row("contact_notice", &row.id);
        finding.check("kind", NOTICES.contains(&row.kind.as_str()), || "no kind of notice".to_owned());
        let known = records.persons.contains_key(&row.about) || records.citizens.checks.iter().any(|check| check.id == row.about);
        finding.check("about", known, || "neither a person nor an identity check".to_owned());
    }
}

/// Each leaf that says that a person was erased is about one who was, by the decision that it names.
fn check_erasures(records: &Records, findings: &mut Findings) {
    let erased = records.books.get(OPERATIONS).into_iter().flat_map(|book| book.notices(EventType::ERASE));
    for notice in erased {
        let decision = records.decisions.get(&notice.digests.decision[..]).and_then(|found| found.parsed.as_ref());
        let person = decision.map(|found| found.decision.about.to_string()).unwrap_or_default();
        let bound = notice.body == erasure_commitment(&person, &notice.digests.decision);
        let mut finding = findings.row("person", &person);
        finding.check("id", bound, || format!("leaf {} of {OPERATIONS} erased another", notice.index));
        let sealed = records.persons.get(&person).is_some_and(|row| row.sealed_profile.is_some());
        finding.check("sealed_profile", !sealed, || "the ledger says that it was erased".to_owned());
        let kept = |row: &&store::EnrolmentRow| row.person == person && (row.sealed_subject.is_some() || row.salt.is_some());
        for row in records.enrolments.iter().filter(kept) {
            findings.row("enrolment", &row.id).add("sealed_subject", "the ledger says that it was erased");
        }
    }
}

fn check_suspension_code(row: &SuspensionCodeRow, certificate: bool, records: &Records, findings: &mut Findings) {
    let id = hex::encode(&row.certificate);
    let mut finding = findings.row("suspension_code", &id);
    finding.check("certificate", certificate, || "there is no such certificate".to_owned());
    let suspended = statements_because(records, Act::Suspend, &id, BY_CODE).any(|statement| statement.recorded_at >= row.created_at);
    finding.check("used_at", row.used_at.is_some() == suspended, || format!("the statements say that it was used: {suspended}"));
}
