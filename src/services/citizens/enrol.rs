//! A citizen's own enrolment: a proof of identity and a certification request made on their own device.
//!
//! Every application is answered alike, and at once: with an identifier to ask by. Whether somebody else holds the one
//! certificate that this citizen may have of the profile, the applicant does not learn; the holder does, through the contact
//! that their own proof came with. Then the enrolment is decided: by the proof itself where the profile says so, under a
//! statement of the system key, or by an approver, to whom the proof is evidence.
//!
//! A citizen takes the place of their own certificate without a contest in two cases: they apply with it, or they have
//! suspended it. Its identifier is public, so naming it is not enough.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{
    Services,
    codes::Code,
    enrol::{Application, Enrolment, New, Person},
    error::Error,
    journal::{Commit, Kind},
    revoke::digest,
    rows::Row,
    statements::{Caller, allowed, decided},
};
use crate::{
    crypto::digest::sha256,
    policy::{
        Act, Actor, Assurance, DepartmentId, EnrolmentId, FieldError, FieldRule, Object, PersonId, Profile, Timestamp, profile::Source,
        rules,
    },
    store::{
        self, CertificateRow,
        citizens::{Change, ContestRow, IdentityCheckRow, ProofingRow, SlotRow},
    },
    world::{from_millis, millis},
    x509::{Certificate, CertificateId},
};

/// RFC 5280 §5.3.1.
const SUPERSEDED: u8 = 4;
/// How many enrolments of one kind a round of upkeep decides.
const MOST_DECIDED: i64 = 1000;

/// What a citizen asks for.
pub struct CitizenApplication {
    /// The token of a proof.
    pub token: String,
    pub profile: String,
    /// After a login: whose approvers decide, where the proof does not. A code is from a department's counter.
    pub department: Option<String>,
    /// PEM, one a family.
    pub requests: Vec<Vec<u8>>,
    /// The certificate that the new one takes the place of: after a change of name, or with the old device lost. It counts when
    /// the application comes over a connection with that certificate, or when its holder has suspended it.
    pub replaces: Option<String>,
    /// SHA-256 of the request as it came in.
    pub request_digest: [u8; 32],
}

/// What became of an enrolment, to whoever holds its proof.
pub struct Collected {
    pub state: String,
    pub certificates: Vec<CollectedCertificate>,
}

pub struct CollectedCertificate {
    pub row: CertificateRow,
    /// Leaf first, root last.
    pub chain: Vec<Certificate>,
    /// Shown this once: it takes the place of whichever was shown before.
    pub suspension_code: Code,
}

/// Who holds the one certificate of the profile that this citizen may have.
enum Slot {
    Free,
    /// Its holder's certificate has ended, or never came to be.
    Ended(SlotRow),
    /// Its holder is the applicant, and replaces it.
    Replaced(SlotRow, PersonId),
    Taken(SlotRow, PersonId),
}

impl Services {
    /// Records the application. The same answer whatever there was before; `decide_by_proof` comes after it.
    pub async fn enrol_citizen(&self, guardian: Option<&Caller>, application: CitizenApplication) -> Result<EnrolmentId, Error> {
        let proof = self.find_proof(&application.token).await?;
        if let Some(earlier) = &proof.enrolment {
            return self.enrolled_before(earlier, &application.request_digest).await;
        }
        let profile = self.profile(&application.profile)?;
        self.check_proof(&proof, &profile)?;
        for _ in 0..2 {
            match self.enrol_by_proof(guardian, &profile, &proof, &application).await {
                // Somebody took the slot in this very moment, so it is looked at again.
                Err(Error::Store(store::Error::Taken { constraint })) if constraint.starts_with("identity_slot") => {}
                Err(Error::Store(store::Error::Conflict)) => return Err(Error::ProofingRefused),
                other => return other,
            }
        }
        Err(Error::Busy)
    }

    async fn enrolled_before(&self, enrolment: &str, request: &[u8; 32]) -> Result<EnrolmentId, Error> {
        let row = {
            let mut connection = self.db.read().await?;
            store::enrolments::find(&mut connection, enrolment).await?
        };
        let row = row.filter(|row| row.request_digest == request).ok_or(Error::ProofingRefused)?;
        row.id.parse().map_err(|_| Error::Corrupt(format!("enrolment {}", row.id)))
    }

