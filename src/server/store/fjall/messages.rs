//! What is done to the messages of rooms: they are appended, read in pages, and trimmed from time to time, never when one is sent.
use super::{
    engine::Engine,
    keyspace::fault,
    layout::{Packed, log_key},
    streams::START,
};
use crate::{
    hub::{cursor::Cursor, id::RoomId, time::UnixMs},
    server::store::{CommitError, Messages, NewMessage, Page, StoreFault},
};
use fjall::PersistMode;

/// How many messages one batch of the trimming removes.
const TRIM_BATCH: usize = 1024;

impl Engine {
    /// Appends messages, each under the next number. The operating system has them when this returns.
    pub fn append_messages(&self, room: &RoomId, messages: Vec<NewMessage>) -> Result<Vec<Cursor>, CommitError> {
        let streams = &self.streams;
        let stored =
            if streams.known.contains_key(room) { START } else { streams.stored_head(room).map_err(CommitError::NotDone)? };
        // Whoever holds the entry is the only one who appends to this room.
        let mut head = streams.known.entry(room.clone()).or_insert(stored);
        let mut next = *head;
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        let mut positions = Vec::with_capacity(messages.len());
        for NewMessage { id, said_at, record } in messages {
            let cursor = Cursor { rev: next.rev + 1, commit: id };
            let packed = Packed { prev: next, cursor, number: said_at.0, record };
            batch.insert(&streams.log, log_key(room, cursor.rev), packed.pack());
            positions.push(cursor);
            next = cursor;
        }
        batch.insert(&streams.heads, room.as_str(), next.to_string());
        match batch.commit() {
            Ok(()) => {
                *head = next;
                Ok(positions)
            }
            Err(error) => {
                self.fail();
                Err(CommitError::Unknown(fault(&error)))
            }
        }
    }

    /// Reads a page, and where the stream ends.
    pub fn messages(&self, room: &RoomId, page: Page, limit: usize) -> Result<Messages, StoreFault> {
        let head = self.streams.known.get(room).map(|head| *head);
        let head = head.map_or_else(|| self.streams.stored_head(room), Ok)?;
        Ok(Messages { head, list: self.streams.list(room, page, limit)? })
    }

    /// Removes what is beyond the newest `keep` of a room or older than `oldest`. Returns how many. Cost: O(rooms with messages + removed).
    pub fn trim_messages(&self, keep: u64, oldest: UnixMs) -> Result<usize, StoreFault> {
        let mut removed = 0;
        for guard in self.streams.heads.iter() {
            let (name, head) = guard.into_inner().map_err(|error| fault(&error))?;
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
            let room = text(&name).and_then(|name| RoomId::parse(&name).ok());
            let head = text(&head).and_then(|head| Cursor::parse(&head));
            if let (Some(room), Some(head)) = (room, head) {
                removed += self.trim_room(&room, (head.rev + 1).saturating_sub(keep), oldest)?;
            }
        }
        Ok(removed)
    }

    fn trim_room(&self, room: &RoomId, first: u64, oldest: UnixMs) -> Result<usize, StoreFault> {
        let mut removed = 0;
        loop {
            let list = self.streams.list(room, Page::After(0), TRIM_BATCH)?;
            let old: Vec<u64> =
                list.iter().take_while(|kept| kept.at.rev < first || kept.said_at < oldest).map(|kept| kept.at.rev).collect();
            if old.is_empty() {
                return Ok(removed);
            }
            let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
            for seq in &old {
                batch.remove(&self.streams.log, log_key(room, *seq));
            }
            batch.commit().map_err(|error| {
                self.fail();
                fault(&error)
            })?;
            removed += old.len();
            if old.len() < list.len() {
                return Ok(removed);
            }
        }
    }
}
