//! Departments: the tree, the names, and what people decide about them.

use super::{Connection, Error, expect_one, on};

/// More departments than any path has. One that is as long goes in a circle.
pub const LONGEST_PATH: usize = 100;

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DepartmentRow {
    pub id: String,
    pub name: String,
    pub created_by: String,
    pub created_at: i64,
    pub idempotency_key: Option<String>,
    pub request_digest: Option<Vec<u8>>,
    pub successor: Option<String>,
    pub parent: Option<String>,
}

/// What is proposed, or was done, to departments.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DepartmentChangeRow {
    pub id: String,
    pub act: String,
    pub department: String,
    pub proposed_by: String,
    pub proposed_at: i64,
    pub idempotency_key: Option<String>,
    pub request_digest: Vec<u8>,
    pub shown: String,
    pub statement: Option<Vec<u8>>,
    pub decided_at: Option<i64>,
    pub withdrawn: Option<Vec<u8>>,
}

/// SQL: ` in (…)`, a department and all that lie in it, also what was merged into one of them. `$n` is the department.
macro_rules! within {
    ($n:literal) => {
        concat!($crate::store::departments::within!(open), $n, $crate::store::departments::within!(close))
    };
    (open) => {
        " in (with recursive below (id) as (select cast("
    };
    (close) => {
        " as text) union select d.id from department as d join below on coalesce(d.successor, d.parent) = below.id) \
         select id from below)"
    };
}
pub(super) use within;

pub async fn insert(connection: &mut Connection, row: &DepartmentRow) -> Result<(), Error> {
    const SQL: &str = "insert into department (id, name, created_by, created_at, idempotency_key, request_digest, successor, parent) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.created_by)
        .bind(row.created_at)
        .bind(&row.idempotency_key)
        .bind(&row.request_digest)
        .bind(&row.successor)
        .bind(&row.parent)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Gives a department another name, place or successor.
pub async fn update(connection: &mut Connection, id: &str, name: &str, parent: Option<&str>, successor: Option<&str>) -> Result<(), Error> {
    const SQL: &str = "update department set name = $1, parent = $2, successor = $3 where id = $4";
    expect_one(on!(connection, c => sqlx::query(SQL)
        .bind(name)
        .bind(parent)
        .bind(successor)
        .bind(id)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

pub async fn insert_namespace(connection: &mut Connection, department: &str, kind: &str, value: &str) -> Result<(), Error> {
    const SQL: &str = "insert into department_namespace (kind, value, department) values ($1, $2, $3)";
    on!(connection, c => sqlx::query(SQL).bind(kind).bind(value).bind(department).execute(c).await.map(drop))?;
    Ok(())
}

pub async fn delete_namespaces(connection: &mut Connection, department: &str) -> Result<(), Error> {
    const SQL: &str = "delete from department_namespace where department = $1";
    on!(connection, c => sqlx::query(SQL).bind(department).execute(c).await.map(drop))?;
    Ok(())
}

/// The names a department may certify: (kind, value).
pub async fn namespaces(connection: &mut Connection, department: &str) -> Result<Vec<(String, String)>, Error> {
    const SQL: &str = "select kind, value from department_namespace where department = $1 order by kind, value";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(department).fetch_all(c).await)?)
}

/// A department and those above it, itself first, each with its successor: one that was merged lies in that. It ends at
/// `LONGEST_PATH`.
pub async fn path(connection: &mut Connection, id: &str) -> Result<Vec<(String, Option<String>)>, Error> {
    const SQL: &str = "with recursive up (id, successor, above, step) as ( \
             select id, successor, coalesce(successor, parent), 1 from department where id = $1 \
             union all \
             select d.id, d.successor, coalesce(d.successor, d.parent), up.step + 1 \
             from department as d join up on d.id = up.above where up.step < $2 \
         ) select id, successor from up order by step";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).bind(LONGEST_PATH as i64).fetch_all(c).await)?)
}

/// The departments that were merged into one, or into one of those.
pub async fn merged_into(connection: &mut Connection, id: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "with recursive merged (id) as ( \
             select id from department where successor = $1 union select d.id from department as d join merged on d.successor = merged.id \
         ) select id from merged order by id";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(id).fetch_all(c).await)?)
}

