//! Reading the archive: the commits of a room in the order of time, over all days that are kept, and the states to replay from.
//! Reads run on a thread for blocking work, so that a long page delays no connection.
use super::{
    FjallStore,
    engine::Engine,
    keyspace::fault,
    layout::{Packed, base_key, day_of, event_key},
};
use crate::{
    hub::{id::RoomId, time::UnixMs},
    server::store::{
        Later, LogEntry, StoreFault,
        archive::{Archive, Span},
    },
};
use std::{ops::Bound, sync::Arc};

fn unpack(room: &RoomId, at: UnixMs, value: &[u8]) -> Result<LogEntry, StoreFault> {
    let broken = || StoreFault::Archive { room: room.clone(), at };
    Packed::unpack(value).map(LogEntry::from).ok_or_else(broken)
}

fn commits(engine: &Engine, span: &Span) -> Result<Vec<LogEntry>, StoreFault> {
    let Span { room, from, to, after, limit } = span;
    let mut entries = Vec::new();
    let Some(days) = &engine.days else { return Ok(entries) };
    let begin = after.map_or(Bound::Included(event_key(room, *from, 0)), |(at, rev)| Bound::Excluded(event_key(room, at, rev)));
    let first = after.map_or(*from, |(at, _)| at);
    if first > *to {
        return Ok(entries);
    }
    let end = Bound::Included(event_key(room, *to, u64::MAX));
    for day in days.between(day_of(first), day_of(*to)) {
        for guard in day.range((begin.clone(), end.clone())) {
            if entries.len() >= *limit {
                return Ok(entries);
            }
            let value = guard.value().map_err(|error| fault(&error))?;
            let at = entries.last().map_or(first, |entry: &LogEntry| entry.at);
            entries.push(unpack(room, at, &value)?);
        }
    }
    Ok(entries)
}

fn states(engine: &Engine, room: &RoomId) -> Result<Vec<LogEntry>, StoreFault> {
    let mut states = Vec::new();
    for day in engine.days.iter().flat_map(|days| days.between(0, u64::MAX)) {
        if let Some(value) = day.get(base_key(room)).map_err(|error| fault(&error))? {
            states.push(unpack(room, UnixMs(0), &value)?);
        }
    }
    Ok(states)
}

impl FjallStore {
    /// Changes an archived commit behind everybody's back.
    #[cfg(test)]
    pub fn overwrite_archived(&self, room: &RoomId, entry: &LogEntry) {
        let engine = self.shared.engine().unwrap();
        let day = engine.days.as_ref().unwrap().day(&engine.db, day_of(entry.at)).unwrap();
        day.insert(event_key(room, entry.at, entry.cursor.rev), Packed::from(entry).pack()).unwrap();
    }

    pub(super) async fn reading_aside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let engine: Arc<Engine> = self.shared.engine()?;
        // The task fails only if the runtime ends.
        tokio::task::spawn_blocking(move || read(&engine)).await.unwrap_or(Err(StoreFault::Down))
    }
}

impl Archive for FjallStore {
    fn commits(&self, span: Span) -> Later<'_, Result<Vec<LogEntry>, StoreFault>> {
        Box::pin(self.reading_aside(move |engine| commits(engine, &span)))
    }

    fn states(&self, room: RoomId) -> Later<'_, Result<Vec<LogEntry>, StoreFault>> {
        Box::pin(self.reading_aside(move |engine| states(engine, &room)))
    }
}
