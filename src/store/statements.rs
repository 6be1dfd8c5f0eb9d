//! Nonces, statements, decisions and policy versions.

use sqlx::{Database, QueryBuilder};

use super::{AT_ONCE, Connection, Error, expect_one, on, push_list};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct NonceRow {
    pub nonce: String,
    pub person: String,
    pub act: String,
    pub about: String,
    pub issued_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StatementRow {
    pub digest: Vec<u8>,
    pub jws: String,
    pub act: String,
    pub about: String,
    pub signer_person: Option<String>,
    pub signer_certificate: Option<Vec<u8>>,
    pub nonce: String,
    pub recorded_at: i64,
}

/// Which statements to list: those of a person; absent fields do not filter.
#[derive(Debug, Clone, Default)]
pub struct StatementFilter {
    pub person: String,
    pub certificate: Option<Vec<u8>>,
    pub act: Option<String>,
    /// Recorded then or later.
    pub since: Option<i64>,
    /// When the last one of the page before was recorded, and its digest.
    pub after: Option<(i64, Vec<u8>)>,
}

/// A statement with what came of it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ListedStatementRow {
    #[sqlx(flatten)]
    pub statement: StatementRow,
    /// What its list has; 0 when it is about one thing.
    pub items: i64,
    /// How many decisions rest on it, and one of them.
    pub decisions: i64,
    pub decision: Option<Vec<u8>>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DecisionRow {
    pub digest: Vec<u8>,
    pub canonical: String,
    pub recorded_at: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PolicyVersionRow {
    pub digest: Vec<u8>,
    pub text: String,
    pub recorded_at: i64,
    pub activated_at: Option<i64>,
    pub activated_by: Option<Vec<u8>>,
}

pub async fn insert_nonce(connection: &mut Connection, row: &NonceRow) -> Result<(), Error> {
    const SQL: &str = "insert into nonce (nonce, person, act, about, issued_at, expires_at, used_at) values ($1, $2, $3, $4, $5, $6, $7)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.nonce)
        .bind(&row.person)
        .bind(&row.act)
        .bind(&row.about)
        .bind(row.issued_at)
        .bind(row.expires_at)
        .bind(row.used_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn find_nonce(connection: &mut Connection, nonce: &str) -> Result<Option<NonceRow>, Error> {
    const SQL: &str = "select nonce, person, act, about, issued_at, expires_at, used_at from nonce where nonce = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(nonce).fetch_optional(c).await)?)
}

/// Uses a nonce up; `Conflict` when it was used before or is over.
pub async fn use_nonce(connection: &mut Connection, nonce: &str, at: i64) -> Result<(), Error> {
    const SQL: &str = "update nonce set used_at = $1 where nonce = $2 and used_at is null and expires_at > $1";
    expect_one(on!(connection, c => sqlx::query(SQL).bind(at).bind(nonce).execute(c).await.map(|done| done.rows_affected()))?)
}

pub async fn insert_statement(connection: &mut Connection, row: &StatementRow) -> Result<(), Error> {
    const SQL: &str = "insert into statement (digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.digest)
        .bind(&row.jws)
        .bind(&row.act)
        .bind(&row.about)
        .bind(&row.signer_person)
        .bind(&row.signer_certificate)
        .bind(&row.nonce)
        .bind(row.recorded_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The statements with this act about one thing, or about a list that it is in, in the order of their record.
pub async fn about(connection: &mut Connection, act: &str, about: &str) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement \
         where act = $1 and (about = $2 or about in (select root from statement_list where item = $2)) order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(act).bind(about).fetch_all(c).await)?)
}

/// The same without those that a decision rests on already.
pub async fn open(connection: &mut Connection, act: &str, about: &str) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement \
         where act = $1 and about = $2 and not exists (select 1 from decision_statement d where d.statement = statement.digest) \
         order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(act).bind(about).fetch_all(c).await)?)
}

/// The same with which a list is revoked, whichever, as far as they were recorded after a time.
pub async fn open_revocations(connection: &mut Connection, after: i64) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str = "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement \
         where act = 'revoke' and recorded_at > $1 and exists (select 1 from statement_list l where l.root = statement.about) \
         and not exists (select 1 from decision_statement d where d.statement = statement.digest) order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after).fetch_all(c).await)?)
}

