//! What can go wrong between us and a database, in the words that callers act on.

use sqlx::migrate::MigrateError;

/// Why the store did not do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique value is in use. Constraints are named alike on both databases: `table.column`, joined by `, ` when several
    /// columns are unique together.
    #[error("{constraint} is taken")]
    Taken { constraint: String },
    /// The state that the change expects was not found: somebody was faster, or the row it names is not there.
    #[error("the row is not in the state that was expected")]
    Conflict,
    /// Somebody else held the lock for too long. Worth trying again.
    #[error("the database is busy")]
    Busy(#[source] Cause),
    /// No room is left for the database. Reading still works.
    #[error("the database's disk is full")]
    Full(#[source] Cause),
    /// The database cannot be reached, or not as configured.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// A later release has been here; this one must not touch what it does not know.
    #[error("the database has schema step {step}, which is newer than this program")]
    NewerSchema { step: i64 },
    /// What is stored cannot be what we wrote.
    #[error("the database holds what this program never wrote")]
    Corrupt(#[source] Cause),
    /// A fault in this program, such as SQL that the database refuses.
    #[error("the database refused a statement")]
    Other(#[source] Cause),
}

/// What the database said. Only its message: the details that PostgreSQL adds quote whole rows, which may be personal data.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    pub(super) fn new(cause: impl ToString) -> Self {
        Self(cause.to_string())
    }
}

impl Error {
    /// The same error for others who wait, when it is about the database and not about what one of them asked.
    pub fn of_everyone(&self) -> Option<Self> {
        match self {
            Self::Busy(cause) => Some(Self::Busy(cause.clone())),
            Self::Full(cause) => Some(Self::Full(cause.clone())),
            Self::Unavailable(cause) => Some(Self::Unavailable(cause.clone())),
            _ => None,
        }
    }

    fn of_database(error: &dyn sqlx::error::DatabaseError) -> Self {
        let cause = Cause::new(error.message());
        if error.is_unique_violation() {
            return Self::Taken { constraint: constraint(error) };
        }
        let code = error.code().unwrap_or_default();
        match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
            Some(_) => Self::of_sqlite(code.parse().unwrap_or_default(), cause),
            None => Self::of_postgres(&code, cause),
        }
    }

    /// By result code (sqlite.org/rescode.html).
    fn of_sqlite(extended: i32, cause: Cause) -> Self {
        const IOERR_SHMSIZE: i32 = 10 | (19 << 8); // the shared-memory file could not grow: the disk is full too
        match (extended, extended & 0xff) {
            (IOERR_SHMSIZE, _) | (_, 13) => Self::Full(cause),
            (_, 5 | 6) => Self::Busy(cause),                   // BUSY, LOCKED
            (_, 8 | 10 | 14 | 23) => Self::Unavailable(cause), // READONLY, IOERR, CANTOPEN, AUTH
            (_, 11 | 26) => Self::Corrupt(cause),              // CORRUPT, NOTADB
            _ => Self::Other(cause),
        }
    }

    /// By SQLSTATE (PostgreSQL documentation, appendix A).
    fn of_postgres(state: &str, cause: Cause) -> Self {
        match state {
            "53100" => Self::Full(cause),
            "55P03" | "57014" | "40001" | "40P01" => Self::Busy(cause), // lock or statement timeout, serialisation, deadlock
            "XX001" | "XX002" => Self::Corrupt(cause),                  // data or index corrupted
            "25006" | "3D000" | "58030" => Self::Unavailable(cause),    // read-only standby, no such database, input/output
            // Connection exceptions, invalid authorisation, insufficient resources, operator intervention.
            _ if ["08", "28", "53", "57"].iter().any(|class| state.starts_with(class)) => Self::Unavailable(cause),
            _ => Self::Other(cause),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(error) => Self::of_database(&*error),
            E::RowNotFound => Self::Conflict,
            E::Migrate(error) => Self::from(*error),
            E::ColumnDecode { .. } | E::Decode(_) => Self::Corrupt(Cause::new(error)),
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => {
                Self::Unavailable(Cause::new(error))
            }
            other => Self::Other(Cause::new(other)),
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(step) => Self::NewerSchema { step },
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => Self::Corrupt(Cause::new(error)),
            other => Self::Other(Cause::new(other)),
        }
    }
}

/// PostgreSQL names the constraint; SQLite only says `UNIQUE constraint failed: table.column, table.column`. So the
/// constraints of PostgreSQL are named like that.
fn constraint(error: &dyn sqlx::error::DatabaseError) -> String {
    let listed = || error.message().rsplit_once(": ").map_or_else(|| error.message(), |(_, columns)| columns);
    error.constraint().unwrap_or_else(listed).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(error: &Error) -> &'static str {
        match error {
            Error::Busy(_) => "busy",
            Error::Full(_) => "full",
            Error::Unavailable(_) => "unavailable",
            Error::Corrupt(_) => "corrupt",
            _ => "other",
        }
    }

    #[test]
    fn each_sqlite_code_has_its_word() {
        for (code, expected) in [
            (5, "busy"),
            (5 | (2 << 8), "busy"), // BUSY_SNAPSHOT
            (6, "busy"),
            (13, "full"),
            (10 | (19 << 8), "full"),
            (10 | (4 << 8), "unavailable"), // IOERR_FSYNC
            (14, "unavailable"),
            (8 | (1 << 8), "unavailable"), // READONLY_RECOVERY
            (11, "corrupt"),
            (26, "corrupt"),
            (1, "other"),
            (275, "other"), // CONSTRAINT_CHECK
        ] {
            assert_eq!(word(&Error::of_sqlite(code, Cause::new(code))), expected, "{code}");
        }
    }

    #[test]
    fn each_postgres_state_has_its_word() {
        for (state, expected) in [
            ("53100", "full"),
            ("53300", "unavailable"), // too_many_connections
            ("55P03", "busy"),
            ("40001", "busy"),
            ("40P01", "busy"),
            ("57014", "busy"),
            ("57P01", "unavailable"), // admin_shutdown
            ("08006", "unavailable"),
            ("28P01", "unavailable"),
            ("25006", "unavailable"),
            ("XX001", "corrupt"),
            ("42601", "other"), // syntax_error
            ("23514", "other"), // check_violation
        ] {
            assert_eq!(word(&Error::of_postgres(state, Cause::new(state))), expected, "{state}");
        }
    }
}
