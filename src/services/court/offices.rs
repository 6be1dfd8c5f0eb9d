//! The offices of those who signed: what one grant gave somebody, and what their department was called. Both are what leaves of
//! the operations log bind, so that nothing but the ledger says them.
//!
//! An appointment brings its decision with it, the statements of those who granted it, and their certificates. What offices those
//! held is not followed further.

use serde::{Deserialize, Serialize};

use super::{Gathering, begun_at_the_latest, is_for_holders};
use crate::{
    ledger::{
        Entry, EventType, StatusKey,
        entry::{event_id, version_of},
    },
    policy::{SignerReference, Statement},
    services::{departments::change_commitment, error::Error, logs::OPERATIONS, register::grant_commitment, revoke::digest},
    store::{self, ClaimRow, RoleGrantRow, StatementRow},
};

/// What one grant gave somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appointment {
    /// Of its leaf in the operations log.
    pub receipt: String,
    pub roles: Vec<GrantedRole>,
    pub claims: Vec<GrantedClaim>,
}

/// Times are in milliseconds since 1970, as the leaf binds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantedRole {
    pub id: String,
    pub person: String,
    pub department: Option<String>,
    pub role: String,
    pub granted_at: i64,
}

/// The code for the first certificate, as its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantedClaim {
    pub code_hash: String,
    pub person: String,
    pub profile: String,
    pub department: Option<String>,
    pub expires_at: i64,
}

/// A change of departments: what each of them became by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Of its leaf in the operations log.
    pub receipt: String,
    /// The text that whoever decided on it was shown.
    pub shown: String,
    /// The statement that completed it.
    pub statement: String,
    pub decided_at: i64,
}

impl Appointment {
    /// The body of its leaf; `None` where a code's hash is none.
    pub fn commitment(&self, statement: &[u8; 32]) -> Option<[u8; 32]> {
        let role = |role: &GrantedRole| RoleGrantRow {
            id: role.id.clone(),
            person: role.person.clone(),
            department: role.department.clone(),
            role: role.role.clone(),
            statement: statement.to_vec(),
            granted_at: role.granted_at,
            withdrawn_at: None,
            withdrawn_statement: None,
        };
        let claim = |claim: &GrantedClaim| {
            Some(ClaimRow {
                code_hash: hex::decode(&claim.code_hash).ok()?,
                person: claim.person.clone(),
                profile: claim.profile.clone(),
                department: claim.department.clone(),
                statement: statement.to_vec(),
                expires_at: claim.expires_at,
                used_at: None,
                failures: 0,
            })
        };
        let roles: Vec<RoleGrantRow> = self.roles.iter().map(role).collect();
        let claims: Vec<ClaimRow> = self.claims.iter().map(claim).collect::<Option<_>>()?;
        Some(grant_commitment(&roles.iter().collect::<Vec<_>>(), &claims.iter().collect::<Vec<_>>()))
    }
}

impl Definition {
    /// The body of its leaf.
    pub fn commitment(&self, change: &str, statement: &[u8; 32]) -> [u8; 32] {
        change_commitment(change, &self.shown, statement, self.decided_at)
    }
}

impl From<RoleGrantRow> for GrantedRole {
    fn from(RoleGrantRow { id, person, department, role, granted_at, .. }: RoleGrantRow) -> Self {
        Self { id, person, department, role, granted_at }
    }
}

impl From<ClaimRow> for GrantedClaim {
    fn from(ClaimRow { code_hash, person, profile, department, expires_at, .. }: ClaimRow) -> Self {
        Self { code_hash: hex::encode(code_hash), person, profile, department, expires_at }
    }
}

