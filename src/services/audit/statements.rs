//! Statements against their signatures, decisions against their statements and the leaves that name them, policies, nonces.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Error, Facts, Findings, IN_FLIGHT, Records, books::Named, citizens::STANDING_ALONE};
use crate::{
    crypto::digest::sha256,
    ledger::{EventType, State, StatusKey},
    policy::{About, Act, PolicySet, SignerReference, Statement, decision::HashedText, statement::list_root},
    services::{logs::OPERATIONS, renew},
    store::{self, Connection},
};

pub(super) async fn check(connection: &mut Connection, records: &Records, facts: &Facts, findings: &mut Findings) -> Result<(), Error> {
    let bound = bound(records);
    for row in records.statements.values() {
        check_statement(row, bound.get(&row.digest[..]).copied(), records, facts, findings);
    }
    check_lists(records, findings);
    check_decisions(store::statements::decision_statements(connection).await?, records, facts, findings);
    check_policies(records, findings);
    for (log, book) in &records.books {
        for (digest, Named { index, .. }) in book.decisions.iter().filter(|(digest, _)| !records.decisions.contains_key(&digest[..])) {
            findings.row("decision", hex::encode(digest)).add("digest", format!("missing: leaf {index} of {log} rests on it"));
        }
        for (digest, Named { index, .. }) in book.policies.iter().filter(|(digest, _)| !records.policies.contains_key(&digest[..])) {
            findings.row("policy_version", hex::encode(digest)).add("digest", format!("missing: leaf {index} of {log} was made under it"));
        }
        for digest in book.statements.keys().filter(|digest| !records.statements.contains_key(&digest[..])) {
            findings.row("statement", hex::encode(digest)).add("digest", format!("missing: {log} says that it was recorded"));
        }
    }
    check_nonces(store::statements::nonces(connection).await?, records, findings);
    Ok(())
}

/// When each statement was recorded, by the first leaf that names it or a decision which rests on it.
fn bound(records: &Records) -> HashMap<Vec<u8>, u64> {
    let mut bound: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut name = |statement: Vec<u8>, time: u64| {
        bound.entry(statement).and_modify(|first| *first = time.min(*first)).or_insert(time);
    };
    for book in records.books.values() {
        book.statements.iter().for_each(|(digest, time)| name(digest.to_vec(), *time));
        for (digest, Named { time, .. }) in &book.decisions {
            let parsed = records.decisions.get(&digest[..]).and_then(|decision| decision.parsed.as_ref());
            let statements = parsed.iter().flat_map(|parsed| &parsed.statements);
            statements.filter_map(|statement| hex::decode(statement).ok()).for_each(|statement| name(statement, *time));
        }
    }
    bound
}

fn check_statement(row: &store::StatementRow, bound: Option<u64>, records: &Records, facts: &Facts, findings: &mut Findings) {
    let id = hex::encode(&row.digest);
    if let Some(person) = &row.signer_person {
        records.check_person(findings, "statement", &id, "signer_person", person);
    }
    let mut finding = findings.row("statement", &id);
    finding.check("digest", row.digest == sha256(row.jws.as_bytes()), || "not the SHA-256 of the JWS".to_owned());
    let statement = match Statement::parse(&row.jws) {
        Ok(statement) => statement,
        Err(error) => return finding.add("jws", error.to_string()),
    };
    let payload = statement.payload();
    let other = || "the payload has another".to_owned();
    finding.check("act", row.act == payload.act.as_str(), other);
    finding.check("about", row.about == payload.about.to_string(), other);
    finding.check("nonce", row.nonce == payload.nonce.to_string(), other);
    let known = |book: &super::Book| book.origin == payload.log.origin && payload.log.size <= book.map.next_index();
    finding.check("jws", records.books.values().any(known), || "it names a state that no log had".to_owned());
    match statement.signer() {
        SignerReference::Key(_) => {
            finding.check("signer_person", row.signer_person.is_none(), || "the service itself signed it".to_owned());
            finding.check("signer_certificate", row.signer_certificate.is_none(), || "the service itself signed it".to_owned());
            let genuine = records.system_key.as_ref().is_some_and(|key| statement.verify(key).is_ok());
            finding.check("jws", genuine, || "not signed with the system key of the trust bundle".to_owned());
        }
        SignerReference::Certificate(fingerprint) => match facts.signers.get(&fingerprint) {
            None => finding.add("jws", "no certificate is the one that it names as its signer's"),
            Some(signer) => {
                finding.check("signer_certificate", row.signer_certificate.as_deref() == Some(&signer.id), || {
                    "the statement names another certificate".to_owned()
                });
                finding.check("jws", statement.verify(&signer.key).is_ok(), || "the signature does not verify".to_owned());
                let good = records.books.get(&signer.authority).is_some_and(|book| {
                    let at = bound.unwrap_or(row.recorded_at.div_euclid(1000) as u64);
                    was_good(book.map.history(&StatusKey::from_tbs_digest(&signer.id)), at)
                });
                finding.check("recorded_at", good, || "the signer's certificate was not good then".to_owned());
                if row.signer_person.as_ref() != Some(&signer.person) {
                    findings.disagree(("statement", &id, "signer_person"), ("certificate", &hex::encode(signer.id), "person"));
                }
            }
        },
    }
    let mut finding = findings.row("statement", &id);
    match bound {
        None => finding.add("digest", "no leaf names it"),
        Some(time) => {
            let at = row.recorded_at.div_euclid(1000) as u64;
            let then = at <= time + 1 && time <= at.saturating_add(IN_FLIGHT);
            finding.check("recorded_at", then, || "not when the ledger says".to_owned());
        }
    }
    records.check_policy(findings, "statement", &id, "jws", &payload.policy.0);
}

