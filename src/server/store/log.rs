//! A room as it comes out of the store, and the recent updates from which clients go on where they were.
use super::{LogEntry, Store, StoreFault};
use crate::server::msg::Frame;
use crate::{
    hub::{cursor::Cursor, event::Commit, id::RoomId, room::Room},
    wire::{
        codec::text_frame,
        record::{decode_commit, decode_room},
        server::room_update,
    },
};
use std::collections::VecDeque;

/// How many updates are kept.
const UPDATES_MAX: usize = 256;
/// How many bytes they may take.
const BYTES_MAX: usize = 1 << 20;

/// The newest updates as frames, an unbroken chain up to the head.
#[derive(Debug)]
pub(in crate::server) struct Tail {
    head: Cursor,
    updates: VecDeque<(Cursor, Frame)>,
    bytes: usize,
}

impl Tail {
    /// Starts without any update.
    pub const fn new(head: Cursor) -> Self {
        Self { head, updates: VecDeque::new(), bytes: 0 }
    }

    /// Adds the update of a commit that follows the head.
    pub fn push(&mut self, commit: &Commit, frame: Frame) {
        if commit.prev != self.head {
            self.updates.clear();
            self.bytes = 0;
        }
        self.head = commit.cursor;
        self.bytes += frame.0.len();
        self.updates.push_back((commit.prev, frame));
        while self.updates.len() > UPDATES_MAX || self.bytes > BYTES_MAX {
            let Some((_, frame)) = self.updates.pop_front() else { return };
            self.bytes -= frame.0.len();
        }
    }

    /// Returns the position from which on it is known.
    pub fn begin(&self) -> Cursor {
        self.updates.front().map_or(self.head, |(prev, _)| *prev)
    }

    /// Tells whether a position is part of it.
    fn holds(&self, cursor: Cursor) -> bool {
        self.head == cursor || self.updates.iter().any(|(prev, _)| *prev == cursor)
    }

    /// Returns what leads from a position to the head; `None`: that position is not known.
    pub fn since(&self, cursor: Cursor) -> Option<Vec<Frame>> {
        if cursor == self.head {
            return Some(Vec::new());
        }
        let from = self.updates.iter().position(|(prev, _)| *prev == cursor)?;
        Some(self.updates.iter().skip(from).map(|(_, frame)| frame.clone()).collect())
    }
}

/// The newest commits as the store keeps them, an unbroken chain up to the head: for a store that loses its own.
#[derive(Debug, Default)]
pub(in crate::server) struct Ring {
    entries: VecDeque<LogEntry>,
    bytes: usize,
}

impl Ring {
    /// Adds a commit; what does not lead to it is forgotten.
    pub fn push(&mut self, entry: LogEntry) {
        if self.entries.back().is_some_and(|last| last.cursor != entry.prev) {
            self.clear();
        }
        self.bytes += entry.record.len();
        self.entries.push_back(entry);
        while self.entries.len() > UPDATES_MAX || self.bytes > BYTES_MAX {
            let Some(entry) = self.entries.pop_front() else { return };
            self.bytes -= entry.record.len();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Tells whether a position is in it.
    pub fn holds(&self, cursor: Cursor) -> bool {
        self.entries.iter().any(|entry| entry.cursor == cursor || entry.prev == cursor)
    }

    /// Returns the commits that are not part of the history that ends in `tail`, if it is known where the two part.
    pub fn gone_from(&self, tail: &Tail) -> impl Iterator<Item = &LogEntry> {
        let common = self.entries.iter().rposition(|entry| tail.holds(entry.cursor));
        let first = common.map(|at| at + 1).or_else(|| self.entries.front().filter(|entry| tail.holds(entry.prev)).map(|_| 0));
        self.entries.iter().skip(first.unwrap_or(usize::MAX))
    }

    /// Returns everything.
    pub fn entries(&self) -> Vec<LogEntry> {
        self.entries.iter().cloned().collect()
    }
}

/// Makes the update frame of a commit.
pub(in crate::server) fn update_frame(room: &RoomId, commit: &Commit) -> Frame {
    Frame(text_frame(&room_update(room, commit)))
}

/// Loads a room. `None` = no such room. Errors: the store fails, or a record does not fit.
pub(in crate::server) async fn load(store: &dyn Store, id: &RoomId) -> Result<Option<(Room, Tail)>, StoreFault> {
    let Some(loaded) = store.load(id).await? else { return Ok(None) };
    let broken = |rev, what| StoreFault::Broken { room: id.clone(), rev, what };
    let mut room = decode_room(&loaded.snapshot).map_err(|_| broken(loaded.at.rev, "the snapshot cannot be read"))?;
    if room.head != loaded.at || room.id != *id {
        return Err(broken(loaded.at.rev, "the snapshot is that of another position"));
    }
    let decode = |entry: &LogEntry| {
        let commit = decode_commit(&entry.record).map_err(|_| broken(entry.cursor.rev, "a commit cannot be read"))?;
        let fits = commit.prev == entry.prev && commit.cursor == entry.cursor;
        if fits { Ok(commit) } else { Err(broken(entry.cursor.rev, "a commit is not where it belongs")) }
    };
    let mut tail = Tail::new(loaded.before.first().map_or(loaded.at, |entry| entry.prev));
    for entry in &loaded.before {
        let commit = decode(entry)?;
        tail.push(&commit, update_frame(id, &commit));
    }
    if tail.head != room.head {
        tail = Tail::new(room.head);
    }
    for entry in &loaded.log {
        let commit = decode(entry)?;
        room.apply(&commit).map_err(|_| broken(entry.cursor.rev, "the chain of commits has a gap"))?;
        tail.push(&commit, update_frame(id, &commit));
    }
    Ok(Some((room, tail)))
}
