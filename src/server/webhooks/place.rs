//! How far a room's events have come to an endpoint: a durable position, written after the receiver has taken a message.
use crate::{
    hub::{cursor::Cursor, time::UnixMs},
    wire::webhook::Position,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Everything up to here has been delivered, or given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last commit that is done.
    pub cursor: Cursor,
    /// Its time; what follows is not earlier.
    pub at: UnixMs,
    /// How many messages of the next commit are done.
    pub done: usize,
    /// The last message that the receiver has taken.
    pub sent: Option<Position>,
    /// What it has not, and has not been told of yet.
    pub missed: Option<Missed>,
}

/// A hole in what an endpoint has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Missed {
    pub reason: Reason,
    /// The first rev of which something is missing.
    pub from_rev: u64,
    /// The last message that is missing.
    pub to: Position,
    /// Where the room stands behind it.
    pub cursor: String,
    /// How many messages were given up; `None` = nobody knows.
    pub count: Option<u64>,
}

/// Why there is a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Messages were given up; they can be replayed.
    DeadLetters,
    /// The store does not keep what comes next any more.
    Trimmed,
    /// A record of the log cannot be read.
    Unreadable,
}

#[derive(Serialize, Deserialize)]
struct PlaceJson {
    cursor: String,
    at: u64,
    done: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<Position>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missed: Option<Missed>,
}

impl Place {
    /// Starts behind `cursor`.
    #[must_use]
    pub const fn new(cursor: Cursor, at: UnixMs) -> Self {
        Self { cursor, at, done: 0, sent: None, missed: None }
    }

    /// Tells whether the room is new, and the endpoint has not been told that it is there.
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        self.cursor.rev == 0 && self.done == 0 && self.sent.is_none() && self.missed.is_none()
    }

    /// Goes on behind the next commit.
    pub const fn pass(&mut self, cursor: Cursor, at: UnixMs) {
        (self.cursor, self.at, self.done) = (cursor, at, 0);
    }

    /// Notes that something is missing, up to `to`.
    pub fn miss(&mut self, reason: Reason, from_rev: u64, to: Position, cursor: Cursor) {
        let cursor = cursor.to_string();
        let given_up = |before: u64| (reason == Reason::DeadLetters).then_some(before + 1);
        self.missed = Some(match self.missed.take() {
            // What is worse than given up stays so: it cannot be replayed.
            Some(known) => {
                let reason = if known.reason == Reason::DeadLetters { reason } else { known.reason };
                let count = if reason == Reason::DeadLetters { given_up(known.count.unwrap_or(0)) } else { None };
                Missed { reason, to, cursor, count, ..known }
            }
            None => Missed { reason, from_rev, to, cursor, count: given_up(0) },
        });
    }

    /// Writes it down.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let Self { cursor, at, done, sent, missed } = self.clone();
        let place = PlaceJson { cursor: cursor.to_string(), at: at.0, done, sent, missed };
        serde_json::to_vec(&place).unwrap_or_default().into()
    }

    /// Reads it back.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let PlaceJson { cursor, at, done, sent, missed } = serde_json::from_slice(bytes).ok()?;
        Some(Self { cursor: Cursor::parse(&cursor)?, at: UnixMs(at), done, sent, missed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::id::CommitId;

    #[test]
    fn a_place_comes_back() {
        let cursor = Cursor { rev: 7, commit: CommitId(9) };
        let mut place = Place { done: 2, sent: Some(Position { rev: 8, index: 1 }), ..Place::new(cursor, UnixMs(5)) };
        assert_eq!(Place::decode(&place.encode()), Some(place.clone()));
        place.miss(Reason::DeadLetters, 8, Position { rev: 8, index: 2 }, cursor);
        place.miss(Reason::DeadLetters, 9, Position { rev: 9, index: 0 }, cursor);
        let missed = place.missed.clone().unwrap();
        assert_eq!((missed.from_rev, missed.to.rev, missed.count), (8, 9, Some(2)));
        assert_eq!(Place::decode(&place.encode()), Some(place.clone()));
        place.miss(Reason::Trimmed, 9, Position { rev: 12, index: 0 }, cursor);
        let missed = place.missed.unwrap();
        assert_eq!((missed.reason, missed.from_rev, missed.count), (Reason::Trimmed, 8, None));
        assert_eq!(Place::decode(b"{}"), None);
    }
}