    /// Young enough, sure enough, and for this profile: a code from a counter waited as long as its own profile says.
    pub(super) fn check_proof(&self, proof: &ProofingRow, profile: &Profile) -> Result<(), Error> {
        let rules = self.proofing_rules(profile.name().as_str())?;
        if proof.expires_at <= millis(self.clock.now()) || proof.blind_index.is_none() {
            return Err(Error::ProofingRefused);
        }
        if assurance(proof)? < rules.lowest {
            return Err(Error::AssuranceTooLow);
        }
        let evidence: Value = serde_json::from_str(&proof.evidence).map_err(|_| Error::Corrupt(format!("proofing {}", proof.id)))?;
        let own = evidence.get("profile").and_then(Value::as_str).is_none_or(|name| name == profile.name().as_str());
        if own { Ok(()) } else { Err(Error::ProofingRefused) }
    }

    async fn enrol_by_proof(
        &self,
        guardian: Option<&Caller>,
        profile: &Profile,
        proof: &ProofingRow,
        application: &CitizenApplication,
    ) -> Result<EnrolmentId, Error> {
        let index = proof.blind_index.as_deref().ok_or(Error::ProofingRefused)?;
        let submitter = guardian.map(Caller::person);
        let slot = self.look_at_slot(profile.name().as_str(), index, application.replaces.as_deref(), submitter).await?;
        let person = match &slot {
            Slot::Replaced(_, person) => Person { id: *person, is_new: New::No },
            _ => Person { id: PersonId::generate(&*self.entropy), is_new: New::Yes },
        };
        let department = self.department_of(proof, application.department.as_deref()).await?;
        let about = rules::Enrolment {
            profile,
            department: self.path(department).await?,
            submitted_by: person.id,
            subject: person.id,
            approved_by: Vec::new(),
        };
        self.policy().decide(&Actor { person: person.id, roles: Vec::new() }, Act::Submit, &Object::Enrolment(about))?;

        let submitted_by = submitter.unwrap_or(person.id);
        let asked = Application {
            profile: application.profile.clone(),
            subject: self.proven_fields(profile, proof)?,
            requests: application.requests.clone(),
            evidence: Some(sha256(proof.evidence.as_bytes())),
            request_digest: application.request_digest,
            ..Application::default()
        };
        let prepared = self.prepare(profile.clone(), department, person, submitted_by, asked).await?;
        let enrolment = prepared.enrolment.id;
        let mut rows = prepared.rows;
        if let Slot::Replaced(..) = slot {
            let replaced = application.replaces.as_deref().and_then(CertificateId::from_hex);
            for row in &mut rows {
                if let Row::Enrolment(row, _) = row {
                    row.replaces = replaced.as_ref().map(|id| id.0.to_vec());
                }
            }
        }
        let now = millis(self.clock.now());
        rows.push(Row::Citizen(Change::UseProofing { id: proof.id.clone(), enrolment: enrolment.to_string(), at: now }));
        rows.extend(self.slot_rows(slot, profile, index, enrolment).await?);
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        Ok(enrolment)
    }

    /// Whose officers it concerns: those of the counter; after a login, those of the department that the applicant names.
    async fn department_of(&self, proof: &ProofingRow, named: Option<&str>) -> Result<Option<DepartmentId>, Error> {
        let Some(check) = self.check_of(proof).await? else { return self.department_id(named).await };
        if named.is_some_and(|named| check.department.as_deref() != Some(named)) {
            return Err(Error::malformed("department", "the code is from another's counter"));
        }
        // What the officers of a merged department have seen counts in its successor.
        let counter = self.known_department_id(check.department.as_deref()).await?;
        Ok(self.place(counter).await?.successor.or(counter))
    }

    /// The name comes from the proof, never from the application.
    fn proven_fields(&self, profile: &Profile, proof: &ProofingRow) -> Result<BTreeMap<String, String>, Error> {
        let names = profile.subject_fields().iter().any(|field| field.attribute.name == "CN" && field.source == Source::Request);
        if !names {
            return Ok(BTreeMap::new());
        }
        let missing = || FieldError { field: "CN", rule: FieldRule::Missing };
        let name = self.proven_subject(proof)?.name;
        let name = name.ok_or_else(|| Error::FieldRefused { profile: profile.name().to_string(), field: missing() })?;
        Ok(BTreeMap::from([("CN".to_owned(), name)]))
    }

