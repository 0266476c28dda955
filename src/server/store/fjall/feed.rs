//! The feed: what was committed, in the order of the journal, kept until everybody who takes it elsewhere has it.
//! It is written in the same batch as the commit itself, so that whoever reads it misses nothing, whenever the process ends.
use super::{
    FjallStore,
    engine::Engine,
    keyspace::fault,
    layout::{feed_key, read_feed},
};
use crate::{
    hub::{id::RoomId, time::UnixMs},
    server::store::{
        Later, LogEntry, StoreFault,
        archive::{Fed, FedKind, Feed},
    },
};

/// How many entries one batch removes.
const REMOVE_MAX: usize = 2_000;

fn reached(engine: &Engine, consumer: &str) -> Result<u64, StoreFault> {
    let value = engine.meta.get(format!("feed:{consumer}")).map_err(|error| fault(&error))?;
    Ok(value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok()).unwrap_or(0))
}

fn next(engine: &Engine, consumer: &str, limit: usize) -> Result<Vec<Fed>, StoreFault> {
    let Some(feed) = &engine.feed else { return Ok(Vec::new()) };
    let after = reached(engine, consumer)?;
    let mut entries: Vec<Fed> = Vec::new();
    for guard in feed.range(feed_key(after.saturating_add(1), FedKind::Commit)..) {
        let (key, value) = guard.into_inner().map_err(|error| fault(&error))?;
        let broken = || StoreFault::Engine("an entry of the feed cannot be read".into());
        let entry = read_feed(&key, &value).ok_or_else(broken)?;
        // The entries of one commit stay together.
        if entries.len() >= limit && entries.last().is_some_and(|last| last.number != entry.number) {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn done(engine: &Engine, consumers: &[String], consumer: &str, through: u64) -> Result<(), StoreFault> {
    engine.meta.insert(format!("feed:{consumer}"), through.to_string()).map_err(|error| fault(&error))?;
    let Some(feed) = &engine.feed else { return Ok(()) };
    let all = consumers.iter().map(|consumer| reached(engine, consumer)).collect::<Result<Vec<_>, _>>()?;
    let low = all.into_iter().min().unwrap_or(through);
    loop {
        let mut batch = engine.db.batch();
        let mut count = 0;
        for guard in feed.range(feed_key(0, FedKind::Commit)..=feed_key(low, FedKind::State)).take(REMOVE_MAX) {
            batch.remove(feed, guard.key().map_err(|error| fault(&error))?);
            count += 1;
        }
        batch.commit().map_err(|error| fault(&error))?;
        if count < REMOVE_MAX {
            return Ok(());
        }
    }
}

impl FjallStore {
    /// Adds an entry that no commit of this store brings. The operating system has it when this returns.
    pub fn put_fed(&self, room: &RoomId, kind: FedKind, entry: &LogEntry) -> Result<(), StoreFault> {
        let engine = self.shared.engine()?;
        self.noted(&engine, engine.put_fed(room, kind, entry))
    }

    /// Returns the hub's time.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        self.shared.clock.now()
    }
}

impl Feed for FjallStore {
    fn next(&self, consumer: &'static str, limit: usize) -> Later<'_, Result<Vec<Fed>, StoreFault>> {
        Box::pin(self.reading_aside(move |engine| next(engine, consumer, limit)))
    }

    fn done(&self, consumer: &'static str, through: u64) -> Later<'_, Result<(), StoreFault>> {
        let consumers = self.shared.settings.feeds.clone();
        Box::pin(self.reading_aside(move |engine| done(engine, &consumers, consumer, through)))
    }

    fn waiting(&self, consumer: &'static str) -> Later<'_, Result<u64, StoreFault>> {
        Box::pin(self.reading_aside(move |engine| Ok(engine.written().saturating_sub(reached(engine, consumer)?))))
    }
}
