//! A store of many nodes whose commits are taken elsewhere: each is noted in an outbox on this node's disk when the store has it.
//! What a death between the two leaves out is noted when the room is loaded again, by any node; whoever takes it knows what is there already.
use super::{CommitError, Followed, Later, Listener, Loaded, LogEntry, Store, StoreFault, archive::FedKind, fjall::FjallStore};
use crate::hub::{cursor::Cursor, id::RoomId, time::UnixMs};
use bytes::Bytes;
use dashmap::DashMap;
use std::sync::Arc;

const DAY_MS: u64 = 86_400_000;

/// A store with an outbox.
pub struct Outboxed {
    store: Arc<dyn Store>,
    noted: Arc<Noted>,
}

struct Noted {
    outbox: Arc<FjallStore>,
    /// The newest position of each room that is in the outbox, and the day of the newest state.
    rooms: DashMap<RoomId, (Option<Cursor>, Option<u64>)>,
}

impl Noted {
    fn put(&self, room: &RoomId, kind: FedKind, entry: &LogEntry) {
        if let Err(fault) = self.outbox.put_fed(room, kind, entry) {
            // It is noted when the room is loaded again.
            tracing::error!(%room, %fault, "a commit is not in the outbox of the history");
            self.rooms.remove(room);
        }
    }

    fn commit(&self, room: &RoomId, entry: &LogEntry) {
        if self.rooms.get(room).and_then(|known| known.0).is_some_and(|known| known.rev >= entry.cursor.rev) {
            return;
        }
        self.rooms.entry(room.clone()).or_default().0 = Some(entry.cursor);
        self.put(room, FedKind::Commit, entry);
    }

    /// Notes a state to replay from, one per room and day.
    fn state(&self, room: &RoomId, at: Cursor, time: UnixMs, record: Bytes) {
        let day = Some(time.0 / DAY_MS);
        if self.rooms.get(room).is_some_and(|known| known.1 == day) {
            return;
        }
        self.rooms.entry(room.clone()).or_default().1 = day;
        self.put(room, FedKind::State, &LogEntry { prev: at, cursor: at, at: time, record });
    }
}

impl Outboxed {
    /// Puts an outbox beside a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, outbox: Arc<FjallStore>) -> Arc<Self> {
        Arc::new(Self { store, noted: Arc::new(Noted { outbox, rooms: DashMap::new() }) })
    }
}

impl Store for Outboxed {
    fn beneath(&self) -> Option<&dyn Store> {
        Some(&*self.store)
    }

    fn create<'a>(&'a self, room: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>> {
        Box::pin(async move {
            let created = self.store.create(room, at, snapshot.clone()).await;
            if let Ok(true) = created {
                self.noted.rooms.remove(room);
                self.noted.state(room, at, self.noted.outbox.now(), snapshot);
            }
            created
        })
    }

    fn load<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>> {
        Box::pin(async move {
            let loaded = self.store.load(room).await?;
            if let Some(Loaded { at, snapshot, log, before }) = &loaded {
                let time = before.last().or(log.first()).map_or_else(|| self.noted.outbox.now(), |entry| entry.at);
                // A position that the log does not know belongs to another history: all of this one is noted.
                let known = self.noted.rooms.get(room).and_then(|known| known.0);
                let is_here = |known: Cursor| before.iter().chain(log).any(|entry| entry.cursor == known) || *at == known;
                if known.is_some_and(|known| !is_here(known)) {
                    self.noted.rooms.remove(room);
                }
                self.noted.state(room, *at, time, snapshot.clone());
                for entry in before.iter().chain(log) {
                    self.noted.commit(room, entry);
                }
            }
            Ok(loaded)
        })
    }

    fn commit<'a>(&'a self, room: &'a RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            let committed = self.store.commit(room, entry.clone(), snapshot.clone()).await;
            match &committed {
                Ok(()) => {
                    self.noted.commit(room, &entry);
                    if let Some(snapshot) = snapshot {
                        self.noted.state(room, entry.cursor, entry.at, snapshot);
                    }
                }
                Err(CommitError::Mismatch { since: Some(since) }) => {
                    for entry in since {
                        self.noted.commit(room, entry);
                    }
                }
                Err(_) => {}
            }
            committed
        })
    }

    /// What other nodes commit is noted here too: the history is complete though one of them never comes back.
    fn follow<'a>(&'a self, room: &'a RoomId, listener: Listener) -> Later<'a, bool> {
        let (noted, of) = (self.noted.clone(), room.clone());
        let both: Listener = Arc::new(move |followed| {
            if let Followed::Entry(entry) = &followed {
                noted.commit(&of, entry);
            }
            listener(followed);
        });
        self.store.follow(room, both)
    }

    fn unfollow(&self, room: &RoomId) {
        self.noted.rooms.remove(room);
        self.store.unfollow(room);
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
