//! Whether the policy lets those decide who did, and whether they are enough.

use std::sync::Arc;

use super::{Case, Fault, Judge, PAIRS, Part, Word};
use crate::{
    ledger::StatusKey,
    policy::{About, Act, Actor, Decision, PersonId, PolicySet, Quorum, Role, profile::Requester},
    services::{
        citizens::resume::{BY_CODE, BY_PROOF},
        enrol::OFFICER,
        replay::{
            Code,
            export::EnrolmentRecord,
            things::{Deed, Thing, roles_of},
            timeline::{Change, IN_FLIGHT, Position, Review, held},
        },
    },
};

impl<'a> Judge<'a> {
    pub(super) fn in_force(&self, case: &Case<'a>, decision: &Decision, words: &[Word<'a>]) -> bool {
        let in_force = held(&self.timeline.policies, &case.at).iter().any(|change| change.value == decision.policy.0);
        // The system key puts the first versions in force under themselves.
        let by_itself = decision.act == Act::ActivatePolicy
            && decision.about == About::Digest(decision.policy.0)
            && words.iter().all(|word| word.signer.is_none());
        in_force || by_itself
    }

    /// Those who decided and might, each with the roles that they did it by. What the rules refuse is told.
    pub(super) fn permitted(
        &mut self,
        case: &Case<'a>,
        decision: &Decision,
        thing: Thing<'a>,
        set: &PolicySet,
        words: &[Word<'a>],
    ) -> Vec<Actor> {
        let deed = self.deed(case, decision, thing);
        let mut people: Vec<Actor> = Vec::new();
        let mut by_people = false;
        for word in words.iter().filter(|word| word.part == Part::Decides) {
            let outcome = match &word.signer {
                None => self.system_may(decision, &deed, set, word).map(|()| None),
                Some(fingerprint) => {
                    by_people = true;
                    let before: Vec<PersonId> = people.iter().map(|actor| actor.person).collect();
                    // When they signed, and when it was decided.
                    let first = self.person_may(&word.at, &deed, set, fingerprint, &before);
                    first.and_then(|_| self.person_may(&case.at, &deed, set, fingerprint, &before)).map(Some)
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

    /// Whose stolen keys this rested on: the re-reviews that it was put to, for all of the minute before. Whoever asked for a
    /// certificate is among them, since nobody is left who approved that.
    fn questioned(&self, case: &Case<'a>, decision: &Decision) -> Vec<PersonId> {
        let about = decision.about.to_string();
        let put = |review: &&Change<'a, Review>| {
            review.at.time + IN_FLIGHT < case.at.time && review.value.record.items.iter().any(|one| one.item == about)
        };
        let holder = |review: &Change<'a, Review>| self.things.certificate(&review.value.certificate)?.person.parse().ok();
        let mut people: Vec<PersonId> = self.timeline.reviews.iter().filter(put).filter_map(holder).collect();
        let certificate = self.things.certificate(&about).filter(|_| !people.is_empty());
        let enrolment = certificate.and_then(|record| self.things.enrolment(record.enrolment.as_deref()?));
        people.extend(enrolment.and_then(|record| record.submitted_by.parse::<PersonId>().ok()));
        people
    }

    /// Whoever asked for what is approved might do so when they did. No statement says so, and no leaf when.
    pub(super) fn asked(&mut self, case: &Case<'a>, decision: &Decision, thing: Thing<'a>) {
        let (Act::Approve | Act::Prove, Thing::Enrolment(record)) = (decision.act, thing) else { return };
        let at = Position { time: u64::try_from(record.submitted_at).unwrap_or(0) / 1000, leaf: None };
        let versions: Vec<[u8; 32]> = held(&self.timeline.policies, &at).iter().map(|change| change.value).collect();
        let sets: Vec<Arc<PolicySet>> = versions.iter().filter_map(|digest| self.policy(digest)).collect();
        if let Err(what) = self.may_ask(&at, record, &sets) {
            self.add(case, None, (Code::NotPermitted, format!("it was asked for by somebody who might not: {what}")));
        }
    }

    fn may_ask(&self, at: &Position<'a>, record: &'a EnrolmentRecord, sets: &[Arc<PolicySet>]) -> Result<(), String> {
        // A proof of identity speaks for its subject, whoever brings it.
        let id = if record.assurance.is_some() { &record.person } else { &record.submitted_by };
        let person: PersonId = id.parse().map_err(|error: crate::policy::IdentityError| error.to_string())?;
        let history = self.timeline.roles.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let mut candidates: Vec<Actor> = held(history, at).iter().map(|change| Actor { person, roles: change.value.clone() }).collect();
        candidates.push(Actor { person, roles: Vec::new() });
        let thing = Thing::Enrolment(record);
        let deed = Deed { act: Act::Submit, thing, changes: Vec::new(), roles: Vec::new(), questioned: Vec::new() };
        let mut refused = "no version was in force".to_owned();
        for set in sets {
            for tree in held(&self.timeline.departments, at) {
                for actor in &candidates {
                    match self.things.decide(set, actor, &deed, &tree.value, &[]) {
                        Ok(()) => return Ok(()),
                        Err(what) => refused = what,
                    }
                }
            }
        }
        Err(refused)
    }

    fn person_may(
        &self,
        at: &Position<'a>,
        deed: &Deed<'a>,
        set: &PolicySet,
        fingerprint: &[u8; 32],
        before: &[PersonId],
    ) -> Result<Actor, String> {
        let signer = &self.signers[fingerprint];
        let person: PersonId = signer.record.person.parse().map_err(|error: crate::policy::IdentityError| error.to_string())?;
        // Roles are exercised with an officer's certificate alone.
        let officer = self.is_officers(&signer.key);
        let history = self.timeline.roles.get(signer.record.person.as_str()).map(Vec::as_slice).unwrap_or_default();
        let mut candidates: Vec<Actor> = match officer {
            true => held(history, at).iter().rev().map(|change| Actor { person, roles: change.value.clone() }).collect(),
            false => Vec::new(),
        };
        if candidates.is_empty() {
            candidates.push(Actor { person, roles: Vec::new() });
        }
        let mut refused = String::new();
        for actor in candidates {
            for tree in held(&self.timeline.departments, at).iter().rev() {
                match self.things.decide(set, &actor, deed, &tree.value, before) {
                    Ok(()) => return Ok(actor),
                    Err(what) if refused.is_empty() => refused = what,
                    Err(_) => {}
                }
            }
        }
        Err(refused)
    }

    /// Whether it was issued as an officer's certificate.
    fn is_officers(&self, certificate: &StatusKey) -> bool {
        let issued = self.timeline.issues.get(certificate).and_then(|hash| self.decisions.get(hash));
        issued.and_then(|found| found.decision.profile.as_ref()).is_some_and(|profile| profile.as_str() == OFFICER)
    }

    /// Whether a revocation says since when an officer's key is not trusted: nobody says that alone.
    fn makes_doubtful(&self, case: &Case<'a>) -> bool {
        let mut leaves = case.leaves.iter().map(|place| &self.timeline.leaves[*place].entry);
        leaves.any(|leaf| matches!(leaf.invalid_since(), Ok(Some(_))) && self.is_officers(&leaf.status_key))
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

    pub(super) fn enough(
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
        if self.makes_doubtful(case) {
            quorum.people = quorum.people.max(2);
        }
        match quorum.missing(people, department) {
            None => Ok(()),
            Some(missing) => Err((Code::QuorumMissed, format!("{} people signed, and there lack {missing:?}", people.len()))),
        }
    }
}
