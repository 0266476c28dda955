//! Frames on their way to clients, and what gives way when a reader is slow.
use crate::hub::id::RoomId;
use bytes::Bytes;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A whole WebSocket frame, header included, encoded once and shared by all who get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub Bytes);

impl Frame {
    /// Returns the JSON inside a text frame that this hub has made.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let header = match self.0.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        self.0.slice(header.min(self.0.len())..)
    }
}

/// What happens to a frame when the reader is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Never dropped before the connection is: acks, room updates. Over the budget the connection is closed with 4102.
    Must,
    /// Replaced by a newer frame of the same key that still waits: presence, digests.
    Latest(u64),
    /// A room's first frames, or a snapshot in the place of a large update: outside the budget as long as none of the same room waits.
    Snapshot(u64),
    /// Dropped when no droppable frame is left, and counted.
    Normal,
    /// Dropped first, and counted.
    Droppable,
}

/// Returns a room's own key among the frames of which a connection may have one.
#[must_use]
pub fn room_key(room: &RoomId) -> u64 {
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    hasher.finish()
}