/// A page, in the order of their record.
pub async fn page(connection: &mut Connection, filter: &StatementFilter, limit: i64) -> Result<Vec<ListedStatementRow>, Error> {
    on!(connection, c => Ok(page_query(filter, limit).build_query_as().fetch_all(c).await?))
}

fn page_query<D: Database>(filter: &StatementFilter, limit: i64) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new(
        "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at, \
         (select count(*) from statement_list l where l.root = s.about) as items, \
         (select count(*) from decision_statement d where d.statement = s.digest) as decisions, \
         (select d.decision from decision_statement d where d.statement = s.digest order by d.decision limit 1) as decision \
         from statement s where signer_person = ",
    );
    query.push_bind(filter.person.clone());
    if let Some(certificate) = &filter.certificate {
        query.push(" and signer_certificate = ").push_bind(certificate.clone());
    }
    if let Some(act) = &filter.act {
        query.push(" and act = ").push_bind(act.clone());
    }
    if let Some(since) = filter.since {
        query.push(" and recorded_at >= ").push_bind(since);
    }
    if let Some((at, digest)) = &filter.after {
        query.push(" and (recorded_at, digest) > (").push_bind(*at).push(", ").push_bind(digest.clone()).push(")");
    }
    query.push(" order by recorded_at, digest limit ").push_bind(limit);
    query
}

/// What a person signed of an act since a time, oldest first: when it was recorded, and how many items its list has, if it has one.
pub async fn signed_since(connection: &mut Connection, person: &str, act: &str, since: i64) -> Result<Vec<(i64, i64)>, Error> {
    const SQL: &str = "select recorded_at, (select count(*) from statement_list l where l.root = s.about) from statement s \
         where signer_person = $1 and act = $2 and recorded_at > $3 order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(person).bind(act).bind(since).fetch_all(c).await)?)
}

/// Which statements with this act are about each of these, alone or in a list: (item, digest), in the order of their record.
pub async fn about_each(connection: &mut Connection, act: &str, items: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    for chunk in items.chunks(AT_ONCE) {
        found.extend::<Vec<(String, Vec<u8>)>>(on!(connection, c => about_query(act, chunk).build_query_as().fetch_all(c).await)?);
    }
    Ok(found)
}

fn about_query<D: Database>(act: &str, items: &[String]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new(
        "select item, digest from (select s.about as item, s.digest as digest, s.recorded_at as recorded_at from statement s where s.act = ",
    );
    query.push_bind(act.to_owned()).push(" and s.about in ");
    push_list(&mut query, items);
    query.push(
        " union all select l.item, s.digest, s.recorded_at from statement_list l join statement s on s.about = l.root where s.act = ",
    );
    query.push_bind(act.to_owned()).push(" and l.item in ");
    push_list(&mut query, items);
    query.push(") each_one order by recorded_at, digest");
    query
}

/// The statements with these digests, in no order.
pub async fn find_many(connection: &mut Connection, digests: &[Vec<u8>]) -> Result<Vec<StatementRow>, Error> {
    let mut found = Vec::new();
    for chunk in digests.chunks(AT_ONCE) {
        found.extend::<Vec<StatementRow>>(on!(connection, c => {
            let mut query = QueryBuilder::new(
                "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement where digest in ",
            );
            push_list(&mut query, chunk);
            query.build_query_as().fetch_all(c).await
        })?);
    }
    Ok(found)
}

/// The statements that a decision rests on, in its order.
pub async fn of_decision(connection: &mut Connection, decision: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    const SQL: &str = "select statement from decision_statement where decision = $1 order by ordinal";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(decision).fetch_all(c).await)?)
}