    async fn look_at_slot(&self, profile: &str, index: &[u8], replaces: Option<&str>, submitter: Option<PersonId>) -> Result<Slot, Error> {
        let (slot, enrolment) = {
            let mut connection = self.db.read().await?;
            let Some(slot) = store::citizens::find_slot(&mut connection, profile, index).await? else { return Ok(Slot::Free) };
            let enrolment = store::enrolments::find(&mut connection, &slot.enrolment).await?;
            (slot, enrolment)
        };
        let enrolment = enrolment.ok_or_else(|| Error::Corrupt(format!("the slot of enrolment {}", slot.enrolment)))?;
        let person: PersonId = enrolment.person.parse().map_err(|_| Error::Corrupt(format!("enrolment {}", enrolment.id)))?;
        let mut live = Vec::new();
        for row in self.certificates_of_profile(person, profile).await? {
            if self.is_live(&row)? {
                live.push(row);
            }
        }
        if live.is_empty() && !matches!(enrolment.state.as_str(), "submitted" | "approved") {
            return Ok(Slot::Ended(slot));
        }
        let named = live.iter().find(|row| replaces.is_some_and(|id| id == hex::encode(&row.id)));
        let own = match named {
            Some(row) => submitter == Some(person) || self.suspension_by_holder(row).await?.is_some(),
            None => false,
        };
        Ok(if own { Slot::Replaced(slot, person) } else { Slot::Taken(slot, person) })
    }

    /// The slot goes to the new enrolment, or the two are for officers to decide between; whoever holds it is told.
    async fn slot_rows(&self, slot: Slot, profile: &Profile, index: &[u8], enrolment: EnrolmentId) -> Result<Vec<Row>, Error> {
        let now = millis(self.clock.now());
        let own =
            SlotRow { profile: profile.name().to_string(), blind_index: index.to_vec(), enrolment: enrolment.to_string(), taken_at: now };
        Ok(match slot {
            Slot::Free => vec![Row::Citizen(Change::TakeSlot(own))],
            Slot::Ended(held) => vec![Row::Citizen(Change::PassSlot { slot: own, from: held.enrolment })],
            Slot::Replaced(held, person) => {
                let contact = self.contact_of(&held.enrolment).await?;
                let mut rows = vec![Row::Citizen(Change::PassSlot { slot: own, from: held.enrolment })];
                rows.extend(self.notice("second-application", &person.to_string(), contact.as_deref()));
                rows
            }
            Slot::Taken(held, person) => {
                let contact = self.contact_of(&held.enrolment).await?;
                let contest = ContestRow {
                    later: enrolment.to_string(),
                    earlier: held.enrolment,
                    opened_at: now,
                    state: "open".to_owned(),
                    decision: None,
                };
                let mut rows = vec![Row::Citizen(Change::Contest(contest))];
                rows.extend(self.notice("second-application", &person.to_string(), contact.as_deref()));
                rows
            }
        })
    }

    /// Refuses to decide for an enrolment that was proofed and does not hold its citizen's slot.
    pub(in crate::services) async fn check_slot(&self, enrolment: &Enrolment) -> Result<(), Error> {
        self.check_uncontested(enrolment).await?;
        self.first_without_slot(std::slice::from_ref(enrolment)).await?.map_or(Ok(()), |_| Err(followed()))
    }

    /// The same for many.
    pub(in crate::services) async fn check_slots(&self, enrolments: &[Enrolment]) -> Result<(), Error> {
        let Some(id) = self.first_without_slot(enrolments).await? else { return Ok(()) };
        let contested = enrolments.iter().find(|enrolment| enrolment.id.to_string() == id);
        let checked = match contested {
            Some(enrolment) => self.check_uncontested(enrolment).await,
            None => Ok(()),
        };
        Err(checked.err().unwrap_or_else(followed).of_item(&id))
    }

    /// Refuses what one officer would decide about an enrolment that two decide about.
    pub async fn check_uncontested(&self, enrolment: &Enrolment) -> Result<(), Error> {
        let contest = {
            let mut connection = self.db.read().await?;
            store::citizens::find_contest(&mut connection, &enrolment.id.to_string()).await?
        };
        contest.filter(|contest| contest.state == "open").map_or(Ok(()), |contest| Err(Error::Contested { later: contest.later }))
    }

    async fn first_without_slot(&self, enrolments: &[Enrolment]) -> Result<Option<String>, Error> {
        let waiting = enrolments.iter().filter(|enrolment| enrolment.state == "submitted");
        let ids: Vec<String> = waiting.map(|enrolment| enrolment.id.to_string()).collect();
        let mut connection = self.db.read().await?;
        Ok(store::citizens::without_slot(&mut connection, &ids).await?.into_iter().next())
    }

