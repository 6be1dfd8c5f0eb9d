//! Officers and claims: who may act, and how they come to their first certificate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Services,
    enrol::{Application, New, Person},
    error::Error,
    issue::Issued,
    journal::{Commit, Kind},
    logs::OPERATIONS,
    rows::Row,
    statements::{Caller, Checked, Subject, Waits, allowed, counted_once, decided},
};
use crate::{
    crypto::digest::sha256,
    ledger::EventType,
    policy::{self, About, Act, Actor, DepartmentId, Missing, Object, PersonId, Role, RoleGrant, Timestamp, jws::canonical},
    store,
    world::{millis, random},
    x509::{Certificate, request::CertificationRequest},
};

/// How long a claim code can be used.
pub(super) const CLAIM_LIFE: time::Duration = time::Duration::days(7);
/// How often a code may be presented with a request that is refused.
pub(super) const MOST_CLAIM_FAILURES: i64 = 10;
/// The profile of an officer's certificate.
const OFFICER: &str = "officer";

/// What is kept, sealed, about a person who holds or will hold roles.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OfficerRecord {
    pub name: String,
    /// The roles that the administrator proposes; they count once a signed grant says so.
    pub proposed: Vec<String>,
    /// Hexadecimal: binds statements to this record and is erased with it.
    pub salt: String,
}

/// An officer as others see them.
#[derive(Debug, Clone)]
pub struct Officer {
    pub id: PersonId,
    pub name: String,
    pub department: Option<DepartmentId>,
    pub proposed: Vec<Role>,
    pub roles: Vec<RoleGrant>,
    /// Roles that they held have ended.
    pub dismissed: bool,
    pub salt: [u8; 32],
}

/// A claim code, shown once: its first half opens the claim, its second names the root to trust.
#[derive(Debug, Clone)]
pub struct ClaimCode {
    secret: [u8; 16],
    pin: [u8; 16],
}

impl ClaimCode {
    pub fn hash(&self) -> [u8; 32] {
        sha256(&self.secret)
    }

    fn parse_hash(text: &str) -> Result<[u8; 32], Error> {
        let (secret, _) = text.split_once('-').ok_or(Error::ClaimRefused)?;
        let secret: [u8; 16] = hex::decode(secret).ok().and_then(|octets| octets.try_into().ok()).ok_or(Error::ClaimRefused)?;
        Ok(sha256(&secret))
    }

    /// Reads a code that was written to a file before.
    pub fn from_text(text: &str) -> Option<Self> {
        let (secret, pin) = text.split_once('-')?;
        Some(Self { secret: hex::decode(secret).ok()?.try_into().ok()?, pin: hex::decode(pin).ok()?.try_into().ok()? })
    }
}

impl std::fmt::Display for ClaimCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", hex::encode(self.secret), hex::encode(self.pin))
    }
}

/// What a grant led to.
pub enum Granted {
    /// With the code for the officer's first certificate, shown this once.
    Appointed(Officer, ClaimCode),
    /// Recorded; more people must grant.
    Waiting(Officer, Missing),
}

/// What a claim answers: the certificate with everything its holder needs.
pub struct Claimed {
    pub issued: Issued,
    pub name: String,
    pub person: PersonId,
    /// Leaf first, root last.
    pub chain: Vec<Certificate>,
    pub roots: Vec<Certificate>,
}

impl Services {
    /// Proposes an officer; the roles count once `grant` has a signed statement.
    pub async fn propose_officer(&self, caller: &Caller, name: &str, department: Option<&str>, roles: &[String]) -> Result<Officer, Error> {
        check_text("name", name)?;
        let department = self.department_id(department).await?;
        if roles.is_empty() {
            return Err(Error::malformed("roles", "an officer has at least one role"));
        }
        let proposed: Vec<Role> =
            roles.iter().map(|role| role.parse().map_err(|error| Error::malformed("roles", error))).collect::<Result<_, _>>()?;
        let officer = Officer {
            id: PersonId::generate(&*self.entropy),
            name: name.to_owned(),
            department,
            proposed,
            roles: Vec::new(),
            dismissed: false,
            salt: random(&*self.entropy),
        };
        self.check_grants(&caller.actor, Act::Submit, &officer).await?;
        let mut rows = vec![self.officer_row(&officer)];
        rows.extend(department.map(Row::StandingDepartment));
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        Ok(officer)
    }

