//! The seats: who sits where, which seat is free. It knows no rules of the room and no roles.
use super::{
    code::{Code, Reject},
    id::UserId,
    rules::Rules,
    time::UnixMs,
};

/// The seats of a room, in order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Never empty in a room; numbers rise.
    pub list: Vec<Seat>,
}

/// What kind of seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeatKind {
    /// For anybody the rules allow.
    Guest,
    /// For level host and above; no turns, no promotion.
    Host,
}

/// A seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its number, 1 or more, stable for ever.
    pub no: u32,
    /// Its kind.
    pub kind: SeatKind,
    /// Removed by a rules change as soon as it is empty; nobody may take it.
    pub closing: bool,
    /// Nobody may take it.
    pub locked: bool,
    /// Muted by somebody with the right; its occupant cannot lift that.
    pub admin_muted: bool,
    /// Text of the application, up to 1 KiB.
    pub extra: String,
    /// Counts the changes of `extra`.
    pub extra_rev: u64,
    /// Who sits there.
    pub occupant: Option<Occupant>,
    /// For whom an invitation keeps it.
    pub reserved_for: Option<Reservation>,
}

/// Somebody on a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Who.
    pub user: UserId,
    /// Since when.
    pub since: UnixMs,
    /// How he came there.
    pub via: Via,
    /// Muted by himself.
    pub self_muted: bool,
    /// Away, and the seat is kept until then.
    pub held_until: Option<UnixMs>,
    /// The rev at which he came to a seat: higher than that of everybody who sat in this room before.
    pub grant: u64,
    /// What is known of his stream.
    pub media: Media,
}

/// A seat kept for somebody invited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Reservation {
    pub user: UserId,
    pub invite_id: String,
    pub until: UnixMs,
}

/// What the media servers tell about somebody on a seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Media {
    /// Nothing yet.
    #[default]
    None,
    /// He is on air.
    Publishing,
    /// His stream stopped; without a newer one he leaves the seat then.
    Lost {
        /// When.
        until: UnixMs,
    },
}

/// How somebody came to his seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the wire names")]
pub enum Via {
    Take,
    Apply,
    Invite,
    Promote,
    Assign,
    Move,
}

impl Occupant {
    /// Returns when he leaves because his stream stopped.
    #[must_use]
    pub const fn media_lost_until(&self) -> Option<UnixMs> {
        match self.media {
            Media::Lost { until } => Some(until),
            Media::None | Media::Publishing => None,
        }
    }
}

impl Seat {
    /// Makes an empty seat.
    #[must_use]
    pub const fn new(no: u32, kind: SeatKind) -> Self {
        Self {
            no,
            kind,
            closing: false,
            locked: false,
            admin_muted: false,
            extra: String::new(),
            extra_rev: 0,
            occupant: None,
            reserved_for: None,
        }
    }

    /// Tells whether anybody may come here: empty, unlocked, unreserved, not closing.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.occupant.is_none() && !self.locked && !self.closing && self.reserved_for.is_none()
    }
}

impl Seats {
    /// Makes the seats that the rules ask for: the host seat first, if there is one.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        let hosts = u32::from(rules.host_seat);
        let kind = |no| if no <= hosts { SeatKind::Host } else { SeatKind::Guest };
        Self { list: (1..=rules.max_mic_count.saturating_add(hosts)).map(|no| Seat::new(no, kind(no))).collect() }
    }

    /// Fits the guest seats to new rules: what is missing is added, what is too much is closing, and goes when it is empty.
    pub fn fit(&mut self, rules: &Rules) {
        for wanted in Self::new(rules).list {
            match self.list.binary_search_by_key(&wanted.no, |seat| seat.no) {
                Ok(_) => {}
                Err(at) => self.list.insert(at, wanted),
            }
        }
        let last = rules.max_mic_count.saturating_add(u32::from(rules.host_seat));
        for seat in &mut self.list {
            seat.closing = seat.no > last;
        }
        self.sweep();
    }

    /// Removes the closing seats that nobody sits on and that are kept for nobody.
    pub fn sweep(&mut self) {
        self.list.retain(|seat| !seat.closing || seat.occupant.is_some() || seat.reserved_for.is_some());
    }

    /// Returns the seat with this number.
    pub fn seat(&self, no: u32) -> Result<&Seat, Reject> {
        self.list.iter().find(|seat| seat.no == no).ok_or(Reject::Plain(Code::SeatNotFound))
    }

    /// Returns the seat with this number, to change it.
    pub fn seat_mut(&mut self, no: u32) -> Option<&mut Seat> {
        self.list.iter_mut().find(|seat| seat.no == no)
    }

    /// Returns the seat of `user`.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Option<&Seat> {
        self.list.iter().find(|seat| seat.occupant.as_ref().is_some_and(|occupant| occupant.user == *user))
    }

    /// Returns `user` on his seat, to change him.
    pub fn occupant_mut(&mut self, user: &UserId) -> Option<&mut Occupant> {
        self.list.iter_mut().filter_map(|seat| seat.occupant.as_mut()).find(|occupant| occupant.user == *user)
    }

    /// Returns the number of the free guest seat to use: the wanted one if free, else the lowest.
    #[must_use]
    pub fn free_guest(&self, wanted: Option<u32>) -> Option<u32> {
        let free = |seat: &&Seat| seat.kind == SeatKind::Guest && seat.is_free();
        let mut frees = self.list.iter().filter(free);
        let lowest = frees.next()?.no;
        Some(wanted.filter(|no| self.list.iter().filter(free).any(|seat| seat.no == *no)).unwrap_or(lowest))
    }
}
