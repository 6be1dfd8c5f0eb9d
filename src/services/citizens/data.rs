//! What is held about a person: everything of it to the person themself or to two auditors, and its destruction.
//!
//! Erasure destroys what is sealed, the salts that statements and leaves are bound by, the numbers and their indexes, and the
//! contacts. Certificates, decisions and leaves stay: they hold what the certificate showed to everyone, and digests that lead
//! to nobody without the salts. Whoever is erased has no certificate any more that could be used.

use serde_json::{Value, json};

use super::{
    super::{
        Services,
        error::Error,
        journal::{Commit, Kind},
        logs::OPERATIONS,
        rows::Row,
        statements::{Caller, Subject, allowed, decided},
        verify::rfc3339,
    },
    MOST_RECORDS,
    pair::Pair,
};
use crate::{
    crypto::digest::sha256,
    ledger::EventType,
    policy::{About, Act, EmployeeNumber, Object, PersonId, Timestamp, jws::canonical, rules},
    store::{self, CertificateFilter, CertificateRow, citizens::Change},
    world::{from_millis, millis},
};

/// RFC 5280 §5.3.1.
const CESSATION_OF_OPERATION: u8 = 5;

impl Services {
    /// Everything that is held about the caller.
    pub async fn export_own(&self, caller: &Caller) -> Result<Value, Error> {
        self.held_about(caller.person()).await
    }

    /// Everything that is held about a person, once two auditors have signed for it; `None` until the second has.
    pub async fn export(&self, caller: &Caller, person: &str, statement: &str) -> Result<Option<Value>, Error> {
        let (id, subject) = self.person_subject(person).await?;
        let object = self.person_object(id).await?;
        let Some(pair) = self.one_of_two(caller, Act::Export, &subject, object, statement).await? else { return Ok(None) };
        self.journal.commit(Commit { kind: Kind::Other, rows: pair.rows, entries: Vec::new() }).await?;
        self.held_about(id).await.map(Some)
    }

    /// Destroys what is held about a person, on their own statement or on those of two administrators; answers whether it was
    /// the second, or the person.
    pub async fn erase(&self, caller: &Caller, person: &str, statement: &str) -> Result<bool, Error> {
        let (id, subject) = self.person_subject(person).await?;
        if !self.roles(id).await?.is_empty() {
            return Err(Error::WrongState { what: "person", found: "an officer".to_owned(), expected: "without roles" });
        }
        if self.enrolments_of(person).await?.iter().any(|one| one["state"] == "submitted" || one["state"] == "approved") {
            return Err(Error::WrongState {
                what: "person",
                found: "waiting for a decision".to_owned(),
                expected: "without an open request",
            });
        }
        self.check_something_is_held(person).await?;
        let object = self.person_object(id).await?;
        let pair = if caller.person() == id {
            self.policy().decide(&caller.actor, Act::Erase, &object(Vec::new()))?;
            Some(self.alone(caller, Act::Erase, &subject, statement).await?)
        } else {
            self.one_of_two(caller, Act::Erase, &subject, object, statement).await?
        };
        let Some(Pair { decision, mut rows }) = pair else { return Ok(false) };
        let mut entries = Vec::new();
        let certificates = self.certificates_of_person(id).await?;
        for row in &certificates {
            if let Some(revocation) = self.revocation(row, CESSATION_OF_OPERATION, None, decision)? {
                entries.push(revocation.leaf);
                rows.push(revocation.row);
            }
        }
        let body = erasure_commitment(person, &decision);
        entries.push((OPERATIONS.to_owned(), self.operation(EventType::ERASE, &body, decision, body.to_vec())?));
        rows.push(Row::Citizen(Change::Erase { person: person.to_owned(), decision }));
        rows.extend(self.ended_records_of(id).await?.into_iter().map(|person| Row::Citizen(Change::Erase { person, decision })));
        self.journal.commit(Commit { kind: Kind::Revoke, rows, entries }).await?;
        for row in &certificates {
            self.publish_after_change(row).await;
        }
        Ok(true)
    }

    /// Refuses the second erasure of somebody.
    pub(super) async fn check_something_is_held(&self, person: &str) -> Result<(), Error> {
        let (row, enrolments) = {
            let mut connection = self.db.read().await?;
            let row = store::people::find_person(&mut connection, person).await?;
            (row, store::citizens::enrolments_of_person(&mut connection, person).await?)
        };
        if row.is_some_and(|row| row.sealed_profile.is_some()) || enrolments.is_empty() {
            return Ok(());
        }
        for id in enrolments {
            match self.find_enrolment(&id).await {
                Err(Error::Erased(_)) => {}
                other => return other.map(drop),
            }
        }
        Err(Error::Erased("person"))
    }

