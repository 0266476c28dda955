//! The mic queue: order, place, pins, holds. It knows no rules and no people.
use super::room::Entry;

/// The explicit list. The order is the list; no clock, no score.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MicQueue {
    /// Who waits, head first.
    pub entries: Vec<Entry>,
    /// The room's own counter: the `seq` of the newest entry.
    pub last_seq: u64,
}
