//! Re-review: what the statements of one certificate touched, and what of it was put to re-review.

use sqlx::{Database, QueryBuilder};

use super::{AT_ONCE, Connection, Error, on, push_list};

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ReReviewRow {
    pub statement: Vec<u8>,
    pub kind: String,
    pub item: String,
}

/// The kind of what is listed that is no item: a statement on which no decision rests.
pub const OPEN: &str = "re-review";

/// An item with the statement that put it to re-review; or a statement that has put nothing to it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ListedReReviewRow {
    #[sqlx(flatten)]
    pub row: ReReviewRow,
    /// What the statement is about: the certificate of the stolen key.
    pub certificate: String,
    pub jws: String,
    pub recorded_at: i64,
    /// Tells what was recorded at once apart.
    pub place: String,
}

/// Whose statements: those by this certificate that were recorded then or later.
#[derive(Debug, Clone)]
pub struct SignedSince {
    pub person: String,
    pub certificate: Vec<u8>,
    pub since: i64,
}

/// How much rests on somebody's statements: whoever acts on what they read compares it again when they write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Extent {
    pub statements: i64,
    pub decisions: i64,
}

/// What rests on somebody's statements, by kind. What has ended, or was used already, is left out.
#[derive(Debug, Clone)]
pub struct Touched {
    pub extent: Extent,
    /// Issued on a decision that rests on one of them, or held by somebody who was appointed on one.
    pub certificates: Vec<Vec<u8>>,
    /// Certificates that one of them resumed.
    pub resumed: Vec<String>,
    /// Certificates that a proof resumed, which rests on one of them.
    pub resumed_by_proof: Vec<Vec<u8>>,
    /// Approved on one of them, and not claimed yet.
    pub enrolments: Vec<String>,
    /// Persons who were appointed on one of them and have not used their code.
    pub unclaimed: Vec<String>,
    pub tokens: Vec<String>,
    pub identity_checks: Vec<String>,
    pub policies: Vec<String>,
}

/// `select …` of the statements, and of the decisions that rest on them.
macro_rules! signed {
    ($column:literal) => {
        concat!("select s.", $column, " from statement s where s.signer_person = $1 and s.signer_certificate = $2 and s.recorded_at >= $3")
    };
}
macro_rules! decided {
    ($column:literal) => {
        concat!("select l.", $column, " from decision_statement l where l.statement in (", signed!("digest"), ")")
    };
}
/// The persons whose roles rest on one of them, whichever of several statements it was.
macro_rules! appointed {
    () => {
        concat!(
            "select g.person from role_grant g where g.withdrawn_at is null and g.statement in \
             (select o.statement from decision_statement o where o.decision in (",
            decided!("decision"),
            "))"
        )
    };
}

pub async fn extent(connection: &mut Connection, by: &SignedSince) -> Result<Extent, Error> {
    const SQL: &str = concat!(
        "select (select count(*) from (",
        signed!("digest"),
        ") a) as statements, (select count(*) from (",
        decided!("decision"),
        ") b) as decisions"
    );
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(&by.person).bind(&by.certificate).bind(by.since).fetch_one(c).await)?)
}

pub async fn touched(connection: &mut Connection, by: &SignedSince) -> Result<Touched, Error> {
    const CERTIFICATES: &str = concat!(
        "select id from certificate where decision in (",
        decided!("decision"),
        ") or (profile = 'officer' and person in (",
        appointed!(),
        ")) order by seq"
    );
    const RESUMED: &str = concat!("select about from statement where act = 'resume' and digest in (", decided!("statement"), ")");
    const RESUMED_BY_PROOF: &str = concat!(
        "select p.resumed from proofing p join identity_check i on i.id = p.identity_check where p.resumed is not null and (i.checked in (",
        signed!("digest"),
        ") or i.confirmed in (",
        signed!("digest"),
        "))"
    );
    const ENROLMENTS: &str =
        concat!("select id from enrolment where state = 'approved' and decision in (", decided!("decision"), ") order by seq");
    const UNCLAIMED: &str =
        concat!("select distinct c.person from claim c where c.used_at is null and c.person in (", appointed!(), ") order by c.person");
    const TOKENS: &str = concat!("select id from token where revoked_at is null and statement in (", signed!("digest"), ") order by id");
    const CHECKS: &str = concat!(
        "select id from identity_check where used_at is null and withdrawn is null and (checked in (",
        signed!("digest"),
        ") or confirmed in (",
        signed!("digest"),
        ")) order by id"
    );
    const POLICIES: &str = concat!(
        "select distinct about from statement where act = 'activate-policy' and digest in (",
        decided!("statement"),
        ") order by about"
    );
    Ok(Touched {
        extent: extent(connection, by).await?,
        certificates: octets(connection, CERTIFICATES, by).await?,
        resumed: texts(connection, RESUMED, by).await?,
        resumed_by_proof: octets(connection, RESUMED_BY_PROOF, by).await?,
        enrolments: texts(connection, ENROLMENTS, by).await?,
        unclaimed: texts(connection, UNCLAIMED, by).await?,
        tokens: texts(connection, TOKENS, by).await?,
        identity_checks: texts(connection, CHECKS, by).await?,
        policies: texts(connection, POLICIES, by).await?,
    })
}