impl Gathering<'_> {
    /// The office in which somebody signed a statement that this leaf rests on. The system key has none, nor have holders.
    pub(super) async fn office(&mut self, row: &StatementRow, leaf: &Entry, holder: &str) -> Result<(), Error> {
        let statement = Statement::parse(&row.jws)?;
        let (SignerReference::Certificate(_), Some(person)) = (statement.signer(), &row.signer_person) else { return Ok(()) };
        if person == holder && is_for_holders(statement.payload().act) {
            return Ok(());
        }
        // The whole of that second.
        let by = i64::try_from(begun_at_the_latest(statement.payload(), leaf)).unwrap_or_default() * 1000 + 999;
        let (grant, roles, claims, definition) = {
            let mut connection = self.services.db.read().await?;
            let mut roles = store::people::grants_of(&mut connection, person).await?;
            roles.retain(|role| role.granted_at <= by);
            // Whoever signed held one; if not, whoever judges the file says that it is not there.
            let Some(last) = roles.last().cloned() else { return Ok(()) };
            roles.retain(|role| role.statement == last.statement);
            let claims = store::people::claims_of(&mut connection, &last.statement).await?;
            let definition = match &last.department {
                Some(department) => store::departments::last_change(&mut connection, department, by).await?,
                None => None,
            };
            (last.statement, roles, claims, definition)
        };
        if let Some(change) = definition {
            self.definition(change).await?;
        }
        if !self.evidence.appointments.contains_key(&hex::encode(&grant)) {
            self.appointment(digest(&grant)?, roles, claims).await?;
        }
        Ok(())
    }

    /// The appointment of the holder, on whose completing statement the certificate was issued, with everybody who signed it.
    pub(super) async fn own_appointment(&mut self, row: &StatementRow, holder: &str) -> Result<(), Error> {
        let (mut roles, claims) = {
            let mut connection = self.services.db.read().await?;
            let roles = store::people::grants_of(&mut connection, holder).await?;
            (roles, store::people::claims_of(&mut connection, &row.digest).await?)
        };
        roles.retain(|role| role.statement == row.digest);
        let (leaf, statements) = self.appointment(digest(&row.digest)?, roles, claims).await?;
        for statement in &statements {
            self.office(statement, &leaf, holder).await?;
        }
        Ok(())
    }

    /// Adds an appointment with its decision; answers its leaf and the statements.
    async fn appointment(
        &mut self,
        statement: [u8; 32],
        roles: Vec<RoleGrantRow>,
        claims: Vec<ClaimRow>,
    ) -> Result<(Entry, Vec<StatementRow>), Error> {
        let (receipt, leaf) = self.operation(EventType::ROLE, &statement).await?;
        let statements = self.decision(&leaf.digests.decision).await?;
        self.policy(&leaf.digests.policy).await?;
        let (roles, claims) = (roles.into_iter().map(GrantedRole::from).collect(), claims.into_iter().map(GrantedClaim::from).collect());
        self.evidence.appointments.insert(hex::encode(statement), Appointment { receipt, roles, claims });
        Ok((leaf, statements))
    }

    async fn definition(&mut self, row: store::DepartmentChangeRow) -> Result<(), Error> {
        if self.evidence.departments.contains_key(&row.id) {
            return Ok(());
        }
        let undone = || Error::Corrupt(format!("change {} is not done", row.id));
        let statement = digest(row.statement.as_ref().ok_or_else(undone)?)?;
        let (receipt, _) = self.operation(EventType::CA_EVENT, &statement).await?;
        let decided_at = row.decided_at.ok_or_else(undone)?;
        let definition = Definition { receipt, shown: row.shown, statement: hex::encode(statement), decided_at };
        self.evidence.departments.insert(row.id, definition);
        Ok(())
    }

    /// The receipt of a leaf of the operations log that a statement led to, and the leaf.
    async fn operation(&mut self, kind: EventType, statement: &[u8; 32]) -> Result<(String, Entry), Error> {
        let signed = self.checkpoint(OPERATIONS)?;
        let event = event_id(&self.services.origin(OPERATIONS)?, kind, &StatusKey::NONE, version_of(statement));
        let index = {
            let mut connection = self.services.db.read().await?;
            store::ledger::find_event(&mut connection, OPERATIONS, &event).await?
        };
        let index = index.ok_or_else(|| Error::Corrupt(format!("the leaf of statement {} is not there", hex::encode(statement))))?;
        let receipt = self.services.receipt_at(OPERATIONS, index as u64, &signed).await?;
        let leaf = receipt.entry().map_err(|error| Error::Ledger(error.to_string()))?;
        Ok((receipt.to_string(), leaf))
    }
}
