//! What is wrong with a statement, wherever it is used and where it is.

use hufu::{
    crypto::digest::sha256_concat,
    ledger::State,
    policy::{Payload, SignerReference, Statement},
};
use serde_json::Value;

use super::{
    Case, DRAFT, Fault, MINUTE, Moment, OF_TWO, Part, Replay, SKEW, Signed, canonical, fault, seconds, text,
    things::{Kind, Thing},
};

impl Replay<'_> {
    /// What a statement is, wherever it is used: its signature, its signer, and that it speaks of this.
    pub(super) fn genuine(&self, digest: &str, act: &str, about: &str, thing: &Thing) -> Result<Signed, Fault> {
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
        let Some(at) = self.so_far.recorded.get(digest).cloned() else {
            return fault("statement-unbound", "it is in no leaf, neither by itself nor by a decision");
        };
        let ends = ends.unsigned_abs();
        Ok(Signed { digest: digest.to_owned(), payload, part, certificate, ends, is_listed: listed.is_some(), at })
    }

    /// What a statement is where it is used: once, under the policy of the decision, by a good certificate, at its time.
    pub(super) fn timely(
        &mut self,
        case: &Case,
        decision: &Value,
        names: usize,
        one: &Signed,
        newest: Option<&Payload>,
    ) -> Result<(), Fault> {
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
        if claimed > one.at.time + SKEW + MINUTE || one.at.time > claimed + DRAFT + SKEW + MINUTE {
            return fault("statement-time", "it was recorded at another time than it claims");
        }
        if case.leaves.is_empty() && one.at.time > seconds(&text(decision, "at")) + MINUTE {
            return fault("statement-time", "it is younger than the decision");
        }
        self.position(&one.at, payload, claimed)?;
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
        // A certificate is good at the very place where the statement is recorded, and still when it counts.
        let good = self.so_far.states.get(id).is_some_and(|states| {
            let is_good = |held: Vec<&(State, String)>| held.iter().any(|(state, _)| *state == State::Good);
            is_good(states.there(&one.at)) && is_good(states.around(&case.at))
        });
        if !good || one.ends + MINUTE < case.at.time {
            return fault("signer-not-good", "the certificate was suspended, revoked or over");
        }
        Ok(())
    }

    /// What its signer knew of the ledger was there, and was the newest when it was drafted.
    fn position(&self, at: &Moment, payload: &Payload, claimed: u64) -> Result<(), Fault> {
        let unknown = || ("log-position-unknown", format!("{} leaves of {} were not there", payload.log.size, payload.log.origin));
        let (log, (_, times)) = self.logs.times.iter().find(|(_, (origin, _))| *origin == payload.log.origin).ok_or_else(unknown)?;
        let size = payload.log.size as usize;
        let later = at.leaf.as_ref().is_some_and(|(own, index)| own == log && payload.log.size > *index);
        if size > times.len() || later || (size > 0 && times[size - 1] > at.time + MINUTE) {
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
}
