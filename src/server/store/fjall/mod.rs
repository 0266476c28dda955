//! The embedded store: one fjall database in the data folder. A commit, its snapshot, its place in the archive and the trimming of the log
//! are one batch, which the operating system has before anybody hears of it; a thread of its own, the keeper, brings it to the disk,
//! writes the watermark, opens a failed store anew and drops old days.
mod archive;
mod days;
mod engine;
mod feed;
mod keeper;
mod keyspace;
mod layout;
mod messages;
mod notes;
mod repair;
mod streams;
#[cfg(test)]
mod tests;
mod watermark;

use super::{CommitError, Later, Loaded, LogEntry, Messages, NewMessage, Page, Retention, Store, StoreFault, UserChange};
use crate::{
    hub::{
        cursor::Cursor,
        id::{RoomId, UserId},
    },
    server::clock::Clock,
};
use bytes::Bytes;
use engine::Engine;
use keeper::{Ask, Keeper};
use keyspace::fault;
pub use repair::{Repair, RepairReport};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::oneshot;
use watermark::Watermark;

/// The database's folder in the data folder.
const DATABASE: &str = "store";

/// How the embedded store is kept.
#[derive(Clone, Debug)]
pub struct FjallSettings {
    /// The data folder.
    pub dir: PathBuf,
    /// Between two writes to the disk; zero = every commit is on the disk before its answer.
    pub fsync_interval: Duration,
    /// How long a store that has failed rests until it is opened anew.
    pub reopen: Duration,
    /// How many days the archive keeps; 0 = there is none.
    pub history_days: u64,
    /// Who takes commits elsewhere, by name; nobody = there is no feed.
    pub feeds: Vec<String>,
}

impl FjallSettings {
    /// Returns the defaults for a data folder.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        let (fsync_interval, reopen) = (Duration::from_secs(1), Duration::from_secs(5));
        Self { dir: dir.to_owned(), fsync_interval, reopen, history_days: 30, feeds: Vec::new() }
    }

    /// Tells whether a store was ever made there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.dir.join(DATABASE).is_dir()
    }
}

/// The embedded store.
pub struct FjallStore {
    shared: Arc<Shared>,
    keeper: Keeper,
    /// One person's record is changed at a time.
    users: Mutex<()>,
}

/// What the store and its keeper share.
struct Shared {
    settings: FjallSettings,
    clock: Clock,
    /// `None` while a store that has failed rests.
    engine: RwLock<Option<Arc<Engine>>>,
}

impl Shared {
    fn engine(&self) -> Result<Arc<Engine>, StoreFault> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.clone().filter(|engine| !engine.has_failed()).ok_or(StoreFault::Down)
    }

    fn replace(&self, engine: Option<Arc<Engine>>) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

/// Opens the database and compares it with its watermark.
fn open(settings: &FjallSettings) -> Result<(Engine, Watermark), StoreFault> {
    let failed = |error| StoreFault::Folder(settings.dir.clone(), std::sync::Arc::new(error));
    std::fs::create_dir_all(&settings.dir).map_err(failed)?;
    let engine = Engine::open(&settings.dir.join(DATABASE), settings.history_days > 0, !settings.feeds.is_empty())?;
    let watermark = Watermark::open(&settings.dir).map_err(|error| StoreFault::Engine(error.to_string().into()))?;
    engine.verify(watermark.newest())?;
    Ok((engine, watermark))
}

impl FjallStore {
    /// Opens the store. Errors: [`StoreFault::Locked`] if another process has it; [`StoreFault::Damaged`], [`StoreFault::Truncated`] or
    /// [`StoreFault::Foreign`] if it is not what it was: `michub repair` deals with these; [`StoreFault::Engine`] if the disk fails.
    pub fn open(settings: FjallSettings, clock: Clock) -> Result<Arc<Self>, StoreFault> {
        let (engine, watermark) = open(&settings)?;
        let shared = Arc::new(Shared { settings, clock, engine: RwLock::new(Some(Arc::new(engine))) });
        let keeper = Keeper::start(shared.clone(), watermark)?;
        Ok(Arc::new(Self { shared, keeper, users: Mutex::new(()) }))
    }

    /// A failed write ends this use of the database: the keeper opens it anew.
    fn noted<T, E>(&self, engine: &Engine, result: Result<T, E>) -> Result<T, E> {
        if engine.has_failed() {
            self.keeper.ask(Ask::Failed);
        }
        result
    }

    /// Waits until everything written so far is on the disk, if every commit has to be.
    async fn durable(&self) -> Result<(), CommitError> {
        if !self.shared.settings.fsync_interval.is_zero() {
            return Ok(());
        }
        let (done, wait) = oneshot::channel();
        self.keeper.ask(Ask::Sync(done));
        wait.await.unwrap_or(Err(StoreFault::Down)).map_err(CommitError::Unknown)
    }