/// What a statement about a list is about, in the order of the list. A list that is there already is the same list.
pub async fn insert_list(connection: &mut Connection, root: &str, items: &[String]) -> Result<(), Error> {
    for (chunk, first) in items.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
        on!(connection, c => list_insert(root, first, chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

/// The items of the list with that root, in order; none when it is no list.
pub async fn list(connection: &mut Connection, root: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "select item from statement_list where root = $1 order by ordinal";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(root).fetch_all(c).await)?)
}

fn list_insert<D: Database>(root: &str, first: i64, items: &[String]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("insert into statement_list (root, ordinal, item) ");
    query.push_values(items.iter().zip(first..), |mut values, (item, ordinal)| {
        values.push_bind(root.to_owned()).push_bind(ordinal).push_bind(item.clone());
    });
    query.push(" on conflict do nothing");
    query
}

/// Every (root, ordinal, item), for the audit.
pub async fn lists(connection: &mut Connection) -> Result<Vec<(String, i64, String)>, Error> {
    const SQL: &str = "select root, ordinal, item from statement_list order by root, ordinal";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every statement, for the audit.
pub async fn statements(connection: &mut Connection) -> Result<Vec<StatementRow>, Error> {
    const SQL: &str =
        "select digest, jws, act, about, signer_person, signer_certificate, nonce, recorded_at from statement order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// A decision with the digests of its statements, in the order of the list.
pub type Decided = (DecisionRow, Vec<[u8; 32]>);

pub async fn insert_decisions(connection: &mut Connection, decisions: &[Decided]) -> Result<(), Error> {
    for chunk in decisions.chunks(AT_ONCE) {
        on!(connection, c => decision_insert(chunk).build().execute(c).await.map(drop))?;
    }
    let reasons: Vec<(&[u8], i64, &[u8])> = decisions
        .iter()
        .flat_map(|(row, statements)| statements.iter().zip(0..).map(|(statement, ordinal)| (&row.digest[..], ordinal, &statement[..])))
        .collect();
    for chunk in reasons.chunks(AT_ONCE) {
        on!(connection, c => reason_insert(chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

pub async fn find_decision(connection: &mut Connection, digest: &[u8]) -> Result<Option<DecisionRow>, Error> {
    const SQL: &str = "select digest, canonical, recorded_at from decision where digest = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(digest).fetch_optional(c).await)?)
}

fn decision_insert<D: Database>(decisions: &[Decided]) -> QueryBuilder<D>
where
    for<'q> String: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("insert into decision (digest, canonical, recorded_at) ");
    query.push_values(decisions, |mut values, (row, _)| {
        values.push_bind(row.digest.clone()).push_bind(row.canonical.clone()).push_bind(row.recorded_at);
    });
    query
}

fn reason_insert<D: Database>(reasons: &[(&[u8], i64, &[u8])]) -> QueryBuilder<D>
where
    for<'q> Vec<u8>: sqlx::Encode<'q, D> + sqlx::Type<D>,
    for<'q> i64: sqlx::Encode<'q, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("insert into decision_statement (decision, ordinal, statement) ");
    query.push_values(reasons, |mut values, (decision, ordinal, statement)| {
        values.push_bind(decision.to_vec()).push_bind(*ordinal).push_bind(statement.to_vec());
    });
    query
}

/// Every decision, for the audit.
pub async fn decisions(connection: &mut Connection) -> Result<Vec<DecisionRow>, Error> {
    const SQL: &str = "select digest, canonical, recorded_at from decision";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every (decision, ordinal, statement), for the audit.
pub async fn decision_statements(connection: &mut Connection) -> Result<Vec<(Vec<u8>, i64, Vec<u8>)>, Error> {
    const SQL: &str = "select decision, ordinal, statement from decision_statement order by decision, ordinal";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Records a version and when it was activated last.
pub async fn insert_policy_version(connection: &mut Connection, row: &PolicyVersionRow) -> Result<(), Error> {
    const SQL: &str = "insert into policy_version (digest, text, recorded_at, activated_at, activated_by) values ($1, $2, $3, $4, $5) \
         on conflict (digest) do update set activated_at = excluded.activated_at, activated_by = excluded.activated_by";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.digest)
        .bind(&row.text)
        .bind(row.recorded_at)
        .bind(row.activated_at)
        .bind(&row.activated_by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn find_policy_version(connection: &mut Connection, digest: &[u8]) -> Result<Option<PolicyVersionRow>, Error> {
    const SQL: &str = "select digest, text, recorded_at, activated_at, activated_by from policy_version where digest = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(digest).fetch_optional(c).await)?)
}

/// Every version, for the audit.
pub async fn policy_versions(connection: &mut Connection) -> Result<Vec<PolicyVersionRow>, Error> {
    const SQL: &str = "select digest, text, recorded_at, activated_at, activated_by from policy_version order by recorded_at, digest";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// Every nonce that is still kept, for the audit.
pub async fn nonces(connection: &mut Connection) -> Result<Vec<NonceRow>, Error> {
    const SQL: &str = "select nonce, person, act, about, issued_at, expires_at, used_at from nonce order by nonce";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
