//! Renewal: the holder asks, by their own signature, for a certificate that follows theirs, within the window of the profile.
//!
//! Nobody else decides: that this person may have such a certificate was decided before, and the profile says until when that
//! counts. The successor has the same subject as the request had that its predecessor was issued on, checked anew against the
//! profile and the department's names, and a key of which the holder proves possession: the same or another.

use serde_json::json;
use time::OffsetDateTime;

use super::{
    Services,
    departments::Place,
    enrol::{Enrolment, OFFICER, read_request},
    error::Error,
    issue::Issued,
    revoke::digest,
    rows::Row,
    statements::{Caller, Subject, allowed, decided},
};
use crate::{
    crypto::digest::sha256,
    policy::{About, Act, PersonId, Timestamp},
    store::{
        self, CertificateRow,
        citizens::{Change, SlotRow},
    },
    world::{from_millis, rfc3339},
    x509::{Certificate, request::CertificationRequest},
};

/// What a renewal answers.
pub struct Renewed {
    pub row: CertificateRow,
    /// Leaf first, root last.
    pub chain: Vec<Certificate>,
}

impl Services {
    /// What the holder signs: the certificate that is followed, and the key of the one that follows.
    pub async fn renewal_subject(&self, caller: &Caller, id: &str, csr: &[u8]) -> Result<Subject, Error> {
        let row = self.find_certificate(id).await?;
        let (_, request) = self.check_renewal(caller, &row, csr).await?;
        self.subject_with_key(&row, &request).await
    }

    async fn subject_with_key(&self, row: &CertificateRow, request: &CertificationRequest) -> Result<Subject, Error> {
        let mut subject = self.certificate_subject(row).await?;
        let key = request.public_key();
        subject.shown["key"] = json!({"algorithm": key.algorithm().name(), "fingerprint": hex::encode(key.fingerprint())});
        Ok(subject)
    }

    /// Issues the successor on the holder's signed statement. The same key again, after it was issued, gets it once more: the
    /// answer may have been lost on its way.
    pub async fn renew(&self, caller: &Caller, id: &str, csr: &[u8], statement: &str) -> Result<Renewed, Error> {
        let row = self.find_certificate(id).await?;
        self.policy().decide(&caller.actor, Act::Renew, &self.certificate_object(&row).await?)?;
        if let Some(issued) = self.renewed_before(&row, csr).await? {
            return self.renewed(issued).await;
        }
        let (predecessor, request) = self.check_renewal(caller, &row, csr).await?;
        let subject = self.subject_with_key(&row, &request).await?;
        let checked = self.check_statement(caller, statement, Act::Renew, &subject).await?;

        let successor = self.successor(&row, &predecessor, request)?;
        // One moment for all of it, which is what the audit compares.
        let now = successor.row.submitted_at;
        let profile = successor.profile.name().clone();
        let at = Timestamp::new(from_millis(now));
        let decision = allowed(About::from(successor.id), Act::Renew, at, self.policy().digest(), Some(profile));
        let decided = decided(&decision, &[checked.statement.digest()], now);
        let mut rows = successor_rows(&successor, now);
        rows.extend(self.slot_passes(&predecessor, &successor, now).await?);
        rows.extend(checked.rows);
        rows.extend(decided.rows);
        let state = |from, to| Row::EnrolmentState { id: successor.id, from, to, decision: Some(decided.hash), at: now };
        rows.extend([state("submitted", "approved"), state("approved", "issued")]);
        let order = self.order(&successor, &successor.requests[0], decided.hash)?;
        let issued = self.issue(rows, vec![order]).await?.into_iter().next().ok_or(Error::NoRequests)?;
        self.renewed(issued).await
    }

    /// From when on a certificate may be renewed, by the profile in force; `None` when there is no such profile any more.
    pub fn renewable_from(&self, row: &CertificateRow) -> Option<OffsetDateTime> {
        let profile = self.profile(&row.profile).ok()?;
        Some(from_millis(row.not_after) - profile.validity().renewal_window)
    }

