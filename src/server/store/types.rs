//! What a store takes and gives: commits, messages, records of people, and what can be wrong with it.
use crate::hub::{
    chain::Link,
    cursor::Cursor,
    id::{CommitId, RoomId, UserId},
    time::UnixMs,
};
use bytes::Bytes;
use std::sync::Arc;

/// One commit as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The position on which it builds.
    pub prev: Cursor,
    /// The position to which it leads.
    pub cursor: Cursor,
    /// The hub time of its events.
    pub at: UnixMs,
    /// The record, written by `wire/record/`; opaque here.
    pub record: Bytes,
}

impl LogEntry {
    /// Returns its place in the history.
    #[must_use]
    pub const fn link(&self) -> Link {
        Link { prev: self.prev, cursor: self.cursor }
    }
}

/// A room as loaded: a snapshot and the unbroken chain of commits since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The position of the snapshot.
    pub at: Cursor,
    /// The snapshot record.
    pub snapshot: Bytes,
    /// Commits after the snapshot, oldest first; the first one's `prev` is `at`.
    pub log: Vec<LogEntry>,
    /// Retained commits up to the snapshot, oldest first, for clients that resume by cursor.
    pub before: Vec<LogEntry>,
}

/// Why a commit is not there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The log's head is not the expected position: what it holds since, or nothing if that position is not in it.
    #[error("the room's log has moved on")]
    Mismatch { since: Option<Vec<LogEntry>> },
    /// Certainly nothing was written.
    #[error("the store refused: {0}")]
    NotDone(StoreFault),
    /// It may have been written; the same commit id may be offered again.
    #[error("the store gave no certain answer: {0}")]
    Unknown(StoreFault),
}

/// Why something that is not a commit is not kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteFault {
    /// Certainly nothing was written.
    #[error("the store refused: {0}")]
    NotDone(StoreFault),
    /// It may have been written.
    #[error("the store gave no certain answer: {0}")]
    Unknown(StoreFault),
}

impl WriteFault {
    /// As clients hear it, in `details.outcome`.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::NotDone(_) => "none",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl From<WriteFault> for CommitError {
    fn from(fault: WriteFault) -> Self {
        match fault {
            WriteFault::NotDone(fault) => Self::NotDone(fault),
            WriteFault::Unknown(fault) => Self::Unknown(fault),
        }
    }
}

impl From<WriteFault> for StoreFault {
    fn from(fault: WriteFault) -> Self {
        match fault {
            WriteFault::NotDone(fault) | WriteFault::Unknown(fault) => fault,
        }
    }
}

/// What is wrong with the store; for the operator's log only.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreFault {
    /// The disk or the engine failed.
    #[error("the store failed: {0}")]
    Engine(std::sync::Arc<str>),
    /// An earlier write has failed, and the store is not open again yet.
    #[error("the store is paused after a failed write")]
    Down,
    /// The engine cannot read its own files.
    #[error("the store is damaged ({0}); `michub repair` saves what can be read")]
    Damaged(std::sync::Arc<str>),
    /// The tail is gone: commits that had reached the disk are not there any more.
    #[error(
        "the store has lost its tail: {expected} commits had reached the disk, it holds {found}; \
         bring the files back, or accept the loss with `michub repair`"
    )]
    Truncated { expected: u64, found: u64 },
    /// The watermark beside the store belongs to another history.
    #[error(
        "the store is not the one that its watermark was written for; bring the files back, or accept it with `michub repair`"
    )]
    Foreign,
    /// A chain has a gap or a record cannot be read.
    #[error("room {room}: the log is broken at rev {rev}: {what}; `michub repair` cuts it there")]
    Broken { room: RoomId, rev: u64, what: &'static str },
    /// An archived commit or state cannot be read.
    #[error("room {room}: a record of the history cannot be read, at {} ms or after", at.0)]
    Archive { room: RoomId, at: UnixMs },
    /// The folder is none, or cannot be made.
    #[error("the folder {} cannot be used: {}", .0.display(), .1)]
    Folder(std::path::PathBuf, std::sync::Arc<std::io::Error>),
    /// There is nothing to read.
    #[error("there is no store in {}", .0.display())]
    Absent(std::path::PathBuf),
    /// Another process holds the data folder.
    #[error("the data folder is in use by another process")]
    Locked,
}

/// A message to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Its identity; the store gives it its number.
    pub id: CommitId,
    /// When it was said.
    pub said_at: UnixMs,
    /// The record, written by `wire/message.rs`; opaque here.
    pub record: Bytes,
}

/// Which messages need not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Those beyond so many newest ones of a room.
    pub keep: u64,
    /// Those said before this.
    pub oldest: UnixMs,
}

/// A message that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in NewMessage")]
pub struct Kept {
    /// Its number, from 1 up without gaps, and its identity.
    pub at: Cursor,
    pub said_at: UnixMs,
    pub record: Bytes,
}

/// Which messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The oldest ones after this number.
    After(u64),
    /// The newest ones before this number.
    Before(u64),
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Where the stream ends; number 0 = nothing was ever kept.
    pub head: Cursor,
    /// Oldest first.
    pub list: Vec<Kept>,
}

/// A change of a person's record, written by `wire/letters.rs`; opaque here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// What the record was when it was read; `None` = there was none.
    pub before: Option<Bytes>,
    /// What it becomes; `None` = it is forgotten.
    pub after: Option<Bytes>,
    /// Until when something in it waits for him; `None` = nothing does.
    pub waits: Option<UnixMs>,
}

/// For whom something waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// For how many people.
    pub count: usize,
    /// Some of those for whom it has waited long enough.
    pub over: Vec<UserId>,
}

/// What came of giving a store back what it may have lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It had lost nothing.
    Same,
    /// It had lost its newest commits, and has them again.
    Appended,
    /// It had lost the room, and has it again.
    Seeded,
    /// It is ahead: these commits follow.
    Behind(Vec<LogEntry>),
    /// It holds another history.
    Fork,
}

/// What a followed room brings.
#[derive(Clone, Debug)]
pub enum Followed {
    /// A commit, this node's own included.
    Entry(LogEntry),
    /// A message of the nodes among each other.
    Other(Bytes),
    /// Something may have been missed.
    Gap,
}

/// Whoever follows a room; it only passes on.
pub type Listener = Arc<dyn Fn(Followed) + Send + Sync>;