    pub(super) fn officer_row(&self, officer: &Officer) -> Row {
        let record = OfficerRecord {
            name: officer.name.clone(),
            proposed: officer.proposed.iter().map(ToString::to_string).collect(),
            salt: hex::encode(officer.salt),
        };
        // A record of text always serialises.
        let json = serde_json::to_vec(&record).expect("an officer record serialises");
        Row::Person(store::PersonRow {
            id: officer.id.to_string(),
            kind: "person".to_owned(),
            department: officer.department.map(|department| department.to_string()),
            created_at: millis(self.clock.now()),
            sealed_profile: Some(self.sealer.seal(&format!("person/{}", officer.id), &json, &*self.entropy)),
        })
    }

    pub async fn find_officer(&self, id: &str) -> Result<Officer, Error> {
        let unknown = || Error::unknown("officer", id);
        let row = {
            let mut connection = self.db.read().await?;
            store::people::find_person(&mut connection, id).await?.ok_or_else(unknown)?
        };
        if let Some(officer) = self.load_officer(&row).await? {
            return Ok(officer);
        }
        // Whoever was proposed in a department that was merged is forgotten with it.
        self.department_id(row.department.as_deref()).await?;
        Err(unknown())
    }

    pub(super) async fn load_officer(&self, row: &store::PersonRow) -> Result<Option<Officer>, Error> {
        let Some(sealed) = &row.sealed_profile else { return Ok(None) };
        let corrupt = || Error::Corrupt(format!("person {}", row.id));
        let id: PersonId = row.id.parse().map_err(|_| corrupt())?;
        let record: OfficerRecord = serde_json::from_slice(&self.sealer.open(&format!("person/{id}"), sealed)?).map_err(|_| corrupt())?;
        Ok(Some(Officer {
            id,
            name: record.name,
            department: row.department.as_deref().map(str::parse).transpose().map_err(|_| corrupt())?,
            proposed: record.proposed.iter().map(|role| role.parse().map_err(|_| corrupt())).collect::<Result<_, _>>()?,
            roles: self.roles(id).await?,
            dismissed: self.was_dismissed(id).await?,
            salt: hex::decode(&record.salt).ok().and_then(|salt| salt.try_into().ok()).ok_or_else(corrupt)?,
        }))
    }

