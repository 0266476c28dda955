//! The hub's own commands: lines lost and back, people gone, holds over. Each looks again before it acts; what is no longer true is dropped.
use super::{Ctx, Done, Draft, Members, Outcome};
use crate::hub::{
    actor::Actor,
    command::{Command, Request},
    event::Event,
    id::UserId,
    reasons::{QueueLeftReason, SeatLeftReason},
    seats::{Media, Occupant},
    time::{Millis, UnixMs},
};

/// The least hold from a load on: everybody gets the time to come back.
const LOAD_HOLD: Millis = Millis::from_seconds(60);
/// For how long after a load nobody overtakes somebody held.
const LOAD_GRACE: Millis = Millis::from_seconds(10);

impl Draft {
    /// Issues the hub's own commands whose deadline has passed.
    pub fn due(&mut self, members: &dyn Members) {
        for command in self.overdue() {
            self.by_hub(command, members);
        }
        if self.room.could_promote() && self.now >= self.room.promotion_from {
            self.by_hub(Command::Promote, members);
        }
    }

    /// Returns a command for each deadline that has passed, in the order of the deadlines. Each looks again before it acts.
    fn overdue(&self) -> Vec<Command> {
        let held = |(user, held_until): (UserId, Option<UnixMs>)| {
            held_until.map(|held_until| (held_until, Command::HoldExpired { user, held_until }))
        };
        let holds = self.room.placed().into_iter().filter_map(held);
        let occupants = self.room.seats.list.iter().filter_map(|seat| seat.occupant.as_ref());
        let streams = occupants.filter_map(|occupant| {
            let lost_until = occupant.media_lost_until()?;
            Some((lost_until, Command::StreamOver { user: occupant.user.clone(), lost_until }))
        });
        let turns = self.room.turns.list.iter();
        let turns = turns.filter_map(|turn| Some((turn.ends_at()?, Command::TurnOver { turn_id: turn.turn_id.clone() })));
        let applies = self.room.asks.applies.iter();
        let applies = applies.map(|apply| (apply.expires_at, Command::ApplyOver { apply_id: apply.apply_id.clone() }));
        let invites = self.room.asks.invites.iter();
        let invites = invites.map(|invite| (invite.expires_at, Command::InviteOver { invite_id: invite.invite_id.clone() }));
        let all = holds.chain(streams).chain(turns).chain(applies).chain(invites);
        let mut due: Vec<(UnixMs, Command)> = all.filter(|(at, _)| *at <= self.now).collect();
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, command)| command).collect()
    }

    /// Compares who is placed with who is live: whoever is held and live returns, whoever is placed and not live is lost.
    pub fn level(&mut self, members: &dyn Members) {
        for (user, held) in self.room.placed() {
            match (held.is_some(), members.is_live(&user)) {
                (true, true) => self.by_hub(Command::Returned { user }, members),
                (false, false) => {
                    let hold_at_least = members.hold_at_least(&user);
                    self.by_hub(Command::Lost { user, hold_at_least }, members);
                }
                _ => {}
            }
        }
    }

    /// The first batch after a load: nobody is live yet. Every place is held for long enough that its person can come back; `handover` is
    /// the least hold of somebody who was not held, also where the rules say 0: the hub itself ended his line.
    pub fn after_load(&mut self, members: &dyn Members, handover: Millis) {
        self.no_promotion_before = self.now.plus(LOAD_GRACE);
        for (user, held) in self.room.placed() {
            let hold_at_least = if held.is_some() { LOAD_HOLD } else { handover };
            self.by_hub(Command::Lost { user, hold_at_least }, members);
        }
    }

    fn by_hub(&mut self, command: Command, members: &dyn Members) {
        let request = Request { actor: Actor::Hub, op_id: None, if_rev: None, command };
        let refused = self.decide(&request, members).is_err();
        debug_assert!(!refused, "the hub is never refused: {request:?}");
    }

    /// A line is gone: the place is held. Somebody held already gets a longer hold if the floor asks for it (after a load).
    pub(super) fn lost(&mut self, ctx: &Ctx, user: &UserId, hold_at_least: Millis) -> Outcome {
        if ctx.members.is_live(user) {
            return Ok(Done::Noop);
        }
        let seat = self.room.seats.of(user).map(|seat| seat.no);
        let rule = if seat.is_some() { self.room.rules.hold_seat } else { self.room.rules.hold_queue };
        let held = self.room.held_until(user);
        let hold = if held.is_some() { hold_at_least.min(rule) } else { hold_at_least.max(rule) };
        let held_until = self.now.plus(hold);
        if !self.room.is_placed(user) || held.is_some_and(|held| held >= held_until) {
            return Ok(Done::Noop);
        }
        if hold == Millis(0) {
            self.clear_place(user, QueueLeftReason::HoldExpired, SeatLeftReason::HoldExpired);
            return Ok(Done::Own(0));
        }
        let user = user.clone();
        self.own(match seat {
            Some(seat_no) => Event::SeatHeld { seat_no, user, held_until },
            None => Event::QueueHeld { user, held_until },
        })
    }

    pub(super) fn returned(&mut self, ctx: &Ctx, user: &UserId) -> Outcome {
        if self.room.held_until(user).is_none() || !ctx.members.is_live(user) {
            return Ok(Done::Noop);
        }
        let seat = self.room.seats.of(user).map(|seat| seat.no);
        let user = user.clone();
        self.own(match seat {
            Some(seat_no) => Event::SeatReturned { seat_no, user },
            None => Event::QueueReturned { user },
        })
    }

    pub(super) fn left(&mut self, user: &UserId) -> Outcome {
        self.clear_place(user, QueueLeftReason::Left, SeatLeftReason::Left);
        Ok(self.first())
    }

    /// Somebody on a seat is on air: again, or for the first time.
    pub(super) fn stream_started(&mut self, user: &UserId) -> Outcome {
        let seat = self.room.seats.of(user);
        match seat.filter(|seat| seat.occupant.as_ref().is_some_and(|occupant| occupant.media != Media::Publishing)) {
            Some(seat) => self.own(media_event(seat.no, Media::Publishing)),
            None => Ok(Done::Noop),
        }
    }

    /// Somebody's newest media stream stopped: without a newer one he leaves his seat after the grace that the rules give.
    /// Whoever sat down after the stream stopped is not meant.
    pub(super) fn stream_stopped(&mut self, user: &UserId, stopped_at: UnixMs) -> Outcome {
        let Some(seat) = self.room.seats.of(user) else { return Ok(Done::Noop) };
        let seat_no = seat.no;
        let meant = |occupant: &Occupant| occupant.since <= stopped_at && occupant.media_lost_until().is_none();
        if !seat.occupant.as_ref().is_some_and(meant) {
            return Ok(Done::Noop);
        }
        let until = stopped_at.plus(self.room.rules.stream_stop_grace);
        if self.now < until {
            return self.own(media_event(seat_no, Media::Lost { until }));
        }
        self.unseat(seat_no, user, SeatLeftReason::StreamStopped, None);
        Ok(self.first())
    }

    /// The end of that grace, if no newer stream has come.
    pub(super) fn stream_over(&mut self, user: &UserId, lost_until: UnixMs) -> Outcome {
        let seat = self.room.seats.of(user);
        let lost = |occupant: &Occupant| occupant.media == Media::Lost { until: lost_until };
        if let Some(seat_no) = seat.filter(|seat| seat.occupant.as_ref().is_some_and(lost)).map(|seat| seat.no) {
            self.unseat(seat_no, user, SeatLeftReason::StreamStopped, None);
        }
        Ok(self.first())
    }

    /// The end of a hold. Whoever is live by now has returned instead.
    pub(super) fn hold_expired(&mut self, ctx: &Ctx, user: &UserId, held_until: UnixMs) -> Outcome {
        if self.room.held_until(user) != Some(held_until) {
            return Ok(Done::Noop);
        }
        if ctx.members.is_live(user) {
            return self.returned(ctx, user);
        }
        self.clear_place(user, QueueLeftReason::HoldExpired, SeatLeftReason::HoldExpired);
        Ok(Done::Own(0))
    }
}

const fn media_event(seat_no: u32, media: Media) -> Event {
    Event::SeatUpdated { seat_no, locked: None, admin_muted: None, self_muted: None, extra: None, media: Some(media) }
}
