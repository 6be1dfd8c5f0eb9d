//! SQL: one file per family of tables, plain functions on a connection. Stores and finds, never decides.
//!
//! One SQL text serves SQLite and PostgreSQL; the service opens the transaction, so one use case commits or vanishes whole.
//! Kept out on purpose: what a row means (`services/`), and keys in the clear (nothing here holds one).

pub mod authorities;
pub mod certificates;
pub mod citizens;
pub mod crls;
pub mod departments;
pub mod enrolments;
mod error;
pub mod installation;
pub mod ledger;
pub mod notices;
pub mod people;
pub mod re_reviews;
pub mod sessions;
pub mod staff;
pub mod statements;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection as _, Database, PgPool, Postgres, QueryBuilder, Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use authorities::AuthorityRow;
pub use certificates::{CertificateFilter, CertificateRow, SignedRow, StatusChange, SystemCertificateRow};
pub use crls::CrlRow;
pub use departments::{DepartmentChangeRow, DepartmentRow};
pub use enrolments::{EnrolmentRequestRow, EnrolmentRow, StateChange};
pub use error::Error;
pub use installation::InstallationRow;
pub use ledger::{HeadRow, LeafRow, LogRow, TileRow};
pub use notices::{NoticeProgressRow, NoticeRow};
pub use people::{ClaimRow, PersonRow, RoleGrantRow};
pub use re_reviews::ReReviewRow;
pub use sessions::SessionRow;
pub use staff::{EnrolmentCodeRow, StaffRow};
pub use statements::{DecisionRow, ListedStatementRow, NonceRow, PolicyVersionRow, StatementFilter, StatementRow};
pub use tokens::TokenRow;

/// Reading connections to SQLite; its one writer has a pool of its own.
const SQLITE_READERS: u32 = 8;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The database of an installation.
#[derive(Clone)]
pub enum Db {
    /// SQLite has one writer, so whoever writes waits here instead of being refused by the database.
    Lite {
        readers: SqlitePool,
        writer: SqlitePool,
    },
    Pg(PgPool),
}

/// How to open a database.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long to wait for a lock or a free connection.
    pub busy_timeout: Duration,
    /// Connections to PostgreSQL.
    pub max_connections: u32,
}

impl Db {
    /// Opens `sqlite://PATH` (made if it is not there; WAL, every commit on disk) or `postgres://…`.
    pub async fn open(url: &str, options: Options) -> Result<Self, Error> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let connect = PgConnectOptions::from_str(url)
                .map_err(Error::from)?
                .options([("lock_timeout", options.busy_timeout.as_millis().to_string()), ("synchronous_commit", "on".to_owned())]);
            let pool = PgPoolOptions::new()
                .max_connections(options.max_connections)
                .acquire_timeout(options.busy_timeout)
                .connect_with(connect)
                .await?;
            return Ok(Self::Pg(pool));
        }
        let connect = SqliteConnectOptions::from_str(url)
            .map_err(Error::from)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // WAL with NORMAL may lose a commit after a power failure, and a published checkpoint would then fork.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(options.busy_timeout);
        let pool = || SqlitePoolOptions::new().acquire_timeout(options.busy_timeout);
        let writer = pool()
            .max_connections(1)
            // A full disk undoes a transaction without sqlx's knowledge, which then begins no other on that connection.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(connect.clone())
            .await?;
        let readers = pool().max_connections(SQLITE_READERS).connect_with(connect).await?;
        Ok(Self::Lite { readers, writer })
    }

    /// Brings the schema up to this release; `NewerSchema` for one that a later release has changed.
    pub async fn migrate(&self) -> Result<(), Error> {
        // After a failure the connection is closed rather than returned: it may still hold the migration lock.
        match self {
            Self::Lite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                if let Err(error) = SQLITE_MIGRATIONS.run(&mut *connection).await {
                    connection.close().await.ok();
                    return Err(error.into());
                }
            }
            Self::Pg(pool) => {
                let mut connection = pool.acquire().await?;
                if let Err(error) = POSTGRES_MIGRATIONS.run(&mut *connection).await {
                    connection.close().await.ok();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// A connection to read with.
    pub async fn read(&self) -> Result<Connection, Error> {
        Ok(match self {
            Self::Lite { readers, .. } => Connection(Inner::Lite(Held::Pooled(readers.acquire().await?))),
            Self::Pg(pool) => Connection(Inner::Pg(Held::Pooled(pool.acquire().await?))),
        })
    }

    /// A transaction that sees one state of the database, however long it reads and whoever writes meanwhile.
    pub async fn begin_read(&self) -> Result<Tx, Error> {
        Ok(Tx(match self {
            Self::Lite { readers, .. } => Connection(Inner::Lite(Held::Begun(readers.begin_with("BEGIN DEFERRED").await?))),
            Self::Pg(pool) => Connection(Inner::Pg(Held::Begun(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?))),
        }))
    }

    /// A transaction that may write. Dropping it undoes it.
    pub async fn begin_write(&self) -> Result<Tx, Error> {
        Ok(Tx(match self {
            Self::Lite { writer, .. } => match writer.begin_with("BEGIN IMMEDIATE").await {
                Ok(transaction) => Connection(Inner::Lite(Held::Begun(transaction))),
                // The one writing connection is in other hands of this process.
                Err(error @ sqlx::Error::PoolTimedOut) => return Err(Error::Busy(error::Cause::new(error))),
                Err(error) => return Err(error.into()),
            },
            Self::Pg(pool) => Connection(Inner::Pg(Held::Begun(pool.begin().await?))),
        }))
    }

    pub async fn close(&self) {
        match self {
            Self::Lite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }
}

/// A connection to either database.
pub struct Connection(Inner);

enum Inner {
    Lite(Held<Sqlite>),
    Pg(Held<Postgres>),
}

enum Held<D: Database> {
    Pooled(PoolConnection<D>),
    Begun(Transaction<'static, D>),
}

impl<D: Database> Held<D> {
    fn get(&mut self) -> &mut D::Connection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Begun(transaction) => transaction,
        }
    }
}

/// A transaction.
pub struct Tx(Connection);

impl Tx {
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.0
    }

    /// Durable when it returns.
    pub async fn commit(self) -> Result<(), Error> {
        match self.0.0 {
            Inner::Lite(Held::Begun(transaction)) => transaction.commit().await?,
            Inner::Pg(Held::Begun(transaction)) => transaction.commit().await?,
            Inner::Lite(Held::Pooled(_)) | Inner::Pg(Held::Pooled(_)) => {}
        }
        Ok(())
    }
}

/// One body for both databases: `$connection` is bound to the database's own connection.
macro_rules! on {
    ($target:expr, $connection:ident => $body:expr) => {
        match &mut $target.0 {
            $crate::store::Inner::Lite(held) => {
                let $connection = held.get();
                $body
            }
            $crate::store::Inner::Pg(held) => {
                let $connection = held.get();
                $body
            }
        }
    };
}
pub(crate) use on;

/// The most rows of one statement: SQLite takes 32,766 parameters and PostgreSQL 65,535, and no row here has more than twenty.
const AT_ONCE: usize = 500;

/// `(…, …)`: a list of values, each bound. Not for an empty list, which is no SQL.
fn push_list<D: Database, T>(query: &mut QueryBuilder<D>, values: &[T])
where
    for<'q> T: sqlx::Encode<'q, D> + sqlx::Type<D> + Clone,
{
    let mut list = query.push("(").separated(", ");
    for value in values {
        list.push_bind(value.clone());
    }
    query.push(")");
}

/// A change that found nothing in the state it expects.
fn expect_one(rows: u64) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(Error::Conflict) }
}
