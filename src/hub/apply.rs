//! Event → state: the only code that changes a room, the same way on every node and at every replay.
use super::{
    actor::Actor,
    asks::{Apply, Invite},
    dedup::Outcome,
    event::{Answer, Commit, Event, Op, Step},
    id::{CommitId, RoleId, UserId},
    mode::{Mode, Status},
    queue::{Entry, Undo},
    reasons::{QueueLeftReason, SeatLeftReason},
    room::{Grant, Room},
    seats::{Media, Occupant, Reservation, Via},
    time::{Millis, UnixMs},
    turns::Turn,
};

/// How many undo snapshots a room keeps.
pub const MAX_UNDO: usize = 3;
/// How long an undo snapshot is kept.
pub const UNDO_MEMORY: Millis = Millis::from_seconds(24 * 3600);
/// At every how many revs a room forgets what has expired.
const FORGET_EVERY_REVS: u64 = 64;

/// The commit does not continue this room's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the commit does not follow the room's head")]
pub struct BrokenChain;

impl Room {
    /// Applies a commit: all its steps, then the new head. Errors: [`BrokenChain`] if it builds on another position; nothing has changed then.
    pub fn apply(&mut self, commit: &Commit) -> Result<(), BrokenChain> {
        let revs = self.head.rev + 1..=commit.cursor.rev;
        if commit.prev != self.head || !revs.eq(commit.steps.iter().map(|step| step.rev)) {
            return Err(BrokenChain);
        }
        for step in &commit.steps {
            for event in &step.events {
                self.apply_event(event, step.rev, &step.by, commit.at);
            }
            self.finish_step(step, commit.cursor.commit, commit.at);
        }
        Ok(())
    }

    /// Moves the head behind a step whose events are applied, and remembers its outcome.
    pub(super) fn finish_step(&mut self, step: &Step, commit: CommitId, at: UnixMs) {
        self.head.rev = step.rev;
        self.head.commit = commit;
        self.last_event = at;
        self.remember(step, at);
        self.queue.forget(step.rev);
        if step.rev.is_multiple_of(FORGET_EVERY_REVS) {
            self.dedup.expire(at);
            self.asks.expire(at);
            self.undo.retain(|undo| at.since(undo.at) <= UNDO_MEMORY);
            self.cooldowns.retain(|_, until| *until > at);
            self.queue_bans.retain(|_, until| *until > at);
            self.talk.mutes.retain(|_, until| until.is_none_or(|until| until > at));
            self.bans.retain(|_, until| until.is_none_or(|until| until > at));
        }
    }

    /// Remembers the outcome of a step that ends its command.
    pub(super) fn remember(&mut self, step: &Step, at: UnixMs) {
        let op = step.op.as_ref().filter(|op| op.answer != Answer::Later);
        if let (Some(Op { id, fingerprint, answer }), Some(event)) = (op, step.events.get(step.own)) {
            let (op_id, event, answer) = (id.clone(), event.clone(), answer.clone());
            self.dedup.remember(&step.by, Outcome { op_id, fingerprint: *fingerprint, rev: step.rev, event, answer, at });
        }
    }

