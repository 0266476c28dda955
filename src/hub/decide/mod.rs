//! Requests → events, or a reason to refuse: the fixed order of checks, and the draft in which a batch sees its own effects.
//!
//! A command is checked first and takes effect afterwards: no refusal follows an event, so a refused command leaves the draft as it was.
mod ask;
mod batch;
mod explain;
mod hub;
mod mode;
mod outcome;
mod people;
mod promote;
mod queue;
mod rules;
mod seat;
mod talk;
mod turn;

pub use outcome::{Decision, Explained};

use super::{
    actor::Actor,
    code::{Code, Reject},
    command::{Command, IfRev, Request},
    cursor::Cursor,
    dedup::fingerprint,
    event::{Answer, Commit, Event, Op, Step},
    id::{CommitId, UserId},
    mode::Status,
    room::Room,
    time::{Millis, UnixMs},
};

/// Who is in the room, as far as the decision needs it.
pub trait Members {
    /// Tells whether some session of `user`, not lost, is in the room.
    fn is_live(&self, user: &UserId) -> bool;

    /// Returns the least hold of somebody whose line the hub itself has ended.
    fn hold_at_least(&self, _user: &UserId) -> Millis {
        Millis(0)
    }
}

/// A room one or several commands ahead of what the store has accepted.
#[derive(Clone, Debug)]
pub struct Draft {
    room: Room,
    prev: Cursor,
    commit: CommitId,
    now: UnixMs,
    no_promotion_before: UnixMs,
    /// Who is acting.
    by: Actor,
    /// Whether a guest seat was free before the command.
    had_free_seat: bool,
    /// How many ids the commit has given out.
    ids: usize,
    steps: Vec<Step>,
    events: Vec<Event>,
}

/// Who acts, for the length of one command.
struct Ctx<'a> {
    actor: &'a Actor,
    members: &'a dyn Members,
    level: u32,
}

/// What a command found out before anything changed: go on, or nothing to do.
enum Done {
    /// The index of the own event among the command's events.
    Own(usize),
    /// As `Own`, with a line per target.
    Each(usize, Vec<(UserId, Option<Code>)>),
    Noop,
    /// As `Noop`: it was done by this one already.
    By(Actor),
}

type Outcome = Result<Done, Reject>;

impl Ctx<'_> {
    const fn me(&self) -> Option<&UserId> {
        match self.actor {
            Actor::User(user) => Some(user),
            Actor::Service | Actor::Hub => None,
        }
    }
}

