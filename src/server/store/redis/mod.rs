//! The store of many nodes: rooms in Redis, changed by one script that compares positions; no owner, no lock, no consensus of our own.
mod advice;
pub mod connect;
#[cfg(test)]
mod drift;
mod entries;
pub mod fault;
pub mod keys;
pub mod link;
pub mod live;
mod messages;
#[cfg(test)]
mod moves;
mod names;
mod notes;
mod refused;
mod repair;
mod rooms;
pub mod script;
#[cfg(test)]
pub(crate) mod testing;
mod users;
mod write;

use super::{
    CommitError, Later, Listener, Loaded, LogEntry, Messages, NewMessage, Page, Restored, Retention, Store, StoreFault,
    UserChange, Waiting,
};
use crate::{
    hub::{
        cursor::Cursor,
        id::{CommitId, RoomId, UserId},
        time::{Millis, UnixMs},
    },
    server::clock::{Clock, Mono},
};
use bytes::Bytes;
use connect::{Durability, RedisSettings, Shared};
use dashmap::DashMap;
use fault::Failed;
use keys::Keys;
use link::{Keeper, Link};
use live::Live;
use notes::NoteScripts;
use redis::Value;
pub use repair::RedisReport;
use script::Lua;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

/// For how long after a reconnect commits wait: replicas that know more than the server say so first.
const AFTER_RECONNECT_MS: u64 = 1_000;
/// Over how many connections durable commits are spread.
const DURABLE_LINKS: usize = 4;
/// How many replicas must have a durable commit.
const REPLICAS: usize = 1;

/// The scripts.
struct Scripts {
    commit: Lua,
    create: Lua,
    load: Lua,
    restore: Lua,
    project: Lua,
    say: Lua,
    user: Lua,
    pace: Lua,
    cut: Lua,
}

/// The store in Redis.
pub struct RedisStore {
    settings: Shared,
    keys: Keys,
    clock: Clock,
    link: Keeper,
    /// Commits that WAIT for replicas have connections of their own.
    durable: Vec<Keeper>,
    live: Live,
    scripts: Scripts,
    note_scripts: NoteScripts,
    /// Commits on their way, which the live path may settle first.
    in_flight: Arc<DashMap<CommitId, oneshot::Sender<()>>>,
    /// Rooms whose names could not be noted yet.
    unlisted: Arc<Mutex<BTreeSet<RoomId>>>,
}

impl RedisStore {
    /// Starts to reach Redis; whether it can be reached shows later. Needs a runtime. Errors: an address that is none.
    pub fn open(settings: RedisSettings, clock: Clock) -> Result<Arc<Self>, StoreFault> {
        settings.check().map_err(engine)?;
        let keys = Keys::new(&settings.key_prefix);
        let settings: Shared = Arc::new(settings);
        let durable = if settings.durability == Durability::Replica { DURABLE_LINKS } else { 0 };
        let scripts = Scripts {
            commit: Lua::new(include_str!("lua/commit.lua")),
            create: Lua::new(include_str!("lua/create.lua")),
            load: Lua::new(include_str!("lua/load.lua")),
            restore: Lua::new(include_str!("lua/restore.lua")),
            project: Lua::new(include_str!("lua/project.lua")),
            say: Lua::new(include_str!("lua/say.lua")),
            user: Lua::new(include_str!("lua/user.lua")),
            pace: Lua::new(include_str!("lua/pace.lua")),
            cut: Lua::new(include_str!("lua/cut.lua")),
        };
        let link = Link::start(settings.clone(), clock, 0);
        Ok(Arc::new(Self {
            keys,
            clock,
            live: Live::start(settings.clone(), link.watch()),
            link,
            durable: (0..durable).map(|_| Link::start(settings.clone(), clock, REPLICAS)).collect(),
            settings,
            scripts,
            note_scripts: NoteScripts::new(),
            in_flight: Arc::default(),
            unlisted: Arc::default(),
        }))
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &RedisSettings {
        &self.settings
    }

    /// Returns the names of keys.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns the link for commands.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Returns the live path.
    #[must_use]
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// Returns until when a command that begins now may wait.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        self.clock.mono().plus(u64::try_from(self.settings.wait.as_millis()).unwrap_or(u64::MAX))
    }

    /// Says that what Redis holds from here on is the hub's, unless that was said already: `hub:epoch`, whose absence tells of a loss.
    pub(in crate::server) async fn begin_epoch(&self) -> Result<(), Failed> {
        let mut first = redis::cmd("SET");
        first.arg(self.keys.hub("epoch")).arg(format!("{:016x}", rand::random::<u64>())).arg("NX");
        self.link.run(&first, self.deadline()).await.map(|_| ())
    }

    async fn set_session(&self, session: &str, record: Option<Bytes>) -> Result<(), StoreFault> {
        let key = self.keys.hub("sessions");
        let cmd = match record {
            Some(record) => redis::Cmd::hset(key, session, record.as_ref()),
            None => redis::Cmd::hdel(key, session),
        };
        self.link.run(&cmd, self.deadline()).await.map(|_| ()).map_err(engine)
    }

    async fn read_sessions(&self) -> Result<Vec<(String, Bytes)>, StoreFault> {
        let cmd = redis::Cmd::hgetall(self.keys.hub("sessions"));
        let value = self.link.run(&cmd, self.deadline()).await.map_err(engine)?;
        let list: Vec<(String, Vec<u8>)> = redis::from_redis_value(value).map_err(engine)?;
        Ok(list.into_iter().map(|(session, record)| (session, record.into())).collect())
    }
}

