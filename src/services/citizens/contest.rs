//! Contests: two enrolments for one citizen and profile. Two officers find that the earlier certificate was obtained wrongly,
//! and it is revoked since its beginning and makes room; or that it stands, and the later enrolment is rejected.
//!
//! A contest is open only while its later enrolment waits and its earlier one holds the slot. Whatever ends the later one ends
//! the contest as moot (`rows.rs`); what takes over the slot takes the place of the earlier one (`store/citizens.rs`).

use serde_json::{Value, json};

use super::super::{
    Services,
    enrol::Enrolment,
    error::Error,
    journal::{Commit, Kind},
    rows::Row,
    statements::{Caller, Subject},
};
use crate::{
    policy::{Act, Object, PersonId, rules},
    store::{
        self, CertificateRow,
        citizens::{Change, ContestRow, SlotRow},
    },
    world::{from_millis, millis, seconds},
};

/// RFC 5280 §5.3.1: the privileges contained within that certificate have been withdrawn.
const PRIVILEGE_WITHDRAWN: u8 = 9;

/// A contest with both enrolments.
pub struct Contest {
    pub row: ContestRow,
    later: Enrolment,
    earlier: Enrolment,
    certificates: Vec<CertificateRow>,
}

/// Whether a statement decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Another person must sign the same.
    OneMore,
    Decided,
}

impl Services {
    /// By its later enrolment.
    pub async fn find_contest(&self, id: &str) -> Result<Contest, Error> {
        let row = self.contest_row(id).await?;
        self.open_contest(row).await
    }

    /// Refused once it has ended.
    pub async fn find_waiting_contest(&self, id: &str) -> Result<Contest, Error> {
        let row = self.contest_row(id).await?;
        if row.state != "open" {
            return Err(Error::WrongState { what: "contest", found: row.state, expected: "open" });
        }
        self.open_contest(row).await
    }

    async fn contest_row(&self, id: &str) -> Result<ContestRow, Error> {
        let mut connection = self.db.read().await?;
        store::citizens::find_contest(&mut connection, id).await?.ok_or_else(|| Error::unknown("contest", id))
    }

    async fn open_contest(&self, row: ContestRow) -> Result<Contest, Error> {
        let (later, earlier) = (self.find_enrolment(&row.later).await?, self.find_enrolment(&row.earlier).await?);
        let certificates = self.certificates_of_profile(earlier.person, earlier.profile.name().as_str()).await?;
        Ok(Contest { row, later, earlier, certificates })
    }

    pub async fn contests(&self, department: Option<&str>, after: Option<&str>, limit: i64) -> Result<Vec<ContestRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::citizens::contests(&mut connection, department, after, limit).await?)
    }

    /// What both officers are shown: the two enrolments, and the certificates of the earlier one.
    pub fn contest_subject(&self, contest: &Contest) -> Result<Subject, Error> {
        let certificates = contest.certificates.iter().map(|row| Ok(json!([hex::encode(&row.id), self.status_name(row)?])));
        let shown = json!({
            "contest": contest.row.later,
            "state": contest.row.state,
            "later": contest.later.shown()?,
            "earlier": contest.earlier.shown()?,
            "earlier_certificates": certificates.collect::<Result<Vec<Value>, Error>>()?,
        });
        Ok(Subject { shown, ..self.enrolment_subject(&contest.later)? })
    }

    /// Takes the statement of one of two officers, and does with the second what both signed.
    pub async fn decide_contest(&self, caller: &Caller, act: Act, id: &str, statement: &str) -> Result<Outcome, Error> {
        let contest = self.find_waiting_contest(id).await?;
        let subject = self.contest_subject(&contest)?;
        let object = |decided_by| contest.object(decided_by);
        let Some(pair) = self.one_of_two(caller, act, &subject, object, statement).await? else { return Ok(Outcome::OneMore) };
        let (mut rows, mut entries) = (pair.rows, Vec::new());
        let state = if act == Act::UpholdContest { "upheld" } else { "dismissed" };
        rows.push(Row::Citizen(Change::DecideContest {
            later: contest.row.later.clone(),
            earlier: contest.row.earlier.clone(),
            state,
            decision: pair.decision,
        }));
        if act == Act::UpholdContest {
            for row in &contest.certificates {
                let since = seconds(from_millis(row.created_at));
                if let Some(revocation) = self.revocation(row, PRIVILEGE_WITHDRAWN, Some(since), pair.decision)? {
                    entries.push(revocation.leaf);
                    rows.push(revocation.row);
                }
            }
            rows.push(self.slot_to_later(&contest).await?);
        } else {
            let (id, at) = (contest.later.id, millis(self.clock.now()));
            rows.push(Row::EnrolmentState { id, from: "submitted", to: "rejected", decision: Some(pair.decision), at });
        }
        for enrolment in [&contest.later, &contest.earlier] {
            let contact = self.contact_of(&enrolment.id.to_string()).await?;
            rows.extend(self.notice("contest-decided", &enrolment.person.to_string(), contact.as_deref()));
        }
        match self.journal.commit(Commit { kind: Kind::Revoke, rows, entries }).await {
            Err(Error::Store(store::Error::Conflict)) => {
                return Err(Error::WrongState { what: "contest", found: "decided meanwhile".to_owned(), expected: "open" });
            }
            other => other?,
        };
        for row in &contest.certificates {
            self.publish_after_change(row).await;
        }
        Ok(Outcome::Decided)
    }

    async fn slot_to_later(&self, contest: &Contest) -> Result<Row, Error> {
        let held = {
            let mut connection = self.db.read().await?;
            store::citizens::slot_of(&mut connection, &contest.row.earlier).await?
        };
        let held = held.ok_or(Error::WrongState { what: "slot", found: "another's".to_owned(), expected: "the earlier enrolment's" })?;
        let slot = SlotRow { enrolment: contest.row.later.clone(), taken_at: millis(self.clock.now()), ..held };
        Ok(Row::Citizen(Change::PassSlot { slot, from: contest.row.earlier.clone() }))
    }
}

impl Contest {
    /// The department whose officers decide.
    pub fn department(&self) -> Option<String> {
        self.later.department.map(|department| department.to_string())
    }

    pub fn object(&self, decided_by: Vec<PersonId>) -> Object<'static> {
        let concerns = vec![self.later.person, self.later.submitted_by, self.earlier.person, self.earlier.submitted_by];
        Object::Citizen(rules::CitizenCase { department: self.later.place.path.clone(), concerns, decided_by })
    }
}