    pub async fn officers(&self, after: Option<&str>, limit: i64) -> Result<Vec<Officer>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::people::officers(&mut connection, after, limit).await?
        };
        let mut officers = Vec::new();
        for row in &rows {
            officers.extend(self.load_officer(row).await?);
        }
        Ok(officers)
    }

    /// The roles a person holds now, by signed grants that were not withdrawn.
    pub async fn roles(&self, person: PersonId) -> Result<Vec<RoleGrant>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::people::roles(&mut connection, &person.to_string()).await?
        };
        let corrupt = || Error::Corrupt(format!("a role of person {person}"));
        rows.iter()
            .map(|row| {
                Ok(RoleGrant {
                    role: row.role.parse().map_err(|_| corrupt())?,
                    department: row.department.as_deref().map(str::parse).transpose().map_err(|_| corrupt())?,
                })
            })
            .collect()
    }

    async fn was_dismissed(&self, person: PersonId) -> Result<bool, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::people::has_withdrawn_role(&mut connection, &person.to_string()).await?)
    }

    /// What whoever grants roles is shown.
    pub fn officer_subject(&self, officer: &Officer) -> Subject {
        Subject {
            about: About::from(officer.id),
            shown: json!({
                "person": officer.id.to_string(),
                "name": officer.name,
                "department": officer.department.map(|department| department.to_string()),
                "roles": officer.proposed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
            salt: officer.salt,
            log: OPERATIONS.to_owned(),
        }
    }

    /// The same before anybody grants, while there is something to grant, to somebody who has not done so.
    pub async fn grant_subject(&self, caller: &Caller, id: &str) -> Result<Subject, Error> {
        let officer = self.find_officer(id).await?;
        self.check_grants(&caller.actor, Act::Grant, &officer).await?;
        self.check_department_stands(&officer).await?;
        officer.must_have_no_role()?;
        counted_once(caller, &self.open_grants(&officer).await?)?;
        Ok(self.officer_subject(&officer))
    }

    /// And before anybody dismisses.
    pub async fn dismissal_subject(&self, caller: &Caller, id: &str) -> Result<Subject, Error> {
        let officer = self.find_officer(id).await?;
        self.check_dismissal(&caller.actor, &officer).await?;
        if officer.roles.is_empty() && officer.dismissed {
            return Err(dismissed());
        }
        Ok(self.officer_subject(&officer))
    }

    /// One that was merged meanwhile has no officers any more.
    async fn check_department_stands(&self, officer: &Officer) -> Result<(), Error> {
        self.department_id(officer.department.map(|department| department.to_string()).as_deref()).await.map(drop)
    }

    /// Records a signed grant of the proposed roles. The one that makes enough people appoints the officer, and makes the
    /// claim code for their first certificate.
    pub async fn grant(&self, caller: &Caller, id: &str, statement: &str) -> Result<Granted, Error> {
        let officer = self.find_officer(id).await?;
        self.check_grants(&caller.actor, Act::Grant, &officer).await?;
        self.check_department_stands(&officer).await?;
        let checked = self.check_statement(caller, statement, Act::Grant, &self.officer_subject(&officer)).await?;
        officer.must_have_no_role()?;
        let earlier = self.open_grants(&officer).await?;
        counted_once(caller, &earlier)?;
        let mut signers: Vec<Actor> = earlier.iter().map(|(signer, _)| signer.clone()).collect();
        signers.push(caller.actor.clone());
        if let Some(missing) = self.policy().quorum(Act::Grant).missing(&signers, officer.department) {
            self.journal.commit(Commit { kind: Kind::Other, rows: checked.rows, entries: Vec::new() }).await?;
            return Ok(Granted::Waiting(officer, missing));
        }
        let code = self.claim_code()?;
        let others: Vec<[u8; 32]> = earlier.into_iter().map(|(_, statement)| statement).collect();
        match self.journal.commit(self.grant_commit(&officer, &others, checked, &code)?).await {
            Err(Error::Store(store::Error::Taken { constraint })) if constraint.contains("role_grant_standing") => return Err(appointed()),
            other => other?,
        };
        Ok(Granted::Appointed(self.find_officer(id).await?, code))
    }

    /// The policy of a grant: each proposed role by itself, and all of them together.
    pub async fn check_grants(&self, actor: &Actor, act: Act, officer: &Officer) -> Result<(), Error> {
        let department = self.path(officer.department).await?;
        let mut of = Actor { person: officer.id, roles: officer.roles.clone() };
        for grant in officer.grants() {
            self.policy().decide(actor, act, &Object::Role { of: &of, role: grant.role, department: department.clone() })?;
            of.roles.push(grant);
        }
        Ok(())
    }

    /// The recorded grants of an officer that wait for another, by people who may grant this now.
    async fn open_grants(&self, officer: &Officer) -> Result<Vec<(Actor, [u8; 32])>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::statements::open(&mut connection, Act::Grant.as_str(), &About::from(officer.id).to_string()).await?
        };
        let mut grants = Vec::new();
        for (signer, statement) in self.signers(&rows).await? {
            match self.check_grants(&signer, Act::Grant, officer).await {
                Ok(()) => grants.push((signer, statement)),
                Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(grants)
    }

    /// Who has granted what is proposed of an officer, and who must still; `None` when nothing of theirs waits.
    pub async fn waits_for_grant(&self, officer: &Officer) -> Result<Option<Waits>, Error> {
        if !officer.roles.is_empty() {
            return Ok(None);
        }
        let signers: Vec<Actor> = self.open_grants(officer).await?.into_iter().map(|(signer, _)| signer).collect();
        let waits = Waits::of(&signers, self.policy().quorum(Act::Grant), officer.department);
        Ok((!officer.dismissed || !signers.is_empty()).then_some(waits))
    }

    /// The policy of a dismissal: of each role that is held, or proposed as long as none is.
    pub async fn check_dismissal(&self, actor: &Actor, officer: &Officer) -> Result<(), Error> {
        let of = Actor { person: officer.id, roles: officer.roles.clone() };
        let roles: Vec<RoleGrant> = if officer.roles.is_empty() { officer.grants().collect() } else { officer.roles.clone() };
        for grant in roles {
            let role = Object::Role { of: &of, role: grant.role, department: self.path(grant.department).await? };
            self.policy().decide(actor, Act::Dismiss, &role)?;
        }
        Ok(())
    }

    /// Ends all roles of an officer on a signed statement, or takes the proposal back of one who was never appointed.
    pub async fn dismiss(&self, caller: &Caller, id: &str, statement: &str) -> Result<(), Error> {
        let officer = self.find_officer(id).await?;
        self.check_dismissal(&caller.actor, &officer).await?;
        let checked = self.check_statement(caller, statement, Act::Dismiss, &self.officer_subject(&officer)).await?;
        if officer.roles.is_empty() {
            return self.take_back_proposal(&officer, checked).await;
        }
        let now = millis(self.clock.now());
        let digest = checked.statement.digest();
        let payload = checked.statement.payload();
        let decision = allowed(payload.about, Act::Dismiss, Timestamp::new(self.clock.now()), payload.policy, None);
        let decided = decided(&decision, &[digest], now);
        let commitment = dismissal_commitment(&officer.id.to_string(), now);
        let entry = self.operation(EventType::ROLE, &digest, decided.hash, commitment.to_vec())?;
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        rows.push(Row::WithdrawGrants { person: officer.id, statement: digest, at: now });
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] }).await?;
        Ok(())
    }

    /// Who was proposed is forgotten; nobody can grant that any more. The ledger never knew of it.
    async fn take_back_proposal(&self, officer: &Officer, checked: Checked) -> Result<(), Error> {
        let now = self.clock.now();
        let payload = checked.statement.payload();
        let decision = allowed(payload.about, Act::Dismiss, Timestamp::new(now), payload.policy, None);
        let decided = decided(&decision, &[checked.statement.digest()], millis(now));
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        rows.push(Row::ForgetProposal { person: officer.id });
        match self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await {
            Err(Error::Store(store::Error::Conflict)) if officer.dismissed => Err(dismissed()),
            // Appointed in this very moment.
            Err(Error::Store(store::Error::Conflict)) => Err(Error::SeenStale),
            other => other.map(drop),
        }
    }

    /// The rows and the leaf of a grant with its claim: on the statement that completes it and those that came before.
    pub(super) fn grant_commit(
        &self,
        officer: &Officer,
        earlier: &[[u8; 32]],
        checked: Checked,
        code: &ClaimCode,
    ) -> Result<Commit, Error> {
        let now = self.clock.now();
        let digest = checked.statement.digest();
        let payload = checked.statement.payload();
        let decision = allowed(payload.about, payload.act, Timestamp::new(now), payload.policy, None);
        let decided = decided(&decision, &[earlier, &[digest]].concat(), millis(now));
        let grant_row = |grant: RoleGrant| store::RoleGrantRow {
            id: hex::encode(random::<16>(&*self.entropy)),
            person: officer.id.to_string(),
            department: grant.department.map(|department| department.to_string()),
            role: grant.role.to_string(),
            statement: digest.to_vec(),
            granted_at: millis(now),
            withdrawn_at: None,
            withdrawn_statement: None,
        };
        let grants: Vec<store::RoleGrantRow> = officer.grants().map(grant_row).collect();
        let claim = store::ClaimRow {
            code_hash: code.hash().to_vec(),
            person: officer.id.to_string(),
            profile: OFFICER.to_owned(),
            department: officer.department.map(|department| department.to_string()),
            statement: digest.to_vec(),
            expires_at: millis(now + CLAIM_LIFE),
            used_at: None,
            failures: 0,
        };
        let commitment = grant_commitment(&grants.iter().collect::<Vec<_>>(), &[&claim]);
        let entry = self.operation(EventType::ROLE, &digest, decided.hash, commitment.to_vec())?;
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        rows.extend(grants.into_iter().map(Row::Grant));
        rows.push(Row::Claim(claim));
        Ok(Commit { kind: Kind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] })
    }

    pub(super) fn claim_code(&self) -> Result<ClaimCode, Error> {
        let listener = self.authorities.newest(policy::Purpose::Root, "p256").ok_or_else(|| Error::unknown("authority", "root-p256"))?;
        let fingerprint = listener.certificate()?.fingerprint();
        let mut pin = [0; 16];
        pin.copy_from_slice(&fingerprint[..16]);
        Ok(ClaimCode { secret: random(&*self.entropy), pin })
    }

    /// Issues the certificate that a claim code stands for: an officer's, by their grant, or a member of staff's, by the approval
    /// of their enrolment. The request proves possession of the key.
    pub async fn claim(&self, code: &str, csr: &[u8]) -> Result<Claimed, Error> {
        let hash = ClaimCode::parse_hash(code)?;
        let found = {
            let mut connection = self.db.read().await?;
            store::people::find_claim(&mut connection, &hash).await?
        };
        let Some(row) = found else { return self.claim_enrolment(hash, csr).await };
        if row.used_at.is_some() {
            let officer = self.find_officer(&row.person).await?;
            return self.claimed_again(officer.id, officer.name, csr).await;
        }
        let usable = row.expires_at > millis(self.clock.now()) && row.failures < MOST_CLAIM_FAILURES;
        if !usable {
            return Err(Error::ClaimRefused);
        }
        match self.claim_once(&row, hash, csr).await {
            Ok(claimed) => Ok(claimed),
            Err(error) => {
                if error.is_of_a_bad_request() {
                    let mut tx = self.db.begin_write().await?;
                    store::people::count_claim_failure(tx.connection(), &hash).await?;
                    tx.commit().await?;
                }
                Err(error)
            }
        }
    }

    /// The certificate that a used code was exchanged for, to the holder of its key alone: the answer may have been lost on its
    /// way, so whoever has the code and the very key gets it once more.
    pub(super) async fn claimed_again(&self, person: PersonId, name: String, csr: &[u8]) -> Result<Claimed, Error> {
        let request = CertificationRequest::parse(csr).map_err(|_| Error::ClaimRefused)?;
        request.verify_possession().map_err(|_| Error::ClaimRefused)?;
        let found = {
            let mut connection = self.db.read().await?;
            store::certificates::of_key(&mut connection, &request.public_key().fingerprint()).await?
        };
        let found = found.filter(|found| found.person == person.to_string()).ok_or(Error::ClaimRefused)?;
        let issued = self.issued_before(&found)?;
        self.claimed(person, name, issued)
    }

    /// What the holder of a claimed certificate needs: it, its chain and the roots.
    pub(super) fn claimed(&self, person: PersonId, name: String, issued: Issued) -> Result<Claimed, Error> {
        let chain = self.chain_of(&issued)?;
        let roots = self.authorities.roots()?.iter().map(|certificate| (**certificate).clone()).collect();
        Ok(Claimed { issued, name, person, chain, roots })
    }

    /// A certificate with those above it: leaf first, root last.
    pub(super) fn chain_of(&self, issued: &Issued) -> Result<Vec<Certificate>, Error> {
        let authority = self.authorities.load(&issued.authority)?;
        let mut chain = vec![issued.certificate.clone()];
        chain.extend(self.authorities.chain(&authority)?.iter().map(|certificate| (**certificate).clone()));
        Ok(chain)
    }

    async fn claim_once(&self, row: &store::ClaimRow, hash: [u8; 32], csr: &[u8]) -> Result<Claimed, Error> {
        let officer = self.find_officer(&row.person).await?;
        if officer.roles.is_empty() {
            // Dismissed before the code was used.
            return Err(Error::ClaimRefused);
        }
        let profile = self.profile(&row.profile)?;
        let application = Application {
            profile: row.profile.clone(),
            subject: BTreeMap::from([("CN".to_owned(), officer.name.clone())]),
            requests: vec![csr.to_vec()],
            request_digest: sha256(csr),
            ..Application::default()
        };
        let person = Person { id: officer.id, is_new: New::No };
        let prepared = self.prepare(profile, officer.department, person, officer.id, application).await?;
        let enrolment = prepared.enrolment;

        let subject = self.enrolment_subject(&enrolment)?;
        let own = self.system_statement(Act::Claim, subject.about, &subject.shown, &subject.salt, &subject.log).await?;
        let now = millis(self.clock.now());
        let grant = super::revoke::digest(&row.statement)?;
        let decision = allowed(
            subject.about,
            Act::Claim,
            Timestamp::new(self.clock.now()),
            self.policy().digest(),
            Some(enrolment.profile.name().clone()),
        );
        let decided = decided(&decision, &[grant, own.statement.digest()], now);

        let mut rows = prepared.rows;
        rows.push(Row::UseClaim { code_hash: hash, at: now });
        rows.extend(own.rows);
        rows.extend(decided.rows);
        let state = |from, to| Row::EnrolmentState { id: enrolment.id, from, to, decision: Some(decided.hash), at: now };
        rows.extend([state("submitted", "approved"), state("approved", "issued")]);
        let orders = enrolment.requests.iter().map(|request| self.order(&enrolment, request, decided.hash)).collect::<Result<_, _>>()?;
        let issued = self.issue(rows, orders).await?.into_iter().next().ok_or(Error::NoRequests)?;

        self.claimed(officer.id, officer.name, issued)
    }
}

