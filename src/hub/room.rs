//! A room's state: the composition of its parts. It changes only in `apply.rs`.
use super::{
    cursor::Cursor,
    dedup::Dedup,
    id::{RoleId, RoomId, UserId},
    queue::MicQueue,
    rules::Rules,
    seats::Seats,
    time::UnixMs,
};
use std::{collections::BTreeMap, sync::Arc};

/// Whether a room still takes commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Status {
    Open,
    Closed,
}

/// How people come to the mic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Whoever is allowed takes an empty guest seat.
    Free,
    /// By an approved application or an invitation.
    Apply,
    /// By promotion from the queue.
    Queue,
    /// By assignment; only people of a level speak.
    Chair,
}

/// A switch of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "see Flags")]
pub enum Flag {
    QueueOpen,
    FloorControlled,
    MuteAll,
}

/// The room's switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Off: nobody below admin may join the queue.
    pub queue_open: bool,
    /// On: turn holders are silenced and their clocks stand.
    pub floor_controlled: bool,
    /// On: everybody below admin is silenced.
    pub mute_all: bool,
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

/// Somebody waiting in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who waits.
    pub user: UserId,
    /// The room's own counter at the time of joining; the order among equals.
    pub seq: u64,
    /// Priority, frozen at insert.
    pub eff_priority: i64,
    /// Counts as above every number.
    pub skip_queue: bool,
    /// The seat he would like.
    pub want_seat: Option<u32>,
    /// Up to 200 bytes for people to read.
    pub note: Option<String>,
    /// Away, and his place is kept until then.
    pub held_until: Option<UnixMs>,
    /// Placed by a person: no rule overtakes him.
    pub pinned: bool,
    /// How often a rule put somebody in front of him.
    pub jumped_by: u32,
    /// When he joined.
    pub joined_at: UnixMs,
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
}

/// A seat kept for somebody invited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Reservation {
    pub user: UserId,
    pub invite_id: String,
    pub until: UnixMs,
}

/// A role given to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The role; `None` = a person took it away, which outlives older tokens.
    pub role: Option<RoleId>,
    /// When a person (not a token) said so.
    pub by_person_at: Option<UnixMs>,
}

/// What `queue_clear` put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Undo {
    pub undo_id: String,
    pub at: UnixMs,
    pub entries: Vec<Entry>,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its name.
    pub id: RoomId,
    /// The position of this state in the log.
    pub head: Cursor,
    /// The time of the newest event; no later event is earlier.
    pub last_event: UnixMs,
    /// Open or closed.
    pub status: Status,
    /// Who owns it.
    pub owner: UserId,
    /// How people come to the mic.
    pub mode: Mode,
    /// When the mode last changed.
    pub mode_changed_at: Option<UnixMs>,
    /// The room's switches.
    pub flags: Flags,
    /// Counts the changes of `rules`.
    pub rules_rev: u64,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// The seats, in order of their numbers.
    pub seats: Seats,
    /// The queue.
    pub queue: MicQueue,
    /// Roles other than the default. The owner's is in `owner` alone.
    pub roles: BTreeMap<UserId, Grant>,
    /// Who may not enter, and until when.
    pub bans: BTreeMap<UserId, Option<UnixMs>>,
    /// Who may not queue, and until when.
    pub queue_bans: BTreeMap<UserId, UnixMs>,
    /// Who must wait before joining again, and until when.
    pub cooldowns: BTreeMap<UserId, UnixMs>,
    /// What can be restored, oldest first.
    pub undo: Vec<Undo>,
    /// First outcomes of recent commands.
    pub dedup: Dedup,
}
