//! A store in memory that is not kinder than life: a reply can be lost, and a commit on an old head is refused.
use michub::{
    hub::{cursor::Cursor, event::Commit, room::Room},
    wire::record::{decode_commit, decode_room, encode_commit, encode_room},
};

/// How many commits lie between two snapshots.
const SNAPSHOT_EVERY: usize = 16;

/// What the store said to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is kept.
    Done,
    /// The head is another one; `mine` = because this very commit is in the log already.
    Mismatch { mine: bool },
    /// No answer. It may be kept or not.
    Nothing,
    /// It is not kept, for certain.
    NotDone,
}

/// What goes wrong with the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It is kept, and the answer is lost.
    LostReply,
    /// It is lost on the way, without an answer.
    LostOnTheWay,
    /// It is refused for a reason of the store's own.
    NotDone,
}

/// Snapshots and the log behind the newest one, as bytes.
pub struct Store {
    snapshot: Vec<u8>,
    log: Vec<(Cursor, Vec<u8>)>,
    head: Cursor,
    base: Cursor,
}

impl Store {
    /// Creates the record of a new room.
    pub fn new(room: &Room) -> Self {
        Self { snapshot: encode_room(room).to_vec(), log: Vec::new(), head: room.head, base: room.head }
    }

    /// Keeps a commit if it builds on the head. `after` = the room behind it.
    pub fn commit(&mut self, commit: &Commit, after: &Room, fault: Fault) -> Said {
        if fault == Fault::NotDone {
            return Said::NotDone;
        }
        if commit.prev != self.head {
            return Said::Mismatch { mine: self.log.iter().any(|(cursor, _)| *cursor == commit.cursor) };
        }
        if fault == Fault::LostOnTheWay {
            return Said::Nothing;
        }
        self.log.push((commit.cursor, encode_commit(commit).to_vec()));
        self.head = commit.cursor;
        if self.log.len() > 2 * SNAPSHOT_EVERY {
            self.snapshot = encode_room(after).to_vec();
            self.base = self.head;
            // The newest commits stay, for nodes that lag behind.
            self.log.drain(..SNAPSHOT_EVERY);
        }
        if fault == Fault::LostReply { Said::Nothing } else { Said::Done }
    }

    /// Returns the commits behind a position; `None` = too old.
    pub fn since(&self, at: Cursor) -> Option<Vec<Commit>> {
        let first = match self.log.iter().position(|(cursor, _)| *cursor == at) {
            Some(index) => index + 1,
            None => self.log.iter().position(|(_, bytes)| decode_commit(bytes).is_ok_and(|commit| commit.prev == at))?,
        };
        self.log[first..].iter().map(|(_, bytes)| decode_commit(bytes).ok()).collect()
    }

    /// Loads the room: the snapshot and what came after it.
    pub fn load(&self) -> Result<Room, String> {
        let mut room = decode_room(&self.snapshot).map_err(|error| error.to_string())?;
        let behind = if self.base == self.head { Vec::new() } else { self.since(self.base).ok_or("the log has a gap")? };
        for commit in behind {
            room.apply(&commit).map_err(|error| error.to_string())?;
        }
        Ok(room)
    }

    /// The position of the newest commit.
    pub const fn head(&self) -> Cursor {
        self.head
    }
}
