//! What a decision is about, and what the rules are told of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Case, MINUTE, Moment, Replay, place,
    policy::{Actor, Facts, Held, Version, department_link, link, path, person},
    roles, text,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Enrolment,
    AuthorityKey,
    Certificate,
    Person,
    Installation,
    Departments,
    Token,
    Check,
    Contest,
}

#[derive(Debug, Clone)]
pub struct Thing {
    pub kind: Kind,
    pub record: Value,
}

impl Replay<'_> {
    pub(super) fn thing(&self, act: &str, about: &str) -> Option<Thing> {
        let is_digest = about.len() == 64;
        let (kind, table) = match act {
            "withdraw" if self.withdrawn.contains_key(about) => {
                return Some(Thing { kind: Kind::Departments, record: self.withdrawn[about].shown.clone() });
            }
            "approve" | "reject" | "withdraw" | "expire" | "claim" | "prove" | "renew" => (Kind::Enrolment, &self.enrolments),
            "issue" | "revoke" if !is_digest => (Kind::Enrolment, &self.enrolments),
            "issue" => return Some(Thing { kind: Kind::AuthorityKey, record: Value::Null }),
            "revoke" | "suspend" | "resume" | "complete" => (Kind::Certificate, &self.certificates),
            "grant" | "dismiss" | "export" | "erase" => (Kind::Person, &self.persons),
            "re-review" if is_digest => (Kind::Certificate, &self.certificates),
            "re-review" => (Kind::Enrolment, &self.enrolments),
            "define-department" | "change-department" | "merge-department" if self.changes.contains_key(about) => {
                return Some(Thing { kind: Kind::Departments, record: self.changes[about].shown.clone() });
            }
            "merge-department" => (Kind::Enrolment, &self.enrolments),
            "activate-policy" => return Some(Thing { kind: Kind::Installation, record: Value::Null }),
            "grant-token" | "revoke-token" => (Kind::Token, &self.tokens),
            "check-identity" | "confirm-identity" | "withdraw-identity" => (Kind::Check, &self.checks),
            "uphold-contest" | "dismiss-contest" => {
                let contest = self.contests.get(about)?;
                let enrolment = |field: &str| self.enrolments.get(&text(contest, field)).cloned();
                let record = json!({"later": enrolment("later")?, "earlier": enrolment("earlier")?});
                return Some(Thing { kind: Kind::Contest, record });
            }
            _ => return None,
        };
        table.get(about).map(|record| Thing { kind, record: record.clone() })
    }

    /// A department and those above it, where they lie so.
    pub(super) fn departments_from(places: &BTreeMap<String, Value>, department: &Value) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut next = department.as_str().map(str::to_owned);
        while let Some(id) = next.take().filter(|_| found.len() < 64) {
            next = places.get(&id).and_then(Value::as_str).map(str::to_owned);
            found.push(id);
        }
        found
    }

    /// What the rules are told, one after the other; `before` are those who signed the same.
    pub(super) fn facts(
        &self,
        case: &Case,
        act: &str,
        thing: &Thing,
        version: &Version,
        places: &BTreeMap<String, Value>,
        before: &[String],
    ) -> Result<Vec<Facts>, String> {
        let record = &thing.record;
        let people = |ids: &[String]| ids.iter().map(|id| link("Person", id)).collect::<Vec<_>>();
        let in_department = |kind: &str, department: &Value, mut attributes: Value, mut more: Vec<Value>| {
            attributes["department"] = department_link(department.as_str());
            more.extend(path(&Self::departments_from(places, department)));
            Facts::of(kind, attributes, more)
        };
        let held_by = |record: &Value, holder: &str| {
            in_department("Certificate", &record["department"], json!({"holder": link("Person", holder)}), Vec::new())
        };
        let certificate = |record: &Value| held_by(record, &text(record, "person"));
        let questioned = self.questioned(case, &text(record, "id"));
        let case_of = |department: &Value, concerns: Vec<String>| {
            in_department("CitizenCase", department, json!({"concerns": people(&concerns), "decided_by": people(before)}), Vec::new())
        };
        Ok(match (thing.kind, act) {
            // To resume it is asked of whoever's stolen key it rested on, too.
            (Kind::Certificate, "resume") => {
                // And so it is of whoever asked for it, once it rested on a stolen key.
                let asked = self.enrolments.get(&text(record, "enrolment")).filter(|_| !questioned.is_empty());
                let asked = asked.map(|enrolment| text(enrolment, "submitted_by"));
                [text(record, "person")].iter().chain(&questioned).chain(&asked).map(|holder| held_by(record, holder)).collect()
            }
            (Kind::Departments, _) => {
                let step = &record["departments"][0];
                let from = if step["before"].is_null() { &step["after"]["parent"] } else { &step["before"]["parent"] };
                let to = place(&step["after"]);
                let attributes = json!({"from": department_link(from.as_str()), "to": department_link(to.as_str())});
                let paths = [from, &to].map(|one| path(&Self::departments_from(places, one)));
                vec![Facts::of("DepartmentChange", attributes, paths.concat())]
            }
            (Kind::Certificate, "suspend") if record["enrolment"].is_null() => return Err("an authority is not suspended".to_owned()),
            (Kind::Enrolment, "revoke") | (Kind::Certificate, _) => vec![certificate(record)],
            (Kind::Enrolment, "renew") => {
                vec![certificate(self.certificates.get(&text(record, "replaces")).ok_or("it follows no certificate")?)]
            }
            (Kind::Enrolment, _) => {
                let (name, asks) = (text(record, "profile"), act == "submit");
                let profile = version.profile_entity(&name).ok_or("the policy has no such profile")?;
                let attributes = json!({
                    "profile": link("Profile", &name),
                    "submitted_by": link("Person", &text(record, if asks { "asks" } else { "submitted_by" })),
                    "subject": link("Person", &text(record, "person")),
                    "approved_by": people(&[before, &questioned].concat()),
                });
                vec![in_department("Enrolment", &record["department"], attributes, vec![profile])]
            }
            (Kind::Person, "grant" | "dismiss") => {
                let id = text(record, "id");
                let (mut held, changes) = self.changes(case, act, &id);
                let mut facts = Vec::new();
                for (role, department) in changes {
                    let of = Actor { person: id.clone(), roles: held.clone() };
                    let attributes = json!({"of": link("Person", &id), "role": link("Role", &role)});
                    facts.push(in_department("Appointment", &json!(department), attributes, vec![person(&of)]));
                    if act == "grant" {
                        held.push((role, department));
                    }
                }
                facts
            }
            (Kind::Person, _) => vec![case_of(&record["department"], vec![text(record, "id")])],
            (Kind::Contest, _) => {
                let (later, earlier) = (&record["later"], &record["earlier"]);
                let concerns = [later, earlier].map(|one| [text(one, "person"), text(one, "submitted_by")]).concat();
                vec![case_of(&later["department"], concerns)]
            }
            (Kind::Token, _) => vec![in_department("Record", &record["department"], json!({}), Vec::new())],
            (Kind::Check, _) => {
                let attributes = json!({"recorded_by": link("Person", &text(record, "recorded_by"))});
                vec![in_department("IdentityCheck", &record["department"], attributes, Vec::new())]
            }
            (Kind::Installation | Kind::AuthorityKey, _) => vec![Facts::installation()],
        })
    }

    /// Whose stolen keys this rested on, for all of the minute before.
    fn questioned(&self, case: &Case, item: &str) -> Vec<String> {
        let put = |(at, _, _, record): &&(Moment, String, String, Value)| {
            at.time + MINUTE < case.at.time && record["items"].as_array().into_iter().flatten().any(|one| one["item"] == item)
        };
        let holder = |(_, _, certificate, _): &(Moment, String, String, Value)| Some(text(self.certificates.get(certificate)?, "person"));
        self.so_far.reviewed.iter().filter(put).filter_map(holder).collect()
    }

    /// The roles that somebody held before a leaf, and those that it gives or ends.
    pub(super) fn changes(&self, case: &Case, act: &str, id: &str) -> (Vec<Held>, Vec<Held>) {
        let held = self.so_far.roles.get(id).and_then(|history| history.before(&case.at)).cloned().unwrap_or_default();
        let changes = match (act, &case.at.leaf) {
            ("grant", Some((_, index))) => self.so_far.granted.get(index).map(|place| roles(&self.grants[*place])).unwrap_or_default(),
            ("dismiss", Some(_)) => held.clone(),
            _ => Vec::new(),
        };
        (held, changes)
    }
}