impl Draft {
    /// Starts from a room as the store has it.
    #[must_use]
    pub fn new(room: &Room) -> Self {
        Self {
            room: room.clone(),
            prev: room.head,
            commit: room.head.commit,
            now: room.last_event,
            no_promotion_before: UnixMs(0),
            by: Actor::Hub,
            had_free_seat: false,
            ids: 0,
            steps: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Begins a batch under a new commit id, at a time that never runs backwards.
    pub fn begin(&mut self, commit: CommitId, now: UnixMs) {
        self.prev = self.room.head;
        self.commit = commit;
        self.ids = 0;
        self.now = now.max(self.room.last_event);
    }

    /// Keeps everybody from being promoted before this time, unless nobody is held: after a load, people are still coming back.
    pub const fn hold_promotion(&mut self, until: UnixMs) {
        self.no_promotion_before = until;
    }

    /// Returns the room as it would be.
    #[must_use]
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// Returns what the batch has done so far.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Tells whether the request's `op_id` is remembered: its outcome is settled, whatever else is true by now.
    #[must_use]
    pub fn is_known(&self, request: &Request) -> bool {
        request.op_id.as_ref().is_some_and(|op_id| self.room.dedup.find(&request.actor, op_id, self.now).is_some())
    }

    /// Returns when the hub must come back although nobody asks.
    #[must_use]
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let grace = Some(self.no_promotion_before).filter(|from| *from > self.now && self.room.could_promote());
        self.room.next_deadline().into_iter().chain(grace).min()
    }

    /// Ends the batch. `None`: nothing has changed. If the store refuses the commit, make a new draft.
    pub fn finish(&mut self) -> Option<Commit> {
        let steps = std::mem::take(&mut self.steps);
        if steps.is_empty() {
            return None;
        }
        Some(Commit { prev: self.prev, cursor: self.room.head, at: self.now, steps })
    }

    /// Decides one request, in the fixed order of checks. A refusal leaves everything as it was.
    pub fn decide(&mut self, request: &Request, members: &dyn Members) -> Result<Decision, Reject> {
        let Request { actor, op_id, if_rev, command } = request;
        let op = op_id.clone().map(|id| Op { id, fingerprint: fingerprint(command), answer: Answer::Plain });
        if let Some(first) = op.as_ref().and_then(|op| self.room.dedup.find(actor, &op.id, self.now)) {
            if Some(first.fingerprint) != op.as_ref().map(|op| op.fingerprint) {
                return Err(Reject::Argument { path: "/op_id".to_owned(), expected: "a new op_id for another command" });
            }
            return Ok(Decision::again(first));
        }
        self.admit(actor, members)?;
        self.check_rev(*if_rev)?;
        if !self.room.may(actor, command) {
            return Err(Reject::Plain(Code::Forbidden));
        }
        match command {
            Command::Batch { ops, atomic } => self.batch(actor, ops, *atomic, op, if_rev.is_some(), members),
            Command::Explain { command, as_user } => {
                let explained = self.explain(actor, command, as_user.as_ref(), if_rev.is_some(), members)?;
                Ok(Decision::Explained(Box::new(explained)))
            }
            command => self.one(actor, command, op, if_rev.is_some(), members),
        }
    }

    /// Checks what is common to all commands of people: the room is open, and the actor is in it. Returns his level.
    fn admit(&self, actor: &Actor, members: &dyn Members) -> Result<u32, Reject> {
        if self.room.status == Status::Closed && !matches!(actor, Actor::Hub) {
            return Err(Reject::Plain(Code::RoomClosed));
        }
        match actor {
            Actor::User(user) if !self.is_member(user, members) => Err(Reject::Plain(Code::NotMember)),
            Actor::User(user) => Ok(self.room.level_of(user)),
            Actor::Service | Actor::Hub => Ok(u32::MAX),
        }
    }

    /// Decides one command: a step, if it changes anything.
    fn one(
        &mut self,
        actor: &Actor,
        command: &Command,
        op: Option<Op>,
        has_rev: bool,
        members: &dyn Members,
    ) -> Result<Decision, Reject> {
        let level = self.admit(actor, members)?;
        if !self.room.may(actor, command) {
            return Err(Reject::Plain(Code::Forbidden));
        }
        let on_deck = self.on_deck();
        self.by = actor.clone();
        self.had_free_seat = self.room.seats.free_guest(None).is_some();
        let done = self.run(&Ctx { actor, members, level }, command, has_rev)?;
        let noop = |by| Ok(Decision::Noop { rev: self.room.head.rev, by });
        let (own, results) = match done {
            Done::Own(own) => (own, Vec::new()),
            Done::Each(own, results) => (own, results),
            Done::Noop => return noop(None),
            Done::By(by) => return noop(Some(by)),
        };
        self.promote_after(members);
        self.announce_on_deck(&on_deck);
        let events = std::mem::take(&mut self.events);
        let Some(event) = events.get(own).cloned() else {
            return Ok(Decision::Noop { rev: self.room.head.rev, by: None });
        };
        let rev = self.room.head.rev + 1;
        let each = |op: Op| if results.is_empty() { op } else { Op { answer: Answer::Each(results.clone()), ..op } };
        let op = op.map(|op| if op.answer == Answer::Plain { each(op) } else { op });
        let step = Step { rev, by: actor.clone(), op, own, events };
        self.room.finish_step(&step, self.commit, self.now);
        self.steps.push(step);
        Ok(Decision::Accepted { rev, event, dup: false, results })
    }

    fn check_rev(&self, if_rev: Option<IfRev>) -> Result<(), Reject> {
        let head = self.room.head;
        let fits = match if_rev {
            None => true,
            Some(IfRev::Rev(rev)) => rev == head.rev,
            Some(IfRev::Cursor(cursor)) => cursor == head,
        };
        if fits { Ok(()) } else { Err(Reject::StaleRev { rev: head.rev }) }
    }

    fn run(&mut self, ctx: &Ctx, command: &Command, has_rev: bool) -> Outcome {
        match command {
            Command::QueueJoin { want_seat, note } => self.queue_join(ctx, *want_seat, note.as_deref()),
            Command::QueueLeave => self.queue_leave(ctx),
            Command::QueueInsert { target, place, respect_rules } => self.queue_insert(ctx, target, place, *respect_rules),
            Command::QueueRemove { targets, reason } => self.queue_remove(ctx, targets, reason.as_deref()),
            Command::QueueMove { target, place, on_missing, force } => self.queue_move(ctx, target, place, *on_missing, *force),
            Command::QueueReorder { users } => self.queue_reorder(ctx, users, has_rev),
            Command::QueueClear => self.queue_clear(),
            Command::QueueRestore { undo_id } => self.queue_restore(ctx, undo_id),
            Command::QueueResort => self.queue_resort(),
            Command::SeatTake { seat_no } => self.seat_take(ctx, *seat_no),
            Command::SeatLeave => self.seat_leave(ctx),
            Command::SeatAssign { target, seat_no, policy, requeue } => {
                self.seat_assign(ctx, target, *seat_no, *policy, *requeue)
            }
            Command::SeatMove { target, seat_no, policy } => self.seat_move(ctx, target.as_ref(), *seat_no, *policy),
            Command::SeatKick { target, requeue, cooldown_seconds } => self.seat_kick(ctx, target, *requeue, *cooldown_seconds),
            Command::SeatLock { seats, on, evict } => self.seat_lock(ctx, seats, *on, *evict),
            Command::SeatMute { seats, on } => self.seat_mute(ctx, seats, *on),
            Command::SeatExtra { seat_no, extra, if_extra_rev } => self.seat_extra(*seat_no, extra, *if_extra_rev),
            Command::ModeSet { mode } => self.mode_set(ctx, *mode),
            Command::FlagSet { flag, on } => self.flag_set(*flag, *on),
            Command::ApplySubmit { want_seat } => self.apply_submit(ctx, *want_seat),
            Command::ApplyCancel { apply_id } => self.apply_cancel(ctx, apply_id),
            Command::ApplyResolve { apply_id, approve, seat_no } => self.apply_resolve(ctx, apply_id, *approve, *seat_no),
            Command::InviteSend { target, seat_no, ttl } => self.invite_send(ctx, target, *seat_no, *ttl),
            Command::InviteReply { invite_id, accept } => self.invite_reply(ctx, invite_id, *accept),
            Command::InviteCancel { invite_id } => self.invite_cancel(ctx, invite_id),
            Command::TurnNext { expect, seat_no } => self.turn_next(ctx, expect.as_deref(), *seat_no),
            Command::TurnExtend { expect, seconds } => self.turn_extend(ctx, expect, *seconds),
            Command::TurnPause { expect } => self.turn_pause(ctx, expect, true),
            Command::TurnResume { expect } => self.turn_pause(ctx, expect, false),
            Command::TurnYield { expect } => self.turn_yield(ctx, expect.as_deref()),
            Command::RulesSet { rules, if_rules_rev } => self.rules_set(rules, *if_rules_rev),
            Command::RoleSet { target, role } => self.role_set(ctx, target, role.as_ref()),
            Command::OwnerTransfer { target } => self.owner_transfer(ctx, target),
            Command::UserKick { target, reason } => self.user_kick(ctx, target, reason.as_deref()),
            Command::UserBan { target, reason, until } => self.user_ban(ctx, target, reason.as_deref(), *until),
            Command::UserUnban { target } => self.user_unban(ctx, target),
            Command::QueueBan { target, until } => self.queue_ban(ctx, target, *until),
            Command::RoomClose { reason } => self.room_close(reason.as_deref()),
            Command::TalkSet { slow_mode, must_level, normal_level, droppable_level } => {
                self.talk_set(*slow_mode, *must_level, *normal_level, *droppable_level)
            }
            Command::TalkMute { target, until } => self.talk_mute(ctx, target, *until),
            // Both have their own way, and do not nest.
            Command::Batch { .. } | Command::Explain { .. } => Err(Reject::Plain(Code::BadArgument)),
            Command::Lost { user, hold_at_least } => self.lost(ctx, user, *hold_at_least),
            Command::Returned { user } => self.returned(ctx, user),
            Command::Left { user } => self.left(user),
            Command::HoldExpired { user, held_until } => self.hold_expired(ctx, user, *held_until),
            Command::TurnOver { turn_id } => self.turn_over(turn_id),
            Command::ApplyOver { apply_id } => self.apply_over(apply_id),
            Command::InviteOver { invite_id } => self.invite_over(invite_id),
            Command::StreamStarted { user } => self.stream_started(user),
            Command::StreamOver { user, lost_until } => self.stream_over(user, *lost_until),
            Command::StreamStopped { user, stopped_at } => self.stream_stopped(user, *stopped_at),
            Command::TokenRole { user, role, issued_at } => self.token_role(user, role, *issued_at),
            Command::Promote => Ok(self.promote_now(ctx)),
        }
    }

    /// Records an event and lets the draft see it at once.
    fn emit(&mut self, event: Event) {
        self.room.apply_event(&event, self.room.head.rev + 1, &self.by, self.now);
        self.events.push(event);
    }

    /// Makes an id that no other history can give to anything else: it names the commit.
    fn new_id(&mut self) -> String {
        let index = self.ids;
        self.ids += 1;
        format!("{:016x}-{index}", self.commit.0)
    }

    /// Ends a command: its own event is the first, if anything has happened.
    const fn first(&self) -> Done {
        if self.events.is_empty() { Done::Noop } else { Done::Own(0) }
    }

    /// Emits the command's own event after whatever had to come first.
    fn own(&mut self, event: Event) -> Outcome {
        self.emit(event);
        Ok(Done::Own(self.events.len() - 1))
    }

    fn is_member(&self, user: &UserId, members: &dyn Members) -> bool {
        members.is_live(user) || self.room.held_until(user).is_some()
    }

    /// On another person one acts only with a level above his.
    fn check_rank(&self, ctx: &Ctx, target: &UserId) -> Result<(), Reject> {
        let other = ctx.me() != Some(target);
        if other && ctx.level <= self.room.level_of(target) { Err(Reject::Plain(Code::TargetRank)) } else { Ok(()) }
    }

    /// Somebody acted upon must be here, not away.
    fn check_here(&self, ctx: &Ctx, target: &UserId) -> Result<(), Reject> {
        let held = self.room.held_until(target).is_some();
        if held || !ctx.members.is_live(target) {
            return Err(Reject::NotMember { user: target.clone(), held });
        }
        Ok(())
    }

    fn on_deck(&self) -> Vec<UserId> {
        self.room.queue.on_deck(self.room.rules.on_deck_size).cloned().collect()
    }
}
