//! A store in memory, for tests: as strict as the real ones. `reopen` gives it as after a restart; it can be told to fail.
use super::{CommitError, Later, Loaded, LogEntry, Store, StoreFault};
use crate::hub::{cursor::Cursor, id::RoomId};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many commits before the head stay readable.
const KEEP_REVS: u64 = 256;

#[derive(Default)]
struct State {
    rooms: BTreeMap<RoomId, Kept>,
    sessions: BTreeMap<String, Bytes>,
}

struct Kept {
    at: Cursor,
    snapshot: Bytes,
    log: Vec<LogEntry>,
}

/// The store.
#[derive(Clone, Default)]
pub(in crate::server) struct MemoryStore {
    state: Arc<Mutex<State>>,
    failing: Arc<AtomicBool>,
}

impl MemoryStore {
    /// Takes no more writes, or takes them again.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writable(&self) -> Result<(), StoreFault> {
        if self.failing.load(Ordering::Relaxed) { Err(StoreFault::Down) } else { Ok(()) }
    }

    fn write(&self, room: &RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Result<(), CommitError> {
        self.writable().map_err(CommitError::NotDone)?;
        let mut state = self.state();
        let Some(kept) = state.rooms.get_mut(room) else { return Err(CommitError::Mismatch { since: None }) };
        let head = kept.log.last().map_or(kept.at, |last| last.cursor);
        if head != entry.prev {
            let from = kept.log.iter().position(|known| known.prev == entry.prev);
            return Err(CommitError::Mismatch { since: from.map(|from| kept.log.iter().skip(from).cloned().collect()) });
        }
        let low = entry.cursor.rev.saturating_sub(KEEP_REVS);
        if let Some(snapshot) = snapshot {
            (kept.at, kept.snapshot) = (entry.cursor, snapshot);
            kept.log.retain(|known| known.cursor.rev >= low);
        }
        kept.log.push(entry);
        Ok(())
    }
}

impl Store for MemoryStore {
    fn create<'a>(&'a self, room: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>> {
        Box::pin(async move {
            self.writable().map_err(CommitError::NotDone)?;
            let mut state = self.state();
            let absent = !state.rooms.contains_key(room);
            state.rooms.entry(room.clone()).or_insert(Kept { at, snapshot, log: Vec::new() });
            Ok(absent)
        })
    }

    fn load<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>> {
        Box::pin(async move {
            let state = self.state();
            let Some(kept) = state.rooms.get(room) else { return Ok(None) };
            let (before, log) = kept.log.iter().cloned().partition(|entry| entry.cursor.rev <= kept.at.rev);
            Ok(Some(Loaded { at: kept.at, snapshot: kept.snapshot.clone(), log, before }))
        })
    }

    fn commit<'a>(&'a self, room: &'a RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move { self.write(room, entry, snapshot) })
    }

    fn rooms(&self) -> Later<'_, Result<Vec<RoomId>, StoreFault>> {
        Box::pin(async move { Ok(self.state().rooms.keys().cloned().collect()) })
    }

    fn put_session<'a>(&'a self, session_id: &'a str, record: Option<Bytes>) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(async move {
            self.writable()?;
            let mut state = self.state();
            match record {
                Some(record) => state.sessions.insert(session_id.to_owned(), record),
                None => state.sessions.remove(session_id),
            };
            Ok(())
        })
    }

    fn sessions(&self) -> Later<'_, Result<Vec<(String, Bytes)>, StoreFault>> {
        Box::pin(async move { Ok(self.state().sessions.iter().map(|(id, record)| (id.clone(), record.clone())).collect()) })
    }

    fn healthy(&self) -> bool {
        self.writable().is_ok()
    }
}