/// Whether a certificate was good at a time or became so or ceased to be so while a request was under way.
fn was_good(history: &[crate::ledger::Change], at: u64) -> bool {
    let settled = history.iter().rposition(|change| change.time + IN_FLIGHT < at).unwrap_or(0);
    history[settled..].iter().any(|change| change.state == State::Good && change.time <= at + 1)
}

fn check_decisions(links: Vec<(Vec<u8>, i64, Vec<u8>)>, records: &Records, facts: &Facts, findings: &mut Findings) {
    let mut named: HashMap<Vec<u8>, BTreeMap<i64, Vec<u8>>> = HashMap::new();
    for (decision, ordinal, statement) in links {
        if !records.decisions.contains_key(&decision) {
            findings.row("decision_statement", hex::encode(&decision)).add("decision", "there is no such decision");
        }
        named.entry(decision).or_default().insert(ordinal, statement);
    }
    let rests: HashSet<&[u8]> = (records.books.values().flat_map(|book| book.decisions.keys().map(|digest| &digest[..])))
        .chain(records.enrolments.iter().filter_map(|row| row.decision.as_deref()))
        .chain(facts.decisions.iter().map(Vec::as_slice))
        .collect();
    // By the enrolment of the successor, the certificate that it follows.
    let renewals: HashMap<&str, String> =
        (records.enrolments.iter()).filter_map(|row| Some((row.id.as_str(), hex::encode(renew::replaced(row)?)))).collect();
    let keyless: HashSet<&str> =
        records.enrolments.iter().filter(|row| records.staff.holds(&row.person)).map(|row| row.id.as_str()).collect();
    let mut used: HashSet<Vec<u8>> = HashSet::new();
    for (digest, decision) in &records.decisions {
        let id = hex::encode(digest);
        let mut finding = findings.row("decision", &id);
        finding.check("digest", *digest == sha256(decision.row.canonical.as_bytes()), || "not the SHA-256 of the text".to_owned());
        let Some(parsed) = &decision.parsed else {
            finding.add("canonical", "not the canonical form of a decision");
            continue;
        };
        // The approval of what had no key yet is followed by another decision, which names its statements again.
        let followed = parsed.decision.act == Act::Approve && keyless.contains(parsed.decision.about.to_string().as_str());
        // That an approval was taken away is followed by another decision, when there is one.
        let reviewed = records.reviewed(parsed);
        // A proposal that was taken back changed nothing.
        let about = parsed.decision.about.to_string();
        let taken_back = match parsed.decision.act {
            Act::Dismiss => records.grants.iter().all(|grant| grant.person != about),
            Act::Withdraw => records.department_changes.get(&about).is_some_and(|change| change.withdrawn.is_some()),
            _ => false,
        };
        let alone = STANDING_ALONE.contains(&parsed.decision.act) || followed || reviewed || taken_back;
        let rested_on = rests.contains(digest.as_slice()) || alone;
        finding.check("digest", rested_on, || "no leaf and no enrolment rests on it".to_owned());
        let listed: Vec<String> = named.remove(digest).unwrap_or_default().into_iter().enumerate().map(place).collect();
        if listed != parsed.statements {
            findings.row("decision_statement", &id).add("statement", "not the list in the text of the decision");
        }
        check_reasons(&id, parsed, &renewals, records, findings);
        used.extend(parsed.statements.iter().filter_map(|statement| hex::decode(statement).ok()));
        records.check_policy(findings, "decision", &id, "canonical", &parsed.decision.policy.0);
    }
    let enrolments: HashSet<&str> = records.enrolments.iter().map(|row| row.id.as_str()).collect();
    for (digest, statement) in records.statements.iter().filter(|(digest, _)| !used.contains(*digest)) {
        if !is_vote(statement, &enrolments, records) {
            findings.row("statement", hex::encode(digest)).add("digest", "no decision rests on it");
        }
    }
}

