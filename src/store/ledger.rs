//! Logs, leaves, tiles, heads and checkpoints.

use sqlx::{Database, QueryBuilder};

use super::{Connection, Error, expect_one, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LogRow {
    pub name: String,
    pub origin: String,
    pub map_depth: i64,
    pub ed25519_spki: Vec<u8>,
    pub sm2_spki: Vec<u8>,
    pub created_at: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LeafRow {
    pub idx: i64,
    pub event_id: Vec<u8>,
    pub leaf_hash: Vec<u8>,
    pub entry: Vec<u8>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct TileRow {
    pub level: i64,
    pub n: i64,
    pub hashes: Vec<u8>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct HeadRow {
    pub size: i64,
    pub root: Vec<u8>,
    pub map_root: Vec<u8>,
    pub time: i64,
    pub fence: i64,
}

pub async fn insert_log(connection: &mut Connection, row: &LogRow) -> Result<(), Error> {
    const SQL: &str = "insert into log (name, origin, map_depth, ed25519_spki, sm2_spki, created_at) values ($1, $2, $3, $4, $5, $6)";
    on!(connection, c => sqlx::query(SQL)
        .bind(&row.name)
        .bind(&row.origin)
        .bind(row.map_depth)
        .bind(&row.ed25519_spki)
        .bind(&row.sm2_spki)
        .bind(row.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn logs(connection: &mut Connection) -> Result<Vec<LogRow>, Error> {
    const SQL: &str = "select name, origin, map_depth, ed25519_spki, sm2_spki, created_at from log order by name";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

pub async fn insert_head(connection: &mut Connection, log: &str, row: &HeadRow) -> Result<(), Error> {
    const SQL: &str = "insert into ledger_head (log, size, root, map_root, time, fence) values ($1, $2, $3, $4, $5, $6)";
    on!(connection, c => sqlx::query(SQL)
        .bind(log)
        .bind(row.size)
        .bind(&row.root)
        .bind(&row.map_root)
        .bind(row.time)
        .bind(row.fence)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn find_head(connection: &mut Connection, log: &str) -> Result<Option<HeadRow>, Error> {
    const SQL: &str = "select size, root, map_root, time, fence from ledger_head where log = $1";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(log).fetch_optional(c).await)?)
}

/// Takes a log over: from now on whoever held it before cannot set its head.
pub async fn raise_fence(connection: &mut Connection, log: &str) -> Result<i64, Error> {
    const SQL: &str = "update ledger_head set fence = fence + 1 where log = $1 returning fence";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(log).fetch_one(c).await)?)
}

/// Sets the head that follows the one of `old_size`; `Conflict` when another writer was faster or has taken over.
pub async fn advance_head(connection: &mut Connection, log: &str, old_size: i64, new: &HeadRow) -> Result<(), Error> {
    const SQL: &str = "update ledger_head set size = $1, root = $2, map_root = $3, time = $4 where log = $5 and size = $6 and fence = $7";
    let rows = on!(connection, c => sqlx::query(SQL)
        .bind(new.size)
        .bind(&new.root)
        .bind(&new.map_root)
        .bind(new.time)
        .bind(log)
        .bind(old_size)
        .bind(new.fence)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    expect_one(rows)
}

/// Many leaves in as few statements as the number of parameters allows.
pub async fn insert_leaves(connection: &mut Connection, log: &str, leaves: &[LeafRow]) -> Result<(), Error> {
    for chunk in leaves.chunks(500) {
        on!(connection, c => leaf_insert(log, chunk).build().execute(c).await.map(drop))?;
    }
    Ok(())
}

fn leaf_insert<'a, D: Database>(log: &'a str, leaves: &'a [LeafRow]) -> QueryBuilder<D>
where
    &'a str: sqlx::Encode<'a, D> + sqlx::Type<D>,
    &'a [u8]: sqlx::Encode<'a, D> + sqlx::Type<D>,
    String: sqlx::Encode<'a, D> + sqlx::Type<D>,
    Vec<u8>: sqlx::Encode<'a, D> + sqlx::Type<D>,
    i64: sqlx::Encode<'a, D> + sqlx::Type<D>,
{
    let mut query = QueryBuilder::new("insert into ledger_leaf (log, idx, event_id, leaf_hash, entry) ");
    query.push_values(leaves, |mut values, leaf| {
        values.push_bind(log.to_owned()).push_bind(leaf.idx).push_bind(leaf.event_id.clone());
        values.push_bind(leaf.leaf_hash.clone()).push_bind(leaf.entry.clone());
    });
    query
}

/// The leaves `from..until`, in order.
pub async fn leaves(connection: &mut Connection, log: &str, from: i64, until: i64) -> Result<Vec<LeafRow>, Error> {
    const SQL: &str = "select idx, event_id, leaf_hash, entry from ledger_leaf where log = $1 and idx >= $2 and idx < $3 order by idx";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(log).bind(from).bind(until).fetch_all(c).await)?)
}

/// Where the leaf of an event stands.
pub async fn find_event(connection: &mut Connection, log: &str, event_id: &[u8]) -> Result<Option<i64>, Error> {
    const SQL: &str = "select idx from ledger_leaf where log = $1 and event_id = $2";
    Ok(on!(connection, c => sqlx::query_scalar(SQL).bind(log).bind(event_id).fetch_optional(c).await)?)
}

pub async fn upsert_tiles(connection: &mut Connection, log: &str, tiles: &[TileRow]) -> Result<(), Error> {
    const SQL: &str = "insert into ledger_tile (log, level, n, hashes) values ($1, $2, $3, $4) \
         on conflict (log, level, n) do update set hashes = excluded.hashes";
    for tile in tiles {
        on!(connection, c => sqlx::query(SQL).bind(log).bind(tile.level).bind(tile.n).bind(&tile.hashes).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// The tiles with these (level, n), as they are now; those that do not exist are left out.
pub async fn tiles(connection: &mut Connection, log: &str, ids: &[(i64, i64)]) -> Result<Vec<TileRow>, Error> {
    const SQL: &str = "select level, n, hashes from ledger_tile where log = $1 and level = $2 and n = $3";
    let mut tiles = Vec::with_capacity(ids.len());
    for (level, n) in ids {
        tiles.extend(on!(connection, c => sqlx::query_as::<_, TileRow>(SQL).bind(log).bind(level).bind(n).fetch_optional(c).await)?);
    }
    Ok(tiles)
}

/// Every tile of a log, for the audit.
pub async fn all_tiles(connection: &mut Connection, log: &str) -> Result<Vec<TileRow>, Error> {
    const SQL: &str = "select level, n, hashes from ledger_tile where log = $1 order by level, n";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(log).fetch_all(c).await)?)
}

/// Signing a size twice is harmless and keeps the first note.
pub async fn insert_checkpoint(connection: &mut Connection, log: &str, size: i64, note: &str) -> Result<(), Error> {
    const SQL: &str = "insert into ledger_checkpoint (log, size, note) values ($1, $2, $3) on conflict (log, size) do nothing";
    on!(connection, c => sqlx::query(SQL).bind(log).bind(size).bind(note).execute(c).await.map(drop))?;
    Ok(())
}

/// Every stored checkpoint of a log, for the audit.
pub async fn checkpoints(connection: &mut Connection, log: &str) -> Result<Vec<(i64, String)>, Error> {
    const SQL: &str = "select size, note from ledger_checkpoint where log = $1 order by size";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(log).fetch_all(c).await)?)
}

/// The leaves behind position `after`, in order, for the audit: also those that no head covers.
pub async fn leaves_after(connection: &mut Connection, log: &str, after: i64, limit: i64) -> Result<Vec<LeafRow>, Error> {
    const SQL: &str = "select idx, event_id, leaf_hash, entry from ledger_leaf where log = $1 and idx > $2 order by idx limit $3";
    Ok(on!(connection, c => sqlx::query_as(SQL).bind(log).bind(after).bind(limit).fetch_all(c).await)?)
}

/// The log and the head of every row, for the audit.
pub async fn heads(connection: &mut Connection) -> Result<Vec<(String, i64, Vec<u8>, Vec<u8>)>, Error> {
    const SQL: &str = "select log, size, root, map_root from ledger_head order by log";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}

/// The names of logs that rows of these tables give and that are none, for the audit: (table, log).
pub async fn strays(connection: &mut Connection) -> Result<Vec<(String, String)>, Error> {
    const SQL: &str = "select distinct 'ledger_leaf' as place, log from ledger_leaf where log not in (select name from log) \
         union select distinct 'ledger_tile' as place, log from ledger_tile where log not in (select name from log) \
         union select distinct 'ledger_checkpoint' as place, log from ledger_checkpoint where log not in (select name from log)";
    Ok(on!(connection, c => sqlx::query_as(SQL).fetch_all(c).await)?)
}
