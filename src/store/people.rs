//! Persons, keys and who owns them, roles, claims.

use sqlx::{Database, QueryBuilder};

use super::{AT_ONCE, Connection, Error, expect_one, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PersonRow {
    pub id: String,
    pub kind: String,
    pub department: Option<String>,
    pub created_at: i64,
    pub sealed_profile: Option<Vec<u8>>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RoleGrantRow {
    pub id: String,
    pub person: String,
    pub department: Option<String>,
    pub role: String,
    pub statement: Vec<u8>,
    pub granted_at: i64,
    pub withdrawn_at: Option<i64>,
    pub withdrawn_statement: Option<Vec<u8>>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ClaimRow {
    pub code_hash: Vec<u8>,
    pub person: String,
    pub profile: String,
    pub department: Option<String>,
    pub statement: Vec<u8>,
    pub expires_at: i64,
    pub used_at: Option<i64>,
    pub failures: i64,
}

pub async fn insert_person(connection: &mut Connection, row: &PersonRow) -> Result<(), Error> {
    insert_persons(connection, std::slice::from_ref(row)).await
}

/// Many at once.
pub async fn insert_persons(connection: &mut Connection, rows: &[PersonRow]) -> Result<(), Error> {
    for chunk in rows.chunks(AT_ONCE) {
        on!(connection, c => person_insert(chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

fn person_insert<D: Database>(rows: &[PersonRow]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Option<String>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Option<Vec<u8>>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("insert into person (id, kind, department, created_at, sealed_profile) ");
    query.push_values(rows, |mut values, row| {
        values.push_bind(row.id.clone()).push_bind(row.kind.clone()).push_bind(row.department.clone());
        values.push_bind(row.created_at).push_bind(row.sealed_profile.clone());
    });
    query
}

pub async fn find_person(connection: &mut Connection, id: &str) -> Result<Option<PersonRow>, Error> {
    const SQL: &str = "select id, kind, department, created_at, sealed_profile from person where id = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

/// Persons who hold or were proposed a role, by id.
pub async fn officers(connection: &mut Connection, after: Option<&str>, limit: i64) -> Result<Vec<PersonRow>, Error> {
    const SQL: &str = "select id, kind, department, created_at, sealed_profile from person \
         where id > $1 and sealed_profile is not null order by id limit $2";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after.unwrap_or_default()).bind(limit).fetch_all(c).await)?)
}

/// Makes the person the owner of a key that has none, and answers whose key it is.
pub async fn claim_key(connection: &mut Connection, key_fingerprint: &[u8], person: &str, at: i64) -> Result<String, Error> {
    const SQL: &str = "insert into key_owner (key_fingerprint, person, first_seen) values ($1, $2, $3) \
         on conflict (key_fingerprint) do nothing";
    on!(connection, c => sqlx::query(SQL).bind(key_fingerprint).bind(person).bind(at).execute(c).await.map(drop))?;
    find_key_owner(connection, key_fingerprint).await?.ok_or(Error::Conflict)
}

pub async fn find_key_owner(connection: &mut Connection, key_fingerprint: &[u8]) -> Result<Option<String>, Error> {
    const SQL: &str = "select person from key_owner where key_fingerprint = $1";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(key_fingerprint).fetch_optional(c).await)?)
}

pub async fn insert_grant(connection: &mut Connection, row: &RoleGrantRow) -> Result<(), Error> {
    const SQL: &str = "insert into role_grant (id, person, department, role, statement, granted_at, withdrawn_at, withdrawn_statement) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.person)
        .bind(&row.department)
        .bind(&row.role)
        .bind(&row.statement)
        .bind(row.granted_at)
        .bind(row.withdrawn_at)
        .bind(&row.withdrawn_statement)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

macro_rules! grant_columns {
    () => {
        "select id, person, department, role, statement, granted_at, withdrawn_at, withdrawn_statement from role_grant "
    };
}

/// The grants of a person that stand.
pub async fn roles(connection: &mut Connection, person: &str) -> Result<Vec<RoleGrantRow>, Error> {
    const SQL: &str = concat!(grant_columns!(), "where person = $1 and withdrawn_at is null order by granted_at, id");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).fetch_all(c).await)?)
}

/// Every grant of a person, also those that ended, in their order.
pub async fn grants_of(connection: &mut Connection, person: &str) -> Result<Vec<RoleGrantRow>, Error> {
    const SQL: &str = concat!(grant_columns!(), "where person = $1 order by granted_at, id");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).fetch_all(c).await)?)
}

/// Whether a role that this person held was withdrawn.
pub async fn has_withdrawn_role(connection: &mut Connection, person: &str) -> Result<bool, Error> {
    const SQL: &str = "select count(*) from role_grant where person = $1 and withdrawn_at is not null";
    let withdrawn: i64 = on!(connection, c => sqlx::query_scalar(SQL).bind(person).fetch_one(c).await)?;
    Ok(withdrawn > 0)
}

/// Every grant, for the audit.
pub async fn grants(connection: &mut Connection) -> Result<Vec<RoleGrantRow>, Error> {
    const SQL: &str = concat!(grant_columns!(), "order by granted_at, id");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// The grants of a department that stand.
pub async fn roles_in(connection: &mut Connection, department: &str) -> Result<Vec<RoleGrantRow>, Error> {
    const SQL: &str = concat!(grant_columns!(), "where department = $1 and withdrawn_at is null order by granted_at, id");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(department).fetch_all(c).await)?)
}

