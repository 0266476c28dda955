//! One batch into PostgreSQL: one transaction, idempotent; and the days, made before they are written to, dropped when they are over.
use super::{Postgres, bits, column, fault};
use crate::server::store::{
    StoreFault,
    archive::{Fed, FedKind},
};
use sqlx::Row;
use std::collections::BTreeSet;

const DAY_MS: u64 = 86_400_000;

const COMMITS: &str = "INSERT INTO history_commits (room, rev, commit_id, prev_rev, prev_id, at_ms, record) \
     SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[]) \
     ON CONFLICT DO NOTHING";
const STATES: &str = "INSERT INTO history_states (room, rev, commit_id, at_ms, record) \
     SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]) ON CONFLICT DO NOTHING";
const DAYS: &str = "SELECT child.relname::text AS name FROM pg_inherits \
     JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent \
     WHERE parent.relname IN ('history_commits', 'history_states') AND child.relname ~ '^history_(commits|states)_d[0-9]+$' \
     AND pg_table_is_visible(parent.oid)";

/// The columns of a batch.
#[derive(Default)]
struct Columns<'a> {
    rooms: Vec<&'a str>,
    revs: Vec<i64>,
    ids: Vec<i64>,
    prev_revs: Vec<i64>,
    prev_ids: Vec<i64>,
    times: Vec<i64>,
    records: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(entries: &'a [Fed], kind: FedKind) -> Self {
        let mut columns = Self::default();
        for Fed { room, entry, .. } in entries.iter().filter(|fed| fed.kind == kind) {
            columns.rooms.push(room.as_str());
            columns.revs.push(column(entry.cursor.rev));
            columns.ids.push(bits(entry.cursor.commit));
            columns.prev_revs.push(column(entry.prev.rev));
            columns.prev_ids.push(bits(entry.prev.commit));
            columns.times.push(column(entry.at.0));
            columns.records.push(&entry.record);
        }
        columns
    }
}

impl Postgres {
    /// Writes a batch. What is there already stays as it is. Errors: nothing is written.
    pub(super) async fn write(&self, entries: &[Fed], days: &mut BTreeSet<u64>) -> Result<(), StoreFault> {
        self.migrate().await?;
        let needed: BTreeSet<u64> = entries.iter().map(|fed| fed.entry.at.0 / DAY_MS).collect();
        for day in needed {
            if !days.contains(&day) {
                self.make_day(day).await?;
                days.insert(day);
            }
        }
        let written = self.insert(entries).await;
        if written.is_err() {
            // Somebody may have dropped a day by hand.
            days.clear();
        }
        written.map_err(|error| fault(&error))
    }

    async fn insert(&self, entries: &[Fed]) -> Result<(), sqlx::Error> {
        let (commits, states) = (Columns::of(entries, FedKind::Commit), Columns::of(entries, FedKind::State));
        let mut transaction = self.pool.begin().await?;
        if !commits.rooms.is_empty() {
            let query = sqlx::query(COMMITS).bind(&commits.rooms).bind(&commits.revs).bind(&commits.ids).bind(&commits.prev_revs);
            let query = query.bind(&commits.prev_ids).bind(&commits.times).bind(&commits.records);
            query.execute(&mut *transaction).await?;
        }
        if !states.rooms.is_empty() {
            let query = sqlx::query(STATES).bind(&states.rooms).bind(&states.revs).bind(&states.ids);
            query.bind(&states.times).bind(&states.records).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    async fn make_day(&self, day: u64) -> Result<(), StoreFault> {
        let (from, to) = (day.saturating_mul(DAY_MS), day.saturating_add(1).saturating_mul(DAY_MS));
        for table in ["history_commits", "history_states"] {
            let made = self
                .run(format!("CREATE TABLE IF NOT EXISTS {table}_d{day} PARTITION OF {table} FOR VALUES FROM ({from}) TO ({to})"))
                .await;
            // Two nodes that make the same day at once: one of them hears that it is there.
            if let Err(error) = made
                && !self.days().await?.contains(&day)
            {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn days(&self) -> Result<BTreeSet<u64>, StoreFault> {
        let rows = sqlx::query(DAYS).fetch_all(&self.pool).await.map_err(|error| fault(&error))?;
        let day = |row: &sqlx::postgres::PgRow| row.try_get::<String, _>("name").ok()?.rsplit_once("_d")?.1.parse().ok();
        Ok(rows.iter().filter_map(day).collect())
    }

    /// Drops every day that is over, whole. Returns how many.
    pub(super) async fn drop_days(&self, today: u64) -> Result<usize, StoreFault> {
        self.migrate().await?;
        let first = today.saturating_sub(self.settings.days);
        let old: Vec<u64> = self.days().await?.into_iter().filter(|day| *day < first).collect();
        for day in &old {
            self.run(format!("DROP TABLE IF EXISTS history_commits_d{day}, history_states_d{day}")).await?;
        }
        Ok(old.len())
    }
}
