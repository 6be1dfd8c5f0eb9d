//! Employee numbers and codes against the persons, the enrolments and the leaves that bind them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Error, Findings, Records};
use crate::{
    ledger::EventType,
    policy::Act,
    services::{logs::OPERATIONS, staff::codes::codes_commitment},
    store::{self, Connection, EnrolmentCodeRow, EnrolmentRow, StaffRow},
};

/// The rows about staff.
pub(super) struct Staff {
    /// By person.
    members: BTreeMap<String, StaffRow>,
    codes: Vec<EnrolmentCodeRow>,
}

impl Staff {
    pub async fn load(connection: &mut Connection) -> Result<Self, Error> {
        Ok(Self {
            members: store::staff::all_staff(connection).await?.into_iter().map(|row| (row.person.clone(), row)).collect(),
            codes: store::staff::all_codes(connection).await?,
        })
    }

    /// Whether an enrolment of theirs may be approved before there is a key.
    pub fn holds(&self, person: &str) -> bool {
        self.members.contains_key(person)
    }

    /// The body of the leaf of each batch of codes.
    pub fn code_commitments(&self) -> BTreeSet<[u8; 32]> {
        self.batches().into_values().map(|rows| codes_commitment(&rows)).collect()
    }

    fn batches(&self) -> BTreeMap<&str, Vec<&EnrolmentCodeRow>> {
        let mut batches: BTreeMap<&str, Vec<&EnrolmentCodeRow>> = BTreeMap::new();
        for row in &self.codes {
            batches.entry(&row.batch).or_default().push(row);
        }
        batches
    }
}

pub(super) fn check(records: &Records, findings: &mut Findings) {
    for (person, row) in &records.staff.members {
        records.check_person(findings, "staff", person, "person", person);
        records.check_department(findings, "staff", person, "department", Some(&row.department));
        if let Some(found) = records.persons.get(person) {
            let own = &Some(row.department.clone());
            findings.compare(("staff", person, "department", own), ("person", person, "department", &found.department));
        }
    }
    check_batches(records, findings);
    check_uses(records, findings);
}

fn check_batches(records: &Records, findings: &mut Findings) {
    let notices = records.books.get(OPERATIONS).into_iter().flat_map(|book| book.notices(EventType::CA_EVENT));
    let bodies: BTreeSet<&[u8]> = notices.map(|notice| notice.body.as_slice()).collect();
    for (batch, rows) in records.staff.batches() {
        let bound = bodies.contains(&codes_commitment(&rows)[..]);
        findings.row("enrolment_code", batch).check("code_hash", bound, || "the ledger has no such codes".to_owned());
        for row in rows {
            records.check_person(findings, "enrolment_code", &hex::encode(&row.code_hash), "issued_to", &row.issued_to);
        }
    }
}

/// A code ends when the next one of its enrolment is made, or when the enrolment is decided by its claim.
fn check_uses(records: &Records, findings: &mut Findings) {
    let enrolments: HashMap<&str, &EnrolmentRow> = records.enrolments.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut of: BTreeMap<&str, Vec<&EnrolmentCodeRow>> = BTreeMap::new();
    for row in &records.staff.codes {
        of.entry(&row.enrolment).or_default().push(row);
    }
    for (enrolment, rows) in of {
        let claimed = enrolments.get(enrolment).filter(|row| records.was_claimed(row)).map(|row| row.updated_at);
        for (index, row) in rows.iter().enumerate() {
            let next = rows.get(index + 1).map(|next| next.issued_at);
            let used = if next.is_none() { claimed } else { None };
            let mut finding = findings.row("enrolment_code", hex::encode(&row.code_hash));
            finding.check("enrolment", enrolments.contains_key(enrolment), || "there is no such enrolment".to_owned());
            finding.check("replaced_at", row.replaced_at == next, || "the next code of this enrolment says otherwise".to_owned());
            finding.check("used_at", row.used_at == used, || "the enrolment says otherwise".to_owned());
        }
    }
}

impl Records {
    /// Whether the enrolment was decided by a claim of what was approved before.
    pub(super) fn was_claimed(&self, row: &EnrolmentRow) -> bool {
        let decision = row.decision.as_ref().and_then(|digest| self.decisions.get(digest)?.parsed.as_ref());
        self.staff.holds(&row.person) && decision.is_some_and(|decision| decision.decision.act == Act::Claim)
    }
}
