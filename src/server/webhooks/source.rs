//! Where the events of a room come from: its log in the store, and the archive for what the log does not keep any more.
//! There is no outbox beside them, so nothing can be in one and not in the other.
use crate::{
    hub::{cursor::Cursor, id::RoomId, time::UnixMs},
    server::store::{
        Loaded, LogEntry, Store, StoreFault,
        archive::{Archive, Span},
    },
    wire::record::decode_room,
};
use std::sync::Arc;

/// How many commits are read at once.
const CHUNK: usize = 32;

/// Store and archive, for reading.
#[derive(Clone)]
pub struct Source {
    /// Where rooms are.
    pub store: Arc<dyn Store>,
    /// Where commits stay longer, if there is such a place.
    pub archive: Option<Arc<dyn Archive>>,
    /// The archive is part of the store: it is as new, and reading it costs little. Another one may lag or be away, so the log is read first.
    pub at_hand: bool,
}

/// What comes behind a position.
#[derive(Debug)]
pub(super) enum Next {
    /// These commits, an unbroken chain; empty = nothing yet.
    Commits(Vec<LogEntry>),
    /// Nobody keeps what comes next. The room stands here.
    Trimmed(Cursor, UnixMs),
    /// There is no such room.
    Absent,
}

/// Where the events of a room begin for an endpoint that has none of it yet.
#[derive(Debug)]
pub(super) struct Beginning {
    pub cursor: Cursor,
    pub at: UnixMs,
    /// What comes before it is missing.
    pub hole: bool,
}

/// Returns the longest chain among `entries` that begins at `from`.
fn chain(from: Cursor, entries: Vec<LogEntry>) -> Vec<LogEntry> {
    let mut at = from;
    let follows = |entry: &LogEntry| {
        let fits = entry.prev == at;
        if fits {
            at = entry.cursor;
        }
        fits
    };
    entries.into_iter().filter(follows).collect()
}

fn head(loaded: &Loaded) -> (Cursor, UnixMs) {
    let newest = loaded.log.last().or(loaded.before.last()).filter(|entry| entry.cursor.rev >= loaded.at.rev);
    match newest {
        Some(entry) => (entry.cursor, entry.at),
        None => (loaded.at, state_time(loaded)),
    }
}

fn state_time(loaded: &Loaded) -> UnixMs {
    decode_room(&loaded.snapshot).map_or(UnixMs(0), |room| room.last_event)
}

impl Source {
    /// Reads the commits behind a position; `target` is a rev that the room is known to have reached.
    pub(super) async fn after(&self, room: &RoomId, from: Cursor, at: UnixMs, target: u64) -> Result<Next, StoreFault> {
        let found = chain(from, self.store.log_after(room, from, CHUNK).await?);
        if !found.is_empty() {
            return Ok(Next::Commits(found));
        }
        let span = Span { room: room.clone(), from: at, to: UnixMs(u64::MAX), after: Some((at, from.rev)), limit: CHUNK };
        if let Some(archive) = self.archive.as_ref().filter(|_| self.at_hand) {
            let found = chain(from, archive.commits(span.clone()).await?);
            if !found.is_empty() || target <= from.rev {
                return Ok(Next::Commits(found));
            }
        }
        let Some(loaded) = self.store.load(room).await? else { return Ok(Next::Absent) };
        let (head, head_at) = head(&loaded);
        if head == from {
            return Ok(Next::Commits(Vec::new()));
        }
        let mut found = chain(from, loaded.before.into_iter().chain(loaded.log).collect());
        if let Some(archive) = self.archive.as_ref().filter(|_| found.is_empty() && !self.at_hand) {
            let archived = archive.commits(span).await?;
            // It has nothing at all of what must come: it lags, and there is no hole.
            if archived.is_empty() {
                return Err(StoreFault::Down);
            }
            found = chain(from, archived);
        }
        if found.is_empty() {
            return Ok(Next::Trimmed(head, head_at));
        }
        found.truncate(CHUNK);
        Ok(Next::Commits(found))
    }

    /// Finds where an endpoint begins that wants everything from `since` on.
    pub(super) async fn begin(&self, room: &RoomId, since: UnixMs) -> Result<Option<Beginning>, StoreFault> {
        let Some(loaded) = self.store.load(room).await? else { return Ok(None) };
        let (newest, newest_at) = head(&loaded);
        let entries: Vec<LogEntry> = loaded.before.into_iter().chain(loaded.log).collect();
        let Some((index, first)) = entries.iter().enumerate().find(|(_, entry)| entry.at >= since) else {
            return Ok(Some(Beginning { cursor: newest, at: newest_at, hole: false }));
        };
        let at_log = Beginning { cursor: first.prev, at: first.at, hole: index == 0 && first.prev.rev > 0 };
        if let (true, Some(archive)) = (at_log.hole, &self.archive) {
            let span = Span { room: room.clone(), from: since, to: UnixMs(u64::MAX), after: None, limit: 1 };
            if let Some(older) = archive.commits(span).await?.first() {
                return Ok(Some(Beginning { cursor: older.prev, at: older.at, hole: false }));
            }
        }
        Ok(Some(at_log))
    }
}
