//! The keeper: one thread that brings the journal to the disk and writes the watermark, opens a failed store anew, and drops old days.
use super::{Shared, engine::Engine, layout::day_of, open, watermark::Watermark};
use crate::server::{clock::Mono, store::StoreFault};
use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// How often the archive's days are looked at.
const DAYS_MS: u64 = 600_000;
/// The longest rest without anything to do.
const REST: Duration = Duration::from_secs(60);

/// What the store asks of its keeper.
pub(super) enum Ask {
    /// Everything written so far must be on the disk.
    Sync(oneshot::Sender<Result<(), StoreFault>>),
    /// A write has failed.
    Failed,
}

/// The thread; it ends, and lets go of the database, when this is dropped.
pub(super) struct Keeper {
    asks: Option<mpsc::Sender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    pub fn start(shared: Arc<Shared>, watermark: Watermark) -> Result<Self, StoreFault> {
        let (asks, asked) = mpsc::channel();
        let keeping = Keeping { shared, watermark: Some(watermark), days_at: Mono(0), sync_at: Mono(0), open_at: Mono(0) };
        let body = move || keeping.live(&asked);
        let thread = std::thread::Builder::new().name("michub-store".to_owned()).spawn(body);
        let thread = thread.map_err(|error| StoreFault::Engine(error.to_string().into()))?;
        Ok(Self { asks: Some(asks), thread: Some(thread) })
    }

    /// Asks; the answer comes through the question.
    pub fn ask(&self, ask: Ask) {
        if let Some(asks) = &self.asks {
            // The thread lives as long as this.
            let _ = asks.send(ask);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.asks.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread has panicked");
        }
    }
}

struct Keeping {
    shared: Arc<Shared>,
    /// `None` while the store rests.
    watermark: Option<Watermark>,
    days_at: Mono,
    sync_at: Mono,
    open_at: Mono,
}

impl Keeping {
    fn live(mut self, asked: &mpsc::Receiver<Ask>) {
        let mut waiting = Vec::new();
        loop {
            let first = match asked.recv_timeout(self.rest()) {
                Ok(ask) => Some(ask),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            // Everybody who waits by now is served by the same fsync.
            for ask in first.into_iter().chain(asked.try_iter()) {
                if let Ask::Sync(done) = ask {
                    waiting.push(done);
                }
            }
            self.step(&mut waiting);
        }
        if let Ok(engine) = self.shared.engine() {
            self.sync(&engine, &mut waiting);
        }
        self.shared.replace(None);
    }

    fn interval(&self) -> u64 {
        u64::try_from(self.shared.settings.fsync_interval.as_millis()).unwrap_or(u64::MAX)
    }

    fn rest(&self) -> Duration {
        let now = self.shared.clock.mono();
        let next = match (&self.watermark, self.interval()) {
            (None, _) => self.open_at,
            // It has failed just now.
            (Some(_), _) if self.shared.engine().is_err() => now,
            (Some(_), 0) => self.days_at,
            (Some(_), _) => self.sync_at.min(self.days_at),
        };
        Duration::from_millis(next.since(now)).min(REST)
    }

    fn step(&mut self, waiting: &mut Vec<oneshot::Sender<Result<(), StoreFault>>>) {
        let now = self.shared.clock.mono();
        let Ok(engine) = self.shared.engine() else {
            for done in waiting.drain(..) {
                let _ = done.send(Err(StoreFault::Down));
            }
            return self.rest_or_reopen(now);
        };
        let interval = self.interval();
        if !waiting.is_empty() || (interval > 0 && self.sync_at <= now) {
            self.sync(&engine, waiting);
            self.sync_at = now.plus(interval);
        }
        if self.days_at <= now && !engine.has_failed() {
            self.days_at = now.plus(DAYS_MS);
            self.look_after_days(&engine);
        }
    }

    /// Brings everything to the disk; the watermark follows, because it must never be ahead.
    fn sync(&mut self, engine: &Engine, waiting: &mut Vec<oneshot::Sender<Result<(), StoreFault>>>) {
        let synced = engine.sync().and_then(|mark| {
            // When every commit waits for this, a second fsync is not worth it: an older watermark only notices less.
            let sync = self.interval() > 0;
            let written = self.watermark.as_mut().map_or(Ok(()), |watermark| watermark.write(mark, sync));
            written.map_err(|error| {
                engine.fail();
                StoreFault::Engine(error.to_string().into())
            })
        });
        if let Err(fault) = &synced {
            tracing::error!(%fault, "fsync failed: a power cut now would lose commits; check the disk under data.dir");
        }
        for done in waiting.drain(..) {
            let _ = done.send(synced.clone());
        }
    }

    /// Lets go of a store that has failed; when it has rested, opens it anew.
    fn rest_or_reopen(&mut self, now: Mono) {
        let reopen = u64::try_from(self.shared.settings.reopen.as_millis()).unwrap_or(u64::MAX);
        if self.watermark.take().is_some() {
            // Whoever still reads holds it a little longer; opening it again waits for him.
            self.shared.replace(None);
            self.open_at = now.plus(reopen);
            tracing::error!(
                "the store takes no writes: commands are answered `unavailable` until it does; check the disk under data.dir"
            );
            return;
        }
        if self.open_at > now {
            return;
        }
        self.open_at = now.plus(reopen);
        let opened = open(&self.shared.settings).and_then(|(engine, watermark)| engine.probe().map(|()| (engine, watermark)));
        match opened {
            Ok((engine, watermark)) => {
                self.watermark = Some(watermark);
                self.shared.replace(Some(Arc::new(engine)));
                tracing::info!("the store takes writes again");
            }
            Err(fault) => tracing::warn!(%fault, "the store cannot be opened yet"),
        }
    }

    /// Makes tomorrow's day ahead of time, so that no commit waits for it, and drops the days that are too old.
    fn look_after_days(&self, engine: &Engine) {
        let Some(days) = &engine.days else { return };
        let today = day_of(self.shared.clock.now());
        let first = today.saturating_sub(self.shared.settings.history_days);
        let made = days.day(&engine.db, today).and_then(|_| days.day(&engine.db, today + 1));
        match made.and_then(|_| days.drop_before(&engine.db, first)) {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(days = dropped, "old days of the history are dropped"),
            Err(fault) => tracing::error!(%fault, "old days of the history cannot be dropped"),
        }
    }
}
