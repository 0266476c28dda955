//! The history of a room, read from the store's archive: pages for HTTP, lines for an export. Nothing here writes.
pub mod postgres;
pub mod remote;
pub mod replay;
pub mod report;
#[cfg(test)]
mod tests;

use super::store::{
    LogEntry, Store, StoreFault,
    archive::{Archive, Span},
    log,
};
use crate::{
    hub::{
        event::Commit,
        id::{RoomId, UserId},
        room::Room,
        time::UnixMs,
    },
    wire::{
        history::{concerns, history_events},
        record::decode_commit,
    },
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Events of one page, unless the caller wants fewer; a commit is never cut in two.
pub const PAGE_DEFAULT: usize = 200;
/// The most events that a caller may ask for.
pub const PAGE_MAX: usize = 1_000;
/// How many commits one page looks at when it searches for a person.
const LOOK_AT: usize = 5_000;
/// How many commits are read in one go.
const CHUNK: usize = 500;

/// Why the history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store keeps none: `history.retention_days` is 0, or it is a store without an archive.
    #[error("there is no history: the store keeps none (history.retention_days)")]
    Off,
    /// The store has nothing of this room.
    #[error("nothing is known of room {0}")]
    NoRoom(RoomId),
    /// The running hub cannot give the report.
    #[error("{0}")]
    Remote(String),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// The way to the history, and to the rooms as they are now. Cheap to clone.
#[derive(Clone)]
pub struct History {
    store: Arc<dyn Store>,
    archive: Option<Arc<dyn Archive>>,
}

impl History {
    /// Joins a store with what keeps its history; `None` = nothing does.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, archive: Option<Arc<dyn Archive>>) -> Self {
        Self { store, archive }
    }

    fn archive(&self) -> Result<&dyn Archive, HistoryError> {
        self.archive.as_deref().ok_or(HistoryError::Off)
    }

    /// Reads a room as it is stored now. Errors: there is none, or the store fails.
    pub async fn room(&self, room: &RoomId) -> Result<Room, HistoryError> {
        let loaded = log::load(&*self.store, room).await?;
        loaded.map(|(room, _)| room).ok_or_else(|| HistoryError::NoRoom(room.clone()))
    }

    /// Reads one page of events.
    pub async fn page(&self, question: &Question) -> Result<Page, HistoryError> {
        page(self.archive()?, question).await
    }
}

/// Where a page ended: the next one begins behind that commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its time.
    pub at: UnixMs,
    /// Its rev.
    pub rev: u64,
}

impl Mark {
    /// Parses the wire form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, rev) = text.split_once('.')?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
        Some(Self { at: UnixMs(number(at)?), rev: number(rev)? })
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at.0, self.rev)
    }
}

/// What part of a room's history is asked for. Both ends of the time are included.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which room.
    pub room: RoomId,
    /// Only events about this person.
    pub user: Option<UserId>,
    /// The earliest time.
    pub from: UnixMs,
    /// The latest time.
    pub to: UnixMs,
    /// Go on behind this commit.
    pub after: Option<Mark>,
    /// How many events at least make a page.
    pub limit: usize,
}

/// A page of events, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The events.
    pub events: Vec<Map<String, Value>>,
    /// Where the next page begins; `None` = this was the last.
    pub next: Option<Mark>,
}

/// Reads a commit as the archive has it.
fn commit(room: &RoomId, entry: &LogEntry) -> Result<Commit, StoreFault> {
    decode_commit(&entry.record).map_err(|_| StoreFault::Archive { room: room.clone(), at: entry.at })
}

/// Goes through the commits of a question's span, a chunk at a time.
pub(crate) struct Walk<'a> {
    archive: &'a dyn Archive,
    span: Option<Span>,
}

impl<'a> Walk<'a> {
    /// Starts; nothing is read yet.
    pub fn new(archive: &'a dyn Archive, question: &Question) -> Self {
        let Question { room, from, to, after, .. } = question.clone();
        let after = after.map(|mark| (mark.at, mark.rev));
        Self { archive, span: Some(Span { room, from, to, after, limit: CHUNK }) }
    }

    /// Reads the next commits, oldest first; `None` = that was all.
    pub async fn next(&mut self) -> Result<Option<Vec<LogEntry>>, HistoryError> {
        let Some(span) = self.span.take() else { return Ok(None) };
        let entries = self.archive.commits(span.clone()).await?;
        if entries.len() == CHUNK {
            let after = entries.last().map(|entry| (entry.at, entry.cursor.rev));
            self.span = Some(Span { after, ..span });
        }
        Ok(if entries.is_empty() { None } else { Some(entries) })
    }
}

fn events_of(question: &Question, entry: &LogEntry) -> Result<Vec<Map<String, Value>>, HistoryError> {
    let mut events = history_events(&question.room, &commit(&question.room, entry)?);
    events.retain(|event| question.user.as_ref().is_none_or(|user| concerns(event, user)));
    Ok(events)
}

/// Reads one page. Cost: at most 5,000 commits are looked at; a page may be shorter than asked for, and even empty, and still have a next.
async fn page(archive: &dyn Archive, question: &Question) -> Result<Page, HistoryError> {
    let (mut events, mut next, mut seen) = (Vec::new(), None, 0);
    let mut walk = Walk::new(archive, question);
    while let Some(entries) = walk.next().await? {
        for entry in entries {
            if events.len() >= question.limit || seen >= LOOK_AT {
                return Ok(Page { events, next });
            }
            seen += 1;
            next = Some(Mark { at: entry.at, rev: entry.cursor.rev });
            events.extend(events_of(question, &entry)?);
        }
    }
    Ok(Page { events, next: None })
}
