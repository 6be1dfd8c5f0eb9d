//! Tokens of services that rely on us.

use super::{Connection, Error, departments::within, expect_one, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct TokenRow {
    pub id: String,
    pub name: String,
    pub department: Option<String>,
    pub scopes: String,
    pub salt: Vec<u8>,
    pub proposed_by: String,
    pub proposed_at: i64,
    pub expires_at: i64,
    pub secret_hash: Option<Vec<u8>>,
    pub statement: Option<Vec<u8>>,
    pub granted_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub revoked_statement: Option<Vec<u8>>,
}

macro_rules! columns {
    () => {
        "select id, name, department, scopes, salt, proposed_by, proposed_at, expires_at, secret_hash, statement, granted_at, \
         revoked_at, revoked_statement from token "
    };
}

/// A token that was asked for.
pub async fn insert(connection: &mut Connection, row: &TokenRow) -> Result<(), Error> {
    const SQL: &str = "insert into token (id, name, department, scopes, salt, proposed_by, proposed_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.department)
        .bind(&row.scopes)
        .bind(&row.salt)
        .bind(&row.proposed_by)
        .bind(row.proposed_at)
        .bind(row.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// `Conflict` when it was granted before.
pub async fn grant(connection: &mut Connection, id: &str, secret_hash: &[u8], statement: &[u8], at: i64) -> Result<(), Error> {
    const SQL: &str = "update token set secret_hash = $2, statement = $3, granted_at = $4 where id = $1 and granted_at is null";
    expect_one(on!(connection, c => sqlx::query(SQL)
        .bind(id)
        .bind(secret_hash)
        .bind(statement)
        .bind(at)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// `Conflict` when it does not stand.
pub async fn revoke(connection: &mut Connection, id: &str, statement: &[u8], at: i64) -> Result<(), Error> {
    const SQL: &str = "update token set revoked_statement = $2, revoked_at = $3 \
         where id = $1 and granted_at is not null and revoked_at is null";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(id).bind(statement).bind(at).execute(c).await.map(|done| done.rows_affected()))?)
}

pub async fn find(connection: &mut Connection, id: &str) -> Result<Option<TokenRow>, Error> {
    const SQL: &str = concat!(columns!(), "where id = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

/// Those of a department and of all that lie in it, or of all, by id.
pub async fn list(connection: &mut Connection, department: Option<&str>, after: Option<&str>, limit: i64) -> Result<Vec<TokenRow>, Error> {
    const SQL: &str =
        concat!(columns!(), "where id > $1 and (cast($2 as text) is null or department", within!("$2"), ") order by id limit $3");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after.unwrap_or_default()).bind(department).bind(limit).fetch_all(c).await)?)
}

/// For the audit.
pub async fn all(connection: &mut Connection) -> Result<Vec<TokenRow>, Error> {
    const SQL: &str = concat!(columns!(), "order by id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
