//! One opened database: reads, and commits as single batches. It is thrown away and opened anew after a failed write.
use super::{
    days::Days,
    keyspace::{COMMITS_BYTES, OTHERS_BYTES, fault, keyspace, open_fault},
    layout::{Packed, base_key, day_of, event_key, feed_key, feed_value, log_key},
    streams::Streams,
    watermark::Mark,
};
use crate::{
    hub::{cursor::Cursor, id::RoomId},
    server::store::{CommitError, Loaded, LogEntry, StoreFault, archive::FedKind},
};
use bytes::Bytes;
use dashmap::DashMap;
use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode, Slice};
use std::{
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many commits before the head stay readable for clients that resume by cursor.
const KEEP_REVS: u64 = 256;
/// The number and the checksum of the newest commit.
const LEDGER: &str = "ledger";
/// The ledger as it was the last two times that the journal was brought to the disk.
const MARKS: &str = "marks";
/// Written to find out whether the disk takes writes.
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 64 * 1024;

/// An opened database.
pub(super) struct Engine {
    pub db: Database,
    pub log: Keyspace,
    pub snapshots: Keyspace,
    pub sessions: Keyspace,
    pub users: Keyspace,
    pub meta: Keyspace,
    pub feed: Option<Keyspace>,
    pub notes: Keyspace,
    pub days: Option<Days>,
    pub streams: Streams,
    /// Head and lowest kept rev of the rooms in use; read from the database at first touch.
    heads: DashMap<RoomId, Head>,
    ledger: Mutex<Mark>,
    failed: AtomicBool,
}

#[derive(Clone, Copy)]
struct Head {
    at: Cursor,
    /// Nothing below is in the log.
    low: u64,
    /// The archived day that holds a state of this room to replay from.
    based: Option<u64>,
}

impl Engine {
    /// Opens the database in `dir`. `history` = commits are archived too, `feed` = somebody takes them elsewhere.
    /// Errors: [`StoreFault::Locked`] if another process has it, [`StoreFault::Damaged`] if it cannot be read.
    pub fn open(dir: &Path, history: bool, feed: bool) -> Result<Self, StoreFault> {
        // The engine asserts what it expects of its files; damage must not end the process.
        let opened = catch_unwind(AssertUnwindSafe(|| Database::builder(dir).open()));
        let db = opened.map_err(|_| StoreFault::Damaged("the engine gave up".into()))?.map_err(|error| open_fault(&error))?;
        let log = keyspace(&db, "log", COMMITS_BYTES)?;
        let keyspace = |name| keyspace(&db, name, OTHERS_BYTES);
        let (snapshots, meta) = (keyspace("snapshots")?, keyspace("meta")?);
        let (sessions, users) = (keyspace("sessions")?, keyspace("users")?);
        let notes = keyspace("notes")?;
        let feed = if feed { Some(keyspace("feed")?) } else { None };
        let days = if history { Some(Days::open(&db)?) } else { None };
        let ledger = read_mark(&meta, LEDGER)?.into_iter().next().unwrap_or_default();
        let streams = Streams::open(&db)?;
        let (heads, failed) = (DashMap::new(), AtomicBool::new(false));
        Ok(Self {
            db,
            log,
            snapshots,
            sessions,
            users,
            notes,
            meta,
            feed,
            days,
            streams,
            heads,
            ledger: Mutex::new(ledger),
            failed,
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Mark> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether a write has failed: nothing is written any more, and the database must be opened anew.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Returns how many commits of all rooms were ever written.
    pub fn written(&self) -> u64 {
        self.ledger().commits
    }

    /// Notes that a write has failed.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Compares with what had reached the disk. Errors: the store's tail is gone, or this is the store of another history.
    pub fn verify(&self, durable: Option<Mark>) -> Result<(), StoreFault> {
        let Some(durable) = durable else { return Ok(()) };
        let ledger = *self.ledger();
        if ledger.commits < durable.commits {
            return Err(StoreFault::Truncated { expected: durable.commits, found: ledger.commits });
        }
        let known = read_mark(&self.meta, MARKS)?.into_iter().chain([ledger]);
        let other = known.into_iter().any(|mark| mark.commits == durable.commits && mark.chain != durable.chain);
        if other { Err(StoreFault::Foreign) } else { Ok(()) }
    }

    /// Brings everything written so far to the disk, and returns what is there then.
    pub fn sync(&self) -> Result<Mark, StoreFault> {
        let mark = *self.ledger();
        let before = read_mark(&self.meta, MARKS)?.into_iter().next().unwrap_or_default();
        let written =
            if before == mark { Ok(()) } else { self.meta.insert(MARKS, format!("{}\n{}", mark.text(), before.text())) };
        let synced = written.and_then(|()| self.db.persist(PersistMode::SyncAll));
        synced.map(|()| mark).map_err(|error| {
            self.fail();
            fault(&error)
        })
    }

    /// Finds out whether the disk takes writes. Cost: one small write and an fsync.
    pub fn probe(&self) -> Result<(), StoreFault> {
        let written = self.meta.insert(PROBE, vec![0; PROBE_BYTES]).and_then(|()| self.meta.remove(PROBE));
        written.and_then(|()| self.db.persist(PersistMode::SyncAll)).map_err(|error| {
            self.fail();
            fault(&error)
        })
    }

    /// Reads a room's commits from a rev on.
    pub fn read_log(&self, room: &RoomId, low: u64) -> Result<Vec<LogEntry>, StoreFault> {
        let mut entries: Vec<LogEntry> = Vec::new();
        for guard in self.log.range(log_key(room, low)..=log_key(room, u64::MAX)) {
            let rev = entries.last().map_or(low, |entry| entry.cursor.rev);
            let value = guard.value().map_err(|error| fault(&error))?;
            let broken = StoreFault::Broken { room: room.clone(), rev, what: "a log record cannot be read" };
            entries.push(Packed::unpack(&value).ok_or(broken)?.into());
        }
        Ok(entries)
    }

    /// Reads the snapshot: `number` is the lowest rev that the log keeps.
    pub fn read_snapshot(&self, room: &RoomId) -> Result<Option<Packed>, StoreFault> {
        let Some(value) = self.snapshots.get(room.as_str()).map_err(|error| fault(&error))? else { return Ok(None) };
        let broken = StoreFault::Broken { room: room.clone(), rev: 0, what: "the snapshot cannot be read" };
        Packed::unpack(&value).map(Some).ok_or(broken)
    }

    /// Reads snapshot and log.
    pub fn read(&self, room: &RoomId) -> Result<Option<Loaded>, StoreFault> {
        let Some(Packed { cursor: at, number: low, record: snapshot, .. }) = self.read_snapshot(room)? else { return Ok(None) };
        let (before, log): (Vec<_>, Vec<_>) = self.read_log(room, low)?.into_iter().partition(|entry| entry.cursor.rev <= at.rev);
        let mut head = at;
        for entry in &log {
            if entry.prev != head {
                return Err(StoreFault::Broken { room: room.clone(), rev: head.rev, what: "the chain of commits has a gap" });
            }
            head = entry.cursor;
        }
        self.heads.insert(room.clone(), Head { at: head, low, based: None });
        Ok(Some(Loaded { at, snapshot, log, before }))
    }

    /// Names every room.
    pub fn rooms(&self) -> Result<Vec<RoomId>, StoreFault> {
        self.rooms_after(None, usize::MAX)
    }

    /// Names rooms in their order: those behind `after`, at most `limit`.
    pub fn rooms_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<RoomId>, StoreFault> {
        let name = |guard: fjall::Guard| guard.key().map_err(|error| fault(&error));
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes().to_vec()));
        let behind = self.snapshots.range::<Vec<u8>, _>((from, Bound::Unbounded));
        let names = behind.take(limit).map(name).collect::<Result<Vec<_>, _>>()?;
        Ok(names.iter().filter_map(|name| RoomId::parse(std::str::from_utf8(name).ok()?).ok()).collect())
    }

    fn head(&self, room: &RoomId) -> Result<Option<Head>, StoreFault> {
        if let Some(head) = self.heads.get(room) {
            return Ok(Some(*head));
        }
        self.read(room)?;
        Ok(self.heads.get(room).map(|head| *head))
    }

    /// Creates a room if absent. The operating system has it when this returns.
    pub fn create(&self, room: &RoomId, first: &LogEntry) -> Result<bool, CommitError> {
        if self.head(room).map_err(CommitError::NotDone)?.is_some() {
            return Ok(false);
        }
        let mut head = Head { at: first.cursor, low: 0, based: None };
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        let packed = Packed { number: 0, ..Packed::from(first) };
        batch.insert(&self.snapshots, room.as_str(), packed.pack());
        let base = self.archive_base(&mut batch, room, first, &mut head)?;
        self.settle(batch, room, head, [None, base])?;
        Ok(true)
    }

    /// Appends a commit, and replaces the snapshot, if the log's head is `entry.prev`.
    pub fn commit(&self, room: &RoomId, entry: &LogEntry, snapshot: Option<Bytes>) -> Result<(), CommitError> {
        let Some(mut head) = self.head(room).map_err(CommitError::NotDone)? else {
            return Err(CommitError::Mismatch { since: None });
        };
        if head.at != entry.prev {
            let entries = self.read_log(room, head.low).map_err(CommitError::NotDone)?;
            let from = entries.iter().position(|known| known.prev == entry.prev);
            return Err(CommitError::Mismatch { since: from.map(|from| entries.into_iter().skip(from).collect()) });
        }
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        let packed = Packed::from(entry);
        // The log and the day share one value.
        let value = Slice::from(packed.pack());
        let mut base = None;
        if let Some(days) = &self.days {
            let day = days.day(&self.db, day_of(entry.at)).map_err(CommitError::NotDone)?;
            batch.insert(&day, event_key(room, entry.at, entry.cursor.rev), value.clone());
        }
        batch.insert(&self.log, log_key(room, entry.cursor.rev), value);
        head.at = entry.cursor;
        if let Some(record) = snapshot {
            let low = entry.cursor.rev.saturating_sub(KEEP_REVS).max(head.low);
            // From the lowest kept rev on: what was trimmed before is not walked over again.
            for guard in self.log.range(log_key(room, head.low)..log_key(room, low)) {
                batch.remove(&self.log, guard.key().map_err(|error| CommitError::NotDone(fault(&error)))?);
            }
            head.low = low;
            let state = LogEntry { prev: entry.cursor, record, ..entry.clone() };
            batch.insert(&self.snapshots, room.as_str(), Packed { number: low, ..Packed::from(&state) }.pack());
            base = self.archive_base(&mut batch, room, &state, &mut head)?;
        }
        self.settle(batch, room, head, [Some((FedKind::Commit, packed)), base])
    }

    /// Adds an entry to the feed alone, under a number of its own.
    pub fn put_fed(&self, room: &RoomId, kind: FedKind, entry: &LogEntry) -> Result<(), StoreFault> {
        let batch = self.db.batch().durability(Some(PersistMode::Buffer));
        let head = Head { at: entry.cursor, low: 0, based: None };
        self.settle(batch, room, head, [Some((kind, Packed::from(entry))), None]).map_err(|error| match error {
            CommitError::NotDone(fault) | CommitError::Unknown(fault) => fault,
            CommitError::Mismatch { .. } => StoreFault::Down,
        })
    }

    /// Keeps one state per room and day, so that the days after it can be replayed when older ones are gone.
    fn archive_base(
        &self,
        batch: &mut OwnedWriteBatch,
        room: &RoomId,
        state: &LogEntry,
        head: &mut Head,
    ) -> Result<Option<(FedKind, Packed)>, CommitError> {
        let number = day_of(state.at);
        let unwanted = self.days.is_none() && self.feed.is_none();
        if unwanted || head.based == Some(number) {
            return Ok(None);
        }
        head.based = Some(number);
        if let Some(days) = &self.days {
            let day = days.day(&self.db, number).map_err(CommitError::NotDone)?;
            let there = day.contains_key(base_key(room)).map_err(|error| CommitError::NotDone(fault(&error)))?;
            if !there {
                batch.insert(&day, base_key(room), Packed::from(state).pack());
            }
        }
        Ok(Some((FedKind::State, Packed::from(state))))
    }

    /// Writes a batch as the next commit. A failed write may have reached the journal: its outcome is unknown, and the engine takes no more.
    fn settle(
        &self,
        mut batch: OwnedWriteBatch,
        room: &RoomId,
        head: Head,
        fed: [Option<(FedKind, Packed)>; 2],
    ) -> Result<(), CommitError> {
        // The lock makes the order of the numbers that of the journal.
        let mut ledger = self.ledger();
        let next = ledger.after(room, head.at);
        batch.insert(&self.meta, LEDGER, next.text());
        if let Some(feed) = &self.feed {
            for (kind, packed) in fed.into_iter().flatten() {
                batch.insert(feed, feed_key(next.commits, kind), feed_value(room, &packed));
            }
        }
        match batch.commit() {
            Ok(()) => {
                *ledger = next;
                drop(ledger);
                self.heads.insert(room.clone(), head);
                Ok(())
            }
            Err(error) => {
                self.fail();
                let before_writing = matches!(error, fjall::Error::Poisoned);
                Err(if before_writing { CommitError::NotDone(fault(&error)) } else { CommitError::Unknown(fault(&error)) })
            }
        }
    }
}

/// Reads the marks under a key, newest first.
fn read_mark(meta: &Keyspace, key: &str) -> Result<Vec<Mark>, StoreFault> {
    let value = meta.get(key).map_err(|error| fault(&error))?;
    let text = value.as_ref().and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    Ok(text.lines().filter_map(Mark::parse).collect())
}
