//! Turns: for how long somebody on a guest seat has the floor. It knows no rules and no people; each turn ends exactly once, with one reason.
use super::{
    id::UserId,
    time::{Millis, UnixMs},
};

/// Why a clock stands. A turn runs when no cause is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Causes {
    /// By `turn_pause`.
    pub hand: bool,
    /// By the flag `floor_controlled`.
    pub floor: bool,
    /// By the mode `chair`.
    pub chair: bool,
}

impl Causes {
    /// Tells whether some cause is on.
    #[must_use]
    pub const fn any(self) -> bool {
        self.hand || self.floor || self.chair
    }
}

/// The time that a turn has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// As much as he likes.
    Unlimited,
    /// Until then.
    Running {
        /// The end.
        ends_at: UnixMs,
    },
    /// So much, when it runs again.
    Stopped {
        /// What is left.
        remaining: Millis,
    },
}

impl Clock {
    /// Makes the clock of a turn that starts now; a length of 0 means unlimited.
    #[must_use]
    pub const fn start(length: Millis, causes: Causes, now: UnixMs) -> Self {
        match (length, causes.any()) {
            (Millis(0), _) => Self::Unlimited,
            (remaining, true) => Self::Stopped { remaining },
            (length, false) => Self::Running { ends_at: now.plus(length) },
        }
    }

    /// Returns what is left, unless that is unlimited.
    #[must_use]
    pub const fn left(self, now: UnixMs) -> Option<Millis> {
        match self {
            Self::Unlimited => None,
            Self::Running { ends_at } => Some(ends_at.since(now)),
            Self::Stopped { remaining } => Some(remaining),
        }
    }

    /// Returns this clock under other causes, nothing of it lost.
    #[must_use]
    pub const fn under(self, causes: Causes, now: UnixMs) -> Self {
        match (self.left(now), causes.any()) {
            (None, _) => Self::Unlimited,
            (Some(remaining), true) => Self::Stopped { remaining },
            (Some(left), false) => Self::Running { ends_at: now.plus(left) },
        }
    }
}

/// Somebody's turn on his guest seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its name, never used again.
    pub turn_id: String,
    /// Who has the floor.
    pub user: UserId,
    /// His seat; the turn follows him.
    pub seat_no: u32,
    /// When it began.
    pub started_at: UnixMs,
    /// The time it has.
    pub clock: Clock,
    /// Why it stands, if it does.
    pub paused_by: Causes,
    /// How long it was to be when it began; 0 = unlimited.
    pub length: Millis,
    /// What extensions have added, less what they have taken, in milliseconds.
    pub extended: i64,
}

impl Turn {
    /// Returns when it is over, if its clock runs.
    #[must_use]
    pub const fn ends_at(&self) -> Option<UnixMs> {
        match self.clock {
            Clock::Running { ends_at } => Some(ends_at),
            Clock::Unlimited | Clock::Stopped { .. } => None,
        }
    }

    /// Returns how long it is in all, extensions included, pauses not.
    #[must_use]
    pub const fn total(&self) -> Millis {
        Millis(self.length.0.saturating_add_signed(self.extended))
    }
}

/// The turns of a room, in the order in which they began: at most one per person and per seat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Those that have not ended.
    pub list: Vec<Turn>,
}

impl Turns {
    /// Returns the turn with this id.
    #[must_use]
    pub fn by_id(&self, turn_id: &str) -> Option<&Turn> {
        self.list.iter().find(|turn| turn.turn_id == turn_id)
    }

    /// Returns the turn of `user`.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Option<&Turn> {
        self.list.iter().find(|turn| turn.user == *user)
    }

    /// Returns the turn on a seat.
    #[must_use]
    pub fn on_seat(&self, seat_no: u32) -> Option<&Turn> {
        self.list.iter().find(|turn| turn.seat_no == seat_no)
    }
}
