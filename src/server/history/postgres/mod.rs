//! The history in PostgreSQL: one row per commit, days as partitions. Reading is the same archive as the embedded one;
//! writing comes out of the outbox in `data.dir`, again and again until it is there, and a commit written twice is there once.
mod feeder;
mod people;
mod write;

pub use feeder::{CONSUMER, Feeder};
pub use people::People;

use crate::{
    hub::{
        cursor::Cursor,
        id::{CommitId, RoomId},
        time::UnixMs,
    },
    server::store::{
        Later, LogEntry, StoreFault,
        archive::{Archive, Span},
    },
};
use sqlx::{
    AssertSqlSafe, Executor, PgPool, Row, SqlSafeStr, SqlStr,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};
use std::{borrow::Cow, str::FromStr, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// How many connections a hub holds at most.
const CONNECTIONS: u32 = 4;
const SCHEMA: &str = include_str!("schema.sql");

/// Where the history is kept, and how long it may take.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgres://user@host:port/database`
    pub url: String,
    /// Used if the url has none.
    pub password: String,
    /// For a connection, and for one answer.
    pub timeout: Duration,
    /// How many commits are written at once.
    pub batch_max: usize,
    /// How many commits may wait.
    pub outbox_max: u64,
    /// How many days are kept beside today.
    pub days: u64,
}

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
    settings: Arc<PostgresSettings>,
    migrated: Arc<OnceCell<()>>,
}

fn fault(error: &sqlx::Error) -> StoreFault {
    StoreFault::Engine(format!("PostgreSQL: {error}").into())
}

impl Postgres {
    /// Prepares the pool; nothing is connected yet. Errors: the url is none.
    pub fn new(settings: PostgresSettings) -> Result<Self, StoreFault> {
        let mut options = PgConnectOptions::from_str(&settings.url).map_err(|error| fault(&error))?.application_name("michub");
        if !settings.password.is_empty() {
            options = options.password(&settings.password);
        }
        let limit = format!("{}", settings.timeout.as_millis());
        options = options.options([("statement_timeout", limit.as_str()), ("lock_timeout", limit.as_str())]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(settings.timeout);
        Ok(Self { pool: pool.connect_lazy_with(options), settings: Arc::new(settings), migrated: Arc::default() })
    }

    /// Makes the tables, once. Nodes that start together wait for each other.
    async fn migrate(&self) -> Result<(), StoreFault> {
        let migrate = async || {
            let sql: SqlStr = SCHEMA.into_sql_str();
            let first = Migration::new(1, Cow::Borrowed("history"), MigrationType::Simple, sql, false);
            let mut migrator = Migrator::with_migrations(vec![first]);
            // A newer version of this program may have gone further.
            migrator.set_ignore_missing(true);
            let done = migrator.run(&self.pool).await;
            done.map_err(|error| StoreFault::Engine(format!("PostgreSQL: the tables cannot be made: {error}").into()))
        };
        self.migrated.get_or_try_init(migrate).await.map(|_| ())
    }

    async fn run(&self, sql: String) -> Result<(), StoreFault> {
        self.pool.execute(AssertSqlSafe(sql)).await.map(|_| ()).map_err(|error| fault(&error))
    }
}

/// A number of the hub as a column; none is that large.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A commit id as a column: the same 64 bits.
const fn bits(id: CommitId) -> i64 {
    id.0.cast_signed()
}

fn position(rev: i64, id: i64) -> Cursor {
    Cursor { rev: rev.cast_unsigned(), commit: CommitId(id.cast_unsigned()) }
}

fn entry(row: &PgRow) -> Result<LogEntry, sqlx::Error> {
    let cursor = position(row.try_get("rev")?, row.try_get("commit_id")?);
    let at = UnixMs(row.try_get::<i64, _>("at_ms")?.cast_unsigned());
    let prev = position(row.try_get("prev_rev")?, row.try_get("prev_id")?);
    Ok(LogEntry { prev, cursor, at, record: row.try_get::<Vec<u8>, _>("record")?.into() })
}

const COMMITS: &str = "SELECT prev_rev, prev_id, rev, commit_id, at_ms, record FROM history_commits \
     WHERE room = $1 AND at_ms >= $2 AND at_ms <= $3 AND (at_ms, rev) > ($4, $5) ORDER BY at_ms, rev LIMIT $6";
const STATES: &str = "SELECT rev AS prev_rev, commit_id AS prev_id, rev, commit_id, at_ms, record FROM history_states \
     WHERE room = $1 ORDER BY at_ms, rev";

impl Archive for Postgres {
    fn commits(&self, span: Span) -> Later<'_, Result<Vec<LogEntry>, StoreFault>> {
        Box::pin(async move {
            self.migrate().await?;
            let (after_at, after_rev) = span.after.map_or((-1, -1), |(at, rev)| (column(at.0), column(rev)));
            let query = sqlx::query(COMMITS)
                .bind(span.room.as_str())
                .bind(column(span.from.0))
                .bind(column(span.to.0))
                .bind(after_at)
                .bind(after_rev)
                .bind(column(span.limit as u64));
            let rows = query.fetch_all(&self.pool).await.map_err(|error| fault(&error))?;
            rows.iter().map(entry).collect::<Result<_, _>>().map_err(|error| fault(&error))
        })
    }

    fn states(&self, room: RoomId) -> Later<'_, Result<Vec<LogEntry>, StoreFault>> {
        Box::pin(async move {
            self.migrate().await?;
            let rows = sqlx::query(STATES).bind(room.as_str()).fetch_all(&self.pool).await.map_err(|error| fault(&error))?;
            rows.iter().map(entry).collect::<Result<_, _>>().map_err(|error| fault(&error))
        })
    }
}