/// Whether a statement is one of several: it waits for those of other people, or was passed over when they were enough,
/// because its signer no longer could.
fn is_vote(statement: &store::StatementRow, enrolments: &HashSet<&str>, records: &Records) -> bool {
    let about = statement.about.as_str();
    match statement.act.parse() {
        Ok(Act::Approve) => {
            let listed = records.lists.get(about).into_iter().flatten().any(|(_, item)| enrolments.contains(item.as_str()));
            listed || enrolments.contains(about)
        }
        Ok(Act::Revoke) => records.lists.contains_key(about),
        Ok(Act::ReReview) => matches!(about.parse(), Ok(About::Digest(id)) if records.was_issued(&StatusKey::from_tbs_digest(&id))),
        Ok(Act::DefineDepartment | Act::ChangeDepartment | Act::MergeDepartment) => records.department_changes.contains_key(about),
        Ok(Act::Grant) => records.persons.contains_key(about),
        Ok(Act::ActivatePolicy) => hex::decode(about).is_ok_and(|digest| records.policies.contains_key(&digest)),
        _ => false,
    }
}

impl Records {
    fn was_issued(&self, key: &StatusKey) -> bool {
        self.books.values().any(|book| book.issues.contains_key(key))
    }

    /// Whether a decision takes an approval away that rested on a stolen key.
    fn reviewed(&self, decision: &HashedText) -> bool {
        let about = decision.decision.about.to_string();
        let holds = |statement: &String| hex::decode(statement).is_ok_and(|one| self.re_reviews.holds(&one, "enrolment", &about));
        decision.decision.act == Act::ReReview && decision.statements.iter().any(holds)
    }
}

/// Each list has the root that a statement is about, and a statement about a list has its list.
fn check_lists(records: &Records, findings: &mut Findings) {
    let roots: HashSet<&str> = records.statements.values().map(|statement| statement.about.as_str()).collect();
    for (root, items) in &records.lists {
        let mut finding = findings.row("statement_list", root);
        let in_order = items.iter().enumerate().all(|(expected, (ordinal, _))| usize::try_from(*ordinal) == Ok(expected));
        finding.check("ordinal", in_order, || "not in order from 0".to_owned());
        let parsed: Option<Vec<About>> = items.iter().map(|(_, item)| item.parse().ok()).collect();
        let own = parsed.is_some_and(|items| list_root(&items).to_string() == *root);
        finding.check("item", own, || "the root of the items is another".to_owned());
        finding.check("root", roots.contains(root.as_str()), || "no statement is about this list".to_owned());
    }
    let of_lists = records.statements.iter().filter(|(_, row)| row.act == Act::Approve.as_str() && row.about.len() == 64);
    for (digest, row) in of_lists.filter(|(_, row)| !records.lists.contains_key(&row.about)) {
        findings.row("statement_list", &row.about).add("root", format!("missing: statement {} is about it", hex::encode(digest)));
    }
}

/// A statement in hexadecimal, or what cannot be in a list when it stands at another place than the list gives it.
fn place((expected, (ordinal, statement)): (usize, (i64, Vec<u8>))) -> String {
    if usize::try_from(ordinal) == Ok(expected) { hex::encode(statement) } else { format!("at {ordinal}") }
}

