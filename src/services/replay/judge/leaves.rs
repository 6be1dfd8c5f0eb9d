//! Whether the leaves of a decision record what was decided.

use std::collections::HashMap;

use super::{Case, Fault, Judge, Part, Word, violation};
use crate::{
    ledger::{Entry, EventType, StatusKey},
    policy::{Act, Decision, Outcome},
    services::{
        replay::{
            Code,
            export::{CertificateRecord, EnrolmentRecord, ReReviewRecord},
            things::Thing,
            timeline::Position,
        },
        revoke::REASONS,
    },
    world::seconds,
};

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

impl<'a> Judge<'a> {
    /// Each leaf records what was decided, under the same policy, and none does it twice.
    pub(super) fn leaves(&mut self, case: &Case<'a>, decision: &Decision, thing: Thing<'a>) {
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

    fn leaf_fits(&self, at: &Position<'a>, entry: &Entry, decision: &Decision, thing: Thing<'a>) -> Result<(), Fault> {
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
    pub(super) fn fits(&self, case: &Case<'_>, decision: &Decision, thing: Thing<'_>, statements: usize) -> Result<(), Fault> {
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
    pub(super) fn revocations(&mut self, case: &Case<'a>, decision: &Decision, words: &[Word<'a>]) {
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
}

fn is_of(certificate: &CertificateRecord, enrolment: &EnrolmentRecord) -> bool {
    certificate.enrolment.as_ref() == Some(&enrolment.id)
        && (&certificate.person, &certificate.profile, &certificate.department)
            == (&enrolment.person, &enrolment.profile, &enrolment.department)
}
