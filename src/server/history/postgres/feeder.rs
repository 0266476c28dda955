//! The feeder: takes commits out of the feed and writes them to PostgreSQL, in order, until they are there.
use super::{People, Postgres};
use crate::server::{
    clock::{Clock, Mono},
    store::{StoreFault, archive::Feed},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// The feeder's name at the feed.
pub const CONSUMER: &str = "postgres";
/// How long it rests when nothing waits.
const REST: Duration = Duration::from_millis(200);
/// The pauses after a failure: the first, and the longest.
const PAUSE_MS: (u64, u64) = (500, 10_000);
/// How often old days are looked for.
const DAYS_MS: u64 = 600_000;
const DAY_MS: u64 = 86_400_000;

/// Writes the history behind everybody's back.
pub struct Feeder {
    postgres: Postgres,
    feed: Arc<dyn Feed>,
    people: People,
    clock: Clock,
    days: BTreeSet<u64>,
    days_at: Mono,
}

impl Feeder {
    /// Starts nothing yet.
    #[must_use]
    pub fn new(postgres: Postgres, feed: Arc<dyn Feed>, people: People, clock: Clock) -> Self {
        Self { postgres, feed, people, clock, days: BTreeSet::new(), days_at: Mono(0) }
    }

    /// Lives as long as the hub.
    pub async fn live(mut self) {
        let mut pause = PAUSE_MS.0;
        loop {
            match self.step().await {
                Ok(0) => {
                    pause = PAUSE_MS.0;
                    tokio::time::sleep(REST).await;
                }
                Ok(_) => pause = PAUSE_MS.0,
                Err(error) => {
                    metrics::counter!("michub_history_failures_total").increment(1);
                    tracing::warn!(%error, "the history cannot be written; commits wait in the outbox");
                    self.report().await;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    pause = (pause * 2).min(PAUSE_MS.1);
                }
            }
        }
    }

    /// Writes everything that waits. Errors: what is not written stays where it is.
    pub async fn drain(&mut self) -> Result<(), StoreFault> {
        while self.step().await? > 0 {}
        Ok(())
    }

    /// Writes one batch. Returns how many entries there were.
    async fn step(&mut self) -> Result<usize, StoreFault> {
        self.drop_surplus().await?;
        let entries = self.feed.next(CONSUMER, self.postgres.settings.batch_max).await?;
        if let Some(last) = entries.last() {
            self.postgres.write(&entries, &mut self.days).await?;
            self.feed.done(CONSUMER, last.number).await?;
            metrics::counter!("michub_history_written_total").increment(entries.len() as u64);
        }
        self.postgres.write_people(&self.people).await?;
        let now = self.clock.mono();
        if now >= self.days_at {
            let dropped = self.postgres.drop_days(self.clock.now().0 / DAY_MS).await?;
            if dropped > 0 {
                tracing::info!(days = dropped, "days of the history are over and dropped");
            }
            self.days_at = now.plus(DAYS_MS);
        }
        self.report().await;
        Ok(entries.len())
    }

    /// Gives up the oldest commits when too many wait: a disk is finite.
    async fn drop_surplus(&self) -> Result<(), StoreFault> {
        let (waiting, max) = (self.feed.waiting(CONSUMER).await?, self.postgres.settings.outbox_max);
        if waiting <= max {
            return Ok(());
        }
        let surplus = usize::try_from(waiting - max).unwrap_or(usize::MAX);
        let entries = self.feed.next(CONSUMER, surplus.min(10_000)).await?;
        if let Some(last) = entries.last() {
            tracing::error!(
                commits = entries.len(),
                "history.outbox_max: the outbox is full, its oldest commits will be missing in the history"
            );
            metrics::counter!("michub_history_dropped_total").increment(entries.len() as u64);
            self.feed.done(CONSUMER, last.number).await?;
        }
        Ok(())
    }

    async fn report(&self) {
        if let Ok(waiting) = self.feed.waiting(CONSUMER).await {
            crate::server::telemetry::metrics::gauge("michub_history_waiting", waiting);
        }
    }
}
