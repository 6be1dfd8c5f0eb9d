//! Published CRLs.

use super::{Connection, Error, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CrlRow {
    pub authority: String,
    /// -1: the list of all certificates.
    pub shard: i64,
    pub number: i64,
    pub this_update: i64,
    pub next_update: i64,
    pub der: Vec<u8>,
}

pub async fn insert(connection: &mut Connection, row: &CrlRow) -> Result<(), Error> {
    const SQL: &str = "insert into crl (authority, shard, number, this_update, next_update, der) values ($1, $2, $3, $4, $5, $6)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.authority)
        .bind(row.shard)
        .bind(row.number)
        .bind(row.this_update)
        .bind(row.next_update)
        .bind(&row.der)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn latest(connection: &mut Connection, authority: &str, shard: i64) -> Result<Option<CrlRow>, Error> {
    const SQL: &str = "select authority, shard, number, this_update, next_update, der from crl \
         where authority = $1 and shard = $2 order by number desc limit 1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(authority).bind(shard).fetch_optional(c).await)?)
}

/// One more than the largest number that any list of this authority has had.
pub async fn next_number(connection: &mut Connection, authority: &str) -> Result<i64, Error> {
    const SQL: &str = "select coalesce(max(number), 0) + 1 from crl where authority = $1";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(authority).fetch_one(c).await)?)
}

/// Every list of an authority, for the audit.
pub async fn of_authority(connection: &mut Connection, authority: &str) -> Result<Vec<CrlRow>, Error> {
    const SQL: &str = "select authority, shard, number, this_update, next_update, der from crl where authority = $1 order by number";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(authority).fetch_all(c).await)?)
}

/// The authorities that lists name and that are none, for the audit.
pub async fn strays(connection: &mut Connection) -> Result<Vec<String>, Error> {
    const SQL: &str = "select distinct authority from crl where authority not in (select name from authority)";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).fetch_all(c).await)?)
}
