//! Citizens: identity checks, proofings, the slots of their certificates, contests, what they are told, suspension codes.

use super::{Connection, Error, StatementRow, expect_one, on};

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
    /// The slot is held by `from`, which has ended.
    PassSlot {
        slot: SlotRow,
        from: String,
    },
    Contest(ContestRow),
    DecideContest {
        later: String,
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
                .map(|done| done.rows_affected()))?)
        }
        Change::Contest(row) => {
            const SQL: &str = "insert into contest (later, earlier, opened_at, state, decision) values ($1, $2, $3, $4, $5)";
            on!(connection, c => sqlx::query(SQL)
                .bind(&row.later)
                .bind(&row.earlier)
                .bind(row.opened_at)
                .bind(&row.state)
                .bind(&row.decision)
                .execute(c)
                .await
                .map(drop))?;
            Ok(())
        }
        Change::DecideContest { later, state, decision } => {
            const SQL: &str = "update contest set state = $1, decision = $2 where later = $3 and state = 'open'";
            expect_one(on!(connection, c => sqlx::query(SQL)
                .bind(*state)
                .bind(&decision[..])
                .bind(later)
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
        Change::Erase { person } => erase(connection, person).await,
    }
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

macro_rules! check_columns {
    () => {
        "select id, profile, department, submitted_by, submitted_at, sealed_subject, sealed_number, salt, evidence_digest, checked, \
         confirmed, locator, code_hash, works_from, expires_at, failures, used_at, withdrawn from identity_check "
    };
}

pub async fn find_check(connection: &mut Connection, id: &str) -> Result<Option<IdentityCheckRow>, Error> {
    const SQL: &str = concat!(check_columns!(), "where id = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

pub async fn find_check_by_locator(connection: &mut Connection, locator: &[u8]) -> Result<Option<IdentityCheckRow>, Error> {
    const SQL: &str = concat!(check_columns!(), "where locator = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(locator).fetch_optional(c).await)?)
}

/// Every check, for the audit.
pub async fn checks(connection: &mut Connection) -> Result<Vec<IdentityCheckRow>, Error> {
    const SQL: &str = concat!(check_columns!(), "order by id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

pub async fn count_check_failure(connection: &mut Connection, id: &str) -> Result<(), Error> {
    const SQL: &str = "update identity_check set failures = failures + 1 where id = $1";
    on!(connection, c => sqlx::query(SQL).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

pub async fn insert_flow(connection: &mut Connection, row: &OidcFlowRow) -> Result<(), Error> {
    const SQL: &str = "insert into oidc_flow (state_hash, browser_hash, sealed_secrets, expires_at) values ($1, $2, $3, $4)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.state_hash)
        .bind(&row.browser_hash)
        .bind(&row.sealed_secrets)
        .bind(row.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Uses a login up and answers it; `Conflict` when there is none, it was used before, is over, or another browser began it.
pub async fn use_flow(connection: &mut Connection, state_hash: &[u8], browser_hash: &[u8], at: i64) -> Result<OidcFlowRow, Error> {
    const USE: &str =
        "update oidc_flow set used_at = $1 where state_hash = $2 and browser_hash = $3 and used_at is null and expires_at > $1";
    const FIND: &str = "select state_hash, browser_hash, sealed_secrets, expires_at, used_at from oidc_flow where state_hash = $1";
    expect_one(on!(connection, c => sqlx::query(USE)
        .bind(at)
        .bind(state_hash)
        .bind(browser_hash)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)?;
    Ok(on!(connection, c => sqlx::query_as(FIND).bind(state_hash).fetch_one(c).await)?)
}

/// How many logins are under way.
pub async fn count_flows(connection: &mut Connection, now: i64) -> Result<i64, Error> {
    const SQL: &str = "select count(*) from oidc_flow where expires_at > $1";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(now).fetch_one(c).await)?)
}

/// Every login that is still kept, for the audit.
pub async fn flows(connection: &mut Connection) -> Result<Vec<OidcFlowRow>, Error> {
    const SQL: &str = "select state_hash, browser_hash, sealed_secrets, expires_at, used_at from oidc_flow order by state_hash";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Forgets logins that are over, and whose data has served: proofs that were not used in time or only ended a suspension, and
/// identity checks whose proof is one of those, whose code was not used in time, or that were recorded before `stale` and never
/// confirmed. Answers how many rows.
pub async fn forget(connection: &mut Connection, now: i64, stale: i64) -> Result<u64, Error> {
    const FLOWS: &str = "delete from oidc_flow where expires_at <= $1";
    const CHECKS: &str = "update identity_check set sealed_subject = null, sealed_number = null, salt = null where salt is not null and \
         ((used_at is null and expires_at <= $1) or (confirmed is null and submitted_at <= $2) or id in (select p.identity_check \
         from proofing p where p.enrolment is null and p.expires_at <= $1 and p.identity_check is not null))";
    const PROOFS: &str = "update proofing set sealed_subject = null, sealed_number = null, blind_index = null, reference = null \
         where enrolment is null and expires_at <= $1 and blind_index is not null";
    let flows = on!(connection, c => sqlx::query(FLOWS).bind(now).execute(c).await.map(|done| done.rows_affected()))?;
    let checks = on!(connection, c => sqlx::query(CHECKS).bind(now).bind(stale).execute(c).await.map(|done| done.rows_affected()))?;
    let proofs = on!(connection, c => sqlx::query(PROOFS).bind(now).execute(c).await.map(|done| done.rows_affected()))?;
    Ok(flows + checks + proofs)
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

macro_rules! proofing_columns {
    () => {
        "select p.id, p.method, p.assurance, p.reference, p.evidence, p.identity_check, p.sealed_subject, p.sealed_number, p.blind_index, \
         p.token_hash, p.created_at, p.expires_at, p.enrolment, p.resumed from proofing p "
    };
}

pub async fn find_proofing(connection: &mut Connection, token_hash: &[u8]) -> Result<Option<ProofingRow>, Error> {
    const SQL: &str = concat!(proofing_columns!(), "where p.token_hash = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(token_hash).fetch_optional(c).await)?)
}

pub async fn proofing_of(connection: &mut Connection, enrolment: &str) -> Result<Option<ProofingRow>, Error> {
    const SQL: &str = concat!(proofing_columns!(), "where p.enrolment = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(enrolment).fetch_optional(c).await)?)
}

pub async fn proofings_of_person(connection: &mut Connection, person: &str) -> Result<Vec<ProofingRow>, Error> {
    const SQL: &str =
        concat!(proofing_columns!(), "join enrolment e on e.id = p.enrolment where e.person = $1 order by p.created_at, p.id");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).fetch_all(c).await)?)
}

/// Every proofing, for the audit.
pub async fn proofings(connection: &mut Connection) -> Result<Vec<ProofingRow>, Error> {
    const SQL: &str = concat!(proofing_columns!(), "order by p.id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Enrolments of a profile that hold their slot, were proofed at a level, and wait for a decision.
pub async fn waiting_for_proof(connection: &mut Connection, profile: &str, assurance: &str, limit: i64) -> Result<Vec<String>, Error> {
    const SQL: &str = "select e.id from enrolment e join proofing p on p.enrolment = e.id join identity_slot s on s.enrolment = e.id \
         where e.state = 'submitted' and e.profile = $1 and p.assurance = $2 order by e.seq limit $3";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(profile).bind(assurance).bind(limit).fetch_all(c).await)?)
}

pub async fn find_slot(connection: &mut Connection, profile: &str, blind_index: &[u8]) -> Result<Option<SlotRow>, Error> {
    const SQL: &str = "select profile, blind_index, enrolment, taken_at from identity_slot where profile = $1 and blind_index = $2";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(profile).bind(blind_index).fetch_optional(c).await)?)
}

pub async fn slot_of(connection: &mut Connection, enrolment: &str) -> Result<Option<SlotRow>, Error> {
    const SQL: &str = "select profile, blind_index, enrolment, taken_at from identity_slot where enrolment = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(enrolment).fetch_optional(c).await)?)
}

/// Every slot, for the audit.
pub async fn slots(connection: &mut Connection) -> Result<Vec<SlotRow>, Error> {
    const SQL: &str = "select profile, blind_index, enrolment, taken_at from identity_slot order by profile, blind_index";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

pub async fn find_contest(connection: &mut Connection, later: &str) -> Result<Option<ContestRow>, Error> {
    const SQL: &str = "select later, earlier, opened_at, state, decision from contest where later = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(later).fetch_optional(c).await)?)
}

/// A page of the contests whose later enrolment is of a department, by the later enrolment; `None` is every department.
pub async fn contests(
    connection: &mut Connection,
    department: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<ContestRow>, Error> {
    const SQL: &str = "select o.later, o.earlier, o.opened_at, o.state, o.decision from contest o join enrolment e on e.id = o.later \
         where o.later > $1 and (cast($2 as text) is null or e.department = $2) order by o.later limit $3";
    let after = after.unwrap_or_default();
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after).bind(department).bind(limit).fetch_all(c).await)?)
}

/// Every contest, for the audit: also one whose enrolments are not there.
pub async fn all_contests(connection: &mut Connection) -> Result<Vec<ContestRow>, Error> {
    const SQL: &str = "select later, earlier, opened_at, state, decision from contest order by later";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
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

macro_rules! notice_columns {
    () => {
        "select id, kind, about, sealed_contact, created_at, sent_at from contact_notice "
    };
}

/// What waits to be sent, oldest first: for whoever sends.
pub async fn waiting_notices(connection: &mut Connection, limit: i64) -> Result<Vec<ContactNoticeRow>, Error> {
    const SQL: &str = concat!(notice_columns!(), "where sent_at is null order by created_at, id limit $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(limit).fetch_all(c).await)?)
}

/// `Conflict` when it was sent before.
pub async fn mark_notice_sent(connection: &mut Connection, id: &str, at: i64) -> Result<(), Error> {
    const SQL: &str = "update contact_notice set sent_at = $1 where id = $2 and sent_at is null";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(at).bind(id).execute(c).await.map(|done| done.rows_affected()))?)
}

pub async fn notices_about(connection: &mut Connection, about: &str) -> Result<Vec<ContactNoticeRow>, Error> {
    const SQL: &str = concat!(notice_columns!(), "where about = $1 order by created_at, id");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(about).fetch_all(c).await)?)
}

/// Every notice, for the audit.
pub async fn notices(connection: &mut Connection) -> Result<Vec<ContactNoticeRow>, Error> {
    const SQL: &str = concat!(notice_columns!(), "order by id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Records a code in place of the one before.
pub async fn replace_suspension_code(connection: &mut Connection, row: &SuspensionCodeRow) -> Result<(), Error> {
    const SQL: &str = "insert into suspension_code (certificate, locator, code_hash, created_at, failures) values ($1, $2, $3, $4, 0) \
         on conflict (certificate) do update set locator = excluded.locator, code_hash = excluded.code_hash, \
         created_at = excluded.created_at, failures = 0, used_at = null";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.certificate)
        .bind(&row.locator)
        .bind(&row.code_hash)
        .bind(row.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

macro_rules! suspension_columns {
    () => {
        "select certificate, locator, code_hash, created_at, failures, used_at from suspension_code "
    };
}

pub async fn find_suspension_code(connection: &mut Connection, locator: &[u8]) -> Result<Option<SuspensionCodeRow>, Error> {
    const SQL: &str = concat!(suspension_columns!(), "where locator = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(locator).fetch_optional(c).await)?)
}

/// Every suspension code, for the audit.
pub async fn suspension_codes(connection: &mut Connection) -> Result<Vec<SuspensionCodeRow>, Error> {
    const SQL: &str = concat!(suspension_columns!(), "order by certificate");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

pub async fn count_suspension_failure(connection: &mut Connection, certificate: &[u8]) -> Result<(), Error> {
    const SQL: &str = "update suspension_code set failures = failures + 1 where certificate = $1";
    on!(connection, c => sqlx::query(SQL).bind(certificate).execute(c).await.map(drop))?;
    Ok(())
}

/// Statements of people, of that act about the same, that no pair has been made of.
pub async fn unpaired_statements(connection: &mut Connection, act: &str, about: &str, since: i64) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select s.digest, s.jws, s.act, s.about, s.signer_person, s.signer_certificate, s.nonce, s.recorded_at \
         from statement s where s.act = $1 and s.about = $2 and s.recorded_at > $3 and s.signer_person is not null and not exists \
         (select 1 from decision_statement a join decision_statement b on a.decision = b.decision and b.statement <> a.statement \
         where a.statement = s.digest) order by s.recorded_at, s.digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(act).bind(about).bind(since).fetch_all(c).await)?)
}

/// The acts of the statements that a person signed or that are about them: act, when, and whether they signed.
pub async fn statements_of_person(connection: &mut Connection, person: &str) -> Result<Vec<(String, i64, i64)>, Error> {
    const SQL: &str = "select act, recorded_at, cast(case when signer_person = $1 then 1 else 0 end as bigint) from statement \
         where signer_person = $1 or about = $1 order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).fetch_all(c).await)?)
}

/// Enrolments of a person, oldest first.
pub async fn enrolments_of_person(connection: &mut Connection, person: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select id from enrolment where person = $1 order by seq";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(person).fetch_all(c).await)?)
}

/// Sealed subjects, salts, indexes, numbers and contacts of one person; certificates, decisions and leaves stay.
async fn erase(connection: &mut Connection, person: &str) -> Result<(), Error> {
    const SQL: [&str; 7] = [
        "delete from contact_notice where about = $1 or about in (select p.identity_check from proofing p \
         join enrolment e on e.id = p.enrolment where e.person = $1)",
        "delete from identity_slot where enrolment in (select id from enrolment where person = $1)",
        "update identity_check set sealed_subject = null, sealed_number = null, salt = null where id in \
         (select p.identity_check from proofing p join enrolment e on e.id = p.enrolment where e.person = $1) or id in \
         (select p.identity_check from proofing p join certificate c on c.id = p.resumed where c.person = $1)",
        "update proofing set sealed_subject = null, sealed_number = null, blind_index = null, reference = null \
         where enrolment in (select id from enrolment where person = $1) or resumed in (select id from certificate where person = $1)",
        "delete from suspension_code where certificate in (select id from certificate where person = $1)",
        "update enrolment set sealed_subject = null, salt = null where person = $1",
        "update person set sealed_profile = null where id = $1",
    ];
    for sql in SQL {
        on!(connection, c => sqlx::query(sql).bind(person).execute(c).await.map(drop))?;
    }
    Ok(())
}