    fn reading<T>(&self, read: impl FnOnce(&Engine) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        read(&*self.shared.engine()?)
    }
}

impl Store for FjallStore {
    fn create<'a>(&'a self, room: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>> {
        Box::pin(async move {
            let created = {
                let engine = self.shared.engine().map_err(CommitError::NotDone)?;
                let first = LogEntry { prev: at, cursor: at, at: self.shared.clock.now(), record: snapshot };
                self.noted(&engine, engine.create(room, &first))?
            };
            self.durable().await?;
            Ok(created)
        })
    }

    fn load<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>> {
        Box::pin(async move { self.reading(|engine| engine.read(room)) })
    }

    fn commit<'a>(&'a self, room: &'a RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            {
                let engine = self.shared.engine().map_err(CommitError::NotDone)?;
                self.noted(&engine, engine.commit(room, &entry, snapshot))?;
            }
            self.durable().await
        })
    }

    fn append_messages<'a>(
        &'a self,
        room: &'a RoomId,
        messages: Vec<NewMessage>,
        _retention: Retention,
    ) -> Later<'a, Result<Vec<Cursor>, CommitError>> {
        Box::pin(async move {
            let positions = {
                let engine = self.shared.engine().map_err(CommitError::NotDone)?;
                self.noted(&engine, engine.append_messages(room, messages))?
            };
            self.durable().await?;
            Ok(positions)
        })
    }

    fn messages<'a>(&'a self, room: &'a RoomId, page: Page, limit: usize) -> Later<'a, Result<Messages, StoreFault>> {
        Box::pin(async move { self.reading(|engine| engine.messages(room, page, limit)) })
    }

    fn trim_messages(&self, Retention { keep, oldest }: Retention) -> Later<'_, Result<usize, StoreFault>> {
        Box::pin(async move { self.reading(|engine| engine.trim_messages(keep, oldest)) })
    }

    fn rooms_after<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Later<'a, Result<Vec<RoomId>, StoreFault>> {
        Box::pin(async move { self.reading(|engine| engine.rooms_after(after, limit)) })
    }

    fn put_session<'a>(&'a self, session_id: &'a str, record: Option<Bytes>) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(async move {
            let engine = self.shared.engine()?;
            let written = match record {
                Some(record) => engine.sessions.insert(session_id, record.as_ref()),
                None => engine.sessions.remove(session_id),
            };
            if written.is_err() {
                engine.fail();
            }
            self.noted(&engine, written.map_err(|error| fault(&error)))
        })
    }

    fn sessions(&self) -> Later<'_, Result<Vec<(String, Bytes)>, StoreFault>> {
        Box::pin(async move {
            self.reading(|engine| {
                let pair = |guard: fjall::Guard| {
                    let (key, value) = guard.into_inner().map_err(|error| fault(&error))?;
                    Ok((String::from_utf8_lossy(&key).into_owned(), Bytes::copy_from_slice(&value)))
                };
                engine.sessions.iter().map(pair).collect()
            })
        })
    }

    fn change_user<'a>(&'a self, user: &'a UserId, change: UserChange) -> Later<'a, Result<bool, StoreFault>> {
        Box::pin(async move {
            let engine = self.shared.engine()?;
            let _alone = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            let now = engine.users.get(user.as_str()).map_err(|error| fault(&error))?;
            if now.as_deref() != change.before.as_deref() {
                return Ok(false);
            }
            let written = match change.after {
                Some(record) => engine.users.insert(user.as_str(), record.as_ref()),
                None => engine.users.remove(user.as_str()),
            };
            if written.is_err() {
                engine.fail();
            }
            self.noted(&engine, written.map(|()| true).map_err(|error| fault(&error)))
        })
    }

    fn user<'a>(&'a self, user: &'a UserId) -> Later<'a, Result<Option<Bytes>, StoreFault>> {
        Box::pin(async move {
            self.reading(|engine| {
                let record = engine.users.get(user.as_str()).map_err(|error| fault(&error))?;
                Ok(record.map(|record| Bytes::copy_from_slice(&record)))
            })
        })
    }

    fn users(&self) -> Later<'_, Result<Vec<(UserId, Bytes)>, StoreFault>> {
        Box::pin(async move {
            self.reading(|engine| {
                let mut users = Vec::new();
                for guard in engine.users.iter() {
                    let (key, value) = guard.into_inner().map_err(|error| fault(&error))?;
                    let user = std::str::from_utf8(&key).ok().and_then(|id| UserId::parse(id).ok());
                    users.extend(user.map(|user| (user, Bytes::copy_from_slice(&value))));
                }
                Ok(users)
            })
        })
    }

    fn healthy(&self) -> bool {
        self.shared.engine().is_ok()
    }
}
