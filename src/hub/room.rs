//! A room's state: the composition of its parts. It changes only in `apply.rs`.
use super::{
    asks::Asks,
    cursor::Cursor,
    dedup::Dedup,
    id::{CommitId, RoleId, RoomId, UserId},
    mode::{Flags, Mode, Status},
    queue::{MicQueue, Undo},
    roles,
    rules::Rules,
    seats::{Seat, Seats},
    talk::Talk,
    time::{Millis, UnixMs},
    turns::{Turn, Turns},
};
use std::{collections::BTreeMap, sync::Arc};

/// A role given to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The role; `None` = a person took it away, which outlives older tokens.
    pub role: Option<RoleId>,
    /// When a person (not a token) said so.
    pub by_person_at: Option<UnixMs>,
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
    /// When promotion begins: after the grace of the last change to mode `queue`.
    pub promotion_from: UnixMs,
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
    /// The turns that have not ended.
    pub turns: Turns,
    /// Applications and invitations.
    pub asks: Asks,
    /// Roles other than the default. The owner's is in `owner` alone.
    pub roles: BTreeMap<UserId, Grant>,
    /// Who may not enter, and until when.
    pub bans: BTreeMap<UserId, Option<UnixMs>>,
    /// Who may not queue, and until when.
    pub queue_bans: BTreeMap<UserId, UnixMs>,
    /// Who must wait before joining again, and until when.
    pub cooldowns: BTreeMap<UserId, UnixMs>,
    /// Who may say what.
    pub talk: Talk,
    /// What can be restored, oldest first.
    pub undo: Vec<Undo>,
    /// First outcomes of recent commands.
    pub dedup: Dedup,
}

impl Room {
    /// Creates a room at rev 0. Its state follows from these arguments alone; there is no event for it.
    #[must_use]
    pub fn create(id: RoomId, owner: UserId, rules: Arc<Rules>, commit: CommitId, now: UnixMs) -> Self {
        Self {
            id,
            head: Cursor { rev: 0, commit },
            last_event: now,
            status: Status::Open,
            owner,
            mode: rules.queue_mode,
            mode_changed_at: None,
            promotion_from: UnixMs(0),
            flags: Flags { queue_open: true, floor_controlled: false, mute_all: false },
            rules_rev: 0,
            seats: Seats::new(&rules),
            rules,
            queue: MicQueue::default(),
            turns: Turns::default(),
            asks: Asks::default(),
            roles: BTreeMap::new(),
            bans: BTreeMap::new(),
            queue_bans: BTreeMap::new(),
            cooldowns: BTreeMap::new(),
            talk: Talk::default(),
            undo: Vec::new(),
            dedup: Dedup::default(),
        }
    }

    /// Tells whether `user` is in the queue or on a seat.
    #[must_use]
    pub fn is_placed(&self, user: &UserId) -> bool {
        self.seats.of(user).is_some() || self.queue.entry(user).is_some()
    }

    /// Returns until when the place of `user` is held, if he is away.
    #[must_use]
    pub fn held_until(&self, user: &UserId) -> Option<UnixMs> {
        match self.seats.of(user).and_then(|seat| seat.occupant.as_ref()) {
            Some(occupant) => occupant.held_until,
            None => self.queue.entry(user)?.held_until,
        }
    }

    /// Returns everybody in queue or on a seat, with the end of his hold if he is away. Seats first, then the queue, in order.
    #[must_use]
    pub fn placed(&self) -> Vec<(UserId, Option<UnixMs>)> {
        let seated = self.seats.list.iter().filter_map(|seat| seat.occupant.as_ref()).map(|o| (o.user.clone(), o.held_until));
        let waiting = self.queue.entries.iter().map(|e| (e.user.clone(), e.held_until));
        seated.chain(waiting).collect()
    }

    /// Tells whether `user` is banned now, and until when (`Some(None)` = for ever).
    #[must_use]
    pub fn ban_of(&self, user: &UserId, now: UnixMs) -> Option<Option<UnixMs>> {
        self.bans.get(user).copied().filter(|until| until.is_none_or(|until| until > now))
    }

    /// Tells until when `user` may not queue, if that lies ahead.
    #[must_use]
    pub fn queue_ban_of(&self, user: &UserId, now: UnixMs) -> Option<UnixMs> {
        self.queue_bans.get(user).copied().filter(|until| *until > now)
    }

    /// Tells whether nobody should hear whoever sits on this seat: muted, or the room has given the floor to others.
    #[must_use]
    pub fn is_silenced(&self, seat: &Seat) -> bool {
        let Some(occupant) = &seat.occupant else { return false };
        let level = self.level_of(&occupant.user);
        seat.admin_muted
            || occupant.self_muted
            || (self.flags.mute_all && level < roles::ADMIN)
            || (self.flags.floor_controlled && self.turns.of(&occupant.user).is_some())
            || (self.mode == Mode::Chair && level < self.rules.chair_min_level)
    }

    /// Returns when the hub must look at this room again: the end of a hold, a turn, an application or an invitation, or of the mode's
    /// grace while somebody could be promoted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let holds = self.seats.list.iter().filter_map(|seat| seat.occupant.as_ref()?.held_until);
        let holds = holds.chain(self.queue.entries.iter().filter_map(|entry| entry.held_until));
        let streams = self.seats.list.iter().filter_map(|seat| seat.occupant.as_ref()?.media_lost_until());
        let grace = Some(self.promotion_from).filter(|from| *from > self.last_event && self.could_promote());
        let turns = self.turns.list.iter().filter_map(Turn::ends_at);
        let applies = self.asks.applies.iter().map(|apply| apply.expires_at);
        let invites = self.asks.invites.iter().map(|invite| invite.expires_at);
        holds.chain(streams).chain(turns).chain(applies).chain(invites).chain(grace).min()
    }

    /// Tells whether a free guest seat and somebody waiting (not held) coexist.
    #[must_use]
    pub fn could_promote(&self) -> bool {
        self.mode == Mode::Queue
            && self.seats.free_guest(None).is_some()
            && self.queue.entries.iter().any(|entry| entry.held_until.is_none())
    }

    /// Returns until when `user`, who leaves now, must wait before he may join again; `None` = leaving begins no cooldown. One that runs is
    /// never shortened.
    #[must_use]
    pub fn cooldown_from(&self, user: &UserId, now: UnixMs, explicit: Option<UnixMs>) -> Option<UnixMs> {
        let by_rule = Some(now.plus(self.rules.rejoin_cooldown)).filter(|_| self.rules.rejoin_cooldown > Millis(0));
        let begun = by_rule.max(explicit)?;
        Some(self.cooldowns.get(user).copied().map_or(begun, |known| known.max(begun)))
    }
}
