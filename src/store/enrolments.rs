//! Enrolments and their certification requests.

use sqlx::{Database, QueryBuilder};

use super::{AT_ONCE, Connection, Error, departments::within, on, push_list};

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

/// What the column `state` may say.
pub static STATES: &[&str] = &["submitted", "approved", "issued", "rejected", "withdrawn", "expired"];

macro_rules! columns {
    () => {
        "seq, id, profile, department, person, submitted_by, submitted_at, state, sealed_subject, salt, evidence_digest, replaces, \
         policy, decision, idempotency_key, request_digest, updated_at"
    };
}

/// One of a state, to another.
#[derive(Debug, Clone)]
pub struct StateChange {
    pub id: String,
    pub decision: Option<Vec<u8>>,
    pub at: i64,
}

pub async fn insert(connection: &mut Connection, row: &EnrolmentRow, requests: &[EnrolmentRequestRow]) -> Result<(), Error> {
    insert_many(connection, std::slice::from_ref(row)).await?;
    for request in requests {
        insert_request(connection, &row.id, request).await?;
    }
    Ok(())
}

/// Many without their requests.
pub async fn insert_many(connection: &mut Connection, rows: &[EnrolmentRow]) -> Result<(), Error> {
    for chunk in rows.chunks(AT_ONCE) {
        on!(connection, c => enrolment_insert(chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

fn enrolment_insert<D: Database>(rows: &[EnrolmentRow]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Option<String>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Option<Vec<u8>>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new(
        "insert into enrolment (id, profile, department, person, submitted_by, submitted_at, state, sealed_subject, salt, \
         evidence_digest, replaces, policy, decision, idempotency_key, request_digest, updated_at) ",
    );
    query.push_values(rows, |mut values, row| {
        values.push_bind(row.id.clone()).push_bind(row.profile.clone()).push_bind(row.department.clone());
        values.push_bind(row.person.clone()).push_bind(row.submitted_by.clone()).push_bind(row.submitted_at);
        values.push_bind(row.state.clone()).push_bind(row.sealed_subject.clone()).push_bind(row.salt.clone());
        values.push_bind(row.evidence_digest.clone()).push_bind(row.replaces.clone()).push_bind(row.policy.clone());
        values.push_bind(row.decision.clone()).push_bind(row.idempotency_key.clone()).push_bind(row.request_digest.clone());
        values.push_bind(row.updated_at);
    });
    query
}

pub async fn insert_request(connection: &mut Connection, enrolment: &str, request: &EnrolmentRequestRow) -> Result<(), Error> {
    const SQL: &str = "insert into enrolment_request (enrolment, ordinal, csr, key_fingerprint, algorithm) values ($1, $2, $3, $4, $5)";
    on!(connection, c => sqlx::query(SQL)
        .bind(enrolment)
        .bind(request.ordinal)
        .bind(&request.csr)
        .bind(&request.key_fingerprint)
        .bind(&request.algorithm)
        .execute(c)
        .await
        .map(drop))?;
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

/// Those with these ids, in no order.
pub async fn find_many(connection: &mut Connection, ids: &[String]) -> Result<Vec<EnrolmentRow>, Error> {
    let mut found = Vec::new();
    for chunk in ids.chunks(AT_ONCE) {
        found.extend::<Vec<EnrolmentRow>>(on!(connection, c => {
            let mut query = QueryBuilder::new(concat!("select ", columns!(), " from enrolment where id in "));
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

/// The requests of these enrolments, each with the enrolment that it belongs to, in the order of each.
pub async fn requests_of_many(connection: &mut Connection, ids: &[String]) -> Result<Vec<(String, EnrolmentRequestRow)>, Error> {
    let mut found = Vec::new();
    for chunk in ids.chunks(AT_ONCE) {
        let rows: Vec<OfEnrolment> = on!(connection, c => {
            let mut query =
                QueryBuilder::new("select enrolment, ordinal, csr, key_fingerprint, algorithm from enrolment_request where enrolment in ");
            push_list(&mut query, chunk);
            query.push(" order by enrolment, ordinal").build_query_as().fetch_all(c).await
        })?;
        found.extend(rows.into_iter().map(|row| (row.enrolment, row.request)));
    }
    Ok(found)
}

/// The newest enrolment of each of these persons under a profile.
pub async fn newest_of_persons(connection: &mut Connection, profile: &str, persons: &[String]) -> Result<Vec<EnrolmentRow>, Error> {
    let mut found = Vec::new();
    for chunk in persons.chunks(AT_ONCE) {
        found.extend::<Vec<EnrolmentRow>>(on!(connection, c => {
            let mut query = QueryBuilder::new(concat!(
                "select ",
                columns!(),
                " from enrolment where seq in (select max(seq) from enrolment where profile = "
            ));
            query.push_bind(profile.to_owned()).push(" and person in ");
            push_list(&mut query, chunk);
            query.push(" group by person)").build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

/// The requests of these persons that may still be issued: (person, enrolment).
pub async fn open_of(connection: &mut Connection, persons: &[String]) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    for chunk in persons.chunks(AT_ONCE) {
        found.extend::<Vec<(String, String)>>(on!(connection, c => {
            let mut query = QueryBuilder::new("select person, id from enrolment where state in ('submitted', 'approved') and person in ");
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
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
    let change = StateChange { id: id.to_owned(), decision: decision.map(<[u8]>::to_vec), at };
    change_states(connection, from, to, &[change]).await
}

/// The same for many; `Conflict` when one of them is in another state, and then which is not said.
pub async fn change_states(connection: &mut Connection, from: &str, to: &str, changes: &[StateChange]) -> Result<(), Error> {
    for chunk in changes.chunks(AT_ONCE) {
        let rows = on!(connection, c => state_update(from, to, chunk).build().execute(c).await.map(|done| done.rows_affected()))?;
        if rows != chunk.len() as u64 {
            return Err(Error::Conflict);
        }
    }
    Ok(())
}

fn state_update<D: Database>(from: &str, to: &str, changes: &[StateChange]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Option<Vec<u8>>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("with change (id, decision, at) as (");
    query.push_values(changes, |mut values, change| {
        values.push_bind(change.id.clone()).push_bind(change.decision.clone()).push_bind(change.at);
    });
    query.push(") update enrolment set decision = coalesce(change.decision, enrolment.decision), updated_at = change.at, state = ");
    query.push_bind(to.to_owned()).push(" from change where enrolment.id = change.id and enrolment.state = ").push_bind(from.to_owned());
    query
}

/// The requests that wait although somebody approved them, alone or in a list.
pub async fn with_approvals(connection: &mut Connection, act: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select id from enrolment e where state = 'submitted' and (\
         exists (select 1 from statement s where s.act = $1 and s.about = e.id) or \
         exists (select 1 from statement_list l join statement s on s.about = l.root where l.item = e.id and s.act = $1)) order by seq";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(act).fetch_all(c).await)?)
}

/// The requests that wait since before a time: for a decision, or approved for their key.
pub async fn waiting_since(connection: &mut Connection, before: i64) -> Result<Vec<String>, Error> {
    const SQL: &str = "select id from enrolment where state in ('submitted', 'approved') and updated_at < $1 order by seq";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(before).fetch_all(c).await)?)
}

/// The requests of a department that nobody has issued or refused yet.
pub async fn open_in(connection: &mut Connection, department: &str) -> Result<Vec<EnrolmentRow>, Error> {
    const SQL: &str =
        concat!("select ", columns!(), " from enrolment where department = $1 and state in ('submitted', 'approved') order by seq");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(department).fetch_all(c).await)?)
}

/// A page, oldest first; absent arguments do not filter. Of a department with all that lie in it.
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
        " from enrolment where seq > $1 and (cast($2 as text) is null or state = $2) and (cast($3 as text) is null or department",
        within!("$3"),
        ") order by seq limit $4"
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