/// Ends every grant of a person that stands, on that statement; answers how many.
pub async fn withdraw_grants(connection: &mut Connection, person: &str, statement: &[u8], at: i64) -> Result<u64, Error> {
    const SQL: &str = "update role_grant set withdrawn_at = $1, withdrawn_statement = $2 where person = $3 and withdrawn_at is null";
    Ok(on!(connection, c => sqlx::query(SQL).bind(at).bind(statement).bind(person).execute(c).await.map(|done| done.rows_affected()))?)
}

/// Forgets somebody who was proposed; `Conflict` for whoever was ever appointed.
pub async fn forget_proposal(connection: &mut Connection, person: &str) -> Result<(), Error> {
    const SQL: &str = "update person set sealed_profile = null where id = $1 and sealed_profile is not null \
         and not exists (select 1 from role_grant where person = $1)";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(person).execute(c).await.map(|done| done.rows_affected()))?)
}

/// Whoever was proposed in a department and never appointed.
pub async fn proposed_in(connection: &mut Connection, department: &str) -> Result<Vec<PersonRow>, Error> {
    const SQL: &str = "select id, kind, department, created_at, sealed_profile from person \
         where department = $1 and sealed_profile is not null and id not in (select person from role_grant) order by id";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(department).fetch_all(c).await)?)
}

/// Forgets them.
pub async fn forget_proposals_in(connection: &mut Connection, department: &str) -> Result<(), Error> {
    const SQL: &str = "update person set sealed_profile = null \
         where department = $1 and sealed_profile is not null and id not in (select person from role_grant)";
    on!(connection, c => sqlx::query(SQL).bind(department).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends every grant in a department that stands, on the statement that merged it.
pub async fn withdraw_grants_in(connection: &mut Connection, department: &str, statement: &[u8], at: i64) -> Result<(), Error> {
    const SQL: &str = "update role_grant set withdrawn_at = $1, withdrawn_statement = $2 where department = $3 and withdrawn_at is null";
    on!(connection, c => sqlx::query(SQL).bind(at).bind(statement).bind(department).execute(c).await.map(drop))?;
    Ok(())
}

/// Administrators of the whole installation.
pub async fn count_administrators(connection: &mut Connection) -> Result<i64, Error> {
    const SQL: &str =
        "select count(distinct person) from role_grant where role = 'administrator' and department is null and withdrawn_at is null";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).fetch_one(c).await)?)
}

pub async fn insert_claim(connection: &mut Connection, row: &ClaimRow) -> Result<(), Error> {
    const SQL: &str = "insert into claim (code_hash, person, profile, department, statement, expires_at, used_at, failures) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.code_hash)
        .bind(&row.person)
        .bind(&row.profile)
        .bind(&row.department)
        .bind(&row.statement)
        .bind(row.expires_at)
        .bind(row.used_at)
        .bind(row.failures)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn find_claim(connection: &mut Connection, code_hash: &[u8]) -> Result<Option<ClaimRow>, Error> {
    const SQL: &str =
        "select code_hash, person, profile, department, statement, expires_at, used_at, failures from claim where code_hash = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(code_hash).fetch_optional(c).await)?)
}

/// The claims that one grant made possible.
pub async fn claims_of(connection: &mut Connection, statement: &[u8]) -> Result<Vec<ClaimRow>, Error> {
    const SQL: &str = "select code_hash, person, profile, department, statement, expires_at, used_at, failures from claim \
         where statement = $1 order by code_hash";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(statement).fetch_all(c).await)?)
}

/// Uses a claim up; `Conflict` when it was used before or is over.
pub async fn use_claim(connection: &mut Connection, code_hash: &[u8], at: i64) -> Result<(), Error> {
    const SQL: &str = "update claim set used_at = $1 where code_hash = $2 and used_at is null and expires_at > $1";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(at).bind(code_hash).execute(c).await.map(|done| done.rows_affected()))?)
}

pub async fn count_claim_failure(connection: &mut Connection, code_hash: &[u8]) -> Result<(), Error> {
    const SQL: &str = "update claim set failures = failures + 1 where code_hash = $1";
    on!(connection, c => sqlx::query(SQL).bind(code_hash).execute(c).await.map(drop))?;
    Ok(())
}

/// Every person, for the audit.
pub async fn all_persons(connection: &mut Connection) -> Result<Vec<PersonRow>, Error> {
    const SQL: &str = "select id, kind, department, created_at, sealed_profile from person order by id";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// The fingerprint, the owner and the first sight of every key, for the audit.
pub async fn key_owners(connection: &mut Connection) -> Result<Vec<(Vec<u8>, String, i64)>, Error> {
    const SQL: &str = "select key_fingerprint, person, first_seen from key_owner order by key_fingerprint";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every claim, for the audit.
pub async fn claims(connection: &mut Connection) -> Result<Vec<ClaimRow>, Error> {
    const SQL: &str =
        "select code_hash, person, profile, department, statement, expires_at, used_at, failures from claim order by code_hash";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