    /// A statement that decides by itself.
    async fn alone(&self, caller: &Caller, act: Act, subject: &Subject, statement: &str) -> Result<Pair, Error> {
        let checked = self.check_statement(caller, statement, act, subject).await?;
        let now = self.clock.now();
        let decision = allowed(subject.about, act, Timestamp::new(now), checked.statement.payload().policy, None);
        let decided = decided(&decision, &[checked.statement.digest()], millis(now));
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        Ok(Pair { decision: decided.hash, rows })
    }

    /// What whoever exports or erases is shown: no personal data, so nothing has to be salted.
    pub async fn person_subject(&self, person: &str) -> Result<(PersonId, Subject), Error> {
        let id: PersonId = person.parse().map_err(|_| Error::unknown("person", person))?;
        let enrolments = {
            let mut connection = self.db.read().await?;
            store::people::find_person(&mut connection, person).await?.ok_or_else(|| Error::unknown("person", person))?;
            store::citizens::enrolments_of_person(&mut connection, person).await?
        };
        let certificates = self.certificates_of_person(id).await?;
        let certificates: Vec<Value> =
            certificates.iter().map(|row| Ok(json!([hex::encode(&row.id), self.status_name(row)?]))).collect::<Result<_, Error>>()?;
        let ended = self.ended_records_of(id).await?;
        let shown = json!({"person": person, "enrolments": enrolments, "certificates": certificates, "same_number": ended});
        Ok((id, Subject { about: About::from(id), shown, salt: [0; 32], log: OPERATIONS.to_owned() }))
    }

