//! Enrolments and their certification requests.

use super::{Connection, Error, expect_one, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EnrolmentRow {
    /// Given by the database; 0 before.
    pub seq: i64,
    pub id: String,
    pub profile: String,
    pub department: Option<String>,
    pub person: String,
    pub submitted_by: String,
    pub submitted_at: i64,
    pub state: String,
    pub sealed_subject: Option<Vec<u8>>,
    pub salt: Option<Vec<u8>>,
    pub evidence_digest: Option<Vec<u8>>,
    pub replaces: Option<Vec<u8>>,
    pub policy: Vec<u8>,
    pub decision: Option<Vec<u8>>,
    pub idempotency_key: Option<String>,
    pub request_digest: Vec<u8>,
    pub updated_at: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EnrolmentRequestRow {
    pub ordinal: i64,
    pub csr: Vec<u8>,
    pub key_fingerprint: Vec<u8>,
    pub algorithm: String,
}

macro_rules! columns {
    () => {
        "seq, id, profile, department, person, submitted_by, submitted_at, state, sealed_subject, salt, evidence_digest, replaces, \
         policy, decision, idempotency_key, request_digest, updated_at"
    };
}

pub async fn insert(connection: &mut Connection, row: &EnrolmentRow, requests: &[EnrolmentRequestRow]) -> Result<(), Error> {
    const SQL: &str = "insert into enrolment (id, profile, department, person, submitted_by, submitted_at, state, sealed_subject, salt, \
         evidence_digest, replaces, policy, decision, idempotency_key, request_digest, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    const REQUEST: &str = "insert into enrolment_request (enrolment, ordinal, csr, key_fingerprint, algorithm) values ($1, $2, $3, $4, $5)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.profile)
        .bind(&row.department)
        .bind(&row.person)
        .bind(&row.submitted_by)
        .bind(row.submitted_at)
        .bind(&row.state)
        .bind(&row.sealed_subject)
        .bind(&row.salt)
        .bind(&row.evidence_digest)
        .bind(&row.replaces)
        .bind(&row.policy)
        .bind(&row.decision)
        .bind(&row.idempotency_key)
        .bind(&row.request_digest)
        .bind(row.updated_at)
        .execute(c)
        .await
        .map(drop))?;
    for request in requests {
        on!(connection, c => sqlx::query(REQUEST)
            .bind(&row.id)
            .bind(request.ordinal)
            .bind(&request.csr)
            .bind(&request.key_fingerprint)
            .bind(&request.algorithm)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

pub async fn find(connection: &mut Connection, id: &str) -> Result<Option<EnrolmentRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from enrolment where id = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

pub async fn find_by_idempotency_key(connection: &mut Connection, submitted_by: &str, key: &str) -> Result<Option<EnrolmentRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from enrolment where submitted_by = $1 and idempotency_key = $2");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(submitted_by).bind(key).fetch_optional(c).await)?)
}

pub async fn requests(connection: &mut Connection, enrolment: &str) -> Result<Vec<EnrolmentRequestRow>, Error> {
    const SQL: &str = "select ordinal, csr, key_fingerprint, algorithm from enrolment_request where enrolment = $1 order by ordinal";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(enrolment).fetch_all(c).await)?)
}

/// Moves an enrolment on from the state it must be in; `Conflict` when it is in another.
pub async fn change_state(
    connection: &mut Connection,
    id: &str,
    from: &str,
    to: &str,
    decision: Option<&[u8]>,
    at: i64,
) -> Result<(), Error> {
    const SQL: &str = "update enrolment set state = $1, decision = coalesce($2, decision), updated_at = $3 where id = $4 and state = $5";
    let rows = on!(connection, c => sqlx::query(SQL)
        .bind(to)
        .bind(decision)
        .bind(at)
        .bind(id)
        .bind(from)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    expect_one(rows)
}

/// The requests that wait although somebody approved them, alone or in a list.
pub async fn with_approvals(connection: &mut Connection, act: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select id from enrolment e where state = 'submitted' and (\
         exists (select 1 from statement s where s.act = $1 and s.about = e.id) or \
         exists (select 1 from statement_list l join statement s on s.about = l.root where l.item = e.id and s.act = $1)) order by seq";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(act).fetch_all(c).await)?)
}

/// The requests that wait since before a time.
pub async fn submitted_before(connection: &mut Connection, before: i64) -> Result<Vec<String>, Error> {
    const SQL: &str = "select id from enrolment where state = 'submitted' and submitted_at < $1 order by seq";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(before).fetch_all(c).await)?)
}

/// A page, oldest first; absent arguments do not filter.
pub async fn page(
    connection: &mut Connection,
    state: Option<&str>,
    department: Option<&str>,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<EnrolmentRow>, Error> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from enrolment where seq > $1 and (cast($2 as text) is null or state = $2) and (cast($3 as text) is null or department = $3) \
         order by seq limit $4"
    );
    let after = after.unwrap_or(0);
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after).bind(state).bind(department).bind(limit).fetch_all(c).await)?)
}

/// Every request with the enrolment it belongs to, for the audit.
pub async fn all_requests(connection: &mut Connection) -> Result<Vec<(String, EnrolmentRequestRow)>, Error> {
    const SQL: &str = "select enrolment, ordinal, csr, key_fingerprint, algorithm from enrolment_request order by enrolment, ordinal";
    let rows: Vec<OfEnrolment> = on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|row| (row.enrolment, row.request)).collect())
}

#[derive(sqlx::FromRow)]
struct OfEnrolment {
    enrolment: String,
    #[sqlx(flatten)]
    request: EnrolmentRequestRow,
}

/// Every enrolment in order of submission, for the audit.
pub async fn all(connection: &mut Connection) -> Result<Vec<EnrolmentRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from enrolment order by seq");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