fn appointed() -> Error {
    Error::WrongState { what: "officer", found: "appointed".to_owned(), expected: "proposed" }
}

fn dismissed() -> Error {
    Error::WrongState { what: "officer", found: "dismissed".to_owned(), expected: "proposed or appointed" }
}

impl Officer {
    fn must_have_no_role(&self) -> Result<(), Error> {
        if self.roles.is_empty() { Ok(()) } else { Err(appointed()) }
    }

    /// The grants that the proposal asks for.
    pub fn grants(&self) -> impl Iterator<Item = RoleGrant> {
        self.proposed.iter().map(|role| RoleGrant { role: *role, department: self.department })
    }
}

/// The body of a grant's leaf: binds the roles and the claim codes that came of one statement, whose own `seen` can only be
/// checked by who may open the sealed name. A code is random, so its hash gives nothing away.
pub(super) fn grant_commitment(grants: &[&store::RoleGrantRow], claims: &[&store::ClaimRow]) -> [u8; 32] {
    let mut grants: Vec<Value> = grants
        .iter()
        .map(|row| json!([row.id, row.person, row.department, row.role, row.granted_at.to_string(), hex::encode(&row.statement)]))
        .collect();
    let mut claims: Vec<Value> = claims
        .iter()
        .map(|row| json!([hex::encode(&row.code_hash), row.person, row.profile, row.department, row.expires_at.to_string()]))
        .collect();
    grants.sort_by_cached_key(Value::to_string);
    claims.sort_by_cached_key(Value::to_string);
    sha256(&canonical(&json!({"claims": claims, "grants": grants})))
}

