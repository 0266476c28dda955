//! A store in memory, for tests: as strict as the real ones. `reopen` gives it as after a restart; it can be told to fail.
use super::{
    CommitError, Kept as MessageKept, Later, Loaded, LogEntry, Messages, NewMessage, Page, Retention, Store, StoreFault,
    UserChange,
};
use crate::hub::{
    cursor::Cursor,
    id::{CommitId, RoomId, UserId},
};
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

/// Where a stream of messages begins.
const START: Cursor = Cursor { rev: 0, commit: CommitId(0) };

#[derive(Default)]
struct State {
    rooms: BTreeMap<RoomId, Kept>,
    sessions: BTreeMap<String, Bytes>,
    messages: BTreeMap<RoomId, (Cursor, Vec<MessageKept>)>,
    users: BTreeMap<UserId, Bytes>,
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

    fn append_messages<'a>(
        &'a self,
        room: &'a RoomId,
        messages: Vec<NewMessage>,
        _retention: Retention,
    ) -> Later<'a, Result<Vec<Cursor>, CommitError>> {
        Box::pin(async move {
            self.writable().map_err(CommitError::NotDone)?;
            let mut state = self.state();
            let (head, list) = state.messages.entry(room.clone()).or_insert_with(|| (START, Vec::new()));
            for NewMessage { id, said_at, record } in &messages {
                *head = Cursor { rev: head.rev + 1, commit: *id };
                list.push(MessageKept { at: *head, said_at: *said_at, record: record.clone() });
            }
            Ok(list.iter().rev().take(messages.len()).rev().map(|kept| kept.at).collect())
        })
    }

    fn messages<'a>(&'a self, room: &'a RoomId, page: Page, limit: usize) -> Later<'a, Result<Messages, StoreFault>> {
        Box::pin(async move {
            let (head, all) = self.state().messages.get(room).cloned().unwrap_or((START, Vec::new()));
            let list = match page {
                Page::After(seq) => all.into_iter().filter(|kept| kept.at.rev > seq).take(limit).collect(),
                Page::Before(seq) => {
                    let mut list: Vec<_> = all.into_iter().rev().filter(|kept| kept.at.rev < seq).take(limit).collect();
                    list.reverse();
                    list
                }
            };
            Ok(Messages { head, list })
        })
    }

    fn trim_messages(&self, Retention { keep, oldest }: Retention) -> Later<'_, Result<usize, StoreFault>> {
        Box::pin(async move {
            let mut removed = 0;
            for (head, list) in self.state().messages.values_mut() {
                let count = list.len();
                list.retain(|kept| kept.at.rev + keep > head.rev && kept.said_at >= oldest);
                removed += count - list.len();
            }
            Ok(removed)
        })
    }

    fn rooms_after<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Later<'a, Result<Vec<RoomId>, StoreFault>> {
        Box::pin(async move {
            let behind = |name: &&RoomId| after.is_none_or(|after| name.as_str() > after);
            Ok(self.state().rooms.keys().filter(behind).take(limit).cloned().collect())
        })
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

    fn change_user<'a>(&'a self, user: &'a UserId, change: UserChange) -> Later<'a, Result<bool, StoreFault>> {
        Box::pin(async move {
            self.writable()?;
            let users = &mut self.state().users;
            if users.get(user) != change.before.as_ref() {
                return Ok(false);
            }
            match change.after {
                Some(record) => users.insert(user.clone(), record),
                None => users.remove(user),
            };
            Ok(true)
        })
    }

    fn user<'a>(&'a self, user: &'a UserId) -> Later<'a, Result<Option<Bytes>, StoreFault>> {
        Box::pin(async move { Ok(self.state().users.get(user).cloned()) })
    }

    fn users(&self) -> Later<'_, Result<Vec<(UserId, Bytes)>, StoreFault>> {
        Box::pin(async move { Ok(self.state().users.iter().map(|(user, record)| (user.clone(), record.clone())).collect()) })
    }

    fn healthy(&self) -> bool {
        self.writable().is_ok()
    }
}
