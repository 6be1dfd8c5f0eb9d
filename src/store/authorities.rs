//! The authorities.

use super::{Connection, Error, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AuthorityRow {
    pub name: String,
    pub purpose: String,
    pub algorithm: String,
    pub generation: i64,
    pub issuer: Option<String>,
    pub subject_der: Vec<u8>,
    pub key_fingerprint: Vec<u8>,
    pub key_name: String,
    pub crl_shards: i64,
    pub null_parameters: i64,
    pub policy_oid: String,
    pub created_at: i64,
}

const COLUMNS: &str = "select name, purpose, algorithm, generation, issuer, subject_der, key_fingerprint, key_name, crl_shards, \
     null_parameters, policy_oid, created_at from authority";

pub async fn insert(connection: &mut Connection, row: &AuthorityRow) -> Result<(), Error> {
    const SQL: &str = "insert into authority (name, purpose, algorithm, generation, issuer, subject_der, key_fingerprint, key_name, \
         crl_shards, null_parameters, policy_oid, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.name)
        .bind(&row.purpose)
        .bind(&row.algorithm)
        .bind(row.generation)
        .bind(&row.issuer)
        .bind(&row.subject_der)
        .bind(&row.key_fingerprint)
        .bind(&row.key_name)
        .bind(row.crl_shards)
        .bind(row.null_parameters)
        .bind(&row.policy_oid)
        .bind(row.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn find(connection: &mut Connection, name: &str) -> Result<Option<AuthorityRow>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} where name = $1"));
    Ok(on!(connection, c => sqlx::query_as(sql).bind(name).fetch_optional(c).await)?)
}

/// Roots first, so that an issuer is there before what it issued.
pub async fn list(connection: &mut Connection) -> Result<Vec<AuthorityRow>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} order by issuer is not null, name"));
    Ok(on!(connection, c => sqlx::query_as(sql).fetch_all(c).await)?)
}
