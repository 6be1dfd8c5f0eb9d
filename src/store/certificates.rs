//! Certificates, promised and complete, and those of the service itself.

use sqlx::{Database, QueryBuilder};

use super::{AT_ONCE, Connection, Error, NoticeProgressRow, departments::within, on, push_list};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CertificateRow {
    /// Given by the database; 0 before.
    pub seq: i64,
    pub id: Vec<u8>,
    pub serial: Vec<u8>,
    pub authority: String,
    pub profile: String,
    pub person: String,
    pub department: Option<String>,
    pub enrolment: Option<String>,
    pub key_fingerprint: Vec<u8>,
    pub subject: String,
    pub not_before: i64,
    pub not_after: i64,
    pub tbs: Vec<u8>,
    pub signature: Option<Vec<u8>>,
    pub fingerprint: Option<Vec<u8>>,
    pub decision: Vec<u8>,
    pub leaf_log: String,
    pub leaf_idx: i64,
    pub version: i64,
    pub status: String,
    pub created_at: i64,
}

/// What completes a promise.
#[derive(Debug, Clone)]
pub struct SignedRow {
    pub id: Vec<u8>,
    pub signature: Vec<u8>,
    pub fingerprint: Vec<u8>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SystemCertificateRow {
    pub certificate: Vec<u8>,
    pub purpose: String,
    pub authority: Option<String>,
    pub key_name: String,
    pub active: i64,
}

/// Which certificates to list; absent fields do not filter.
#[derive(Debug, Clone, Default)]
pub struct CertificateFilter {
    pub authority: Option<String>,
    pub profile: Option<String>,
    /// With all that lie in it.
    pub department: Option<String>,
    pub person: Option<String>,
    /// A part of the subject.
    pub subject: Option<String>,
    pub status: Option<String>,
    pub expires_before: Option<i64>,
    /// A person who signed a statement of the decision.
    pub signer: Option<String>,
    /// The `seq` of the last certificate of the page before.
    pub after: Option<i64>,
}

/// What the column `status` may say.
pub static STATUSES: &[&str] = &["promised", "valid", "suspended", "revoked"];

macro_rules! columns {
    () => {
        "seq, id, serial, authority, profile, person, department, enrolment, key_fingerprint, subject, not_before, not_after, tbs, \
         signature, fingerprint, decision, leaf_log, leaf_idx, version, status, created_at"
    };
}

/// Claims the serial numbers and records the promises; `Taken` when a serial number or a certificate is there already.
pub async fn insert_promised(connection: &mut Connection, rows: &[CertificateRow]) -> Result<(), Error> {
    for chunk in rows.chunks(AT_ONCE) {
        on!(connection, c => promise_insert(chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

fn promise_insert<D: Database>(rows: &[CertificateRow]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Option<String>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new(
        "insert into certificate (id, serial, authority, profile, person, department, enrolment, key_fingerprint, subject, not_before, \
         not_after, tbs, decision, leaf_log, leaf_idx, version, status, created_at) ",
    );
    query.push_values(rows, |mut values, row| {
        values.push_bind(row.id.clone()).push_bind(row.serial.clone()).push_bind(row.authority.clone());
        values.push_bind(row.profile.clone()).push_bind(row.person.clone()).push_bind(row.department.clone());
        values.push_bind(row.enrolment.clone()).push_bind(row.key_fingerprint.clone()).push_bind(row.subject.clone());
        values.push_bind(row.not_before).push_bind(row.not_after).push_bind(row.tbs.clone());
        values.push_bind(row.decision.clone()).push_bind(row.leaf_log.clone()).push_bind(row.leaf_idx);
        values.push_bind(row.version).push_bind(row.status.clone()).push_bind(row.created_at);
    });
    query
}

/// Records signatures. One that is there already stays: signing a promise twice changes nothing. A promise that was revoked
/// meanwhile keeps its status, for its signature may be out all the same.
pub async fn complete(connection: &mut Connection, rows: &[SignedRow]) -> Result<(), Error> {
    const SQL: &str = "update certificate set signature = $1, fingerprint = $2, \
         status = case when status = 'promised' then 'valid' else status end where id = $3 and signature is null";
    for row in rows {
        on!(connection, c => sqlx::query(SQL).bind(&row.signature).bind(&row.fingerprint).bind(&row.id).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// A change of the cached status of a certificate in the version that was seen.
#[derive(Debug, Clone)]
pub struct StatusChange {
    pub id: Vec<u8>,
    pub version: i64,
    pub from: String,
    pub to: String,
}

/// Changes the cached status of certificates; `Conflict` when one of them has changed since. A promise may be revoked like what
/// is `valid`, and nothing else.
pub async fn change_statuses(connection: &mut Connection, changes: &[StatusChange]) -> Result<(), Error> {
    for chunk in changes.chunks(AT_ONCE) {
        let rows = on!(connection, c => status_update(chunk).build().execute(c).await.map(|done| done.rows_affected()))?;
        if rows != chunk.len() as u64 {
            return Err(Error::Conflict);
        }
    }
    Ok(())
}

fn status_update<D: Database>(changes: &[StatusChange]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("with change (id, version, before, after) as (");
    query.push_values(changes, |mut values, change| {
        values.push_bind(change.id.clone()).push_bind(change.version).push_bind(change.from.clone()).push_bind(change.to.clone());
    });
    query.push(
        ") update certificate set status = change.after, version = certificate.version + 1 from change \
         where certificate.id = change.id and certificate.version = change.version \
         and (certificate.status = change.before or (certificate.status = 'promised' and change.after = 'revoked'))",
    );
    query
}

/// Those with these ids, in no order.
pub async fn find_many(connection: &mut Connection, ids: &[Vec<u8>]) -> Result<Vec<CertificateRow>, Error> {
    let mut found = Vec::new();
    for chunk in ids.chunks(AT_ONCE) {
        found.extend::<Vec<CertificateRow>>(on!(connection, c => {
            let mut query = QueryBuilder::new(concat!("select ", columns!(), " from certificate where id in "));
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

/// The certificates of these persons that have not ended by their own date, in no order.
pub async fn running_of(connection: &mut Connection, persons: &[String], now: i64) -> Result<Vec<CertificateRow>, Error> {
    let mut found = Vec::new();
    for chunk in persons.chunks(AT_ONCE) {
        found.extend::<Vec<CertificateRow>>(on!(connection, c => {
            let mut query = QueryBuilder::new(concat!("select ", columns!(), " from certificate where not_after > "));
            query.push_bind(now).push(" and person in ");
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

pub async fn find(connection: &mut Connection, id: &[u8]) -> Result<Option<CertificateRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from certificate where id = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

pub async fn find_by_serial(connection: &mut Connection, serial: &[u8]) -> Result<Option<CertificateRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from certificate where serial = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(serial).fetch_optional(c).await)?)
}

pub async fn find_by_fingerprint(connection: &mut Connection, fingerprint: &[u8]) -> Result<Option<CertificateRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from certificate where fingerprint = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(fingerprint).fetch_optional(c).await)?)
}

/// The newest complete certificate of a key.
pub async fn of_key(connection: &mut Connection, key_fingerprint: &[u8]) -> Result<Option<CertificateRow>, Error> {
    const SQL: &str =
        concat!("select ", columns!(), " from certificate where key_fingerprint = $1 and signature is not null order by seq desc limit 1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(key_fingerprint).fetch_optional(c).await)?)
}

/// Promises that were never signed.
pub async fn promised(connection: &mut Connection, authority: &str) -> Result<Vec<CertificateRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from certificate where authority = $1 and status = 'promised' order by seq");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(authority).fetch_all(c).await)?)
}

/// The certificates that a CRL may list; the ledger says which of them it does.
pub async fn not_good(connection: &mut Connection, authority: &str) -> Result<Vec<CertificateRow>, Error> {
    const SQL: &str =
        concat!("select ", columns!(), " from certificate where authority = $1 and status in ('suspended', 'revoked') order by seq");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(authority).fetch_all(c).await)?)
}

/// All of an enrolment.
pub async fn of_enrolment(connection: &mut Connection, enrolment: &str) -> Result<Vec<CertificateRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from certificate where enrolment = $1 order by seq");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(enrolment).fetch_all(c).await)?)
}

/// A page of certificates, oldest first.
pub async fn page(connection: &mut Connection, filter: &CertificateFilter, limit: i64) -> Result<Vec<CertificateRow>, Error> {
    on!(connection, c => Ok(page_query(filter, limit).build_query_as().fetch_all(c).await?))
}

fn page_query<D: Database>(filter: &CertificateFilter, limit: i64) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new(concat!("select ", columns!(), " from certificate where seq > "));
    query.push_bind(filter.after.unwrap_or(0));
    let equal = [
        (" and authority = ", &filter.authority),
        (" and profile = ", &filter.profile),
        (" and person = ", &filter.person),
        (" and status = ", &filter.status),
    ];
    for (condition, value) in equal {
        if let Some(value) = value {
            query.push(condition).push_bind(value.clone());
        }
    }
    if let Some(department) = &filter.department {
        query.push(concat!(" and department", within!(open))).push_bind(department.clone()).push(within!(close));
    }
    if let Some(part) = &filter.subject {
        let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        query.push(" and subject like ").push_bind(format!("%{escaped}%")).push(" escape '\\'");
    }
    if let Some(instant) = filter.expires_before {
        query.push(" and not_after < ").push_bind(instant);
    }
    if let Some(signer) = &filter.signer {
        query.push(
            " and exists (select 1 from decision_statement join statement on statement.digest = decision_statement.statement \
             where decision_statement.decision = certificate.decision and statement.signer_person = ",
        );
        query.push_bind(signer.clone()).push(")");
    }
    query.push(" order by seq limit ").push_bind(limit);
    query
}

/// Those that end before `until` and come after the place in `progress`, in order of their end.
pub async fn expiring(
    connection: &mut Connection,
    progress: NoticeProgressRow,
    until: i64,
    limit: i64,
) -> Result<Vec<CertificateRow>, Error> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from certificate where not_after >= $1 and not_after < $2 and (not_after > $1 or seq > $3) order by not_after, seq limit $4"
    );
    let NoticeProgressRow { not_after, seq, .. } = progress;
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(not_after).bind(until).bind(seq).bind(limit).fetch_all(c).await)?)
}

/// The signed certificates of the same person, profile and family that end later, the last first.
pub async fn successors(connection: &mut Connection, of: &CertificateRow, limit: i64) -> Result<Vec<CertificateRow>, Error> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from certificate where person = $1 and profile = $2 and not_after > $3 and signature is not null \
         and authority in (select name from authority where algorithm = (select algorithm from authority where name = $4)) \
         order by not_after desc limit $5"
    );
    Ok(on!(connection, c => sqlx::query_as(SQL)
        .bind(&of.person)
        .bind(&of.profile)
        .bind(of.not_after)
        .bind(&of.authority)
        .bind(limit)
        .fetch_all(c)
        .await)?)
}

/// Those with which somebody administers the whole installation, if they are good and are not over by then.
pub async fn of_administrators(connection: &mut Connection, now: i64) -> Result<Vec<CertificateRow>, Error> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from certificate where profile = 'officer' and signature is not null and not_after > $1 and person in \
         (select person from role_grant where role = 'administrator' and department is null and withdrawn_at is null) order by seq"
    );
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(now).fetch_all(c).await)?)
}