macro_rules! columns {
    () => {
        "select id, name, created_by, created_at, idempotency_key, request_digest, successor, parent from department "
    };
}

pub async fn find(connection: &mut Connection, id: &str) -> Result<Option<DepartmentRow>, Error> {
    const SQL: &str = concat!(columns!(), "where id = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

/// A page of all, or of one and those that lie in it.
pub async fn page(connection: &mut Connection, top: Option<&str>, after: Option<&str>, limit: i64) -> Result<Vec<DepartmentRow>, Error> {
    const SQL: &str = concat!(columns!(), "where id > $1 and (cast($2 as text) is null or id", within!("$2"), ") order by id limit $3");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after.unwrap_or_default()).bind(top).bind(limit).fetch_all(c).await)?)
}

/// Every department.
pub async fn all(connection: &mut Connection) -> Result<Vec<DepartmentRow>, Error> {
    const SQL: &str = concat!(columns!(), "order by id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// The kind, the value and the department of every name.
pub async fn all_namespaces(connection: &mut Connection) -> Result<Vec<(String, String, String)>, Error> {
    const SQL: &str = "select kind, value, department from department_namespace order by kind, value, department";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

macro_rules! change_columns {
    () => {
        "select id, act, department, proposed_by, proposed_at, idempotency_key, request_digest, shown, statement, decided_at, withdrawn \
         from department_change "
    };
}

pub async fn insert_change(connection: &mut Connection, row: &DepartmentChangeRow) -> Result<(), Error> {
    const SQL: &str = "insert into department_change \
         (id, act, department, proposed_by, proposed_at, idempotency_key, request_digest, shown, statement, decided_at, withdrawn) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.act)
        .bind(&row.department)
        .bind(&row.proposed_by)
        .bind(row.proposed_at)
        .bind(&row.idempotency_key)
        .bind(&row.request_digest)
        .bind(&row.shown)
        .bind(&row.statement)
        .bind(row.decided_at)
        .bind(&row.withdrawn)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The last change of a department that was done by then.
pub async fn last_change(connection: &mut Connection, department: &str, by: i64) -> Result<Option<DepartmentChangeRow>, Error> {
    const SQL: &str = concat!(change_columns!(), "where department = $1 and decided_at <= $2 order by decided_at desc, id desc limit 1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(department).bind(by).fetch_optional(c).await)?)
}

/// `Conflict` when it was done or withdrawn before.
pub async fn decide_change(connection: &mut Connection, id: &str, statement: &[u8], at: i64) -> Result<(), Error> {
    const SQL: &str =
        "update department_change set statement = $1, decided_at = $2 where id = $3 and statement is null and withdrawn is null";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(statement).bind(at).bind(id).execute(c).await.map(|done| done.rows_affected()))?)
}

/// `Conflict` when it was done or withdrawn before.
pub async fn withdraw_change(connection: &mut Connection, id: &str, statement: &[u8]) -> Result<(), Error> {
    const SQL: &str = "update department_change set withdrawn = $1 where id = $2 and statement is null and withdrawn is null";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(statement).bind(id).execute(c).await.map(|done| done.rows_affected()))?)
}

pub async fn find_change(connection: &mut Connection, id: &str) -> Result<Option<DepartmentChangeRow>, Error> {
    const SQL: &str = concat!(change_columns!(), "where id = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

pub async fn find_change_by_idempotency_key(
    connection: &mut Connection,
    proposed_by: &str,
    key: &str,
) -> Result<Option<DepartmentChangeRow>, Error> {
    const SQL: &str = concat!(change_columns!(), "where proposed_by = $1 and idempotency_key = $2");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(proposed_by).bind(key).fetch_optional(c).await)?)
}

/// A page of the changes, of one department if it is named.
pub async fn changes(
    connection: &mut Connection,
    department: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<DepartmentChangeRow>, Error> {
    const SQL: &str = concat!(change_columns!(), "where id > $1 and (cast($2 as text) is null or department = $2) order by id limit $3");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after.unwrap_or_default()).bind(department).bind(limit).fetch_all(c).await)?)
}

/// Every change, for the audit.
pub async fn all_changes(connection: &mut Connection) -> Result<Vec<DepartmentChangeRow>, Error> {
    const SQL: &str = concat!(change_columns!(), "order by id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
