//! The one row that says which installation this is.

use super::{Connection, Error, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InstallationRow {
    pub incarnation: String,
    pub mode: String,
    pub created_at: i64,
}

pub async fn find(connection: &mut Connection) -> Result<Option<InstallationRow>, Error> {
    const SQL: &str = "select incarnation, mode, created_at from installation where id = 1";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_optional(c).await)?)
}

pub async fn insert(connection: &mut Connection, row: &InstallationRow) -> Result<(), Error> {
    const SQL: &str = "insert into installation (id, incarnation, mode, created_at) values (1, $1, $2, $3)";
    on!(connection, c => sqlx::query(SQL).bind(&row.incarnation).bind(&row.mode).bind(row.created_at).execute(c).await.map(drop))?;
    Ok(())
}

/// Every row with its key, for the audit; there should be one.
pub async fn all(connection: &mut Connection) -> Result<Vec<(i64, String, String)>, Error> {
    const SQL: &str = "select id, incarnation, mode from installation order by id";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
