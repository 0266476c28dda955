//! The embedded store: one fjall database in the data folder. A commit, its snapshot and the trimming of the log are one batch, which the
//! operating system has before anybody hears of it; a thread of its own brings it to the disk.
use super::{CommitError, Later, Loaded, LogEntry, Store, StoreFault};
use crate::hub::{cursor::Cursor, id::RoomId};
use bytes::Bytes;
use dashmap::DashMap;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

/// How many commits before the head stay readable for clients that resume by cursor.
const KEEP_REVS: u64 = 256;

/// The embedded store.
pub struct FjallStore {
    db: Database,
    log: Keyspace,
    snapshots: Keyspace,
    sessions: Keyspace,
    /// Head and lowest kept rev of the rooms in use; read from the database at first touch.
    heads: DashMap<RoomId, Head>,
    failed: Arc<AtomicBool>,
    syncer: Option<Syncer>,
}

/// The thread that brings the journal to the disk; it ends, and lets go of the database, when this is dropped.
struct Syncer {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the fsync thread has panicked");
        }
    }
}

#[derive(Clone, Copy)]
struct Head {
    at: Cursor,
    snapshot: u64,
}

fn engine(error: impl std::fmt::Display) -> StoreFault {
    StoreFault::Engine(error.to_string().into())
}

fn log_key(room: &RoomId, rev: u64) -> Vec<u8> {
    let mut key = room.as_str().as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&rev.to_be_bytes());
    key
}

/// A value: the cursor and the one before it, as text, then the record.
fn pack(prev: Cursor, cursor: Cursor, record: &Bytes) -> Vec<u8> {
    let mut value = format!("{prev} {cursor}\n").into_bytes();
    value.extend_from_slice(record);
    value
}

fn unpack(value: &[u8]) -> Option<LogEntry> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let (prev, cursor) = std::str::from_utf8(value.get(..end)?).ok()?.split_once(' ')?;
    let record = Bytes::copy_from_slice(value.get(end + 1..)?);
    Some(LogEntry { prev: Cursor::parse(prev)?, cursor: Cursor::parse(cursor)?, record })
}

impl FjallStore {
    /// Opens the database under `dir`. `fsync_interval` 0 = every commit reaches the disk before its answer.
    /// Errors: [`StoreFault::Locked`] if another process has it, [`StoreFault::Engine`] if it cannot be opened.
    pub fn open(dir: &Path, fsync_interval: Duration) -> Result<Arc<Self>, StoreFault> {
        let db = match Database::builder(dir).open() {
            Ok(db) => db,
            Err(fjall::Error::Locked) => return Err(StoreFault::Locked),
            Err(error) => return Err(engine(error)),
        };
        let keyspace = |name| db.keyspace(name, KeyspaceCreateOptions::default).map_err(engine);
        let (log, snapshots, sessions) = (keyspace("log")?, keyspace("snapshots")?, keyspace("sessions")?);
        let failed = Arc::new(AtomicBool::new(false));
        let syncer =
            if fsync_interval.is_zero() { None } else { Some(Syncer::start(db.clone(), failed.clone(), fsync_interval)?) };
        Ok(Arc::new(Self { db, log, snapshots, sessions, heads: DashMap::new(), failed, syncer }))
    }

    /// Brings everything written so far to the disk.
    pub fn sync(&self) -> Result<(), StoreFault> {
        self.db.persist(PersistMode::SyncAll).map_err(engine)
    }

    fn read_log(&self, room: &RoomId, from: u64) -> Result<Vec<LogEntry>, StoreFault> {
        let mut entries = Vec::new();
        for guard in self.log.range(log_key(room, from)..=log_key(room, u64::MAX)) {
            let value = guard.value().map_err(engine)?;
            let broken = || StoreFault::Broken { room: room.clone(), rev: from, what: "a log record cannot be read" };
            entries.push(unpack(&value).ok_or_else(broken)?);
        }
        Ok(entries)
    }

    fn read(&self, room: &RoomId) -> Result<Option<Loaded>, StoreFault> {
        let Some(value) = self.snapshots.get(room.as_str()).map_err(engine)? else { return Ok(None) };
        let broken = |rev, what| StoreFault::Broken { room: room.clone(), rev, what };
        let snapshot = unpack(&value).ok_or_else(|| broken(0, "the snapshot cannot be read"))?;
        let at = snapshot.cursor;
        let (before, log): (Vec<_>, Vec<_>) = self.read_log(room, 0)?.into_iter().partition(|entry| entry.cursor.rev <= at.rev);
        let mut head = at;
        for entry in &log {
            if entry.prev != head {
                return Err(broken(head.rev, "the chain of commits has a gap"));
            }
            head = entry.cursor;
        }
        self.heads.insert(room.clone(), Head { at: head, snapshot: at.rev });
        Ok(Some(Loaded { at, snapshot: snapshot.record, log, before }))
    }

