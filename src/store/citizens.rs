//! Citizens: identity checks, proofings, the slots of their certificates, contests, what they are told, suspension codes.
//!
//! Here are the rows and what changes them together with leaves; `reads.rs` finds and counts, `forget.rs` destroys.

mod forget;
mod reads;

pub use forget::forget;
pub use reads::*;

use super::{Connection, Error, StateChange, expect_one, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct IdentityCheckRow {
    pub id: String,
    pub profile: String,
    pub department: Option<String>,
    pub submitted_by: String,
    pub submitted_at: i64,
    pub sealed_subject: Option<Vec<u8>>,
    pub sealed_number: Option<Vec<u8>>,
    pub salt: Option<Vec<u8>>,
    pub evidence_digest: Vec<u8>,
    pub checked: Option<Vec<u8>>,
    pub confirmed: Option<Vec<u8>>,
    pub locator: Option<Vec<u8>>,
    pub code_hash: Option<Vec<u8>>,
    pub works_from: Option<i64>,
    pub expires_at: Option<i64>,
    pub failures: i64,
    pub used_at: Option<i64>,
    pub withdrawn: Option<Vec<u8>>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct OidcFlowRow {
    pub state_hash: Vec<u8>,
    pub browser_hash: Vec<u8>,
    pub sealed_secrets: Vec<u8>,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ProofingRow {
    pub id: String,
    pub method: String,
    pub assurance: String,
    pub reference: Option<Vec<u8>>,
    pub evidence: String,
    pub identity_check: Option<String>,
    pub sealed_subject: Option<Vec<u8>>,
    pub sealed_number: Option<Vec<u8>>,
    pub blind_index: Option<Vec<u8>>,
    pub token_hash: Vec<u8>,
    pub created_at: i64,
    pub expires_at: i64,
    pub enrolment: Option<String>,
    pub resumed: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SlotRow {
    pub profile: String,
    pub blind_index: Vec<u8>,
    pub enrolment: String,
    pub taken_at: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ContestRow {
    pub later: String,
    pub earlier: String,
    pub opened_at: i64,
    pub state: String,
    pub decision: Option<Vec<u8>>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ContactNoticeRow {
    pub id: String,
    pub kind: String,
    pub about: String,
    pub sealed_contact: Vec<u8>,
    pub created_at: i64,
    pub sent_at: Option<i64>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SuspensionCodeRow {
    pub certificate: Vec<u8>,
    pub locator: Vec<u8>,
    pub code_hash: Vec<u8>,
    pub created_at: i64,
    pub failures: i64,
    pub used_at: Option<i64>,
}

/// A change that is committed together with leaves or statements. Each says what it expects and is `Conflict` otherwise.
#[derive(Debug, Clone)]
pub enum Change {
    Check(IdentityCheckRow),
    /// The officer who recorded it has signed.
    Checked {
        id: String,
        statement: [u8; 32],
    },
    /// Another has confirmed it, and there is a code.
    Confirmed {
        id: String,
        statement: [u8; 32],
        code: NewCode,
    },
    UseCheck {
        id: String,
        at: i64,
    },
    /// An officer has taken it back before its code was used: who it was about is forgotten, too.
    WithdrawCheck {
        id: String,
        statement: [u8; 32],
    },
    Proofing(ProofingRow),
    UseProofing {
        id: String,
        enrolment: String,
        at: i64,
    },
    /// The proof ended a suspension instead.
    UseProofingToResume {
        id: String,
        certificate: [u8; 32],
        at: i64,
    },
    /// The slot is free.
    TakeSlot(SlotRow),
    /// The slot is held by `from`, which has ended or is replaced. Whoever contests with `from` contests with what follows it.
    PassSlot {
        slot: SlotRow,
        from: String,
    },
    /// Its earlier enrolment holds the slot.
    Contest(ContestRow),
    /// Two officers have decided between exactly these two.
    DecideContest {
        later: String,
        earlier: String,
        state: &'static str,
        decision: [u8; 32],
    },
    Notice(ContactNoticeRow),
    UseSuspensionCode {
        certificate: [u8; 32],
        at: i64,
    },
    /// Destroys what is held about a person; what the ledger rests on stays.
    Erase {
        person: String,
        decision: [u8; 32],
    },
}

/// What is kept of a code that was handed out.
#[derive(Debug, Clone)]
pub struct NewCode {
    pub locator: Vec<u8>,
    pub hash: [u8; 32],
    pub works_from: i64,
    pub expires_at: i64,
}

pub async fn write(connection: &mut Connection, change: &Change) -> Result<(), Error> {
    match change {
        Change::Check(row) => insert_check(connection, row).await,
        Change::Checked { id, statement } => {
            const SQL: &str = "update identity_check set checked = $1 where id = $2 and checked is null and withdrawn is null";
            expect_one(
                on!(connection, c => sqlx::query(SQL).bind(&statement[..]).bind(id).execute(c).await.map(|done| done.rows_affected()))?,
            )
        }
        Change::Confirmed { id, statement, code } => confirm_check(connection, id, statement, code).await,
        Change::UseCheck { id, at } => {
            const SQL: &str = "update identity_check set used_at = $1 where id = $2 and used_at is null and withdrawn is null \
                 and works_from <= $1 and expires_at > $1";
            expect_one(on!(connection, c => sqlx::query(SQL).bind(at).bind(id).execute(c).await.map(|done| done.rows_affected()))?)
        }
        Change::WithdrawCheck { id, statement } => {
            const SQL: &str = "update identity_check set withdrawn = $1, sealed_subject = null, sealed_number = null, salt = null \
                 where id = $2 and withdrawn is null and used_at is null";
            const TOLD: &str = "delete from contact_notice where about = $1";
            on!(connection, c => sqlx::query(TOLD).bind(id).execute(c).await.map(drop))?;
            expect_one(
                on!(connection, c => sqlx::query(SQL).bind(&statement[..]).bind(id).execute(c).await.map(|done| done.rows_affected()))?,
            )
        }
        Change::Proofing(row) => insert_proofing(connection, row).await,
        Change::UseProofing { id, enrolment, at } => {
            const SQL: &str =
                "update proofing set enrolment = $1 where id = $2 and enrolment is null and resumed is null and expires_at > $3";
            expect_one(
                on!(connection, c => sqlx::query(SQL).bind(enrolment).bind(id).bind(at).execute(c).await.map(|done| done.rows_affected()))?,
            )
        }
        Change::UseProofingToResume { id, certificate, at } => {
            const SQL: &str =
                "update proofing set resumed = $1 where id = $2 and enrolment is null and resumed is null and expires_at > $3";
            expect_one(on!(connection, c => sqlx::query(SQL)
                .bind(&certificate[..])
                .bind(id)
                .bind(at)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?)
        }
        Change::TakeSlot(row) => {
            const SQL: &str = "insert into identity_slot (profile, blind_index, enrolment, taken_at) values ($1, $2, $3, $4)";
            on!(connection, c => sqlx::query(SQL)
                .bind(&row.profile)
                .bind(&row.blind_index)
                .bind(&row.enrolment)
                .bind(row.taken_at)
                .execute(c)
                .await
                .map(drop))?;
            Ok(())
        }
        Change::PassSlot { slot, from } => {
            const SQL: &str =
                "update identity_slot set enrolment = $1, taken_at = $2 where profile = $3 and blind_index = $4 and enrolment = $5";
            expect_one(on!(connection, c => sqlx::query(SQL)
                .bind(&slot.enrolment)
                .bind(slot.taken_at)
                .bind(&slot.profile)
                .bind(&slot.blind_index)
                .bind(from)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?)?;
            const CONTESTS: &str = "update contest set earlier = $1 where earlier = $2 and state = 'open'";
            on!(connection, c => sqlx::query(CONTESTS).bind(&slot.enrolment).bind(from).execute(c).await.map(drop))?;
            Ok(())
        }
        Change::Contest(row) => {
            const SQL: &str = "insert into contest (later, earlier, opened_at, state, decision) select $1, s.enrolment, $3, $4, $5 \
                 from identity_slot s where s.enrolment = $2";
            expect_one(on!(connection, c => sqlx::query(SQL)
                .bind(&row.later)
                .bind(&row.earlier)
                .bind(row.opened_at)
                .bind(&row.state)
                .bind(&row.decision)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?)
        }
        Change::DecideContest { later, earlier, state, decision } => {
            const SQL: &str = "update contest set state = $1, decision = $2 where later = $3 and earlier = $4 and state = 'open'";
            expect_one(on!(connection, c => sqlx::query(SQL)
                .bind(*state)
                .bind(&decision[..])
                .bind(later)
                .bind(earlier)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?)
        }
        Change::Notice(row) => insert_notice(connection, row).await,
        Change::UseSuspensionCode { certificate, at } => {
            const SQL: &str = "update suspension_code set used_at = $1 where certificate = $2 and used_at is null";
            expect_one(
                on!(connection, c => sqlx::query(SQL).bind(at).bind(&certificate[..]).execute(c).await.map(|done| done.rows_affected()))?,
            )
        }
        Change::Erase { person, decision } => forget::erase(connection, person, decision).await,
    }
}

/// Enrolments ended, each by its decision: a contest about whether one of them goes on has no object any more.
pub async fn end_contests(connection: &mut Connection, ended: &[StateChange]) -> Result<(), Error> {
    const SQL: &str = "update contest set state = 'moot', decision = $1 where later = $2 and state = 'open'";
    for StateChange { id, decision, .. } in ended {
        on!(connection, c => sqlx::query(SQL).bind(decision).bind(id).execute(c).await.map(drop))?;
    }
    Ok(())
}

async fn insert_check(connection: &mut Connection, row: &IdentityCheckRow) -> Result<(), Error> {
    const SQL: &str = "insert into identity_check (id, profile, department, submitted_by, submitted_at, sealed_subject, sealed_number, \
         salt, evidence_digest, failures) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.profile)
        .bind(&row.department)
        .bind(&row.submitted_by)
        .bind(row.submitted_at)
        .bind(&row.sealed_subject)
        .bind(&row.sealed_number)
        .bind(&row.salt)
        .bind(&row.evidence_digest)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

async fn confirm_check(connection: &mut Connection, id: &str, statement: &[u8; 32], code: &NewCode) -> Result<(), Error> {
    const SQL: &str = "update identity_check set confirmed = $1, locator = $2, code_hash = $3, works_from = $4, expires_at = $5 \
         where id = $6 and checked is not null and confirmed is null and withdrawn is null";
    expect_one(on!(connection, c => sqlx::query(SQL)
        .bind(&statement[..])
        .bind(&code.locator)
        .bind(&code.hash[..])
        .bind(code.works_from)
        .bind(code.expires_at)
        .bind(id)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

async fn insert_proofing(connection: &mut Connection, row: &ProofingRow) -> Result<(), Error> {
    const SQL: &str = "insert into proofing (id, method, assurance, reference, evidence, identity_check, sealed_subject, sealed_number, \
         blind_index, token_hash, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.method)
        .bind(&row.assurance)
        .bind(&row.reference)
        .bind(&row.evidence)
        .bind(&row.identity_check)
        .bind(&row.sealed_subject)
        .bind(&row.sealed_number)
        .bind(&row.blind_index)
        .bind(&row.token_hash)
        .bind(row.created_at)
        .bind(row.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

async fn insert_notice(connection: &mut Connection, row: &ContactNoticeRow) -> Result<(), Error> {
    const SQL: &str = "insert into contact_notice (id, kind, about, sealed_contact, created_at) values ($1, $2, $3, $4, $5)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.kind)
        .bind(&row.about)
        .bind(&row.sealed_contact)
        .bind(row.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
