//! Nonces, statements, decisions and policy versions.

use super::{Connection, Error, expect_one, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct NonceRow {
    pub nonce: String,
    pub person: String,
    pub act: String,
    pub about: String,
    pub issued_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StatementRow {
    pub digest: Vec<u8>,
    pub jws: String,
    pub act: String,
    pub about: String,
    pub signer_person: Option<String>,
    pub signer_certificate: Option<Vec<u8>>,
    pub nonce: String,
    pub recorded_at: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DecisionRow {
    pub digest: Vec<u8>,
    pub canonical: String,
    pub recorded_at: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PolicyVersionRow {
    pub digest: Vec<u8>,
    pub text: String,
    pub recorded_at: i64,
    pub activated_at: Option<i64>,
    pub activated_by: Option<Vec<u8>>,
}

pub async fn insert_nonce(connection: &mut Connection, row: &NonceRow) -> Result<(), Error> {
    const SQL: &str = "insert into nonce (nonce, person, act, about, issued_at, expires_at, used_at) values ($1, $2, $3, $4, $5, $6, $7)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.nonce)
        .bind(&row.person)
        .bind(&row.act)
        .bind(&row.about)
        .bind(row.issued_at)
        .bind(row.expires_at)
        .bind(row.used_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn find_nonce(connection: &mut Connection, nonce: &str) -> Result<Option<NonceRow>, Error> {
    const SQL: &str = "select nonce, person, act, about, issued_at, expires_at, used_at from nonce where nonce = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(nonce).fetch_optional(c).await)?)
}

/// Uses a nonce up; `Conflict` when it was used before or is over.
pub async fn use_nonce(connection: &mut Connection, nonce: &str, at: i64) -> Result<(), Error> {
    const SQL: &str = "update nonce set used_at = $1 where nonce = $2 and used_at is null and expires_at > $1";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(at).bind(nonce).execute(c).await.map(|done| done.rows_affected()))?)
}

pub async fn insert_statement(connection: &mut Connection, row: &StatementRow) -> Result<(), Error> {
    const SQL: &str = "insert into statement (digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.digest)
        .bind(&row.jws)
        .bind(&row.act)
        .bind(&row.about)
        .bind(&row.signer_person)
        .bind(&row.signer_certificate)
        .bind(&row.nonce)
        .bind(row.recorded_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The statements with this act about one thing, or about a list that it is in, in the order of their record.
pub async fn about(connection: &mut Connection, act: &str, about: &str) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement \
         where act = $1 and (about = $2 or about in (select root from statement_list where item = $2)) order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(act).bind(about).fetch_all(c).await)?)
}

/// The same without those that a decision rests on already.
pub async fn open(connection: &mut Connection, act: &str, about: &str) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement \
         where act = $1 and about = $2 and not exists (select 1 from decision_statement d where d.statement = statement.digest) \
         order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(act).bind(about).fetch_all(c).await)?)
}

/// What a statement about a list is about, in the order of the list. A list that is there already is the same list.
pub async fn insert_list(connection: &mut Connection, root: &str, items: &[String]) -> Result<(), Error> {
    const SQL: &str = "insert into statement_list (root, ordinal, item) values ($1, $2, $3) on conflict do nothing";
    for (ordinal, item) in items.iter().enumerate() {
        on!(connection, c => sqlx::query(SQL).bind(root).bind(ordinal as i64).bind(item).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// The items of the list with that root, in order; none when it is no list.
pub async fn list(connection: &mut Connection, root: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select item from statement_list where root = $1 order by ordinal";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(root).fetch_all(c).await)?)
}

/// Every (root, ordinal, item), for the audit.
pub async fn lists(connection: &mut Connection) -> Result<Vec<(String, i64, String)>, Error> {
    const SQL: &str = "select root, ordinal, item from statement_list order by root, ordinal";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every statement, for the audit.
pub async fn statements(connection: &mut Connection) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str =
        "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// A decision with the digests of its statements, in the order of the list.
pub async fn insert_decision(connection: &mut Connection, row: &DecisionRow, statements: &[[u8; 32]]) -> Result<(), Error> {
    const SQL: &str = "insert into decision (digest, canonical, recorded_at) values ($1, $2, $3)";
    const STATEMENT: &str = "insert into decision_statement (decision, ordinal, statement) values ($1, $2, $3)";
    on!(connection, c => sqlx::query(SQL).bind(&row.digest).bind(&row.canonical).bind(row.recorded_at).execute(c).await.map(drop))?;
    for (ordinal, statement) in statements.iter().enumerate() {
        on!(connection, c => sqlx::query(STATEMENT)
            .bind(&row.digest)
            .bind(ordinal as i64)
            .bind(&statement[..])
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

pub async fn find_decision(connection: &mut Connection, digest: &[u8]) -> Result<Option<DecisionRow>, Error> {
    const SQL: &str = "select digest, canonical, recorded_at from decision where digest = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(digest).fetch_optional(c).await)?)
}

/// The statements of a decision, in the order of its list.
pub async fn of_decision(connection: &mut Connection, digest: &[u8]) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select s.digest, s.jws, s.act, s.about, s.signer_person, s.signer_certificate, s.nonce, s.recorded_at \
         from statement s join decision_statement d on d.statement = s.digest where d.decision = $1 order by d.ordinal";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(digest).fetch_all(c).await)?)
}

/// Every decision, for the audit.
pub async fn decisions(connection: &mut Connection) -> Result<Vec<DecisionRow>, Error> {
    const SQL: &str = "select digest, canonical, recorded_at from decision";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every (decision, ordinal, statement), for the audit.
pub async fn decision_statements(connection: &mut Connection) -> Result<Vec<(Vec<u8>, i64, Vec<u8>)>, Error> {
    const SQL: &str = "select decision, ordinal, statement from decision_statement order by decision, ordinal";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Records a version and when it was activated last.
pub async fn insert_policy_version(connection: &mut Connection, row: &PolicyVersionRow) -> Result<(), Error> {
    const SQL: &str = "insert into policy_version (digest, text, recorded_at, activated_at, activated_by) values ($1, $2, $3, $4, $5) \
         on conflict (digest) do update set activated_at = excluded.activated_at, activated_by = excluded.activated_by";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.digest)
        .bind(&row.text)
        .bind(row.recorded_at)
        .bind(row.activated_at)
        .bind(&row.activated_by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn find_policy_version(connection: &mut Connection, digest: &[u8]) -> Result<Option<PolicyVersionRow>, Error> {
    const SQL: &str = "select digest, text, recorded_at, activated_at, activated_by from policy_version where digest = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(digest).fetch_optional(c).await)?)
}

/// Every version, for the audit.
pub async fn policy_versions(connection: &mut Connection) -> Result<Vec<PolicyVersionRow>, Error> {
    const SQL: &str = "select digest, text, recorded_at, activated_at, activated_by from policy_version order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every nonce that is still kept, for the audit.
pub async fn nonces(connection: &mut Connection) -> Result<Vec<NonceRow>, Error> {
    const SQL: &str = "select nonce, person, act, about, issued_at, expires_at, used_at from nonce order by nonce";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
