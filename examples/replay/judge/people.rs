//! Who decided: whether they might, whether they were enough, and what was decided before them.

use std::collections::BTreeSet;

use hufu::{
    ledger::State,
    policy::{Payload, SignerReference, Statement, Timestamp},
};
use serde_json::Value;

use super::{
    Case, MINUTE, Moment, OF_TWO, Part, Replay, Signed,
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
        let is_officer = self.is_of_officer(certificate);
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

    fn is_of_officer(&self, certificate: &str) -> bool {
        let issue = self.so_far.issued_on.get(certificate).and_then(|hash| self.decisions.get(hash)?.as_ref());
        issue.is_some_and(|issue| issue["decision"]["profile"] == "officer")
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

    /// Whether somebody might ask for what was approved, with the roles that they had then. A proof of identity is its subject's.
    pub(super) fn might_ask(&mut self, case: &Case, enrolment: &Value) -> bool {
        let asks = text(enrolment, if enrolment["assurance"].is_null() { "submitted_by" } else { "person" });
        let time = u64::try_from(enrolment["submitted_at"].as_i64().unwrap_or(0)).unwrap_or(0) / 1000;
        let then = Case { hash: case.hash.clone(), at: Moment { time, leaf: None }, leaves: Vec::new() };
        let mut record = enrolment.clone();
        record["asks"] = Value::from(asks.clone());
        let request = Thing { kind: Kind::Enrolment, record };
        let digests: Vec<String> = self.so_far.in_force.around(&then.at).into_iter().cloned().collect();
        let versions: Vec<_> = digests.iter().filter_map(|digest| self.version(digest)).collect();
        let mut ways: Vec<Vec<Held>> = vec![Vec::new()];
        ways.extend(self.so_far.roles.get(&asks).into_iter().flat_map(|history| history.around(&then.at)).cloned());
        let places = self.so_far.places.around(&then.at);
        versions.iter().any(|version| {
            places.iter().filter_map(|places| self.facts(&then, "submit", &request, version, places, &[]).ok()).any(|facts| {
                let may = |roles: &Vec<Held>| {
                    let actor = Actor { person: asks.clone(), roles: roles.clone() };
                    facts.iter().all(|facts| version.permits(&actor, "submit", facts).is_ok())
                };
                ways.iter().any(may)
            })
        })
    }

    /// Whether a certificate could be renewed there, and had not been.
    pub(super) fn renews(&mut self, case: &Case, enrolment: &Value, version: &Version) -> Result<(), &'static str> {
        let followed = self.certificates.get(&text(enrolment, "replaces")).ok_or("it follows nothing")?;
        let id = text(followed, "id");
        if !self.so_far.renewed.insert(id.clone()) {
            return Err("that was followed by another");
        }
        let own = text(enrolment, "department");
        let places = self.so_far.places.around(&case.at);
        let in_its_place = enrolment["department"] == followed["department"]
            || places.iter().any(|places| Self::departments_from(places, &followed["department"]).contains(&own));
        if !in_its_place || ["person", "profile"].iter().any(|field| enrolment[field] != followed[field]) {
            return Err("it follows something of another");
        }
        let (_, certificate) = self.so_far.signers.values().find(|(own, _)| *own == id).ok_or("that is no certificate of this CA")?;
        let ends = certificate.not_after().unix_timestamp().unsigned_abs();
        let states = self.so_far.states.get(&id).map(|history| history.around(&case.at)).unwrap_or_default();
        if ends + MINUTE < case.at.time || states.iter().all(|(state, _)| *state != State::Good) {
            return Err("that was not good any more");
        }
        let profile = text(enrolment, "profile");
        let window = version.profile(&profile).and_then(|profile| profile.renewal_window()).ok_or("the policy has no such profile")?;
        if case.at.time + window < ends {
            return Err("that could not be renewed so early");
        }
        let roles = self.so_far.roles.get(&text(enrolment, "person")).map(|history| history.around(&case.at)).unwrap_or_default();
        if profile == "officer" && roles.iter().all(|roles| roles.is_empty()) {
            return Err("an officer without a role");
        }
        Ok(())
    }

    /// Whether whoever holds a certificate had suspended it, by their word or by their code, and nobody asked for more since.
    fn was_suspended_by_holder(&self, case: &Case, certificate: &Value) -> bool {
        let id = text(certificate, "id");
        let last = self.so_far.states.get(&id).and_then(|history| history.last_before(&case.at));
        let Some((at, (State::Hold, decision))) = last else { return false };
        let Some(Some(whole)) = self.decisions.get(decision) else { return false };
        let mut words = texts(whole, "statements").into_iter().filter_map(|digest| Statement::parse(self.statements.get(&digest)?).ok());
        let theirs = words.all(|statement| match statement.signer() {
            SignerReference::Key(_) => statement.payload().reason.as_ref().is_some_and(|reason| reason.to_string() == "suspension-code"),
            SignerReference::Certificate(fingerprint) => {
                let signer = self.so_far.signers.get(&fingerprint).and_then(|(id, _)| self.certificates.get(id));
                signer.is_some_and(|signer| signer["person"] == certificate["person"])
            }
        });
        let asked_since = self.so_far.reviewed.iter().any(|(moment, hash, ..)| {
            let since = at.time < moment.time && moment.time + MINUTE < case.at.time;
            since && self.put_to(hash.clone(), "certificate", &id)
        });
        whole["decision"]["act"] == "suspend" && theirs && !asked_since
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
        let is_authority = thing.kind == Kind::Certificate && thing.record["enrolment"].is_null();
        let (quorum, of) = match (act, list) {
            ("revoke" | "re-review", _) if is_authority => (version.quorum("revoke"), None),
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
        // Nobody says alone that what an officer decided before is not to be trusted.
        let doubts = case.leaves.iter().any(|(_, entry)| {
            let is_officer = self.so_far.of_key.get(&entry.status_key).is_some_and(|id| self.is_of_officer(id));
            is_officer && entry.invalid_since().is_ok_and(|since| since.is_some())
        });
        quorum.is_met(people, of.as_deref()) && (!doubts || Quorum::of(2).is_met(people, None))
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
            ("resume", _) if signed.iter().any(|one| one.certificate.is_none()) => {
                let check = founding.first().map(|one| one.payload.about.to_string());
                checked(check) && self.was_suspended_by_holder(case, &thing.record)
            }
            ("resume", _) => founding.is_empty(),
            _ => true,
        }
    }
}