    /// Applies one event of the step of `by` that makes `rev`.
    pub(super) fn apply_event(&mut self, event: &Event, rev: u64, by: &Actor, at: UnixMs) {
        match event {
            Event::QueueJoined { user, index, eff_priority, skip_queue, seq, pinned, want_seat, note, why: _ } => {
                let entry = Entry {
                    user: user.clone(),
                    seq: *seq,
                    eff_priority: *eff_priority,
                    skip_queue: *skip_queue,
                    want_seat: *want_seat,
                    note: note.clone(),
                    held_until: None,
                    pinned: *pinned,
                    jumped_by: 0,
                    joined_at: at,
                };
                self.queue.last_seq = *seq;
                if *pinned { self.queue.insert_at(*index, entry) } else { self.queue.insert_by_rule(*index, entry) }
            }
            Event::QueueLeft { user, reason, note: _ } => {
                self.queue.remove(user, rev);
                if !matches!(reason, QueueLeftReason::Promoted | QueueLeftReason::Seated) {
                    self.cool_down(user, at, None);
                }
            }
            Event::QueueMoved { from, to, .. } => self.queue.shift(*from, *to),
            Event::QueueReordered { order, resort, jumped_by } => self.reorder(order, *resort, jumped_by),
            Event::QueueCleared { undo_id, .. } => {
                let entries = self.queue.clear(rev);
                self.undo.push(Undo { undo_id: undo_id.clone(), at, entries });
                if self.undo.len() > MAX_UNDO {
                    self.undo.remove(0);
                }
            }
            Event::QueueRestored { undo_id, order, entries } => {
                self.undo.retain(|undo| undo.undo_id != *undo_id);
                self.queue.last_seq = entries.iter().map(|entry| entry.seq).max().unwrap_or(self.queue.last_seq);
                self.queue.entries.extend(entries.iter().cloned());
                self.arrange(order);
            }
            Event::QueueHeld { user, held_until } => self.hold_entry(user, Some(*held_until)),
            Event::QueueReturned { user } => self.hold_entry(user, None),
            Event::QueueOnDeck { .. } => {}
            Event::SeatTaken { seat_no, user, via } => {
                let occupant = Occupant {
                    user: user.clone(),
                    since: at,
                    via: *via,
                    self_muted: false,
                    held_until: None,
                    grant: rev,
                    media: Media::None,
                };
                if let Some(seat) = self.seats.seat_mut(*seat_no) {
                    seat.occupant = Some(occupant);
                }
            }
            Event::SeatLeft { seat_no, user, reason, cooldown_until } => {
                if let Some(seat) = self.seats.seat_mut(*seat_no) {
                    seat.occupant = None;
                    seat.admin_muted = false;
                }
                self.seats.sweep();
                if !matches!(reason, SeatLeftReason::Replaced | SeatLeftReason::TurnEnded) {
                    self.cool_down(user, at, *cooldown_until);
                }
            }
            Event::SeatMoved { user, from: _, to } => {
                self.move_seat(user, *to);
                self.seats.sweep();
                self.seat_turns();
            }
            Event::SeatUpdated { seat_no, locked, admin_muted, self_muted, extra, media } => {
                let Some(seat) = self.seats.seat_mut(*seat_no) else { return };
                seat.locked = locked.unwrap_or(seat.locked);
                seat.admin_muted = admin_muted.unwrap_or(seat.admin_muted);
                if let (Some(muted), Some(occupant)) = (self_muted, seat.occupant.as_mut()) {
                    occupant.self_muted = *muted;
                }
                if let (Some(media), Some(occupant)) = (media, seat.occupant.as_mut()) {
                    occupant.media = *media;
                }
                if let Some((text, extra_rev)) = extra {
                    seat.extra.clone_from(text);
                    seat.extra_rev = *extra_rev;
                }
            }
            Event::SeatHeld { user, held_until, .. } => self.hold_occupant(user, Some(*held_until)),
            Event::SeatReturned { user, .. } => self.hold_occupant(user, None),
            Event::ApplySubmitted { apply_id, user, want_seat, seq, expires_at } => {
                let (apply_id, user, expires_at) = (apply_id.clone(), user.clone(), *expires_at);
                self.queue.last_seq = *seq;
                self.asks.applies.push(Apply { apply_id, user, want_seat: *want_seat, seq: *seq, expires_at });
            }
            Event::ApplyEnded { apply_id, user, outcome } => self.asks.end_apply(apply_id, user, *outcome, by, at),
            Event::InviteSent { invite_id, user, seat_no, expires_at } => {
                let (invite_id, user, by) = (invite_id.clone(), user.clone(), by.clone());
                if let Some(seat) = self.seats.seat_mut(*seat_no) {
                    let (user, invite_id) = (user.clone(), invite_id.clone());
                    seat.reserved_for = Some(Reservation { user, invite_id, until: *expires_at });
                }
                self.asks.invites.push(Invite { invite_id, user, by, seat_no: *seat_no, expires_at: *expires_at });
            }
            Event::InviteEnded { invite_id, user, seat_no, outcome } => {
                self.asks.end_invite(invite_id, user, *outcome, by, at);
                if let Some(seat) = self.seats.seat_mut(*seat_no) {
                    seat.reserved_for.take_if(|kept| kept.invite_id == *invite_id);
                }
                self.seats.sweep();
            }
            Event::TurnStarted { turn_id, user, seat_no, clock, paused_by } => self.turns.list.push(Turn {
                turn_id: turn_id.clone(),
                user: user.clone(),
                seat_no: *seat_no,
                started_at: at,
                clock: *clock,
                paused_by: *paused_by,
                length: clock.left(at).unwrap_or_default(),
                extended: 0,
            }),
            Event::TurnUpdated { turn_id, clock, paused_by, extended } => {
                if let Some(turn) = self.turns.list.iter_mut().find(|turn| turn.turn_id == *turn_id) {
                    (turn.clock, turn.paused_by, turn.extended) = (*clock, *paused_by, *extended);
                }
            }
            Event::TurnEnded { turn_id, .. } => self.turns.list.retain(|turn| turn.turn_id != *turn_id),
            Event::ModeChanged { mode, .. } => {
                self.mode = *mode;
                self.mode_changed_at = Some(at);
                self.promotion_from = if *mode == Mode::Queue { at.plus(self.rules.mode_grace) } else { UnixMs(0) };
            }
            Event::FlagsChanged { flags } => self.flags = *flags,
            Event::RulesChanged { rules_rev, rules } => {
                self.rules_rev = *rules_rev;
                self.rules = rules.clone();
                self.seats.fit(rules);
            }
            Event::RoleChanged { user, role, by_token, .. } => self.change_role(user, role.as_ref(), *by_token, at),
            Event::MemberKicked { .. } => {}
            Event::MemberBanned { user, until, .. } => {
                self.bans.insert(user.clone(), *until);
            }
            Event::MemberUnbanned { user } => {
                self.bans.remove(user);
            }
            Event::QueueBanned { user, until } => {
                if *until > at {
                    self.queue_bans.insert(user.clone(), *until);
                } else {
                    self.queue_bans.remove(user);
                }
            }
            Event::RoomClosed { .. } => self.status = Status::Closed,
            Event::TalkChanged { slow_mode, levels } => (self.talk.slow_mode, self.talk.levels) = (*slow_mode, *levels),
            Event::TalkMuted { user, until } => {
                if until.is_none_or(|until| until > at) {
                    self.talk.mutes.insert(user.clone(), *until);
                } else {
                    self.talk.mutes.remove(user);
                }
            }
        }
    }