    /// Whether the caller may renew this certificate now with this request; answers the enrolment that it was issued on.
    async fn check_renewal(&self, caller: &Caller, row: &CertificateRow, csr: &[u8]) -> Result<(Enrolment, CertificationRequest), Error> {
        self.policy().decide(&caller.actor, Act::Renew, &self.certificate_object(row).await?)?;
        let wrong = |found: &str, expected| Error::WrongState { what: "certificate", found: found.to_owned(), expected };
        let status = self.status_name(row)?;
        if status != "valid" {
            return Err(wrong(status, "valid"));
        }
        let now = self.clock.now();
        if now >= from_millis(row.not_after) {
            return Err(wrong("expired", "valid"));
        }
        match self.renewable_from(row) {
            Some(from) if from <= now => {}
            Some(from) => return Err(wrong(&format!("renewable from {} on", rfc3339(from)), "before")),
            None => return Err(wrong("of a profile that is gone", "renewable")),
        }
        if self.successor_of(row).await?.is_some() {
            return Err(wrong("renewed", "the newest"));
        }
        let person: PersonId = row.person.parse().map_err(|_| Error::Corrupt("a certificate's person".to_owned()))?;
        if row.profile == OFFICER && self.roles(person).await?.is_empty() {
            return Err(Error::WrongState { what: "officer", found: "without a role".to_owned(), expected: "appointed" });
        }
        let enrolment = row.enrolment.as_deref().ok_or_else(|| Error::Corrupt("a certificate without its enrolment".to_owned()))?;
        let enrolment = self.find_enrolment(enrolment).await?;
        let request = read_request(&enrolment.profile, csr)?;
        self.check_key_owner(&request.public_key().fingerprint(), enrolment.person).await?;
        Ok((enrolment, request))
    }

    /// The enrolment by which the successor is issued.
    fn successor(&self, row: &CertificateRow, predecessor: &Enrolment, request: CertificationRequest) -> Result<Enrolment, Error> {
        let Enrolment { profile, place, person, record, .. } = predecessor;
        // What follows a certificate of a merged department is of its successor, and says so.
        let department = place.successor.or(predecessor.department);
        let place = Place { successor: None, ..place.clone() };
        let new = store::EnrolmentRow {
            replaces: Some(row.id.clone()),
            evidence_digest: predecessor.row.evidence_digest.clone(),
            request_digest: sha256(request.der()).to_vec(),
            ..self.enrolment_row(profile, department, *person, *person, record)
        };
        let corrupt = || Error::Corrupt("an enrolment that was made a moment ago".to_owned());
        Ok(Enrolment {
            id: new.id.parse().map_err(|_| corrupt())?,
            profile: profile.clone(),
            department,
            place,
            person: *person,
            submitted_by: *person,
            state: new.state.clone(),
            salt: new.salt.as_deref().and_then(|salt| salt.try_into().ok()).ok_or_else(corrupt)?,
            record: record.clone(),
            requests: vec![request],
            questioned: Vec::new(),
            row: new,
        })
    }

    /// The one certificate that a citizen may have of a profile is the successor now.
    async fn slot_passes(&self, predecessor: &Enrolment, successor: &Enrolment, now: i64) -> Result<Option<Row>, Error> {
        let held = {
            let mut connection = self.db.read().await?;
            store::citizens::slot_of(&mut connection, &predecessor.id.to_string()).await?
        };
        Ok(held.map(|held| {
            let slot = SlotRow { enrolment: successor.id.to_string(), taken_at: now, ..held.clone() };
            Row::Citizen(Change::PassSlot { slot, from: held.enrolment })
        }))
    }

    async fn successor_of(&self, row: &CertificateRow) -> Result<Option<CertificateRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::certificates::successor_of(&mut connection, &row.id).await?)
    }

    /// The successor, when it is there and its key is that of the request.
    async fn renewed_before(&self, row: &CertificateRow, csr: &[u8]) -> Result<Option<Issued>, Error> {
        let Some(successor) = self.successor_of(row).await? else { return Ok(None) };
        let same_key = CertificationRequest::parse(csr).is_ok_and(|request| {
            request.verify_possession().is_ok() && request.public_key().fingerprint() == successor.key_fingerprint[..]
        });
        if same_key && successor.signature.is_some() { self.issued_before(&successor).map(Some) } else { Ok(None) }
    }

    async fn renewed(&self, issued: Issued) -> Result<Renewed, Error> {
        let row = self.find_certificate(&issued.certificate.id().to_string()).await?;
        Ok(Renewed { chain: self.chain_of(&issued)?, row })
    }
}

fn successor_rows(successor: &Enrolment, now: i64) -> Vec<Row> {
    let request = &successor.requests[0];
    let key = request.public_key();
    let requests = vec![store::EnrolmentRequestRow {
        ordinal: 0,
        csr: request.der().to_vec(),
        key_fingerprint: key.fingerprint().to_vec(),
        algorithm: key.algorithm().name().to_owned(),
    }];
    vec![
        Row::KeyOwner { key_fingerprint: key.fingerprint(), person: successor.person, at: now },
        Row::Enrolment(successor.row.clone(), requests),
    ]
}

/// The certificate that a renewal's statement is about, as the enrolment of its successor names it.
pub(super) fn replaced(row: &store::EnrolmentRow) -> Option<[u8; 32]> {
    row.replaces.as_deref().and_then(|id| digest(id).ok())
}