/// The body of a dismissal's leaf.
pub(super) fn dismissal_commitment(person: &str, at: i64) -> [u8; 32] {
    sha256(&canonical(&json!({"person": person, "withdrawn_at": at.to_string()})))
}

/// The body of the leaf of a department that was made before statements made them: binds it and the names it might certify.
pub(super) fn department_commitment(row: &store::DepartmentRow, namespaces: &[(&str, String)]) -> [u8; 32] {
    let mut names: Vec<Value> = namespaces.iter().map(|(kind, value)| json!([kind, value])).collect();
    names.sort_by_cached_key(Value::to_string);
    sha256(&canonical(&json!({
        "id": row.id,
        "name": row.name,
        "created_by": row.created_by,
        "created_at": row.created_at.to_string(),
        "idempotency_key": row.idempotency_key,
        "request": row.request_digest.as_ref().map(hex::encode),
        "names": names,
    })))
}

/// Text that people will read: present, not too long, nothing invisible in it.
pub(super) fn check_text(field: &'static str, text: &str) -> Result<(), Error> {
    let plain = !text.trim().is_empty() && text.trim() == text && text.chars().count() <= 128 && !text.chars().any(char::is_control);
    if plain { Ok(()) } else { Err(Error::malformed(field, "1 to 128 characters, no control characters, no space around it")) }
}
