//! What an archive of commits must do, whatever keeps it: give a room's commits in the order of time, and the states to replay from.
//! And the feed, from which commits are taken elsewhere: into another archive, or to backends.
use super::{Later, LogEntry, StoreFault};
use crate::hub::{id::RoomId, time::UnixMs};

/// A part of a room's archived commits. Both ends of the time are included.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which room.
    pub room: RoomId,
    /// The earliest time.
    pub from: UnixMs,
    /// The latest time.
    pub to: UnixMs,
    /// Only what comes behind the commit of this time and rev.
    pub after: Option<(UnixMs, u64)>,
    /// How many commits at most.
    pub limit: usize,
}

/// Keeps every commit for the days of `history.retention_days`.
pub trait Archive: Send + Sync + 'static {
    /// Reads commits, oldest first; fewer than `limit` = there are no more.
    fn commits(&self, span: Span) -> Later<'_, Result<Vec<LogEntry>, StoreFault>>;

    /// Reads the states from which the room can be replayed, oldest first: `record` is a snapshot at `cursor`.
    fn states(&self, room: RoomId) -> Later<'_, Result<Vec<LogEntry>, StoreFault>>;
}

/// What an entry of the feed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FedKind {
    /// A commit.
    Commit,
    /// A state to replay from: `record` is a snapshot at `cursor`.
    State,
}

/// An entry of the feed.
#[derive(Clone, Debug)]
pub struct Fed {
    /// Its place: larger ones were written later; a commit and the state that goes with it have the same.
    pub number: u64,
    /// What it is.
    pub kind: FedKind,
    /// Of which room.
    pub room: RoomId,
    /// The commit or state.
    pub entry: LogEntry,
}

/// Gives every commit of every room to whoever takes it elsewhere, at least once, in the order in which they were written.
///
/// Each consumer has a name and a place of its own; what all of them have taken is removed.
pub trait Feed: Send + Sync + 'static {
    /// Reads what follows the consumer's place; a few more than `limit` where one commit has several entries.
    fn next(&self, consumer: &'static str, limit: usize) -> Later<'_, Result<Vec<Fed>, StoreFault>>;

    /// Notes that the consumer has everything up to that place.
    fn done(&self, consumer: &'static str, through: u64) -> Later<'_, Result<(), StoreFault>>;

    /// Returns how many commits the consumer does not have yet.
    fn waiting(&self, consumer: &'static str) -> Later<'_, Result<u64, StoreFault>>;
}
