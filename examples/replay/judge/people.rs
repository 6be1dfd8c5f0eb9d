//! Who decided: whether they might, whether they were enough, and what was decided before them.

use std::collections::BTreeSet;

use hufu::policy::{Payload, Timestamp};
use serde_json::Value;

use super::{
    Case, Moment, OF_TWO, Part, Replay, Signed,
    policy::{Actor, Held, Quorum, Version},
    seconds, text, texts,
    things::{Kind, Thing},
};

impl Replay<'_> {
    /// Those who decided and might; what was not permitted is told.
    pub(super) fn people(
        &mut self,
        case: &Case,
        act: &str,
        thing: &Thing,
        decision: &Value,
        version: &Version,
        signed: &[Signed],
    ) -> Vec<Actor> {
        let mut people: Vec<Actor> = Vec::new();
        for one in signed.iter().filter(|one| one.part == Part::Decides) {
            let outcome = match &one.certificate {
                None => self.may_system(case, act, thing, decision, version, &one.payload).map(|()| None),
                Some(certificate) => (self.may_person(case, &one.at, act, thing, version, certificate, &people))
                    .and_then(|_| self.may_person(case, &case.at, act, thing, version, certificate, &people))
                    .map(Some),
            };
            match outcome {
                Ok(actor) => people.extend(actor),
                Err(what) => self.add(&case.at, Some(&case.hash), Some(&one.digest), ("not-permitted", what)),
            }
        }
        if act == "grant" && thing.kind == Kind::Person {
            let given = self.changes(case, act, &text(&thing.record, "id")).1;
            self.so_far.roles_ever_given.extend(given.into_iter().map(|(role, _)| role));
        }
        let by_people = signed.iter().any(|one| one.part == Part::Decides && one.certificate.is_some());
        self.so_far.people_govern |= act == "activate-policy" && by_people;
        people
    }

    /// Whether somebody might do it at a moment: when they signed, and when it was decided.
    #[expect(clippy::too_many_arguments, reason = "what is asked about, and when")]
    fn may_person(
        &self,
        case: &Case,
        at: &Moment,
        act: &str,
        thing: &Thing,
        version: &Version,
        certificate: &str,
        people: &[Actor],
    ) -> Result<Actor, String> {
        let person = text(&self.certificates[certificate], "person");
        // Only an officer's certificate carries roles, and what it was issued as says the decision of its issue.
        let issue = self.so_far.issued_on.get(certificate).and_then(|hash| self.decisions.get(hash)?.as_ref());
        let is_officer = issue.is_some_and(|issue| issue["decision"]["profile"] == "officer");
        let mut ways: Vec<Vec<Held>> = match self.so_far.roles.get(&person) {
            Some(history) if is_officer => history.around(at).into_iter().cloned().collect(),
            _ => Vec::new(),
        };
        if ways.is_empty() {
            ways.push(Vec::new());
        }
        let before: Vec<String> = people.iter().map(|actor| actor.person.clone()).collect();
        let mut refusal = Err("nobody may".to_owned());
        for places in self.so_far.places.around(at) {
            let facts = self.facts(case, act, thing, version, places, &before)?;
            for roles in &ways {
                let actor = Actor { person: person.clone(), roles: roles.clone() };
                match facts.iter().try_for_each(|facts| version.permits(&actor, act, facts)) {
                    Ok(()) => return Ok(actor),
                    Err(what) => refusal = Err(what),
                }
            }
        }
        refusal
    }

    /// The system key signs what no person decides, and nothing else.
    fn may_system(
        &self,
        case: &Case,
        act: &str,
        thing: &Thing,
        decision: &Value,
        version: &Version,
        payload: &Payload,
    ) -> Result<(), String> {
        let reason = payload.reason.as_ref().map(ToString::to_string).unwrap_or_default();
        let may = match (act, thing.kind) {
            ("issue", Kind::AuthorityKey) | ("complete" | "claim" | "prove" | "expire", _) => true,
            ("issue", Kind::Enrolment) => {
                let profile = decision["profile"].as_str().and_then(|name| version.profile(name));
                let itself = profile.is_some_and(|profile| profile.requested_by.iter().any(|who| who == "system"));
                itself && thing.record["submitted_by"] == thing.record["person"]
            }
            ("suspend", _) => reason == "suspension-code",
            ("resume", _) => reason == "identity-proved",
            ("revoke", Kind::Certificate) => reason == "superseded",
            ("grant", Kind::Person) => {
                let given = self.changes(case, act, &text(&thing.record, "id")).1;
                let first =
                    |role: &String| ["administrator", "auditor"].contains(&role.as_str()) && !self.so_far.roles_ever_given.contains(role);
                given.iter().all(|(role, _)| first(role))
            }
            ("activate-policy", _) => !self.so_far.people_govern,
            _ => false,
        };
        if may { Ok(()) } else { Err(format!("the system key does not {act}")) }
    }

    pub(super) fn is_enough(&self, case: &Case, act: &str, thing: &Thing, version: &Version, signed: &[Signed], people: &[Actor]) -> bool {
        let deciding: Vec<&Signed> = signed.iter().filter(|one| one.part == Part::Decides).collect();
        let follows = thing.kind == Kind::Enrolment && ["merge-department", "re-review"].contains(&act);
        if follows || deciding.iter().any(|one| one.certificate.is_none()) {
            return true;
        }
        let about = deciding.iter().find(|one| one.is_listed).map(|one| one.payload.about.to_string());
        let list = about.and_then(|about| self.lists.get(&about)).map(|list| &list.items).filter(|items| items.len() > 1);
        let department = |record: &Value| record["department"].as_str().map(str::to_owned);
        let first_of_two = case.leaves.is_empty() && people.len() == 1;
        let (quorum, of) = match (act, list) {
            ("approve", _) => {
                let profile = version.profile(&text(&thing.record, "profile"));
                (profile.map_or(Quorum::of(1), |profile| profile.quorum()), department(&thing.record))
            }
            ("grant", _) => (version.quorum(act), department(&thing.record)),
            ("activate-policy", _) => (version.quorum(act), None),
            ("re-review", _) => (version.quorum(act), department(&thing.record)),
            _ if thing.kind == Kind::Departments && act != "withdraw" => (version.quorum(act), department(&thing.record)),
            ("revoke", Some(items)) => {
                let record = |id: &String| self.certificates.get(id).or_else(|| self.enrolments.get(id)).and_then(department);
                let of: BTreeSet<Option<String>> = items.iter().map(record).collect();
                (version.quorum(act), if of.len() == 1 { of.into_iter().next().flatten() } else { None })
            }
            ("erase", _) if people.len() == 1 && thing.record["id"] == people[0].person => (Quorum::of(1), None),
            (act, _) if OF_TWO.contains(&act) && !first_of_two => (Quorum::of(2), None),
            _ => (Quorum::of(1), None),
        };
        quorum.is_met(people, of.as_deref())
    }

    /// What the system key decided because people had decided something else.
    pub(super) fn is_founded(&self, case: &Case, act: &str, about: &str, thing: &Thing, version: &Version, signed: &[Signed]) -> bool {
        let founding: Vec<&Signed> = signed.iter().filter(|one| one.part == Part::Founds).collect();
        let of_act = |act: &str| founding.iter().filter(|one| one.payload.act.to_string() == act).count();
        let checked = |check: Option<String>| match check {
            None => founding.is_empty(),
            Some(check) => {
                let alone = |one: &&Signed, act: &str| {
                    let decided = self.so_far.alone.get(&one.digest).is_some_and(|own| own == act);
                    one.payload.act.to_string() == act && one.payload.about.to_string() == check && decided
                };
                founding.len() == 2 && ["check-identity", "confirm-identity"].iter().all(|act| founding.iter().any(|one| alone(one, act)))
            }
        };
        match (act, thing.kind) {
            ("claim", _) if of_act("grant") == 1 && founding.len() == 1 => {
                self.so_far.granted.values().any(|place| self.grants[*place]["statement"] == founding[0].digest)
            }
            ("claim", _) if of_act("approve") == founding.len() && !founding.is_empty() => {
                let names: BTreeSet<String> = founding.iter().map(|one| one.digest.clone()).collect();
                self.so_far.approvals.get(about).into_iter().flatten().filter_map(|hash| self.decisions[hash].as_ref()).any(|whole| {
                    let own = &whole["decision"];
                    let at = text(own, "at");
                    let since = |taken: &Timestamp| at.parse::<Timestamp>().is_ok_and(|at| *taken > at);
                    let taken_away = self.so_far.taken.get(about).into_iter().flatten().any(since);
                    texts(whole, "statements").into_iter().collect::<BTreeSet<_>>() == names && seconds(&at) <= case.at.time && !taken_away
                })
            }
            ("claim", _) => false,
            ("merge-department", Kind::Enrolment) => {
                let names =
                    self.decisions.get(&case.hash).and_then(Option::as_ref).map(|whole| texts(whole, "statements")).unwrap_or_default();
                self.so_far.changed.values().any(|id| names.contains(&text(&self.changes[id].record, "statement")))
            }
            ("re-review", Kind::Enrolment) => {
                let names = |hash: &String| self.decisions.get(hash).and_then(Option::as_ref).map(|whole| texts(whole, "statements"));
                let mut own = self.so_far.reviewed.iter().filter(|(_, hash, ..)| names(hash) == names(&case.hash));
                own.any(|(_, hash, ..)| self.put_to(hash.clone(), "enrolment", about))
            }
            ("prove", _) => {
                let profile = version.profile(&text(&thing.record, "profile"));
                let level = thing.record["assurance"].as_str().unwrap_or_default();
                profile.is_some_and(|profile| profile.is_decided_by(level))
                    && checked(thing.record["identity_check"].as_str().map(str::to_owned))
            }
            ("resume", _) => checked(founding.first().map(|one| one.payload.about.to_string())),
            _ => true,
        }
    }
}