/// The certificates that were issued to follow one of these.
pub async fn successors(connection: &mut Connection, certificates: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Error> {
    let mut found = Vec::new();
    for chunk in certificates.chunks(AT_ONCE) {
        found.extend::<Vec<Vec<u8>>>(on!(connection, c => {
            let mut query = QueryBuilder::new("select c.id from certificate c join enrolment e on e.id = c.enrolment where e.replaces in ");
            push_list(&mut query, chunk);
            query.push(" order by c.seq").build_query_scalar().fetch_all(c).await
        })?);
    }
    Ok(found)
}

async fn texts(connection: &mut Connection, sql: &'static str, by: &SignedSince) -> Result<Vec<String>, Error> {
    Ok(on!(connection, c => sqlx::query_scalar(sql).bind(&by.person).bind(&by.certificate).bind(by.since).fetch_all(c).await)?)
}

async fn octets(connection: &mut Connection, sql: &'static str, by: &SignedSince) -> Result<Vec<Vec<u8>>, Error> {
    Ok(on!(connection, c => sqlx::query_scalar(sql).bind(&by.person).bind(&by.certificate).bind(by.since).fetch_all(c).await)?)
}

pub async fn insert(connection: &mut Connection, rows: &[ReReviewRow]) -> Result<(), Error> {
    for chunk in rows.chunks(AT_ONCE) {
        on!(connection, c => insert_query(chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

fn insert_query<D: Database>(rows: &[ReReviewRow]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("insert into re_review (statement, kind, item) ");
    query.push_values(rows, |mut values, row| {
        values.push_bind(row.statement.clone()).push_bind(row.kind.clone()).push_bind(row.item.clone());
    });
    query
}

/// What was put to re-review because of this certificate before.
pub async fn of_certificate(connection: &mut Connection, certificate: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select r.item from re_review r join statement s on s.digest = r.statement where s.about = $1";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(certificate).fetch_all(c).await)?)
}

/// Because of which certificates something was put to re-review, and when: (certificate, recorded at).
pub async fn of_item(connection: &mut Connection, item: &str) -> Result<Vec<(String, i64)>, Error> {
    const SQL: &str = "select s.about, s.recorded_at from re_review r join statement s on s.digest = r.statement where r.item = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(item).fetch_all(c).await)?)
}

/// A page, oldest first, of one certificate or of all; `after` is the last one of the page before: when, and its place.
pub async fn page(
    connection: &mut Connection,
    certificate: Option<&str>,
    after: Option<&(i64, String)>,
    limit: i64,
) -> Result<Vec<ListedReReviewRow>, Error> {
    const SQL: &str = "select statement, kind, item, certificate, jws, recorded_at, place from \
         (select r.statement, r.kind, r.item, s.about as certificate, s.jws, s.recorded_at, r.item as place \
         from re_review r join statement s on s.digest = r.statement \
         union all select o.digest, $5, o.about, o.about, o.jws, o.recorded_at, o.nonce from statement o where o.act = 're-review' \
         and not exists (select 1 from decision_statement d where d.statement = o.digest)) listed \
         where (cast($1 as text) is null or certificate = $1) and (recorded_at, place) > ($2, $3) order by recorded_at, place limit $4";
    let (at, place) = after.map_or((i64::MIN, ""), |(at, place)| (*at, place.as_str()));
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(certificate).bind(at).bind(place).bind(limit).bind(OPEN).fetch_all(c).await)?)
}

/// For the audit.
pub async fn all(connection: &mut Connection) -> Result<Vec<ReReviewRow>, Error> {
    const SQL: &str = "select statement, kind, item from re_review order by statement, item";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
