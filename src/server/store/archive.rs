//! What an archive of commits must do, whatever keeps it: give a room's commits in the order of time, and the states to replay from.
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