    /// Decides every enrolment whose proof is enough: what a crash or a busy moment left.
    pub(in crate::services) async fn decide_by_proofs(&self) -> Result<usize, Error> {
        let mut decided = 0;
        let profiles: Vec<Profile> = self.policy().profiles().cloned().collect();
        for profile in &profiles {
            let levels = Assurance::ALL.into_iter().filter(|level| profile.proofing().is_some_and(|rules| rules.decides(*level)));
            for level in levels {
                let waiting = {
                    let mut connection = self.db.read().await?;
                    let name = profile.name().as_str();
                    store::citizens::waiting_for_proof(&mut connection, name, level.as_str(), MOST_DECIDED).await?
                };
                for id in waiting {
                    decided += usize::from(self.decide_by_proof(&id).await?);
                }
            }
        }
        Ok(decided)
    }

    /// Decides by the proof, when the profile says that it is enough and the enrolment holds the slot; answers whether it did.
    pub async fn decide_by_proof(&self, id: &str) -> Result<bool, Error> {
        let (proof, slot) = {
            let mut connection = self.db.read().await?;
            let proof = store::citizens::proofing_of(&mut connection, id).await?;
            (proof, store::citizens::slot_of(&mut connection, id).await?)
        };
        let (Some(proof), Some(_)) = (proof, slot) else { return Ok(false) };
        let enrolment = self.find_enrolment(id).await?;
        let rules = self.proofing_rules(enrolment.profile.name().as_str())?;
        if enrolment.state != "submitted" || !rules.decides(assurance(&proof)?) {
            return Ok(false);
        }
        match self.issue_by_proof(&enrolment, &proof).await {
            // Decided at the same moment, by another.
            Err(Error::WrongState { .. }) => Ok(false),
            other => other.map(|()| true),
        }
    }

    async fn issue_by_proof(&self, enrolment: &Enrolment, proof: &ProofingRow) -> Result<(), Error> {
        let subject = self.enrolment_subject(enrolment)?;
        let own = self.system_statement(Act::Prove, subject.about, &subject.shown, &subject.salt, &subject.log).await?;
        let now = self.clock.now();
        let profile = enrolment.profile.name().clone();
        let decision = allowed(subject.about, Act::Prove, Timestamp::new(now), self.policy().digest(), Some(profile));
        let mut statements = vec![own.statement.digest()];
        statements.extend(self.statements_of_check(proof).await?);
        let decided = decided(&decision, &statements, millis(now));
        let mut rows = own.rows;
        rows.extend(decided.rows);
        let state = |from, to| Row::EnrolmentState { id: enrolment.id, from, to, decision: Some(decided.hash), at: millis(now) };
        rows.extend([state("submitted", "approved"), state("approved", "issued")]);
        rows.extend(self.notice("certificate-issued", &enrolment.person.to_string(), self.proven_subject(proof)?.contact.as_deref()));
        let orders = enrolment.requests.iter().map(|request| self.order(enrolment, request, decided.hash)).collect::<Result<_, _>>()?;
        self.issue(rows, orders).await?;
        self.revoke_replaced(&enrolment.id.to_string()).await
    }

    /// What the two officers signed at the counter is what the decision rests on, too.
    pub(super) async fn statements_of_check(&self, proof: &ProofingRow) -> Result<Vec<[u8; 32]>, Error> {
        let Some(row) = self.check_of(proof).await? else { return Ok(Vec::new()) };
        row.checked.iter().chain(&row.confirmed).map(|statement| digest(statement)).collect()
    }

    /// The identity check behind a proof from a counter.
    async fn check_of(&self, proof: &ProofingRow) -> Result<Option<IdentityCheckRow>, Error> {
        let Some(id) = &proof.identity_check else { return Ok(None) };
        let mut connection = self.db.read().await?;
        let row = store::citizens::find_check(&mut connection, id).await?;
        row.map(Some).ok_or_else(|| Error::Corrupt(format!("identity check {id}")))
    }

    /// Revokes what an issued enrolment takes the place of, as superseded, by the system key: the holder asked for it. That is
    /// every other certificate that they have of the profile, for they have one.
    pub(in crate::services) async fn revoke_replaced(&self, enrolment: &str) -> Result<(), Error> {
        let (row, proofed) = {
            let mut connection = self.db.read().await?;
            let proofed = store::citizens::proofing_of(&mut connection, enrolment).await?.is_some();
            (store::enrolments::find(&mut connection, enrolment).await?, proofed)
        };
        let Some(row) = row.filter(|row| proofed && row.replaces.is_some()) else { return Ok(()) };
        let person = row.person.parse().map_err(|_| Error::Corrupt(format!("enrolment {enrolment}")))?;
        for certificate in self.certificates_of_profile(person, &row.profile).await? {
            if certificate.enrolment.as_deref() != Some(enrolment) {
                self.supersede(&certificate).await?;
            }
        }
        Ok(())
    }