fn engine(error: impl std::fmt::Display) -> StoreFault {
    StoreFault::Engine(error.to_string().into())
}

impl Store for RedisStore {
    fn create<'a>(&'a self, room: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>> {
        Box::pin(self.create_room(room, at, snapshot))
    }

    fn load<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>> {
        Box::pin(self.load_room(room))
    }

    fn commit<'a>(&'a self, room: &'a RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Later<'a, Result<(), CommitError>> {
        Box::pin(self.commit_entry(room, entry, snapshot))
    }

    fn confirm<'a>(&'a self, room: &'a RoomId, at: Cursor) -> Later<'a, Result<(), CommitError>> {
        Box::pin(async move {
            if self.after_reconnect(self.deadline()).await {
                self.confirm_head(room, at).await
            } else {
                Err(CommitError::NotDone(engine(write::TOO_SOON)))
            }
        })
    }

    fn audit<'a>(&'a self, room: &'a RoomId, at: Cursor) -> Later<'a, Result<(), CommitError>> {
        Box::pin(self.confirm_head(room, at))
    }

    fn restore<'a>(
        &'a self,
        room: &'a RoomId,
        at: Cursor,
        snapshot: Bytes,
        entries: Vec<LogEntry>,
    ) -> Later<'a, Result<Restored, StoreFault>> {
        Box::pin(self.restore_room(room, at, snapshot, entries))
    }

    fn project<'a>(&'a self, room: &'a RoomId, at: Cursor, queue: Vec<UserId>) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(self.project_queue(room, at, queue))
    }

    fn follow<'a>(&'a self, room: &'a RoomId, listener: Listener) -> Later<'a, bool> {
        Box::pin(self.follow_room(room, listener))
    }

    fn unfollow(&self, room: &RoomId) {
        self.live.unlisten(self.keys.room(room, 'l'));
    }

    fn shared(&self) -> bool {
        true
    }

    fn append_messages<'a>(
        &'a self,
        room: &'a RoomId,
        messages: Vec<NewMessage>,
        retention: Retention,
    ) -> Later<'a, Result<Vec<Cursor>, CommitError>> {
        Box::pin(self.add_messages(room, messages, retention))
    }

    fn messages<'a>(&'a self, room: &'a RoomId, page: Page, limit: usize) -> Later<'a, Result<Messages, StoreFault>> {
        Box::pin(self.read_messages(room, page, limit))
    }

    fn pace<'a>(
        &'a self,
        room: &'a RoomId,
        users: &'a [UserId],
        every: Millis,
        now: UnixMs,
    ) -> Later<'a, Result<Vec<Option<UnixMs>>, StoreFault>> {
        Box::pin(self.note_words(room, users, every, now))
    }

    fn unpace<'a>(&'a self, room: &'a RoomId, users: &'a [UserId]) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(self.forget_words(room, users))
    }

    fn tell<'a>(&'a self, room: &'a RoomId, message: Bytes) -> Later<'a, bool> {
        Box::pin(self.tell_room(room, message))
    }

    fn head<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<u64>, StoreFault>> {
        Box::pin(self.read_head(room))
    }

    fn log_after<'a>(&'a self, room: &'a RoomId, from: Cursor, limit: usize) -> Later<'a, Result<Vec<LogEntry>, StoreFault>> {
        Box::pin(self.read_after(room, from, limit))
    }

    fn keep_log<'a>(&'a self, room: &'a RoomId, reader: &'a str, from: Option<u64>) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(self.keep_for(room, reader, from))
    }

    fn rooms_after<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Later<'a, Result<Vec<RoomId>, StoreFault>> {
        Box::pin(self.names_after(after, limit))
    }

    fn put_session<'a>(&'a self, session_id: &'a str, record: Option<Bytes>) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(self.set_session(session_id, record))
    }

    fn sessions(&self) -> Later<'_, Result<Vec<(String, Bytes)>, StoreFault>> {
        Box::pin(self.read_sessions())
    }

    fn change_user<'a>(&'a self, user: &'a UserId, change: UserChange) -> Later<'a, Result<bool, StoreFault>> {
        Box::pin(self.swap_record(user, change))
    }

    fn user<'a>(&'a self, user: &'a UserId) -> Later<'a, Result<Option<Bytes>, StoreFault>> {
        Box::pin(self.read_record(user))
    }

    fn users(&self) -> Later<'_, Result<Vec<(UserId, Bytes)>, StoreFault>> {
        Box::pin(self.read_records())
    }

    fn waiting(&self, now: UnixMs, limit: usize) -> Later<'_, Result<Waiting, StoreFault>> {
        Box::pin(self.read_waiting(now, limit))
    }

    fn healthy(&self) -> bool {
        self.link.takes_writes() && self.durable.iter().all(|link| link.takes_writes())
    }
}

/// Splits an answer of a script into its word and the rest.
fn word(value: &Value) -> (Option<&[u8]>, &[Value]) {
    match value {
        Value::Array(list) => match list.split_first() {
            Some((Value::BulkString(word), rest)) => (Some(word), rest),
            _ => (None, list),
        },
        _ => (None, &[]),
    }
}
