//! What a store must do for the hub, beside its implementations.
pub mod archive;
#[cfg(test)]
mod contract;
pub mod fjall;
pub(in crate::server) mod log;
#[cfg(test)]
pub(in crate::server) mod memory;
pub mod notes;
pub mod outbox;
pub mod redis;
pub mod tap;
mod types;

pub use types::{
    CommitError, Followed, Kept, Listener, Loaded, LogEntry, Messages, NewMessage, Page, Restored, Retention, StoreFault,
    UserChange, Waiting, WriteFault,
};

use crate::hub::{
    cursor::Cursor,
    id::{CommitId, RoomId, UserId},
    time::{Millis, UnixMs},
};
use bytes::Bytes;
use std::{future::Future, pin::Pin};

/// How many rooms are named at once.
const ROOMS_AT_ONCE: usize = 1_000;

/// A store's answer, later. Boxed, so that the hub can hold any store behind one pointer; one allocation per commit, not per command.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps rooms and sessions. Every implementation passes the same contract suite.
pub trait Store: Send + Sync + 'static {
    /// Returns the store below, if this is a layer over one: what a layer does not do itself, the store below does.
    fn beneath(&self) -> Option<&dyn Store> {
        None
    }

    /// Creates a room if absent; `false` = it was there already, so load it.
    fn create<'a>(&'a self, room: &'a RoomId, at: Cursor, snapshot: Bytes) -> Later<'a, Result<bool, CommitError>>;

    /// Reads snapshot and log in one step. `None` = no such room. A gap is a fault, never an empty room.
    fn load<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<Loaded>, StoreFault>>;

    /// Appends `entry` if the log's head is `entry.prev`, and replaces the snapshot in the same step if one is given (at `entry.cursor`).
    /// The log is trimmed only below min(snapshot rev, head − 256).
    fn commit<'a>(&'a self, room: &'a RoomId, entry: LogEntry, snapshot: Option<Bytes>) -> Later<'a, Result<(), CommitError>>;

    /// Tells whether `at` is the log's head still: before a refusal is told on the strength of it. Errors: as for a commit, never unknown.
    fn confirm<'a>(&'a self, room: &'a RoomId, at: Cursor) -> Later<'a, Result<(), CommitError>> {
        match self.beneath() {
            Some(store) => store.confirm(room, at),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    /// As [`Self::confirm`], and at once: also right after a store has come back, before anything is written there.
    fn audit<'a>(&'a self, room: &'a RoomId, at: Cursor) -> Later<'a, Result<(), CommitError>> {
        match self.beneath() {
            Some(store) => store.audit(room, at),
            None => self.confirm(room, at),
        }
    }

    /// Gives the store back what it may have lost: the state at `at`, and the commits that lead there, under their own ids.
    fn restore<'a>(
        &'a self,
        room: &'a RoomId,
        at: Cursor,
        snapshot: Bytes,
        entries: Vec<LogEntry>,
    ) -> Later<'a, Result<Restored, StoreFault>> {
        match self.beneath() {
            Some(store) => store.restore(room, at, snapshot, entries),
            None => Box::pin(std::future::ready(Ok(Restored::Fork))),
        }
    }

    /// Shows the queue at `at` to other tools, if it is the head still.
    fn project<'a>(&'a self, room: &'a RoomId, at: Cursor, queue: Vec<UserId>) -> Later<'a, Result<(), StoreFault>> {
        match self.beneath() {
            Some(store) => store.project(room, at, queue),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    /// Follows a room from here on. Returns whether that is confirmed; if not, a [`Followed::Gap`] comes when it is.
    fn follow<'a>(&'a self, room: &'a RoomId, listener: Listener) -> Later<'a, bool> {
        match self.beneath() {
            Some(store) => store.follow(room, listener),
            None => Box::pin(std::future::ready(true)),
        }
    }

    /// Follows a room no longer.
    fn unfollow(&self, room: &RoomId) {
        if let Some(store) = self.beneath() {
            store.unfollow(room);
        }
    }

    /// Tells whether other nodes write to it too.
    fn shared(&self) -> bool {
        match self.beneath() {
            Some(store) => store.shared(),
            None => false,
        }
    }

    /// Appends messages to a room's stream, each under the next number, and returns their positions. What need not
    /// be kept may go at once.
    fn append_messages<'a>(
        &'a self,
        room: &'a RoomId,
        messages: Vec<NewMessage>,
        retention: Retention,
    ) -> Later<'a, Result<Vec<Cursor>, CommitError>> {
        match self.beneath() {
            Some(store) => store.append_messages(room, messages, retention),
            None => {
                Box::pin(std::future::ready(Err(CommitError::NotDone(StoreFault::Engine("this store keeps no messages".into())))))
            }
        }
    }

    /// Notes that people say something now, each of them if his last word was `every` ago or more. Returns for each when that was, if it was
    /// not. Whoever has a store alone knows that himself.
    fn pace<'a>(
        &'a self,
        room: &'a RoomId,
        users: &'a [UserId],
        every: Millis,
        now: UnixMs,
    ) -> Later<'a, Result<Vec<Option<UnixMs>>, StoreFault>> {
        match self.beneath() {
            Some(store) => store.pace(room, users, every, now),
            None => Box::pin(std::future::ready(Ok(vec![None; users.len()]))),
        }
    }

    /// Takes back what [`Self::pace`] has noted of people who could not say it after all.
    fn unpace<'a>(&'a self, room: &'a RoomId, users: &'a [UserId]) -> Later<'a, Result<(), StoreFault>> {
        match self.beneath() {
            Some(store) => store.unpace(room, users),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    /// Says something to every node that follows the room, this one included. Returns whether it went out.
    fn tell<'a>(&'a self, room: &'a RoomId, message: Bytes) -> Later<'a, bool> {
        match self.beneath() {
            Some(store) => store.tell(room, message),
            None => Box::pin(std::future::ready(true)),
        }
    }

    /// Reads at most `limit` messages. What [`Self::trim_messages`] would remove may still be among them.
    fn messages<'a>(&'a self, room: &'a RoomId, page: Page, limit: usize) -> Later<'a, Result<Messages, StoreFault>> {
        match self.beneath() {
            Some(store) => store.messages(room, page, limit),
            None => {
                let head = Cursor { rev: 0, commit: CommitId(0) };
                Box::pin(std::future::ready(Ok(Messages { head, list: Vec::new() })))
            }
        }
    }

    /// Removes what need not be kept, where appending does not do it. Returns how many.
    fn trim_messages(&self, retention: Retention) -> Later<'_, Result<usize, StoreFault>> {
        match self.beneath() {
            Some(store) => store.trim_messages(retention),
            None => Box::pin(std::future::ready(Ok(0))),
        }
    }

    /// Returns the rev at which a room stands, where that is cheaper than to load the room; `None` = there is no such room.
    fn head<'a>(&'a self, room: &'a RoomId) -> Later<'a, Result<Option<u64>, StoreFault>> {
        match self.beneath() {
            Some(store) => store.head(room),
            None => Box::pin(async move {
                let loaded = self.load(room).await?;
                Ok(loaded.map(|loaded| loaded.log.last().map_or(loaded.at.rev, |entry| entry.cursor.rev)))
            }),
        }
    }

    /// Reads the commits behind a position, `limit` at most, where that is cheaper than to load the room. Empty = load it.
    fn log_after<'a>(&'a self, room: &'a RoomId, from: Cursor, limit: usize) -> Later<'a, Result<Vec<LogEntry>, StoreFault>> {
        match self.beneath() {
            Some(store) => store.log_after(room, from, limit),
            None => Box::pin(std::future::ready(Ok(Vec::new()))),
        }
    }

    /// Keeps the log of a room from this rev on for somebody who has still to read it, within a limit of the store's; `None` = he has.
    /// A store with an archive need not.
    fn keep_log<'a>(&'a self, room: &'a RoomId, reader: &'a str, from: Option<u64>) -> Later<'a, Result<(), StoreFault>> {
        match self.beneath() {
            Some(store) => store.keep_log(room, reader, from),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    /// Names rooms, in the order of their names: those behind `after`, at most `limit`. Cost: what it names, and the way to the first.
    fn rooms_after<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Later<'a, Result<Vec<RoomId>, StoreFault>>;

    /// Names every room.
    fn rooms(&self) -> Later<'_, Result<Vec<RoomId>, StoreFault>> {
        Box::pin(async move {
            let mut all: Vec<RoomId> = Vec::new();
            loop {
                let some = self.rooms_after(all.last().map(RoomId::as_str), ROOMS_AT_ONCE).await?;
                let last = some.len() < ROOMS_AT_ONCE;
                all.extend(some);
                if last {
                    return Ok(all);
                }
            }
        })
    }

    /// Keeps (`Some`) or forgets (`None`) a session record under its id, so that it can be resumed after a restart.
    fn put_session<'a>(&'a self, session_id: &'a str, record: Option<Bytes>) -> Later<'a, Result<(), StoreFault>>;

    /// Reads every session record.
    fn sessions(&self) -> Later<'_, Result<Vec<(String, Bytes)>, StoreFault>>;

    /// Changes a person's record, if it still is what the change was made from. Returns whether it was; if not, nothing is written.
    fn change_user<'a>(&'a self, user: &'a UserId, change: UserChange) -> Later<'a, Result<bool, StoreFault>> {
        match self.beneath() {
            Some(store) => store.change_user(user, change),
            None => Box::pin(std::future::ready(Err(StoreFault::Engine("this store keeps no records of people".into())))),
        }
    }

    /// Counts the people for whom something waits, and names up to `limit` of those for whom it has waited until before `now`. For shared
    /// stores; whoever has a store alone counts himself.
    fn waiting(&self, now: UnixMs, limit: usize) -> Later<'_, Result<Waiting, StoreFault>> {
        match self.beneath() {
            Some(store) => store.waiting(now, limit),
            None => Box::pin(std::future::ready(Ok(Waiting::default()))),
        }
    }

    /// Reads a person's record.
    fn user<'a>(&'a self, user: &'a UserId) -> Later<'a, Result<Option<Bytes>, StoreFault>> {
        match self.beneath() {
            Some(store) => store.user(user),
            None => Box::pin(std::future::ready(Ok(None))),
        }
    }

    /// Reads every person's record.
    fn users(&self) -> Later<'_, Result<Vec<(UserId, Bytes)>, StoreFault>> {
        match self.beneath() {
            Some(store) => store.users(),
            None => Box::pin(std::future::ready(Ok(Vec::new()))),
        }
    }

    /// Tells whether the store can be written to now.
    fn healthy(&self) -> bool;
}
