//! Who held which office: appointments and the names of departments, each from its leaf in the operations log.
//!
//! That an appointment is there proves that it was made, by whom and when. That it was not ended before somebody signed no single
//! leaf can prove.

use serde::Serialize;

use super::{Judge, Word, person, time, trusted};
use crate::{
    ledger::{
        Entry, EventType, Receipt, StatusKey,
        entry::{event_id, version_of},
        proof::verify_receipt,
    },
    policy::{DepartmentId, Role},
    services::{
        court::offices::{Appointment, Definition},
        departments::Shown,
        logs::OPERATIONS,
    },
};

/// An office as it was held when somebody signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Office {
    pub roles: Vec<String>,
    /// What the department was called; none is the whole installation.
    pub department: Option<String>,
    pub appointed: String,
    /// The subjects of those who signed the appointment, or the system key.
    pub appointed_by: Vec<String>,
}

/// An appointment whose every part was believed.
pub(super) struct Held {
    person: String,
    roles: Vec<Role>,
    department: Option<String>,
    at: u64,
    /// Of those who signed it.
    pub(super) words: Vec<Word>,
}

/// What departments were called from then on.
pub(super) struct Named {
    change: String,
    at: u64,
    departments: Vec<(DepartmentId, String)>,
}

impl Judge<'_> {
    pub(super) fn definitions(&mut self) {
        for (change, definition) in &self.evidence.departments {
            let named = self.definition(change, definition);
            self.part(format!("department {change}"), named.as_ref().map(drop).map_err(Clone::clone));
            self.names.extend(named);
        }
    }

    fn definition(&mut self, change: &str, definition: &Definition) -> Result<Named, String> {
        let statement = statement(&definition.statement)?;
        let leaf = self.operation(&definition.receipt, EventType::CA_EVENT, &statement)?;
        if leaf.body() != definition.commitment(change, &statement) {
            return Err("not the change that its leaf binds".to_owned());
        }
        let shown: Shown = serde_json::from_str(&definition.shown).map_err(|_| "not a change of departments")?;
        if shown.change.to_string() != change {
            return Err("another change was shown".to_owned());
        }
        let departments = shown.departments.into_iter().map(|step| (step.department, step.after.name)).collect();
        Ok(Named { change: change.to_owned(), at: leaf.time, departments })
    }

    /// Each appointment, with the decision behind it and whoever signed that.
    pub(super) fn appointments(&mut self) {
        for (digest, appointment) in &self.evidence.appointments {
            let held = self.appointment(digest, appointment);
            self.part(format!("appointment {digest}"), held.as_ref().map(drop).map_err(Clone::clone));
            self.offices.extend(held.ok().map(|held| (digest.clone(), held)));
        }
    }

    fn appointment(&mut self, digest: &str, appointment: &Appointment) -> Result<Held, String> {
        let completing = statement(digest)?;
        let leaf = self.operation(&appointment.receipt, EventType::ROLE, &completing)?;
        if Some(leaf.body()) != appointment.commitment(&completing).as_ref().map(|body| &body[..]) {
            return Err("not what its leaf binds".to_owned());
        }
        // One grant is about one person in one department.
        let first = appointment.roles.first().ok_or("it gives no role")?;
        if appointment.roles.iter().any(|role| (&role.person, &role.department) != (&first.person, &first.department)) {
            return Err("it is about several people or departments".to_owned());
        }
        let roles: Vec<Role> =
            appointment.roles.iter().map(|role| role.role.parse()).collect::<Result<_, _>>().map_err(|_| "no such role")?;
        let (decision, words) = self.decided("the appointment", &leaf);
        let decision = decision.ok_or("its decision is not believed")?;
        if decision.about.to_string() != first.person || !words.iter().any(|word| word.digest == digest) {
            return Err("its decision is about somebody else, or rests on another statement".to_owned());
        }
        let by_people = words.iter().all(|word| word.signer.is_some());
        if !by_people && (first.department.is_some() || roles.iter().any(|role| !matches!(role, Role::Administrator | Role::Auditor))) {
            return Err("the system key appoints the first administrator and the first auditor alone".to_owned());
        }
        Ok(Held { person: first.person.clone(), roles, department: first.department.clone(), at: leaf.time, words })
    }

    /// How somebody is called who was appointed: by their certificate, if it is in the file.
    pub(super) fn appointed(&self, held: &Held) -> String {
        let theirs = self.proven.values().find(|proven| person(&proven.certificate).as_ref() == Some(&held.person));
        theirs.map_or_else(|| held.person.clone(), |proven| proven.certificate.subject_text())
    }

    /// The office that a person held then: by the last appointment before.
    pub(super) fn office(&mut self, person: &str, then: u64) -> Result<Office, String> {
        let of_person = self.offices.iter().filter(|(_, held)| held.person == person && held.at <= then);
        let (digest, held) = of_person.max_by_key(|(_, held)| held.at).ok_or("the appointment of its signer is not in the file")?;
        self.used.insert(format!("appointment {digest}"));
        let department = match &held.department {
            None => None,
            Some(id) => {
                let name = |named: &&Named| named.departments.iter().any(|(department, _)| department.to_string() == *id);
                let last = self.names.iter().filter(|named| named.at <= then).filter(name).max_by_key(|named| named.at);
                let last = last.ok_or_else(|| format!("what department {id} was called is not in the file"))?;
                self.used.insert(format!("department {}", last.change));
                last.departments.iter().find(|(department, _)| department.to_string() == *id).map(|(_, name)| name.clone())
            }
        };
        let roles = held.roles.iter().map(ToString::to_string).collect();
        let by = |word: &Word| word.signer.as_ref().map_or("the system key", |signer| &signer.subject).to_owned();
        Ok(Office { roles, department, appointed: time(held.at), appointed_by: held.words.iter().map(by).collect() })
    }

    /// A leaf of the operations log of that type, which that statement led to.
    fn operation(&mut self, receipt: &str, kind: EventType, statement: &[u8; 32]) -> Result<Entry, String> {
        self.used.insert(format!("checkpoint {OPERATIONS}"));
        let log = trusted(self.bundle, OPERATIONS)?;
        let note = self.evidence.checkpoints.get(OPERATIONS).ok_or_else(|| format!("the checkpoint of {OPERATIONS} is not in the file"))?;
        let receipt = Receipt::parse(receipt).map_err(|error| error.to_string())?;
        let leaf = receipt.entry().map_err(|error| error.to_string())?;
        verify_receipt(&receipt, &leaf.encode(), &log).map_err(|error| error.to_string())?;
        if receipt.checkpoint.to_string() != *note {
            return Err("its receipt is under another checkpoint".to_owned());
        }
        let named = event_id(&log.origin, kind, &StatusKey::NONE, version_of(statement));
        if leaf.event_type != kind || leaf.event_id != named {
            return Err("its receipt is of another leaf".to_owned());
        }
        Ok(leaf)
    }
}

fn statement(digest: &str) -> Result<[u8; 32], String> {
    hex::decode(digest).ok().and_then(|octets| octets.try_into().ok()).ok_or_else(|| "no digest of a statement".to_owned())
}