    fn head(&self, room: &RoomId) -> Result<Option<Head>, StoreFault> {
        if let Some(head) = self.heads.get(room) {
            return Ok(Some(*head));
        }
        self.read(room)?;
        Ok(self.heads.get(room).map(|head| *head))
    }

    fn write(&self, room: &RoomId, entry: &LogEntry, snapshot: Option<Bytes>) -> Result<(), CommitError> {
        let Some(head) = self.head(room).map_err(CommitError::NotDone)? else {
            return Err(CommitError::Mismatch { since: None });
        };
        if head.at != entry.prev {
            let entries = self.read_log(room, 0).map_err(CommitError::NotDone)?;
            let from = entries.iter().position(|known| known.prev == entry.prev);
            return Err(CommitError::Mismatch { since: from.map(|from| entries.into_iter().skip(from).collect()) });
        }
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        batch.insert(&self.log, log_key(room, entry.cursor.rev), pack(entry.prev, entry.cursor, &entry.record));
        let mut next = Head { at: entry.cursor, ..head };
        if let Some(record) = snapshot {
            batch.insert(&self.snapshots, room.as_str(), pack(entry.cursor, entry.cursor, &record));
            next.snapshot = entry.cursor.rev;
            let keep_from = next.snapshot.min(entry.cursor.rev.saturating_sub(KEEP_REVS));
            for guard in self.log.range(log_key(room, 0)..log_key(room, keep_from)) {
                batch.remove(&self.log, guard.key().map_err(|error| CommitError::NotDone(engine(error)))?);
            }
        }
        self.settle(batch.commit())?;
        self.heads.insert(room.clone(), next);
        Ok(())
    }

    /// A failed write may have reached the journal: its outcome is unknown, and the engine takes no more writes.
    fn settle(&self, written: fjall::Result<()>) -> Result<(), CommitError> {
        let synced = written.map_err(engine).and_then(|()| if self.syncer.is_none() { self.sync() } else { Ok(()) });
        synced.map_err(|fault| {
            self.failed.store(true, Ordering::Relaxed);
            CommitError::Unknown(fault)
        })
    }
}

impl Syncer {
    fn start(db: Database, failed: Arc<AtomicBool>, interval: Duration) -> Result<Self, StoreFault> {
        let (stop, stopped) = mpsc::channel::<()>();
        let run = move || {
            while stopped.recv_timeout(interval) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Err(error) = db.persist(PersistMode::SyncAll) {
                    failed.store(true, Ordering::Relaxed);
                    tracing::error!(%error, "fsync failed: a power cut now would lose commits; check the disk under data.dir");
                }
            }
        };
        let thread = std::thread::Builder::new().name("michub-fsync".to_owned()).spawn(run).map_err(engine)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Store for FjallStore {
    fn create<'a>(&'a self, room: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>> {
        Box::pin(async move {
            if self.head(room).map_err(CommitError::NotDone)?.is_some() {
                return Ok(false);
            }
            let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
            batch.insert(&self.snapshots, room.as_str(), pack(at, at, &snapshot));
            self.settle(batch.commit())?;
            self.heads.insert(room.clone(), Head { at, snapshot: at.rev });
            Ok(true)
        })
    }

    fn load<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>> {
        Box::pin(async move { self.read(room) })
    }

    fn commit<'a>(&'a self, room: &'a RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move { self.write(room, &entry, snapshot) })
    }

    fn rooms(&self) -> Later<'_, Result<Vec<RoomId>, StoreFault>> {
        Box::pin(async move {
            let name = |guard: fjall::Guard| guard.key().map_err(engine);
            let names = self.snapshots.iter().map(name).collect::<Result<Vec<_>, _>>()?;
            Ok(names.iter().filter_map(|name| RoomId::parse(std::str::from_utf8(name).ok()?).ok()).collect())
        })
    }

    fn put_session<'a>(&'a self, session_id: &'a str, record: Option<Bytes>) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(async move {
            match record {
                Some(record) => self.sessions.insert(session_id, record.as_ref()).map_err(engine),
                None => self.sessions.remove(session_id).map_err(engine),
            }
        })
    }

    fn sessions(&self) -> Later<'_, Result<Vec<(String, Bytes)>, StoreFault>> {
        Box::pin(async move {
            let pair = |guard: fjall::Guard| {
                let (key, value) = guard.into_inner().map_err(engine)?;
                Ok((String::from_utf8_lossy(&key).into_owned(), Bytes::copy_from_slice(&value)))
            };
            self.sessions.iter().map(pair).collect()
        })
    }

    fn healthy(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }
}
