//! Sessions: logins that stand for a certificate until they end.

use super::{Connection, Error, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SessionRow {
    pub id: String,
    pub sealed_hash: Vec<u8>,
    pub certificate: Vec<u8>,
    pub opened_at: i64,
    pub used_at: i64,
    pub expires_at: i64,
}

/// Keeps the newest `most` sessions of the certificate.
pub async fn insert(connection: &mut Connection, row: &SessionRow, most: i64) -> Result<(), Error> {
    const SQL: &str = "insert into session (id, sealed_hash, certificate, opened_at, used_at, expires_at) values ($1, $2, $3, $4, $5, $6)";
    const SURPLUS: &str = "delete from session where certificate = $1 and id not in \
         (select id from session where certificate = $1 order by opened_at desc, id limit $2)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.sealed_hash)
        .bind(&row.certificate)
        .bind(row.opened_at)
        .bind(row.used_at)
        .bind(row.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    on!(connection, c => sqlx::query(SURPLUS).bind(&row.certificate).bind(most).execute(c).await.map(drop))?;
    Ok(())
}

pub async fn find(connection: &mut Connection, id: &str) -> Result<Option<SessionRow>, Error> {
    const SQL: &str = "select id, sealed_hash, certificate, opened_at, used_at, expires_at from session where id = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

/// Of all certificates of a person, the newest first.
pub async fn of_person(connection: &mut Connection, person: &str) -> Result<Vec<SessionRow>, Error> {
    const SQL: &str = "select s.id, s.sealed_hash, s.certificate, s.opened_at, s.used_at, s.expires_at \
         from session s join certificate c on c.id = s.certificate where c.person = $1 order by s.opened_at desc, s.id";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).fetch_all(c).await)?)
}

pub async fn touch(connection: &mut Connection, id: &str, at: i64) -> Result<(), Error> {
    const SQL: &str = "update session set used_at = $2 where id = $1 and used_at < $2";
    on!(connection, c => sqlx::query(SQL).bind(id).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

pub async fn delete(connection: &mut Connection, id: &str) -> Result<(), Error> {
    on!(connection, c => sqlx::query("delete from session where id = $1").bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends what expired by `now`, or was used last before `idle_since`; answers how many.
pub async fn delete_over(connection: &mut Connection, now: i64, idle_since: i64) -> Result<u64, Error> {
    const SQL: &str = "delete from session where expires_at <= $1 or used_at <= $2";
    Ok(on!(connection, c => sqlx::query(SQL).bind(now).bind(idle_since).execute(c).await.map(|done| done.rows_affected()))?)
}

/// For the audit: sessions of a certificate that there is not, each with that certificate.
pub async fn of_nothing(connection: &mut Connection) -> Result<Vec<(String, Vec<u8>)>, Error> {
    const SQL: &str = "select id, certificate from session where certificate not in (select id from certificate)";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
