//! Proofing at a counter: one officer looks at the person and their documents and signs that they did, another confirms it and
//! hands out a code, the person is told through a contact that was verified elsewhere, and after the profile's cooling period
//! the code works, once.
//!
//! Whoever stands at the counter with somebody else's card has two officers against them, and the owner of the card hears of
//! it in time to object: until the code is used, any officer of the department takes the check back.

use async_trait::async_trait;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Established, ProofToken, Proofed, Proofing, ProvenSubject, check_contact};
use crate::{
    crypto::digest::sha256,
    ledger::EventType,
    policy::{
        self, About, Act, Assurance, DepartmentId, IdentityNumber, Object, PersonId, ProofingRules, Timestamp, jws::canonical, rules,
    },
    services::{
        Services,
        codes::Code,
        error::Error,
        journal::{Commit, Kind},
        logs::OPERATIONS,
        register::check_text,
        revoke::digest,
        rows::Row,
        statements::{Caller, Checked, Subject, allowed, decided},
    },
    store::{
        self,
        citizens::{Change, ContactNoticeRow, IdentityCheckRow, NewCode},
    },
    world::{from_millis, millis, random},
};

/// How long a code works, once it does.
const CODE_LIFE: Duration = Duration::days(30);
/// How often the locator of a code may come with a wrong secret.
const MOST_FAILURES: i64 = 10;

/// What becomes of a check that is not taken back.
pub static STATES: &[&str] = &["recorded", "signed", "confirmed", "used"];

/// What an officer records about the person at the counter.
pub struct NewCheck {
    pub profile: String,
    pub department: Option<String>,
    pub name: String,
    /// GB 11643.
    pub number: String,
    pub contact: String,
    /// SHA-256 of what was seen.
    pub evidence: [u8; 32],
}

/// An identity check as officers see it.
pub struct IdentityCheck {
    pub row: IdentityCheckRow,
    subject: ProvenSubject,
    number: IdentityNumber,
    salt: [u8; 32],
}

/// The code, shown once, and when it works.
pub struct Confirmed {
    pub code: Code,
    pub works_from: Timestamp,
    pub expires_at: Timestamp,
}

impl Services {
    /// Records a check; it counts once its officer has signed and another has confirmed it.
    pub async fn record_check(&self, caller: &Caller, new: NewCheck) -> Result<IdentityCheck, Error> {
        let profile = self.profile(&new.profile)?;
        self.proofing_rules(&new.profile)?;
        check_text("name", &new.name)?;
        // What the profile does not certify is refused here, not when the person comes with the code.
        let refused = |field| Error::FieldRefused { profile: profile.name().to_string(), field };
        profile.check_requested("CN", &new.name).map_err(refused)?;
        check_contact(&new.contact)?;
        let number = IdentityNumber::resident(&new.number, self.clock.now().date()).map_err(|error| Error::malformed("number", error))?;
        let department = self.department_id(new.department.as_deref()).await?;
        let object = Object::IdentityCheck(rules::IdentityCheck { department: self.path(department).await?, recorded_by: caller.person() });
        self.policy().decide(&caller.actor, Act::CheckIdentity, &object)?;

        let id = hex::encode(random::<16>(&*self.entropy));
        let subject = ProvenSubject { name: Some(new.name), contact: Some(new.contact) };
        let salt: [u8; 32] = random(&*self.entropy);
        let place = format!("identity-check/{id}");
        let row = IdentityCheckRow {
            id,
            profile: profile.name().to_string(),
            department: department.map(|department| department.to_string()),
            submitted_by: caller.person().to_string(),
            submitted_at: millis(self.clock.now()),
            sealed_subject: Some(self.sealer.seal(&place, &subject.to_json(), &*self.entropy)),
            sealed_number: Some(self.vault.seal(&place, &number, &*self.entropy)),
            salt: Some(salt.to_vec()),
            evidence_digest: new.evidence.to_vec(),
            checked: None,
            confirmed: None,
            locator: None,
            code_hash: None,
            works_from: None,
            expires_at: None,
            failures: 0,
            used_at: None,
            withdrawn: None,
        };
        let rows = vec![Row::Citizen(Change::Check(row.clone()))];
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        Ok(IdentityCheck { row, subject, number, salt })
    }

