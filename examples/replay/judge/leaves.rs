//! Whether the leaves of a decision record it.

use std::collections::BTreeMap;

use hufu::{
    crypto::digest::sha256,
    ledger::{Entry, EventType},
};
use serde_json::Value;

use super::{
    Case, Fault, Moment, Replay, Signed, canonical, fault, review_body, seconds, text,
    things::{Kind, Thing},
};

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

impl Replay<'_> {
    pub(super) fn leaves(&mut self, case: &Case, decision: &Value, thing: &Thing) {
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

    pub(super) fn put_to(&self, decision: String, kind: &str, item: &str) -> bool {
        let is_it = |one: &Value| one["kind"] == kind && one["item"] == item;
        let own = self.so_far.reviewed.iter().filter(|(_, hash, ..)| *hash == decision);
        own.flat_map(|(_, _, _, record)| record["items"].as_array().into_iter().flatten()).any(is_it)
    }

    /// A revocation has the reason and the time that were signed.
    pub(super) fn reasons(&mut self, case: &Case, act: &str, signed: Option<&Signed>) {
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
}

fn decision_hash(entry: &Entry) -> String {
    hex::encode(entry.digests.decision)
}