    async fn supersede(&self, row: &CertificateRow) -> Result<(), Error> {
        let subject = self.certificate_subject(row).await?;
        let reason = "superseded".parse().ok();
        let own = self.system_statement_because(Act::Revoke, subject.about, &subject.shown, &subject.salt, &subject.log, reason).await?;
        let now = self.clock.now();
        let decision = allowed(subject.about, Act::Revoke, Timestamp::new(now), self.policy().digest(), None);
        let decided = decided(&decision, &[own.statement.digest()], millis(now));
        let Some(revocation) = self.revocation(row, SUPERSEDED, None, decided.hash)? else { return Ok(()) };
        let mut rows = own.rows;
        rows.extend(decided.rows);
        rows.push(revocation.row);
        let commit = Commit { kind: Kind::Revoke, rows, entries: vec![revocation.leaf] };
        if let Err(error) = self.journal.commit(commit).await {
            // The one who issues it and whoever collects it both come here: one of them was first.
            return if self.revocation(row, SUPERSEDED, None, decided.hash)?.is_none() { Ok(()) } else { Err(error) };
        }
        self.publish_after_change(row).await;
        Ok(())
    }

    /// What became of an enrolment, to whoever holds the token of its proof: the state, and once it is issued the certificates,
    /// each with a fresh suspension code.
    pub async fn collect(&self, token: &str, id: &str) -> Result<Collected, Error> {
        let proof = self.find_proof(token).await?;
        if proof.enrolment.as_deref() != Some(id) {
            return Err(Error::ProofingRefused);
        }
        let row = {
            let mut connection = self.db.read().await?;
            store::enrolments::find(&mut connection, id).await?.ok_or_else(|| Error::unknown("enrolment", id))?
        };
        let mut certificates = Vec::new();
        let issued = self.certificates_of_enrolment(id).await?;
        // Promised and not signed yet: that takes a moment more.
        if row.state == "issued" && issued.iter().any(|row| row.signature.is_none() && row.status == "promised") {
            return Ok(Collected { state: "submitted".to_owned(), certificates });
        }
        if row.state == "issued" {
            self.revoke_replaced(id).await?;
            for row in issued.into_iter().filter(|row| row.signature.is_some()) {
                let authority = self.authorities.load(&row.authority)?;
                let mut chain = vec![self.assemble_certificate(&row)?];
                chain.extend(self.authorities.chain(&authority)?.iter().map(|certificate| (**certificate).clone()));
                let suspension_code = self.new_suspension_code(&row).await?;
                certificates.push(CollectedCertificate { chain, suspension_code, row });
            }
        }
        Ok(Collected { state: row.state, certificates })
    }

    /// The evidence behind an enrolment, for whoever approves: its digest is what they are shown and sign.
    pub async fn evidence_of(&self, caller: &Caller, id: &str) -> Result<Value, Error> {
        let (enrolment, proof) = {
            let mut connection = self.db.read().await?;
            (store::enrolments::find(&mut connection, id).await?, store::citizens::proofing_of(&mut connection, id).await?)
        };
        let enrolment = enrolment.ok_or_else(|| Error::unknown("enrolment", id))?;
        self.check_read(caller, enrolment.department.as_deref(), Some(&enrolment.person)).await?;
        let proof = proof.ok_or_else(|| Error::unknown("evidence of enrolment", id))?;
        Ok(json!({
            "enrolment": id,
            "assurance": proof.assurance,
            "reference": proof.reference.map(hex::encode),
            "established_at": Timestamp::new(from_millis(proof.created_at)).to_string(),
            "digest": hex::encode(sha256(proof.evidence.as_bytes())),
            "evidence": proof.evidence,
        }))
    }
}

/// The same citizen has applied again since, and what they applied for then counts.
fn followed() -> Error {
    Error::WrongState { what: "enrolment", found: "followed by another of the same citizen".to_owned(), expected: "their newest" }
}

pub(super) fn assurance(proof: &ProofingRow) -> Result<Assurance, Error> {
    proof.assurance.parse().map_err(|_| Error::Corrupt(format!("proofing {}", proof.id)))
}