    pub async fn find_check(&self, id: &str) -> Result<IdentityCheck, Error> {
        let row = {
            let mut connection = self.db.read().await?;
            store::citizens::find_check(&mut connection, id).await?
        };
        self.open_check(row.ok_or_else(|| Error::unknown("identity check", id))?)
    }

    /// The checks of a department that were not forgotten yet.
    pub async fn checks(
        &self,
        department: Option<&str>,
        state: Option<&str>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<IdentityCheck>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::citizens::page_of_checks(&mut connection, department, state, after, limit).await?
        };
        rows.into_iter().map(|row| self.open_check(row)).collect()
    }

    fn open_check(&self, row: IdentityCheckRow) -> Result<IdentityCheck, Error> {
        let corrupt = || Error::Corrupt(format!("identity check {}", row.id));
        let place = format!("identity-check/{}", row.id);
        let (Some(subject), Some(number), Some(salt)) = (&row.sealed_subject, &row.sealed_number, &row.salt) else {
            return Err(Error::Erased("identity check"));
        };
        let subject = serde_json::from_slice(&self.sealer.open(&place, subject)?).map_err(|_| corrupt())?;
        let opened = self.vault.open(&place, number)?;
        let text = std::str::from_utf8(&opened).map_err(|_| corrupt())?;
        let number = IdentityNumber::resident(text, self.clock.now().date()).map_err(|_| corrupt())?;
        let salt = salt.as_slice().try_into().map_err(|_| corrupt())?;
        Ok(IdentityCheck { subject, number, salt, row })
    }

    /// The officer who recorded it signs that the person was there.
    pub async fn sign_check(&self, caller: &Caller, id: &str, statement: &str) -> Result<(), Error> {
        let check = self.find_check(id).await?;
        let checked = self.check_statement_about(caller, &check, Act::CheckIdentity, statement).await?;
        let Signed { statement, mut rows, .. } = self.signed(&check, Act::CheckIdentity, checked)?;
        rows.push(Row::Citizen(Change::Checked { id: id.to_owned(), statement }));
        match self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await {
            Err(Error::Store(store::Error::Conflict)) => Err(signed_already()),
            other => other.map(drop),
        }
    }

    /// Another officer confirms it: a code is made, and the person is told.
    pub async fn confirm_check(&self, caller: &Caller, id: &str, statement: &str) -> Result<Confirmed, Error> {
        let check = self.find_check(id).await?;
        let checked = self.check_statement_about(caller, &check, Act::ConfirmIdentity, statement).await?;
        if check.row.checked.is_none() {
            return Err(Error::WrongState { what: "identity check", found: "unsigned".to_owned(), expected: "signed" });
        }
        let now = self.clock.now();
        let rules = self.proofing_rules(&check.row.profile)?;
        let code = self.new_code()?;
        let stored = NewCode {
            locator: code.locator().to_vec(),
            hash: code.hash(),
            works_from: millis(now + rules.cooling),
            expires_at: millis(now + rules.cooling + CODE_LIFE),
        };
        let Signed { statement, mut rows, decision } = self.signed(&check, Act::ConfirmIdentity, checked)?;
        let commitment = code_commitment(&check.row.id, &statement, &stored);
        let entry = self.operation(EventType::CA_EVENT, &commitment, decision, commitment.to_vec())?;
        let (works_from, expires_at) = (stored.works_from, stored.expires_at);
        rows.push(Row::Citizen(Change::Confirmed { id: id.to_owned(), statement, code: stored }));
        rows.extend(self.notice("identity-confirmed", id, check.subject.contact.as_deref()));
        match self.journal.commit(Commit { kind: Kind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] }).await {
            Err(Error::Store(store::Error::Conflict)) => return Err(signed_already()),
            other => other?,
        };
        let instant = |millis| Timestamp::new(from_millis(millis));
        Ok(Confirmed { code, works_from: instant(works_from), expires_at: instant(expires_at) })
    }

    /// Takes a check back whose code was not used: the code works no more, and who it was about is forgotten.
    pub async fn withdraw_check(&self, caller: &Caller, id: &str, statement: &str) -> Result<(), Error> {
        let check = self.find_check(id).await?;
        let checked = self.check_statement_about(caller, &check, Act::WithdrawIdentity, statement).await?;
        let Signed { statement, mut rows, decision } = self.signed(&check, Act::WithdrawIdentity, checked)?;
        let commitment = withdrawal_commitment(id, &statement);
        let entry = self.operation(EventType::CA_EVENT, &commitment, decision, commitment.to_vec())?;
        rows.push(Row::Citizen(Change::WithdrawCheck { id: id.to_owned(), statement }));
        match self.journal.commit(Commit { kind: Kind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] }).await {
            Err(Error::Store(store::Error::Conflict)) => {
                Err(Error::WrongState { what: "identity check", found: "used".to_owned(), expected: "unused" })
            }
            other => other.map(drop),
        }
    }

    /// What the rules decide about.
    pub async fn check_object(&self, check: &IdentityCheck) -> Result<Object<'static>, Error> {
        let corrupt = |_| Error::Corrupt(format!("identity check {}", check.row.id));
        let recorded_by: PersonId = check.row.submitted_by.parse().map_err(corrupt)?;
        let department: Option<DepartmentId> = check.row.department.as_deref().map(str::parse).transpose().map_err(corrupt)?;
        Ok(Object::IdentityCheck(rules::IdentityCheck { department: self.path(department).await?, recorded_by }))
    }

    async fn check_statement_about(&self, caller: &Caller, check: &IdentityCheck, act: Act, statement: &str) -> Result<Checked, Error> {
        self.policy().decide(&caller.actor, act, &self.check_object(check).await?)?;
        self.check_statement(caller, statement, act, &check.subject_of_statement()?).await
    }

    fn signed(&self, check: &IdentityCheck, act: Act, checked: Checked) -> Result<Signed, Error> {
        let statement = checked.statement.digest();
        let now = self.clock.now();
        let profile = check.row.profile.parse().map_err(|_| Error::Corrupt(format!("identity check {}", check.row.id)))?;
        let decision = allowed(check.about()?, act, Timestamp::new(now), checked.statement.payload().policy, Some(profile));
        let decided = decided(&decision, &[statement], millis(now));
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        Ok(Signed { statement, rows, decision: decided.hash })
    }

    pub(in crate::services) fn proofing_rules(&self, profile: &str) -> Result<ProofingRules, Error> {
        let rules = self.profile(profile)?.proofing().copied();
        rules.ok_or(Error::Refused(policy::Refusal::NotApplicable { act: Act::Prove }))
    }

    /// A code with the pin of the listener's root.
    pub(in crate::services) fn new_code(&self) -> Result<Code, Error> {
        let root = self.authorities.newest(policy::Purpose::Root, "p256").ok_or_else(|| Error::unknown("authority", "root-p256"))?;
        Ok(Code::generate(&root.certificate()?.fingerprint(), &*self.entropy))
    }

    /// A row of the outbox, for whoever has a contact.
    pub(in crate::services) fn notice(&self, kind: &'static str, about: &str, contact: Option<&str>) -> Option<Row> {
        let id = hex::encode(random::<16>(&*self.entropy));
        contact.map(|contact| {
            Row::Citizen(Change::Notice(ContactNoticeRow {
                kind: kind.to_owned(),
                about: about.to_owned(),
                sealed_contact: self.sealer.seal(&format!("contact-notice/{id}"), contact.as_bytes(), &*self.entropy),
                created_at: millis(self.clock.now()),
                sent_at: None,
                id,
            }))
        })
    }
}

