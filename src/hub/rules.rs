//! A room's rules as one value, with the defaults a new room starts from.
use super::{room::Mode, time::Millis};

/// The rules of a room. A change acts on the next join or promotion; it never moves anybody who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many guest seats, 1..=64.
    pub max_mic_count: u32,
    /// Whether seat 1 is a host seat; fixed at creation.
    pub host_seat: bool,
    /// How many may wait, 0..=2000; 0 = no queue.
    pub max_queue_len: usize,
    /// The mode of a new room.
    pub queue_mode: Mode,
    /// How long a turn lasts, up to a day; 0 = unlimited.
    pub timeout: Millis,
    /// How long a turn may become by extending it, up to a day; 0 = unlimited.
    pub turn_max_total: Millis,
    /// How many entries at the head are on deck, 0..=10; 0 = none.
    pub on_deck_size: usize,
    /// How often one entry may be overtaken by a rule, 0..=1000; 0 = never.
    pub max_jumped_by: u32,
    /// How long a place in the queue is kept for somebody away; 0 = no hold.
    pub hold_queue: Millis,
    /// How long a seat is kept for somebody away; 0 = no hold.
    pub hold_seat: Millis,
    /// How long an application is open, 5 s to an hour.
    pub apply_ttl: Millis,
    /// How long an invitation is open, 5 s to an hour.
    pub invite_ttl: Millis,
    /// How long after the end of his media stream somebody keeps his seat; 0 = not at all.
    pub stream_stop_grace: Millis,
    /// The least level that is heard in mode `chair`, 0..=1000.
    pub chair_min_level: u32,
    /// The least time between two changes of the mode.
    pub mode_min_interval: Millis,
    /// How long after a change to mode `queue` promotion begins.
    pub mode_grace: Millis,
    /// How long somebody must wait before he may join again; 0 = none.
    pub rejoin_cooldown: Millis,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_mic_count: 8,
            host_seat: true,
            max_queue_len: 100,
            queue_mode: Mode::Queue,
            timeout: Millis::from_seconds(180),
            turn_max_total: Millis::from_seconds(900),
            on_deck_size: 1,
            max_jumped_by: 10,
            hold_queue: Millis::from_seconds(120),
            hold_seat: Millis::from_seconds(30),
            apply_ttl: Millis::from_seconds(60),
            invite_ttl: Millis::from_seconds(30),
            stream_stop_grace: Millis::from_seconds(5),
            chair_min_level: super::roles::HOST,
            mode_min_interval: Millis::from_seconds(2),
            mode_grace: Millis::from_seconds(3),
            rejoin_cooldown: Millis(0),
        }
    }
}
