//! Staff in bulk: employee numbers, and the codes for certificates that were approved before there was a key.

use sqlx::{Database, QueryBuilder};

use super::{AT_ONCE, Connection, EnrolmentRequestRow, Error, expect_one, on, push_list};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StaffRow {
    pub person: String,
    pub department: String,
    pub sealed_number: Option<Vec<u8>>,
    pub blind_index: Option<Vec<u8>>,
    pub added_at: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EnrolmentCodeRow {
    pub code_hash: Vec<u8>,
    pub enrolment: String,
    pub batch: String,
    pub issued_to: String,
    pub issued_at: i64,
    pub expires_at: i64,
    pub replaced_at: Option<i64>,
    pub used_at: Option<i64>,
    pub failures: i64,
}

/// A change that is committed together with leaves or statements. Each says what it expects and is `Conflict` otherwise.
#[derive(Debug, Clone)]
pub enum Change {
    /// New codes, made at one moment; they take the place of those that their enrolments had.
    Codes(Vec<EnrolmentCodeRow>),
    UseCode {
        code_hash: [u8; 32],
        at: i64,
    },
    /// The request that came with a code.
    Request {
        enrolment: String,
        row: EnrolmentRequestRow,
    },
}

pub async fn write(connection: &mut Connection, change: &Change) -> Result<(), Error> {
    match change {
        Change::Codes(rows) => insert_codes(connection, rows).await,
        Change::UseCode { code_hash, at } => {
            const SQL: &str = "update enrolment_code set used_at = $1 \
                 where code_hash = $2 and used_at is null and replaced_at is null and expires_at > $1";
            expect_one(
                on!(connection, c => sqlx::query(SQL).bind(at).bind(&code_hash[..]).execute(c).await.map(|done| done.rows_affected()))?,
            )
        }
        Change::Request { enrolment, row } => super::enrolments::insert_request(connection, enrolment, row).await,
    }
}

/// Many members at once; `Taken` when a number is another's.
pub async fn insert_staff(connection: &mut Connection, rows: &[StaffRow]) -> Result<(), Error> {
    for chunk in rows.chunks(AT_ONCE) {
        on!(connection, c => staff_insert(chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

fn staff_insert<D: Database>(rows: &[StaffRow]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Option<Vec<u8>>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("insert into staff (person, department, sealed_number, blind_index, added_at) ");
    query.push_values(rows, |mut values, row| {
        values.push_bind(row.person.clone()).push_bind(row.department.clone()).push_bind(row.sealed_number.clone());
        values.push_bind(row.blind_index.clone()).push_bind(row.added_at);
    });
    query
}

/// The members of a department with these numbers.
pub async fn by_numbers(connection: &mut Connection, department: &str, indexes: &[Vec<u8>]) -> Result<Vec<StaffRow>, Error> {
    let mut found = Vec::new();
    for chunk in indexes.chunks(AT_ONCE) {
        found.extend::<Vec<StaffRow>>(on!(connection, c => {
            let mut query = QueryBuilder::new("select person, department, sealed_number, blind_index, added_at from staff where department = ");
            query.push_bind(department.to_owned()).push(" and blind_index in ");
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

/// The members among these persons.
pub async fn of_persons(connection: &mut Connection, persons: &[String]) -> Result<Vec<StaffRow>, Error> {
    let mut found = Vec::new();
    for chunk in persons.chunks(AT_ONCE) {
        found.extend::<Vec<StaffRow>>(on!(connection, c => {
            let mut query = QueryBuilder::new("select person, department, sealed_number, blind_index, added_at from staff where person in ");
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

async fn insert_codes(connection: &mut Connection, rows: &[EnrolmentCodeRow]) -> Result<(), Error> {
    for chunk in rows.chunks(AT_ONCE) {
        on!(connection, c => code_replacement(chunk).build().execute(c).await.map(drop))?;
        on!(connection, c => code_insert(chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

fn code_replacement<D: Database>(rows: &[EnrolmentCodeRow]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let enrolments: Vec<String> = rows.iter().map(|row| row.enrolment.clone()).collect();
    let mut query = QueryBuilder::new("update enrolment_code set replaced_at = ");
    query.push_bind(rows.first().map_or(0, |row| row.issued_at)).push(" where used_at is null and replaced_at is null and enrolment in ");
    push_list(&mut query, &enrolments);
    query
}

fn code_insert<D: Database>(rows: &[EnrolmentCodeRow]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query =
        QueryBuilder::new("insert into enrolment_code (code_hash, enrolment, batch, issued_to, issued_at, expires_at, failures) ");
    query.push_values(rows, |mut values, row| {
        values.push_bind(row.code_hash.clone()).push_bind(row.enrolment.clone()).push_bind(row.batch.clone());
        values.push_bind(row.issued_to.clone()).push_bind(row.issued_at).push_bind(row.expires_at).push_bind(row.failures);
    });
    query
}

macro_rules! code_columns {
    () => {
        "select code_hash, enrolment, batch, issued_to, issued_at, expires_at, replaced_at, used_at, failures from enrolment_code "
    };
}

pub async fn find_code(connection: &mut Connection, code_hash: &[u8]) -> Result<Option<EnrolmentCodeRow>, Error> {
    const SQL: &str = concat!(code_columns!(), "where code_hash = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(code_hash).fetch_optional(c).await)?)
}

/// The codes of these enrolments that work: (enrolment, hash). One that failed so often does not.
pub async fn working_codes(
    connection: &mut Connection,
    enrolments: &[String],
    now: i64,
    most_failures: i64,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    for chunk in enrolments.chunks(AT_ONCE) {
        found.extend::<Vec<(String, Vec<u8>)>>(on!(connection, c => {
            let mut query = QueryBuilder::new(
                "select enrolment, code_hash from enrolment_code where used_at is null and replaced_at is null and expires_at > ",
            );
            query.push_bind(now).push(" and failures < ").push_bind(most_failures).push(" and enrolment in ");
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

pub async fn count_code_failure(connection: &mut Connection, code_hash: &[u8]) -> Result<(), Error> {
    const SQL: &str = "update enrolment_code set failures = failures + 1 where code_hash = $1";
    on!(connection, c => sqlx::query(SQL).bind(code_hash).execute(c).await.map(drop))?;
    Ok(())
}

/// Every member, for the audit.
pub async fn all_staff(connection: &mut Connection) -> Result<Vec<StaffRow>, Error> {
    const SQL: &str = "select person, department, sealed_number, blind_index, added_at from staff order by person";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every code, for the audit.
pub async fn all_codes(connection: &mut Connection) -> Result<Vec<EnrolmentCodeRow>, Error> {
    const SQL: &str = concat!(code_columns!(), "order by issued_at, code_hash");
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