/// A statement about a check with the decision that it is: their digests, and the rows that record them.
struct Signed {
    statement: [u8; 32],
    decision: [u8; 32],
    rows: Vec<Row>,
}

fn signed_already() -> Error {
    Error::WrongState { what: "identity check", found: "signed already".to_owned(), expected: "unsigned" }
}

impl IdentityCheck {
    pub fn about(&self) -> Result<About, Error> {
        self.row.id.parse().map_err(|_| Error::Corrupt(format!("identity check {}", self.row.id)))
    }

    /// What both officers are shown. The number is there to be compared with the card, and is not repeated in full.
    pub fn shown(&self) -> Value {
        json!({
            "identity_check": self.row.id,
            "profile": self.row.profile,
            "department": self.row.department,
            "submitted_by": self.row.submitted_by,
            "submitted_at": Timestamp::new(from_millis(self.row.submitted_at)).to_string(),
            "name": self.subject.name,
            "number": self.number.redacted(),
            "contact": self.subject.contact,
            "evidence": hex::encode(&self.row.evidence_digest),
        })
    }

    pub fn subject_of_statement(&self) -> Result<Subject, Error> {
        Ok(Subject { about: self.about()?, shown: self.shown(), salt: self.salt, log: OPERATIONS.to_owned() })
    }

