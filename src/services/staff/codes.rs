//! Codes for approved enrolments without a key: one for each person, one use, and what becomes of it.
//!
//! Whoever may ask for an enrolment may hand out its code: they brought the person's key before, and bring the person the code
//! now. All codes that were made together are bound by one leaf of the operations log, so that a code slipped into the table
//! is found.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::super::{
    Services,
    approve::MOST_LISTED,
    enrol::{Enrolment, read_request},
    error::Error,
    journal::{Commit, Kind},
    logs::OPERATIONS,
    register::{CLAIM_LIFE, ClaimCode, Claimed, MOST_CLAIM_FAILURES},
    rows::Row,
    statements::{Caller, allowed, decided},
};
use crate::{
    crypto::digest::sha256,
    ledger::EventType,
    policy::{About, Act, PersonId, Timestamp, jws::canonical},
    store::{self, EnrolmentCodeRow, EnrolmentRequestRow, staff::Change},
    world::{millis, random},
};

/// A code with whom it is for.
pub struct HandedOut {
    pub enrolment: String,
    pub number: String,
    pub name: String,
    pub code: ClaimCode,
}

/// What was asked for.
pub struct Codes {
    pub handed_out: Vec<HandedOut>,
    /// Enrolments that have a code that works, and kept it, with its hash.
    pub skipped: BTreeMap<String, Vec<u8>>,
    /// In milliseconds since 1970 UTC.
    pub expires_at: i64,
}

/// What becomes of a code that works when another is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    Keep,
    /// It may be lost, or in wrong hands.
    Replace,
}

impl Services {
    /// Makes a code for each of these approved enrolments, shown this once.
    pub async fn hand_out_codes(&self, caller: &Caller, ids: &[String], earlier: Earlier) -> Result<Codes, Error> {
        if ids.is_empty() || ids.len() > MOST_LISTED {
            return Err(Error::malformed("enrolments", format!("1 to {MOST_LISTED} enrolments")));
        }
        let enrolments = self.find_enrolments(ids).await?;
        for enrolment in &enrolments {
            self.policy().decide(&caller.actor, Act::Submit, &enrolment.object(Vec::new()))?;
            check_waits(enrolment).map_err(|error| error.of_item(&enrolment.id.to_string()))?;
        }
        let now = millis(self.clock.now());
        let (staff, working) = {
            let mut connection = self.db.read().await?;
            let persons: Vec<String> = enrolments.iter().map(|enrolment| enrolment.person.to_string()).collect();
            let staff = store::staff::of_persons(&mut connection, &persons).await?;
            (staff, store::staff::working_codes(&mut connection, ids, now, MOST_CLAIM_FAILURES).await?)
        };
        let skipped: BTreeMap<String, Vec<u8>> = if earlier == Earlier::Keep { working.into_iter().collect() } else { BTreeMap::new() };
        let staff: HashMap<&str, &store::StaffRow> = staff.iter().map(|row| (row.person.as_str(), row)).collect();
        let mut handed_out = Vec::new();
        for enrolment in enrolments.iter().filter(|enrolment| !skipped.contains_key(&enrolment.id.to_string())) {
            let row = staff.get(enrolment.person.to_string().as_str());
            handed_out.push(HandedOut {
                enrolment: enrolment.id.to_string(),
                number: row.map(|row| self.employee_number(row)).transpose()?.map(|number| number.expose().to_owned()).unwrap_or_default(),
                name: enrolment.record.subject.get("CN").cloned().unwrap_or_default(),
                code: self.claim_code()?,
            });
        }
        let expires_at = now + CLAIM_LIFE.whole_milliseconds() as i64;
        if !handed_out.is_empty() {
            self.journal.commit(self.codes_commit(caller.person(), &handed_out, now, expires_at)?).await?;
        }
        Ok(Codes { handed_out, skipped, expires_at })
    }

    fn codes_commit(&self, officer: PersonId, codes: &[HandedOut], now: i64, expires_at: i64) -> Result<Commit, Error> {
        let batch = hex::encode(random::<16>(&*self.entropy));
        let row = |handed_out: &HandedOut| EnrolmentCodeRow {
            code_hash: handed_out.code.hash().to_vec(),
            enrolment: handed_out.enrolment.clone(),
            batch: batch.clone(),
            issued_to: officer.to_string(),
            issued_at: now,
            expires_at,
            replaced_at: None,
            used_at: None,
            failures: 0,
        };
        let rows: Vec<EnrolmentCodeRow> = codes.iter().map(row).collect();
        let commitment = codes_commitment(&rows.iter().collect::<Vec<_>>());
        let entry = self.operation(EventType::CA_EVENT, &commitment, [0; 32], commitment.to_vec())?;
        Ok(Commit { kind: Kind::Other, rows: vec![Row::Staff(Change::Codes(rows))], entries: vec![(OPERATIONS.to_owned(), entry)] })
    }

