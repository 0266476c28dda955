//! The streams of messages, one per room, as the database holds them.
use super::{
    keyspace::{OTHERS_BYTES, fault, keyspace},
    layout::{Packed, log_key},
};
use crate::{
    hub::{
        cursor::Cursor,
        id::{CommitId, RoomId},
        time::UnixMs,
    },
    server::store::{Kept, Page, StoreFault},
};
use dashmap::DashMap;
use fjall::{Database, Keyspace};

/// Where the stream of a room begins.
pub(super) const START: Cursor = Cursor { rev: 0, commit: CommitId(0) };

/// The keyspaces of the streams, and where each stream ends.
pub(super) struct Streams {
    pub log: Keyspace,
    pub heads: Keyspace,
    /// The heads of the streams in use; read at first touch.
    pub known: DashMap<RoomId, Cursor>,
}

impl Streams {
    /// Opens them; they are made if they are not there.
    pub fn open(db: &Database) -> Result<Self, StoreFault> {
        let keyspace = |name| keyspace(db, name, OTHERS_BYTES);
        Ok(Self { log: keyspace("messages")?, heads: keyspace("message_heads")?, known: DashMap::new() })
    }

    /// Reads where a stream ends.
    pub fn stored_head(&self, room: &RoomId) -> Result<Cursor, StoreFault> {
        let value = self.heads.get(room.as_str()).map_err(|error| fault(&error))?;
        let text = value.as_ref().and_then(|value| std::str::from_utf8(value).ok());
        Ok(text.and_then(Cursor::parse).unwrap_or(START))
    }

    /// Reads a page of a stream.
    pub fn list(&self, room: &RoomId, page: Page, limit: usize) -> Result<Vec<Kept>, StoreFault> {
        let range = |from: u64, to: u64| self.log.range(log_key(room, from)..=log_key(room, to));
        let read = |guard: fjall::Guard| {
            let value = guard.value().map_err(|error| fault(&error))?;
            let broken = StoreFault::Broken { room: room.clone(), rev: 0, what: "a message cannot be read" };
            let Packed { cursor, number, record, .. } = Packed::unpack(&value).ok_or(broken)?;
            Ok(Kept { at: cursor, said_at: UnixMs(number), record })
        };
        match page {
            Page::After(seq) => range(seq.saturating_add(1), u64::MAX).take(limit).map(read).collect(),
            Page::Before(seq) => {
                let mut list: Vec<Kept> =
                    range(0, seq.saturating_sub(1)).rev().take(limit).map(read).collect::<Result<_, StoreFault>>()?;
                list.reverse();
                Ok(list)
            }
        }
    }
}
