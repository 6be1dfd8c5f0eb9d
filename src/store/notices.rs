//! Notices of expiry: how far was looked for each threshold, what is to be sent, and the log of what was.

use super::{CertificateRow, Connection, Error, expect_one, on};

/// How far certificates were looked at for a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct NoticeProgressRow {
    pub days: i64,
    pub not_after: i64,
    pub seq: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct NoticeRow {
    /// Given by the database; 0 before.
    pub seq: i64,
    pub certificate: Vec<u8>,
    pub days: i64,
    pub channel: String,
    pub state: String,
    pub attempts: i64,
    pub next_attempt_at: i64,
    pub last_error: Option<String>,
    pub queued_at: i64,
    pub delivered_at: Option<i64>,
}

/// What the column `state` may say.
pub static STATES: &[&str] = &["waiting", "delivered", "failed", "withdrawn"];

macro_rules! columns {
    () => {
        "seq, certificate, days, channel, state, attempts, next_attempt_at, last_error, queued_at, delivered_at"
    };
}

pub async fn find_progress(connection: &mut Connection, days: i64) -> Result<Option<NoticeProgressRow>, Error> {
    const SQL: &str = "select days, not_after, seq from notice_progress where days = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(days).fetch_optional(c).await)?)
}

/// Begins a threshold; one that another has begun stays.
pub async fn begin_progress(connection: &mut Connection, row: NoticeProgressRow) -> Result<(), Error> {
    const SQL: &str = "insert into notice_progress (days, not_after, seq) values ($1, $2, $3) on conflict (days) do nothing";
    on!(connection, c => sqlx::query(SQL).bind(row.days).bind(row.not_after).bind(row.seq).execute(c).await.map(drop))?;
    Ok(())
}

/// Moves on from the place that was read; `Conflict` when another has moved on from it.
pub async fn advance_progress(connection: &mut Connection, from: NoticeProgressRow, to: &CertificateRow) -> Result<(), Error> {
    const SQL: &str = "update notice_progress set not_after = $1, seq = $2 where days = $3 and not_after = $4 and seq = $5";
    let rows = on!(connection, c => sqlx::query(SQL)
        .bind(to.not_after)
        .bind(to.seq)
        .bind(from.days)
        .bind(from.not_after)
        .bind(from.seq)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    expect_one(rows)
}

/// Queues a notice; one of the same certificate, threshold and channel stays as it is.
pub async fn insert(connection: &mut Connection, row: &NoticeRow) -> Result<(), Error> {
    const SQL: &str = "insert into notice (certificate, days, channel, state, attempts, next_attempt_at, last_error, queued_at, \
         delivered_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (certificate, days, channel) do nothing";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.certificate)
        .bind(row.days)
        .bind(&row.channel)
        .bind(&row.state)
        .bind(row.attempts)
        .bind(row.next_attempt_at)
        .bind(&row.last_error)
        .bind(row.queued_at)
        .bind(row.delivered_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What may be sent by that channel now, the longest due first.
pub async fn due(connection: &mut Connection, channel: &str, now: i64, limit: i64) -> Result<Vec<NoticeRow>, Error> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from notice where channel = $1 and state = 'waiting' and next_attempt_at <= $2 order by next_attempt_at, seq limit $3"
    );
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(channel).bind(now).bind(limit).fetch_all(c).await)?)
}

/// Counts an attempt, and keeps others from making one before `until`. Answers whether this caller is the one to make it.
pub async fn claim(connection: &mut Connection, row: &NoticeRow, until: i64) -> Result<bool, Error> {
    const SQL: &str =
        "update notice set attempts = attempts + 1, next_attempt_at = $1 where seq = $2 and state = 'waiting' and attempts = $3";
    let rows = on!(connection, c => sqlx::query(SQL)
        .bind(until)
        .bind(row.seq)
        .bind(row.attempts)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}

/// Records that the receiver took it. What failed before stays on record.
pub async fn delivered(connection: &mut Connection, seq: i64, at: i64) -> Result<(), Error> {
    const SQL: &str = "update notice set state = 'delivered', delivered_at = $1 where seq = $2 and state = 'waiting'";
    on!(connection, c => sqlx::query(SQL).bind(at).bind(seq).execute(c).await.map(drop))?;
    Ok(())
}

/// Records that attempt number `attempts` failed and when the next one is; a later attempt has the say over an earlier one.
pub async fn retry(connection: &mut Connection, seq: i64, attempts: i64, error: &str, next: i64) -> Result<(), Error> {
    const SQL: &str = "update notice set last_error = $1, next_attempt_at = $2 where seq = $3 and state = 'waiting' and attempts = $4";
    on!(connection, c => sqlx::query(SQL).bind(error).bind(next).bind(seq).bind(attempts).execute(c).await.map(drop))?;
    Ok(())
}

/// Records that it will not be sent: `failed` or `withdrawn`.
pub async fn end(connection: &mut Connection, seq: i64, state: &str, error: Option<&str>) -> Result<(), Error> {
    const SQL: &str = "update notice set state = $1, last_error = coalesce($2, last_error) where seq = $3 and state = 'waiting'";
    on!(connection, c => sqlx::query(SQL).bind(state).bind(error).bind(seq).execute(c).await.map(drop))?;
    Ok(())
}

/// A page of the log, oldest first.
pub async fn page(connection: &mut Connection, state: Option<&str>, after: Option<i64>, limit: i64) -> Result<Vec<NoticeRow>, Error> {
    const SQL: &str =
        concat!("select ", columns!(), " from notice where seq > $1 and (cast($2 as text) is null or state = $2) order by seq limit $3");
    let after = after.unwrap_or(0);
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(after).bind(state).bind(limit).fetch_all(c).await)?)
}

pub async fn find(connection: &mut Connection, seq: i64) -> Result<Option<NoticeRow>, Error> {
    const SQL: &str = concat!("select ", columns!(), " from notice where seq = $1");
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(seq).fetch_optional(c).await)?)
}

/// How many were queued since then and given up.
pub async fn failed_since(connection: &mut Connection, since: i64) -> Result<i64, Error> {
    const SQL: &str = "select count(*) from notice where state = 'failed' and queued_at >= $1";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(since).fetch_one(c).await)?)
}

/// Notices whose certificate is not there, for the audit.
pub async fn about_nothing(connection: &mut Connection) -> Result<Vec<(i64, Vec<u8>)>, Error> {
    const SQL: &str = "select seq, certificate from notice \
         where not exists (select 1 from certificate where certificate.id = notice.certificate) order by seq";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