    /// Issues the certificate that a code stands for. The approval decided it; the request proves possession of the key.
    pub(in crate::services) async fn claim_enrolment(&self, hash: [u8; 32], csr: &[u8]) -> Result<Claimed, Error> {
        let code = {
            let mut connection = self.db.read().await?;
            store::staff::find_code(&mut connection, &hash).await?.ok_or(Error::ClaimRefused)?
        };
        let enrolment = match self.find_enrolment(&code.enrolment).await {
            Err(Error::Erased(_)) => return Err(Error::ClaimRefused),
            other => other?,
        };
        let name = enrolment.record.subject.get("CN").cloned().unwrap_or_default();
        if code.used_at.is_some() {
            return self.claimed_again(enrolment.person, name, csr).await;
        }
        let works = code.replaced_at.is_none() && code.expires_at > millis(self.clock.now()) && code.failures < MOST_CLAIM_FAILURES;
        if !works || check_waits(&enrolment).is_err() {
            return Err(Error::ClaimRefused);
        }
        match self.claim_enrolment_once(enrolment, hash, csr).await {
            Ok(issued) => self.claimed(issued.0, name, issued.1),
            Err(error) => {
                if error.is_of_a_bad_request() {
                    let mut tx = self.db.begin_write().await?;
                    store::staff::count_code_failure(tx.connection(), &hash).await?;
                    tx.commit().await?;
                }
                Err(error)
            }
        }
    }

    async fn claim_enrolment_once(
        &self,
        mut enrolment: Enrolment,
        hash: [u8; 32],
        csr: &[u8],
    ) -> Result<(PersonId, super::super::issue::Issued), Error> {
        let request = read_request(&enrolment.profile, csr)?;
        let key = request.public_key().fingerprint();
        self.check_key_owner(&key, enrolment.person).await?;
        let approvals = self.approvals_of(&enrolment).await?;
        let now = millis(self.clock.now());
        let mut rows = vec![
            Row::KeyOwner { key_fingerprint: key, person: enrolment.person, at: now },
            Row::Staff(Change::Request {
                enrolment: enrolment.id.to_string(),
                row: EnrolmentRequestRow {
                    ordinal: 0,
                    csr: request.der().to_vec(),
                    key_fingerprint: key.to_vec(),
                    algorithm: request.public_key().algorithm().name().to_owned(),
                },
            }),
            Row::Staff(Change::UseCode { code_hash: hash, at: now }),
        ];
        enrolment.requests = vec![request];

        // From here on the enrolment is what was approved, with its key.
        let subject = self.enrolment_subject(&enrolment)?;
        let own = self.system_statement(Act::Claim, subject.about, &subject.shown, &subject.salt, &subject.log).await?;
        let decision = allowed(
            About::from(enrolment.id),
            Act::Claim,
            Timestamp::new(self.clock.now()),
            self.policy().digest(),
            Some(enrolment.profile.name().clone()),
        );
        let decided = decided(&decision, &[&approvals[..], &[own.statement.digest()]].concat(), now);
        rows.extend(own.rows);
        rows.extend(decided.rows);
        rows.push(Row::EnrolmentState { id: enrolment.id, from: "approved", to: "issued", decision: Some(decided.hash), at: now });
        let order = self.order(&enrolment, &enrolment.requests[0], decided.hash)?;
        match self.issue(rows, vec![order]).await {
            // The same code twice at one moment, or one that was replaced in it.
            Err(Error::Store(store::Error::Conflict) | Error::WrongState { .. }) => Err(Error::ClaimRefused),
            other => Ok((enrolment.person, other?.into_iter().next().ok_or(Error::NoRequests)?)),
        }
    }
}

/// An enrolment waits for a code when it was approved, and has no key.
fn check_waits(enrolment: &Enrolment) -> Result<(), Error> {
    if enrolment.state == "approved" && enrolment.requests.is_empty() {
        return Ok(());
    }
    Err(Error::WrongState { what: "enrolment", found: enrolment.state.clone(), expected: "approved and without a key" })
}

/// The body of the leaf of codes that were made together. A code is random, so its hash gives nothing away.
pub(in crate::services) fn codes_commitment(rows: &[&EnrolmentCodeRow]) -> [u8; 32] {
    let mut codes: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!([hex::encode(&row.code_hash), row.enrolment, row.issued_to, row.issued_at.to_string(), row.expires_at.to_string()])
        })
        .collect();
    codes.sort_by_cached_key(Value::to_string);
    let batch = rows.first().map(|row| row.batch.as_str());
    sha256(&canonical(&json!({"batch": batch, "codes": codes})))
}