    pub fn name(&self) -> Option<&str> {
        self.subject.name.as_deref()
    }

    pub fn state(&self) -> &'static str {
        match (&self.row.checked, &self.row.confirmed, self.row.used_at) {
            (_, _, Some(_)) => "used",
            (_, Some(_), None) => "confirmed",
            (Some(_), None, None) => "signed",
            (None, None, None) => "recorded",
        }
    }
}

/// The body of the leaf: binds the code and when it works to the statement that made it. A code is random, so its hash gives
/// nothing away.
pub(in crate::services) fn code_commitment(check: &str, statement: &[u8; 32], code: &NewCode) -> [u8; 32] {
    sha256(&canonical(&json!({
        "identity_check": check,
        "statement": hex::encode(statement),
        "locator": hex::encode(&code.locator),
        "code_hash": hex::encode(code.hash),
        "works_from": code.works_from.to_string(),
        "expires_at": code.expires_at.to_string(),
    })))
}

/// The body of the leaf that takes a check back.
pub(in crate::services) fn withdrawal_commitment(check: &str, statement: &[u8; 32]) -> [u8; 32] {
    sha256(&canonical(&json!({"identity_check": check, "withdrawn": hex::encode(statement)})))
}

impl Code {
    /// The proof that the code is exchanged for. It follows from the code, so that an answer that was lost can be given again.
    fn proof(&self) -> ProofToken {
        ProofToken::of(self.derive("hufu/proof"))
    }
}

impl Services {
    /// Exchanges a code for a proof. Until that is used, the same code gets the same answer again.
    pub async fn prove_by_code(&self, code: Code) -> Result<(Proofed, ProofToken), Error> {
        match self.prove(&Counter, code.clone()).await {
            Err(Error::ProofingRefused) => self.proved_before(&code).await,
            other => other,
        }
    }

    async fn proved_before(&self, code: &Code) -> Result<(Proofed, ProofToken), Error> {
        let token = code.proof();
        let row = self.find_proof(token.reveal()).await?;
        if row.expires_at <= millis(self.clock.now()) || row.enrolment.is_some() || row.resumed.is_some() {
            return Err(Error::ProofingRefused);
        }
        Ok((Proofed::of(&row)?, token))
    }
}

/// The code, typed by whom it was given to.
struct Counter;

#[async_trait]
impl Proofing for Counter {
    type Presented = Code;

    /// Unknown, used, too early, too late and guessed at too often are one answer: nobody learns which codes there are.
    async fn establish(&self, services: &Services, now: OffsetDateTime, code: Code) -> Result<Established, Error> {
        let row = {
            let mut connection = services.db.read().await?;
            store::citizens::find_check_by_locator(&mut connection, code.locator()).await?.ok_or(Error::ProofingRefused)?
        };
        if !row.code_hash.as_ref().is_some_and(|hash| code.matches(hash)) {
            let mut tx = services.db.begin_write().await?;
            store::citizens::count_check_failure(tx.connection(), &row.id).await?;
            tx.commit().await?;
            return Err(Error::ProofingRefused);
        }
        let now = millis(now);
        let works = row.works_from.is_some_and(|from| from <= now) && row.expires_at.is_some_and(|end| now < end);
        if !works || row.used_at.is_some() || row.withdrawn.is_some() || row.failures >= MOST_FAILURES {
            return Err(Error::ProofingRefused);
        }
        let check = services.open_check(row)?;
        let statement = |column: &Option<Vec<u8>>| column.as_deref().map(digest).transpose();
        let evidence = json!({
            "method": "counter",
            "assurance": Assurance::High.as_str(),
            "identity_check": check.row.id,
            "profile": check.row.profile,
            "checked": statement(&check.row.checked)?.map(hex::encode),
            "confirmed": statement(&check.row.confirmed)?.map(hex::encode),
            "documents": hex::encode(&check.row.evidence_digest),
        });
        Ok(Established {
            method: "counter",
            assurance: Assurance::High,
            reference: services.vault.reference_of_number(&check.number),
            blind_index: services.vault.index_of_number(&check.number),
            evidence,
            token: code.proof(),
            rows: vec![Row::Citizen(Change::UseCheck { id: check.row.id.clone(), at: now })],
            identity_check: Some(check.row.id),
            subject: check.subject,
            number: Some(check.number),
        })
    }
}
