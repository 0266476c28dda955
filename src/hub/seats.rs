//! The seats: who sits where, locks, mutes.
use super::room::Seat;

/// The seats of a room, in order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Never empty in a room; numbers rise.
    pub list: Vec<Seat>,
}
