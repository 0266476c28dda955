//! Small records that the hub keeps for itself beside the rooms, and claims by which nodes agree who does a thing now.
use super::{Later, StoreFault, WriteFault};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// A claim on doing something alone: its name, and who has it.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Claim<'a> {
    pub name: &'a str,
    pub holder: &'a str,
}

/// What a followed family brings: a note that was kept (`Some`) or forgotten under its key; `None` = something may have been missed.
pub type NoteNews = Option<(String, Option<Bytes>)>;

/// Whoever follows a family; it only passes on.
pub type NoteListener = Arc<dyn Fn(NoteNews) + Send + Sync>;

/// Keeps notes: each has a key within a family.
pub trait Notes: Send + Sync + 'static {
    /// Keeps (`Some`) or forgets (`None`) a note, as durably as a commit. With a claim: only if it is held still; `false` = it is not, and nothing was written.
    fn put_note<'a>(
        &'a self,
        family: &'a str,
        key: &'a str,
        note: Option<Bytes>,
        under: Option<Claim<'a>>,
    ) -> Later<'a, Result<bool, WriteFault>>;

    /// Reads a note.
    fn note<'a>(&'a self, family: &'a str, key: &'a str) -> Later<'a, Result<Option<Bytes>, StoreFault>>;

    /// Reads notes of a family in the order of their keys: those behind `after`, at most `limit`.
    fn notes<'a>(
        &'a self,
        family: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Later<'a, Result<Vec<(String, Bytes)>, StoreFault>>;

    /// Follows a family from here on: what any process writes is heard, this one's own included. One listener per family. Where one process
    /// has the store, nobody else writes, and nothing is told. Returns whether that is confirmed; if not, the listener hears `None` when it is.
    fn follow_notes<'a>(&'a self, _family: &'a str, _listener: NoteListener) -> Later<'a, bool> {
        Box::pin(std::future::ready(true))
    }

    /// Counts the notes of a family.
    fn count_notes<'a>(&'a self, family: &'a str) -> Later<'a, Result<usize, StoreFault>>;

    /// Takes or keeps a claim for so long; `false` = somebody else has it. A store with one process grants every claim.
    fn claim<'a>(&'a self, _claim: Claim<'a>, _family: &'a str, _ttl: Duration) -> Later<'a, Result<bool, StoreFault>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Lets go of a claim, if it is held still.
    fn unclaim<'a>(&'a self, _claim: Claim<'a>, _family: &'a str) -> Later<'a, Result<(), StoreFault>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
