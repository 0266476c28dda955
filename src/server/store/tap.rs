//! A store that tells which rooms have moved, after their commits are settled. It changes nothing and delays nothing.
use super::{CommitError, Later, Loaded, LogEntry, Store, StoreFault};
use crate::hub::{cursor::Cursor, id::RoomId};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

/// The rooms that have moved, each with the newest rev that is settled. As large as the number of rooms at most.
#[derive(Debug, Default)]
pub struct Moved {
    rooms: Mutex<BTreeMap<RoomId, u64>>,
    news: Notify,
}

impl Moved {
    /// Notes that a room is settled up to `rev`.
    pub(in crate::server) fn note(&self, room: &RoomId, rev: u64) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        match rooms.get_mut(room) {
            Some(known) => *known = rev.max(*known),
            None => {
                rooms.insert(room.clone(), rev);
                drop(rooms);
                self.news.notify_one();
            }
        }
    }

    /// Waits for rooms that have moved, and takes them.
    pub(in crate::server) async fn take(&self) -> BTreeMap<RoomId, u64> {
        loop {
            let rooms = std::mem::take(&mut *self.rooms.lock().unwrap_or_else(PoisonError::into_inner));
            if !rooms.is_empty() {
                return rooms;
            }
            self.news.notified().await;
        }
    }
}

/// A store, watched.
pub struct Tap {
    store: Arc<dyn Store>,
    moved: Arc<Moved>,
}

impl Tap {
    /// Watches a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, moved: Arc<Moved>) -> Arc<Self> {
        Arc::new(Self { store, moved })
    }
}

impl Store for Tap {
    fn beneath(&self) -> Option<&dyn Store> {
        Some(&*self.store)
    }

    fn create<'a>(&'a self, room: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>> {
        Box::pin(async move {
            let created = self.store.create(room, at, snapshot).await;
            if let Ok(true) = created {
                self.moved.note(room, at.rev);
            }
            created
        })
    }

    fn load<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>> {
        Box::pin(async move {
            let loaded = self.store.load(room).await;
            // A commit whose outcome was unknown shows here.
            if let Ok(Some(loaded)) = &loaded {
                self.moved.note(room, loaded.log.last().map_or(loaded.at.rev, |entry| entry.cursor.rev));
            }
            loaded
        })
    }

    fn commit<'a>(&'a self, room: &'a RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            let rev = entry.cursor.rev;
            let committed = self.store.commit(room, entry, snapshot).await;
            match &committed {
                Ok(()) => self.moved.note(room, rev),
                Err(CommitError::Mismatch { since: Some(since) }) => {
                    if let Some(last) = since.last() {
                        self.moved.note(room, last.cursor.rev);
                    }
                }
                Err(_) => {}
            }
            committed
        })
    }

    fn rooms_after<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Later<'a, Result<Vec<RoomId>, StoreFault>> {
        self.store.rooms_after(after, limit)
    }

    fn put_session<'a>(&'a self, session_id: &'a str, record: Option<Bytes>) -> Later<'a, Result<(), StoreFault>> {
        self.store.put_session(session_id, record)
    }

    fn sessions(&self) -> Later<'_, Result<Vec<(String, Bytes)>, StoreFault>> {
        self.store.sessions()
    }

    fn healthy(&self) -> bool {
        self.store.healthy()
    }
}