    /// The person as what is acted on, whoever has signed already.
    pub async fn person_object(&self, person: PersonId) -> Result<impl Fn(Vec<PersonId>) -> Object<'static> + use<>, Error> {
        let row = {
            let mut connection = self.db.read().await?;
            store::people::find_person(&mut connection, &person.to_string()).await?
        };
        let department = row.and_then(|row| row.department);
        let department = department.as_deref().map(str::parse).transpose().map_err(|_| Error::Corrupt(format!("person {person}")))?;
        let department = self.path(department).await?;
        Ok(move |decided_by| Object::Citizen(rules::CitizenCase { department: department.clone(), concerns: vec![person], decided_by }))
    }

    /// Other records of the same person, under the same number, that came to nothing or have ended: no valid certificate, no open
    /// request, no role. They go the way of this one. What still holds something is another's until officers have decided.
    async fn ended_records_of(&self, person: PersonId) -> Result<Vec<String>, Error> {
        let others = {
            let mut connection = self.db.read().await?;
            store::citizens::proven_the_same(&mut connection, &person.to_string()).await?
        };
        let mut ended = Vec::new();
        for other in others {
            let id: PersonId = other.parse().map_err(|_| Error::Corrupt(format!("person {other}")))?;
            let mut holds = !self.roles(id).await?.is_empty();
            for row in self.certificates_of_person(id).await? {
                holds |= self.is_live(&row)?;
            }
            for one in self.enrolments_of(&other).await? {
                holds |= one["state"] == "submitted" || one["state"] == "approved";
            }
            if !holds {
                ended.push(other);
            }
        }
        Ok(ended)
    }

    async fn certificates_of_person(&self, person: PersonId) -> Result<Vec<CertificateRow>, Error> {
        let filter = CertificateFilter { person: Some(person.to_string()), ..CertificateFilter::default() };
        self.certificates(&filter, MOST_RECORDS).await
    }

    /// Opens everything; what was erased is null.
    async fn held_about(&self, person: PersonId) -> Result<Value, Error> {
        let id = person.to_string();
        let row = {
            let mut connection = self.db.read().await?;
            store::people::find_person(&mut connection, &id).await?.ok_or_else(|| Error::unknown("person", &id))?
        };
        let staff = {
            let mut connection = self.db.read().await?;
            store::staff::of_persons(&mut connection, std::slice::from_ref(&id)).await?.pop()
        };
        let number = staff.filter(|row| row.sealed_number.is_some()).map(|row| self.employee_number(&row)).transpose()?;
        let roles: Vec<String> = self.roles(person).await?.iter().map(|grant| grant.role.to_string()).collect();
        let name = match &row.sealed_profile {
            Some(_) => Some(self.find_officer(&id).await?.name),
            None => None,
        };
        let (mut proofs, mut enrolments) = (self.proofs_of(&id).await?, self.enrolments_of(&id).await?);
        let mut notices = self.notices_to(&id).await?;
        let ended = self.ended_records_of(person).await?;
        for other in &ended {
            proofs.extend(self.proofs_of(other).await?);
            enrolments.extend(self.enrolments_of(other).await?);
            notices.extend(self.notices_to(other).await?);
        }
        Ok(json!({
            "person": id,
            "same_number": ended,
            "kind": row.kind,
            "name": name,
            "employee_number": number.as_ref().map(EmployeeNumber::expose),
            "department": row.department,
            "created_at": instant(row.created_at),
            "roles": roles,
            "proofs": proofs,
            "enrolments": enrolments,
            "certificates": self.certificate_views(person).await?,
            "notices": notices,
            "statements": self.statements_of(&id).await?,
        }))
    }

    async fn proofs_of(&self, person: &str) -> Result<Vec<Value>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::citizens::proofings_of_person(&mut connection, person).await?
        };
        let mut proofs = Vec::new();
        for row in rows {
            let subject = match self.proven_subject(&row) {
                Err(Error::Erased(_)) => None,
                other => Some(other?),
            };
            let number = match &row.sealed_number {
                Some(sealed) => Some(String::from_utf8_lossy(&self.vault.open(&format!("proofing/{}", row.id), sealed)?).into_owned()),
                None => None,
            };
            proofs.push(json!({
                "method": row.method,
                "assurance": row.assurance,
                "name": subject.as_ref().and_then(|subject| subject.name.clone()),
                "contact": subject.and_then(|subject| subject.contact),
                "number": number,
                "evidence": row.evidence,
                "identity_check": row.identity_check,
                "established_at": instant(row.created_at),
                "enrolment": row.enrolment,
            }));
        }
        Ok(proofs)
    }

    async fn enrolments_of(&self, person: &str) -> Result<Vec<Value>, Error> {
        let ids = {
            let mut connection = self.db.read().await?;
            store::citizens::enrolments_of_person(&mut connection, person).await?
        };
        let mut enrolments = Vec::new();
        for id in ids {
            enrolments.push(match self.find_enrolment(&id).await {
                Err(Error::Erased(_)) => json!({"enrolment": id, "erased": true}),
                other => {
                    let enrolment = other?;
                    json!({"state": enrolment.state, "request": enrolment.shown()?})
                }
            });
        }
        Ok(enrolments)
    }

    async fn certificate_views(&self, person: PersonId) -> Result<Vec<Value>, Error> {
        let rows = self.certificates_of_person(person).await?;
        rows.iter()
            .map(|row| {
                Ok(json!({
                    "id": hex::encode(&row.id),
                    "serial": hex::encode(&row.serial),
                    "authority": row.authority,
                    "profile": row.profile,
                    "subject": row.subject,
                    "not_before": instant(row.not_before),
                    "not_after": instant(row.not_after),
                    "status": self.status_name(row)?,
                }))
            })
            .collect()
    }

    async fn notices_to(&self, person: &str) -> Result<Vec<Value>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::citizens::notices_about(&mut connection, person).await?
        };
        rows.iter()
            .map(|row| {
                let contact = self.sealer.open(&format!("contact-notice/{}", row.id), &row.sealed_contact)?;
                Ok(json!({
                    "kind": row.kind,
                    "contact": String::from_utf8_lossy(&contact),
                    "created_at": instant(row.created_at),
                    "sent_at": row.sent_at.map(instant),
                }))
            })
            .collect()
    }

    async fn statements_of(&self, person: &str) -> Result<Vec<Value>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::citizens::statements_of_person(&mut connection, person).await?
        };
        let view = |(act, at, signed): (String, i64, i64)| json!({"act": act, "at": instant(at), "signed": signed == 1});
        Ok(rows.into_iter().map(view).collect())
    }
}

fn instant(millis: i64) -> String {
    rfc3339(from_millis(millis))
}

/// The body of an erasure's leaf: that this person was erased, by this decision. The person's identifier is opaque.
pub(in crate::services) fn erasure_commitment(person: &str, decision: &[u8; 32]) -> [u8; 32] {
    sha256(&canonical(&json!({"person": person, "decision": hex::encode(decision)})))
}