/// The statements of a decision are about what it is about; a claim rests on the grant of its person, too, what a proof decides
/// (an issue, or a resumption) on what two officers signed at a counter, and what ends a request names the approvals that it had.
fn check_reasons(id: &str, decision: &HashedText, renewals: &HashMap<&str, String>, records: &Records, findings: &mut Findings) {
    for digest in &decision.statements {
        let found = hex::decode(digest).ok().and_then(|digest| records.statements.get(&digest));
        let Some(statement) = found else {
            findings.row("statement", digest).add("digest", format!("missing: the decision {id} rests on it"));
            continue;
        };
        // What ends a request names the approvals that it had, and so does the claim of a key for what was approved without one.
        let approved = statement.act == Act::Approve.as_str()
            && matches!(decision.decision.act, Act::Reject | Act::Withdraw | Act::Expire | Act::Claim | Act::Revoke);
        let own = (approved || statement.act == decision.decision.act.as_str())
            && records.is_about(statement, &decision.decision.about.to_string());
        let grant = decision.decision.act == Act::Claim && statement.act == Act::Grant.as_str();
        let renewal = decision.decision.act == Act::Renew
            && statement.act == Act::Renew.as_str()
            && renewals.get(decision.decision.about.to_string().as_str()) == Some(&statement.about);
        let proof = matches!(decision.decision.act, Act::Prove | Act::Resume)
            && [Act::CheckIdentity.as_str(), Act::ConfirmIdentity.as_str()].contains(&statement.act.as_str());
        // The statement is about the certificate of the stolen key, the decision about what its approval was taken from.
        let review = statement.act == Act::ReReview.as_str() && records.reviewed(decision);
        // What was asked of a department ends when that is merged.
        let merger = decision.decision.act == Act::MergeDepartment
            && records.department_changes.get(&statement.about).is_some_and(|change| {
                let about = decision.decision.about.to_string();
                change.act == statement.act
                    && statement.act == Act::MergeDepartment.as_str()
                    && records.enrolments.iter().any(|row| row.id == about && row.department.as_ref() == Some(&change.department))
            });
        if !own && !grant && !renewal && !proof && !review && !merger {
            findings.disagree(("decision", id, "canonical"), ("statement", digest, "about"));
        }
    }
}

fn check_policies(records: &Records, findings: &mut Findings) {
    let recorded: HashSet<&[u8]> = records
        .books
        .get(OPERATIONS)
        .into_iter()
        .flat_map(|book| book.notices(EventType::POLICY))
        .map(|notice| notice.body.as_slice())
        .collect();
    for digest in recorded.iter().filter(|digest| !records.policies.contains_key(**digest)) {
        findings.row("policy_version", hex::encode(digest)).add("digest", "missing: the ledger says that it was put in force");
    }
    for (digest, row) in &records.policies {
        let mut finding = findings.row("policy_version", hex::encode(digest));
        finding.check("digest", *digest == sha256(row.text.as_bytes()), || "not the SHA-256 of the text".to_owned());
        finding.check("text", PolicySet::from_canonical_text(&row.text).is_ok(), || "not the canonical form of a policy".to_owned());
        let in_force = recorded.contains(digest.as_slice());
        finding.check("activated_at", row.activated_at.is_some() == in_force, || format!("the ledger says in force: {in_force}"));
        if let Some(by) = &row.activated_by {
            let fits = records
                .statements
                .get(by)
                .is_some_and(|statement| statement.act == Act::ActivatePolicy.as_str() && statement.about == hex::encode(digest));
            finding.check("activated_by", fits, || "no statement that puts it in force".to_owned());
        }
    }
}

/// Nonces may be forgotten; those that are there agree with the statements that used them.
fn check_nonces(rows: Vec<store::NonceRow>, records: &Records, findings: &mut Findings) {
    let statements: HashMap<&str, &store::StatementRow> = records.statements.values().map(|row| (row.nonce.as_str(), row)).collect();
    for row in rows {
        records.check_person(findings, "nonce", &row.nonce, "person", &row.person);
        let mut finding = findings.row("nonce", &row.nonce);
        match (statements.get(row.nonce.as_str()), row.used_at) {
            (None, None) => {}
            (None, Some(_)) => finding.add("used_at", "no statement used it"),
            (Some(_), None) => finding.add("used_at", "a statement used it"),
            (Some(statement), Some(used_at)) => {
                finding.check("person", statement.signer_person.as_ref() == Some(&row.person), || "another person signed".to_owned());
                finding.check("act", statement.act == row.act, || "the statement has another".to_owned());
                finding.check("about", statement.about == row.about, || "the statement is about something else".to_owned());
                finding.check("used_at", statement.recorded_at == used_at, || "the statement was recorded at another time".to_owned());
                finding.check("issued_at", row.issued_at <= used_at, || "it was used before".to_owned());
                finding.check("expires_at", row.expires_at > used_at, || "it was used afterwards".to_owned());
            }
        }
    }
}