    fn cool_down(&mut self, user: &UserId, at: UnixMs, explicit: Option<UnixMs>) {
        if let Some(until) = self.cooldown_from(user, at, explicit) {
            self.cooldowns.insert(user.clone(), until);
        }
    }

    fn reorder(&mut self, order: &[UserId], resort: bool, jumped_by: &[(UserId, u32)]) {
        let before = self.queue.order();
        self.arrange(order);
        for (entry, before) in self.queue.entries.iter_mut().zip(&before) {
            if resort {
                entry.pinned = false;
                entry.jumped_by = jumped_by.iter().find(|(user, _)| *user == entry.user).map_or(0, |(_, times)| *times);
            } else if entry.user != *before {
                entry.pinned = true;
            }
        }
    }

    /// Puts the entries into this order. Cost: O(n log n).
    fn arrange(&mut self, order: &[UserId]) {
        let rank: std::collections::BTreeMap<&UserId, usize> =
            order.iter().enumerate().map(|(rank, user)| (user, rank)).collect();
        self.queue.entries.sort_by_key(|entry| rank.get(&entry.user).copied().unwrap_or(usize::MAX));
    }

    fn hold_entry(&mut self, user: &UserId, held_until: Option<UnixMs>) {
        if let Some(entry) = self.queue.entries.iter_mut().find(|entry| entry.user == *user) {
            entry.held_until = held_until;
        }
    }

    fn hold_occupant(&mut self, user: &UserId, held_until: Option<UnixMs>) {
        if let Some(occupant) = self.seats.occupant_mut(user) {
            occupant.held_until = held_until;
        }
    }

    /// Moves a person with his mute. Whoever sits at the goal changes places with him; the second event of a swap then finds it done.
    fn move_seat(&mut self, user: &UserId, to: u32) {
        let find = |room: &Self, no: u32| room.seats.list.iter().position(|seat| seat.no == no);
        let Some(from) = self.seats.of(user).map(|seat| seat.no).filter(|from| *from != to) else { return };
        let (Some(from), Some(to)) = (find(self, from), find(self, to)) else { return };
        let mut mover = self.seats.list.get_mut(from).map(|seat| (seat.occupant.take(), std::mem::take(&mut seat.admin_muted)));
        if let Some((Some(occupant), _)) = mover.as_mut() {
            occupant.via = Via::Move;
        }
        if let (Some(seat), Some((occupant, muted))) = (self.seats.list.get_mut(to), mover.as_mut()) {
            std::mem::swap(&mut seat.occupant, occupant);
            std::mem::swap(&mut seat.admin_muted, muted);
        }
        if let (Some(seat), Some((Some(mut other), muted))) = (self.seats.list.get_mut(from), mover) {
            other.via = Via::Move;
            seat.occupant = Some(other);
            seat.admin_muted = muted;
        }
    }

    /// Turns follow their people.
    fn seat_turns(&mut self) {
        for turn in &mut self.turns.list {
            if let Some(seat) = self.seats.of(&turn.user) {
                turn.seat_no = seat.no;
            }
        }
    }

    fn change_role(&mut self, user: &UserId, role: Option<&RoleId>, by_token: bool, at: UnixMs) {
        if role.is_some_and(|role| role.as_str() == "owner") {
            self.owner = user.clone();
            self.roles.remove(user);
            return;
        }
        let by_person_at = if by_token { self.roles.get(user).and_then(|grant| grant.by_person_at) } else { Some(at) };
        self.roles.insert(user.clone(), Grant { role: role.cloned(), by_person_at });
    }
}
