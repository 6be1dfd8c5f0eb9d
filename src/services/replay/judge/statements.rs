//! What is wrong with each statement of a decision, wherever it stands and where it decides.

use super::{Case, Fault, Judge, PAIRS, Part, Use, Word, violation};
use crate::{
    ledger::State,
    policy::{About, Act, Decision, Payload, SignerReference, Statement, decision::HashedText, statement::seen},
    services::{
        replay::{
            Code,
            export::EnrolmentRecord,
            things::Thing,
            timeline::{Change, IN_FLIGHT, Standing, held, held_there},
        },
        statements::{CLOCK_SKEW, NONCE_LIFE},
    },
    world::seconds,
};

impl<'a> Judge<'a> {
    /// Those that are genuine, in the order in which they say that they were signed; what is wrong with the others is told.
    pub(super) fn words(&mut self, case: &Case<'a>, found: &HashedText, thing: Thing<'a>) -> Vec<Word<'a>> {
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
        let Some(at) = self.recorded.get(digest).copied() else {
            return fault(Code::StatementUnbound, "no leaf names it, so nobody knows when it was signed");
        };
        Ok(Word { digest: digest.to_owned(), part, list, signer, statement, at })
    }

    /// What is wrong with a statement where it decides.
    fn timely(&mut self, case: &Case<'a>, decision: &Decision, word: &Word<'a>, newest: Option<&Payload>) -> Result<(), Fault> {
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
        let life = NONCE_LIFE.whole_seconds().unsigned_abs();
        if claimed > word.at.time + skew + IN_FLIGHT || word.at.time > claimed + life + skew + IN_FLIGHT {
            return another_time();
        }
        if case.leaves.is_empty() && word.at.time > seconds(decision.at.instant()) + IN_FLIGHT {
            return fault(Code::StatementTime, "it was recorded after what rests on it");
        }
        self.position(word, payload)?;
        // An approval may wait for the others; what else is decided, is decided when the last of them signs.
        let late = decision.act != Act::Approve && newest_at + life + skew + IN_FLIGHT < case.at.time;
        if late {
            return another_time();
        }
        let together = PAIRS.contains(&decision.act) || matches!(decision.act, Act::Revoke | Act::ReReview);
        let same = |newest: &Payload| {
            let own_reason = decision.act == Act::ReReview || newest.reason == payload.reason;
            own_reason && (newest.seen, newest.since) == (payload.seen, payload.since)
        };
        if together && !newest.is_none_or(same) {
            return fault(Code::StatementMisfit, "it says something else than the other of the same decision");
        }
        if let Some(fingerprint) = &word.signer {
            let signer = &self.signers[fingerprint];
            let history = self.timeline.states.get(&signer.key).map(Vec::as_slice).unwrap_or_default();
            let good = |held: &[Change<'a, Standing>]| held.iter().any(|change| change.value.state == State::Good);
            // It is recorded where their certificate is good at that very place; an earlier word of several, and the approval that is
            // settled later, are looked at again when they count.
            let was_good = good(held_there(history, &word.at)) && good(held(history, &case.at));
            if !was_good || seconds(signer.certificate.not_after()) + IN_FLIGHT < case.at.time {
                return fault(Code::SignerNotGood, "its signer's certificate was not good then");
            }
        }
        Ok(())
    }

    /// The state of the ledger that the signer says they knew was there, and was the newest not long before.
    fn position(&self, word: &Word<'a>, payload: &Payload) -> Result<(), Fault> {
        let unknown = || (Code::LogPositionUnknown, format!("{} of {} leaves was not there then", payload.log.origin, payload.log.size));
        let (name, book) = self.timeline.logs.iter().find(|(_, book)| book.origin == payload.log.origin).ok_or_else(unknown)?;
        let size = usize::try_from(payload.log.size).ok().filter(|size| *size <= book.times.len()).ok_or_else(unknown)?;
        let own = word.at.leaf.filter(|(log, _)| log == name);
        let known = size.checked_sub(1).map(|last| book.times[last]);
        if own.is_some_and(|(_, index)| payload.log.size > index) || known.is_some_and(|time| time > word.at.time + IN_FLIGHT) {
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
}
