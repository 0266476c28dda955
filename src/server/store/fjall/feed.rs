//! The feed: what was committed, in the order of the journal, kept until everybody who takes it elsewhere has it.
//! It is written in the same batch as the commit itself, so that whoever reads it misses nothing, whenever the process ends.
use super::{
    FjallStore,
    engine::{Engine, fault},
    layout::Packed,
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

/// Writes an entry's key: the number of its commit, then what it is.
pub(super) fn key(number: u64, kind: FedKind) -> [u8; 9] {
    let mut key = [0; 9];
    let (head, tail) = key.split_at_mut(8);
    head.copy_from_slice(&number.to_be_bytes());
    tail.fill(match kind {
        FedKind::Commit => b'c',
        FedKind::State => b's',
    });
    key
}

/// Writes an entry.
pub(super) fn value(room: &RoomId, packed: &Packed) -> Vec<u8> {
    let mut value = room.as_str().as_bytes().to_vec();
    value.push(0);
    value.extend(packed.pack());
    value
}

fn read(key: &[u8], value: &[u8]) -> Option<Fed> {
    let (number, kind) = key.split_at_checked(8)?;
    let end = value.iter().position(|byte| *byte == 0)?;
    let room = RoomId::parse(std::str::from_utf8(value.get(..end)?).ok()?).ok()?;
    let kind = match kind {
        b"c" => FedKind::Commit,
        b"s" => FedKind::State,
        _ => return None,
    };
    let entry = Packed::unpack(value.get(end + 1..)?)?.into();
    Some(Fed { number: u64::from_be_bytes(number.try_into().ok()?), kind, room, entry })
}

fn reached(engine: &Engine, consumer: &str) -> Result<u64, StoreFault> {
    let value = engine.meta.get(format!("feed:{consumer}")).map_err(|error| fault(&error))?;
    Ok(value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok()).unwrap_or(0))
}

fn next(engine: &Engine, consumer: &str, limit: usize) -> Result<Vec<Fed>, StoreFault> {
    let Some(feed) = &engine.feed else { return Ok(Vec::new()) };
    let after = reached(engine, consumer)?;
    let mut entries: Vec<Fed> = Vec::new();
    for guard in feed.range(key(after.saturating_add(1), FedKind::Commit)..) {
        let (key, value) = guard.into_inner().map_err(|error| fault(&error))?;
        let broken = || StoreFault::Engine("an entry of the feed cannot be read".into());
        let entry = read(&key, &value).ok_or_else(broken)?;
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
        for guard in feed.range(key(0, FedKind::Commit)..=key(low, FedKind::State)).take(REMOVE_MAX) {
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