/// How many an authority has issued that are not over and not revoked, without this one.
pub async fn running(connection: &mut Connection, authority: &str, without: &[u8], now: i64) -> Result<i64, Error> {
    const SQL: &str = "select count(*) from certificate where authority = $1 and id <> $2 and not_after > $3 and status <> 'revoked'";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(authority).bind(without).bind(now).fetch_one(c).await)?)
}

/// The certificate of the enrolment that replaced this one.
pub async fn successor_of(connection: &mut Connection, id: &[u8]) -> Result<Option<CertificateRow>, Error> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from certificate where enrolment in (select e.id from enrolment e where e.replaces = $1 and e.state = 'issued') order by seq limit 1"
    );
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

/// Takes the place of the one that was active for that purpose and authority.
pub async fn insert_system_certificate(connection: &mut Connection, row: &SystemCertificateRow) -> Result<(), Error> {
    const RETIRE: &str = "update system_certificate set active = 0 where purpose = $1 and coalesce(authority, '') = $2 and active = 1";
    const SQL: &str = "insert into system_certificate (certificate, purpose, authority, key_name, active) values ($1, $2, $3, $4, $5)";
    let authority = row.authority.clone().unwrap_or_default();
    on!(connection, c => sqlx::query(RETIRE).bind(&row.purpose).bind(&authority).execute(c).await.map(drop))?;
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.certificate)
        .bind(&row.purpose)
        .bind(&row.authority)
        .bind(&row.key_name)
        .bind(row.active)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn active_system_certificate(
    connection: &mut Connection,
    purpose: &str,
    authority: Option<&str>,
) -> Result<Option<SystemCertificateRow>, Error> {
    const SQL: &str = "select certificate, purpose, authority, key_name, active from system_certificate \
         where purpose = $1 and coalesce(authority, '') = $2 and active = 1";
    let authority = authority.unwrap_or_default();
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(purpose).bind(authority).fetch_optional(c).await)?)
}

/// What a certificate serves the installation as; `None` for everybody else's.
pub async fn find_system_certificate(connection: &mut Connection, id: &[u8]) -> Result<Option<SystemCertificateRow>, Error> {
    const SQL: &str = "select certificate, purpose, authority, key_name, active from system_certificate where certificate = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?)
}

/// Every certificate of the service itself, for the audit.
pub async fn system_certificates(connection: &mut Connection) -> Result<Vec<SystemCertificateRow>, Error> {
    const SQL: &str = "select certificate, purpose, authority, key_name, active from system_certificate";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
