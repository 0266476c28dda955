//! Small records that the hub keeps for itself beside the rooms, and claims by which nodes agree who does a thing now.
use super::{Later, StoreFault};
use bytes::Bytes;
use std::time::Duration;

/// A claim on doing something alone: its name, and who has it.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Claim<'a> {
    pub name: &'a str,
    pub holder: &'a str,
}

/// Keeps notes: each has a key within a family.
pub trait Notes: Send + Sync + 'static {
    /// Keeps (`Some`) or forgets (`None`) a note. With a claim: only if it is held still; `false` = it is not, and nothing was written.
    fn put_note<'a>(
        &'a self,
        family: &'a str,
        key: &'a str,
        note: Option<Bytes>,
        under: Option<Claim<'a>>,
    ) -> Later<'a, Result<bool, StoreFault>>;

    /// Reads a note.
    fn note<'a>(&'a self, family: &'a str, key: &'a str) -> Later<'a, Result<Option<Bytes>, StoreFault>>;

    /// Reads notes of a family in the order of their keys: those behind `after`, at most `limit`.
    fn notes<'a>(
        &'a self,
        family: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Later<'a, Result<Vec<(String, Bytes)>, StoreFault>>;

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
